"""EC2: security groups with their rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, call, created, tolerating
from local_aws.plugins.aws.ec2 import Ec2Resource
from local_aws.plugins.framework.schema import INTEGER, STRING, ListOf, Object, Property, SetOf, Table
from local_aws.plugins.framework.values import Properties

_RULE: Final = Object(
    {
        "protocol": Property(STRING, required=True, allowed=("tcp", "udp", "-1")),
        "fromPort": Property(INTEGER, required=True),
        "toPort": Property(INTEGER, required=True),
        "cidrBlocks": Property(ListOf(STRING)),
        "securityGroups": Property(SetOf(STRING)),
        "description": Property(STRING),
    }
)


_MEMBERS: Final = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
"""What EC2 calls the two kinds of rules."""


@dataclass(frozen=True, order=True)
class Rule:
    """One admitted peer: protocol, ports, the kind of peer, the peer, and why."""

    protocol: str
    from_port: int
    to_port: int
    kind: str
    peer: str
    description: str

    def inline(self) -> Properties:
        """As a program says it."""
        rule = {"protocol": self.protocol, "fromPort": self.from_port, "toPort": self.to_port, self.kind: [self.peer]}
        return {**rule, "description": self.description} if self.description else rule

    def permission(self) -> dict[str, Any]:
        """As EC2's Authorize and Revoke calls take it."""
        container, key = _PEERS[self.kind]
        peer = {key: self.peer, **({"Description": self.description} if self.description else {})}
        ports = {} if self.protocol == "-1" else {"FromPort": self.from_port, "ToPort": self.to_port}
        return {"IpProtocol": self.protocol, **ports, container: [peer]}


_PEERS: Final = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
}


def expand(rules: Iterable[Properties]) -> set[Rule]:
    """Inline rules as single ones."""
    return {
        Rule(rule["protocol"], *_ports(rule, "fromPort", "toPort"), kind, peer, rule.get("description") or "")
        for rule in rules
        for kind in _PEERS
        for peer in rule.get(kind) or ()
    }


def _ports(rule: Mapping[str, Any], low: str, high: str) -> tuple[int, int]:
    """The ports of a rule; one for every protocol has none."""
    is_for_all = "-1" in (rule.get("protocol"), rule.get("IpProtocol"))
    return (0, 0) if is_for_all else (rule.get(low, 0), rule.get(high, 0))


def from_permissions(permissions: Iterable[dict[str, Any]]) -> set[Rule]:
    """EC2's permissions as single rules."""
    return {
        Rule(
            permission["IpProtocol"],
            *_ports(permission, "FromPort", "ToPort"),
            kind,
            peer[key],
            peer.get("Description") or "",
        )
        for permission in permissions
        for kind, (container, key) in _PEERS.items()
        for peer in permission.get(container) or ()
    }


class SecurityGroup(Ec2Resource):
    """`aws.ec2.SecurityGroup` with inline rules. Without `egress` nothing may leave, as with the published provider."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    creates = "CreateSecurityGroup"
    renamed: ClassVar = {"name": "GroupName"}
    kind, describes, listed, id_member = "security-group", "DescribeSecurityGroups", "SecurityGroups", "GroupId"
    gone = ("InvalidGroup.NotFound", "InvalidGroupId.Malformed")
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "description": Property(STRING, required=True, replaces=True),
        "vpcId": Property(STRING, required=True, replaces=True),
        "ingress": Property(SetOf(_RULE)),
        "egress": Property(SetOf(_RULE)),
    }
    outputs = ("arn", "ownerId", "tagsAll")
    deletes_before_replace = True

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateSecurityGroup, then its rules; the rule that AWS makes by itself (all may leave) goes."""
        group_id = super().create(operation, inputs)
        with created(group_id, inputs):
            self.wait_until_available(operation, group_id)
            self.change(operation, group_id, {}, inputs, {"ingress", "egress"})
        return group_id

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeSecurityGroups. Rules keep the program's grouping while they mean the same."""
        group = self.describe(operation, resource_id)
        if group is None:
            return None
        found = self.told(operation, resource_id, group)
        for name, member in _MEMBERS.items():
            single, known = from_permissions(group.get(member) or ()), state.get(name) or ()
            found[name] = (
                [dict(rule) for rule in known]
                if expand(known) == single
                else [rule.inline() for rule in sorted(single)]
            )
        return found

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Rules come and go, compared with what EC2 has."""
        ec2, group = self.client(operation), self.describe(operation, resource_id) or {}
        for name in sorted(changed):
            before, after = from_permissions(group.get(_MEMBERS[name]) or ()), expand(new.get(name) or ())
            for verb, rules, done in (
                ("Revoke", before - after, "InvalidPermission.NotFound"),
                ("Authorize", after - before, "InvalidPermission.Duplicate"),
            ):
                permissions = [rule.permission() for rule in sorted(rules)]
                if permissions:
                    with tolerating(done):
                        parameters = {"GroupId": resource_id, "IpPermissions": permissions}
                        call(ec2, f"{verb}SecurityGroup{name.capitalize()}", parameters)
