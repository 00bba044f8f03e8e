"""Activities that run one at a time, each until its next call of a service, in an order that is chosen step by step.

Real code runs in them: wherever it calls a service or sleeps, the scheduler decides which one runs next. So single
reads and writes interleave, and a crash can come between any two of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.unit.runtime.fakes import START

STEP = timedelta(milliseconds=20)
"""What a call of a service takes."""

MOST_STEPS = 8000
LONGEST_LIFE = timedelta(hours=6)


class Killed(BaseException):
    """The process of an activity is gone."""


class NeverEnds(AssertionError):
    """A run does not end although no fault is injected any more."""


class Choices:
    """Decisions that are read from bytes; zeros decide for the usual.

    When the bytes are used up there are no more faults, and all activities take turns.
    """

    def __init__(self, data: bytes, faults: frozenset[str]) -> None:
        self._data, self._next, self._faults = data, 0, faults
        self.made: dict[str, int] = {}

    @property
    def fair(self) -> bool:
        """Whether all decisions have been made."""
        return self._next >= len(self._data)

    def end(self) -> None:
        self._next = len(self._data)

    def pick(self, number: int) -> int:
        """One of 0, 1, … below a number."""
        return self._byte() % number if number > 1 else 0

    def fault(self, kind: str, percent: int = 12) -> bool:
        """Whether a fault of a kind happens now."""
        if kind not in self._faults or self._byte() < 256 * (100 - percent) // 100:
            return False
        self.made[kind] = self.made.get(kind, 0) + 1
        return True

    def _byte(self) -> int:
        if self.fair:
            return 0
        self._next += 1
        return self._data[self._next - 1]


class Activity:
    """One process, function call or branch: code in a thread of its own, which only runs when it is its turn."""

    def __init__(self, scheduler: Scheduler, name: str, work: Callable[[], Any], may_fail: bool) -> None:
        self.name = name
        self.may_fail = may_fail
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False
        self.ready: Callable[[], bool] = lambda: True
        self.wakes: datetime | None = None
        self.killed = False
        self.signal: BaseException | None = None  # raised at its next step
        self.children: list[Activity] = []  # ended with it
        self._scheduler = scheduler
        self._work = work
        self._turn = threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()

    def kill(self) -> None:
        """End it at once, where it stands."""
        if not self.done:
            self.killed = True
        for child in self.children:
            child.kill()

    def is_runnable(self, now: datetime) -> bool:
        if self.killed or self.signal is not None:
            return True
        return self.ready() or (self.wakes is not None and now >= self.wakes)

    def resume(self) -> None:
        """Let it run until its next call."""
        self._turn.release()
        self._scheduler.back.acquire()

    def wait_for_turn(self) -> None:
        """Called by itself: let others run."""
        self._scheduler.back.release()
        self._turn.acquire()
        self._scheduler.current = self
        self.wakes, self.ready = None, lambda: True
        if self.killed:
            raise Killed
        if self.signal is not None:
            error, self.signal = self.signal, None
            raise error

    def _run(self) -> None:
        self._turn.acquire()
        self._scheduler.current = self
        try:
            if self.killed:
                raise Killed
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001  whoever waits for it gets it
            self.error = error
        self.done = True
        self._scheduler.back.release()


class Scheduler:
    """Decides which activity runs, and what time it is."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.time = START
        self.back = threading.Semaphore(0)
        self.current: Activity | None = None
        self.steps = 0
        self._living: list[Activity] = []

    # --- the clock of the code under test ---------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.until(lambda: False, seconds)

    # --- for activities ---------------------------------------------------------------------------------------------

    def call(self) -> None:
        """A service is called: it takes time, and others may run first."""
        assert self.current is not None
        self.current.wait_for_turn()

    def until(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait for something, or until some time has passed."""
        this = self.current
        assert this is not None
        this.ready = ready
        this.wakes = None if seconds is None else self.time + timedelta(seconds=seconds)
        this.wait_for_turn()

    def spawn(self, name: str, work: Callable[[], Any], after: float = 0, may_fail: bool = False) -> Activity:
        """Start an activity, now or later. What it raises ends everything, unless it may fail."""
        activity = Activity(self, name, work, may_fail)
        if after > 0:
            activity.ready = lambda: False
            activity.wakes = self.time + timedelta(seconds=after)
        self._living.append(activity)
        return activity

    def at(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something later that calls no service."""
        self.spawn("timer", do, after=seconds)

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self, settled: Callable[[], bool], anything: Callable[[], None]) -> None:
        """Run until everything has settled; `anything` may do something from outside, between two steps."""
        try:
            while not settled():
                self._step(anything)
        finally:
            self._end_all()

    def _step(self, anything: Callable[[], None]) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS or self.time - START > LONGEST_LIFE:
            raise NeverEnds(f"after {self.steps} steps, at {self.time}: {[a.name for a in self._living]}")
        anything()
        if self.choices.fault("stall", 3):
            self.time += timedelta(seconds=(2, 11, 45, 310)[self.choices.pick(4)])
        runnable = [activity for activity in self._living if activity.is_runnable(self.time)]
        if not runnable:
            wakes = [activity.wakes for activity in self._living if activity.wakes is not None]
            if not wakes:
                raise NeverEnds(f"nothing can run: {[activity.name for activity in self._living]}")
            self.time = max(self.time, min(wakes))
            return
        self.time += STEP
        activity = runnable[self.choices.pick(len(runnable))]
        # To the end of the queue: the one that has waited longest comes first where nothing else is chosen.
        self._living.remove(activity)
        activity.resume()
        self.current = None
        if not activity.done:
            self._living.append(activity)
        elif activity.error is not None and not isinstance(activity.error, Killed) and not activity.may_fail:
            raise activity.error

    def _end_all(self) -> None:
        while self._living:
            activity = self._living.pop()
            activity.kill()
            while not activity.done:
                activity.resume()
