"""How a VPC's addresses are divided among its zones and subnets: the published component's strategy `Auto`."""

import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

_LONGEST_ZONE_PREFIX: Final = 26
"""The subnets need a /26 for each zone, as AWS's smallest subnet is a /28."""
_WIDEST_PREFIX: Final = 16
"""The subnets take no more than the first /16 of a zone."""


@dataclass(frozen=True)
class Subnet:
    """A subnet to create: whether it has a route to the internet, its name in the stack, its zone and addresses."""

    type: Literal["Public", "Private"]
    name: str
    zone: str
    cidr_block: str


def lay_out(vpc_name: str, cidr_block: str, zones: Sequence[str]) -> list[Subnet]:
    """All subnets, zone by zone, the public one first within a zone.

    A private subnet takes half of its zone's share and a public one the quarter after it; the rest stays free.

    `ValueError`: `cidr_block` is no IPv4 network, or has too few addresses.
    """
    try:
        vpc = ipaddress.IPv4Network(cidr_block)
    except ValueError as error:
        raise ValueError(f"cidrBlock {cidr_block!r} is no IPv4 network: {error}") from error
    share = vpc.prefixlen + math.ceil(math.log2(len(zones)))
    if share > _LONGEST_ZONE_PREFIX:
        raise ValueError(
            f"each zone gets a /{share}, but its subnets need a /{_LONGEST_ZONE_PREFIX} or more; "
            "give the VPC a larger cidrBlock"
        )
    usable = max(share, _WIDEST_PREFIX)
    subnets: list[Subnet] = []
    for index, zone in enumerate(zones):
        start = int(vpc.network_address) + index * 2 ** (32 - share)
        private = ipaddress.IPv4Network((start, usable + 1))
        public = ipaddress.IPv4Network((start + private.num_addresses, usable + 2))
        subnets.append(Subnet("Public", f"{vpc_name}-public-{index + 1}", zone, str(public)))
        subnets.append(Subnet("Private", f"{vpc_name}-private-{index + 1}", zone, str(private)))
    return subnets
