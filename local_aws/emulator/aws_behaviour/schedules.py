"""How EventBridge Scheduler calls its target: with the schedule's role, and any operation of an AWS SDK.

Sources: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html,
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html and
https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import eventbridge, scheduler

from local_aws.emulator.aws_behaviour import clients, failure_queues, permissions
from local_aws.emulator.aws_behaviour.patching import around, instead
from local_aws.emulator.aws_behaviour.states_integrations import to_api

logger = logging.getLogger("emulator.schedules")

SCHEDULER = "scheduler.amazonaws.com"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
_TICK_SECONDS = 1.0
_BOTO3_NAMES = {"sfn": "stepfunctions", "eventbridge": "events"}


@instead("schedules", scheduler, "_ticker_loop")
def tick() -> None:
    """Look for due schedules each second; MiniStack does so every ten."""
    while True:
        time.sleep(_TICK_SECONDS)
        try:
            scheduler._tick_schedules()
        except Exception:
            logger.exception("the schedules could not be looked at")


@around("schedules", eventbridge, "_invoke_target")
def call_target(
    original: Callable[..., None],
    target: dict[str, Any],
    event: dict[str, Any],
    schedule: dict[str, Any],
    view: Any = None,
) -> None:
    """Wrap MiniStack's calling of a target: that of a schedule may be any operation."""
    if event.get("Source") != "aws.scheduler" or not target.get("Arn", "").startswith(UNIVERSAL):
        original(target, event, schedule, view)
        return
    scope = get_account_id(), get_region()

    def deliver_in_scope() -> None:
        with request_scope(*scope):
            deliver(target, schedule, event["Time"])

    threading.Thread(target=deliver_in_scope, daemon=True).start()


def deliver(target: dict[str, Any], schedule: dict[str, Any], now: float) -> None:
    """Call the operation that a schedule names; where it fails, the request waits in the schedule's queue."""
    text = filled_in(target.get("Input", "{}"), schedule["Arn"], scheduled_time(schedule, now))
    role, group = target["RoleArn"], schedule["Arn"].replace(":schedule/", ":schedule-group/").rpartition("/")[0]
    if not permissions.role_trusts(role, SCHEDULER, source_arn=group):
        logger.warning("%s cannot assume %s", schedule["Arn"], role)
        return
    service, action = target["Arn"].removeprefix(UNIVERSAL).split(":")
    try:
        with clients.of_role(_BOTO3_NAMES.get(service, service), role, schedule["Name"]) as client:
            shape = client.meta.service_model.operation_model(action[:1].upper() + action[1:]).input_shape
            getattr(client, xform_name(action))(**to_api(json.loads(text), shape))
    except (ClientError, BotoCoreError) as error:
        logger.warning("%s: %s", schedule["Arn"], error)
        queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        if queue_arn:
            with clients.of_role("sqs", role, schedule["Name"]) as client:
                named = {"SCHEDULE_ARN": schedule["Arn"], "TARGET_ARN": target["Arn"], "ERROR_CODE": code}
                failure_queues.send(client, queue_arn, text, {**named, "ERROR_MESSAGE": str(error)[:1000]})


def scheduled_time(schedule: dict[str, Any], now: float) -> str:
    """When a call is due, as Scheduler writes times."""
    due = scheduler._at_time_epoch(schedule["ScheduleExpression"]) or now
    return datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def filled_in(text: str, schedule_arn: str, due: str) -> str:
    """An input with its context attributes."""
    values = {"schedule-arn": schedule_arn, "scheduled-time": due, "execution-id": new_uuid(), "attempt-number": "1"}
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text
