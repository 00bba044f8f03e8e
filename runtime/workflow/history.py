"""An execution's history, which AWS ends at 25,000 events: how much of it a run may use. Pure functions.

Quota: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html. The events of a state are those of
https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html: two for each state that is entered
and left, three more for a call of a function, four more for `ecs:runTask.sync`; `Wait` and `Choice` states have two.
All iterations of an inline Map state share the history of their execution.
"""

from __future__ import annotations

import math
from typing import Protocol

from runtime.workflow.settings import Settings

EVENTS = 25_000
"""Events after which Step Functions ends an execution."""

EVENTS_PER_LOOK = 9
"""`WaitForTasks`, `MonitorTasks` and the choice after it."""

EVENTS_PER_LAUNCH = 7
"""`LaunchTasks` and the choice after it, in pattern 1."""

EVENTS_PER_TASK = 8
"""One iteration of the Map state whose task completes at the first attempt: its start and end, and `RunTask`."""

EVENTS_PER_FAILURE = 9
"""What a task of pattern 2 has besides where it fails for good: `RecordFailure`, a choice, `TaskEnded`."""

EVENTS_PER_ATTEMPT = 15
"""A further attempt in pattern 2, or a wait for capacity: `RunTask` fails, `RecordFailure`, a choice, a wait."""

RETRIES = 6
"""How often the retrier of `RunTask` itself tries again."""

EVENTS_PER_RETRY = 3
"""Besides, for each time that the retrier of `RunTask` itself has tried again."""

RESERVED_FOR_WAITS = 3_000
"""Events that a list of tasks leaves to waits for capacity and to attempts that the infrastructure failed."""

RESERVED = 100
"""Events at the start and the end of an execution, and retries of functions."""

LONGEST_WAIT_SECONDS = 60
"""Longest pause between two looks at a run, unless its history needs a longer one."""

LONGEST_WAIT_FOR_ROOM_SECONDS = 10
"""The same while tasks of pattern 1 wait until others have ended (`maxConcurrency`)."""

WAIT_PER_AGE = 15
"""A pause is the run's age divided by this: with one call of the monitor it stays within 10 % of the run's length."""

LONGEST_CAPACITY_WAIT_SECONDS = 900
FIRST_CAPACITY_WAIT_SECONDS = 10

MOST_LOOKS_AT_FULL_LENGTH = 1_400
"""Looks, each followed by a launch, for which the history of a whole run has room beside those of its first minutes."""

INLINE_MAP_CONCURRENCY = 40
"""Iterations of an inline Map state at once. Source:
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html"""


class Limits(Protocol):
    """What of a configuration decides how long a list of tasks may be."""

    @property
    def task_attempts(self) -> int:
        """Attempts at a task whose job fails."""

    @property
    def run_timeout_seconds(self) -> int:
        """How long a run may take."""

    @property
    def spot_share(self) -> int:
        """Percentage of tasks whose first attempt runs on Fargate Spot."""


def longest_wait_seconds(run_timeout_seconds: int) -> int:
    """Return the longest pause between two looks at a run: 60 s, more where a run may take longer than 23 h.

    Args:
        run_timeout_seconds: time limit of the run.
    """
    return max(LONGEST_WAIT_SECONDS, math.ceil(run_timeout_seconds / MOST_LOOKS_AT_FULL_LENGTH))


def longest_wait_for_room_seconds(run_timeout_seconds: int) -> int:
    """Return the longest pause between two launches of pattern 1 while tasks wait until others have ended: 10 s, more
    where a run may take longer than 3.9 h.

    Args:
        run_timeout_seconds: time limit of the run.
    """
    return max(LONGEST_WAIT_FOR_ROOM_SECONDS, math.ceil(run_timeout_seconds / MOST_LOOKS_AT_FULL_LENGTH))


def looks(run_timeout_seconds: int, longest: int) -> int:
    """Return the largest number of looks at a run: pauses grow with its age up to the longest."""
    growing, age = 0, 0
    while age < run_timeout_seconds and age // WAIT_PER_AGE < longest:
        age += max(1, age // WAIT_PER_AGE)
        growing += 1
    return growing + max(0, run_timeout_seconds - age) // longest


def _left_to_tasks(limits: Limits) -> int:
    timeout = limits.run_timeout_seconds
    return EVENTS - RESERVED - looks(timeout, longest_wait_seconds(timeout)) * EVENTS_PER_LOOK


def events_of_failed_task(limits: Limits) -> int:
    """Return the events of a task of pattern 2 whose job fails at every attempt."""
    return EVENTS_PER_TASK + EVENTS_PER_FAILURE + (limits.task_attempts - 1) * EVENTS_PER_ATTEMPT


def longest_task_list(limits: Limits) -> int:
    """Return how many tasks a run of pattern 2 may have: the job of every one may fail at every attempt."""
    per_task = events_of_failed_task(limits) + _events_of_first_wait(limits)
    return max(1, (_left_to_tasks(limits) - RESERVED_FOR_WAITS) // per_task)


def _events_of_first_wait(limits: Limits) -> int:
    """Each task on Spot may have to wait once before it asks for on-demand capacity."""
    return math.ceil(limits.spot_share * (EVENTS_PER_ATTEMPT + RETRIES * EVENTS_PER_RETRY) / 100)


def reason_to_refuse(limits: Limits, number_of_tasks: int) -> str | None:
    """Say why pattern 2 cannot run a list of tasks, and what to do; None where it can."""
    most = longest_task_list(limits)
    if number_of_tasks <= most:
        return None
    return (
        f"has {number_of_tasks} tasks; {most} is the most that fits the {EVENTS:,} events of an execution's history "
        f"with taskAttempts {limits.task_attempts}, runTimeoutSeconds {limits.run_timeout_seconds} and "
        f"spotShare {limits.spot_share}: start several runs with a part of the list each, lower one of them, or use "
        "pattern 1"
    )


def concurrency(settings: Settings, number_of_tasks: int) -> int:
    """Return how many tasks of a run pattern 2's Map state has under way at once."""
    return min(settings.max_concurrency or INLINE_MAP_CONCURRENCY, INLINE_MAP_CONCURRENCY, number_of_tasks)


def capacity_wait_seconds(waited_seconds: float) -> int:
    """Return how long to wait for capacity when so long has been waited already: as long again, 10 s to 15 min."""
    return int(max(FIRST_CAPACITY_WAIT_SECONDS, min(LONGEST_CAPACITY_WAIT_SECONDS, waited_seconds)))


def events_for_waits(settings: Settings, number_of_tasks: int, completed_tasks: int, failed_tasks: int) -> int:
    """Return how many events a run's waits for capacity and further attempts may use.

    Args:
        settings: the run's settings.
        number_of_tasks: the run's tasks.
        completed_tasks: those of them that have completed.
        failed_tasks: those of them that have failed; the others may fail at every attempt.
    """
    open_tasks = number_of_tasks - completed_tasks - failed_tasks
    of_tasks = (
        completed_tasks * EVENTS_PER_TASK
        + failed_tasks * (EVENTS_PER_TASK + EVENTS_PER_FAILURE)
        + open_tasks * (events_of_failed_task(settings) + _events_of_first_wait(settings))
    )
    return max(2 * EVENTS_PER_ATTEMPT, _left_to_tasks(settings) - of_tasks)


def rationed_wait_seconds(
    wait_seconds: int,
    settings: Settings,
    *,
    number_of_tasks: int,
    completed_tasks: int,
    failed_tasks: int,
    wait_events: int,
    events_per_wait: int,
    remaining_seconds: float,
) -> int:
    """Return how long a task of pattern 2 waits for capacity, so that the history lasts until the run's deadline.

    The fewer events are left, the nearer a wait comes to the length at which they last if every iteration waits for the
    rest of the run. It is that length once half of them are used.

    Args:
        wait_seconds: from `capacity_wait_seconds`, with jitter.
        settings: the run's settings.
        number_of_tasks: the run's tasks.
        completed_tasks: those of them that have completed.
        failed_tasks: those of them that have failed; the others may fail at every attempt.
        wait_events: events that waits for capacity and further attempts have used, this wait included.
        events_per_wait: what this one uses.
        remaining_seconds: time until its deadline.
    """
    budget = events_for_waits(settings, number_of_tasks, completed_tasks, failed_tasks)
    left = max(events_per_wait, budget - wait_events)
    lasting = remaining_seconds * concurrency(settings, number_of_tasks) * events_per_wait / left
    share = min(1.0, 2 * wait_events / budget)
    return int(max(wait_seconds, min(share * lasting, remaining_seconds)))
