"""Entry point of the launcher's Lambda function."""

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
from ecs_kit.runtime.launcher.launcher import Launcher

log.configure()


class LambdaContext(Protocol):
    """The part of Lambda's context object that the launcher uses."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before Lambda ends the call."""


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle `{"action": "launch", "execution": …, "spec": …}`.

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
