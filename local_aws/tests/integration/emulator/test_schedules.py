"""Schedules that start executions, and the queues in which undelivered events wait."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.testing.aws import allow, ask_until
from local_aws.tests.integration.emulator.expectations import refused

pytestmark = pytest.mark.integration

PAST = "at(2026-01-01T06:00:00)"
START_EXECUTION = "arn:aws:scheduler:::aws-sdk:sfn:startExecution"


@pytest.fixture
def queue(aws: Any) -> Any:
    """A queue: its ARN, its URL, and its first message."""

    class Queue:
        url = aws.client("sqs").create_queue(QueueName=aws.name("failures"))["QueueUrl"]
        arn = f"arn:aws:sqs:{aws.region}:{aws.account}:{aws.name('failures')}"

        def message(self) -> tuple[Any, dict[str, str]]:
            def receive() -> Any:
                answer = aws.client("sqs").receive_message(QueueUrl=self.url, MessageAttributeNames=["All"])
                return answer.get("Messages")

            (message,) = ask_until(receive)
            attributes = message.get("MessageAttributes", {})
            return json.loads(message["Body"]), {name: value["StringValue"] for name, value in attributes.items()}

    return Queue()


@pytest.fixture
def machine(aws: Any) -> str:
    definition = {"QueryLanguage": "JSONata", "StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    arn: str = aws.client("stepfunctions").create_state_machine(
        name=aws.name("machine"),
        roleArn=aws.role("machine", "states.amazonaws.com"),
        definition=json.dumps(definition),
    )["stateMachineArn"]
    return arn


def create_schedule(
    aws: Any, machine: str, queue: Any, *statements: Any, trusts: str = "scheduler.amazonaws.com"
) -> None:
    request = {
        "StateMachineArn": machine,
        "Name": "x-<aws.scheduler.execution-id>",
        "Input": '{"due": "<aws.scheduler.scheduled-time>"}',
    }
    aws.client("scheduler").create_schedule(
        Name=aws.name("schedule"),
        ScheduleExpression=PAST,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": START_EXECUTION,
            "RoleArn": aws.role("schedule", trusts, *statements),
            "Input": json.dumps(request),
            "DeadLetterConfig": {"Arn": queue.arn},
        },
    )


@pytest.mark.correction(name="schedules")
def test_a_schedule_calls_any_operation_with_its_role_and_says_when_it_was_due(
    aws: Any, machine: str, queue: Any
) -> None:
    create_schedule(aws, machine, queue, allow("states:StartExecution", on=machine))
    states = aws.client("stepfunctions")
    (execution,) = ask_until(lambda: states.list_executions(stateMachineArn=machine)["executions"] or None)
    assert execution["name"].startswith("x-") and "<" not in execution["name"]
    given = states.describe_execution(executionArn=execution["executionArn"])["input"]
    assert json.loads(given) == {"due": "2026-01-01T06:00:00Z"}


@pytest.mark.correction(name="schedules")
@pytest.mark.correction(name="failure_queues")
def test_a_call_that_its_role_may_not_make_waits_in_the_schedule_s_queue(aws: Any, machine: str, queue: Any) -> None:
    create_schedule(aws, machine, queue, allow("sqs:SendMessage", on=queue.arn))
    request, attributes = queue.message()
    assert request["StateMachineArn"] == machine
    assert (
        attributes["ERROR_CODE"] == "AccessDeniedException" and "states:StartExecution" in attributes["ERROR_MESSAGE"]
    )
    assert aws.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"] == []


@pytest.mark.correction(name="request_authorization")
def test_whoever_makes_a_schedule_has_to_be_allowed_to_pass_its_role(aws: Any) -> None:
    user = aws.role("user", None, allow("scheduler:CreateSchedule"))
    role = aws.role("schedule", "scheduler.amazonaws.com")
    target = {"Arn": START_EXECUTION, "RoleArn": role, "Input": "{}"}
    with refused("AccessDeniedException", "iam:PassRole"):
        aws.client("scheduler", user).create_schedule(
            Name=aws.name("denied"), ScheduleExpression=PAST, FlexibleTimeWindow={"Mode": "OFF"}, Target=target
        )


@pytest.mark.correction(name="failure_queues")
def test_an_event_that_a_function_failed_on_waits_in_its_queue(aws: Any, functions: Any, queue: Any) -> None:
    code = "def handler(event, context):\n    raise KeyError('no')\n"
    functions.create(code, DeadLetterConfig={"TargetArn": queue.arn})
    aws.policy(aws.name("function"), allow("logs:*"), allow("sqs:SendMessage", on=queue.arn))
    functions.client.invoke(FunctionName=functions.name, InvocationType="Event", Payload='{"given": 1}')
    event, attributes = queue.message()
    assert (event, attributes["ErrorMessage"]) == ({"given": 1}, "'no'")


@pytest.mark.correction(name="failure_queues")
@pytest.mark.correction(name="event_targets")
def test_an_event_whose_target_may_not_be_called_waits_where_the_queue_s_policy_allows(
    aws: Any, functions: Any, queue: Any
) -> None:
    functions.create("def handler(event, context):\n    return 1\n")
    events, rule = aws.client("events"), aws.name("rule")
    arn = events.put_rule(Name=rule, EventPattern=json.dumps({"source": [aws.suffix]}))["RuleArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
        "Condition": {"ArnLike": {"aws:SourceArn": arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("sqs").set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": policy})
    target = {"Id": "one", "Arn": functions.arn, "DeadLetterConfig": {"Arn": queue.arn}}
    events.put_targets(Rule=rule, Targets=[target])
    events.put_events(Entries=[{"Source": aws.suffix, "DetailType": "x", "Detail": '{"n": 7}'}])
    event, attributes = queue.message()
    assert event["detail"] == {"n": 7}
    assert (attributes["RULE_ARN"], attributes["ERROR_CODE"]) == (arn, "NO_PERMISSIONS")
