"""Faults of the monitor, and of what pattern 2 writes beside it: counts and rows are true at the end all the same."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ecs_kit.runtime.contract.clock import to_iso
from local_aws.testing.aws import allow
from tests.integration.faults.stage import KEYS, Run, Scenario, Stage, pattern_2

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario
GONE = ("gone/01.txt", "gone/02.txt", "gone/03.txt")
FEW = KEYS[:3]
LOOK = {"service": "dynamodb", "operation": "GetItem", "caller": "monitor"}
"""The first call of each look at a run."""
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
    "effect": {"error": "AccessDeniedException", "message": "injected"},
}
"""Writes of the monitor to rows fail; AWS's client does not repeat those."""


def errors_of_functions(run: Run) -> list[str]:
    """What the calls of functions failed with."""
    failed = [event["taskFailedEventDetails"] for event in run.history() if event["type"] == "TaskFailed"]
    return [each["error"] for each in failed if each["resourceType"] == "lambda"]


# --- the monitor fails -----------------------------------------------------------------------------------------------


@scenario(keys=FEW, faults=[{**LOOK, "first": 3, "effect": DENIED}])
def test_a_monitor_that_fails_three_times_in_a_row_is_called_again(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.met) == ("SUCCEEDED", [3])
    assert errors_of_functions(run) == ["ClientError"] * 3
    assert left.counts == ("Completed", 3, 3, 0, 0)
    assert left.attempts == [(f"task_{n:02}", 1, "Completed") for n in (1, 2, 3)]


@scenario(keys=FEW, faults=[{**LOOK, "first": 3, "effect": {"kill": "before"}}])
def test_a_monitor_that_is_killed_three_times_in_a_row_is_called_again(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.met) == ("SUCCEEDED", [3])
    assert errors_of_functions(run) == ["Runtime.ExitError"] * 3
    assert left.counts == ("Completed", 3, 3, 0, 0)


@scenario(
    keys=FEW,
    faults=[
        {
            "service": "lambda",
            "caller": "machine",
            "calls": [2, 3, 4],
            "effect": {"error": "TooManyRequestsException", "message": "Rate Exceeded.", "status": 429},
        }
    ],
)
def test_a_monitor_that_lambda_throttles_three_times_in_a_row_is_called_again(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.met) == ("SUCCEEDED", [3])
    assert errors_of_functions(run) == ["Lambda.TooManyRequestsException"] * 3
    assert left.counts == ("Completed", 3, 3, 0, 0)


# --- it is called twice at once --------------------------------------------------------------------------------------


class Lookers:
    """Call the monitor for a run from several sides at once, beside its own state machine."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []

    def __call__(self, run: Run) -> None:
        (summary,) = run.until(lambda: run.p.summaries(run.workflow))
        started = run.p.aws.client("stepfunctions").describe_execution(executionArn=run.execution_arn)["startDate"]
        payload = {
            "action": "monitor",
            "execution": {"arn": run.execution_arn, "startTime": to_iso(started)},
            "workflowName": run.workflow,
            "runId": str(summary["workflow_run_id"]),
        }
        together = threading.Barrier(2)

        def look(_: int) -> list[dict[str, Any]]:
            seen: list[dict[str, Any]] = []
            while not seen or not seen[-1]["done"]:
                together.wait(60)
                answer = run.p.aws.client("lambda").invoke(
                    FunctionName=run.p.functions["monitor"], Payload=json.dumps(payload)
                )
                body = json.loads(answer["Payload"].read())
                assert "FunctionError" not in answer, body
                seen.append(body)
            together.abort()
            return seen

        def until_done(number: int) -> list[dict[str, Any]]:
            try:
                return look(number)
            except threading.BrokenBarrierError:  # the other one has seen the end
                return []

        with ThreadPoolExecutor(2) as pool:
            for seen in pool.map(until_done, range(2)):
                self.answers += seen


LOOKERS = {1: Lookers(), 2: Lookers()}


@scenario(keys=(*GONE, *KEYS[3:]), during=lambda run: LOOKERS[run.p.pattern](run))
def test_two_monitors_at_once_neither_lose_nor_double_a_task(run: Run, pattern: int) -> None:
    left = run.outcome()
    answers = LOOKERS[pattern].answers
    assert len(answers) > 1
    assert {answer["completed"] + answer["failed"] + answer["running"] for answer in answers} == {10}
    assert {(a["status"], a["completed"], a["failed"]) for a in answers if a["done"]} == {("Failed", 7, 3)}
    assert left.counts == ("Failed", 10, 7, 3, 0)
    assert left.attempts == [(f"task_{n:02}", 1, "Failed" if n <= 3 else "Completed") for n in range(1, 11)]


# --- rows that are not written ---------------------------------------------------------------------------------------


def test_a_task_that_may_not_write_its_row_does_not_do_its_job_and_is_recorded(stage: Stage) -> None:
    scenario = Scenario(keys=KEYS[:2], alone=True)
    p = stage.deploy(scenario.settings, alone=True)
    p.aws.policy(p.fargate.task_role.rsplit("/", 1)[-1], allow("s3:*"))
    run = Run(p, scenario, "unwritten").start()
    left = run.outcome()
    assert (left.status, left.counts) == ("FAILED", ("Failed", 2, 0, 2, 0))
    error = "ContainerExited: the container exited with code 3"
    assert (
        left.each("status", "error", "exit_code", "stopped_reason")
        == [("Failed", error, 3, "Essential container exited")] * 2
    )
    assert {row["ecs_task_id"] for row in left.rows} == {task["taskArn"] for task in left.tasks}
    assert p.copies(run.workflow) == {}


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
