"""EC2: VPCs and what is in them."""

import zlib
from typing import Any, ClassVar, Final

from automation.local.plugins.aws.base import Aws, Request, compact, created, retrying, tag_map, tolerating
from automation.local.plugins.aws.ec2 import Ec2Resource, first
from automation.local.plugins.framework.errors import CheckFailure, NotSupported
from automation.local.plugins.framework.schema import BOOLEAN, STRING, Property, Table
from automation.local.plugins.framework.values import Properties

_ATTACH_SECONDS: Final = 600.0
_SUBNET_ATTRIBUTES: Final = ("mapPublicIpOnLaunch", "assignIpv6AddressOnCreation")


class Vpc(Ec2Resource):
    """`aws.ec2.Vpc`."""

    token = "aws:ec2/vpc:Vpc"
    kind = "vpc"
    gone = ("InvalidVpcID.NotFound",)
    properties: ClassVar[Table] = {
        "cidrBlock": Property(STRING, replaces=True, computed=True),
        "instanceTenancy": Property(STRING, default="default"),
        "enableDnsSupport": Property(BOOLEAN, default=True),
        "enableDnsHostnames": Property(BOOLEAN, computed=True),
        "enableNetworkAddressUsageMetrics": Property(BOOLEAN, computed=True),
    }
    outputs = (
        "arn",
        "defaultNetworkAclId",
        "defaultRouteTableId",
        "defaultSecurityGroupId",
        "dhcpOptionsId",
        "ipv6CidrBlock",
        "mainRouteTableId",
        "ownerId",
        "tagsAll",
    )

    def check(self, provider: Any, inputs: Properties) -> list[CheckFailure]:
        """Without an address pool the program must give the addresses."""
        del provider
        return [] if inputs.get("cidrBlock") is not None else [CheckFailure("cidrBlock", "it is required and missing")]

    def replaced_by(self, old: Properties, new: Properties) -> list[str]:
        """Tenancy can be relaxed from dedicated to default and no other way (EC2 user guide, "Dedicated Instances")."""
        before, after = old.get("instanceTenancy", "default"), new.get("instanceTenancy", "default")
        return ["instanceTenancy"] if before != after and (before, after) != ("dedicated", "default") else []

    def request(self, inputs: Properties) -> Request:
        """CreateVpc."""
        return Request(
            "ec2",
            "CreateVpc",
            compact(
                {
                    "CidrBlock": inputs["cidrBlock"],
                    "InstanceTenancy": inputs.get("instanceTenancy"),
                    "TagSpecifications": self.tag_specifications(inputs),
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateVpc, ModifyVpcAttribute."""
        vpc_id = str(self.send(operation, inputs)["Vpc"]["VpcId"])
        with created(vpc_id, inputs):
            self._wait(operation, vpc_id, inputs)
            differing = {
                name
                for name, usual in (
                    ("enableDnsSupport", True),
                    ("enableDnsHostnames", False),
                    ("enableNetworkAddressUsageMetrics", False),
                )
                if inputs.get(name, usual) != usual
            }
            self._modify(operation, vpc_id, inputs, differing)
        return vpc_id

    def _wait(self, operation: Aws, vpc_id: str, inputs: Properties) -> None:
        ec2 = self.ec2(operation, inputs)

        def available() -> bool | None:
            with tolerating(*self.gone):
                vpc = first(ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"])
                return True if vpc and vpc["State"] == "available" else None
            return None

        operation.wait(f"{vpc_id} to become available", available, default_seconds=_ATTACH_SECONDS)

    def _modify(self, operation: Aws, vpc_id: str, inputs: Properties, changed: set[str]) -> None:
        ec2 = self.ec2(operation, inputs)
        # Host names need support: AWS refuses the other order.
        for name, usual in (
            ("enableDnsSupport", True),
            ("enableDnsHostnames", False),
            ("enableNetworkAddressUsageMetrics", False),
        ):
            if name in changed:
                attribute = name[0].upper() + name[1:]
                ec2.modify_vpc_attribute(VpcId=vpc_id, **{attribute: {"Value": bool(inputs.get(name, usual))}})

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeVpcs, DescribeVpcAttribute, and what AWS made with the VPC."""
        ec2 = self.ec2(operation, state)
        with tolerating(*self.gone):
            vpc = first(ec2.describe_vpcs(VpcIds=[resource_id])["Vpcs"])
            if vpc is None:
                return None

            def attribute(name: str) -> bool:
                answer = ec2.describe_vpc_attribute(VpcId=resource_id, Attribute=name)
                return bool(answer[name[0].upper() + name[1:]]["Value"])

            in_vpc = {"Name": "vpc-id", "Values": [resource_id]}
            main = first(
                ec2.describe_route_tables(Filters=[in_vpc, {"Name": "association.main", "Values": ["true"]}])[
                    "RouteTables"
                ]
            )
            acl = first(
                ec2.describe_network_acls(Filters=[in_vpc, {"Name": "default", "Values": ["true"]}])["NetworkAcls"]
            )
            group = first(
                ec2.describe_security_groups(Filters=[in_vpc, {"Name": "group-name", "Values": ["default"]}])[
                    "SecurityGroups"
                ]
            )
            region = state.get("region") or operation.provider.region
            owner = vpc.get("OwnerId", "")
            return {
                "arn": _arn(operation, region, owner, f"vpc/{resource_id}"),
                "cidrBlock": vpc["CidrBlock"],
                "instanceTenancy": vpc.get("InstanceTenancy", "default"),
                "enableDnsSupport": attribute("enableDnsSupport"),
                "enableDnsHostnames": attribute("enableDnsHostnames"),
                "enableNetworkAddressUsageMetrics": attribute("enableNetworkAddressUsageMetrics")
                if state.get("enableNetworkAddressUsageMetrics")
                else False,
                "dhcpOptionsId": vpc.get("DhcpOptionsId"),
                "ipv6CidrBlock": (first(vpc.get("Ipv6CidrBlockAssociationSet") or []) or {}).get("Ipv6CidrBlock", ""),
                "ownerId": owner,
                "mainRouteTableId": main and main["RouteTableId"],
                "defaultRouteTableId": main and main["RouteTableId"],
                "defaultNetworkAclId": acl and acl["NetworkAclId"],
                "defaultSecurityGroupId": group and group["GroupId"],
                "tags": tag_map(vpc.get("Tags")),
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Attributes, tenancy and tags change in place."""
        self._modify(operation, resource_id, new, changed)
        if "instanceTenancy" in changed:
            self.ec2(operation, new).modify_vpc_tenancy(VpcId=resource_id, InstanceTenancy="default")
        if "tags" in changed:
            self.update_tags(operation, resource_id, old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteVpc."""
        ec2 = self.ec2(operation, state)
        self.delete_when_free(operation, resource_id, lambda: ec2.delete_vpc(VpcId=resource_id))


class Subnet(Ec2Resource):
    """`aws.ec2.Subnet`."""

    token = "aws:ec2/subnet:Subnet"
    kind = "subnet"
    gone = ("InvalidSubnetID.NotFound",)
    properties: ClassVar[Table] = {
        "vpcId": Property(STRING, required=True, replaces=True),
        "cidrBlock": Property(STRING, replaces=True, computed=True),
        "availabilityZone": Property(STRING, replaces=True, computed=True),
        "availabilityZoneId": Property(STRING, replaces=True, computed=True),
        "mapPublicIpOnLaunch": Property(BOOLEAN, default=False),
        "ipv6CidrBlock": Property(STRING),
        "assignIpv6AddressOnCreation": Property(BOOLEAN, default=False),
    }
    outputs = ("arn", "ipv6CidrBlockAssociationId", "ownerId", "tagsAll")

    def request(self, inputs: Properties) -> Request:
        """CreateSubnet."""
        return Request(
            "ec2",
            "CreateSubnet",
            compact(
                {
                    "VpcId": inputs["vpcId"],
                    "CidrBlock": inputs.get("cidrBlock"),
                    "AvailabilityZone": inputs.get("availabilityZone"),
                    "AvailabilityZoneId": inputs.get("availabilityZoneId"),
                    "Ipv6CidrBlock": inputs.get("ipv6CidrBlock"),
                    "TagSpecifications": self.tag_specifications(inputs),
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateSubnet, ModifySubnetAttribute."""
        subnet_id = str(self.send(operation, inputs)["Subnet"]["SubnetId"])
        with created(subnet_id, inputs):
            operation.wait(
                f"{subnet_id} to become available",
                lambda: self._available(operation, subnet_id, inputs),
                default_seconds=_ATTACH_SECONDS,
            )
            for name in _SUBNET_ATTRIBUTES:
                if inputs.get(name):
                    self._set(operation, subnet_id, name, inputs)
        return subnet_id

    def _available(self, operation: Aws, subnet_id: str, inputs: Properties) -> bool | None:
        with tolerating(*self.gone):
            subnet = first(self.ec2(operation, inputs).describe_subnets(SubnetIds=[subnet_id])["Subnets"])
            return True if subnet and subnet.get("State", "available") == "available" else None
        return None

    def _set(self, operation: Aws, subnet_id: str, name: str, inputs: Properties) -> None:
        attribute = {name[0].upper() + name[1:]: {"Value": bool(inputs.get(name))}}
        self.ec2(operation, inputs).modify_subnet_attribute(SubnetId=subnet_id, **attribute)

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeSubnets."""
        with tolerating(*self.gone):
            subnet = first(self.ec2(operation, state).describe_subnets(SubnetIds=[resource_id])["Subnets"])
            if subnet is not None:
                region = state.get("region") or operation.provider.region
                owner = subnet.get("OwnerId", "")
                ipv6 = first(subnet.get("Ipv6CidrBlockAssociationSet") or []) or {}
                return {
                    "arn": subnet.get("SubnetArn") or _arn(operation, region, owner, f"subnet/{resource_id}"),
                    "vpcId": subnet["VpcId"],
                    "cidrBlock": subnet["CidrBlock"],
                    "availabilityZone": subnet["AvailabilityZone"],
                    "availabilityZoneId": subnet.get("AvailabilityZoneId"),
                    "mapPublicIpOnLaunch": bool(subnet.get("MapPublicIpOnLaunch")),
                    "ipv6CidrBlock": ipv6.get("Ipv6CidrBlock"),
                    "ipv6CidrBlockAssociationId": ipv6.get("AssociationId"),
                    "assignIpv6AddressOnCreation": bool(subnet.get("AssignIpv6AddressOnCreation")),
                    "ownerId": owner,
                    "tags": tag_map(subnet.get("Tags")),
                }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Attributes and tags change in place; the published provider changes IPv6 addresses so, too."""
        if "ipv6CidrBlock" in changed:
            raise NotSupported(f"{self.token}: this plugin cannot change ipv6CidrBlock of {resource_id}")
        for name in _SUBNET_ATTRIBUTES:
            if name in changed:
                self._set(operation, resource_id, name, new)
        if "tags" in changed:
            self.update_tags(operation, resource_id, old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteSubnet."""
        ec2 = self.ec2(operation, state)
        self.delete_when_free(operation, resource_id, lambda: ec2.delete_subnet(SubnetId=resource_id))


class InternetGateway(Ec2Resource):
    """`aws.ec2.InternetGateway`."""

    token = "aws:ec2/internetGateway:InternetGateway"
    kind = "internet-gateway"
    gone = ("InvalidInternetGatewayID.NotFound",)
    properties: ClassVar[Table] = {"vpcId": Property(STRING, computed=True)}
    outputs = ("arn", "ownerId", "tagsAll")

    def request(self, inputs: Properties) -> Request:
        """CreateInternetGateway."""
        parameters = {"TagSpecifications": self.tag_specifications(inputs)}
        return Request("ec2", "CreateInternetGateway", compact(parameters))

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateInternetGateway, AttachInternetGateway."""
        gateway_id = str(self.send(operation, inputs)["InternetGateway"]["InternetGatewayId"])
        with created(gateway_id, inputs):
            if inputs.get("vpcId"):
                self._attach(operation, gateway_id, inputs)
        return gateway_id

    def _attach(self, operation: Aws, gateway_id: str, inputs: Properties) -> None:
        ec2 = self.ec2(operation, inputs)
        with tolerating("Resource.AlreadyAssociated"):
            retrying(
                operation,
                f"{gateway_id} to be seen",
                lambda: ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=inputs["vpcId"]),
                *self.gone,
                seconds=_ATTACH_SECONDS,
            )

    def _detach(self, operation: Aws, gateway_id: str, state: Properties) -> None:
        ec2 = self.ec2(operation, state)
        if state.get("vpcId"):
            with tolerating("Gateway.NotAttached", *Vpc.gone):
                self.delete_when_free(
                    operation,
                    gateway_id,
                    lambda: ec2.detach_internet_gateway(InternetGatewayId=gateway_id, VpcId=state["vpcId"]),
                )

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeInternetGateways."""
        with tolerating(*self.gone):
            gateways = self.ec2(operation, state).describe_internet_gateways(InternetGatewayIds=[resource_id])
            gateway = first(gateways["InternetGateways"])
            if gateway is not None:
                region = state.get("region") or operation.provider.region
                owner = gateway.get("OwnerId", "")
                attachment = first(gateway.get("Attachments") or [])
                return {
                    "arn": _arn(operation, region, owner, f"internet-gateway/{resource_id}"),
                    "vpcId": attachment and attachment["VpcId"],
                    "ownerId": owner,
                    "tags": tag_map(gateway.get("Tags")),
                }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """It can be moved to another VPC."""
        if "vpcId" in changed:
            self._detach(operation, resource_id, old)
            if new.get("vpcId"):
                self._attach(operation, resource_id, new)
        if "tags" in changed:
            self.update_tags(operation, resource_id, old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DetachInternetGateway, DeleteInternetGateway."""
        self._detach(operation, resource_id, state)
        ec2 = self.ec2(operation, state)
        self.delete_when_free(
            operation, resource_id, lambda: ec2.delete_internet_gateway(InternetGatewayId=resource_id)
        )


class RouteTable(Ec2Resource):
    """`aws.ec2.RouteTable`; its routes are resources of their own."""

    token = "aws:ec2/routeTable:RouteTable"
    kind = "route-table"
    gone = ("InvalidRouteTableID.NotFound",)
    properties: ClassVar[Table] = {"vpcId": Property(STRING, required=True, replaces=True)}
    outputs = ("arn", "ownerId", "tagsAll")

    def request(self, inputs: Properties) -> Request:
        """CreateRouteTable."""
        parameters = {"VpcId": inputs["vpcId"], "TagSpecifications": self.tag_specifications(inputs)}
        return Request("ec2", "CreateRouteTable", compact(parameters))

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateRouteTable."""
        return str(self.send(operation, inputs)["RouteTable"]["RouteTableId"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRouteTables."""
        table = describe_route_table(self.ec2(operation, state), resource_id)
        if table is None:
            return None
        region = state.get("region") or operation.provider.region
        owner = table.get("OwnerId", "")
        return {
            "arn": _arn(operation, region, owner, f"route-table/{resource_id}"),
            "vpcId": table["VpcId"],
            "ownerId": owner,
            "tags": tag_map(table.get("Tags")),
        }

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Only tags change in place."""
        if "tags" in changed:
            self.update_tags(operation, resource_id, old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRouteTable."""
        ec2 = self.ec2(operation, state)
        self.delete_when_free(operation, resource_id, lambda: ec2.delete_route_table(RouteTableId=resource_id))


class RouteTableAssociation(Ec2Resource):
    """`aws.ec2.RouteTableAssociation`; an import's id is `<subnet or gateway id>/<route table id>`."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    tagged = False
    kind = "route-table"
    gone = ("InvalidAssociationID.NotFound", "InvalidRouteTableID.NotFound")
    properties: ClassVar[Table] = {
        "routeTableId": Property(STRING, required=True),
        "subnetId": Property(STRING, replaces=True),
        "gatewayId": Property(STRING, replaces=True),
    }

    def check(self, provider: Any, inputs: Properties) -> list[CheckFailure]:
        """Exactly one thing is associated."""
        del provider
        given = [name for name in ("subnetId", "gatewayId") if inputs.get(name) is not None]
        return (
            [] if len(given) == 1 else [CheckFailure("subnetId", "exactly one of subnetId and gatewayId is required")]
        )

    def request(self, inputs: Properties) -> Request:
        """AssociateRouteTable."""
        return Request(
            "ec2",
            "AssociateRouteTable",
            compact(
                {
                    "RouteTableId": inputs["routeTableId"],
                    "SubnetId": inputs.get("subnetId"),
                    "GatewayId": inputs.get("gatewayId"),
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """AssociateRouteTable."""
        answer = retrying(
            operation,
            "the route table to be seen",
            lambda: self.send(operation, inputs),
            *RouteTable.gone,
            seconds=60,
        )
        return str(answer["AssociationId"])

    def _association(self, operation: Aws, resource_id: str, state: Properties) -> dict[str, Any] | None:
        member, _, table_id = resource_id.partition("/")
        if state:
            member, table_id = state.get("subnetId") or state.get("gatewayId") or "", state["routeTableId"]
        table = describe_route_table(self.ec2(operation, state), table_id)
        # By member, not by id: moving it to another table gives it a new id.
        associations = (table or {}).get("Associations") or []
        return first([item for item in associations if member in (item.get("SubnetId"), item.get("GatewayId"))])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRouteTables."""
        association = self._association(operation, resource_id, state)
        return association and {
            "routeTableId": association["RouteTableId"],
            "subnetId": association.get("SubnetId") or None,
            "gatewayId": association.get("GatewayId") or None,
        }

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ReplaceRouteTableAssociation."""
        association = self._association(operation, resource_id, old)
        if "routeTableId" in changed and association is not None:
            self.ec2(operation, new).replace_route_table_association(
                AssociationId=association["RouteTableAssociationId"], RouteTableId=new["routeTableId"]
            )

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DisassociateRouteTable."""
        association = self._association(operation, resource_id, state)
        if association is not None:
            with tolerating(*self.gone):
                self.ec2(operation, state).disassociate_route_table(
                    AssociationId=association["RouteTableAssociationId"]
                )


_DESTINATIONS: Final = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
_TARGETS: Final = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "transitGatewayId": "TransitGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
    "networkInterfaceId": "NetworkInterfaceId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
}


class Route(Ec2Resource):
    """`aws.ec2.Route`; an import's id is `<route table id>_<destination>`."""

    token = "aws:ec2/route:Route"
    tagged = False
    kind = "route-table"
    gone = ("InvalidRoute.NotFound", "InvalidRouteTableID.NotFound")
    properties: ClassVar[Table] = {
        "routeTableId": Property(STRING, required=True, replaces=True),
        **{name: Property(STRING, replaces=True) for name in _DESTINATIONS},
        **{name: Property(STRING) for name in _TARGETS},
    }
    outputs = ("origin", "state")

    def check(self, provider: Any, inputs: Properties) -> list[CheckFailure]:
        """One destination, one target."""
        del provider
        failures = []
        for names in (_DESTINATIONS, _TARGETS):
            if len([name for name in names if inputs.get(name) is not None]) != 1:
                failures.append(CheckFailure(next(iter(names)), f"exactly one of {', '.join(names)} is required"))
        return failures

    def request(self, inputs: Properties) -> Request:
        """CreateRoute."""
        names = {"routeTableId": "RouteTableId", **_DESTINATIONS, **_TARGETS}
        parameters = {ours: inputs.get(name) for name, ours in names.items()}
        return Request("ec2", "CreateRoute", compact(parameters))

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateRoute."""
        retrying(
            operation,
            "the route's target to be seen",
            lambda: self.send(operation, inputs),
            "InvalidNatGatewayID.NotFound",
            "InvalidGatewayID.NotFound",
            *RouteTable.gone,
            seconds=60,
        )
        destination = next(inputs[name] for name in _DESTINATIONS if inputs.get(name))
        return f"r-{inputs['routeTableId']}{zlib.crc32(destination.encode())}"

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRouteTables."""
        if state:
            table_id, destination = (
                state["routeTableId"],
                next(state[name] for name in _DESTINATIONS if state.get(name)),
            )
        else:
            table_id, _, destination = resource_id.partition("_")
        table = describe_route_table(self.ec2(operation, state), table_id)
        for route in (table or {}).get("Routes") or ():
            if destination in [route.get(name) for name in _DESTINATIONS.values()]:
                return {
                    "routeTableId": table_id,
                    **{name: route.get(theirs) or None for name, theirs in {**_DESTINATIONS, **_TARGETS}.items()},
                    "origin": route.get("Origin", "CreateRoute"),
                    "state": route.get("State", "active"),
                }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ReplaceRoute."""
        del resource_id, old
        if changed:
            self.ec2(operation, new).replace_route(**self.request(new).parameters)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRoute."""
        del resource_id
        destination = {theirs: state[name] for name, theirs in _DESTINATIONS.items() if state.get(name)}
        with tolerating(*self.gone):
            self.ec2(operation, state).delete_route(RouteTableId=state["routeTableId"], **destination)


def describe_route_table(ec2: Any, table_id: str) -> dict[str, Any] | None:
    """One route table, or `None`."""
    with tolerating(*RouteTable.gone):
        return first(ec2.describe_route_tables(RouteTableIds=[table_id])["RouteTables"])
    return None


def _arn(operation: Aws, region: str, owner: str, resource: str) -> str:
    return f"arn:{operation.provider.partition(region)}:ec2:{region}:{owner}:{resource}"
