"""Refusals and events that tests expect, and the end of tasks and processes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError


@contextlib.contextmanager
def refused(code: str, message: str = "") -> Iterator[pytest.ExceptionInfo[ClientError]]:
    """The call in the block is refused with this error, whose message contains a text."""
    with pytest.raises(ClientError) as error:
        yield error
    found = error.value.response["Error"]
    assert found["Code"] == code, found
    assert message in found["Message"]


def events_of(aws: Any, pattern: dict[str, Any]) -> Callable[[], list[dict[str, Any]]]:
    """Make a rule for events, with a queue as its target; the function reads the details of those that came since."""
    sqs, events, rule = aws.client("sqs"), aws.client("events"), aws.name("events")
    queue = sqs.create_queue(QueueName=rule)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])

    def read() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["detail"] for message in messages]

    return read


def stop(fargate: Any, *tasks: str) -> None:
    """Stop tasks, and return when all have stopped."""
    for arn in tasks:
        fargate.ecs.stop_task(cluster=fargate.cluster, task=arn)
    for arn in tasks:
        fargate.when(arn, "STOPPED")


def gone(pid: int) -> bool:
    """Whether a process ended; one that waits to be collected has."""
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
