"""Whether an existing network has what the workloads need: a judgement over plain data."""

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ecs_kit.components.config import GATEWAY_SERVICES, REQUIRED_ENDPOINTS, KitConfig
from ecs_kit.components.errors import ConfigProblem
from ecs_kit.components.job import reach_problems

HTTPS_PORT = 443


@dataclass(frozen=True)
class Vpc:
    """A VPC's DNS attributes. Private DNS names of interface endpoints need both (AWS PrivateLink guide)."""

    dns_support: bool
    dns_host_names: bool


@dataclass(frozen=True)
class Subnet:
    """A subnet, its zone's name, its IPv4 addresses and its route table.

    `default_route` is the id of what its default route leads to, empty without one.
    """

    vpc_id: str
    zone: str
    cidr: str
    route_table_id: str
    default_route: str = ""


@dataclass(frozen=True)
class Endpoint:
    """A VPC endpoint. `is_own` says that this pattern has created it: it is there while the configuration has it."""

    id: str
    has_private_dns: bool = False
    security_group_ids: frozenset[str] = frozenset()
    route_table_ids: frozenset[str] = frozenset()
    prefix_list_id: str = ""
    is_own: bool = False

    @property
    def is_interface(self) -> bool:
        """Whether it is an interface endpoint; gateway endpoints have no security groups."""
        return bool(self.security_group_ids)


@dataclass(frozen=True)
class GroupRule:
    """A rule of a security group; the peer is a CIDR, another group, or a prefix list."""

    group_id: str
    is_egress: bool
    protocol: str
    from_port: int
    to_port: int
    cidr: str = ""
    peer_group_id: str = ""
    prefix_list_id: str = ""

    def includes(self, port: int) -> bool:
        """Whether it is for a TCP port, by its protocol and ports; `-1` stands for all protocols."""
        return self.protocol == "-1" or (self.protocol == "tcp" and self.from_port <= port <= self.to_port)

    @property
    def is_for_https(self) -> bool:
        """Whether its protocol and ports include HTTPS."""
        return self.includes(HTTPS_PORT)


@dataclass(frozen=True)
class ExistingNetwork:
    """What was found of the VPC, subnets and security groups in a configuration; None for what does not exist.

    `security_groups` has the VPC of each configured group. `endpoints` has, by the last part of the service's name, the
    available endpoints in the VPC; a service of which there are several of a kind is left out and not judged. `zones`
    are those with Fargate, `nat_gateways` the available ones of the VPC.
    """

    vpc: Vpc | None
    subnets: Mapping[str, Subnet | None]
    security_groups: Mapping[str, str | None]
    endpoints: Mapping[str, Sequence[Endpoint]]
    rules: Collection[GroupRule]
    zones: Collection[str]
    nat_gateways: Collection[str]

    def has_way_out(self, subnet: Subnet) -> bool:
        """Whether a default route leads out of the VPC.

        Internet gateways serve public addresses alone, which neither tasks nor functions get. What is behind transit
        gateways, appliances and the like is not looked into.
        """
        target = subnet.default_route
        return bool(target) and not target.startswith("igw-") and (target[:4] != "nat-" or target in self.nat_gateways)

    @property
    def reaches_all(self) -> bool:
        """Whether all subnets have a way out."""
        return all(subnet is not None and self.has_way_out(subnet) for subnet in self.subnets.values())

    def zone_subnets(self) -> list[str]:
        """The first subnet of each zone: an interface endpoint takes one of a zone (API, CreateVpcEndpoint)."""
        first: dict[str, str] = {}
        for name, subnet in self.subnets.items():
            if subnet is not None:
                first.setdefault(subnet.zone, name)
        return sorted(first.values())

    @property
    def route_table_ids(self) -> list[str]:
        """The subnets' route tables, each once."""
        return sorted({subnet.route_table_id for subnet in self.subnets.values() if subnet is not None})


def needed_endpoints(config: KitConfig) -> list[str]:
    """The interface endpoints without which a subnet needs a way out."""
    return list(dict.fromkeys((*REQUIRED_ENDPOINTS, *config.job.endpoints)))


def created_endpoints(config: KitConfig, *, reaches_all: bool) -> list[str]:
    """The interface endpoints that the kit creates: those configured, and those of the job's secrets where needed."""
    if config.endpoints == "none":
        return []
    return list(dict.fromkeys((*config.interface_endpoints, *(() if reaches_all else config.job.endpoints))))


def problems(network: ExistingNetwork, config: KitConfig, region: str) -> Iterator[ConfigProblem]:
    """What an existing network lacks, by the configuration's keys."""
    if network.vpc is None:
        yield ConfigProblem("vpcId", config.vpc_id, f"a VPC in {region}; there is none of this id in the account")
        return
    wrong = [*_group_problems(network, config), *_subnet_problems(network, config)]
    yield from wrong
    created = created_endpoints(config, reaches_all=network.reaches_all)
    yield from _dns_problems(network.vpc, network, config, created)
    if wrong:
        return
    if config.endpoints == "create":
        yield from _conflicts(network, config, created)
    made = {*created, *(GATEWAY_SERVICES if config.endpoints == "create" else ())}
    for service in (*needed_endpoints(config), *GATEWAY_SERVICES):
        if service in network.endpoints and service not in made:
            yield from _out_of_reach(network, config, service)
    if not network.reaches_all:
        yield from reach_problems(config.job, region, "or all of privateSubnetIds must have a way out of the VPC: ")


def _group_problems(network: ExistingNetwork, config: KitConfig) -> Iterator[ConfigProblem]:
    for group, vpc_id in network.security_groups.items():
        if vpc_id != config.vpc_id:
            found = f"it is in {vpc_id}" if vpc_id else "there is no such group"
            yield ConfigProblem("securityGroupIds", group, f"a security group of {config.vpc_id}; {found}")
    groups = set(config.security_group_ids)
    may_leave = any(rule.is_egress and rule.is_for_https and rule.group_id in groups for rule in network.rules)
    if groups and not may_leave:
        allowed = f"groups of which one lets HTTPS out (tcp {HTTPS_PORT}): tasks and functions call AWS services"
        yield ConfigProblem("securityGroupIds", ", ".join(config.security_group_ids), allowed)


def _subnet_problems(network: ExistingNetwork, config: KitConfig) -> Iterator[ConfigProblem]:
    for name, subnet in network.subnets.items():
        if subnet is None:
            allowed = f"a subnet of {config.vpc_id}; there is no such subnet"
        elif subnet.vpc_id != config.vpc_id:
            allowed = f"a subnet of {config.vpc_id}; it is in {subnet.vpc_id}"
        elif subnet.zone not in network.zones:
            allowed = f"a subnet in a zone with Fargate ({', '.join(sorted(network.zones))}); it is in {subnet.zone}"
        else:
            continue
        yield ConfigProblem("privateSubnetIds", name, allowed)


def _dns_problems(
    vpc: Vpc, network: ExistingNetwork, config: KitConfig, created: Sequence[str]
) -> Iterator[ConfigProblem]:
    uses_private_dns = created or any(each.has_private_dns for found in network.endpoints.values() for each in found)
    if not vpc.dns_support:
        allowed = "a VPC whose DNS support (enableDnsSupport) is on: AWS services are found by their names"
        yield ConfigProblem("vpcId", config.vpc_id, allowed)
    elif uses_private_dns and not vpc.dns_host_names:
        allowed = "a VPC whose DNS host names (enableDnsHostnames) are on: interface endpoints' private names need them"
        yield ConfigProblem("vpcId", config.vpc_id, allowed)


def _conflicts(network: ExistingNetwork, config: KitConfig, created: Sequence[str]) -> Iterator[ConfigProblem]:
    """Endpoints of others that exclude one that the kit would create."""
    tables = set(network.route_table_ids)
    for service in (*created, *GATEWAY_SERVICES):
        for endpoint in network.endpoints.get(service, ()):
            excludes = endpoint.has_private_dns if service in created else endpoint.route_table_ids & tables
            if excludes and not endpoint.is_own:
                allowed = f"none: {config.vpc_id} has an endpoint of {service} already, {endpoint.id}"
                if service in created and service not in config.job.endpoints:
                    allowed = f"none, or interfaceEndpoints without {service}{allowed[4:]}"
                yield ConfigProblem("endpoints", "create", allowed)


def _out_of_reach(network: ExistingNetwork, config: KitConfig, service: str) -> Iterator[ConfigProblem]:
    """The subnets that do not reach a service, by a private DNS name, a gateway's route or a way out, in this order."""
    endpoints = [each for each in network.endpoints[service] if not each.is_own]
    named = next((each for each in endpoints if each.is_interface and each.has_private_dns), None)
    for name, subnet in network.subnets.items():
        if subnet is None:
            continue
        if any(subnet.route_table_id in each.route_table_ids for each in endpoints):
            continue
        if named is not None:
            if not _admits(network, config, named, subnet):
                yield ConfigProblem("privateSubnetIds", name, _not_admitted(config, service, named, subnet))
        elif not network.has_way_out(subnet):
            yield ConfigProblem("privateSubnetIds", name, _needs(config, service, endpoints, subnet))


def _admits(network: ExistingNetwork, config: KitConfig, endpoint: Endpoint, subnet: Subnet) -> bool:
    """Whether a group of the endpoint admits HTTPS from the subnet, or from the configured security groups."""
    addresses = ipaddress.ip_network(subnet.cidr)
    for rule in network.rules:
        if rule.is_egress or not rule.is_for_https or rule.group_id not in endpoint.security_group_ids:
            continue
        if rule.cidr:
            allowed = ipaddress.ip_network(rule.cidr)
            if allowed.version == addresses.version and addresses.subnet_of(allowed):  # type: ignore[arg-type]
                return True
        elif not rule.peer_group_id or rule.peer_group_id in config.security_group_ids:
            return True
    return False


def _not_admitted(config: KitConfig, service: str, endpoint: Endpoint, subnet: Subnet) -> str:
    groups = ", ".join(sorted(endpoint.security_group_ids))
    peers = subnet.cidr + "".join(f" or {group}" for group in config.security_group_ids)
    return (
        f"a subnet that reaches {service}: the security groups of {endpoint.id} ({groups}) do not admit "
        f"tcp {HTTPS_PORT} from {peers}"
    )


def _needs(config: KitConfig, service: str, endpoints: Sequence[Endpoint], subnet: Subnet) -> str:
    table = f"route table {subnet.route_table_id}"
    found = ", ".join(each.id for each in endpoints)
    if service in GATEWAY_SERVICES:
        needed = f"a gateway endpoint of {service} with a route in {table}"
        state = f"{config.vpc_id} has {found or 'no endpoint of it'}" + (" without that route" if found else "")
    else:
        needed = f"an interface endpoint of {service} with a private DNS name"
        state = f"{config.vpc_id} has {found or 'none'}" + (" without one" if found else "")
    route = f"the default route of {table} leads to {subnet.default_route}" if subnet.default_route else ""
    if subnet.default_route.startswith("igw-"):
        route += ", which serves public addresses alone"
    elif subnet.default_route:
        route += ", which is not available"
    return f"a subnet that reaches {service}, by {needed}, or by a default route to a NAT gateway; {state}, and " + (
        route or f"{table} has no default route"
    )
