"""The Pulumi CLI as a child that signals reach only through the driver."""

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
from pathlib import Path
from ecs_kit.automation.host.interruption import Interrupted, InterruptedAgain, Interruption
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess

interruption = Interruption()


def say(line):
    # In one write: two threads say something, and print() writes a line and its end apart.
    sys.stdout.write(line + "\\n")
    sys.stdout.flush()


pulumi = PulumiProcess(Path(sys.argv[1]), version="3.259.0", environment={{}}, interruption=interruption, say=say)
with interruption.installed():
    try:
        if sys.argv[2] == "breakable":
            with interruption.breakable():
                pulumi.run(["up"], ".", {{}}, say)
        else:
            pulumi.run(["destroy"], ".", {{}}, say)
        say("returned")
    except InterruptedAgain:
        say("interrupted again")
    except Interrupted:
        say("interrupted")
"""

POLITE_ENGINE = """\
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("engine: ready", flush=True)
signal.sigwait([signal.SIGINT])
print("engine: finishing", flush=True)
sys.exit(1)
"""


def executable(path: Path, source: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    path.chmod(0o755)
    return path


def start_driver(engine: Path, mode: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(engine), mode],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def lines_until(process: "subprocess.Popen[str]", last: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.strip() == last:
            return lines
    return lines


def test_a_signal_to_the_whole_terminal_reaches_the_engine_once_and_lets_it_finish(tmp_path: Path) -> None:
    fifo = tmp_path / "pulumi.fifo"
    os.mkfifo(fifo)
    slow = POLITE_ENGINE.replace("sys.exit(1)", "open(sys.argv[0] + '.fifo').read(); sys.exit(1)")
    driver = start_driver(executable(tmp_path / "pulumi", slow), "breakable")
    lines_until(driver, "engine: ready")

    os.killpg(driver.pid, signal.SIGINT)
    seen = lines_until(driver, FINISHING)
    fifo.write_text("go on")
    seen += lines_until(driver, "interrupted")

    assert sorted(seen) == ["engine: finishing", "interrupted", FINISHING]
    assert seen[-1] == "interrupted"
    assert driver.wait(timeout=60) == 0


def test_the_engine_of_a_destroy_is_left_alone(tmp_path: Path) -> None:
    engine = """\
import os, signal, sys
print("engine: ready", flush=True)
print(f"engine: in the session of its own: {os.getsid(0) == os.getpid()}", flush=True)
open(sys.argv[0] + ".fifo").read()
print("engine: destroyed", flush=True)
"""
    fifo = tmp_path / "pulumi.fifo"
    os.mkfifo(fifo)
    driver = start_driver(executable(tmp_path / "pulumi", engine), "unbreakable")
    lines_until(driver, "engine: in the session of its own: True")

    os.killpg(driver.pid, signal.SIGINT)
    fifo.write_text("go on")

    assert lines_until(driver, "returned") == ["engine: destroyed", "returned"]
    assert driver.wait(timeout=60) == 0


def test_a_second_signal_ends_the_command(tmp_path: Path) -> None:
    driver = start_driver(executable(tmp_path / "pulumi", POLITE_ENGINE), "unbreakable")
    lines_until(driver, "engine: ready")

    os.killpg(driver.pid, signal.SIGTERM)
    os.killpg(driver.pid, signal.SIGINT)

    assert lines_until(driver, "interrupted again")[-1] == "interrupted again"
    assert driver.wait(timeout=60) == 0


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
