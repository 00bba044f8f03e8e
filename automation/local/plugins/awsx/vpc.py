"""`awsx:ec2:Vpc`: a VPC with its subnets, routes and gateways."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import struct_pb2

from automation.local.plugins.awsx.layout import TYPES, Subnet, SubnetSpec, lay_out
from automation.local.plugins.awsx.monitor import Monitor, Output, Registered
from automation.local.plugins.framework.errors import CheckFailure, ProviderError
from automation.local.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    MapOf,
    Object,
    Property,
    Table,
    check,
)
from automation.local.plugins.framework.values import UNKNOWN, Properties

TOKEN: Final = "awsx:ec2:Vpc"
DEFAULT_CIDR_BLOCK: Final = "10.0.0.0/16"
DEFAULT_ZONES: Final = 3
_ANYWHERE: Final = "0.0.0.0/0"
_STRATEGIES: Final = ("None", "Single", "OnePerAz")

PROPERTIES: Final[Table] = {
    "cidrBlock": Property(STRING),
    "numberOfAvailabilityZones": Property(INTEGER),
    "availabilityZoneNames": Property(ListOf(STRING)),
    "availabilityZoneCidrMask": Property(INTEGER),
    "enableDnsHostnames": Property(BOOLEAN),
    "enableDnsSupport": Property(BOOLEAN),
    "enableNetworkAddressUsageMetrics": Property(BOOLEAN),
    "instanceTenancy": Property(STRING),
    "natGateways": Property(
        Object(
            {
                "strategy": Property(STRING, allowed=_STRATEGIES),
                "elasticIpAllocationIds": Property(ListOf(STRING)),
            }
        )
    ),
    "subnetStrategy": Property(STRING, allowed=("Auto",)),
    "subnetSpecs": Property(
        ListOf(
            Object(
                {
                    "type": Property(STRING, required=True, allowed=TYPES),
                    "name": Property(STRING),
                    "cidrMask": Property(INTEGER),
                    "size": Property(INTEGER),
                    "tags": Property(MapOf(STRING)),
                }
            )
        )
    ),
    "tags": Property(MapOf(STRING)),
}
_VPC_PROPERTIES: Final = (
    "enableDnsHostnames",
    "enableDnsSupport",
    "enableNetworkAddressUsageMetrics",
    "instanceTenancy",
)


@dataclass
class _Made:
    """What a zone's subnets are made of, in the order of the layout."""

    subnets: list[Registered] = field(default_factory=list)
    route_tables: list[Registered] = field(default_factory=list)
    associations: list[Registered] = field(default_factory=list)
    routes: list[Registered] = field(default_factory=list)
    addresses: list[Registered] = field(default_factory=list)
    gateways: list[Registered] = field(default_factory=list)


def failures(inputs: Properties) -> list[CheckFailure]:
    """What is wrong with the component's inputs."""
    checked, found = check(PROPERTIES, inputs)
    if found:
        return found
    if checked.get("subnetStrategy") is None:
        found.append(CheckFailure("subnetStrategy", 'only "Auto" is supported, and it is not the default: give it'))
    if checked.get("availabilityZoneNames") and checked.get("numberOfAvailabilityZones"):
        found.append(CheckFailure("availabilityZoneNames", "only one of it and numberOfAvailabilityZones can be given"))
    found += [
        CheckFailure(name, "it must be known before anything is created, as it decides what is")
        for name in PROPERTIES
        if name not in ("tags", *_VPC_PROPERTIES) and _unknown(checked.get(name))
    ]
    if not found:
        found += _nat_failures(checked)
    return found


def _unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_unknown(item) for key, item in value.items() if key not in ("tags", "elasticIpAllocationIds"))
    return value is UNKNOWN or (isinstance(value, list) and any(_unknown(item) for item in value))


def _nat_failures(inputs: Properties) -> list[CheckFailure]:
    strategy, addresses = _nat(inputs)
    specs = inputs.get("subnetSpecs")
    types = {spec["type"] for spec in specs} if specs else {"Public", "Private"}
    if strategy != "None" and not {"Public", "Private"} <= types:
        return [CheckFailure("natGateways", f"{strategy} needs public subnets to be in and private ones to serve")]
    if strategy == "None" and addresses:
        return [CheckFailure("natGateways", "there are elasticIpAllocationIds, but no NAT gateway to use them")]
    if strategy == "Single" and len(addresses) > 1:
        return [CheckFailure("natGateways", "a single NAT gateway takes one of elasticIpAllocationIds")]
    return []


def _nat(inputs: Properties) -> tuple[str, list[Any]]:
    nat = inputs.get("natGateways") or {}
    return nat.get("strategy", "OnePerAz"), nat.get("elasticIpAllocationIds") or []


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
    zones = inputs.get("availabilityZoneNames") or _zones(monitor, inputs.get("numberOfAvailabilityZones"))
    strategy, allocations = _nat(inputs)
    if strategy == "OnePerAz" and allocations and len(allocations) != len(zones):
        raise ProviderError(f"there are {len(allocations)} elasticIpAllocationIds for {len(zones)} zones")
    cidr_block = inputs.get("cidrBlock", DEFAULT_CIDR_BLOCK)
    specs = [SubnetSpec.of(spec) for spec in inputs.get("subnetSpecs") or ()]
    subnets = lay_out(name, cidr_block, zones, specs, inputs.get("availabilityZoneCidrMask"))
    own_tags = inputs.get("tags") or {}
    shared_tags = {"Name": name, **own_tags} if isinstance(own_tags, dict) else own_tags

    vpc = monitor.register(
        "aws:ec2/vpc:Vpc",
        name,
        {
            "cidrBlock": cidr_block,
            "tags": Output(shared_tags, urns),
            **{key: Output(inputs[key], urns) for key in _VPC_PROPERTIES if key in inputs},
        },
        component,
        (),
    )
    with ThreadPoolExecutor(max_workers=len(subnets) + 1) as pool:
        gateway = pool.submit(
            monitor.register,
            "aws:ec2/internetGateway:InternetGateway",
            name,
            {"vpcId": vpc.id_output, "tags": Output(shared_tags, urns)},
            vpc,
            (vpc,),
        )
        network = _Network(
            monitor, name, vpc, gateway, strategy, allocations, own_tags, Output(shared_tags, urns), len(zones)
        )
        chains = [pool.submit(network.make, subnet) for subnet in subnets]
        parts = [chain.result() for chain in chains]
    return component.urn, _outputs(vpc, gateway.result(), subnets, parts)


def _zones(monitor: Monitor, count: int | None) -> list[str]:
    wanted = count or DEFAULT_ZONES
    found = monitor.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", struct_pb2.Struct())["names"]
    if len(found) < wanted:
        raise ProviderError(
            f"the region has {len(found)} availability zones, {wanted} are wanted: set numberOfAvailabilityZones"
        )
    return list(found[:wanted])


class _Network:
    """Makes subnets with what belongs to them, each in a thread of its own."""

    def __init__(
        self,
        monitor: Monitor,
        name: str,
        vpc: Registered,
        gateway: "Future[Registered]",
        strategy: str,
        allocations: list[Any],
        own_tags: Properties,
        shared_tags: Output,
        zones: int,
    ) -> None:
        self._monitor = monitor
        self._name = name
        self._vpc = vpc
        self._gateway = gateway
        self._strategy = strategy
        self._allocations = allocations
        self._own_tags = own_tags
        self._shared_tags = shared_tags
        self._nat_gateways: dict[int, Future[Registered]] = {index: Future() for index in range(zones)}

    def make(self, subnet: Subnet) -> _Made:
        """A subnet, its route table, their association, its route, and a NAT gateway where one belongs into it."""
        try:
            return self._make(subnet)
        except BaseException as error:
            if subnet.spec.type == "Public":
                future = self._nat_gateways[subnet.zone_index]
                if not future.done():
                    future.set_exception(error)
            raise

    def _make(self, subnet: Subnet) -> _Made:
        made = _Made()
        public = subnet.spec.type == "Public"
        table_tags = self._tags({"Name": subnet.name, "SubnetType": subnet.spec.type})
        placed = self._register(
            "aws:ec2/subnet:Subnet",
            subnet.name,
            {
                "vpcId": self._vpc.id_output,
                "availabilityZone": subnet.zone,
                "mapPublicIpOnLaunch": public,
                "cidrBlock": subnet.cidr_block,
                "assignIpv6AddressOnCreation": False,
                # As published: from the VPC's, so unknown until there is one, and then absent as nothing is assigned.
                "ipv6CidrBlock": Output(
                    UNKNOWN if self._vpc.outputs.get("ipv6CidrBlock", UNKNOWN) is UNKNOWN else None,
                    self._vpc.id_output.urns,
                ),
                "tags": self._tags({**(subnet.spec.tags or {}), "Name": subnet.name, "SubnetType": subnet.spec.type}),
            },
            self._vpc,
        )
        made.subnets.append(placed)
        table = self._register(
            "aws:ec2/routeTable:RouteTable",
            subnet.name,
            {"vpcId": self._vpc.id_output, "tags": table_tags},
            placed,
        )
        made.route_tables.append(table)
        made.associations.append(
            self._register(
                "aws:ec2/routeTableAssociation:RouteTableAssociation",
                subnet.name,
                {"routeTableId": table.id_output, "subnetId": placed.id_output},
                table,
            )
        )
        if public and (self._strategy == "OnePerAz" or (self._strategy == "Single" and subnet.zone_index == 0)):
            self._make_nat_gateway(subnet, placed, made)
        target = self._target(subnet)
        if target:
            made.routes.append(
                self._register(
                    "aws:ec2/route:Route",
                    subnet.name,
                    {"routeTableId": table.id_output, "destinationCidrBlock": _ANYWHERE, **target},
                    table,
                )
            )
        return made

    def _target(self, subnet: Subnet) -> dict[str, Output]:
        if subnet.spec.type == "Public":
            return {"gatewayId": self._gateway.result().id_output}
        if subnet.spec.type == "Private" and self._strategy != "None":
            zone = 0 if self._strategy == "Single" else subnet.zone_index
            return {"natGatewayId": self._nat_gateways[zone].result().id_output}
        return {}

    def _make_nat_gateway(self, subnet: Subnet, placed: Registered, made: _Made) -> None:
        future = self._nat_gateways[subnet.zone_index]
        if future.done():
            return
        name = f"{self._name}-{subnet.zone_index + 1}"
        tags = Output(
            {**self._own_tags, "Name": name} if isinstance(self._own_tags, dict) else UNKNOWN, self._shared_tags.urns
        )
        if self._allocations:
            allocation = Output(self._allocations[subnet.zone_index], self._shared_tags.urns)
        else:
            address = self._register("aws:ec2/eip:Eip", name, {"tags": tags}, placed)
            made.addresses.append(address)
            allocation = address.output("allocationId")
        gateway = self._register(
            "aws:ec2/natGateway:NatGateway",
            name,
            {"subnetId": placed.id_output, "allocationId": allocation, "tags": tags},
            placed,
        )
        made.gateways.append(gateway)
        future.set_result(gateway)

    def _tags(self, own: Properties) -> Output:
        shared = self._shared_tags.value
        return Output({**shared, **own} if isinstance(shared, dict) else shared, self._shared_tags.urns)

    def _register(self, token: str, name: str, properties: Properties, parent: Registered) -> Registered:
        return self._monitor.register(token, name, properties, parent, (parent,))


def _outputs(vpc: Registered, gateway: Registered, subnets: list[Subnet], parts: list[_Made]) -> dict[str, Output]:
    def references(pick: Callable[[_Made], list[Registered]]) -> Output:
        return _all([resource.reference for part in parts for resource in pick(part)])

    def ids(kind: str) -> Output:
        return _all(
            [part.subnets[0].id_output for subnet, part in zip(subnets, parts, strict=True) if subnet.spec.type == kind]
        )

    return {
        "vpcId": vpc.id_output,
        "vpc": vpc.reference,
        "publicSubnetIds": ids("Public"),
        "privateSubnetIds": ids("Private"),
        "isolatedSubnetIds": ids("Isolated"),
        "subnets": references(lambda part: part.subnets),
        "routeTables": references(lambda part: part.route_tables),
        "routeTableAssociations": references(lambda part: part.associations),
        "routes": references(lambda part: part.routes),
        "eips": references(lambda part: part.addresses),
        "natGateways": references(lambda part: part.gateways),
        "internetGateway": gateway.reference,
        "vpcEndpoints": Output([]),
        "subnetLayout": Output(
            [
                {"type": subnet.spec.type, "cidrMask": int(subnet.cidr_block.split("/")[1])}
                for subnet in subnets
                if subnet.zone_index == 0
            ]
        ),
    }


def _all(outputs: list[Output]) -> Output:
    return Output([output.value for output in outputs], frozenset(urn for output in outputs for urn in output.urns))
