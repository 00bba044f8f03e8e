"""Faults of tasks: what each leaves in the tables, and how its run ends."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import KEYS, Run

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.both_runtimes]

scenario = pytest.mark.scenario
GONE = ("gone/01.txt", "gone/02.txt", "gone/03.txt")


@scenario(keys=(*GONE, *KEYS[3:]))
def test_three_missing_objects_of_ten_fail_the_run_with_a_cause_for_people(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.execution["error"]) == ("FAILED", "TasksFailed")
    assert left.counts == ("Failed", 10, 7, 3, 0)


@scenario(
    keys=["in/01.txt"],
    faults=[
        {"service": "dynamodb", "operation": "UpdateItem", "caller": "task", "limit": 1, "effect": {"kill": "before"}}
    ],
)
def test_a_container_killed_before_its_first_write_is_recorded(run: Run) -> None:
    left = run.outcome()
    assert left.met == [1]
    assert left.counts == ("Failed", 1, 0, 1, 0)
    assert left.each("status", "exit_code") == [("Failed", 137)]
