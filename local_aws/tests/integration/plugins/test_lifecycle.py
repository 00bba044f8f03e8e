"""Every resource type against the emulator: preview, create, refresh, update, drift, delete."""

import pytest

from local_aws.plugins.aws.registry import RESOURCES
from local_aws.plugins.framework.values import UNKNOWN
from local_aws.tests.integration.plugins.cases import CASES, Case
from local_aws.tests.integration.plugins.harness import Engine, World

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", autouse=True)
def more_of_ec2(world: World) -> None:
    """What only one case uses."""
    ec2 = world.client("ec2")
    world.ids["other vpc"] = ec2.create_vpc(CidrBlock="10.66.0.0/16")["Vpc"]["VpcId"]
    world.ids["address"] = ec2.allocate_address(Domain="vpc")["AllocationId"]


def name_of(case: Case) -> str:
    name = case.token.rsplit(":", 1)[-1]
    return name if [item.token for item in CASES].count(case.token) == 1 else f"{name}-{CASES.index(case)}"


def test_every_type_has_a_case() -> None:
    assert {case.token for case in CASES} == {resource.token for resource in RESOURCES}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_life_of_a_resource(case: Case, engine: Engine, world: World) -> None:
    token = case.token
    given, changed = world.resolved(case.inputs), world.resolved(case.changed)
    inputs = engine.check(token, given)

    resource_id, foreseen = engine.create(token, inputs, preview=True)
    assert resource_id == ""
    resource = next(item for item in RESOURCES if item.token == token)
    unreadable = {name for name, row in resource().table.items() if row.unreadable}
    assert all(foreseen[output] is UNKNOWN for output in resource.outputs if output != "tagsAll")

    resource_id, state = engine.create(token, inputs)
    assert resource_id
    made = {key: state[key] for key in inputs if key in state}
    assert not engine.diff(token, made, inputs).diffs, "AWS has what was asked for"
    assert UNKNOWN not in state.values()

    refreshed_id, refreshed, refreshed_inputs = engine.read(token, resource_id, state, inputs)
    assert (refreshed_id, refreshed, refreshed_inputs) == (resource_id, state, inputs), "a refresh finds no change"
    assert not engine.diff(token, inputs, inputs, state).detailedDiff

    program = {key: value for key, value in {**given, **changed}.items() if value is not None}
    new_inputs = engine.check(token, program)
    diff = engine.diff(token, inputs, new_inputs, state)
    assert not diff.replaces
    assert set(diff.diffs) == set(changed)
    if changed:
        engine.update(token, resource_id, state, inputs, new_inputs, preview=True)
        state = engine.update(token, resource_id, state, inputs, new_inputs)
    again = engine.read(token, resource_id, state, new_inputs)
    assert again == (resource_id, state, new_inputs), "a refresh after the update finds no change"

    if changed:
        # Somebody else puts it back: the state does not know.
        engine.update(token, resource_id, state, new_inputs, inputs)
        _, drifted, drifted_inputs = engine.read(token, resource_id, state, new_inputs)
        assert set(engine.diff(token, drifted_inputs, new_inputs).diffs) == set(changed) - unreadable
        state = engine.update(token, resource_id, drifted, drifted_inputs, new_inputs)
        corrected = engine.read(token, resource_id, state, new_inputs)
        assert corrected == (resource_id, state, new_inputs), "the next update corrects it"

    engine.delete(token, resource_id, state)
    found_id = engine.read(token, resource_id, state, new_inputs)[0]
    assert found_id == (resource_id if case.outlives_itself else ""), "a refresh finds it deleted"
    engine.delete(token, resource_id, state)
