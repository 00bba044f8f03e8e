"""The task's configuration: the environment of its container."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from runtime.workflow import naming
from runtime.workflow.clock import Clock, from_iso
from runtime.workflow.errors import SettingsInvalid

METADATA_TRIES = 8
METADATA_TIMEOUT_SECONDS = 5
"""On a busy host the endpoint takes its time, and a task that cannot name itself is lost."""

DEFAULT_STOP_TIMEOUT_SECONDS = 10

SAMPLE_JOB = "runtime.task.job:run"

_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What one ECS task is to do.

    Args:
        details_table: table that holds its row.
        target_bucket: bucket for its result.
        target_prefix: first part of the result's key.
        task_timeout_seconds: how long it may run.
        log_stream_prefix: `awslogs-stream-prefix` of the task definition.
        container_name: name of its container.
        workflow_name: workflow it belongs to.
        run_id: run it belongs to.
        task_name: entry of the spec's `taskList`.
        attempt: 1, 2, …
        source_bucket: bucket of its source object.
        source_key: key of its source object.
        deadline: when the run's time is up; None where the run has no limit.
        stop_timeout_seconds: time from SIGTERM to SIGKILL.
        expires_at: when DynamoDB may delete its row, in seconds since 1970; None for never.
        parameters: the user's own variables, `JOB_…` without the prefix.
        job: the function that does the job, `module:function`.
    """

    details_table: str
    target_bucket: str
    target_prefix: str
    task_timeout_seconds: int
    log_stream_prefix: str
    container_name: str
    workflow_name: str
    run_id: int
    task_name: str
    attempt: int
    source_bucket: str
    source_key: str
    deadline: datetime | None
    parameters: Mapping[str, str]
    job: str = SAMPLE_JOB
    stop_timeout_seconds: int = DEFAULT_STOP_TIMEOUT_SECONDS
    expires_at: int | None = None

    @property
    def target_key(self) -> str:
        """Key of the task's result."""
        return naming.target_key(self.target_prefix, self.workflow_name, self.run_id, self.task_name, self.source_key)


def from_environment(environment: Mapping[str, str]) -> Configuration:
    """Read the configuration.

    Raises:
        SettingsInvalid: a variable is missing or malformed.
    """
    return Configuration(
        details_table=_text(environment, "KIT_DETAILS_TABLE"),
        target_bucket=_text(environment, "KIT_TARGET_BUCKET"),
        target_prefix=_text(environment, "KIT_TARGET_PREFIX"),
        task_timeout_seconds=_number(environment, "KIT_TASK_TIMEOUT_SECONDS"),
        log_stream_prefix=_text(environment, "KIT_LOG_STREAM_PREFIX"),
        container_name=_text(environment, "KIT_CONTAINER_NAME"),
        workflow_name=_text(environment, "KIT_WORKFLOW_NAME"),
        run_id=_number(environment, "KIT_WORKFLOW_RUN_ID"),
        task_name=_text(environment, "KIT_TASK_NAME"),
        attempt=_number(environment, "KIT_ATTEMPT"),
        source_bucket=_text(environment, "KIT_SOURCE_BUCKET"),
        source_key=_text(environment, "KIT_SOURCE_KEY"),
        deadline=_moment(environment, "KIT_DEADLINE"),
        parameters={name.removeprefix("JOB_"): value for name, value in environment.items() if name.startswith("JOB_")},
        job=_function(environment, "KIT_JOB"),
        stop_timeout_seconds=_optional_number(environment, "KIT_STOP_TIMEOUT_SECONDS") or DEFAULT_STOP_TIMEOUT_SECONDS,
        expires_at=_optional_number(environment, "KIT_EXPIRES_AT"),
    )


def ecs_task_arn(environment: Mapping[str, str], clock: Clock) -> str:
    """Ask the container metadata endpoint for the ECS task's own ARN.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html

    Raises:
        SettingsInvalid: there is no endpoint, or it does not answer.
    """
    variable = "ECS_CONTAINER_METADATA_URI_V4"
    address = _text(environment, variable)
    problem = ""
    for attempt in range(METADATA_TRIES):
        clock.sleep(attempt)
        try:
            with urllib.request.urlopen(f"{address}/task", timeout=METADATA_TIMEOUT_SECONDS) as answer:
                return str(json.load(answer)["TaskARN"])
        except (OSError, ValueError, KeyError) as error:
            problem = f"{type(error).__name__}: {error}"
    raise SettingsInvalid(variable, f"{address}/task did not name the ECS task ({problem})")


def _text(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingsInvalid(name, "is not set; the task definition or the override of RunTask has to give it")
    return value


def _number(environment: Mapping[str, str], name: str) -> int:
    value = _text(environment, name)
    if not value.isdecimal():
        raise SettingsInvalid(name, f"must be a whole number, not {value!r}")
    return int(value)


def _optional_number(environment: Mapping[str, str], name: str) -> int | None:
    return _number(environment, name) if environment.get(name) else None


def _function(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name) or SAMPLE_JOB
    if not _FUNCTION.fullmatch(value):
        raise SettingsInvalid(name, f"must be module:function, not {value!r}")
    return value


def _moment(environment: Mapping[str, str], name: str) -> datetime | None:
    value = environment.get(name, "")
    try:
        return from_iso(value) if value else None
    except ValueError as error:
        raise SettingsInvalid(name, f"must be a time in ISO 8601, not {value!r}") from error
