"""The availability zones of a pattern's VPC."""

from collections.abc import Iterable, Mapping, Sequence

import pulumi
import pulumi_aws as aws

from ecs_kit.components.errors import ConfigError, ConfigProblem

ZONES = 2
"""Availability zones of the VPC, for Fargate and the functions."""

FARGATE_ZONE_IDS: Mapping[str, frozenset[str]] = {
    "ap-northeast-1": frozenset({"apne1-az1", "apne1-az2", "apne1-az4"}),
    "cn-north-1": frozenset({"cnn1-az1", "cnn1-az2"}),
    "us-west-1": frozenset({"usw1-az1", "usw1-az3"}),
}
"""Zone ids with Fargate for Linux containers, in the regions where not all zones have it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html, read on 2026-11-24;
cn-north-1 by an older edition of the same table. Ids mean the same in all accounts, names do not.
"""


ZONE_IDS_WITHOUT_ARM = frozenset({"use1-az3"})
"""Zone ids with Fargate for X86_64 alone.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-arm64.html, an older copy, read on 2026-11-29.
"""

_NOT_LOCAL = aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])


def choose(region: str, zones: Iterable[tuple[str, str]], architecture: str) -> tuple[str, ...]:
    """The first of a region's `zones` (name and id) by name in which Fargate runs, `ZONES` of them or fewer."""
    return tuple(_offered(region, zones, architecture)[:ZONES])


def _offered(region: str, zones: Iterable[tuple[str, str]], architecture: str) -> list[str]:
    offered = FARGATE_ZONE_IDS.get(region)
    lacking = ZONE_IDS_WITHOUT_ARM if architecture == "ARM64" else ()
    return sorted(name for name, zone in zones if zone not in lacking and (offered is None or zone in offered))


def with_fargate(region: str, architecture: str, opts: pulumi.InvokeOptions) -> list[str]:
    """The region's zones with Fargate; Local Zones and Wavelength Zones have none."""
    found = aws.get_availability_zones(state="available", filters=[_NOT_LOCAL], opts=opts)
    return _offered(region, zip(found.names, found.zone_ids, strict=True), architecture)


def of_vpc(region: str, named: Sequence[str], architecture: str) -> tuple[str, ...]:
    """The `named` zones, where the configuration names some and they exist; else the kit's choice.

    The kit chooses neither Local Zones nor Wavelength Zones. They need an opt-in, sort before some of the others, and
    have no Fargate (Amazon EC2 user guide, "Local Zones"; API reference, DescribeAvailabilityZones).

    Raises:
        ConfigError: There are not enough zones, or a named one does not exist.
    """
    found = aws.get_availability_zones(state="available", filters=[] if named else [_NOT_LOCAL])
    if named:
        if not set(named) <= set(found.names):
            raise ConfigError(
                [ConfigProblem("availabilityZones", ", ".join(named), f"zones of {region}: {', '.join(found.names)}")]
            )
        return tuple(named)
    names = choose(region, zip(found.names, found.zone_ids, strict=True), architecture)
    if len(names) < ZONES:
        allowed = f"{ZONES} zones of {region}: Fargate is offered in {', '.join(names) or 'none'} of {found.names}"
        raise ConfigError([ConfigProblem("availabilityZones", "[]", allowed)])
    return names
