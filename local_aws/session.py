"""The same local AWS in a shell: an emulator that stays, and the environment that leads to it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_aws import plugins, pulumi_cli
from local_aws.emulator import Emulator, EmulatorError
from local_aws.emulator.runtimes.selection import Wanted
from local_aws.environment import engine_environment
from local_aws.locks import in_turn

FOLDER = Path(".local-aws")
"""Where it keeps everything, in the folder that it is started from; thrown away by `stop`."""
_RECORD = "session.json"
_STOP_SECONDS = 15.0
_TURN_SECONDS = 300.0
_POLL_SECONDS = 0.05

Say = Callable[[str], None]


class NoSession(EmulatorError):
    """There is no local AWS to lead to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no local AWS runs in {folder}: start it with `python -m local_aws start`")


@dataclass(frozen=True)
class Session:
    """A local AWS that runs.

    Attributes:
        pid: of the emulator.
        endpoint_url: where it answers.
        container_runtime: what runs ECS tasks.
        log_file: the emulator's log.
        environment: what a shell needs, besides PATH.
        path: folders to put before PATH.
    """

    pid: int
    endpoint_url: str
    container_runtime: str
    log_file: str
    environment: Mapping[str, str]
    path: tuple[str, ...]

    def exports(self) -> list[str]:
        """The lines that a shell evaluates."""
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(self.environment.items())]
        path = "".join(f"{shlex.quote(folder)}:" for folder in self.path)
        return [*lines, f'export PATH={path}"$PATH"']

    @property
    def lives(self) -> bool:
        """Whether its emulator answers."""
        address = urlsplit(self.endpoint_url)
        with socket.socket() as connection:
            answers = connection.connect_ex((address.hostname or "", address.port or 0)) == 0
        return answers and _is_running(self.pid)


def find(folder: Path | None = None) -> Session | None:
    """The local AWS that runs, None where none does."""
    folder = (folder or FOLDER).resolve()
    try:
        record: dict[str, Any] = json.loads((folder / _RECORD).read_text())
    except FileNotFoundError:
        return None
    session = Session(**{**record, "path": tuple(record["path"])})
    return session if session.lives else None


def start(
    folder: Path | None = None,
    *,
    port: int | None = None,
    container_runtime: Wanted = "auto",
    base_image: str | None = None,
    say: Say = print,
) -> Session:
    """Start a local AWS, where none runs already. Of two at once one starts it, and the other waits and takes that one.

    Args:
        folder: where it keeps everything; `FOLDER` where None.
        port: its port on 127.0.0.1; any free one where None.
        container_runtime: what runs ECS tasks.
        base_image: as `Emulator` takes it.
        say: told what happens.

    Raises:
        EmulatorError: it cannot be started.
        PulumiUnavailable: there is no Pulumi CLI to be had.
    """
    folder = (folder or FOLDER).resolve()
    with _turn(folder, say):
        return _start(folder, port, container_runtime, base_image, say)


def _start(folder: Path, port: int | None, container_runtime: Wanted, base_image: str | None, say: Say) -> Session:
    running = find(folder)
    if running is not None:
        say(f"the local AWS runs already at {running.endpoint_url}")
        return running
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = _pulumi(folder, say)
    emulator = Emulator(
        folder,
        port=port,
        container_runtime=container_runtime,
        log_file=folder / "emulator.log",
        detached=True,
        base_image=base_image,
    )
    emulator.start()
    session = Session(
        pid=emulator.pid,
        endpoint_url=emulator.endpoint_url,
        container_runtime=emulator.container_runtime,
        log_file=str(emulator.log_file),
        environment={**engine_environment(emulator, folder), "PULUMI_HOME": str(folder / "pulumi")},
        path=path,
    )
    _write(folder / _RECORD, json.dumps(asdict(session), indent=2))
    say(f"the local AWS runs at {session.endpoint_url} (process {session.pid}, log {session.log_file})")
    say(f"container runtime: {emulator.container_runtime} ({emulator.container_runtime_reason})")
    return session


def _pulumi(folder: Path, say: Say) -> tuple[str, ...]:
    cli = pulumi_cli.ensure(progress=say)
    plugins.install(folder / "bin")
    pulumi_cli.add_language_host(cli.path, folder / "bin")
    (folder / "state").mkdir()
    return str(folder / "bin"), str(Path(cli.path).parent)


def stop(folder: Path | None = None, *, say: Say = print) -> None:
    """Stop the local AWS and throw its state away; Pulumi's state of it goes along.

    Raises:
        EmulatorError: its process does not end.
    """
    folder = (folder or FOLDER).resolve()
    with _turn(folder, say):
        _stop(folder, say)


def _stop(folder: Path, say: Say) -> None:
    session = find(folder)
    if session is None:
        say("no local AWS runs")
    else:
        os.kill(session.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while session.lives:
            if time.monotonic() > deadline:
                raise EmulatorError(f"the emulator does not end: kill -9 {session.pid}, then stop again")
            time.sleep(_POLL_SECONDS)
        say("the local AWS has stopped, and its state is gone")
    shutil.rmtree(folder, ignore_errors=True)


def require(folder: Path | None = None) -> Session:
    """The local AWS that runs.

    Raises:
        NoSession: none does.
    """
    folder = (folder or FOLDER).resolve()
    session = find(folder)
    if session is None:
        raise NoSession(folder)
    return session


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Somebody else's.
        pass
    return True


@contextmanager
def _turn(folder: Path, say: Say) -> Iterator[None]:
    """Starting and stopping take turns. The lock is beside the folder, which both of them remove."""
    lock = folder.with_name(f"{folder.name}.lock")

    def waiting() -> None:
        say(f"another process starts or stops the local AWS in {folder}: waiting for it")

    with in_turn(lock, waiting=waiting, limit_seconds=_TURN_SECONDS) as held:
        if not held:
            raise EmulatorError(f"another process has held {lock} for {_TURN_SECONDS:g} s: end it, then try again")
        yield


def _write(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
