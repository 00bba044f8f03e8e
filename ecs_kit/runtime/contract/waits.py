"""All waits and back-offs, and a run's budget of history events: AWS ends an execution at 25,000. Pure functions.

Quota: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html. Events per state:
https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html: two for each state that is entered
and left, three more for a Lambda call, four more for `ecs:runTask.sync`; `Wait` and `Choice` states have two.
All iterations of an inline Map state share the history of their execution.
"""

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.records import Summary
from ecs_kit.runtime.contract.settings import Settings


@dataclass(frozen=True, slots=True)
class Retry:
    """A retrier of the state machines, with factor 2 and full jitter; `attempts` is `MaxAttempts`."""

    attempts: int
    interval_seconds: int
    max_delay_seconds: int


# Retriers of the state machines.
RUN_TASK = Retry(attempts=6, interval_seconds=2, max_delay_seconds=60)  # throttling of RunTask, errors of ECS itself
LAMBDA_SERVICE = Retry(attempts=8, interval_seconds=1, max_delay_seconds=30)  # errors of Lambda itself
# A `Pending` version, or one whose network interfaces Lambda creates again after weeks without a call: minutes.
LAMBDA_NOT_READY = Retry(attempts=12, interval_seconds=5, max_delay_seconds=60)
FUNCTION_ERROR = Retry(attempts=5, interval_seconds=1, max_delay_seconds=20)  # transient errors of a function
TABLE = Retry(attempts=10, interval_seconds=1, max_delay_seconds=30)  # errors of DynamoDB

# Events of an execution's history.
EVENTS = 25_000  # after which Step Functions ends an execution
EVENTS_PER_POLL = 9  # `WaitForTasks`, `MonitorTasks` and the choice after it
EVENTS_PER_LAUNCH = 7  # pattern 1: `LaunchTasks` and its choice; `LaunchAndTrack` has those of a launch and a poll
EVENTS_PER_TASK = 8  # pattern 2: an iteration whose task completes at the first attempt: start, end, `RunTask`
EVENTS_PER_FAILURE = 9  # added where the last attempt fails: `RecordFailure`, a choice, `TaskEnded`
EVENTS_PER_ATTEMPT = 15  # added for a retry or a capacity wait: `RunTask` fails, `RecordFailure`, a choice, a wait
EVENTS_AFTER_EXIT_CODE_0 = 4  # added to each attempt where the stop code is looked at: a choice, `TaskEnded`
EVENTS_PER_RETRY = 3  # added for each retry by the retrier of `RunTask`
RESERVED_FOR_WAITS = 3_000  # kept free for capacity waits and for retries after infrastructure failures
RESERVED = 100  # those of the first and last states, and of retried Lambda calls
MOST_POLLS_AT_FULL_LENGTH = 1_375  # polls, each followed by a launch, that fit beside those of the first minutes

# Polls of a run.
SHORTEST_WAIT_SECONDS = 1
LONGEST_WAIT_SECONDS = 60  # unless its history needs a longer one
LONGEST_WAIT_FOR_ROOM_SECONDS = 10  # the same while tasks of pattern 1 wait for others to end (`maxConcurrency`)
WAIT_PER_AGE = 30  # the interval is the run's age divided by this: below 30 s in the first 15 minutes
FUNCTION_CALL_SECONDS = 330  # time-out of one Lambda call: the function's own 300 s, and some latency
PAUSE_AFTER_POLL_FAILED_SECONDS = 20  # before the next poll, after the monitor failed despite all retries
PAUSE_AFTER_MONITOR_FAILURE_SECONDS = 60  # before the next `RecordFailure`, after it failed despite all retries

# Pattern 2, tasks that keep no rows: runs with more tasks than this list their ECS tasks every five minutes only.
ALWAYS_LISTED_TASKS = 500
LISTING_INTERVAL_SECONDS = 300

# Time limits of tasks. `RunTask` also counts provisioning; its `TimeoutSeconds` is a last resort.
PROVISIONING_ALLOWANCE_SECONDS = 300  # added to a task's time limit in `TimeoutSeconds` of `RunTask`
START_ALLOWANCE = timedelta(minutes=5)  # at most left out: from RunTask to the container's start, and to the job's
STOP_ALLOWANCE = timedelta(seconds=10)  # for a task to end itself at its limit, before the monitor stops it
STOPPED_WITHIN = timedelta(minutes=5)  # from StopTask to `STOPPED`: `stopTimeout`, at most 120 s, and ECS's own time
# RunTask calls that are active while a run is ended start tasks, which are stopped, but may have written a row by then.
LATE_TASKS_WITHIN = timedelta(minutes=10)
WRONG_CLOCK = timedelta(minutes=5)  # how far a task's clock may be ahead
# DescribeTasks is eventually consistent: an unknown task counts as lost only when its row is older than this.
MISSING_COUNTS_AFTER = timedelta(minutes=5)
# It knows stopped tasks for at least an hour:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
REMEMBERED_BY_ECS = timedelta(minutes=55)

# Retries and capacity waits.
LONGEST_RETRY_WAIT_SECONDS = 30
FIRST_CAPACITY_WAIT_SECONDS = 10
LONGEST_CAPACITY_WAIT_SECONDS = 900
# Pattern 2: from the end of a task's capacity wait until its next one: the retrier of `RunTask` takes up to 2 minutes.
ASKED_AGAIN_WITHIN = timedelta(seconds=150)
# Pattern 1: from a task's terminal row, which it writes itself, until ECS has stopped it and its capacity is free.
CAPACITY_FREED_WITHIN = timedelta(seconds=60)
# Pattern 2: a failed task that its state machine has not retried within this time is not retried.
RETRY_EXPECTED_WITHIN = timedelta(minutes=15)
# Iterations of an inline Map at once: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
INLINE_MAP_CONCURRENCY = 40

# Long task lists of pattern 2, whose Map state is distributed: each child execution runs so many tasks. Their items and
# the run's attributes are its input. Its calls of RunTask come at once, below the burst that AWS allows.
TASKS_PER_BATCH = 10
BATCH_BYTES = 48 * 1024  # an entry has at most 6,000 characters, which may be 24 KB, the run's attributes some KB
# Capacity waits that the history of a child execution has room for, each with all retries of `RunTask`, for every task.
WAITS_OF_CHILD = 60

# One call of the launcher.
SLOWEST_LAUNCH_SECONDS = 1.6  # of a call of RunTask and its row's write, with which `runTaskRate` is still reached
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 10.0
CAPACITY_RETRY_SECONDS = 20.0  # for which it retries while ECS has no capacity; then the run waits
CAPACITY_RETRY_WHILE_WAITING_SECONDS = 5.0  # the same in a run that has waited already
# For which launches are retried in turn while none starts. After that, those with the most tries come first: else, with
# hundreds unanswered, none would reach `MOST_UNCERTAIN_TRIES` within one call.
ROUND_ROBIN_SECONDS = 60.0
LAUNCH_SECONDS = 100.0  # of one call, beside the next of which the monitor polls
# The same with `maxConcurrency`: polls find which retries are due, and the room of tasks that ended without a row.
LAUNCH_BESIDE_OPEN_TASKS_SECONDS = 30
RUN_CHECK_SECONDS = 1.5  # between two looks at whether the run is still active
# With `maxConcurrency`, a call goes on while tasks end one after another, until none has ended for some seconds. It
# looks for tasks that have ended as often as this.
ROOM_PATIENCE_SECONDS = 8.0
ROOM_CHECK_SECONDS = 1.0
RESERVE_SECONDS = 45.0  # for the current call of RunTask (25 s at most), the look into ECS and the writes after it
LISTED_WITHIN_SECONDS = 2.0  # ListTasks is eventually consistent

# The end of a run.
EMPTY_LISTINGS = 2  # empty ListTasks answers in a row that prove that its tasks have stopped
PAUSE_BETWEEN_LISTINGS_SECONDS = 2.0
FINALIZE_RESERVE_SECONDS = 15.0  # for the writes after the last listing


class Limits(Protocol):
    """The settings that limit the length of a task list."""

    @property
    def task_attempts(self) -> int: ...  # noqa: D102
    @property
    def run_timeout_seconds(self) -> int: ...  # noqa: D102
    @property
    def spot_share(self) -> int: ...  # noqa: D102
    @property
    def has_ecs_records(self) -> bool: ...  # noqa: D102


def longest_wait_seconds(run_timeout_seconds: int, otherwise: int = LONGEST_WAIT_SECONDS) -> int:
    """Return the longest interval between two polls of a run: longer than `otherwise` where a run may take long."""
    return max(otherwise, math.ceil(run_timeout_seconds / MOST_POLLS_AT_FULL_LENGTH))


def polls(run_timeout_seconds: int, longest: int) -> int:
    """Return the largest number of polls of a run: the intervals grow with its age up to the longest."""
    growing, age = 0, 0
    while age < run_timeout_seconds and age // WAIT_PER_AGE < longest:
        age += max(1, age // WAIT_PER_AGE)
        growing += 1
    return growing + max(0, run_timeout_seconds - age) // longest


def _left_to_tasks(limits: Limits) -> int:
    timeout = limits.run_timeout_seconds
    return EVENTS - RESERVED - polls(timeout, longest_wait_seconds(timeout)) * EVENTS_PER_POLL


def _after_exit_code_0(limits: Limits) -> int:
    """State machines of containers that know nothing of the kit look at the stop code of each attempt."""
    return EVENTS_AFTER_EXIT_CODE_0 if limits.has_ecs_records else 0


def events_of_completed_task(limits: Limits) -> int:
    """Return the history events of a task of pattern 2 whose first attempt completes."""
    return EVENTS_PER_TASK + _after_exit_code_0(limits)


def events_of_retry(limits: Limits) -> int:
    """Return the most history events that one more attempt of a task of pattern 2 adds."""
    return EVENTS_PER_ATTEMPT + _after_exit_code_0(limits)


def events_of_failed_task(limits: Limits) -> int:
    """Return the most history events of a task of pattern 2 whose job fails at every attempt."""
    retries = (limits.task_attempts - 1) * events_of_retry(limits)
    return events_of_completed_task(limits) + EVENTS_PER_FAILURE + retries


def longest_task_list(limits: Limits) -> int:
    """Return how many tasks a run of pattern 2 may have if every job fails at every attempt."""
    per_task = events_of_failed_task(limits) + _events_of_first_wait(limits)
    return max(1, (_left_to_tasks(limits) - RESERVED_FOR_WAITS) // per_task)


def _events_of_first_wait(limits: Limits) -> int:
    """Each task on Spot may wait once before it requests on-demand capacity."""
    return math.ceil(limits.spot_share * (EVENTS_PER_ATTEMPT + RUN_TASK.attempts * EVENTS_PER_RETRY) / 100)


def launch_seconds(run_timeout_seconds: int, max_concurrency: int) -> float:
    """Return for how long one call of the launcher launches; shorter with `max_concurrency`, if the history allows."""
    if not max_concurrency:
        return LAUNCH_SECONDS
    return min(LAUNCH_SECONDS, longest_wait_seconds(run_timeout_seconds, LAUNCH_BESIDE_OPEN_TASKS_SECONDS))


def concurrency(settings: Settings, number_of_tasks: int) -> int:
    """Return how many tasks of a run pattern 2's Map state runs at once."""
    return min(settings.max_concurrency or INLINE_MAP_CONCURRENCY, INLINE_MAP_CONCURRENCY, number_of_tasks)


def wait_of_child_seconds(wait_seconds: int, waited_seconds: float, run_timeout_seconds: int) -> int:
    """Return a task's capacity wait in a child execution: long ones are so long that its history lasts for the run."""
    if waited_seconds < LONGEST_CAPACITY_WAIT_SECONDS:
        return wait_seconds
    return max(wait_seconds, run_timeout_seconds // WAITS_OF_CHILD)


def capacity_wait_seconds(waited_seconds: float) -> int:
    """Return the next capacity wait: as long as was waited already, 10 s to 15 min."""
    return int(max(FIRST_CAPACITY_WAIT_SECONDS, min(LONGEST_CAPACITY_WAIT_SECONDS, waited_seconds)))


def events_for_waits(settings: Settings, summary: Summary) -> int:
    """Return how many history events a run's capacity waits and retries may use.

    Its tasks that have not ended may fail at every attempt.
    """
    open_tasks = summary.number_of_tasks - summary.completed_tasks - summary.failed_tasks
    of_tasks = (
        summary.completed_tasks * events_of_completed_task(settings)
        + summary.failed_tasks * (events_of_completed_task(settings) + EVENTS_PER_FAILURE)
        + open_tasks * (events_of_failed_task(settings) + _events_of_first_wait(settings))
    )
    return max(2 * EVENTS_PER_ATTEMPT, _left_to_tasks(settings) - of_tasks)


def rationed_wait_seconds(
    wait_seconds: int, settings: Settings, summary: Summary, *, events: int, remaining_seconds: float
) -> int:
    """Return a task's capacity wait in pattern 2, so that the history lasts until the run's deadline.

    With fewer events left, the wait approaches the length at which they last if every iteration waits for the rest of
    the run. It has that length once half of them are used.

    The summary has this wait's `events` counted, so that concurrent waits see each other, which spreads them.
    `remaining_seconds` is the time until the deadline.
    """
    budget = events_for_waits(settings, summary)
    left = max(events, budget - summary.wait_events)
    lasting = remaining_seconds * concurrency(settings, summary.number_of_tasks) * events / left
    share = min(1.0, 2 * summary.wait_events / budget)
    return int(max(wait_seconds, min(share * lasting, remaining_seconds)))


def wait_seconds(summary: Summary, now: datetime, settings: Settings, *, is_idle: bool) -> int:
    """Return how long to wait before the next poll of a run.

    It is 1 s at first and a part of the run's age later (`WAIT_PER_AGE`), at most 60 s, so that the end is noticed
    within 10 % of the run's length. While tasks of pattern 1 wait because of `max_concurrency`, it is at most 16 s in
    a run of 6 h. While all of them wait for capacity and no attempt is active (`is_idle`), it lasts until the launcher
    retries.
    """
    by_age = int((now - from_iso(summary.start_time)).total_seconds()) // WAIT_PER_AGE
    longest = longest_wait_seconds(settings.run_timeout_seconds)
    if settings.capabilities.has_launcher and not summary.launching_ended:
        if summary.launch_after is not None:
            until = math.ceil((from_iso(summary.launch_after) - now).total_seconds())
            return max(SHORTEST_WAIT_SECONDS, until if is_idle else min(until, by_age, longest))
        longest = longest_wait_seconds(settings.run_timeout_seconds, LONGEST_WAIT_FOR_ROOM_SECONDS)
    return max(SHORTEST_WAIT_SECONDS, min(longest, by_age))


def capacity_wait(since: str | None, reason: str | None) -> str:
    """Say since when a run has waited for capacity, and what ECS said last; empty where it does not wait."""
    return f"waiting for capacity since {since}: {reason}" if since else ""


def retry_wait_seconds(attempts: int) -> int:
    """Return the back-off after so many attempts: 2, 4, 8, … s, at most 30."""
    return int(min(2**attempts, LONGEST_RETRY_WAIT_SECONDS))


def backoff_seconds(tries: int, rng: random.Random) -> float:
    """Return the back-off after so many tries: full jitter, 0.5 s doubling up to 10 s.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return rng.uniform(0, min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (tries - 1)))
