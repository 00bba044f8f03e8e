"""Runs as documents, lines and tables."""

import re
from datetime import UTC, datetime
from typing import Any

from ecs_kit.automation.cli import run_views
from ecs_kit.automation.cli.abort import Look, done
from ecs_kit.runtime.reporter.counts import is_over
from ecs_kit.runtime.reporter.run_state import RunKey, RunState
from tests.unit.automation.journeys.fakes import ROOT, row

KEY = RunKey(1, "w", 1795510747476181, "arn:execution", {})
SUMMARY = {
    "workflow_name": "w",
    "workflow_run_id": KEY.run_id,
    "status": "Running",
    "number_of_tasks": 3,
    "completed_tasks": 1,
    "failed_tasks": 0,
    "running_tasks": 2,
    "start_time": "2026-11-24T08:59:07.476Z",
    "update_time": "2026-11-24T08:59:09.000Z",
    "launching_ended": True,
    "execution_arn": "arn:execution",
}
BEGAN = datetime(2026, 11, 24, 8, 59, 7, 476000, UTC)
RUNNING = {"status": "RUNNING", "startDate": BEGAN}


def state(execution: dict[str, Any] | None = None, *details: dict[str, Any], **summary: Any) -> RunState:
    return RunState(KEY, RUNNING if execution is None else execution, {**SUMMARY, **summary}, details)


UNREGISTERED = RunState(KEY, RUNNING, None, ())
REFUSED = RunState(
    KEY, {"status": "FAILED", "startDate": BEGAN, "stopDate": BEGAN, "error": "SpecRefused", "cause": "no"}, None, ()
)
FORGOTTEN = RunState(KEY, None, {**SUMMARY, "status": "Completed"}, ())


def test_a_run_is_over_when_its_row_is_terminal_whatever_its_execution_is() -> None:
    aborted = {"status": "ABORTED", "startDate": BEGAN}
    for status in ("Completed", "CompletedWithFailures", "Failed", "Aborted", "TimedOut"):
        assert is_over(state(status=status))
    assert not is_over(state())
    assert not is_over(state(aborted)), "the monitor has still to end it"
    assert not is_over(UNREGISTERED)
    assert is_over(REFUSED) and is_over(FORGOTTEN)


def test_the_page_of_commands_has_every_key_of_the_document() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    table = page.partition("| key | what it is |")[2].partition("\n\n")[0]
    first_cells = "".join(line.split(" | ")[0] for line in table.splitlines())
    assert set(re.findall(r"`(\w+)`", first_cells)) == set(run_views.document(state(), lambda _item: []))


def test_the_document_of_an_active_run() -> None:
    failed = row("c", "Failed", error="E", exit_code=1, stopped_reason="R", log_stream="s")
    waiting = {"waiting_since": "2026-11-24T09:00:00.000Z", "waiting_reason": "full"}
    document = run_views.document(
        state(None, row("a", "Completed"), row("b", "Running"), failed, **waiting),
        lambda item: [f"last words of {item['task_name']}"],
    )

    assert document == {
        "pattern": 1,
        "workflowName": "w",
        "workflowRunId": 1795510747476181,
        "status": "Running",
        "registered": True,
        "startTime": "2026-11-24T08:59:07.476Z",
        "updateTime": "2026-11-24T08:59:09.000Z",
        "endTime": None,
        "execution": {"arn": "arn:execution", "status": "RUNNING", "error": None, "cause": None},
        "summary": {"number_of_tasks": 3, "completed_tasks": 1, "failed_tasks": 0, "running_tasks": 2},
        "launchingEnded": True,
        "waitingForCapacitySince": "2026-11-24T09:00:00.000Z",
        "waitingReason": "full",
        "rerunOf": None,
        "rerunBy": None,
        "tasks": {"total": 3, "submitted": 3, "running": 1, "completed": 1, "failed": 1},
        "failedTasks": [
            {
                "taskName": "c",
                "attempt": 1,
                "error": "E",
                "exitCode": 1,
                "stoppedReason": "R",
                "ecsTask": "c/1",
                "logStream": "s",
                "log": ["last words of c"],
            }
        ],
    }
    assert run_views.lines(document) == [
        "pattern 1, workflow w, run 1795510747476181: Running",
        "  execution  RUNNING  arn:execution",
        "  time       started 2026-11-24T08:59:07.476Z, last looked at 2026-11-24T08:59:09.000Z",
        "  summary    1 completed, 0 failed, 2 running of 3",
        "  rows       3 of 3 submitted, 1 running, 1 completed, 1 failed",
        "  waiting    for capacity since 2026-11-24T09:00:00.000Z: full",
        "  task c failed (attempt 1): E; R; exit code 1",
        "    | last words of c",
    ]


def test_a_refused_run_says_why() -> None:
    assert run_views.lines(run_views.document(REFUSED, lambda _: [])) == [
        "pattern 1, workflow w, run 1795510747476181: Failed",
        "  execution  FAILED  arn:execution",
        "  time       started 2026-11-24T08:59:07.476Z, ended 2026-11-24T08:59:07.476Z",
        "  summary    none: the execution has registered no run",
        "  why        SpecRefused: no",
        "  what it means: `python automation/e2e.py explain SpecRefused`",
    ]


def test_past_runs_are_listed_newest_first_over_patterns_and_workflows() -> None:
    found = [
        (1, {**SUMMARY, "workflow_run_id": 7, "start_time": "2026-11-24T08:00:00.000Z"}),
        (2, {**SUMMARY, "workflow_run_id": 8, "status": "Failed", "end_time": "2026-11-24T09:00:07.250Z"}),
        (1, {"workflow_name": "other", "workflow_run_id": 6}),
    ]

    listed = run_views.past_runs(found)

    assert [run["workflowRunId"] for run in listed] == [8, 7, 6]
    assert run_views.table(listed) == [
        "pattern  workflow  run  status   tasks  completed  failed  running  started                   seconds",
        "2        w         8    Failed   3      1          0       2        2026-11-24T08:59:07.476Z  59.8",
        "1        w         7    Running  3      1          0       2        2026-11-24T08:00:00.000Z  -",
        "1        other     6    -        -      -          -       -        -                         -",
    ]


def test_a_stopped_run_has_ended_only_when_rows_counts_and_ecs_tasks_agree() -> None:
    aborted = state({"status": "ABORTED"}, status="Aborted", running_tasks=0)
    uncounted = state({"status": "ABORTED"}, status="Aborted", running_tasks=2)

    assert Look(aborted, ()).has_ended and Look(REFUSED, ()).has_ended
    for active in (Look(aborted, ("arn:task",)), Look(uncounted, ()), Look(state(), ())):
        assert not active.has_ended


def test_a_stopped_run_names_ten_of_its_ecs_tasks() -> None:
    lines = done(state(status="Aborted", failed_tasks=2, running_tasks=0), [f"arn:{number:02}" for number in range(12)])

    assert lines[9:] == [
        "arn:09 has stopped",
        "2 more ECS tasks have stopped",
        "run 1795510747476181 of workflow w (pattern 1): Aborted; 1 of 3 tasks completed, 2 failed; "
        "none of its ECS tasks runs",
    ]
