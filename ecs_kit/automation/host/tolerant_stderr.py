"""Standard error that nobody reads any more: a closed terminal, a pipe to `head`, a full disk.

What a driver has begun it brings to its end all the same: what it made would stay otherwise.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO


class TolerantStream:
    """A text stream that takes whatever is written, and drops it from the first write on that cannot be done.

    Args:
        stream: where it goes to, with a descriptor of its own.
    """

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
        # What could not be written is still buffered, and would be tried again: it has to go somewhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def tolerant_stderr() -> Iterator[None]:
    """While the block runs, writing to standard error never fails, even where there is none."""
    before = sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stderr = TolerantStream(before if before is not None else nowhere)
        try:
            yield
        finally:
            sys.stderr = before
