"""A deployed state machine."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.parts import PartArgs, WorkloadRole, WorkloadRoleArgs, log_group


@dataclass(frozen=True)
class WorkflowStateMachineArgs:
    """Arguments of `WorkflowStateMachine`: its document as JSON, and what it may do."""

    part: PartArgs
    definition: pulumi.Input[str]
    policy: policies.Document


class WorkflowStateMachine(pulumi.ComponentResource):
    """A standard state machine that logs errors to CloudWatch and traces to X-Ray."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: WorkflowStateMachineArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:orchestration:WorkflowStateMachine", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        errors = log_group(name, args.part.names.state_machine_log_group, args.part, child)
        role_args = WorkloadRoleArgs(
            part=args.part,
            user="state-machine",
            description="The state machine",
            trust=policies.trust_state_machines(args.part.names.target),
            policy=args.policy,
            key_services=sorted(policies.services_of(args.policy) & {"dynamodb", "s3"}),
            puts_objects=False,
        )
        role = WorkloadRole(name, role_args, child)
        machine = aws.sfn.StateMachine(
            name,
            name=args.part.names.base,
            type="STANDARD",
            role_arn=role.arn,
            definition=args.definition,
            logging_configuration=aws.sfn.StateMachineLoggingConfigurationArgs(
                level="ERROR",
                include_execution_data=args.part.config.execution_data_in_logs == "enabled",
                log_destination=pulumi.Output.concat(errors.arn, ":*"),
            ),
            tracing_configuration=aws.sfn.StateMachineTracingConfigurationArgs(enabled=True),
            tags=args.part.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=role.policies),
        )
        self.arn = machine.arn
        self.register_outputs({"arn": self.arn})
