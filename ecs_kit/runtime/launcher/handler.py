"""Entry point of the launcher's Lambda function."""

from collections.abc import Mapping
from typing import Any

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract.errors import PayloadInvalid
from ecs_kit.runtime.functions import clients
from ecs_kit.runtime.functions.function import LambdaContext, remaining_seconds
from ecs_kit.runtime.launcher.launcher import Launcher

log.configure()


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle `{"action": "launch", "execution": …, "spec": …}` as `Launcher.launch` does."""
    log.bind()
    if event.get("action") != "launch":
        raise PayloadInvalid(f"action is {event.get('action')!r}, not 'launch'")
    launcher = Launcher.deployed(run_task_client=clients.ecs_without_retries())
    return launcher.launch(event, remaining_seconds(context))
