"""Whether a workload reaches a service through the network, and how: pure functions of the deployed resources.

A path needs a rule of the workload's security groups, and an interface endpoint whose private name resolves and whose
groups admit the workload, or a gateway endpoint with a route in each subnet's route table, or a way out of the VPC.
Security groups do not filter DNS, or the metadata of tasks (Amazon VPC user guide, "Security groups"). Network ACLs and
endpoint policies are not looked into.
"""

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ecs_kit.components.existing_network import HTTPS_PORT, Endpoint, GroupRule, Subnet, Vpc

INTERNET = "0.0.0.0/0"
"""In place of a service: any address."""


@dataclass(frozen=True)
class Network:
    """What is deployed: a VPC, the workloads' subnets by id, and what is in the way of calls.

    `groups` has the security groups of each workload, `endpoints` the available endpoints of the VPC by service, the
    last part of the endpoint's name, `rules` those of all these groups, `nat_gateways` the available ones.
    """

    vpc: Vpc
    subnets: Mapping[str, Subnet]
    groups: Mapping[str, Collection[str]]
    endpoints: Mapping[str, Sequence[Endpoint]]
    rules: Collection[GroupRule]
    nat_gateways: Collection[str] = ()


@dataclass(frozen=True)
class Path:
    """The way of a workload's calls to a service, hop by hop; `missing` is the first hop that is not there, if any."""

    workload: str
    service: str
    port: int
    hops: Sequence[str]
    missing: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether the workload reaches the service."""
        return not self.missing

    def __str__(self) -> str:
        way = " → ".join(self.hops) if self.is_complete else f"none: {self.missing}"
        return f"{self.workload} to {self.service}, tcp {self.port}: {way}"


def paths(network: Network, needs: Mapping[str, Collection[str]], port: int = HTTPS_PORT) -> list[Path]:
    """The paths of every workload to every service that it calls, and to `INTERNET`."""
    return [
        path(network, workload, service, port)
        for workload, services in needs.items()
        for service in (*services, INTERNET)
    ]


def path(network: Network, workload: str, service: str, port: int = HTTPS_PORT) -> Path:
    """The path of a workload to a service.

    Where there are endpoints it leads through one, and out of the VPC only where none has a private name: that would
    hide the service's public one.
    """
    endpoints = sorted(network.endpoints.get(service, ()), key=lambda each: each.is_interface)
    ways = [_through(network, workload, endpoint, port) for endpoint in endpoints]
    if not any(endpoint.has_private_dns for endpoint in endpoints):
        ways.append(_out(network, workload, port))
    found = [_walked(workload, service, port, way) for way in ways]
    return next((each for each in found if each.is_complete), _explained(found[0], has_endpoint=bool(endpoints)))


def _walked(workload: str, service: str, port: int, way: Iterator[str]) -> Path:
    hops: list[str] = []
    try:
        hops.extend(way)
    except _Missing as missing:
        return Path(workload, service, port, tuple(hops), str(missing))
    return Path(workload, service, port, tuple(hops))


def _explained(found: Path, *, has_endpoint: bool) -> Path:
    if has_endpoint or found.service == INTERNET:
        return found
    missing = f"the VPC has no endpoint of {found.service}; {found.missing}"
    return Path(found.workload, found.service, found.port, found.hops, missing)


class _Missing(Exception):
    """A hop that is not there."""


def _through(network: Network, workload: str, endpoint: Endpoint, port: int) -> Iterator[str]:
    groups = network.groups[workload]
    if not endpoint.is_interface:
        peer = endpoint.prefix_list_id
        yield _rule(network, groups, port, is_egress=True, prefix_list_id=peer)
        for name, subnet in network.subnets.items():
            if subnet.route_table_id not in endpoint.route_table_ids:
                raise _Missing(f"no route to {endpoint.id} in {subnet.route_table_id}, the route table of {name}")
        yield endpoint.id
        return
    if not (network.vpc.dns_support and network.vpc.dns_host_names):
        raise _Missing("DNS support and DNS host names of the VPC, without which private names do not resolve")
    if not endpoint.has_private_dns:
        raise _Missing(f"a private DNS name of {endpoint.id}")
    # Its network interfaces are in the VPC, most likely in the same subnets.
    cidrs = [subnet.cidr for subnet in network.subnets.values()]
    yield _rule(network, groups, port, is_egress=True, peers=endpoint.security_group_ids, cidrs=cidrs)
    yield _rule(network, endpoint.security_group_ids, port, is_egress=False, peers=groups, cidrs=cidrs)
    yield endpoint.id


def _out(network: Network, workload: str, port: int) -> Iterator[str]:
    yield _rule(network, network.groups[workload], port, is_egress=True, cidrs=[INTERNET])
    for name, subnet in network.subnets.items():
        target, table = subnet.default_route, subnet.route_table_id
        if not target:
            raise _Missing(f"no default route in {table}, the route table of {name}")
        if target.startswith("igw-"):
            raise _Missing(f"the default route in {table} leads to {target}, which serves public addresses alone")
        if target.startswith("nat-") and target not in network.nat_gateways:
            raise _Missing(f"the default route in {table} leads to {target}, which is not available")
    yield ", ".join(sorted({subnet.default_route for subnet in network.subnets.values()}))


def _rule(
    network: Network,
    groups: Collection[str],
    port: int,
    *,
    is_egress: bool,
    peers: Collection[str] = (),
    cidrs: Collection[str] = (),
    prefix_list_id: str = "",
) -> str:
    """The hop through a security group that lets a port out to, or in from, one of the peers, or all of the addresses.

    Addresses outside the VPC, behind a prefix list, are reached by a rule for any address, too.
    """
    for rule in network.rules:
        if rule.group_id not in groups or rule.is_egress is not is_egress or not rule.includes(port):
            continue
        if rule.peer_group_id:
            is_for_peer = rule.peer_group_id in peers
        elif rule.prefix_list_id:
            is_for_peer = rule.prefix_list_id == prefix_list_id
        else:
            is_for_peer = all(_covers(rule.cidr, each) for each in cidrs or [INTERNET])
        if is_for_peer:
            return rule.group_id if is_egress else f"{rule.group_id} (admits {rule.peer_group_id or rule.cidr})"
    whom = prefix_list_id or ", ".join(sorted(peers)) or " and ".join(cidrs)
    what = f"lets tcp {port} out to {whom}" if is_egress else f"admits tcp {port} from {whom}"
    raise _Missing(f"no rule of {', '.join(sorted(groups))} {what}")


def _covers(cidr: str, other: str) -> bool:
    if not cidr or ":" in cidr:
        return False
    return ipaddress.IPv4Network(other).subnet_of(ipaddress.IPv4Network(cidr))
