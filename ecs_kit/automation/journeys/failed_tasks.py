"""Why tasks of a run failed: the last attempt's row and the end of its log, as data and as lines for people."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.reporter.items import Item, deciding_attempts
from ecs_kit.runtime.reporter.logs import readable

SHOWN_TASKS = 3
"""Failed tasks whose log's end is shown; the others are named."""
_NAMED_TASKS = 10
SHOWN_LOG_LINES = 8
_SHOWN_CHARACTERS = 300
_ATTRIBUTES = {
    "taskName": "task_name",
    "attempt": "attempt",
    "error": "error",
    "exitCode": "exit_code",
    "stoppedReason": "stopped_reason",
    "ecsTask": "ecs_task_id",
    "logStream": "log_stream",
}


def documents(details: Iterable[Item], log_of: Callable[[Item], Sequence[str]]) -> list[dict[str, Any]]:
    """The last attempt of each task that failed and never completed, by name; the first ones with their log's end."""
    deciding = sorted(deciding_attempts(details).items())
    failed = [item for _, item in deciding if item.get("status") == TaskStatus.FAILED]
    return [
        {
            **{name: item.get(attribute) for name, attribute in _ATTRIBUTES.items()},
            "log": list(log_of(item)) if number < SHOWN_TASKS else [],
        }
        for number, item in enumerate(failed)
    ]


def lines(failed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Failed tasks, from `documents`, for people."""
    shown: list[str] = []
    for task in failed[:SHOWN_TASKS]:
        error, stopped = (str(task[name] or "") for name in ("error", "stoppedReason"))
        exit_code = "" if task["exitCode"] is None else f"exit code {task['exitCode']}"
        reasons = [text for text in (error, "" if stopped in error else stopped, exit_code) if text]
        shown.append(f"task {task['taskName']} failed (attempt {task['attempt']}): {'; '.join(reasons) or 'no reason'}")
        log = [part for line in task["log"] for part in readable(line)]
        shown += [f"  | {line[:_SHOWN_CHARACTERS]}" for line in log[-SHOWN_LOG_LINES:]]
    if names := [str(task["taskName"]) for task in failed[SHOWN_TASKS:]]:
        more = f", and {len(names) - _NAMED_TASKS} more" if len(names) > _NAMED_TASKS else ""
        shown.append(f"{len(names)} more tasks failed: {', '.join(names[:_NAMED_TASKS])}{more}")
    return shown
