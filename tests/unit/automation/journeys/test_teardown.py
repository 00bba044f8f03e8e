"""The end of a stack: what a destroy leaves is removed."""

from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.journeys import teardown
from ecs_kit.automation.journeys.teardown import Teardown
from ecs_kit.automation.stacks import leftovers
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import PhysicalResource

INSIGHTS = "/aws/ecs/containerinsights/kit/performance"


class FakeStack:
    """A stack whose destroy leaves revisions, as `skip_destroy` has it."""

    name = "e2e"

    def __init__(self, *, stays: bool = False) -> None:
        self.stays = stays

    def resources(self) -> list[PhysicalResource]:
        return [
            PhysicalResource("aws:ecs/cluster:Cluster", "urn", "gone", {"name": "kit"}, {}),
            PhysicalResource("aws:ecs/taskDefinition:TaskDefinition", "urn", "arn", {"family": "kit"}, {}),
        ]

    def destroy(self, **_: Any) -> None:
        if self.stays:
            raise DriverError("it stays")

    def remove(self) -> None:
        pass


class FakeTarget:
    name = "aws"

    def __init__(self, aws: AwsClients) -> None:
        self.aws = aws

    def how_to_remove(self, _stack: str, _work_dir: Path) -> list[str]:
        return []


class FakeProgress:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def resource(self, _step: object) -> None:
        pass


@pytest.fixture(autouse=True)
def revisions(aws: AwsClients) -> None:
    for family in ("kit", "kit", "kit-more"):
        container = {"name": "c", "image": "i", "memory": 8}
        aws.ecs.register_task_definition(family=family, containerDefinitions=[container])


def end(aws: AwsClients, stack: FakeStack) -> tuple[list[str], list[str]]:
    """The leftovers, and what was said."""
    progress = FakeProgress()
    ending = Teardown(
        stack,  # type: ignore[arg-type]
        target=FakeTarget(aws),  # type: ignore[arg-type]
        work_dir=Path(),
        progress=progress,  # type: ignore[arg-type]
        failed=progress.say,
    )
    ending.destroy()
    return ending.look_for_leftovers(), progress.said


def test_active_revisions_of_the_family_are_deregistered_after_a_destroy(aws: AwsClients) -> None:
    left, said = end(aws, FakeStack())

    assert left == []
    assert said == [
        "deregistered task definition kit:1",
        "deregistered task definition kit:2",
        "kept by AWS itself, costs nothing: ecs inactive task definition kit:1",
        "kept by AWS itself, costs nothing: ecs inactive task definition kit:2",
    ]
    active = aws.ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
    assert [arn.rsplit("/", 1)[-1] for arn in active] == ["kit-more:1"]


def test_a_revision_that_is_listed_a_while_longer_is_deregistered_once(
    aws: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([["kit:1"], ["kit:1"], []])
    now = list[str]()

    def list_active(*_: object) -> list[str]:
        return now

    def find(*_: object) -> leftovers.Leftovers:
        now[:] = next(looks)
        return leftovers.Leftovers(living=tuple(now))

    monkeypatch.setattr(leftovers, "active_revisions", list_active)
    monkeypatch.setattr(leftovers, "find", find)
    monkeypatch.setattr(teardown.time, "sleep", lambda _seconds: None)

    left, said = end(aws, FakeStack())

    assert (left, said) == ([], ["deregistered task definition kit:1"])


def test_they_stay_and_are_left_over_while_the_stack_is_not_destroyed(
    aws: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teardown.time, "sleep", lambda _seconds: None)

    left, _ = end(aws, FakeStack(stays=True))

    assert left == ["ecs active task definition kit:1", "ecs active task definition kit:2"]


def test_a_log_group_that_ecs_makes_anew_is_deleted_as_often_as_it_comes_back(
    aws: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter([lambda: aws.logs.create_log_group(logGroupName=INSIGHTS), lambda: None])
    monkeypatch.setattr(teardown.time, "sleep", lambda _seconds: next(written)())
    aws.logs.create_log_group(logGroupName=INSIGHTS)
    aws.logs.create_log_group(logGroupName=INSIGHTS + "-of-another")

    left, said = end(aws, FakeStack())

    assert left == []
    assert said.count(f"deleted log group {INSIGHTS}, which ECS had made anew") == 2
    assert [group["logGroupName"] for group in aws.logs.describe_log_groups()["logGroups"]] == [
        INSIGHTS + "-of-another"
    ]
