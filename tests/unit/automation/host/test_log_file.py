"""Logs never stand in the way of what they tell about."""

from pathlib import Path

from ecs_kit.automation.host.log_file import LogFile


def test_what_is_written_is_appended(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.write("a\n")
    log.write("b\n")

    assert (tmp_path / "log").read_text() == "a\nb\n"


def test_a_log_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "folder" / "log")
    log.write("lost\n")
    (tmp_path / "folder").mkdir()
    log.write("kept\n")

    assert (tmp_path / "folder" / "log").read_text() == "kept\n"
