"""What the user sees, also of a destroy that waits."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ecs_kit.automation.journeys.progress import LiveProgress, Progress, QuietProgress, Rate
from ecs_kit.automation.journeys.slow_deletions import SlowDeletions
from ecs_kit.automation.stacks.lifecycle import ResourceStep
from ecs_kit.runtime.reporter.counts import Counts, Failure
from ecs_kit.runtime.reporter.run_state import RunKey

CLUSTER = "aws:ecs/cluster:Cluster"
RUN = RunKey(1, "w", 7, "arn:execution", {})


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
        progress.counts(RUN, Counts(status="RUNNING", total=2, submitted=2, running=1, completed=completed))

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
    progress.counts(replace(RUN, pattern=2), Counts(status="SUCCEEDED", total=1, submitted=1, completed=1))
    progress.table("passed", ["pattern"], [["2"]])
    progress.close()

    shown = stream.getvalue()
    assert "== deploy" in shown and "created 1 resources" in shown
    assert shown.count("FAILED to create aws:ecs:Cluster other") == 1
    assert "[not markup]" in shown
    assert "pattern 2: 1 of 1 submitted, 0 running, 1 completed, 0 failed (SUCCEEDED)" in shown
    logged = log.read_text(encoding="utf-8")
    assert "== deploy" in logged and "created aws:ecs:Cluster kit" in logged


def test_the_rate_is_that_of_the_last_minute_and_gives_the_time_left() -> None:
    rate = Rate()
    assert rate.text(10) == ""
    rate.add(0.0, 0)
    assert rate.text(10) == "", "nothing has ended"
    rate.add(10.0, 20)
    assert rate.text(40) == "2.0/s, about 20 s left"
    for seconds in (70.0, 130.0):
        rate.add(seconds, 22)
    assert rate.text(40) == "", "nothing in the last minute"
    rate.add(160.0, 25)
    assert rate.text(15) == "2.0/min, about 8 min left"
    assert rate.text(0) == ""


def test_the_live_view_has_a_bar_for_each_run_with_rate_time_left_wait_and_newest_failures(stream: io.StringIO) -> None:
    now = [0.0]
    console = Console(file=stream, width=160, force_terminal=False)
    progress = LiveProgress(console=console, clock=lambda: now[0])
    failures = tuple(Failure(f"2026-11-24T09:00:0{n}Z", f"t{n}", 1, f"JobFailed: no {n}") for n in range(4))
    progress.counts(RUN, Counts("Running", total=20))
    now[0] = 10.0
    waiting = "waiting for capacity since 2026-11-24T09:00:00.000Z: full"
    progress.counts(RUN, Counts("Running", 20, 12, 2, 6, 4, waiting, failures))
    console.print(progress._render())
    progress.close()

    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    bar = next(line for line in lines if "about 10 s left" in line)
    assert bar.startswith("   pattern 1 ") and "10/20" in bar and "1.0/s" in bar
    assert "6 completed" in bar and "4 failed" in bar and "2 running" in bar
    following = lines[lines.index(bar) + 1 :][:4]
    assert following == [f"     {waiting}", *(f"     t{n}, attempt 1: JobFailed: no {n}" for n in (1, 2, 3))]


@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_bar_is_one_line_however_narrow_the_terminal_is(stream: io.StringIO, width: int) -> None:
    console = Console(file=stream, width=width, force_terminal=False)
    progress = LiveProgress(console=console, clock=lambda: 0.0)
    progress.counts(RUN, Counts("Running", 10_000, 9_999, 40, 9_000, 999))
    stream.truncate(0)
    console.print(progress._render())
    (line,) = [line for line in stream.getvalue().splitlines() if line.strip("\x00 ")]
    progress.close()
    assert "9999/10000" in line and (width < 80 or "999 failed" in line)


def test_quiet_shows_problems_alone_and_logs_everything(stream: io.StringIO, tmp_path: Path) -> None:
    progress = QuietProgress(stream, log=tmp_path / "log", clock=lambda: 0.0)
    progress.phase("run")
    progress.say("all is well")
    progress.counts(RUN, Counts("Running", 2))
    progress.problem("FAILED: no\nbecause")

    assert stream.getvalue() == "   0.0s    FAILED: no\n   0.0s    because\n"
    logged = (tmp_path / "log").read_text(encoding="utf-8")
    assert "all is well" in logged and "0 of 2 submitted" in logged and logged.count("because") == 1


def test_other_programs_get_an_object_for_every_change_and_each_failed_attempt_once() -> None:
    events, shown = io.StringIO(), io.StringIO()
    progress = Progress(shown, clock=lambda: 0.0, events=events)
    first, second = Failure("2026-11-24T09:00:02Z", "b", 1, "E"), Failure("2026-11-24T09:00:01Z", "a", 1, "F")
    progress.phase("run")
    progress.resource(ResourceStep("create", CLUSTER, "kit", state="started"))
    progress.resource(ResourceStep("create", CLUSTER, "kit"))
    for counts in (
        Counts("Running", 3, failures=(first,)),
        Counts("Running", 3, failures=(first,)),
        Counts("Running", 3, failed=1, failures=(second, first)),
    ):
        progress.counts(RUN, counts)
    progress.problem("no")
    progress.end(runs=[])

    told = [json.loads(line) for line in events.getvalue().splitlines()]
    assert all(each.pop("time").endswith("Z") for each in told)
    of_run = {"pattern": 1, "workflowName": "w", "workflowRunId": 7}
    numbers = {"status": "Running", "total": 3, "submitted": 0, "running": 0, "completed": 0, "failed": 0}
    assert told == [
        {"event": "phase", "name": "run"},
        {"event": "resource", "operation": "create", "state": "done", "type": CLUSTER, "name": "kit"},
        {"event": "failedAttempt", **of_run, "at": first.at, "task": "b", "attempt": 1, "error": "E"},
        {"event": "counts", **of_run, **numbers, "waiting": None},
        {"event": "failedAttempt", **of_run, "at": second.at, "task": "a", "attempt": 1, "error": "F"},
        {"event": "counts", **of_run, **numbers, "failed": 1, "waiting": None},
        {"event": "problem", "text": "no"},
        {"event": "end", "runs": []},
    ]
    assert "created 1 resources" not in shown.getvalue()


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
