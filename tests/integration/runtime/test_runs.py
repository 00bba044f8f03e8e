"""Runs of both patterns from their start to their end that nothing disturbs, with everything but Pulumi being real.

All executions of a pattern start together; each test looks at one of them. Their workflow names keep them apart.
"""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.integration, pytest.mark.both_runtimes]

KEYS = [f"in/{n:02}.txt" for n in range(1, 11)]


@pytest.fixture(scope="package")
def executions(p: Any) -> dict[str, str]:
    """The executions that were started, by workflow."""
    seed = [
        {"objectKey": KEYS[0], "taskName": "with", "s3BucketName": p.bucket},
        {"objectKey": KEYS[1], "taskName": "without"},
    ]
    bad = p.spec("bad", KEYS[0], clusterName="other")
    documents = [
        p.spec("waiting", "waiting/x"),
        p.spec("ten", *KEYS),
        p.spec("one", KEYS[0]),
        dict(reversed(p.spec("seed", workflowRunId="100001", separator=",", taskList=seed).items())),
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


class TestOtherEnds:
    @of("ended", ["bad"], indirect=True)
    def test_a_bad_spec_launches_nothing(self, p: Any, ended: Any) -> None:
        assert (ended["status"], ended["error"]) == ("FAILED", "SpecRefused")
        assert "$: misses attribute region" in ended["cause"]
        assert (p.summaries("bad"), p.rows("bad")) == ([], [])

    @of("ended", ["waiting"], indirect=True)
    def test_a_task_over_its_limit_ends_itself(self, p: Any, ended: Any) -> None:
        assert ended["status"] == "FAILED"
        (row,) = p.rows("waiting")
        assert row["error"].startswith("TaskTimedOut: timed out") and row["exit_code"] == 124
