"""The package's components: each deploys a pattern from flat arguments, and says what programs need of it."""

# No `from __future__ import annotations`: Pulumi infers the package's schema from the types themselves.

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

from ecs_kit.components import patterns
from ecs_kit.components.config import KitConfig
from ecs_kit.components.job import JobArgs
from ecs_kit.package.arguments import TaskSubmissionArgs
from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES

NAME = "ecs-kit"
"""The package's name, in the types of its resources, too."""


def configuration(arguments: Mapping[str, Any]) -> KitConfig:
    """The configuration that a component's arguments make; `job_…` are those of the job."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()
    }
    if "job_context" in values:
        values["job_context"] = Path(values["job_context"])
    job = {name.removeprefix("job_"): values.pop(name) for name in list(values) if name.startswith("job_")}
    return KitConfig(**values, job=JobArgs(**job))


_OUTPUTS = {
    "state_machine_arn": "stateMachineArn",
    "summary_table": "ddbTableNameWFSummary",
    "details_table": "ddbTableNameWFDetails",
    "bucket": "s3BucketName",
    "cluster": "clusterName",
    "image_uri": "imageUri",
    "task_log_group": "taskLogGroup",
    "vpc_id": "vpcId",
}
"""The outputs of a pattern that the components have, too. Their descriptions stand in both classes, where Pulumi reads
them."""


class _TaskSubmission(pulumi.ComponentResource):
    """What both components have in common."""

    def _deploy(self, pattern: type[patterns.Pattern], name: str, args: TaskSubmissionArgs) -> None:
        target = patterns.provider_target(pulumi.InvokeOptions(parent=self))
        pattern_args = patterns.PatternArgs(configuration(args), target)
        outputs = pattern(name, pattern_args, pulumi.ResourceOptions(parent=self)).outputs
        for attribute, output in _OUTPUTS.items():
            setattr(self, attribute, pulumi.Output.from_input(outputs[output]))
        attributes = (*INFRASTRUCTURE_ATTRIBUTES, "separator", "workflowName")
        self.start_input = pulumi.Output.all(**{name: outputs[name] for name in attributes}).apply(json.dumps)
        self.register_outputs({})


class TaskSubmissionFromLambda(_TaskSubmission):
    """Pattern 1: the Task Launcher, a function, starts the ECS tasks; the Task Monitor, in a loop, tracks them."""

    state_machine_arn: pulumi.Output[str]
    """ARN of the state machine; each of its executions is a run."""
    start_input: pulumi.Output[str]
    """Input of StartExecution as JSON text, but for `taskList`."""
    summary_table: pulumi.Output[str]
    """Name of the table with an item for each run."""
    details_table: pulumi.Output[str]
    """Name of the table with an item for each attempt at a task."""
    bucket: pulumi.Output[str]
    """Name of the bucket with the tasks' results."""
    cluster: pulumi.Output[str]
    """Name of the ECS cluster."""
    image_uri: pulumi.Output[str]
    """The image that tasks run."""
    task_log_group: pulumi.Output[str]
    """Name of the log group of the tasks' containers."""
    vpc_id: pulumi.Output[str]
    """Id of the VPC that tasks and functions run in."""

    def __init__(self, name: str, args: TaskSubmissionArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(f"{NAME}:index:TaskSubmissionFromLambda", name, None, opts)
        self._deploy(patterns.TaskSubmissionFromLambda, name, args)


class TaskSubmissionFromStepFunctions(_TaskSubmission):
    """Pattern 2: the state machine itself starts the ECS tasks; the Task Monitor, in a second branch, tracks them."""

    state_machine_arn: pulumi.Output[str]
    """ARN of the state machine; each of its executions is a run."""
    start_input: pulumi.Output[str]
    """Input of StartExecution as JSON text, but for `taskList`."""
    summary_table: pulumi.Output[str]
    """Name of the table with an item for each run."""
    details_table: pulumi.Output[str]
    """Name of the table with an item for each attempt at a task."""
    bucket: pulumi.Output[str]
    """Name of the bucket with the tasks' results."""
    cluster: pulumi.Output[str]
    """Name of the ECS cluster."""
    image_uri: pulumi.Output[str]
    """The image that tasks run."""
    task_log_group: pulumi.Output[str]
    """Name of the log group of the tasks' containers."""
    vpc_id: pulumi.Output[str]
    """Id of the VPC that tasks and functions run in."""

    def __init__(self, name: str, args: TaskSubmissionArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(f"{NAME}:index:TaskSubmissionFromStepFunctions", name, None, opts)
        self._deploy(patterns.TaskSubmissionFromStepFunctions, name, args)
