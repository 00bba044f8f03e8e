"""Metrics in log events, alarms on metric math, saved queries."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.testing.aws import ask_until

pytestmark = pytest.mark.integration

NAMESPACE = "Tests"


def line(dimension: str, unit: str = "Count", **values: Any) -> str:
    """A log line in embedded metric format."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Of"]],
        "Metrics": [{"Name": name, "Unit": unit} for name in values],
    }
    metadata = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, "Of": dimension, "message": "metrics", **values})


def write(aws: Any, *messages: str) -> None:
    logs, name = aws.client("logs"), aws.name("/metrics")
    try:
        logs.create_log_group(logGroupName=name)
        logs.create_log_stream(logGroupName=name, logStreamName="one")
    except logs.exceptions.ResourceAlreadyExistsException:
        pass
    events = [{"timestamp": int(time.time() * 1000), "message": message} for message in messages]
    logs.put_log_events(logGroupName=name, logStreamName="one", logEvents=events)


def read(aws: Any, metric: str, *statistics: str) -> dict[str, float]:
    now = time.time()
    points = aws.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=metric,
        Dimensions=[{"Name": "Of", "Value": aws.suffix}],
        StartTime=now - 7200,
        EndTime=now + 3600,
        Period=86400,
        Statistics=list(statistics),
    )["Datapoints"]
    return {name: sum(point[name] for point in points) for name in statistics}


@pytest.mark.correction(name="embedded_metrics")
def test_log_events_in_embedded_metric_format_are_metrics(aws: Any) -> None:
    write(aws, line(aws.suffix, Done=2), line(aws.suffix, Done=3, Failed=1), line("other", Done=100))
    write(aws, line(aws.suffix, "Seconds", Took=[1.5, 2.5]))
    assert read(aws, "Done", "Sum", "SampleCount") == {"Sum": 5, "SampleCount": 2}
    assert read(aws, "Failed", "Sum") == {"Sum": 1}
    assert read(aws, "Took", "Sum", "SampleCount") == {"Sum": 4, "SampleCount": 2}


@pytest.mark.correction(name="embedded_metrics")
@pytest.mark.parametrize("value", ["5", None, [1] * 101, True], ids=["text", "null", "too many", "boolean"])
def test_values_that_are_no_numbers_are_no_metrics(aws: Any, value: Any) -> None:
    write(aws, "no JSON", '{"_aws": 1}', line(aws.suffix, Broken=value), line(aws.suffix, Whole=1))
    assert read(aws, "Whole", "Sum") == {"Sum": 1}
    assert read(aws, "Broken", "SampleCount") == {"SampleCount": 0}


@pytest.mark.correction(name="embedded_metrics")
def test_what_a_function_logs_is_a_metric(aws: Any, functions: Any) -> None:
    functions.create(f"def handler(event, context):\n    print({line(aws.suffix, Called=1)!r})\n")
    functions.invoke()
    ask_until(lambda: read(aws, "Called", "Sum") == {"Sum": 1} or None)


def put_alarm(aws: Any, expression: str, threshold: float = 10, periods: int = 1) -> Any:
    queries = [
        {
            "Id": f"m{index}",
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": name,
                    "Dimensions": [{"Name": "Of", "Value": aws.suffix}],
                },
                "Period": 900,
                "Stat": "Sum",
            },
        }
        for index, name in enumerate(("Failed", "Done"))
    ]
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=aws.name("share"),
        ComparisonOperator="GreaterThanThreshold",
        Threshold=threshold,
        EvaluationPeriods=periods,
        TreatMissingData="notBreaching",
        Metrics=[*queries, {"Id": "value", "Expression": expression, "ReturnData": True}],
    )
    return lambda: cloudwatch.describe_alarms(AlarmNames=[aws.name("share")])["MetricAlarms"][0]


SHARE = "IF(FILL(m0,0)+FILL(m1,0)>0,100*FILL(m0,0)/(FILL(m0,0)+FILL(m1,0)),0)"


@pytest.mark.correction(name="metric_math")
@pytest.mark.correction(name="embedded_metrics")
def test_an_alarm_on_metric_math_follows_the_metrics(aws: Any) -> None:
    alarm = put_alarm(aws, SHARE)
    assert alarm()["StateValue"] == "OK", "nothing is no failure"
    assert [query["Id"] for query in alarm()["Metrics"]] == ["m0", "m1", "value"]
    assert "MetricName" not in alarm()
    write(aws, line(aws.suffix, Done=9, Failed=1))
    assert alarm()["StateValue"] == "OK", "10 % is not above 10"
    write(aws, line(aws.suffix, Failed=1))
    assert alarm()["StateValue"] == "ALARM"
    write(aws, line(aws.suffix, Done=100))
    assert alarm()["StateValue"] == "OK"


@pytest.mark.correction(name="metric_math")
@pytest.mark.correction(name="embedded_metrics")
def test_every_period_has_to_be_above_the_threshold(aws: Any) -> None:
    alarm = put_alarm(aws, "FILL(m0,0)", threshold=0, periods=2)
    write(aws, line(aws.suffix, Failed=5))
    assert alarm()["StateValue"] == "OK"


@pytest.mark.correction(name="metric_math")
@pytest.mark.parametrize("expression", ["ANOMALY_DETECTION_BAND(m0)", "m0+m7", "m0 +"])
def test_metric_math_that_the_emulator_cannot_evaluate_is_refused(aws: Any, expression: str) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        put_alarm(aws, expression)


@pytest.mark.correction(name="saved_queries")
def test_a_saved_query_is_kept_changed_and_deleted(aws: Any) -> None:
    logs, name = aws.client("logs"), aws.name("team/failed")

    def found() -> list[dict[str, Any]]:
        answer = logs.describe_query_definitions(queryDefinitionNamePrefix=name)["queryDefinitions"]
        return [{key: query[key] for key in ("name", "queryString", "logGroupNames")} for query in answer]

    made = logs.put_query_definition(name=name, queryString="fields @message", logGroupNames=["/one"])
    logs.put_query_definition(
        queryDefinitionId=made["queryDefinitionId"], name=name, queryString="limit 3", logGroupNames=["/two"]
    )
    assert found() == [{"name": name, "queryString": "limit 3", "logGroupNames": ["/two"]}]
    assert logs.delete_query_definition(queryDefinitionId=made["queryDefinitionId"])["success"]
    assert found() == []
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_query_definition(queryDefinitionId=made["queryDefinitionId"])
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.put_query_definition(queryDefinitionId="other", name=name, queryString="limit 3")
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.put_query_definition(name=name, queryString="x" * 10_001)
