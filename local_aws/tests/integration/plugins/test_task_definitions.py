"""Task definitions: what ECS fills in, and which revisions outlive their resource."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.tests.integration.plugins.cases import CASES
from local_aws.tests.integration.plugins.harness import Engine, World

pytestmark = pytest.mark.integration

TOKEN = "aws:ecs/taskDefinition:TaskDefinition"


def program(world: World, family: str, **more: Any) -> dict[str, Any]:
    """A program's inputs."""
    case = next(case for case in CASES if case.token == TOKEN)
    return {**world.resolved(case.inputs), "family": family, **more}


def with_capabilities(inputs: dict[str, Any], capabilities: dict[str, list[str]]) -> dict[str, Any]:
    """A program that gives the container these capabilities."""
    (container,) = json.loads(inputs["containerDefinitions"])
    container["linuxParameters"] = {"capabilities": capabilities}
    return {**inputs, "containerDefinitions": json.dumps([container])}


def status(world: World, state: dict[str, Any]) -> str:
    found = world.client("ecs").describe_task_definition(taskDefinition=state["arn"])
    return str(found["taskDefinition"]["status"])


@pytest.mark.parametrize(
    ("capabilities", "replaces"), [({"drop": ["ALL"]}, ["containerDefinitions"]), ({"add": [], "drop": ["ALL"]}, [])]
)
def test_the_same_program_again_replaces_it_unless_it_gives_what_ecs_fills_in(
    engine: Engine, world: World, capabilities: dict[str, list[str]], replaces: list[str]
) -> None:
    inputs = engine.check(TOKEN, with_capabilities(program(world, "plugins-normal-form"), capabilities))
    resource_id, state = engine.create(TOKEN, inputs)
    _, refreshed, refreshed_inputs = engine.read(TOKEN, resource_id, state, inputs)

    assert list(engine.diff(TOKEN, inputs, inputs, state).replaces) == replaces, "without a refresh"
    assert refreshed == state
    assert list(engine.diff(TOKEN, refreshed_inputs, inputs, refreshed).replaces) == replaces, "after one"


def test_a_revision_outlives_its_resource_if_the_program_last_said_skip_destroy(engine: Engine, world: World) -> None:
    """https://www.pulumi.com/registry/packages/aws/api-docs/ecs/taskdefinition/: `skipDestroy`."""
    inputs = engine.check(TOKEN, program(world, "plugins-skip-destroy"))
    kept = engine.check(TOKEN, program(world, "plugins-skip-destroy", skipDestroy=True))
    resource_id, state = engine.create(TOKEN, inputs)

    state = engine.update(TOKEN, resource_id, state, inputs, kept)
    assert state["skipDestroy"] is True
    engine.delete(TOKEN, resource_id, state)
    assert status(world, state) == "ACTIVE"

    state = engine.update(TOKEN, resource_id, state, kept, inputs)
    engine.delete(TOKEN, resource_id, state)
    assert status(world, state) == "INACTIVE"
    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        world.client("ecs").run_task(cluster="plugins-world", taskDefinition=state["arn"])
