"""Output whose failure never stops the driver: log files and standard error.

A full disk, a closed terminal or a pipe to `head` must not keep the driver from destroying what it deployed.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO


class LogFile:
    """A text file that several threads may append to. What cannot be written is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Append, if that is possible."""
        with suppress(OSError), self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(text)


class TolerantStream:
    """A text stream with a file descriptor that drops everything after the first write that fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if that is still possible."""
        try:
            self._stream.write(text)
        except OSError:
            self._give_up()
        return len(text)

    def flush(self) -> None:
        """Flush, if that is still possible."""
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self) -> None:
        # The buffer still holds what could not be written and would be flushed again: redirect the descriptor.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def tolerant_stderr() -> Iterator[None]:
    """Within the block, writing to standard error never fails, even where there is none."""
    before = sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stderr = TolerantStream(before if before is not None else nowhere)
        try:
            yield
        finally:
            sys.stderr = before
