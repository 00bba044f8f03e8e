"""The IAM policies of whoever deploys the kit: what the published providers call for each resource type.

Actions are those that the AWS provider calls to create, read, update, tag and delete a resource, with the arguments
that the kit uses (each row was compared with the type's source, github.com/hashicorp/terraform-provider-aws,
`internal/service/…`), and those of the driver. An image is pushed by Docker, with what ECR's guide asks for
(https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html). Where IAM can limit an action to names, it
is limited to the kit's own.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ecs_kit.automation.stacks.leftovers import ECS_ROLE
from ecs_kit.components.config import KitConfig
from ecs_kit.components.names import DeploymentTarget, PatternNames
from ecs_kit.components.policies import Document, Statement, document, statement

LONGEST = 6_144
"""Characters of a managed policy without white space
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""

EC2: Mapping[str, Sequence[str]] = {
    "aws:ec2/vpc:Vpc": (
        *("CreateVpc", "DeleteVpc", "DescribeVpcs", "ModifyVpcAttribute", "DescribeVpcAttribute"),
        *("DescribeNetworkAcls", "DescribeRouteTables", "DescribeSecurityGroups", "CreateTags", "DeleteTags"),
    ),
    "aws:ec2/subnet:Subnet": (
        *("CreateSubnet", "DeleteSubnet", "DescribeSubnets", "ModifySubnetAttribute"),
        *("DescribeNetworkInterfaces", "DetachNetworkInterface", "DeleteNetworkInterface"),
    ),
    "aws:ec2/internetGateway:InternetGateway": (
        *("CreateInternetGateway", "DeleteInternetGateway", "DescribeInternetGateways"),
        *("AttachInternetGateway", "DetachInternetGateway"),
    ),
    "aws:ec2/routeTable:RouteTable": (
        *("CreateRouteTable", "DeleteRouteTable", "DescribeRouteTables", "DisassociateRouteTable"),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (
        *("AssociateRouteTable", "DisassociateRouteTable", "ReplaceRouteTableAssociation", "DescribeRouteTables"),
    ),
    "aws:ec2/route:Route": ("CreateRoute", "DeleteRoute", "ReplaceRoute", "DescribeRouteTables"),
    "aws:ec2/eip:Eip": (
        *("AllocateAddress", "ReleaseAddress", "DescribeAddresses", "DescribeAddressesAttribute"),
        "DisassociateAddress",
    ),
    "aws:ec2/natGateway:NatGateway": ("CreateNatGateway", "DeleteNatGateway", "DescribeNatGateways"),
    "aws:ec2/securityGroup:SecurityGroup": (
        *("CreateSecurityGroup", "DeleteSecurityGroup", "DescribeSecurityGroups"),
        *("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"),
        *("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress"),
        # The provider deletes the network interfaces that Lambda leaves in a group.
        *("DescribeNetworkInterfaces", "DetachNetworkInterface", "DeleteNetworkInterface"),
    ),
    "aws:ec2/flowLog:FlowLog": ("CreateFlowLogs", "DeleteFlowLogs", "DescribeFlowLogs"),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": (
        *("DescribeSecurityGroups", "DescribeSecurityGroupRules"),
        *("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress"),
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        *("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "ModifySecurityGroupRules"),
        "DescribeSecurityGroupRules",
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        *("CreateVpcEndpoint", "DeleteVpcEndpoints", "DescribeVpcEndpoints", "ModifyVpcEndpoint"),
        *("DescribePrefixLists", "DescribeNetworkInterfaces"),
    ),
}
"""Actions of EC2 by resource type. Most of what they act on has no name when the policy is written."""

IN_EXISTING_VPC = {
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
}
"""The types that a stack creates in an existing VPC."""

NAMED: Mapping[str, Sequence[str]] = {
    "aws:cloudwatch/dashboard:Dashboard": (
        *("cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards"),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        *("cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms"),
        *("cloudwatch:TagResource", "cloudwatch:UntagResource", "cloudwatch:ListTagsForResource"),
    ),
    "aws:cloudwatch/queryDefinition:QueryDefinition": (
        *("logs:PutQueryDefinition", "logs:DeleteQueryDefinition", "logs:DescribeQueryDefinitions"),
    ),
    "aws:scheduler/schedule:Schedule": (
        *("scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule"),
    ),
    "aws:sqs/queue:Queue": (
        *("sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes"),
        *("sqs:TagQueue", "sqs:UntagQueue", "sqs:ListQueueTags"),
    ),
    "aws:cloudwatch/eventRule:EventRule": (
        *("events:PutRule", "events:DeleteRule", "events:DescribeRule"),
        *("events:TagResource", "events:UntagResource", "events:ListTagsForResource"),
    ),
    "aws:cloudwatch/eventTarget:EventTarget": (
        *("events:PutTargets", "events:RemoveTargets", "events:ListTargetsByRule"),
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        *("logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy"),
        *("logs:DescribeLogGroups", "logs:AssociateKmsKey", "logs:DisassociateKmsKey"),
        *("logs:TagResource", "logs:UntagResource", "logs:ListTagsForResource"),
    ),
    "aws:dynamodb/table:Table": (
        *("dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:DescribeTable", "dynamodb:UpdateTable"),
        *("dynamodb:DescribeTimeToLive", "dynamodb:UpdateTimeToLive", "dynamodb:DescribeContinuousBackups"),
        "dynamodb:UpdateContinuousBackups",
        *("dynamodb:ListTagsOfResource", "dynamodb:TagResource", "dynamodb:UntagResource"),
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": (
        *("ecr:PutLifecyclePolicy", "ecr:GetLifecyclePolicy", "ecr:DeleteLifecyclePolicy"),
    ),
    "aws:ecr/repository:Repository": (
        *("ecr:CreateRepository", "ecr:DeleteRepository", "ecr:DescribeRepositories", "ecr:PutImageTagMutability"),
        *("ecr:PutImageScanningConfiguration", "ecr:ListTagsForResource", "ecr:TagResource", "ecr:UntagResource"),
    ),
    "aws:ecs/cluster:Cluster": (
        *("ecs:CreateCluster", "ecs:DeleteCluster", "ecs:DescribeClusters", "ecs:UpdateCluster"),
        *("ecs:TagResource", "ecs:UntagResource", "ecs:ListTagsForResource"),
    ),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": (
        *("ecs:PutClusterCapacityProviders", "ecs:DescribeClusters"),
    ),
    "aws:ecs/taskDefinition:TaskDefinition": (
        *("ecs:RegisterTaskDefinition", "ecs:DescribeTaskDefinition"),
        *("ecs:TagResource", "ecs:UntagResource", "ecs:ListTagsForResource"),
    ),
    "aws:iam/role:Role": (
        *("iam:CreateRole", "iam:DeleteRole", "iam:GetRole", "iam:UpdateRoleDescription"),
        *("iam:UpdateAssumeRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:ListRolePolicies", "iam:GetRolePolicy"),
        *("iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole"),
        *("iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"),
    ),
    "aws:iam/rolePolicy:RolePolicy": ("iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"),
    "aws:lambda/function:Function": (
        *("lambda:CreateFunction", "lambda:DeleteFunction", "lambda:GetFunction", "lambda:GetFunctionConfiguration"),
        *("lambda:GetFunctionCodeSigningConfig", "lambda:ListVersionsByFunction", "lambda:PublishVersion"),
        *("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"),
        *("lambda:TagResource", "lambda:UntagResource", "lambda:ListTags"),
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": (
        *("lambda:PutFunctionEventInvokeConfig", "lambda:GetFunctionEventInvokeConfig"),
        "lambda:DeleteFunctionEventInvokeConfig",
    ),
    "aws:lambda/permission:Permission": ("lambda:AddPermission", "lambda:RemovePermission", "lambda:GetPolicy"),
    "aws:s3/bucket:Bucket": (
        *("s3:CreateBucket", "s3:DeleteBucket", "s3:ListBucket", "s3:ListBucketVersions"),
        *("s3:ListBucketMultipartUploads", "s3:GetBucketPolicy"),
        *("s3:GetAccelerateConfiguration", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketLogging"),
        *("s3:GetBucketObjectLockConfiguration", "s3:GetBucketRequestPayment", "s3:GetBucketVersioning"),
        *("s3:GetBucketWebsite", "s3:GetReplicationConfiguration", "s3:GetBucketTagging", "s3:PutBucketTagging"),
        *("s3:GetLifecycleConfiguration", "s3:GetEncryptionConfiguration"),
        *("s3:ListTagsForResource", "s3:TagResource", "s3:UntagResource"),
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        *("s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
    ),
    "aws:s3/bucketLogging:BucketLogging": ("s3:GetBucketLogging", "s3:PutBucketLogging"),
    "aws:s3/bucketVersioning:BucketVersioning": ("s3:GetBucketVersioning", "s3:PutBucketVersioning"),
    "aws:s3/bucketPolicy:BucketPolicy": ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        *("s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        *("s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"),
    ),
    "aws:sfn/stateMachine:StateMachine": (
        *("states:CreateStateMachine", "states:DeleteStateMachine", "states:DescribeStateMachine"),
        *("states:UpdateStateMachine", "states:ListStateMachineVersions", "states:ValidateStateMachineDefinition"),
        *("states:TagResource", "states:UntagResource", "states:ListTagsForResource"),
    ),
    "docker:index/image:Image": (
        *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload"),
        *("ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:ListImages", "ecr:PutImage"),
        "ecr:UploadLayerPart",
    ),
}
"""Actions by resource type, on resources whose names are known; those of ANY_RESOURCE are allowed on all."""

ANY_RESOURCE = (
    *("ecr:GetAuthorizationToken", "ecs:CreateCluster", "ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition"),
    *("ecs:ListClusters", "ecs:ListTaskDefinitions", "ecs:ListTasks", "events:ListRules", "iam:ListRoles"),
    *("lambda:ListFunctions", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "dynamodb:ListTables"),
    *("logs:PutQueryDefinition", "logs:DeleteQueryDefinition", "logs:DescribeQueryDefinitions"),
    *("s3:ListAllMyBuckets", "states:ListStateMachines", "states:ValidateStateMachineDefinition"),
    *("cloudwatch:DescribeAlarms", "cloudwatch:ListDashboards", "ecr:DescribeRepositories", "sqs:ListQueues"),
    "scheduler:ListSchedules",
    *("servicequotas:GetServiceQuota", "servicequotas:GetAWSDefaultServiceQuota"),
)
"""Actions that take no resource, or none with a name: providers, the driver's leftover check, which lists all that
there is of a kind, and the preflight."""

OPERATE: Mapping[str, Sequence[str]] = {
    "states": ("states:StartExecution", "states:ListExecutions", "states:DescribeStateMachine"),
    "execution": ("states:DescribeExecution", "states:StopExecution", "states:GetExecutionHistory"),
    "dynamodb": ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"),
    "s3": (
        *("s3:GetObject", "s3:PutObject", "s3:GetObjectTagging"),
        *("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"),
    ),
    "ecs": ("ecs:DescribeTasks", "ecs:StopTask"),
    "logs": ("logs:GetLogEvents", "logs:FilterLogEvents"),
}
"""Actions of the driver's commands and of a destroy that empties the bucket, by what they act on."""


_DATA = ("ManageDynamodb", "ManageEcr", "ManageS3", "ManageLogs", "UseKey")

_USE_KEY = (
    *("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
    *("kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:RetireGrant"),
)
"""What DynamoDB and ECR ask of whoever selects a key for a table or a repository
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html,
https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html)."""


def policies(config: KitConfig, here: DeploymentTarget) -> dict[str, Document]:
    """The policies of a deployer, by name; each is short enough for a managed policy.

    `here` may have `*` as account and region.
    """
    named = [PatternNames(number, config.name_suffix, here, config.cluster_name) for number in config.deployed_patterns]
    by_name = [*_named(config, named)]
    groups = {
        "network": [*_network(config, here)],
        "data": [each for each in by_name if each["Sid"] in _DATA],
        "compute": [each for each in by_name if each["Sid"] not in _DATA],
        "roles": [*_roles(config, named, here)],
        "operation": [*_operation(named), statement("AnyResource", ANY_RESOURCE, ["*"])],
        "sources": [*_sources(config, here)],
    }
    return {f"ecs-kit-deployer-{name}": document(*found) for name, found in groups.items() if found}


def length(policy: Document) -> int:
    """Characters of a policy as IAM counts them."""
    return len(json.dumps(policy, separators=(",", ":")))


def _network(config: KitConfig, here: DeploymentTarget) -> Iterator[Statement]:
    """EC2, in the region alone. In an existing VPC the lookups are enough, besides groups and endpoints."""
    lookups = {
        *("Vpcs", "VpcAttribute", "Subnets", "RouteTables", "NatGateways", "VpcEndpoints", "PrefixLists"),
        *("SecurityGroups", "SecurityGroupRules", "AvailabilityZones", "NetworkInterfaces", "Addresses"),
        "InternetGateways",
    }
    kept = set(EC2) if config.has_own_vpc else IN_EXISTING_VPC
    actions = {action for token in kept for action in EC2[token]} | {f"Describe{what}" for what in lookups}
    actions |= {"CreateTags", "DeleteTags"}
    reads, writes = (
        sorted(f"ec2:{action}" for action in actions if action.startswith("Describe") is is_read)
        for is_read in (True, False)
    )
    yield statement("LookAtNetwork", reads, ["*"])
    yield statement("ManageNetwork", writes, ["*"], _in_region(here))
    if config.endpoints == "create":
        # CreateVpcEndpoint depends on it, for private DNS names
        # (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html); Route 53 is global.
        yield statement("NameEndpoints", ["route53:AssociateVPCWithHostedZone"], ["*"])


def _in_region(here: DeploymentTarget) -> Mapping[str, Mapping[str, str]] | None:
    return None if here.region == "*" else {"StringEquals": {"aws:RequestedRegion": here.region}}


def _named(config: KitConfig, named: Sequence[PatternNames]) -> Iterator[Statement]:
    """Actions on resources with the kit's names, a statement for each service."""
    skipped = {"aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"}
    if config.job.is_ready_image:
        skipped |= {token for token in NAMED if token.startswith(("aws:ecr/", "docker:"))}
    by_service: dict[str, set[str]] = {}
    for token, actions in NAMED.items():
        for action in {*actions} - {*ANY_RESOURCE} if token not in skipped else ():
            by_service.setdefault(action.partition(":")[0], set()).add(action)
    for service, found in sorted(by_service.items()):
        arns = {arn for names in named for arn in _arns(names)[service]}
        yield statement(f"Manage{service.capitalize()}", sorted(found), sorted(arns))
    if config.kms_key_arn:
        yield statement("UseKey", _USE_KEY, [config.kms_key_arn])


def _arns(names: PatternNames) -> Mapping[str, Iterable[str]]:
    """The resources of a pattern by service; `*` where AWS appends a part, and for what begins with the same name."""
    here, base = names.target, names.base
    return {
        "cloudwatch": [
            here.arn("cloudwatch", f"alarm:{base}-*"),
            f"arn:{here.partition}:cloudwatch::{here.account}:dashboard/{base}",
        ],
        "dynamodb": [names.table_arn(names.summary_table), names.table_arn(names.details_table)],
        "ecr": [names.repository_arn],
        "ecs": [names.cluster_arn, f"{names.family_arn}:*", here.arn("ecs", f"task/{names.cluster}/*")],
        "events": [here.arn("events", f"rule/{base}-*")],
        "lambda": [here.arn("lambda", f"function:{base}-*")],
        "logs": [
            # Tagging names a group without the `:*` that other actions append.
            here.arn("logs", f"log-group:{group}*")
            for group in (
                names.task_log_group,
                names.state_machine_log_group,
                names.container_insights_log_group,
                names.flow_log_group,
                f"/aws/lambda/{base}-",
            )
        ],
        "s3": [names.bucket_arn],
        "scheduler": [here.arn("scheduler", f"schedule/default/{base}*")],
        "sqs": [here.arn("sqs", f"{base}-*")],
        "states": [names.state_machine_arn],
    }


def _roles(config: KitConfig, named: Sequence[PatternNames], here: DeploymentTarget) -> Iterator[Statement]:
    """Roles with the kit's names. With a permissions boundary, none without it can be created."""
    roles = [f"arn:{here.partition}:iam::{here.account}:role/{names.base}-*" for names in named]
    actions = {*NAMED["aws:iam/role:Role"], *NAMED["aws:iam/rolePolicy:RolePolicy"]}
    if config.permissions_boundary:
        bounded = {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}
        actions -= {*bounded, "iam:DeleteRolePermissionsBoundary"}
        boundary = {"StringEquals": {"iam:PermissionsBoundary": config.permissions_boundary}}
        yield statement("ManageBoundedRoles", sorted(bounded), roles, boundary)
    yield statement("ManageRoles", sorted(actions), roles)
    services = ("ecs-tasks", "lambda", "scheduler", "states", "vpc-flow-logs")
    passed: Any = {"StringEquals": {"iam:PassedToService": [f"{service}.amazonaws.com" for service in services]}}
    yield statement("PassRoles", ["iam:PassRole"], roles, passed)
    linked = f"arn:{here.partition}:iam::{here.account}:role/aws-service-role/ecs.amazonaws.com/{ECS_ROLE}"
    of_ecs = {"StringEquals": {"iam:AWSServiceName": "ecs.amazonaws.com"}}
    yield statement("CreateRoleOfEcs", ["iam:CreateServiceLinkedRole"], [linked], of_ecs)
    yield statement("FindRoleOfEcs", ["iam:GetRole"], [linked])


def _operation(named: Sequence[PatternNames]) -> Iterator[Statement]:
    """What the driver's commands do with a deployed stack."""
    for what, actions in OPERATE.items():
        arns = {
            "states": [names.state_machine_arn for names in named],
            "execution": [names.target.arn("states", f"execution:{names.base}:*") for names in named],
            "dynamodb": [
                f"{names.table_arn(table)}{part}"
                for names in named
                for table in (names.summary_table, names.details_table)
                for part in ("", "/index/*")
            ],
            "s3": [f"{names.bucket_arn}/*" for names in named],
            "ecs": [names.target.arn("ecs", f"task/{names.cluster}/*") for names in named],
            "logs": [
                names.target.arn("logs", f"log-group:{group}:*")
                for names in named
                for group in (names.task_log_group, f"/aws/lambda/{names.base}-*")
            ],
        }[what]
        yield statement(f"Use{what.capitalize()}", list(actions), arns)


def _sources(config: KitConfig, here: DeploymentTarget) -> Iterator[Statement]:
    """The other buckets that tasks read from: the driver lists a prefix of sources, and heads those of its own runs."""
    if buckets := [here.bucket_arn(bucket) for bucket in config.source_buckets]:
        yield statement("ListSourceBuckets", ["s3:ListBucket"], buckets)
        yield statement("ReadSources", ["s3:GetObject"], [f"{bucket}/*" for bucket in buckets])
