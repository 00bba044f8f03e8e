"""The functions' settings: one environment variable, `KIT_SETTINGS`, a JSON object.

Its keys are the names of the fields. It has no defaults: configuration has them.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self, get_type_hints

from ecs_kit.runtime.contract.errors import SettingsInvalid
from ecs_kit.runtime.contract.failures import KEPT_BY_TASKS, ExitCodes
from ecs_kit.runtime.contract.patterns import PATTERNS, Pattern
from ecs_kit.runtime.contract.records import Target
from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES, Deployed

VARIABLE = "KIT_SETTINGS"

_KEPT = (
    "target_prefix",
    "task_attempts",
    "task_timeout_seconds",
    "run_timeout_seconds",
    "tolerated_failure_percentage",
    "launch_type",
    "spot_share",
    "max_concurrency",
    "run_task_rate",
    "job_records",
    "success_exit_codes",
    "retry_exit_codes",
    "job_command",
    "job_environment",
)
"""Settings that a run keeps from registration to end, with the task definition. A deployment does not change them.
Subnets and security groups are in its spec."""

_TASK_DEFINITION = "task_definition"


@dataclass(frozen=True, slots=True)
class Settings:
    """The deployed pattern, as its functions see it.

    `components/config.py` describes those that are configuration keys.

    Args:
        infrastructure: value of every name in `INFRASTRUCTURE_ATTRIBUTES`.
        separator: what joins ids in `infrastructure`.
        security_group_ids: further security groups of the stack that a spec may name.
        state_machine_arn: whose executions are this workflow's runs.
        log_stream_prefix: `awslogs-stream-prefix` of the task definition.
        launch_type: `launchType` of RunTask, where no task runs on Fargate Spot.
        success_exit_codes: as text; only used where rows are kept by ECS's word.
        retry_exit_codes: likewise; none for all codes of failure.
        job_command: the container's command, if it has placeholders.
        job_environment: its variables that have placeholders.
    """

    pattern: int
    infrastructure: Mapping[str, str]
    separator: str
    security_group_ids: tuple[str, ...]
    source_buckets: tuple[str, ...]
    state_machine_arn: str
    target_prefix: str
    task_attempts: int
    task_timeout_seconds: int
    run_timeout_seconds: int
    tolerated_failure_percentage: int
    log_stream_prefix: str
    launch_type: str
    spot_share: int
    max_concurrency: int
    run_task_rate: int
    job_records: str
    success_exit_codes: tuple[str, ...]
    retry_exit_codes: tuple[str, ...]
    job_command: tuple[str, ...]
    job_environment: Mapping[str, str]
    record_retention_days: int

    @property
    def capabilities(self) -> Pattern:
        """The pattern's properties."""
        return PATTERNS[self.pattern]

    @property
    def has_ecs_records(self) -> bool:
        """Whether the functions keep the rows by what ECS says, because containers know nothing of the kit."""
        return self.job_records == "ecs"

    @property
    def exit_codes(self) -> ExitCodes:
        """How exit codes are judged."""
        if not self.has_ecs_records:
            return KEPT_BY_TASKS
        return ExitCodes(tuple(map(int, self.success_exit_codes)), tuple(map(int, self.retry_exit_codes)))

    @property
    def deployed(self) -> Deployed:
        """The deployed resources that specs name."""
        return Deployed(
            self.infrastructure,
            self.separator,
            self.security_group_ids,
            self.source_buckets,
            not self.has_ecs_records,
            self.job_command,
            self.job_environment,
        )

    @property
    def target(self) -> Target:
        """Where results and logs go."""
        return Target(self.bucket, self.target_prefix, self.log_stream_prefix, self.container_name)

    @property
    def summary_table(self) -> str:
        """Name of the summary table."""
        return self.infrastructure["ddbTableNameWFSummary"]

    @property
    def details_table(self) -> str:
        """Name of the details table."""
        return self.infrastructure["ddbTableNameWFDetails"]

    @property
    def state_machine(self) -> str:
        """Name of the state machine."""
        return self.state_machine_arn.rsplit(":", 1)[-1]

    @property
    def bucket(self) -> str:
        """Name of the pattern's bucket."""
        return self.infrastructure["s3BucketName"]

    @property
    def cluster(self) -> str:
        """Name of the ECS cluster."""
        return self.infrastructure["clusterName"]

    @property
    def container_name(self) -> str:
        """Name of the container in the task definition that does the job."""
        return self.infrastructure["containerName"]

    @property
    def task_definition(self) -> str:
        """The task definition that a run's tasks use, `family:revision`."""
        return self.infrastructure["taskDefinition"]

    @property
    def family(self) -> str:
        """Family of the task definition, the same for every revision."""
        return self.task_definition.partition(":")[0]

    @property
    def task_arns(self) -> str:
        """What the ARNs of the cluster's ECS tasks begin with."""
        _, partition, _, region, account, *_ = self.state_machine_arn.split(":")
        return f"arn:{partition}:ecs:{region}:{account}:task/{self.cluster}/"

    def to_json(self) -> str:
        """Return the settings as JSON, for `from_json`."""
        return json.dumps({field.name: getattr(self, field.name) for field in fields(self)}, separators=(",", ":"))

    @property
    def kept(self) -> str:
        """The settings that a run keeps, as JSON, for `of_run`."""
        return json.dumps({name: getattr(self, name) for name in (_TASK_DEFINITION, *_KEPT)}, separators=(",", ":"))

    def of_run(self, kept: str | None) -> Self:
        """Return the settings of a run by its `kept` ones at registration, None for a run of an earlier version."""
        data = json.loads(kept or "{}")
        definition = data.get(_TASK_DEFINITION, self.task_definition)
        own: dict[str, Any] = {name: data[name] for name in _KEPT if name in data}
        own |= {name: tuple(value) for name, value in own.items() if isinstance(value, list)}
        return replace(self, infrastructure={**self.infrastructure, "taskDefinition": definition}, **own)


def from_json(text: str) -> Settings:
    """Read settings from a JSON object with the fields of `Settings`; other keys are ignored.

    Raises:
        SettingsInvalid: a key is missing or has a wrong type.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise SettingsInvalid(VARIABLE, f"is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise SettingsInvalid(VARIABLE, "must be a JSON object")
    values = {name: _typed(data, name, hint) for name, hint in get_type_hints(Settings).items()}
    if values["pattern"] not in PATTERNS:
        raise SettingsInvalid(VARIABLE, f"key pattern must be one of {', '.join(map(str, PATTERNS))}")
    for name in INFRASTRUCTURE_ATTRIBUTES:
        if not isinstance(values["infrastructure"].get(name), str):
            raise SettingsInvalid(VARIABLE, f"key infrastructure.{name} must be a string")
    return Settings(**values)


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read settings from `KIT_SETTINGS`.

    Raises:
        SettingsInvalid: the variable is not set or its value is malformed.
    """
    text = (os.environ if environment is None else environment).get(VARIABLE)
    if text is None:
        raise SettingsInvalid(VARIABLE, "is not set; the stack's own functions always have it")
    return from_json(text)


_JSON_TYPES: dict[object, type[Any]] = {int: int, str: str, tuple[str, ...]: list, Mapping[str, str]: dict}


def _typed(data: Mapping[str, Any], key: str, hint: object) -> Any:
    expected = _JSON_TYPES[hint]
    value: Any = data.get(key)
    if type(value) is not expected:
        raise SettingsInvalid(VARIABLE, f"key {key} must be of type {expected.__name__}, not {value!r}")
    return tuple(value) if expected is list else value
