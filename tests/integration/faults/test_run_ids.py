"""Concurrent and repeated runs: none reads or changes another."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import KEYS, Run, Scenario, Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]


def twin(first: Run, scenario: Scenario) -> Run:
    """Start a run beside another one of the same workflow name."""
    return Run(first.p, scenario, "twin", first.workflow).start()


def test_the_run_id_of_an_active_run_is_refused_and_the_first_run_is_unchanged(stage: Stage) -> None:
    scenario = Scenario(keys=(KEYS[0], "held/again.txt"), spec={"workflowRunId": "100001", "separator": ","})
    first = stage.run("first", scenario)
    first.until_statuses("Completed", "Running")
    rows = first.p.rows(first.workflow)
    second = twin(first, Scenario(keys=KEYS[2:5], spec={"workflowRunId": 100001}))
    ended = first.p.end(second.execution_arn)
    assert (ended["status"], ended["error"]) == ("FAILED", "RunIdInUse")
    assert f"was already used by execution {first.execution_arn}" in ended["cause"]
    # Until the monitor has heard of the end of an execution that registered no run.
    first.until(
        lambda: any(second.execution_arn in line and "has no run" in line for line in first.log("monitor").splitlines())
    )
    assert [row | {"uncounted": None} for row in first.p.rows(first.workflow)] == [
        row | {"uncounted": None} for row in rows
    ] and len(first.read().tasks) == 2
    first.p.put("held/again.txt")
    left = first.outcome()
    assert (left.status, left.counts) == ("SUCCEEDED", ("Completed", 2, 2, 0, 0))


@pytest.mark.parametrize("same", ["workflow name", "run id"])
def test_two_runs_at_once_do_not_see_each_other(stage: Stage, same: str) -> None:
    held = f"held/{same.partition(' ')[0]}.txt"
    spec = {"workflowRunId": 7} if same == "run id" else {}
    stopped = stage.run("stopped", Scenario(keys=["waiting/1", "waiting/2", KEYS[0]], spec=spec))
    beside = Scenario(keys=[held, KEYS[1]], spec=spec)
    other = twin(stopped, beside) if same == "workflow name" else stage.run("other", beside)
    other.until_statuses("Running", "Completed")
    stopped.until_statuses("Running", "Running", "Completed")
    stopped.stop()
    left = stopped.conclude()
    assert left.counts == ("Aborted", 3, 1, 2, 0)
    active = other.read()
    assert (active.each("status"), len(active.unstopped)) == (["Running", "Completed"], 1)
    assert active.summary["status"] == "Running"
    other.p.put(held)
    assert other.outcome().status == "SUCCEEDED"
    assert other.conclude().counts == ("Completed", 2, 2, 0, 0)
    assert (stopped.read().rows, left.each("status")) == (left.rows, ["Failed", "Failed", "Completed"])


def test_a_redrive_of_a_run_that_was_stopped_is_refused(stage: Stage) -> None:
    run = Run(stage.deploy({}, alone=True), Scenario(keys=(KEYS[0], "waiting/1")), "stopped").start()
    run.until_statuses("Completed", "Running")
    run.stop()
    before = run.conclude()
    heard = run.log("monitor").count("the run has ended already")
    run.p.aws.client("stepfunctions").redrive_execution(executionArn=run.execution_arn)
    ended = run.p.end(run.execution_arn)
    run.until(lambda: run.log("monitor").count("the run has ended already") > heard)
    assert (ended["status"], ended["error"], ended["redriveCount"]) == ("FAILED", "RedriveRefused", 1)
    assert "start a new execution with the same spec instead" in str(ended["cause"])
    after = run.read()
    assert (after.rows, len(after.tasks)) == (before.rows, 2)
    assert after.counts == before.counts == ("Aborted", 2, 1, 1, 0)
    assert after.summary["end_time"] == before.summary["end_time"]
