"""Flow logs of a pattern's own VPC."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.names import PatternNames
from ecs_kit.components.parts import PartArgs, WorkloadRole, WorkloadRoleArgs, log_group

AGGREGATION_SECONDS = 600
"""The longer of EC2's two intervals, with fewer and so cheaper records (API reference, CreateFlowLogs)."""


def delivery(names: PatternNames) -> policies.Document:
    """What VPC Flow Logs may do: write to the pattern's own log group, which exists.

    Source: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
    """
    group = names.target.arn("logs", f"log-group:{names.flow_log_group}:*")
    write = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
    return policies.document(policies.statement("WriteFlowLogs", write, [group]))


@dataclass(frozen=True)
class FlowLogsArgs:
    """Arguments of `FlowLogs`."""

    part: PartArgs
    vpc_id: pulumi.Input[str]


class FlowLogs(pulumi.ComponentResource):
    """Records of all traffic in a VPC, accepted and rejected, in a log group; and the role that writes them."""

    def __init__(self, name: str, args: FlowLogsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:network:FlowLogs", name, None, opts)
        child, names = pulumi.ResourceOptions(parent=self), args.part.names
        group = log_group(name, names.flow_log_group, args.part, child)
        role_args = WorkloadRoleArgs(
            part=args.part,
            user="flow-logs",
            description="VPC Flow Logs: writes the VPC's log",
            trust=policies.trust(
                "vpc-flow-logs.amazonaws.com", names.target, names.target.arn("ec2", "vpc-flow-log/*")
            ),
            policy=delivery(names),
        )
        role = WorkloadRole(name, role_args, child)
        aws.ec2.FlowLog(
            name,
            vpc_id=args.vpc_id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=AGGREGATION_SECONDS,
            tags={**args.part.tags, "Name": names.base},
            opts=pulumi.ResourceOptions(parent=self, depends_on=role.policies),
        )
        self.register_outputs({})
