"""`awsx:ec2:Vpc`: a VPC with its subnets and route tables; NAT gateways are the program's own."""

import ipaddress
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, Literal

import pulumi
from pulumi.output import Unknown

from local_aws.plugins.framework.errors import CheckFailure
from local_aws.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    MapOf,
    Object,
    Property,
    Table,
    check,
    required,
)
from local_aws.plugins.framework.values import UNKNOWN, contains_unknown

TOKEN: Final = "awsx:ec2:Vpc"
PROPERTIES: Final[Table] = {
    "cidrBlock": Property(STRING, required=True),
    "availabilityZoneNames": Property(ListOf(STRING), required=True),
    "enableDnsHostnames": Property(BOOLEAN),
    "enableDnsSupport": Property(BOOLEAN),
    "natGateways": Property(Object({"strategy": Property(STRING, required=True, allowed=("None",))}), required=True),
    "subnetSpecs": Property(ListOf(required(type=STRING, cidrMask=INTEGER))),
    "subnetStrategy": Property(STRING, required=True, allowed=("Auto",)),
    "tags": Property(MapOf(STRING)),
}
_PASSED_ON: Final = ("enableDnsHostnames", "enableDnsSupport")

_LONGEST_ZONE_PREFIX: Final = 26
"""The subnets need a /26 for each zone, as AWS's smallest subnet is a /28."""
_WIDEST_PREFIX: Final = 16
"""The subnets take no more than the first /16 of a zone."""


def failures(inputs: Mapping[str, Any]) -> list[CheckFailure]:
    """What is wrong with the component's inputs."""
    known = {name: _without_outputs(value) for name, value in inputs.items()}
    _, found = check(PROPERTIES, known)
    specs = known.get("subnetSpecs") or []
    if not found and [spec["type"] for spec in specs] not in ([], ["Private"]):
        found = [CheckFailure("subnetSpecs", "this plugin knows one specification, of the type Private")]
    return found or [
        CheckFailure(name, "it must be known in a preview, as it decides which resources there are")
        for name in PROPERTIES
        if name not in ("tags", *_PASSED_ON) and contains_unknown(known.get(name))
    ]


def _without_outputs(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_outputs(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_outputs(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # the engine's protocol has no whole numbers
    return UNKNOWN if isinstance(value, (pulumi.Output, Unknown)) else value


@dataclass(frozen=True)
class Subnet:
    """A subnet to create: whether it has a route to the internet, its name in the stack, its zone and addresses."""

    type: Literal["Public", "Private"]
    name: str
    zone: str
    cidr_block: str


def lay_out(vpc_name: str, cidr_block: str, zones: Sequence[str], private_prefix: int | None = None) -> list[Subnet]:
    """All subnets, zone by zone, the public one first within a zone.

    A private subnet takes half of its zone's share and a public one the quarter after it; the rest stays free. With
    `private_prefix`, a mask's bits, there are private subnets of this size alone.

    `ValueError`: `cidr_block` is no IPv4 network, or has too few addresses.
    """
    try:
        vpc = ipaddress.IPv4Network(cidr_block)
    except ValueError as error:
        raise ValueError(f"cidrBlock {cidr_block!r} is no IPv4 network: {error}") from error
    share = vpc.prefixlen + math.ceil(math.log2(len(zones)))
    if share > _LONGEST_ZONE_PREFIX:
        raise ValueError(
            f"each zone gets a /{share}, but its subnets need a /{_LONGEST_ZONE_PREFIX} or more; "
            "give the VPC a larger cidrBlock"
        )
    usable = max(share, _WIDEST_PREFIX)
    subnets: list[Subnet] = []
    for index, zone in enumerate(zones):
        start = int(vpc.network_address) + index * 2 ** (32 - share)
        if private_prefix is not None:
            block = str(ipaddress.IPv4Network((start, private_prefix)))
            subnets.append(Subnet("Private", f"{vpc_name}-private-{index + 1}", zone, block))
            continue
        private = ipaddress.IPv4Network((start, usable + 1))
        public = ipaddress.IPv4Network((start + private.num_addresses, usable + 2))
        subnets.append(Subnet("Public", f"{vpc_name}-public-{index + 1}", zone, str(public)))
        subnets.append(Subnet("Private", f"{vpc_name}-private-{index + 1}", zone, str(private)))
    return subnets


class Vpc(pulumi.ComponentResource):
    """The component, from checked inputs. Its children have the published component's names, types and parents."""

    def __init__(self, name: str, inputs: Mapping[str, Any], options: pulumi.ResourceOptions | None) -> None:
        super().__init__(TOKEN, name, None, options)
        self._tags = pulumi.Output.from_input(inputs.get("tags") or {})
        masks = [int(spec["cidrMask"]) for spec in inputs.get("subnetSpecs") or ()]
        layout = lay_out(name, inputs["cidrBlock"], inputs["availabilityZoneNames"], *masks)
        # With `ipv6CidrBlock` to have it as an attribute.
        settings = {"cidrBlock": inputs["cidrBlock"], "ipv6CidrBlock": None}
        settings.update((key, inputs[key]) for key in _PASSED_ON if key in inputs)
        self.vpc = self._child("vpc:Vpc", name, settings, self, Name=name)
        self.gateway = self._child("internetGateway:InternetGateway", name, {"vpcId": self.vpc.id}, self.vpc, Name=name)
        of_type: dict[str, list[pulumi.CustomResource]] = {"Public": [], "Private": []}
        self.subnets: list[pulumi.CustomResource] = []
        self.route_tables: list[pulumi.CustomResource] = []
        self.associations: list[pulumi.CustomResource] = []
        self.routes: list[pulumi.CustomResource] = []
        for subnet in layout:
            self._subnet(subnet)
            of_type[subnet.type].append(self.subnets[-1])
        self.state = {
            "vpcId": self.vpc.id,
            "vpc": self.vpc,
            "publicSubnetIds": [subnet.id for subnet in of_type["Public"]],
            "privateSubnetIds": [subnet.id for subnet in of_type["Private"]],
            "isolatedSubnetIds": [],
            "subnets": self.subnets,
            "routeTables": self.route_tables,
            "routeTableAssociations": self.associations,
            "routes": self.routes,
            "eips": [],
            "natGateways": [],
            "internetGateway": self.gateway,
            "vpcEndpoints": [],
            "subnetLayout": [
                {"type": subnet.type, "cidrMask": int(subnet.cidr_block.split("/")[1])}
                for subnet in layout[: len(layout) // len(inputs["availabilityZoneNames"])]
            ],
        }
        self.register_outputs(self.state)

    def _subnet(self, subnet: Subnet) -> None:
        """A subnet, its route table, their association, and the route of a public one."""
        name, is_public = subnet.name, subnet.type == "Public"
        ipv6: pulumi.Output[str] = getattr(self.vpc, "ipv6CidrBlock")  # noqa: B009  an output that has no declaration
        settings = {
            "vpcId": self.vpc.id,
            "availabilityZone": subnet.zone,
            "mapPublicIpOnLaunch": is_public,
            "cidrBlock": subnet.cidr_block,
            "assignIpv6AddressOnCreation": False,
            # As published: from the VPC's, so unknown until there is one, and then absent as nothing is assigned.
            "ipv6CidrBlock": ipv6.apply(lambda _block: None),
        }
        placed = self._child("subnet:Subnet", name, settings, self.vpc, Name=name, SubnetType=subnet.type)
        table = self._child(
            "routeTable:RouteTable", name, {"vpcId": self.vpc.id}, placed, Name=name, SubnetType=subnet.type
        )
        link = {"routeTableId": table.id, "subnetId": placed.id}
        self.associations.append(self._child("routeTableAssociation:RouteTableAssociation", name, link, table))
        if is_public:
            route = {"routeTableId": table.id, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": self.gateway.id}
            self.routes.append(self._child("route:Route", name, route, table))
        self.subnets.append(placed)
        self.route_tables.append(table)

    def _child(
        self, kind: str, name: str, settings: Mapping[str, Any], parent: pulumi.Resource, **tags: str
    ) -> pulumi.CustomResource:
        """A resource of the `aws` plugin that the program itself uses, tagged where `tags` are given."""
        tagged = {"tags": self._tags.apply(lambda own: {"Name": self._name, **own, **tags})} if tags else {}
        options = pulumi.ResourceOptions(
            parent=parent,
            depends_on=[] if parent is self else [parent],
            version=metadata.version("pulumi-aws"),
        )
        module = kind.split(":")[0]
        return pulumi.CustomResource(f"aws:ec2/{module}:{kind.split(':')[1]}", name, {**settings, **tagged}, options)
