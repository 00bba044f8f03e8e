"""Why tasks failed, as data and for people."""

import json
from typing import Any

from ecs_kit.automation.journeys import failed_tasks
from ecs_kit.runtime.reporter.logs import readable
from tests.unit.automation.journeys.fakes import row


def test_only_the_last_attempt_of_tasks_that_never_completed_counts() -> None:
    details = [
        row("b", "Failed"),
        row("b", "Failed", 2, error="again"),
        row("a", "Failed"),
        row("a", "Completed", 2),
        row("c", "Completed"),
        row("c", "Failed", 2),
        row("d", "Failed"),
        row("d", "Running", 2),
    ]

    documents = failed_tasks.documents(details, lambda _: [])
    assert [(task["taskName"], task["attempt"]) for task in documents] == [("b", 2)]


def test_the_first_few_have_the_end_of_their_log() -> None:
    asked: list[str] = []

    def log_of(item: Any) -> list[str]:
        asked.append(item["task_name"])
        return [f"log of {item['task_name']}"]

    documents = failed_tasks.documents([row(name, "Failed") for name in "edcba"], log_of)

    assert asked == ["a", "b", "c"]
    assert [document["log"] for document in documents] == [["log of a"], ["log of b"], ["log of c"], [], []]


def test_people_see_the_reasons_and_several_lines_of_the_log_of_the_first_few() -> None:
    documents = failed_tasks.documents(
        [
            row("a", "Failed", error="JobFailed: no such key", exit_code=1),
            row("b", "Failed", error="TaskFailedToStart: CannotPull (x)", stopped_reason="CannotPull"),
            *(row(f"c{number:02}", "Failed") for number in range(14)),
        ],
        lambda item: [f"line {number}" for number in range(9)] if item["task_name"] == "a" else [],
    )

    assert failed_tasks.lines(documents) == [
        "task a failed (attempt 1): JobFailed: no such key; exit code 1",
        *(f"  | line {number}" for number in range(1, 9)),
        "task b failed (attempt 1): TaskFailedToStart: CannotPull (x)",
        "task c00 failed (attempt 1): no reason",
        "13 more tasks failed: c01, c02, c03, c04, c05, c06, c07, c08, c09, c10, and 3 more",
    ]


def test_lines_of_the_kit_s_own_log_are_made_readable_others_stay() -> None:
    kit = {"time": "2026-11-24T08:59:10.431Z", "level": "ERROR", "message": "the job failed", "taskName": "a"}
    traceback = "Traceback (most recent call last):\n  one\n  two\n  three\nKeyError: 'x'"

    assert readable(json.dumps({**kit, "error": "E", "exception": traceback})) == [
        "2026-11-24T08:59:10.431Z ERROR the job failed error=E",
        "  one",
        "  two",
        "  three",
        "KeyError: 'x'",
    ]
    assert readable(json.dumps({**kit, "message": "metrics", "_aws": {}, "TaskDuration": 1.5})) == []
    for line in ("Traceback (most recent call last):", "17", '{"message": "of another program"}', "{broken"):
        assert readable(line) == [line]
