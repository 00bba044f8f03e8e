"""A work folder belongs to an active driver, or is abandoned."""

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.host import workfolders
from ecs_kit.automation.host.workfolders import Record

ROOT = Path(__file__).resolve().parents[4]

HOLDER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from ecs_kit.automation.host import workfolders
held = workfolders.hold(Path(sys.argv[1]))
held.start(workfolders.Record.of_this_process(stack="e2e", plugins="bundled"))
print("held", flush=True)
sys.stdin.read()
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    """Another process that holds a folder until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def record() -> Record:
    return Record.of_this_process(stack="e2e", plugins="bundled")


def test_a_folder_belongs_to_its_holder_until_that_process_ends(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a"
    with holder(folder) as other:
        with pytest.raises(DriverError, match=f"process {other.pid}, started "):
            workfolders.hold(folder)
        assert list(workfolders.abandoned(folder.parent)) == []
        other.kill()

    (left,) = list(workfolders.abandoned(folder.parent))
    assert (left.folder, left.record and left.record.pid) == (folder, other.pid)
    workfolders.hold(folder).close()


def test_a_work_folder_is_its_owners_alone(tmp_path: Path) -> None:
    """It holds Pulumi's state and credentials."""
    workfolders.hold(tmp_path / "new" / "work").close()
    assert stat.S_IMODE((tmp_path / "new" / "work").stat().st_mode) == 0o700


def test_an_abandoned_folder_is_locked_while_it_is_inspected(tmp_path: Path) -> None:
    workfolders.hold(tmp_path / "a").close()

    for held in workfolders.abandoned(tmp_path):
        with pytest.raises(DriverError):
            workfolders.hold(held.folder)
    assert list(workfolders.abandoned(tmp_path / "none")) == []


def test_a_folder_that_its_holder_removed_is_created_again(tmp_path: Path) -> None:
    first = workfolders.hold(tmp_path / "a")
    first.discard_new()
    assert not first.is_there

    second = workfolders.hold(tmp_path / "a")
    assert second.is_there and second.folder.is_dir()
    first.close()
    second.close()


def test_a_folder_that_is_removed_before_it_is_locked_is_skipped_or_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another driver removes its folder between the look at it and the opening of its lock."""
    for name in ("a", "b"):
        workfolders.hold(tmp_path / name).close()
    lock, removed = workfolders._try, list[Path]()

    def lock_too_late(folder: Path, **given: bool) -> workfolders.Held | None:
        if folder.name == "a" and not removed:
            removed.append(folder)
            shutil.rmtree(folder)
        return lock(folder, **given)

    monkeypatch.setattr(workfolders, "_try", lock_too_late)
    assert [held.folder.name for held in workfolders.abandoned(tmp_path)] == ["b"]

    removed.clear()
    workfolders.hold(tmp_path / "a").close()
    assert removed and (tmp_path / "a").is_dir()


def test_a_record_is_written_changed_and_replaced_by_its_predecessor(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    held = workfolders.hold(folder)
    held.start(record())
    held.note(kept=True, use=("export A=1",))
    held.close()
    kept = workfolders.read(folder)
    assert kept is not None and kept.kept and kept.use == ("export A=1",)

    held = workfolders.hold(folder)
    assert held.record == kept
    held.start(record())
    assert (again := workfolders.read(folder)) is not None and not again.kept
    held.restore()
    assert workfolders.read(folder) == kept
    held.discard_new()
    assert folder.is_dir(), "it is not a new one"
    held.close()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1', "null", "7", "\xff"])
def test_what_cannot_be_read_is_no_record(tmp_path: Path, text: str) -> None:
    assert workfolders.read(tmp_path) is None
    (tmp_path / "run.json").write_text(text, encoding="latin-1")
    assert workfolders.read(tmp_path) is None


def test_fields_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    known = {"pid": 1, "started": "t", "stack": "e2e", "plugins": "bundled"}
    (tmp_path / "run.json").write_text(json.dumps({**known, "colour": "blue"}))
    assert workfolders.read(tmp_path) == Record(1, "t", "e2e", "bundled")
