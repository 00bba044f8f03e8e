"""The processes the emulator starts: each a group of its own, each known to the janitor."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_aws.emulator import janitor

logger = logging.getLogger("emulator.children")


class Children:
    """Starts processes that cannot outlive the emulator; the janitor removes its folder once it is gone."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._janitor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(janitor.__file__)), str(folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
            env={},
            cwd="/",
        )

    def start(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        stdin: int = subprocess.DEVNULL,
        stderr: int = subprocess.STDOUT,
    ) -> subprocess.Popen[bytes]:
        """Start a process in a group of its own, with nothing of the emulator's environment; `OSError` if it cannot."""
        process = subprocess.Popen(
            list(arguments),
            env=dict(environment),
            cwd=folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        self.began(process.pid)
        return process

    def began(self, pid: int) -> None:
        """Know a process, which leads a group, that something else started."""
        self._tell(f"+{pid}")

    def ended(self, pid: int) -> None:
        """Forget a process whose group is gone."""
        self._tell(f"-{pid}")

    def _tell(self, line: str) -> None:
        assert self._janitor.stdin is not None
        with self._lock:
            try:
                self._janitor.stdin.write(line + "\n")
                self._janitor.stdin.flush()
            except OSError:
                logger.exception("the janitor is gone: processes may outlive the emulator")


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and everything it started; nothing where all of it ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
