"""How far a run is: its status, and its tasks by their latest attempts. Pure functions of what was read."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.contract.statuses import EXECUTION_STATUSES, RunStatus, TaskStatus
from ecs_kit.runtime.reporter.items import Item, deciding_attempts
from ecs_kit.runtime.reporter.run_state import RunState


class Failure(NamedTuple):
    """A failed attempt; `at` is the time of its row's last write, in ISO 8601."""

    at: str
    task: str
    attempt: int
    error: str


@dataclass(frozen=True)
class Counts:
    """How far a run is: the status of it or its execution, and its tasks by their latest attempts.

    `waiting` says since when the run has waited for capacity, and why; None where it does not wait. `failures` are the
    attempts that failed, the newest last.
    """

    status: str
    total: int
    submitted: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    waiting: str | None = None
    failures: tuple[Failure, ...] = field(default=(), compare=False)

    @property
    def ended(self) -> int:
        """Tasks that have completed or failed."""
        return self.completed + self.failed


def waiting(summary: Item) -> str | None:
    """Since when the run of a summary item has waited for capacity, and why; None where it does not wait."""
    return waits.capacity_wait(summary.get("waiting_since"), summary.get("waiting_reason")) or None


def count(status: str, total: int, details: Iterable[Item]) -> Counts:
    """Counts of tasks from the attempts' rows."""
    rows = list(details)
    deciding = deciding_attempts(rows)
    by_status = Counter(str(item.get("status")) for item in deciding.values())
    return Counts(
        status=status,
        total=total,
        submitted=len(deciding),
        running=by_status[TaskStatus.RUNNING],
        completed=by_status[TaskStatus.COMPLETED],
        failed=by_status[TaskStatus.FAILED],
        failures=tuple(sorted(_failure(row) for row in rows if row.get("status") == TaskStatus.FAILED)),
    )


def _failure(row: Item) -> Failure:
    error = str(row.get("error") or row.get("stopped_reason") or "no reason")
    return Failure(str(row.get("update_time") or ""), str(row.get("task_name")), int(row.get("attempt", 1)), error)


NOT_REGISTERED = "NotRegistered"
"""Status of a run without a row: its execution has just begun, or was refused."""


def status_of(state: RunState) -> str:
    """The run's status: that of its row, else what follows from the execution."""
    if state.summary is not None:
        return str(state.summary["status"])
    ended = EXECUTION_STATUSES.get(str((state.execution or {}).get("status")))
    return NOT_REGISTERED if ended is None else ended.value


def counts_of(state: RunState) -> Counts:
    """How far the run is, by its rows."""
    row = state.summary or {}
    counts = count(status_of(state), int(row.get("number_of_tasks", 0)), state.details)
    return replace(counts, waiting=None if is_over(state) else waiting(row))


def is_over(state: RunState) -> bool:
    """Whether nothing more will change: the row is terminal, or the execution ended without ever writing one."""
    if state.summary is not None:
        return RunStatus(str(state.summary["status"])).is_final
    return state.execution is None or state.execution["status"] not in ("RUNNING", "PENDING_REDRIVE")
