"""A rate limiter: a token bucket."""

from ecs_kit.runtime.contract.clock import Clock

BURST = 10.0
"""Fargate allows an account bursts of 20 calls of RunTask; the launcher takes half of that.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html, 2026-11
"""


class RateLimiter:
    """Limits the calls of RunTask to so many a second."""

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock = clock
        self._per_second = per_second
        self._tokens = BURST
        self._filled = clock.now()

    def wait(self) -> None:
        """Wait until the next call may be made."""
        now = self._clock.now()
        self._tokens = min(BURST, self._tokens + (now - self._filled).total_seconds() * self._per_second)
        self._filled = now
        if self._tokens < 1:
            self._clock.sleep((1 - self._tokens) / self._per_second)
        self._tokens -= 1
