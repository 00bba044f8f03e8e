"""Looking again and again until something is so."""

import time
from collections.abc import Iterator


def looks(limit_seconds: float, poll_seconds: float) -> Iterator[float]:
    """One element for each look, with a pause after it, until the limit has passed.

    A `for` over it ends by itself only when time is up: its `else` says what happens then.

    Yields:
        Seconds since the first look.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) <= limit_seconds:
        yield waited
        time.sleep(poll_seconds)
