"""Rules of Amazon ECS that need no task."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from local_aws.emulator.aws_behaviour import (
    ecs_api,
    ecs_events,
    ecs_tasks,
    execution_role,
    fargate_quota,
    request_authorization,
)
from local_aws.emulator.aws_behaviour.calls import Refused
from local_aws.emulator.aws_behaviour.ecs_tasks import Capacity, TaskLives, why_stopped
from local_aws.testing.aws import ask_until

SCOPE = ("eu-west-1", "123456789012")
PREFIX = "arn:aws:ecs:eu-west-1:123456789012"


def definition(**more: Any) -> dict[str, Any]:
    return {"cpu": "256", "memory": "512", "networkMode": "awsvpc", "executionRoleArn": "arn", **more}


def test_fargate_takes_the_sizes_it_offers() -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html."""
    for memory in ("512", "1024", "2048"):
        ecs_api.check_fargate(definition(memory=memory))
    ecs_api.check_fargate(definition(cpu="16384", memory="122880"))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"memory": "4096"}, "No Fargate configuration exists"),
        ({"cpu": "300"}, "No Fargate configuration exists"),
        ({"cpu": None}, "'cpu' and 'memory'"),
        ({"networkMode": "bridge"}, "awsvpc"),
        (
            {"executionRoleArn": "", "containerDefinitions": [{"logConfiguration": {"logDriver": "awslogs"}}]},
            "log driver awslogs",
        ),
        (
            {
                "executionRoleArn": "",
                "containerDefinitions": [{"image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/job:1"}],
            },
            "ECR images",
        ),
    ],
)
def test_fargate_refuses_what_it_cannot_run(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        ecs_api.check_fargate(definition(**wrong))


def test_capabilities_without_a_name_are_not_kept() -> None:
    container = {"name": "app", "linuxParameters": {"capabilities": {}}}
    assert ecs_api.described_container(container)["linuxParameters"] == {}


@pytest.mark.parametrize(
    ("action", "request_", "resources"),
    [
        ("ListTasks", {"cluster": "c"}, ["*"]),
        ("ListTasks", {"cluster": "c", "containerInstance": "i"}, [f"{PREFIX}:container-instance/c/i"]),
        ("RegisterTaskDefinition", {"family": "f"}, [f"{PREFIX}:task-definition/f:*"]),
        ("DeregisterTaskDefinition", {"taskDefinition": "f:1"}, ["*"]),
        ("CreateCluster", {"clusterName": "c"}, None),
    ],
)
def test_calls_are_authorized_on_the_resources_of_the_reference(
    action: str, request_: dict[str, Any], resources: list[str] | None
) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html."""
    assert request_authorization.ecs_resources(action, request_, *SCOPE) == resources


def test_calls_on_tasks_carry_their_cluster() -> None:
    for action in ("RunTask", "StopTask", "DescribeTasks", "ListTasks"):
        keys = request_authorization.ecs_keys(action, {"cluster": "c"}, *SCOPE)
        assert keys == {"ecs:cluster": f"{PREFIX}:cluster/c"}
    assert request_authorization.ecs_keys("CreateCluster", {"cluster": "c"}, *SCOPE) == {}


def test_a_quota_of_vcpus_counts_what_has_not_stopped_on_demand_and_spot_apart() -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html."""
    spot = {"capacityProviderName": "FARGATE_SPOT"}
    tasks = [
        {"launchType": "FARGATE", "lastStatus": "PROVISIONING", "cpu": "256"},
        {"launchType": "FARGATE", "lastStatus": "RUNNING", "cpu": "256", "overrides": {"cpu": "1024"}},
        {"launchType": "FARGATE", "lastStatus": "DEPROVISIONING", "cpu": "512", **spot},
        {"launchType": "FARGATE", "lastStatus": "STOPPED", "cpu": "4096"},
        {"launchType": "EC2", "lastStatus": "RUNNING", "cpu": "4096"},
    ]
    assert [fargate_quota.units_in_use(tasks, spot=spot) for spot in (False, True)] == [1280, 512]


class BrokenRuntime:
    """A machine that has no threads left."""

    def pull(self, _image: Any) -> Any:
        raise RuntimeError("can't start new thread")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What events say of tasks."""
    told: list[str] = []
    monkeypatch.setattr(execution_role, "denial", lambda *_: None)
    monkeypatch.setattr(ecs_events, "task_changed", lambda task: told.append(task["lastStatus"]))
    return told


def new_task() -> dict[str, Any]:
    arn = f"{PREFIX}:task/kit/0123456789abcdef"
    return {"taskArn": arn, "lastStatus": "PROVISIONING", "containers": [{"lastStatus": "PENDING"}]}


def live(lives: TaskLives, task: dict[str, Any]) -> None:
    """Run a task until it has stopped."""
    runtime: Any = BrokenRuntime()
    lives.runtime = runtime
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kit:1"
    lives.run(task, {"containerDefinitions": [{"name": "app", "image": image}]}, [], None, "123456789012", "eu-west-1")


def waiting_task() -> tuple[TaskLives, dict[str, Any], threading.Thread]:
    """A task that waits, because another one has the only room."""
    lives, task = TaskLives(), new_task()
    lives.capacity = Capacity(1)
    lives.capacity.take(threading.Event(), lambda: True)
    thread = threading.Thread(target=live, args=(lives, task))
    thread.start()
    ask_until(lambda: lives.capacity.waiting == 1)
    return lives, task, thread


def test_a_task_waits_for_room_on_the_machine(told: list[str]) -> None:
    lives, task, thread = waiting_task()
    assert told == ["PROVISIONING"]
    lives.capacity.give_back()
    thread.join()
    assert task["stopCode"] == "TaskFailedToStart" and "PENDING" in told


def test_a_task_that_is_stopped_while_it_waits_for_room_takes_none(told: list[str]) -> None:
    lives, task, thread = waiting_task()
    lives.stop(task, "no longer needed", "UserInitiated")
    thread.join()
    assert (task["lastStatus"], task["stoppedReason"]) == ("STOPPED", "no longer needed")
    assert "PENDING" not in told and lives.capacity.waiting == 0
    lives.capacity.give_back()
    assert lives.capacity.take(threading.Event(), lambda: False), "the room is there for the next task"


def test_a_task_that_the_emulator_itself_cannot_start_stops_all_the_same(told: list[str]) -> None:
    task = new_task()
    live(TaskLives(), task)
    assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "TaskFailedToStart")
    assert task["stoppedReason"] == "InternalError: RuntimeError: can't start new thread"
    assert told[-1] == "STOPPED"


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"exitCode": 0}, ("Essential container exited", "EssentialContainerExited")),
        ({"exitCode": 137, "reason": "OutOfMemoryError"}, ("OutOfMemoryError", "EssentialContainerExited")),
        ({"reason": "Host EC2 (instance h) terminated."}, ("Host EC2 (instance h) terminated.", "TerminationNotice")),
    ],
    ids=["exited", "out of memory", "host lost"],
)
def test_why_a_task_stopped_follows_from_its_container(container: dict[str, Any], expected: tuple[str, str]) -> None:
    assert why_stopped(container) == expected


@pytest.mark.parametrize(("limit", "tasks"), [("2147483648\n", 25), ("268435456\n", ecs_tasks.FEWEST_AT_ONCE)])
def test_a_container_s_limit_bounds_how_many_tasks_run_at_once(
    limit: str, tasks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = ecs_tasks.tasks_at_once()
    file = tmp_path / "memory.max"
    monkeypatch.setattr(ecs_tasks, "CGROUP_LIMIT", file)
    file.write_text(limit)
    assert ecs_tasks.tasks_at_once() == tasks
    file.write_text("max\n")
    assert ecs_tasks.tasks_at_once() >= machine
