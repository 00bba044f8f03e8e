"""Dead-letter queues of functions, rules and schedules: what cannot be delivered waits in a queue.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html (the event with
the attributes RequestID, ErrorCode and ErrorMessage, sent with the function's role),
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html (sent where the queue's policy lets
`events.amazonaws.com` do it for the rule) and
https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html (sent with the schedule's role).
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ministack.core.responses import new_uuid
from ministack.services import lambda_svc, sqs

from local_aws.emulator.aws_behaviour import clients, permissions
from local_aws.emulator.aws_behaviour.patching import around

logger = logging.getLogger("emulator.failures")


def send(client: Any, queue_arn: str, body: str, attributes: Mapping[str, str]) -> None:
    """Send a message to a queue, if it exists and the client's credentials allow it; a failure is logged."""
    values = {name: {"DataType": "String", "StringValue": text} for name, text in attributes.items() if text}
    account, name = queue_arn.split(":")[-2:]
    try:
        client.send_message(
            QueueUrl=f"{client.meta.endpoint_url}/{account}/{name}", MessageBody=body, MessageAttributes=values
        )
    except (ClientError, BotoCoreError) as error:
        logger.warning("nothing is sent to %s: %s", queue_arn, error)


def undelivered(rule_arn: str, target: Mapping[str, Any], event: str, code: str, message: str) -> None:
    """Keep the event of a rule that its target did not get."""
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn", "")
    queue = sqs._queue_by_arn(queue_arn)
    policy = queue["attributes"].get("Policy") if queue else None
    if not permissions.service_is_allowed(
        policy, "events.amazonaws.com", "sqs:SendMessage", queue_arn, SourceArn=rule_arn, SecureTransport="true"
    ):
        logger.warning("%s: its event is lost: %s: %s", rule_arn, code, message)
        return
    named = {"RULE_ARN": rule_arn, "TARGET_ARN": target.get("Arn", ""), "ERROR_CODE": code, "ERROR_MESSAGE": message}
    # Not in the thread that serves requests, which has to serve this one.
    threading.Thread(target=send, args=(clients.of_root("sqs"), queue_arn, event, named), daemon=True).start()


@around("failure_queues", lambda_svc, "_route_async_failure")
def keep_event(
    original: Callable[..., None], target_arn: str, name: str, event: dict[str, Any], result: dict[str, Any]
) -> None:
    """Wrap MiniStack's handling of an event after the last retry: a dead-letter queue gets the event itself."""
    config = (lambda_svc._functions.get(name) or {}).get("config", {})
    if (config.get("DeadLetterConfig") or {}).get("TargetArn") != target_arn:
        original(target_arn, name, event, result)
        return
    body = result.get("body")
    message = str(body.get("errorMessage", "")) if isinstance(body, dict) else ""
    attributes = {"RequestID": new_uuid(), "ErrorCode": "200", "ErrorMessage": message}
    with clients.of_role("sqs", config["Role"], name) as client:
        send(client, target_arn, json.dumps(event), attributes)
