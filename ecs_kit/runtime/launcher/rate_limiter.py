"""A rate limiter: a token bucket."""

from ecs_kit.runtime.contract.clock import Clock

PER_SECOND, BURST = 20.0, 20.0
"""RunTask: 20 calls a second, bursts of 100 for the account; the launcher takes a fifth of the burst.

Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
"""


class RateLimiter:
    """Limits the calls of RunTask."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens = BURST
        self._filled = clock.now()

    def wait(self) -> None:
        """Wait until the next call may be made."""
        now = self._clock.now()
        self._tokens = min(BURST, self._tokens + (now - self._filled).total_seconds() * PER_SECOND)
        self._filled = now
        if self._tokens < 1:
            self._clock.sleep((1 - self._tokens) / PER_SECOND)
        self._tokens -= 1
