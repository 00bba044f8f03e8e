"""Faults of tasks: what each leaves in the tables, and how its run ends."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import KEYS, Run

pytestmark = [pytest.mark.acceptance, pytest.mark.integration, pytest.mark.all_runtimes]

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


SIX = {"taskTimeoutSeconds": 6}
EXIT = "ContainerExited: the container exited with code"
ENDS_ITSELF = "TaskTimedOut: timed out after "
IS_STOPPED = "TaskTimedOut: timed out: the task ran longer than "
KILLED, DEAF = {"kill": "before"}, {**SIX, "stop_timeout_seconds": 2}
NO_S3, S3_ALONE = {"task_actions": ["dynamodb:*"]}, {"task_actions": ["s3:*"]}


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        pytest.param(f"{EXIT} 137", 137, marks=scenario(ONE, [{**WRITES, "effect": KILLED}]), id="killed-before"),
        pytest.param(f"{EXIT} 137", 137, marks=scenario(ONE, [{**WRITES, "effect": {"kill": "after"}}]), id="killed"),
        pytest.param(f"{EXIT} 137", 137, marks=scenario(["exiting/x"]), id="exits"),
        pytest.param(ENDS_ITSELF, 124, marks=scenario(["waiting/x"], settings=SIX), id="ends-itself-at-its-limit"),
        pytest.param(IS_STOPPED, 143, marks=scenario(["hanging/x"], settings=SIX), id="hangs-past-its-limit"),
        pytest.param(IS_STOPPED, 137, marks=scenario(["deaf/x"], settings=DEAF), id="ignores-sigterm"),
        pytest.param("JobFailed: AccessDenied: ", 1, marks=scenario(ONE, settings=NO_S3), id="may-not-copy"),
        pytest.param(f"{EXIT} 3", 3, marks=scenario(ONE, settings=S3_ALONE), id="may-not-write-its-row"),
    ],
)
def test_a_task_that_fails_is_recorded_with_its_reason_and_copies_nothing(run: Run, error: str, exit_code: int) -> None:
    (row,) = failed_alone(run)
    assert str(row["error"]).startswith(error) and row["exit_code"] == exit_code
    assert row["source_uri"] == f"s3://{run.p.bucket}/{run.scenario.keys[0]}" and run.p.copies(run.workflow) == {}
    (task,) = run.outcome().tasks
    assert task.exit_code == exit_code
    if error is IS_STOPPED:
        assert (task.stop_code, row["error"]) == ("UserInitiated", f"TaskTimedOut: {row['stopped_reason']}")
    assert run.outcome().met == [1] * len(run.scenario.faults)


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
