"""What counts as a whole deployment, and what a journey of many comes to."""

import json
from pathlib import Path

import pytest

from ecs_kit.automation.cli.deployments import parse
from ecs_kit.automation.errors import BadOption, StackOperationFailed
from ecs_kit.automation.journeys import scenario
from ecs_kit.automation.journeys.deployments import Deployments, busy_machine, not_whole
from ecs_kit.automation.stacks.lifecycle import Changes
from tests.unit.automation.journeys.test_scenario import Journey


def test_what_was_announced_has_to_be_made_and_every_pattern_has_outputs() -> None:
    announced = Changes({"create": 162}, ())
    assert not_whole(announced, announced, []) is None
    assert not_whole(announced, Changes({"create": 71}, ()), []) == (
        "the preview announced {'create': 162}, the deployment did {'create': 71}"
    )
    assert not_whole(announced, announced, ["pattern2"]) == "there is no output pattern2"


def journey(folder: Path, patch: pytest.MonkeyPatch, number: int) -> tuple[Journey, Deployments]:
    patch.setattr(scenario, "Scenario", lambda **more: Deployments(number, busy=1, **more))
    made = Journey(folder, patch)
    assert isinstance(made.scenario, Deployments)
    return made, made.scenario


def test_each_deployment_is_of_an_empty_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, many = journey(tmp_path, monkeypatch, 2)

    many.run()

    assert many.passed and many.whole == 2
    steps = [step for step in made.world.asked if step in ("preview", "deploy", "destroy", "run")]
    assert steps == ["preview", "deploy", *["destroy", "preview", "deploy"] * 2, "destroy", "destroy"]


def test_a_deployment_that_fails_is_counted_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, many = journey(tmp_path, monkeypatch, 3)
    made.world.trouble["deploy"] = [lambda: None, lambda: None, StackOperationFailed("up", ["Vpc: refused"])]

    many.run()

    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert (report["passed"], report["deployments"], report["whole"]) == (False, 3, 2)
    assert report["problems"] == ["deployment 2: pulumi up failed:\n  Vpc: refused"]
    assert report["destroyed"] and report["leftovers"] == []


def test_the_machine_is_busy_only_meanwhile() -> None:
    with busy_machine(2) as processes:
        assert all(process.poll() is None for process in processes)
    assert all(process.poll() is not None for process in processes)


def test_the_options(tmp_path: Path) -> None:
    assert vars(parse([])) == {"count": 100, "busy": 4, "report_dir": None}
    assert parse(["--count", "3", "--busy", "1", "--report-dir", str(tmp_path)]).report_dir == tmp_path
    with pytest.raises(BadOption):
        parse(["--count", "none"])
