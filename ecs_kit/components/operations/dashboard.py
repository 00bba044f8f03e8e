"""The body of a pattern's CloudWatch dashboard, as a pure function of names.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ecs_kit.components.names import PatternNames
from ecs_kit.components.operations import measures
from ecs_kit.components.operations.measures import Measure
from ecs_kit.runtime.contract import metrics

PERIOD_SECONDS = 300
WIDTH, HEIGHT, COLUMNS = 12, 6, 24
"""Of a widget and of the grid, in CloudWatch's units."""

EXECUTIONS = ("Started", "Succeeded", "Failed", "TimedOut", "Aborted")


def body(names: PatternNames, functions: Sequence[str], alarm_arns: Sequence[str]) -> dict[str, Any]:
    """Return the dashboard of a pattern with these functions; the alarms' states are in its first row."""
    charts = list(_charts(names, functions))
    height = 2 if alarm_arns else 0
    states = {"title": "Alarms", "alarms": list(alarm_arns)}
    header = [{"type": "alarm", "x": 0, "y": 0, "width": COLUMNS, "height": height, "properties": states}]
    widgets = [
        {
            "type": "metric",
            "x": index * WIDTH % COLUMNS,
            "y": height + index * WIDTH // COLUMNS * HEIGHT,
            "width": WIDTH,
            "height": HEIGHT,
            "properties": {**chart, "region": names.target.region, "period": PERIOD_SECONDS},
        }
        for index, chart in enumerate(charts)
    ]
    return {"widgets": [*(header if alarm_arns else []), *widgets]}


def _charts(names: PatternNames, functions: Sequence[str]) -> Iterator[dict[str, Any]]:
    def own(*read: metrics.Metric) -> list[Measure]:
        return [measures.own(names, metric) for metric in read]

    def of_functions(name: str, stat: str = "Sum") -> list[Measure]:
        return [measures.of_function(names, workload, name, stat) for workload in functions]

    durations = [measures.own(names, metrics.TASK_DURATION, stat) for stat in ("p50", "p90", "Maximum")]
    waiting = own(metrics.CAPACITY_WAITS, metrics.RUN_TASK_THROTTLES, metrics.SWEEP_FINDINGS)
    yield _chart("Runs that ended", own(*metrics.RUNS_ENDED.values()), stacked=True)
    yield _chart("Tasks", own(metrics.TASKS_LAUNCHED, metrics.TASKS_COMPLETED, metrics.TASKS_FAILED))
    yield _chart("Duration of attempts in seconds", durations)
    yield _chart("Waits for capacity, throttled RunTask calls, findings of the sweep", waiting)
    yield _chart("Executions", [measures.of_executions(names, f"Executions{what}") for what in EXECUTIONS])
    yield _chart("Errors and throttles of functions", [*of_functions("Errors"), *of_functions("Throttles")])
    yield _chart("Duration of functions in milliseconds", of_functions("Duration", "p99"))
    yield _chart("Throttled reads and writes of the tables and their indexes", measures.throttled(names))
    yield _chart("Messages in the failure queue", [measures.of_failure_queue(names)])


def _chart(title: str, lines: Sequence[Measure], *, stacked: bool = False) -> dict[str, Any]:
    return {"title": title, "view": "timeSeries", "stacked": stacked, "metrics": [_line(line) for line in lines]}


def _line(measure: Measure) -> list[Any]:
    """A metric as a dashboard has it: namespace, name, names and values of the dimensions, how it is shown."""
    dimensions = [text for pair in measure.dimensions.items() for text in pair]
    label = measure.label if measure.stat in ("Sum", "Maximum") and measure.name != "TaskDuration" else measure.stat
    return [measure.namespace, measure.name, *dimensions, {"stat": measure.stat, "label": label}]
