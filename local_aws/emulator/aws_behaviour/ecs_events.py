"""“ECS Task State Change” events on the account's default event bus.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html: one for every change of a task's
`lastStatus` or `desiredStatus`; the detail is the task as DescribeTasks returns it, with times as text.
"""

from __future__ import annotations

from typing import Any

from local_aws.emulator.aws_behaviour import ecs_api
from local_aws.emulator.aws_behaviour.calls import publish_event
from local_aws.emulator.aws_behaviour.patching import unless_left_out


@unless_left_out("ecs_events", lambda _task: None)
def task_changed(task: dict[str, Any]) -> None:
    """Publish the task as it is now."""
    publish_event("aws.ecs", "ECS Task State Change", ecs_api.described(task), task["taskArn"])
