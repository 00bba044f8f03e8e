"""Faults of the functions: no task is started twice, orphaned or lost."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import KEYS, Run, pattern_1
from tests.integration.faults.test_run_task import RUN_TASK, completed

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario
FEW = KEYS[:3]
LAUNCHES = {**RUN_TASK, "caller": "launcher"}
PUTS = {"service": "dynamodb", "operation": "PutItem", "caller": "launcher"}
POLL = {"service": "dynamodb", "operation": "GetItem", "caller": "monitor", "first": 3}
"""The first call of each poll."""
DENIED = {"error": "AccessDeniedException", "message": "injected"}
THROTTLED_BY_LAMBDA = {
    "service": "lambda",
    "caller": "machine",
    "calls": [2, 3, 4],
    "effect": {"error": "TooManyRequestsException", "message": "Rate Exceeded.", "status": 429},
}


def errors_of_functions(run: Run) -> list[str]:
    """What the calls of functions failed with."""
    failed = [event["taskFailedEventDetails"] for event in run.history() if event["type"] == "TaskFailed"]
    return [each["error"] for each in failed if each["resourceType"] == "lambda"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param("ClientError", marks=scenario(FEW, [{**POLL, "effect": DENIED}])),
        pytest.param("Runtime.ExitError", marks=scenario(FEW, [{**POLL, "effect": {"kill": "before"}}])),
        pytest.param("Lambda.TooManyRequestsException", marks=scenario(FEW, [THROTTLED_BY_LAMBDA])),
    ],
)
def test_a_monitor_that_fails_three_times_in_a_row_is_called_again(run: Run, error: str) -> None:
    assert completed(run, tasks=3).met == [3]
    assert errors_of_functions(run) == [error] * 3


@pattern_1
@scenario(faults=[{**LAUNCHES, "first": 10, "effect": {"drop": "after"}}])
def test_connections_that_drop_after_ecs_took_the_call_start_no_task_twice(run: Run) -> None:
    assert completed(run).met == [10]


@pattern_1
@scenario(faults=[{**LAUNCHES, "effect": {"drop": "after"}}])
def test_tasks_are_found_whose_calls_are_never_answered(run: Run) -> None:
    assert completed(run).met == [80]


@pattern_1
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(faults, marks=scenario(faults=faults))
        for faults in (
            [
                {**LAUNCHES, "calls": [2], "effect": {"kill": "before"}},
                {**LAUNCHES, "calls": [5], "effect": {"kill": "after"}},
            ],
            [{**PUTS, "calls": [2], "effect": {"kill": "before"}}],
        )
    ],
    ids=["while tasks are launched", "before the first task is recorded"],
)
def test_a_launcher_that_is_killed_continues_after_the_recorded_tasks(run: Run, faults: list[object]) -> None:
    """Its calls are concurrent: one process may be hit by more than one fault. The first put registers the run."""
    assert completed(run).met == [1] * len(faults)
    assert set(errors_of_functions(run)) == {"Runtime.ExitError"}


@pattern_1
@scenario(
    keys=["waiting/x"] * 100,
    faults=[{**LAUNCHES, "share": 0.2, "seed": 1, "effect": {"kill": "after"}}],
    during=Run.conclude,
)
def test_a_launcher_that_is_killed_again_and_again_ends_the_run_and_leaves_no_task(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.execution["error"]) == ("FAILED", "Runtime.ExitError")
    assert left.counts == ("Failed", 100, 0, 100, 0) and left.met[0] >= 6
    assert sorted(left.each("ecs_task_id")) == sorted(task.arn for task in left.tasks) and left.unstopped == []
    assert len({attempt[:2] for attempt in left.attempts}) == len(left.tasks), "none twice"
    assert {error.partition(":")[0] for error in left.each("error")} <= {"RunEnded", "Terminated"}
    assert {task.stop_code for task in left.tasks} == {"UserInitiated"}
