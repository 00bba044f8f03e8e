"""Faults of the monitor, and of its writes of pattern 2's failures: counts and rows are right at the end."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import KEYS, Run, pattern_2

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario
FEW = KEYS[:3]
POLL = {"service": "dynamodb", "operation": "GetItem", "caller": "monitor"}
"""The first call of each poll."""
DENIED = {"error": "AccessDeniedException", "message": "injected"}
KILLED_AT_ITS_START = {
    "service": "dynamodb",
    "operation": "UpdateItem",
    "caller": "task",
    "request": "*task_01*",
    "effect": {"kill": "before"},
}
RECORD_FAILURE = {
    "service": "dynamodb",
    "operation": "UpdateItem",
    "caller": "monitor",
    "effect": DENIED,
}
"""Writes of the monitor to rows fail; AWS's client does not repeat those."""


def errors_of_functions(run: Run) -> list[str]:
    """What the calls of functions failed with."""
    failed = [event["taskFailedEventDetails"] for event in run.history() if event["type"] == "TaskFailed"]
    return [each["error"] for each in failed if each["resourceType"] == "lambda"]


# --- the monitor fails -----------------------------------------------------------------------------------------------


THROTTLED_BY_LAMBDA = {
    "service": "lambda",
    "caller": "machine",
    "calls": [2, 3, 4],
    "effect": {"error": "TooManyRequestsException", "message": "Rate Exceeded.", "status": 429},
}


@pytest.mark.parametrize(
    "error",
    [
        pytest.param("ClientError", marks=scenario(FEW, [{**POLL, "first": 3, "effect": DENIED}])),
        pytest.param("Runtime.ExitError", marks=scenario(FEW, [{**POLL, "first": 3, "effect": {"kill": "before"}}])),
        pytest.param("Lambda.TooManyRequestsException", marks=scenario(FEW, [THROTTLED_BY_LAMBDA])),
    ],
)
def test_a_monitor_that_fails_three_times_in_a_row_is_called_again(run: Run, error: str) -> None:
    left = run.outcome()
    assert (left.status, left.met) == ("SUCCEEDED", [3])
    assert errors_of_functions(run) == [error] * 3
    assert left.counts == ("Completed", 3, 3, 0, 0)
    assert left.attempts == [(f"task_{n:02}", 1, "Completed") for n in (1, 2, 3)]


# --- rows that are not written ---------------------------------------------------------------------------------------


@pattern_2
@scenario(
    keys=FEW,
    alone=True,
    faults=[
        KILLED_AT_ITS_START,
        {
            "service": "ecs",
            "operation": "RunTask",
            "caller": "machine",
            "request": "*task_02*",
            "effect": {"error": "ClientException", "message": "not today"},
        },
        {**RECORD_FAILURE, "request": "*not-started/task_02*", "first": 6},
    ],
)
def test_a_monitor_that_fails_is_asked_again_until_it_has_recorded_the_failure(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.counts) == ("FAILED", ("Failed", 3, 1, 2, 0))
    assert left.met[2] == 6, "one call and the state's five retries, then a pause"
    (killed,) = [task["taskArn"] for task in left.tasks if task["containers"][0]["exitCode"] == 137]
    assert left.each("task_name", "status", "error", "exit_code", "stopped_reason") == [
        ("task_01", "Failed", "ContainerExited: the container exited with code 137", 137, "Essential container exited"),
        ("task_02", "Failed", left.rows[1]["error"], None, None),
        ("task_03", "Completed", None, None, None),
    ]
    assert left.rows[1]["error"].startswith("ECS.ClientException: ECS did not start the task: not today (Service: ")
    assert left.each("ecs_task_id")[:2] == [killed, "not-started/task_02/1"]


@pattern_2
@scenario(
    keys=KEYS[:1],
    alone=True,
    settings={"taskAttempts": 2},
    faults=[
        KILLED_AT_ITS_START,
        {**RECORD_FAILURE, "request": '*details-*":new_attempt": {"N": "2"}*', "first": 6},
    ],
)
def test_a_further_attempt_that_is_recorded_late_has_its_row_beside_the_others(run: Run) -> None:
    left = run.outcome()
    assert left.met == [2, 6]
    assert left.counts == ("Failed", 1, 0, 1, 0)
    assert left.each("attempt", "status", "exit_code") == [(1, "Failed", 137), (2, "Failed", 137)]
    assert left.each("ecs_task_id") == [task["taskArn"] for task in left.tasks]
