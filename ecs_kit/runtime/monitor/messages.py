"""Messages about a run, for readers of an execution's cause."""

from collections.abc import Sequence

from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.contract.records import Counts, Summary, TaskRow
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus


def outcome(summary: Summary, counts: Counts, rows: Sequence[TaskRow], details_table: str) -> str:
    """Describe a run's state: the counts, the first failure and where to look."""
    total, status = summary.number_of_tasks, summary.status
    run = f"run {summary.workflow_run_id} of {summary.workflow_name}"
    if status is RunStatus.RUNNING:
        done = f"{counts.completed} of {total} tasks completed, {counts.failed} failed, {counts.running} left in {run}"
        waiting = waits.capacity_wait(summary.waiting_since, summary.waiting_reason)
        return f"{done}; {waiting}" if waiting else done
    if status is RunStatus.COMPLETED:
        return f"all {total} tasks of {run} completed"
    parts = [f"{run} ended as {status}: {counts.failed} of {total} tasks failed, {counts.completed} completed"]
    first = _first_failure(rows)
    if first is not None:
        log = f", log stream {first.log_stream}" if first.log_stream else ""
        parts.append(f"first failure: task {first.task_name}, attempt {first.attempt}: {first.error}{log}")
    parts.append(f"all of them: table {details_table}, workflow_run_id {summary.workflow_run_id}")
    return ". ".join(part.removesuffix(".") for part in parts) + "."


def _first_failure(rows: Sequence[TaskRow]) -> TaskRow | None:
    completed = {row.task_name for row in rows if row.status is TaskStatus.COMPLETED}
    failed = [row for row in rows if row.status is TaskStatus.FAILED and row.task_name not in completed]
    return min(failed, key=lambda row: (row.update_time, row.task_name, row.attempt), default=None)
