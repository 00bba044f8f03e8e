"""VPC endpoints and NAT gateways, described with everything they were given, rules of security groups, zones.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRule.html and
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from ministack.core.responses import get_region
from ministack.services import ec2

from local_aws.emulator.aws_behaviour.patching import around, instead

Parameters = dict[str, Any]
Call = Callable[[Parameters], Any]
Record = dict[str, Any]

DEFAULT_ENDPOINT_POLICY = '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}'
_MADE = re.compile(rb"<(?:vpcEndpointId|natGatewayId)>([^<]+)<")


def to_xml(value: Any) -> str:
    """A value in the EC2 API's XML: an object by its members' names, a list as items; what is None is left out."""
    if isinstance(value, dict):
        return "".join(f"<{key}>{to_xml(each)}</{key}>" for key, each in value.items() if each is not None)
    if isinstance(value, list):
        return "".join(f"<item>{to_xml(each)}</item>" for each in value)
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


def _members(record: Record, *names: str) -> Record:
    """Members of a record of MiniStack's, with the first letter that they have in XML."""
    return {f"{name[0].lower()}{name[1:]}": record.get(name) for name in names}


def _derived(prefix: str, text: str, digits: int) -> str:
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:digits]


def _interface_id(owner: str, subnet: str) -> str:
    return _derived("eni-", f"{owner}/{subnet}", 17)


def _made(answer: tuple[int, dict[str, str], bytes]) -> list[str]:
    """The ids of the endpoints or NAT gateways in an answer."""
    return [found.decode() for found in _MADE.findall(answer[2])]


@around("vpc_networking.endpoints", ec2, "_ACTION_MAP", "CreateVpcEndpoint")
def create_endpoint(original: Call, parameters: Parameters) -> Any:
    """Wrap MiniStack's CreateVpcEndpoint."""
    answer = original(parameters)
    for made in _made(answer):
        record = ec2._vpc_endpoints[made]
        interface = record["VpcEndpointType"] == "Interface"
        record["SecurityGroupIds"] = ec2._parse_member_list(parameters, "SecurityGroupId")
        record["PrivateDnsEnabled"] = interface and ec2._p(parameters, "PrivateDnsEnabled").lower() != "false"
        record["PolicyDocument"] = ec2._p(parameters, "PolicyDocument") or DEFAULT_ENDPOINT_POLICY
        answer = ec2._xml(200, "CreateVpcEndpointResponse", f"<vpcEndpoint>{endpoint_xml(record)}</vpcEndpoint>")
    return answer


@around("vpc_networking.endpoints", ec2, "_ACTION_MAP", "ModifyVpcEndpoint")
def modify_endpoint(original: Call, parameters: Parameters) -> Any:
    """Wrap MiniStack's ModifyVpcEndpoint."""
    answer = original(parameters)
    record = ec2._vpc_endpoints.get(ec2._p(parameters, "VpcEndpointId"))
    if record is None:
        return answer
    removed = ec2._parse_member_list(parameters, "RemoveSecurityGroupId")
    added = ec2._parse_member_list(parameters, "AddSecurityGroupId")
    kept = [group for group in record["SecurityGroupIds"] if group not in (*removed, *added)]
    record["SecurityGroupIds"] = [*kept, *added]
    record["PolicyDocument"] = ec2._p(parameters, "PolicyDocument") or record["PolicyDocument"]
    private_dns = ec2._p(parameters, "PrivateDnsEnabled")
    if private_dns:
        record["PrivateDnsEnabled"] = private_dns.lower() == "true"
    return answer


@instead("vpc_networking.endpoints", ec2, "_ACTION_MAP", "DescribeVpcEndpoints")
def describe_endpoints(parameters: Parameters) -> Any:
    """The DescribeVpcEndpoints call: an id that does not exist is an error, filters are applied."""
    wanted = ec2._parse_member_list(parameters, "VpcEndpointId")
    for each in wanted:
        if each not in ec2._vpc_endpoints:
            return ec2._error("InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{each}' does not exist", 400)
    filters = ec2._parse_filters(parameters)
    found = "".join(
        f"<item>{endpoint_xml(record)}</item>"
        for identity, record in ec2._vpc_endpoints.items()
        if (not wanted or identity in wanted)
        and ec2._resource_matches_tag_filters(identity, filters)
        and all(record[key] in filters[name] for name, key in _ENDPOINT_FILTERS.items() if filters.get(name))
    )
    return ec2._xml(200, "DescribeVpcEndpointsResponse", f"<vpcEndpointSet>{found}</vpcEndpointSet>")


_ENDPOINT_FILTERS = {
    "service-name": "ServiceName",
    "vpc-endpoint-id": "VpcEndpointId",
    "vpc-endpoint-state": "State",
    "vpc-endpoint-type": "VpcEndpointType",
    "vpc-id": "VpcId",
}


def endpoint_xml(record: Record) -> str:
    """A VPC endpoint in the EC2 API's XML."""
    identity, interface = record["VpcEndpointId"], record["VpcEndpointType"] == "Interface"
    groups = record["SecurityGroupIds"]
    described = {
        **_members(record, "VpcEndpointId", "VpcEndpointType", "VpcId", "ServiceName", "State", "OwnerId"),
        **_members(record, "PolicyDocument", "PrivateDnsEnabled"),
        "routeTableIdSet": record["RouteTableIds"],
        "subnetIdSet": record["SubnetIds"],
        "groupSet": [{"groupId": each, "groupName": ec2._security_groups[each]["GroupName"]} for each in groups],
        "requesterManaged": False,
        "networkInterfaceIdSet": [_interface_id(identity, each) for each in record["SubnetIds"] if interface],
    }
    return to_xml(described) + str(ec2._tag_set_xml(identity))


@instead("vpc_networking.security_group_rules", ec2, "_ACTION_MAP", "DescribeSecurityGroupRules")
def describe_security_group_rules(parameters: Parameters) -> Any:
    """The DescribeSecurityGroupRules call: each peer is a rule with an id of its own, filters are applied."""
    filters = ec2._parse_filters(parameters)
    asked = ec2._parse_member_list(parameters, "SecurityGroupRuleId")
    wanted, groups = {*asked, *filters.get("security-group-rule-id", ())}, filters.get("group-id")
    found = {
        rule["SecurityGroupRuleId"]: rule_xml(group, rule, is_egress)
        for group, record in ec2._security_groups.items()
        if not groups or group in groups
        for is_egress, key in ((False, "IpPermissions"), (True, "IpPermissionsEgress"))
        for permission in record.get(key, ())
        for rule in rules_of(group, permission, is_egress)
    }
    for each in asked:
        if each not in found:
            text = f"The security group rule ID '{each}' does not exist"
            return ec2._error("InvalidSecurityGroupRuleId.NotFound", text, 400)
    items = "".join(
        xml
        for identity, xml in found.items()
        if (not wanted or identity in wanted) and ec2._resource_matches_tag_filters(identity, filters)
    )
    return ec2._xml(200, "DescribeSecurityGroupRulesResponse", f"<securityGroupRuleSet>{items}</securityGroupRuleSet>")


def rule_xml(group: str, rule: Record, is_egress: bool) -> str:
    """A rule in the EC2 API's XML, with its prefix list, if that is its peer."""
    found = str(ec2._sg_rule_xml(group, rule, is_egress=is_egress))
    lists = "".join(to_xml({"prefixListId": each["PrefixListId"]}) for each in rule.get("PrefixListIds", ()))
    return f"{found.removesuffix('</item>')}{lists}</item>"


def rules_of(group: str, permission: Record, is_egress: bool) -> list[Record]:
    """A permission as rules with one peer each; the first has the id that MiniStack gives to the permission."""
    kinds = ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds")
    identity = ec2._sg_rule_id(group, is_egress, permission)
    peers = [{**{each: [] for each in kinds}, kind: [peer]} for kind in kinds for peer in permission.get(kind, ())]
    return [
        {
            **permission,
            **peer,
            "SecurityGroupRuleId": _derived("sgr-", f"{identity}/{number}", 17) if number else identity,
        }
        for number, peer in enumerate(peers)
    ]


@around("vpc_networking.prefix_lists", ec2, "_parse_ip_permissions")
def permissions_of(original: Callable[[Parameters, str], list[Record]], parameters: Parameters, prefix: str) -> Any:
    """Wrap MiniStack's reading of permissions in a call: their prefix lists are read, too."""
    permissions = original(parameters, prefix)
    for number, permission in enumerate(permissions, 1):
        peers = [each for each in parameters if each.startswith(f"{prefix}.{number}.PrefixListIds.")]
        for each in sorted({peer.rpartition(".")[0] for peer in peers}):
            found = {name: ec2._p(parameters, f"{each}.{name}") for name in ("PrefixListId", "Description")}
            permission["PrefixListIds"].append({name: value for name, value in found.items() if value})
    return permissions


@instead("vpc_networking.zones", ec2, "_ACTION_MAP", "DescribeAvailabilityZones")
def describe_zones(parameters: Parameters) -> Any:
    """The DescribeAvailabilityZones call, of an account that has opted in to a Local Zone: its name sorts first."""
    region = get_region()
    prefix = ec2._az_id_prefix(region)
    local = (f"{region}-atl-1a", f"{prefix}-atl1-az1", f"{region}-atl-1", "opted-in", "local-zone")
    names = [f"{region}{letter}" for letter in "abc"]
    others = [
        (name, ec2._az_id_for_zone_name(name), f"{region}-zg-1", "opt-in-not-required", "availability-zone")
        for name in names
    ]
    keys = ("zoneName", "zoneId", "groupName", "optInStatus", "zoneType")
    everywhere = {"zoneState": "available", "regionName": region, "networkBorderGroup": region}
    zones = [{**dict(zip(keys, zone, strict=True)), **everywhere} for zone in (local, *others)]
    asked = {"zone-name": "ZoneName", "zone-id": "ZoneId"}
    filters = {name: ec2._parse_member_list(parameters, key) for name, key in asked.items()}
    filters = {**{name: values for name, values in filters.items() if values}, **ec2._parse_filters(parameters)}
    found = [zone for zone in zones if all(zone[_ZONE_FILTERS[name]] in values for name, values in filters.items())]
    return ec2._xml(200, "DescribeAvailabilityZonesResponse", to_xml({"availabilityZoneInfo": found}))


_ZONE_FILTERS = {
    "group-name": "groupName",
    "opt-in-status": "optInStatus",
    "region-name": "regionName",
    "state": "zoneState",
    "zone-id": "zoneId",
    "zone-name": "zoneName",
    "zone-type": "zoneType",
}


@around("vpc_networking.nat_gateways", ec2, "_ACTION_MAP", "CreateNatGateway")
def create_nat_gateway(original: Call, parameters: Parameters) -> Any:
    """Wrap MiniStack's CreateNatGateway: a public one fails where the VPC has no internet gateway."""
    answer = original(parameters)
    for made in _made(answer):
        record = ec2._nat_gateways[made]
        attached = {each["VpcId"] for gateway in ec2._internet_gateways.values() for each in gateway["Attachments"]}
        if record["ConnectivityType"] == "public" and record["VpcId"] not in attached:
            record["State"] = "failed"
            record["FailureCode"] = "Gateway.NotAttached"
            record["FailureMessage"] = f"Network {record['VpcId']} has no Internet gateway attached"
        answer = ec2._xml(200, "CreateNatGatewayResponse", f"<natGateway>{nat_gateway_xml(record)}</natGateway>")
    return answer


@around("vpc_networking.nat_gateways", ec2, "_ACTION_MAP", "DescribeNatGateways")
def describe_nat_gateways(original: Call, parameters: Parameters) -> Any:
    """Wrap MiniStack's DescribeNatGateways: an id that does not exist is an error, addresses are filled in."""
    for each in ec2._parse_member_list(parameters, "NatGatewayId"):
        if each not in ec2._nat_gateways:
            return ec2._error("NatGatewayNotFound", f"The Nat Gateway {each} was not found", 400)
    found = [ec2._nat_gateways[each] for each in _made(original(parameters))]
    items = "".join(f"<item>{nat_gateway_xml(each)}</item>" for each in found)
    return ec2._xml(200, "DescribeNatGatewaysResponse", f"<natGatewaySet>{items}</natGatewaySet>")


def nat_gateway_xml(record: Record) -> str:
    """A NAT gateway in the EC2 API's XML."""
    identity, allocation = record["NatGatewayId"], record.get("AllocationId") or None
    number = int(_derived("", identity, 4), 16)
    address = {
        "allocationId": allocation,
        "publicIp": ec2._addresses.get(allocation, {}).get("PublicIp"),
        "networkInterfaceId": _interface_id(identity, record["SubnetId"]),
        "privateIp": f"10.{number >> 8}.{number & 255}.5",
        "isPrimary": True,
        "status": "succeeded",
    }
    described = {
        **_members(record, "NatGatewayId", "SubnetId", "VpcId", "State", "FailureCode", "FailureMessage"),
        **_members(record, "ConnectivityType", "CreateTime"),
        "natGatewayAddressSet": [address],
    }
    return to_xml(described) + str(ec2._tag_set_xml(identity))
