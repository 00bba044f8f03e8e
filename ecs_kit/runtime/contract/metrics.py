"""The kit's own CloudWatch metrics: their names, units and one dimension, and the log line that carries their values.

Launcher, monitor and task write the lines; CloudWatch Logs makes metrics of them (embedded metric format), so that
no call of CloudWatch and no endpoint is needed. Dashboard, alarms and queries read the same names.

Sources:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Generation_PutLogEvents.html
(any log event that is one JSON object in this format; no header is needed).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecs_kit.runtime.contract.records import Summary, TaskRow
from ecs_kit.runtime.contract.statuses import RunStatus

NAMESPACE = "EcsStepFunctionsKit"

DIMENSION = "StateMachine"
"""The one dimension: the state machine's name. Each further value of a dimension would be a metric to pay for."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, CloudWatch's unit of it, and what it counts or measures."""

    name: str
    unit: str
    meaning: str


RUNS_ENDED: Mapping[RunStatus, Metric] = {
    status: Metric(f"Runs{status}", "Count", f"runs that ended `{status}`") for status in RunStatus if status.is_final
}
TASKS_COMPLETED = Metric("TasksCompleted", "Count", "tasks of runs that completed")
TASKS_FAILED = Metric("TasksFailed", "Count", "tasks of runs that failed for good: no attempt completed, none follows")
TASKS_LAUNCHED = Metric("TasksLaunched", "Count", "ECS tasks that ECS started, one for each attempt")
TASK_DURATION = Metric("TaskDuration", "Seconds", "how long the job of an attempt ran, whether it completed or failed")
CAPACITY_WAITS = Metric("CapacityWaits", "Count", "waits for capacity: of a run in pattern 1, of a task in pattern 2")
RUN_TASK_THROTTLES = Metric("RunTaskThrottles", "Count", "RunTask calls that ECS throttled or had no capacity for")
SWEEP_FINDINGS = Metric("SweepFindings", "Count", "runs and ECS tasks that the sweep had to end")

METRICS = (
    *RUNS_ENDED.values(),
    *(TASKS_COMPLETED, TASKS_FAILED, TASKS_LAUNCHED, TASK_DURATION),
    *(CAPACITY_WAITS, RUN_TASK_THROTTLES, SWEEP_FINDINGS),
)
"""Every metric, in both patterns."""

Values = Mapping[Metric, float]


def of_run(before: Summary | None, after: Summary) -> Values:
    """What a write of a run's item adds to the metrics.

    The differences of all writes add up to the item's last counts. A count that is corrected is a negative value.
    """
    if before is None:
        return {}
    values: dict[Metric, float] = {
        TASKS_COMPLETED: after.completed_tasks - before.completed_tasks,
        TASKS_FAILED: after.failed_tasks - before.failed_tasks,
        CAPACITY_WAITS: after.capacity_waits - before.capacity_waits,
    }
    if after.status.is_final and not before.status.is_final:
        values[RUNS_ENDED[after.status]] = 1
    return {metric: value for metric, value in values.items() if value}


def of_attempt(before: TaskRow | None, after: TaskRow) -> Values:
    """What a write of an attempt's row adds to the metrics: its launch, its duration once it has ended."""
    values: dict[Metric, float] = {}
    if before is None and after.was_started:
        values[TASKS_LAUNCHED] = 1
    has_ended = after.status.is_final and (before is None or not before.status.is_final)
    if has_ended and after.exec_time_in_seconds is not None:
        values[TASK_DURATION] = after.exec_time_in_seconds
    return values


def log_entry(values: Values, state_machine: str, now: datetime) -> dict[str, Any]:
    """The attributes that make a JSON log line carry the values of a state machine's metrics."""
    declared = [{"Name": metric.name, "Unit": metric.unit} for metric in values]
    directive = {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": declared}
    return {
        "_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [directive]},
        DIMENSION: state_machine,
        **{metric.name: value for metric, value in values.items()},
    }
