"""What an existing network must have, as a judgement over plain data."""

import dataclasses
from typing import Any

import pytest

from ecs_kit.components.config import KitConfig
from ecs_kit.components.existing_network import (
    Endpoint,
    ExistingNetwork,
    GroupRule,
    Subnet,
    Vpc,
    created_endpoints,
    problems,
)
from ecs_kit.components.job import JobArgs

VPC, OTHER_VPC, REGION = "vpc-11111111", "vpc-22222222", "eu-central-1"
SUBNETS = ("subnet-aaaaaaaa", "subnet-bbbbbbbb")
SERVICES = ("ecs", "ecr.api", "ecr.dkr", "logs", "states")
GROUP = "sg-eeeeeeee"
OWN_GROUP = "sg-11111111"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:word"


def config(**values: Any) -> KitConfig:
    return KitConfig(**{"vpc_id": VPC, "private_subnet_ids": SUBNETS, "endpoints": "none", **values})


def https(group: str = GROUP, **values: Any) -> GroupRule:
    return GroupRule(
        **{
            **{"group_id": group, "is_egress": False, "protocol": "tcp", "from_port": 443, "to_port": 443},
            **{"cidr": "10.0.0.0/16", **values},
        }
    )


def interface(service: str, **values: Any) -> Endpoint:
    return Endpoint(
        **{"id": f"vpce-{service}", "has_private_dns": True, "security_group_ids": frozenset({GROUP}), **values}
    )


def gateway(service: str, *tables: str) -> Endpoint:
    return Endpoint(id=f"vpce-{service}", route_table_ids=frozenset(tables or ("rtb-1", "rtb-2")))


ENDPOINTS = {
    **{service: (interface(service),) for service in SERVICES},
    **{service: (gateway(service),) for service in ("s3", "dynamodb")},
}
COMPLETE = ExistingNetwork(
    vpc=Vpc(dns_support=True, dns_host_names=True),
    subnets={
        SUBNETS[0]: Subnet(VPC, "eu-central-1a", "10.0.0.0/24", "rtb-1"),
        SUBNETS[1]: Subnet(VPC, "eu-central-1b", "10.0.1.0/24", "rtb-2"),
    },
    security_groups={},
    endpoints=ENDPOINTS,
    rules=[https()],
    zones=["eu-central-1a", "eu-central-1b"],
    nat_gateways=["nat-1"],
)
EMPTY = {"endpoints": dict.fromkeys(ENDPOINTS, ())}


def network(**values: Any) -> ExistingNetwork:
    return dataclasses.replace(COMPLETE, **values)


def with_subnet(number: int = 0, **values: Any) -> dict[str, Subnet | None]:
    name = SUBNETS[number]
    subnet = COMPLETE.subnets[name]
    assert subnet is not None
    return {**COMPLETE.subnets, name: dataclasses.replace(subnet, **values)}


def with_route(target: str) -> dict[str, Subnet | None]:
    return {
        name: dataclasses.replace(subnet, default_route=target) for name, subnet in COMPLETE.subnets.items() if subnet
    }


def with_endpoint(service: str, *endpoints: Endpoint) -> dict[str, Any]:
    return {**ENDPOINTS, service: endpoints}


def found(existing: ExistingNetwork, settings: KitConfig | None = None) -> list[str]:
    return [str(problem) for problem in problems(existing, settings or config(), REGION)]


def test_endpoints_for_all_services_suffice() -> None:
    assert found(COMPLETE) == []


@pytest.mark.parametrize("target", ["nat-1", "tgw-1", "eni-1", "vgw-1"])
def test_a_way_out_of_the_vpc_suffices(target: str) -> None:
    assert found(network(subnets=with_route(target), **EMPTY)) == []


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("", "rtb-1 has no default route"),
        ("igw-1", "leads to igw-1, which serves public addresses alone"),
        ("nat-deleted", "leads to nat-deleted, which is not available"),
    ],
)
def test_without_a_way_out_every_missing_endpoint_is_named_for_every_subnet(target: str, reason: str) -> None:
    messages = found(network(subnets=with_route(target), **EMPTY))
    for subnet in SUBNETS:
        named = [message.partition("reaches ")[2].split(",")[0] for message in messages if subnet in message]
        assert named == [*SERVICES, "s3", "dynamodb"]
    assert reason in messages[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"vpc": None}, f"vpcId = '{VPC}': must be a VPC in eu-central-1; there is none"),
        ({"vpc": Vpc(False, True)}, f"vpcId = '{VPC}': must be a VPC whose DNS support"),
        ({"vpc": Vpc(True, False)}, f"vpcId = '{VPC}': must be a VPC whose DNS host names"),
        (
            {"subnets": {**COMPLETE.subnets, SUBNETS[1]: None}},
            f"privateSubnetIds = '{SUBNETS[1]}': must be a subnet of {VPC}; there is no such subnet",
        ),
        (
            {"subnets": with_subnet(vpc_id=OTHER_VPC)},
            f"privateSubnetIds = '{SUBNETS[0]}': must be a subnet of {VPC}; it is in {OTHER_VPC}",
        ),
        (
            {"subnets": with_subnet(zone="eu-central-1-wl1-ber")},
            f"privateSubnetIds = '{SUBNETS[0]}': must be a subnet in a zone with Fargate",
        ),
        (
            {"endpoints": with_endpoint("logs", interface("logs", has_private_dns=False)), "subnets": with_subnet(1)},
            f"privateSubnetIds = '{SUBNETS[0]}': must be a subnet that reaches logs, by an interface endpoint of logs "
            f"with a private DNS name, or by a default route to a NAT gateway; {VPC} has vpce-logs without one, and "
            "route table rtb-1 has no default route",
        ),
        (
            {"endpoints": with_endpoint("s3", gateway("s3", "rtb-2"))},
            f"privateSubnetIds = '{SUBNETS[0]}': must be a subnet that reaches s3, by a gateway endpoint of s3 with a "
            f"route in route table rtb-1, or by a default route to a NAT gateway; {VPC} has vpce-s3 without that route",
        ),
    ],
)
def test_what_is_missing_is_named_with_its_key(values: dict[str, Any], expected: str) -> None:
    assert found(network(**values))[0].startswith(expected)


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [https(cidr="10.0.1.0/24")],
        [https(protocol="udp")],
        [https(from_port=80, to_port=442)],
        [https(is_egress=True)],
        [https("sg-dddddddd")],
        [https(cidr="", peer_group_id="sg-dddddddd")],
        [https(cidr="::/0")],
    ],
)
def test_an_endpoint_whose_groups_do_not_admit_a_subnet_is_named_even_with_a_way_out(rules: list[GroupRule]) -> None:
    messages = found(network(rules=rules, subnets=with_route("nat-1")))
    expected = f"privateSubnetIds = '{SUBNETS[0]}': must be a subnet that reaches ecs: the security groups of vpce-ecs "
    assert messages[0] == expected + f"({GROUP}) do not admit tcp 443 from 10.0.0.0/24"


@pytest.mark.parametrize(
    "rule", [https(protocol="-1", from_port=-1, to_port=-1), https(cidr="0.0.0.0/0"), https(cidr="")]
)
def test_all_traffic_any_address_and_a_prefix_list_admit_the_subnets(rule: GroupRule) -> None:
    assert found(network(rules=[rule])) == []


def test_a_service_with_several_endpoints_of_a_kind_is_not_judged() -> None:
    endpoints = {service: each for service, each in ENDPOINTS.items() if service != "logs"}
    assert found(network(endpoints=endpoints)) == []


def test_an_interface_endpoint_of_s3_with_a_private_name_serves() -> None:
    assert found(network(endpoints=with_endpoint("s3", gateway("s3", "rtb-9"), interface("s3")))) == []


def test_configured_groups_must_be_of_the_vpc_and_let_https_out() -> None:
    settings = config(security_group_ids=(OWN_GROUP,))
    egress = https(OWN_GROUP, is_egress=True)
    right = network(security_groups={OWN_GROUP: VPC}, rules=[egress, https(cidr="", peer_group_id=OWN_GROUP)])
    assert found(right, settings) == []
    assert "groups of which one lets HTTPS out" in found(network(security_groups={OWN_GROUP: VPC}), settings)[0]
    for vpc_id, reason in ((OTHER_VPC, f"it is in {OTHER_VPC}"), (None, "there is no such group")):
        (message,) = found(dataclasses.replace(right, security_groups={OWN_GROUP: vpc_id}), settings)
        assert message == f"securityGroupIds = '{OWN_GROUP}': must be a security group of {VPC}; {reason}"


def test_the_kit_creates_its_endpoints_where_there_are_none() -> None:
    assert found(network(**EMPTY), config(endpoints="create")) == []
    fewer = config(endpoints="create", interface_endpoints=("ecs", "ecr.api", "ecr.dkr", "states"))
    assert "reaches logs, by an interface endpoint" in found(network(**EMPTY), fewer)[0]
    assert found(network(endpoints={**EMPTY["endpoints"], "logs": (interface("logs"),)}), fewer) == []


def test_endpoints_of_others_that_exclude_the_kits_are_named() -> None:
    settings = config(endpoints="create")
    messages = found(COMPLETE, settings)
    logs = (
        f"endpoints = 'create': must be none, or interfaceEndpoints without logs: {VPC} has an endpoint of logs already"
    )
    assert f"{logs}, vpce-logs" in messages
    assert f"endpoints = 'create': must be none: {VPC} has an endpoint of s3 already, vpce-s3" in messages
    own = {name: [dataclasses.replace(each, is_own=True) for each in made] for name, made in ENDPOINTS.items()}
    assert found(network(endpoints=own), settings) == []
    assert len(found(network(endpoints=own))) == 2 * len(ENDPOINTS), "without `create` its own go away"
    elsewhere = {**EMPTY["endpoints"], "s3": (gateway("s3", "rtb-9"),)}
    assert found(network(endpoints=elsewhere), settings) == []


def test_a_jobs_secrets_and_image_are_reached_too() -> None:
    job = JobArgs(image="public.ecr.aws/words:1", secrets={"WORD": SECRET}, records="ecs")
    without = network(endpoints=with_endpoint("secretsmanager"))
    messages = found(without, config(job=job))
    assert "reaches secretsmanager, by an interface endpoint" in messages[0]
    assert messages[-1].startswith("jobImage = 'public.ecr.aws/words:1': must be an image in a private repository")
    assert "or all of privateSubnetIds must have a way out of the VPC" in messages[-1]
    assert found(dataclasses.replace(without, subnets=with_route("nat-1")), config(job=job)) == []
    creating = config(job=job, endpoints="create")
    assert "secretsmanager" in created_endpoints(creating, reaches_all=False)
    assert "secretsmanager" not in created_endpoints(creating, reaches_all=True)


def test_an_endpoint_takes_one_subnet_of_each_zone() -> None:
    third = {"subnet-cccccccc": Subnet(VPC, "eu-central-1a", "10.0.2.0/24", "rtb-1")}
    existing = network(subnets={**COMPLETE.subnets, **third})
    assert existing.zone_subnets() == list(SUBNETS)
    assert existing.route_table_ids == ["rtb-1", "rtb-2"]
