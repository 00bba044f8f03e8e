"""The `simulated` runtime: as `process`, but a Python program runs in a copy of an interpreter that has the AWS SDK
loaded already. So thousands of short tasks fit a small machine.

The rest is as with `process`, with two differences for Python programs: modules that the interpreter has loaded, such
as boto3, are this interpreter's even where the image has its own; and variables that Python reads only when it starts,
such as `PYTHONHASHSEED`, have no effect. Other programs, and Python with options before the program, are started as
`process` does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from local_aws.emulator.children import Children
from local_aws.emulator.runtimes import fork_server
from local_aws.emulator.runtimes.images import Registry
from local_aws.emulator.runtimes.process import Process, ProcessRuntime


class CopiedProcess:
    """A process that the fork server made, as far as `subprocess.Popen` is used for containers."""

    def __init__(self, pid: int, stdout: IO[bytes], report: IO[bytes]) -> None:
        self.pid = pid
        self.stdout: IO[bytes] | None = stdout
        self._report = report

    def wait(self) -> int:
        """Wait until it ended; where the fork server ended before, it was killed with it."""
        with self._report:
            status = self._report.readline()
        return os.waitstatus_to_exitcode(int(status)) if status else -signal.SIGKILL


class CopyingChildren:
    """Starts programs of Python as copies, and others as `Children` does."""

    def __init__(self, children: Children, folder: Path) -> None:
        self._children = children
        self._lock = threading.Lock()
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            program = [sys.executable, str(Path(fork_server.__file__))]
            self._server = children.start(program, environment={}, folder=folder, stdin=theirs.fileno())

    def start(self, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> Process:
        """Start a process in a group of its own; `OSError` if it cannot."""
        program, *rest = arguments
        if program != sys.executable or not fork_server.is_understood(rest):
            return self._children.start(arguments, environment=environment, folder=folder)
        message = json.dumps({"arguments": rest, "environment": dict(environment), "folder": str(folder)}).encode()
        output, output_end = os.pipe()
        report, report_end = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._requests, [message], [output_end, report_end])
        except OSError:
            os.close(output)
            os.close(report)
            raise
        finally:
            os.close(output_end)
            os.close(report_end)
        reported = os.fdopen(report, "rb")
        pid = reported.readline()
        if not pid:
            os.close(output)
            raise OSError("the fork server has ended")
        process = CopiedProcess(int(pid), os.fdopen(output, "rb"), reported)
        self._children.began(process.pid)
        return process

    def ended(self, pid: int) -> None:
        """Forget a process whose group is gone."""
        self._children.ended(pid)

    def close(self) -> None:
        """End the fork server, with what is left of its copies."""
        self._requests.close()
        self._server.wait()
        self._children.ended(self._server.pid)


class SimulatedRuntime(ProcessRuntime):
    """Runs containers as copies of one interpreter."""

    def __init__(self, folder: Path, registry: Registry, children: Children) -> None:
        self._copying = CopyingChildren(children, folder)
        super().__init__(folder, registry, self._copying)

    def close(self) -> None:
        """Kill what still runs, wait for its end, and end the fork server."""
        super().close()
        self._copying.close()
