"""The Lambda functions: the Task Launcher and the Task Monitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from ecs_kit.components.names import PatternNames
from ecs_kit.components.network import DELETE_TIMEOUT
from ecs_kit.components.roles import WorkloadRole
from ecs_kit.runtime.contract.settings import VARIABLE

FUNCTION_TOKEN = "kit:functions:PrivateFunction"

RUNTIME = "python3.13"

ARCHITECTURE = "x86_64"
"""The package is pure Python, and every region has this architecture."""

MEMORY_MIB = 256

TIMEOUT_SECONDS = 300
"""The launcher returns before it, to be called again; after an abort the monitor stops tasks within it."""


@dataclass(frozen=True)
class PrivateFunctionArgs:
    """Arguments of `PrivateFunction`.

    Args:
        function: The function's name.
        role: Its role; it must be destroyed after the subnets and security groups.
        description: What it does, for the console.
        handler: `module.function`.
        package: The deployment package's path, relative to the project's folder.
        settings: The document in `KIT_SETTINGS`, as JSON.
        subnet_ids: The private subnets.
        security_group_ids: Its security groups.
        log_retention_days: Days that its log is kept.
        tags: Tags of all resources.
    """

    function: str
    role: WorkloadRole
    description: str
    handler: str
    package: Path
    settings: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    log_retention_days: int
    tags: Mapping[str, str]


class PrivateFunction(pulumi.ComponentResource):
    """A Lambda function in the private subnets, with its log group."""

    arn: pulumi.Output[str]
    version_arn: pulumi.Output[str]
    """The version published with this code and these settings. Later deployments keep it for active executions."""
    function_name: pulumi.Output[str]

    def __init__(self, name: str, args: PrivateFunctionArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(FUNCTION_TOKEN, name, None, opts)
        log_group = aws.cloudwatch.LogGroup(
            name,
            name=PatternNames.function_log_group(args.function),
            retention_in_days=args.log_retention_days,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        function = aws.lambda_.Function(
            name,
            name=args.function,
            description=args.description,
            role=args.role.arn,
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            handler=args.handler,
            code=pulumi.FileArchive(args.package.as_posix()),
            memory_size=MEMORY_MIB,
            timeout=TIMEOUT_SECONDS,
            environment=aws.lambda_.FunctionEnvironmentArgs(variables={VARIABLE: args.settings}),
            vpc_config=aws.lambda_.FunctionVpcConfigArgs(
                subnet_ids=args.subnet_ids, security_group_ids=list(args.security_group_ids)
            ),
            publish=True,
            replace_security_groups_on_destroy=True,
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="Text", log_group=log_group.name),
            tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode="Active"),
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*args.role.policies, log_group],
                custom_timeouts=pulumi.CustomTimeouts(delete=DELETE_TIMEOUT),
            ),
        )
        self.arn = function.arn
        self.version_arn = function.qualified_arn
        self.function_name = function.name
        self.register_outputs({"arn": self.arn, "name": self.function_name})
