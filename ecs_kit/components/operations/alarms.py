"""The alarms of a pattern, as data: what each reads, from which value on it alarms, and what to do then."""

from collections.abc import Sequence
from dataclasses import dataclass

from ecs_kit.components.names import PatternNames
from ecs_kit.components.operations import measures
from ecs_kit.components.operations.measures import Measure
from ecs_kit.runtime.contract import metrics

RUNBOOK = "docs/operations.md"
"""Has a section for each alarm, by its name."""


@dataclass(frozen=True)
class Alarm:
    """An alarm on the value of `expression`, in CloudWatch's metric math over up to 10 `measures`: `m0`, `m1` and so on
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html).

    It alarms when the value is above `threshold` in so many `periods` of `period_seconds` in a row.
    """

    name: str
    description: str
    measures: Sequence[Measure]
    expression: str
    threshold: int = 0
    period_seconds: int = 300
    periods: int = 1


def _sum(number: int) -> str:
    """Metric math of the sum of the first measures, where absent values count as none."""
    return "+".join(f"FILL(m{index},0)" for index in range(number))


def alarms(names: PatternNames, functions: Sequence[str], failed_task_percentage: int) -> list[Alarm]:
    """The alarms of a pattern with these functions; the percentage is that of failed tasks that is no alarm yet."""
    ended_badly = [measures.of_executions(names, f"Executions{how}") for how in ("Failed", "TimedOut")]
    of_tasks = [measures.own(names, metric) for metric in (metrics.TASKS_FAILED, metrics.TASKS_COMPLETED)]
    errors = [measures.of_function(names, workload, "Errors") for workload in functions]
    throttled = measures.throttled(names)
    return [
        Alarm(
            "runs-failed", "A run failed or timed out, or its spec was refused.", ended_badly, _sum(len(ended_badly))
        ),
        Alarm(
            "tasks-failed",
            f"More than {failed_task_percentage} % of the tasks that ended within 15 minutes failed.",
            of_tasks,
            f"IF({_sum(2)}>0,100*FILL(m0,0)/({_sum(2)}),0)",
            threshold=failed_task_percentage,
            period_seconds=900,
        ),
        Alarm(
            "sweep-found",
            "The sweep ended a run or an ECS task that events and polls had missed.",
            [measures.own(names, metrics.SWEEP_FINDINGS)],
            _sum(1),
        ),
        Alarm(
            "function-errors",
            "The functions ended with more than two errors within 15 minutes.",
            errors,
            _sum(len(errors)),
            threshold=2,
            period_seconds=900,
        ),
        Alarm(
            "tables-throttled",
            "Reads or writes of the tables or their indexes were throttled for 15 minutes.",
            throttled,
            _sum(len(throttled)),
            periods=3,
        ),
        Alarm(
            "undelivered",
            "An event was not handled: it waits in the failure queue.",
            [measures.of_failure_queue(names)],
            _sum(1),
        ),
    ]
