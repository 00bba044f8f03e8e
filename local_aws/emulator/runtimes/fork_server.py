"""A Python interpreter that is copied for each container, instead of started: `fork(2)` takes milliseconds.

Run as a process of its own. Its standard input is a socket: each message is a request, JSON with `arguments` (after
the interpreter), `environment` and `folder`, and two file descriptors: where the container writes, and where its
process id and its wait status are reported, one a line. It ends, with what it copied, when the socket ends.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REQUEST_BYTES = 1 << 17
PRELOADED_SERVICES = ("dynamodb", "s3", "sqs", "sts")
"""Services whose API models copies need not read again."""

NICENESS = 5
"""Of containers: where processors are scarce, the emulator that they call goes first."""


def is_understood(arguments: Sequence[str]) -> bool:
    """Whether a command line of Python has one of the forms that a copy can run: `-m module …`, `script …`."""
    if not arguments:
        return False
    return len(arguments) > 1 if arguments[0] == "-m" else not arguments[0].startswith("-")


def main() -> None:
    """Serve; in a copy, be the container's program instead."""
    sys.path.remove(str(Path(__file__).parent))
    preload()
    gc.freeze()
    request = serve(socket.socket(fileno=os.dup(0)))
    if request is not None:
        os._exit(run(request))


def preload() -> None:
    """Import the AWS SDK and read what its clients need."""
    with contextlib.suppress(ImportError):
        import boto3
        import botocore.session

        session, used = botocore.session.get_session(), botocore.session.get_session()
        used.register_component("data_loader", session.get_component("data_loader"))
        for service in PRELOADED_SERVICES:
            used.create_client(service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
        # Credentials, region and configuration are those of each copy's own environment: they are read when needed.
        boto3.setup_default_session(botocore_session=session)


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Copy this process for each request; the answer is a copy's request, and None at the end of the socket."""
    wake_up, signalled = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    reports: dict[int, int] = {}
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    poll.register(wake_up, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if wake_up in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake_up, 4096)
            _report_ended(reports)
        if requests.fileno() not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 2)
        if not message:
            for pid in reports:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            return None
        output, report = descriptors
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for inherited in (requests.detach(), wake_up, signalled, report, *reports.values()):
                os.close(inherited)
            os.setsid()
            os.nice(NICENESS)
            _redirect(output)
            request: dict[str, Any] = json.loads(message)
            return request
        os.close(output)
        reports[pid] = report
        os.write(report, b"%d\n" % pid)


def _report_ended(reports: dict[int, int]) -> None:
    while reports:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        report = reports.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(report, b"%d\n" % status)
        os.close(report)


def _redirect(output: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(output)


def run(request: Mapping[str, Any]) -> int:
    """Run a container's program to its end and return its exit status.

    What the interpreter would do after that, taking its modules apart, takes a quarter of a short task's time.
    """
    status = 0
    try:
        become(request)
    except SystemExit as ending:
        if isinstance(ending.code, int):
            status = ending.code & 0xFF
        elif ending.code is not None:
            print(ending.code, file=sys.stderr)
            status = 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()  # type: ignore[attr-defined] # waits for the program's threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return status


def become(request: Mapping[str, Any]) -> None:
    """Run a container's program in this process, as its interpreter would."""
    for number, action in ((signal.SIGCHLD, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        signal.signal(number, action)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if os.environ.get("PYTHONUNBUFFERED"):
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(write_through=True)
    first, *rest = request["arguments"]
    python_path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    if first == "-m":
        module, *rest = rest
        sys.argv = ["-m", *rest]
        sys.path[:0] = [request["folder"], *python_path]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        sys.path[:0] = [str(Path(first).resolve().parent), *python_path]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main()
