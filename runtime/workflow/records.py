"""The items of the two tables, as typed records, and how DynamoDB writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from runtime.workflow.statuses import RunStatus, TaskStatus

Item = Mapping[str, Any]
"""An item in DynamoDB's own JSON, for example `{"attempt": {"N": "1"}}`."""

_STRINGS = frozenset(
    {
        "workflow_name",
        "status",
        "start_time",
        "update_time",
        "end_time",
        "execution_arn",
        "workflow_specs",
        "ecs_task_id",
        "task_name",
        "source_uri",
        "target_uri",
        "error",
        "stopped_reason",
        "log_stream",
        "stop_code",
        "settings",
        "open_since",
        "waiting_since",
        "launch_after",
        "waiting_until",
        "launch_asked",
        "waiting_reason",
    }
)


@dataclass(frozen=True, slots=True)
class Summary:
    """One run: an item of the summary table. The names of the fields are those of the attributes.

    Args:
        workflow_name: partition key.
        workflow_run_id: sort key.
        status: where the run stands.
        number_of_tasks: length of the spec's `taskList`.
        execution_arn: the execution that owns the run.
        start_time: ISO 8601, UTC, as all times here.
        update_time: last write.
        end_time: when the run came to its end; one that was ended early gets it once its ECS tasks are stopped.
        completed_tasks: tasks with a completed attempt.
        failed_tasks: tasks that failed and are not tried again.
        running_tasks: all others.
        launching_ended: nothing more will be launched.
        workflow_specs: the spec as JSON; without its `taskList` where it is longer than 3 KB.
        settings: what the run was registered with, as `Settings.of_run` reads it; no later deployment changes it.
        open_since: its start, for as long as it has no `end_time`: the key of the sparse index of open runs.
        waiting_since: since when ECS has had no capacity for its next task; None while it has.
        waiting_reason: what ECS said last.
        launch_asked: pattern 1: when the launcher asked ECS last.
        launch_after: pattern 1: when it is to ask again.
        waiting_until: pattern 2: when the last of its tasks that wait asks again.
        on_demand_first: pattern 1 with `spotShare`: whether on-demand capacity is asked first, Spot second. It changes
            with `capacity_waits` alone, as the client tokens do.
        capacity_waits: how often it has waited for capacity.
        wait_events: pattern 2: events of the execution's history that these waits and further attempts have taken.
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
        ecs_task_id: sort key: the ECS task's ARN, or what `not_started_id` makes.
        workflow_name: the run's workflow.
        task_name: the entry of `taskList`.
        attempt: 1, 2, …
        status: where the attempt stands.
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


LONGEST_REASON = 2000
"""Characters of an `error` or a `stopped_reason`: a job may raise an exception whose text is longer than an item of
DynamoDB (400 KB) or a payload of Step Functions (256 KiB) may be. The whole of it is in the log."""

_REASONS = ("error", "stopped_reason")

NOT_STARTED = "not-started/"


def not_started_id(task_name: str, attempt: int) -> str:
    """Return the `ecs_task_id` of an attempt that ECS never accepted."""
    return f"{NOT_STARTED}{task_name}/{attempt}"


def attribute(name: str, value: object) -> dict[str, Any]:
    """Write one attribute value in DynamoDB's own JSON.

    Args:
        name: the attribute's name, which decides its type.
        value: a string, number or bool.
    """
    if isinstance(value, bool):
        return {"BOOL": value}
    if name in _STRINGS:
        return {"S": str(value)}
    return {"N": str(value)}


def to_item(record: Summary | TaskRow) -> dict[str, Any]:
    """Write a record as an item; fields that are None are left out, reasons that are too long are cut."""
    values = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {
        name: attribute(name, _shortened(value) if name in _REASONS else value)
        for name, value in values
        if value is not None
    }


def to_summary(item: Item) -> Summary:
    """Read an item of the summary table; absent counts are zero."""
    values = _plain(item)
    return Summary(
        workflow_name=str(values["workflow_name"]),
        workflow_run_id=int(values["workflow_run_id"]),
        status=RunStatus(values.get("status", RunStatus.RUNNING)),
        number_of_tasks=int(values.get("number_of_tasks", 0)),
        execution_arn=str(values.get("execution_arn", "")),
        start_time=str(values.get("start_time", "")),
        update_time=str(values.get("update_time", "")),
        completed_tasks=int(values.get("completed_tasks", 0)),
        failed_tasks=int(values.get("failed_tasks", 0)),
        running_tasks=int(values.get("running_tasks", 0)),
        launching_ended=bool(values.get("launching_ended", False)),
        end_time=values.get("end_time"),
        workflow_specs=values.get("workflow_specs"),
        settings=values.get("settings"),
        open_since=values.get("open_since"),
        waiting_since=values.get("waiting_since"),
        waiting_reason=values.get("waiting_reason"),
        launch_asked=values.get("launch_asked"),
        launch_after=values.get("launch_after"),
        waiting_until=values.get("waiting_until"),
        on_demand_first=bool(values.get("on_demand_first", False)),
        capacity_waits=int(values.get("capacity_waits", 0)),
        wait_events=int(values.get("wait_events", 0)),
        expires_at=int(values["expires_at"]) if "expires_at" in values else None,
    )


def to_task_row(item: Item) -> TaskRow:
    """Read an item of the details table."""
    values = _plain(item)
    return TaskRow(
        workflow_run_id=int(values["workflow_run_id"]),
        ecs_task_id=str(values["ecs_task_id"]),
        workflow_name=str(values.get("workflow_name", "")),
        task_name=str(values.get("task_name", "")),
        attempt=int(values.get("attempt", 1)),
        status=TaskStatus(values.get("status", TaskStatus.RUNNING)),
        start_time=str(values.get("start_time", "")),
        update_time=str(values.get("update_time", "")),
        exec_time_in_seconds=float(values["exec_time_in_seconds"]) if "exec_time_in_seconds" in values else None,
        source_uri=values.get("source_uri"),
        target_uri=values.get("target_uri"),
        error=values.get("error"),
        stopped_reason=values.get("stopped_reason"),
        stop_code=values.get("stop_code"),
        exit_code=int(values["exit_code"]) if "exit_code" in values else None,
        log_stream=values.get("log_stream"),
        expires_at=int(values["expires_at"]) if "expires_at" in values else None,
    )


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"


def _plain(item: Item) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in item.items():
        ((kind, content),) = value.items()
        if kind == "N":
            plain[name] = Decimal(content)
        elif kind in ("S", "BOOL"):
            plain[name] = content
    return plain
