"""Whether a run ended as it should, and what a soak showed: pure functions of what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecs_kit.automation.journeys.soak.plan import SoakRun
from ecs_kit.runtime.contract.records import Counts
from ecs_kit.runtime.contract.statuses import EXECUTION_STATUSES, RunStatus, TaskStatus
from ecs_kit.runtime.monitor.reconciliation import final_status


@dataclass(frozen=True)
class EcsTaskLeft:
    """An ECS task of a run.

    Attributes:
        arn: which.
        task_name: the task that it is an attempt at.
        attempt: which attempt.
        status: `lastStatus`.
    """

    arn: str
    task_name: str
    attempt: str
    status: str


@dataclass(frozen=True)
class Left:
    """What is left of a run.

    Attributes:
        execution_status: of Step Functions.
        summary: the items of the summary table with its key.
        rows: the items of the details table.
        ecs_tasks: its ECS tasks.
        copies: by task name, whether its result is there and equal to its source.
        processes: operating system processes that work for it.
    """

    execution_status: str
    summary: Sequence[Mapping[str, Any]]
    rows: Sequence[Mapping[str, Any]]
    ecs_tasks: Sequence[EcsTaskLeft]
    copies: Mapping[str, bool]
    processes: Sequence[str] = ()


@dataclass(frozen=True)
class Rules:
    """What a run of the stack is measured by.

    Attributes:
        task_names: its tasks.
        task_attempts: attempts at a task whose job fails.
        infrastructure_retries: further attempts where ECS failed.
        tolerated_failure_percentage: share of tasks that may fail in a run that succeeds.
    """

    task_names: Sequence[str]
    task_attempts: int
    infrastructure_retries: int
    tolerated_failure_percentage: int


def judge(left: Left, rules: Rules) -> list[str]:
    """Say what of a run is not as it must be, whatever faults it met. An empty list is a pass."""
    problems: list[str] = []
    if left.execution_status == "RUNNING":
        problems.append("its execution still runs")
    problems += [f"{task.arn} is {task.status}" for task in left.ecs_tasks if task.status != "STOPPED"]
    problems += [f"a process still works for it: {process}" for process in left.processes]
    if len(left.summary) != 1:
        problems.append(f"it has {len(left.summary)} summary items, not 1")
        return problems
    problems += _judge_summary(left, rules)
    problems += _judge_rows(left, rules)
    problems += _judge_ecs_tasks(left)
    return problems


def _judge_summary(left: Left, rules: Rules) -> list[str]:
    (summary,) = left.summary
    number = len(rules.task_names)
    completed = len({row["task_name"] for row in left.rows if row["status"] == TaskStatus.COMPLETED})
    counts = tuple(summary[f"{name}_tasks"] for name in ("completed", "failed", "running"))
    if summary["status"] == RunStatus.RUNNING:
        return [f"its summary is still {RunStatus.RUNNING}"]
    problems = []
    if summary["number_of_tasks"] != number or counts != (completed, number - completed, 0):
        problems.append(f"its counts are {counts} of {summary['number_of_tasks']}, its rows have {completed} completed")
    own = final_status(Counts(completed, number - completed, 0), number, rules.tolerated_failure_percentage)
    # A call of the monitor that was under way when the execution was stopped may have seen the run's own end.
    possible = {own, EXECUTION_STATUSES.get(left.execution_status, own)}
    succeeded = RunStatus(summary["status"]).is_success
    if summary["status"] not in possible or (succeeded and left.execution_status == "FAILED"):
        problems.append(f"its execution is {left.execution_status}, its summary {summary['status']} with {counts}")
    if not summary.get("end_time"):
        problems.append("its summary has no end_time")
    return problems


def _judge_rows(left: Left, rules: Rules) -> list[str]:
    problems = []
    for row in left.rows:
        where = f"{row['task_name']}, attempt {row['attempt']}"
        if row["status"] not in (TaskStatus.COMPLETED, TaskStatus.FAILED):
            problems.append(f"{where} is {row['status']}")
        elif row["status"] == TaskStatus.FAILED and not row.get("error"):
            problems.append(f"{where} failed, and does not say why")
        elif row["status"] == TaskStatus.COMPLETED and not left.copies.get(row["task_name"]):
            problems.append(f"{where} is {TaskStatus.COMPLETED}, and its copy is missing or differs")
        if row["task_name"] not in rules.task_names:
            problems.append(f"{where} is not in its spec")
    completed = Counter(row["task_name"] for row in left.rows if row["status"] == TaskStatus.COMPLETED)
    problems += [f"{name} completed {times} times" for name, times in completed.items() if times > 1]
    attempts = Counter(row["task_name"] for row in left.rows)
    most = rules.task_attempts + rules.infrastructure_retries
    problems += [f"{name} has {times} attempts, {most} at most" for name, times in attempts.items() if times > most]
    if left.summary[0]["status"] in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_FAILURES, RunStatus.FAILED):
        unknown = sorted(set(rules.task_names) - set(attempts))
        if unknown and left.execution_status in ("SUCCEEDED", "FAILED"):
            problems.append(f"tasks without any row: {', '.join(unknown)}")
    return problems


def _judge_ecs_tasks(left: Left) -> list[str]:
    recorded = {row["ecs_task_id"] for row in left.rows}
    problems = [f"{task.arn} has no row: nobody owns it" for task in left.ecs_tasks if task.arn not in recorded]
    started = Counter((task.task_name, task.attempt) for task in left.ecs_tasks)
    problems += [
        f"attempt {attempt} at {name} was started {times} times"
        for (name, attempt), times in started.items()
        if times > 1
    ]
    return problems


@dataclass
class RunOutcome:
    """How one run ended.

    Attributes:
        run: what was planned.
        status: of its summary, or of its execution where it has none.
        completed: tasks that completed.
        failed: tasks that failed.
        seconds: how long it took.
        met: calls that each of its faults met, by kind.
        problems: what is not as it must be.
        sweeps: the calls of the sweep that it took: why each failed, with nothing if it did not.
    """

    run: SoakRun
    status: str
    completed: int = 0
    failed: int = 0
    seconds: float = 0.0
    met: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[str] = ()
    sweeps: Sequence[str] = ()

    @property
    def failed_sweeps(self) -> list[str]:
        """Why sweeps failed."""
        return [failure for failure in self.sweeps if failure]

    def line(self, runs: int) -> str:
        """The run on one line."""
        met = ", ".join(f"{name} x{times}" for name, times in self.met.items() if times) or "no faults"
        verdict = "" if not self.problems else f" BROKEN: {'; '.join(self.problems)}"
        failed = f", {len(self.failed_sweeps)} sweeps failed" if self.failed_sweeps else ""
        swept = f" (swept{failed})" if self.sweeps else ""
        return (
            f"run {self.run.number} of {runs}, pattern {self.run.pattern}: {self.status}{swept}, {self.completed} "
            f"completed, {self.failed} failed, {self.seconds:.0f} s; {met}{verdict}"
        )


def faults_table(outcomes: Iterable[RunOutcome]) -> tuple[list[str], list[list[str]]]:
    """What was injected and how it ended, one line for each kind of fault."""
    statuses = [status.value for status in RunStatus if status.is_final]
    runs: Counter[str] = Counter()
    met: Counter[str] = Counter()
    ended: dict[str, Counter[str]] = {}
    broken: Counter[str] = Counter()
    for outcome in outcomes:
        for name in (*outcome.run.faults, "all runs"):
            runs[name] += 1
            met[name] += sum(outcome.met.values()) if name == "all runs" else outcome.met.get(name, 0)
            ended.setdefault(name, Counter())[outcome.status] += 1
            broken[name] += bool(outcome.problems)
    names = [*sorted(set(runs) - {"all runs"}), *(["all runs"] if runs else [])]
    header = ["injected", "runs", "times", *statuses, "broken"]
    return header, [
        [name, str(runs[name]), str(met[name]), *(str(ended[name][s] or "") for s in statuses), str(broken[name] or "")]
        for name in names
    ]
