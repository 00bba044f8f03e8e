"""EventBridge rules that call the monitor when an execution ends early, and on a schedule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

SWEEP_SCHEDULE = "rate(10 minutes)"
"""Interval of the sweep for runs whose execution ended unnoticed: EventBridge events are best effort."""

SWEEP_INPUT = {"action": "sweep"}

SWEEP_EVENT_AGE_SECONDS = 600
"""Events of a sweep expire when the next one is due."""


@dataclass(frozen=True)
class RunGuardArgs:
    """Arguments of `RunGuard`.

    Args:
        base: Prefix of all names.
        state_machine_arn: The state machine.
        monitor_arn: The Task Monitor's ARN.
        monitor_function: The Task Monitor's name.
        tags: Tags of both rules.
    """

    base: str
    state_machine_arn: pulumi.Input[str]
    monitor_arn: pulumi.Input[str]
    monitor_function: pulumi.Input[str]
    tags: Mapping[str, str]


def ended_early(state_machine_arn: str) -> dict[str, Any]:
    """The event pattern of executions that do not succeed.

    Args:
        state_machine_arn: Their state machine.
    """
    return {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [state_machine_arn], "status": ["ABORTED", "FAILED", "TIMED_OUT"]},
    }


class RunGuard(pulumi.ComponentResource):
    """Calls the monitor when an execution fails, is stopped or times out, and every ten minutes for the sweep."""

    def __init__(self, name: str, args: RunGuardArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:observability:RunGuard", name, None, opts)
        ended = aws.cloudwatch.EventRule(
            f"{name}-ended",
            name=f"{args.base}-execution-ended",
            description="An execution failed, was stopped or timed out: make its run final",
            event_pattern=pulumi.Output.from_input(args.state_machine_arn).apply(
                lambda arn: json.dumps(ended_early(arn))
            ),
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._call_monitor(f"{name}-ended", ended, args)
        sweep = aws.cloudwatch.EventRule(
            f"{name}-sweep",
            name=f"{args.base}-sweep",
            description="Make runs final whose execution ended unnoticed",
            schedule_expression=SWEEP_SCHEDULE,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._call_monitor(
            f"{name}-sweep",
            sweep,
            args,
            fixed_input=json.dumps(SWEEP_INPUT),
            retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
                maximum_event_age_in_seconds=SWEEP_EVENT_AGE_SECONDS, maximum_retry_attempts=3
            ),
        )
        self.register_outputs({})

    def _call_monitor(
        self,
        name: str,
        rule: aws.cloudwatch.EventRule,
        args: RunGuardArgs,
        *,
        fixed_input: str | None = None,
        retry_policy: aws.cloudwatch.EventTargetRetryPolicyArgs | None = None,
    ) -> None:
        permission = aws.lambda_.Permission(
            name,
            statement_id=name,
            action="lambda:InvokeFunction",
            function=args.monitor_function,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.cloudwatch.EventTarget(
            name,
            rule=rule.name,
            target_id="monitor",
            arn=args.monitor_arn,
            input=fixed_input,
            retry_policy=retry_policy,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission]),
        )
