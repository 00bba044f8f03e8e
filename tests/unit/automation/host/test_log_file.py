"""Output whose failure never stops the driver."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecs_kit.automation.host.log_file import LogFile

ROOT = Path(__file__).resolve().parents[4]

SAYS = """
import sys
from ecs_kit.automation.cli.entry_point import exit_status

def act(_interruption):
    assert not sys.stderr.isatty()
    for number in range(3):
        print("said", number, file=sys.stderr, flush=True)
    return 7

sys.exit(exit_status(act))
"""


def test_a_log_is_appended_to_and_what_cannot_be_written_is_dropped(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "folder" / "log")
    log.write("lost\n")
    (tmp_path / "folder").mkdir()
    log.write("kept\n")
    log.write("too\n")

    assert (tmp_path / "folder" / "log").read_text() == "kept\ntoo\n"


@pytest.mark.parametrize("redirection", ["", "2>&-"])
def test_the_exit_status_does_not_depend_on_standard_error(redirection: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, SAYS],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=writer,
        check=False,
    )
    os.close(writer)
    assert ended.returncode == 7
