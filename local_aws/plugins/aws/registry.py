"""The resource types and functions of the `aws` plugin."""

from typing import Final

from local_aws.plugins.aws import (
    cloudwatch,
    dynamodb,
    ecr,
    ecs,
    events,
    flow_logs,
    functions,
    iam,
    logs,
    network,
    queues,
    s3,
    schedules,
    security_groups,
    state_machines,
)
from local_aws.plugins.aws.base import AwsResource
from local_aws.plugins.aws.lookups import FUNCTIONS
from local_aws.plugins.aws.provider import AwsProvider

RESOURCES: Final[tuple[type[AwsResource], ...]] = (
    logs.LogGroup,
    logs.QueryDefinition,
    cloudwatch.Dashboard,
    cloudwatch.MetricAlarm,
    events.EventRule,
    events.EventTarget,
    dynamodb.Table,
    network.Vpc,
    network.Subnet,
    network.InternetGateway,
    network.RouteTable,
    network.RouteTableAssociation,
    network.Route,
    network.Eip,
    network.NatGateway,
    network.VpcEndpoint,
    flow_logs.FlowLog,
    security_groups.SecurityGroup,
    security_groups.DefaultSecurityGroup,
    security_groups.SecurityGroupIngressRule,
    ecr.Repository,
    ecr.LifecyclePolicy,
    ecs.Cluster,
    ecs.ClusterCapacityProviders,
    ecs.TaskDefinition,
    iam.Role,
    iam.RolePolicy,
    functions.Function,
    functions.Permission,
    functions.FunctionEventInvokeConfig,
    s3.Bucket,
    s3.BucketPublicAccessBlock,
    s3.BucketPolicy,
    s3.BucketLifecycleConfiguration,
    s3.BucketServerSideEncryptionConfiguration,
    s3.BucketVersioning,
    s3.BucketLogging,
    state_machines.StateMachine,
    queues.Queue,
    schedules.Schedule,
)


def provider() -> AwsProvider:
    """The `aws` package, not configured yet."""
    return AwsProvider([make() for make in RESOURCES], FUNCTIONS)
