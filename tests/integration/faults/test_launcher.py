"""Faults of pattern 1's launcher: no task is started twice or orphaned."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import Outcome, Run, pattern_1
from tests.integration.faults.test_run_task import RUN_TASK, completed

pytestmark = [pytest.mark.acceptance, pytest.mark.integration, pattern_1]

scenario = pytest.mark.scenario

LAUNCHES = {**RUN_TASK, "caller": "launcher"}
PUTS = {"service": "dynamodb", "operation": "PutItem", "caller": "launcher"}


@scenario(faults=[{**LAUNCHES, "first": 10, "effect": {"drop": "after"}}])
def test_connections_that_drop_after_ecs_took_the_call_start_no_task_twice(run: Run) -> None:
    left = completed(run)
    assert len(left.tasks) == 10 and left.met == [10]


@scenario(faults=[{**LAUNCHES, "effect": {"drop": "after"}}])
def test_tasks_are_found_whose_calls_are_never_answered(run: Run) -> None:
    left = completed(run)
    assert len(left.tasks) == 10 and left.met == [80]


@scenario(
    faults=[
        {**LAUNCHES, "calls": [2], "effect": {"kill": "before"}},
        {**LAUNCHES, "calls": [5], "effect": {"kill": "after"}},
        {**PUTS, "calls": [10], "effect": {"kill": "before"}},
    ]
)
def test_a_launcher_that_is_killed_continues_after_the_recorded_tasks(run: Run) -> None:
    left = completed(run)
    assert len(left.tasks) == 10 and left.met == [1, 1, 1]
    failures = [event["taskFailedEventDetails"] for event in run.history() if event["type"] == "TaskFailed"]
    assert [failure["error"] for failure in failures] == ["Runtime.ExitError"] * 3


@scenario(keys=["waiting/x"] * 10, faults=[{**LAUNCHES, "effect": {"kill": "after"}}], during=Run.conclude)
def test_a_launcher_that_is_killed_again_and_again_ends_the_run_and_leaves_no_task(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.execution["error"]) == ("FAILED", "Runtime.ExitError")
    assert left.counts == ("Failed", 10, 0, 10, 0)
    assert left.met == [6]
    assert left.attempts == [(f"task_{n:02}", 1, "Failed") for n in range(1, len(left.tasks) + 1)]
    _ended_with_the_run(left)


def _ended_with_the_run(left: Outcome) -> None:
    """Every ECS task was stopped and has its row, which says why."""
    assert left.unstopped == []
    assert left.each("ecs_task_id", "status") == [(task["taskArn"], "Failed") for task in left.tasks]
    assert {error.partition(":")[0] for error in left.each("error")} <= {"RunEnded", "Terminated"}
    assert {task["stopCode"] for task in left.tasks} == {"UserInitiated"}
