"""“ECS Task State Change” events on the account's default event bus.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html: one for every change of a task's
`lastStatus` or `desiredStatus`; the detail is the task as DescribeTasks returns it, with times as text.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from local_aws.emulator.aws_behaviour import ecs_api
from local_aws.emulator.aws_behaviour.calls import publish_event
from local_aws.emulator.aws_behaviour.patching import unless_left_out


@unless_left_out("ecs_events", lambda _task: None)
def task_changed(task: dict[str, Any]) -> None:
    """Publish the task as it is now."""
    publish_event("aws.ecs", "ECS Task State Change", ecs_api.described(task), task["taskArn"])


_lock = threading.Lock()
_waiting: dict[str, list[Callable[[], None]]] = defaultdict(list)


def on_stopped(task_arn: str, call: Callable[[], None]) -> None:
    """Call something once, when the task has stopped from now on; nothing has to ask again and again."""
    with _lock:
        _waiting[task_arn].append(call)


def stopped(task_arn: str) -> None:
    """Call what waits for the task."""
    with _lock:
        calls = _waiting.pop(task_arn, [])
    for call in calls:
        call()
