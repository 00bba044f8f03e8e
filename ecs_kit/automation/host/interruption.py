"""What Ctrl-C means to the driver.

The first signal ends what is being done, and the driver then destroys what it made. The second one ends that, too;
all that is left to do then is to say what remains. A third one kills the process, as it would any other.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

LOOK_SECONDS = 0.1
"""Python runs signal handlers between two instructions. A signal that comes just before a wait begins is only handled
when the wait is over: no wait may be longer than this."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def wait_for(thread: threading.Thread, until: Callable[[], bool] = lambda: False) -> None:
    """Wait for the end of `thread`, heeding signals meanwhile."""
    while thread.is_alive() and not until():
        thread.join(LOOK_SECONDS)


class Interrupted(BaseException):
    """The first signal: stop what you are doing, then clean up."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number


class InterruptedAgain(Interrupted):
    """The second signal: do not even clean up."""


class Interruption:
    """Turns signals into exceptions of the main thread where that suits, and takes note of them elsewhere.

    Attributes:
        signal_number: the first signal that came, None before that.
        count: how many came.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self.count = 0
        self._breakable = False
        self._pass_on: Callable[[], None] | None = None
        self._noted = False

    @property
    def exit_status(self) -> int:
        """128 and the signal's number, as a shell reports it: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self.signal_number or signal.SIGINT)

    @contextmanager
    def installed(self) -> Iterator["Interruption"]:
        """Handle SIGINT, SIGTERM and SIGHUP here while the block runs. Main thread only, as Python demands."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number in SIGNALS:
            signal.signal(number, self.handle)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle(self, signal_number: int, _frame: FrameType | None = None) -> None:
        """Take one signal.

        Raises:
            Interrupted: for the first signal, inside of `breakable` and outside of `passing_on`.
            InterruptedAgain: for the second, anywhere.
        """
        self.count += 1
        if self.count > 1:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            raise InterruptedAgain(signal_number)
        self.signal_number = signal_number
        if self._breakable and self._pass_on is None:
            raise Interrupted(signal_number)
        self._noted = True
        if self._breakable and self._pass_on is not None:
            self._pass_on()

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """The first signal may break into this block; everywhere else it is noted.

        Raises:
            Interrupted: it came, now or before the block.
        """
        self._breakable = True
        try:
            self.check()
            yield
        finally:
            self._breakable = False

    @contextmanager
    def passing_on(self, pass_on: Callable[[], None]) -> Iterator[None]:
        """Within a breakable block: hand the first signal on instead of raising it. `check` raises it afterwards.

        Args:
            pass_on: called in the signal handler: it must only do what is safe there.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._pass_on = pass_on
        try:
            yield
        finally:
            self._pass_on = None

    def check(self) -> None:
        """Raise the first signal, once, if it was noted and this is a breakable block of the main thread.

        Raises:
            Interrupted: it came.
        """
        if self._breakable and threading.current_thread() is threading.main_thread():
            self.raise_noted()

    def raise_noted(self) -> None:
        """Raise the first signal, once, if it was noted anywhere.

        Raises:
            Interrupted: it came.
        """
        if self._noted and self.signal_number is not None:
            self._noted = False
            raise Interrupted(self.signal_number)
