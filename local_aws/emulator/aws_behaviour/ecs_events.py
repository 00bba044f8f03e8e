"""“ECS Task State Change” events on the account's default event bus.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html: one for every change of a task's
`lastStatus` or `desiredStatus`; the detail is the task as DescribeTasks answers it, with times as text.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import eventbridge

from local_aws.emulator.aws_behaviour import ecs_api

DETAIL_TYPE = "ECS Task State Change"


def task_changed(task: dict[str, Any]) -> None:
    """Publish the task as it is now."""
    detail = ecs_api.described(task)
    eventbridge._put_events(
        {
            "Entries": [
                {
                    "Source": "aws.ecs",
                    "DetailType": DETAIL_TYPE,
                    "Detail": json.dumps(detail),
                    "Resources": [detail["taskArn"]],
                }
            ]
        },
        allow_aws_source=True,
    )
