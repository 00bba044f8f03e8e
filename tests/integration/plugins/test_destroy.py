"""A whole stack of the kit goes, although Lambda keeps its network interfaces for a while."""

from pathlib import Path

import pytest
from pulumi import automation as auto

from components import network
from components.config import NAMESPACE
from components.program import program
from tests.integration.plugins.harness import World, changes, configuration

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/plugins-world:job"


def test_what_lambda_holds_is_waited_for_with_the_roles_that_let_go_of_it(
    world: World,
    command: auto.PulumiCommand,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project, work_dir = tmp_path / "project", tmp_path / "work"
    project.mkdir()
    work_dir.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setattr(network, "DELETE_TIMEOUT", "20s")
    settings = auto.ProjectSettings(name=NAMESPACE, runtime="python", main=str(project))
    options = auto.LocalWorkspaceOptions(
        work_dir=str(work_dir), env_vars=environment, pulumi_command=command, project_settings=settings
    )
    stack = auto.create_stack("whole", program=program, project_name=NAMESPACE, opts=options)
    values = {f"aws:{key}": value for key, value in configuration(world.emulator).items()}
    values |= {f"{NAMESPACE}:patterns": "2", f"{NAMESPACE}:jobImage": IMAGE}
    stack.set_all_config({key: auto.ConfigValue(value) for key, value in values.items()})
    vpc = stack.up().outputs["pattern2"].value["vpcId"]
    in_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    ec2 = world.client("ec2")
    assert len(ec2.describe_network_interfaces(Filters=in_vpc)["NetworkInterfaces"]) == 2

    assert set(changes(stack.destroy())) == {"delete"}
    assert ec2.describe_network_interfaces(Filters=in_vpc)["NetworkInterfaces"] == []
