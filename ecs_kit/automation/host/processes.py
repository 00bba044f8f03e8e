"""The processes of a driver's run, found without the driver: it was killed, and they are still running."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.host.polling import looks

RUN_VARIABLE = "KIT_RUN"
"""The run's work folder, in the environment of every engine that a driver starts, and so of its plugins."""
END_SECONDS = 30.0
"""How long processes may take to end: the emulator stops its containers, and its janitors clean up after it."""
_POLL_SECONDS = 0.05
_PS_SECONDS = 30.0
_JANITORS = ("janitor.py", "docker_janitor.py")
_FUNCTIONS = ("lambda_bootstrap.py",)
_STARTED_BY_ENGINES = {
    "plugin": ("local_aws.plugins",),
    "program": ("local_aws.language_host", "pulumi-language-python"),
}


@dataclass(frozen=True)
class Process:
    """A process of a run: `emulator`, `engine`, `program`, `plugin`, `janitor`, `function`, `task` or `process`."""

    pid: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} {self.pid}"


def belongs(folder: str, arguments: list[str], environment: Mapping[str, str]) -> str | None:
    """What a process is to the run with this work folder, None if it belongs to no run or another one.

    A shell with the exports of a kept stack does not belong to it: it has neither `KIT_RUN` nor a home in the emulator.
    """
    inside = f"{folder}/emulator/"
    if any(argument.startswith(f"--folder={inside}") for argument in arguments):
        return "emulator"
    if _is_program(arguments, _JANITORS) and any(inside in f"{argument}/" for argument in arguments):
        return "janitor"
    if environment.get(RUN_VARIABLE) == folder:
        if arguments and Path(arguments[0]).name == "pulumi":
            return "engine"
        for what, names in _STARTED_BY_ENGINES.items():
            if any(name in argument for name in names for argument in arguments):
                return what
        return "process"
    if any(environment.get(name, "").startswith(inside) for name in ("HOME", "TMPDIR")):
        return "function" if _is_program(arguments, _FUNCTIONS) else "task"
    return None


def _is_program(arguments: list[str], names: tuple[str, ...]) -> bool:
    return any(Path(argument).name in names for argument in arguments[:5])


def find(folder: Path) -> list[Process]:
    """Every process of a run."""
    return [
        Process(pid, what)
        for pid, arguments, environment in of_this_user()
        if (what := belongs(str(folder), arguments, environment)) is not None
    ]


def end(folder: Path) -> list[Process]:
    """End every process of a run, wait until none is left, and return what was ended.

    The emulator gets SIGTERM, everything else SIGKILL. After half the time the emulator and its janitors are killed.

    Raises:
        DriverError: something is left after `END_SECONDS`.
    """
    ended: dict[int, Process] = {}
    asked: set[int] = set()
    for waited in looks(END_SECONDS, _POLL_SECONDS):
        if not (left := find(folder)):
            return list(ended.values())
        for process in left:
            ended.setdefault(process.pid, process)
            if process.what not in ("emulator", "janitor") or waited > END_SECONDS / 2:
                send_signal(process.pid, signal.SIGKILL)
            elif process.what == "emulator" and process.pid not in asked:
                asked.add(process.pid)
                send_signal(process.pid, signal.SIGTERM)
    if left := find(folder):
        named = ", ".join(map(str, left))
        raise DriverError(f"{folder}: processes of this run do not end: {named}. End them, and run `clean` again.")
    return list(ended.values())


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, if it exists and is this user's."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def of_this_user() -> Iterator[tuple[int, list[str], dict[str, str]]]:
    """Every process of this user: its id, command line and environment."""
    return _all_by_proc() if Path("/proc/self/environ").exists() else _all_by_ps()


def _all_by_proc() -> Iterator[tuple[int, list[str], dict[str, str]]]:
    for entry in Path("/proc").glob("[0-9]*"):
        # A process that has ended, or another user's, cannot be read.
        with suppress(OSError):
            arguments, environment = (
                [word for word in (entry / name).read_text("utf-8", errors="replace").split("\0") if word]
                for name in ("cmdline", "environ")
            )
            if arguments:
                yield int(entry.name), arguments, _variables(environment)


def _all_by_ps() -> Iterator[tuple[int, list[str], dict[str, str]]]:
    """As macOS has it: command line and environment are words of one line."""
    command = ["ps", "-A", "-E", "-ww", "-o", "pid=,command="]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PS_SECONDS)
    for line in answer.stdout.splitlines():
        pid, *words = line.split()
        yield int(pid), words, _variables(words)


def _variables(words: list[str]) -> dict[str, str]:
    return {name: value for name, equals, value in (word.partition("=") for word in words) if equals}
