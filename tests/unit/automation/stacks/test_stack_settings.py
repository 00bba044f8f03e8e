"""The kit's config from a stack's settings file."""

from pathlib import Path

import pytest

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.stacks import stack_settings


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(text)
    return file


def test_values_are_what_pulumi_config_set_takes(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        config:
          ecs-step-functions-kit:taskMemory: 1024
          ecs-step-functions-kit:targetPrefix: counts
          ecs-step-functions-kit:jobCommand: [--fast, "7"]
          ecs-step-functions-kit:jobEnvironment: {JOB_TOP: "5"}
        """,
    )
    assert stack_settings.read(file) == {
        "taskMemory": "1024",
        "targetPrefix": "counts",
        "jobCommand": '["--fast", "7"]',
        "jobEnvironment": '{"JOB_TOP": "5"}',
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("config: [", "it is not YAML"),
        ("", "it has no object `config`"),
        ("config: 1", "it has no object `config`"),
        ("config: {aws:region: x}", "aws:region: only keys like ecs-step-functions-kit:taskMemory"),
        ("config: {taskMemory: 1024}", "taskMemory: only keys like"),
        ("config: {ecs-step-functions-kit:patterns: all}", "choose patterns with --pattern"),
        ("config: {ecs-step-functions-kit:nameSuffix: {secure: abc}}", "encrypted values"),
        ("config: {ecs-step-functions-kit:nameSuffix: true}", "neither a text nor a number"),
        ("config: {ecs-step-functions-kit:nameSuffix: }", "neither a text nor a number"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        stack_settings.read(written(tmp_path, text))
    assert says in str(refused.value)
