"""Faults of tasks: what each leaves in the tables, and how its run ends."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import KEYS, Run

pytestmark = [pytest.mark.acceptance, pytest.mark.integration, pytest.mark.both_runtimes]

scenario = pytest.mark.scenario

ONE = KEYS[:1]
THREE_GONE = ("gone/01.txt", "gone/02.txt", "gone/03.txt", *KEYS[3:])
WRITES = {"service": "dynamodb", "operation": "UpdateItem", "caller": "task"}
CALLS_S3 = {"service": "s3", "caller": "task"}
INTERRUPTED = "Your Spot Task was interrupted."


def failed_alone(run: Run, attempts: int = 1) -> list[dict[str, object]]:
    """The rows of a run whose one task failed for good, after so many attempts, each with a row and an ECS task."""
    left = run.outcome()
    assert (left.status, left.execution["error"]) == ("FAILED", "TasksFailed")
    assert left.counts == ("Failed", 1, 0, 1, 0)
    assert left.attempts == [("task_01", n, "Failed") for n in range(1, attempts + 1)]
    assert left.each("ecs_task_id") == [task.arn for task in left.tasks]
    assert left.unstopped == []
    assert f"first failure: task task_01, attempt 1: {left.rows[0]['error']}".rstrip(".") in left.cause
    return left.rows


class TestMissingObjects:
    @scenario(keys=THREE_GONE)
    def test_three_of_ten_fail_the_run_with_a_cause_for_people(self, run: Run) -> None:
        left = run.outcome()
        assert (left.status, left.execution["error"]) == ("FAILED", "TasksFailed")
        assert left.counts == ("Failed", 10, 7, 3, 0)
        run_id = left.summary["workflow_run_id"]
        assert left.cause.startswith(
            f"run {run_id} of {run.workflow} ended as Failed: 3 of 10 tasks failed, 7 completed. "
            "first failure: task task_0"
        )
        assert left.cause.endswith(f"all of them: table {run.p.details_table}, workflow_run_id {run_id}.")
        self._rows_say_which(run)

    @scenario(keys=THREE_GONE, settings={"toleratedFailurePercentage": 30})
    def test_three_of_ten_are_tolerated_where_thirty_percent_are(self, run: Run) -> None:
        left = run.outcome()
        assert left.status == "SUCCEEDED"
        assert left.counts == ("CompletedWithFailures", 10, 7, 3, 0)
        self._rows_say_which(run)

    def _rows_say_which(self, run: Run) -> None:
        left = run.outcome()
        assert left.attempts == [(f"task_{n:02}", 1, "Failed" if n <= 3 else "Completed") for n in range(1, 11)]
        reason = "JobFailed: NoSuchKey: The specified key does not exist. (CopyObject); source s3://{}/gone/{:02}.txt"
        errors = [(reason.format(run.p.bucket, n), 1) for n in (1, 2, 3)]
        assert left.each("error", "exit_code") == errors + [(None, None)] * 7
        assert len(left.tasks) == 10 and left.unstopped == []
        prefix = f"copies/{run.workflow}/{left.summary['workflow_run_id']}"
        assert sorted(run.p.copies(run.workflow)) == [f"{prefix}/task_{n:02}/{n:02}.txt" for n in range(4, 11)]


class TestContainers:
    @pytest.mark.parametrize(
        "hits",
        [
            pytest.param([1], marks=scenario(keys=ONE, faults=[{**WRITES, "effect": {"kill": "before"}}]), id="before"),
            pytest.param([1], marks=scenario(keys=ONE, faults=[{**WRITES, "effect": {"kill": "after"}}]), id="after"),
            pytest.param([], marks=scenario(keys=["exiting/x"]), id="by-itself"),
        ],
    )
    def test_one_that_is_killed_around_its_first_write_or_exits_is_recorded(self, run: Run, hits: list[int]) -> None:
        (row,) = failed_alone(run)
        assert row["error"] == "ContainerExited: the container exited with code 137"
        assert (row["exit_code"], run.outcome().met) == (137, hits)
        assert row["source_uri"] == f"s3://{run.p.bucket}/{run.scenario.keys[0]}" and run.p.copies(run.workflow) == {}

    @scenario(keys=["waiting/x"], settings={"taskTimeoutSeconds": 6})
    def test_one_that_reaches_its_limit_ends_itself(self, run: Run) -> None:
        (row,) = failed_alone(run)
        assert str(row["error"]).startswith("TaskTimedOut: timed out") and row["exit_code"] == 124

    @scenario(keys=["hanging/x"], settings={"taskTimeoutSeconds": 6})
    def test_one_that_hangs_past_its_limit_is_stopped(self, run: Run) -> None:
        self._timed_out(run, exit_code=143)

    @scenario(keys=["deaf/x"], settings={"taskTimeoutSeconds": 6, "stop_timeout_seconds": 2})
    def test_one_that_does_not_heed_the_order_to_stop_is_killed(self, run: Run) -> None:
        self._timed_out(run, exit_code=137)

    def _timed_out(self, run: Run, exit_code: int) -> None:
        (row,) = failed_alone(run)
        limit = run.p.options["taskTimeoutSeconds"]
        reason = f"timed out: the task ran longer than {limit} s and was stopped"
        assert (row["error"], row["stopped_reason"]) == (f"TaskTimedOut: {reason}", reason)
        assert row["exit_code"] == exit_code
        (task,) = run.outcome().tasks
        assert (task.stop_code, task.exit_code) == ("UserInitiated", exit_code)


class TestPermissions:
    @scenario(keys=ONE, settings={"task_actions": ["dynamodb:*"]})
    def test_a_task_that_may_not_copy_says_what_it_may_not(self, run: Run) -> None:
        (row,) = failed_alone(run)
        assert str(row["error"]).startswith("JobFailed: AccessDenied: ") and "s3:" in str(row["error"])
        assert row["exit_code"] == 1

    @scenario(keys=ONE, settings={"task_actions": ["s3:*"]})
    def test_a_task_that_may_not_write_its_row_does_not_copy_and_is_recorded_all_the_same(self, run: Run) -> None:
        (row,) = failed_alone(run)
        assert row["error"] == "ContainerExited: the container exited with code 3"
        assert row["exit_code"] == 3 and run.p.copies(run.workflow) == {}


class TestFurtherAttempts:
    @scenario(keys=ONE, settings={"image_tag": "not-there"})
    def test_a_task_whose_image_does_not_exist_is_tried_four_times(self, run: Run) -> None:
        rows = failed_alone(run, attempts=4)
        for row in rows:
            assert str(row["error"]).startswith("TaskFailedToStart: CannotPullContainerError: ")
            assert "not-there" in str(row["error"]) and "exit_code" not in row

    @scenario(keys=ONE, faults=[{**CALLS_S3, "effect": {"interrupt": "before"}}])
    def test_a_task_that_loses_its_spot_capacity_again_and_again_is_tried_four_times(self, run: Run) -> None:
        rows = failed_alone(run, attempts=4)
        assert [row["stopped_reason"] for row in rows] == [INTERRUPTED] * 4
        assert [row["exit_code"] for row in rows] == [143] * 4

    @scenario(keys=ONE, faults=[{**CALLS_S3, "limit": 3, "effect": {"interrupt": "before"}}])
    def test_a_task_that_loses_its_spot_capacity_three_times_completes_at_last(self, run: Run) -> None:
        left = run.outcome()
        assert left.status == "SUCCEEDED"
        assert left.counts == ("Completed", 1, 1, 0, 0)
        assert left.each("attempt", "status", "stopped_reason") == [
            *((n, "Failed", INTERRUPTED) for n in (1, 2, 3)),
            (4, "Completed", None),
        ]
        assert len(left.tasks) == 4 and len(run.p.copies(run.workflow)) == 1
