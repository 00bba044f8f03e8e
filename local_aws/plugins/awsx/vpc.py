"""`awsx:ec2:Vpc`: a VPC with its subnets and route tables; NAT gateways are the program's own."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from local_aws.plugins.awsx.layout import Subnet, lay_out
from local_aws.plugins.awsx.monitor import Monitor, Output, Registered
from local_aws.plugins.framework.errors import CheckFailure
from local_aws.plugins.framework.schema import BOOLEAN, STRING, ListOf, MapOf, Object, Property, Table, check
from local_aws.plugins.framework.values import UNKNOWN, Properties, contains_unknown

TOKEN: Final = "awsx:ec2:Vpc"
PROPERTIES: Final[Table] = {
    "cidrBlock": Property(STRING, required=True),
    "availabilityZoneNames": Property(ListOf(STRING), required=True),
    "enableDnsHostnames": Property(BOOLEAN),
    "enableDnsSupport": Property(BOOLEAN),
    "natGateways": Property(Object({"strategy": Property(STRING, required=True, allowed=("None",))}), required=True),
    "subnetStrategy": Property(STRING, required=True, allowed=("Auto",)),
    "tags": Property(MapOf(STRING)),
}
_PASSED_ON: Final = ("enableDnsHostnames", "enableDnsSupport")


def failures(inputs: Properties) -> list[CheckFailure]:
    """What is wrong with the component's inputs."""
    _, found = check(PROPERTIES, inputs)
    return found or [
        CheckFailure(name, "it must be known before anything is created, as it decides what is")
        for name in PROPERTIES
        if name not in ("tags", *_PASSED_ON) and contains_unknown(inputs[name])
    ]


@dataclass(frozen=True)
class _Made:
    """What belongs to one subnet."""

    subnet: Registered
    route_table: Registered
    association: Registered
    routes: tuple[Registered, ...]


def construct(monitor: Monitor, name: str, inputs: Properties, urns: frozenset[str]) -> tuple[str, dict[str, Output]]:
    """Make the component.

    Args:
        monitor: the engine.
        name: the component's name.
        inputs: its checked inputs.
        urns: what the inputs come from.

    Returns:
        Its URN and its outputs.
    """
    component = monitor.register_component()
    subnets = lay_out(name, inputs["cidrBlock"], inputs["availabilityZoneNames"])
    own_tags = inputs.get("tags") or {}

    def tags(**more: str) -> Output:
        return Output({"Name": name, **own_tags, **more} if isinstance(own_tags, dict) else own_tags, urns)

    vpc = monitor.register(
        "aws:ec2/vpc:Vpc",
        name,
        {
            "cidrBlock": inputs["cidrBlock"],
            "tags": tags(),
            **{key: Output(inputs[key], urns) for key in _PASSED_ON if key in inputs},
        },
        component,
        (),
    )

    def make(subnet: Subnet, gateway: "Future[Registered]") -> _Made:
        """A subnet, its route table, their association, and the route of a public one."""

        def register(token: str, properties: Properties, parent: Registered) -> Registered:
            return monitor.register(token, subnet.name, properties, parent, (parent,))

        is_public = subnet.type == "Public"
        placed = register(
            "aws:ec2/subnet:Subnet",
            {
                "vpcId": vpc.id_output,
                "availabilityZone": subnet.zone,
                "mapPublicIpOnLaunch": is_public,
                "cidrBlock": subnet.cidr_block,
                "assignIpv6AddressOnCreation": False,
                # As published: from the VPC's, so unknown until there is one, and then absent as nothing is assigned.
                "ipv6CidrBlock": Output(
                    UNKNOWN if vpc.outputs.get("ipv6CidrBlock", UNKNOWN) is UNKNOWN else None, vpc.id_output.urns
                ),
                "tags": tags(Name=subnet.name, SubnetType=subnet.type),
            },
            vpc,
        )
        table = register(
            "aws:ec2/routeTable:RouteTable",
            {"vpcId": vpc.id_output, "tags": tags(Name=subnet.name, SubnetType=subnet.type)},
            placed,
        )
        association = register(
            "aws:ec2/routeTableAssociation:RouteTableAssociation",
            {"routeTableId": table.id_output, "subnetId": placed.id_output},
            table,
        )
        routes: list[Registered] = []
        if is_public:
            target = {"destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway.result().id_output}
            routes.append(register("aws:ec2/route:Route", {"routeTableId": table.id_output, **target}, table))
        return _Made(placed, table, association, tuple(routes))

    with ThreadPoolExecutor(max_workers=len(subnets) + 1) as pool:
        gateway = pool.submit(
            monitor.register,
            "aws:ec2/internetGateway:InternetGateway",
            name,
            {"vpcId": vpc.id_output, "tags": tags()},
            vpc,
            (vpc,),
        )
        chains = [pool.submit(make, subnet, gateway) for subnet in subnets]
        parts = [chain.result() for chain in chains]
    return component.urn, _outputs(vpc, gateway.result(), subnets, parts)


def _outputs(vpc: Registered, gateway: Registered, subnets: list[Subnet], parts: list[_Made]) -> dict[str, Output]:
    def ids(kind: str) -> Output:
        return _all([part.subnet.id_output for subnet, part in zip(subnets, parts, strict=True) if subnet.type == kind])

    def references(resources: list[Registered]) -> Output:
        return _all([resource.reference for resource in resources])

    layout: list[dict[str, Any]] = [
        {"type": subnet.type, "cidrMask": int(subnet.cidr_block.split("/")[1])} for subnet in subnets[:2]
    ]
    return {
        "vpcId": vpc.id_output,
        "vpc": vpc.reference,
        "publicSubnetIds": ids("Public"),
        "privateSubnetIds": ids("Private"),
        "isolatedSubnetIds": Output([]),
        "subnets": references([part.subnet for part in parts]),
        "routeTables": references([part.route_table for part in parts]),
        "routeTableAssociations": references([part.association for part in parts]),
        "routes": references([route for part in parts for route in part.routes]),
        "eips": Output([]),
        "natGateways": Output([]),
        "internetGateway": gateway.reference,
        "vpcEndpoints": Output([]),
        "subnetLayout": Output(layout),
    }


def _all(outputs: list[Output]) -> Output:
    return Output([output.value for output in outputs], frozenset(urn for output in outputs for urn in output.urns))
