"""Entry point of the monitor's Lambda function."""

from collections.abc import Mapping
from typing import Any

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract.errors import PayloadInvalid
from ecs_kit.runtime.functions import clients
from ecs_kit.runtime.functions.function import LambdaContext, remaining_seconds
from ecs_kit.runtime.monitor.monitor import Monitor

log.configure()

EVENT_TYPE = "Step Functions Execution Status Change"
TASK_EVENT_TYPE = "ECS Task State Change"


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle the state machine's calls (`register`, `monitor`, `record_failure`), EventBridge's status changes and its
    schedule (`sweep`), each as the method of `Monitor` does."""
    log.bind()
    monitor = Monitor.deployed(stepfunctions=clients.stepfunctions())
    if event.get("detail-type") == EVENT_TYPE:
        return monitor.finalize_from_event(event, remaining_seconds(context))
    if event.get("detail-type") == TASK_EVENT_TYPE:
        return monitor.record_event(event)
    match event.get("action"):
        case "register":
            return monitor.register(event)
        case "monitor":
            return monitor.monitor(event)
        case "record_failure":
            return monitor.record_failure(event)
        case "sweep":
            return monitor.sweep(remaining_seconds(context))
        case action:
            raise PayloadInvalid(f"action is {action!r}, not 'register', 'monitor', 'record_failure' or 'sweep'")
