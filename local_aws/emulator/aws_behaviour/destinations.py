"""Destinations of functions that are called asynchronously: the record of a call that succeeded goes to a topic.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html. The record has the event and
the function's answer. It is sent with the function's role, whose permission is checked when the destination is set.
"""

from __future__ import annotations

import contextvars
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ministack.core.responses import new_uuid
from ministack.services import lambda_svc

from local_aws.emulator.aws_behaviour import clients, permissions
from local_aws.emulator.aws_behaviour.calls import Refused
from local_aws.emulator.aws_behaviour.lambda_functions import INVALID, LATEST
from local_aws.emulator.aws_behaviour.patching import around

logger = logging.getLogger("emulator.destinations")

LARGEST_BYTES = 256 * 1024
"""Of a message of Amazon SNS. A larger record is not sent: Lambda counts it in `DestinationDeliveryFailures`."""

_attempts: contextvars.ContextVar[list[int] | None] = contextvars.ContextVar("attempts", default=None)


def _topic(destinations: dict[str, Any] | None) -> str:
    """The ARN of the topic that gets records of successes; empty where there is none."""
    arn = str(((destinations or {}).get("OnSuccess") or {}).get("Destination") or "")
    return arn if arn.split(":")[2:3] == ["sns"] else ""


@around("destinations", lambda_svc, "_put_event_invoke_config")
def put(original: Callable[..., Any], name: str, qualifier: str | None, request: dict[str, Any]) -> Any:
    """Wrap MiniStack's PutFunctionEventInvokeConfig: the function's role has to be allowed to reach the topic."""
    topic = _topic(request.get("DestinationConfig"))
    role = (lambda_svc._functions.get(name) or {}).get("config", {}).get("Role", "")
    if topic and role and permissions.role_denial(role, "sns:Publish", topic, session_name=name):
        raise Refused(INVALID, f"The function's execution role does not have permissions to call Publish on {topic}")
    return original(name, qualifier, request)


@around("destinations", lambda_svc, "invoke_async_with_retry")
def call_asynchronously(original: Callable[..., None], function: dict[str, Any], event: Any) -> None:
    """Wrap MiniStack's asynchronous calls, so that the function's execution knows that it is one."""
    token = _attempts.set([])
    try:
        original(function, event)
    finally:
        _attempts.reset(token)


@around("destinations", lambda_svc, "_execute_function_warm")
def run(original: Callable[..., dict[str, Any]], function: dict[str, Any], event: Any, request_id: str) -> Any:
    """Wrap a function's execution: where it was called asynchronously and succeeded, its destination is told."""
    attempts = _attempts.get()
    answer = original(function, event, request_id)
    if attempts is None:
        return answer
    attempts.append(1)
    config = function.get("config") or function
    version = config.get("Version", LATEST)
    known = lambda_svc._functions.get(config["FunctionName"]) or {}
    configured = lambda_svc._event_invoke_config(known, None if version == LATEST else version) or {}
    topic = _topic(configured.get("DestinationConfig"))
    if topic and "error" not in answer:
        _send(topic, config, _record(config, event, answer.get("body"), len(attempts)))
    return answer


def _record(config: dict[str, Any], event: Any, answer: Any, attempts: int) -> str:
    version = config.get("Version", LATEST)
    arn = ":".join(config["FunctionArn"].split(":")[:7])
    record = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": new_uuid(),
            "functionArn": f"{arn}:{version}",
            "condition": "Success",
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": version},
        "responsePayload": answer,
    }
    return json.dumps(record)


def _send(topic: str, config: dict[str, Any], record: str) -> None:
    if len(record.encode()) > LARGEST_BYTES:
        logger.warning("nothing is sent to %s: the record has more than 256 KB", topic)
        return
    try:
        with clients.of_role("sns", config["Role"], config["FunctionName"]) as client:
            client.publish(TopicArn=topic, Message=record)
    except (ClientError, BotoCoreError) as error:
        logger.warning("nothing is sent to %s: %s", topic, error)
