"""Reads what a run's page needs, and writes the page."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ecs_kit.automation.journeys import verify
from ecs_kit.automation.journeys.report_page.cost import TaskSize
from ecs_kit.automation.journeys.report_page.data import Reading, document, kept_settings
from ecs_kit.automation.journeys.report_page.page import page
from ecs_kit.automation.journeys.run_state import RunState
from ecs_kit.automation.journeys.tables import Item, deciding_attempts
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.statuses import TaskStatus

MOST_LOGS = 20
"""Failed tasks whose log's end is read: each is a call of CloudWatch Logs."""


def reading(
    aws: AwsClients,
    state: RunState,
    *,
    logs: Mapping[str, Sequence[str]] | None = None,
    verdict: Mapping[str, Any] | None = None,
) -> Reading:
    """What the page of a run shows besides its state; `logs` are by `ecs_task_id`, those of failed tasks if None."""
    size, image = _task_definition(aws, state)
    return Reading(
        state,
        datetime.now(UTC),
        logs=logs_of_failed(aws, state) if logs is None else logs,
        size=size,
        image=image,
        has_console=not aws.endpoint_url,
        verdict=verdict,
    )


def write(path: Path, of_run: Reading) -> None:
    """Write the page of a run: a reader of the file sees the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(page(document(of_run)), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def logs_of_failed(
    aws: AwsClients, state: RunState, known: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Sequence[str]]:
    """The last lines of the logs of failed tasks, of the first `MOST_LOGS`; those that are `known` are not read."""
    group, logs = str(state.key.deployed.get("taskLogGroup", "")), dict(known or {})
    for row in _failed(state.details)[:MOST_LOGS]:
        if row["ecs_task_id"] not in logs:
            logs[str(row["ecs_task_id"])] = verify.log_tail(aws, group, row)
    return logs


def _failed(details: Iterable[Item]) -> list[Item]:
    deciding = sorted(deciding_attempts(details).items())
    return [row for _, row in deciding if row.get("status") == TaskStatus.FAILED and row.get("log_stream")]


def _task_definition(aws: AwsClients, state: RunState) -> tuple[TaskSize | None, str]:
    """Size and image of the run's task definition; nothing where ECS does not tell."""
    deployed = state.key.deployed
    name = kept_settings(state).get("task_definition") or str(deployed.get("taskDefinition", ""))
    try:
        described: Mapping[str, Any] = aws.ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
    except ClientError:
        return None, ""
    platform = described.get("runtimePlatform") or {}
    containers = {each["name"]: each for each in described.get("containerDefinitions", [])}
    image = str(containers.get(deployed.get("containerName"), {}).get("image", ""))
    if not (described.get("cpu") and described.get("memory")):
        return None, image
    architecture = str(platform.get("cpuArchitecture") or "X86_64")
    return TaskSize(int(described["cpu"]), int(described["memory"]), architecture), image
