"""What an estimate says of the calls to DynamoDB is what launcher, monitor and tasks make."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ecs_kit.automation.stacks import costs
from ecs_kit.components.config import KitConfig
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus

TASKS, POLLS = 8, 3


class Counted:
    """Counts the calls of a client of DynamoDB: by operation, those of a table alone also by table."""

    def __init__(self, dynamodb: Any) -> None:
        self.calls: Counter[str] = Counter()
        for operation in ("batch_get_item", "get_item", "put_item", "query", "transact_write_items", "update_item"):
            setattr(dynamodb, operation, self._counting(operation, getattr(dynamodb, operation)))

    def _counting(self, operation: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(**request: Any) -> Any:
            table = request.get("TableName", "").rpartition("_pattern")[0].removeprefix("workflow_")
            self.calls[f"{operation} {table}".strip()] += 1
            return call(**request)

        return counted

    def writes(self, table: str) -> int:
        return self.calls[f"put_item {table}"] + self.calls[f"update_item {table}"]


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_estimate_counts_the_writes_and_reads_of_a_run(pattern: int, world: Any, monkeypatch: Any) -> None:
    w = world(pattern)
    counted = Counted(w.dynamodb)
    if pattern == 1:
        w.launch(TASKS)
    else:
        w.register(TASKS)
        for number in range(TASKS):
            name = f"task_{number + 1:02}"
            w.record(w.run_task(name), name, TaskStatus.RUNNING)
        w.end_launching()  # as the state machine does
    for _ in range(POLLS - 1):
        w.clock.advance(1)
        w.poll()
    w.end_tasks(TaskStatus.COMPLETED)
    w.poll()
    assert w.summary().status is RunStatus.COMPLETED
    calls = counted.calls.copy()
    calls["get_item summary"] -= 1 + (pattern == 2)  # of this test, and of its stand-in of the state machine
    row_writes = counted.writes("details") + (TASKS if pattern == 1 else 0)  # `Running`, which a task writes itself
    monkeypatch.setattr(costs.waits, "polls", lambda *_: POLLS)

    used = costs.usage(KitConfig(), pattern, TASKS, 60)

    # A row is written to the index, too; what is in a transaction costs twice as much.
    of_transactions = calls["transact_write_items"] * 2 * (costs.SUMMARY_KIB + 2)
    write_units = counted.writes("summary") * costs.SUMMARY_KIB + 2 * row_writes + of_transactions
    # 8 entries of the index, read eventually consistent, are half a unit.
    queries = POLLS + (pattern == 1)
    read_units = calls["get_item summary"] + calls["batch_get_item"] + queries * 0.5
    assert (used.write_units, used.read_units) == (write_units, math.ceil(read_units))
