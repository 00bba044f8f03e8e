"""Reports of runs that ended: the rule that calls the reporter, and where its answers go."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ecs_kit.components.function_rules import FunctionRuleArgs, call_function
from ecs_kit.components.functions import PrivateFunction
from ecs_kit.components.operations.failure_queue import FailureQueue
from ecs_kit.components.parts import PartArgs
from ecs_kit.components.run_guard import TERMINAL, executions

EXECUTION = aws.cloudwatch.EventTargetInputTransformerArgs(
    input_paths={"arn": "$.detail.executionArn"}, input_template='{"executionArn": <arn>}'
)
"""Of an event, the function gets the execution's ARN alone. The record of its call, in which Lambda repeats what the
function got, fits an SNS message whatever input the execution had: 256 KB
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html)."""


@dataclass(frozen=True)
class RunReportsArgs:
    """Arguments of `RunReports`."""

    part: PartArgs
    state_machine_arn: pulumi.Input[str]
    reporter: PrivateFunction
    failure_queue: FailureQueue


class RunReports(pulumi.ComponentResource):
    """Calls the reporter when an execution has ended; with a topic, Lambda itself sends the topic each answer.

    So nothing in the VPC has to reach SNS.
    """

    def __init__(self, name: str, args: RunReportsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:operations:RunReports", name, None, opts)
        pattern = pulumi.Output.from_input(args.state_machine_arn).apply(
            lambda arn: json.dumps(executions(arn, TERMINAL))
        )
        rule = FunctionRuleArgs(
            part=args.part,
            function=args.reporter,
            failure_queue=args.failure_queue,
            workload="reporter",
            purpose="run-reports",
            description="A run has ended: write its report",
            when={"event_pattern": pattern},
            target={"input_transformer": EXECUTION},
        )
        call_function(name, rule, self)
        if topic_arn := args.part.config.notification_topic_arn:
            # Of what has no qualifier, as the rule's target has none.
            aws.lambda_.FunctionEventInvokeConfig(
                name,
                function_name=args.reporter.function_name,
                destination_config=aws.lambda_.FunctionEventInvokeConfigDestinationConfigArgs(
                    on_success=aws.lambda_.FunctionEventInvokeConfigDestinationConfigOnSuccessArgs(
                        destination=topic_arn
                    )
                ),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
