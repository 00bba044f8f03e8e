"""Folders and files that the driver will write are tried out first."""

from pathlib import Path

import pytest

from ecs_kit.automation.errors import NotWritable
from ecs_kit.automation.host import writable


def test_a_folder_is_made_with_those_above_it_and_stays_empty(tmp_path: Path) -> None:
    writable.folder(tmp_path / "a" / "b", name="--report-dir", advice="Name another")

    assert not list((tmp_path / "a" / "b").iterdir())


def test_a_file_s_folder_is_made_but_not_the_file(tmp_path: Path) -> None:
    writable.file(tmp_path / "a" / "report.json", name="--json", advice="Name another")

    assert not list((tmp_path / "a").iterdir())


def test_a_file_that_is_there_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("before")

    writable.file(tmp_path / "report.json", name="--json", advice="Name another")

    assert (tmp_path / "report.json").read_text() == "before"


def test_a_file_system_that_takes_nothing_is_refused() -> None:
    """Linux's /proc takes no new files from anybody, root included."""
    with pytest.raises(NotWritable, match=r"^--report-dir /proc/kit: cannot be written to: .*\. Name another\.$"):
        writable.folder(Path("/proc/kit"), name="--report-dir", advice="Name another")
