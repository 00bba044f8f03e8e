"""The items of the two tables as typed records, and their DynamoDB JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_type_hints

from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus

Item = Mapping[str, Any]
"""An item as DynamoDB JSON, for example `{"attempt": {"N": "1"}}`."""


SUMMARY_HASH_KEY = "workflow_name"
SUMMARY_RANGE_KEY = "workflow_run_id"
DETAILS_HASH_KEY = "workflow_run_id"
DETAILS_RANGE_KEY = "ecs_task_id"

OPEN_RUNS_INDEX = "open_runs"
"""Sparse index of the summary table with the keys of the runs that have no `end_time`."""

OPEN_RUNS_KEY = "open_since"
EXPIRY_ATTRIBUTE = "expires_at"


@dataclass(frozen=True, slots=True)
class Summary:
    """One run: an item of the summary table. The names of the fields are those of the attributes.

    Args:
        workflow_name: partition key.
        workflow_run_id: sort key.
        status: the run's status.
        number_of_tasks: length of the spec's `taskList`.
        execution_arn: the execution that owns the run.
        start_time: ISO 8601, UTC, as all times here.
        update_time: last write.
        end_time: when the run ended; one that was ended early gets it once its ECS tasks are stopped.
        completed_tasks: tasks with a completed attempt.
        failed_tasks: tasks that failed and are not retried.
        running_tasks: all others.
        launching_ended: nothing more will be launched.
        workflow_specs: the spec as JSON; without its `taskList` where it is longer than 3 KB.
        settings: the settings at registration, for `Settings.of_run`; no later deployment changes them.
        open_since: its start while it has no `end_time`: the key of the sparse index of open runs.
        waiting_since: since when ECS has had no capacity for its next task; None while it has.
        waiting_reason: what ECS said last.
        launch_asked: pattern 1: when the launcher last called RunTask.
        launch_after: pattern 1: when it retries.
        waiting_until: pattern 2: when the last of its waiting tasks retries.
        on_demand_first: pattern 1 with `spotShare`: whether on-demand capacity is tried first, Spot second. It changes
            with `capacity_waits` alone, as the client tokens do.
        capacity_waits: how often it has waited for capacity.
        wait_events: pattern 2: history events that these waits and retries have used.
        expires_at: when DynamoDB may delete its items, in seconds since 1970; None for never.
    """

    workflow_name: str
    workflow_run_id: int
    status: RunStatus
    number_of_tasks: int
    execution_arn: str
    start_time: str
    update_time: str
    completed_tasks: int = 0
    failed_tasks: int = 0
    running_tasks: int = 0
    launching_ended: bool = False
    end_time: str | None = None
    workflow_specs: str | None = None
    settings: str | None = None
    open_since: str | None = None
    waiting_since: str | None = None
    waiting_reason: str | None = None
    launch_asked: str | None = None
    launch_after: str | None = None
    waiting_until: str | None = None
    on_demand_first: bool = False
    capacity_waits: int = 0
    wait_events: int = 0
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One attempt at a task: an item of the details table. The names of the fields are those of the attributes.

    Args:
        workflow_run_id: partition key.
        ecs_task_id: sort key: the ECS task's ARN, or `not_started_id`.
        workflow_name: the run's workflow.
        task_name: the entry of `taskList`.
        attempt: 1, 2, …
        status: the attempt's status.
        start_time: ISO 8601, UTC: when it was submitted, later when its job began.
        update_time: last write.
        exec_time_in_seconds: how long the job ran.
        source_uri: the object copied, `s3://…`.
        target_uri: the copy, `s3://…`.
        error: what went wrong, `<code>: <text>`.
        stopped_reason: ECS's own reason for the stop.
        stop_code: ECS's own code for it.
        exit_code: the container's exit code.
        log_stream: stream in the task log group.
        expires_at: when DynamoDB may delete the item, in seconds since 1970; None for never.
    """

    workflow_run_id: int
    ecs_task_id: str
    workflow_name: str
    task_name: str
    attempt: int
    status: TaskStatus
    start_time: str
    update_time: str
    exec_time_in_seconds: float | None = None
    source_uri: str | None = None
    target_uri: str | None = None
    error: str | None = None
    stopped_reason: str | None = None
    stop_code: str | None = None
    exit_code: int | None = None
    log_stream: str | None = None
    expires_at: int | None = None

    @property
    def was_started(self) -> bool:
        """Whether ECS accepted this attempt."""
        return not self.ecs_task_id.startswith(NOT_STARTED)


@dataclass(frozen=True, slots=True)
class Counts:
    """Tasks of a run by status; the three add up to the run's number of tasks."""

    completed: int
    failed: int
    running: int


LONGEST_REASON = 2000
"""Characters of an `error` or a `stopped_reason`. A job's exception text may exceed the limit of a DynamoDB item
(400 KB) or of a Step Functions payload (256 KiB). The log has all of it."""

_REASONS = ("error", "stopped_reason")

NOT_STARTED = "not-started/"


def not_started_id(task_name: str, attempt: int) -> str:
    """Return the `ecs_task_id` of an attempt that ECS never accepted."""
    return f"{NOT_STARTED}{task_name}/{attempt}"


def attribute(value: object) -> dict[str, Any]:
    """Return an attribute value (string, number or bool) as DynamoDB JSON."""
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"S": str(value)} if isinstance(value, str) else {"N": str(value)}


def to_item(record: Summary | TaskRow) -> dict[str, Any]:
    """Return a record as an item; None is left out, reasons that are too long are truncated."""
    values = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {
        name: attribute(_shortened(value) if name in _REASONS else value) for name, value in values if value is not None
    }


def to_summary(item: Item) -> Summary:
    """Read an item of the summary table."""
    return _read(Summary, item)


def to_task_row(item: Item) -> TaskRow:
    """Read an item of the details table."""
    return _read(TaskRow, item)


R = TypeVar("R", Summary, TaskRow)


def _read(record: type[R], item: Item) -> R:
    """Read an item by the types of the record's fields. A required value that is absent is empty, zero or the status
    `Running`."""
    kinds = _KINDS[record]
    values: dict[str, Any] = {}
    for field in fields(record):
        kind = kinds[field.name]
        if field.name in item:
            (content,) = item[field.name].values()
            values[field.name] = kind(content)
        elif field.default is MISSING:
            values[field.name] = kind("Running") if issubclass(kind, StrEnum) else kind()
    return record(**values)


def _without_none(record: type[Any]) -> dict[str, Any]:
    return {name: (*get_args(hint), hint)[0] for name, hint in get_type_hints(record).items()}


_KINDS = {record: _without_none(record) for record in (Summary, TaskRow)}
"""The type of each field, without its `| None`."""


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
