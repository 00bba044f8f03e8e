"""The package's components, made of the patterns: arguments are configuration keys, outputs what programs need."""

# No `from __future__ import annotations`: Pulumi infers the package's schema from the types themselves.

import json
from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
from pulumi.errors import InputPropertiesError, InputPropertyErrorDetails
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.util import camel_case
from pulumi.provider.provider import ConstructResult
from pulumi.provider.server import ComponentInitError

from ecs_kit.components import patterns
from ecs_kit.components.config import KitConfig, declarations
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.job import JobArgs
from ecs_kit.components.keys import Key
from ecs_kit.components.program import KIT_VERSION
from ecs_kit.runtime.contract.specs import DEPLOYED_ATTRIBUTES

NAME = "ecs-kit"
"""The package's name, in the types of its resources, too."""

_TYPES: Mapping[str, Any] = {"string": str, "integer": int, "array": list[str], "object": dict[str, str]}
_TEXT: Any = pulumi.Input[str]  # type: ignore[misc]
_INPUTS: Mapping[str, Any] = {
    "jobImage": _TEXT,
    "jobEnvironment": dict[str, _TEXT],
    "jobSecrets": dict[str, _TEXT],
    "jobPolicy": pulumi.Input[dict[str, Any]],  # type: ignore[misc]
}
"""Types of what another resource may know only later."""

_KEYS: Mapping[str, Key] = {key.attribute.replace(".", "_"): key for key in declarations() if key.name != "patterns"}
"""The keys of one pattern, by the argument's name in Python."""

_OUTPUTS: Mapping[str, tuple[str, str]] = {
    "state_machine_arn": ("stateMachineArn", "ARN of the state machine; each of its executions is a run."),
    "start_input": ("startInput", "Input of StartExecution as JSON text, but for `taskList`."),
    "summary_table": ("ddbTableNameWFSummary", "Name of the table with an item for each run."),
    "details_table": ("ddbTableNameWFDetails", "Name of the table with an item for each attempt at a task."),
    "bucket": ("s3BucketName", "Name of the bucket with the tasks' results."),
    "cluster": ("clusterName", "Name of the ECS cluster."),
    "image_uri": ("imageUri", "The image that tasks run."),
    "task_log_group": ("taskLogGroup", "Name of the log group of the tasks' containers."),
    "vpc_id": ("vpcId", "Id of the VPC that tasks and functions run in."),
    "deployed": (
        "deployed",
        "All that the commands of `ecs-kit` read of a pattern: export it as `pattern1` or `pattern2`, by the pattern.",
    ),
}
"""By attribute: the output that it has, the pattern's own but for `startInput` and `deployed`, and its description."""

TaskSubmissionArgs = TypedDict(  # type: ignore[misc]
    "TaskSubmissionArgs", {name: _INPUTS.get(key.name, _TYPES[key.type]) for name, key in _KEYS.items()}, total=False
)
"""The arguments of each component."""


def configuration(arguments: Mapping[str, Any]) -> KitConfig:
    """The configuration that a component's arguments make; `job_…` are those of the job.

    Numbers arrive as floats from programs in other languages. A fraction is no whole number, and `KitConfig` says so.
    """
    values: dict[str, Any] = {}
    for name, value in arguments.items():
        values[name] = tuple(map(_whole, value)) if isinstance(value, list) else _whole(value)
    job = {name.removeprefix("job_"): values.pop(name) for name in list(values) if name.startswith("job_")}
    return KitConfig(**values, job=JobArgs(**job))


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _component(pattern: type[patterns.Pattern]) -> type[pulumi.ComponentResource]:
    def init(
        self: pulumi.ComponentResource, name: str, args: TaskSubmissionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        pulumi.ComponentResource.__init__(self, f"{NAME}:index:{pattern.__name__}", name, None, opts)
        target = patterns.provider_target(pulumi.InvokeOptions(parent=self))
        pattern_args = patterns.PatternArgs(configuration(args), target)
        outputs = pattern(name, pattern_args, pulumi.ResourceOptions(parent=self)).outputs
        start_input = pulumi.Output.all(**{name: outputs[name] for name in DEPLOYED_ATTRIBUTES}).apply(json.dumps)
        values: dict[str, Any] = {**outputs, "startInput": start_input, "deployed": dict(outputs)}
        for attribute, (output, _) in _OUTPUTS.items():
            setattr(self, attribute, pulumi.Output.from_input(values[output]))
        self.register_outputs({})

    annotations: dict[str, Any] = dict.fromkeys(_OUTPUTS, pulumi.Output[str])
    annotations["deployed"] = pulumi.Output[dict[str, Any]]
    members = {"__init__": init, "__doc__": pattern.__doc__, "__annotations__": annotations, "__module__": __name__}
    return type(pattern.__name__, (pulumi.ComponentResource,), members)


COMPONENTS = [_component(pattern) for pattern in patterns.COMPONENTS.values()]
"""The components, one for each pattern."""


class Package(ComponentProvider):
    """The package's provider, with a schema that describes arguments and outputs."""

    def __init__(self) -> None:
        super().__init__(COMPONENTS, NAME, version=KIT_VERSION)
        schema = json.loads(self.schema or "{}")
        outputs = {camel_case(name): text for name, (_, text) in _OUTPUTS.items()}
        for component in schema["resources"].values():
            for key in _KEYS.values():
                component["inputProperties"][key.name]["description"] = key.description
            for name, text in outputs.items():
                component["properties"][name]["description"] = text
        self.schema = json.dumps(schema)

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: pulumi.Inputs,
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Deploy a component.

        Raises:
            InputPropertiesError: with every argument that cannot be used.
        """
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if isinstance(error.inner, ConfigError):
                problems = error.inner.problems
                # The SDK shows a message only with such details.
                details = [InputPropertyErrorDetails(property_path=each.key, reason=str(each)) for each in problems]
                raise InputPropertiesError(str(error.inner), details) from error
            raise
