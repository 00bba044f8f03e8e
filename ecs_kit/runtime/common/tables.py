"""The two tables. Every write is conditional; every read is complete, and strongly consistent but for the indexes.

Terminal statuses never change, but for a `Completed` that ECS contradicts. A write whose condition is false changes
nothing and returns the stored item: it came late, or it was repeated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from botocore.exceptions import ClientError

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract import failures
from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.errors import RunIdInUse
from ecs_kit.runtime.contract.outcomes import OUTCOMES
from ecs_kit.runtime.contract.records import (
    ECS_TIMES,
    FAILURE_ATTRIBUTES,
    OPEN_RUNS_INDEX,
    UNCOUNTED_INDEX,
    UNCOUNTED_KEY,
    Counts,
    Item,
    Summary,
    TaskRow,
    attribute,
    from_item,
    from_uncounted,
    to_item,
    to_row,
)
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

R = TypeVar("R", Summary, TaskRow)

LONGEST_WAITING_REASON = 300
"""Characters of `waiting_reason`; each update is charged for the whole item."""

CONFLICTS, CONFLICT_SECONDS = 20, 0.05
"""How often, and after how long, a write is repeated that met a transaction: the SDK does not repeat it."""

SPEC_LIMIT_BYTES = 3 * 1024
"""Longest spec that a summary item stores in full: each update is charged for the whole item.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

_KEYS_PER_READ = 100
"""Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""

_NO_NUMBER = 1e15
"""No time, index or exit code is as large. NaN is not less either."""

_LAUNCHING = ("launcher_call", "skipped")
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
        self.on_write: Callable[[R | None, R], None] = on_write

    def get(self, *key: str | int) -> R | None:
        """Read an item by its hash and range key; None where there is none."""
        names = dict(zip(self._keys, map(attribute, key), strict=True))
        answer = self._client.get_item(TableName=self.name, Key=names, ConsistentRead=True)
        return from_item(self._record, answer["Item"]) if "Item" in answer else None

    def _items(self, keys: Sequence[tuple[str | int, str | int]]) -> Iterator[Item]:
        """Read those items that there are, by their hash and range keys, in any order."""
        distinct = list(dict.fromkeys(keys))  # an index may show one twice, and DynamoDB refuses that
        for first in range(0, len(distinct), _KEYS_PER_READ):
            part = [
                dict(zip(self._keys, map(attribute, key), strict=True))
                for key in distinct[first : first + _KEYS_PER_READ]
            ]
            wanted: Any = {self.name: {"Keys": part, "ConsistentRead": True}}
            while wanted:
                answer = self._client.batch_get_item(RequestItems=wanted)
                yield from answer.get("Responses", {}).get(self.name, [])
                wanted = answer.get("UnprocessedKeys")

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
            self.on_write(None, record)
        return self._known(found) or record, written

    def _known(self, item: Item) -> R | None:
        """The record that an item is, None where it is none: it is empty, or a compromised task has written it."""
        try:
            return from_item(self._record, item) if item else None
        except (KeyError, TypeError, ValueError):
            return None

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
        before: Callable[[R], object] = lambda _: None,
    ) -> tuple[R, bool]:
        """Set `values` (those in `keep` only where absent), `remove` attributes, `add` to numbers.

        Returns the stored item, `record` if there is none, and whether this call wrote it; `before` gets the item
        before that, if there was one.
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
        request: dict[str, Any] = {
            "Key": key,
            "ConditionExpression": condition,
            "ReturnValues": "ALL_OLD",
            "UpdateExpression": " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts),
            "ExpressionAttributeNames": {f"#{name}": name for name in (*values, *remove, *added)},
        }
        if "#status" in condition:  # a name that nothing uses is refused
            request["ExpressionAttributeNames"]["#status"] = "status"
        expression_values = {
            **{f":new_{name}": value for name, value in values.items()},
            **{f":add_{name}": number for name, number in added.items()},
            **operands,
        }
        if expression_values:  # an empty one is refused
            request["ExpressionAttributeValues"] = expression_values
        old, written = self._conditional(self._client.update_item, request)
        found = self._known(old)
        if found is not None:
            before(found)
        if not written:
            return found or record, False
        item = {
            **key,
            **old,
            **{name: old.get(name, value) if name in keep else value for name, value in values.items()},
        }
        item |= {name: {"N": str(_integer(old.get(name)) + _integer(number))} for name, number in added.items()}
        after = self._known({name: value for name, value in item.items() if name not in remove})
        if after is None:
            return record, True
        self.on_write(found, after)
        return after, True

    def _conditional(self, write: Callable[..., Any], request: Mapping[str, Any]) -> tuple[Item, bool]:
        """Return the item before the call, empty where there was none or it is not told, and whether the call wrote."""
        conflicts = 0
        while True:
            try:
                answer = write(TableName=self.name, ReturnValuesOnConditionCheckFailure="ALL_OLD", **request)
                return answer.get("Attributes", {}), True
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code")
                if code == "ConditionalCheckFailedException":
                    found: Any = error.response.get("Item", {})
                    return found, False
                conflicts += code == "TransactionConflictException"
                if code != "TransactionConflictException" or conflicts == CONFLICTS:
                    raise
            time.sleep(CONFLICT_SECONDS)  # a transaction of the monitor has the item for some milliseconds


class SummaryTable(_Table[Summary]):
    """The summary table. Each write returns the stored item. All but `conclude`, `close` and `set_rerun` write only
    while the run is active.
    """

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

    def finish(self, summary: Summary, status: RunStatus, now: str) -> Summary:
        """Set an active run's terminal status. Its counts are final already."""
        values = {"status": status, "end_time": now, "update_time": now}
        return self._write(summary, values, remove=(*_WAITING, *_LAUNCHING, "open_since"))

    def end_early(self, summary: Summary, status: RunStatus, now: str) -> Summary:
        """Set an active run's terminal status while its ECS tasks may still run: it has no `end_time` yet."""
        return self._write(summary, {"status": status, "update_time": now}, remove=_WAITING)

    def conclude(self, summary: Summary, counts: Counts, now: str) -> Summary:
        """Write the final counts and the `end_time` of a run that was ended early."""
        values = {**count_values(counts), "update_time": now, "end_time": now}
        return self._write(summary, values, expected=summary.status, keep=("end_time",), remove=_LAUNCHING)

    def close(self, summary: Summary) -> None:
        """Take a run that was ended early out of the index of open runs: no late row of it is expected any more."""
        self._write(summary, {}, expected=summary.status, remove=("open_since",))

    def set_rerun(self, summary: Summary, run_id: int) -> Summary:
        """Record which run repeats the failed tasks of one that has ended; the latest one counts."""
        return self._write(summary, {"rerun_by": run_id}, expected=summary.status)

    def begin_launching(self, summary: Summary, call: str, now: str) -> tuple[Summary, bool]:
        """Record which call of the launcher launches now, and that launching goes on.

        Returns the item before, and whether this call wrote: it does not where the run has ended.
        """
        values = attributes({"launcher_call": call, "launching_ended": False, "update_time": now})
        before: list[Summary] = []
        _, written = self._update(
            summary, "#status = :expected", values, attributes({":expected": RunStatus.RUNNING}), before=before.append
        )
        return before[0] if before else summary, written

    def end_launching(
        self,
        summary: Summary,
        call: str,
        next_index: int,
        skipped: Sequence[int],
        ended: bool,
        now: str,
        *,
        is_uncertain: bool = False,
    ) -> Summary:
        """Record up to where a call of the launcher has launched the task list, unless another call has begun since.

        `skipped` are the indices below `next_index` that are still to be launched. `is_uncertain` keeps the call as if
        it was interrupted: it may have started tasks that it has not recorded.
        """
        values: dict[str, object] = {"next_index": next_index, "launching_ended": ended, "update_time": now}
        if skipped:
            values["skipped"] = ",".join(map(str, skipped))
        remove = (*(() if is_uncertain else ("launcher_call",)), *(() if skipped else ("skipped",)))
        condition, known = "launcher_call = :call", {":call": call}
        return self._write(summary, values, remove=remove, condition=condition, operands=known)

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

    def set_listed(self, summary: Summary, now: str) -> None:
        """Record when the ECS tasks of a long run were last listed."""
        self._write(summary, {"listed_at": now})

    def launch_now(self, summary: Summary, now: str) -> Summary:
        """Let the launcher of an active run retry now, unless it has started another wait since the run was read."""
        condition, known = "capacity_waits = :known", {":known": summary.capacity_waits}
        return self._write(summary, {"update_time": now}, remove=("launch_after",), condition=condition, operands=known)

    def end_waiting(self, summary: Summary, now: str) -> Summary:
        """Record that an active run has capacity again, unless it has started another wait since it was read."""
        condition, known = "capacity_waits = :known", {":known": summary.capacity_waits}
        return self._write(summary, {"update_time": now}, remove=_WAITING, condition=condition, operands=known)

    def open(self) -> Iterator[Summary]:
        """Return the items of open runs: active ones, those whose early end was interrupted, and those ended lately.

        The index holds keys only, so that updates of a run's counts do not write to it. It is eventually consistent,
        so each item is read from the table.
        """
        for keys in self._pages(self._client.scan, IndexName=OPEN_RUNS_INDEX):
            found = self.get(keys["workflow_name"]["S"], int(keys["workflow_run_id"]["N"]))
            if found is not None and found.open_since is not None:
                yield found

    def outcomes(self, keys: Sequence[str], run_id: int) -> dict[str, str]:
        """Read a run's items of `contract.outcomes` by their hash keys."""
        items = self._items([(key, run_id) for key in keys])
        return {item["workflow_name"]["S"]: item[OUTCOMES]["S"] for item in items}

    def _write(
        self,
        summary: Summary,
        values: Mapping[str, object],
        *,
        expected: RunStatus = RunStatus.RUNNING,
        condition: str = "",
        operands: Mapping[str, object] | None = None,
        add: Mapping[str, int] | None = None,
        keep: tuple[str, ...] = (),
        remove: tuple[str, ...] = (),
    ) -> Summary:
        full_condition = "#status = :expected" + (f" AND {condition}" if condition else "")
        given = attributes({":expected": expected, **(operands or {})})
        found, _ = self._update(
            summary, full_condition, attributes(values), given, keep=keep, remove=remove, add=attributes(add or {})
        )
        return found


class DetailsTable(_Table[TaskRow]):
    """The details table. Each write returns the stored row, and whether this call wrote it.

    Rows that the monitor has refuted are not read, nor are those of attempts that ECS did not start unless launcher or
    monitor have written them: a compromised task has (`docs/security.md`).
    """

    _record = TaskRow
    _keys = ("workflow_run_id", "ecs_task_id")

    def __init__(
        self,
        client: DynamoDBClient,
        name: str,
        on_write: Callable[[TaskRow | None, TaskRow], None] = lambda _before, _after: None,
        *,
        confirms: bool = False,
    ) -> None:
        """`confirms` is for launcher and monitor: what they write is confirmed. A task may not say so."""
        super().__init__(client, name, on_write)
        self._confirms = confirms

    def rows(self, run_id: int, workflow_name: str) -> list[TaskRow]:
        """Read all rows of a run."""
        pages = self._pages(
            self._client.query,
            ConsistentRead=True,
            KeyConditionExpression="workflow_run_id = :run_id",
            FilterExpression="workflow_name = :workflow_name",
            ExpressionAttributeValues={":run_id": {"N": str(run_id)}, ":workflow_name": {"S": workflow_name}},
        )
        return _attempts(pages)

    def uncounted(self, run_id: int, workflow_name: str) -> list[TaskRow]:
        """Read the attempts of tasks that are not counted yet: failed ones in full, of others what the index has.

        Those that ECS did not start have failed, whatever the index says.

        The index is eventually consistent: it may lack what was written a moment ago, and show an older status.
        """
        entries = list(
            self._pages(
                self._client.query,
                IndexName=UNCOUNTED_INDEX,
                KeyConditionExpression=f"workflow_run_id = :run_id AND begins_with({UNCOUNTED_KEY}, :workflow)",
                ExpressionAttributeValues={":run_id": {"N": str(run_id)}, ":workflow": {"S": f"{workflow_name}/"}},
            )
        )
        rows = list(_parsed(from_uncounted, entries))
        in_full = [row.ecs_task_id for row in rows if row.status is TaskStatus.FAILED or not row.was_started]
        others = [row for row in rows if row.status is not TaskStatus.FAILED and row.was_started]
        return others + [row for row in self.read(run_id, in_full) if row.uncounted]

    def read(self, run_id: int, ecs_task_ids: Sequence[str]) -> list[TaskRow]:
        """Read rows of a run by their keys, those that there are."""
        return _attempts(self._items([(run_id, key) for key in ecs_task_ids]))

    def set_counted(self, row: TaskRow) -> None:
        """Take an attempt out of the index: its task is counted, and nothing awaits this attempt."""
        self._update(row, "attribute_exists(ecs_task_id)", {}, {}, remove=(UNCOUNTED_KEY,))

    def confirm(self, row: TaskRow) -> None:
        """Record that ECS knows the task of a row that only the task itself has written."""
        values = {"confirmed_as": attribute(row.identity)}
        self._update(row, "attribute_exists(ecs_task_id)", values, {}, remove=("refuted_at",))

    def index(self, row: TaskRow) -> None:
        """Put an attempt whose task is not counted into the index again: its task took it out."""
        self._update(row, "attribute_exists(ecs_task_id)", {UNCOUNTED_KEY: attribute(row.identity)}, {})

    def refute(self, row: TaskRow, now: str) -> None:
        """Record that a row is of no attempt at a task of its run, and take it out of the index."""
        self._update(row, "attribute_exists(ecs_task_id)", {"refuted_at": attribute(now)}, {}, remove=(UNCOUNTED_KEY,))

    def _marked(self, row: TaskRow, confirms: bool = True) -> TaskRow:
        confirmed_as = row.identity if row.was_started else f"{row.identity}/{failures.code_of(row)}"
        return replace(row, confirmed_as=confirmed_as if self._confirms and confirms else None)

    def _update(self, record: TaskRow, *given: Any, **more: Any) -> tuple[TaskRow, bool]:
        try:
            return super()._update(record, *given, **more)
        except ClientError as error:
            if "Item size" not in error.response.get("Error", {}).get("Message", ""):
                raise
        # A task has written so much into the row that nothing can be added.
        stored = self.read(record.workflow_run_id, [record.ecs_task_id])
        self._put((stored or [record])[0], "attribute_exists(ecs_task_id)")
        return super()._update(record, *given, **more)

    def put_new(self, record: TaskRow) -> tuple[TaskRow, bool]:
        """Put a row unless one exists, whoever put it; return the stored one, and whether this call put it.

        The stored one is confirmed if it is of the same attempt; an item that is none is replaced.
        """
        if not record.was_started:
            return self.record_not_started(record)
        row = self._marked(record)
        found, written = super().put_new(row)
        if written or not self._confirms:
            return found, written
        is_readable = found.refuted_at is not None or self.read(row.workflow_run_id, [row.ecs_task_id])
        is_same = found.identity == row.identity
        if not is_readable or (found.refuted_at is not None and not is_same):
            return self._put(row, "attribute_exists(ecs_task_id)")
        if is_same and (found.refuted_at is not None or not found.is_confirmed):
            self.confirm(row)
        return found, False

    def _put(self, row: TaskRow, condition: str) -> tuple[TaskRow, bool]:
        """Replace a whole item."""
        _, written = self._conditional(self._client.put_item, {"Item": to_item(row), "ConditionExpression": condition})
        if written:
            self.on_write(None, row)
        return row, written

    def record_not_started(self, row: TaskRow) -> tuple[TaskRow, bool]:
        """Write the row of an attempt that ECS did not start, unless it is confirmed already.

        Two workflows may use one run id. Then these keys may collide: the second workflow's has its name at the end.
        """
        row = self._marked(row)
        _, written = self._put(row, "attribute_not_exists(confirmed_as)")
        (stored,) = (not written and self.read(row.workflow_run_id, [row.ecs_task_id])) or [row]
        if stored.workflow_name != row.workflow_name:
            return self.record_not_started(replace(row, ecs_task_id=f"{row.ecs_task_id}/{row.workflow_name}"))
        return stored, written

    def set_retried(self, run_id: int, ecs_task_id: str, by: str) -> None:
        """Record which attempt follows a failed one."""
        row = TaskRow(run_id, ecs_task_id, "", "", 0, TaskStatus.FAILED, "", "")
        self._update(row, "attribute_exists(ecs_task_id)", {"retried_by": attribute(by)}, {})

    def write(self, row: TaskRow, *, confirms: bool = True) -> tuple[TaskRow, bool]:
        """Write a row, new or not, unless its status is terminal; `confirms` where ECS knows its task."""
        condition = "attribute_not_exists(#status) OR #status IN (:Submitted, :Running)"
        return self._write(row, condition, confirms=confirms)

    def explain(self, row: TaskRow, *, confirms: bool = True) -> tuple[TaskRow, bool]:
        """Add ECS's reasons to a failed row where it has none; never overwrites."""
        return self._write(row, "#status = :Failed", keep=(*FAILURE_ATTRIBUTES, *ECS_TIMES), confirms=confirms)

    def correct(self, row: TaskRow) -> None:
        """Overwrite a row that ECS contradicts."""
        self._write(row, "attribute_exists(ecs_task_id)")

    def record_failure(self, row: TaskRow) -> tuple[TaskRow, bool]:
        """Make a row `Failed`, new or not, unless it is `Completed`; never overwrites a reason."""
        if not row.was_started:
            return self.record_not_started(row)
        condition = "attribute_not_exists(#status) OR #status <> :Completed"
        keep = (*FAILURE_ATTRIBUTES, *ECS_TIMES, "log_stream", "exec_time_in_seconds")
        return self._write(row, condition, keep=keep, remove=("refuted_at",) if self._confirms else ())

    def _write(
        self,
        row: TaskRow,
        condition: str,
        keep: tuple[str, ...] = (),
        *,
        confirms: bool = True,
        remove: tuple[str, ...] = (),
    ) -> tuple[TaskRow, bool]:
        item = to_item(self._marked(row, confirms))
        values = {name: value for name, value in item.items() if name not in self._keys}
        statuses = {f":{status}": attribute(status) for status in TaskStatus if f":{status}" in condition}
        return self._update(row, condition, values, statuses, keep=keep, remove=remove)


def _parsed(make: Callable[[Item], TaskRow], items: Iterable[Item]) -> Iterator[TaskRow]:
    """Make rows; an item that is none, which a compromised task may have written, is left out."""
    for item in items:
        try:
            row = make(item)
            from_iso(row.start_time)
            from_iso(row.update_time or row.start_time)
            _check_numbers(row)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning(
                "an item of the details table is no row", ecsTask=str(item.get("ecs_task_id")), error=repr(error)
            )
        else:
            yield row


def _check_numbers(row: TaskRow) -> None:
    """Refuse numbers with which DynamoDB would refuse the row when it is written again."""
    numbers = (row.exec_time_in_seconds, row.exit_code, row.expires_at, row.task_index, row.attempt)
    if not all(abs(number) < _NO_NUMBER for number in numbers if number is not None):
        raise ValueError(f"one of {numbers} is out of range")


def _attempts(items: Iterable[Item]) -> list[TaskRow]:
    """Make rows of items with all attributes; those are left out that the monitor has refuted."""
    return [row for row in _parsed(to_row, items) if row.refuted_at is None]


def _integer(value: Mapping[str, Any] | None) -> int:
    return int(value["N"]) if value else 0


def count_values(counts: Counts) -> dict[str, object]:
    """Return the attributes of a run's item with its counts."""
    return {"completed_tasks": counts.completed, "failed_tasks": counts.failed, "running_tasks": counts.running}


def attributes(values: Mapping[str, object]) -> dict[str, Any]:
    """Return attribute values as DynamoDB JSON, by their names."""
    return {name: attribute(value) for name, value in values.items()}


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
