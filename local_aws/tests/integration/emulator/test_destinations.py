"""Where the answers of asynchronous calls of functions go.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.testing.aws import Topic, allow
from local_aws.tests.integration.emulator.expectations import refused

pytestmark = [pytest.mark.integration, pytest.mark.correction(name="destinations")]

CODE = """\
calls = []
def handler(event, context):
    calls.append(event)
    if event.get("fails", 0) >= len(calls):
        raise ValueError("not yet")
    return {"got": event["name"], "text": "x" * event.get("length", 0)}
"""


@pytest.fixture
def topic(aws: Any) -> Topic:
    return Topic(aws.client, aws.name("told"))


def tell(functions: Any, topic: Topic) -> None:
    destinations = {"OnSuccess": {"Destination": topic.arn}}
    functions.client.put_function_event_invoke_config(FunctionName=functions.name, DestinationConfig=destinations)


def call(functions: Any, event: dict[str, Any]) -> None:
    functions.client.invoke(FunctionName=functions.name, InvocationType="Event", Payload=json.dumps(event))


def test_a_topic_is_sent_the_event_and_the_answer_of_a_call_that_succeeded(
    functions: Any, aws: Any, topic: Topic
) -> None:
    functions.create(CODE)
    aws.policy(aws.name("function"), allow("sns:Publish", on=topic.arn))
    tell(functions, topic)
    functions.invoke({"name": "one"})  # synchronously
    call(functions, {"name": "two", "fails": 2})
    record = topic.message()
    assert record["requestPayload"]["name"] == "two"
    assert record["responsePayload"] == {"got": "two", "text": ""}
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    context = record["requestContext"]
    assert context["functionArn"] == f"{functions.arn}:$LATEST"
    assert (context["condition"], context["approximateInvokeCount"]) == ("Success", 2)


def test_a_record_that_is_larger_than_a_message_may_be_is_not_sent(functions: Any, aws: Any, topic: Topic) -> None:
    functions.create(CODE)
    aws.policy(aws.name("function"), allow("sns:Publish", on=topic.arn))
    tell(functions, topic)
    call(functions, {"name": "long", "length": 256 * 1024})
    call(functions, {"name": "short"})
    assert topic.message()["requestPayload"]["name"] == "short"


def test_the_function_s_role_has_to_be_allowed_to_publish(functions: Any, topic: Topic) -> None:
    functions.create(CODE)
    with refused("InvalidParameterValueException", "does not have permissions to call Publish"):
        tell(functions, topic)
