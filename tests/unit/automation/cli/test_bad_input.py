"""Input that cannot be used: exit status 2, a message with place and advice, and nothing created."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.cli.e2e import main
from local_aws.pulumi_cli import default_cache_dir

ROOT = Path(__file__).resolve().parents[4]
SAMPLE = json.loads((ROOT / "specs" / "workflow_specs_pattern_1.json").read_text(encoding="utf-8"))


Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Gives the driver bad input in an empty folder and home, and returns its message."""

    def run(*arguments: str, **environment: str) -> str:
        for name, value in {**surroundings(tmp_path), **environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        return checked(tmp_path, main(arguments), capsys.readouterr().err)

    return run


def surroundings(folder: Path) -> dict[str, str]:
    """The environment of the driver, besides that of the tests."""
    cache = str(default_cache_dir().parent)
    return {
        "HOME": str(folder),
        "XDG_CACHE_HOME": cache,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DOCKER_HOST": "unix:///none",
    }


def checked(folder: Path, status: int, message: str) -> str:
    assert status == 2, message
    assert "Nothing was created." in message
    assert not list(folder.glob("reports/*/report.json"))
    return message


def spec(**changes: Any) -> str:
    return json.dumps({**SAMPLE, **changes})


AWS_KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
TASK = {"taskName": "a", "objectKey": "k"}


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        ("--config taskMemory=7", {}, ["configuration: ", "taskMemory", "7"]),
        ("--config taskMemry=512", {}, ["taskMemry"]),
        ("--target aws", AWS_KEYS, ["no AWS region found. Set AWS_REGION"]),
        ("--target aws", {"AWS_REGION": "eu-west-1"}, ["no AWS credentials found", "AWS_PROFILE"]),
        (
            "--target aws",
            {"AWS_PROFILE": "nosuch", "AWS_REGION": "eu-west-1"},
            ["--target aws: ", "profile (nosuch) could not be found. Correct what the environment"],
        ),
        (
            "--target aws",
            {**AWS_KEYS, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "nonsense"},
            ["Invalid endpoint: nonsense. Correct what the environment"],
        ),
        ("--target aws --plugins bundled", {"AWS_REGION": "us-east-1"}, ["--plugins bundled", "AWS_ENDPOINT_URL"]),
        ("--pattern 1 --tasks 200001", {}, ["has 200001 tasks; 200000 is the most"]),
    ],
)
def test_options_config_and_aws_settings(
    refused: Refused, arguments: str, environment: dict[str, str], says: list[str]
) -> None:
    message = refused(*arguments.split(), **environment)

    assert all(text in message for text in says), message


@pytest.mark.parametrize(
    ("option", "content", "says"),
    [
        ("--specs", "{oops", "/file: is not JSON: .* line 1, column 2"),
        ("--specs", spec(taskList=[TASK, TASK]), r"/file is not a valid spec:\n.*\$\.taskList\[1\]\.taskName"),
        ("--specs", None, "/file: cannot be read: No such file"),
        (
            "--faults",
            '[{"service": "ecs", "effect": {"drop": "now"}}]',
            "fault rule 0: 'drop' is 'now', but has to be 'before' or 'after'",
        ),
        ("--stack-config", None, "--stack-config .*/file: No such file"),
        ("--report-dir", "", "--report-dir .*/file: is not a folder"),
    ],
)
def test_files(refused: Refused, tmp_path: Path, option: str, content: str | None, says: str) -> None:
    if content is not None:
        (tmp_path / "file").write_text(content)

    assert re.search(says, refused(option, "file"))


def test_folders(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    message = refused("--report-dir", "file/reports")
    assert f"--report-dir {tmp_path}/file/reports: cannot be written to: Not a directory" in message
    assert f"--json {tmp_path}: is a folder. Name a file" in refused("--json", ".")


def test_a_port_that_is_taken(refused: Refused) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        assert f"port {port}" in refused("--emulator-port", port, "--container-runtime", "process")


def test_docker_that_does_not_answer(tmp_path: Path) -> None:
    """By the command that users type."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "automation" / "e2e.py"), "--container-runtime", "docker"],
        cwd=tmp_path,
        env={**os.environ, **surroundings(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "--container-runtime docker cannot be used" in checked(tmp_path, done.returncode, done.stderr)


def test_aws_that_cannot_be_reached(refused: Refused) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    message = refused(
        *("--target", "aws", "--plugins", "bundled", "--yes"),
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="a",
        AWS_SECRET_ACCESS_KEY="b",
        AWS_MAX_ATTEMPTS="1",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
    )

    assert "sts:GetCallerIdentity failed" in message and "AWS_ENDPOINT_URL" in message
