"""EC2: security groups with their rules."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws
from local_aws.plugins.aws.ec2 import Ec2Resource
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.schema import INTEGER, STRING, ListOf, Object, Property, SetOf, Table, sort_key
from local_aws.plugins.framework.values import Properties

_RULE: Final = Object(
    {
        "protocol": Property(STRING, required=True, allowed=("tcp", "udp")),
        "fromPort": Property(INTEGER, required=True),
        "toPort": Property(INTEGER, required=True),
        "cidrBlocks": Property(ListOf(STRING)),
        "securityGroups": Property(SetOf(STRING)),
        "prefixListIds": Property(ListOf(STRING)),
        "description": Property(STRING),
    }
)
_MEMBERS: Final = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
"""EC2's names of the two kinds of rules."""
_PEERS: Final = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
    "prefixListIds": ("PrefixListIds", "PrefixListId"),
}
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
    """`aws.ec2.SecurityGroup`. Without `egress` no traffic may leave, as published.

    Rules of a kind that the program does not give are resources of their own: they are left alone, and not read.
    """

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
            if name in state:
                rules, known = rules_of(group.get(member) or ()), state[name] or []
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


class DefaultSecurityGroup(SecurityGroup):
    """`aws.ec2.DefaultSecurityGroup`: the one that a VPC begins with, with the program's rules alone.

    As published, it is there before its creation and after its deletion, which leaves it as it is.
    """

    token = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    creates = "DescribeSecurityGroups"
    properties: ClassVar[Table] = {
        name: row for name, row in SecurityGroup.properties.items() if name not in ("name", "description")
    }
    deletes_before_replace = False

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """DescribeSecurityGroups."""
        of_vpc = {"vpc-id": inputs["vpcId"], "group-name": "default"}
        return {"Filters": [{"Name": name, "Values": [value]} for name, value in of_vpc.items()]}

    def create(self, operation: Aws, inputs: Properties) -> str:
        """Find it, and replace its rules and tags."""
        (group,) = self.send(operation, inputs)["SecurityGroups"]
        operation.created = str(group["GroupId"])
        self.change(operation, operation.created, {}, inputs, {"ingress", "egress"})
        self.change_tags(operation, operation.created, {}, inputs)
        return operation.created

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """Nothing: EC2 does not delete it."""


class SecurityGroupIngressRule(Ec2Resource):
    """`aws.vpc.SecurityGroupIngressRule` whose peer is another group."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    creates, deletes = "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"
    renamed: ClassVar = {"securityGroupId": "GroupId", "referencedSecurityGroupId": "ReferencedGroupId"}
    kind, listed, id_member = "security-group-rule", "SecurityGroupRules", "SecurityGroupRuleId"
    gone = ("InvalidSecurityGroupRuleId.NotFound", *SecurityGroup.gone)
    properties: ClassVar[Table] = {
        "securityGroupId": Property(STRING, required=True, replaces=True),
        "ipProtocol": Property(STRING, required=True, allowed=("tcp", "udp")),
        "fromPort": Property(INTEGER, required=True),
        "toPort": Property(INTEGER, required=True),
        "referencedSecurityGroupId": Property(STRING, required=True),
        "description": Property(STRING),
    }
    outputs = ("arn", "securityGroupRuleId", "tagsAll")

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """AuthorizeSecurityGroupIngress."""
        whole: Properties = {name: inputs[name] for name in ("securityGroupId", "tags") if name in inputs}
        rule = {"protocol": inputs["ipProtocol"], "securityGroups": [inputs["referencedSecurityGroupId"]], **inputs}
        return {**super().request(provider, whole), "IpPermissions": [permission(rule)]}

    def create(self, operation: Aws, inputs: Properties) -> str:
        """AuthorizeSecurityGroupIngress, which returns the rule."""
        (rule,) = self.send(operation, inputs)["SecurityGroupRules"]
        operation.created = str(rule["SecurityGroupRuleId"])
        return operation.created

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """A rule, with the id of its peer."""
        rule = super().describe(operation, resource_id)
        peer = ((rule or {}).get("ReferencedGroupInfo") or {}).get("GroupId")
        return rule and {**rule, "ReferencedGroupId": peer}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """ModifySecurityGroupRules, which takes the whole rule."""
        members = {"ipProtocol": "IpProtocol", "fromPort": "FromPort", "toPort": "ToPort", "description": "Description"}
        members["referencedSecurityGroupId"] = "ReferencedGroupId"
        rule = {member: new[name] for name, member in members.items() if name in new}
        rules = [{"SecurityGroupRuleId": resource_id, "SecurityGroupRule": rule}]
        self.client(operation).modify_security_group_rules(GroupId=new["securityGroupId"], SecurityGroupRules=rules)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """RevokeSecurityGroupIngress."""
        of_group = {"GroupId": state["securityGroupId"], "SecurityGroupRuleIds": [resource_id]}
        self.client(operation).revoke_security_group_ingress(**of_group)
