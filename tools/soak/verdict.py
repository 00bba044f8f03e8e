"""Whether a run ended as it should, and what a soak showed: pure functions of what is left."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecs_kit.automation.journeys.verify import Facts
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.failures import INFRASTRUCTURE_RETRIES
from ecs_kit.runtime.contract.records import Counts
from ecs_kit.runtime.contract.statuses import EXECUTION_STATUSES, RunStatus, TaskStatus
from ecs_kit.runtime.monitor.reconciliation import final_status
from ecs_kit.runtime.reporter.items import Item
from tools.soak.plan import SoakRun

TASK_ATTEMPTS = 2
TOLERATED_PERCENTAGE = 10
_ALL_RUNS = "all runs"


@dataclass(frozen=True)
class Left:
    """What is left of a run: its facts, its ECS tasks, and operating system processes that work for it."""

    facts: Facts
    ecs_tasks: Sequence[EcsTask]
    processes: Sequence[str] = ()


def judge(left: Left) -> list[str]:
    """Find the invariants that a run violates, whatever faults were injected into it."""
    problems: list[str] = []
    if left.facts.execution_status == "RUNNING":
        problems.append("its execution still runs")
    problems += [f"{task.arn} is {task.last_status}" for task in left.ecs_tasks if not task.is_stopped]
    problems += [f"a process still works for it: {process}" for process in left.processes]
    summary = left.facts.state.summary
    if summary is None:
        return [*problems, "it has 0 summary items, not 1"]
    rows = left.facts.state.details
    return [
        *problems,
        *_judge_summary(summary, left.facts),
        *(problem for row in rows for problem in _judge_row(row, left.facts)),
        *_judge_attempts(summary, left.facts),
        *_judge_ecs_tasks(left),
    ]


def _judge_summary(summary: Item, facts: Facts) -> list[str]:
    number = len(facts.results)
    completed = len({row["task_name"] for row in facts.state.details if row["status"] == TaskStatus.COMPLETED})
    counts = tuple(summary[f"{name}_tasks"] for name in ("completed", "failed", "running"))
    if summary["status"] == RunStatus.RUNNING:
        return [f"its summary is still {RunStatus.RUNNING}"]
    problems = []
    if summary["number_of_tasks"] != number or counts != (completed, number - completed, 0):
        problems.append(f"its counts are {counts} of {summary['number_of_tasks']}, its rows have {completed} completed")
    own = final_status(Counts(completed, number - completed, 0), number, TOLERATED_PERCENTAGE)
    # A call of the monitor that was active when the execution was stopped may have seen the run's own end.
    possible = {own, EXECUTION_STATUSES.get(facts.execution_status, own)}
    succeeded = RunStatus(summary["status"]).is_success
    if summary["status"] not in possible or (succeeded and facts.execution_status == "FAILED"):
        problems.append(f"its execution is {facts.execution_status}, its summary {summary['status']} with {counts}")
    if not summary.get("end_time"):
        problems.append("its summary has no end_time")
    return problems


def _judge_row(row: Item, facts: Facts) -> list[str]:
    problems = []
    where = f"{row['task_name']}, attempt {row['attempt']}"
    if row["status"] not in (TaskStatus.COMPLETED, TaskStatus.FAILED):
        problems.append(f"{where} is {row['status']}")
    elif row["status"] == TaskStatus.FAILED and not row.get("error"):
        problems.append(f"{where} failed, and does not say why")
    elif row["status"] == TaskStatus.COMPLETED and (wrong := facts.results.get(row["task_name"])):
        problems.append(f"{where} is {TaskStatus.COMPLETED}, and {wrong}")
    if row["task_name"] not in facts.results:
        problems.append(f"{where} is not in its spec")
    return problems


def _judge_attempts(summary: Item, facts: Facts) -> list[str]:
    rows = facts.state.details
    completed = Counter(row["task_name"] for row in rows if row["status"] == TaskStatus.COMPLETED)
    problems = [f"{name} completed {times} times" for name, times in completed.items() if times > 1]
    attempts = Counter(row["task_name"] for row in rows)
    most = TASK_ATTEMPTS + INFRASTRUCTURE_RETRIES
    problems += [f"{name} has {times} attempts, {most} at most" for name, times in attempts.items() if times > most]
    if summary["status"] in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_FAILURES, RunStatus.FAILED):
        unknown = sorted(set(facts.results) - set(attempts))
        if unknown and facts.execution_status in ("SUCCEEDED", "FAILED"):
            problems.append(f"tasks without any row: {', '.join(unknown)}")
    return problems


def _judge_ecs_tasks(left: Left) -> list[str]:
    recorded = {row["ecs_task_id"] for row in left.facts.state.details}
    problems = [f"{task.arn} has no row: it is orphaned" for task in left.ecs_tasks if task.arn not in recorded]
    started = Counter((task.attempt.task_name, task.attempt.number) for task in left.ecs_tasks if task.attempt)
    problems += [
        f"attempt {attempt} at {name} was started {times} times"
        for (name, attempt), times in started.items()
        if times > 1
    ]
    return problems


@dataclass(frozen=True)
class RunOutcome:
    """How one run ended, by the status of its summary, or of its execution where it has none.

    `met` has the calls that each of its faults hit, by kind; `problems` are the invariants that it violates; `sweeps`
    says why each call of the sweep failed, with nothing if it did not.
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

    def document(self) -> dict[str, Any]:
        """The entry in the report's `runs`."""
        return {
            "number": self.run.number,
            "pattern": self.run.pattern,
            "workflowName": self.run.workflow,
            "faults": list(self.run.faults),
            "met": dict(self.met),
            "status": self.status,
            "completed": self.completed,
            "failed": self.failed,
            "swept": bool(self.sweeps),
            "failedSweeps": self.failed_sweeps,
            "seconds": round(self.seconds, 1),
            "problems": list(self.problems),
        }


def faults_table(outcomes: Iterable[RunOutcome]) -> tuple[list[str], list[list[str]]]:
    """How often each kind of fault was injected, and how its runs ended: one line for each kind, one for all runs."""
    statuses = [status.value for status in RunStatus if status.is_final]
    runs: dict[str, list[RunOutcome]] = {}
    for outcome in outcomes:
        for name in (*outcome.run.faults, _ALL_RUNS):
            runs.setdefault(name, []).append(outcome)
    lines = []
    for name in sorted(runs, key=lambda name: (name == _ALL_RUNS, name)):
        ended = Counter(outcome.status for outcome in runs[name])
        times = sum(times for each in runs[name] for kind, times in each.met.items() if name in (kind, _ALL_RUNS))
        broken = sum(bool(outcome.problems) for outcome in runs[name])
        cells = [len(runs[name]), times, *(ended[status] or "" for status in statuses), broken or ""]
        lines.append([name, *map(str, cells)])
    return ["injected", "runs", "times", *statuses, "broken"], lines
