"""The emulator as a process: it starts once, ends with its driver, and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_aws.emulator import Emulator, EmulatorDied, supervisor
from local_aws.testing.aws import Aws, Fargate, ask_until
from local_aws.testing.sockets import listening
from local_aws.tests.integration.emulator.expectations import gone

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[3]


def answers(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        return connection.connect_ex((host, int(port))) == 0


def test_two_run_at_once_each_on_a_port_of_its_own(emulator: Emulator, tmp_path: Path) -> None:
    with Emulator(tmp_path) as other:
        assert other.endpoint_url != emulator.endpoint_url
        assert answers(other.endpoint_url)
        assert answers(emulator.endpoint_url)
        folder = other.folder
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "its state is private"
        assert listening(other.pid) == {"127.0.0.1"}
    assert not folder.exists()
    assert not answers(other.endpoint_url)


def test_a_process_that_ends_at_start_shows_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "local_aws").mkdir()
    (tmp_path / "local_aws" / "__init__.py").write_text("raise RuntimeError('broken on purpose')")
    monkeypatch.setattr(supervisor, "_REPOSITORY", tmp_path)
    with pytest.raises(EmulatorDied, match="broken on purpose"):
        Emulator(tmp_path / "work").start()


def test_it_is_not_in_its_drivers_process_group(emulator: Emulator) -> None:
    assert os.getpgid(emulator.pid) != os.getpgid(os.getpid())


DRIVER = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from local_aws.emulator import Emulator
emulator = Emulator(Path(sys.argv[1]), detached=sys.argv[2] == "detached")
emulator.start()
print(emulator.pid, emulator.endpoint_url, emulator.folder, flush=True)
time.sleep(60)
"""


def start_driver(tmp_path: Path, how: str) -> tuple[subprocess.Popen[str], int, str, Path]:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path), how],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    pid, url, folder = driver.stdout.readline().split()
    return driver, int(pid), url, Path(folder)


def kill(driver: subprocess.Popen[str]) -> None:
    driver.kill()
    driver.communicate()


@pytest.mark.parametrize("killed", ["driver", "emulator"])
def test_everything_ends_with_a_driver_or_an_emulator_that_is_killed(tmp_path: Path, killed: str) -> None:
    driver, pid, url, folder = start_driver(tmp_path, "attached")
    container = start_container(url)
    os.kill(pid if killed == "emulator" else driver.pid, signal.SIGKILL)
    ask_until(lambda: (gone(pid) and gone(container) and not folder.exists()) or None)
    kill(driver)


def test_a_detached_emulator_outlives_its_driver_until_it_is_told_to_end(tmp_path: Path) -> None:
    driver, pid, url, folder = start_driver(tmp_path, "detached")
    kill(driver)
    assert answers(url)
    os.kill(pid, signal.SIGTERM)
    ask_until(lambda: True if gone(pid) and not folder.exists() else None)


def start_container(url: str) -> int:
    """Run a task there that never ends; returns its process id."""
    there: Any = SimpleNamespace(endpoint_url=url, container_runtime="process")
    fargate = Fargate(Aws(there))
    definition = fargate.define("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    arn = fargate.start(definition)
    fargate.when(arn, "RUNNING")
    return int(ask_until(lambda: fargate.log(arn) or None)[0])
