"""The driver's work folders. Each belongs to one driver while that is active, and records what it left.

A driver holds a lock on its folder; the lock is released with its process, however that ends. So a folder with a free
lock is abandoned: its driver was killed, unless the record says that it is kept.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ecs_kit.automation.errors import DriverError

_RECORD = "run.json"
_LOCK = "lock"
_GATE = ".gate"


@dataclass(frozen=True)
class Record:
    """What a driver records about itself: its process and start, its stack, and whether and how that is kept.

    `emulator_name` is the label of its emulator's containers, `use` has lines that tell how to use what is kept.
    """

    pid: int
    started: str
    stack: str
    plugins: str
    emulator_name: str = ""
    kept: bool = False
    use: tuple[str, ...] = ()

    @classmethod
    def of_this_process(cls, *, stack: str, plugins: str) -> "Record":
        """A record that names this process."""
        started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return cls(os.getpid(), started, stack, plugins)


class Held:
    """A work folder whose lock this process holds.

    `record` is its driver's, None where there is no readable one; `previous` is the one that `start` has replaced.
    """

    def __init__(self, folder: Path, lock: IO[bytes], *, is_new: bool) -> None:
        self.folder = folder
        self.record = read(folder)
        self.previous: Record | None = None
        self._is_new = is_new
        self._lock = lock

    @property
    def is_there(self) -> bool:
        """Whether the folder still exists: its last holder may have removed it before the lock was taken."""
        return os.fstat(self._lock.fileno()).st_nlink > 0

    def note(self, **changes: Any) -> None:
        """Change fields of the record, on disk, too."""
        assert self.record is not None, "start comes first"
        self._write(replace(self.record, **changes))

    def start(self, record: Record) -> None:
        """Replace the record of its last driver."""
        self.previous = self.record
        self._write(record)

    def restore(self) -> None:
        """Restore the record of its last driver."""
        if self.previous is not None:
            self._write(self.previous)

    def discard_new(self) -> None:
        """Remove the folder if `hold` created it and `start` was not called."""
        if self._is_new and self.record is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Release the lock."""
        self._lock.close()

    def _write(self, record: Record) -> None:
        self.record = record
        new = self.folder / f".{_RECORD}.new"
        new.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
        new.replace(self.folder / _RECORD)


def hold(folder: Path) -> Held:
    """Lock a work folder, which is created if need be. Its record is its last driver's.

    Raises:
        DriverError: an active process holds it.
    """
    while True:
        with _gate(folder.parent):
            is_new = not folder.exists()
            # It holds Pulumi's state and credentials of the local AWS.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                held = _try(folder, is_new=is_new)
            except FileNotFoundError:
                # Its holder has just removed it.
                continue
        if held is None:
            record = read(folder)
            who = f" (process {record.pid}, started {record.started})" if record else ""
            raise DriverError(f"another e2e{who} works on the stack of {folder}. Wait for its end, or end it.")
        if held.is_there:
            return held
        held.close()


def abandoned(parent: Path) -> Iterator[Held]:
    """Every folder below `parent` that no active process holds, each locked until the next is asked for."""
    if not parent.is_dir():
        return
    for folder in sorted(path for path in parent.iterdir() if path.is_dir()):
        with _gate(parent):
            try:
                held = _try(folder)
            except FileNotFoundError:
                # Its holder has removed it since it was listed.
                continue
        if held is not None:
            with closing(held):
                if held.is_there:
                    yield held


def read(folder: Path) -> Record | None:
    """A folder's record, None where there is no readable one. Fields that a later version added are ignored."""
    try:
        document = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        values: dict[str, Any] = {each.name: document[each.name] for each in fields(Record) if each.name in document}
        values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return Record(**values)
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def _gate(parent: Path) -> Iterator[None]:
    """One process at a time between the creation of a folder and the lock on it."""
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / _GATE).open("wb") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _try(folder: Path, *, is_new: bool = False) -> Held | None:
    """Lock a folder; None where somebody holds it. Raises FileNotFoundError where it was removed."""
    lock = (folder / _LOCK).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return Held(folder, lock, is_new=is_new)
