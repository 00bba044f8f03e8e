"""Subnets, VPC endpoints and NAT gateways, described with everything they were given, and availability zones.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html and
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from ministack.core.responses import get_region
from ministack.services import ec2

Parameters = dict[str, Any]
Call = Callable[[Parameters], Any]
Record = dict[str, Any]

DEFAULT_ENDPOINT_POLICY = '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}'
_MADE = re.compile(rb"<(?:vpcEndpointId|natGatewayId)>([^<]+)<")


def creating_endpoint(original: Call) -> Call:
    """Wrap MiniStack's CreateVpcEndpoint."""

    def create(parameters: Parameters) -> Any:
        answer = original(parameters)
        made = _made(answer)
        if made is None:
            return answer
        record = ec2._vpc_endpoints[made]
        interface = record["VpcEndpointType"] == "Interface"
        record["SecurityGroupIds"] = ec2._parse_member_list(parameters, "SecurityGroupId")
        record["PrivateDnsEnabled"] = interface and ec2._p(parameters, "PrivateDnsEnabled").lower() != "false"
        record["PolicyDocument"] = ec2._p(parameters, "PolicyDocument") or DEFAULT_ENDPOINT_POLICY
        return ec2._xml(200, "CreateVpcEndpointResponse", endpoint_xml(record, "vpcEndpoint"))

    return create


def modifying_endpoint(original: Call) -> Call:
    """Wrap MiniStack's ModifyVpcEndpoint."""

    def modify(parameters: Parameters) -> Any:
        answer = original(parameters)
        record = ec2._vpc_endpoints.get(ec2._p(parameters, "VpcEndpointId"))
        if record is None:
            return answer
        removed = ec2._parse_member_list(parameters, "RemoveSecurityGroupId")
        added = ec2._parse_member_list(parameters, "AddSecurityGroupId")
        kept = [group for group in record.get("SecurityGroupIds", []) if group not in (*removed, *added)]
        record["SecurityGroupIds"] = [*kept, *added]
        private_dns = ec2._p(parameters, "PrivateDnsEnabled")
        if private_dns:
            record["PrivateDnsEnabled"] = private_dns.lower() == "true"
        if ec2._p(parameters, "ResetPolicy").lower() == "true":
            record["PolicyDocument"] = DEFAULT_ENDPOINT_POLICY
        return answer

    return modify


def describe_endpoints(parameters: Parameters) -> Any:
    """The DescribeVpcEndpoints call: an id that does not exist is an error, filters are applied."""
    wanted = ec2._parse_member_list(parameters, "VpcEndpointId")
    for each in wanted:
        if each not in ec2._vpc_endpoints:
            return ec2._error("InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{each}' does not exist", 400)
    filters = ec2._parse_filters(parameters)
    found = [
        endpoint_xml(record, "item")
        for record in ec2._vpc_endpoints.values()
        if (not wanted or record["VpcEndpointId"] in wanted) and _matches_endpoint(record, filters)
    ]
    return ec2._xml(200, "DescribeVpcEndpointsResponse", f"<vpcEndpointSet>{''.join(found)}</vpcEndpointSet>")


_ENDPOINT_FILTERS = {
    "service-name": "ServiceName",
    "vpc-endpoint-id": "VpcEndpointId",
    "vpc-endpoint-state": "State",
    "vpc-endpoint-type": "VpcEndpointType",
    "vpc-id": "VpcId",
}


def _matches_endpoint(record: Record, filters: dict[str, list[str]]) -> bool:
    if not ec2._resource_matches_tag_filters(record["VpcEndpointId"], filters):
        return False
    return all(record[key] in filters[name] for name, key in _ENDPOINT_FILTERS.items() if filters.get(name))


def endpoint_xml(record: Record, tag: str) -> str:
    """A VPC endpoint in the EC2 API's XML."""
    identity, interface = record["VpcEndpointId"], record["VpcEndpointType"] == "Interface"
    groups = "".join(
        f"<item><groupId>{escape(group)}</groupId>"
        f"<groupName>{escape(ec2._security_groups.get(group, {}).get('GroupName', ''))}</groupName></item>"
        for group in record.get("SecurityGroupIds", [])
    )
    interfaces = [interface_id(identity, subnet) for subnet in record.get("SubnetIds", [])] if interface else []
    return (
        f"<{tag}>"
        f"<vpcEndpointId>{identity}</vpcEndpointId>"
        f"<vpcEndpointType>{record['VpcEndpointType']}</vpcEndpointType>"
        f"<vpcId>{record['VpcId']}</vpcId>"
        f"<serviceName>{escape(record['ServiceName'])}</serviceName>"
        f"<state>{record['State']}</state>"
        f"<ownerId>{record['OwnerId']}</ownerId>"
        f"<policyDocument>{escape(record.get('PolicyDocument', DEFAULT_ENDPOINT_POLICY))}</policyDocument>"
        f"<routeTableIdSet>{_items(record.get('RouteTableIds', []))}</routeTableIdSet>"
        f"<subnetIdSet>{_items(record.get('SubnetIds', []))}</subnetIdSet>"
        f"<groupSet>{groups}</groupSet>"
        f"<privateDnsEnabled>{str(bool(record.get('PrivateDnsEnabled'))).lower()}</privateDnsEnabled>"
        f"<requesterManaged>false</requesterManaged>"
        f"<networkInterfaceIdSet>{_items(interfaces)}</networkInterfaceIdSet>"
        f"<dnsEntrySet>{_dns_entries(record) if interface else ''}</dnsEntrySet>"
        f"{ec2._tag_set_xml(identity)}"
        f"</{tag}>"
    )


def _dns_entries(record: Record) -> str:
    service = record["ServiceName"].rsplit(".", 1)[-1]
    region = get_region()
    zone = _derived("Z", record["VpcEndpointId"], 20).upper()
    name = f"{record['VpcEndpointId']}-{_derived('', record['VpcEndpointId'], 8)}.{service}.{region}.vpce.amazonaws.com"
    return f"<item><dnsName>{escape(name)}</dnsName><hostedZoneId>{zone}</hostedZoneId></item>"


def creating_subnet(original: Call) -> Call:
    """Wrap MiniStack's CreateSubnet: IPv6 addresses are kept."""

    def create(parameters: Parameters) -> Any:
        before = set(ec2._subnets)
        answer = original(parameters)
        block = ec2._p(parameters, "Ipv6CidrBlock")
        if not block:
            return answer
        (made,) = set(ec2._subnets) - before
        ec2._subnets[made]["Ipv6CidrBlock"] = block
        return ec2._xml(200, "CreateSubnetResponse", ec2._subnet_fields_xml(ec2._subnets[made], tag="subnet"))

    return create


def modifying_subnet(original: Call) -> Call:
    """Wrap MiniStack's ModifySubnetAttribute: whether network interfaces get IPv6 addresses is kept."""

    def modify(parameters: Parameters) -> Any:
        answer = original(parameters)
        subnet, assign = ec2._p(parameters, "SubnetId"), ec2._p(parameters, "AssignIpv6AddressOnCreation.Value")
        if assign and subnet in ec2._subnets:
            ec2._subnets[subnet]["AssignIpv6AddressOnCreation"] = assign.lower()
        return answer

    return modify


def subnet_xml(original: Callable[..., str]) -> Callable[..., str]:
    """Wrap MiniStack's description of a subnet: with IPv6."""

    def described(subnet: Record, tag: str = "item") -> str:
        text = original(subnet, tag=tag)
        assign = subnet.get("AssignIpv6AddressOnCreation", "false")
        text = text.replace("<assignIpv6AddressOnCreation>false<", f"<assignIpv6AddressOnCreation>{assign}<")
        if "Ipv6CidrBlock" not in subnet:
            return text
        association = (
            f"<ipv6CidrBlock>{subnet['Ipv6CidrBlock']}</ipv6CidrBlock>"
            f"<associationId>{_derived('subnet-cidr-assoc-', subnet['SubnetId'], 17)}</associationId>"
            f"<ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState>"
        )
        added = f"<ipv6CidrBlockAssociationSet><item>{association}</item></ipv6CidrBlockAssociationSet>"
        return f"{text.removesuffix(f'</{tag}>')}{added}</{tag}>"

    return described


def describe_zones(parameters: Parameters) -> Any:
    """The DescribeAvailabilityZones call, of an account that has opted in to a Local Zone: its name sorts first."""
    region = get_region()
    zones = [
        {
            "zoneName": f"{region}-atl-1a",
            "zoneId": f"{ec2._az_id_prefix(region)}-atl1-az1",
            "groupName": f"{region}-atl-1",
            "optInStatus": "opted-in",
            "zoneType": "local-zone",
        },
        *(
            {
                "zoneName": f"{region}{letter}",
                "zoneId": ec2._az_id_for_zone_name(f"{region}{letter}"),
                "groupName": f"{region}-zg-1",
                "optInStatus": "opt-in-not-required",
                "zoneType": "availability-zone",
            }
            for letter in "abc"
        ),
    ]
    filters = {name: ec2._parse_member_list(parameters, key) for name, key in _ZONE_PARAMETERS.items()}
    filters = {**{name: values for name, values in filters.items() if values}, **ec2._parse_filters(parameters)}
    items = ""
    for zone in zones:
        zone |= {"zoneState": "available", "regionName": region, "networkBorderGroup": region}
        if all(zone[_ZONE_FILTERS[name]] in values for name, values in filters.items()):
            items += f"<item>{''.join(f'<{key}>{value}</{key}>' for key, value in zone.items())}</item>"
    return ec2._xml(200, "DescribeAvailabilityZonesResponse", f"<availabilityZoneInfo>{items}</availabilityZoneInfo>")


_ZONE_PARAMETERS = {"zone-name": "ZoneName", "zone-id": "ZoneId"}
_ZONE_FILTERS = {
    "group-name": "groupName",
    "opt-in-status": "optInStatus",
    "region-name": "regionName",
    "state": "zoneState",
    "zone-id": "zoneId",
    "zone-name": "zoneName",
    "zone-type": "zoneType",
}


def creating_nat_gateway(original: Call) -> Call:
    """Wrap MiniStack's CreateNatGateway: a public one fails where the VPC has no internet gateway."""

    def create(parameters: Parameters) -> Any:
        answer = original(parameters)
        made = _made(answer)
        if made is None:
            return answer
        record = ec2._nat_gateways[made]
        attached = {each["VpcId"] for gateway in ec2._internet_gateways.values() for each in gateway["Attachments"]}
        if record["ConnectivityType"] == "public" and record["VpcId"] not in attached:
            record["State"] = "failed"
            record["FailureCode"] = "Gateway.NotAttached"
            record["FailureMessage"] = f"Network {record['VpcId']} has no Internet gateway attached"
        return ec2._xml(200, "CreateNatGatewayResponse", nat_gateway_xml(ec2._nat_gateways[made], "natGateway"))

    return create


def describing_nat_gateways(original: Call) -> Call:
    """Wrap MiniStack's DescribeNatGateways: the addresses of each are filled in."""

    def describe(parameters: Parameters) -> Any:
        for each in ec2._parse_member_list(parameters, "NatGatewayId"):
            if each not in ec2._nat_gateways:
                return ec2._error("NatGatewayNotFound", f"The Nat Gateway {each} was not found", 400)
        _status, _headers, body = original(parameters)
        text = body if isinstance(body, bytes) else body.encode()
        found = [match.decode() for match in _MADE.findall(text)]
        items = "".join(nat_gateway_xml(ec2._nat_gateways[each], "item") for each in found)
        return ec2._xml(200, "DescribeNatGatewaysResponse", f"<natGatewaySet>{items}</natGatewaySet>")

    return describe


def nat_gateway_xml(record: Record, tag: str) -> str:
    """A NAT gateway in the EC2 API's XML."""
    identity, allocation = record["NatGatewayId"], record.get("AllocationId") or ""
    address = ec2._addresses.get(allocation, {})
    number = int(_derived("", identity, 4), 16)
    public = (
        f"<allocationId>{allocation}</allocationId><publicIp>{address.get('PublicIp', '')}</publicIp>"
        if allocation
        else ""
    )
    failure = ""
    if record["State"] == "failed":
        failure = (
            f"<failureCode>{record['FailureCode']}</failureCode>"
            f"<failureMessage>{record['FailureMessage']}</failureMessage>"
        )
    return (
        f"<{tag}>"
        f"<natGatewayId>{identity}</natGatewayId>"
        f"<subnetId>{record['SubnetId']}</subnetId>"
        f"<vpcId>{record['VpcId']}</vpcId>"
        f"<state>{record['State']}</state>"
        f"{failure}"
        f"<connectivityType>{record['ConnectivityType']}</connectivityType>"
        f"<createTime>{record['CreateTime']}</createTime>"
        f"<natGatewayAddressSet><item>{public}"
        f"<networkInterfaceId>{interface_id(identity, record['SubnetId'])}</networkInterfaceId>"
        f"<privateIp>10.{number >> 8}.{number & 255}.5</privateIp>"
        f"<isPrimary>true</isPrimary><status>succeeded</status></item></natGatewayAddressSet>"
        f"{ec2._tag_set_xml(identity)}"
        f"</{tag}>"
    )


def interface_id(owner: str, subnet: str) -> str:
    """The id of the network interface that something has in a subnet."""
    return _derived("eni-", f"{owner}/{subnet}", 17)


def _derived(prefix: str, text: str, digits: int) -> str:
    return prefix + hashlib.sha256(text.encode()).hexdigest()[:digits]


def _made(answer: tuple[int, dict[str, str], bytes | str]) -> str | None:
    status, _headers, body = answer
    found = _MADE.search(body if isinstance(body, bytes) else body.encode())
    return found.group(1).decode() if status == 200 and found else None


def _items(values: Iterable[str]) -> str:
    return "".join(f"<item>{escape(value)}</item>" for value in values)
