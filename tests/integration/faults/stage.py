"""Concurrent runs with faults: each has its own workflow name, and its rules match its own calls alone."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.reporter.items import Item
from local_aws import Emulator
from tests.integration.faults.pattern import Pattern

Rule = Mapping[str, Any]

KEYS = tuple(f"in/{n:02}.txt" for n in range(1, 11))
"""Ten objects that every pattern here has."""

END_SECONDS = 240.0
"""How long a run may take before its test fails: generous, because all runs share two processors."""


@dataclass(frozen=True)
class Scenario:
    """A run and its faults.

    Attributes:
        keys: one task for each; the first part of a key is the behaviour of the job (`pattern.JOB`).
        faults: rules of the fault injector; see `Run.narrow`.
        settings: the pattern's settings that differ from the usual ones; runs with the same settings share a pattern.
        spec: attributes of the spec that differ from the usual ones.
        during: called in a thread of its own once the run was started.
    """

    keys: Sequence[str] = KEYS
    faults: Sequence[Rule] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    during: Callable[[Run], object] | None = None


@dataclass(frozen=True)
class Outcome:
    """DescribeExecution's answer, the items, the ECS tasks as described, and how many calls each fault rule hit."""

    execution: dict[str, Any]
    summary: Mapping[str, Any]
    rows: list[Item]
    tasks: list[EcsTask]
    met: list[int]

    @property
    def status(self) -> str:
        return str(self.execution["status"])

    @property
    def cause(self) -> str:
        return str(self.execution.get("cause", ""))

    @property
    def counts(self) -> tuple[Any, ...]:
        """The run's status, its number of tasks, and how many are completed, failed, running."""
        names = ("status", "number_of_tasks", "completed_tasks", "failed_tasks", "running_tasks")
        return tuple(self.summary[name] for name in names)

    def each(self, *names: str) -> list[Any]:
        """These attributes of each row; None where a row has none. A single one comes as it is."""
        found = [tuple(row.get(name) for name in names) for row in self.rows]
        return [values[0] for values in found] if len(names) == 1 else found

    @property
    def attempts(self) -> list[tuple[str, int, str]]:
        """Task, attempt and status of each row."""
        return self.each("task_name", "attempt", "status")

    @property
    def unstopped(self) -> list[str]:
        """ECS tasks that have not stopped."""
        return [task.arn for task in self.tasks if not task.is_stopped]

    @property
    def is_over(self) -> bool:
        """Whether nothing of the run runs and nothing is open: its summary gets its `end_time` last."""
        finals = set(self.each("status")) <= {"Completed", "Failed"}
        return bool(self.summary.get("end_time")) and finals and not self.unstopped


class Run:
    """One run of a scenario on one pattern."""

    def __init__(self, pattern: Pattern, scenario: Scenario, name: str, workflow: str = "") -> None:
        self.p = pattern
        self.scenario = scenario
        self.workflow = workflow or f"{name[:60]}.{uuid.uuid4().hex[:8]}"
        self.execution_arn = ""
        self._outcome: Outcome | None = None
        self._problem: BaseException | None = None
        self._thread: threading.Thread | None = None

    def narrow(self, rule: Rule) -> dict[str, Any]:
        """Make a rule this run's own.

        `caller` is `task`, `launcher`, `monitor` or `machine` (the state machine). Only requests that hold the run's
        workflow name match: all of DynamoDB's, RunTask's, S3's copies and calls of functions do.
        """
        caller = f"*:assumed-role/{rule['caller']}-{self.p.suffix}/*" if "caller" in rule else "*"
        return {**rule, "request": f"*{self.workflow}*", "caller": caller}

    def inject(self, *rules: Rule) -> None:
        """Replace this run's faults."""
        self.p.aws.emulator.inject_faults([self.narrow(rule) for rule in rules], self.workflow)

    def met(self) -> list[int]:
        """How many calls each of this run's rules has hit."""
        return [each["met"] for each in self.p.aws.emulator.injected_faults(self.workflow)]

    def start(self) -> Run:
        """Start it, its faults first."""
        self.inject(*self.scenario.faults)
        document = self.p.spec(self.workflow, *self.scenario.keys, **self.scenario.spec)
        self.execution_arn = self.p.start(document)
        if self.scenario.during is not None:
            self._thread = threading.Thread(target=self._act, name=self.workflow, daemon=True)
            self._thread.start()
        return self

    def _act(self) -> None:
        assert self.scenario.during is not None
        try:
            self.scenario.during(self)
        except BaseException as error:  # noqa: BLE001 - it fails the test that waits for the run
            self._problem = error

    def outcome(self) -> Outcome:
        """Wait for the end of the run, of `during` and of its ECS tasks; then read its state, once."""
        if self._outcome is None:
            execution = self.p.end(self.execution_arn, END_SECONDS)
            if self._thread is not None:
                self._thread.join(END_SECONDS)
                assert not self._thread.is_alive(), "what is done during the run does not end"
            if self._problem is not None:
                raise self._problem
            # A run ends by its rows, a moment before its tasks stop.
            self.until(lambda: not self.read().unstopped)
            self._outcome = self.read(execution)
            self.inject()
        return self._outcome

    def read(self, execution: dict[str, Any] | None = None) -> Outcome:
        """The run's state now."""
        described = self.p.aws.client("stepfunctions").describe_execution(executionArn=self.execution_arn)
        found = self.p.summaries(self.workflow)
        summary = next((item for item in found if item["execution_arn"] == self.execution_arn), {})
        run_id = summary.get("workflow_run_id")
        return Outcome(
            execution=execution or described,
            summary=summary,
            rows=[row for row in self.p.rows(self.workflow) if row["workflow_run_id"] == run_id],
            tasks=self.p.ecs_tasks(self.workflow, run_id or 0),
            met=self.met(),
        )

    def stop(self) -> None:
        """Stop the execution."""
        self.p.aws.client("stepfunctions").stop_execution(executionArn=self.execution_arn, cause="enough")

    def conclude(self, seconds: float = END_SECONDS) -> Outcome:
        """Wait until the monitor has ended the run, its rows and its ECS tasks."""
        self.until(lambda: self.read().is_over, seconds)
        return self.read()

    def until(self, ask: Callable[[], Any], seconds: float = END_SECONDS) -> Any:
        """Ask until there is an answer."""
        return self.p.until(ask, seconds)

    def until_statuses(self, *statuses: str) -> None:
        """Wait until the rows have these statuses."""
        self.until(lambda: self.read().each("status") == list(statuses))

    def history(self) -> list[dict[str, Any]]:
        """The execution's events."""
        pages = self.p.aws.client("stepfunctions").get_paginator("get_execution_history")
        return [event for page in pages.paginate(executionArn=self.execution_arn) for event in page["events"]]

    def log(self, function: str) -> str:
        """What the launcher or the monitor wrote, for all of the pattern's runs."""
        logs, group = self.p.aws.client("logs"), f"/aws/lambda/{function}-{self.p.suffix}"
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            return "\n".join(event["message"] for event in logs.filter_log_events(logGroupName=group)["events"])
        return ""

    def report(self) -> str:
        """Everything about it, for a test that failed."""
        return json.dumps(vars(self.read()), indent=1, default=str)


class Stage:
    """Deployments of one pattern on one emulator, by their settings."""

    def __init__(self, emulator: Emulator, pattern: int) -> None:
        self.emulator = emulator
        self.pattern = pattern
        self._deployed: dict[str, Pattern] = {}

    def deploy(self, settings: Mapping[str, Any], *, alone: bool = False) -> Pattern:
        """A pattern with these settings; one that no other run uses, if it is to be `alone`."""
        key = uuid.uuid4().hex if alone else json.dumps(settings, sort_keys=True)
        if key not in self._deployed:
            # A stop timeout that a busy machine keeps, and in containers, which start slowly, longer time limits.
            usual = {"stop_timeout_seconds": 30, **settings}
            if self.emulator.container_runtime == "docker" and "taskTimeoutSeconds" in usual:
                usual["taskTimeoutSeconds"] *= 5
            self._deployed[key] = Pattern(self.emulator, self.pattern, **usual)
            self._deployed[key].put(*KEYS)
        return self._deployed[key]

    def run(self, name: str, scenario: Scenario) -> Run:
        """Start a run."""
        return Run(self.deploy(scenario.settings), scenario, name).start()


pattern_1 = pytest.mark.parametrize("pattern", [1], indirect=True, ids=["pattern1"], scope="module")
"""For tests of what only pattern 1 has: the launcher."""
