"""Entry point of the launcher's Lambda function."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol

from runtime.launcher.launcher import Launcher
from runtime.workflow import clients, log, settings
from runtime.workflow.clock import SystemClock
from runtime.workflow.ecs_tasks import EcsTasks
from runtime.workflow.errors import PayloadInvalid
from runtime.workflow.tables import DetailsTable, SummaryTable

log.configure()


class LambdaContext(Protocol):
    """What the launcher asks of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before Lambda ends the call."""


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer `{"action": "launch", "execution": …, "spec": …}`.

    Returns:
        What `Launcher.launch` returns.
    """
    log.bind()
    if event.get("action") != "launch":
        raise PayloadInvalid(f"action is {event.get('action')!r}, not 'launch'")
    deployed = settings.from_environment()
    launcher = Launcher(
        settings=deployed,
        summaries=SummaryTable(clients.dynamodb(), deployed.summary_table),
        details=DetailsTable(clients.dynamodb(), deployed.details_table),
        run_task_client=clients.ecs_without_retries(),
        ecs_tasks=EcsTasks(clients.ecs(), deployed.cluster),
        clock=SystemClock(),
        rng=random.Random(),
    )
    return launcher.launch(event, lambda: context.get_remaining_time_in_millis() / 1000)
