"""Tests that stand still, and processes of tests that die: the run ends, and says where."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WAITS = """
import threading
def test_that_waits():
    threading.Event().wait()
def test_after_it():
    pass
"""
DIES = """
import os
def test_that_dies():
    os._exit(1)
def test_after_it():
    pass
"""


def run(folder: Path, test: str, *options: str) -> str:
    """What pytest prints with this project's settings for two files of tests."""
    for name, content in (("test_one.py", test), ("test_other.py", "def test_it(): pass")):
        (folder / name).write_text(content)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)),
            *("-p", "no:cacheprovider", "--numprocesses", "1", "--dist", "loadfile", *options, str(folder)),
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE_"))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_a_test_that_stands_still_fails_with_its_stack_and_the_others_go_on(tmp_path: Path) -> None:
    shown = run(tmp_path, WAITS, "--timeout", "1")

    assert "threading.Event().wait()" in shown and "Timeout (>1.0s)" in shown
    assert "1 failed, 2 passed" in shown


def test_a_worker_that_dies_ends_the_run(tmp_path: Path) -> None:
    shown = run(tmp_path, DIES)

    assert "crashed while running" in shown and "test_that_dies" in shown
