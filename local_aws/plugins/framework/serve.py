"""A plugin's process: serve on a loopback port, print the port, end when the engine does."""

import os
import signal
import sys
import threading
from concurrent import futures
from typing import Final

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from local_aws.plugins import PARENT_VARIABLE

WORKERS: Final = 64
"""Calls at once; the engine sends at most its `--parallel` plus invokes."""
GRACE_SECONDS: Final = 5.0
"""How long calls that are under way may go on when the plugin is told to end."""
_MESSAGE_BYTES: Final = 400 * 1024 * 1024
"""The engine's own limit for one message."""


def serve(servicer: provider_pb2_grpc.ResourceProviderServicer) -> None:
    """Serve until the engine ends this process, or is gone itself."""
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=WORKERS),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # The engine ends its plugins with SIGINT; what is under way is finished, as it may have made something already.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: server.stop(GRACE_SECONDS))
    end_with_parent()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


def end_with_parent() -> None:
    """End this process soon after the one that started it, which may be killed and then tells nobody.

    The scripts of `local_aws.plugins` say which that is: by the time that Python runs, it may be gone already.
    """
    parent = int(os.environ.pop(PARENT_VARIABLE, os.getppid()))
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(1)
    os._exit(0)
