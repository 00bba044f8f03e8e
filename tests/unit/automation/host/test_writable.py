"""Folders and files are checked before anything is created."""

from pathlib import Path

import pytest

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.host import writable


def test_folders_are_created_and_stay_empty_and_a_file_keeps_its_content(tmp_path: Path) -> None:
    writable.file(tmp_path / "a" / "b" / "report.json", name="--json", advice="Name another")
    assert not list((tmp_path / "a" / "b").iterdir())

    (tmp_path / "report.json").write_text("before")
    writable.file(tmp_path / "report.json", name="--json", advice="Name another")
    assert (tmp_path / "report.json").read_text() == "before"


def test_a_file_system_that_cannot_be_written_is_refused() -> None:
    """Linux's /proc takes no new files from anybody, root included."""
    with pytest.raises(BadInput, match=r"^--report-dir /proc/kit: cannot be written to: .*\. Name another\.$"):
        writable.folder(Path("/proc/kit"), name="--report-dir", advice="Name another")
