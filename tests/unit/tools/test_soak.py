"""A soak: which faults it injects into its runs, and how a run has to end."""

import io
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt, override
from local_aws.emulator.faults import Call, FaultPlan, parse_rules
from tests.unit.automation.journeys.fakes import facts, row
from tools.soak.journey import settle, sweep
from tools.soak.plan import ABORT, FAULT_KINDS, MISSING, FaultKind, plan, rule_of
from tools.soak.verdict import Left, RunOutcome, faults_table, judge

FIFTY = plan(runs=50, tasks=10, patterns=(1, 2), seed=1)


def test_a_plan_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert plan(runs=50, tasks=10, patterns=(1, 2), seed=1) == FIFTY
    assert plan(runs=50, tasks=10, patterns=(1, 2), seed=2) != FIFTY


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_plan_has_every_kind_of_fault_in_each_pattern_that_can_have_it(pattern: int) -> None:
    planned = {name for run in FIFTY if run.pattern == pattern for name in run.faults}
    assert planned == {kind.name for kind in FAULT_KINDS if pattern in kind.patterns}


def test_a_plan_stops_a_tenth_of_the_executions_and_hides_a_tenth_of_the_objects() -> None:
    aborted = [run for run in FIFTY if run.abort_after_seconds is not None]
    assert len(aborted) == 5 and all(ABORT in run.faults for run in aborted)
    assert sorted(Counter(run.pattern for run in aborted).values()) == [2, 3]
    missing = [run for run in FIFTY if MISSING in run.faults]
    assert missing and all(len(run.missing) == 1 for run in missing)


def test_a_plan_gives_each_run_a_name_that_no_other_contains_and_alternates_patterns() -> None:
    names = [run.workflow for run in FIFTY]
    assert not [(a, b) for a in names for b in names if a != b and a in b]
    assert Counter(run.pattern for run in FIFTY) == {1: 25, 2: 25}


def test_a_rule_hits_about_a_tenth_of_the_calls_of_one_run_and_none_of_others() -> None:
    kind = FaultKind("x", {"service": "dynamodb", "operation": "*Item", "effect": {"error": "X"}, "caller": "monitor"})
    faults = FaultPlan(parse_rules([rule_of(kind, "soak-0007.", seed=1)]))

    def hits(workflow: str, role: str) -> int:
        caller = f"arn:aws:sts::0:assumed-role/kit-pattern-1-{role}/x"
        call = Call("dynamodb", "UpdateItem", caller, f'/ {{"workflow_name": "{workflow}"}}')
        return sum(faults.decide(call) is not None for _ in range(1000))

    assert 70 < hits("soak-0007.", "monitor") < 130
    assert hits("soak-0008.", "monitor") == hits("soak-0007.", "launcher") == 0


def test_the_emulator_understands_every_rule() -> None:
    rules = [rule for run in FIFTY for rule in run.rules]
    assert len(parse_rules(rules)) == len(rules)


def summary(status: str, completed: int, failed: int, running: int = 0) -> dict[str, Any]:
    counts = {"completed_tasks": completed, "failed_tasks": failed, "running_tasks": running}
    return {"status": status, "number_of_tasks": 2, "end_time": "2026-11-24T04:00:00.000Z", **counts}


def failed(name: str, attempt: int = 1, **more: Any) -> dict[str, Any]:
    return row(name, "Failed", attempt, **{"error": "JobFailed: x", **more})


def ecs_task(name: str, attempt: int = 1, status: str = "STOPPED", arn: str = "") -> EcsTask:
    return EcsTask(arn or f"{name}/{attempt}", status, environment=override(Attempt("w", 1, name, attempt), "2026"))


ROWS = (row("a", "Completed"), failed("b"), failed("b", 2))
GOOD = {"execution": "FAILED", "summary": summary("Failed", 1, 1), "rows": ROWS, "results": {"a": "", "b": "no copy"}}
ECS_TASKS = [ecs_task("a"), ecs_task("b")]


def left(ecs_tasks: Any = ECS_TASKS, processes: tuple[str, ...] = (), **changes: Any) -> Left:
    return Left(facts(**{**GOOD, **changes}), ecs_tasks, processes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"execution": "ABORTED", "summary": summary("Aborted", 1, 1)},
        # It ended while its execution was stopped.
        {"execution": "ABORTED"},
        {
            "execution": "SUCCEEDED",
            "summary": summary("Completed", 2, 0),
            "rows": (*ROWS, row("b", "Completed", 3)),
            "results": {"a": "", "b": ""},
        },
        {
            "execution": "SUCCEEDED",
            "summary": {**summary("CompletedWithFailures", 9, 1), "number_of_tasks": 10},
            "rows": (*(row(name, "Completed") for name in "acdefghij"), failed("b")),
            "results": {**dict.fromkeys("acdefghij", ""), "b": "no copy"},
        },
    ],
)
def test_a_run_that_ended_as_it_should_violates_nothing(changes: dict[str, Any]) -> None:
    assert judge(left(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"execution": "RUNNING"}, "its execution still runs"),
        ({"summary": {}}, "it has 0 summary items"),
        ({"summary": summary("Running", 1, 1)}, "its summary is still Running"),
        ({"summary": summary("Failed", 2, 0)}, "its counts are (2, 0, 0)"),
        ({"summary": summary("Failed", 1, 0, 1)}, "its counts are (1, 0, 1)"),
        ({"summary": summary("Completed", 1, 1)}, "its execution is FAILED, its summary Completed"),
        ({"execution": "ABORTED", "summary": summary("CompletedWithFailures", 1, 1)}, "its execution is ABORTED"),
        ({"summary": {**summary("Failed", 1, 1), "end_time": None}}, "no end_time"),
        ({"rows": [*ROWS, row("b", "Running", 3)]}, "b, attempt 3 is Running"),
        ({"rows": [*ROWS[:2], failed("b", 2, error=None)]}, "b, attempt 2 failed, and does not say why"),
        ({"rows": [*ROWS, failed("c")]}, "c, attempt 1 is not in its spec"),
        ({"rows": [*ROWS, row("a", "Completed", 2)]}, "a completed 2 times"),
        ({"rows": [*ROWS, *(failed("b", n) for n in range(3, 7))]}, "b has 6 attempts, 5 at most"),
        ({"rows": ROWS[:1], "ecs_tasks": ECS_TASKS[:1]}, "tasks without any row: b"),
        ({"results": {"a": "no copy at k", "b": ""}}, "a, attempt 1 is Completed, and no copy at k"),
        ({"ecs_tasks": [ecs_task("a", status="RUNNING")]}, "a/1 is RUNNING"),
        ({"ecs_tasks": [ecs_task("a", arn="x")]}, "x has no row: it is orphaned"),
        ({"ecs_tasks": [*ECS_TASKS, ecs_task("b", arn="b/2")]}, "attempt 1 at b was started 2"),
        ({"processes": ("17 python -m ecs_kit.runtime.task",)}, "a process still works for it: 17 python"),
    ],
)
def test_every_violated_invariant_is_named(changes: dict[str, Any], says: str) -> None:
    assert any(says in problem for problem in judge(left(**changes)))


def test_the_table_has_a_line_for_each_kind_of_fault_and_one_for_all() -> None:
    one = replace(FIFTY[0], faults=("S3 slow", ABORT))
    two = replace(FIFTY[1], faults=("S3 slow",))
    header, lines = faults_table(
        [
            RunOutcome(one, "Aborted", met={"S3 slow": 2, ABORT: 1}),
            RunOutcome(two, "Completed", met={"S3 slow": 1}, problems=["its execution still runs"]),
        ]
    )
    none = dict.fromkeys(header, "")
    both = {"runs": "2", "Completed": "1", "Aborted": "1", "broken": "1"}
    assert [dict(zip(header, line, strict=True)) for line in lines] == [
        {**none, "injected": "S3 slow", "times": "3", **both},
        {**none, "injected": ABORT, "runs": "1", "times": "1", "Aborted": "1"},
        {**none, "injected": "all runs", "times": "4", **both},
    ]


@pytest.mark.parametrize(
    ("problems", "failures", "sweeps"),
    [
        ([[]], [], []),
        ([["open"], ["open"], []], ["ClientError: throttled", ""], ["ClientError: throttled", ""]),
        ([["open"], ["open"]], [""], [""]),
        ([["open"]] * 4, ["no"] * 3, ["no"] * 3),
    ],
    ids=["ends by itself", "repeated after a failure", "given up after one that worked", "given up after three"],
)
def test_the_sweep_is_called_for_a_run_that_does_not_end(
    problems: list[list[str]], failures: list[str], sweeps: list[str]
) -> None:
    looks, answers = iter(problems), iter(failures)

    ended = settle(lambda: (left(), next(looks)), lambda _problems: next(answers))

    assert ended == (left(), problems[-1], sweeps)
    assert list(looks) == list(answers) == []


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ({"Payload": io.BytesIO(b'{"finalized": []}')}, ""),
        ({"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorType": "E", "errorMessage": "why"}')}, "E: why"),
        ({"FunctionError": "Unhandled", "Payload": io.BytesIO()}, "Unhandled: "),
        (ConnectionClosedError(endpoint_url="here"), "Connection was closed before"),
    ],
)
def test_a_sweep_fails_where_the_function_raises_or_gives_no_answer(answer: Any, failure: str) -> None:
    class Functions:
        def invoke(self, *, FunctionName: str, Payload: str) -> Any:
            assert (FunctionName, json.loads(Payload)) == ("kit-monitor", {"action": "sweep"})
            if isinstance(answer, Exception):
                raise answer
            return answer

    said = sweep(Functions(), "kit-monitor")

    assert said.startswith(failure) and bool(said) == bool(failure)
