"""What Ctrl-C, SIGTERM and SIGHUP do to the driver.

The first signal ends the current operation; the driver then destroys what it deployed. The second one ends the
destroy, too: the driver only says what remains. A third one kills the process.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

LOOK_SECONDS = 0.1
"""The longest wait. Python runs signal handlers between two instructions: a signal just before a wait is handled only
after it."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The first signal: stop the current operation, then clean up."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signal_number).name}")


class InterruptedAgain(Interrupted):
    """The second signal: stop cleaning up."""


class Interruption:
    """Raises signals in the main thread inside of `breakable` blocks, and notes them elsewhere."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._breakable = False
        self._pass_on: Callable[[], None] | None = None
        self._noted = False

    @property
    def exit_status(self) -> int:
        """128 and the signal's number, as a shell reports it: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self._first or signal.SIGINT)

    @contextmanager
    def installed(self) -> Iterator["Interruption"]:
        """Handle the signals within the block. Main thread only, as Python demands."""
        before = {number: signal.signal(number, self.handle) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle(self, signal_number: int, _frame: FrameType | None = None) -> None:
        """The signal handler.

        Raises:
            Interrupted: for the first signal, inside of `breakable` and outside of `passing_on`.
            InterruptedAgain: for the second one, anywhere.
        """
        if self._first is not None:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            raise InterruptedAgain(signal_number)
        self._first = signal_number
        # Noted in any case: Python loses an exception that is raised in a destructor.
        self._noted = True
        if self._breakable and self._pass_on is None:
            raise Interrupted(signal_number)
        if self._breakable and self._pass_on is not None:
            self._pass_on()

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """The first signal may interrupt this block; everywhere else it is noted.

        Raises:
            Interrupted: it came, now or before the block.
        """
        self._breakable = True
        try:
            self.check()
            yield
        except Interrupted:
            self._noted = False
            raise
        finally:
            self._breakable = False

    @contextmanager
    def passing_on(self, pass_on: Callable[[], None]) -> Iterator[None]:
        """Within a breakable block: call `pass_on` for the first signal instead of raising it. `check` raises it later.

        `pass_on` runs in the signal handler and must only do what is safe there.
        """
        self._pass_on = pass_on
        try:
            yield
        finally:
            self._pass_on = None

    def check(self) -> None:
        """Raise a noted first signal as `Interrupted`, once, if this is a breakable block."""
        if self._breakable:
            self.raise_noted()

    def raise_noted(self) -> None:
        """Raise a noted first signal as `Interrupted`, once."""
        if self._noted and self._first is not None:
            self._noted = False
            raise Interrupted(self._first)
