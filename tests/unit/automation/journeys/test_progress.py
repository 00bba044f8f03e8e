"""What the user sees, also of a destroy that waits."""

import io
import threading
from pathlib import Path

import pytest
from rich.console import Console

from ecs_kit.automation.journeys import slow_deletions
from ecs_kit.automation.journeys.progress import LiveProgress, Progress
from ecs_kit.automation.journeys.runs import Counts
from ecs_kit.automation.journeys.slow_deletions import SlowDeletions
from ecs_kit.automation.stacks.lifecycle import ResourceStep

CLUSTER = "aws:ecs/cluster:Cluster"
SUBNET, GROUP = "aws:ec2/subnet:Subnet", "aws:ec2/securityGroup:SecurityGroup"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_failures_are_shown_at_once_and_other_resources_by_number(stream: io.StringIO, tmp_path: Path) -> None:
    log = tmp_path / "e2e.log"
    progress = Progress(stream, log=log, clock=lambda: 0.0)

    progress.phase("deploy")
    for number in range(26):
        for state in ("started", "done"):
            progress.resource(ResourceStep("create", CLUSTER, f"kit-{number}", state=state))
    progress.resource(ResourceStep("create", CLUSTER, "kit", state="failed"))
    progress.resource(ResourceStep("same", CLUSTER, "kit"))
    progress.phase("run")

    assert stream.getvalue().splitlines() == [
        "   0.0s == deploy",
        "   0.0s    created 25 resources, the last one aws:ecs:Cluster kit-24",
        "   0.0s    FAILED to create aws:ecs:Cluster kit",
        "   0.0s    created 26 resources",
        "   0.0s == run",
    ]
    logged = log.read_text(encoding="utf-8").splitlines()
    assert logged[1:27] == [f"   0.0s    created aws:ecs:Cluster kit-{number}" for number in range(26)]
    assert logged[27:] == ["   0.0s    FAILED to create aws:ecs:Cluster kit", "   0.0s == run"]


def test_counts_are_a_line_only_when_they_change(stream: io.StringIO) -> None:
    progress = Progress(stream, clock=lambda: 0.0)
    for completed in (0, 0, 1):
        progress.counts(1, Counts(status="RUNNING", total=2, submitted=2, running=1, completed=completed))

    assert stream.getvalue().splitlines() == [
        "   0.0s    pattern 1: 2 of 2 submitted, 1 running, 0 completed, 0 failed (RUNNING)",
        "   0.0s    pattern 1: 2 of 2 submitted, 1 running, 1 completed, 0 failed (RUNNING)",
    ]


def test_columns_are_aligned(stream: io.StringIO) -> None:
    Progress(stream, clock=lambda: 0.0).table("passed", ["pattern", "x"], [["1", "a"], ["2", "bb"]])

    assert [line[11:] for line in stream.getvalue().splitlines()[1:]] == ["pattern  x", "1        a", "2        bb"]


def test_the_live_view_ends_each_step_with_a_line_and_logs_plain_ones(stream: io.StringIO, tmp_path: Path) -> None:
    log = tmp_path / "e2e.log"
    progress = LiveProgress(log=log, console=Console(file=stream, width=120, force_terminal=False))

    progress.phase("deploy")
    progress.resource(ResourceStep("create", CLUSTER, "kit", state="started"))
    progress.resource(ResourceStep("create", CLUSTER, "kit"))
    progress.resource(ResourceStep("create", CLUSTER, "other", state="failed"))
    progress.say("[not markup]")
    progress.phase("run")
    progress.counts(2, Counts(status="SUCCEEDED", total=1, submitted=1, completed=1))
    progress.table("passed", ["pattern"], [["2"]])
    progress.close()

    shown = stream.getvalue()
    assert "✓ deploy" in shown and "2 resources" in shown
    assert shown.count("FAILED to create aws:ecs:Cluster other") == 1
    assert "[not markup]" in shown
    assert "pattern 2: 1 of 1 submitted, 0 running, 1 completed, 0 failed (SUCCEEDED)" in shown
    logged = log.read_text(encoding="utf-8")
    assert "== deploy" in logged and "created aws:ecs:Cluster kit" in logged


def deletion(type_: str, name: str, state: str = "started") -> ResourceStep:
    return ResourceStep("delete", type_, name, state=state)


@pytest.fixture
def deletions() -> SlowDeletions:
    return SlowDeletions()


def test_open_deletions_are_said_when_none_ended_for_30_seconds(deletions: SlowDeletions) -> None:
    deletions.note(deletion(GROUP, "monitor"), 5.0)
    deletions.note(deletion(SUBNET, "private-1"), 10.0)
    deletions.note(deletion(SUBNET, "private-2"), 11.0)
    deletions.note(deletion(SUBNET, "private-2", "done"), 20.0)
    assert deletions.due(49.9) is None
    assert deletions.due(50.0) == (
        "still being deleted:\n  aws:ec2:SecurityGroup monitor, for 45 s\n  aws:ec2:Subnet private-1, for 40 s"
    )


def test_open_deletions_are_said_again_after_five_minutes_unless_one_ended(deletions: SlowDeletions) -> None:
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


def test_nothing_is_said_without_open_deletions(deletions: SlowDeletions) -> None:
    deletions.note(ResourceStep("create", SUBNET, "private-1", state="started"), 0.0)
    deletions.note(deletion(SUBNET, "private-2"), 1.0)
    deletions.note(deletion(SUBNET, "private-2", "failed"), 2.0)
    assert deletions.due(1000.0) is None


def test_many_open_deletions_are_counted(deletions: SlowDeletions) -> None:
    for number in range(8):
        deletions.note(deletion(SUBNET, f"private-{number}"), float(number))
    said = str(deletions.due(60.0)).splitlines()
    assert said[-2:] == ["  aws:ec2:Subnet private-5, for 55 s", "  and 2 more"]


class FakeTime(threading.Event):
    """An event whose waiting takes no time, and a clock that it drives."""

    seconds = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds += timeout or 0.0
        return super().wait(0)


def test_open_deletions_are_said_until_the_destroy_ends_or_fails() -> None:
    told, ended = threading.Event(), FakeTime()
    said: list[str] = []
    steps: list[ResourceStep] = []

    def say(line: str) -> None:
        said.append(line)
        told.set()

    with (
        pytest.raises(RuntimeError),
        slow_deletions.reported(say, steps.append, clock=lambda: ended.seconds, ended=ended) as on_resource,
    ):
        on_resource(deletion(SUBNET, "private-1"))
        assert told.wait(30)
        raise RuntimeError
    assert steps == [deletion(SUBNET, "private-1")]
    assert said[0].startswith("still being deleted:\n  aws:ec2:Subnet private-1, for 3")
    assert ended.is_set()
