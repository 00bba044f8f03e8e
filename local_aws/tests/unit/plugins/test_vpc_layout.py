"""The awsx component's addresses and inputs."""

from typing import Any

import pulumi
import pytest

from local_aws.plugins.awsx.__main__ import AwsxProvider
from local_aws.plugins.awsx.vpc import TOKEN, failures, lay_out

ZONES = ("a", "b")
INPUTS = {
    "cidrBlock": "10.0.0.0/16",
    "availabilityZoneNames": ["a", "b"],
    "natGateways": {"strategy": "None"},
    "subnetStrategy": "Auto",
}
UNKNOWN = pulumi.output.UNKNOWN


def blocks(cidr_block: str, zones: tuple[str, ...] = ZONES) -> dict[str, str]:
    return {subnet.name: subnet.cidr_block for subnet in lay_out("net", cidr_block, zones)}


def test_each_zone_gets_a_private_half_and_a_public_quarter_of_its_share_and_the_public_one_comes_first() -> None:
    assert list(blocks("10.110.0.0/16").items()) == [
        ("net-public-1", "10.110.64.0/19"),
        ("net-private-1", "10.110.0.0/18"),
        ("net-public-2", "10.110.192.0/19"),
        ("net-private-2", "10.110.128.0/18"),
    ]
    assert blocks("10.0.0.0/16", ("a", "b", "c"))["net-private-3"] == "10.0.128.0/19", "a share of four"
    assert blocks("10.0.0.0/8", ("a",))["net-private-1"] == "10.0.0.0/17", "a large VPC is not used up"


def test_private_subnets_alone_have_the_addresses_that_they_have_beside_public_ones() -> None:
    alone = {subnet.name: subnet.cidr_block for subnet in lay_out("net", "10.110.0.0/16", ZONES, private_prefix=18)}
    assert alone == {"net-private-1": "10.110.0.0/18", "net-private-2": "10.110.128.0/18"}


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        ({"numberOfAvailabilityZones": 2}, "numberOfAvailabilityZones", "there is no such property"),
        ({"subnetStrategy": "Legacy"}, "subnetStrategy", "'Legacy' is not one of Auto"),
        ({"subnetStrategy": None}, "subnetStrategy", "it is required and missing"),
        ({"natGateways": {"strategy": "Single"}}, "natGateways.strategy", "'Single' is not one of None"),
        ({"subnetSpecs": [{"type": "Public", "cidrMask": 18}]}, "subnetSpecs", "of the type Private"),
        ({"subnetSpecs": [{"type": "Private"}]}, "subnetSpecs[0].cidrMask", "it is required and missing"),
        ({"cidrBlock": UNKNOWN}, "cidrBlock", "it must be known"),
        ({"availabilityZoneNames": ["a", UNKNOWN]}, "availabilityZoneNames", "it must be known"),
        ({"natGateways": {"strategy": UNKNOWN}}, "natGateways", "it must be known"),
    ],
)
def test_wrong_inputs_are_named(inputs: dict[str, object], path: str, reason: str) -> None:
    found = failures({key: value for key, value in {**INPUTS, **inputs}.items() if value is not None})
    assert [failure.path for failure in found] == [path]
    assert reason in found[0].reason


def test_numbers_come_as_the_engine_sends_them() -> None:
    assert failures({**INPUTS, "subnetSpecs": [{"type": "Private", "cidrMask": 18.0}]}) == []


def test_tags_may_be_unknown() -> None:
    assert failures({**INPUTS, "tags": {"a": UNKNOWN}}) == []


@pytest.mark.parametrize(
    ("token", "inputs", "path", "reason"),
    [
        ("awsx:ecs:FargateService", {}, None, "does not know awsx:ecs:FargateService; it knows awsx:ec2:Vpc"),
        (TOKEN, {**INPUTS, "colour": 1}, "colour", "awsx:ec2:Vpc it"),
    ],
)
def test_other_components_and_wrong_inputs_are_refused_by_name(
    token: str, inputs: dict[str, Any], path: str | None, reason: str
) -> None:
    with pytest.raises(pulumi.InputPropertiesError, match=reason) as failure:
        AwsxProvider("1.0.0").construct("it", token, inputs)
    assert [error["property_path"] for error in failure.value.errors or []] == ([path] if path else [])


@pytest.mark.parametrize(
    ("cidr_block", "reason"),
    [
        ("10.0.0.0/26", "each zone gets a /27"),
        ("10.0.0.1/16", "cidrBlock '10.0.0.1/16' is no IPv4 network: .* host bits set"),
    ],
)
def test_addresses_that_do_not_fit_are_named(cidr_block: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        blocks(cidr_block)
