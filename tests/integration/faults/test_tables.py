"""Faults of DynamoDB for each of its writers: nothing is lost or duplicated."""

from __future__ import annotations

import pytest

from tests.integration.faults.stage import KEYS, Run

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

scenario = pytest.mark.scenario
GONE = ("gone/01.txt", "gone/02.txt", "gone/03.txt")
WRITES = {"service": "dynamodb", "operation": "[PU]*Item", "share": 0.3}
"""PutItem and UpdateItem."""
THROTTLED = {
    "error": "ProvisionedThroughputExceededException",
    "message": "The level of configured provisioned throughput for the table was exceeded.",
}
CALLERS = ("task", "monitor", "launcher", "machine")
SEED = 0
"""With it the first write of each caller is hit."""


def of_all(effect: dict[str, object]) -> list[dict[str, object]]:
    """Rules that hit 30 % of the writes of each caller."""
    return [{**WRITES, "caller": caller, "seed": SEED, "effect": effect} for caller in CALLERS]


def assert_all_were_hit(left_met: list[int], pattern: int) -> None:
    """Each caller of the pattern was hit."""
    met = dict(zip(CALLERS, left_met, strict=True))
    absent = "machine" if pattern == 1 else "launcher"
    assert met.pop(absent) == 0 and all(met.values()), met


@scenario(keys=(*GONE, *KEYS[3:]), settings={"taskAttempts": 2}, faults=of_all(THROTTLED))
def test_throttled_writes_lose_no_completion_and_no_failure(run: Run, pattern: int) -> None:
    left = run.outcome()
    assert_all_were_hit(left.met, pattern)
    assert (left.status, left.counts) == ("FAILED", ("Failed", 10, 7, 3, 0))
    failed = [(f"task_{n:02}", attempt, "Failed") for n in (1, 2, 3) for attempt in (1, 2)]
    assert left.attempts == failed + [(f"task_{n:02}", 1, "Completed") for n in range(4, 11)]
    for row in left.rows[:6]:
        assert row["error"].startswith("JobFailed: NoSuchKey") and row["exit_code"] == 1, row
    assert set(left.each("ecs_task_id")) == {task["taskArn"] for task in left.tasks}
    assert (len(left.tasks), len(run.p.copies(run.workflow))) == (13, 7)


@scenario(keys=(*GONE, *KEYS[3:]), faults=of_all({"drop": "after"}))
def test_writes_whose_answer_never_arrives_are_done_once(run: Run, pattern: int) -> None:
    left = run.outcome()
    assert_all_were_hit(left.met, pattern)
    assert (left.status, left.counts) == ("FAILED", ("Failed", 10, 7, 3, 0))
    assert left.attempts == [(f"task_{n:02}", 1, "Failed" if n <= 3 else "Completed") for n in range(1, 11)]
    assert len(left.tasks) == 10 and len(run.p.copies(run.workflow)) == 7
