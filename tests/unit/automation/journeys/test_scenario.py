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

from ecs_kit.automation.errors import BadInput, ConfirmationNeeded, Declined, NotYourStack, StackOperationFailed
from ecs_kit.automation.host.interruption import Interrupted, InterruptedAgain
from tests.unit.automation.journeys.fakes import Journey

WHOLE = ["start", "create", "preview", "deploy", "run", "watch", "verify"]
CLEANING = ["resources", "stop executions", "stop tasks", "destroy", "leftovers"]

Make = Callable[..., Journey]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda **options: Journey(tmp_path, monkeypatch, **options)


@pytest.fixture
def journey(make: Make) -> Journey:
    return make()


def ctrl_c(journey: Journey) -> Callable[[], None]:
    return lambda: journey.interruption.handle(signal.SIGINT)


def ending(journey: Journey) -> tuple[bool, bool]:
    """Whether it passed, and whether the stack was destroyed."""
    return journey.report["passed"], journey.report["destroyed"]


def test_every_step_in_its_order(journey: Journey) -> None:
    assert journey.go() == [*WHOLE, *CLEANING, "stop"]
    assert ending(journey) == (True, True)
    assert journey.report["leftovers"] == []
    assert "kept by AWS itself, costs nothing: kept x" in journey.progress.said
    assert not (journey.folder / "work").exists()


@pytest.mark.parametrize("step", ["deploy", "run", "watch", "verify"])
def test_a_failure_after_the_preview_destroys_everything(journey: Journey, step: str) -> None:
    journey.trouble[step] = [StackOperationFailed(step, ["no"])]

    assert journey.go() == [*WHOLE[: WHOLE.index(step) + 1], *CLEANING, "stop"]
    assert ending(journey) == (False, True)
    assert journey.report["patterns"][0]["problems"] == ["it has no verdict"]


@pytest.mark.parametrize("trouble", [[], [StackOperationFailed("watch", ["no"])]])
def test_faults_hold_while_runs_are_active_and_are_reported(make: Make, trouble: list[BaseException]) -> None:
    journey = make(with_faults=True)
    journey.trouble["watch"] = [*trouble]

    calls = journey.go()
    assert calls[3:8] == ["deploy", "faults", "run", "watch", "no faults"]
    assert journey.report["faults"] == [{"name": "lost answers", "matched": 3, "met": 2}]
    assert "lost answers  3                   2" in journey.progress.said


def test_a_failed_preview_has_nothing_to_destroy(journey: Journey) -> None:
    journey.trouble["preview"] = [StackOperationFailed("preview", ["no"])]

    assert journey.go() == ["start", "create", "preview", "stop"]
    assert ending(journey) == (False, True)


def test_bad_input_found_at_the_start_leaves_nothing_and_writes_no_report(journey: Journey) -> None:
    journey.trouble["start"] = [ConfirmationNeeded()]

    with pytest.raises(BadInput):
        journey.go()
    assert journey.calls == ["start", "stop"]
    assert not (journey.folder / "report" / "report.json").exists()


def test_bad_input_found_after_the_deployment_is_a_failed_step(journey: Journey) -> None:
    journey.trouble["run"] = [ConfirmationNeeded()]

    assert "destroy" in journey.go()
    assert not journey.report["passed"]


def test_a_bug_destroys_the_stack_too(journey: Journey) -> None:
    journey.trouble["verify"] = [ZeroDivisionError("bug")]

    with pytest.raises(ZeroDivisionError):
        journey.go()
    assert journey.calls == [*WHOLE, *CLEANING, "stop"]


@pytest.mark.parametrize("step", [*WHOLE[3:], *CLEANING])
def test_ctrl_c_destroys_what_was_made_and_lets_the_cleaning_finish(journey: Journey, step: str) -> None:
    journey.trouble[step] = [ctrl_c(journey)]

    with pytest.raises(Interrupted):
        journey.go()
    done = WHOLE[: WHOLE.index(step) + 1] if step in WHOLE else WHOLE
    assert journey.calls == [*done, *CLEANING, "stop"]
    assert journey.report["destroyed"]


@pytest.mark.parametrize("step", ["start", "preview"])
def test_ctrl_c_before_the_deployment_has_nothing_to_destroy(journey: Journey, step: str) -> None:
    journey.trouble[step] = [ctrl_c(journey)]

    with pytest.raises(Interrupted):
        journey.go()
    assert journey.calls == [*WHOLE[: WHOLE.index(step) + 1], "stop"]


def test_a_second_ctrl_c_ends_the_cleaning(journey: Journey) -> None:
    journey.trouble = {"deploy": [ctrl_c(journey)], "destroy": [InterruptedAgain(signal.SIGINT)]}

    with pytest.raises(InterruptedAgain):
        journey.go()
    assert journey.calls[-1] == "destroy"
    assert journey.scenario.what_is_left()[-2:] == ["To remove it:", "  remove e2e"]


@pytest.mark.parametrize(("target", "left"), [("local", ["To remove it:", "  remove e2e"]), ("aws", [])])
def test_a_second_ctrl_c_before_there_is_a_stack_says_what_is_left(make: Make, target: str, left: list[str]) -> None:
    journey = make(target=target)
    journey.trouble = {"start": [ctrl_c(journey)], "stop": [InterruptedAgain(signal.SIGINT)]}

    with pytest.raises(InterruptedAgain):
        journey.go()
    assert journey.scenario.what_is_left()[-2:] == left


def test_a_second_ctrl_c_in_the_middle_of_the_deployment_is_in_the_report(journey: Journey) -> None:
    journey.trouble["deploy"] = [InterruptedAgain(signal.SIGINT)]

    with pytest.raises(InterruptedAgain):
        journey.go()
    assert journey.calls[-1] == "deploy"
    assert ending(journey) == (False, False)


def test_a_kept_stack_is_explained(make: Make) -> None:
    journey = make(keep=True)

    assert journey.go() == WHOLE
    assert ending(journey) == (True, False)
    assert "  use e2e" in journey.progress.said and "  remove e2e" in journey.progress.said


def test_ctrl_c_destroys_even_what_was_to_be_kept(make: Make) -> None:
    journey = make(keep=True)
    journey.trouble["watch"] = [ctrl_c(journey)]

    with pytest.raises(Interrupted):
        journey.go()
    assert "destroy" in journey.calls


def test_a_failed_destroy_is_tried_again(journey: Journey) -> None:
    journey.trouble["destroy"] = [StackOperationFailed("destroy", ["busy"])]

    assert journey.go().count("destroy") == 2
    assert journey.report["passed"]


def test_a_destroy_that_fails_twice_says_what_is_left(make: Make) -> None:
    journey = make(target="aws")
    journey.trouble["destroy"] = [StackOperationFailed("destroy", ["busy"])] * 2

    assert "remove" not in journey.go()
    assert ending(journey) == (False, False)
    assert "1 resources are left in stack e2e:" in journey.progress.said
    assert (journey.folder / "work").exists()


def test_a_stack_that_somebody_else_updates_is_not_destroyed(journey: Journey) -> None:
    journey.trouble["destroy"] = [NotYourStack("e2e", "locked")]

    assert journey.go().count("destroy") == 1
    assert not journey.report["destroyed"]


def test_leftovers_are_a_failure(journey: Journey) -> None:
    journey.left = ("ec2 VPC vpc-1",)
    journey.go()

    assert (journey.report["passed"], journey.report["leftovers"]) == (False, ["ec2 VPC vpc-1"])


def test_problems_of_a_run_are_shown_and_reported(journey: Journey) -> None:
    journey.stray = tuple("1234567")
    journey.go()

    problems = journey.report["patterns"][0]["problems"]
    assert (journey.report["passed"], len(problems)) == (False, 7)
    shown = [line for line in journey.progress.said if line.startswith("pattern 1: a")]
    assert shown[:5] == [f"pattern 1: {problem}" for problem in problems[:5]]
    assert shown[5:] == ["pattern 1: and 2 more problems, all of them in the report"]


def test_aws_is_shown_what_and_where_and_asked(make: Make) -> None:
    journey = make(target="aws")

    assert journey.go() == ["start", "open", *WHOLE[2:], *CLEANING, "remove", "stop"]
    expected = {"account 000000000000, region us-east-1, as arn:root", "stack e2e: 2 to create", "Deploy this?"}
    assert expected <= set(journey.progress.said)


def test_a_stack_of_an_earlier_run_gets_docker_s_engine_before_it_is_updated(make: Make) -> None:
    journey = make(target="aws", is_kept=True)

    assert journey.go()[:4] == ["start", "open", "docker", "resources"]
    assert "stack e2e holds 1 resources from an earlier run: this one updates and then destroys them" in (
        journey.progress.said
    )


def test_a_no_deploys_nothing(make: Make) -> None:
    journey = make(target="aws", answer=False)

    assert journey.go() == ["start", "open", "preview", "remove", "stop"]
    assert not journey.report["passed"]
    assert f"FAILED: {Declined()}" in journey.progress.said


def test_a_full_disk_does_not_prevent_the_destroy(journey: Journey) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    journey.trouble = {"run": [full], "resources": [full]}

    assert "destroy" in journey.go()
    assert any("No space left on device" in line for line in journey.progress.said)
    assert ending(journey) == (False, True)


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
        started.append(subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE))
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
