"""A soak: what it does to its runs, and how a run has to end."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from ecs_kit.automation.cli import soak as command
from ecs_kit.automation.errors import BadOption
from ecs_kit.automation.journeys.soak.journey import settle, sweep, working_for
from ecs_kit.automation.journeys.soak.plan import ABORT, FAULT_KINDS, MISSING, SoakRun, narrowed, plan
from ecs_kit.automation.journeys.soak.verdict import EcsTaskLeft, Left, Rules, RunOutcome, faults_table, judge
from local_aws.emulator.faults import Call, FaultPlan, parse_rules

FIFTY = plan(runs=50, tasks=10, patterns=(1, 2), seed=1)
ROLES = {"task": "-task", "launcher": "-launcher", "monitor": "-monitor"}


class TestPlans:
    def test_are_the_same_for_the_same_seed_and_others_for_another(self) -> None:
        assert plan(runs=50, tasks=10, patterns=(1, 2), seed=1) == FIFTY
        assert plan(runs=50, tasks=10, patterns=(1, 2), seed=2) != FIFTY

    def test_have_every_kind_of_trouble_in_each_pattern_that_can_have_it(self) -> None:
        for pattern in (1, 2):
            met = {name for run in FIFTY if run.pattern == pattern for name in run.faults}
            assert met == {kind.name for kind in FAULT_KINDS if pattern in kind.patterns}

    def test_stop_a_tenth_of_the_executions_and_hide_a_tenth_of_the_objects(self) -> None:
        aborted = [run for run in FIFTY if run.abort_after_seconds is not None]
        assert len(aborted) == 5 and all(ABORT in run.faults for run in aborted)
        missing = [run for run in FIFTY if MISSING in run.faults]
        assert missing and all(len(run.missing) == 1 for run in missing)

    def test_give_each_run_a_name_that_no_other_contains_and_take_turns_between_patterns(self) -> None:
        names = [run.workflow for run in FIFTY]
        assert not [(a, b) for a in names for b in names if a != b and a in b]
        assert Counter(run.pattern for run in FIFTY) == {1: 25, 2: 25}

    def test_have_rules_that_meet_about_a_tenth_of_the_calls_of_one_run_and_none_of_others(self) -> None:
        rule = {
            "service": "dynamodb",
            "operation": "*Item",
            "share": 0.1,
            "effect": {"error": "X"},
            "caller": "monitor",
        }
        faults = FaultPlan(parse_rules([narrowed(rule, "soak-0007.", ROLES)]))

        def met(workflow: str, role: str) -> int:
            caller = f"arn:aws:sts::0:assumed-role/kit-pattern-1-{role}/x"
            call = Call("dynamodb", "UpdateItem", caller, f'/ {{"workflow_name": "{workflow}"}}')
            return sum(faults.decide(call) is not None for _ in range(1000))

        assert 70 < met("soak-0007.", "monitor") < 130
        assert met("soak-0008.", "monitor") == met("soak-0007.", "launcher") == 0

    @pytest.mark.parametrize("run", FIFTY, ids=lambda run: str(run.number))
    def test_have_rules_that_the_emulator_understands(self, run: SoakRun) -> None:
        assert len(parse_rules([narrowed(rule, run.workflow, ROLES) for rule in run.rules])) == len(run.rules)


RULES = Rules(("a", "b"), task_attempts=2, infrastructure_retries=3, tolerated_failure_percentage=50)


def row(name: str, status: str, attempt: int = 1, **more: Any) -> Mapping[str, Any]:
    error = {"error": "JobFailed: x"} if status == "Failed" else {}
    return {"task_name": name, "status": status, "attempt": attempt, "ecs_task_id": f"{name}{attempt}", **error, **more}


def summary(status: str, completed: int, failed: int, running: int = 0) -> dict[str, Any]:
    counts = {"completed_tasks": completed, "failed_tasks": failed, "running_tasks": running}
    return {"status": status, "number_of_tasks": 2, "end_time": "2026-11-24T04:00:00.000Z", **counts}


GOOD = Left(
    execution_status="SUCCEEDED",
    summary=[summary("CompletedWithFailures", 1, 1)],
    rows=[row("a", "Completed"), row("b", "Failed"), row("b", "Failed", 2)],
    ecs_tasks=[EcsTaskLeft("a1", "a", "1", "STOPPED"), EcsTaskLeft("b1", "b", "1", "STOPPED")],
    copies={"a": True, "b": False},
)
ABORTED = replace(GOOD, execution_status="ABORTED", summary=[summary("Aborted", 1, 1)])


class TestVerdicts:
    @pytest.mark.parametrize("left", [GOOD, ABORTED])
    def test_a_run_that_ended_as_it_should_has_no_problems(self, left: Left) -> None:
        assert judge(left, RULES) == []

    def test_a_run_that_was_over_when_its_execution_was_stopped_keeps_its_own_end(self) -> None:
        assert judge(replace(GOOD, execution_status="ABORTED"), RULES) == []

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"execution_status": "RUNNING"}, "its execution still runs"),
            ({"summary": []}, "it has 0 summary items"),
            ({"summary": [summary("Running", 1, 1)]}, "its summary is still Running"),
            ({"summary": [summary("CompletedWithFailures", 2, 0)]}, "its counts are (2, 0, 0)"),
            ({"summary": [summary("CompletedWithFailures", 1, 0, 1)]}, "its counts are (1, 0, 1)"),
            ({"summary": [summary("Completed", 1, 1)]}, "its execution is SUCCEEDED, its summary Completed"),
            ({"execution_status": "FAILED"}, "its execution is FAILED, its summary CompletedWithFailures"),
            ({"summary": [{**summary("CompletedWithFailures", 1, 1), "end_time": None}]}, "no end_time"),
            ({"rows": [*GOOD.rows, row("b", "Running", 3)]}, "b, attempt 3 is Running"),
            (
                {"rows": [*GOOD.rows[:2], row("b", "Failed", 2, error=None)]},
                "b, attempt 2 failed, and does not say why",
            ),
            ({"rows": [*GOOD.rows, row("c", "Failed")]}, "c, attempt 1 is not in its spec"),
            ({"rows": [*GOOD.rows, row("a", "Completed", 2)]}, "a completed 2 times"),
            ({"rows": [*GOOD.rows, *(row("b", "Failed", n) for n in range(3, 7))]}, "b has 6 attempts, 5 at most"),
            ({"rows": GOOD.rows[:1], "ecs_tasks": GOOD.ecs_tasks[:1]}, "tasks without any row: b"),
            ({"copies": {"a": False}}, "a, attempt 1 is Completed, and its copy is missing or differs"),
            ({"ecs_tasks": [EcsTaskLeft("a1", "a", "1", "RUNNING")]}, "a1 is RUNNING"),
            ({"ecs_tasks": [EcsTaskLeft("x", "a", "1", "STOPPED")]}, "x has no row: nobody owns it"),
            ({"ecs_tasks": [*GOOD.ecs_tasks, EcsTaskLeft("b2", "b", "1", "STOPPED")]}, "attempt 1 at b was started 2"),
            ({"processes": ["17 python -m ecs_kit.runtime.task"]}, "a process still works for it: 17 python"),
        ],
    )
    def test_everything_else_is_named(self, changes: dict[str, Any], says: str) -> None:
        assert any(says in problem for problem in judge(replace(GOOD, **changes), RULES))


def test_the_table_has_a_line_for_each_kind_of_trouble_and_one_for_all() -> None:
    one = replace(FIFTY[0], faults=("S3 slow", ABORT))
    two = replace(FIFTY[1], faults=("S3 slow",))
    header, lines = faults_table(
        [
            RunOutcome(one, "Aborted", met={"S3 slow": 2, ABORT: 1}),
            RunOutcome(two, "Completed", met={"S3 slow": 1}, problems=["its execution still runs"]),
        ]
    )
    assert [dict(zip(header, line, strict=True)) for line in lines] == [
        {**dict.fromkeys(header, ""), "injected": "S3 slow", "runs": "2", "times": "3"}
        | {"Completed": "1", "Aborted": "1", "broken": "1"},
        {**dict.fromkeys(header, ""), "injected": ABORT, "runs": "1", "times": "1", "Aborted": "1"},
        {**dict.fromkeys(header, ""), "injected": "all runs", "runs": "2", "times": "4"}
        | {"Completed": "1", "Aborted": "1", "broken": "1"},
    ]


def test_a_run_on_one_line_says_what_faults_it_met_and_what_is_broken() -> None:
    outcome = RunOutcome(FIFTY[0], "Failed", 7, 3, 12.3, {"S3 slow": 2}, ["its execution still runs"])
    assert outcome.line(50) == (
        "run 1 of 50, pattern 1: Failed, 7 completed, 3 failed, 12 s; S3 slow x2 BROKEN: its execution still runs"
    )


class TestSweeps:
    def test_are_called_only_where_a_run_does_not_come_to_its_end_by_itself(self) -> None:
        assert settle(lambda: (GOOD, []), lambda _problems: pytest.fail("swept")) == (GOOD, [], [])

    def test_that_fail_are_counted_and_called_again(self) -> None:
        looks = iter([["open"], ["open"], []])
        sweeps = iter(["ClientError: throttled", ""])

        ended = settle(lambda: (GOOD, next(looks)), lambda _problems: next(sweeps))

        assert ended == (GOOD, [], ["ClientError: throttled", ""])
        outcome = RunOutcome(FIFTY[0], "Failed", sweeps=ended[2])
        assert outcome.failed_sweeps == ["ClientError: throttled"]
        assert "Failed (swept, 1 sweeps failed), 0 completed" in outcome.line(50)

    def test_are_given_up_after_the_first_that_works_or_the_third(self) -> None:
        assert settle(lambda: (GOOD, ["open"]), lambda _problems: "") == (GOOD, ["open"], [""])
        assert settle(lambda: (GOOD, ["open"]), lambda _problems: "no") == (GOOD, ["open"], ["no"] * 3)

    @pytest.mark.parametrize(
        ("answer", "failure"),
        [
            ({"Payload": io.BytesIO(b'{"finalized": []}')}, ""),
            (
                {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorType": "E", "errorMessage": "why"}')},
                "E: why",
            ),
            ({"FunctionError": "Unhandled", "Payload": io.BytesIO()}, "Unhandled: "),
            (ConnectionClosedError(endpoint_url="here"), "Connection was closed before"),
        ],
    )
    def test_fail_where_the_function_raises_or_gives_no_answer(self, answer: Any, failure: str) -> None:
        class Functions:
            def invoke(self, *, FunctionName: str, Payload: str) -> Any:
                assert (FunctionName, json.loads(Payload)) == ("kit-monitor", {"action": "sweep"})
                if isinstance(answer, Exception):
                    raise answer
                return answer

        said = sweep(Functions(), "kit-monitor")

        assert said.startswith(failure) and bool(said) == bool(failure)


def test_processes_are_found_by_the_workflow_in_their_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    monkeypatch.setenv("KIT_WORKFLOW_NAME", "soak-of-this-test.")
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert sleeper.stdout is not None
    sleeper.stdout.readline()  # right after exec, the kernel has no environment of it to show yet
    try:
        assert [line.split()[0] for line in working_for("soak-of-this-test.")] == [str(sleeper.pid)]
    finally:
        sleeper.communicate(b"\n")
    assert working_for("soak-of-this-test.") == []


class TestCommandLine:
    def test_without_options_it_is_fifty_runs_of_ten_tasks_of_both_patterns(self) -> None:
        options = command.parse([])
        assert (options.runs, options.tasks, options.at_once, options.seed) == (50, 10, 4, 1)
        assert options.patterns == (1, 2)

    def test_paths_are_absolute_because_it_changes_its_folder(self) -> None:
        options = command.parse(["--report-dir", "a", "--json", "b.json", "--pattern", "2"])
        assert (options.report_dir, options.json, options.patterns) == (Path.cwd() / "a", Path.cwd() / "b.json", (2,))

    @pytest.mark.parametrize("arguments", [["--runs", "0"], ["--tasks", "many"], ["--pattern", "3"], ["--bogus"]])
    def test_what_makes_no_sense_is_refused(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(BadOption, match=arguments[0]):
            command.parse(arguments)
        assert command.main(arguments) == 2
        assert "Nothing was created." in capsys.readouterr().err
