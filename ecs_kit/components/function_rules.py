"""EventBridge rules that call a function: asynchronously, and what cannot be delivered waits in the failure queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from ecs_kit.components.functions import PrivateFunction
from ecs_kit.components.operations.failure_queue import FailureQueue
from ecs_kit.components.parts import PartArgs


@dataclass(frozen=True)
class FunctionRuleArgs:
    """Arguments of `call_function`: `when` has the rule's pattern or schedule, `target` further settings of the target.

    `purpose` is that of `PatternNames.rule`, `workload` the function's.
    """

    part: PartArgs
    function: PrivateFunction
    failure_queue: FailureQueue
    workload: str
    purpose: str
    description: str
    when: Mapping[str, Any]
    target: Mapping[str, Any]


def call_function(name: str, args: FunctionRuleArgs, parent: pulumi.Resource) -> None:
    """Make a rule, its permission to call the function, and its target, as children of `parent`."""
    child = pulumi.ResourceOptions(parent=parent)
    rule = aws.cloudwatch.EventRule(
        name,
        name=args.part.names.rule(args.purpose),
        description=args.description,
        tags=args.part.tags,
        opts=child,
        **args.when,
    )
    permission = aws.lambda_.Permission(
        name,
        statement_id=name,
        action="lambda:InvokeFunction",
        function=args.function.function_name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=child,
    )
    aws.cloudwatch.EventTarget(
        name,
        rule=rule.name,
        target_id=args.workload,
        arn=args.function.arn,
        dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=args.failure_queue.arn),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission]),
        **args.target,
    )
