"""Runs that are stopped or time out: soon no ECS task of theirs is running, and their summary and rows are terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.faults.stage import KEYS, Outcome, Run, Scenario, Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario
DEADLINE_SECONDS = 30.0
"""Counted from the stop or, where the event of it never arrives, from the sweep."""
SETTINGS = {"stop_timeout_seconds": 10}
"""The usual time from SIGTERM to SIGKILL, which is part of those 30 s."""
ENDLESS = ("waiting/1", "hanging/2", "deaf/3")
"""Tasks that wait for SIGTERM, and one that ignores it."""


def ended_with_the_run(left: Outcome, status: str, completed: int, failed: int) -> None:
    """The first tasks completed; the others were stopped, and their rows say why."""
    assert left.counts == (status, completed + failed, completed, failed, 0)
    statuses = ["Completed"] * completed + ["Failed"] * failed
    assert left.attempts == [(f"task_{n:02}", 1, status) for n, status in enumerate(statuses, 1)]
    assert all(error.startswith(("RunEnded: ", "Terminated: ")) for error in left.each("error")[completed:])
    assert len(left.tasks) == completed + failed and left.unstopped == []


def stop_while_its_tasks_run(run: Run) -> None:
    run.until_statuses("Completed", "Completed", "Running", "Running", "Running")
    run.stop()
    run.conclude(DEADLINE_SECONDS)


@scenario(keys=(*KEYS[:2], *ENDLESS), settings=SETTINGS, during=stop_while_its_tasks_run)
def test_a_run_that_is_stopped_while_its_tasks_run(run: Run) -> None:
    left = run.outcome()
    assert left.status == "ABORTED"
    ended_with_the_run(left, "Aborted", 2, 3)
    assert len(run.p.copies(run.workflow)) == 2


# A limit that a busy machine's task starts within, and tasks that only the end of the run ends.
@scenario(keys=(KEYS[0], "deaf/2", "hanging/3"), settings={**SETTINGS, "runTimeoutSeconds": 30}, during=Run.conclude)
def test_a_run_over_its_time_limit_is_timed_out_and_leaves_no_task(run: Run) -> None:
    left = run.outcome()
    assert left.status == "TIMED_OUT"
    ended_with_the_run(left, "TimedOut", 1, 2)


def stop_while_it_launches(run: Run) -> None:
    run.until(lambda: run.met()[0] >= 1)
    run.stop()
    run.conclude(DEADLINE_SECONDS)
    # Calls of RunTask that were active start tasks, which are stopped. Some may have written a row by then.
    run.until(lambda: run.met() == [len(run.read().tasks)] and not run.read().unstopped)
    sweep(run)
    run.until(lambda: run.read().is_over)


@scenario(
    keys=[f"waiting/{n}" for n in range(1, 61)],
    faults=[{"service": "ecs", "operation": "RunTask", "effect": {"delaySeconds": 3}}],
    during=stop_while_it_launches,
)
def test_a_run_that_is_stopped_while_its_tasks_are_launched(run: Run, pattern: int) -> None:
    left = run.outcome()
    assert (left.status, left.counts) == ("ABORTED", ("Aborted", 60, 0, 60, 0))
    assert set(left.each("status")) <= {"Failed"} and left.unstopped == []
    assert len(left.tasks) == left.met[0]
    if pattern == 1:
        assert left.met[0] < 60, "the launcher continued"


def sweep(run: Run) -> list[str]:
    """Have the monitor sweep, as its schedule does; answers with the ids of the runs that it ended."""
    answer = run.p.aws.client("lambda").invoke(
        FunctionName=run.p.functions["monitor"], Payload=json.dumps({"action": "sweep"})
    )
    body: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return body["finalized"]


def test_a_run_whose_event_is_lost_is_ended_by_the_sweep(stage: Stage) -> None:
    p = stage.deploy(SETTINGS, alone=True)
    p.aws.client("events").disable_rule(Name=f"kit-{p.suffix}")
    run = Run(p, Scenario(keys=(KEYS[0], *ENDLESS)), "unheard").start()
    run.until_statuses("Completed", "Running", "Running", "Running")
    assert sweep(run) == []
    run.stop()
    assert p.end(run.execution_arn)["status"] == "ABORTED"
    before = run.read()
    assert before.summary["status"] == "Running"
    if stage.pattern == 1:  # in pattern 2 Step Functions stops the tasks itself
        assert len(before.unstopped) == 3
    assert sweep(run) == [str(before.summary["workflow_run_id"])]
    ended_with_the_run(run.conclude(DEADLINE_SECONDS), "Aborted", 1, 3)
    assert sweep(run) == []
