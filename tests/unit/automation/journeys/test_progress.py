"""What the user sees, also of a destroy that waits."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from ecs_kit.automation.journeys.progress import LiveProgress, Progress
from ecs_kit.automation.journeys.runs import Counts
from ecs_kit.automation.journeys.slow_deletions import SlowDeletions
from ecs_kit.automation.stacks.lifecycle import ResourceStep

CLUSTER = "aws:ecs/cluster:Cluster"


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
    assert "== deploy" in shown and "created 1 resources" in shown
    assert shown.count("FAILED to create aws:ecs:Cluster other") == 1
    assert "[not markup]" in shown
    assert "pattern 2: 1 of 1 submitted, 0 running, 1 completed, 0 failed (SUCCEEDED)" in shown
    logged = log.read_text(encoding="utf-8")
    assert "== deploy" in logged and "created aws:ecs:Cluster kit" in logged


def deletion(name: str, state: str = "started", kind: str = "subnet:Subnet", operation: str = "delete") -> ResourceStep:
    return ResourceStep(operation, f"aws:ec2/{kind}", name, state=state)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            [
                (5, deletion("monitor", kind="securityGroup:SecurityGroup")),
                *((10, deletion("1")), (11, deletion("2")), (20, deletion("2", "done"))),
            ],
            {49.9: None, 50: "aws:ec2:SecurityGroup monitor, for 45 s|aws:ec2:Subnet 1, for 40 s"},
        ),
        (
            [(0, deletion("1")), (0, deletion("2"))],
            {30: "aws:ec2:Subnet 1, for 30 s|aws:ec2:Subnet 2, for 30 s", 329: None}
            | {330: "aws:ec2:Subnet 1, for 6 min|aws:ec2:Subnet 2, for 6 min"},
        ),
        (
            [(0, deletion("1")), (0, deletion("2")), (340, deletion("1", "done"))],
            {369: None, 370: "aws:ec2:Subnet 2, for 6 min"},
        ),
        ([(0, deletion("1", operation="create")), (1, deletion("2")), (2, deletion("2", "failed"))], {1000: None}),
        (
            [(number, deletion(str(number))) for number in range(8)],
            {60: "|".join([*(f"aws:ec2:Subnet {number}, for {60 - number} s" for number in range(6)), "and 2 more"])},
        ),
    ],
    ids=["none ended for 30 s", "again after five minutes", "one ended", "none is open", "many are counted"],
)
def test_open_deletions_are_said_where_none_ends(
    steps: list[tuple[float, ResourceStep]], said: dict[float, str | None]
) -> None:
    deletions = SlowDeletions()
    for now, step in steps:
        deletions.note(step, now)
    for now, each in said.items():
        assert deletions.due(now) == (each and "\n  ".join(["still being deleted:", *each.split("|")]))
