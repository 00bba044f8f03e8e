"""Every workload reaches what its roles may call, and nothing else; whatever hop is taken away is named."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from ecs_kit.components.config import GATEWAY_SERVICES, REQUIRED_ENDPOINTS
from ecs_kit.components.existing_network import Endpoint, GroupRule, Subnet, Vpc
from ecs_kit.components.reachability import INTERNET, Network, path, paths
from tests.unit.components.recorded_network import needs_of, network_of
from tests.unit.components.recorder import TARGET, deployment

OF_TASKS = ["dynamodb", "ecr.api", "ecr.dkr", "logs", "s3"]
OF_MONITOR = ["dynamodb", "ecs", "s3", "states"]
NEEDS = {
    "1": {"tasks": OF_TASKS, "launcher": ["dynamodb", "ecs", "s3"], "monitor": OF_MONITOR},
    "2": {"tasks": OF_TASKS, "monitor": OF_MONITOR},
}


@cache
def deployed(pattern: str, nat_gateways: str = "none") -> tuple[Network, dict[str, list[str]]]:
    made = deployment(patterns=pattern, natGateways=nat_gateways)
    return network_of(made), needs_of(made)


@pytest.mark.parametrize("pattern", ["1", "2"])
def test_every_workload_reaches_what_its_roles_may_call_and_not_the_internet(pattern: str) -> None:
    network, needs = deployed(pattern)
    assert needs == NEEDS[pattern]
    found = paths(network, needs)
    assert {each.service for each in found if not each.is_complete} == {INTERNET}, list(map(str, found))
    assert sum(each.service == INTERNET for each in found) == len(needs)


def test_the_reporter_reaches_the_tasks_logs_and_lambda_not_the_function_tells_the_topic() -> None:
    topic = TARGET.arn("sns", "operators")
    made = deployment(patterns="2", runReports="create", notificationTopicArn=topic)
    needs = needs_of(made)
    assert needs["reporter"] == ["dynamodb", "ecs", "logs", "s3", "states"]
    assert [each.service for each in paths(network_of(made), needs) if not each.is_complete] == [INTERNET] * 3


def test_the_endpoints_that_the_configuration_requires_are_those_that_the_roles_policies_need() -> None:
    _, needs = deployed("1")
    assert {service for services in needs.values() for service in services} == {*REQUIRED_ENDPOINTS, *GATEWAY_SERVICES}


def without(network: Network) -> Iterator[tuple[str, Network, list[str]]]:
    """The network without each endpoint, rule and route in turn, and what the missing hop has to name."""
    for service, (endpoint,) in network.endpoints.items():
        rest = {name: each for name, each in network.endpoints.items() if name != service}
        yield f"endpoint of {service}", replace(network, endpoints=rest), [f"no endpoint of {service}"]
        for table in sorted(endpoint.route_table_ids):
            left = replace(endpoint, route_table_ids=endpoint.route_table_ids - {table})
            cut = replace(network, endpoints={**network.endpoints, service: [left]})
            yield f"route to {service} in {table}", cut, [endpoint.id, table]
    for rule in network.rules:
        rest = [each for each in network.rules if each is not rule]
        yield str(rule), replace(network, rules=rest), [rule.group_id, rule.peer_group_id or rule.prefix_list_id]


@pytest.mark.parametrize("pattern", ["1", "2"])
def test_each_endpoint_rule_and_route_that_is_taken_away_is_named(pattern: str) -> None:
    network, needs = deployed(pattern)
    taken = list(without(network))
    assert len(taken) == len(network.endpoints) + 4 + len(network.rules), "a route in each of two subnets, to two"
    for what, cut, names in taken:
        missing = [each.missing for each in paths(cut, needs) if each.service != INTERNET and not each.is_complete]
        if what == "endpoint of ecs-agent":
            assert missing == [], "Fargate does not use it"
            continue
        assert missing, what
        for text in missing:
            assert all(name in text for name in names), (what, text)


@pytest.mark.parametrize("attribute", ["dns_support", "dns_host_names"])
def test_private_names_need_dns_support_and_dns_host_names(attribute: str) -> None:
    network, _ = deployed("2")
    vpc = replace(network.vpc, **{attribute: False})
    assert "DNS host names" in path(replace(network, vpc=vpc), "tasks", "logs").missing


def test_an_endpoint_without_a_private_name_is_none() -> None:
    network, _ = deployed("2")
    (endpoint,) = network.endpoints["logs"]
    nameless = {**network.endpoints, "logs": [replace(endpoint, has_private_dns=False)]}
    assert path(replace(network, endpoints=nameless), "tasks", "logs").missing == f"a private DNS name of {endpoint.id}"


def test_with_nat_gateways_tasks_reach_the_internet_and_functions_do_not() -> None:
    network, _ = deployed("1", "single")
    assert path(network, "tasks", INTERNET).is_complete
    for function in ("launcher", "monitor"):
        assert "lets tcp 443 out to 0.0.0.0/0" in path(network, function, INTERNET).missing
    assert path(network, "tasks", INTERNET, 22).missing, "HTTPS alone"


@pytest.mark.parametrize("table", ["rtb-private-1", "rtb-private-2"])
def test_a_default_route_that_is_taken_away_is_named(table: str) -> None:
    network, _ = deployed("1", "single")
    subnets = {
        name: replace(subnet, default_route="") if subnet.route_table_id == table else subnet
        for name, subnet in network.subnets.items()
    }
    assert f"no default route in {table}" in path(replace(network, subnets=subnets), "tasks", INTERNET).missing


SUBNET = Subnet("vpc-1", "a", "10.0.1.0/24", "rtb-1")
HTTPS_OUT = GroupRule("sg-1", True, "tcp", 443, 443, cidr="0.0.0.0/0")
LOGS = Endpoint("vpce-1", has_private_dns=True, security_group_ids=frozenset({"sg-2"}))


def existing(*rules: GroupRule, default_route: str = "", **endpoints: Endpoint) -> Network:
    return Network(
        vpc=Vpc(True, True),
        subnets={"subnet-1": replace(SUBNET, default_route=default_route)},
        groups={"tasks": ["sg-1"]},
        endpoints={name: [endpoint] for name, endpoint in endpoints.items()},
        rules=rules,
        nat_gateways=["nat-1"],
    )


@pytest.mark.parametrize(
    ("admitting", "missing"),
    [
        (GroupRule("sg-2", False, "-1", -1, -1, cidr="10.0.0.0/16"), ""),
        (GroupRule("sg-2", False, "tcp", 0, 65535, peer_group_id="sg-1"), ""),
        (GroupRule("sg-2", False, "tcp", 443, 443, cidr="10.0.1.0/25"), "no rule of sg-2 admits tcp 443 from sg-1"),
        (GroupRule("sg-2", False, "udp", 443, 443, cidr="10.0.0.0/16"), "no rule of sg-2 admits tcp 443 from sg-1"),
        (GroupRule("sg-2", False, "tcp", 443, 443, cidr="::/0"), "no rule of sg-2 admits tcp 443 from sg-1"),
        (GroupRule("sg-2", True, "tcp", 443, 443, cidr="10.0.0.0/16"), "no rule of sg-2 admits tcp 443 from sg-1"),
    ],
)
def test_rules_of_an_existing_network_are_read_as_ec2_reads_them(admitting: GroupRule, missing: str) -> None:
    assert path(existing(HTTPS_OUT, admitting, logs=LOGS), "tasks", "logs").missing == missing


@pytest.mark.parametrize(
    ("route", "missing"),
    [
        ("nat-1", ""),
        ("tgw-1", ""),
        ("nat-2", "leads to nat-2, which is not available"),
        ("igw-1", "serves public addresses alone"),
        ("", "the VPC has no endpoint of logs; no default route in rtb-1"),
    ],
)
def test_without_an_endpoint_a_service_is_reached_by_a_way_out(route: str, missing: str) -> None:
    found = path(existing(HTTPS_OUT, default_route=route), "tasks", "logs")
    assert (missing in found.missing) and found.is_complete == (not missing)


def test_a_private_name_hides_the_way_out() -> None:
    found = path(existing(HTTPS_OUT, default_route="nat-1", logs=LOGS), "tasks", "logs")
    assert str(found) == "tasks to logs, tcp 443: none: no rule of sg-2 admits tcp 443 from sg-1"


def test_a_gateway_endpoint_without_a_route_leaves_the_way_out() -> None:
    gateway = Endpoint("vpce-2", prefix_list_id="pl-1")
    assert path(existing(HTTPS_OUT, default_route="nat-1", s3=gateway), "tasks", "s3").hops == ("sg-1", "nat-1")
