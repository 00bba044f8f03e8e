"""A soak on a deployed stack: start runs some at a time, inject faults into them, judge what is left of each."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.host import processes
from ecs_kit.automation.host.interruption import LOOK_SECONDS
from ecs_kit.automation.journeys import runs, tables, verify
from ecs_kit.automation.journeys.report_page import gather as report_page
from ecs_kit.automation.journeys.scenario import Scenario
from ecs_kit.automation.journeys.spec_files import Document
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import Stack
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from tools.soak.plan import ABORT, MISSING, SoakRun
from tools.soak.verdict import (
    TASK_ATTEMPTS,
    TOLERATED_PERCENTAGE,
    Left,
    RunOutcome,
    faults_table,
    judge,
)

POLL_SECONDS = 1.0
RUN_TIMEOUT_SECONDS = 900
SETTLED_WITHIN_SECONDS = 90.0
"""How long a run may take from its execution's end until its rows and ECS tasks are terminal; then the sweep is called,
which the stack's own rule does every ten minutes."""

SWEEPS = 3
"""How often the sweep is called for a run: one that fails is repeated, as the stack's own rule does."""
SWEEP_SECONDS = 330.0
"""A little more than the monitor may take."""

ENDED_WITHIN_SECONDS = RUN_TIMEOUT_SECONDS + 120.0

CONFIG = {
    "taskAttempts": str(TASK_ATTEMPTS),
    "toleratedFailurePercentage": str(TOLERATED_PERCENTAGE),
    "taskTimeoutSeconds": "45",
    "runTimeoutSeconds": str(RUN_TIMEOUT_SECONDS),
    "stopTimeoutSeconds": "5",
}
"""The stack's settings: time limits short enough to be reached, further attempts, some tolerance."""


@dataclass(eq=False)
class Soak(Scenario):
    """The journey of a stack whose runs are those of a plan."""

    planned: Sequence[SoakRun]
    at_once: int = field(kw_only=True)
    outcomes: list[RunOutcome] = field(default_factory=list, init=False)
    problems: list[str] = field(default_factory=list, init=False)
    _ending: threading.Event = field(default_factory=threading.Event, init=False)
    _injector: Any = field(default=None, init=False)
    _functions: Any = field(default=None, init=False)

    @property
    def passed(self) -> bool:
        """Whether every run ended as it should, and nothing is left."""
        return (
            len(self.outcomes) == len(self.planned)
            and not any(outcome.problems for outcome in self.outcomes)
            and not self.problems
            and self.report.stack_ended
        )

    def use_stack(self, _stack: Stack) -> None:
        """Run what is planned, some at a time, then look at everything that is left."""
        with self._phase("runs"):
            self._run_all()
        with self._phase("verify"):
            self.problems = self._left_open()
            for problem in self.problems:
                self.progress.say(f"BROKEN: {problem}")

    def document(self) -> dict[str, Any]:
        """Which faults were injected, and how each run ended."""
        outcomes = sorted(self.outcomes, key=lambda each: each.run.number)
        return {
            "passed": self.passed,
            "runs": [outcome.document() for outcome in outcomes],
            "problems": self.problems,
            **self.ending(),
        }

    def show_report(self) -> None:
        """Show the table of faults, and how many runs are broken."""
        self.progress.table("faults injected, and how the runs ended", *faults_table(self.outcomes))
        broken = sum(bool(outcome.problems) for outcome in self.outcomes)
        self.progress.say(
            f"{'passed' if self.passed else 'FAILED'}: {len(self.outcomes)} of {len(self.planned)} runs ended, "
            f"{broken} broken, {sum(bool(outcome.sweeps) for outcome in self.outcomes)} swept, "
            f"{sum(len(outcome.failed_sweeps) for outcome in self.outcomes)} sweeps failed"
        )

    def _run_all(self) -> None:
        aws = self.target.aws
        # A client is made when it is first used, which only one thread may do.
        _ = (aws.dynamodb, aws.ecs, aws.logs, aws.s3, aws.stepfunctions)
        self._functions = aws.client("lambda", read_timeout=SWEEP_SECONDS, retries={"total_max_attempts": 1})
        self._injector = self.target.injector
        inputs = self._inputs()
        threads = ThreadPoolExecutor(max_workers=self.at_once, thread_name_prefix="soak")
        pending: set[Future[RunOutcome]] = {
            threads.submit(self._one, each, inputs[each.pattern]) for each in self.planned
        }
        try:
            while pending:
                done, pending = wait(pending, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    outcome = future.result()
                    self.outcomes.append(outcome)
                    self.progress.say(outcome.line(len(self.planned)))
        finally:
            self._ending.set()
            threads.shutdown(wait=True, cancel_futures=True)

    def _one(self, planned: SoakRun, document: Document) -> RunOutcome:
        began = time.monotonic()
        self._injector.inject_faults(planned.rules, planned.workflow)
        try:
            run = runs.start(
                self.target.aws,
                pattern=planned.pattern,
                spec=_with_missing_objects(document, planned),
                deployed=self._outputs[f"pattern{planned.pattern}"],
                name=f"soak-{planned.number}",
            )
            aborted = self._follow(planned, run)
            left, problems, sweeps = self._settle(planned, run)
            met = {each["name"]: int(each["met"]) for each in self._injector.injected_faults(planned.workflow)}
        finally:
            self._injector.inject_faults([], planned.workflow)
        verdict = {"passed": not problems, "problems": problems}
        page = report_page.reading(self.target.aws, left.facts.state, verdict=verdict)
        report_page.write(self.plan.report_dir / f"run-{planned.number:03}.html", page)
        summary = left.facts.state.summary or {}
        return RunOutcome(
            run=planned,
            status=str(summary.get("status", left.facts.execution_status)),
            completed=int(summary.get("completed_tasks", 0)),
            failed=int(summary.get("failed_tasks", 0)),
            seconds=time.monotonic() - began,
            met=met | ({ABORT: 1} if aborted else {}) | ({MISSING: len(planned.missing)} if planned.missing else {}),
            problems=problems,
            sweeps=sweeps,
        )

    def _follow(self, planned: SoakRun, run: runs.Run) -> bool:
        """Wait for the execution's end, and stop it where that is planned; return whether it was."""
        stepfunctions = self.target.aws.stepfunctions
        aborted = False
        for waited in self._looks(ENDED_WITHIN_SECONDS):
            if stepfunctions.describe_execution(executionArn=run.execution_arn)["status"] != runs.RUNNING:
                break
            if not aborted and planned.abort_after_seconds is not None and waited >= planned.abort_after_seconds:
                stepfunctions.stop_execution(executionArn=run.execution_arn, error="Soak", cause="part of the soak")
                aborted = True
        return aborted

    def _settle(self, planned: SoakRun, run: runs.Run) -> tuple[Left, list[str], list[str]]:
        def look() -> tuple[Left, list[str]]:
            for _ in self._looks(SETTLED_WITHIN_SECONDS):
                left = gather(self.target.aws, run)
                problems = judge(left)
                if not problems:
                    break
            return left, problems

        def call(problems: Sequence[str]) -> str:
            self.progress.say(f"run {planned.number}: calls the sweep, for {'; '.join(problems)}")
            failure = sweep(self._functions, str(run.deployed["monitorFunctionName"]))
            if failure:
                self.progress.say(f"run {planned.number}: the sweep failed: {failure}")
            return failure

        return settle(look, call)

    def _looks(self, limit_seconds: float) -> Iterator[float]:
        """As `polling.looks`, but an interrupted soak ends it."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) <= limit_seconds:
            yield waited
            if self._ending.wait(POLL_SECONDS):
                raise DriverError("the soak was interrupted before this run had ended")

    def _left_open(self) -> list[str]:
        """Everything in the whole stack that is not terminal."""
        aws, problems = self.target.aws, list[str]()
        for pattern in self.plan.specs:
            deployed = self._outputs[f"pattern{pattern}"]
            for arn in runs.open_executions(aws, str(deployed["stateMachineArn"])):
                problems.append(f"execution {arn} still runs")
            for item in tables.all_items(aws, str(deployed["ddbTableNameWFSummary"])):
                if item.get("status") == RunStatus.RUNNING:
                    problems.append(f"run {item['workflow_run_id']} of {item['workflow_name']} is still Running")
            for item in tables.all_items(aws, str(deployed["ddbTableNameWFDetails"])):
                if item["status"] not in (TaskStatus.COMPLETED, TaskStatus.FAILED):
                    problems.append(f"row {item['ecs_task_id']} of {item['workflow_name']} is {item['status']}")
            for task in EcsTasks(aws.ecs, str(deployed["clusterName"])).all().values():
                if not task.is_stopped:
                    problems.append(f"ECS task {task.arn} is {task.last_status}")
        return problems + [f"a process still runs: {process}" for process in working_for("soak-")]


def settle(
    look: Callable[[], tuple[Left, list[str]]], sweep: Callable[[Sequence[str]], str]
) -> tuple[Left, list[str], list[str]]:
    """Look at a run until it violates no invariant; where that takes too long, call the sweep, and look again.

    A look returns what is left and the violated invariants, a sweep why it failed, with nothing if it did not. Returns
    the last look, and what each sweep returned.
    """
    sweeps: list[str] = []
    while True:
        left, problems = look()
        if not problems or len(sweeps) == SWEEPS or (sweeps and not sweeps[-1]):
            return left, problems, sweeps
        sweeps.append(sweep(problems))


def sweep(functions: Any, monitor: str) -> str:
    """Call the monitor's sweep and wait for its end; return why it failed, with nothing if it did not."""
    try:
        answer = functions.invoke(FunctionName=monitor, Payload=json.dumps({"action": "sweep"}))
        payload = answer["Payload"].read().decode()
    except (ClientError, BotoCoreError) as error:
        return str(error)
    if "FunctionError" not in answer:
        return ""
    failure = json.loads(payload or "{}")
    return f"{failure.get('errorType', answer['FunctionError'])}: {failure.get('errorMessage', payload)}"


def _with_missing_objects(document: Mapping[str, Any], planned: SoakRun) -> Document:
    tasks = [
        {**task, "objectKey": f"missing/{task['objectKey']}"} if number in planned.missing else dict(task)
        for number, task in enumerate(document["taskList"])
    ]
    return {**document, "workflowName": planned.workflow, "taskList": tasks}


def gather(aws: AwsClients, run: runs.Run) -> Left:
    """Read what is left of a run."""
    facts = verify.gather(aws, run)
    of_cluster = EcsTasks(aws.ecs, str(run.deployed["clusterName"])).all().values()
    of_run = [task for task in of_cluster if task.run == (run.workflow_name, run.run_id)]
    return Left(facts, of_run, working_for(run.workflow_name))


def working_for(workflow: str) -> list[str]:
    """This machine's processes that work for a workflow whose name starts so: tasks that run without containers."""
    return [
        f"{pid} {' '.join(arguments)}"
        for pid, arguments, environment in processes.of_this_user()
        if environment.get("KIT_WORKFLOW_NAME", "").startswith(workflow)
    ]
