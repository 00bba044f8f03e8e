"""Concurrent and repeated runs: none reads or changes another."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import KEYS, Run, Scenario, Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario


def twin(first: Run, scenario: Scenario) -> Run:
    """Start a run beside another one of the same workflow name."""
    return Run(first.p, scenario, "twin", first.workflow).start()


def is_refused(run: Run) -> None:
    """Wait until the monitor has heard of the end of an execution that registered no run."""
    heard = run.execution_arn
    run.until(lambda: any(heard in line and "has no run" in line for line in run.log("monitor").splitlines()))


@pytest.mark.parametrize("when", ["afterwards", "meanwhile"])
def test_a_run_id_used_again_is_refused_and_the_first_run_stays_as_it_is(stage: Stage, when: str) -> None:
    keys = KEYS[:2] if when == "afterwards" else (KEYS[0], "held/again.txt")
    first = stage.run("first", Scenario(keys=keys, spec={"workflowRunId": "100001", "separator": ","}))
    if when == "afterwards":
        first.outcome()
    else:
        first.until_statuses("Completed", "Running")
    rows = first.p.rows(first.workflow)
    second = twin(first, Scenario(keys=KEYS[2:5], spec={"workflowRunId": 100001}))
    ended = first.p.end(second.execution_arn)
    assert (ended["status"], ended["error"]) == ("FAILED", "RunIdInUse")
    assert f"was already used by execution {first.execution_arn}" in ended["cause"]
    is_refused(second)
    assert first.p.rows(first.workflow) == rows
    assert len(first.read().tasks) == 2
    if when == "meanwhile":
        first.p.put("held/again.txt")
    left = first.outcome()
    assert (left.status, left.counts) == ("SUCCEEDED", ("Completed", 2, 2, 0, 0))
    assert left.summary["execution_arn"] == first.execution_arn


@pytest.mark.parametrize("same", ["workflow name", "run id"])
def test_two_runs_at_once_do_not_see_each_other(stage: Stage, same: str) -> None:
    held = f"held/{same.partition(' ')[0]}.txt"
    spec = {"workflowRunId": 7} if same == "run id" else {}
    stopped = stage.run("stopped", Scenario(keys=["waiting/1", "waiting/2", KEYS[0]], spec=spec))
    going = Scenario(keys=[held, KEYS[1]], spec=spec)
    other = twin(stopped, going) if same == "workflow name" else stage.run("other", going)
    other.until_statuses("Running", "Completed")
    stopped.until_statuses("Running", "Running", "Completed")
    stopped.stop()
    left = stopped.conclude()
    assert left.counts == ("Aborted", 3, 1, 2, 0)
    beside = other.read()
    assert (beside.each("status"), len(beside.unstopped)) == (["Running", "Completed"], 1)
    assert beside.summary["status"] == "Running"
    other.p.put(held)
    assert other.outcome().status == "SUCCEEDED"
    assert other.conclude().counts == ("Completed", 2, 2, 0, 0)
    assert (stopped.read().rows, left.each("status")) == (left.rows, ["Failed", "Failed", "Completed"])


# --- redrives --------------------------------------------------------------------------------------------------------


def redriven(run: Run) -> dict[str, object]:
    """Redrive a run's execution; answers with its second end, once the monitor has heard of it."""
    heard = run.log("monitor").count("the run is ended")
    run.p.aws.client("stepfunctions").redrive_execution(executionArn=run.execution_arn)
    ended = run.p.end(run.execution_arn)
    assert ended["redriveCount"] == 1
    run.until(lambda: run.log("monitor").count("the run is ended") > heard)
    return ended


def test_a_redrive_of_a_run_that_was_stopped_is_refused(stage: Stage) -> None:
    scenario = Scenario(keys=(KEYS[0], "waiting/1"), alone=True)
    run = Run(stage.deploy({}, alone=True), scenario, "stopped").start()
    run.until_statuses("Completed", "Running")
    run.stop()
    before = run.conclude()
    ended = redriven(run)
    assert (ended["status"], ended["error"]) == ("FAILED", "RedriveRefused")
    assert "start a new execution with the same spec instead" in str(ended["cause"])
    after = run.read()
    assert (after.rows, len(after.tasks)) == (before.rows, 2)
    assert after.counts == before.counts == ("Aborted", 2, 1, 1, 0)
    assert after.summary["end_time"] == before.summary["end_time"]


def test_a_redrive_of_a_run_whose_tasks_failed_fails_again_and_launches_nothing(stage: Stage) -> None:
    scenario = Scenario(keys=(KEYS[0], "gone/1"), alone=True)
    run = Run(stage.deploy({}, alone=True), scenario, "failed").start()
    before = run.outcome()
    run.until(lambda: "the run is ended" in run.log("monitor"))
    ended = redriven(run)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "TasksFailed", before.cause)
    after = run.read()
    assert (after.rows, len(after.tasks)) == (before.rows, 2)
    assert after.counts == before.counts == ("Failed", 2, 1, 1, 0)
