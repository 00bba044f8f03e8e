"""The network of a deployed pattern, and what its workloads call through it, as AWS describes both."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.components import endpoint_policies
from ecs_kit.components.existing_network import Endpoint, GroupRule, Subnet, Vpc
from ecs_kit.components.policies import Document
from ecs_kit.components.reachability import INTERNET, Network, Path, paths

_TARGETS = (
    *("CarrierGatewayId", "CoreNetworkArn", "EgressOnlyInternetGatewayId", "GatewayId", "InstanceId", "LocalGatewayId"),
    *("NatGatewayId", "NetworkInterfaceId", "TransitGatewayId", "VpcPeeringConnectionId"),
)
"""Members of a route with its target (EC2 API reference, Route)."""


def read(aws: AwsClients, deployed: Mapping[str, Any]) -> list[Path]:
    """The paths of a pattern's workloads to what their roles may call, and to the internet.

    `deployed` are the pattern's outputs.
    """
    functions = {
        name.removesuffix("FunctionName"): aws.functions.get_function_configuration(FunctionName=value)
        for name, value in deployed.items()
        if name.endswith("FunctionName")
    }
    separator = str(deployed["separator"])
    groups = {
        "tasks": str(deployed["securityGroupId"]).split(separator),
        **{name: list(function["VpcConfig"]["SecurityGroupIds"]) for name, function in functions.items()},
    }
    task = aws.ecs.describe_task_definition(taskDefinition=str(deployed["taskDefinition"]))["taskDefinition"]
    roles = {
        "task": task["taskRoleArn"],
        "task-execution": task["executionRoleArn"],
        **{name: function["Role"] for name, function in functions.items()},
    }
    subnets = str(deployed["subnetIdLiteral"]).split(separator)
    network = _network(aws, str(deployed["vpcId"]), subnets, groups)
    needs = endpoint_policies.needs({user: _policies(aws, arn) for user, arn in roles.items()})
    return paths(network, needs)


def unreached(found: Iterable[Path]) -> list[Path]:
    """The paths to services, not to the internet, that lack a hop."""
    return [path for path in found if path.service != INTERNET and not path.is_complete]


def _policies(aws: AwsClients, role_arn: str) -> list[Document]:
    role = role_arn.rsplit("/", 1)[-1]
    names = aws.iam.get_paginator("list_role_policies").paginate(RoleName=role).search("PolicyNames[]")
    return [aws.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names if name]


def _network(aws: AwsClients, vpc_id: str, subnets: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Network:
    of_vpc = [{"Name": "vpc-id", "Values": [vpc_id]}]
    endpoints: dict[str, list[Endpoint]] = {}
    for found in aws.ec2.describe_vpc_endpoints(Filters=of_vpc)["VpcEndpoints"]:
        if found["State"].lower() == "available":
            service = found["ServiceName"].partition(f".{aws.ec2.meta.region_name}.")[2]
            endpoints.setdefault(service, []).append(_endpoint(aws, found))
    serving = {group for each in endpoints.values() for endpoint in each for group in endpoint.security_group_ids}
    tables = aws.ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]
    nat = aws.ec2.describe_nat_gateways(Filters=[*of_vpc, {"Name": "state", "Values": ["available"]}])["NatGateways"]

    def attribute(name: str, member: str) -> bool:
        return bool(aws.ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute=name)[member]["Value"])

    return Network(
        vpc=Vpc(
            attribute("enableDnsSupport", "EnableDnsSupport"), attribute("enableDnsHostnames", "EnableDnsHostnames")
        ),
        subnets={
            found["SubnetId"]: _subnet(found, tables)
            for found in aws.ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]
        },
        groups=groups,
        endpoints=endpoints,
        rules=_rules(aws, {*serving, *(group for each in groups.values() for group in each)}),
        nat_gateways={gateway["NatGatewayId"] for gateway in nat},
    )


def _endpoint(aws: AwsClients, found: Mapping[str, Any]) -> Endpoint:
    prefix_list_id = ""
    if found["VpcEndpointType"] == "Gateway":
        named = [{"Name": "prefix-list-name", "Values": [found["ServiceName"]]}]
        lists = aws.ec2.describe_prefix_lists(Filters=named)["PrefixLists"]
        prefix_list_id = str(lists[0]["PrefixListId"]) if lists else ""
    return Endpoint(
        id=found["VpcEndpointId"],
        has_private_dns=bool(found.get("PrivateDnsEnabled")),
        security_group_ids=frozenset(group["GroupId"] for group in found.get("Groups", ())),
        route_table_ids=frozenset(found.get("RouteTableIds", ())),
        prefix_list_id=prefix_list_id,
    )


def _subnet(found: Mapping[str, Any], tables: Sequence[Mapping[str, Any]]) -> Subnet:
    """A subnet with its route table, which is the VPC's main one unless it is associated with another."""

    def is_of(table: Mapping[str, Any], **like: Any) -> bool:
        return any(like.items() <= association.items() for association in table["Associations"])

    own = [table for table in tables if is_of(table, SubnetId=found["SubnetId"])]
    table = (own or [table for table in tables if is_of(table, Main=True)])[0]
    defaults = [route for route in table["Routes"] if route.get("DestinationCidrBlock") == INTERNET]
    targets = [str(route[name]) for route in defaults for name in _TARGETS if route.get(name)]
    return Subnet(
        vpc_id=found["VpcId"],
        zone=found["AvailabilityZone"],
        cidr=found["CidrBlock"],
        route_table_id=table["RouteTableId"],
        default_route=next(iter(targets), ""),
    )


def _rules(aws: AwsClients, groups: Iterable[str]) -> list[GroupRule]:
    of_groups = [{"Name": "group-id", "Values": sorted(groups)}]
    pages = aws.ec2.get_paginator("describe_security_group_rules").paginate(Filters=of_groups)
    return [
        GroupRule(
            group_id=rule["GroupId"],
            is_egress=rule["IsEgress"],
            protocol=rule["IpProtocol"],
            from_port=rule.get("FromPort", -1),
            to_port=rule.get("ToPort", -1),
            cidr=rule.get("CidrIpv4") or rule.get("CidrIpv6") or "",
            peer_group_id=(rule.get("ReferencedGroupInfo") or {}).get("GroupId", ""),
            prefix_list_id=rule.get("PrefixListId", ""),
        )
        for page in pages
        for rule in page["SecurityGroupRules"]
    ]
