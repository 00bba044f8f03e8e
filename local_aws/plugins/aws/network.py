"""EC2: VPCs, their subnets, gateways, routes and endpoints."""

import zlib
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, Retry, tolerating
from local_aws.plugins.aws.ec2 import READY_SECONDS, Ec2Resource, first
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import CheckFailure, ProviderError
from local_aws.plugins.framework.schema import BOOLEAN, JSON, STRING, Property, SetOf, Table
from local_aws.plugins.framework.values import Properties

_TABLE_GONE: Final[tuple[str, ...]] = ("InvalidRouteTableID.NotFound",)
_GIVEN: Final = Property(STRING, required=True, replaces=True)


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
        "cidrBlock": _GIVEN,
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
    """`aws.ec2.Subnet`, with IPv4 addresses alone; awsx says that of each."""

    token = "aws:ec2/subnet:Subnet"
    creates, modifies = "CreateSubnet", "ModifySubnetAttribute"
    kind, listed, id_member = "subnet", "Subnets", "SubnetId"
    gone = ("InvalidSubnetID.NotFound",)
    properties: ClassVar[Table] = {
        "vpcId": _GIVEN,
        "cidrBlock": _GIVEN,
        "availabilityZone": _GIVEN,
        "mapPublicIpOnLaunch": Property(BOOLEAN, default=False),
        "ipv6CidrBlock": Property(STRING, allowed=("",)),
        "assignIpv6AddressOnCreation": Property(BOOLEAN, default=False, allowed=(False,)),
    }
    outputs = ("arn", "availabilityZoneId", "ownerId", "tagsAll")
    attributes: ClassVar = {"mapPublicIpOnLaunch": False}


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
        parameters = {"InternetGatewayId": gateway_id, "VpcId": inputs["vpcId"]}
        Retry("{InternetGatewayId} to be visible", self.gone, READY_SECONDS).call(
            operation, lambda: self.client(operation).attach_internet_gateway(**parameters), parameters
        )
        return gateway_id

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """A gateway, with the VPC that it is attached to."""
        gateway = super().describe(operation, resource_id)
        attachment = first((gateway or {}).get("Attachments") or []) or {}
        return gateway and {**gateway, "VpcId": attachment.get("VpcId")}

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DetachInternetGateway, DeleteInternetGateway."""
        if state.get("vpcId"):
            with tolerating("Gateway.NotAttached", *Vpc.gone):
                self.client(operation).detach_internet_gateway(InternetGatewayId=resource_id, VpcId=state["vpcId"])
        super().remove(operation, resource_id, state)


class Eip(Ec2Resource):
    """`aws.ec2.Eip`, for a VPC; its id is its allocation's."""

    token = "aws:ec2/eip:Eip"
    creates = "AllocateAddress"
    kind, listed, id_member = "elastic-ip", "Addresses", "AllocationId"
    gone = ("InvalidAllocationID.NotFound",)
    properties: ClassVar[Table] = {}
    outputs = ("allocationId", "arn", "domain", "publicIp", "tagsAll")

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """AllocateAddress."""
        return {**super().request(provider, inputs), "Domain": "vpc"}

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """ReleaseAddress."""
        self.client(operation).release_address(AllocationId=resource_id)


class NatGateway(Ec2Resource):
    """`aws.ec2.NatGateway`, a public one."""

    token = "aws:ec2/natGateway:NatGateway"
    creates = "CreateNatGateway"
    kind, listed, id_member = "natgateway", "NatGateways", "NatGatewayId"
    gone = ("NatGatewayNotFound",)
    # Its address is in use until it is gone; the published provider's limit.
    gone_seconds = 1800
    properties: ClassVar[Table] = {"subnetId": _GIVEN, "allocationId": _GIVEN}
    outputs = ("associationId", "networkInterfaceId", "privateIp", "publicIp", "tagsAll")

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """One that is not deleted, with the members of its only address."""
        gateway = super().describe(operation, resource_id)
        if gateway is None or gateway["State"] == "deleted":
            return None
        return {**(first(gateway.get("NatGatewayAddresses") or []) or {}), **gateway}


class VpcEndpoint(Ec2Resource):
    """`aws.ec2.VpcEndpoint`, gateway or interface."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    creates = "CreateVpcEndpoint"
    kind, listed, id_member = "vpc-endpoint", "VpcEndpoints", "VpcEndpointId"
    gone = ("InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound")
    # Its network interfaces use subnets and security groups until it is gone.
    gone_seconds = READY_SECONDS
    properties: ClassVar[Table] = {
        "vpcId": _GIVEN,
        "serviceName": _GIVEN,
        "vpcEndpointType": Property(STRING, replaces=True, default="Gateway", allowed=("Gateway", "Interface")),
        "privateDnsEnabled": Property(BOOLEAN),
        "routeTableIds": Property(SetOf(STRING)),
        "subnetIds": Property(SetOf(STRING)),
        "securityGroupIds": Property(SetOf(STRING)),
        "policy": Property(JSON, computed=True),
    }
    renamed: ClassVar = {"policy": "PolicyDocument"}
    outputs = ("arn", "ownerId", "prefixListId", "state", "tagsAll")

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """One that is not deleted, with its groups by their ids."""
        endpoint = super().describe(operation, resource_id)
        if endpoint is None or endpoint.get("State", "").lower() == "deleted":
            return None
        return {**endpoint, "SecurityGroupIds": [group["GroupId"] for group in endpoint.get("Groups") or ()]}

    def described(self, operation: Aws, resource_id: str, item: dict[str, Any]) -> Properties:
        """With the prefix list of a gateway endpoint's service."""
        found = super().described(operation, resource_id, item)
        if found["vpcEndpointType"] == "Gateway":
            named = [{"Name": "prefix-list-name", "Values": [found["serviceName"]]}]
            lists = self.client(operation).describe_prefix_lists(Filters=named)["PrefixLists"]
            found["prefixListId"] = (first(lists) or {}).get("PrefixListId")
        return found

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ModifyVpcEndpoint with what is added and removed."""
        parameters: dict[str, Any] = {}
        for name in changed - {"privateDnsEnabled", "policy"}:
            before, after, member = set(old.get(name) or ()), set(new.get(name) or ()), _member(name)
            parameters[f"Add{member}"], parameters[f"Remove{member}"] = sorted(after - before), sorted(before - after)
        if "privateDnsEnabled" in changed:
            parameters["PrivateDnsEnabled"] = bool(new.get("privateDnsEnabled"))
        if "policy" in changed:
            parameters["PolicyDocument"] = new["policy"]
        parameters = {key: value for key, value in parameters.items() if value != []}
        self.client(operation).modify_vpc_endpoint(VpcEndpointId=resource_id, **parameters)
        self.wait_until_available(operation, resource_id)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteVpcEndpoints."""
        answer = self.client(operation).delete_vpc_endpoints(VpcEndpointIds=[resource_id])
        for failure in answer.get("Unsuccessful") or ():
            error = failure.get("Error", {})
            if error.get("Code") not in self.gone:
                raise ProviderError(f"AWS answered DeleteVpcEndpoints with {error.get('Code')}: {error.get('Message')}")


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
    properties: ClassVar[Table] = {"vpcId": _GIVEN}
    outputs = ("arn", "ownerId", "tagsAll")


class RouteTableAssociation(_OfRouteTable):
    """`aws.ec2.RouteTableAssociation`, of a subnet."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    creates, deletes = "AssociateRouteTable", "DisassociateRouteTable"
    gone = ("InvalidAssociationID.NotFound", *_TABLE_GONE)
    tagged = False
    not_yet = Retry("the route table to be visible", _TABLE_GONE, 60)
    properties: ClassVar[Table] = {"routeTableId": Property(STRING, required=True), "subnetId": _GIVEN}

    def create(self, operation: Aws, inputs: Properties) -> str:
        """AssociateRouteTable."""
        return str(self.send(operation, inputs)["AssociationId"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRouteTables."""
        association = self.part(operation, state, "Associations", RouteTableAssociationId=resource_id)
        return association and self.found(association)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DisassociateRouteTable."""
        self.call(operation, self.deletes, {"AssociationId": resource_id})


class Route(_OfRouteTable):
    """`aws.ec2.Route` to an internet or NAT gateway."""

    token = "aws:ec2/route:Route"
    creates, deletes = "CreateRoute", "DeleteRoute"
    gone = ("InvalidRoute.NotFound", *_TABLE_GONE)
    tagged = False
    not_yet = Retry(
        "the route's target to be visible",
        ("InvalidNatGatewayID.NotFound", "InvalidGatewayID.NotFound", *_TABLE_GONE),
        60,
    )
    properties: ClassVar[Table] = {
        "routeTableId": _GIVEN,
        "destinationCidrBlock": _GIVEN,
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
        self.call_on(operation, self.deletes, state)
