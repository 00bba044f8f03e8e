"""The items of the two tables: typed records, their one constructor, and their DynamoDB JSON."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, TypeVar, get_args, get_type_hints

from ecs_kit.runtime.contract.clock import from_iso, to_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
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

UNCOUNTED_INDEX = "uncounted_attempts"
"""Sparse index of the details table with the attempts of tasks whose outcome is not in the summary's counts yet."""

UNCOUNTED_KEY = "uncounted"
UNCOUNTED_PROJECTION = ("status", "start_time")
"""Attributes of the index beside the keys. An entry is some 250 bytes: 32 of them are read for one unit."""

EXPIRY_ATTRIBUTE = "expires_at"

LONGEST_TEXT = 2000
"""Characters of a text in a row. A job's exception text may exceed the limit of a DynamoDB item (400 KB) or of a Step
Functions payload (256 KiB). The log has all of it."""

LONGEST_LAUNCHING_ERROR = 500
"""Characters of a summary's `launching_error`, which each row of a task that was not launched repeats."""

NOT_STARTED = "not-started/"
"""Prefix of the `ecs_task_id` of an attempt that ECS never accepted."""

FAILURE_ATTRIBUTES = ("error", "stopped_reason", "stop_code", "exit_code", "start_time")
"""Attributes of a failed row whose first value is never overwritten."""

FUNCTION_ATTRIBUTES = ("confirmed_as", "refuted_at", "retried_by", "stop_code", "stopped_reason")
"""Attributes of a row that only launcher and monitor write: the role of the tasks does not allow them."""

ECS_TIMES = {
    "queued_at": "created_at",
    "pull_started_at": "pull_started_at",
    "pull_stopped_at": "pull_stopped_at",
    "started_at": "started_at",
    "stopped_at": "stopped_at",
}
"""Attributes of a row with ECS's own times, by the field of `EcsTask`."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One run: an item of the summary table. `docs/records.md` describes the fields, which are the attributes."""

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
    # Pattern 2: what its Map state over the tasks failed with.
    launching_error: str | None = None
    end_time: str | None = None
    workflow_specs: str | None = None
    settings: str | None = None
    open_since: str | None = None
    waiting_since: str | None = None
    waiting_reason: str | None = None
    launch_asked: str | None = None
    launch_after: str | None = None
    waiting_until: str | None = None
    # Changes with `capacity_waits` alone, as the client tokens do.
    on_demand_first: bool = False
    capacity_waits: int = 0
    wait_events: int = 0
    expires_at: int | None = None
    first_failure: str | None = None
    last_ended: str | None = None
    listed_at: str | None = None
    outcomes: str | None = None
    # Pattern 1: what the launcher has launched of the task list, and which call of it launches, or was interrupted.
    next_index: int = 0
    skipped: str | None = None
    launcher_call: str | None = None
    task_list: str | None = None
    rerun_of: int | None = None
    rerun_by: int | None = None

    def attempt(
        self, task_name: str, number: int, source_bucket: str = "", source_key: str = "", index: int | None = None
    ) -> Attempt:
        """Return an attempt at one of the run's tasks."""
        run = (self.workflow_name, self.workflow_run_id)
        return Attempt(*run, task_name, number, source_bucket, source_key, self.expires_at, index)

    @property
    def counts(self) -> "Counts":
        """The kept counts."""
        return Counts(self.completed_tasks, self.failed_tasks, self.running_tasks)

    def counted(self, counts: "Counts") -> "Summary":
        """Return the run with other counts."""
        return replace(self, completed_tasks=counts.completed, failed_tasks=counts.failed, running_tasks=counts.running)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an ECS task counts as failed.

    `code` is one of `failures.Code` or a stop code of ECS, `text` is for a reader. The others are ECS's own.
    """

    code: str
    text: str
    stopped_reason: str | None = None
    exit_code: int | None = None
    stop_code: str | None = None

    @property
    def error(self) -> str:
        """The `error` attribute of the row."""
        return f"{self.code}: {self.text}"


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One attempt: an item of the details table. `docs/records.md` describes the fields, which are the attributes."""

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
    queued_at: str | None = None
    pull_started_at: str | None = None
    pull_stopped_at: str | None = None
    started_at: str | None = None
    stopped_at: str | None = None
    task_index: int | None = None
    retried_by: str | None = None
    uncounted: str | None = None
    confirmed_as: str | None = None
    refuted_at: str | None = None

    @property
    def was_started(self) -> bool:
        """Whether ECS accepted this attempt."""
        return not self.ecs_task_id.startswith(NOT_STARTED)

    @property
    def identity(self) -> str:
        """The attempt that the row names; names have no slash."""
        return f"{self.workflow_name}/{self.task_index}/{self.attempt}/{self.task_name}"

    @property
    def is_confirmed(self) -> bool:
        """Whether launcher or monitor have recorded this attempt under this key.

        What a row of an attempt says that ECS did not start is read from there.
        """
        return self.confirmed_as is not None and (not self.was_started or self.confirmed_as == self.identity)

    def failed(self, failure: Failure, now: datetime, task: EcsTask | None = None) -> Self:
        """Return the row as `Failed`, with the reasons that it lacks, and the times of its ECS task that it lacks."""
        times = {name: text for name, text in times_of(task).items() if getattr(self, name) is None}
        return replace(
            self,
            status=TaskStatus.FAILED,
            update_time=to_iso(now),
            error=self.error or failure.error,
            # A terminal row without a reason of ECS gets ours, so that it is not described for ever.
            stopped_reason=self.stopped_reason
            or failure.stopped_reason
            or (failure.text if self.status.is_final else None),
            stop_code=self.stop_code or failure.stop_code,
            exit_code=failure.exit_code if self.exit_code is None else self.exit_code,
            **times,
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """Tasks of a run by status; the three add up to the run's number of tasks."""

    completed: int
    failed: int
    running: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where a task's result and the log of its container go."""

    bucket: str
    prefix: str
    log_stream_prefix: str
    container_name: str

    def key(self, attempt: Attempt) -> str:
        """Return `<prefix>/<workflow>/<run>/<task>/<the object's base name>`: a retry overwrites, never duplicates."""
        name = attempt.source_key.rsplit("/", 1)[-1]
        return f"{self.prefix}/{attempt.workflow_name}/{attempt.run_id}/{attempt.task_name}/{name}"

    def log_stream(self, ecs_task_arn: str) -> str:
        """Return the CloudWatch log stream of an ECS task.

        Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
        """
        return f"{self.log_stream_prefix}/{self.container_name}/{ecs_task_arn.rsplit('/', 1)[-1]}"


_OF_NOT_STARTED = (
    *("workflow_run_id", "ecs_task_id", "start_time", "update_time", "source_uri", "target_uri", "error"),
    *("stopped_reason", "stop_code", "retried_by", "uncounted", "confirmed_as"),
)

TASK_ATTRIBUTES = tuple(field.name for field in fields(TaskRow) if field.name not in FUNCTION_ATTRIBUTES)
"""Attributes of its row that a task may write."""


def times_of(task: EcsTask | None) -> dict[str, Any]:
    """Return the attributes with ECS's own times that are known of a task; it may be None."""
    known = {name: getattr(task, field) for name, field in ECS_TIMES.items()} if task else {}
    return {name: to_iso(moment) for name, moment in known.items() if moment}


def new_row(
    attempt: Attempt,
    target: Target,
    status: TaskStatus,
    *,
    ecs_task_arn: str,
    now: datetime,
    start: datetime | None = None,
    failure: Failure | None = None,
    task: EcsTask | None = None,
) -> TaskRow:
    """Make the row of an attempt; `ecs_task_arn` is empty where ECS started no task, `start` is now if not given.

    `task` has ECS's times, where ECS has said any.
    """
    source = f"s3://{attempt.source_bucket}/{attempt.source_key}"
    return TaskRow(
        workflow_run_id=attempt.run_id,
        ecs_task_id=ecs_task_arn or f"{NOT_STARTED}{attempt.task_name}/{attempt.number}",
        workflow_name=attempt.workflow_name,
        task_name=attempt.task_name,
        attempt=attempt.number,
        status=status,
        start_time=to_iso(start or now),
        update_time=to_iso(now),
        source_uri=source if attempt.source_bucket and attempt.source_key else None,
        target_uri=f"s3://{target.bucket}/{target.key(attempt)}" if attempt.source_key else None,
        error=failure.error if failure else None,
        stopped_reason=failure.stopped_reason if failure else None,
        stop_code=failure.stop_code if failure else None,
        exit_code=failure.exit_code if failure else None,
        log_stream=target.log_stream(ecs_task_arn) if ecs_task_arn else None,
        expires_at=attempt.expires_at,
        task_index=attempt.index,
        uncounted=_uncounted(attempt),
        **times_of(task),
    )


def _uncounted(attempt: Attempt) -> str | None:
    """Return an attempt's key in the index; names have no slash."""
    if attempt.index is None:
        return None
    return f"{attempt.workflow_name}/{attempt.index}/{attempt.number}/{attempt.task_name}"


def from_uncounted(entry: Item) -> TaskRow:
    """Return the row of an index entry: what the entry says of it."""
    uncounted = entry[UNCOUNTED_KEY]["S"]
    workflow_name, index, attempt, task_name = uncounted.split("/")
    row = from_item(TaskRow, {**entry, "workflow_name": {"S": workflow_name}, "task_name": {"S": task_name}})
    return replace(row, task_index=int(index), attempt=int(attempt))


def to_row(item: Item) -> TaskRow:
    """Read an item of the details table.

    The key of an attempt that ECS did not start can be guessed, so that any task can write its row. Only launcher and
    monitor write `confirmed_as`: `<workflow>/<index>/<attempt>/<task>/<error's code>`, which decides. Of the rest only
    text is read.

    Raises:
        KeyError, ValueError, AttributeError, TypeError: the item is no row.
    """
    if not item[DETAILS_RANGE_KEY]["S"].startswith(NOT_STARTED):
        return from_item(TaskRow, item)
    workflow_name, index, attempt, task_name, code = item["confirmed_as"]["S"].split("/", 4)
    row = from_item(TaskRow, {name: value for name, value in item.items() if name in _OF_NOT_STARTED})
    return replace(
        row,
        start_time=_time_or_epoch(row.start_time),
        update_time=_time_or_epoch(row.update_time),
        workflow_name=workflow_name,
        task_index=None if index == "None" else int(index),
        attempt=int(attempt),
        task_name=task_name,
        status=TaskStatus.FAILED,
        error=f"{code}:{(row.error or '').partition(':')[2]}",
    )


def _time_or_epoch(text: str) -> str:
    try:
        return to_iso(from_iso(text))
    except ValueError:
        return "1970-01-01T00:00:00.000Z"


def attribute(value: object) -> dict[str, Any]:
    """Return an attribute value (string, number or bool) as DynamoDB JSON."""
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"S": str(value)} if isinstance(value, str) else {"N": str(value)}


def to_item(record: Summary | TaskRow) -> dict[str, Any]:
    """Return a record as an item; None is left out, texts of rows that are too long are truncated."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    if isinstance(record, TaskRow):
        for name, value in values.items():
            if isinstance(value, str) and len(value) > LONGEST_TEXT and name != DETAILS_RANGE_KEY:
                values[name] = value[: LONGEST_TEXT - 1] + "…"
    return {name: attribute(value) for name, value in values.items() if value is not None}


R = TypeVar("R", Summary, TaskRow)


def from_item(record: type[R], item: Item) -> R:
    """Read an item by the types of the record's fields.

    A required value that is absent is empty, zero or the status `Running`.
    """
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
