"""EC2: VPCs and what is in them."""

import zlib
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, call, created, retrying, tolerating
from local_aws.plugins.aws.ec2 import READY_SECONDS, Ec2Resource, first
from local_aws.plugins.framework.errors import CheckFailure, ProviderError
from local_aws.plugins.framework.schema import BOOLEAN, STRING, Property, Table
from local_aws.plugins.framework.values import Properties


class _WithAttributes(Ec2Resource):
    """A type some of whose properties are set by a Modify call, one at a time, when it is there.

    Attributes:
        attributes: those properties, in an order that EC2 takes, with their values in a new one.
        modifies: AWS's name of the call.
    """

    attributes: ClassVar[dict[str, bool]]
    modifies: ClassVar[str]

    def create(self, operation: Aws, inputs: Properties) -> str:
        """The Create call, and the Modify calls when it is available."""
        resource_id = super().create(operation, inputs)
        with created(resource_id, inputs):
            self.wait_until_available(operation, resource_id)
            differing = {name for name, usual in self.attributes.items() if inputs.get(name, usual) != usual}
            self.change(operation, resource_id, {}, inputs, differing)
        return resource_id

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """The Modify calls."""
        for name, usual in self.attributes.items():
            if name in changed:
                value = {name[0].upper() + name[1:]: {"Value": bool(new.get(name, usual))}}
                call(self.client(operation), self.modifies, {self.id_member: resource_id, **value})


class Vpc(_WithAttributes):
    """`aws.ec2.Vpc`."""

    token = "aws:ec2/vpc:Vpc"
    creates, modifies = "CreateVpc", "ModifyVpcAttribute"
    kind, describes, listed, id_member = "vpc", "DescribeVpcs", "Vpcs", "VpcId"
    gone = ("InvalidVpcID.NotFound",)
    properties: ClassVar[Table] = {
        "cidrBlock": Property(STRING, required=True, replaces=True),
        "enableDnsSupport": Property(BOOLEAN, default=True),
        "enableDnsHostnames": Property(BOOLEAN, default=False),
    }
    outputs = ("arn", "ipv6CidrBlock", "ownerId", "tagsAll")
    # Host names need support: AWS refuses the other order.
    attributes: ClassVar = {"enableDnsSupport": True, "enableDnsHostnames": False}

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeVpcs, DescribeVpcAttribute."""
        found = super().find(operation, resource_id, state)
        if found is None:
            return None
        for name in self.attributes:
            answer = self.client(operation).describe_vpc_attribute(VpcId=resource_id, Attribute=name)
            found[name] = answer[name[0].upper() + name[1:]]["Value"]
        return {"ipv6CidrBlock": "", **found}


class Subnet(_WithAttributes):
    """`aws.ec2.Subnet`."""

    token = "aws:ec2/subnet:Subnet"
    creates, modifies = "CreateSubnet", "ModifySubnetAttribute"
    kind, describes, listed, id_member = "subnet", "DescribeSubnets", "Subnets", "SubnetId"
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
        """A subnet, with the IPv6 addresses that it has."""
        subnet = super().describe(operation, resource_id)
        ipv6 = first((subnet or {}).get("Ipv6CidrBlockAssociationSet") or []) or {}
        return subnet and {**subnet, "Ipv6CidrBlock": ipv6.get("Ipv6CidrBlock")}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ModifySubnetAttribute; the published provider changes IPv6 addresses in place, too."""
        if "ipv6CidrBlock" in changed:
            raise ProviderError(f"{self.token}: this plugin cannot change ipv6CidrBlock of {resource_id}")
        super().change(operation, resource_id, old, new, changed)


class InternetGateway(Ec2Resource):
    """`aws.ec2.InternetGateway`, attached to a VPC."""

    token = "aws:ec2/internetGateway:InternetGateway"
    creates = "CreateInternetGateway"
    kind, describes = "internet-gateway", "DescribeInternetGateways"
    listed, id_member = "InternetGateways", "InternetGatewayId"
    gone = ("InvalidInternetGatewayID.NotFound",)
    properties: ClassVar[Table] = {"vpcId": Property(STRING, required=True)}
    outputs = ("arn", "ownerId", "tagsAll")

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateInternetGateway, AttachInternetGateway."""
        gateway_id = super().create(operation, inputs)
        with created(gateway_id, inputs):
            self._attach(operation, gateway_id, inputs)
        return gateway_id

    def _attach(self, operation: Aws, gateway_id: str, inputs: Properties) -> None:
        with tolerating("Resource.AlreadyAssociated"):
            retrying(
                operation,
                f"{gateway_id} to be seen",
                lambda: self.client(operation).attach_internet_gateway(
                    InternetGatewayId=gateway_id, VpcId=inputs["vpcId"]
                ),
                *self.gone,
                seconds=READY_SECONDS,
            )

    def _detach(self, operation: Aws, gateway_id: str, state: Properties) -> None:
        with tolerating("Gateway.NotAttached", *Vpc.gone):
            self.when_free(
                operation,
                gateway_id,
                lambda: self.client(operation).detach_internet_gateway(
                    InternetGatewayId=gateway_id, VpcId=state["vpcId"]
                ),
            )

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """A gateway, with the VPC that it is attached to."""
        gateway = super().describe(operation, resource_id)
        attachment = first((gateway or {}).get("Attachments") or []) or {}
        return gateway and {**gateway, "VpcId": attachment.get("VpcId")}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """It can be moved to another VPC."""
        if old.get("vpcId"):
            self._detach(operation, resource_id, old)
        self._attach(operation, resource_id, new)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DetachInternetGateway, DeleteInternetGateway."""
        if state.get("vpcId"):
            self._detach(operation, resource_id, state)
        super().remove(operation, resource_id, state)


_TABLE_GONE: Final = ("InvalidRouteTableID.NotFound",)


class _OfRouteTable(Ec2Resource):
    """A route table, or what belongs to one."""

    kind, describes, listed, id_member = "route-table", "DescribeRouteTables", "RouteTables", "RouteTableId"


class RouteTable(_OfRouteTable):
    """`aws.ec2.RouteTable`; its routes are resources of their own."""

    token = "aws:ec2/routeTable:RouteTable"
    creates = "CreateRouteTable"
    gone = _TABLE_GONE
    properties: ClassVar[Table] = {"vpcId": Property(STRING, required=True, replaces=True)}
    outputs = ("arn", "ownerId", "tagsAll")


class RouteTableAssociation(_OfRouteTable):
    """`aws.ec2.RouteTableAssociation`, of a subnet."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    creates = "AssociateRouteTable"
    gone = ("InvalidAssociationID.NotFound", *_TABLE_GONE)
    tagged = False
    properties: ClassVar[Table] = {
        "routeTableId": Property(STRING, required=True),
        "subnetId": Property(STRING, required=True, replaces=True),
    }

    def create(self, operation: Aws, inputs: Properties) -> str:
        """AssociateRouteTable."""
        answer = retrying(
            operation,
            "the route table to be seen",
            lambda: self.send(operation, inputs),
            *_TABLE_GONE,
            seconds=60,
        )
        return str(answer["AssociationId"])

    def _association(self, operation: Aws, state: Properties) -> dict[str, Any] | None:
        # By subnet, not by id: moving it to another table gives it a new id.
        table = self.describe(operation, state["routeTableId"]) or {}
        return first([item for item in table.get("Associations") or () if item.get("SubnetId") == state["subnetId"]])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRouteTables."""
        association = self._association(operation, state)
        return association and self.found(association)

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ReplaceRouteTableAssociation."""
        association = self._association(operation, old)
        if association is not None:
            self.client(operation).replace_route_table_association(
                AssociationId=association["RouteTableAssociationId"], RouteTableId=new["routeTableId"]
            )

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DisassociateRouteTable."""
        association = self._association(operation, state)
        if association is not None:
            self.client(operation).disassociate_route_table(AssociationId=association["RouteTableAssociationId"])


class Route(_OfRouteTable):
    """`aws.ec2.Route` to an internet or NAT gateway."""

    token = "aws:ec2/route:Route"
    creates = "CreateRoute"
    gone = ("InvalidRoute.NotFound", *_TABLE_GONE)
    tagged = False
    properties: ClassVar[Table] = {
        "routeTableId": Property(STRING, required=True, replaces=True),
        "destinationCidrBlock": Property(STRING, required=True, replaces=True),
        "gatewayId": Property(STRING),
        "natGatewayId": Property(STRING),
    }
    outputs = ("origin", "state")

    def check(self, provider: Any, inputs: Properties) -> list[CheckFailure]:
        """One target."""
        given = [name for name in ("gatewayId", "natGatewayId") if inputs.get(name) is not None]
        return [] if len(given) == 1 else [CheckFailure("gatewayId", "exactly one of it and natGatewayId is required")]

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateRoute."""
        retrying(
            operation,
            "the route's target to be seen",
            lambda: self.send(operation, inputs),
            "InvalidNatGatewayID.NotFound",
            "InvalidGatewayID.NotFound",
            *_TABLE_GONE,
            seconds=60,
        )
        return f"r-{inputs['routeTableId']}{zlib.crc32(inputs['destinationCidrBlock'].encode())}"

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRouteTables."""
        table = self.describe(operation, state["routeTableId"]) or {}
        destination = state["destinationCidrBlock"]
        route = first([item for item in table.get("Routes") or () if item.get("DestinationCidrBlock") == destination])
        return route and {**self.found(route), "routeTableId": state["routeTableId"]}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ReplaceRoute."""
        self.client(operation).replace_route(**self.request(operation.provider, new).parameters)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRoute."""
        self.client(operation).delete_route(
            RouteTableId=state["routeTableId"], DestinationCidrBlock=state["destinationCidrBlock"]
        )
