"""EventBridge rules that call the monitor when an execution ends early, and on a schedule."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from ecs_kit.components.function_rules import FunctionRuleArgs, call_function
from ecs_kit.components.functions import PrivateFunction
from ecs_kit.components.operations.failure_queue import FailureQueue
from ecs_kit.components.parts import PartArgs
from ecs_kit.components.state_machine import WorkflowStateMachine

SWEEP_SCHEDULE = "rate(10 minutes)"
"""Interval of the sweep for runs whose execution ended unnoticed: EventBridge events are best effort."""

SWEEP_INPUT = {"action": "sweep"}

SWEEP_EVENT_AGE_SECONDS = 600
"""Events of a sweep expire when the next one is due."""


ENDED_EARLY = ("ABORTED", "FAILED", "TIMED_OUT")
"""Statuses of executions that did not succeed."""

TERMINAL = (*ENDED_EARLY, "SUCCEEDED")
"""Statuses of executions that ended."""


@dataclass(frozen=True)
class RunGuardArgs:
    """Arguments of `RunGuard`."""

    part: PartArgs
    state_machine: WorkflowStateMachine
    monitor: PrivateFunction
    failure_queue: FailureQueue


def executions(state_machine_arn: str, statuses: Sequence[str]) -> dict[str, Any]:
    """The event pattern of a state machine's executions that get one of these statuses."""
    return {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [state_machine_arn], "status": list(statuses)},
    }


def task_states(cluster_arn: str, family_arn: str) -> dict[str, Any]:
    """The event pattern of a family's tasks in a cluster that run or have stopped; `family_arn` is without revision."""
    return {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {
            "clusterArn": [cluster_arn],
            "taskDefinitionArn": [{"prefix": f"{family_arn}:"}],
            "lastStatus": ["RUNNING", "STOPPED"],
        },
    }


class RunGuard(pulumi.ComponentResource):
    """Calls the monitor when an execution fails, is stopped or times out, and every ten minutes for the sweep.

    Where tasks keep no rows, their states are reported to it, too.
    """

    def __init__(self, name: str, args: RunGuardArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:observability:RunGuard", name, None, opts)
        self._args, names = args, args.part.names
        self._call_monitor(
            f"{name}-ended",
            purpose="execution-ended",
            description="An execution failed, was stopped or timed out: make its run final",
            when={"event_pattern": args.state_machine.arn.apply(lambda arn: json.dumps(executions(arn, ENDED_EARLY)))},
        )
        if args.part.config.job.has_ecs_records:
            self._call_monitor(
                f"{name}-tasks",
                purpose="tasks",
                description="An ECS task runs or has stopped: keep its row",
                when={"event_pattern": json.dumps(task_states(names.cluster_arn, names.family_arn))},
            )
        retry_policy = aws.cloudwatch.EventTargetRetryPolicyArgs(
            maximum_event_age_in_seconds=SWEEP_EVENT_AGE_SECONDS, maximum_retry_attempts=3
        )
        self._call_monitor(
            f"{name}-sweep",
            purpose="sweep",
            description="Make runs final whose execution ended unnoticed",
            when={"schedule_expression": SWEEP_SCHEDULE},
            input=json.dumps(SWEEP_INPUT),
            retry_policy=retry_policy,
        )
        self.register_outputs({})

    def _call_monitor(
        self, name: str, *, purpose: str, description: str, when: dict[str, Any], **target_settings: Any
    ) -> None:
        args = self._args
        rule = FunctionRuleArgs(
            part=args.part,
            function=args.monitor,
            failure_queue=args.failure_queue,
            workload="monitor",
            purpose=purpose,
            description=description,
            when=when,
            target=target_settings,
        )
        call_function(name, rule, self)
