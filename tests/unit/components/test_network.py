"""The VPC, its endpoints, its security groups."""

import pulumi
import pytest

from ecs_kit.components import program
from ecs_kit.components.names import DeploymentTarget
from tests.unit.components import recorder
from tests.unit.components.recorder import Deployment, Resource, deployment

BASE = "amazon-ecs-starter-kit-pattern-1"
SECURITY_GROUP_TEXT = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789. _-:/()#,@[]+=&;{}!$*")
"""Characters that EC2 accepts in names and descriptions of security groups (API reference, CreateSecurityGroup)."""


def workload_groups(deployed: Deployment) -> dict[str, Resource]:
    """The workloads' security groups."""
    found = {group.name.rpartition("-")[2]: group for group in deployed.of("SecurityGroup")}
    return {workload: group for workload, group in found.items() if workload != "endpoints"}


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
    for nat_gateways, zones in (("none", ("private-{}",)), ("single", ("public-{}", "private-{}"))):
        gateways = endpoints(deployment(patterns="1", natGateways=nat_gateways), "Gateway")
        assert set(gateways) == {"s3", "dynamodb"}
        tables = [f"rtb-{table.format(zone)}" for zone in (1, 2) for table in zones]
        for endpoint in gateways.values():
            assert endpoint.inputs["routeTableIds"] == tables


def test_there_are_public_subnets_only_with_nat_gateways_and_private_ones_keep_their_addresses():
    private = [{"type": "Private", "cidrMask": 18}]
    assert deployment(patterns="1").the("Vpc").inputs["subnetSpecs"] == private
    assert "subnetSpecs" not in deployment(patterns="1", natGateways="single").the("Vpc").inputs, "awsx's default"


def test_the_default_security_group_of_the_vpc_has_no_rules():
    default = deployment(patterns="1").the("DefaultSecurityGroup").inputs
    assert (default["vpcId"], default["ingress"], default["egress"]) == ("vpc-1", [], [])


def test_endpoints_have_the_names_of_the_partition(monkeypatch):
    monkeypatch.setattr(recorder, "TARGET", DeploymentTarget("aws-cn", "123456789012", "cn-north-1"))
    monkeypatch.setattr(recorder, "ZONE_IDS", ("cnn1-az1", "cnn1-az4", "cnn1-az2"))
    deployed = recorder.run(program.program, {"patterns": "2"})
    assert {endpoint.inputs["serviceName"] for endpoint in deployed.of("VpcEndpoint")} == {
        *(f"com.amazonaws.cn-north-1.{service}" for service in ("s3", "dynamodb", "ecs", "ecs-agent", "logs")),
        *(f"cn.com.amazonaws.cn-north-1.{service}" for service in ("ecr.api", "ecr.dkr", "states")),
    }
    assert deployed.the("Vpc").inputs["availabilityZoneNames"] == ["cn-north-1a", "cn-north-1c"]


def test_every_interface_endpoint_has_private_dns_and_the_endpoints_security_group():
    interfaces = endpoints(deployment(patterns="1"), "Interface")
    assert set(interfaces) == {"ecs", "ecs-agent", "ecr.api", "ecr.dkr", "logs", "states"}
    for endpoint in interfaces.values():
        assert endpoint.inputs["privateDnsEnabled"] is True
        assert endpoint.inputs["subnetIds"] == ["subnet-a", "subnet-b"]
        assert endpoint.inputs["securityGroupIds"] == [f"{BASE}-endpoints-id"]


def egress(group: Resource) -> list[tuple]:
    """The peers of a group's rules, all of them for HTTPS."""
    peers = ("securityGroups", "prefixListIds", "cidrBlocks")
    rules = group.inputs["egress"]
    assert {(rule["protocol"], rule["fromPort"], rule["toPort"]) for rule in rules} == {("tcp", 443, 443)}
    return [peer for rule in rules for kind in peers for peer in rule.get(kind, ())]


@pytest.mark.parametrize(
    ("pattern", "workloads"), [("1", {"launcher", "monitor", "tasks"}), ("2", {"monitor", "tasks"})]
)
def test_workloads_accept_nothing_and_let_https_out_to_the_endpoints_alone(pattern, workloads):
    deployed = deployment(patterns=pattern)
    base = f"amazon-ecs-starter-kit-pattern-{pattern}"
    own = workload_groups(deployed)
    assert set(own) == workloads
    for group in own.values():
        assert group.inputs["ingress"] == []
        assert egress(group) == [f"{base}-endpoints-id", "pl-s3", "pl-dynamodb"]


def test_endpoints_accept_https_from_the_workloads_alone():
    deployed = deployment(patterns="1")
    shared = deployed.the("SecurityGroup", "-endpoints")
    assert not {"ingress", "egress"} & set(shared.inputs), "inline rules exclude rules of their own"
    rules = [rule.inputs for rule in deployed.of("SecurityGroupIngressRule")]
    assert {rule["securityGroupId"] for rule in rules} == {f"{shared.name}-id"}
    assert {(rule["ipProtocol"], rule["fromPort"], rule["toPort"]) for rule in rules} == {("tcp", 443, 443)}
    assert sorted(rule["referencedSecurityGroupId"] for rule in rules) == sorted(
        f"{group.name}-id" for group in workload_groups(deployed).values()
    )


def test_with_nat_gateways_tasks_let_https_out_to_any_address_and_functions_do_not():
    own = workload_groups(deployment(patterns="1", natGateways="single"))
    assert egress(own["tasks"]) == ["0.0.0.0/0"]
    for function in ("launcher", "monitor"):
        assert egress(own[function]) == [f"{BASE}-endpoints-id", "pl-s3", "pl-dynamodb"]


def test_functions_use_the_nat_gateways_where_a_service_has_no_endpoint():
    own = workload_groups(deployment(patterns="1", natGateways="single", interfaceEndpoints='["ecs"]'))
    assert egress(own["monitor"]) == ["0.0.0.0/0"], "it calls Step Functions"
    assert egress(own["launcher"]) == [f"{BASE}-endpoints-id", "pl-s3", "pl-dynamodb"]


def test_names_and_descriptions_of_security_groups_are_what_ec2_accepts():
    deployed = deployment(nameSuffix="blue")
    texts = [rule.inputs["description"] for rule in deployed.of("SecurityGroupIngressRule")]
    for group in deployed.of("SecurityGroup"):
        rules = [*group.inputs.get("ingress", ()), *group.inputs.get("egress", ())]
        texts += [group.inputs["name"], group.inputs["description"], *(rule["description"] for rule in rules)]
    for text in texts:
        assert set(text) <= SECURITY_GROUP_TEXT and len(text) <= 255
