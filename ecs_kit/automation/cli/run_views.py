"""Runs as JSON documents, as lines and as tables: pure functions of what was read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ecs_kit.automation.cli import explain
from ecs_kit.automation.journeys import failed_tasks
from ecs_kit.automation.journeys.find_runs import started
from ecs_kit.automation.journeys.progress import columns
from ecs_kit.automation.journeys.tables import COUNTS
from ecs_kit.runtime.reporter.counts import counts_of, status_of
from ecs_kit.runtime.reporter.items import Item
from ecs_kit.runtime.reporter.run_state import RunState


def document(state: RunState, log_of: Callable[[Item], Sequence[str]]) -> dict[str, Any]:
    """A run's state, as `status --json` prints it."""
    row = state.summary or {}
    execution = state.execution or {}
    counts = counts_of(state)
    return {
        "pattern": state.key.pattern,
        "workflowName": state.key.workflow_name,
        "workflowRunId": state.key.run_id,
        "status": status_of(state),
        "registered": state.summary is not None,
        "startTime": row.get("start_time") or _iso(execution.get("startDate")),
        "updateTime": row.get("update_time"),
        "endTime": row.get("end_time") or _iso(execution.get("stopDate")),
        "execution": {
            "arn": state.key.execution_arn or None,
            **{name: execution.get(name) for name in ("status", "error", "cause")},
        },
        "summary": {name: row.get(name) for name in COUNTS},
        "launchingEnded": row.get("launching_ended"),
        "rerunOf": row.get("rerun_of"),
        "rerunBy": row.get("rerun_by"),
        "waitingForCapacitySince": row.get("waiting_since"),
        "waitingReason": row.get("waiting_reason"),
        "tasks": {name: getattr(counts, name) for name in ("total", "submitted", "running", "completed", "failed")},
        "failedTasks": failed_tasks.documents(state.details, log_of),
    }


def lines(run: Mapping[str, Any]) -> list[str]:
    """A document as lines."""
    execution, summary, tasks = run["execution"], run["summary"], run["tasks"]
    ended = f"ended {run['endTime']}" if run["endTime"] else f"last looked at {_or(run['updateTime'])}"
    shown = [
        f"pattern {run['pattern']}, workflow {run['workflowName']}, run {run['workflowRunId']}: {run['status']}",
        f"  execution  {_or(execution['status'], 'not known to Step Functions any more')}  {_or(execution['arn'])}",
        f"  time       started {_or(run['startTime'])}, {ended}",
    ]
    if run["registered"]:
        shown += [
            f"  summary    {summary['completed_tasks']} completed, {summary['failed_tasks']} failed, "
            f"{summary['running_tasks']} running of {summary['number_of_tasks']}",
            f"  rows       {tasks['submitted']} of {tasks['total']} submitted, {tasks['running']} running, "
            f"{tasks['completed']} completed, {tasks['failed']} failed",
        ]
        if run["rerunOf"]:
            shown.append(f"  rerun of   run {run['rerunOf']}: the tasks that did not complete in it")
        if run["rerunBy"]:
            shown.append(f"  rerun by   run {run['rerunBy']}: the tasks that did not complete")
        if run["waitingForCapacitySince"]:
            shown.append(
                f"  waiting    for capacity since {run['waitingForCapacitySince']}: {_or(run['waitingReason'])}"
            )
    else:
        shown.append("  summary    none: the execution has registered no run")
    why = ": ".join(part for part in (execution["error"], execution["cause"]) if part)
    shown += [f"  {'   ' if number else 'why'}        {line}" for number, line in enumerate(why.splitlines())]
    shown += [f"  {line}" for line in failed_tasks.lines(run["failedTasks"])]
    codes = [execution["error"], *(task["error"] for task in run["failedTasks"])]
    return [*shown, *(f"  {line}" for line in explain.hint([str(code).partition(":")[0] for code in codes if code]))]


def past_runs(found: Iterable[tuple[int, Item]]) -> list[dict[str, Any]]:
    """Runs as `runs --json` prints them, newest first; `found` has pattern and summary item of each."""
    newest_first = sorted(found, key=lambda entry: started(entry[1]), reverse=True)
    return [
        {
            "pattern": pattern,
            "workflowName": item["workflow_name"],
            "workflowRunId": item["workflow_run_id"],
            "status": item.get("status"),
            **{name: item.get(name) for name in COUNTS},
            "startTime": item.get("start_time"),
            "endTime": item.get("end_time"),
            "executionArn": item.get("execution_arn"),
        }
        for pattern, item in newest_first
    ]


HEADER = ("pattern", "workflow", "run", "status", "tasks", "completed", "failed", "running", "started", "seconds")


def table(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The documents of `past_runs` as aligned columns."""
    shown = ("pattern", "workflowName", "workflowRunId", "status", *COUNTS, "startTime")
    return columns([HEADER, *((*(_or(run[name]) for name in shown), _seconds(run)) for run in runs)])


def _seconds(run: Mapping[str, Any]) -> str:
    if not run["startTime"] or not run["endTime"]:
        return "-"
    start, end = (datetime.fromisoformat(run[name]) for name in ("startTime", "endTime"))
    return f"{(end - start).total_seconds():.1f}"


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _or(value: object, otherwise: str = "-") -> str:
    return otherwise if value is None else str(value)
