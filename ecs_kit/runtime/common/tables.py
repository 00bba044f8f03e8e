"""The two tables. Every write is conditional; every read that decides something is complete and strongly consistent.

Terminal statuses never change. A write whose condition is false changes nothing and returns the stored item: it came
late, or it was repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from botocore.exceptions import ClientError

from ecs_kit.runtime.contract.errors import RunIdInUse
from ecs_kit.runtime.contract.records import (
    ECS_TIMES,
    FAILURE_ATTRIBUTES,
    OPEN_RUNS_INDEX,
    Counts,
    Item,
    Summary,
    TaskRow,
    attribute,
    from_item,
    to_item,
)
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

R = TypeVar("R", Summary, TaskRow)

LONGEST_WAITING_REASON = 300
"""Characters of `waiting_reason`; each update is charged for the whole item."""

SPEC_LIMIT_BYTES = 3 * 1024
"""Longest spec that a summary item stores in full: each update is charged for the whole item.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

_WAITING = ("waiting_since", "waiting_reason", "waiting_until", "launch_asked", "launch_after")


def stored_spec(document: Mapping[str, Any]) -> str:
    """Return a spec as the summary item stores it: in full up to 3 KB, above that without its `taskList`."""
    whole = _compact(document)
    if len(whole.encode()) <= SPEC_LIMIT_BYTES:
        return whole
    return _compact({name: value for name, value in document.items() if name != "taskList"})


class _Table(Generic[R]):
    _record: type[R]
    _keys: tuple[str, str]

    def __init__(
        self, client: DynamoDBClient, name: str, on_write: Callable[[R | None, R], None] = lambda _before, _after: None
    ) -> None:
        """`on_write` is called after each write with the item before it, None for a new one, and after it."""
        self._client = client
        self.name = name
        self._on_write: Callable[[R | None, R], None] = on_write

    def get(self, *key: str | int) -> R | None:
        """Read an item by its hash and range key; None where there is none."""
        names = dict(zip(self._keys, map(attribute, key), strict=True))
        answer = self._client.get_item(TableName=self.name, Key=names, ConsistentRead=True)
        return from_item(self._record, answer["Item"]) if "Item" in answer else None

    def _pages(self, read: Callable[..., Any], **request: Any) -> Iterator[Item]:
        while True:
            page = read(TableName=self.name, **request)
            yield from page.get("Items", [])
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def put_new(self, record: R) -> tuple[R, bool]:
        """Put an item unless one exists, whoever put it; return the stored one, and whether this call put it."""
        request = {"Item": to_item(record), "ConditionExpression": f"attribute_not_exists({self._keys[1]})"}
        found, written = self._conditional(self._client.put_item, request)
        if written:
            self._on_write(None, record)
        return from_item(self._record, found) if found else record, written

    def _update(
        self,
        record: R,
        condition: str,
        values: Item,
        operands: Item,
        *,
        keep: tuple[str, ...] = (),
        remove: tuple[str, ...] = (),
        add: Item | None = None,
    ) -> tuple[R, bool]:
        """Set `values` (those in `keep` only where absent), `remove` attributes, `add` to numbers.

        Returns the stored item, `record` if there is none, and whether this call wrote it.
        """
        added: Item = add or {}
        clauses = {
            "SET": [
                f"#{name} = if_not_exists(#{name}, :new_{name})" if name in keep else f"#{name} = :new_{name}"
                for name in values
            ],
            "REMOVE": [f"#{name}" for name in remove],
            "ADD": [f"#{name} :add_{name}" for name in added],
        }
        key = {name: attribute(getattr(record, name)) for name in self._keys}
        request = {
            "Key": key,
            "ConditionExpression": condition,
            "ReturnValues": "ALL_OLD",
            "UpdateExpression": " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts),
            "ExpressionAttributeNames": {f"#{name}": name for name in ("status", *values, *remove, *added)},
            "ExpressionAttributeValues": {
                **{f":new_{name}": value for name, value in values.items()},
                **{f":add_{name}": number for name, number in added.items()},
                **operands,
            },
        }
        old, written = self._conditional(self._client.update_item, request)
        before = from_item(self._record, old) if old else None
        if not written:
            return before or record, False
        item = {
            **key,
            **old,
            **{name: old.get(name, value) if name in keep else value for name, value in values.items()},
        }
        item |= {name: {"N": str(_integer(old.get(name)) + _integer(number))} for name, number in added.items()}
        after = from_item(self._record, {name: value for name, value in item.items() if name not in remove})
        self._on_write(before, after)
        return after, True

    def _conditional(self, write: Callable[..., Any], request: Mapping[str, Any]) -> tuple[Item, bool]:
        """Return the item before the call, empty where there was none or it is not told, and whether the call wrote."""
        try:
            answer = write(TableName=self.name, ReturnValuesOnConditionCheckFailure="ALL_OLD", **request)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                raise
            found: Any = error.response.get("Item", {})
            return found, False
        return answer.get("Attributes", {}), True


class SummaryTable(_Table[Summary]):
    """The summary table. Each write returns the stored item. All but `conclude` write only while the run is active."""

    _record = Summary
    _keys = ("workflow_name", "workflow_run_id")

    def register(self, summary: Summary) -> Summary:
        """Put a run's item unless this execution has put it already.

        Raises:
            RunIdInUse: the item belongs to another execution.
        """
        found, _ = self.put_new(summary)
        if found.execution_arn != summary.execution_arn:
            raise RunIdInUse(summary.workflow_name, summary.workflow_run_id, found.execution_arn)
        return found

    def update_counts(self, summary: Summary, counts: Counts, now: str) -> Summary:
        """Write the counts of an active run."""
        return self._write(summary, {**_count_values(counts), "update_time": now})

    def finish(self, summary: Summary, status: RunStatus, counts: Counts, now: str) -> Summary:
        """Set an active run's terminal status."""
        values = {"status": status, **_count_values(counts), "end_time": now, "update_time": now}
        return self._write(summary, values, remove=(*_WAITING, "open_since"))

    def end_early(self, summary: Summary, status: RunStatus, now: str) -> Summary:
        """Set an active run's terminal status while its ECS tasks may still run: it has no `end_time` yet."""
        return self._write(summary, {"status": status, "update_time": now}, remove=_WAITING)

    def conclude(self, summary: Summary, counts: Counts, now: str) -> Summary:
        """Write the final counts and the `end_time` of a run that was ended early."""
        values = {**_count_values(counts), "update_time": now, "end_time": now}
        return self._write(summary, values, expected=summary.status, keep=("end_time",), remove=("open_since",))

    def set_launching_ended(self, summary: Summary, ended: bool, now: str) -> Summary:
        """Record whether an active run will launch anything more."""
        return self._write(summary, {"launching_ended": ended, "update_time": now})

    def wait_for_capacity(
        self,
        summary: Summary,
        now: str,
        reason: str,
        *,
        launch_asked: str = "",
        launch_after: str = "",
        on_demand_first: bool = False,
        events: int = 0,
    ) -> Summary:
        """Record that an active run waits for capacity since `now`, unless it was waiting already; count the wait.

        Pattern 1: the launcher last called RunTask at `launch_asked`, retries after `launch_after`, and then tries
        on-demand capacity first or not. Pattern 2: `events` are the history events that this wait uses.
        """
        values: dict[str, object] = {"waiting_since": now, "update_time": now}
        values["waiting_reason"] = reason[:LONGEST_WAITING_REASON]
        if launch_after:
            values |= {"launch_asked": launch_asked, "launch_after": launch_after}
            values["on_demand_first"] = on_demand_first
        added = {"capacity_waits": 1, "wait_events": events}
        return self._write(summary, values, keep=("waiting_since",), add=added)

    def wait_until(self, summary: Summary, moment: str) -> Summary:
        """Record when a task that waits for capacity retries, unless another one retries later.

        The summary is what `wait_for_capacity` returned; a poll may have ended the run's wait since.
        """
        if moment <= (summary.waiting_until or ""):
            return summary
        since = {"waiting_since": summary.waiting_since or moment, "waiting_reason": summary.waiting_reason or ""}
        condition = "(attribute_not_exists(#waiting_until) OR #waiting_until < :new_waiting_until)"
        return self._write(summary, {"waiting_until": moment, **since}, keep=tuple(since), condition=condition)

    def count_events(self, summary: Summary, events: int) -> Summary:
        """Count the history events that another attempt at a task uses."""
        return self._write(summary, {}, add={"wait_events": events})

    def launch_now(self, summary: Summary, now: str) -> Summary:
        """Let the launcher of an active run retry now instead of waiting for capacity any longer."""
        return self._write(summary, {"update_time": now}, remove=("launch_after",))

    def end_waiting(self, summary: Summary, now: str) -> Summary:
        """Record that an active run has capacity again, unless it has started another wait since it was read."""
        condition, known = "capacity_waits = :known", {":known": summary.capacity_waits}
        return self._write(summary, {"update_time": now}, remove=_WAITING, condition=condition, operands=known)

    def unfinished(self) -> Iterator[Summary]:
        """Return the items of all runs without `end_time`: active ones, and those whose early end was interrupted.

        The index holds keys only, so that updates of a run's counts do not write to it. It is eventually consistent,
        so each item is read from the table.
        """
        for keys in self._pages(self._client.scan, IndexName=OPEN_RUNS_INDEX):
            found = self.get(keys["workflow_name"]["S"], int(keys["workflow_run_id"]["N"]))
            if found is not None and found.end_time is None:
                yield found

    def _write(
        self,
        summary: Summary,
        values: Mapping[str, object],
        *,
        expected: RunStatus = RunStatus.RUNNING,
        condition: str = "",
        operands: Mapping[str, object] | None = None,
        add: Mapping[str, int] | None = None,
        **changes: tuple[str, ...],
    ) -> Summary:
        full_condition = "#status = :expected" + (f" AND {condition}" if condition else "")
        given = _attributes({":expected": expected, **(operands or {})})
        found, _ = self._update(
            summary, full_condition, _attributes(values), given, add=_attributes(add or {}), **changes
        )
        return found


class DetailsTable(_Table[TaskRow]):
    """The details table. Each write returns the stored row, and whether this call wrote it."""

    _record = TaskRow
    _keys = ("workflow_run_id", "ecs_task_id")

    def rows(self, run_id: int, workflow_name: str) -> list[TaskRow]:
        """Read all rows of a run."""
        pages = self._pages(
            self._client.query,
            ConsistentRead=True,
            KeyConditionExpression="workflow_run_id = :run_id",
            FilterExpression="workflow_name = :workflow_name",
            ExpressionAttributeValues={":run_id": {"N": str(run_id)}, ":workflow_name": {"S": workflow_name}},
        )
        return [from_item(TaskRow, item) for item in pages]

    def write(self, row: TaskRow) -> tuple[TaskRow, bool]:
        """Write a row, new or not, unless its status is terminal."""
        return self._write(row, "attribute_not_exists(#status) OR #status IN (:Submitted, :Running)")

    def explain(self, row: TaskRow) -> tuple[TaskRow, bool]:
        """Add ECS's reasons to a failed row where it has none; never overwrites."""
        return self._write(row, "#status = :Failed", keep=(*FAILURE_ATTRIBUTES, *ECS_TIMES))

    def record_failure(self, row: TaskRow) -> tuple[TaskRow, bool]:
        """Make a row `Failed`, new or not, unless it is `Completed` or another workflow's; never overwrites a reason.

        Two workflows may use one run id. Then `not-started/…` keys may collide: the first workflow keeps the row.
        """
        condition = (
            "(attribute_not_exists(#status) OR #status <> :Completed) AND "
            "(attribute_not_exists(workflow_name) OR workflow_name = :new_workflow_name)"
        )
        return self._write(row, condition, keep=(*FAILURE_ATTRIBUTES, *ECS_TIMES, "log_stream", "exec_time_in_seconds"))

    def _write(self, row: TaskRow, condition: str, keep: tuple[str, ...] = ()) -> tuple[TaskRow, bool]:
        values = {name: value for name, value in to_item(row).items() if name not in self._keys}
        statuses = {f":{status}": attribute(status) for status in TaskStatus if f":{status}" in condition}
        return self._update(row, condition, values, statuses, keep=keep)


def _integer(value: Mapping[str, Any] | None) -> int:
    return int(value["N"]) if value else 0


def _count_values(counts: Counts) -> dict[str, object]:
    return {"completed_tasks": counts.completed, "failed_tasks": counts.failed, "running_tasks": counts.running}


def _attributes(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: attribute(value) for name, value in values.items()}


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
