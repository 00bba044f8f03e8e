"""Every resource type, from its preview to its end, against the emulator."""

from typing import Any

import pytest

from automation.local.plugins.aws.registry import RESOURCES
from automation.local.plugins.framework.schema import DEFAULTS
from automation.local.plugins.framework.values import UNKNOWN
from tests.integration.plugins.cases import CASES, Case
from tests.integration.plugins.harness import Engine, World

pytestmark = pytest.mark.integration


def name_of(case: Case) -> str:
    name = case.token.rsplit(":", 1)[-1]
    return name if [item.token for item in CASES].count(case.token) == 1 else f"{name}-{CASES.index(case)}"


def without_marks(inputs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key != DEFAULTS}


def test_every_type_has_a_case() -> None:
    assert {case.token for case in CASES} == {resource.token for resource in RESOURCES}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_life_of_a_resource(case: Case, engine: Engine, world: World) -> None:
    token, name = case.token, "it"
    inputs = engine.check(token, name, case.inputs(world))

    resource_id, foreseen = engine.create(token, name, inputs, preview=True)
    assert resource_id == ""
    resource = next(item for item in RESOURCES if item.token == token)
    assert all(foreseen[output] is UNKNOWN for output in resource.outputs if output != "tagsAll")

    resource_id, state = engine.create(token, name, inputs)
    assert resource_id
    made = {key: state[key] for key in inputs if key in state}
    assert not engine.diff(token, name, made, inputs).diffs, "AWS has what was asked for"
    assert UNKNOWN not in state.values()

    refreshed_id, refreshed, refreshed_inputs = engine.read(token, name, resource_id, state, inputs)
    assert (refreshed_id, refreshed, refreshed_inputs) == (resource_id, state, inputs), "a refresh finds no change"
    assert not engine.diff(token, name, inputs, inputs, state).detailedDiff

    program = {**case.inputs(world), **case.changed(world)}
    program = {key: value for key, value in program.items() if value is not None}
    if "allocationId" in inputs:
        program["allocationId"] = inputs["allocationId"]
    new_inputs = engine.check(token, name, program, inputs)
    diff = engine.diff(token, name, inputs, new_inputs, state)
    assert not diff.replaces
    assert set(diff.diffs) == set(case.changed(world)) - {"readCapacity", "writeCapacity"}
    if case.changed(world):
        engine.update(token, name, resource_id, state, inputs, new_inputs, preview=True)
        state = engine.update(token, name, resource_id, state, inputs, new_inputs)
    again = engine.read(token, name, resource_id, state, new_inputs)
    assert again == (resource_id, state, new_inputs), "a refresh after the update finds no change"

    if case.drift is not None:
        case.drift(world, resource_id)
        _, drifted, drifted_inputs = engine.read(token, name, resource_id, state, new_inputs)
        assert case.drifted in engine.diff(token, name, drifted_inputs, new_inputs).diffs
        state = engine.update(token, name, resource_id, drifted, drifted_inputs, new_inputs)
        mended = engine.read(token, name, resource_id, state, new_inputs)
        assert mended == (resource_id, state, new_inputs), "the next update mends it"

    import_id = case.import_id(state) if case.import_id else resource_id
    _, _, imported = engine.read(token, name, import_id)
    expected = without_marks(new_inputs)
    differing = set(engine.diff(token, name, imported, expected).diffs)
    assert differing <= case.not_imported

    engine.delete(token, name, resource_id, state)
    found_id = engine.read(token, name, resource_id, state, new_inputs)[0]
    assert found_id == (resource_id if case.outlives_itself else ""), "a refresh finds that it is gone"
    engine.delete(token, name, resource_id, state)
