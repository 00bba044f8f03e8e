"""Bounded polling."""

import time
from collections.abc import Iterator


def looks(limit_seconds: float, poll_seconds: float) -> Iterator[float]:
    """Yield the seconds since the first look, with a pause after each, until the limit has passed.

    A `for` over it ends by itself only at the limit: its `else` handles the timeout.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) <= limit_seconds:
        yield waited
        time.sleep(poll_seconds)
