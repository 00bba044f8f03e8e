"""Messages about a run, for readers of an execution's cause."""

from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.contract.records import Summary
from ecs_kit.runtime.contract.statuses import RunStatus


def outcome(summary: Summary, details_table: str) -> str:
    """Describe a run's state: the counts, the first failure and where to look."""
    total, status, counts = summary.number_of_tasks, summary.status, summary.counts
    run = f"run {summary.workflow_run_id} of {summary.workflow_name}"
    if status is RunStatus.RUNNING:
        done = f"{counts.completed} of {total} tasks completed, {counts.failed} failed, {counts.running} left in {run}"
        waiting = waits.capacity_wait(summary.waiting_since, summary.waiting_reason)
        return f"{done}; {waiting}" if waiting else done
    if status is RunStatus.COMPLETED:
        return f"all {total} tasks of {run} completed"
    parts = [f"{run} ended as {status}: {counts.failed} of {total} tasks failed, {counts.completed} completed"]
    if summary.first_failure:
        parts.append(f"first failure: {summary.first_failure}")
    parts.append(f"all of them: table {details_table}, workflow_run_id {summary.workflow_run_id}")
    return ". ".join(part.removesuffix(".") for part in parts) + "."
