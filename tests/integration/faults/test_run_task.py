"""Faults of RunTask: what is asked again, how often, and what is recorded when nothing helps."""

from __future__ import annotations

import re

import pytest

from tests.integration.faults.stage import KEYS, Outcome, Run

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario

RUN_TASK = {"service": "ecs", "operation": "RunTask"}
THROTTLED = {"error": "ThrottlingException", "message": "Rate exceeded"}
FULL = {"error": "InvalidParameterException", "message": "Capacity is unavailable at this time. Please try again later"}
"""Throttling under another error code."""


def completed(run: Run, tasks: int = 10) -> Outcome:
    """What is left of a run all of whose tasks completed at their first attempt, with one ECS task each."""
    left = run.outcome()
    assert left.status == "SUCCEEDED", left.cause
    assert left.counts == ("Completed", tasks, tasks, 0, 0)
    assert left.attempts == [(f"task_{n:02}", 1, "Completed") for n in range(1, tasks + 1)]
    assert sorted(left.each("ecs_task_id")) == sorted(task.arn for task in left.tasks)
    assert left.unstopped == []
    return left


def not_started(run: Run, errors: dict[int, str]) -> Outcome:
    """What is left of a run none of whose ten tasks was ever started, for a reason that each pattern words its way."""
    left = run.outcome()
    assert (left.status, left.execution["error"]) == ("FAILED", "TasksFailed")
    assert left.counts == ("Failed", 10, 0, 10, 0)
    assert left.each("ecs_task_id") == [f"not-started/task_{n:02}/1" for n in range(1, 11)]
    assert left.each("attempt", "status") == [(1, "Failed")] * 10
    assert [without_request_id(error) for error in left.each("error")] == [errors[run.p.pattern]] * 10
    assert left.tasks == []
    run_id = left.summary["workflow_run_id"]
    first = min(left.rows, key=lambda row: (row["update_time"], row["task_name"]))
    assert left.cause == (
        f"run {run_id} of {run.workflow} ended as Failed: 10 of 10 tasks failed, 0 completed. first failure: "
        f"task {first['task_name']}, attempt 1: {first['error']}. "
        f"all of them: table {run.p.details_table}, workflow_run_id {run_id}."
    )
    return left


def without_request_id(error: str) -> str:
    """An error of Step Functions' without what differs from call to call."""
    return re.sub(r"Request ID: [0-9a-f-]{36}", "Request ID: …", error)


@scenario(
    faults=[
        {**RUN_TASK, "first": 10, "effect": THROTTLED},
        {**RUN_TASK, "first": 10, "effect": FULL},
    ]
)
def test_twenty_throttled_calls_are_made_again(run: Run) -> None:
    assert completed(run).met == [10, 10]


@scenario(
    keys=KEYS * 2,
    faults=[{**RUN_TASK, "share": 0.1, "seed": 3, "effect": {"failures": [{"arn": "x", "reason": "RESOURCE:CPU"}]}}],
)
def test_a_tenth_of_the_calls_placing_nothing_is_made_again(run: Run) -> None:
    assert completed(run, tasks=20).met == [5], "of 25 calls, which ones is up to the seed"


SHORT = {"runTimeoutSeconds": 90, "taskTimeoutSeconds": 60}


def look_at_the_wait(run: Run) -> None:
    """The run says since when it has waited for capacity."""
    waiting = run.until(lambda: run.read().summary.get("waiting_since"))
    assert waiting > run.read().summary["start_time"]


@scenario(faults=[{**RUN_TASK, "effect": FULL}], settings=SHORT, during=look_at_the_wait)
def test_a_quota_that_stays_full_ends_the_run_by_its_deadline(run: Run) -> None:
    run.conclude()
    left = run.outcome()
    assert left.status == "TIMED_OUT"
    assert left.counts == ("TimedOut", 10, 0, 10, 0)
    assert (left.rows, left.tasks) == ([], [])
    assert "waiting_since" not in left.summary and left.summary["capacity_waits"] > 0


def lift_the_fault_once_it_waits(run: Run) -> None:
    """The retriers with jitter come first: how long until the run waits is up to them."""
    look_at_the_wait(run)
    run.inject()


@scenario(faults=[{**RUN_TASK, "effect": THROTTLED}], during=lift_the_fault_once_it_waits)
def test_a_time_without_capacity_is_waited_out(run: Run) -> None:
    left = completed(run)
    assert "waiting_since" not in left.summary and left.summary["capacity_waits"] > 0


@scenario(faults=[{**RUN_TASK, "effect": {"vcpus": 0.5}}])
def test_a_quota_that_holds_two_tasks_is_waited_for_by_the_others(run: Run) -> None:
    assert completed(run).met[0] > 10


@scenario(faults=[{**RUN_TASK, "effect": {"error": "InvalidParameterException", "message": "No subnets left"}}])
def test_calls_that_are_refused_are_made_once(run: Run) -> None:
    errors = {
        1: "RunTaskRefused: ECS did not start the task after 1 call: InvalidParameterException: No subnets left",
        2: "ECS.InvalidParameterException: ECS did not start the task: No subnets left (Service: AmazonECS; "
        "Status Code: 400; Error Code: InvalidParameterException; Request ID: …; Proxy: null)",
    }
    assert not_started(run, errors).met == [10]
