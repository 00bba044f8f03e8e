"""What an existing network has, looked up: one thing by its id or by filters, or the published provider's error."""

from typing import Any

import pytest

from local_aws.tests.integration.plugins.harness import Engine, World
from local_aws.tests.unit.plugins.playing import Aborted

pytestmark = pytest.mark.integration


def look_up(engine: Engine, function: str, **arguments: Any) -> dict[str, Any]:
    name = function.rpartition("/")[2]
    found, failures = engine.invoke(f"aws:{function}:{name}", arguments)
    assert failures == []
    return found


def test_a_vpc_and_a_subnet_are_found_by_their_ids(engine: Engine, world: World) -> None:
    vpc = look_up(engine, "ec2/getVpc", id=world.ids["vpc"])
    assert {"cidrBlock": "10.77.0.0/16", "enableDnsSupport": True, "enableDnsHostnames": False}.items() <= vpc.items()
    subnet = look_up(engine, "ec2/getSubnet", id=world.ids["subnets"][1])
    expected = {"vpcId": world.ids["vpc"], "availabilityZone": "us-east-1b", "cidrBlock": "10.77.1.0/24"}
    assert expected.items() <= subnet.items()


def test_a_route_table_is_found_by_its_subnet_or_as_the_main_one_without_local_routes(
    engine: Engine, world: World
) -> None:
    ec2, vpc, subnet = world.client("ec2"), world.ids["vpc"], world.ids["subnets"][0]
    made = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=made, DestinationCidrBlock="0.0.0.0/0", GatewayId=world.ids["gateway"])
    with pytest.raises(Aborted, match="query returned no results"):
        look_up(engine, "ec2/getRouteTable", subnetId=subnet)
    association = ec2.associate_route_table(RouteTableId=made, SubnetId=subnet)["AssociationId"]
    found = look_up(engine, "ec2/getRouteTable", subnetId=subnet)
    assert (found["routeTableId"], found["vpcId"]) == (made, vpc)
    assert found["routes"] == [{"cidrBlock": "0.0.0.0/0", "gatewayId": world.ids["gateway"]}]
    main = [{"name": "association.main", "values": ["true"]}]
    assert look_up(engine, "ec2/getRouteTable", vpcId=vpc, filters=main)["routeTableId"] != made
    with pytest.raises(Aborted, match="multiple Route Tables matched; use additional constraints"):
        look_up(engine, "ec2/getRouteTable", vpcId=vpc)
    ec2.disassociate_route_table(AssociationId=association)


def test_an_endpoint_is_found_by_its_service_kind_and_state(engine: Engine, world: World) -> None:
    ec2, vpc, service = world.client("ec2"), world.ids["vpc"], "com.amazonaws.us-east-1.states"
    asked = {"vpcId": vpc, "serviceName": service, "vpcEndpointType": "Interface", "state": "available"}
    with pytest.raises(Aborted, match="no matching EC2 VPC Endpoint found"):
        look_up(engine, "ec2/getVpcEndpoint", **asked)
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=service,
        VpcEndpointType="Interface",
        SubnetIds=world.ids["subnets"],
        SecurityGroupIds=world.ids["groups"],
        TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "of", "Value": "tests"}]}],
    )["VpcEndpoint"]["VpcEndpointId"]
    found = look_up(engine, "ec2/getVpcEndpoint", **asked)
    expected = {"id": made, "privateDnsEnabled": True, "tags": {"of": "tests"}, "routeTableIds": []}
    assert expected.items() <= found.items()
    assert found["securityGroupIds"] == sorted(world.ids["groups"])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made])


def test_each_peer_of_a_security_group_is_a_rule(engine: Engine, world: World) -> None:
    ec2, vpc, peers = world.client("ec2"), world.ids["vpc"], world.ids["groups"]
    group = ec2.create_security_group(GroupName="lookups", Description="d", VpcId=vpc)["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    pairs = [{"GroupId": peer} for peer in peers]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**permission, "IpRanges": [{"CidrIp": "10.0.0.0/8"}], "UserIdGroupPairs": pairs}]
    )
    assert look_up(engine, "ec2/getSecurityGroup", id=group)["vpcId"] == vpc
    ids = look_up(engine, "vpc/getSecurityGroupRules", filters=[{"name": "group-id", "values": [group]}])["ids"]
    rules = [look_up(engine, "vpc/getSecurityGroupRule", securityGroupRuleId=each) for each in ids]
    found = [(rule["ipProtocol"], rule.get("cidrIpv4") or rule["referencedSecurityGroupId"]) for rule in rules]
    assert sorted(found) == sorted([("-1", "0.0.0.0/0"), *(("tcp", peer) for peer in ("10.0.0.0/8", *peers))])
    assert [rule["isEgress"] for rule in rules if rule["ipProtocol"] == "-1"] == [True]
    ec2.delete_security_group(GroupId=group)


def test_nat_gateways_are_listed_by_vpc_and_state(engine: Engine, world: World) -> None:
    ec2, subnet = world.client("ec2"), world.ids["subnets"][0]
    made = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    asked = {"vpcId": world.ids["vpc"], "filters": [{"name": "state", "values": ["available"]}]}
    assert look_up(engine, "ec2/getNatGateways", **asked)["ids"] == [made]
    ec2.delete_nat_gateway(NatGatewayId=made)
    assert look_up(engine, "ec2/getNatGateways", **asked)["ids"] == []


def test_a_cluster_is_found_by_its_name(engine: Engine) -> None:
    assert look_up(engine, "ecs/getCluster", clusterName="plugins-world")["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("function", "arguments", "error"),
    [
        ("ec2/getVpc", {"id": "vpc-00000000000000000"}, "no matching EC2 VPC found"),
        ("ec2/getSubnet", {"id": "subnet-00000000000000000"}, "no matching EC2 Subnet found"),
        ("ec2/getSecurityGroup", {"id": "sg-00000000000000000"}, "no matching EC2 Security Group found"),
        ("vpc/getSecurityGroupRule", {"securityGroupRuleId": "sgr-0"}, "no matching Security Group Rule found"),
        ("ecs/getCluster", {"clusterName": "none"}, r"reading ECS Cluster \(none\): empty result"),
    ],
)
def test_what_does_not_exist_is_an_error(engine: Engine, function: str, arguments: Any, error: str) -> None:
    with pytest.raises(Aborted, match=error):
        look_up(engine, function, **arguments)


def test_an_argument_that_is_not_known_is_named(engine: Engine) -> None:
    assert engine.invoke("aws:ec2/getVpc:getVpc", {"id": "vpc-1", "cidrBlock": "10.0.0.0/8"})[1] == ["cidrBlock"]
