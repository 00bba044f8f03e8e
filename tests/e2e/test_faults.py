"""The two commands that make faults, from outside: `e2e.py --faults` and `make soak`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import E2E, ROOT, finish, start

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]


def driven(folder: Path, *arguments: str, command: tuple[str, ...] = E2E) -> tuple[dict[str, Any], str]:
    """Run a command of the driver to its good end; its report, and what it showed."""
    driver = start(folder, *arguments, "--report-dir", "report", command=command, PYTHONPATH=str(ROOT))
    shown = finish(driver)[1]
    assert driver.returncode == 0, shown
    return json.loads((folder / "report" / "report.json").read_text(encoding="utf-8")), shown


def test_e2e_makes_the_faults_of_a_file_while_its_runs_are_active_and_tells_what_they_met(tmp_path: Path) -> None:
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
        *("--pattern", "1", "--tasks", "3", "--container-runtime", "process", "--faults", "faults.json"),
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
    soak = ("-m", "tools.soak")
    report, shown = driven(tmp_path, "--runs", "6", "--tasks", "4", "--at-once", "3", command=soak)

    assert (report["passed"], report["problems"], report["destroyed"], report["leftovers"]) == (True, [], True, [])
    assert [run["number"] for run in report["runs"]] == [1, 2, 3, 4, 5, 6]
    assert {run["pattern"] for run in report["runs"]} == {1, 2}
    assert all(run["completed"] + run["failed"] == 4 and run["problems"] == [] for run in report["runs"])
    assert sum(sum(run["met"].values()) for run in report["runs"]) > 0
    assert "passed: 6 of 6 runs ended, 0 broken" in shown
