"""What a destroyed stack left behind: every service that the kit touches is asked, whatever Pulumi's state says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import PhysicalResource

STACK_TAG = "kit:stack"
MANAGED_RULE = "StepFunctionsGetEventsForECSTaskRule"
"""Rule that Step Functions makes for `.sync` and keeps
(https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html)."""
LOG_DELIVERY_POLICY = "AWSLogDeliveryWrite20150319"
"""Resource policy of CloudWatch Logs that log delivery makes, one for an account and region
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html)."""
ECS_ROLE = "AWSServiceRoleForECS"
"""Service-linked role that CreateCluster makes, one for an account
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html)."""
_BUCKETS_PER_PAGE = 1000
"""Without it ListBuckets has one page, which accounts with a quota above 10,000 buckets are refused
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html)."""

_CLUSTER = "aws:ecs/cluster:Cluster"
_LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
_TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"

_NAME_PROPERTY = {
    "aws:cloudwatch/eventRule:EventRule": "name",
    _LOG_GROUP: "name",
    "aws:dynamodb/table:Table": "name",
    "aws:ecr/repository:Repository": "name",
    _CLUSTER: "name",
    _TASK_DEFINITION: "family",
    "aws:iam/role:Role": "name",
    "aws:lambda/function:Function": "name",
    "aws:s3/bucket:Bucket": "bucket",
    "aws:sfn/stateMachine:StateMachine": "name",
}


@dataclass(frozen=True)
class Inventory:
    """What a stack had, by the names under which the services know it.

    Attributes:
        stack: the stack's name, the value of the tag `kit:stack`.
        names: type token -> physical names.
        ids: physical ids of everything.
    """

    stack: str
    names: Mapping[str, frozenset[str]]
    ids: frozenset[str]

    def named(self, type_token: str) -> frozenset[str]:
        """The physical names of the stack's resources of one type."""
        return self.names.get(type_token, frozenset())


@dataclass(frozen=True)
class Leftovers:
    """What is still there.

    Attributes:
        living: what should be gone, as `service kind name`.
        kept_by_aws: what AWS itself keeps for a while; it costs nothing.
    """

    living: tuple[str, ...] = ()
    kept_by_aws: tuple[str, ...] = ()


def inventory(stack: str, resources: Iterable[PhysicalResource]) -> Inventory:
    """Sort a stack's resources by how the services name them."""
    names: dict[str, set[str]] = {}
    ids: set[str] = set()
    for resource in resources:
        if resource.id:
            ids.add(resource.id)
        name_property = _NAME_PROPERTY.get(resource.type)
        if name_property is not None:
            name = resource.outputs.get(name_property) or resource.inputs.get(name_property) or resource.id
            if name:
                names.setdefault(resource.type, set()).add(str(name))
    log_groups = names.setdefault(_LOG_GROUP, set())
    log_groups.update(f"/aws/lambda/{name}" for name in names.get("aws:lambda/function:Function", ()))
    clusters = names.get(_CLUSTER, set())
    log_groups.update(_insights_log_group(name) for name in clusters)
    # A destroy that broke off may have forgotten the task definition; its family has the cluster's name.
    names.setdefault(_TASK_DEFINITION, set()).update(clusters)
    return Inventory(stack, {kind: frozenset(found) for kind, found in names.items()}, frozenset(ids))


def find(aws: AwsClients, had: Inventory) -> Leftovers:
    """Ask every service for what the stack had, and for what bears the stack's tag."""
    living: list[str] = []
    kept: list[str] = []
    for ask in (_ec2, _ecs, _names, _rules, _of_the_account):
        ask_living, ask_kept = ask(aws, had)
        living += ask_living
        kept += ask_kept
    return Leftovers(tuple(sorted(living)), tuple(sorted(kept)))


def active_revisions(aws: AwsClients, had: Inventory) -> list[str]:
    """The ACTIVE task definition revisions of the stack's families, as `family:revision`."""
    return [
        revision for family in sorted(had.named(_TASK_DEFINITION)) for revision in _revisions(aws, family, "ACTIVE")
    ]


def late_log_groups(aws: AwsClients, had: Inventory) -> list[str]:
    """Log groups of Container Insights that are there: ECS makes one anew when it writes its last events late."""
    wanted = [_insights_log_group(cluster) for cluster in sorted(had.named(_CLUSTER))]
    return [
        group["logGroupName"]
        for name in wanted
        for group in _pages(aws.logs, "describe_log_groups", "logGroups", logGroupNamePrefix=name)
        if group["logGroupName"] == name
    ]


def _insights_log_group(cluster: str) -> str:
    return f"/aws/ecs/containerinsights/{cluster}/performance"


def _revisions(aws: AwsClients, family: str, status: str) -> Iterator[str]:
    for arn in _pages(aws.ecs, "list_task_definitions", "taskDefinitionArns", familyPrefix=family, status=status):
        revision = str(arn).rsplit("/", 1)[-1]
        if revision.rsplit(":", 1)[0] == family:
            yield revision


_Found = tuple[list[str], list[str]]


def _ec2(aws: AwsClients, had: Inventory) -> _Found:
    living = []
    for kind, operation, result, id_attribute in (
        ("VPC", "describe_vpcs", "Vpcs", "VpcId"),
        ("subnet", "describe_subnets", "Subnets", "SubnetId"),
        ("internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        ("route table", "describe_route_tables", "RouteTables", "RouteTableId"),
        ("VPC endpoint", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
        ("security group", "describe_security_groups", "SecurityGroups", "GroupId"),
        ("NAT gateway", "describe_nat_gateways", "NatGateways", "NatGatewayId"),
        ("network interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ):
        for item in _pages(aws.ec2, operation, result):
            if str(item.get("State", "")).lower() != "deleted" and _ours(item, item[id_attribute], had):
                living.append(f"ec2 {kind} {item[id_attribute]}")
    for address in aws.ec2.describe_addresses()["Addresses"]:
        if _ours(address, address.get("AllocationId", ""), had):
            living.append(f"ec2 elastic IP address {address.get('AllocationId')}")
    return living, []


def _ours(item: Mapping[str, Any], identifier: str, had: Inventory) -> bool:
    tags = item.get("Tags") or item.get("TagSet") or []
    return (
        identifier in had.ids
        or item.get("VpcId") in had.ids
        or any(tag.get("Key") == STACK_TAG and tag.get("Value") == had.stack for tag in tags)
    )


def _ecs(aws: AwsClients, had: Inventory) -> _Found:
    living: list[str] = []
    kept: list[str] = []
    clusters = had.named(_CLUSTER)
    for arn in _pages(aws.ecs, "list_clusters", "clusterArns"):
        name = arn.rsplit("/", 1)[-1]
        if name in clusters:
            living.append(f"ecs cluster {name}")
            living += [f"ecs task {task}" for task in _pages(aws.ecs, "list_tasks", "taskArns", cluster=arn)]
    living += [f"ecs active task definition {revision}" for revision in active_revisions(aws, had)]
    for family in had.named(_TASK_DEFINITION):
        kept += [f"ecs inactive task definition {revision}" for revision in _revisions(aws, family, "INACTIVE")]
    return living, kept


_BY_NAME = (
    (
        "ecr repository",
        "aws:ecr/repository:Repository",
        "ecr",
        "describe_repositories",
        "repositories",
        "repositoryName",
    ),
    ("dynamodb table", "aws:dynamodb/table:Table", "dynamodb", "list_tables", "TableNames", ""),
    ("s3 bucket", "aws:s3/bucket:Bucket", "s3", "list_buckets", "Buckets", "Name"),
    ("lambda function", "aws:lambda/function:Function", "functions", "list_functions", "Functions", "FunctionName"),
    ("iam role", "aws:iam/role:Role", "iam", "list_roles", "Roles", "RoleName"),
    ("logs log group", _LOG_GROUP, "logs", "describe_log_groups", "logGroups", "logGroupName"),
    (
        *("states state machine", "aws:sfn/stateMachine:StateMachine"),
        *("stepfunctions", "list_state_machines", "stateMachines", "name"),
    ),
)
"""What it is, its type token, the client, its operation, the list in the answer, and the name in an entry of that."""


def _names(aws: AwsClients, had: Inventory) -> _Found:
    living = []
    for what, type_token, service, operation, result, name in _BY_NAME:
        paging = {"PaginationConfig": {"PageSize": _BUCKETS_PER_PAGE}} if service == "s3" else {}
        found = (item[name] if name else item for item in _pages(getattr(aws, service), operation, result, **paging))
        living += [f"{what} {each}" for each in found if each in had.named(type_token)]
    return living, []


def _rules(aws: AwsClients, had: Inventory) -> _Found:
    living: list[str] = []
    kept: list[str] = []
    ours = had.named("aws:cloudwatch/eventRule:EventRule")
    for rule in _pages(aws.events, "list_rules", "Rules"):
        if rule["Name"] in ours:
            living.append(f"events rule {rule['Name']}")
        elif rule["Name"] == MANAGED_RULE:
            kept.append(f"events rule {rule['Name']} (managed by Step Functions)")
    return living, kept


def _of_the_account(aws: AwsClients, _had: Inventory) -> _Found:
    """What AWS made for the account when the first stack came, and keeps for the next."""
    policies = _pages(aws.logs, "describe_resource_policies", "resourcePolicies")
    roles = _pages(aws.iam, "list_roles", "Roles", PathPrefix="/aws-service-role/ecs.amazonaws.com/")
    return [], [
        *(
            f"logs resource policy {LOG_DELIVERY_POLICY} (of log delivery, one for the account and region)"
            for policy in policies
            if policy["policyName"] == LOG_DELIVERY_POLICY
        ),
        *(
            f"iam role {ECS_ROLE} (linked to ECS, one for the account)"
            for role in roles
            if role["RoleName"] == ECS_ROLE
        ),
    ]


def _pages(client: Any, operation: str, result: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(result) or []
