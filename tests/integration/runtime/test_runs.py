"""Runs of both patterns from their start to their end, with everything but Pulumi being real.

All executions of a pattern start together; each test looks at one of them. Their workflow names keep them apart.
"""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.integration, pytest.mark.both_runtimes]

KEYS = [f"in/{n:02}.txt" for n in range(1, 11)]
MISSING = ["gone/01.txt", "gone/02.txt", "gone/03.txt"]


@pytest.fixture(scope="package")
def executions(p: Any) -> dict[str, str]:
    """The executions that were started, by workflow."""
    seed = [
        {"objectKey": KEYS[0], "taskName": "with", "s3BucketName": p.bucket},
        {"objectKey": KEYS[1], "taskName": "without"},
    ]
    bad = p.spec("bad", KEYS[0], clusterName="other")
    documents = [
        p.spec("hanging", "hanging/x"),
        p.spec("waiting", "waiting/x"),
        p.spec("ten", *KEYS),
        p.spec("one", KEYS[0]),
        dict(reversed(p.spec("seed", workflowRunId="100001", separator=",", taskList=seed).items())),
        p.spec("missing", *MISSING, *KEYS[3:]),
        p.spec("killed", "killed/x"),
        {name: value for name, value in bad.items() if name != "region"},
    ]
    return {document["workflowName"]: p.start(document) for document in documents}


@pytest.fixture
def ended(p: Any, executions: dict[str, str], request: pytest.FixtureRequest) -> Any:
    """The execution of a workflow, once it ended."""
    return p.end(executions[request.param])


of = pytest.mark.parametrize


class TestGoodRuns:
    @of("ended", ["ten"], indirect=True)
    def test_ten_tasks_make_ten_copies_ten_rows_and_one_summary(self, p: Any, ended: Any) -> None:
        assert ended["status"] == "SUCCEEDED", ended
        (summary,) = p.summaries("ten")
        assert (summary["status"], summary["number_of_tasks"], summary["completed_tasks"]) == ("Completed", 10, 10)
        rows = p.rows("ten")
        assert [row["status"] for row in rows] == ["Completed"] * 10
        assert {row["workflow_run_id"] for row in rows} == {summary["workflow_run_id"]}
        run = f"copies/ten/{summary['workflow_run_id']}"
        assert p.copies("ten") == {f"{run}/task_{n:02}/{n:02}.txt": f"content of in/{n:02}.txt" for n in range(1, 11)}

    @of("ended", ["one"], indirect=True)
    def test_one_task_is_enough(self, p: Any, ended: Any) -> None:
        assert ended["status"] == "SUCCEEDED", ended
        assert (len(p.rows("one")), len(p.copies("one"))) == (1, 1)

    @of("ended", ["seed"], indirect=True)
    def test_the_seed_kit_s_own_form_runs_once_and_is_then_refused(self, p: Any, ended: Any) -> None:
        assert ended["status"] == "SUCCEEDED", ended
        before = (p.summaries("seed"), p.rows("seed"))
        assert len(before[1]) == 2 and before[0][0]["workflow_run_id"] == 100001
        refused = p.end(p.start(p.spec("seed", KEYS[2], workflowRunId="100001")))
        assert (refused["status"], refused["error"]) == ("FAILED", "RunIdInUse")
        assert "workflowRunId 100001 of workflow seed was already used" in refused["cause"]
        assert (p.summaries("seed"), p.rows("seed")) == before


class TestFailingTasks:
    @of("ended", ["missing"], indirect=True)
    def test_three_missing_objects_fail_the_run_with_a_cause_for_people(self, p: Any, ended: Any) -> None:
        assert (ended["status"], ended["error"]) == ("FAILED", "TasksFailed")
        assert "3 of 10 tasks failed, 7 completed" in ended["cause"] and "NoSuchKey" in ended["cause"]
        rows = p.rows("missing")
        assert [row["status"] for row in rows] == ["Failed"] * 3 + ["Completed"] * 7
        assert rows[0]["error"].startswith("JobFailed: NoSuchKey") and "gone/01.txt" in rows[0]["error"]
        assert rows[0]["exit_code"] == 1
        (summary,) = p.summaries("missing")
        assert (summary["status"], summary["completed_tasks"], summary["failed_tasks"]) == ("Failed", 7, 3)

    @of("ended", ["bad"], indirect=True)
    def test_a_bad_spec_launches_nothing(self, p: Any, ended: Any) -> None:
        assert (ended["status"], ended["error"]) == ("FAILED", "SpecRefused")
        assert "$: misses attribute region" in ended["cause"]
        assert (p.summaries("bad"), p.rows("bad")) == ([], [])

    @of("ended", ["killed"], indirect=True)
    def test_a_container_that_is_killed_is_recorded_with_its_exit_code(self, p: Any, ended: Any) -> None:
        assert ended["status"] == "FAILED"
        (row,) = p.rows("killed")
        assert (row["status"], row["exit_code"]) == ("Failed", 137)


class TestEnds:
    @of("ended", ["waiting"], indirect=True)
    def test_a_task_over_its_limit_ends_itself(self, p: Any, ended: Any) -> None:
        assert ended["status"] == "FAILED"
        (row,) = p.rows("waiting")
        assert row["error"].startswith("TaskTimedOut: timed out") and row["exit_code"] == 124

    @of("ended", ["hanging"], indirect=True)
    def test_a_task_that_hangs_past_its_limit_is_stopped(self, p: Any, ended: Any) -> None:
        assert ended["status"] == "FAILED"
        (row,) = p.rows("hanging")
        assert row["error"].startswith("TaskTimedOut: ") and p.running_tasks("hanging") == []


class TestOtherSettings:
    def test_within_it_the_run_succeeds_and_every_attempt_has_its_row(self, tolerant: Any) -> None:
        ended = tolerant.end(tolerant.start(tolerant.spec("copying", KEYS[0], "gone/x")))
        assert ended["status"] == "SUCCEEDED", ended
        (summary,) = tolerant.summaries("copying")
        assert (summary["status"], summary["completed_tasks"], summary["failed_tasks"]) == (
            "CompletedWithFailures",
            1,
            1,
        )
        assert [(row["task_name"], row["attempt"], row["status"]) for row in tolerant.rows("copying")] == [
            ("task_01", 1, "Completed"),
            ("task_02", 1, "Failed"),
            ("task_02", 2, "Failed"),
        ]

    def test_stopping_the_execution_stops_its_tasks_and_ends_its_rows(self, tolerant: Any) -> None:
        execution = tolerant.start(tolerant.spec("aborted", *["waiting/x"] * 3))
        tolerant.until(lambda: [row["status"] for row in tolerant.rows("aborted")] == ["Running"] * 3)
        tolerant.aws.client("stepfunctions").stop_execution(executionArn=execution, cause="enough")
        tolerant.until(lambda: tolerant.summaries("aborted")[0]["running_tasks"] == 0)
        (summary,) = tolerant.summaries("aborted")
        assert (summary["status"], summary["completed_tasks"], summary["failed_tasks"]) == ("Aborted", 0, 3)
        assert [row["status"] for row in tolerant.rows("aborted")] == ["Failed"] * 3
        assert tolerant.running_tasks("aborted") == []
