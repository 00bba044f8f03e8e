"""What one task has instead of its definition's values: environment, command, size. Pure functions.

Texts may hold placeholders, such as `{source.uri}`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ecs_kit.runtime.contract import environment
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.records import Target
from ecs_kit.runtime.contract.settings import Settings
from ecs_kit.runtime.contract.specs import TaskEntry

OF_SOURCE = ("source.uri", "source.bucket", "source.key")
"""Placeholders that a task without a source object does not have."""

NAMES = (*OF_SOURCE, "target.uri", "target.bucket", "target.key", "task.name", "run.id", "workflow.name")

PATTERN = r"\{((source|target|task|run|workflow)\.[a-z]+)\}"
"""What a placeholder looks like; the first group is its name. Other text in braces is left as it is."""


def values(attempt: Attempt, target: Target) -> dict[str, str]:
    """Return the value of every placeholder for one attempt."""
    key = target.key(attempt)
    return {
        "source.uri": f"s3://{attempt.source_bucket}/{attempt.source_key}",
        "source.bucket": attempt.source_bucket,
        "source.key": attempt.source_key,
        "target.uri": f"s3://{target.bucket}/{key}",
        "target.bucket": target.bucket,
        "target.key": key,
        "task.name": attempt.task_name,
        "run.id": str(attempt.run_id),
        "workflow.name": attempt.workflow_name,
    }


def fill(text: str, known: Mapping[str, str]) -> str:
    """Replace every placeholder by its value, once: values are not searched."""
    return re.sub(PATTERN, lambda found: known[found[1]], text)


def used(texts: Iterable[str]) -> set[str]:
    """Return the names of the placeholders in texts, known or not."""
    return {found[1] for text in texts for found in re.finditer(PATTERN, text)}


def of_task(settings: Settings, entry: TaskEntry, attempt: Attempt, deadline: str) -> dict[str, Any]:
    """Return `overrides` of RunTask for one attempt; the run's deadline is in ISO 8601."""
    known = values(attempt, settings.target)
    own = {name: fill(text, known) for name, text in {**settings.job_environment, **entry.environment}.items()}
    variables = {**own, **environment.override(attempt, deadline)}
    container: dict[str, Any] = {
        "name": settings.container_name,
        "environment": [{"name": name, "value": value} for name, value in variables.items()],
    }
    if command := entry.command or settings.job_command:
        container["command"] = [fill(word, known) for word in command]
    size = {"cpu": str(entry.cpu), "memory": str(entry.memory)} if entry.cpu else {}
    return {"containerOverrides": [container], **size}
