"""A deployed state machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.names import PatternNames
from ecs_kit.components.roles import WorkloadRole, WorkloadRoleArgs


@dataclass(frozen=True)
class WorkflowStateMachineArgs:
    """Arguments of `WorkflowStateMachine`.

    Args:
        names: The pattern's names.
        definition: The Amazon States Language document as JSON.
        policy: What it may do, as an IAM document.
        log_retention_days: Days that its log is kept.
        tags: Tags of all resources.
    """

    names: PatternNames
    definition: pulumi.Input[str]
    policy: Mapping[str, Any]
    log_retention_days: int
    tags: Mapping[str, str]


class WorkflowStateMachine(pulumi.ComponentResource):
    """A standard state machine that logs errors to CloudWatch and traces to X-Ray."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: WorkflowStateMachineArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:orchestration:WorkflowStateMachine", name, None, opts)
        log_group = aws.cloudwatch.LogGroup(
            name,
            name=args.names.state_machine_log_group,
            retention_in_days=args.log_retention_days,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        role = WorkloadRole(
            name,
            WorkloadRoleArgs(
                role=args.names.role("state-machine"),
                description="The state machine",
                trust=policies.trust_state_machines(args.names.target),
                policy=args.policy,
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        machine = aws.sfn.StateMachine(
            name,
            name=args.names.base,
            type="STANDARD",
            role_arn=role.arn,
            definition=args.definition,
            logging_configuration=aws.sfn.StateMachineLoggingConfigurationArgs(
                level="ERROR", include_execution_data=True, log_destination=pulumi.Output.concat(log_group.arn, ":*")
            ),
            tracing_configuration=aws.sfn.StateMachineTracingConfigurationArgs(enabled=True),
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=role.policies),
        )
        self.arn = machine.arn
        self.register_outputs({"arn": self.arn})
