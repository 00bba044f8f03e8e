"""EC2: security groups with their rules."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from itertools import groupby
from typing import Any, ClassVar, Final

from automation.local.plugins.aws.base import Aws, Request, compact, created, tag_map, tolerating
from automation.local.plugins.aws.ec2 import Ec2Resource, first
from automation.local.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    Object,
    Property,
    SetOf,
    Table,
)
from automation.local.plugins.framework.values import Properties

_PROTOCOL_NAMES: Final = {"all": "-1", "6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}
"""EC2 gives protocols back by name where it has one (IpPermission, EC2 API reference)."""

_RULE: Final = Object(
    {
        "protocol": Property(STRING, required=True),
        "fromPort": Property(INTEGER, required=True),
        "toPort": Property(INTEGER, required=True),
        "cidrBlocks": Property(ListOf(STRING)),
        "ipv6CidrBlocks": Property(ListOf(STRING)),
        "prefixListIds": Property(ListOf(STRING)),
        "securityGroups": Property(SetOf(STRING)),
        "self": Property(BOOLEAN, default=False),
        "description": Property(STRING),
    }
)


@dataclass(frozen=True, order=True)
class Rule:
    """One admitted peer: protocol, ports, the kind of peer, the peer, and why."""

    protocol: str
    from_port: int
    to_port: int
    kind: str
    peer: str
    description: str

    def permission(self) -> dict[str, Any]:
        """As EC2's Authorize and Revoke calls take it."""
        container, key = _PEERS[self.kind]
        peer = {key: self.peer, **({"Description": self.description} if self.description else {})}
        ports = {} if self.protocol == "-1" else {"FromPort": self.from_port, "ToPort": self.to_port}
        return {"IpProtocol": self.protocol, **ports, container: [peer]}


_PEERS: Final = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "ipv6CidrBlocks": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListIds": ("PrefixListIds", "PrefixListId"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
}


def expand(rules: Iterable[Properties], group_id: str) -> set[Rule]:
    """Inline rules as single ones; `self` is the group's own id."""
    single: set[Rule] = set()
    for rule in rules:
        protocol = str(rule["protocol"]).lower()
        protocol = _PROTOCOL_NAMES.get(protocol, protocol)
        low, high = (0, 0) if protocol == "-1" else (rule["fromPort"], rule["toPort"])
        peers = [(kind, peer) for kind in _PEERS for peer in rule.get(kind) or ()]
        if rule.get("self"):
            peers.append(("securityGroups", group_id))
        single.update(Rule(protocol, low, high, kind, peer, rule.get("description") or "") for kind, peer in peers)
    return single


def from_permissions(permissions: Iterable[dict[str, Any]]) -> set[Rule]:
    """EC2's permissions as single rules."""
    single: set[Rule] = set()
    for permission in permissions:
        protocol = str(permission["IpProtocol"])
        low, high = (0, 0) if protocol == "-1" else (permission.get("FromPort", 0), permission.get("ToPort", 0))
        for kind, (container, key) in _PEERS.items():
            for peer in permission.get(container) or ():
                single.add(Rule(protocol, low, high, kind, peer[key], peer.get("Description") or ""))
    return single


def collect(rules: Iterable[Rule], group_id: str) -> list[Properties]:
    """Single rules as inline ones: one for each protocol, ports and description."""
    inline: list[Properties] = []
    ordered = sorted(
        rules, key=lambda rule: (rule.protocol, rule.from_port, rule.to_port, rule.description, *astuple(rule))
    )
    for (protocol, low, high, description), members in groupby(
        ordered, key=lambda rule: (rule.protocol, rule.from_port, rule.to_port, rule.description)
    ):
        entry: Properties = {"protocol": protocol, "fromPort": low, "toPort": high}
        for member in members:
            if member.kind == "securityGroups" and member.peer == group_id:
                entry["self"] = True
            else:
                entry.setdefault(member.kind, []).append(member.peer)
        inline.append({**entry, "description": description} if description else entry)
    return inline


class SecurityGroup(Ec2Resource):
    """`aws.ec2.SecurityGroup` with inline rules. Without `egress` nothing may leave, as with the published provider."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    kind = "security-group"
    gone = ("InvalidGroup.NotFound", "InvalidGroupId.Malformed")
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "description": Property(STRING, replaces=True, default="Managed by Pulumi"),
        "vpcId": Property(STRING, replaces=True, computed=True),
        "ingress": Property(SetOf(_RULE), computed=True),
        "egress": Property(SetOf(_RULE), computed=True),
        "revokeRulesOnDelete": Property(BOOLEAN, default=False, unreadable=True),
    }
    outputs = ("arn", "ownerId", "tagsAll")
    name_property = "name"

    def request(self, inputs: Properties) -> Request:
        """CreateSecurityGroup."""
        return Request(
            "ec2",
            "CreateSecurityGroup",
            compact(
                {
                    "GroupName": inputs["name"],
                    "Description": inputs.get("description") or "Managed by Pulumi",
                    "VpcId": inputs.get("vpcId"),
                    "TagSpecifications": self.tag_specifications(inputs),
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateSecurityGroup, then its rules; the rule that AWS makes by itself (all may leave) goes."""
        group_id = str(self.send(operation, inputs)["GroupId"])
        with created(group_id, inputs):
            group = operation.wait(
                f"{group_id} to be seen", lambda: self._describe(operation, group_id, inputs), default_seconds=60
            )
            self._apply(operation, group_id, inputs, group, {"ingress", "egress"})
        return group_id

    def _apply(
        self, operation: Aws, group_id: str, inputs: Properties, group: dict[str, Any], changed: set[str]
    ) -> None:
        ec2 = self.ec2(operation, inputs)
        for name, member, authorize, revoke in (
            ("ingress", "IpPermissions", ec2.authorize_security_group_ingress, ec2.revoke_security_group_ingress),
            ("egress", "IpPermissionsEgress", ec2.authorize_security_group_egress, ec2.revoke_security_group_egress),
        ):
            if name in changed:
                before = from_permissions(group.get(member) or ())
                after = expand(inputs.get(name) or (), group_id)
                if before - after:
                    permissions = [rule.permission() for rule in sorted(before - after)]
                    with tolerating("InvalidPermission.NotFound"):
                        revoke(GroupId=group_id, IpPermissions=permissions)
                if after - before:
                    permissions = [rule.permission() for rule in sorted(after - before)]
                    with tolerating("InvalidPermission.Duplicate"):
                        authorize(GroupId=group_id, IpPermissions=permissions)

    def _describe(self, operation: Aws, group_id: str, state: Properties) -> dict[str, Any] | None:
        with tolerating(*self.gone):
            return first(self.ec2(operation, state).describe_security_groups(GroupIds=[group_id])["SecurityGroups"])
        return None

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeSecurityGroups. Rules keep the program's grouping while they mean the same."""
        group = self._describe(operation, resource_id, state)
        if group is None:
            return None
        region = state.get("region") or operation.provider.region
        owner = group.get("OwnerId", "")
        partition = operation.provider.partition(region)

        def rules(name: str, member: str) -> list[Properties]:
            single = from_permissions(group.get(member) or ())
            known = state.get(name) or ()
            return (
                [dict(rule) for rule in known] if expand(known, resource_id) == single else collect(single, resource_id)
            )

        return {
            "arn": f"arn:{partition}:ec2:{region}:{owner}:security-group/{resource_id}",
            "name": group["GroupName"],
            "description": group.get("Description"),
            "vpcId": group.get("VpcId"),
            "ownerId": owner,
            "ingress": rules("ingress", "IpPermissions"),
            "egress": rules("egress", "IpPermissionsEgress"),
            "revokeRulesOnDelete": state.get("revokeRulesOnDelete"),
            "tags": tag_map(group.get("Tags")),
        }

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Rules and tags change in place, compared with what EC2 has."""
        if changed & {"ingress", "egress"}:
            group = self._describe(operation, resource_id, new)
            self._apply(operation, resource_id, new, group or {}, changed)
        if "tags" in changed:
            self.update_tags(operation, resource_id, old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteSecurityGroup."""
        ec2 = self.ec2(operation, state)
        if state.get("revokeRulesOnDelete"):
            group = self._describe(operation, resource_id, state)
            if group is not None:
                bare = {key: value for key, value in state.items() if key not in ("ingress", "egress")}
                self._apply(operation, resource_id, bare, group, {"ingress", "egress"})
        self.delete_when_free(operation, resource_id, lambda: ec2.delete_security_group(GroupId=resource_id))
