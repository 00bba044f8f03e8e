"""A lock that processes take in turn."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_turn(path: Path, *, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold a lock while the block lasts; it goes with the process that holds it, however that ends.

    Args:
        path: the lock's file, which stays.
        waiting: called before waiting, where another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
