"""What a destroyed stack left behind: every service that the kit touches is asked, whatever Pulumi's state says."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from automation.aws import AwsClients
from automation.lifecycle import PhysicalResource

STACK_TAG = "kit:stack"
MANAGED_RULE = "StepFunctionsGetEventsForECSTaskRule"
"""Rule that Step Functions makes for `.sync` and keeps
(https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html)."""

_NAME_PROPERTY = {
    "aws:cloudwatch/eventRule:EventRule": "name",
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:dynamodb/table:Table": "name",
    "aws:ecr/repository:Repository": "name",
    "aws:ecs/cluster:Cluster": "name",
    "aws:ecs/taskDefinition:TaskDefinition": "family",
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
    """Sort a stack's resources by how the services name them.

    Args:
        stack: the stack's name.
        resources: of its state, before the destroy.
    """
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
    log_groups = names.setdefault("aws:cloudwatch/logGroup:LogGroup", set())
    log_groups.update(f"/aws/lambda/{name}" for name in names.get("aws:lambda/function:Function", ()))
    log_groups.update(
        f"/aws/ecs/containerinsights/{name}/performance" for name in names.get("aws:ecs/cluster:Cluster", ())
    )
    return Inventory(stack, {kind: frozenset(found) for kind, found in names.items()}, frozenset(ids))


def find(aws: AwsClients, had: Inventory) -> Leftovers:
    """Ask every service for what the stack had, and for what bears the stack's tag."""
    living: list[str] = []
    kept: list[str] = []
    for ask in (_ec2, _ecs, _names, _rules):
        ask_living, ask_kept = ask(aws, had)
        living += ask_living
        kept += ask_kept
    return Leftovers(tuple(sorted(living)), tuple(sorted(kept)))


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
    clusters = had.named("aws:ecs/cluster:Cluster")
    for arn in _pages(aws.ecs, "list_clusters", "clusterArns"):
        name = arn.rsplit("/", 1)[-1]
        if name in clusters:
            living.append(f"ecs cluster {name}")
            living += [f"ecs task {task}" for task in _pages(aws.ecs, "list_tasks", "taskArns", cluster=arn)]
    for family in sorted(had.named("aws:ecs/taskDefinition:TaskDefinition")):
        for status, found in (("ACTIVE", living), ("INACTIVE", kept)):
            for arn in _pages(
                aws.ecs, "list_task_definitions", "taskDefinitionArns", familyPrefix=family, status=status
            ):
                revision = arn.rsplit("/", 1)[-1]
                if revision.rsplit(":", 1)[0] == family:
                    found.append(f"ecs {status.lower()} task definition {revision}")
    return living, kept


def _names(aws: AwsClients, had: Inventory) -> _Found:
    questions: tuple[tuple[str, str, Callable[[], Iterable[str]]], ...] = (
        (
            "ecr repository",
            "aws:ecr/repository:Repository",
            lambda: (item["repositoryName"] for item in _pages(aws.ecr, "describe_repositories", "repositories")),
        ),
        ("dynamodb table", "aws:dynamodb/table:Table", lambda: _pages(aws.dynamodb, "list_tables", "TableNames")),
        (
            "s3 bucket",
            "aws:s3/bucket:Bucket",
            lambda: (item["Name"] for item in aws.s3.list_buckets().get("Buckets", [])),
        ),
        (
            "lambda function",
            "aws:lambda/function:Function",
            lambda: (item["FunctionName"] for item in _pages(aws.functions, "list_functions", "Functions")),
        ),
        (
            "iam role",
            "aws:iam/role:Role",
            lambda: (item["RoleName"] for item in _pages(aws.iam, "list_roles", "Roles")),
        ),
        (
            "logs log group",
            "aws:cloudwatch/logGroup:LogGroup",
            lambda: (item["logGroupName"] for item in _pages(aws.logs, "describe_log_groups", "logGroups")),
        ),
        (
            "states state machine",
            "aws:sfn/stateMachine:StateMachine",
            lambda: (item["name"] for item in _pages(aws.stepfunctions, "list_state_machines", "stateMachines")),
        ),
    )
    living = []
    for what, type_token, ask in questions:
        ours = had.named(type_token)
        living += [f"{what} {name}" for name in ask() if name in ours]
    return living, []


def _rules(aws: AwsClients, had: Inventory) -> _Found:
    living: list[str] = []
    kept: list[str] = []
    ours = had.named("aws:cloudwatch/eventRule:EventRule")
    token: dict[str, str] = {}
    while True:
        page = aws.events.list_rules(**token)
        for rule in page["Rules"]:
            if rule["Name"] in ours:
                living.append(f"events rule {rule['Name']}")
            elif rule["Name"] == MANAGED_RULE:
                kept.append(f"events rule {rule['Name']} (managed by Step Functions)")
        if not page.get("NextToken"):
            return living, kept
        token = {"NextToken": page["NextToken"]}


def _pages(client: Any, operation: str, result: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(result) or []
