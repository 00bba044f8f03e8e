"""Writes the kit's metrics to the log."""

from dataclasses import dataclass
from typing import Any

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract import metrics
from ecs_kit.runtime.contract.clock import Clock
from ecs_kit.runtime.contract.records import Summary, TaskRow


@dataclass(frozen=True)
class Meter:
    """The metrics of one state machine, by its name.

    The tables call `run_written` and `attempt_written` after each write that DynamoDB carried out, with the item before
    and after it. A repeated write changes nothing, so that nothing counts twice. A value is lost where a process ends
    between the write and its log line, and where the answer of a write is lost.
    """

    state_machine: str
    clock: Clock

    def record(self, values: metrics.Values, **details: Any) -> None:
        """Write one log line with these values and details; none where there are no values."""
        if values:
            log.info("metrics", **details, **metrics.log_entry(values, self.state_machine, self.clock.now()))

    def run_written(self, before: Summary | None, after: Summary) -> None:
        """Record what a write of a run's item changed."""
        self.record(metrics.of_run(before, after))

    def attempt_written(self, before: TaskRow | None, after: TaskRow) -> None:
        """Record what a write of an attempt's row changed."""
        self.record(metrics.of_attempt(before, after), taskName=after.task_name, attempt=after.attempt)
