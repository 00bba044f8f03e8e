"""Signals reach the Pulumi CLI only through the driver."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pulumi.automation.errors import CommandError, ConcurrentUpdateError

from ecs_kit.automation.host.interruption import Interrupted, InterruptedAgain, Interruption
from ecs_kit.automation.stacks.pulumi_process import FINISHING, PulumiProcess

SIGNALLING = """
import os, signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
if os.getsid(0) != os.getpid():
    sys.exit("the engine is in the driver's session, and gets the terminal's signals")
time.sleep(0.2)  # the driver notices that it has started the engine
os.kill(os.getppid(), signal.SIGINT)
"""
"""An engine that sends the signals of the terminal to its driver, the process of this test."""

Make = Callable[[str], PulumiProcess]


@pytest.fixture
def interruption() -> Interruption:
    return Interruption()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, interruption: Interruption, said: list[str]) -> Make:
    """Makes a process with a CLI of this source."""

    def made(source: str) -> PulumiProcess:
        executable = tmp_path / "pulumi"
        executable.write_text(f"#!{sys.executable} -IS\n{source}", encoding="utf-8")
        executable.chmod(0o755)
        return PulumiProcess(
            executable,
            version="v3.259.0",
            environment={"GIVEN": "by the target", "FOLDER": str(tmp_path)},
            interruption=interruption,
            log_file=tmp_path / "pulumi.log",
            say=said.append,
        )

    return made


def test_a_signal_lets_the_engine_finish(make: Make, interruption: Interruption, said: list[str]) -> None:
    finishes = "signal.sigwait([signal.SIGINT]); time.sleep(0.2); print('finished'); sys.exit(1)"
    pulumi = make(SIGNALLING + finishes)

    with interruption.installed(), pytest.raises(Interrupted) as raised, interruption.breakable():
        pulumi.run(["up"], ".", {})

    assert not isinstance(raised.value, InterruptedAgain) and said == [FINISHING]
    assert "finished" in (Path(pulumi.environment["FOLDER"]) / "pulumi.log").read_text()


def test_the_engine_of_a_destroy_is_not_interrupted(make: Make, interruption: Interruption) -> None:
    with interruption.installed():
        make(SIGNALLING + "sys.exit(bool(signal.sigtimedwait([signal.SIGINT], 0.5)))").run(["destroy"], ".", {})

    with pytest.raises(Interrupted):
        interruption.raise_noted()


def test_a_second_signal_ends_the_command(make: Make, interruption: Interruption) -> None:
    ends = "os.kill(os.getppid(), signal.SIGTERM); signal.sigwait([signal.SIGINT])\n"
    pulumi = make(f"{SIGNALLING}{ends}open(os.environ['FOLDER'] + '/ended', 'w')")

    with interruption.installed(), pytest.raises(InterruptedAgain):
        pulumi.run(["destroy"], ".", {})

    assert (Path(pulumi.environment["FOLDER"]) / "ended").exists()


def test_environment_and_arguments(make: Make) -> None:
    pulumi = make('import os, sys\nprint(sys.argv[1:], *map(os.environ.get, ("GIVEN", "MORE", "HOME")))')

    result = pulumi.run(["stack", "ls"], os.sep, {"MORE": "by the workspace"})

    assert result.stdout == "['--non-interactive', 'stack', 'ls'] by the target by the workspace None"
    assert str(pulumi.version) == "3.259.0"


def test_what_fails_is_logged_and_raised_as_the_sdk_does(make: Make, tmp_path: Path) -> None:
    pulumi = make(
        'import sys\nprint("out")\nprint("the stack is currently locked by 1 lock", file=sys.stderr)\nsys.exit(255)'
    )

    with pytest.raises(ConcurrentUpdateError):
        pulumi.run(["up"], str(tmp_path), {})

    log = (tmp_path / "pulumi.log").read_text()
    assert "pulumi --non-interactive up" in log and "currently locked" in log and "[exit 255]" in log
    assert not pulumi.died


def test_a_command_that_was_killed_may_have_left_a_lock(make: Make) -> None:
    pulumi = make("import os\nos.kill(os.getpid(), 9)")

    with pytest.raises(CommandError):
        pulumi.run(["up"], os.sep, {})

    assert pulumi.died
