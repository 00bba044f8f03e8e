"""A test that hangs fails, and a worker that dies ends the run; both say where."""

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


def test_a_test_that_hangs_fails_with_its_stack_and_a_worker_that_dies_ends_the_run(tmp_path: Path) -> None:
    """pytest with this project's settings, for one file whose first test waits and one whose first test dies."""
    (tmp_path / "test_one.py").write_text(WAITS)
    (tmp_path / "test_other.py").write_text(DIES)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)),
            *("-p", "no:cacheprovider", "--numprocesses", "1", "--dist", "loadfile", "--timeout", "1", str(tmp_path)),
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE_"))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "threading.Event().wait()" in done.stdout and "Timeout (>1.0s)" in done.stdout
    assert "crashed while running" in done.stdout and "test_that_dies" in done.stdout
    assert "2 failed, 1 passed" in done.stdout
