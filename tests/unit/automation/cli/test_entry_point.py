"""The command line as a shell calls it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SYSTEM_PYTHON = Path(sys.base_prefix) / "bin" / "python3"
BROKEN_PIPE = 141


def test_a_reader_that_has_seen_enough_ends_a_command_without_a_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "automation" / "e2e.py"), "explain"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None and command.stderr is not None
        command.stdout.close()
        said = command.stderr.read()
    assert (command.returncode, said) == (BROKEN_PIPE, "")


@pytest.mark.skipif(not (ROOT / ".venv" / "bin" / "python").exists(), reason="there is no environment of make's")
def test_the_systems_python_hands_the_command_to_the_projects() -> None:
    done = subprocess.run(
        [SYSTEM_PYTHON, "-S", str(ROOT / "automation" / "e2e.py"), "explain", "NoRecord"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# NoRecord")
