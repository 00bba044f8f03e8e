"""A lock between processes."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_POLL_SECONDS = 0.2


@contextmanager
def in_turn(path: Path, *, waiting: Callable[[], object], limit_seconds: float) -> Iterator[bool]:
    """Hold a lock on a file during the block; it is released when the process ends, too.

    `waiting` is called before waiting for another process. Yields whether the lock is held: not if another process has
    held it for longer than the limit.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        deadline = None
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if deadline is None:
                waiting()
                deadline = time.monotonic() + limit_seconds
            if time.monotonic() >= deadline:
                yield False
                return
            time.sleep(_POLL_SECONDS)
        yield True
