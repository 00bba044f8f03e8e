"""Signals reach the Pulumi CLI only through the driver."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pulumi.automation.errors import CommandError, ConcurrentUpdateError

from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.stacks.pulumi_process import FINISHING, PulumiProcess

ROOT = Path(__file__).resolve().parents[4]

DRIVER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from ecs_kit.automation.host.interruption import Interrupted, InterruptedAgain, Interruption
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess

interruption, say = Interruption(), partial(print, flush=True)
pulumi = PulumiProcess(Path(sys.argv[1]), version="3.259.0", environment={{}}, interruption=interruption, say=say)
with interruption.installed():
    try:
        with interruption.breakable() if sys.argv[2] == "breakable" else nullcontext():
            pulumi.run(["up"], ".", {{}})
        say("returned")
    except InterruptedAgain:
        say("interrupted again")
    except Interrupted:
        say("interrupted")
"""

ENGINE = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print(f"leads its session: {os.getsid(0) == os.getpid()}", file=open(sys.argv[0] + ".out", "w"))
"""
HEEDS_SIGINT = ENGINE + "signal.sigwait([signal.SIGINT]); "


def executable(path: Path, source: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    path.chmod(0o755)
    return path


def start(engine: Path, mode: str) -> "subprocess.Popen[str]":
    """A driver that runs an engine, once that has begun."""
    out = engine.with_name("pulumi.out")
    os.mkfifo(out)
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(engine), mode], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert out.read_text() == "leads its session: True\n"
    return driver


def test_a_signal_to_the_whole_terminal_lets_the_engine_finish(tmp_path: Path) -> None:
    fifo = tmp_path / "pulumi.in"
    os.mkfifo(fifo)
    engine = HEEDS_SIGINT + "open(sys.argv[0] + '.in').read(); sys.exit(1)"
    with start(executable(tmp_path / "pulumi", engine), "breakable") as driver:
        os.killpg(driver.pid, signal.SIGINT)

        assert driver.stdout is not None and driver.stdout.readline() == f"{FINISHING}\n"
        fifo.write_text("finish")
        assert driver.stdout.read() == "interrupted\n"
    assert driver.returncode == 0


def test_the_engine_of_a_destroy_is_not_interrupted(tmp_path: Path) -> None:
    fifo = tmp_path / "pulumi.in"
    os.mkfifo(fifo)
    engine = ENGINE + "open(sys.argv[0] + '.in').read(); sys.exit(bool(signal.sigpending()))"
    with start(executable(tmp_path / "pulumi", engine), "unbreakable") as driver:
        os.killpg(driver.pid, signal.SIGINT)
        fifo.write_text("finish")

        assert driver.communicate() == ("returned\n", None)
    assert driver.returncode == 0


def test_a_second_signal_ends_the_command(tmp_path: Path) -> None:
    with start(executable(tmp_path / "pulumi", HEEDS_SIGINT), "unbreakable") as driver:
        os.killpg(driver.pid, signal.SIGTERM)
        os.killpg(driver.pid, signal.SIGINT)

        assert driver.communicate() == ("interrupted again\n", None)
    assert driver.returncode == 0


def run(engine: Path, tmp_path: Path) -> PulumiProcess:
    return PulumiProcess(
        engine,
        version="v3.259.0",
        environment={"GIVEN": "by the target"},
        interruption=Interruption(),
        log_file=tmp_path / "pulumi.log",
    )


def test_environment_and_arguments(tmp_path: Path) -> None:
    engine = 'import os, sys\nprint(sys.argv[1:], os.environ["GIVEN"], os.environ["MORE"], "HOME" in os.environ)'
    pulumi = run(executable(tmp_path / "pulumi", engine), tmp_path)

    result = pulumi.run(["stack", "ls"], str(tmp_path), {"MORE": "by the workspace"})

    assert result.stdout == "['--non-interactive', 'stack', 'ls'] by the target by the workspace False"
    assert str(pulumi.version) == "3.259.0"


def test_what_fails_is_logged_and_raised_as_the_sdk_does(tmp_path: Path) -> None:
    engine = (
        'import sys\nprint("out")\nprint("the stack is currently locked by 1 lock", file=sys.stderr)\nsys.exit(255)'
    )
    pulumi = run(executable(tmp_path / "pulumi", engine), tmp_path)

    with pytest.raises(ConcurrentUpdateError):
        pulumi.run(["up"], str(tmp_path), {})

    log = (tmp_path / "pulumi.log").read_text()
    assert "pulumi --non-interactive up" in log and "currently locked" in log and "[exit 255]" in log
    assert not pulumi.died


def test_a_command_that_was_killed_may_have_left_a_lock(tmp_path: Path) -> None:
    pulumi = run(executable(tmp_path / "pulumi", "import os\nos.kill(os.getpid(), 9)"), tmp_path)

    with pytest.raises(CommandError):
        pulumi.run(["up"], str(tmp_path), {})

    assert pulumi.died
