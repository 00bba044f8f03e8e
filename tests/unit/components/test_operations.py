"""Dashboard, alarms, queries, failure queue, notification, schedule: their documents, and what they read and reach."""

import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import fastjsonschema
import pytest
from botocore.validate import ParamValidator

from ecs_kit.components import policies
from ecs_kit.components.config import KitConfig
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.names import PatternNames
from ecs_kit.components.operations import alarms, dashboard, measures
from ecs_kit.components.operations.measures import AWS_METRICS, Measure
from ecs_kit.components.operations.queries import QUERIES
from ecs_kit.runtime.contract import metrics
from local_aws.emulator.aws_behaviour.metric_math import calculate
from tests.unit.components.recorder import PROJECT, TARGET, Deployment, Resource, deployment

NAMES = PatternNames(1, "", TARGET)
BOTH = ("monitor", "launcher")
TOPIC = TARGET.arn("sns", "operators")
ALARMS = alarms.alarms(NAMES, BOTH, 10)
BODY = dashboard.body(NAMES, BOTH, [NAMES.alarm_arn(alarm.name) for alarm in ALARMS])

METRIC_WIDGET = {
    "type": "object",
    "required": ["metrics", "region", "view", "title", "period", "stacked"],
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "view": {"enum": ["timeSeries", "singleValue", "gauge", "bar", "pie", "table"]},
        "stacked": {"type": "boolean"},
        "region": {"const": TARGET.region},
        "period": {"type": "integer", "multipleOf": 60},
        "metrics": {
            "type": "array",
            "minItems": 1,
            "maxItems": 500,
            "items": {"type": "array", "minItems": 3},
        },
    },
    "additionalProperties": False,
}
DASHBOARD = fastjsonschema.compile(
    {
        "type": "object",
        "required": ["widgets"],
        "properties": {
            "widgets": {
                "type": "array",
                "maxItems": 500,
                "items": {
                    "type": "object",
                    "required": ["type", "x", "y", "width", "height", "properties"],
                    "properties": {
                        "type": {"enum": ["metric", "alarm"]},
                        "x": {"type": "integer", "minimum": 0, "maximum": 23},
                        "y": {"type": "integer", "minimum": 0},
                        "width": {"type": "integer", "minimum": 1, "maximum": 24},
                        "height": {"type": "integer", "minimum": 1, "maximum": 1000},
                        "properties": {
                            "anyOf": [
                                METRIC_WIDGET,
                                {
                                    "type": "object",
                                    "required": ["alarms"],
                                    "properties": {
                                        "title": {"type": "string"},
                                        "alarms": {
                                            "type": "array",
                                            "minItems": 1,
                                            "maxItems": 100,
                                            "items": {"type": "string", "pattern": "^arn:aws:cloudwatch:"},
                                        },
                                    },
                                    "additionalProperties": False,
                                },
                            ]
                        },
                    },
                    "additionalProperties": False,
                },
            }
        },
        "additionalProperties": False,
    }
)
"""The parts of AWS's dashboard body structure that the kit uses
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html)."""


def of_dashboard(body: dict[str, Any]) -> Iterator[Measure]:
    """Every metric that a dashboard reads."""
    for widget in body["widgets"]:
        for namespace, name, *dimensions, how in widget["properties"].get("metrics", ()):
            yield Measure(namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True)), how["stat"])


READ = [*of_dashboard(BODY), *(measure for alarm in ALARMS for measure in alarm.measures)]


class TestMetrics:
    def test_whatever_is_read_is_emitted_or_one_of_aws_s_own_that_are_documented(self) -> None:
        emitted = {metric.name for metric in metrics.METRICS}
        for measure in READ:
            known = emitted if measure.namespace == metrics.NAMESPACE else AWS_METRICS[measure.namespace][1]
            assert measure.name in known, measure
        assert all(page.startswith("https://docs.aws.amazon.com/") for page, _ in AWS_METRICS.values())

    def test_whatever_is_emitted_or_listed_is_read(self) -> None:
        read = {(measure.namespace, measure.name) for measure in READ}
        own = {(metrics.NAMESPACE, metric.name) for metric in metrics.METRICS}
        assert own | {(namespace, name) for namespace, (_, names) in AWS_METRICS.items() for name in names} == read

    def test_own_metrics_are_read_with_the_dimension_that_functions_and_tasks_log(self) -> None:
        deployed = deployment(patterns="1")
        for name in ("monitor", "launcher"):
            variables = deployed.the("Function", name).inputs["environment"]["variables"]
            state_machine = json.loads(variables["KIT_SETTINGS"])["state_machine_arn"].rsplit(":", 1)[-1]
            own = [measure for measure in READ if measure.namespace == metrics.NAMESPACE]
            assert {json.dumps(measure.dimensions) for measure in own} == {
                json.dumps({metrics.DIMENSION: state_machine})
            }
        assert deployed.environment()["KIT_STATE_MACHINE"] == state_machine

    def test_throttling_is_read_of_every_deployed_table_and_of_each_of_its_indexes(self) -> None:
        deployed = {
            (table.inputs["name"], index)
            for table in deployment(patterns="1").of("Table")
            for index in (None, *(index["name"] for index in table.inputs["globalSecondaryIndexes"]))
        }
        expected = {(*each, f"{kind}ThrottleEvents") for each in deployed for kind in ("Read", "Write")}
        for measured in (of_dashboard(BODY), named("tables-throttled").measures):
            tables = [each for each in measured if each.namespace == "AWS/DynamoDB"]
            dimensions = [
                (each.dimensions["TableName"], each.dimensions.get("GlobalSecondaryIndexName")) for each in tables
            ]
            assert {(*pair, each.name) for pair, each in zip(dimensions, tables, strict=True)} == expected

    def test_statistics_fit_the_metrics(self) -> None:
        for measure in READ:
            is_counted = measure.name not in ("TaskDuration", "Duration", "ApproximateNumberOfMessagesVisible")
            assert (measure.stat == "Sum") == is_counted, measure


class TestDashboard:
    @pytest.mark.parametrize("functions", [BOTH, ("monitor",)])
    @pytest.mark.parametrize("arns", [[], [NAMES.alarm_arn("x")]])
    def test_is_as_aws_documents_it(self, functions: Any, arns: Any) -> None:
        DASHBOARD(dashboard.body(NAMES, functions, arns))

    def test_no_widget_covers_another(self) -> None:
        cells = [
            (x, y)
            for widget in BODY["widgets"]
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        ]
        assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24

    def test_is_deployed_with_the_alarms_states_unless_it_is_left_out(self) -> None:
        deployed = deployment(patterns="1")
        assert deployed.the("Dashboard").document("dashboardBody") == BODY
        without = deployment(patterns="2", alarms="none")
        types = [w["type"] for w in without.the("Dashboard").document("dashboardBody")["widgets"]]
        assert set(types) == {"metric"} and not without.of("MetricAlarm")
        assert not deployment(patterns="1", dashboard="none").of("Dashboard")


def value(alarm: alarms.Alarm, *values: float | None) -> float | None:
    """An alarm's value for these values of its measures, in order."""
    return calculate(alarm.expression, {f"m{index}": each for index, each in enumerate(values)})


def named(name: str) -> alarms.Alarm:
    (found,) = [alarm for alarm in ALARMS if alarm.name == name]
    return found


class TestAlarms:
    @pytest.mark.parametrize(
        ("name", "values", "is_over"),
        [
            ("runs-failed", (None, None), False),
            ("runs-failed", (1, None), True),
            ("runs-failed", (None, 2), True),
            ("tasks-failed", (None, None), False),
            ("tasks-failed", (1, 9), False),
            ("tasks-failed", (2, 9), True),
            ("tasks-failed", (3, None), True),
            ("sweep-found", (1,), True),
            ("function-errors", (1, 1), False),
            ("function-errors", (None, 3), True),
            ("tables-throttled", (*[None] * 7, 1), True),
            ("tables-throttled", (0,) * 8, False),
            ("undelivered", (0,), False),
            ("undelivered", (1,), True),
        ],
    )
    def test_what_is_and_what_is_no_alarm(self, name: str, values: Any, is_over: bool) -> None:
        alarm = named(name)
        assert len(alarm.measures) == len(values)
        found = value(alarm, *values)
        assert found is not None and (found > alarm.threshold) is is_over

    @pytest.mark.parametrize("pattern", [1, 2])
    def test_each_is_a_request_that_aws_accepts(self, pattern: int) -> None:
        shape = botocore.session.get_session().get_service_model("cloudwatch").operation_model("PutMetricAlarm")
        deployed = deployment(patterns=str(pattern), alarmTopicArn=TOPIC)
        assert len(deployed.of("MetricAlarm")) == 6
        for alarm in deployed.of("MetricAlarm"):
            inputs = alarm.inputs
            queries = [
                {
                    "Id": query["id"],
                    "ReturnData": query.get("returnData", False),
                    **({"Expression": query["expression"]} if "expression" in query else {}),
                    **({"MetricStat": _metric_stat(query["metric"])} if "metric" in query else {}),
                }
                for query in inputs["metricQueries"]
            ]
            assert sum(query["ReturnData"] for query in queries) == 1 and len(queries) <= 11, (
                "an expression of at most 10 metrics"
            )
            used = set(re.findall(r"\bm\d\b", inputs["metricQueries"][-1]["expression"]))
            assert used == {query["Id"] for query in queries} - {"value"}
            request = {
                "AlarmName": inputs["name"],
                "AlarmDescription": inputs["alarmDescription"],
                "ComparisonOperator": inputs["comparisonOperator"],
                "Threshold": inputs["threshold"],
                "EvaluationPeriods": int(inputs["evaluationPeriods"]),
                "TreatMissingData": inputs["treatMissingData"],
                "AlarmActions": inputs["alarmActions"],
                "Metrics": queries,
            }
            report = ParamValidator().validate(request, shape.input_shape)
            assert not report.has_errors(), report.generate_report()
            assert inputs["alarmActions"] == inputs["okActions"] == [TOPIC]

    def test_without_a_topic_they_show_their_state_alone(self) -> None:
        assert all(not alarm.inputs["alarmActions"] for alarm in deployment(patterns="1").of("MetricAlarm"))

    def test_each_has_a_section_in_the_runbook(self) -> None:
        text = (PROJECT / alarms.RUNBOOK).read_text(encoding="utf-8")
        for alarm in ALARMS:
            assert f"### {alarm.name}\n" in text, alarm.name

    def test_the_share_of_failed_tasks_is_configured(self) -> None:
        alarm = deployment(patterns="1", alarmFailedTaskPercentage="25").the("MetricAlarm", "tasks-failed")
        assert alarm.inputs["threshold"] == 25 and "25 %" in alarm.inputs["alarmDescription"]


def _metric_stat(metric: dict[str, Any]) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": text} for name, text in metric["dimensions"].items()]
    of = {"Namespace": metric["namespace"], "MetricName": metric["metricName"], "Dimensions": dimensions}
    return {"Metric": of, "Period": int(metric["period"]), "Stat": metric["stat"]}


class TestQueries:
    def test_they_read_what_the_kit_logs(self) -> None:
        sources = "\n".join(path.read_text() for path in (PROJECT / "ecs_kit/runtime").rglob("*.py"))
        own = {metric.name for metric in metrics.METRICS}
        for name, query in QUERIES.items():
            fields = re.findall(r"\b([a-z]+[A-Z]\w*|level|message|error|attempt|[A-Z][a-z]+[A-Z]\w*)\b", query)
            assert fields, name
            for field in fields:
                is_logged = field in own or f'"{field}"' in sources or re.search(rf"\b{field}=", sources)
                assert is_logged, (name, field)

    def test_each_is_saved_for_the_logs_of_tasks_and_functions(self) -> None:
        deployed = deployment(patterns="1")
        groups = {group.inputs["name"] for group in deployed.of("LogGroup")} - {NAMES.state_machine_log_group}
        found = {query.inputs["name"]: query.inputs for query in deployed.of("QueryDefinition")}
        assert set(found) == {f"{NAMES.base}/{name}" for name in QUERIES}
        assert all(set(inputs["logGroupNames"]) == groups for inputs in found.values())


class TestFailureQueue:
    def test_is_encrypted_and_keeps_messages_as_long_as_sqs_can(self) -> None:
        inputs = deployment(patterns="1").the("Queue").inputs
        assert (inputs["sqsManagedSseEnabled"], inputs["messageRetentionSeconds"]) == (True, 1209600)

    def test_is_written_by_the_pattern_s_rules_alone_and_with_tls(self) -> None:
        allow, deny = policies.failure_queue(NAMES)["Statement"]
        assert (allow["Action"], allow["Resource"]) == ("sqs:SendMessage", NAMES.failure_queue_arn)
        assert allow["Principal"] == {"Service": "events.amazonaws.com"}
        assert allow["Condition"] == {"ArnLike": {"aws:SourceArn": TARGET.arn("events", f"rule/{NAMES.base}-*")}}
        assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        job = {"jobRecords": "ecs", "jobImage": "words:1", "natGateways": "single"}
        rules = deployment(patterns="1", notificationTopicArn=TOPIC, **job).of("EventRule")
        assert len(rules) == 4 and all(rule.inputs["name"].startswith(f"{NAMES.base}-") for rule in rules)

    def test_gets_what_rules_and_the_monitor_could_not_handle(self) -> None:
        deployed = deployment(patterns="1", notificationTopicArn=TOPIC)
        arn = TARGET.arn("sqs", NAMES.failure_queue)
        assert {target.inputs["deadLetterConfig"]["arn"] for target in deployed.of("EventTarget")} == {arn}
        assert deployed.the("Function", "monitor").inputs["deadLetterConfig"] == {"targetArn": arn}
        assert "deadLetterConfig" not in deployed.the("Function", "launcher").inputs, "it is never called by events"


class TestRunReports:
    def test_every_end_of_an_execution_calls_the_reporter_with_the_execution_alone(self) -> None:
        deployed = deployment(patterns="1", runReports="create")
        target = deployed.the("EventTarget", "reports").inputs
        assert target["inputTransformer"] == {
            "inputPaths": {"arn": "$.detail.executionArn"},
            "inputTemplate": '{"executionArn": <arn>}',
        }
        assert target["deadLetterConfig"]["arn"] == NAMES.failure_queue_arn
        detail = deployed.the("EventRule", "reports").document("eventPattern")["detail"]
        assert sorted(detail["status"]) == ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]
        assert not deployed.of("FunctionEventInvokeConfig"), "there is no topic"

    def test_the_reporter_knows_what_the_stack_s_output_says(self) -> None:
        deployed = deployment(patterns="1", runReports="create")
        function = deployed.the("Function", "reporter").inputs
        known = json.loads(function["environment"]["variables"]["KIT_REPORTER"])
        output = deployed.outputs["pattern1"]
        assert known["pattern"] == 1
        assert {name: output[name] for name in known["deployed"]} == known["deployed"]
        assert (function["memorySize"], function["timeout"]) == (512, 900)
        assert function["deadLetterConfig"] == {"targetArn": NAMES.failure_queue_arn}

    def test_alarms_and_dashboard_cover_it(self) -> None:
        deployed = deployment(patterns="2", runReports="create")
        name = PatternNames(2, "", TARGET).function("reporter")
        assert name in str(deployed.the("MetricAlarm", "function-errors").inputs["metricQueries"])
        assert name in deployed.the("Dashboard").inputs["dashboardBody"]

    def test_tasks_may_not_write_where_reports_are(self) -> None:
        with pytest.raises(ConfigError, match="targetPrefix"):
            KitConfig.parse({"runReports": "create", "targetPrefix": "reports/of"})
        assert KitConfig.parse({"targetPrefix": "reports/of"}).target_prefix == "reports/of"


class TestNotification:
    def test_every_end_of_an_execution_is_reported_to_the_topic(self) -> None:
        deployed = deployment(patterns="2", notificationTopicArn=TOPIC)
        assert deployed.the("EventTarget", "run-ended").inputs["arn"] == TOPIC
        detail = deployed.the("EventRule", "run-ended").document("eventPattern")["detail"]
        assert sorted(detail["status"]) == ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]
        assert detail["stateMachineArn"] == [PatternNames(2, "", TARGET).state_machine_arn]

    def test_with_reports_it_is_the_reporter_s_answer_which_lambda_sends(self) -> None:
        deployed = deployment(patterns="2", notificationTopicArn=TOPIC, runReports="create")
        assert not [rule for rule in deployed.of("EventRule") if rule.name.endswith("run-ended")]
        told = deployed.the("FunctionEventInvokeConfig").inputs
        assert told["functionName"] == PatternNames(2, "", TARGET).function("reporter")
        assert told["destinationConfig"] == {"onSuccess": {"destination": TOPIC}}
        policy = deployed.the("RolePolicy", "reporter").document("policy")
        (publish,) = [each for each in policy["Statement"] if each["Action"] == ["sns:Publish"]]
        assert publish["Resource"] == [TOPIC]

    @pytest.mark.parametrize("key", ["alarmTopicArn", "notificationTopicArn"])
    def test_a_topic_of_another_region_is_refused_before_anything_is_created(self, key: str) -> None:
        config = KitConfig.parse({key: "arn:aws:sns:us-east-1:123456789012:operators"})
        with pytest.raises(ConfigError, match=f"{key} = .*: must be the ARN of a topic in eu-central-1"):
            config.check("eu-central-1")

    def test_a_topic_without_alarms_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"alarmTopicArn = .*: must be left out when alarms is none"):
            KitConfig.parse({"alarms": "none", "alarmTopicArn": TOPIC})


NIGHTLY = {"scheduleExpression": "cron(0 3 * * ? *)", "scheduleTimezone": "Europe/Berlin"}


def schedule(deployed: Deployment) -> Resource:
    (found,) = [each for each in deployed.of("Schedule") if each.type.startswith("aws:")]
    return found


class TestSchedule:
    def test_starts_an_execution_whose_input_names_the_spec_and_the_scheduled_time(self) -> None:
        inputs = schedule(deployment(patterns="1", **NIGHTLY)).inputs
        assert (inputs["scheduleExpression"], inputs["scheduleExpressionTimezone"]) == tuple(NIGHTLY.values())
        target = inputs["target"]
        assert target["arn"] == "arn:aws:scheduler:::aws-sdk:sfn:startExecution"
        request = json.loads(target["input"])
        shape = botocore.session.get_session().get_service_model("stepfunctions").operation_model("StartExecution")
        members = {name[0].lower() + name[1:]: text for name, text in request.items()}
        assert not ParamValidator().validate(members, shape.input_shape).has_errors()
        assert request["StateMachineArn"] == NAMES.state_machine_arn
        assert json.loads(request["Input"]) == {
            "specUri": f"s3://{NAMES.bucket}/specs/scheduled.json",
            "scheduledTime": "<aws.scheduler.scheduled-time>",
        }
        assert target["deadLetterConfig"] == {"arn": NAMES.failure_queue_arn}

    def test_is_created_after_what_its_role_may_do(self) -> None:
        deployed = deployment(patterns="1", **NIGHTLY)
        assert deployed.the("RolePolicy", "-schedule").urn in schedule(deployed).dependencies
        assert deployed.the("RolePolicy", "-schedule").document("policy") == policies.schedule(NAMES)

    @pytest.mark.parametrize(
        ("key", "text"),
        [
            ("scheduleExpression", "0 3 * * *"),
            ("scheduleExpression", "cron(0 3 * * ?)"),
            ("scheduleExpression", "rate(0 days)"),
            ("scheduleExpression", "at(tomorrow)"),
            ("scheduleTimezone", "+01:00"),
            ("scheduleSpecKey", "elsewhere/spec.json"),
            ("scheduleSpecKey", "specs/pinned/1.json"),
            ("targetPrefix", "specs"),
            ("targetPrefix", "specs/results"),
            ("notificationTopicArn", "arn:aws:sns:eu-central-1:123456789012:first.fifo"),
        ],
    )
    def test_values_that_aws_or_the_kit_would_not_take_are_refused(self, key: str, text: str) -> None:
        with pytest.raises(ConfigError, match=key):
            KitConfig.parse({key: text})

    @pytest.mark.parametrize(
        "text", ["rate(1 day)", "rate(12 hours)", "at(2026-12-01T03:00:00)", "cron(0 3 ? * MON-FRI *)"]
    )
    def test_schedules_of_each_form_are_taken(self, text: str) -> None:
        assert KitConfig.parse({"scheduleExpression": text}).schedule_expression == text


def test_measures_of_functions_and_tables_are_told_apart_by_their_labels() -> None:
    labels = [
        measure.label for measure in [*measures.throttled(NAMES), measures.of_function(NAMES, "monitor", "Errors")]
    ]
    assert len(set(labels)) == 9 and labels[-1] == f"{NAMES.function('monitor')} Errors"
