"""EC2: VPCs, their subnets, gateways and routes."""

import zlib
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, Retry, tolerating
from local_aws.plugins.aws.ec2 import READY_SECONDS, Ec2Resource, first
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import CheckFailure
from local_aws.plugins.framework.schema import BOOLEAN, STRING, Property, Table
from local_aws.plugins.framework.values import Properties

_TABLE_GONE: Final[tuple[str, ...]] = ("InvalidRouteTableID.NotFound",)


class _WithAttributes(Ec2Resource):
    """A type with properties that a Modify call sets, one at a time, when it is available.

    Attributes:
        attributes: those properties, in an order that EC2 accepts, with their values in a new one.
        modifies: AWS's name of the call.
    """

    attributes: ClassVar[dict[str, bool]]
    modifies: ClassVar[str]

    def create(self, operation: Aws, inputs: Properties) -> str:
        """The Create call, and the Modify calls when it is available."""
        resource_id = super().create(operation, inputs)
        differing = {name for name, usual in self.attributes.items() if inputs.get(name, usual) != usual}
        self.change(operation, resource_id, {}, inputs, differing)
        return resource_id

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """The Modify calls."""
        super().change(operation, resource_id, old, new, changed - self.attributes.keys())
        for name, usual in self.attributes.items():
            if name in changed:
                value = {_member(name): {"Value": bool(new.get(name, usual))}}
                self.call(operation, self.modifies, {self.id_member: resource_id, **value})


def _member(name: str) -> str:
    return name[0].upper() + name[1:]


class Vpc(_WithAttributes):
    """`aws.ec2.Vpc`."""

    token = "aws:ec2/vpc:Vpc"
    creates, modifies = "CreateVpc", "ModifyVpcAttribute"
    kind, listed, id_member = "vpc", "Vpcs", "VpcId"
    gone = ("InvalidVpcID.NotFound",)
    properties: ClassVar[Table] = {
        "cidrBlock": Property(STRING, required=True, replaces=True),
        "enableDnsSupport": Property(BOOLEAN, default=True),
        "enableDnsHostnames": Property(BOOLEAN, default=False),
    }
    outputs = ("arn", "ipv6CidrBlock", "ownerId", "tagsAll")
    # Host names need support: AWS refuses the other order.
    attributes: ClassVar = {"enableDnsSupport": True, "enableDnsHostnames": False}

    def described(self, operation: Aws, resource_id: str, item: dict[str, Any]) -> Properties:
        """With DescribeVpcAttribute."""
        found = {"ipv6CidrBlock": "", **super().described(operation, resource_id, item)}
        for name in self.attributes:
            answer = self.client(operation).describe_vpc_attribute(VpcId=resource_id, Attribute=name)
            found[name] = answer[_member(name)]["Value"]
        return found


class Subnet(_WithAttributes):
    """`aws.ec2.Subnet`."""

    token = "aws:ec2/subnet:Subnet"
    creates, modifies = "CreateSubnet", "ModifySubnetAttribute"
    kind, listed, id_member = "subnet", "Subnets", "SubnetId"
    gone = ("InvalidSubnetID.NotFound",)
    properties: ClassVar[Table] = {
        "vpcId": Property(STRING, required=True, replaces=True),
        "cidrBlock": Property(STRING, required=True, replaces=True),
        "availabilityZone": Property(STRING, required=True, replaces=True),
        "mapPublicIpOnLaunch": Property(BOOLEAN, default=False),
        "ipv6CidrBlock": Property(STRING),
        "assignIpv6AddressOnCreation": Property(BOOLEAN, default=False),
    }
    outputs = ("arn", "availabilityZoneId", "ownerId", "tagsAll")
    attributes: ClassVar = {"mapPublicIpOnLaunch": False, "assignIpv6AddressOnCreation": False}

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """A subnet, with its IPv6 addresses."""
        subnet = super().describe(operation, resource_id)
        ipv6 = first((subnet or {}).get("Ipv6CidrBlockAssociationSet") or []) or {}
        return subnet and {**subnet, "Ipv6CidrBlock": ipv6.get("Ipv6CidrBlock")}


class InternetGateway(Ec2Resource):
    """`aws.ec2.InternetGateway`, attached to a VPC."""

    token = "aws:ec2/internetGateway:InternetGateway"
    creates = "CreateInternetGateway"
    kind, listed, id_member = "internet-gateway", "InternetGateways", "InternetGatewayId"
    gone = ("InvalidInternetGatewayID.NotFound",)
    properties: ClassVar[Table] = {"vpcId": Property(STRING, required=True)}
    outputs = ("arn", "ownerId", "tagsAll")

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateInternetGateway, AttachInternetGateway."""
        gateway_id = super().create(operation, inputs)
        self._attach(operation, gateway_id, inputs)
        return gateway_id

    def _attach(self, operation: Aws, gateway_id: str, inputs: Properties) -> None:
        parameters = {"InternetGatewayId": gateway_id, "VpcId": inputs["vpcId"]}
        Retry("{InternetGatewayId} to be visible", self.gone, READY_SECONDS).call(
            operation, lambda: self.client(operation).attach_internet_gateway(**parameters), parameters
        )

    def _detach(self, operation: Aws, gateway_id: str, state: Properties) -> None:
        if state.get("vpcId"):
            with tolerating("Gateway.NotAttached", *Vpc.gone):
                self.client(operation).detach_internet_gateway(InternetGatewayId=gateway_id, VpcId=state["vpcId"])

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """A gateway, with the VPC that it is attached to."""
        gateway = super().describe(operation, resource_id)
        attachment = first((gateway or {}).get("Attachments") or []) or {}
        return gateway and {**gateway, "VpcId": attachment.get("VpcId")}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """DetachInternetGateway, AttachInternetGateway."""
        self.when_free(operation, resource_id, lambda: self._detach(operation, resource_id, old))
        self._attach(operation, resource_id, new)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DetachInternetGateway, DeleteInternetGateway."""
        self._detach(operation, resource_id, state)
        super().remove(operation, resource_id, state)


class _OfRouteTable(Ec2Resource):
    """A route table, or a part of one."""

    kind, listed, id_member = "route-table", "RouteTables", "RouteTableId"
    gone = _TABLE_GONE

    def part(self, operation: Aws, state: Properties, parts: str, **like: str) -> dict[str, Any] | None:
        """The association or route of the table in `state` that has these members."""
        table = self.describe(operation, state["routeTableId"]) or {}
        return first([item for item in table.get(parts) or () if like.items() <= item.items()])


class RouteTable(_OfRouteTable):
    """`aws.ec2.RouteTable`; its routes are resources of their own."""

    token = "aws:ec2/routeTable:RouteTable"
    creates = "CreateRouteTable"
    properties: ClassVar[Table] = {"vpcId": Property(STRING, required=True, replaces=True)}
    outputs = ("arn", "ownerId", "tagsAll")


class RouteTableAssociation(_OfRouteTable):
    """`aws.ec2.RouteTableAssociation`, of a subnet."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    creates = "AssociateRouteTable"
    gone = ("InvalidAssociationID.NotFound", *_TABLE_GONE)
    tagged = False
    not_yet = Retry("the route table to be visible", _TABLE_GONE, 60)
    properties: ClassVar[Table] = {
        "routeTableId": Property(STRING, required=True),
        "subnetId": Property(STRING, required=True, replaces=True),
    }

    def create(self, operation: Aws, inputs: Properties) -> str:
        """AssociateRouteTable."""
        return str(self.send(operation, inputs)["AssociationId"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRouteTables."""
        association = self.part(operation, state, "Associations", SubnetId=state["subnetId"])
        return association and self.found(association)

    def _call(self, operation: Aws, name: str, state: Properties, **parameters: str) -> None:
        # By subnet, as ReplaceRouteTableAssociation gives it another id than the engine's.
        association = self.part(operation, state, "Associations", SubnetId=state["subnetId"])
        if association:
            self.call(operation, name, {"AssociationId": association["RouteTableAssociationId"], **parameters})

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ReplaceRouteTableAssociation."""
        self._call(operation, "ReplaceRouteTableAssociation", old, RouteTableId=new["routeTableId"])

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DisassociateRouteTable."""
        self._call(operation, "DisassociateRouteTable", state)


class Route(_OfRouteTable):
    """`aws.ec2.Route` to an internet or NAT gateway."""

    token = "aws:ec2/route:Route"
    creates = "CreateRoute"
    gone = ("InvalidRoute.NotFound", *_TABLE_GONE)
    tagged = False
    not_yet = Retry(
        "the route's target to be visible",
        ("InvalidNatGatewayID.NotFound", "InvalidGatewayID.NotFound", *_TABLE_GONE),
        60,
    )
    properties: ClassVar[Table] = {
        "routeTableId": Property(STRING, required=True, replaces=True),
        "destinationCidrBlock": Property(STRING, required=True, replaces=True),
        "gatewayId": Property(STRING),
        "natGatewayId": Property(STRING),
    }
    outputs = ("origin", "state")

    def check(self, provider: AwsProvider, inputs: Properties) -> list[CheckFailure]:
        """One target."""
        given = [name for name in ("gatewayId", "natGatewayId") if inputs.get(name) is not None]
        return [] if len(given) == 1 else [CheckFailure("gatewayId", "exactly one of it and natGatewayId is required")]

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateRoute."""
        self.send(operation, inputs)
        return f"r-{inputs['routeTableId']}{zlib.crc32(inputs['destinationCidrBlock'].encode())}"

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRouteTables."""
        route = self.part(operation, state, "Routes", DestinationCidrBlock=state["destinationCidrBlock"])
        return route and {**self.found(route), "routeTableId": state["routeTableId"]}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ReplaceRoute."""
        self.call_on(operation, "ReplaceRoute", new)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRoute."""
        self.call_on(operation, "DeleteRoute", state)
