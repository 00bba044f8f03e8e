"""The processes of a driver's run, found without the driver: it is gone, and they do not know it yet."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from automation.errors import DriverError

RUN_VARIABLE = "KIT_RUN"
"""In the environment of every engine that a driver starts, and so of its plugins: the run's work folder."""
END_SECONDS = 30.0
"""How long processes may take to end: the emulator takes its containers along, and its janitors clean up after it."""
_POLL_SECONDS = 0.05
_PS_SECONDS = 30.0
_JANITORS = ("janitor.py", "docker_janitor.py")
_FUNCTIONS = ("lambda_bootstrap.py",)
_STARTED_BY_ENGINES = {
    "plugin": ("automation.local.plugins",),
    "program": ("automation.local.language_host", "pulumi-language-python"),
}


class ProcessesStay(DriverError):
    """Processes that were killed are still there."""

    def __init__(self, folder: Path, left: Iterable["Process"]) -> None:
        named = ", ".join(f"{process.what} {process.pid}" for process in left)
        super().__init__(f"{folder}: processes of this run do not end: {named}. End them, and run `clean` again.")


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

    Args:
        folder: the run's work folder.
        arguments: the process's command line.
        environment: the process's environment; empty where it cannot be read.
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
    """Every process of a run but this one and those it was started by.

    Args:
        folder: the run's work folder.
    """
    ours = set(_ancestors())
    found = []
    for pid, arguments, environment in of_this_user():
        what = belongs(str(folder), arguments, environment)
        if what is not None and pid not in ours:
            found.append(Process(pid, what))
    return found


def end(
    folder: Path,
    *,
    limit_seconds: float = END_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Process]:
    """End every process of a run and wait until none is left. The emulator is asked, everything else is killed.

    Args:
        folder: the run's work folder.
        limit_seconds: after half of it, the emulator and its janitors are killed as well.
        clock: seconds that only grow.
        sleep: waits for seconds.

    Returns:
        What was ended.

    Raises:
        ProcessesStay: something is left.
    """
    began = clock()
    ended: dict[int, Process] = {}
    asked: set[int] = set()
    while left := find(folder):
        waited = clock() - began
        if waited > limit_seconds:
            raise ProcessesStay(folder, left)
        for process in left:
            ended.setdefault(process.pid, process)
            if process.what not in ("emulator", "janitor") or waited > limit_seconds / 2:
                tell(process.pid, signal.SIGKILL)
            elif process.what == "emulator" and process.pid not in asked:
                asked.add(process.pid)
                tell(process.pid, signal.SIGTERM)
        sleep(_POLL_SECONDS)
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
