"""The component's addresses and inputs."""

import pytest
from pulumi.runtime.proto import provider_pb2

from local_aws.plugins.awsx.layout import lay_out
from local_aws.plugins.awsx.servicer import ComponentServicer
from local_aws.plugins.awsx.vpc import failures
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.values import UNKNOWN, to_struct
from local_aws.tests.unit.plugins.playing import Aborted, call

ZONES = ("a", "b")
INPUTS = {
    "cidrBlock": "10.0.0.0/16",
    "availabilityZoneNames": ["a", "b"],
    "natGateways": {"strategy": "None"},
    "subnetStrategy": "Auto",
}


def blocks(cidr_block: str, zones: tuple[str, ...] = ZONES) -> dict[str, str]:
    return {subnet.name: subnet.cidr_block for subnet in lay_out("net", cidr_block, zones)}


def test_two_zones_get_a_private_half_and_a_public_quarter_each_and_the_public_one_comes_first() -> None:
    assert list(blocks("10.110.0.0/16").items()) == [
        ("net-public-1", "10.110.64.0/19"),
        ("net-private-1", "10.110.0.0/18"),
        ("net-public-2", "10.110.192.0/19"),
        ("net-private-2", "10.110.128.0/18"),
    ]


def test_three_zones_get_a_share_of_four() -> None:
    assert blocks("10.0.0.0/16", ("a", "b", "c"))["net-private-3"] == "10.0.128.0/19"


def test_a_large_vpc_is_not_used_up() -> None:
    assert blocks("10.0.0.0/8", ("a",))["net-private-1"] == "10.0.0.0/17"


@pytest.mark.parametrize(
    ("cidr_block", "reason"),
    [("10.0.0.0/26", "each zone gets a /27"), ("10.0.0.1/16", "'10.0.0.1/16' is no IPv4 network")],
)
def test_what_does_not_fit_is_said(cidr_block: str, reason: str) -> None:
    with pytest.raises(ProviderError, match=reason):
        blocks(cidr_block)


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        ({"numberOfAvailabilityZones": 2}, "numberOfAvailabilityZones", "there is no such property"),
        ({"subnetStrategy": "Legacy"}, "subnetStrategy", "'Legacy' is not one of Auto"),
        ({"subnetStrategy": None}, "subnetStrategy", "it is required and missing"),
        ({"natGateways": {"strategy": "Single"}}, "natGateways.strategy", "'Single' is not one of None"),
        ({"cidrBlock": UNKNOWN}, "cidrBlock", "it must be known before"),
        ({"natGateways": {"strategy": UNKNOWN}}, "natGateways", "it must be known before"),
    ],
)
def test_inputs_that_cannot_be_are_named(inputs: dict[str, object], path: str, reason: str) -> None:
    found = failures({key: value for key, value in {**INPUTS, **inputs}.items() if value is not None})
    assert [failure.path for failure in found] == [path]
    assert reason in found[0].reason


def test_unknown_tags_are_fine() -> None:
    assert failures({**INPUTS, "tags": {"a": UNKNOWN}}) == []


def test_other_components_and_bad_inputs_are_refused_by_name() -> None:
    servicer = ComponentServicer()
    for type_, inputs, reason in (
        ("awsx:ecs:FargateService", {}, "does not know awsx:ecs:FargateService; it knows awsx:ec2:Vpc"),
        ("awsx:ec2:Vpc", {**INPUTS, "colour": 1}, "awsx:ec2:Vpc it: property colour: there is no such property"),
    ):
        request = provider_pb2.ConstructRequest(type=type_, name="it", inputs=to_struct(inputs))
        with pytest.raises(Aborted) as failure:
            call(servicer.Construct, request)
        assert reason in failure.value.details
