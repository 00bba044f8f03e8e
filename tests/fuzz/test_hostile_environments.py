"""The task's entry point under a hostile environment, and the driver's input."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from ecs_kit.automation.cli import options
from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.journeys import list_files, spec_files
from ecs_kit.automation.stacks import stack_settings
from ecs_kit.components.config import KitConfig, declarations
from ecs_kit.components.errors import ConfigError
from ecs_kit.runtime.contract import environment
from ecs_kit.runtime.contract.errors import SettingsInvalid
from ecs_kit.runtime.contract.specs import Deployed
from ecs_kit.runtime.task import configuration
from ecs_kit.runtime.task.__main__ import main
from ecs_kit.runtime.task.worker import ExitCode
from tests.fuzz.hostile import DOCUMENTS, TEXTS, VALUES, json_text
from tests.fuzz.test_hostile_specs import list_files as hostile_lists
from tests.unit.runtime.fakes import infrastructure

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

COMPLETE = {
    environment.WORKFLOW_NAME: "copying",
    environment.RUN_ID: "1",
    environment.TASK_NAME: "a",
    environment.ATTEMPT: "1",
    environment.SOURCE_BUCKET: "kit-1",
    environment.SOURCE_KEY: "in/1.txt",
    environment.TARGET_BUCKET: "kit-1",
    environment.TARGET_PREFIX: "copies",
    environment.LOG_STREAM_PREFIX: "ecs",
    environment.CONTAINER_NAME: "app",
    environment.DETAILS_TABLE: "details",
    environment.STATE_MACHINE: "kit",
    environment.TASK_TIMEOUT_SECONDS: "60",
}
FURTHER = ("EXPIRES_AT", "TASK_INDEX", "STOP_TIMEOUT_SECONDS", "DEADLINE", "JOB", "QUEUED_AT")
VARIABLES = st.sampled_from((*COMPLETE, *(getattr(environment, name) for name in FURTHER))) | TEXTS


@given(st.dictionaries(VARIABLES, TEXTS, max_size=4), st.sets(st.sampled_from([*COMPLETE]), max_size=1))
@example({environment.RUN_ID: "9" * 5_000}, set())
@example({environment.DEADLINE: "0001-01-01T00:00:00+23:59"}, set())
@example({environment.RUN_ID: "٣"}, set())
def test_a_task_reads_its_environment_or_names_the_variable(changed: dict[str, str], removed: set[str]) -> None:
    variables = {name: value for name, value in {**COMPLETE, **changed}.items() if name not in removed}
    try:
        found = configuration.from_environment(variables)
    except SettingsInvalid as refused:
        assert any(name in str(refused) for name in (*COMPLETE, *changed)) and str(refused).isprintable()
    else:
        assert found.attempt.run_id >= 0 and not removed


def test_a_task_that_cannot_read_its_environment_ends_with_the_status_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecs_kit.runtime.task.interruptions.exit_on_term", lambda _: None)
    assert main([], {**COMPLETE, environment.RUN_ID: "9" * 5_000}) == ExitCode.BAD_CONFIGURATION
    assert json.loads(capsys.readouterr().out)["error"].startswith(f"environment variable {environment.RUN_ID}: ")


def read(act: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of the driver returns, None where it refuses in words that a terminal can show."""
    try:
        return act(*arguments)
    except (BadInput, ConfigError) as refused:
        message = str(refused)
        assert message and message.encode() and "\x1b" not in message and len(message) < 100_000
        return None


WORDS = (
    *("--target", "aws", "local", "--pattern", "1", "3", "all", "--specs", "/dev/null", "--tasks", "0", "--config"),
    *("taskCpu=512", "=", "a:b=1", "patterns=1", "--stack-config", "--yes", "--json", "--", "-", "--run", "--last"),
    *options.NAMES,
)


@settings(phases=(Phase.explicit, Phase.generate))  # a command line is slow to read
@given(st.lists(st.sampled_from(WORDS) | TEXTS.filter(lambda text: "\0" not in text), max_size=5))
@example(["--tasks", "9" * 5_000])
@example(["status", "--run", "9" * 5_000])
@example(["--tasks", "\ud800"])
def test_a_command_line_is_read_or_refused(arguments: list[str]) -> None:
    parse = options.parse_command if {*arguments[:1]} & {*options.NAMES} else options.parse
    try:
        assert isinstance(read(parse, arguments), argparse.Namespace | None)
    except SystemExit as shown_help:
        assert shown_help.code == 0 and {"-h", "--help"} & {*arguments}


@given(
    st.dictionaries(
        st.sampled_from([key.name for key in declarations()]) | TEXTS, TEXTS | VALUES.map(json_text), max_size=3
    )
)
@example({"taskCpu": "9" * 5_000})
@example({"tags": '{"a": ' + "[" * 100_000})
@example({"sourceBuckets": "[" + "9" * 5_000 + "]"})
def test_configuration_is_read_or_refused_with_the_keys(raw: dict[str, str]) -> None:
    read(KitConfig.parse, raw)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


SCALARS = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9)  # YAML is slow to read
SETTINGS = st.dictionaries(
    st.sampled_from(["ecs-step-functions-kit:tags", "aws:region", "1"]),
    SCALARS | st.dictionaries(SCALARS.map(str), SCALARS, max_size=2),
    max_size=2,
)


@in_one_folder
@given(DOCUMENTS)
@example(b"[" * 100_000)
@example(b"9" * 5_000)
def test_a_spec_file_is_read_or_refused(folder: Path, content: bytes) -> None:
    file = folder / "spec.json"
    file.write_bytes(content)
    read(spec_files.load, file)


@in_one_folder
@given(hostile_lists())
def test_a_list_file_is_read_or_refused(folder: Path, hostile: Any) -> None:
    form, content = hostile
    file = folder / f"list{form}"
    file.write_bytes(content)
    read(list_files.check_file, file, Deployed(infrastructure()))


@in_one_folder
@given(st.binary(max_size=40) | SETTINGS.map(lambda value: json_text({"config": value}).encode()))
@example(b"config: " + b"[" * 1_000)
@example(yaml.safe_dump({"config": {"ecs-step-functions-kit:tags": {"a": [1]}}}).encode())
@example(b"config: {ecs-step-functions-kit:taskCpu: 2020-01-01}")
@example(b"config: {ecs-step-functions-kit:tags: {2020-01-01: 2020-01-01}}")
def test_a_settings_file_is_read_or_refused(folder: Path, content: bytes) -> None:
    file = folder / "Pulumi.dev.yaml"
    file.write_bytes(content)
    read(stack_settings.read, file)
