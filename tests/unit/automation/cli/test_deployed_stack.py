"""Which stack a command is about."""

from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.cli import deployed_stack
from ecs_kit.automation.errors import BadInput


def listed(*names: str, current: str | None = None) -> list[dict[str, Any]]:
    return [{"name": name, "current": name == current} for name in names]


def test_the_named_stack_else_the_selected_one_else_the_only_one() -> None:
    assert deployed_stack.choose(listed("dev", "prod", current="dev"), "prod") == "prod"
    assert deployed_stack.choose(listed("organization/kit/dev"), "dev") == "organization/kit/dev"
    assert deployed_stack.choose(listed("dev", "prod", current="prod"), None) == "prod"
    assert deployed_stack.choose(listed("e2e"), None) == "e2e"


@pytest.mark.parametrize(
    ("names", "wanted", "says"),
    [
        (["dev", "prod"], "nope", r"--stack nope: .* It has dev, prod\."),
        ([], "nope", "It has none"),
        (["dev", "prod"], None, "there are several: dev, prod"),
        ([], None, "has no stack of this project"),
    ],
)
def test_a_stack_that_cannot_be_chosen_is_bad_input(names: list[str], wanted: str | None, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        deployed_stack.choose(listed(*names), wanted)


def test_only_deployed_patterns_can_be_selected() -> None:
    outputs = {"pattern2": {"workflowName": "w"}, "account": "000000000000", "region": "us-east-1"}

    assert deployed_stack.patterns_of("dev", outputs, None) == {2: {"workflowName": "w"}}
    assert deployed_stack.patterns_of("dev", outputs, 2) == {2: {"workflowName": "w"}}
    with pytest.raises(BadInput, match="pattern 1: stack dev holds pattern 2 only"):
        deployed_stack.patterns_of("dev", outputs, 1)
    with pytest.raises(BadInput, match="stack dev holds no pattern"):
        deployed_stack.patterns_of("dev", {}, None)


def test_the_user_s_backend_else_the_driver_s_own_else_none(tmp_path: Path) -> None:
    own = {"PULUMI_BACKEND_URL": "s3://state", "HOME": str(tmp_path)}
    without = {"HOME": str(tmp_path)}
    state = tmp_path / "state"

    assert deployed_stack.environment_of(own, state) == {**own, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    with pytest.raises(BadInput, match="not logged in to a backend"):
        deployed_stack.environment_of(without, state)
    state.mkdir()
    assert deployed_stack.environment_of(without, state)["PULUMI_BACKEND_URL"] == f"file://{state}"


def test_a_shell_of_a_local_target_that_has_ended_is_told_what_to_do(tmp_path: Path) -> None:
    environ = {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}", "HOME": str(tmp_path)}

    with pytest.raises(BadInput, match=r"state: there is no such folder.* has ended: start one .*deploy`") as refused:
        deployed_stack.environment_of(environ, tmp_path)

    advice = str(refused.value)
    assert all(name in advice for name in ("`unset PULUMI_BACKEND_URL", "AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY"))
    (tmp_path / "state").mkdir()
    assert deployed_stack.environment_of(environ, tmp_path)["PULUMI_BACKEND_URL"] == environ["PULUMI_BACKEND_URL"]
