"""A schedule that starts runs of a spec in the pattern's bucket."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.names import DeploymentTarget
from ecs_kit.components.operations.failure_queue import FailureQueue
from ecs_kit.components.parts import PartArgs, WorkloadRole, WorkloadRoleArgs
from ecs_kit.components.state_machine import WorkflowStateMachine
from ecs_kit.runtime.contract.spec_references import SCHEDULED_TIME, SPEC_URI

RETRIES = 10
EVENT_AGE_SECONDS = 3600


@dataclass(frozen=True)
class ScheduleArgs:
    """Arguments of `Schedule`."""

    part: PartArgs
    state_machine: WorkflowStateMachine
    failure_queue: FailureQueue


def start_execution(target: DeploymentTarget) -> str:
    """The universal target, because that of Step Functions' own name takes no execution name.

    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
    """
    return f"arn:{target.partition}:scheduler:::aws-sdk:sfn:startExecution"


def start_request(state_machine_arn: str, spec_uri: str) -> dict[str, Any]:
    """The request of StartExecution; Scheduler fills in the words in angle brackets.

    It delivers at least once. An execution that is delivered twice has the same scheduled time, of which the run's id
    is made, so that the second one is refused before it launches anything. A name that Scheduler uses again is the same
    execution at once (https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html,
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html). The time itself is no name,
    because names have no colons.
    """
    given = {SPEC_URI: spec_uri, SCHEDULED_TIME: "<aws.scheduler.scheduled-time>"}
    return {
        "StateMachineArn": state_machine_arn,
        "Name": "scheduled-<aws.scheduler.execution-id>",
        "Input": json.dumps(given),
    }


class Schedule(pulumi.ComponentResource):
    """An EventBridge Scheduler schedule, and the role with which it starts executions."""

    def __init__(self, name: str, args: ScheduleArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:operations:Schedule", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        names, config = args.part.names, args.part.config
        role_args = WorkloadRoleArgs(
            part=args.part,
            user="schedule",
            description="EventBridge Scheduler: starts runs",
            trust=policies.trust_scheduler(names),
            policy=policies.schedule(names),
        )
        role = WorkloadRole(name, role_args, child)
        spec_uri = f"s3://{names.bucket}/{config.schedule_spec_key}"
        aws.scheduler.Schedule(
            name,
            name=names.schedule,
            description=f"Starts a run of {spec_uri}",
            schedule_expression=config.schedule_expression,
            schedule_expression_timezone=config.schedule_timezone,
            flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            target=aws.scheduler.ScheduleTargetArgs(
                arn=start_execution(names.target),
                role_arn=role.arn,
                input=args.state_machine.arn.apply(lambda arn: json.dumps(start_request(arn, spec_uri))),
                retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=EVENT_AGE_SECONDS, maximum_retry_attempts=RETRIES
                ),
                dead_letter_config=aws.scheduler.ScheduleTargetDeadLetterConfigArgs(arn=args.failure_queue.arn),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=role.policies),
        )
        self.register_outputs({})
