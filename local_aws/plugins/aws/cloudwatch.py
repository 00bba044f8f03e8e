"""CloudWatch: dashboards and alarms."""

from typing import Any, ClassVar

from local_aws.plugins.aws import shapes
from local_aws.plugins.aws.base import Aws, AwsResource
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    JSON,
    NUMBER,
    STRING,
    MapOf,
    Object,
    Property,
    SetOf,
    Table,
)
from local_aws.plugins.framework.values import Properties

_METRIC = Object(
    {
        "metricName": Property(STRING, required=True),
        "namespace": Property(STRING),
        "dimensions": Property(MapOf(STRING)),
        "period": Property(INTEGER, required=True),
        "stat": Property(STRING, required=True),
    }
)
_QUERY = Object(
    {
        "id": Property(STRING, required=True),
        "expression": Property(STRING),
        "label": Property(STRING),
        "metric": Property(_METRIC),
        "returnData": Property(BOOLEAN, default=False),
    }
)


class Dashboard(AwsResource):
    """`aws.cloudwatch.Dashboard`; its id is its name."""

    token = "aws:cloudwatch/dashboard:Dashboard"
    service, creates, reads, deletes = "cloudwatch", "PutDashboard", "GetDashboard", "DeleteDashboards"
    puts = True
    id_property = "dashboardName"
    gone = ("ResourceNotFound", "DashboardNotFoundError")
    tagged = False
    properties: ClassVar[Table] = {
        "dashboardName": Property(STRING, required=True, replaces=True),
        "dashboardBody": Property(JSON, required=True),
    }
    outputs = ("dashboardArn",)
    deletes_before_replace = True

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteDashboards."""
        self.client(operation).delete_dashboards(DashboardNames=[resource_id])


class MetricAlarm(AwsResource):
    """`aws.cloudwatch.MetricAlarm` of metric queries; its id is its name."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    name_property = "name"
    service, creates, lists_tags, deletes = "cloudwatch", "PutMetricAlarm", "ListTagsForResource", "DeleteAlarms"
    puts = True
    renamed: ClassVar = {"name": "AlarmName", "arn": "AlarmArn"}
    gone = ("ResourceNotFound", "ResourceNotFoundException")
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "alarmDescription": Property(STRING),
        "comparisonOperator": Property(STRING, required=True),
        "threshold": Property(NUMBER),
        "evaluationPeriods": Property(INTEGER, required=True),
        "metricQueries": Property(SetOf(_QUERY), required=True),
        "treatMissingData": Property(STRING, default="missing"),
        "alarmActions": Property(SetOf(STRING)),
        "okActions": Property(SetOf(STRING)),
    }
    outputs = ("arn", "tagsAll")
    deletes_before_replace = True

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """PutMetricAlarm, whose own name of the queries is `Metrics`."""
        shape = shapes.input_of(provider.client(self.service), self.creates)
        queries = [_to_aws(query) for query in inputs["metricQueries"]] if _is_known(inputs) else []
        return {**super().request(provider, inputs), "Metrics": shapes.to_aws(shape.members["Metrics"], queries)}

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeAlarms."""
        answer = self.client(operation).describe_alarms(AlarmNames=[resource_id], AlarmTypes=["MetricAlarm"])
        alarm = next(iter(answer["MetricAlarms"]), None)
        return alarm and {**self.found(alarm), "metricQueries": [_from_aws(query) for query in alarm["Metrics"]]}

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteAlarms."""
        self.client(operation).delete_alarms(AlarmNames=[resource_id])


def _is_known(inputs: Properties) -> bool:
    return isinstance(inputs.get("metricQueries"), list)


def _to_aws(query: Properties) -> Properties:
    """A query as AWS has it: the metric's name and dimensions are apart from its statistic."""
    metric = query.get("metric")
    stat = None
    if isinstance(metric, dict):
        pairs = sorted((metric.get("dimensions") or {}).items())
        dimensions = [{"name": name, "value": value} for name, value in pairs]
        of = {"metricName": metric["metricName"], "namespace": metric.get("namespace"), "dimensions": dimensions}
        stat = {"metric": of, "period": metric["period"], "stat": metric["stat"]}
    return {**query, "metric": None, "metricStat": stat, "returnData": query.get("returnData") or False}


def _from_aws(query: Properties) -> Properties:
    stat = query.get("MetricStat")
    found = shapes.from_aws(_QUERY.properties, {**query, "metric": None})
    if stat:
        of = stat["Metric"]
        dimensions = {pair["Name"]: pair["Value"] for pair in of.get("Dimensions", ())}
        found["metric"] = {
            "metricName": of["MetricName"],
            "namespace": of.get("Namespace"),
            "dimensions": dimensions,
            "period": stat["Period"],
            "stat": stat["Stat"],
        }
    return {name: value for name, value in found.items() if value is not None}
