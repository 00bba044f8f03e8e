"""Which zones a VPC gets."""

from __future__ import annotations

import pulumi_aws as aws
import pytest

from ecs_kit.components import zones
from ecs_kit.components.errors import ConfigError


def test_the_first_two_by_name_are_taken():
    found = [("eu-west-1c", "euw1-az1"), ("eu-west-1b", "euw1-az3"), ("eu-west-1a", "euw1-az2")]
    assert zones.choose("eu-west-1", found) == ("eu-west-1a", "eu-west-1b")


@pytest.mark.parametrize(
    ("region", "found", "taken"),
    [
        (
            "ap-northeast-1",
            [("ap-northeast-1a", "apne1-az3"), ("ap-northeast-1c", "apne1-az1"), ("ap-northeast-1d", "apne1-az2")],
            ("ap-northeast-1c", "ap-northeast-1d"),
        ),
        (
            "us-west-1",
            [("us-west-1a", "usw1-az3"), ("us-west-1b", "usw1-az2"), ("us-west-1c", "usw1-az1")],
            ("us-west-1a", "us-west-1c"),
        ),
        ("us-west-1", [("us-west-1a", "usw1-az2")], ()),
    ],
)
def test_zones_without_fargate_are_left_out(region, found, taken):
    assert zones.choose(region, found) == taken


@pytest.fixture
def asked(monkeypatch) -> list[dict]:
    """What AWS was asked; its answer are two zones, of which Fargate is in one."""
    asked: list[dict] = []

    class Found:
        names, zone_ids = ["us-west-1a", "us-west-1b"], ["usw1-az1", "usw1-az2"]

    def ask(**arguments):
        asked.append(arguments)
        return Found

    monkeypatch.setattr(aws, "get_availability_zones", ask)
    return asked


def test_too_few_zones_are_an_error_that_says_what_to_set(asked):
    with pytest.raises(ConfigError, match=r"availabilityZones.*2 zones of us-west-1: Fargate is offered in us-west-1a"):
        zones.of_vpc("us-west-1")
    (only,) = asked[0]["filters"]
    assert (asked[0]["state"], only.name, only.values) == ("available", "opt-in-status", ["opt-in-not-required"])


def test_zones_that_are_named_are_taken_as_they_are(asked):
    assert zones.of_vpc("us-west-1", ("us-west-1b", "us-west-1a")) == ("us-west-1b", "us-west-1a")
    assert asked[0]["filters"] == [], "who names a zone may name one that has to be opted in to"


def test_a_named_zone_that_there_is_not_is_an_error_that_names_those_there_are(asked):
    with pytest.raises(ConfigError, match=r"availabilityZones = .us-west-1a, us-west-1c.*us-west-1a, us-west-1b"):
        zones.of_vpc("us-west-1", ("us-west-1a", "us-west-1c"))
