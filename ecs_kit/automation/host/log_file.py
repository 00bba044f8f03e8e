"""Logs that never stand in the way of what they tell about."""

import threading
from pathlib import Path


class LogFile:
    """A text file that grows.

    A disk that is full, or a folder that went away, must not keep the driver from destroying what it made: what cannot
    be written is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Append, if that is possible. Several threads may."""
        try:
            with self._lock, self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            return
