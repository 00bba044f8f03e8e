"""Egress of tasks beyond AWS services, as `taskEgress` has it."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_RULES = 20
"""A security group may have 60 rules a direction (Amazon VPC quotas); three are the kit's own. The prefix lists of S3
and DynamoDB count as one rule each (Amazon VPC user guide, "AWS-managed prefix lists")."""

_RULE = re.compile(r"(?P<protocol>tcp|udp):(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?:(?P<cidr>[0-9./]+)")


@dataclass(frozen=True)
class EgressRule:
    """What a security group lets out: a protocol, the ports from `from_port` to `to_port`, addresses as a CIDR."""

    protocol: str
    from_port: int
    to_port: int
    cidr: str


HTTPS = EgressRule("tcp", 443, 443, "0.0.0.0/0")
"""Egress of workloads that do not use the kit's endpoints alone."""


def parse(text: str) -> EgressRule:
    """The rule in a text such as `tcp:5432:10.0.0.0/8` or `udp:8125-8126:10.1.2.3/32`.

    Raises:
        ValueError: It has another form, or a port, an order of ports or a CIDR that EC2 does not take.
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    first = int(found["first"])
    last = int(found["last"] or first)
    if not 0 <= first <= last <= 65535 or "/" not in found["cidr"]:
        raise ValueError(text)
    return EgressRule(found["protocol"], first, last, str(ipaddress.IPv4Network(found["cidr"])))


def are_rules(texts: Sequence[str]) -> bool:
    """Whether these are at most `MAX_RULES` different rules without `HTTPS`, which EC2 would refuse as repeated."""
    try:
        rules = {parse(text) for text in texts}
    except ValueError:
        return False
    return len(rules) == len(texts) <= MAX_RULES and HTTPS not in rules
