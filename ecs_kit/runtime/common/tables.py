"""The two tables. Every write is conditional; every read that decides something is complete and strongly consistent.

Terminal statuses never change: a late or repeated write fails its condition and returns the stored item.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from ecs_kit.runtime.contract.errors import RunIdInUse
from ecs_kit.runtime.contract.records import (
    OPEN_RUNS_INDEX,
    Counts,
    Item,
    Summary,
    TaskRow,
    attribute,
    to_item,
    to_summary,
    to_task_row,
)
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

LONGEST_WAITING_REASON = 300
"""Characters of `waiting_reason`; each update is charged for the whole item."""

SPEC_LIMIT_BYTES = 3 * 1024
"""Longest spec that a summary item stores in full: each update is charged for the whole item.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""


def stored_spec(document: Mapping[str, Any]) -> str:
    """Return a spec as the summary item stores it: in full up to 3 KB, above that without its `taskList`."""
    whole = _compact(document)
    if len(whole.encode()) <= SPEC_LIMIT_BYTES:
        return whole
    return _compact({name: value for name, value in document.items() if name != "taskList"})


class SummaryTable:
    """The summary table.

    Args:
        client: DynamoDB client.
        name: the table's name.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self.name = name

    def register(self, summary: Summary) -> Summary:
        """Put a run's item unless this execution has put it already.

        Returns:
            The stored item.

        Raises:
            RunIdInUse: the item belongs to another execution.
        """

        def put() -> Summary:
            self._client.put_item(
                TableName=self.name,
                Item=to_item(summary),
                ConditionExpression="attribute_not_exists(workflow_name)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
            return summary

        found, written = _conditional(put, to_summary, lambda: self.get(summary.workflow_name, summary.workflow_run_id))
        if not written and (found is None or found.execution_arn != summary.execution_arn):
            owner = found.execution_arn if found else ""
            raise RunIdInUse(summary.workflow_name, summary.workflow_run_id, owner)
        return found or summary

    def get(self, workflow_name: str, run_id: int) -> Summary | None:
        """Read a run's item, strongly consistent; None where there is none."""
        answer = self._client.get_item(
            TableName=self.name, Key=_summary_key(workflow_name, run_id), ConsistentRead=True
        )
        return to_summary(answer["Item"]) if "Item" in answer else None

    def update_counts(self, summary: Summary, counts: Counts, now: str) -> tuple[Summary, bool]:
        """Write the counts of an active run.

        Returns:
            The stored item, and whether this call wrote it.
        """
        return self._update(summary, RunStatus.RUNNING, {**_count_values(counts), "update_time": now})

    def finish(self, summary: Summary, status: RunStatus, counts: Counts, now: str) -> tuple[Summary, bool]:
        """Set an active run's terminal status.

        Returns:
            The stored item, and whether this call wrote it.
        """
        values = {"status": status, **_count_values(counts), "end_time": now, "update_time": now}
        return self._update(summary, RunStatus.RUNNING, values, remove=(*_WAITING, "open_since"))

    def end_early(self, summary: Summary, status: RunStatus, now: str) -> tuple[Summary, bool]:
        """Set an active run's terminal status while its ECS tasks may still run: it has no `end_time` yet.

        Returns:
            The stored item, and whether this call wrote it.
        """
        return self._update(summary, RunStatus.RUNNING, {"status": status, "update_time": now}, remove=_WAITING)

    def conclude(self, summary: Summary, counts: Counts, now: str) -> tuple[Summary, bool]:
        """Write the final counts and the `end_time` of a run that was ended early.

        Returns:
            The stored item, and whether this call wrote it.
        """
        values = {**_count_values(counts), "update_time": now, "end_time": now}
        return self._update(summary, summary.status, values, keep=("end_time",), remove=("open_since",))

    def set_launching_ended(self, summary: Summary, ended: bool, now: str) -> tuple[Summary, bool]:
        """Record whether an active run will launch anything more.

        Returns:
            The stored item, and whether this call wrote it.
        """
        return self._update(summary, RunStatus.RUNNING, {"launching_ended": ended, "update_time": now})

    def wait_for_capacity(
        self,
        summary: Summary,
        now: str,
        reason: str,
        *,
        launch_after: str | None = None,
        on_demand_first: bool = False,
        events: int = 0,
    ) -> tuple[Summary, bool]:
        """Record that an active run waits for capacity, and count the wait.

        Args:
            summary: the run.
            now: the time; `waiting_since` unless the run was waiting already.
            reason: what ECS said.
            launch_after: pattern 1: when the launcher retries.
            on_demand_first: pattern 1: whether it then tries on-demand capacity first.
            events: pattern 2: history events that this wait uses.

        Returns:
            The stored item, and whether this call wrote it.
        """
        values: dict[str, object] = {
            "waiting_since": now,
            "waiting_reason": reason[:LONGEST_WAITING_REASON],
            "update_time": now,
        }
        if launch_after:
            values |= {"launch_asked": now, "launch_after": launch_after, "on_demand_first": on_demand_first}
        added = {"capacity_waits": 1, "wait_events": events}
        return self._update(summary, RunStatus.RUNNING, values, keep=("waiting_since",), add=added)

    def count_events(self, summary: Summary, events: int) -> tuple[Summary, bool]:
        """Count the history events that another attempt at a task uses.

        Returns:
            The stored item, and whether this call wrote it.
        """
        return self._update(summary, RunStatus.RUNNING, {}, add={"wait_events": events})

    def wait_until(self, summary: Summary, moment: str) -> tuple[Summary, bool]:
        """Record when a task that waits for capacity retries, unless another one retries later.

        Args:
            summary: the run, as `wait_for_capacity` returned it; a poll may have ended its wait since.
            moment: when the task retries.

        Returns:
            The stored item, and whether this call wrote it.
        """
        since = {"waiting_since": summary.waiting_since or moment, "waiting_reason": summary.waiting_reason or ""}
        return self._update(
            summary,
            RunStatus.RUNNING,
            {"waiting_until": moment, **since},
            keep=tuple(since),
            condition="(attribute_not_exists(#waiting_until) OR #waiting_until < :new_waiting_until)",
        )

    def launch_now(self, summary: Summary, now: str) -> tuple[Summary, bool]:
        """Let the launcher of an active run retry now instead of waiting for capacity any longer.

        Returns:
            The stored item, and whether this call wrote it.
        """
        return self._update(summary, RunStatus.RUNNING, {"update_time": now}, remove=("launch_after",))

    def end_waiting(self, summary: Summary, now: str) -> tuple[Summary, bool]:
        """Record that an active run has capacity again, unless it has started another wait since it was read.

        Returns:
            The stored item, and whether this call wrote it.
        """
        return self._update(
            summary,
            RunStatus.RUNNING,
            {"update_time": now},
            remove=_WAITING,
            condition="capacity_waits = :known",
            operands={":known": attribute(summary.capacity_waits)},
        )

    def unfinished(self) -> Iterator[Summary]:
        """Return the items of all runs without `end_time`: active ones, and those whose early end was interrupted.

        The index holds keys only, so that updates of a run's counts do not write to it. It is eventually consistent,
        so each item is read from the table.
        """
        start: dict[str, Any] = {}
        while True:
            page = self._client.scan(TableName=self.name, IndexName=OPEN_RUNS_INDEX, **start)
            for keys in page.get("Items", []):
                found = self.get(keys["workflow_name"]["S"], int(keys["workflow_run_id"]["N"]))
                if found is not None and found.end_time is None:
                    yield found
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _update(
        self,
        summary: Summary,
        expected: RunStatus,
        values: Mapping[str, object],
        *,
        keep: tuple[str, ...] = (),
        remove: tuple[str, ...] = (),
        add: Mapping[str, int] | None = None,
        condition: str = "",
        operands: dict[str, Any] | None = None,
    ) -> tuple[Summary, bool]:
        key = _summary_key(summary.workflow_name, summary.workflow_run_id)
        given: dict[str, Any] = {":expected": {"S": expected}, **(operands or {})}

        def update() -> Summary:
            answer = self._client.update_item(
                TableName=self.name,
                Key=key,
                ConditionExpression="#status = :expected" + (f" AND {condition}" if condition else ""),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_changes(values, given, keep=keep, remove=remove, add=add),
            )
            return to_summary(answer["Attributes"])

        found, written = _conditional(
            update, to_summary, lambda: self.get(summary.workflow_name, summary.workflow_run_id)
        )
        return found or summary, written


class DetailsTable:
    """The details table.

    Args:
        client: DynamoDB client.
        name: the table's name.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self.name = name

    def rows(self, run_id: int, workflow_name: str) -> list[TaskRow]:
        """Read all rows of a run, strongly consistent."""
        rows: list[TaskRow] = []
        start: dict[str, Any] = {}
        while True:
            page = self._client.query(
                TableName=self.name,
                ConsistentRead=True,
                KeyConditionExpression="workflow_run_id = :run_id",
                FilterExpression="workflow_name = :workflow_name",
                ExpressionAttributeValues={":run_id": {"N": str(run_id)}, ":workflow_name": {"S": workflow_name}},
                **start,
            )
            rows += map(to_task_row, page.get("Items", []))
            if not page.get("LastEvaluatedKey"):
                return rows
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def get(self, run_id: int, ecs_task_id: str) -> TaskRow | None:
        """Read one row, strongly consistent; None where there is none."""
        answer = self._client.get_item(TableName=self.name, Key=_row_key(run_id, ecs_task_id), ConsistentRead=True)
        return to_task_row(answer["Item"]) if "Item" in answer else None

    def put_new(self, row: TaskRow) -> tuple[TaskRow, bool]:
        """Put a row unless one exists, whoever put it; never overwrites.

        Returns:
            The stored row, and whether this call wrote it.
        """

        def put() -> TaskRow:
            self._client.put_item(
                TableName=self.name,
                Item=to_item(row),
                ConditionExpression="attribute_not_exists(ecs_task_id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
            return row

        found, written = _conditional(put, to_task_row, lambda: self.get(row.workflow_run_id, row.ecs_task_id))
        return found or row, written

    def write(self, row: TaskRow) -> tuple[TaskRow, bool]:
        """Write a row, new or not, unless its status is terminal.

        Returns:
            The stored row, and whether this call wrote it.
        """
        return self._update(row, "attribute_not_exists(#status) OR #status IN (:submitted, :running)", keep=())

    def explain(self, row: TaskRow) -> tuple[TaskRow, bool]:
        """Add ECS's reasons to a failed row where it has none; never overwrites.

        Returns:
            The stored row, and whether this call wrote it.
        """
        return self._update(row, "#status = :failed", keep=_FIRST_REASONS)

    def record_failure(self, row: TaskRow) -> tuple[TaskRow, bool]:
        """Make a row `Failed`, new or not, unless it is `Completed` or another workflow's; never overwrites a reason.

        Two workflows may use one run id. Then `not-started/…` keys may collide: the first workflow keeps the row.

        Returns:
            The stored row, and whether this call wrote it.
        """
        condition = (
            "(attribute_not_exists(#status) OR #status <> :completed) AND "
            "(attribute_not_exists(workflow_name) OR workflow_name = :new_workflow_name)"
        )
        return self._update(row, condition, keep=(*_FIRST_REASONS, "log_stream", "exec_time_in_seconds"))

    def _update(self, row: TaskRow, condition: str, keep: tuple[str, ...]) -> tuple[TaskRow, bool]:
        statuses = {
            f":{status.lower()}": {"S": status.value} for status in TaskStatus if f":{status.lower()}" in condition
        }
        values = {name: value for name, value in to_item(row).items() if name not in ("workflow_run_id", "ecs_task_id")}

        def update() -> TaskRow:
            answer = self._client.update_item(
                TableName=self.name,
                Key=_row_key(row.workflow_run_id, row.ecs_task_id),
                ConditionExpression=condition,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_changes(values, statuses, keep=keep, written=True),
            )
            return to_task_row(answer["Attributes"])

        found, written = _conditional(update, to_task_row, lambda: self.get(row.workflow_run_id, row.ecs_task_id))
        return found or row, written


def _conditional(
    write: Callable[[], T], read_item: Callable[[Item], T], read_again: Callable[[], T | None]
) -> tuple[T | None, bool]:
    """Do a conditional write; where its condition is false, return the stored item instead."""
    try:
        return write(), True
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
            raise
        old: Any = error.response.get("Item")
        return (read_item(old) if old else read_again()), False


def _changes(
    values: Mapping[str, object],
    extra: Mapping[str, Any],
    *,
    keep: tuple[str, ...] = (),
    remove: tuple[str, ...] = (),
    add: Mapping[str, int] | None = None,
    written: bool = False,
) -> dict[str, Any]:
    """Return UpdateItem's arguments: set `values` (those in `keep` only where absent), `remove` attributes, `add` to
    numbers."""
    sets = [
        f"#{name} = if_not_exists(#{name}, :new_{name})" if name in keep else f"#{name} = :new_{name}"
        for name in values
    ]
    numbers = add or {}
    clauses = {
        "SET": sets,
        "REMOVE": [f"#{name}" for name in remove],
        "ADD": [f"#{name} :add_{name}" for name in numbers],
    }
    return {
        "UpdateExpression": " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts),
        "ExpressionAttributeNames": {
            "#status": "status",
            **{f"#{name}": name for name in (*values, *remove, *numbers)},
        },
        "ExpressionAttributeValues": {
            **{f":new_{name}": value if written else attribute(value) for name, value in values.items()},
            **{f":add_{name}": {"N": str(number)} for name, number in numbers.items()},
            **extra,
        },
    }


_WAITING = ("waiting_since", "waiting_reason", "waiting_until", "launch_asked", "launch_after")
_FIRST_REASONS = ("error", "stopped_reason", "stop_code", "exit_code", "start_time")


def _count_values(counts: Counts) -> dict[str, object]:
    return {"completed_tasks": counts.completed, "failed_tasks": counts.failed, "running_tasks": counts.running}


def _summary_key(workflow_name: str, run_id: int) -> dict[str, Any]:
    return {"workflow_name": {"S": workflow_name}, "workflow_run_id": {"N": str(run_id)}}


def _row_key(run_id: int, ecs_task_id: str) -> dict[str, Any]:
    return {"workflow_run_id": {"N": str(run_id)}, "ecs_task_id": {"S": ecs_task_id}}


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
