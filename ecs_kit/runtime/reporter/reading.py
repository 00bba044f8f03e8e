"""Reads what a run's page needs besides its rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.functions.task_lists import TaskListStore
from ecs_kit.runtime.reporter.clients import ReadClients
from ecs_kit.runtime.reporter.cost import TaskSize
from ecs_kit.runtime.reporter.counts import is_over
from ecs_kit.runtime.reporter.data import Reading, kept_settings
from ecs_kit.runtime.reporter.items import Item, deciding_attempts
from ecs_kit.runtime.reporter.logs import log_tail
from ecs_kit.runtime.reporter.run_state import RunState

MOST_LOGS = 20
"""Failed tasks whose log's end is read: each is a call of CloudWatch Logs."""


def reading(
    aws: ReadClients,
    state: RunState,
    *,
    has_console: bool,
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
        has_console=has_console,
        verdict=verdict,
        pinned=_pinned_tasks(aws, state),
    )


def _pinned_tasks(aws: ReadClients, state: RunState) -> Mapping[str, Mapping[str, Any]]:
    """The entries of a list that is an object of the bucket, once the run is over; none where it was deleted."""
    key = (state.summary or {}).get("task_list")
    if key is None or not is_over(state):
        return {}
    found = TaskListStore(aws.s3, str(state.key.deployed["s3BucketName"])).pinned(str(key))
    return {} if found is None else {entry.name: entry.document for entry in found.entries(0, len(found))}


def logs_of_failed(
    aws: ReadClients, state: RunState, known: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Sequence[str]]:
    """The last lines of the logs of failed tasks, of the first `MOST_LOGS`; those that are `known` are not read."""
    group, logs = str(state.key.deployed.get("taskLogGroup", "")), dict(known or {})
    for row in _failed(state.details)[:MOST_LOGS]:
        if row["ecs_task_id"] not in logs:
            logs[str(row["ecs_task_id"])] = log_tail(aws, group, row)
    return logs


def _failed(details: Iterable[Item]) -> list[Item]:
    deciding = sorted(deciding_attempts(details).items())
    return [row for _, row in deciding if row.get("status") == TaskStatus.FAILED and row.get("log_stream")]


def _task_definition(aws: ReadClients, state: RunState) -> tuple[TaskSize | None, str]:
    """Size and image of the run's task definition; nothing where ECS does not have it."""
    deployed = state.key.deployed
    name = kept_settings(state).get("task_definition") or str(deployed.get("taskDefinition", ""))
    try:
        described: Mapping[str, Any] = aws.ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
    except aws.ecs.exceptions.ClientException:
        return None, ""
    platform = described.get("runtimePlatform") or {}
    containers = {each["name"]: each for each in described.get("containerDefinitions", [])}
    image = str(containers.get(deployed.get("containerName"), {}).get("image", ""))
    if not (described.get("cpu") and described.get("memory")):
        return None, image
    architecture = str(platform.get("cpuArchitecture") or "X86_64")
    return TaskSize(int(described["cpu"]), int(described["memory"]), architecture), image
