"""What the deployed stack tells its Lambdas: one environment variable, `KIT_SETTINGS`, a JSON object."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from runtime.workflow.errors import SettingsInvalid
from runtime.workflow.specs import INFRASTRUCTURE_ATTRIBUTES, Deployed

VARIABLE = "KIT_SETTINGS"

KEPT_ATTRIBUTE = "settings"
"""Attribute of the summary table with what a run keeps."""

_KEPT = {
    "taskDefinition": "task_definition",
    "targetPrefix": "target_prefix",
    "taskAttempts": "task_attempts",
    "taskTimeoutSeconds": "task_timeout_seconds",
    "runTimeoutSeconds": "run_timeout_seconds",
    "toleratedFailurePercentage": "tolerated_failure_percentage",
    "launchType": "launch_type",
    "spotShare": "spot_share",
    "maxConcurrency": "max_concurrency",
}
"""Settings that a run keeps from its registration to its end, whatever is deployed meanwhile. The subnets and security
groups stand in its spec."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The deployed pattern, as its Lambdas see it.

    Args:
        pattern: 1 where the launcher starts the ECS tasks, 2 where the state machine does.
        deployed: the infrastructure attributes that a spec must name.
        state_machine_arn: whose executions are this workflow's runs.
        target_prefix: first part of the copies' keys.
        task_attempts: attempts at a task whose job fails, 1 to 10.
        task_timeout_seconds: how long one ECS task may run.
        run_timeout_seconds: how long a run may take, counted from its execution's start.
        tolerated_failure_percentage: share of tasks that may fail in a run that still succeeds, 0 to 100.
        log_stream_prefix: `awslogs-stream-prefix` of the task definition.
        launch_type: `launchType` of RunTask, where no task runs on Fargate Spot.
        spot_share: percentage of tasks whose first attempt runs on Fargate Spot, 0 to 100.
        max_concurrency: ECS tasks of a run at once; 0 for as many as the pattern can.
        record_retention_days: days after a run's deadline for which its items are kept; 0 for ever.
    """

    pattern: Literal[1, 2]
    deployed: Deployed
    state_machine_arn: str
    target_prefix: str = "copies"
    task_attempts: int = 1
    task_timeout_seconds: int = 3600
    run_timeout_seconds: int = 21600
    tolerated_failure_percentage: int = 0
    log_stream_prefix: str = "ecs"
    launch_type: str = "FARGATE"
    spot_share: int = 0
    max_concurrency: int = 0
    record_retention_days: int = 0

    @property
    def summary_table(self) -> str:
        """Name of the summary table."""
        return self.deployed.attributes["ddbTableNameWFSummary"]

    @property
    def details_table(self) -> str:
        """Name of the details table."""
        return self.deployed.attributes["ddbTableNameWFDetails"]

    @property
    def cluster(self) -> str:
        """Name of the ECS cluster."""
        return self.deployed.attributes["clusterName"]

    @property
    def container_name(self) -> str:
        """Name of the container in the task definition that does the job."""
        return self.deployed.attributes["containerName"]

    @property
    def task_definition(self) -> str:
        """The task definition that a run's tasks use, `family:revision`."""
        return self.deployed.attributes["taskDefinition"]

    @property
    def family(self) -> str:
        """Family of the task definition, the same for every revision."""
        return self.task_definition.partition(":")[0]

    @property
    def target_bucket(self) -> str:
        """Bucket that the copies go to."""
        return self.deployed.attributes["s3BucketName"]

    @property
    def region(self) -> str:
        """AWS region of the stack."""
        return self.deployed.attributes["region"]

    @property
    def kept(self) -> str:
        """What a run keeps of these settings, as JSON: see `of_run`."""
        return json.dumps({key: getattr(self, name) for key, name in _KEPT.items()}, separators=(",", ":"))

    def of_run(self, kept: str | None) -> Settings:
        """Return the settings of a run that may have been registered by an earlier deployment.

        Args:
            kept: what `kept` was when the run was registered; None for a run that an earlier version registered.

        Raises:
            SettingsInvalid: it is malformed.
        """
        if kept is None:
            return self
        try:
            data = dict(json.loads(kept))
        except (ValueError, TypeError) as error:
            raise SettingsInvalid(KEPT_ATTRIBUTE, f"is not a JSON object: {error}") from error
        definition = _optional(data, "taskDefinition", self.task_definition)
        return replace(
            self,
            deployed=replace(self.deployed, attributes={**self.deployed.attributes, "taskDefinition": definition}),
            **{
                name: _optional(data, key, getattr(self, name))
                for key, name in _KEPT.items()
                if name != "task_definition"
            },
        )


def from_json(text: str) -> Settings:
    """Read settings.

    Args:
        text: a JSON object: `pattern`, `infrastructure`, `stateMachineArn` and the optional keys of `Settings` in
            camelCase, `securityGroupIds` and `sourceBuckets` among them.

    Raises:
        SettingsInvalid: a key is missing or has a wrong type.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise SettingsInvalid(VARIABLE, f"is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise SettingsInvalid(VARIABLE, "must be a JSON object")
    if data.get("pattern") not in (1, 2):
        raise SettingsInvalid(VARIABLE, f"key pattern must be 1 or 2, not {data.get('pattern')!r}")
    infrastructure = data.get("infrastructure")
    if not isinstance(infrastructure, dict):
        raise SettingsInvalid(VARIABLE, "key infrastructure must be an object")
    for name in INFRASTRUCTURE_ATTRIBUTES:
        if not isinstance(infrastructure.get(name), str):
            raise SettingsInvalid(VARIABLE, f"key infrastructure.{name} must be a string")
    return Settings(
        pattern=data["pattern"],
        deployed=Deployed(
            attributes={name: infrastructure[name] for name in INFRASTRUCTURE_ATTRIBUTES},
            separator=_optional(infrastructure, "separator", "$"),
            security_group_ids=tuple(_optional(data, "securityGroupIds", [])),
            source_buckets=tuple(_optional(data, "sourceBuckets", [])),
        ),
        state_machine_arn=_optional(data, "stateMachineArn", ""),
        target_prefix=_optional(data, "targetPrefix", "copies"),
        task_attempts=_optional(data, "taskAttempts", 1),
        task_timeout_seconds=_optional(data, "taskTimeoutSeconds", 3600),
        run_timeout_seconds=_optional(data, "runTimeoutSeconds", 21600),
        tolerated_failure_percentage=_optional(data, "toleratedFailurePercentage", 0),
        log_stream_prefix=_optional(data, "logStreamPrefix", "ecs"),
        launch_type=_optional(data, "launchType", "FARGATE"),
        spot_share=_optional(data, "spotShare", 0),
        max_concurrency=_optional(data, "maxConcurrency", 0),
        record_retention_days=_optional(data, "recordRetentionDays", 0),
    )


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read settings from `KIT_SETTINGS`.

    Raises:
        SettingsInvalid: the variable is not set or its value is malformed.
    """
    text = (os.environ if environment is None else environment).get(VARIABLE)
    if text is None:
        raise SettingsInvalid(VARIABLE, "is not set; the stack's own functions always have it")
    return from_json(text)


def _optional(data: Mapping[str, Any], key: str, default: Any) -> Any:
    value = data.get(key, default)
    if type(value) is not type(default):
        raise SettingsInvalid(VARIABLE, f"key {key} must be of type {type(default).__name__}, not {value!r}")
    return value
