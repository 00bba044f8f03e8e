"""Looks up what a configuration names and the kit does not create: a network, a cluster."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import pulumi
import pulumi_aws as aws

from ecs_kit.components import existing_network, zones
from ecs_kit.components.config import GATEWAY_SERVICES, KitConfig
from ecs_kit.components.errors import ConfigError, ConfigProblem
from ecs_kit.components.existing_network import Endpoint, ExistingNetwork, GroupRule, Subnet, Vpc
from ecs_kit.components.names import PatternNames

_T = TypeVar("_T")

_NOT_FOUND = ("no matching", "query returned no results", "empty result", "): INACTIVE")
_SEVERAL = "additional constraints"
"""Parts of the published provider's errors where nothing, or more than one, is found (terraform-provider-aws,
`internal/tfresource/not_found_error.go`, `internal/service/ec2/vpc_route_table_data_source.go`,
`internal/service/ecs/cluster.go`)."""

_ROUTE_TARGETS = (
    *("carrier_gateway_id", "core_network_arn", "gateway_id", "instance_id", "local_gateway_id", "nat_gateway_id"),
    *("network_interface_id", "transit_gateway_id", "vpc_endpoint_id", "vpc_peering_connection_id"),
)


def existing(config: KitConfig, names: PatternNames, opts: pulumi.InvokeOptions) -> ExistingNetwork | None:
    """The configured VPC with its subnets and endpoints; None where the kit creates one.

    Raises:
        ConfigError: With everything that the network lacks, and the cluster, if it does not exist.
    """
    problems = list(_cluster_problems(config, names, opts))
    network = None
    if not config.has_own_vpc:
        network = _network(config, names, opts)
        problems += existing_network.problems(network, config, names.target.region)
    if problems:
        raise ConfigError(problems)
    return network


def _cluster_problems(config: KitConfig, names: PatternNames, opts: pulumi.InvokeOptions) -> Iterable[ConfigProblem]:
    if config.cluster_name:
        found = _found(lambda: aws.ecs.get_cluster(cluster_name=config.cluster_name, opts=opts))
        if found is None or found.status != "ACTIVE":
            allowed = f"an active ECS cluster in {names.target.region}; there is none of this name in the account"
            yield ConfigProblem("clusterName", config.cluster_name, allowed)


def _network(config: KitConfig, names: PatternNames, opts: pulumi.InvokeOptions) -> ExistingNetwork:
    vpc = _found(lambda: aws.ec2.get_vpc(id=config.vpc_id, opts=opts))
    if vpc is None:
        return ExistingNetwork(None, {}, {}, {}, (), (), ())
    endpoints = _endpoints(config, names, opts)
    serving = {group for found in endpoints.values() for each in found for group in each.security_group_ids}
    available = [aws.ec2.GetNatGatewaysFilterArgs(name="state", values=["available"])]
    return ExistingNetwork(
        vpc=Vpc(vpc.enable_dns_support, vpc.enable_dns_hostnames),
        subnets={name: _subnet(name, opts) for name in config.private_subnet_ids},
        security_groups={name: _vpc_of_group(name, opts) for name in config.security_group_ids},
        endpoints=endpoints,
        rules=_rules({*serving, *config.security_group_ids}, opts),
        zones=zones.with_fargate(names.target.region, config.cpu_architecture, opts),
        nat_gateways=aws.ec2.get_nat_gateways(vpc_id=config.vpc_id, filters=available, opts=opts).ids,
    )


def _subnet(name: str, opts: pulumi.InvokeOptions) -> Subnet | None:
    """A subnet with its route table, which is the VPC's main one unless it is associated with another."""
    subnet = _found(lambda: aws.ec2.get_subnet(id=name, opts=opts))
    if subnet is None:
        return None
    table = _found(lambda: aws.ec2.get_route_table(subnet_id=name, opts=opts))
    if table is None:
        main = [aws.ec2.GetRouteTableFilterArgs(name="association.main", values=["true"])]
        table = aws.ec2.get_route_table(vpc_id=subnet.vpc_id, filters=main, opts=opts)
    targets = [
        getattr(route, name)
        for route in table.routes
        if route.cidr_block == "0.0.0.0/0"
        for name in _ROUTE_TARGETS
        if getattr(route, name)
    ]
    return Subnet(
        vpc_id=subnet.vpc_id,
        zone=subnet.availability_zone,
        cidr=subnet.cidr_block,
        route_table_id=table.route_table_id,
        default_route=next(iter(targets), ""),
    )


def _vpc_of_group(name: str, opts: pulumi.InvokeOptions) -> str | None:
    group = _found(lambda: aws.ec2.get_security_group(id=name, opts=opts))
    return None if group is None else group.vpc_id


def _endpoints(config: KitConfig, names: PatternNames, opts: pulumi.InvokeOptions) -> dict[str, Sequence[Endpoint]]:
    """The endpoints of all services that matter, one lookup each, because no data source lists them."""
    found: dict[str, Sequence[Endpoint]] = {}
    created = existing_network.created_endpoints(config, reaches_all=False)
    for service in dict.fromkeys((*existing_network.needed_endpoints(config), *created, *GATEWAY_SERVICES)):
        kinds = ("Gateway", "Interface") if service in GATEWAY_SERVICES else ("Interface",)
        try:
            each = [_endpoint(config.vpc_id, names.target.endpoint_service(service), kind, opts) for kind in kinds]
        except _Several:
            continue
        found[service] = [
            Endpoint(
                id=endpoint.id,
                has_private_dns=endpoint.private_dns_enabled,
                security_group_ids=frozenset(endpoint.security_group_ids),
                route_table_ids=frozenset(endpoint.route_table_ids),
                is_own=endpoint.tags.get("Name") == names.endpoint(service),
            )
            for endpoint in each
            if endpoint is not None
        ]
    return found


def _endpoint(
    vpc_id: str, service_name: str, kind: str, opts: pulumi.InvokeOptions
) -> aws.ec2.AwaitableGetVpcEndpointResult | None:
    return _found(
        lambda: aws.ec2.get_vpc_endpoint(
            vpc_id=vpc_id, service_name=service_name, vpc_endpoint_type=kind, state="available", opts=opts
        )
    )


def _rules(groups: Iterable[str], opts: pulumi.InvokeOptions) -> list[GroupRule]:
    if not groups:
        return []
    of_groups = [aws.vpc.GetSecurityGroupRulesFilterArgs(name="group-id", values=sorted(groups))]
    ids = aws.vpc.get_security_group_rules(filters=of_groups, opts=opts).ids
    rules = [aws.vpc.get_security_group_rule(security_group_rule_id=each, opts=opts) for each in sorted(ids)]
    return [
        GroupRule(
            group_id=rule.security_group_id,
            is_egress=rule.is_egress,
            protocol=rule.ip_protocol,
            from_port=rule.from_port,
            to_port=rule.to_port,
            cidr=rule.cidr_ipv4 or rule.cidr_ipv6 or "",
            peer_group_id=(rule.referenced_security_group_id or "").rpartition("/")[2],
            prefix_list_id=rule.prefix_list_id or "",
        )
        for rule in rules
    ]


class _Several(Exception):
    """A lookup found more than one."""


def _found(lookup: Callable[[], _T]) -> _T | None:
    """What a lookup finds; None for nothing. The SDK raises `Exception` with the provider's text, whatever failed.

    Raises:
        _Several: It finds more than one.
    """
    try:
        return lookup()
    except Exception as error:
        text = str(error)
        if any(part in text for part in _NOT_FOUND):
            return None
        if _SEVERAL in text:
            raise _Several from error
        raise
