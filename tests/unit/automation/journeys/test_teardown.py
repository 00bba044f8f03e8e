"""The end of a stack: what a destroy leaves is removed, and a slow one says what it waits for."""

import functools
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.journeys import runs, slow_deletions, teardown
from ecs_kit.automation.journeys.teardown import Teardown
from ecs_kit.automation.stacks import leftovers
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import OnResource, PhysicalResource, ResourceStep
from tests.unit.automation.journeys.fakes import Said

INSIGHTS = "/aws/ecs/containerinsights/kit/performance"
RESOURCES = [
    PhysicalResource("aws:ecs/cluster:Cluster", "urn", "gone", {"name": "kit"}, {}),
    PhysicalResource("aws:ecs/taskDefinition:TaskDefinition", "urn", "arn", {"family": "kit"}, {}),
]


class FakeStack:
    """A stack whose destroy leaves revisions, as `skip_destroy` has it."""

    name = "e2e"

    def __init__(self, failure: DriverError | None = None) -> None:
        self.failure = failure

    def resources(self) -> list[PhysicalResource]:
        return RESOURCES

    def destroy(self, *, on_resource: OnResource) -> None:
        if self.failure is not None:
            raise self.failure

    def remove(self) -> None:
        pass


class RetainingStack(FakeStack):
    """A stack with a bucket that outlives it."""

    def resources(self) -> list[PhysicalResource]:
        return [PhysicalResource("aws:s3/bucket:Bucket", "urn", "kept", {"bucket": "kept"}, {}, retained=True)]


def of(stack: Any, aws: Any, progress: Said) -> Teardown:
    target: Any = SimpleNamespace(name="aws", aws=aws, how_to_remove=lambda *_: [])
    return Teardown(stack, target, progress, progress.say)


def end(aws: AwsClients, stack: FakeStack) -> tuple[list[str], list[str]]:
    """The leftovers, and what was said."""
    progress = Said()
    ending = of(stack, aws, progress)
    ending.destroy()
    return ending.look_for_leftovers(), progress.said


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teardown, "sleep", lambda _seconds: None)


@pytest.fixture
def revisions(aws: AwsClients) -> None:
    for family in ("kit", "kit", "kit-more"):
        container = {"name": "c", "image": "i", "memory": 8}
        aws.ecs.register_task_definition(family=family, containerDefinitions=[container])  # type: ignore[list-item]


@pytest.mark.usefixtures("revisions")
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


def test_what_the_configuration_retains_is_named_and_is_no_leftover(aws: AwsClients) -> None:
    aws.s3.create_bucket(Bucket="kept")
    assert end(aws, RetainingStack()) == ([], ["retained by the configuration: aws:s3/bucket:Bucket kept"])


@pytest.mark.usefixtures("revisions")
def test_active_revisions_are_left_over_while_the_stack_is_not_destroyed(aws: AwsClients) -> None:
    left, _ = end(aws, FakeStack(DriverError("it stays")))

    assert left == ["ecs active task definition kit:1", "ecs active task definition kit:2"]


@pytest.mark.usefixtures("revisions")
def test_a_revision_that_is_listed_a_while_longer_is_deregistered_once(
    aws: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([["kit:1"], ["kit:1"], []])
    now = list[str]()

    def find(*_: object) -> leftovers.Leftovers:
        now[:] = next(looks)
        return leftovers.Leftovers(living=tuple(now))

    monkeypatch.setattr(leftovers, "active_revisions", lambda *_: now)
    monkeypatch.setattr(leftovers, "find", find)

    assert end(aws, FakeStack()) == ([], ["deregistered task definition kit:1"])


def test_a_log_group_that_ecs_makes_anew_is_deleted_as_often_as_it_comes_back(
    aws: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter([lambda: aws.logs.create_log_group(logGroupName=INSIGHTS), lambda: None])
    monkeypatch.setattr(teardown, "sleep", lambda _seconds: next(written)())
    for group in (INSIGHTS, f"{INSIGHTS}-of-another"):
        aws.logs.create_log_group(logGroupName=group)

    left, said = end(aws, FakeStack())

    assert left == []
    assert said.count(f"deleted log group {INSIGHTS}, which ECS had made anew") == 2
    groups = [group["logGroupName"] for group in aws.logs.describe_log_groups()["logGroups"]]
    assert groups == [f"{INSIGHTS}-of-another"]


class FakeTime(threading.Event):
    """An event whose waiting takes no time, and a clock that it drives."""

    seconds = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds += timeout or 0.0
        return super().wait(0)


@pytest.mark.parametrize("failure", [None, DriverError("it stays")])
def test_a_slow_destroy_says_what_it_waits_for_until_it_ends_or_fails(
    monkeypatch: pytest.MonkeyPatch, failure: DriverError | None
) -> None:
    told, ended = threading.Event(), FakeTime()

    class SlowStack(FakeStack):
        def destroy(self, *, on_resource: OnResource) -> None:
            on_resource(ResourceStep("delete", "aws:ec2/subnet:Subnet", "private-1", state="started"))
            assert told.wait(30)
            on_resource(ResourceStep("delete", "aws:ec2/subnet:Subnet", "private-1", state="failed"))
            super().destroy(on_resource=on_resource)

    class Listening(Said):
        def say(self, line: str) -> None:
            told.set()
            super().say(line)

    for stop in ("stop_open_executions", "stop_ecs_tasks"):
        monkeypatch.setattr(runs, stop, lambda *_: [])
    reported = functools.partial(slow_deletions.reported, clock=lambda: ended.seconds, ended=ended)
    monkeypatch.setattr(slow_deletions, "reported", reported)
    progress = Listening()

    assert of(SlowStack(failure), None, progress).destroy() == (failure is None)
    assert {"still being deleted:", "FAILED to delete aws:ec2:Subnet private-1"} <= set(progress.said)
    assert ended.is_set()
