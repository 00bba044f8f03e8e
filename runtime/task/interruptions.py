"""What ends a job from outside: SIGTERM from ECS, and the time limit.

Both arrive as signals and become exceptions in the main thread. They derive from BaseException, so that no
`except Exception` of a job or a library takes them for one of its own errors.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Terminated(BaseException):
    """ECS stops the task: someone stopped it, the run ended, or its host or Spot capacity goes."""


class TimeLimitReached(BaseException):
    """The task ran as long as it may, or the run's deadline passed."""


def exit_on_term(exit_code: int) -> None:
    """End the process on SIGTERM, while there is nothing to record yet.

    Without a handler the first process of a container does not react to SIGTERM at all.
    """

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(exit_code)

    signal.signal(signal.SIGTERM, leave)


@contextmanager
def raised(limit_seconds: float) -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and `TimeLimitReached` after the limit, for as long as the block lasts.

    Afterwards SIGTERM is ignored: what is left to do is to write the row.

    Args:
        limit_seconds: time the block may take; at least a millisecond is granted.
    """
    signal.signal(signal.SIGTERM, _on_term)
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.setitimer(signal.ITIMER_REAL, max(limit_seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def raised_on_term() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM for as long as the block lasts; afterwards it is ignored."""
    signal.signal(signal.SIGTERM, _on_term)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _on_term(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _on_alarm(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeLimitReached
