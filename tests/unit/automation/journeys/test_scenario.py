"""The order of a journey's steps, and what happens when one of them fails."""

import errno
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.errors import BadInput, DriverError, NotYourStack
from ecs_kit.automation.host.interruption import Interrupted, InterruptedAgain
from ecs_kit.automation.journeys import scenario
from ecs_kit.automation.journeys.report_page import gather
from ecs_kit.automation.stacks import preflight
from tests.unit.automation.journeys.fakes import Journey

WHOLE = ["start", "create", "preview", "deploy", "run", "watch", "verify"]
STOPPING = ["resources", "stop executions", "stop tasks"]
CLEANING = [*STOPPING, "destroy", "leftovers"]
CTRL_C = signal.SIGINT
AGAIN = InterruptedAgain(signal.SIGINT)
FAILURE = DriverError("pulumi up failed:\n  no")
FULL = OSError(errno.ENOSPC, "No space left on device")
TO_REMOVE = ["To remove it:", "  remove e2e"]

Make = Callable[..., Journey]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda **options: Journey(tmp_path, monkeypatch, **options)


@pytest.fixture
def journey(make: Make) -> Journey:
    return make()


def up_to(step: str) -> list[str]:
    return WHOLE[: WHOLE.index(step) + 1]


def outcome(journey: Journey, raised: type[BaseException] | None = None) -> tuple[list[str], bool, bool]:
    """What was called, whether the journey passed, and whether the stack was destroyed."""
    if raised is None:
        journey.go()
    else:
        with pytest.raises(raised):
            journey.go()
    return journey.calls, journey.report["passed"], journey.report["destroyed"]


def test_every_step_in_its_order(journey: Journey) -> None:
    assert outcome(journey) == ([*WHOLE, *CLEANING, "stop"], True, True)
    assert journey.report["leftovers"] == []
    assert "kept by AWS itself, costs nothing: kept x" in journey.progress.said
    assert not (journey.folder / "work").exists()


def test_the_page_of_a_run_has_the_verdict_and_a_folder_without_room_for_it_is_a_failure(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey = make()
    journey.go()
    page = (journey.folder / "report" / "pattern-1.html").read_text(encoding="utf-8")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert data["verdict"] == {"passed": True, "problems": []} and data["counts"]["completed"] == 2

    def full(*_: object) -> None:
        raise FULL

    again = make()
    monkeypatch.setattr(gather, "write", full)
    assert outcome(again)[1:] == (False, True)
    assert any("the run's page cannot be written" in line for line in again.progress.said)


@pytest.mark.parametrize(
    ("trouble", "calls", "destroyed"),
    [
        ({"preview": [FAILURE]}, up_to("preview"), True),
        *(({step: [FAILURE]}, [*up_to(step), *CLEANING], True) for step in WHOLE[3:]),
        ({"run": [BadInput("no terminal")]}, [*up_to("run"), *CLEANING], True),
        ({"run": [FULL], "resources": [FULL]}, [*up_to("run"), "resources", "destroy", "leftovers"], True),
        ({"destroy": [FAILURE] * 2}, [*WHOLE, *STOPPING, "destroy", "destroy", "leftovers"], False),
        ({"destroy": [NotYourStack("locked")]}, [*WHOLE, *CLEANING], False),
    ],
)
def test_a_failure_destroys_what_was_made_and_is_reported(
    journey: Journey, trouble: Any, calls: list[str], destroyed: bool
) -> None:
    journey.trouble = {step: [*happens] for step, happens in trouble.items()}

    assert outcome(journey) == ([*calls, "stop"], False, destroyed)
    said = "\n".join(journey.progress.said)
    assert all(str(happens[0]).splitlines()[0] in said for happens in trouble.values())
    if "verify" not in calls or "verify" in trouble:
        assert journey.report["patterns"][0]["problems"] == ["it has no verdict"]


@pytest.mark.parametrize(
    ("trouble", "raised", "calls", "destroyed"),
    [
        *(({step: [CTRL_C]}, Interrupted, [*up_to(step), "stop"], True) for step in ("start", "preview")),
        *(({step: [CTRL_C]}, Interrupted, [*up_to(step), *CLEANING, "stop"], True) for step in WHOLE[3:]),
        ({"deploy": [AGAIN]}, InterruptedAgain, up_to("deploy"), False),
        ({"deploy": [CTRL_C], "destroy": [AGAIN]}, InterruptedAgain, [*up_to("deploy"), *STOPPING, "destroy"], False),
        ({"verify": [ZeroDivisionError("bug")]}, ZeroDivisionError, [*WHOLE, *CLEANING, "stop"], True),
    ],
)
@pytest.mark.parametrize("keep", [False, True])
def test_ctrl_c_and_bugs_destroy_even_what_was_to_be_kept_and_a_second_ctrl_c_ends_that(
    make: Make, trouble: Any, raised: type[BaseException], calls: list[str], destroyed: bool, keep: bool
) -> None:
    journey = make(keep=keep)
    journey.trouble = {step: [*happens] for step, happens in trouble.items()}

    assert outcome(journey, raised) == (calls, False, destroyed)
    if not destroyed:
        assert journey.scenario.what_is_left()[-2:] == TO_REMOVE


@pytest.mark.parametrize("step", CLEANING)
def test_ctrl_c_lets_the_cleaning_finish(journey: Journey, step: str) -> None:
    journey.trouble[step] = [CTRL_C]
    assert outcome(journey, Interrupted) == ([*WHOLE, *CLEANING, "stop"], True, True)


def test_a_failed_destroy_is_tried_again(journey: Journey) -> None:
    journey.trouble["destroy"] = [FAILURE]
    assert outcome(journey) == ([*WHOLE, *STOPPING, "destroy", "destroy", "leftovers", "stop"], True, True)


def test_bad_input_found_at_the_start_leaves_nothing_and_writes_no_report(journey: Journey) -> None:
    journey.trouble["start"] = [BadInput("no terminal")]

    with pytest.raises(BadInput):
        journey.go()
    assert journey.calls == ["start", "stop"]
    assert not (journey.folder / "report" / "report.json").exists()


@pytest.mark.parametrize("trouble", [[], [FAILURE]])
def test_faults_hold_while_runs_are_active_and_are_reported(make: Make, trouble: list[Any]) -> None:
    journey = make(with_faults=True)
    journey.trouble["watch"] = [*trouble]

    assert journey.go()[3:8] == ["deploy", "faults", "run", "watch", "no faults"]
    assert journey.report["faults"] == [{"name": "lost answers", "matched": 3, "met": 2}]
    assert "lost answers  3                   2" in journey.progress.said


@pytest.mark.parametrize(("target", "left"), [("local", TO_REMOVE), ("aws", [])])
def test_a_second_ctrl_c_before_there_is_a_stack_says_what_is_left(make: Make, target: str, left: list[str]) -> None:
    journey = make(target=target)
    journey.trouble = {"start": [CTRL_C], "stop": [AGAIN]}

    outcome(journey, InterruptedAgain)
    assert journey.scenario.what_is_left()[-2:] == left


def test_a_kept_stack_is_explained(make: Make) -> None:
    journey = make(keep=True)

    assert outcome(journey) == (WHOLE, True, False)
    assert {"  use e2e", "  remove e2e"} <= set(journey.progress.said)


@pytest.mark.parametrize(
    ("target", "trouble", "called", "deployed"),
    [
        ("local", None, ["start", "create", "preview", "deploy"], True),
        ("aws", None, ["start", "adopt", "preview", "deploy"], True),
        ("aws", FAILURE, ["start", "adopt", "preview", "deploy"], False),
        ("aws", CTRL_C, ["start", "adopt", "preview", "deploy"], False),
        ("local", CTRL_C, ["start", "create", "preview", "deploy", *CLEANING, "stop"], False),
    ],
)
def test_a_deployment_runs_nothing_and_on_aws_destroys_nothing(
    make: Make, target: str, trouble: Any, called: list[str], deployed: bool
) -> None:
    journey = make(target=target, keep=True, make=scenario.Deployment)
    journey.trouble["deploy"] = [trouble] if trouble else []

    found = outcome(journey, Interrupted if trouble is CTRL_C else None)

    assert found[:2] == (called, deployed)
    assert journey.report["outputs"] == ({"pattern1": {"s3BucketName": "b"}} if trouble is None else {})
    assert f"stack e2e: {'deployed' if deployed else 'NOT deployed'}" in journey.progress.said


def test_a_destroy_that_fails_twice_on_aws_says_what_is_left(make: Make) -> None:
    journey = make(target="aws")
    journey.trouble["destroy"] = [FAILURE] * 2

    assert "remove" not in journey.go()
    assert "1 resources are left in stack e2e:" in journey.progress.said
    assert (journey.folder / "work").exists()


def test_leftovers_are_a_failure(journey: Journey) -> None:
    journey.left = ("ec2 VPC vpc-1",)
    journey.go()

    assert (journey.report["passed"], journey.report["leftovers"]) == (False, ["ec2 VPC vpc-1"])


def test_problems_of_a_run_are_shown_and_reported(journey: Journey) -> None:
    journey.stray = tuple("1234567")
    journey.go()

    problems = journey.report["patterns"][0]["problems"]
    assert (journey.report["passed"], len(problems)) == (False, 7)
    assert [line for line in journey.progress.said if line.startswith("pattern 1: a")] == [
        *(f"pattern 1: {problem}" for problem in problems[:5]),
        "pattern 1: and 2 more problems, all of them in the report",
    ]


@pytest.mark.parametrize(
    ("options", "calls", "said"),
    [
        (
            {},
            ["start", "adopt", *WHOLE[2:], *CLEANING, "remove", "stop"],
            {"account 000000000000, region us-east-1, as arn:root", "stack e2e: 2 to create", "Deploy this?"},
        ),
        (
            {"answer": False},
            ["start", "adopt", "preview", "remove", "stop"],
            {"FAILED: Declined: nothing was deployed."},
        ),
        (
            {"is_kept": True, "answer": False},
            ["start", "adopt", "resources", "docker", "preview", "stop", "restore"],
            {"FAILED: Declined: nothing was deployed."},
        ),
        (
            {"is_kept": True},
            ["start", "adopt", "resources", "docker", *WHOLE[2:], *CLEANING, "remove", "stop"],
            {"stack e2e holds 1 resources from an earlier run: this one updates and then destroys them"},
        ),
    ],
    ids=["a new stack", "declined", "a kept stack, declined", "a stack of an earlier run"],
)
def test_aws_is_shown_what_and_where_and_asked(
    make: Make, options: dict[str, bool], calls: list[str], said: set[str]
) -> None:
    journey = make(target="aws", **options)

    assert journey.go() == calls
    assert said <= set(journey.progress.said)
    assert journey.report["passed"] == ("run" in calls)


def test_a_name_that_is_taken_on_aws_is_refused_before_anybody_is_asked(make: Make) -> None:
    journey = make(target="aws")
    journey.taken = {(preflight.CLUSTER, "kit"): True, (preflight.ROLE, "r"): preflight.NotChecked("denied")}

    with pytest.raises(BadInput, match=r"ECS cluster kit exists already\. Deploy with another nameSuffix"):
        journey.go()

    assert journey.calls == ["start", "adopt", "preview", "remove", "stop"]
    assert "not checked: IAM role r: denied" in journey.progress.said
    assert any(line.startswith("note: the account has no role") for line in journey.progress.said)
    assert "Deploy this?" not in journey.progress.said


def test_a_report_that_cannot_be_written_to_one_place_is_written_to_the_other(journey: Journey) -> None:
    own, copy = journey.folder / "report" / "report.json", journey.folder / "copy.json"
    own.mkdir(parents=True)

    journey.go()

    assert not journey.scenario.report.passed
    assert f"FAILED: the report cannot be written to {own}: Is a directory" in journey.progress.said
    assert json.loads(copy.read_text(encoding="utf-8"))["destroyed"] is True
    assert f"report: {copy}" in journey.progress.said


def test_ctrl_c_ends_an_emulator_that_was_just_starting(journey: Journey) -> None:
    started: list[subprocess.Popen[Any]] = []

    def interrupt() -> None:
        code = "import signal; print(flush=True); signal.pause()"
        folder = f"--folder={journey.folder}/work/emulator/emulator-x"
        started.append(subprocess.Popen([sys.executable, "-IS", "-c", code, folder], stdout=subprocess.PIPE))
        assert started[0].stdout is not None
        started[0].stdout.readline()  # right after exec, the kernel has no command line of it to show yet
        journey.interruption.handle(signal.SIGINT)

    journey.trouble["start"] = [interrupt]

    with pytest.raises(Interrupted):
        journey.go()
    ended = started[0].poll()
    started[0].kill()
    started[0].communicate()
    assert ended == -signal.SIGTERM
    assert not (journey.folder / "work").exists()
