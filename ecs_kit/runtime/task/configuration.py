"""The task's configuration: the environment of its container."""

import json
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecs_kit.runtime.contract import environment
from ecs_kit.runtime.contract.clock import Clock, from_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.errors import SettingsInvalid, shown
from ecs_kit.runtime.contract.records import Target

METADATA_TRIES = 8
METADATA_TIMEOUT_SECONDS = 5
"""The endpoint is slow on a busy host, and a task without its ARN cannot run."""

DEFAULT_STOP_TIMEOUT_SECONDS = 10

SAMPLE_JOB = "ecs_kit.runtime.task.job:run"

_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration of one ECS task.

    Its job is `module:function`. `parameters` are the user's own variables, `JOB_…` without the prefix.
    """

    attempt: Attempt
    target: Target
    details_table: str
    state_machine: str
    task_timeout_seconds: int
    stop_timeout_seconds: int
    deadline: datetime | None
    job: str
    parameters: Mapping[str, str]


def from_environment(variables: Mapping[str, str]) -> Configuration:
    """Read the configuration.

    Raises:
        SettingsInvalid: a variable is missing or malformed.
    """
    return Configuration(
        attempt=Attempt(
            workflow_name=_text(variables, environment.WORKFLOW_NAME),
            run_id=_number(variables, environment.RUN_ID),
            task_name=_text(variables, environment.TASK_NAME),
            number=_number(variables, environment.ATTEMPT),
            source_bucket=_text(variables, environment.SOURCE_BUCKET),
            source_key=_text(variables, environment.SOURCE_KEY),
            expires_at=_optional_number(variables, environment.EXPIRES_AT),
            index=_optional_number(variables, environment.TASK_INDEX),
        ),
        target=Target(
            bucket=_text(variables, environment.TARGET_BUCKET),
            prefix=_text(variables, environment.TARGET_PREFIX),
            log_stream_prefix=_text(variables, environment.LOG_STREAM_PREFIX),
            container_name=_text(variables, environment.CONTAINER_NAME),
        ),
        details_table=_text(variables, environment.DETAILS_TABLE),
        state_machine=_text(variables, environment.STATE_MACHINE),
        task_timeout_seconds=_number(variables, environment.TASK_TIMEOUT_SECONDS),
        stop_timeout_seconds=_optional_number(variables, environment.STOP_TIMEOUT_SECONDS)
        or DEFAULT_STOP_TIMEOUT_SECONDS,
        deadline=_moment(variables, environment.DEADLINE),
        job=_function(variables, environment.JOB),
        parameters={
            name.removeprefix(environment.JOB_PREFIX): value
            for name, value in variables.items()
            if name.startswith(environment.JOB_PREFIX)
        },
    )


def own_task(variables: Mapping[str, str], clock: Clock) -> EcsTask:
    """Read the ECS task's own ARN and times from the task metadata endpoint, version 4.

    ECS says there when the image was pulled and the container started, not when the task was created.
    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate-response.html

    Raises:
        SettingsInvalid: there is no endpoint, or it does not answer.
    """
    variable = "ECS_CONTAINER_METADATA_URI_V4"
    address = _text(variables, variable)
    problem = ""
    for attempt in range(METADATA_TRIES):
        clock.sleep(attempt)
        try:
            with urllib.request.urlopen(f"{address}/task", timeout=METADATA_TIMEOUT_SECONDS) as answer:
                return _described(json.load(answer), variables)
        except (OSError, ValueError, KeyError) as error:
            problem = f"{type(error).__name__}: {error}"
    raise SettingsInvalid(variable, f"{address}/task did not name the ECS task ({problem})")


def _described(metadata: Mapping[str, Any], variables: Mapping[str, str]) -> EcsTask:
    name = variables.get(environment.CONTAINER_NAME)
    container: Mapping[str, Any] = next(
        (each for each in metadata.get("Containers") or () if each.get("Name") == name), {}
    )
    return EcsTask(
        arn=str(metadata["TaskARN"]),
        last_status="RUNNING",
        created_at=_time(variables.get(environment.QUEUED_AT)),
        pull_started_at=_time(metadata.get("PullStartedAt")),
        pull_stopped_at=_time(metadata.get("PullStoppedAt")),
        started_at=_time(container.get("StartedAt")),
    )


def _time(text: str | None) -> datetime | None:
    """Read a time that the row may lack."""
    try:
        return from_iso(text) if text else None
    except ValueError:
        return None


def _text(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "")
    if not value:
        raise SettingsInvalid(name, "is not set; the task definition or the override of RunTask has to give it")
    return value


def _number(variables: Mapping[str, str], name: str) -> int:
    value = _text(variables, name)
    number = environment.whole_number(value)
    if number is None:
        raise SettingsInvalid(name, f"must be a whole number, not {shown(value)}")
    return number


def _optional_number(variables: Mapping[str, str], name: str) -> int | None:
    return _number(variables, name) if variables.get(name) else None


def _function(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name) or SAMPLE_JOB
    if not _FUNCTION.fullmatch(value):
        raise SettingsInvalid(name, f"must be module:function, not {shown(value)}")
    return value


def _moment(variables: Mapping[str, str], name: str) -> datetime | None:
    value = variables.get(name, "")
    try:
        return from_iso(value) if value else None
    except ValueError as error:
        raise SettingsInvalid(name, f"must be a time in ISO 8601, not {shown(value)}") from error
