"""The component's addresses and inputs."""

import pytest
from pulumi.runtime.proto import provider_pb2

from automation.local.plugins.awsx.layout import LayoutError, SubnetSpec, lay_out
from automation.local.plugins.awsx.servicer import ComponentServicer
from automation.local.plugins.awsx.vpc import failures
from automation.local.plugins.framework.values import UNKNOWN, to_struct
from tests.unit.plugins.playing import Aborted, call

ZONES = ("a", "b")
UNALIGNED = tuple(
    SubnetSpec(kind, prefix=prefix) for kind, prefix in (("Public", 19), ("Private", 18), ("Isolated", 19))
)


def blocks(cidr_block: str, zones: tuple[str, ...] = ZONES, *specs: SubnetSpec) -> dict[str, str]:
    return {subnet.name: subnet.cidr_block for subnet in lay_out("net", cidr_block, zones, specs)}


def test_two_zones_get_a_private_half_and_a_public_quarter_each() -> None:
    assert blocks("10.110.0.0/16") == {
        "net-public-1": "10.110.64.0/19",
        "net-private-1": "10.110.0.0/18",
        "net-public-2": "10.110.192.0/19",
        "net-private-2": "10.110.128.0/18",
    }


def test_three_zones_get_a_share_of_four() -> None:
    assert blocks("10.0.0.0/16", ("a", "b", "c"))["net-private-3"] == "10.0.128.0/19"


def test_public_subnets_come_first_within_a_zone() -> None:
    assert list(blocks("10.0.0.0/16")) == ["net-public-1", "net-private-1", "net-public-2", "net-private-2"]


def test_a_large_vpc_is_not_used_up() -> None:
    assert blocks("10.0.0.0/8", ("a",))["net-private-1"] == "10.0.0.0/17"


def test_specs_have_names_sizes_and_shares() -> None:
    specs = (
        SubnetSpec.of({"type": "Private", "name": "tasks", "size": 1024}),
        SubnetSpec.of({"type": "Unused", "cidrMask": 22}),
        SubnetSpec.of({"type": "Isolated", "cidrMask": 24}),
    )
    assert blocks("10.0.0.0/16", ("a",), *specs) == {"net-tasks-1": "10.0.0.0/22", "net-isolated-1": "10.0.8.0/24"}
    assert (
        blocks("10.0.0.0/24", ("a",), SubnetSpec("Public"), SubnetSpec("Private"))["net-private-1"] == "10.0.0.128/25"
    )


@pytest.mark.parametrize(
    ("cidr_block", "specs", "reason"),
    [
        ("10.0.0.0/26", (), "each zone gets a /27"),
        ("10.0.0.0/16", (SubnetSpec("Public", prefix=17), SubnetSpec("Private", prefix=18)), "need 49152 addresses"),
        ("10.0.0.0/16", UNALIGNED, "list the largest first"),
        ("10.0.0.1/16", (), "'10.0.0.1/16' is no IPv4 network"),
    ],
)
def test_what_does_not_fit_is_said(cidr_block: str, specs: tuple[SubnetSpec, ...], reason: str) -> None:
    with pytest.raises(LayoutError, match=reason):
        blocks(cidr_block, ZONES, *specs)


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        ({"colour": 1}, "colour", "there is no such property"),
        ({"subnetStrategy": "Legacy"}, "subnetStrategy", "'Legacy' is not one of Auto"),
        ({"subnetStrategy": None}, "subnetStrategy", 'only "Auto" is supported'),
        ({"availabilityZoneNames": ["a"], "numberOfAvailabilityZones": 1}, "availabilityZoneNames", "only one of"),
        ({"cidrBlock": UNKNOWN}, "cidrBlock", "it must be known before"),
        ({"natGateways": {"strategy": UNKNOWN}}, "natGateways", "it must be known before"),
        (
            {"natGateways": {"strategy": "None", "elasticIpAllocationIds": ["x"]}},
            "natGateways",
            "no NAT gateway to use",
        ),
        ({"natGateways": {"strategy": "Single", "elasticIpAllocationIds": ["x", "y"]}}, "natGateways", "takes one of"),
        ({"subnetSpecs": [{"type": "Public"}]}, "natGateways", "OnePerAz needs public subnets"),
    ],
)
def test_inputs_that_cannot_be_are_named(inputs: dict[str, object], path: str, reason: str) -> None:
    given = {key: value for key, value in {"subnetStrategy": "Auto", **inputs}.items() if value is not None}
    found = failures(given)
    assert [failure.path for failure in found] == [path]
    assert reason in found[0].reason


def test_unknown_tags_and_addresses_are_fine() -> None:
    nat = {"strategy": "Single", "elasticIpAllocationIds": [UNKNOWN]}
    assert failures({"subnetStrategy": "Auto", "tags": {"a": UNKNOWN}, "natGateways": nat}) == []


def test_other_components_and_bad_inputs_are_refused_by_name() -> None:
    servicer = ComponentServicer()
    for type_, inputs, reason in (
        ("awsx:ecs:FargateService", {}, "does not know awsx:ecs:FargateService; it knows awsx:ec2:Vpc"),
        ("awsx:ec2:Vpc", {"colour": 1}, "awsx:ec2:Vpc it: property colour: there is no such property"),
    ):
        request = provider_pb2.ConstructRequest(type=type_, name="it", inputs=to_struct(inputs))
        with pytest.raises(Aborted) as failure:
            call(servicer.Construct, request)
        assert reason in failure.value.details
