"""What a Distributed Map state runs: its items, their batches, and the Map Run that counts the child executions.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html (fields, failure thresholds,
ARNs), https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html,
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html,
https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html and
https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeMapRun.html.
"""

from __future__ import annotations

import csv
import json
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as states
from ministack.services.stepfunctions import _ExecutionError

from local_aws.emulator.aws_behaviour import permissions

MAXIMUM_CONCURRENCY = 10_000
"""Child executions at once where `MaxConcurrency` is 0 or missing."""
MAXIMUM_INPUT_BYTES = 256 * 1024
GET_OBJECT = "arn:aws:states:::s3:getObject"
READER_FIELDS = frozenset({"InputType", "MaxItems", "CSVHeaderLocation"})
NOT_BUILT = ("ResultWriter",)
"""Fields of the state that this emulator does not know."""
FAILED = "States.ExceedToleratedFailureThreshold"
EXECUTION_ACTIONS = ("states:DescribeExecution", "states:StopExecution")
"""What the role may do with the child executions, beside starting them."""
_STATUSES = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
}
_UNSUCCESSFUL = ("failed", "timedOut", "aborted")
_NEVER_COUNTED = ("resultsWritten", "failuresNotRedrivable", "pendingRedrive")


def require_supported(state: dict[str, Any]) -> None:
    """Fail with `States.Runtime` where a Distributed Map state asks for what this emulator does not do."""
    reader = state.get("ItemReader", {})
    asked = [name for name in NOT_BUILT if name in state]
    if state["ItemProcessor"]["ProcessorConfig"].get("ExecutionType", "STANDARD") != "STANDARD":
        asked.append("ExecutionType EXPRESS")
    if reader.get("Resource", GET_OBJECT) != GET_OBJECT:
        asked.append(f"ItemReader {reader['Resource']}")
    asked += [f"ReaderConfig {name}" for name in sorted(reader.get("ReaderConfig", {}).keys() - READER_FIELDS)]
    if asked:
        raise _ExecutionError("States.Runtime", f"Distributed Map: {asked[0]} is not supported by this emulator")


def require_allowed(role_arn: str, machine_arn: str) -> None:
    """Fail where the role lacks a permission that a Distributed Map state needs.

    `states:StartExecution` on its own state machine, and `EXECUTION_ACTIONS` on the child executions. AWS asks for the
    latter when it needs them; here all are asked for when the Map Run starts, so that a missing one is found.
    """
    children = f"{machine_arn.replace(':stateMachine:', ':execution:')}/*"
    needed = [("states:StartExecution", machine_arn), *((action, children) for action in EXECUTION_ACTIONS)]
    for action, resource in needed:
        denial = permissions.role_denial(role_arn, action, resource, session_name="StepFunctions")
        if denial is not None:
            raise _ExecutionError("States.Permissions", denial)


def parse_items(text: str, configuration: dict[str, Any]) -> list[Any]:
    """The items of a dataset by its `ReaderConfig`; `States.ItemReaderFailed` where it is not of its `InputType`."""
    kind = configuration.get("InputType")
    try:
        if kind == "JSONL":
            # Only a line feed ends a line: JSON text may have other line separators in it.
            return [_json_line(line, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if kind == "CSV" and configuration.get("CSVHeaderLocation") == "FIRST_ROW":
            return _rows(text)
        if kind == "JSON":
            items = json.loads(text)
            if isinstance(items, list):
                return items
            raise ValueError("the JSON is not an array")
    except (ValueError, csv.Error) as error:
        raise reader_failed(f"Attempting to parse {kind}: {error}") from error
    raise _ExecutionError("States.Runtime", f"ItemReader: InputType {kind} as given is not supported by this emulator")


def reader_failed(cause: str) -> _ExecutionError:
    """The error of an `ItemReader`."""
    return _ExecutionError("States.ItemReaderFailed", cause)


def _json_line(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error


def _rows(text: str) -> list[dict[str, str]]:
    """A row a dictionary: a missing field is empty, one without a header is dropped."""
    rows = [row for row in csv.reader(text.splitlines(keepends=True)) if row]
    header = rows[0] if rows else []
    return [dict(zip(header, row + [""] * (len(header) - len(row)), strict=False)) for row in rows[1:]]


def size_of(value: Any) -> int:
    """Bytes of a payload as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def batches(
    items: Iterable[Any], most: float | None, most_bytes: float | None, batch_input: Any = None
) -> Iterator[dict[str, Any]]:
    """Inputs of child executions with as many items each as `MaxItemsPerBatch` and `MaxInputBytesPerBatch` let in."""
    shared = {} if batch_input is None else {"BatchInput": batch_input}
    limit, empty = min(most_bytes or MAXIMUM_INPUT_BYTES, MAXIMUM_INPUT_BYTES), size_of({**shared, "Items": []})
    batch: list[Any] = []
    size = empty
    for item in items:
        added = size_of(item) + 1
        if batch and (len(batch) == most or size + added > limit):
            yield {**shared, "Items": batch}
            batch, size = [], empty
        if size + added > limit:
            raise reader_failed(f"An item of {added} bytes does not fit into a batch of {limit:.0f} bytes")
        batch.append(item)
        size += added
    if batch:
        yield {**shared, "Items": batch}


@dataclass
class MapRun:
    """A Map Run, with its counts as DescribeMapRun tells them.

    Attributes:
        record: MiniStack's record of it, in `stepfunctions._map_runs`.
        count: `ToleratedFailureCount`, None where not given; `percentage` likewise.
    """

    record: dict[str, Any]
    count: float | None
    percentage: float | None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(
        cls,
        execution: dict[str, Any],
        label: str | None,
        items: int,
        *,
        concurrency: int,
        count: float | None,
        percentage: float | None,
    ) -> MapRun:
        """Start one for an execution, with so many items."""
        machine = execution["stateMachineArn"].partition("/")[0]
        labelled = f"{machine}/{label or uuid.uuid4()}"
        counts = dict.fromkeys(("pending", *_STATUSES.values(), "total", *_NEVER_COUNTED), 0)
        record = {
            "mapRunArn": f"{labelled.replace(':stateMachine:', ':mapRun:')}:{uuid.uuid4()}",
            "executionArn": execution["executionArn"],
            "status": "RUNNING",
            "startDate": now_iso(),
            "maxConcurrency": concurrency,
            "toleratedFailureCount": int(count or 0),
            "toleratedFailurePercentage": float(percentage or 0),
            "itemCounts": {**counts, "pending": items, "total": items},
            "executionCounts": counts,
            "redriveCount": 0,
            "_stateMachineArn": labelled,
        }
        states._map_runs[record["mapRunArn"]] = record
        execution.setdefault("mapRuns", []).append(record)
        return cls(record, count, percentage)

    def child(self, parent: dict[str, Any], given: Any, items: int) -> dict[str, Any]:
        """The record of a new child execution with its input, for so many items; it runs."""
        machine, name = self.record["_stateMachineArn"], str(uuid.uuid4())
        started_with, text, started = parent["startedWith"], json.dumps(given), now_iso()
        child = {
            "executionArn": f"{machine.replace(':stateMachine:', ':execution:')}:{name}",
            "stateMachineArn": machine,
            "mapRunArn": self.record["mapRunArn"],
            "name": name,
            "status": "RUNNING",
            "startDate": started,
            "stopDate": None,
            "input": text,
            "output": None,
            "startedWith": started_with,
            "events": [
                {
                    "id": 1,
                    "type": "ExecutionStarted",
                    "timestamp": started,
                    "executionStartedEventDetails": {"input": text, "roleArn": started_with["roleArn"]},
                }
            ],
        }
        states._executions[child["executionArn"]] = child
        with self._lock:
            self._add(items, "total", "running")
            self.record["itemCounts"]["pending"] -= items
            self.record["itemCounts"]["total"] -= items
        return child

    def ended(self, status: str, items: int) -> None:
        """Count a child execution that ended; raises `FAILED` where more failed than is tolerated."""
        with self._lock:
            self._add(-items, "running")
            self._add(items, _STATUSES[status])
            counts = self.record["itemCounts"]
            failed = sum(counts[name] for name in _UNSUCCESSFUL)
            active = self.record["status"] == "RUNNING"
        if active and exceeded(failed, counts["total"], self.count, self.percentage):
            raise _ExecutionError(FAILED, "The specified tolerated failure threshold was exceeded")

    def _add(self, items: int, *names: str) -> None:
        for name in names:
            self.record["itemCounts"][name] += items
            self.record["executionCounts"][name] += 1 if items > 0 else -1

    def end(self, status: str) -> bool:
        """End it, unless it has ended; whether it had not."""
        with self._lock:
            return end_map_run(self.record, status)


def end_map_run(record: dict[str, Any], status: str) -> bool:
    """End a Map Run, unless it has ended; whether it had not."""
    if record["status"] != "RUNNING":
        return False
    record.update(status=status, stopDate=now_iso())
    return True


def exceeded(failed: int, total: int, count: float | None, percentage: float | None) -> bool:
    """Whether more items failed than is tolerated: one too many by either threshold; any where there is none."""
    if count is None and percentage is None:
        return failed > 0
    by_count = count is not None and failed > count
    return by_count or (percentage is not None and failed * 100 > percentage * total)


class PackedEvents(Sequence[dict[str, Any]]):
    """The history of a child execution that has ended, compressed: thousands of them fit into memory."""

    def __init__(self, events: Sequence[dict[str, Any]]) -> None:
        self._length = len(events)
        self._packed = zlib.compress(json.dumps(events).encode(), 1)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._events())

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> Any:
        return self._events()[index]

    def _events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = json.loads(zlib.decompress(self._packed))
        return events
