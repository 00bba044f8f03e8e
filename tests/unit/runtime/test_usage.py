"""What an estimate says of the calls to DynamoDB is what launcher, monitor and tasks make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ecs_kit.automation.stacks import costs
from ecs_kit.components.config import KitConfig
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus

TASKS, POLLS = 8, 3


class Counted:
    """Counts the calls of a client of DynamoDB: writes by table, reads of the summary."""

    def __init__(self, dynamodb: Any) -> None:
        self.writes: Counter[str] = Counter()
        self.summary_reads = 0
        for operation in ("put_item", "update_item", "get_item"):
            setattr(dynamodb, operation, self._counting(operation, getattr(dynamodb, operation)))

    def _counting(self, operation: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(**request: Any) -> Any:
            table = request["TableName"].rpartition("_pattern")[0].removeprefix("workflow_")
            if operation == "get_item":
                self.summary_reads += table == "summary"
            else:
                self.writes[table] += 1
            return call(**request)

        return counted


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_estimate_counts_the_writes_and_reads_of_a_run(pattern: int, world: Any, monkeypatch: Any) -> None:
    w = world(pattern)
    counted = Counted(w.dynamodb)
    if pattern == 1:
        w.launch(TASKS)
    else:
        w.register(TASKS)
        for number in range(TASKS):
            w.record(w.run_task(f"t{number}"), f"t{number}", TaskStatus.RUNNING)
        w.summaries.set_launching_ended(w.summary(), True, w.now)  # as the state machine does
        counted.summary_reads -= 1
    for _ in range(POLLS - 1):
        w.clock.advance(1)
        w.poll()
    w.end_tasks(TaskStatus.COMPLETED)
    w.poll()
    assert w.summary().status is RunStatus.COMPLETED
    counted.summary_reads -= 1
    if pattern == 1:
        counted.writes["details"] += TASKS  # `Running`, which a task writes itself
    monkeypatch.setattr(costs.waits, "polls", lambda *_: POLLS)

    used = costs.usage(KitConfig(), pattern, TASKS, 60)

    write_units = counted.writes["summary"] * costs.SUMMARY_KIB + counted.writes["details"]
    rows_read = (POLLS + (pattern == 1)) * 2  # 8 rows of 0.75 KB are two units of 4 KB
    assert (used.write_units, used.read_units) == (write_units, counted.summary_reads + rows_read)
