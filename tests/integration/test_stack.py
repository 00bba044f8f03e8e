"""A stack of a small project without any cloud, through the real engine and the language host."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.stacks.lifecycle import Stack
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess
from local_aws import add_language_host, ensure_pulumi

pytestmark = pytest.mark.integration

PROJECT = """
name: small
runtime:
  name: python
  options: {virtualenv: .venv}
config:
  word: {type: string, default: bear}
  words: {type: array, items: {type: string}, default: []}
"""

MakeStack = Callable[..., Stack]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(PROJECT)
    return folder


@pytest.fixture
def make_stack(project: Path, tmp_path: Path) -> MakeStack:
    cli = ensure_pulumi(progress=print)
    add_language_host(cli.path, tmp_path / "bin")
    (tmp_path / "state").mkdir()
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "tests",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }

    def make(program: str, **config: str) -> Stack:
        (project / "__main__.py").write_text(program)
        (tmp_path / "work").mkdir(exist_ok=True)
        return Stack(
            name="test",
            pulumi=PulumiProcess(cli.path, version=cli.version, environment=environment, interruption=Interruption()),
            work_dir=tmp_path / "work",
            project=project,
            config={f"small:{key}": value for key, value in config.items()},
        )

    return make


ECHO = """
import os
import pulumi
config = pulumi.Config()
pulumi.export("process", os.getpid())
pulumi.export("folder", os.getcwd())
pulumi.export("word", config.require("word"))
pulumi.export("words", config.require_object("words"))
"""


def test_the_program_runs_as_pulumi_up_runs_it_and_a_stack_keeps_its_config(
    make_stack: MakeStack, project: Path
) -> None:
    stack = make_stack(ECHO, words=json.dumps(["a", "b"]))
    assert stack.open() is False

    outputs = dict(stack.deploy().outputs)

    assert outputs.pop("process") != os.getpid(), "a process of its own"
    assert outputs == {"folder": str(project.resolve()), "word": "bear", "words": ["a", "b"]}
    assert sorted(path.name for path in project.iterdir()) == ["Pulumi.yaml", "__main__.py"], "nothing is written there"

    again = make_stack(ECHO, word="berry")
    assert again.open() is True
    outputs = dict(again.deploy().outputs)
    assert (outputs["word"], outputs["words"]) == ("berry", ["a", "b"])


def test_a_programs_exception_is_shown_once_from_its_own_lines_on(make_stack: MakeStack, project: Path) -> None:
    make_stack("").create()
    for program, shown in (
        (
            "raise ValueError('no bears')",
            "Program failed with an unhandled exception:\nTraceback (most recent call last):\n"
            f'  File "{project.resolve()}/__main__.py", line 1, in <module>\n'
            "    raise ValueError('no bears')\nValueError: no bears",
        ),
        ("import pulumi\nraise pulumi.RunError('it cannot be used')", "it cannot be used"),
    ):
        stack = make_stack(program)
        assert stack.open() is True
        with pytest.raises(DriverError) as failed:
            stack.preview()
        assert str(failed.value) == f"pulumi preview failed:\n  {shown}"
