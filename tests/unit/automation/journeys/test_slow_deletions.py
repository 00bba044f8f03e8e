"""What a destroy says while it waits."""

import functools
import io
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ecs_kit.automation.journeys import runs, slow_deletions
from ecs_kit.automation.journeys.progress import PlainProgress
from ecs_kit.automation.journeys.slow_deletions import SlowDeletions
from ecs_kit.automation.journeys.teardown import Teardown
from ecs_kit.automation.stacks.lifecycle import Changes, OnResource, ResourceStep

SUBNET, GROUP = "aws:ec2/subnet:Subnet", "aws:ec2/securityGroup:SecurityGroup"


def deletion(type_: str, name: str, state: str = "started") -> ResourceStep:
    return ResourceStep("delete", type_, name, state=state)


def test_what_is_still_being_deleted_is_said_when_nothing_went_for_30_seconds() -> None:
    deletions = SlowDeletions()
    deletions.note(deletion(GROUP, "monitor"), 5.0)
    deletions.note(deletion(SUBNET, "private-1"), 10.0)
    deletions.note(deletion(SUBNET, "private-2"), 11.0)
    deletions.note(deletion(SUBNET, "private-2", "done"), 20.0)
    assert deletions.due(49.9) is None
    assert deletions.due(50.0) == (
        "still being deleted:\n  aws:ec2:SecurityGroup monitor, for 45 s\n  aws:ec2:Subnet private-1, for 40 s"
    )


def test_it_is_said_again_after_five_minutes_unless_something_went() -> None:
    deletions = SlowDeletions()
    deletions.note(deletion(SUBNET, "private-1"), 0.0)
    deletions.note(deletion(SUBNET, "private-2"), 0.0)
    assert deletions.due(30.0) is not None
    assert deletions.due(329.0) is None
    assert deletions.due(330.0) == (
        "still being deleted:\n  aws:ec2:Subnet private-1, for 6 min\n  aws:ec2:Subnet private-2, for 6 min"
    )
    deletions.note(deletion(SUBNET, "private-1", "done"), 340.0)
    assert deletions.due(369.0) is None
    assert deletions.due(370.0) == "still being deleted:\n  aws:ec2:Subnet private-2, for 6 min"


def test_nothing_is_said_where_nothing_is_being_deleted() -> None:
    deletions = SlowDeletions()
    deletions.note(ResourceStep("create", SUBNET, "private-1", state="started"), 0.0)
    deletions.note(deletion(SUBNET, "private-2"), 1.0)
    deletions.note(deletion(SUBNET, "private-2", "failed"), 2.0)
    assert deletions.due(1000.0) is None


def test_many_are_counted() -> None:
    deletions = SlowDeletions()
    for number in range(8):
        deletions.note(deletion(SUBNET, f"private-{number}"), float(number))
    said = deletions.due(60.0)
    assert said is not None
    assert said.splitlines()[-2:] == ["  aws:ec2:Subnet private-5, for 55 s", "  and 2 more"]


class FakeTime(threading.Event):
    """An event whose waiting takes no time, and a clock that it drives."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds += timeout or 0.0
        return super().wait(0)


@pytest.mark.parametrize("fails", [False, True])
def test_the_engines_steps_are_handed_on_and_the_user_hears_until_the_end(fails: bool) -> None:
    told, steps, ended = threading.Event(), [], FakeTime()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        told.set()

    def destroy() -> None:
        with slow_deletions.reported(say, steps.append, clock=lambda: ended.seconds, ended=ended) as on_resource:
            on_resource(deletion(SUBNET, "private-1"))
            assert told.wait(30)
            if fails:
                raise RuntimeError

    if fails:
        with pytest.raises(RuntimeError):
            destroy()
    else:
        destroy()
    assert steps == [deletion(SUBNET, "private-1")]
    assert said[0].startswith("still being deleted:\n  aws:ec2:Subnet private-1, for 3")
    assert ended.is_set()


def test_a_destroy_says_it_to_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told, ended = threading.Event(), FakeTime()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "still being deleted" in text:
                told.set()
            return super().write(text)

    class Stack:
        def resources(self) -> list[Any]:
            return []

        def destroy(self, *, on_resource: OnResource) -> Changes:
            on_resource(deletion(SUBNET, "private-1"))
            assert told.wait(30)
            return Changes({"delete": 1}, ())

    for look in ("stop_open_executions", "stop_ecs_tasks"):
        monkeypatch.setattr(runs, look, lambda *_: [])
    reported = functools.partial(slow_deletions.reported, clock=lambda: ended.seconds, ended=ended)
    monkeypatch.setattr(slow_deletions, "reported", reported)
    target: Any = SimpleNamespace(aws=None)
    stack: Any = Stack()
    progress = PlainProgress(Stream())
    assert Teardown(stack, target=target, work_dir=tmp_path, progress=progress, failed=pytest.fail).destroy()
