"""The processes of a driver's run, found without the driver: it is gone, and they do not know it yet."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecs_kit.automation.errors import ProcessesRemain
from ecs_kit.automation.host.polling import looks

RUN_VARIABLE = "KIT_RUN"
"""In the environment of every engine that a driver starts, and so of its plugins: the run's work folder."""
END_SECONDS = 30.0
"""How long processes may take to end: the emulator takes its containers along, and its janitors clean up after it."""
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
    """A process that belongs to a run.

    Attributes:
        pid: its id.
        what: `emulator`, `engine`, `program`, `plugin`, `janitor`, `function`, `task` or `process`.
    """

    pid: int
    what: str


def belongs(folder: str, arguments: list[str], environment: Mapping[str, str]) -> str | None:
    """What a process is to a run, None if it is none of its.

    A shell that follows a kept stack, and what is started from it, has settings of the run in its environment, too, but
    neither the variable of its engines nor a home in its emulator.
    """
    inside = f"{folder}/emulator/"
    if any(argument.startswith(f"--folder={inside}") for argument in arguments):
        return "emulator"
    if _is_program(arguments, _JANITORS) and any(inside in f"{argument}/" for argument in arguments):
        return "janitor"
    if environment.get(RUN_VARIABLE) == folder:
        program = Path(arguments[0]).name if arguments else ""
        if program == "pulumi":
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
    """Every process of a run but this one and those it was started by."""
    ours = set(_ancestors())
    found = []
    for pid, arguments, environment in of_this_user():
        what = belongs(str(folder), arguments, environment)
        if what is not None and pid not in ours:
            found.append(Process(pid, what))
    return found


def end(folder: Path) -> list[Process]:
    """End every process of a run and wait until none is left; return what was ended.

    The emulator is asked, everything else is killed; after half the time the emulator and its janitors are, too.

    Raises:
        ProcessesRemain: something is left after `END_SECONDS`.
    """
    ended: dict[int, Process] = {}
    asked: set[int] = set()
    for waited in looks(END_SECONDS, _POLL_SECONDS):
        if not (left := find(folder)):
            return list(ended.values())
        for process in left:
            ended.setdefault(process.pid, process)
            if process.what not in ("emulator", "janitor") or waited > END_SECONDS / 2:
                tell(process.pid, signal.SIGKILL)
            elif process.what == "emulator" and process.pid not in asked:
                asked.add(process.pid)
                tell(process.pid, signal.SIGTERM)
    if left := find(folder):
        raise ProcessesRemain(folder, ", ".join(f"{process.what} {process.pid}" for process in left))
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


def tell(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, if it is there and this user's."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def of_this_user() -> Iterator[tuple[int, list[str], dict[str, str]]]:
    """Every process of this user: its id, command line and environment."""
    if Path("/proc/self/environ").exists():
        yield from _all_by_proc()
    else:
        yield from _all_by_ps()


def _all_by_proc() -> Iterator[tuple[int, list[str], dict[str, str]]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            arguments = _words((entry / "cmdline").read_bytes())
            environment = _words((entry / "environ").read_bytes())
        except OSError:
            # It has ended, or is another user's.
            continue
        if arguments:
            yield int(entry.name), arguments, _variables(environment)


def _all_by_ps() -> Iterator[tuple[int, list[str], dict[str, str]]]:
    """As macOS has it: command line and environment are words of one line."""
    answer = subprocess.run(
        ["ps", "-A", "-E", "-ww", "-o", "pid=,command="],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PS_SECONDS,
    ).stdout
    for line in answer.splitlines():
        pid, *words = line.split()
        if pid.isdecimal():
            yield int(pid), words, _variables(words)


def _words(content: bytes) -> list[str]:
    return [word.decode("utf-8", errors="replace") for word in content.split(b"\0") if word]


def _variables(words: list[str]) -> dict[str, str]:
    return {name: value for name, equals, value in (word.partition("=") for word in words) if equals}


def _ancestors() -> Iterator[int]:
    """This process, its parent, …"""
    pid = os.getpid()
    while pid > 1:
        yield pid
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            yield os.getppid()
            return
        pid = int(stat.rsplit(")", 1)[-1].split()[1])
