"""Concurrent and repeated runs: none reads or changes another."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import KEYS, Outcome, Run, Scenario, Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario


class Twin(Run):
    """A run beside another one of the same workflow name, or with the same run id."""

    def __init__(self, first: Run, *, workflow: str, **given: object) -> None:
        super().__init__(first.p, Scenario(**given), "twin")  # type: ignore[arg-type]
        self.workflow = workflow


def of(run: Run, run_id: int) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Summary and rows of one run id of a workflow."""
    (summary,) = [item for item in run.p.summaries(run.workflow) if item["workflow_run_id"] == run_id]
    return summary, [row for row in run.p.rows(run.workflow) if row["workflow_run_id"] == run_id]


def run_id_of(run: Run) -> int:
    """The id of an active run."""

    def ask() -> int | None:
        found = [i for i in run.p.summaries(run.workflow) if i["execution_arn"] == run.execution_arn]
        return int(found[0]["workflow_run_id"]) if found else None

    identifier: int = run.until(ask)
    return identifier


def is_refused(run: Run, execution: str) -> None:
    """Wait until the monitor has heard of the end of an execution that registered no run."""
    run.until(lambda: any(execution in line and "has no run" in line for line in run.log("monitor").splitlines()))


@pytest.mark.parametrize("when", ["afterwards", "meanwhile"])
def test_a_run_id_used_again_is_refused_and_the_first_run_stays_as_it_is(stage: Stage, when: str) -> None:
    keys = KEYS[:2] if when == "afterwards" else (KEYS[0], "held/again.txt")
    first = stage.run("first", Scenario(keys=keys, spec={"workflowRunId": "100001", "separator": ","}))
    if when == "afterwards":
        first.outcome()
    else:
        first.until(lambda: first.read().each("status") == ["Completed", "Running"])
    rows, tasks = first.p.rows(first.workflow), len(first.p.ecs_tasks(first.workflow))
    second = Twin(first, workflow=first.workflow, keys=KEYS[2:5], spec={"workflowRunId": 100001}).start()
    ended = first.p.end(second.execution_arn)
    assert (ended["status"], ended["error"]) == ("FAILED", "RunIdInUse")
    assert f"was already used by execution {first.execution_arn}" in ended["cause"]
    is_refused(second, second.execution_arn)
    assert first.p.rows(first.workflow) == rows
    assert len(first.p.ecs_tasks(first.workflow)) == tasks == 2
    if when == "meanwhile":
        first.p.put("held/again.txt")
    left = first.outcome()
    assert (left.status, left.counts) == ("SUCCEEDED", ("Completed", 2, 2, 0, 0))
    assert left.summary["execution_arn"] == first.execution_arn


def test_two_runs_of_one_workflow_at_once_do_not_see_each_other(stage: Stage) -> None:
    stopped = stage.run("both", Scenario(keys=["waiting/1", "waiting/2", KEYS[0]]))
    going = Twin(stopped, workflow=stopped.workflow, keys=["held/both.txt", KEYS[1]]).start()
    one, other = run_id_of(stopped), run_id_of(going)
    going.until(lambda: sorted(row["status"] for row in of(going, other)[1]) == ["Completed", "Running"])
    stopped.until(lambda: sorted(str(r["status"]) for r in of(stopped, one)[1]) == ["Completed", "Running", "Running"])
    stopped.stop()
    stopped.until(lambda: of(stopped, one)[0].get("end_time"))
    assert [of(stopped, one)[0][name] for name in ("status", "completed_tasks", "failed_tasks")] == ["Aborted", 1, 2]
    summary, rows = of(going, other)
    assert (summary["status"], [row["status"] for row in rows]) == ("Running", ["Running", "Completed"])
    assert len(going.p.running_tasks(going.workflow)) == 1
    going.p.put("held/both.txt")
    assert going.p.end(going.execution_arn)["status"] == "SUCCEEDED"
    summary, rows = of(going, other)
    assert [summary[name] for name in ("status", "number_of_tasks", "completed_tasks")] == ["Completed", 2, 2]
    assert [row["status"] for row in rows] == ["Completed", "Completed"]
    assert sorted(str(row["status"]) for row in of(stopped, one)[1]) == ["Completed", "Failed", "Failed"]


def test_two_workflows_with_one_run_id_do_not_see_each_other(stage: Stage) -> None:
    stopped = stage.run("one", Scenario(keys=["waiting/1", KEYS[0]], spec={"workflowRunId": 7}))
    going = stage.run("other", Scenario(keys=["held/other.txt", KEYS[1]], spec={"workflowRunId": 7}))
    going.until(lambda: going.read().each("status") == ["Running", "Completed"])
    stopped.until(lambda: stopped.read().each("status") == ["Running", "Completed"])
    stopped.stop()
    stopped.until(lambda: stopped.read().summary.get("end_time") and not stopped.read().unstopped)
    beside: Outcome = going.read()
    assert (beside.each("status"), len(beside.unstopped)) == (["Running", "Completed"], 1)
    going.p.put("held/other.txt")
    assert going.outcome().counts == ("Completed", 2, 2, 0, 0)
    left = stopped.read()
    assert (left.counts, left.each("status")) == (("Aborted", 2, 1, 1, 0), ["Failed", "Completed"])


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
    run.until(lambda: run.read().each("status") == ["Completed", "Running"])
    run.stop()
    run.until(lambda: run.read().summary.get("end_time") and not run.read().unstopped)
    before = run.read()
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
