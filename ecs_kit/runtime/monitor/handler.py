"""Entry point of the monitor's Lambda function."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol

from ecs_kit.runtime.common import clients, log
from ecs_kit.runtime.common.tables import DetailsTable, SummaryTable
from ecs_kit.runtime.contract import settings
from ecs_kit.runtime.contract.clock import SystemClock
from ecs_kit.runtime.contract.errors import PayloadInvalid
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.monitor.monitor import Monitor

log.configure()

EVENT_TYPE = "Step Functions Execution Status Change"


class LambdaContext(Protocol):
    """The part of Lambda's context object that the monitor uses."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before Lambda ends the call."""


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle the state machine's calls (`register`, `monitor`, `record_failure`), and EventBridge's status changes and
    schedule (`sweep`).

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
