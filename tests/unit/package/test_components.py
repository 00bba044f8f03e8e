"""The component package: its schema says what the configuration's keys say, and its arguments make a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.errors import InputPropertiesError

from ecs_kit.components import patterns
from ecs_kit.components.config import KitConfig, declarations
from ecs_kit.components.errors import ConfigError, ConfigProblem
from ecs_kit.components.job import JobArgs
from ecs_kit.package.components import NAME, Package, configuration


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(Package().schema or "")["resources"]


@pytest.mark.parametrize("component", ["TaskSubmissionFromLambda", "TaskSubmissionFromStepFunctions"])
def test_every_key_is_an_optional_described_argument_of_its_type(schema: dict[str, Any], component: str) -> None:
    found = schema[f"{NAME}:index:{component}"]
    assert found["isComponent"] and found["description"] and not found.get("requiredInputs")
    keys = {key.name: key.type for key in declarations() if key.name not in ("patterns", "jobPolicy")}
    arguments = {name: each["type"] for name, each in found["inputProperties"].items() if name != "jobPolicy"}
    assert arguments == keys
    assert all(each["description"] for each in found["inputProperties"].values())


def test_outputs_are_described(schema: dict[str, Any]) -> None:
    for component in schema.values():
        assert {"stateMachineArn", "startInput", "summaryTable", "detailsTable", "bucket"} <= set(
            component["properties"]
        )
        assert all(each["description"] for each in component["properties"].values())


def test_arguments_make_a_configuration() -> None:
    given = {"task_cpu": 512.0, "source_buckets": ["a"], "job_command": ["--fast"], "job_context": "image"}
    assert configuration(given) == KitConfig(
        task_cpu=512, source_buckets=("a",), job=JobArgs(command=("--fast",), context=Path("image"))
    )
    assert configuration({}) == KitConfig()


def test_arguments_that_cannot_be_used_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ConfigError([ConfigProblem("taskCpu", "0.5", "one of 256, 512")])

    monkeypatch.setattr(patterns, "provider_target", refuse)
    monkeypatch.setattr(pulumi.ComponentResource, "__init__", lambda *_: None)
    with pytest.raises(InputPropertiesError) as refused:
        Package().construct("jobs", f"{NAME}:index:TaskSubmissionFromLambda", {})
    assert refused.value.errors == [{"property_path": "taskCpu", "reason": "'0.5' must be one of 256, 512"}]
