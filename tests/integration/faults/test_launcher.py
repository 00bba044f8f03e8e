"""Faults of pattern 1's launcher: no task twice, none too many, none for a run that has ended."""

from __future__ import annotations

import json

import pytest

from tests.integration.faults.stage import Run, pattern_1
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
def test_a_launcher_that_is_killed_goes_on_where_it_was(run: Run) -> None:
    left = completed(run)
    assert len(left.tasks) == 10 and left.met == [1, 1, 1]
    failures = [event["taskFailedEventDetails"] for event in run.history() if event["type"] == "TaskFailed"]
    assert [failure["error"] for failure in failures] == ["Runtime.ExitError"] * 3


def stop_once_it_launches(run: Run) -> None:
    """Stop the execution after the third launch, and wait until the launcher and the monitor are done with it."""
    run.until(lambda: len(run.p.rows(run.workflow)) >= 3)
    run.stop()
    run.until(lambda: run.log("launcher").count('"launched"') and run.read().summary["running_tasks"] == 0)
    run.until(lambda: not run.read().unstopped)


@scenario(
    keys=["waiting/x"] * 20,
    faults=[{**LAUNCHES, "effect": {"delaySeconds": 1}}],
    during=stop_once_it_launches,
    alone=True,
)
def test_an_execution_that_is_stopped_while_the_launcher_runs_leaves_no_task(run: Run) -> None:
    left = run.outcome()
    assert left.status == "ABORTED"
    assert left.counts == ("Aborted", 20, 0, 20, 0)
    assert 3 <= len(left.tasks) < 20 and left.unstopped == []
    assert left.each("ecs_task_id", "status") == [(task["taskArn"], "Failed") for task in left.tasks]
    assert {error.partition(":")[0] for error in left.each("error")} <= {"RunEnded", "Terminated"}
    assert {task["stopCode"] for task in left.tasks} == {"UserInitiated"}
    assert json.loads(left.summary["workflow_specs"])["workflowName"] == run.workflow
