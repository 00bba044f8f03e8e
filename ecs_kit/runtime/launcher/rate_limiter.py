"""A rate limiter: a token bucket."""

from __future__ import annotations

from datetime import datetime

from ecs_kit.runtime.contract.clock import Clock

RUN_TASK_PER_SECOND = 20.0
RUN_TASK_BURST = 20
"""RunTask: 20 calls a second, bursts of 100 for the account; the launcher takes a fifth of the burst.

Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
"""


class RateLimiter:
    """Limits calls a second.

    Args:
        clock: the time.
        per_second: sustained calls a second.
        burst: calls at once after a pause.
    """

    def __init__(self, clock: Clock, per_second: float = RUN_TASK_PER_SECOND, burst: int = RUN_TASK_BURST) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled: datetime = clock.now()

    def wait(self) -> None:
        """Wait until the next call may be made."""
        now = self._clock.now()
        self._tokens = min(self._burst, self._tokens + (now - self._filled).total_seconds() * self._per_second)
        self._filled = now
        if self._tokens < 1:
            self._clock.sleep((1 - self._tokens) / self._per_second)
        self._tokens -= 1
