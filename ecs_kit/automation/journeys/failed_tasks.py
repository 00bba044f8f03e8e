"""Why tasks of a run failed: the last attempt's row and the end of its log, as data and as lines for people."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ecs_kit.automation.journeys.tables import Item, deciding_attempts
from ecs_kit.runtime.contract.statuses import TaskStatus

SHOWN_TASKS = 3
"""Failed tasks whose log's end is shown; the others are named."""
SHOWN_LOG_LINES = 8
_SHOWN_CHARACTERS = 300
_TRACEBACK_LINES = 4
_SAME_IN_ALL_LINES = frozenset(
    {"time", "level", "message", "workflowName", "workflowRunId", "taskName", "attempt", "ecsTask", "exception"}
)


def failed_tasks(details: Iterable[Item]) -> list[Item]:
    """The last attempt of each task that failed and was never completed, by the tasks' names.

    Args:
        details: items of the details table, of one run.
    """
    deciding = sorted(deciding_attempts(details).items())
    return [item for _name, item in deciding if item.get("status") == TaskStatus.FAILED]


def document(item: Item, log: Sequence[str]) -> dict[str, Any]:
    """A failed task as reports have it."""
    return {
        "taskName": item.get("task_name"),
        "attempt": item.get("attempt"),
        "error": item.get("error"),
        "exitCode": item.get("exit_code"),
        "stoppedReason": item.get("stopped_reason"),
        "ecsTask": item.get("ecs_task_id"),
        "logStream": item.get("log_stream"),
        "log": list(log),
    }


def documents(details: Iterable[Item], log_of: Callable[[Item], Sequence[str]]) -> list[dict[str, Any]]:
    """Every failed task of a run; the first `SHOWN_TASKS` with the end of their log.

    Args:
        details: items of the details table.
        log_of: reads the end of an attempt's log.
    """
    failed = failed_tasks(details)
    return [document(item, log_of(item) if at < SHOWN_TASKS else ()) for at, item in enumerate(failed)]


def readable(line: str) -> list[str]:
    """A line of a task's log; the kit's own, which are JSON, without what is the same in all of them.

    An exception's traceback is shown by its last lines.
    """
    try:
        entry = json.loads(line)
    except ValueError:
        return [line]
    if not isinstance(entry, dict) or not {"time", "level", "message"} <= set(entry):
        return [line]
    more = [f"{name}={value}" for name, value in entry.items() if name not in _SAME_IN_ALL_LINES]
    traceback = str(entry.get("exception") or "").splitlines()
    return [" ".join([entry["time"], entry["level"], entry["message"], *more]), *traceback[-_TRACEBACK_LINES:]]


def lines(failed: Sequence[Mapping[str, Any]]) -> list[str]:
    """What people are shown of failed tasks.

    Args:
        failed: from `documents`.
    """
    shown: list[str] = []
    for task in failed[:SHOWN_TASKS]:
        error, stopped = (str(task[name] or "") for name in ("error", "stoppedReason"))
        reasons = [text for text in (error, "" if stopped in error else stopped) if text]
        if task["exitCode"] is not None:
            reasons.append(f"exit code {task['exitCode']}")
        shown.append(f"task {task['taskName']} failed (attempt {task['attempt']}): {'; '.join(reasons) or 'no reason'}")
        log = [part for line in task["log"] for part in readable(line)]
        shown += [f"  | {line[:_SHOWN_CHARACTERS]}" for line in log[-SHOWN_LOG_LINES:]]
    if len(failed) > SHOWN_TASKS:
        names = [str(task["taskName"]) for task in failed[SHOWN_TASKS:]]
        more = f", and {len(names) - 10} more" if len(names) > 10 else ""
        shown.append(f"{len(names)} more tasks failed: {', '.join(names[:10])}{more}")
    return shown
