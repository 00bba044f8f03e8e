"""EC2: security groups with their rules."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws
from local_aws.plugins.aws.ec2 import Ec2Resource
from local_aws.plugins.framework.schema import INTEGER, STRING, ListOf, Object, Property, SetOf, Table, sort_key
from local_aws.plugins.framework.values import Properties

_RULE: Final = Object(
    {
        "protocol": Property(STRING, required=True, allowed=("tcp", "udp")),
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


def permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A program's rule as EC2 has it."""
    described = {"Description": rule["description"]} if rule.get("description") else {}
    peers = {
        container: [{key: peer, **described} for peer in rule[kind]]
        for kind, (container, key) in _PEERS.items()
        if rule.get(kind)
    }
    ports = {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]} if rule["protocol"] != "-1" else {}
    return {"IpProtocol": rule["protocol"], **ports, **peers}


def rules_of(permissions: Iterable[Mapping[str, Any]]) -> list[Properties]:
    """EC2's permissions as a program's rules, in order, each with one peer."""
    rules = [
        {
            "protocol": item["IpProtocol"],
            "fromPort": item.get("FromPort", 0),
            "toPort": item.get("ToPort", 0),
            kind: [peer[key]],
            **({"description": peer["Description"]} if peer.get("Description") else {}),
        }
        for item in permissions
        for kind, (container, key) in _PEERS.items()
        for peer in item.get(container) or ()
    ]
    return sorted(rules, key=sort_key)


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
            rules, known = rules_of(group.get(member) or ()), state.get(name) or []
            found[name] = known if rules_of(map(permission, known)) == rules else rules
        return found

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Revoke all rules of a kind, and authorize the program's."""
        group = self.describe(operation, resource_id) or {}
        for name in sorted(changed):
            for verb, rules in (("Revoke", rules_of(group.get(_MEMBERS[name]) or ())), ("Authorize", new.get(name))):
                if rules:
                    parameters = {"GroupId": resource_id, "IpPermissions": [permission(rule) for rule in rules]}
                    self.call(operation, f"{verb}SecurityGroup{name.capitalize()}", parameters)
