"""The order of a journey's steps, and what happens when one of them does not hold."""

import errno
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.errors import BadInput, ConfirmationNeeded, Declined, NotYourStack, StackOperationFailed
from ecs_kit.automation.host.interruption import Interrupted, InterruptedAgain, Interruption
from ecs_kit.automation.journeys import runs, scenario, spec_files, teardown, verify
from ecs_kit.automation.stacks import faults, leftovers
from ecs_kit.automation.stacks.lifecycle import Changes, Deployment, PhysicalResource
from ecs_kit.automation.stacks.target import Identity, PulumiInstallation

ROOT = Path(__file__).resolve().parents[4]
RUN = runs.Run(1, "arn:execution", {"workflowName": "w", "taskList": []}, 1795486942613375, {})


class World:
    """Everything outside of the scenario: keeps a list of what was asked of it, and fails where a test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.trouble: dict[str, list[BaseException | Callable[[], object]]] = {}
        self.outputs: dict[str, Any] = {"pattern1": {"s3BucketName": "b"}}
        self.problems: tuple[str, ...] = ()
        self.left: tuple[str, ...] = ()

    def ask(self, what: str) -> None:
        self.asked.append(what)
        for trouble in [self.trouble[what].pop(0)] if self.trouble.get(what) else []:
            if isinstance(trouble, BaseException):
                raise trouble
            trouble()


class FakeStack:
    name = "e2e"

    def __init__(self, world: World) -> None:
        self.world = world

    def create(self) -> None:
        self.world.ask("create")

    def open(self) -> bool:
        self.world.ask("open")
        return False

    def outputs(self) -> Mapping[str, Any]:
        return {}

    def preview(self, **_: Any) -> Changes:
        self.world.ask("preview")
        return Changes({"create": 2}, ())

    def deploy(self, **_: Any) -> Deployment:
        self.world.ask("deploy")
        return Deployment(Changes({"create": 2}, ()), self.world.outputs)

    def resources(self) -> list[PhysicalResource]:
        self.world.ask("resources")
        return [PhysicalResource("aws:ecs/cluster:Cluster", "urn", "arn:cluster", {}, {})]

    def destroy(self, **_: Any) -> Changes:
        self.world.ask("destroy")
        return Changes({"delete": 2}, ())

    def remove(self) -> None:
        self.world.ask("remove")


class FakeTarget:
    container_runtime = "process"
    environment: Mapping[str, str] = {}
    notes: Mapping[str, Any] = {}
    config: Mapping[str, str] = {}
    aws = None
    identity = Identity("000000000000", "us-east-1", "arn:root")
    pulumi = PulumiInstallation(Path("/bin/true"), "3.259.0")

    def __init__(self, world: World, name: str, asks: bool) -> None:
        self.world, self.name, self.asks_before_deploying = world, name, asks

    def check(self) -> None:
        pass

    def start(self, _say: Any) -> None:
        self.world.ask("start")

    def stop(self) -> None:
        self.world.ask("stop")

    def how_to_use(self, stack: str, _work_dir: Path) -> list[str]:
        return [f"use {stack}"]

    def how_to_remove(self, stack: str, _work_dir: Path) -> list[str]:
        return [f"remove {stack}"]


class FakeProgress:
    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.said: list[str] = []

    def phase(self, name: str) -> None: ...

    def say(self, line: str) -> None:
        self.said.append(line)

    def resource(self, step: Any) -> None: ...

    def counts(self, pattern: int, counts: Any) -> None: ...

    def table(self, title: str, header: Any, rows: Any) -> None:
        self.said += [f"{title}: {' '.join(row)}" for row in rows]

    def ask(self, question: str) -> bool:
        self.said.append(question)
        return self.answer

    def close(self) -> None: ...


class FakeInjector:
    def __init__(self, world: World) -> None:
        self.world = world

    def inject_faults(self, rules: Any) -> None:
        self.world.ask("faults" if rules else "no faults")

    def injected_faults(self) -> list[dict[str, Any]]:
        return [{"name": "lost answers", "matched": 3, "met": 2}]


class Journey:
    """A scenario among fakes."""

    def __init__(
        self,
        folder: Path,
        patch: pytest.MonkeyPatch,
        *,
        target: str = "local",
        keep: bool = False,
        answer: bool = True,
        with_faults: bool = False,
    ) -> None:
        self.world = World()
        self.interruption = Interruption()
        self.progress = FakeProgress(answer)
        self.folder = folder
        patch.setattr(scenario, "Stack", lambda **_: FakeStack(self.world))
        patch.setattr(scenario, "PulumiProcess", lambda *_, **__: None)
        patch.setattr(teardown, "LEFTOVER_PAUSE_SECONDS", 0.0)
        patch.setattr(spec_files, "render", lambda *_, **__: dict(RUN.spec))
        patch.setattr(runs, "put_sources", lambda *_: [])
        patch.setattr(runs, "start", self.start)
        patch.setattr(runs, "watch", self.watch)
        patch.setattr(runs, "await_final_rows", lambda *_, **_limits: None)
        patch.setattr(runs, "stop_open_executions", lambda *_: self.world.ask("stop executions") or [])
        patch.setattr(runs, "stop_ecs_tasks", lambda *_: self.world.ask("stop tasks") or [])
        patch.setattr(verify, "gather", lambda *_: verify.Facts("SUCCEEDED", "", (), (), {}, {}))
        patch.setattr(verify, "judge", self.judge)
        patch.setattr(leftovers, "find", self.find)
        patch.setattr(leftovers, "active_revisions", lambda *_: [])
        patch.setattr(leftovers, "late_log_groups", lambda *_: [])
        self.scenario = scenario.Scenario(
            plan=scenario.Plan(
                stack_name="e2e",
                specs={1: scenario.SpecFile(Path("spec.json"), {})},
                config={},
                keep=keep,
                root=ROOT,
                work_dir=folder / "work",
                report_dir=folder / "report",
                json=folder / "copy.json",
                limit_seconds=1.0,
                source_buckets=(),
            ),
            target=FakeTarget(self.world, target, target == "aws"),  # type: ignore[arg-type]
            interruption=self.interruption,
            progress=self.progress,
            faults=faults.Faults([{}], FakeInjector(self.world)) if with_faults else None,
        )

    def start(self, *_: Any, **__: Any) -> runs.Run:
        self.world.ask("run")
        return RUN

    def watch(self, *_: Any, **__: Any) -> dict[int, tuple[runs.Run, float]]:
        self.world.ask("watch")
        return {1: (RUN, 4.0)}

    def judge(self, run: runs.Run, _facts: verify.Facts) -> verify.Verdict:
        self.world.ask("verify")
        return verify.Verdict(
            run,
            "SUCCEEDED",
            {"completed_tasks": 0, "number_of_tasks": 0, "failed_tasks": 0},
            {},
            0,
            self.world.problems,
        )

    def find(self, *_: Any) -> leftovers.Leftovers:
        self.world.ask("leftovers")
        return leftovers.Leftovers(living=self.world.left, kept_by_aws=("ecs inactive task definition x:1",))

    def go(self) -> list[str]:
        self.scenario.run()
        return self.world.asked

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "report" / "report.json").read_text(encoding="utf-8"))
        assert json.loads((self.folder / "copy.json").read_text(encoding="utf-8")) == report
        return report


WHOLE = ["start", "create", "preview", "deploy", "run", "watch", "verify"]
CLEANING = ["resources", "stop executions", "stop tasks", "destroy", "leftovers"]


@pytest.fixture
def journey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journey:
    return Journey(tmp_path, monkeypatch)


def test_every_step_in_its_order(journey: Journey) -> None:
    assert journey.go() == [*WHOLE, *CLEANING, "stop"]
    assert (journey.report["passed"], journey.report["destroyed"], journey.report["leftovers"]) == (True, True, [])
    assert "kept by AWS itself, costs nothing: ecs inactive task definition x:1" in journey.progress.said
    assert not (journey.folder / "work").exists()


@pytest.mark.parametrize("step", ["deploy", "run", "watch", "verify"])
def test_whatever_fails_after_the_preview_everything_is_destroyed(journey: Journey, step: str) -> None:
    journey.world.trouble[step] = [StackOperationFailed(step, ["no"])]

    assert journey.go() == [*WHOLE[: WHOLE.index(step) + 1], *CLEANING, "stop"]
    assert (journey.report["passed"], journey.report["destroyed"]) == (False, True)
    assert journey.report["patterns"][0]["problems"] == ["it has no verdict"]


@pytest.mark.parametrize("trouble", [[], [StackOperationFailed("watch", ["no"])]])
def test_faults_hold_from_the_runs_start_to_their_end_and_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: list[BaseException]
) -> None:
    journey = Journey(tmp_path, monkeypatch, with_faults=True)
    journey.world.trouble["watch"] = list(trouble)

    asked = journey.go()
    assert asked[asked.index("deploy") : asked.index("no faults") + 1] == [
        "deploy",
        "faults",
        "run",
        "watch",
        "no faults",
    ]
    assert journey.report["faults"] == [{"name": "lost answers", "matched": 3, "met": 2}]
    assert "faults: lost answers 3 2" in journey.progress.said


def test_a_failed_preview_has_nothing_to_destroy(journey: Journey) -> None:
    journey.world.trouble["preview"] = [StackOperationFailed("preview", ["no"])]

    assert journey.go()[:4] == ["start", "create", "preview", "stop"]
    assert (journey.report["passed"], journey.report["destroyed"]) == (False, True)


def test_bad_input_found_at_the_start_leaves_nothing_and_writes_no_report(journey: Journey) -> None:
    journey.world.trouble["start"] = [ConfirmationNeeded()]

    with pytest.raises(BadInput):
        journey.go()
    assert journey.world.asked == ["start", "stop"]
    assert not (journey.folder / "report" / "report.json").exists()


def test_bad_input_found_after_the_deployment_is_a_failed_step(journey: Journey) -> None:
    journey.world.trouble["run"] = [ConfirmationNeeded()]

    assert "destroy" in journey.go()
    assert not journey.report["passed"]


def test_even_a_bug_does_not_keep_the_stack_alive(journey: Journey) -> None:
    journey.world.trouble["verify"] = [ZeroDivisionError("bug")]

    with pytest.raises(ZeroDivisionError):
        journey.go()
    assert journey.world.asked == [*WHOLE, *CLEANING, "stop"]


@pytest.mark.parametrize("step", ["deploy", "run", "watch", "verify"])
def test_ctrl_c_destroys_what_was_made(journey: Journey, step: str) -> None:
    journey.world.trouble[step] = [lambda: journey.interruption.handle(signal.SIGINT)]

    with pytest.raises(Interrupted):
        journey.go()
    assert journey.world.asked == [*WHOLE[: WHOLE.index(step) + 1], *CLEANING, "stop"]
    assert journey.report["destroyed"]


@pytest.mark.parametrize("step", ["start", "preview"])
def test_ctrl_c_before_the_deployment_has_nothing_to_destroy(journey: Journey, step: str) -> None:
    journey.world.trouble[step] = [lambda: journey.interruption.handle(signal.SIGINT)]

    with pytest.raises(Interrupted):
        journey.go()
    assert "destroy" not in journey.world.asked and "stop" in journey.world.asked


@pytest.mark.parametrize("step", CLEANING)
def test_ctrl_c_while_cleaning_lets_it_finish(journey: Journey, step: str) -> None:
    journey.world.trouble[step] = [lambda: journey.interruption.handle(signal.SIGINT)]

    with pytest.raises(Interrupted):
        journey.go()
    assert journey.world.asked == [*WHOLE, *CLEANING, "stop"]
    assert journey.report["destroyed"]


def test_a_second_ctrl_c_ends_the_cleaning(journey: Journey) -> None:
    journey.world.trouble["deploy"] = [lambda: journey.interruption.handle(signal.SIGINT)]
    journey.world.trouble["destroy"] = [InterruptedAgain(signal.SIGINT)]

    with pytest.raises(InterruptedAgain):
        journey.go()
    assert journey.world.asked[-1] == "destroy"
    assert journey.scenario.what_is_left()[-2:] == ["To remove it:", "  remove e2e"]


@pytest.mark.parametrize(("target", "left"), [("local", ["To remove it:", "  remove e2e"]), ("aws", [])])
def test_a_second_ctrl_c_before_there_is_a_stack_says_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, left: list[str]
) -> None:
    journey = Journey(tmp_path, monkeypatch, target=target)
    journey.world.trouble["start"] = [lambda: journey.interruption.handle(signal.SIGINT)]
    journey.world.trouble["stop"] = [InterruptedAgain(signal.SIGINT)]

    with pytest.raises(InterruptedAgain):
        journey.go()
    assert journey.scenario.what_is_left()[-2:] == left


def test_a_second_ctrl_c_in_the_middle_of_the_deployment_is_in_the_report(journey: Journey) -> None:
    journey.world.trouble["deploy"] = [InterruptedAgain(signal.SIGINT)]

    with pytest.raises(InterruptedAgain):
        journey.go()
    assert journey.world.asked[-1] == "deploy"
    assert (journey.report["passed"], journey.report["destroyed"]) == (False, False)


def test_a_kept_stack_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journey = Journey(tmp_path, monkeypatch, keep=True)

    assert journey.go() == WHOLE
    assert (journey.report["passed"], journey.report["destroyed"]) == (True, False)
    assert "  use e2e" in journey.progress.said and "  remove e2e" in journey.progress.said


def test_ctrl_c_destroys_even_what_was_to_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journey = Journey(tmp_path, monkeypatch, keep=True)
    journey.world.trouble["watch"] = [lambda: journey.interruption.handle(signal.SIGINT)]

    with pytest.raises(Interrupted):
        journey.go()
    assert "destroy" in journey.world.asked


def test_a_failed_destroy_is_tried_again(journey: Journey) -> None:
    journey.world.trouble["destroy"] = [StackOperationFailed("destroy", ["busy"])]

    assert journey.go().count("destroy") == 2
    assert journey.report["passed"]


def test_a_destroy_that_fails_twice_says_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journey = Journey(tmp_path, monkeypatch, target="aws")
    journey.world.trouble["destroy"] = [StackOperationFailed("destroy", ["busy"])] * 2

    assert "remove" not in journey.go()
    assert (journey.report["passed"], journey.report["destroyed"]) == (False, False)
    assert "1 resources are left in stack e2e:" in journey.progress.said
    assert (journey.folder / "work").exists()


def test_somebody_else_s_update_is_not_fought(journey: Journey) -> None:
    journey.world.trouble["destroy"] = [NotYourStack("e2e", "locked")]

    assert journey.go().count("destroy") == 1
    assert not journey.report["destroyed"]


def test_leftovers_are_a_failure(journey: Journey) -> None:
    journey.world.left = ("ec2 VPC vpc-1",)
    journey.go()

    assert (journey.report["passed"], journey.report["leftovers"]) == (False, ["ec2 VPC vpc-1"])


def test_problems_of_a_run_are_shown_and_reported(journey: Journey) -> None:
    journey.world.problems = tuple(f"problem {number}" for number in range(7))
    journey.go()

    assert journey.report["patterns"][0]["problems"] == list(journey.world.problems)
    assert "pattern 1: and 2 more problems, all of them in the report" in journey.progress.said


def test_aws_is_shown_what_and_where_and_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journey = Journey(tmp_path, monkeypatch, target="aws")

    assert journey.go() == ["start", "open", *WHOLE[2:], *CLEANING, "remove", "stop"]
    said = journey.progress.said
    assert "account 000000000000, region us-east-1, as arn:root" in said
    assert "stack e2e: 2 to create" in said and "Deploy this?" in said


def test_a_no_deploys_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journey = Journey(tmp_path, monkeypatch, target="aws", answer=False)

    assert journey.go() == ["start", "open", "preview", "remove", "stop"]
    assert not journey.report["passed"]
    assert f"FAILED: {Declined()}" in journey.progress.said


def test_a_disk_that_fills_up_in_the_middle_does_not_keep_it_from_destroying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey = Journey(tmp_path, monkeypatch)
    full = OSError(errno.ENOSPC, "No space left on device")
    journey.world.trouble = {"run": [full], "resources": [full]}

    assert "destroy" in journey.go()
    assert any("No space left on device" in line for line in journey.progress.said)
    assert journey.report["passed"] is False and journey.report["destroyed"] is True


def test_a_report_that_cannot_be_written_to_one_place_is_written_to_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey = Journey(tmp_path, monkeypatch)
    (tmp_path / "report" / "report.json").mkdir(parents=True)

    journey.go()

    assert not journey.scenario.report.passed
    refused = f"the report cannot be written to {tmp_path}/report/report.json: Is a directory"
    assert f"FAILED: {refused}" in journey.progress.said
    assert json.loads((tmp_path / "copy.json").read_text(encoding="utf-8"))["destroyed"] is True
    assert f"report: {tmp_path}/copy.json" in journey.progress.said


def test_an_emulator_that_was_just_starting_when_ctrl_c_came_is_ended_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey = Journey(tmp_path, monkeypatch)
    started: list[subprocess.Popen[bytes]] = []

    def interrupt() -> None:
        waits = [
            "-c",
            "import signal; print(flush=True); signal.pause()",
            f"--folder={tmp_path}/work/emulator/emulator-x",
        ]
        started.append(subprocess.Popen([sys.executable, *waits], stdout=subprocess.PIPE))
        assert started[0].stdout is not None
        started[0].stdout.readline()  # right after exec, the kernel has no command line of it to show yet
        journey.interruption.handle(signal.SIGINT)

    journey.world.trouble["start"] = [interrupt]

    with pytest.raises(Interrupted):
        journey.go()
    ended = started[0].poll()
    started[0].kill()
    started[0].communicate()
    assert ended == -signal.SIGTERM
    assert not (tmp_path / "work").exists()
