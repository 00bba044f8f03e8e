"""The metrics that dashboard and alarms read: the kit's own, and AWS's of the pattern's resources.

Each of AWS's is on the page of its service. AWS reports no value of some, such as errors, while there are none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ecs_kit.components.names import PatternNames
from ecs_kit.runtime.contract import metrics
from ecs_kit.runtime.contract.metrics import Metric
from ecs_kit.runtime.contract.records import OPEN_RUNS_INDEX, UNCOUNTED_INDEX


@dataclass(frozen=True)
class Measure:
    """A metric with the values of its dimensions, by name, and the statistic that is read of it."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    stat: str = "Sum"

    @property
    def label(self) -> str:
        """The metric's name, with the resource where the pattern has several: function, table, or table and index."""
        is_one_of_several = self.namespace in ("AWS/Lambda", "AWS/DynamoDB")
        return " ".join([*(self.dimensions.values() if is_one_of_several else ()), self.name])


AWS_METRICS: Mapping[str, tuple[str, frozenset[str]]] = {
    "AWS/States": (
        "https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html",
        frozenset(
            {"ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}
        ),
    ),
    "AWS/Lambda": (
        "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
        frozenset({"Errors", "Throttles", "Duration"}),
    ),
    "AWS/DynamoDB": (
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html",
        frozenset({"ReadThrottleEvents", "WriteThrottleEvents"}),
    ),
    "AWS/SQS": (
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
        frozenset({"ApproximateNumberOfMessagesVisible"}),
    ),
}
"""Those of AWS's metrics that are read, by namespace, and the page that describes them."""


def own(names: PatternNames, metric: Metric, stat: str = "Sum") -> Measure:
    """One of the kit's own metrics."""
    return Measure(metrics.NAMESPACE, metric.name, {metrics.DIMENSION: names.base}, stat)


def of_executions(names: PatternNames, name: str) -> Measure:
    """A metric of the state machine."""
    return Measure("AWS/States", name, {"StateMachineArn": names.state_machine_arn})


def of_function(names: PatternNames, workload: str, name: str, stat: str = "Sum") -> Measure:
    """A metric of a function, over all of its versions."""
    return Measure("AWS/Lambda", name, {"FunctionName": names.function(workload)}, stat)


def of_table(name: str, table: str, index: str = "") -> Measure:
    """A metric of a table without its global secondary indexes, or of one of those."""
    return Measure("AWS/DynamoDB", name, {"TableName": table} | ({"GlobalSecondaryIndexName": index} if index else {}))


def of_failure_queue(names: PatternNames) -> Measure:
    """How many messages wait in the failure queue."""
    return Measure("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": names.failure_queue}, "Maximum")


def throttled(names: PatternNames) -> list[Measure]:
    """The throttled reads and writes of both tables and of their indexes, which a table's own metrics leave out."""
    indexes = {names.summary_table: OPEN_RUNS_INDEX, names.details_table: UNCOUNTED_INDEX}
    return [
        of_table(f"{kind}ThrottleEvents", table, index)
        for table, own_index in indexes.items()
        for index in ("", own_index)
        for kind in ("Read", "Write")
    ]
