"""The loop of one call of the launcher: RunTask calls at once, below ECS's rate, while the run is active."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecs_kit.runtime.common.meter import Meter
from ecs_kit.runtime.common.tables import SummaryTable
from ecs_kit.runtime.contract import metrics, waits
from ecs_kit.runtime.contract.attempts import Launch
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.records import TaskRow
from ecs_kit.runtime.contract.statuses import RunStatus
from ecs_kit.runtime.functions.clients import CONNECTIONS
from ecs_kit.runtime.launcher.answers import Answer, Outcome
from ecs_kit.runtime.launcher.launches import Launches
from ecs_kit.runtime.launcher.plan import Pending, Plan
from ecs_kit.runtime.launcher.rate_limiter import RateLimiter

MOST_UNCERTAIN_TRIES = 8
"""Unanswered RunTask calls after which an attempt fails."""

FEWEST_CALLS_AT_ONCE = 32
"""So that calls which are not answered for half a minute do not keep others waiting."""

WINDOW = 100
"""Launches that are tried in turn while ECS has no capacity; the rest of the task list is not in memory. More where
`runTaskRate` needs more calls at once."""


def calls_at_once(rate: float) -> int:
    """Return how many calls of RunTask a launcher makes at once, to reach so many a second."""
    return min(CONNECTIONS, max(FEWEST_CALLS_AT_ONCE, math.ceil(rate * waits.SLOWEST_LAUNCH_SECONDS)))


@dataclass(frozen=True, slots=True)
class Work:
    """What one call of the launcher did.

    Args:
        left: launches that were begun, for a later call.
        lacks_capacity: what ECS said, where they are left for lack of capacity.
        asked: when RunTask was last called.
        is_uncertain: whether a RunTask call for one of them was not answered.
        repeats_token: whether that was after `failures[]`: a later call begins with the token that got these.
        was_overtaken: whether a concurrent call has begun to launch or to wait.
        is_over: whether its time was over.
    """

    launched: int
    left: tuple[Launch, ...] = ()
    lacks_capacity: str = ""
    asked: str = ""
    is_uncertain: bool = False
    repeats_token: bool = False
    was_overtaken: bool = False
    is_over: bool = False


@dataclass
class Launching:
    """Carries out a plan."""

    launches: Launches
    plan: Plan
    summaries: SummaryTable
    meter: Meter
    rng: random.Random
    executor: Executor
    calls_at_once: int
    remaining_seconds: Callable[[], float]
    open_tasks: Callable[[], set[str]]
    """The ARNs of the run's ECS tasks that are open, as the index has them: it may lack the newest."""
    follows_interruption: bool
    """Whether an earlier call may have started what this one launches."""

    _pending: list[Pending] = field(default_factory=list)
    _in_flight: dict[Future[tuple[Answer, TaskRow | None]], Pending] = field(default_factory=dict)
    _unchecked: list[TaskRow] = field(default_factory=list)
    _refused_by: set[str] = field(default_factory=set)  # capacity providers, since the last start
    _launched: int = 0
    _calls: int = 0
    _taken: int = 0
    _asked: str = ""
    _refusal: str = ""
    _must_check: bool = False
    _newest: dict[str, datetime] = field(default_factory=dict)  # when a task was started that the index may lack

    def __post_init__(self) -> None:
        self._clock = self.launches.clock
        self._summary = self.launches.registration.summary
        settings = self.launches.registration.settings
        self._launches_for = waits.launch_seconds(settings.run_timeout_seconds, settings.max_concurrency)
        self._rate_limiter = RateLimiter(self._clock, settings.run_task_rate)
        self._window = max(WINDOW, self.calls_at_once)
        self._last_start = self._checked = self._began = self._freed = self._clock.now()
        waiting = self._summary.waiting_since is not None
        self._retry_for = waits.CAPACITY_RETRY_WHILE_WAITING_SECONDS if waiting else waits.CAPACITY_RETRY_SECONDS

    def run(self) -> Work:
        """Launch until nothing is left, the time is over, ECS lacks capacity, or the run or another call stops it."""
        while True:
            self._collect(wait_for=0)
            stopped = self._check()
            if stopped is not None:
                return stopped
            self._fill()
            if not self._pending:
                if self._in_flight:
                    self._collect()
                    continue
                if self._awaits_room():
                    continue
                return self._check(force=True) or self._left() if self._unchecked else self._left()
            candidates = self._candidates()
            if not candidates and self._in_flight:
                self._collect()
                continue
            if not candidates:
                return self._left(lacks_capacity=self._refusal)
            item = self._next(candidates)
            pause = max((item.due - self._clock.now()).total_seconds(), 0)
            if self._calls > 0 and self._is_over(pause):
                self._drain()
                return self._check(force=True) or self._left()
            if pause > 0:
                if self._in_flight:
                    self._collect(wait_for=pause)
                else:
                    self._clock.sleep(pause)
                    self._must_check = True  # the run may have ended meanwhile
                continue
            if len(self._in_flight) >= self.calls_at_once:
                self._collect()
                continue
            self._rate_limiter.wait()
            self._submit(item)

    def _is_over(self, pause: float) -> bool:
        launched_for = (self._clock.now() - self._began).total_seconds()
        return self.remaining_seconds() - pause < waits.RESERVE_SECONDS or launched_for >= self._launches_for

    def _fill(self) -> None:
        while len(self._pending) + len(self._in_flight) < self._window and (launch := self.plan.take()):
            self._taken += 1
            self._pending.append(Pending(self._last_start, self._taken, launch))

    def _awaits_room(self) -> bool:
        """Wait a moment for tasks to end where `maxConcurrency` leaves no room; return whether to go on."""
        now, most = self._clock.now(), self.launches.registration.settings.max_concurrency
        is_patient = (now - self._freed).total_seconds() < waits.ROOM_PATIENCE_SECONDS
        if self.plan.has_room or not (self.plan.left and is_patient) or self._is_over(pause=0):
            return False
        self._clock.sleep(waits.ROOM_CHECK_SECONDS)
        self._must_check = True
        if (self._clock.now() - self._began).total_seconds() < waits.LISTED_WITHIN_SECONDS:
            return True  # the index may lack what the call before this one has started
        found = self.open_tasks()
        self._newest = {
            arn: started
            for arn, started in self._newest.items()
            if (now - started).total_seconds() < waits.LISTED_WITHIN_SECONDS
        }
        room = most - len(found | self._newest.keys())
        if room > 0:
            self._freed = self._clock.now()
            self.plan.set_room(room)
        return True

    def _candidates(self) -> list[Pending]:
        is_refused = (self._clock.now() - self._last_start).total_seconds() >= self._retry_for
        if not self._refused_by or not is_refused:
            return self._pending
        # Spot and on-demand capacity have quotas of their own: where one is full, the other may not be.
        return [item for item in self._pending if self.launches.provider(item) not in self._refused_by]

    def _next(self, candidates: Sequence[Pending]) -> Pending:
        now = self._clock.now()
        due = [item for item in candidates if item.due <= now]
        if not due or (now - self._last_start).total_seconds() < waits.ROUND_ROBIN_SECONDS:
            return min(candidates)
        return max(due, key=lambda each: each.tries)

    def _submit(self, item: Pending) -> None:
        self._pending.remove(item)
        self._asked = to_iso(self._clock.now())
        self._calls += 1
        # The log of each call names the run.
        self._in_flight[self.executor.submit(copy_context().run, self.launches.start, item)] = item

    def _collect(self, wait_for: float | None = None) -> None:
        """Take the answers that have come, or come within so many seconds; by default, at least one."""
        done, _ = wait(self._in_flight, timeout=wait_for, return_when=FIRST_COMPLETED)
        for future in [future for future in self._in_flight if future in done]:
            self._take(self._in_flight.pop(future), *future.result())

    def _drain(self) -> None:
        while self._in_flight:
            self._collect()

    def _take(self, item: Pending, answer: Answer, row: TaskRow | None) -> None:
        item.tries += 1
        item.uncertain_tries += answer.outcome is Outcome.UNCERTAIN
        if row is not None:
            self._refused_by.clear()
            self._unchecked.append(row)
            self._newest[row.ecs_task_id] = self._clock.now()
            self._launched += 1
            self._last_start = self._clock.now()
            return
        if answer.outcome in (Outcome.BUSY, Outcome.NOT_PLACED):
            self.meter.record({metrics.RUN_TASK_THROTTLES: 1})
            self._refusal = answer.reason
            self._refused_by.add(self.launches.provider(item))
        if answer.outcome is Outcome.REFUSED or item.uncertain_tries >= MOST_UNCERTAIN_TRIES:
            # An earlier RunTask, also of an interrupted call of this function, may have started it.
            is_uncertain = item.uncertain_tries > 0
            may_be_started = is_uncertain or self.follows_interruption
            found = self.launches.record_found([item.launch], is_uncertain=is_uncertain) if may_be_started else set()
            self._launched += len(found)
            if not found:
                self.launches.record_not_started(item.launch, answer, item.tries)
            return
        item.launch_try += answer.outcome is Outcome.NOT_PLACED
        item.due = self._clock.now() + timedelta(seconds=waits.backoff_seconds(item.tries, self.rng))
        self._pending.append(item)

    def _check(self, *, force: bool = False) -> Work | None:
        """Look at the run from time to time; where it has ended, or another call goes on, return what was done."""
        now = self._clock.now()
        if not (force or self._must_check) and (now - self._checked).total_seconds() < waits.RUN_CHECK_SECONDS:
            return None
        self._checked, self._must_check = now, False
        summary = self.summaries.get(self._summary.workflow_name, self._summary.workflow_run_id)
        if summary is None or summary.status is not RunStatus.RUNNING:
            self._drain()
            stops = [self.executor.submit(copy_context().run, self.launches.stop, row) for row in self._unchecked]
            for stop in stops:
                stop.result()
            return Work(self._launched)
        self._unchecked.clear()
        mine = (self._summary.capacity_waits, self._summary.launcher_call)
        if (summary.capacity_waits, summary.launcher_call) != mine:
            # Later calls use other client tokens, or launch the rest.
            self._drain()
            return self._check(force=True) if self._unchecked else self._left(was_overtaken=True)
        return None

    def _left(self, *, lacks_capacity: str = "", was_overtaken: bool = False) -> Work:
        items = self._pending
        return Work(
            self._launched,
            tuple(item.launch for item in sorted(items)),
            lacks_capacity=lacks_capacity,
            asked=self._asked,
            is_uncertain=any(item.uncertain_tries for item in items),
            repeats_token=any(item.uncertain_tries and item.launch_try for item in items),
            was_overtaken=was_overtaken,
            is_over=self._is_over(pause=0),
        )
