"""A lock that processes take in turn."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_POLL_SECONDS = 0.2


@contextmanager
def in_turn(path: Path, *, waiting: Callable[[], object], limit_seconds: float) -> Iterator[bool]:
    """Hold a lock while the block lasts; it goes with the process that holds it, however that ends.

    Args:
        path: the lock's file, which stays.
        waiting: called before waiting, where another process holds the lock.
        limit_seconds: how long another process is waited for.

    Yields:
        Whether the lock is held; not so where another process held it for longer than the limit.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        began = time.monotonic()
        told = False
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if not told:
                waiting()
                told = True
            if time.monotonic() - began >= limit_seconds:
                yield False
                return
            time.sleep(_POLL_SECONDS)
        yield True
