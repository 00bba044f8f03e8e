"""A plugin's process: serve on a loopback port, print the port, end with the engine."""

import os
import signal
import threading
from concurrent import futures
from types import FrameType
from typing import Final

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from local_aws.plugins import PARENT_VARIABLE

WORKERS: Final = 64
"""Calls at once; the engine sends at most its `--parallel` plus invokes."""
GRACE_SECONDS: Final = 5.0
"""How long calls in progress may take when the plugin is told to end."""
_MESSAGE_BYTES: Final = 400 * 1024 * 1024
"""The engine's own limit for one message."""


def serve(servicer: provider_pb2_grpc.ResourceProviderServicer) -> None:
    """Serve a provider until the engine ends this process, or has ended itself."""
    server = make_server(WORKERS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)

    # The engine ends its plugins with SIGINT; calls in progress are finished, as they may have created something.
    def stop(_number: int, _frame: FrameType | None) -> None:
        server.stop(GRACE_SECONDS)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    run(server)


def make_server(workers: int) -> grpc.Server:
    """A gRPC server that takes messages as large as the engine's."""
    limits = [(f"grpc.max_{kind}_message_length", _MESSAGE_BYTES) for kind in ("receive", "send")]
    return grpc.server(futures.ThreadPoolExecutor(max_workers=workers), options=limits)


def run(server: grpc.Server) -> None:
    """Start a server on a free loopback port, print the port, and wait until the server has stopped."""
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    end_with_parent()
    print(port, flush=True)
    server.wait_for_termination()


def exit_on_signals() -> None:
    """Exit on the engine's SIGINT and on SIGTERM, in a process that has nothing to finish."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: os._exit(0))


def end_with_parent() -> None:
    """End this process soon after its parent, which may be killed and cannot signal then.

    The scripts of `local_aws.plugins` say which process that is: it may have ended before Python runs.
    """
    parent = int(os.environ.pop(PARENT_VARIABLE, os.getppid()))
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(1)
    os._exit(0)
