"""`python -m local_aws`: the same local AWS in a shell."""

from __future__ import annotations

import functools
import shlex
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

from local_aws import __main__ as command
from local_aws import pulumi_cli, session
from local_aws.emulator import Emulator
from local_aws.pulumi_cli import PulumiCli

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the session is kept; a Pulumi CLI is there already."""
    cli = tmp_path / "cli" / "pulumi"
    monkeypatch.setattr(pulumi_cli, "ensure", lambda *, progress: PulumiCli(cli, "3.300.0"))
    place = tmp_path / "it's here" / "local"
    monkeypatch.setattr(session, "FOLDER", place)
    yield place
    session.stop(place, say=lambda _line: None)


def variables(exports: str) -> dict[str, str]:
    """What a shell has after it evaluated the lines."""
    script = f"{exports}\nenv -0"
    shell = subprocess.run(
        ["sh", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    return dict(entry.split("=", 1) for entry in shell.stdout.split("\0") if entry)


def test_start_prints_an_environment_that_leads_a_shell_to_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["start", "--container-runtime", "process"]) == 0
    shell = variables(capsys.readouterr().out)
    assert shell["PATH"].split(":")[0] == str(folder / "bin")
    assert shell["PULUMI_BACKEND_URL"] == f"file://{folder / 'state'}"
    assert (folder / "bin" / "pulumi-resource-aws").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "it holds credentials and Pulumi's state"
    client = boto3.client(
        "sts",
        endpoint_url=shell["AWS_ENDPOINT_URL"],
        region_name=shell["AWS_REGION"],
        aws_access_key_id=shell["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=shell["AWS_SECRET_ACCESS_KEY"],
    )
    assert client.get_caller_identity()["Arn"].endswith(":root")

    assert command.main(["start"]) == 0
    again = capsys.readouterr()
    assert "runs already" in again.err
    assert variables(again.out)["AWS_ENDPOINT_URL"] == shell["AWS_ENDPOINT_URL"]
    assert command.main(["env"]) == 0
    assert variables(capsys.readouterr().out)["AWS_ENDPOINT_URL"] == shell["AWS_ENDPOINT_URL"]

    assert command.main(["stop"]) == 0
    assert not folder.exists()
    assert command.main(["env"]) == 2
    assert "start it with" in capsys.readouterr().err


def test_of_two_at_once_one_starts_it_and_the_other_waits_and_takes_that_one(folder: Path) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(2) as threads:
        start = functools.partial(session.start, folder, container_runtime="process", say=said.append)
        started = [threads.submit(start) for _ in range(2)]
        first, second = (each.result() for each in started)
    assert first == second
    assert f"another process starts or stops the local AWS in {folder}: waiting for it" in said
    assert f"the local AWS runs already at {first.endpoint_url}" in said


def test_stopping_what_does_not_run_succeeds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["stop"]) == 0
    assert "no local AWS runs" in capsys.readouterr().err
    assert not folder.exists()


def test_a_port_that_is_taken_is_an_error(folder: Path, emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["start", "--container-runtime", "process", "--port", str(emulator.port)]) == 2
    printed = capsys.readouterr()
    assert f"port {emulator.port} on 127.0.0.1 is already in use" in printed.err
    assert printed.out == ""


def test_values_are_quoted_for_the_shell() -> None:
    made = session.Session(1, "http://127.0.0.1:1", {"A": "it's $HOME"}, ("/a b",))
    quoted = shlex.quote("it's $HOME")
    assert made.exports() == [f"export A={quoted}", "export PATH='/a b':\"$PATH\""]
