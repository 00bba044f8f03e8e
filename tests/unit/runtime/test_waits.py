"""The history of an execution: what the kit's state machines use of its 25,000 events."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecs_kit.components import definitions
from ecs_kit.runtime.contract import failures, waits
from ecs_kit.runtime.contract.records import Summary
from ecs_kit.runtime.contract.settings import Settings, from_json
from ecs_kit.runtime.contract.statuses import RunStatus
from ecs_kit.runtime.functions.spec_check import MAX_OVERRIDE_CHARACTERS
from tests.unit.runtime.fakes import EXECUTION, execution, settings_json, spec
from tests.unit.test_state_machines import SETTINGS


def settings(**changes: Any) -> Settings:
    return from_json(settings_json(2, **changes))


def test_a_child_execution_has_room_for_the_longest_entry_and_the_attributes_of_the_run() -> None:
    longest = 4 * MAX_OVERRIDE_CHARACTERS  # each character of four bytes
    of_run = 4 * MAX_OVERRIDE_CHARACTERS // 2
    assert longest + of_run <= waits.BATCH_BYTES


def events_of_polls(limits: Settings) -> int:
    """Events of the longest run's polls, and those reserved."""
    timeout = limits.run_timeout_seconds
    return waits.polls(timeout, waits.longest_wait_seconds(timeout)) * waits.EVENTS_PER_POLL + waits.RESERVED


def test_a_thousand_tasks_fit_and_fewer_with_more_attempts_more_polls_or_spot() -> None:
    def longest(**changes: Any) -> int:
        return waits.longest_task_list(settings(**changes))

    assert 1_000 < longest(runTimeoutSeconds=21_600) < 1_100
    assert longest(taskAttempts=2) < 0.6 * longest()
    assert longest(runTimeoutSeconds=129_600) < longest()
    spot = {"runTimeoutSeconds": 21_600, "spotShare": 100}
    assert longest(**spot) > 300
    assert longest(**spot) * (17 + RETRIED) + events_of_polls(settings(**spot)) <= waits.EVENTS


@given(st.integers(60, 129_600), st.integers(1, 10), st.sampled_from(["kit", "ecs"]))
def test_the_longest_list_fits_where_every_attempt_of_every_task_fails(
    run_timeout: int, attempts: int, records: str
) -> None:
    given = settings(runTimeoutSeconds=run_timeout, taskAttempts=attempts, jobRecords=records)
    tasks = waits.longest_task_list(given)
    assert tasks * waits.events_of_failed_task(given) + events_of_polls(given) <= waits.EVENTS


@given(st.integers(60, 129_600))
def test_a_run_of_pattern_1_may_launch_before_every_poll(run_timeout: int) -> None:
    polls = waits.polls(run_timeout, waits.longest_wait_seconds(run_timeout, waits.LONGEST_WAIT_FOR_ROOM_SECONDS))
    assert polls * (waits.EVENTS_PER_POLL + waits.EVENTS_PER_LAUNCH) + waits.RESERVED <= waits.EVENTS


EVENTS_OF = {"Pass": 2, "Choice": 2, "Wait": 2, "arn:aws:states:::lambda:invoke": 5}
PARALLEL = 4
"""Entered, started, succeeded, left."""
RUN_TASK = {"Succeed": 6, "Fail": 6, "not started": 5}
"""Entered, scheduled, started, submitted, succeeded or failed, left; what is not started is not submitted."""


def test_the_counts_are_those_of_the_states() -> None:
    """Walks the ways of one task through the state machine of pattern 2, and the loop of pattern 1."""
    states = dict(definitions._task_states(SETTINGS))

    def events(*names: str) -> int:
        return sum(EVENTS_OF[states[name].get("Resource", states[name]["Type"])] for name in names)

    assert states["RunTask"]["End"] and states["RunTask"]["Catch"][0]["Next"] == "RecordFailure"
    assert states["RecordFailure"]["Next"] == "TryAgain" and states["TryAgain"]["Default"] == "TaskEnded"
    assert states["TryAgain"]["Choices"][0]["Next"] == "WaitBeforeNextAttempt"
    assert states["WaitBeforeNextAttempt"]["Next"] == "RunTask"
    iteration = 2
    assert iteration + RUN_TASK["Succeed"] == waits.EVENTS_PER_TASK
    failed = events("RecordFailure", "TryAgain", "TaskEnded")
    assert failed == waits.EVENTS_PER_FAILURE
    again = RUN_TASK["Fail"] + events("RecordFailure", "TryAgain", "WaitBeforeNextAttempt")
    assert again == waits.EVENTS_PER_ATTEMPT
    states = dict(definitions._task_states(replace(SETTINGS, has_ecs_records=True)))
    assert states["RunTask"]["Next"] == "WasStopped" and states["WasStopped"]["Default"] == "TaskEnded"
    assert events("WasStopped", "TaskEnded") == waits.EVENTS_AFTER_EXIT_CODE_0
    given = settings(jobRecords="ecs", taskAttempts=2)
    stopped = RUN_TASK["Succeed"] + events("WasStopped")
    assert iteration + stopped + events("TaskEnded") == waits.events_of_completed_task(given)
    stopped_twice = 2 * stopped + events("RecordFailure", "TryAgain", "WaitBeforeNextAttempt") + failed
    assert iteration + stopped_twice <= waits.events_of_failed_task(given)
    (retrier,) = states["RunTask"]["Retry"]
    retried = RUN_TASK["not started"] + 3 * retrier["MaxAttempts"] + again - RUN_TASK["Fail"]
    assert retried <= RETRIED and retrier["MaxAttempts"] == waits.RUN_TASK.attempts
    assert retrier["ErrorEquals"] == list(failures.TRANSIENT_ECS_ERRORS)
    states = definitions.pattern_1(SETTINGS)["States"]
    assert events("WaitForTasks", "MonitorTasks", "TasksDone") == waits.EVENTS_PER_POLL
    assert events("LaunchTasks", "MoreToLaunch") == waits.EVENTS_PER_LAUNCH
    branches = [step for branch in states["LaunchAndTrack"]["Branches"] for step in branch["States"].values()]
    invoked = sum(EVENTS_OF[step["Resource"]] for step in branches if "Resource" in step)
    assert PARALLEL + invoked + events("MoreToLaunch") <= waits.EVENTS_PER_POLL + waits.EVENTS_PER_LAUNCH


def run_of(tasks: int, **changes: Any) -> Summary:
    return replace(Summary("wf", 7, RunStatus.RUNNING, tasks, "arn:x", "", ""), **changes)


@dataclass
class Quota:
    """Pattern 2 beside a quota of so many tasks at once, as far as time and events are concerned.

    Every task takes as long, and `failing` attempts of each fail first: all of them, where there are no more.
    """

    limits: Settings
    tasks: int
    slots: int
    seconds: float
    failing: int = 0
    events_per_wait: int = waits.EVENTS_PER_ATTEMPT
    wait_events: int = 0
    completed: int = 0
    failed: int = 0
    longest: int = 0

    def ends_after(self) -> float | None:
        """Seconds that the run takes; None where its deadline comes first."""
        rng, timeout = random.Random(1), self.limits.run_timeout_seconds
        iterations = waits.concurrency(self.limits, self.tasks)
        # When it is due, its turn, the attempt, and how long it has waited for capacity; where that is -1 s, it ends.
        due = [(0.0, turn, 1, 0) for turn in range(iterations)]
        running, started, turns = 0, iterations, itertools.count(iterations)
        while due and due[0][0] < timeout:
            now, _, attempt, waited = heapq.heappop(due)
            if waited < 0:
                running -= 1
                if attempt <= self.failing and attempt < self.limits.task_attempts:
                    self.wait_events += waits.EVENTS_PER_ATTEMPT
                    heapq.heappush(due, (now + 2, next(turns), attempt + 1, 0))
                    continue
                self.failed += attempt <= self.failing
                self.completed += attempt > self.failing
                if started < self.tasks:
                    started += 1
                    heapq.heappush(due, (now, next(turns), 1, 0))
                elif not due:
                    return now
            elif running < self.slots:
                running += 1
                heapq.heappush(due, (now + self.seconds, next(turns), attempt, -1))
            else:
                wait = max(1, self._wait(waited, timeout - now, rng))
                heapq.heappush(due, (now + wait, next(turns), attempt, waited + wait))
        return None

    def _wait(self, waited: int, remaining: float, rng: random.Random) -> int:
        events = self.events_per_wait
        self.wait_events += events
        counts = {"completed_tasks": self.completed, "failed_tasks": self.failed, "wait_events": self.wait_events}
        wait = 1 + int(waits.capacity_wait_seconds(waited) * rng.uniform(0.5, 1))
        run = run_of(self.tasks, **counts)
        wait = waits.rationed_wait_seconds(wait, self.limits, run, events=events, remaining_seconds=remaining)
        self.longest = max(self.longest, wait)
        return wait

    @property
    def events(self) -> int:
        """Events of the whole execution."""
        of_tasks = self.tasks * waits.EVENTS_PER_TASK + self.failed * waits.EVENTS_PER_FAILURE
        return events_of_polls(self.limits) + of_tasks + self.wait_events


RETRIED = waits.EVENTS_PER_ATTEMPT + 6 * waits.EVENTS_PER_RETRY


@given(
    st.integers(1, 2_000),
    st.integers(3_600, 129_600),
    st.integers(1, 3),
    st.sampled_from([waits.EVENTS_PER_ATTEMPT, RETRIED]),
)
def test_waits_for_capacity_that_never_comes_fit_until_the_deadline(
    tasks: int, run_timeout: int, attempts: int, events: int
) -> None:
    given = settings(runTimeoutSeconds=run_timeout, taskAttempts=attempts)
    tasks = min(tasks, waits.longest_task_list(given))
    quota = Quota(given, tasks, slots=0, seconds=60, events_per_wait=events)
    assert quota.ends_after() is None
    assert quota.events <= waits.EVENTS


@given(
    st.integers(1, 2_000),
    st.sampled_from([21_600, 86_400]),
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(1, 60),
    st.sampled_from([10, 60, 600]),
)
@example(383, 21_600, 3, 2, 5, 60)
@example(290, 21_600, 4, 3, 4, 60)
@example(1_050, 21_600, 1, 1, 3, 60)
def test_waits_fit_beside_attempts_that_fail(
    tasks: int, run_timeout: int, attempts: int, failing: int, slots: int, seconds: int
) -> None:
    given = settings(runTimeoutSeconds=run_timeout, taskAttempts=attempts)
    tasks = min(tasks, waits.longest_task_list(given))
    quota = Quota(given, tasks, slots, seconds, failing)
    quota.ends_after()
    assert quota.events <= waits.EVENTS


@given(
    st.integers(1, 2_000),
    st.sampled_from([3_600, 21_600, 86_400]),
    st.integers(1, 4),
    st.sampled_from([0, 30, 100]),
    st.integers(0, 6),
)
def test_tasks_that_lose_their_hosts_fit(tasks: int, run_timeout: int, attempts: int, spot: int, retries: int) -> None:
    """Each is tried again three times for as long as the history has room, as the monitor does it. `RunTask` itself
    tries again as often for each attempt."""
    given = settings(runTimeoutSeconds=run_timeout, taskAttempts=attempts, spotShare=spot)
    tasks = min(tasks, waits.longest_task_list(given))
    of_retries = retries * waits.EVENTS_PER_RETRY
    wait_events = 0
    for failed in range(tasks):
        for _ in range(failures.INFRASTRUCTURE_RETRIES):
            events = waits.EVENTS_PER_ATTEMPT + of_retries
            room = waits.events_for_waits(given, run_of(tasks, failed_tasks=failed))
            if wait_events + events + of_retries * tasks <= room:
                wait_events += events
    of_tasks = tasks * (waits.EVENTS_PER_TASK + waits.EVENTS_PER_FAILURE)
    of_last_attempts = of_retries * tasks if wait_events else 0  # else nothing was granted
    assert events_of_polls(given) + of_tasks + wait_events + of_last_attempts <= waits.EVENTS


@pytest.mark.parametrize(
    ("tasks", "slots", "seconds"), [(60, 2, 8), (60, 5, 600), (200, 24, 120), (600, 3, 30), (600, 30, 60)]
)
def test_a_quota_that_is_full_in_part_is_used(tasks: int, slots: int, seconds: int) -> None:
    quota = Quota(settings(runTimeoutSeconds=21_600), tasks, slots, seconds)
    took = quota.ends_after()
    assert took is not None
    assert took < 1.6 * tasks / slots * seconds + 240
    assert quota.longest < 1_500


@pytest.mark.parametrize(("waited", "wait"), [(0, 10), (10, 10), (20, 20), (400, 400), (900, 900), (20_000, 900)])
def test_a_wait_for_capacity_is_as_long_as_what_was_waited_already(waited: int, wait: int) -> None:
    assert waits.capacity_wait_seconds(waited) == wait


def test_a_list_that_does_not_fit_the_history_is_pinned_for_child_executions(world: Any) -> None:
    w = world(2)
    limit = waits.longest_task_list(w.settings)
    w.register(limit)
    assert w.summary().task_list is None
    other = execution(f"{EXECUTION}-2")
    answer = w.monitor.register({"execution": other, "spec": spec(2, limit + 1)})
    assert answer["numberOfTasks"] == limit + 1 and answer["pinnedList"]["key"].startswith("specs/pinned/")


@pytest.mark.parametrize("hours", [1, 6, 36])
def test_the_history_of_a_child_execution_has_room_for_waits_until_the_run_ends(hours: int) -> None:
    waited, count, rng = 0.0, 0, random.Random(1)
    while waited < hours * 3600:
        wait = 1 + int(waits.capacity_wait_seconds(waited) * rng.uniform(0.5, 1))
        waited += waits.wait_of_child_seconds(wait, waited, hours * 3600)
        count += 1
    events = waits.EVENTS_PER_ATTEMPT + waits.RUN_TASK.attempts * waits.EVENTS_PER_RETRY
    assert count * events * waits.TASKS_PER_BATCH < waits.EVENTS - waits.RESERVED
