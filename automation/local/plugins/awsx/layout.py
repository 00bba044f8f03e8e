"""How a VPC's addresses are divided among its zones and subnets: the published component's strategy `Auto`."""

import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from automation.local.plugins.framework.errors import ProviderError
from automation.local.plugins.framework.values import Properties

_LONGEST_ZONE_PREFIX: Final = 26
"""The default subnets need a /26 for each zone, as AWS's smallest subnet is a /28."""
_WIDEST_DEFAULT_PREFIX: Final = 16
"""Default subnets take no more than the first /16 of a zone."""
TYPES: Final = ("Public", "Private", "Isolated", "Unused")


class LayoutError(ProviderError):
    """The subnets do not fit."""


@dataclass(frozen=True)
class SubnetSpec:
    """What the program asks for, once for every zone.

    Attributes:
        type: `Public`, `Private`, `Isolated` or `Unused`.
        name: part of the subnet's name; the type's where it is absent.
        prefix: the prefix length (cidrMask); an equal share of the zone where it is absent.
        tags: tags of its own.
    """

    type: str
    name: str | None = None
    prefix: int | None = None
    tags: Properties | None = None

    @classmethod
    def of(cls, properties: Properties) -> "SubnetSpec":
        """From the component's `subnetSpecs`."""
        prefix, size = properties.get("cidrMask"), properties.get("size")
        if prefix is None and size is not None:
            prefix = 32 - round(math.log2(size))
        return cls(properties["type"], properties.get("name"), prefix, properties.get("tags"))


@dataclass(frozen=True)
class Subnet:
    """One subnet to make.

    Attributes:
        name: its name in the stack, `<vpc>-<spec>-<zone number>`.
        zone_index: from 0.
        zone: the availability zone's name.
        cidr_block: its addresses.
        spec: what asked for it.
    """

    name: str
    zone_index: int
    zone: str
    cidr_block: str
    spec: SubnetSpec


def _bits(count: int) -> int:
    return math.ceil(math.log2(count)) if count else 0


def zone_prefix(cidr_block: str, zones: int, prefix: int | None = None) -> int:
    """The prefix length of one zone's share."""
    return prefix or ipaddress.ip_network(cidr_block).prefixlen + _bits(zones)


def default_specs(prefix: int) -> list[SubnetSpec]:
    """A private subnet of half of the zone's share and a public one of a quarter; the rest stays free.

    Raises:
        LayoutError: the share is too small.
    """
    if prefix > _LONGEST_ZONE_PREFIX:
        raise LayoutError(
            f"each zone gets a /{prefix}, but the default subnets need a /{_LONGEST_ZONE_PREFIX} or more; "
            "give the VPC a larger cidrBlock, or subnetSpecs"
        )
    usable = max(prefix, _WIDEST_DEFAULT_PREFIX)
    return [SubnetSpec("Private", prefix=usable + 1), SubnetSpec("Public", prefix=usable + 2)]


def lay_out(
    vpc_name: str, cidr_block: str, zones: Sequence[str], specs: Sequence[SubnetSpec], zone_share: int | None = None
) -> list[Subnet]:
    """All subnets, zone by zone, public ones first within a zone.

    Args:
        vpc_name: the component's name.
        cidr_block: the VPC's addresses.
        zones: names of the availability zones.
        specs: what to make in each zone; none means the default.
        zone_share: prefix length of a zone's share (availabilityZoneCidrMask).

    Raises:
        LayoutError: the subnets need more than there is.
    """
    try:
        vpc = ipaddress.IPv4Network(cidr_block)
    except ValueError as error:
        raise LayoutError(f"cidrBlock {cidr_block!r} is no IPv4 network: {error}") from error
    share = zone_prefix(cidr_block, len(zones), zone_share)
    wanted = list(specs) or default_specs(share)
    fair = share + _bits(len(wanted))
    needed = sum(2 ** (32 - (spec.prefix or fair)) for spec in wanted)
    if needed > 2 ** (32 - share) or len(zones) * 2 ** (32 - share) > vpc.num_addresses:
        raise LayoutError(
            f"the subnets of a zone need {needed} addresses, a zone has {2 ** (32 - share)} of the VPC's "
            f"{vpc.num_addresses}: make cidrBlock larger, or use fewer zones or smaller subnets"
        )
    subnets: list[Subnet] = []
    for index, zone in enumerate(zones):
        start = int(vpc.network_address) + index * 2 ** (32 - share)
        for spec in wanted:
            size = 2 ** (32 - (spec.prefix or fair))
            start = -(-start // size) * size
            block = ipaddress.IPv4Network((start, spec.prefix or fair))
            start += size
            name = f"{vpc_name}-{spec.name or spec.type.lower()}-{index + 1}"
            subnets.append(Subnet(name, index, zone, str(block), spec))
        if start > int(vpc.network_address) + (index + 1) * 2 ** (32 - share):
            raise LayoutError(
                f"the subnets of zone {zone} do not fit into its share once each starts at a multiple of its size; "
                "list the largest first"
            )
    made = [subnet for subnet in subnets if subnet.spec.type != "Unused"]
    order: Any = {"Public": 0, "Private": 1, "Isolated": 2}
    return sorted(made, key=lambda subnet: (subnet.zone_index, order[subnet.spec.type]))
