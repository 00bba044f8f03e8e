"""The Lambda functions: the Task Launcher, the Task Monitor and the Run Reporter."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ecs_kit.components import lambda_package
from ecs_kit.components.lambda_package import FunctionName
from ecs_kit.components.network import DELETE_TIMEOUT
from ecs_kit.components.parts import PartArgs, WorkloadRole, log_group
from ecs_kit.runtime.contract.settings import VARIABLE

FUNCTION_TOKEN = "kit:functions:PrivateFunction"

RUNTIME = "python3.13"

ARCHITECTURE = "x86_64"
"""The package is pure Python, and every region has this architecture."""

MEMORY_MIB = 256

MIB_OF_VCPU = 1769
"""A function with this memory has one vCPU, one with less the share of it
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html, read 2026-11-30)."""

LAUNCHES_PER_SECOND = 25
"""What a launcher of `MEMORY_MIB` reaches: a launch takes it 4.3 ms of a processor, of which it has a seventh. The
monitor beside it takes less for each task that has ended."""

REPORTER_MEMORY_MIB = 512
"""With the SDK, the rows of 10,000 tasks and their page need less than a third of it."""

TIMEOUT_SECONDS = 300
"""The launcher returns before it, to be called again; after an abort the monitor stops tasks within it."""

REPORTER_TIMEOUT_SECONDS = 900
"""The longest that Lambda has: reading the rows of many tasks takes minutes with 5 read capacity units."""


def memory_mib(run_task_rate: int) -> int:
    """Return the memory with which the processors of launcher and monitor keep up with a rate.

    One vCPU at most, as Python uses one.
    """
    return min(MIB_OF_VCPU, MEMORY_MIB * math.ceil(run_task_rate / LAUNCHES_PER_SECOND))


@dataclass(frozen=True)
class PrivateFunctionArgs:
    """Arguments of `PrivateFunction`; its role must be destroyed after the subnets and security groups.

    Its code reads its `settings` from the environment variable `variable`. The queue gets events that were not handled:
    of a function that is called asynchronously, after Lambda's retries.
    """

    part: PartArgs
    workload: FunctionName
    role: WorkloadRole
    description: str
    settings: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    variable: str = VARIABLE
    memory_mib: int = MEMORY_MIB
    timeout_seconds: int = TIMEOUT_SECONDS
    failure_queue_arn: pulumi.Input[str] | None = None


class PrivateFunction(pulumi.ComponentResource):
    """A Lambda function in the private subnets, with its log group."""

    arn: pulumi.Output[str]
    version_arn: pulumi.Output[str]
    """The version published with this code and these settings. Later deployments keep it for active executions."""
    function_name: pulumi.Output[str]

    def __init__(self, name: str, args: PrivateFunctionArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(FUNCTION_TOKEN, name, None, opts)
        log = log_group(
            name, args.part.names.function_log_group(args.workload), args.part, pulumi.ResourceOptions(parent=self)
        )
        function = aws.lambda_.Function(
            name,
            name=args.part.names.function(args.workload),
            description=args.description,
            role=args.role.arn,
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            handler=f"ecs_kit.runtime.{args.workload}.handler.handler",
            code=pulumi.FileArchive(lambda_package.build(args.workload).as_posix()),
            memory_size=args.memory_mib,
            timeout=args.timeout_seconds,
            environment=aws.lambda_.FunctionEnvironmentArgs(variables={args.variable: args.settings}),
            vpc_config=aws.lambda_.FunctionVpcConfigArgs(
                subnet_ids=args.subnet_ids, security_group_ids=list(args.security_group_ids)
            ),
            dead_letter_config=aws.lambda_.FunctionDeadLetterConfigArgs(target_arn=args.failure_queue_arn)
            if args.failure_queue_arn
            else None,
            publish=True,
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="Text", log_group=log.name),
            tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode="Active"),
            tags=args.part.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*args.role.policies, log],
                custom_timeouts=pulumi.CustomTimeouts(delete=DELETE_TIMEOUT),
            ),
        )
        self.arn = function.arn
        self.version_arn = function.qualified_arn
        self.function_name = function.name
        self.register_outputs({"arn": self.arn, "name": self.function_name})
