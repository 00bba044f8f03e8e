"""The processes of a run whose driver was killed are found and ended."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.host import processes
from ecs_kit.automation.host.processes import Process, belongs

FOLDER = "/kit/.kit/runs/1"
EMULATOR = f"{FOLDER}/emulator/emulator-x"


@pytest.mark.parametrize(
    ("what", "arguments", "environment"),
    [
        ("emulator", ["python", "-m", "local_aws.emulator.server", f"--folder={EMULATOR}", "--port=0"], {}),
        ("janitor", ["python", "-I", "-S", "/kit/local_aws/emulator/janitor.py", EMULATOR], {}),
        ("engine", ["/cache/bin/pulumi", "up"], {"KIT_RUN": FOLDER}),
        ("plugin", ["python", "-m", "local_aws.plugins.aws", "127.0.0.1:1"], {"KIT_RUN": FOLDER}),
        ("program", ["python", "-m", "local_aws.language_host", "127.0.0.1:1"], {"KIT_RUN": FOLDER}),
        ("program", ["/pulumi/bin/pulumi-language-python", "127.0.0.1:1"], {"KIT_RUN": FOLDER}),
        ("process", ["docker", "build", "."], {"KIT_RUN": FOLDER}),
        ("task", ["python", "-m", "ecs_kit.runtime.task"], {"HOME": f"{EMULATOR}/containers/1"}),
        ("function", ["python", "-I", "-S", "/kit/lambda_bootstrap.py"], {"TMPDIR": f"{EMULATOR}/functions/tmp"}),
        # A user's shell on a kept stack, somebody who reads along, another run whose name begins alike.
        (None, ["vim", "x"], {"PULUMI_BACKEND_URL": f"file://{FOLDER}/state", "PULUMI_HOME": f"{FOLDER}/pulumi"}),
        (None, ["tail", "-f", f"{FOLDER}/emulator.log"], {}),
        (None, ["ls", EMULATOR], {}),
        (None, ["/cache/bin/pulumi", "up"], {"KIT_RUN": "/kit/.kit/runs/11"}),
        (None, ["python", f"--folder={FOLDER}1/emulator/emulator-x"], {}),
        (None, ["python", "-I", "-S", "/kit/local_aws/emulator/janitor.py", f"{FOLDER}1/emulator/emulator-x"], {}),
        (None, ["python", "-m", "ecs_kit.runtime.task"], {"HOME": f"{FOLDER}1/emulator/x"}),
        (None, [], {}),
    ],
)
def test_what_belongs_to_a_run(what: str | None, arguments: list[str], environment: dict[str, str]) -> None:
    assert belongs(FOLDER, arguments, environment) == what


def started(folder: Path, body: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", f"import signal, sys\n{body}\nprint('ready', flush=True)\nsys.stdin.read()"],
        env={processes.RUN_VARIABLE: str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_every_process_of_a_run_and_no_other_is_ended_even_if_it_ignores_sigterm(tmp_path: Path, passing: Any) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    with started(tmp_path / "1", deaf) as ours, started(tmp_path / "11", "pass") as other:
        assert processes.find(tmp_path / "1") == [Process(ours.pid, "process")]
        passing.meanwhile = ours.poll
        ended = processes.end(tmp_path / "1")

        assert ended == [Process(ours.pid, "process")] and ours.wait() == -9
        assert processes.find(tmp_path / "1") == [] and other.poll() is None
        other.kill()
    assert processes.end(tmp_path / "1") == []


def test_an_emulator_is_terminated_first_and_killed_when_it_does_not_end(
    monkeypatch: pytest.MonkeyPatch, passing: Any
) -> None:
    sent: list[tuple[int, str]] = []
    left = [Process(1, "emulator"), Process(2, "janitor"), Process(3, "engine")]
    monkeypatch.setattr(processes, "find", lambda _folder: left)
    monkeypatch.setattr(processes, "send_signal", lambda pid, number: sent.append((pid, number.name)))

    passing.step, passing.meanwhile = 16.0, lambda: left.clear() if len(sent) > 2 else None

    assert [process.pid for process in processes.end(Path("/r"))] == [1, 2, 3]
    assert sent == [(1, "SIGTERM"), (3, "SIGKILL"), (1, "SIGKILL"), (2, "SIGKILL"), (3, "SIGKILL")]


def test_processes_that_do_not_end_are_named(monkeypatch: pytest.MonkeyPatch, passing: Any) -> None:
    monkeypatch.setattr(processes, "find", lambda _folder: [Process(7, "engine")])
    monkeypatch.setattr(processes, "send_signal", lambda *_: None)

    with pytest.raises(DriverError, match="do not end: engine 7"):
        processes.end(Path("/r"))
