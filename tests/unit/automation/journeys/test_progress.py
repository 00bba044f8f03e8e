"""What the user sees."""

import io
from pathlib import Path

from rich.console import Console

from ecs_kit.automation.journeys.progress import LiveProgress, PlainProgress, short_type
from ecs_kit.automation.journeys.runs import Counts
from ecs_kit.automation.stacks.lifecycle import ResourceStep

CLUSTER = ResourceStep("create", "aws:ecs/cluster:Cluster", "kit")


def plain() -> tuple[PlainProgress, io.StringIO]:
    stream = io.StringIO()
    return PlainProgress(stream, clock=lambda: 0.0), stream


def test_types_are_short() -> None:
    assert short_type("aws:ecs/cluster:Cluster") == "aws:ecs:Cluster"
    assert short_type("kit:network:Network") == "kit:network:Network"


def test_what_failed_is_shown_at_once_and_what_was_done_by_number(tmp_path: Path) -> None:
    log, stream = tmp_path / "e2e.log", io.StringIO()
    progress = PlainProgress(stream, log=log, clock=lambda: 0.0)

    progress.phase("deploy")
    for number in range(26):
        for state in ("started", "done"):
            progress.resource(ResourceStep(CLUSTER.operation, CLUSTER.type, f"kit-{number}", state=state))
    progress.resource(ResourceStep(CLUSTER.operation, CLUSTER.type, CLUSTER.name, state="failed"))
    progress.resource(ResourceStep("same", CLUSTER.type, CLUSTER.name))
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


def test_counts_are_a_line_only_when_they_change() -> None:
    progress, stream = plain()

    for completed in (0, 0, 1):
        progress.counts(1, Counts(status="RUNNING", total=2, submitted=2, running=1, completed=completed))

    assert stream.getvalue().splitlines() == [
        "   0.0s    pattern 1: 2 of 2 submitted, 1 running, 0 completed, 0 failed (RUNNING)",
        "   0.0s    pattern 1: 2 of 2 submitted, 1 running, 1 completed, 0 failed (RUNNING)",
    ]


def test_columns_are_aligned() -> None:
    progress, stream = plain()

    progress.table("passed", ["pattern", "x"], [["1", "a"], ["2", "bb"]])

    assert [line[11:] for line in stream.getvalue().splitlines()[1:]] == ["pattern  x", "1        a", "2        bb"]


def test_the_live_view_ends_each_step_with_a_line_and_logs_plain_ones(tmp_path: Path) -> None:
    stream = io.StringIO()
    log = tmp_path / "e2e.log"
    progress = LiveProgress(log=log, console=Console(file=stream, width=120, force_terminal=False))

    progress.phase("deploy")
    progress.resource(ResourceStep("create", CLUSTER.type, CLUSTER.name, state="started"))
    progress.resource(CLUSTER)
    progress.resource(ResourceStep("create", CLUSTER.type, "other", state="failed"))
    progress.say("[not markup]")
    progress.phase("run")
    progress.counts(2, Counts(status="SUCCEEDED", total=1, submitted=1, completed=1))
    progress.table("passed", ["pattern"], [["2"]])
    progress.close()

    shown = stream.getvalue()
    assert "✓ deploy" in shown and "2 resources" in shown
    assert "FAILED to create aws:ecs:Cluster other" in shown
    assert "[not markup]" in shown
    assert "pattern 2: 1 of 1 submitted, 0 running, 1 completed, 0 failed (SUCCEEDED)" in shown
    logged = log.read_text(encoding="utf-8")
    assert "== deploy" in logged and "created aws:ecs:Cluster kit" in logged
