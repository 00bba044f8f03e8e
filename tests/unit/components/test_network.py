"""The VPC, its endpoints, its security groups."""

import pulumi
import pytest

from ecs_kit.components import program
from ecs_kit.components.names import DeploymentTarget
from tests.unit.components import recorder
from tests.unit.components.recorder import Deployment, Resource, deployment

SECURITY_GROUP_TEXT = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789. _-:/()#,@[]+=&;{}!$*")
"""Characters that EC2 accepts in names and descriptions of security groups (API reference, CreateSecurityGroup)."""


def groups(deployed: Deployment, *, endpoints: bool) -> list[Resource]:
    return [group for group in deployed.of("SecurityGroup") if ("-endpoint-" in group.name) == endpoints]


def endpoints(deployed: Deployment, kind: str) -> dict[str, Resource]:
    found = [endpoint for endpoint in deployed.of("VpcEndpoint") if endpoint.inputs["vpcEndpointType"] == kind]
    return {endpoint.inputs["serviceName"].removeprefix("com.amazonaws.eu-central-1."): endpoint for endpoint in found}


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_vpc_spans_two_zones_with_dns_host_names_and_the_patterns_addresses(pattern):
    inputs = deployment(patterns=str(pattern)).the("Vpc").inputs
    assert inputs["cidrBlock"] == {1: "10.110.0.0/16", 2: "10.120.0.0/16"}[pattern]
    assert inputs["availabilityZoneNames"] == ["eu-central-1a", "eu-central-1b"]
    assert inputs["enableDnsHostnames"] is True
    assert inputs["subnetStrategy"] == "Auto"


@pytest.mark.parametrize(
    ("choice", "zones", "routes"),
    [("none", [], []), ("single", ["1"], ["1", "1"]), ("per-az", ["1", "2"], ["1", "2"])],
)
def test_nat_gateways_are_made_after_the_internet_gateway_and_routed_to(choice, zones, routes):
    deployed = deployment(patterns="1", natGateways=choice)
    vpc = deployed.the("Vpc")
    assert vpc.inputs["natGateways"] == {"strategy": "None"}, "awsx would not wait"
    internet_gateway = f"urn:pulumi:test::ecs-step-functions-kit::aws:ec2/internetGateway:InternetGateway::{vpc.name}"
    subnets = {gateway.name: gateway.inputs["subnetId"] for gateway in deployed.of("NatGateway")}
    assert subnets == {f"{vpc.name}-{zone}": f"subnet-public-{zone}" for zone in zones}
    for resource in (*deployed.of("NatGateway"), *deployed.of("Eip")):
        assert internet_gateway in resource.dependencies
        (former,) = resource.former
        assert former.endswith(f"::aws:ec2/subnet:Subnet${resource.type}::{resource.name}"), "it was a child of awsx's"
    assert {route.inputs["routeTableId"]: route.inputs["natGatewayId"] for route in deployed.of("Route")} == {
        f"rtb-private-{zone}": f"{vpc.name}-{gateway}-id" for zone, gateway in enumerate(routes, 1)
    }


def transformed(deployed: Deployment, kind: str, props: dict) -> pulumi.ResourceTransformResult | None:
    """What becomes of a child of awsx's VPC."""
    (transform,) = deployed.the("Vpc").transforms
    options = pulumi.ResourceOptions(protect=False)
    return transform(pulumi.ResourceTransformArgs(custom=True, type_=kind, name="x", props=props, opts=options))


def subnet(deployed: Deployment) -> pulumi.ResourceTransformResult:
    changed = transformed(
        deployed, "aws:ec2/subnet:Subnet", {"mapPublicIpOnLaunch": True, "cidrBlock": "10.110.0.0/18"}
    )
    assert changed is not None
    return changed


def test_no_subnet_assigns_public_addresses_and_all_keep_their_zones():
    deployed = deployment(patterns="1")
    assert subnet(deployed).props == {"mapPublicIpOnLaunch": False, "cidrBlock": "10.110.0.0/18"}
    assert subnet(deployed).opts.custom_timeouts.delete == "45m"
    assert subnet(deployed).opts.ignore_changes == ["availabilityZone"]
    assert transformed(deployed, "aws:ec2/routeTable:RouteTable", {}) is None


def test_subnets_have_the_configured_zones():
    deployed = deployment(patterns="1", availabilityZones='["eu-central-1c", "eu-central-1b"]')
    assert deployed.the("Vpc").inputs["availabilityZoneNames"] == ["eu-central-1c", "eu-central-1b"]
    assert not subnet(deployed).opts.ignore_changes


@pytest.mark.parametrize(("pattern", "functions"), [(1, ["launcher", "monitor"]), (2, ["monitor"])])
def test_the_policies_of_the_functions_roles_outlive_subnets_and_security_groups(pattern, functions):
    deployed = deployment(patterns=str(pattern))
    policies = {f"pattern-{pattern}-{function}" for function in functions}
    assert {resource._name for resource in subnet(deployed).opts.depends_on} == policies
    urns = {deployed.the("RolePolicy", name).urn for name in policies}
    for group in deployed.of("SecurityGroup"):
        assert urns <= set(group.dependencies) and group.delete_timeout == "45m"


def test_s3_and_dynamodb_are_reached_through_gateway_endpoints_of_every_route_table():
    gateways = endpoints(deployment(patterns="1"), "Gateway")
    assert set(gateways) == {"s3", "dynamodb"}
    for endpoint in gateways.values():
        assert endpoint.inputs["routeTableIds"] == ["rtb-public-1", "rtb-private-1", "rtb-public-2", "rtb-private-2"]


def test_endpoints_have_the_names_of_the_partition(monkeypatch):
    monkeypatch.setattr(recorder, "TARGET", DeploymentTarget("aws-cn", "123456789012", "cn-north-1"))
    monkeypatch.setattr(recorder, "ZONE_IDS", ("cnn1-az1", "cnn1-az4", "cnn1-az2"))
    deployed = recorder.run(program.program, {"patterns": "2"})
    assert {endpoint.inputs["serviceName"] for endpoint in deployed.of("VpcEndpoint")} == {
        *(f"com.amazonaws.cn-north-1.{service}" for service in ("s3", "dynamodb", "ecs", "ecs-agent", "logs")),
        *(f"cn.com.amazonaws.cn-north-1.{service}" for service in ("ecr.api", "ecr.dkr", "states")),
    }
    assert deployed.the("Vpc").inputs["availabilityZoneNames"] == ["cn-north-1a", "cn-north-1c"]


def test_every_interface_endpoint_has_private_dns_and_a_security_group_of_its_own():
    deployed = deployment(patterns="1")
    interfaces = endpoints(deployed, "Interface")
    assert set(interfaces) == {"ecs", "ecs-agent", "ecr.api", "ecr.dkr", "logs", "states"}
    used = [group for endpoint in interfaces.values() for group in endpoint.inputs["securityGroupIds"]]
    assert len(used) == len({*used}) == len(interfaces) == len(groups(deployed, endpoints=True))
    for endpoint in interfaces.values():
        assert endpoint.inputs["privateDnsEnabled"] is True
        assert endpoint.inputs["subnetIds"] == ["subnet-a", "subnet-b"]


@pytest.mark.parametrize(("pattern", "workloads"), [(1, ["launcher", "monitor", "tasks"]), (2, ["monitor", "tasks"])])
def test_workloads_accept_nothing_and_endpoints_accept_https_from_workloads_only(pattern, workloads):
    deployed = deployment(patterns=str(pattern))
    own = groups(deployed, endpoints=False)
    assert sorted(group.name.rsplit("-", 1)[1] for group in own) == workloads
    for group in own:
        assert group.inputs["ingress"] == []
        (rule,) = group.inputs["egress"]
        assert (rule["fromPort"], rule["toPort"]) == (443, 443)
    for group in groups(deployed, endpoints=True):
        assert group.inputs["egress"] == []
        (rule,) = group.inputs["ingress"]
        assert (rule["protocol"], rule["fromPort"], rule["toPort"]) == ("tcp", 443, 443)
        assert set(rule["securityGroups"]) == {f"{workload.name}-id" for workload in own}
        assert "cidrBlocks" not in rule


def test_names_and_descriptions_of_security_groups_are_what_ec2_accepts():
    for group in deployment(nameSuffix="blue").of("SecurityGroup"):
        rules = [*group.inputs["ingress"], *group.inputs["egress"]]
        for text in (group.inputs["name"], group.inputs["description"], *(rule["description"] for rule in rules)):
            assert set(text) <= SECURITY_GROUP_TEXT and len(text) <= 255
