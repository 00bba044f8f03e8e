"""The driver's work folders: each belongs to one driver while that lives, and says afterwards what was left.

A driver holds a lock on its folder for as long as it lives; the lock goes with the process, however that ends. So a
folder whose lock is free belongs to nobody: to a driver that was killed, unless its record says that it is kept.
"""

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ecs_kit.automation.errors import FolderInUse

_RECORD = "run.json"
_LOCK = "lock"
_GATE = ".gate"


@dataclass(frozen=True)
class Record:
    """What a driver writes down about itself, for whoever comes after it.

    Attributes:
        pid: the driver's process.
        started: when it started, ISO 8601, UTC.
        command: its command line.
        target: `local` or `aws`.
        stack: the Pulumi stack.
        plugins: `bundled` or `published`.
        container_runtime: what runs ECS tasks, empty until that is known.
        emulator_pid: the emulator's process, 0 while there is none.
        emulator_name: what its containers are labelled with.
        kept: whether everything stays by the user's wish.
        use: lines that tell how to use what is kept.
    """

    pid: int
    started: str
    command: tuple[str, ...]
    target: str
    stack: str
    plugins: str
    container_runtime: str = ""
    emulator_pid: int = 0
    emulator_name: str = ""
    kept: bool = False
    use: tuple[str, ...] = field(default=())

    @classmethod
    def of_this_process(cls, *, target: str, stack: str, plugins: str) -> "Record":
        """A record that names this process."""
        return cls(
            pid=os.getpid(),
            started=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            command=tuple(sys.argv),
            target=target,
            stack=stack,
            plugins=plugins,
        )


class Held:
    """A work folder that this process holds.

    Attributes:
        folder: its path.
        record: what its driver wrote down; None where there is nothing readable.
        is_new: whether it was made for this process.
        previous: what its last driver wrote down, where this one wrote anew.
    """

    def __init__(self, folder: Path, lock: IO[bytes], record: Record | None, *, is_new: bool = False) -> None:
        self.folder = folder
        self.record = record
        self.is_new = is_new
        self.previous: Record | None = None
        self._lock = lock

    @property
    def is_there(self) -> bool:
        """Whether the folder still is what was locked: its last holder may have removed it meanwhile."""
        return os.fstat(self._lock.fileno()).st_nlink > 0

    def note(self, **changes: Any) -> None:
        """Change the record, on disk, too."""
        if self.record is None:
            raise RuntimeError("a folder without a record is only there to be removed")
        self._write(replace(self.record, **changes))

    def start(self, record: Record) -> None:
        """Replace the record of its last driver."""
        self.previous = self.record
        self._write(record)

    def restore(self) -> None:
        """Leave the folder as its last driver left it."""
        if self.previous is not None:
            self._write(self.previous)

    def discard_new(self) -> None:
        """Remove the folder if it was made for this process, which has not begun anything in it."""
        if self.is_new and self.record is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let it go."""
        self._lock.close()

    def _write(self, record: Record) -> None:
        self.record = record
        new = self.folder / f".{_RECORD}.new"
        new.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
        new.replace(self.folder / _RECORD)


def hold(folder: Path) -> Held:
    """Take a work folder, made if need be, for this process. Its record is the one of who had it before.

    Raises:
        FolderInUse: a process that lives holds it.
    """
    while True:
        with _gate(folder.parent):
            is_new = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            try:
                held = _try(folder, is_new=is_new)
            except FileNotFoundError:
                # Who held it has just removed it.
                continue
        if held is None:
            record = read(folder)
            who = "" if record is None else f" (process {record.pid}, started {record.started})"
            raise FolderInUse(who, folder)
        if held.is_there:
            return held
        held.close()


def abandoned(parent: Path) -> Iterator[Held]:
    """Every folder below `parent` that no living process holds, each held by this one until the next is asked for."""
    if not parent.is_dir():
        return
    for folder in sorted(path for path in parent.iterdir() if path.is_dir()):
        with _gate(parent):
            try:
                held = _try(folder)
            except FileNotFoundError:
                # Who held it has removed it since it was listed.
                continue
        if held is not None:
            try:
                if held.is_there:
                    yield held
            finally:
                held.close()


def read(folder: Path) -> Record | None:
    """A folder's record, None where there is none that can be read."""
    try:
        return parse((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def parse(text: str) -> Record | None:
    """A record from its text; None for anything else. What a later version added is passed over."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, Mapping):
        return None
    known = {each.name for each in fields(Record)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items() if name in known
    }
    try:
        return Record(**values)
    except TypeError:
        return None


@contextmanager
def _gate(parent: Path) -> Iterator[None]:
    """One process at a time between the making of a folder and the lock on it."""
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / _GATE).open("wb") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _try(folder: Path, *, is_new: bool = False) -> Held | None:
    """Take a folder that is there; None where somebody has it. Raises FileNotFoundError where it has gone."""
    lock = (folder / _LOCK).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return Held(folder, lock, read(folder), is_new=is_new)
