"""The functions of the `aws` package that look up what an existing network has, and an ECS cluster.

Each finds one thing or fails, with the published provider's text, or lists ids, which may be none.
"""

from collections.abc import Mapping
from typing import Any, Final

from botocore import xform_name

from local_aws.plugins.aws import shapes
from local_aws.plugins.aws.base import tolerating
from local_aws.plugins.aws.network import RouteTable, Subnet, Vpc
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.aws.security_groups import SecurityGroup
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.provider import Function
from local_aws.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    Property,
    SetOf,
    Table,
    optional,
    required,
)
from local_aws.plugins.framework.values import Properties

FILTERS: Final = {"filters": Property(ListOf(required(name=STRING, values=ListOf(STRING))))}
_IDS: Final = Property(SetOf(STRING))


def filters_of(arguments: Properties, **by_argument: str) -> list[dict[str, Any]]:
    """EC2's filters of a function's own, and of the arguments named, each with its filter's name."""
    given = [{"Name": item["name"], "Values": item["values"]} for item in arguments.get("filters") or ()]
    named = [{"Name": name, "Values": [arguments[key]]} for key, name in by_argument.items() if arguments.get(key)]
    return [*given, *named]


def _list(provider: AwsProvider, listed: str, gone: tuple[str, ...] = (), **parameters: Any) -> list[dict[str, Any]]:
    """What EC2 describes; nothing if an id does not exist."""
    given = {name: value for name, value in parameters.items() if value}
    found: list[dict[str, Any]] = []
    with tolerating(*gone):
        found = getattr(provider.client("ec2"), xform_name(f"Describe{listed}"))(**given)[listed]
    return found


def _single(found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    if not found:
        raise ProviderError(f"no matching {what} found")
    if len(found) > 1:
        raise ProviderError(
            f"multiple {what}s matched; use additional constraints to reduce matches to a single {what}"
        )
    return found[0]


def _ids(name: str, provider: AwsProvider, found: list[dict[str, Any]]) -> Properties:
    return {"id": provider.region, "ids": [item[name] for item in found]}


def _tags(item: Mapping[str, Any]) -> dict[str, str]:
    return shapes.tags_of(item.get("Tags"))


def get_vpc(provider: AwsProvider, arguments: Properties) -> Properties:
    """A VPC by its id."""
    found = _list(provider, "Vpcs", Vpc.gone, VpcIds=[arguments["id"]])
    vpc = _single(found, "EC2 VPC")
    describe = provider.client("ec2").describe_vpc_attribute
    attributes = {
        name: describe(VpcId=arguments["id"], Attribute=name)[f"{name[0].upper()}{name[1:]}"]["Value"]
        for name in Vpc.attributes
    }
    return {**attributes, "id": vpc["VpcId"], "cidrBlock": vpc["CidrBlock"], "state": vpc["State"], "tags": _tags(vpc)}


def get_subnet(provider: AwsProvider, arguments: Properties) -> Properties:
    """A subnet by its id."""
    found = _list(provider, "Subnets", Subnet.gone, SubnetIds=[arguments["id"]])
    subnet = _single(found, "EC2 Subnet")
    return {**shapes.from_aws(_SUBNET, subnet), "id": subnet["SubnetId"], "tags": _tags(subnet)}


_SUBNET: Final[Table] = {
    **optional(vpcId=STRING, availabilityZone=STRING, availabilityZoneId=STRING, cidrBlock=STRING).properties,
    **optional(mapPublicIpOnLaunch=BOOLEAN, state=STRING).properties,
}


def get_route_table(provider: AwsProvider, arguments: Properties) -> Properties:
    """A route table by its id, by a subnet that is associated with it, or by filters.

    Its routes are without the local one and those of gateway endpoints.
    """
    by = {"routeTableId": "route-table-id", "subnetId": "association.subnet-id", "vpcId": "vpc-id"}
    found = _list(provider, "RouteTables", RouteTable.gone, Filters=filters_of(arguments, **by))
    if not found:
        raise ProviderError("query returned no results. Please change your search criteria and try again")
    table = _single(found, "Route Table")
    routes = [
        shapes.from_aws(_ROUTE, route, {"cidrBlock": "DestinationCidrBlock"})
        for route in table["Routes"]
        if route.get("GatewayId") != "local" and not str(route.get("GatewayId")).startswith("vpce-")
    ]
    return {
        "id": table["RouteTableId"],
        "routeTableId": table["RouteTableId"],
        "vpcId": table["VpcId"],
        "subnetId": arguments.get("subnetId"),
        "routes": routes,
        "tags": _tags(table),
    }


_ROUTE: Final[Table] = {
    **optional(cidrBlock=STRING, gatewayId=STRING, natGatewayId=STRING, transitGatewayId=STRING).properties,
    **optional(networkInterfaceId=STRING, instanceId=STRING, vpcPeeringConnectionId=STRING).properties,
}


def get_vpc_endpoint(provider: AwsProvider, arguments: Properties) -> Properties:
    """An endpoint of a service in a VPC."""
    by = {"state": "vpc-endpoint-state", "vpcId": "vpc-id", "serviceName": "service-name"}
    by["vpcEndpointType"] = "vpc-endpoint-type"
    endpoint = _single(_list(provider, "VpcEndpoints", Filters=filters_of(arguments, **by)), "EC2 VPC Endpoint")
    groups = [group["GroupId"] for group in endpoint.get("Groups") or ()]
    return {
        **shapes.from_aws(_ENDPOINT, endpoint),
        "id": endpoint["VpcEndpointId"],
        "securityGroupIds": sorted(groups),
        "tags": _tags(endpoint),
    }


_ENDPOINT: Final[Table] = {
    **optional(vpcId=STRING, serviceName=STRING, vpcEndpointType=STRING, state=STRING, ownerId=STRING).properties,
    **{"privateDnsEnabled": Property(BOOLEAN), "routeTableIds": _IDS, "subnetIds": _IDS},
}


def get_nat_gateways(provider: AwsProvider, arguments: Properties) -> Properties:
    """The ids of NAT gateways."""
    return _ids("NatGatewayId", provider, _list(provider, "NatGateways", Filters=filters_of(arguments, vpcId="vpc-id")))


def get_security_group(provider: AwsProvider, arguments: Properties) -> Properties:
    """A security group by its id; its rules are found by `get_security_group_rules`."""
    group = _single(
        _list(provider, "SecurityGroups", SecurityGroup.gone, GroupIds=[arguments["id"]]), "EC2 Security Group"
    )
    described = shapes.from_aws(_GROUP, group, {"name": "GroupName"})
    return {**described, "id": group["GroupId"], "tags": _tags(group)}


_GROUP: Final[Table] = optional(name=STRING, description=STRING, vpcId=STRING).properties


def get_security_group_rules(provider: AwsProvider, arguments: Properties) -> Properties:
    """The ids of security groups' rules."""
    return _ids("SecurityGroupRuleId", provider, _list(provider, "SecurityGroupRules", Filters=filters_of(arguments)))


def get_security_group_rule(provider: AwsProvider, arguments: Properties) -> Properties:
    """A rule by its id."""
    asked, gone = [arguments["securityGroupRuleId"]], ("InvalidSecurityGroupRuleId.NotFound",)
    rule = _single(_list(provider, "SecurityGroupRules", gone, SecurityGroupRuleIds=asked), "Security Group Rule")
    described = shapes.from_aws(_RULE, rule, {"securityGroupId": "GroupId"})
    peer = (rule.get("ReferencedGroupInfo") or {}).get("GroupId")
    return {**described, "id": rule["SecurityGroupRuleId"], "referencedSecurityGroupId": peer, "tags": _tags(rule)}


_RULE: Final[Table] = {
    **optional(securityGroupId=STRING, ipProtocol=STRING, cidrIpv4=STRING, cidrIpv6=STRING).properties,
    **optional(isEgress=BOOLEAN, fromPort=INTEGER, toPort=INTEGER, prefixListId=STRING, description=STRING).properties,
    "securityGroupRuleId": Property(STRING),
}


def get_cluster(provider: AwsProvider, arguments: Properties) -> Properties:
    """An ECS cluster by its name."""
    name = arguments["clusterName"]
    found = provider.client("ecs").describe_clusters(clusters=[name], include=["TAGS", "SETTINGS"])["clusters"]
    failure = "empty result" if not found else found[0]["status"] if found[0]["status"] == "INACTIVE" else ""
    if failure:
        raise ProviderError(f"reading ECS Cluster ({name}): {failure}")
    described = shapes.from_aws(_CLUSTER, found[0], {"arn": "clusterArn"})
    return {**described, "id": found[0]["clusterArn"], "tags": shapes.tags_of(found[0].get("tags"))}


_CLUSTER: Final[Table] = {
    **optional(arn=STRING, clusterName=STRING, status=STRING, runningTasksCount=INTEGER).properties,
    "settings": Property(ListOf(required(name=STRING, value=STRING))),
}

NETWORK_FUNCTIONS: Final[Mapping[str, Function]] = {
    "aws:ec2/getVpc:getVpc": Function(get_vpc, required(id=STRING).properties),
    "aws:ec2/getSubnet:getSubnet": Function(get_subnet, required(id=STRING).properties),
    "aws:ec2/getRouteTable:getRouteTable": Function(
        get_route_table, {**optional(routeTableId=STRING, subnetId=STRING, vpcId=STRING).properties, **FILTERS}
    ),
    "aws:ec2/getVpcEndpoint:getVpcEndpoint": Function(
        get_vpc_endpoint,
        {**optional(vpcId=STRING, serviceName=STRING, vpcEndpointType=STRING, state=STRING).properties, **FILTERS},
    ),
    "aws:ec2/getNatGateways:getNatGateways": Function(
        get_nat_gateways, {**optional(vpcId=STRING).properties, **FILTERS}
    ),
    "aws:ec2/getSecurityGroup:getSecurityGroup": Function(get_security_group, required(id=STRING).properties),
    "aws:vpc/getSecurityGroupRules:getSecurityGroupRules": Function(get_security_group_rules, FILTERS),
    "aws:vpc/getSecurityGroupRule:getSecurityGroupRule": Function(
        get_security_group_rule, required(securityGroupRuleId=STRING).properties
    ),
    "aws:ecs/getCluster:getCluster": Function(get_cluster, required(clusterName=STRING).properties),
}
