"""Which deployments are complete, and what a journey of many reports."""

from functools import partial
from pathlib import Path

import pytest

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.stacks.lifecycle import Changes
from tests.unit.automation.journeys.fakes import Journey
from tools.deployments import Deployments, busy_machine, incomplete


def test_a_complete_deployment_made_what_was_announced_and_has_every_output() -> None:
    announced = Changes({"create": 162}, ())
    assert incomplete(announced, announced, []) is None
    assert incomplete(announced, Changes({"create": 71}, ()), []) == (
        "the preview announced {'create': 162}, the deployment did {'create': 71}"
    )
    assert incomplete(announced, announced, ["pattern2"]) == "there is no output pattern2"


def test_each_deployment_is_of_an_empty_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journey = Journey(tmp_path, monkeypatch, make=partial(Deployments, 2, busy=1))

    steps = [step for step in journey.go() if step in ("preview", "deploy", "destroy", "run")]

    assert journey.scenario.passed
    assert steps == ["preview", "deploy", *["destroy", "preview", "deploy"] * 2, "destroy", "destroy"]


def test_a_failed_deployment_is_counted_and_the_next_one_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey = Journey(tmp_path, monkeypatch, make=partial(Deployments, 3, busy=1))
    journey.trouble["deploy"] = [lambda: None, lambda: None, DriverError("pulumi up failed:\n  Vpc: refused")]

    journey.go()

    assert journey.report.keys() == {
        "passed",
        "deployments",
        "complete",
        "problems",
        "destroyed",
        "leftovers",
        "seconds",
    }
    assert (journey.report["passed"], journey.report["deployments"], journey.report["complete"]) == (False, 3, 2)
    assert journey.report["problems"] == ["deployment 2: pulumi up failed:\n  Vpc: refused"]
    assert journey.report["destroyed"] and journey.report["leftovers"] == []


def test_the_machine_is_busy_only_meanwhile() -> None:
    with busy_machine(2) as processes:
        assert all(process.poll() is None for process in processes)
    assert all(process.poll() is not None for process in processes)
