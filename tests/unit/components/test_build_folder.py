"""Files that the program packs are whole, whoever else writes them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ecs_kit.components import build_folder

FILES = {"a/b.py": (0o644, b"1"), "c.py": (0o644, b"2")}
TARGET = Path(".kit/build/task-image/0123")


def test_a_file_is_replaced_as_a_whole_and_readable_by_all(tmp_path):
    build_folder.put_file(Path("x/y.zip"), b"1", tmp_path)
    build_folder.put_file(Path("x/y.zip"), b"2", tmp_path)
    assert (tmp_path / "x/y.zip").read_bytes() == b"2"
    assert (tmp_path / "x/y.zip").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["y.zip"]


def test_a_folder_holds_exactly_the_files(tmp_path):
    build_folder.put_folder(TARGET, FILES, tmp_path)
    assert build_folder.read_folder(tmp_path / TARGET) == FILES


def test_a_folder_that_another_deployment_made_meanwhile_is_kept(tmp_path, monkeypatch):
    make = tempfile.mkdtemp

    def make_and_be_overtaken(**where):
        monkeypatch.setattr(tempfile, "mkdtemp", make)
        build_folder.put_folder(TARGET, FILES, tmp_path)
        return make(**where)

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_be_overtaken)
    build_folder.put_folder(TARGET, FILES, tmp_path)
    assert build_folder.read_folder(tmp_path / TARGET) == FILES
    assert [path.name for path in (tmp_path / TARGET).parent.iterdir()] == [TARGET.name]


def test_compiled_hidden_and_backup_files_are_no_sources():
    assert build_folder.is_source(Path("task/job.py")) and build_folder.is_source(Path("task/Dockerfile"))
    for path in ("task/__pycache__/job.cpython-311.pyc", "job.pyc", ".env", "task/.cache/x", "job.py~"):
        assert not build_folder.is_source(Path(path))
