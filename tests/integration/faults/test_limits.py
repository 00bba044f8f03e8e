"""Executions that end for reasons of their own: the time limit, too much data, a function that fails for good."""

from __future__ import annotations

from typing import Any

import pytest

from ecs_kit.components import lambda_package
from local_aws.testing.aws import zip_of
from tests.integration.faults.pattern import ROOT
from tests.integration.faults.stage import KEYS, Outcome, Run, Scenario, Stage, pattern_1

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario
WAITING = [f"waiting/{n}" for n in (1, 2, 3)]
TALKATIVE = """

_answer = handler


def handler(event, context):
    answer = _answer(event, context)
    return {**answer, "message": "x" * 300_000} if event.get("action") == "monitor" else answer
"""
"""Makes the monitor's answer longer than the 256 KiB that Step Functions carries between states."""


def over(run: Run) -> Outcome:
    """What is left of a run whose execution has ended, once it is over."""
    execution = run.outcome().execution
    run.conclude()
    return run.read(execution)


# A limit that a busy machine's task starts within, and a task that only the end of the run ends.
@scenario(keys=(KEYS[0], "deaf/2", "hanging/3"), settings={"runTimeoutSeconds": 30, "stop_timeout_seconds": 10})
def test_a_run_over_its_time_limit_is_timed_out_and_leaves_no_task(run: Run) -> None:
    left = over(run)
    assert (left.status, left.counts) == ("TIMED_OUT", ("TimedOut", 3, 1, 2, 0))
    assert left.attempts == [("task_01", 1, "Completed"), ("task_02", 1, "Failed"), ("task_03", 1, "Failed")]
    assert all(row["error"].startswith(("RunEnded: ", "Terminated: ")) for row in left.rows[1:]), left.rows
    assert len(left.tasks) == 3 and left.unstopped == []


@pattern_1
@scenario(
    keys=WAITING,
    faults=[
        {
            "service": "dynamodb",
            "operation": "GetItem",
            "caller": "launcher",
            "calls": list(range(4, 100)),  # its reads of the summary, from before the third task on
            "effect": {"error": "AccessDeniedException", "message": "injected"},
        }
    ],
)
def test_a_launcher_that_fails_for_good_ends_the_run_and_stops_what_it_started(run: Run) -> None:
    left = over(run)
    assert (left.status, left.execution["error"]) == ("FAILED", "ClientError")
    assert left.counts == ("Failed", 3, 0, 3, 0)
    assert left.attempts == [(f"task_{n:02}", 1, "Failed") for n in (1, 2)]
    assert [task["taskArn"] for task in left.tasks] == left.each("ecs_task_id")


def test_too_much_data_for_step_functions_ends_the_run_and_stops_its_tasks(stage: Stage) -> None:
    given = Scenario(keys=WAITING, alone=True)
    p = stage.deploy(given.settings, alone=True)
    package: dict[str, Any] = {path: data.decode() for path, data in lambda_package.contents("monitor", ROOT).items()}
    package["ecs_kit/runtime/monitor/handler.py"] += TALKATIVE
    p.aws.client("lambda").update_function_code(FunctionName=p.functions["monitor"], ZipFile=zip_of(package))
    left = over(Run(p, given, "talkative").start())
    assert (left.status, left.execution["error"]) == ("FAILED", "States.DataLimitExceeded")
    assert left.counts == ("Failed", 3, 0, 3, 0)
    assert set(left.each("status")) <= {"Failed"} and left.unstopped == []


@scenario(keys=["verbose/1"])
def test_a_job_whose_error_is_longer_than_a_payload_may_be_is_recorded_with_its_beginning(run: Run) -> None:
    left = run.outcome()
    assert (left.status, left.execution["error"]) == ("FAILED", "TasksFailed")
    assert left.counts == ("Failed", 1, 0, 1, 0)
    (row,) = left.rows
    assert row["error"].startswith("JobFailed: ValueError: xxx") and len(row["error"]) == 2000
