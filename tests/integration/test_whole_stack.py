"""The network of a whole stack of the kit: its zones, and its deletion while Lambda still has network interfaces."""

from pathlib import Path

import pytest
from pulumi import automation as auto

from ecs_kit.components import network, zones
from ecs_kit.components.config import NAMESPACE
from ecs_kit.components.program import program
from local_aws import provider_configuration
from local_aws.testing.aws import Aws
from local_aws.testing.stacks import changes

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/any:job"


def _asks_for_ipv6(event: auto.EngineEvent) -> bool:
    """Whether a subnet is created with the inputs that the published awsx sends."""
    step = event.resource_pre_event
    if step is None or step.metadata.type != "aws:ec2/subnet:Subnet" or step.metadata.new is None:
        return False
    inputs = step.metadata.new.inputs or {}
    return inputs.get("assignIpv6AddressOnCreation") is False and "ipv6CidrBlock" in inputs


def test_subnets_keep_their_zones_and_are_deleted_after_lambdas_network_interfaces(
    aws: Aws,
    pulumi_command: auto.PulumiCommand,
    pulumi_environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project, work_dir = tmp_path / "project", tmp_path / "work"
    project.mkdir()
    work_dir.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setattr(network, "DELETE_TIMEOUT", "60s")
    settings = auto.ProjectSettings(name=NAMESPACE, runtime="python", main=str(project))
    options = auto.LocalWorkspaceOptions(
        work_dir=str(work_dir), env_vars=pulumi_environment, pulumi_command=pulumi_command, project_settings=settings
    )
    stack = auto.create_stack("whole", program=program, project_name=NAMESPACE, opts=options)
    values = provider_configuration(aws.emulator) | {
        f"{NAMESPACE}:patterns": "2",
        f"{NAMESPACE}:jobImage": IMAGE,
        f"{NAMESPACE}:natGateways": "single",
    }
    stack.set_all_config({key: auto.ConfigValue(value) for key, value in values.items()})
    seen = [0]
    stack.preview(on_event=lambda event: seen.append(_asks_for_ipv6(event)))
    assert sum(seen) == 4, "the VPC's IPv6 addresses are not known before it is created"
    vpc = stack.up().outputs["pattern2"].value["vpcId"]
    in_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    ec2 = aws.client("ec2")
    found = {subnet["AvailabilityZone"] for subnet in ec2.describe_subnets(Filters=in_vpc)["Subnets"]}
    assert found == {"us-east-1a", "us-east-1b"}, "no Local Zone"
    (nat,) = ec2.describe_nat_gateways(Filters=in_vpc)["NatGateways"]
    tables = ec2.describe_route_tables(Filters=in_vpc)["RouteTables"]
    targets = [route.get("NatGatewayId") for table in tables for route in table["Routes"]]
    assert (nat["State"], targets.count(nat["NatGatewayId"])) == ("available", 2)
    monkeypatch.setattr(zones, "of_vpc", lambda *_: ("us-east-1b", "us-east-1c"))
    assert changes(stack.preview()) == {}
    assert len(ec2.describe_network_interfaces(Filters=in_vpc)["NetworkInterfaces"]) == 2

    assert set(changes(stack.destroy())) == {"delete"}
    assert ec2.describe_network_interfaces(Filters=in_vpc)["NetworkInterfaces"] == []
