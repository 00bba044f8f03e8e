"""EC2: security groups with their rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, tolerating
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
"""EC2's names of the two kinds of rules."""
_PEERS: Final = {"cidrBlocks": ("IpRanges", "CidrIp"), "securityGroups": ("UserIdGroupPairs", "GroupId")}
"""EC2's names of the kinds of peers, and of the peer itself."""


@dataclass(frozen=True, order=True)
class Rule:
    """One allowed peer: protocol, ports, the kind of peer, the peer, and a description."""

    protocol: str
    from_port: int
    to_port: int
    kind: str
    peer: str
    description: str

    def inline(self) -> Properties:
        """The rule in a program."""
        rule = {"protocol": self.protocol, "fromPort": self.from_port, "toPort": self.to_port, self.kind: [self.peer]}
        return {**rule, "description": self.description} if self.description else rule

    def permission(self) -> dict[str, Any]:
        """The rule in EC2's Authorize and Revoke calls."""
        container, key = _PEERS[self.kind]
        peer = {key: self.peer, **({"Description": self.description} if self.description else {})}
        ports = {} if self.protocol == "-1" else {"FromPort": self.from_port, "ToPort": self.to_port}
        return {"IpProtocol": self.protocol, **ports, container: [peer]}


def _rule(protocol: str, ports: tuple[int, int], kind: str, peer: str, description: str | None) -> Rule:
    # A rule for every protocol has no ports.
    return Rule(protocol, *((0, 0) if protocol == "-1" else ports), kind, peer, description or "")


def expand(rules: Iterable[Properties]) -> set[Rule]:
    """A program's rules as single ones."""
    return {
        _rule(rule["protocol"], (rule["fromPort"], rule["toPort"]), kind, peer, rule.get("description"))
        for rule in rules
        for kind in _PEERS
        for peer in rule.get(kind) or ()
    }


def from_permissions(permissions: Iterable[Mapping[str, Any]]) -> set[Rule]:
    """EC2's permissions as single rules."""
    return {
        _rule(item["IpProtocol"], ports, kind, peer[key], peer.get("Description"))
        for item in permissions
        for ports in [(item.get("FromPort", 0), item.get("ToPort", 0))]
        for kind, (container, key) in _PEERS.items()
        for peer in item.get(container) or ()
    }


class SecurityGroup(Ec2Resource):
    """`aws.ec2.SecurityGroup` with inline rules. Without `egress` no traffic may leave, as published."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    creates = "CreateSecurityGroup"
    renamed: ClassVar = {"name": "GroupName"}
    kind, listed, id_member = "security-group", "SecurityGroups", "GroupId"
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
        """CreateSecurityGroup, then its rules, without the one that AWS creates (all traffic may leave)."""
        group_id = super().create(operation, inputs)
        self.change(operation, group_id, {}, inputs, {"ingress", "egress"})
        return group_id

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeSecurityGroups. Rules keep the program's grouping while they mean the same."""
        group = self.describe(operation, resource_id)
        if group is None:
            return None
        found = self.described(operation, resource_id, group)
        for name, member in _MEMBERS.items():
            single, known = from_permissions(group.get(member) or ()), state.get(name) or ()
            found[name] = list(known) if expand(known) == single else [rule.inline() for rule in sorted(single)]
        return found

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Authorize and revoke what differs from EC2's rules."""
        group = self.describe(operation, resource_id) or {}
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
                        self.call(operation, f"{verb}SecurityGroup{name.capitalize()}", parameters)
