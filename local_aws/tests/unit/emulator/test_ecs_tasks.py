"""The lives of ECS tasks."""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.emulator.aws_behaviour import ecs_events, execution_role
from local_aws.emulator.aws_behaviour.ecs_tasks import TaskLives

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/kit/0123456789abcdef"


class BrokenRuntime:
    """A machine that has no threads left."""

    def pull(self, _image: Any) -> Any:
        raise RuntimeError("can't start new thread")


def test_a_task_that_the_emulator_itself_cannot_start_stops_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(execution_role, "require_pull", lambda *_: None)
    monkeypatch.setattr(ecs_events, "task_changed", lambda task: told.append(task["lastStatus"]))
    task: dict[str, Any] = {"taskArn": ARN, "lastStatus": "PROVISIONING", "containers": [{"lastStatus": "PENDING"}]}
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kit:1"
    definition = {"containerDefinitions": [{"name": "app", "image": image}]}
    runtime: Any = BrokenRuntime()
    TaskLives(runtime).lead(task, definition, [], None, "123456789012", "eu-west-1")
    assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "TaskFailedToStart")
    assert task["stoppedReason"] == "InternalError: RuntimeError: can't start new thread"
    assert told[-1] == "STOPPED"
