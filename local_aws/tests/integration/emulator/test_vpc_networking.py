"""VPC endpoints and NAT gateways keep what they were given; security groups' rules have ids; zones are filtered.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRule.html and
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html
"""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.tests.integration.emulator.expectations import refused

pytestmark = [pytest.mark.integration, pytest.mark.correction(name="vpc_networking")]


def vpc_of(aws: Any, fargate: Any) -> str:
    return str(aws.client("ec2").describe_subnets(SubnetIds=[fargate.subnet])["Subnets"][0]["VpcId"])


def test_an_interface_endpoint_keeps_its_groups_and_private_dns(aws: Any, fargate: Any) -> None:
    ec2, vpc = aws.client("ec2"), vpc_of(aws, fargate)
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{aws.region}.logs",
        VpcEndpointType="Interface",
        SubnetIds=[fargate.subnet],
        SecurityGroupIds=[fargate.security_group],
        PrivateDnsEnabled=False,
    )["VpcEndpoint"]
    assert made["PrivateDnsEnabled"] is False
    other = ec2.create_security_group(GroupName=aws.name("other"), Description="x", VpcId=vpc)["GroupId"]
    ec2.modify_vpc_endpoint(
        VpcEndpointId=made["VpcEndpointId"],
        PrivateDnsEnabled=True,
        AddSecurityGroupIds=[other],
        RemoveSecurityGroupIds=[fargate.security_group],
    )
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["VpcEndpoints"]
    assert [each["VpcEndpointId"] for each in found] == [made["VpcEndpointId"]]
    expected = {"PrivateDnsEnabled": True, "Groups": [{"GroupId": other, "GroupName": aws.name("other")}]}
    assert expected.items() <= found[0].items()
    assert len(found[0]["NetworkInterfaceIds"]) == 1
    assert "Allow" in found[0]["PolicyDocument"]


def test_a_nat_gateway_has_its_address_and_fails_in_a_vpc_without_an_internet_gateway(aws: Any, fargate: Any) -> None:
    ec2 = aws.client("ec2")
    address = ec2.allocate_address(Domain="vpc")

    def create(**more: str) -> Any:
        made = ec2.create_nat_gateway(SubnetId=fargate.subnet, **more)["NatGateway"]
        return ec2.describe_nat_gateways(NatGatewayIds=[made["NatGatewayId"]])["NatGateways"][0]

    failed = create(AllocationId=address["AllocationId"])
    assert (failed["State"], failed["FailureCode"]) == ("failed", "Gateway.NotAttached")
    assert failed["FailureMessage"] == f"Network {failed['VpcId']} has no Internet gateway attached"
    assert create(ConnectivityType="private")["State"] == "available"
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=failed["VpcId"])
    found = create(AllocationId=address["AllocationId"])
    assert found["State"] == "available"
    (given,) = found["NatGatewayAddresses"]
    assert (given["AllocationId"], given["PublicIp"]) == (address["AllocationId"], address["PublicIp"])
    assert given["IsPrimary"] is True
    assert given["NetworkInterfaceId"].startswith("eni-")


def test_unknown_nat_gateways_and_endpoints_are_errors(aws: Any) -> None:
    with refused("NatGatewayNotFound"):
        aws.client("ec2").describe_nat_gateways(NatGatewayIds=["nat-00000000000000000"])
    with refused("InvalidVpcEndpointId.NotFound"):
        aws.client("ec2").describe_vpc_endpoints(VpcEndpointIds=["vpce-00000000000000000"])


def test_each_peer_of_a_permission_is_a_security_group_rule_with_an_id(aws: Any, fargate: Any) -> None:
    ec2, vpc = aws.client("ec2"), vpc_of(aws, fargate)
    group = ec2.create_security_group(GroupName=aws.name("rules"), Description="x", VpcId=vpc)["GroupId"]
    ranges = [{"CidrIp": "10.0.0.0/16"}, {"CidrIp": "10.1.0.0/16"}]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": ranges}]
    )
    of_group = [{"Name": "group-id", "Values": [group]}]
    rules = ec2.describe_security_group_rules(Filters=of_group)["SecurityGroupRules"]
    ingress = {rule["SecurityGroupRuleId"]: rule["CidrIpv4"] for rule in rules if not rule["IsEgress"]}
    assert sorted(ingress.values()) == ["10.0.0.0/16", "10.1.0.0/16"]
    for each, cidr in ingress.items():
        (found,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[each])["SecurityGroupRules"]
        assert (found["GroupId"], found["CidrIpv4"]) == (group, cidr)
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        ec2.describe_security_group_rules(SecurityGroupRuleIds=["sgr-00000000000000000"])


def test_a_rule_may_have_a_prefix_list_as_its_peer(aws: Any, fargate: Any) -> None:
    ec2, group = aws.client("ec2"), fargate.security_group
    of_s3 = [{"Name": "prefix-list-name", "Values": [f"com.amazonaws.{aws.region}.s3"]}]
    (s3,) = ec2.describe_prefix_lists(Filters=of_s3)["PrefixLists"]
    peer = {"PrefixListId": s3["PrefixListId"], "Description": "HTTPS to s3"}
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [peer]}
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[permission])
    (described,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert [peer] in [each["PrefixListIds"] for each in described["IpPermissionsEgress"]]
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    (rule,) = [each for each in rules if each["FromPort"] == 443]
    assert (rule["PrefixListId"], rule["Description"], rule["IsEgress"]) == (peer["PrefixListId"], "HTTPS to s3", True)


def test_a_local_zone_that_was_opted_in_to_sorts_first_and_filters_leave_it_out(aws: Any) -> None:
    ec2 = aws.client("ec2")

    def names(**asked: Any) -> list[str]:
        return sorted(zone["ZoneName"] for zone in ec2.describe_availability_zones(**asked)["AvailabilityZones"])

    assert names() == ["us-east-1-atl-1a", "us-east-1a", "us-east-1b", "us-east-1c"]
    no_opt_in = [{"Name": "opt-in-status", "Values": ["opt-in-not-required"]}]
    assert names(Filters=no_opt_in) == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert names(Filters=[*no_opt_in, {"Name": "zone-id", "Values": ["use1-az2", "use1-atl1-az1"]}]) == ["us-east-1b"]
    assert names(ZoneNames=["us-east-1c", "us-east-1a"]) == ["us-east-1a", "us-east-1c"]
    assert names(Filters=[{"Name": "state", "Values": ["impaired"]}]) == []
