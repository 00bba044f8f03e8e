"""SIGTERM from ECS and the time limit, as exceptions.

Both are signals that raise in the main thread. The exceptions derive from BaseException, so that no `except Exception`
of a job or a library catches them.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

REPEAT_SECONDS = 1.0
"""Until an exception is raised again. One that a signal raises is lost where Python ignores exceptions: in a
destructor, in a callback of a weak reference (https://docs.python.org/3/reference/datamodel.html, `object.__del__`)."""


class Terminated(BaseException):
    """ECS stops the task: by StopTask, because the run ended, or because its host or Spot capacity is reclaimed."""


class TimeLimitReached(BaseException):
    """The task reached its time limit or the run's deadline."""


def exit_on_term(exit_code: int) -> None:
    """Exit on SIGTERM, while there is nothing to record yet.

    Without a handler, a container's first process ignores SIGTERM.
    """

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(exit_code)

    signal.signal(signal.SIGTERM, leave)


@contextmanager
def raised(limit_seconds: float) -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and `TimeLimitReached` after the limit, within the block.

    Afterwards SIGTERM is ignored: only the row is left to be written.
    """
    with raised_on_term():
        _raise_repeatedly(TimeLimitReached, max(limit_seconds, 0.001))
        try:
            yield
        finally:
            _stop_alarm()


@contextmanager
def raised_on_term() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM within the block; afterwards ignore it."""
    signal.signal(signal.SIGTERM, _on_term)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _stop_alarm()


def _on_term(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _raise_repeatedly(Terminated, REPEAT_SECONDS)
    raise Terminated


def _raise_repeatedly(error: type[BaseException], after_seconds: float) -> None:
    """Raise an error after a time, and again until it is being handled."""

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        handled = sys.exc_info()[1]
        while handled is not None:
            if isinstance(handled, error):
                return
            handled = handled.__context__
        raise error

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, after_seconds, REPEAT_SECONDS)


def _stop_alarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
