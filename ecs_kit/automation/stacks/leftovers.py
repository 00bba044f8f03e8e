"""What a destroyed stack left behind: every service that the kit uses is asked, whatever Pulumi's state says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import PhysicalResource
from ecs_kit.components.policies import MANAGED_RULE

STACK_TAG = "kit:stack"
LOG_DELIVERY_POLICY = "AWSLogDeliveryWrite20150319"
"""Resource policy of CloudWatch Logs that log delivery creates, one for an account and region
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html)."""
ECS_ROLE = "AWSServiceRoleForECS"
"""Service-linked role that CreateCluster creates, one for an account
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html)."""
_BUCKETS_PER_PAGE = 1000
"""Without it ListBuckets has one page, which accounts with a quota above 10,000 buckets are refused
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html)."""

_DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
_QUERY = "aws:cloudwatch/queryDefinition:QueryDefinition"
_QUEUE = "aws:sqs/queue:Queue"
_CLUSTER = "aws:ecs/cluster:Cluster"
_LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
_REPOSITORY = "aws:ecr/repository:Repository"
_STATE_MACHINE = "aws:sfn/stateMachine:StateMachine"
_TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"

_BY_NAME = (
    (_REPOSITORY, "ecr repository", "ecr", "describe_repositories", "repositories[].repositoryName"),
    ("aws:dynamodb/table:Table", "dynamodb table", "dynamodb", "list_tables", "TableNames[]"),
    ("aws:s3/bucket:Bucket", "s3 bucket", "s3", "list_buckets", "Buckets[].Name"),
    ("aws:lambda/function:Function", "lambda function", "functions", "list_functions", "Functions[].FunctionName"),
    ("aws:iam/role:Role", "iam role", "iam", "list_roles", "Roles[].RoleName"),
    (_LOG_GROUP, "logs log group", "logs", "describe_log_groups", "logGroups[].logGroupName"),
    (_STATE_MACHINE, "states state machine", "stepfunctions", "list_state_machines", "stateMachines[].name"),
    ("aws:cloudwatch/eventRule:EventRule", "events rule", "events", "list_rules", "Rules[].Name"),
    (_DASHBOARD, "cloudwatch dashboard", "cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName"),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        *("cloudwatch alarm", "cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName"),
    ),
    (_QUEUE, "sqs queue", "sqs", "list_queues", "QueueUrls[]"),
    ("aws:scheduler/schedule:Schedule", "scheduler schedule", "scheduler", "list_schedules", "Schedules[].Name"),
)
"""Type token, what it is, the client, its operation, and where the names are in a page."""

_IN_EC2 = (
    ("VPC", "describe_vpcs", "Vpcs", "VpcId"),
    ("subnet", "describe_subnets", "Subnets", "SubnetId"),
    ("internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("route table", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("VPC endpoint", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("security group", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("NAT gateway", "describe_nat_gateways", "NatGateways", "NatGatewayId"),
    ("network interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
)
"""What it is, the operation, the list in a page, and the id in an entry of that."""

_NAME_PROPERTY = {
    **{type_token: "name" for type_token, *_ in _BY_NAME},
    _CLUSTER: "name",
    _DASHBOARD: "dashboardName",
    _QUERY: "name",
    _QUEUE: "url",
    _TASK_DEFINITION: "family",
    "aws:s3/bucket:Bucket": "bucket",
}


@dataclass(frozen=True)
class Inventory:
    """What a stack, whose name is the value of the tag `kit:stack`, had: physical names by type token, and all ids."""

    stack: str
    names: Mapping[str, frozenset[str]]
    ids: frozenset[str]

    def named(self, type_token: str) -> frozenset[str]:
        """The physical names of the stack's resources of one type."""
        return self.names.get(type_token, frozenset())


@dataclass(frozen=True)
class Leftovers:
    """What should be gone, as `service kind name`, and what AWS itself keeps for a while; that costs nothing."""

    living: tuple[str, ...] = ()
    kept_by_aws: tuple[str, ...] = ()


def inventory(stack: str, resources: Iterable[PhysicalResource]) -> Inventory:
    """Sort a stack's resources by how the services name them; those that are retained are no leftovers."""
    names: dict[str, set[str]] = {}
    ids: set[str] = set()
    for resource in resources:
        if resource.retained:
            continue
        if resource.id:
            ids.add(resource.id)
        key = _NAME_PROPERTY.get(resource.type)
        name = key and (resource.outputs.get(key) or resource.inputs.get(key) or resource.id)
        if name:
            names.setdefault(resource.type, set()).add(str(name))
    log_groups = names.setdefault(_LOG_GROUP, set())
    log_groups.update(f"/aws/lambda/{name}" for name in names.get("aws:lambda/function:Function", ()))
    clusters = names.get(_CLUSTER, set())
    log_groups.update(_insights_log_group(name) for name in clusters)
    # An interrupted destroy may have forgotten the task definition; its family has the cluster's name.
    names.setdefault(_TASK_DEFINITION, set()).update(clusters)
    return Inventory(stack, {kind: frozenset(found) for kind, found in names.items()}, frozenset(ids))


def find(aws: AwsClients, had: Inventory) -> Leftovers:
    """Ask every service for what the stack had, and for what has the stack's tag."""
    living = [*_ec2(aws, had), *_ecs(aws, had), *_named(aws, had)]
    return Leftovers(tuple(sorted(living)), tuple(sorted(_kept_by_aws(aws, had))))


def active_revisions(aws: AwsClients, had: Inventory) -> list[str]:
    """The ACTIVE task definition revisions of the stack's families, as `family:revision`."""
    return _revisions(aws, had, "ACTIVE")


def late_log_groups(aws: AwsClients, had: Inventory) -> list[str]:
    """Log groups of Container Insights that exist: ECS creates one again when it writes its last events late."""
    wanted = [_insights_log_group(cluster) for cluster in sorted(had.named(_CLUSTER))]
    return [
        name
        for wanted_name in wanted
        for name in _search(aws.logs, "describe_log_groups", "logGroups[].logGroupName", logGroupNamePrefix=wanted_name)
        if name == wanted_name
    ]


def _insights_log_group(cluster: str) -> str:
    return f"/aws/ecs/containerinsights/{cluster}/performance"


def _revisions(aws: AwsClients, had: Inventory, status: str) -> list[str]:
    revisions = []
    for family in sorted(had.named(_TASK_DEFINITION)):
        arns = _search(aws.ecs, "list_task_definitions", "taskDefinitionArns[]", familyPrefix=family, status=status)
        found = [str(arn).rsplit("/", 1)[-1] for arn in arns]
        revisions += [revision for revision in found if revision.rsplit(":", 1)[0] == family]
    return revisions


def _ec2(aws: AwsClients, had: Inventory) -> Iterator[str]:
    for kind, operation, result, id_attribute in _IN_EC2:
        for item in _search(aws.ec2, operation, f"{result}[]"):
            if str(item.get("State", "")).lower() != "deleted" and _ours(item, item[id_attribute], had):
                yield f"ec2 {kind} {item[id_attribute]}"
    for address in aws.ec2.describe_addresses()["Addresses"]:
        if _ours(address, address.get("AllocationId", ""), had):
            yield f"ec2 elastic IP address {address.get('AllocationId')}"


def _ours(item: Mapping[str, Any], identifier: str, had: Inventory) -> bool:
    tags = item.get("Tags") or item.get("TagSet") or []
    return (
        identifier in had.ids
        or item.get("VpcId") in had.ids
        or any(tag.get("Key") == STACK_TAG and tag.get("Value") == had.stack for tag in tags)
    )


def _ecs(aws: AwsClients, had: Inventory) -> Iterator[str]:
    for arn in _search(aws.ecs, "list_clusters", "clusterArns[]"):
        name = arn.rsplit("/", 1)[-1]
        if name in had.named(_CLUSTER):
            yield f"ecs cluster {name}"
            yield from (f"ecs task {task}" for task in _search(aws.ecs, "list_tasks", "taskArns[]", cluster=arn))
    yield from (f"ecs active task definition {revision}" for revision in active_revisions(aws, had))


def _named(aws: AwsClients, had: Inventory) -> Iterator[str]:
    for type_token, what, service, operation, names in _BY_NAME:
        if not had.named(type_token):
            continue
        paging = {"PaginationConfig": {"PageSize": _BUCKETS_PER_PAGE}} if service == "s3" else {}
        for name in _search(getattr(aws, service), operation, names, **paging):
            if name in had.named(type_token):
                yield f"{what} {name}"
    for wanted in sorted(had.named(_QUERY)):
        # This operation has no paginator; a name is on the first page of those that begin with it.
        page = aws.logs.describe_query_definitions(queryDefinitionNamePrefix=wanted)["queryDefinitions"]
        if any(query.get("name") == wanted for query in page):
            yield f"logs query definition {wanted}"


def _kept_by_aws(aws: AwsClients, had: Inventory) -> Iterator[str]:
    """What AWS keeps of the stack, and what it made for the account with the first stack and keeps for the next."""
    yield from (f"ecs inactive task definition {revision}" for revision in _revisions(aws, had, "INACTIVE"))
    if MANAGED_RULE in _search(aws.events, "list_rules", "Rules[].Name", NamePrefix=MANAGED_RULE):
        yield f"events rule {MANAGED_RULE} (managed by Step Functions)"
    if LOG_DELIVERY_POLICY in _search(aws.logs, "describe_resource_policies", "resourcePolicies[].policyName"):
        yield f"logs resource policy {LOG_DELIVERY_POLICY} (of log delivery, one for the account and region)"
    roles = _search(aws.iam, "list_roles", "Roles[].RoleName", PathPrefix="/aws-service-role/ecs.amazonaws.com/")
    if ECS_ROLE in roles:
        yield f"iam role {ECS_ROLE} (linked to ECS, one for the account)"


def _search(client: Any, operation: str, path: str, **arguments: Any) -> Iterator[Any]:
    """What a JMESPath finds in all pages of an operation."""
    found: Iterator[Any] = client.get_paginator(operation).paginate(**arguments).search(path)
    # The search gives one None for a page without the list.
    return (each for each in found if each is not None)
