"""A soak on a deployed stack: start runs some at a time, inject faults into them, judge what is left of each."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.host import processes
from ecs_kit.automation.host.interruption import LOOK_SECONDS
from ecs_kit.automation.journeys import runs, tables, verify
from ecs_kit.automation.journeys.scenario import Scenario, SpecFile
from ecs_kit.automation.journeys.soak.plan import SoakRun, narrowed
from ecs_kit.automation.journeys.soak.verdict import EcsTaskLeft, Left, Rules, RunOutcome, faults_table, judge
from ecs_kit.automation.journeys.spec_files import Document
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.failures import INFRASTRUCTURE_RETRIES
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus

POLL_SECONDS = 1.0
TASK_ATTEMPTS = 2
TOLERATED_PERCENTAGE = 10
RUN_TIMEOUT_SECONDS = 900
SETTLED_WITHIN_SECONDS = 90.0
"""How long a run may take from its execution's end until nothing of it is left open; then the sweep is called, which
the stack's own rule does every ten minutes."""

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


class Stopped(DriverError):
    """The soak was interrupted."""

    def __init__(self) -> None:
        super().__init__("the soak was interrupted before this run had ended")


class Soak(Scenario):
    """The journey of a stack whose runs are those of a plan."""

    def __init__(self, planned: Sequence[SoakRun], *, at_once: int, **journey: Any) -> None:
        super().__init__(**journey)
        if self.target.injector is None:
            raise RuntimeError("a soak needs a deployment target that makes faults")
        self.outcomes: list[RunOutcome] = []
        self.problems: list[str] = []
        self._planned = planned
        self._at_once = at_once
        self._injector = self.target.injector
        self._ending = threading.Event()
        self._functions: Any = None

    @property
    def passed(self) -> bool:
        """Whether every run ended as it should, and nothing is left."""
        report = self.report
        return (
            len(self.outcomes) == len(self._planned)
            and not any(outcome.problems for outcome in self.outcomes)
            and not self.problems
            and not report.failed
            and report.destroyed
            and not report.leftovers
        )

    def use_stack(self) -> None:
        """Run what is planned, some at a time, then look at everything that is left."""
        with self._phase("runs"):
            self._run_all()
        with self._phase("verify"):
            self.problems = self._left_open()
            for problem in self.problems:
                self._progress.say(f"BROKEN: {problem}")

    def write_report(self) -> None:
        """Tell what was injected, how it ended, and how each run did."""
        document = {
            "passed": self.passed,
            "runs": [
                {
                    "number": outcome.run.number,
                    "pattern": outcome.run.pattern,
                    "workflowName": outcome.run.workflow,
                    "faults": list(outcome.run.faults),
                    "met": dict(outcome.met),
                    "status": outcome.status,
                    "completed": outcome.completed,
                    "failed": outcome.failed,
                    "swept": bool(outcome.sweeps),
                    "failedSweeps": outcome.failed_sweeps,
                    "seconds": round(outcome.seconds, 1),
                    "problems": list(outcome.problems),
                }
                for outcome in sorted(self.outcomes, key=lambda each: each.run.number)
            ],
            "problems": self.problems,
            "destroyed": self.report.destroyed,
            "leftovers": self.report.leftovers,
            "seconds": {name: round(seconds, 1) for name, seconds in self.phases.items()},
        }
        self.write_documents(document)
        self._progress.table("faults injected, and how the runs ended", *faults_table(self.outcomes))
        broken = sum(bool(outcome.problems) for outcome in self.outcomes)
        self._progress.say(
            f"{'passed' if self.passed else 'FAILED'}: {len(self.outcomes)} of {len(self._planned)} runs ended, "
            f"{broken} broken, {sum(bool(outcome.sweeps) for outcome in self.outcomes)} swept, "
            f"{sum(len(outcome.failed_sweeps) for outcome in self.outcomes)} sweeps failed"
        )
        self._progress.say(f"report: {self.plan.report_dir / 'report.json'}")

    # --- the runs ---------------------------------------------------------------------------------------------------

    def _run_all(self) -> None:
        aws = self.target.aws
        # A client is made when it is first used, which only one thread may do.
        _ = (aws.dynamodb, aws.ecs, aws.s3, aws.stepfunctions)
        self._functions = aws.client("lambda", read_timeout=SWEEP_SECONDS, retries={"total_max_attempts": 1})
        inputs = self._inputs()
        bodies = {pattern: SpecFile(spec.path, inputs[pattern]) for pattern, spec in self.plan.specs.items()}
        threads = ThreadPoolExecutor(max_workers=self._at_once, thread_name_prefix="soak")
        pending: set[Future[RunOutcome]] = {threads.submit(self._one, each, bodies) for each in self._planned}
        try:
            while pending:
                done, pending = wait(pending, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    outcome = future.result()
                    self.outcomes.append(outcome)
                    self._progress.say(outcome.line(len(self._planned)))
        finally:
            self._ending.set()
            threads.shutdown(wait=True, cancel_futures=True)

    def _one(self, planned: SoakRun, bodies: Mapping[int, SpecFile]) -> RunOutcome:
        deployed = self._outputs[f"pattern{planned.pattern}"]
        document = _with_missing_objects(bodies[planned.pattern].document, planned)
        roles = {"task": "-task", "launcher": "-launcher", "monitor": "-monitor"}
        self._injector.inject_faults(
            [narrowed(rule, planned.workflow, roles) for rule in planned.rules], planned.workflow
        )
        began = time.monotonic()
        try:
            run = runs.start(
                self.target.aws,
                pattern=planned.pattern,
                spec=document,
                deployed=deployed,
                name=f"soak-{planned.number}",
            )
            aborted = self._follow(planned, run)
            left, problems, sweeps = self._settle(planned, run)
            met = Counter({each["name"]: int(each["met"]) for each in self._injector.injected_faults(planned.workflow)})
        finally:
            self._injector.inject_faults([], planned.workflow)
        met.update({name: 1 for name, happened in (("execution stopped", aborted),) if happened})
        met.update({"object missing": len(planned.missing)} if planned.missing else {})
        summary = left.summary[0] if left.summary else {}
        return RunOutcome(
            run=planned,
            status=str(summary.get("status", left.execution_status)),
            completed=int(summary.get("completed_tasks", 0)),
            failed=int(summary.get("failed_tasks", 0)),
            seconds=time.monotonic() - began,
            met=met,
            problems=problems,
            sweeps=sweeps,
        )

    def _follow(self, planned: SoakRun, run: runs.Run) -> bool:
        """Wait for the execution's end, and stop it where that is planned; return whether it was."""
        stepfunctions = self.target.aws.stepfunctions
        began = time.monotonic()
        aborted = False
        while time.monotonic() - began < ENDED_WITHIN_SECONDS:
            if stepfunctions.describe_execution(executionArn=run.execution_arn)["status"] != runs.RUNNING:
                break
            due = planned.abort_after_seconds
            if due is not None and not aborted and time.monotonic() - began >= due:
                stepfunctions.stop_execution(executionArn=run.execution_arn, error="Soak", cause="part of the soak")
                aborted = True
            self._pause()
        return aborted

    def _settle(self, planned: SoakRun, run: runs.Run) -> tuple[Left, list[str], list[str]]:
        rules = Rules(
            [str(task["taskName"]) for task in run.tasks], TASK_ATTEMPTS, INFRASTRUCTURE_RETRIES, TOLERATED_PERCENTAGE
        )

        def look() -> tuple[Left, list[str]]:
            began = time.monotonic()
            while True:
                left = gather(self.target.aws, run)
                problems = judge(left, rules)
                if not problems or time.monotonic() - began > SETTLED_WITHIN_SECONDS:
                    return left, problems
                self._pause()

        def call(problems: Sequence[str]) -> str:
            self._progress.say(f"run {planned.number}: calls the sweep, for {'; '.join(problems)}")
            failure = sweep(self._functions, str(run.deployed["monitorFunctionName"]))
            if failure:
                self._progress.say(f"run {planned.number}: the sweep failed: {failure}")
            return failure

        return settle(look, call)

    def _pause(self) -> None:
        if self._ending.wait(POLL_SECONDS):
            raise Stopped

    # --- what is left of all of them --------------------------------------------------------------------------------

    def _left_open(self) -> list[str]:
        """Say what is open in the whole stack."""
        aws, problems = self.target.aws, list[str]()
        for pattern in sorted(self.plan.specs):
            deployed = self._outputs[f"pattern{pattern}"]
            for page in aws.stepfunctions.get_paginator("list_executions").paginate(
                stateMachineArn=str(deployed["stateMachineArn"]), statusFilter="RUNNING"
            ):
                problems += [f"execution {each['executionArn']} still runs" for each in page["executions"]]
            for item in tables.all_items(aws, str(deployed["ddbTableNameWFSummary"])):
                if item["status"] == RunStatus.RUNNING:
                    problems.append(f"run {item['workflow_run_id']} of {item['workflow_name']} is still Running")
            for item in tables.all_items(aws, str(deployed["ddbTableNameWFDetails"])):
                if item["status"] not in (TaskStatus.COMPLETED, TaskStatus.FAILED):
                    problems.append(f"row {item['ecs_task_id']} of {item['workflow_name']} is {item['status']}")
            for task in runs.ecs_tasks(aws, str(deployed["clusterName"])):
                if task["lastStatus"] != "STOPPED":
                    problems.append(f"ECS task {task['taskArn']} is {task['lastStatus']}")
        return problems + [f"a process still runs: {process}" for process in working_for("soak-")]


def settle(
    look: Callable[[], tuple[Left, list[str]]], sweep: Callable[[Sequence[str]], str]
) -> tuple[Left, list[str], list[str]]:
    """Look at what is left of a run until it is in order; where that takes too long, sweep, and look again.

    Args:
        look: says what is left and what of it is not in order.
        sweep: calls the sweep for what is not in order; answers why that failed, with nothing if it did not.

    Returns:
        What is left, what of it is not in order, and how each sweep ended.
    """
    sweeps: list[str] = []
    while True:
        left, problems = look()
        if not problems or len(sweeps) == SWEEPS or (sweeps and not sweeps[-1]):
            return left, problems, sweeps
        sweeps.append(sweep(problems))


def sweep(functions: Any, monitor: str) -> str:
    """Call the monitor's sweep and wait for its end; answer why it failed, with nothing if it did not."""
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
    own = {"name": "KIT_WORKFLOW_NAME", "value": run.workflow_name}
    tasks = []
    for task in runs.ecs_tasks(aws, str(run.deployed["clusterName"])):
        environment = task["overrides"]["containerOverrides"][0].get("environment", [])
        if own in environment:
            values = {each["name"]: each["value"] for each in environment}
            tasks.append(
                EcsTaskLeft(task["taskArn"], values["KIT_TASK_NAME"], values["KIT_ATTEMPT"], task["lastStatus"])
            )
    return Left(
        execution_status=facts.execution_status,
        summary=facts.summary,
        rows=facts.details,
        ecs_tasks=tasks,
        copies={
            str(task["taskName"]): facts.copies.get(run.target(task), "") == facts.sources[run.source(task)]
            for task in run.tasks
        },
        processes=working_for(run.workflow_name),
    )


def working_for(workflow: str) -> list[str]:
    """This machine's processes that work for a workflow whose name starts so: tasks that run without containers."""
    return [
        f"{pid} {' '.join(arguments)}"
        for pid, arguments, environment in processes.of_this_user()
        if environment.get("KIT_WORKFLOW_NAME", "").startswith(workflow)
    ]
