"""The end of a task's log, and its lines for people."""

import json
from collections.abc import Mapping
from typing import Any

from ecs_kit.runtime.reporter.clients import ReadClients

MAX_LOG_LINES = 20
_TRACEBACK_LINES = 4
_SAME_IN_ALL_LINES = frozenset(
    {"time", "level", "message", "workflowName", "workflowRunId", "taskName", "attempt", "ecsTask", "exception"}
)


def log_tail(aws: ReadClients, log_group: str, item: Mapping[str, Any]) -> list[str]:
    """The last lines of an ECS task's log, none where it has no log; `item` is its item of the details table."""
    stream = item.get("log_stream")
    if not stream:
        return []
    try:
        events = aws.logs.get_log_events(
            logGroupName=log_group, logStreamName=str(stream), limit=MAX_LOG_LINES, startFromHead=False
        )["events"]
    except aws.logs.exceptions.ResourceNotFoundException:
        return []
    return [event.get("message", "").rstrip() for event in events]


def readable(line: str) -> list[str]:
    """A line of a task's log; the kit's own, which are JSON, without what is the same in all of them.

    An exception's traceback is shown by its last lines. A line that carries metrics alone says nothing about a failure.
    """
    try:
        entry = json.loads(line)
    except ValueError:
        return [line]
    if not isinstance(entry, dict) or not {"time", "level", "message"} <= set(entry):
        return [line]
    if "_aws" in entry:
        return []
    more = [f"{name}={value}" for name, value in entry.items() if name not in _SAME_IN_ALL_LINES]
    traceback = str(entry.get("exception") or "").splitlines()
    return [" ".join([entry["time"], entry["level"], entry["message"], *more]), *traceback[-_TRACEBACK_LINES:]]
