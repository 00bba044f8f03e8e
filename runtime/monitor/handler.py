"""Entry point of the monitor's Lambda function."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol

from runtime.monitor.monitor import Monitor
from runtime.workflow import clients, log, settings
from runtime.workflow.clock import SystemClock
from runtime.workflow.ecs_tasks import EcsTasks
from runtime.workflow.errors import PayloadInvalid
from runtime.workflow.tables import DetailsTable, SummaryTable

log.configure()

EVENT_TYPE = "Step Functions Execution Status Change"


class LambdaContext(Protocol):
    """What the monitor asks of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before Lambda ends the call."""


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the state machine (`register`, `monitor`, `record_failure`), and EventBridge's status changes and schedule
    (`sweep`).

    Returns:
        What the method of `Monitor` returns.
    """
    log.bind()
    deployed = settings.from_environment()
    monitor = Monitor(
        settings=deployed,
        summaries=SummaryTable(clients.dynamodb(), deployed.summary_table),
        details=DetailsTable(clients.dynamodb(), deployed.details_table),
        ecs_tasks=EcsTasks(clients.ecs(), deployed.cluster),
        stepfunctions=clients.stepfunctions(),
        clock=SystemClock(),
        rng=random.Random(),
    )

    def remaining_seconds() -> float:
        return context.get_remaining_time_in_millis() / 1000

    if event.get("detail-type") == EVENT_TYPE:
        return monitor.finalize_from_event(event, remaining_seconds)
    match event.get("action"):
        case "register":
            return monitor.register(event)
        case "monitor":
            return monitor.monitor(event)
        case "record_failure":
            return monitor.record_failure(event)
        case "sweep":
            return monitor.sweep(remaining_seconds)
        case action:
            raise PayloadInvalid(f"action is {action!r}, not 'register', 'monitor', 'record_failure' or 'sweep'")
