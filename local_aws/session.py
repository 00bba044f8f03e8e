"""The local AWS of a folder: an emulator that keeps running, and the environment of a shell that uses it."""

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
"""Where its files are, in the folder that it is started from; `stop` deletes it."""
_RECORD = "session.json"
_STOP_SECONDS = 15.0
_LOCK_SECONDS = 300.0
_POLL_SECONDS = 0.05

Say = Callable[[str], None]


@dataclass(frozen=True)
class Session:
    """A running local AWS: the emulator's process and endpoint, a shell's variables, and folders to put before PATH."""

    pid: int
    endpoint_url: str
    environment: Mapping[str, str]
    path: tuple[str, ...]

    def exports(self) -> list[str]:
        """The lines that a shell evaluates."""
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(self.environment.items())]
        path = "".join(f"{shlex.quote(folder)}:" for folder in self.path)
        return [*lines, f'export PATH={path}"$PATH"']

    @property
    def lives(self) -> bool:
        """Whether its emulator runs and answers."""
        address = urlsplit(self.endpoint_url)
        with socket.socket() as connection:
            answers = connection.connect_ex((address.hostname or "", address.port or 0)) == 0
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return answers


def find(folder: Path | None = None) -> Session | None:
    """The running local AWS of a folder (`FOLDER` by default), None if there is none."""
    folder = (folder or FOLDER).resolve()
    try:
        record: dict[str, Any] = json.loads((folder / _RECORD).read_text())
    except FileNotFoundError:
        return None
    session = Session(**{**record, "path": tuple(record["path"])})
    return session if session.lives else None


def require(folder: Path | None = None) -> Session:
    """The running local AWS of a folder; `EmulatorError` where there is none."""
    session = find(folder)
    if session is None:
        where = (folder or FOLDER).resolve()
        raise EmulatorError(f"no local AWS runs in {where}: start it with `python -m local_aws start`")
    return session


def start(
    folder: Path | None = None,
    *,
    port: int | None = None,
    container_runtime: Wanted = "auto",
    base_image: str | None = None,
    say: Say = print,
) -> Session:
    """Start a local AWS, unless one runs. Of two at once, one starts it, and the other waits and uses the same.

    Its files are in `folder`, by default `FOLDER`; `Emulator` defines the other arguments.

    Raises:
        EmulatorError: it cannot be started.
        PulumiUnavailable: there is no Pulumi CLI and none can be downloaded or built.
    """
    folder = (folder or FOLDER).resolve()
    with _locked(folder, say):
        running = find(folder)
        if running is not None:
            say(f"the local AWS runs already at {running.endpoint_url}")
            return running
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
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
            environment={**engine_environment(emulator, folder), "PULUMI_HOME": str(folder / "pulumi")},
            path=path,
        )
        new = folder / f"{_RECORD}.new"
        new.write_text(json.dumps(asdict(session), indent=2))
        new.replace(folder / _RECORD)
    say(f"the local AWS runs at {session.endpoint_url} (process {session.pid}, log {emulator.log_file})")
    say(f"container runtime: {emulator.container_runtime} ({emulator.container_runtime_reason})")
    return session


def _pulumi(folder: Path, say: Say) -> tuple[str, ...]:
    cli = pulumi_cli.ensure(progress=say)
    plugins.install(folder / "bin")
    pulumi_cli.add_language_host(cli.path, folder / "bin")
    (folder / "state").mkdir()
    return str(folder / "bin"), str(cli.path.parent)


def stop(folder: Path | None = None, *, say: Say = print) -> None:
    """Stop the local AWS and delete its state, and Pulumi's state of it; `EmulatorError` where it does not end."""
    folder = (folder or FOLDER).resolve()
    with _locked(folder, say):
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
            say("the local AWS has stopped, and its state is deleted")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, say: Say) -> Iterator[None]:
    """One start or stop at a time. The lock is beside the folder, which both of them delete."""
    lock = folder.with_name(f"{folder.name}.lock")

    def waiting() -> None:
        say(f"another process starts or stops the local AWS in {folder}: waiting for it")

    with in_turn(lock, waiting=waiting, limit_seconds=_LOCK_SECONDS) as held:
        if not held:
            raise EmulatorError(f"another process has held {lock} for {_LOCK_SECONDS:g} s: end it, then try again")
        yield
