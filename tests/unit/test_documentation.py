"""The examples of the documentation are what they say. Whole runs of others are in tests/e2e."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from ecs_kit.automation.stacks import faults
from ecs_kit.components.config import NAMESPACE, KitConfig
from tests.documentation import ROOT, example
from tests.unit.components import recorder


def test_the_stack_configuration_of_a_container_of_one_s_own_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "Dockerfile").touch()
    monkeypatch.chdir(tmp_path)
    given = yaml.safe_load(example("your-own-job.md", "# Pulumi.<stack>.yaml"))["config"]
    raw = {
        key.removeprefix(f"{NAMESPACE}:"): value if isinstance(value, str) else json.dumps(value)
        for key, value in given.items()
    }
    job = KitConfig.parse(raw).job
    assert (job.records, job.command) == ("ecs", ("{source.uri}", "{target.uri}"))


def test_the_word_count_s_dockerfile_has_the_lines_that_make_an_image_one_of_the_kit() -> None:
    dockerfile = (ROOT / "examples" / "word-count" / "image" / "Dockerfile").read_text().replace(" \\\n   ", "")
    words = set(dockerfile.split())
    lines = example("your-own-job.md", "COPY ecs_kit /app/ecs_kit").splitlines()
    assert len(lines) == 3
    for line in lines:
        assert set(line.split()) <= words, line


def test_arguments_may_be_outputs_of_other_resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "Dockerfile").touch()
    monkeypatch.chdir(tmp_path)
    program = example("your-own-job.md", "aws.sqs.Queue")
    deployed = recorder.run(lambda: exec(program, {}))
    assert "JOB_QUEUE" in deployed.environment()
    (secret,) = deployed.container()["secrets"]
    assert secret["name"] == "TOKEN" and secret["valueFrom"]
    queue = recorder.TARGET.arn("sqs", "words")
    assert [queue in resource.inputs["policy"] for resource in deployed.of("RolePolicy")].count(True) == 1
    assert [each.name for each in deployed.of("VpcEndpoint") if "sqs" in each.inputs["serviceName"]]


def test_faults_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(example("faults.md", "Capacity is unavailable"))
    assert len(faults.read(path)) == 4
