"""Tasks and their attempts: which have ended, which are retried. Pure functions of the rows."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ecs_kit.runtime.contract import failures, waits
from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.failures import Code, FailureKind
from ecs_kit.runtime.contract.records import Summary, TaskRow
from ecs_kit.runtime.contract.specs import TaskEntry
from ecs_kit.runtime.contract.statuses import TaskStatus

SPOT, ON_DEMAND = "FARGATE_SPOT", "FARGATE"
"""Capacity providers of Fargate."""

MOST_ATTEMPTS = 20
"""More than a task can have: 10 of its job (`taskAttempts`), and 3 retries after infrastructure failures."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One attempt to be launched.

    `index` is the task's place in the task list, from 0; `previous` the `ecs_task_id` of the attempt before it.
    """

    entry: TaskEntry
    attempt: int
    index: int = field(default=0, compare=False)
    previous: str = field(default="", compare=False)

    def capacity_provider(self, spot_share: int, turn: int) -> str:
        """Return its capacity provider: Spot for first attempts of the tasks in the share, else on-demand.

        Spot (even turns) and on-demand capacity alternate, because ECS does not fall back from one to the other.
        """
        on_spot = self.attempt == 1 and turn % 2 == 0 and is_of_share(self.index, spot_share)
        return SPOT if on_spot else ON_DEMAND


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task with its rows so far, by attempt."""

    rows: tuple[TaskRow, ...]

    @property
    def is_completed(self) -> bool:
        """Whether an attempt completed."""
        return any(row.status is TaskStatus.COMPLETED for row in self.rows)

    @property
    def is_open(self) -> bool:
        """Whether an attempt may still be active, or ECS has not yet said why it stopped."""
        # The index may lack the newest attempt for a moment.
        return any(awaits_ecs(row) for row in self.rows) or self.rows[-1].retried_by is not None

    @property
    def has_only_failed(self) -> bool:
        """Whether all attempts are terminally `Failed`."""
        return not self.is_completed and not self.is_open

    @property
    def last_update(self) -> datetime:
        """Time of the latest write to any of its rows."""
        return max(from_iso(row.update_time or row.start_time) for row in self.rows)

    @property
    def next_attempt(self) -> int:
        """Number of the next attempt."""
        return max(row.attempt for row in self.rows) + 1

    def may_retry(self, task_attempts: int) -> bool:
        """Whether it is retried after all its attempts failed; a failing job has `task_attempts`."""
        kinds = [failures.kind_of(row) for row in sorted(self.rows, key=lambda row: (row.attempt, row.update_time))]
        return failures.retry_is_allowed(
            kinds[-1],
            job=kinds.count(FailureKind.JOB),
            infrastructure=kinds.count(FailureKind.INFRASTRUCTURE),
            task_attempts=task_attempts,
        )

    def retry_is_due(self, task_attempts: int, now: datetime) -> bool:
        """Whether pattern 1's launcher retries it now: it may, and the back-off has passed."""
        if not self.has_only_failed or not self.may_retry(task_attempts):
            return False
        return age(self.last_update, now) >= timedelta(seconds=waits.retry_wait_seconds(len(self.rows)))


def age(since: datetime, now: datetime) -> timedelta:
    """Return how long ago a time in a row is. One far in the future, which a task wrote, counts as very long ago."""
    return now - since if since - now <= waits.WRONG_CLOCK else timedelta.max


def is_of_share(index: int, spot_share: int) -> bool:
    """Whether the first attempt of a task, by its index from 0, runs on Fargate Spot: an even share in percent does."""
    return (index + 1) * spot_share // 100 > index * spot_share // 100


def awaits_ecs(row: TaskRow) -> bool:
    """Whether DescribeTasks must be called for a row.

    That is so while its status is not terminal; where the task got SIGTERM and only ECS knows why; and where the
    monitor recorded a time-out, but not yet the exit code.
    """
    if not row.status.is_final:
        return True
    if not row.was_started or row.stopped_reason is not None:
        return False
    code = failures.code_of(row)
    return code == Code.TERMINATED or (code == Code.TIMED_OUT and row.exit_code is None)


def possible(rows: Iterable[TaskRow], summary: Summary) -> list[TaskRow]:
    """Return the rows that a run can have, by task and attempt; a compromised task may have written others."""
    tasks, attempts = range(summary.number_of_tasks), range(1, MOST_ATTEMPTS + 1)
    return [row for row in rows if row.attempt in attempts and (row.task_index is None or row.task_index in tasks)]


def task_states(rows: Iterable[TaskRow]) -> dict[str, TaskState]:
    """Group rows into tasks, by name."""
    by_name: defaultdict[str, list[TaskRow]] = defaultdict(list)
    for row in rows:
        by_name[row.task_name].append(row)
    return {name: TaskState(tuple(sorted(own, key=lambda row: row.attempt))) for name, own in by_name.items()}


def due_retries(states: Iterable[TaskState], task_attempts: int, now: datetime) -> list[TaskRow]:
    """Return the last attempts of tasks whose retry is due, in the order of the task list."""
    last = [state.rows[-1] for state in states if state.retry_is_due(task_attempts, now)]
    return sorted(last, key=lambda row: (row.task_index or 0, row.task_name))
