"""Runs that are stopped: within 30 s no ECS task of theirs is running, the summary is final, and so is every row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.faults.stage import KEYS, Run, Scenario, Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario
DEADLINE_SECONDS = 30.0
"""What is promised, counted from the stop or, where the event of it never arrives, from the sweep."""
SETTINGS = {"stop_timeout_seconds": 10}
"""The usual time from SIGTERM to SIGKILL, which is part of those 30 s."""
ENDLESS = ("waiting/1", "hanging/2", "deaf/3")
"""Tasks that wait for SIGTERM, and one that does not listen to it."""


def sweep(run: Run) -> list[str]:
    """Have the monitor sweep, as its schedule does; answers with the ids of the runs that it ended."""
    answer = run.p.aws.client("lambda").invoke(
        FunctionName=run.p.functions["monitor"], Payload=json.dumps({"action": "sweep"})
    )
    body: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    found: list[str] = body["finalized"]
    return found


def stop_while_its_tasks_run(run: Run) -> None:
    run.until_statuses("Completed", "Completed", "Running", "Running", "Running")
    run.stop()
    run.conclude(DEADLINE_SECONDS)


@scenario(keys=(*KEYS[:2], *ENDLESS), settings=SETTINGS, during=stop_while_its_tasks_run)
def test_a_run_that_is_stopped_while_its_tasks_run(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.counts) == ("ABORTED", ("Aborted", 5, 2, 3, 0))
    assert left.attempts == [(f"task_{n:02}", 1, "Completed" if n <= 2 else "Failed") for n in range(1, 6)]
    assert all(row["error"].startswith(("RunEnded: ", "Terminated: ")) for row in left.rows[2:]), left.rows
    assert len(left.tasks) == 5 and left.unstopped == []
    assert sorted(run.p.copies(run.workflow)) == [
        f"copies/{run.workflow}/{left.summary['workflow_run_id']}/task_{n:02}/{n:02}.txt" for n in (1, 2)
    ]


def stop_while_it_is_registered(run: Run) -> None:
    run.until(lambda: sum(run.met()) > 0)
    run.stop()
    run.conclude(DEADLINE_SECONDS)
    run.inject()
    function = "launcher" if run.p.pattern == 1 else "monitor"
    registered = f'"executionArn": "{run.execution_arn}"'
    # The call that was delayed has to have come to its end: what it would have launched would be there.
    run.until(lambda: run.log(function).count(registered) >= (1 if run.p.pattern == 1 else 2))


@scenario(
    keys=KEYS[:3],
    faults=[
        {
            "service": "dynamodb",
            "operation": "PutItem",
            "caller": "launcher",
            "effect": {"error": "ProvisionedThroughputExceededException"},
        },
        {"service": "dynamodb", "operation": "PutItem", "first": 1, "effect": {"delaySeconds": 8}},
    ],
    during=stop_while_it_is_registered,
)
def test_a_run_that_is_stopped_before_it_is_registered_launches_nothing(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.counts) == ("ABORTED", ("Aborted", 3, 0, 3, 0))
    assert (left.rows, left.tasks) == ([], [])


def stop_while_it_launches(run: Run) -> None:
    run.until(lambda: run.met()[0] >= 1)
    run.stop()
    run.conclude(DEADLINE_SECONDS)
    if run.p.pattern == 1:
        # The launcher's active call ends once it has read the summary again.
        run.until(lambda: run.met() == [len(run.read().tasks)] and run.read().is_over)


@scenario(
    keys=[f"waiting/{n}" for n in range(1, 9)],
    faults=[{"service": "ecs", "operation": "RunTask", "effect": {"delaySeconds": 3}}],
    during=stop_while_it_launches,
)
def test_a_run_that_is_stopped_while_its_tasks_are_launched(run: Run, pattern: int) -> None:
    left = run.outcome()
    assert (left.status, left.counts) == ("ABORTED", ("Aborted", 8, 0, 8, 0))
    assert set(left.each("status")) <= {"Failed"} and left.unstopped == []
    assert len(left.tasks) == left.met[0]
    if pattern == 1:
        assert left.met[0] < 8, "the launcher continued"


# --- the event is lost -----------------------------------------------------------------------------------------------


def without_events(stage: Stage, name: str, **given: Any) -> Run:
    """Start a run whose monitor gets no event of its execution's end."""
    scenario = Scenario(alone=True, settings=SETTINGS, **given)
    p = stage.deploy(scenario.settings, alone=True)
    p.aws.client("events").disable_rule(Name=f"kit-{p.suffix}")
    return Run(p, scenario, name).start()


def test_a_run_whose_event_is_lost_is_ended_by_the_sweep(stage: Stage) -> None:
    run = without_events(stage, "unheard", keys=(KEYS[0], *ENDLESS))
    run.until_statuses("Completed", "Running", "Running", "Running")
    assert sweep(run) == []
    run.stop()
    assert run.p.end(run.execution_arn)["status"] == "ABORTED"
    before = run.read()
    assert before.summary["status"] == "Running"
    if stage.pattern == 1:  # in pattern 2 Step Functions stops the tasks itself
        assert len(before.unstopped) == 3
    assert sweep(run) == [str(before.summary["workflow_run_id"])]
    left = run.conclude(DEADLINE_SECONDS)
    assert left.counts == ("Aborted", 4, 1, 3, 0)
    assert left.attempts == [(f"task_{n:02}", 1, "Completed" if n == 1 else "Failed") for n in range(1, 5)]
    assert sweep(run) == []
