"""Rows of attempts as ECS describes their tasks, for containers that know nothing of the kit. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from ecs_kit.runtime.contract import failures
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.failures import ExitCodes
from ecs_kit.runtime.contract.records import Target, TaskRow, new_row
from ecs_kit.runtime.contract.statuses import TaskStatus


def row_of(task: EcsTask, attempt: Attempt, target: Target, codes: ExitCodes, now: datetime) -> TaskRow:
    """Return the row of an attempt: `Submitted` until its container runs, terminal once ECS has stopped the task."""
    failure = None
    status = TaskStatus.RUNNING if task.started_at else TaskStatus.SUBMITTED
    if task.is_stopped:
        failure = None if codes.succeeded(task) else failures.of_stopped_task(task, codes)
        status = TaskStatus.FAILED if failure else TaskStatus.COMPLETED
    row = new_row(
        attempt,
        target,
        status,
        ecs_task_arn=task.arn,
        now=now,
        start=task.started_at or task.created_at,
        failure=failure,
    )
    exit_code = task.exit_code if failure or task.exit_code else None
    return replace(row, exit_code=exit_code, exec_time_in_seconds=task.seconds if task.is_stopped else None)


def changed_rows(
    tasks: Iterable[EcsTask], rows: Mapping[str, TaskRow], target: Target, codes: ExitCodes, now: datetime
) -> list[TaskRow]:
    """Return the rows of tasks that have none, or an active one with another status; `rows` are by ARN."""
    changed = []
    for task in tasks:
        known = rows.get(task.arn)
        if task.attempt is None or (known and known.status.is_final):
            continue
        row = row_of(task, task.attempt, target, codes, now)
        if known is None or known.status is not row.status:
            changed.append(row)
    return changed
