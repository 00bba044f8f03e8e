"""The two commands that make faults, from outside: `e2e.py --faults` and `make soak`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local_aws.pulumi_cli import default_cache_dir

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).resolve().parents[3]


def driven(folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """Run a command of the driver to its good end; its report, and what it showed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_", "KIT_"))}
    done = subprocess.run(
        [sys.executable, *arguments, "--report-dir", str(folder / "report")],
        cwd=ROOT,
        env={**kept, "HOME": str(folder), "XDG_CACHE_HOME": str(default_cache_dir().parent)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report" / "report.json").read_text(encoding="utf-8")), done.stderr


def test_e2e_makes_the_faults_of_a_file_while_its_runs_are_on_and_tells_what_they_met(tmp_path: Path) -> None:
    rules = [
        {
            "name": "throttled",
            "service": "ecs",
            "operation": "RunTask",
            "first": 2,
            "effect": {"error": "ThrottlingException", "message": "Rate exceeded"},
        },
        {"name": "lost", "service": "ecs", "operation": "RunTask", "first": 1, "effect": {"drop": "after"}},
        {"name": "never", "service": "sqs", "effect": {"drop": "after"}},
    ]
    (tmp_path / "faults.json").write_text(json.dumps({"rules": rules}), encoding="utf-8")

    report, shown = driven(
        tmp_path,
        *("automation/e2e.py", "--pattern", "1", "--tasks", "3", "--container-runtime", "process"),
        *("--faults", str(tmp_path / "faults.json")),
    )

    # Two calls are throttled, one starts a task and loses the answer, and each task is started by a last one.
    assert report["faults"] == [
        {"name": "throttled", "matched": 6, "met": 2},
        {"name": "lost", "matched": 4, "met": 1},
        {"name": "never", "matched": 0, "met": 0},
    ]
    assert (report["passed"], report["patterns"][0]["details"]) == (True, {"items": 3, "byStatus": {"Completed": 3}})
    assert "3 fault rules hold until the runs have ended" in shown


def test_a_soak_ends_with_nothing_open_and_tells_what_it_did(tmp_path: Path) -> None:
    report, shown = driven(tmp_path, "-m", "automation.cli.soak", "--runs", "6", "--tasks", "4", "--at-once", "3")

    assert (report["passed"], report["problems"], report["destroyed"], report["leftovers"]) == (True, [], True, [])
    assert [run["number"] for run in report["runs"]] == [1, 2, 3, 4, 5, 6]
    assert {run["pattern"] for run in report["runs"]} == {1, 2}
    assert all(run["completed"] + run["failed"] == 4 and run["problems"] == [] for run in report["runs"])
    assert sum(sum(run["met"].values()) for run in report["runs"]) > 0
    assert "passed: 6 of 6 runs ended, 0 broken" in shown
