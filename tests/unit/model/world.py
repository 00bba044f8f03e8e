"""One deployed pattern in memory: the kit's own state machine, functions and tasks, with injected faults."""

from __future__ import annotations

import contextlib
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from hypothesis import strategies as st

from ecs_kit.components.definitions import StateMachineSettings, pattern_1, pattern_2
from ecs_kit.runtime.common.counting import Counting
from ecs_kit.runtime.common.meter import Meter
from ecs_kit.runtime.common.tables import DetailsTable, SummaryTable
from ecs_kit.runtime.contract import failures, metrics, outcomes
from ecs_kit.runtime.contract.attempts import TaskState, task_states
from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.errors import KitError
from ecs_kit.runtime.contract.patterns import STEP_FUNCTIONS
from ecs_kit.runtime.contract.records import Counts, Summary, TaskRow, from_item
from ecs_kit.runtime.contract.settings import from_json
from ecs_kit.runtime.contract.statuses import EXECUTION_STATUSES, TaskStatus
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.functions.spec_store import SpecStore
from ecs_kit.runtime.launcher.launcher import Launcher
from ecs_kit.runtime.monitor.monitor import Monitor
from ecs_kit.runtime.monitor.reconciliation import final_status
from ecs_kit.runtime.task import interruptions
from local_aws.emulator.aws_behaviour.states_engine import retry_delay
from tests.unit.model.dynamodb import DynamoDb, Item
from tests.unit.model.ecs import Ecs
from tests.unit.model.scheduler import Activity, Choices, Killed, Scheduler
from tests.unit.runtime import asl
from tests.unit.runtime.asl import AslError
from tests.unit.runtime.fakes import (
    EXECUTION,
    START,
    STATE_MACHINE,
    FakeBucket,
    Inline,
    client_error,
    settings_json,
    spec,
)

FUNCTION_SECONDS = 300.0
SWEEP_SECONDS = 600.0
SWEEPS_TO_THE_END = 3
TASK_TIMEOUT_SECONDS = 120

LONGEST_IDLE = timedelta(minutes=30)
"""Longer than any wait of the kit after a run's last attempt, also where functions fail."""

FAULTS = (
    *("abort", "call twice", "counting crashes", "deaf", "ecs error", "event lost", "event twice", "failures", "full"),
    *("function crashes", "function error", "hangs", "is late", "job fails", "late write", "lost answer", "lost call"),
    *("never started", "refused", "server error", "stale", "stall", "stop lost", "table error", "table answer lost"),
    *("task killed", "throttled", "write twice"),
)

INTERRUPTING = {"counting crashes", "function crashes", "ecs error", "table error", "table answer lost", "stall"}
"""Faults after which a function may end in the middle of its work."""


@dataclass(frozen=True)
class Totals(Meter):
    """The metrics, added up by name instead of logged."""

    totals: Counter[str] = field(default_factory=Counter)

    def record(self, values: metrics.Values, **_details: Any) -> None:
        self.totals.update({metric.name: value for metric, value in values.items()})


class Unordered(Inline):
    """Does what is done at once one after another, in either order."""

    def __init__(self, most: int, choices: Choices) -> None:
        super().__init__(most)
        self.choices = choices

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **more: Any) -> Iterator[Any]:
        items = list(zip(*iterables, strict=True))
        return super().map(lambda item: fn(*item), items if self.choices.pick(2) else items[::-1], **more)


class Machine(asl.Machine):
    """The state machine with time that passes, and branches side by side."""

    world: World

    def sleep(self, seconds: float) -> None:
        self.world.scheduler.sleep(seconds)

    def retry_delay(self, retrier: Any, count: int, chance: float) -> float:
        return retry_delay(retrier, count, self.world.choices.pick(8) / 8)

    def _run_together(self, works: Iterable[Callable[[], Any]], at_once: int) -> list[Any]:
        scheduler, parent = self.world.scheduler, self.world.scheduler.current
        assert parent is not None
        branches = [scheduler.spawn("branch", work, may_fail=True) for work in works]
        parent.children += branches
        scheduler.until(lambda: all(branch.done for branch in branches) or any(branch.error for branch in branches))
        for branch in branches:
            if branch.error is not None:
                for other in branches:
                    other.kill()
                raise branch.error
        return [branch.result for branch in branches]

    def _task(self, state: dict[str, Any], *more: Any) -> Any:
        self.world.time_limit = float(state.get("TimeoutSeconds", 10**6))
        return super()._task(state, *more)


@dataclass
class World:
    """One run until it has ended; `tolerated` is the percentage of tasks that may fail."""

    tasks: int
    choices: Choices
    task_attempts: int = 1
    tolerated: int = 0
    run_timeout_seconds: int = 3600
    max_concurrency: int = 0
    is_long: bool = False  # counted as a run of many tasks

    status: str = "RUNNING"
    ended_at: datetime | None = None
    final_at: datetime | None = None
    time_limit: float = 0.0
    _fair_sweeps: int = 0
    _events_open: int = 0
    _ending: tuple[str, str] = ("", "")
    _aborted: bool = False

    def run(self, pattern: int) -> None:
        """Run a pattern until the run has ended, and check the invariants; `NeverEnds` where it does not end."""
        self._deploy(pattern)
        logging.disable(logging.CRITICAL)
        try:
            with (
                patch.object(interruptions, "raised", self.ecs.interruptible),
                patch.object(interruptions, "raised_on_term", contextlib.nullcontext),
                patch.object(outcomes, "TASKS_IN_RUN", 0 if self.is_long else outcomes.TASKS_IN_RUN),
            ):
                self._run()
        except AssertionError as error:
            error.add_note(self.story())
            raise
        finally:
            logging.disable(logging.NOTSET)

    def story(self) -> str:
        """What happened, for a reader of a failure."""
        tasks = (
            f"{task.arn} {task.environment['KIT_TASK_NAME']} {task.description['lastStatus']}, {task.ended}"
            for task in self.ecs.tasks.values()
        )
        lines = [
            f"pattern {self.pattern}, faults {self.choices.made}",
            f"{self.scheduler.steps} steps until {self.scheduler.time}, the execution is {self.status}",
            *map(str, [self.summary, *self.rows, *tasks]),
        ]
        return "\n".join(lines)

    def _deploy(self, pattern: int) -> None:
        self.pattern, self.spec = pattern, spec(pattern, self.tasks)
        self.settings = from_json(
            settings_json(
                pattern,
                taskAttempts=self.task_attempts,
                toleratedFailurePercentage=self.tolerated,
                taskTimeoutSeconds=TASK_TIMEOUT_SECONDS,
                runTimeoutSeconds=self.run_timeout_seconds,
                maxConcurrency=self.max_concurrency,
            )
        )
        self.scheduler, self.dynamodb = Scheduler(self.choices), DynamoDb(self)
        meter = Totals(self.settings.state_machine, self.scheduler)
        self.measured = meter.totals
        self.ecs = Ecs(self.scheduler, self.call, self.dynamodb, self.settings, meter)
        self.surprises: list[str] = []
        summaries = SummaryTable(self.dynamodb, self.settings.summary_table, meter.run_written)
        details = DetailsTable(self.dynamodb, self.settings.details_table, meter.attempt_written, confirms=True)
        self._of_functions: dict[str, Any] = {
            "settings": self.settings,
            "summaries": summaries,
            "details": details,
            "counting": Counting(self.dynamodb, summaries),
            "ecs_tasks": EcsTasks(self.ecs, self.settings.cluster, self.settings.family),
            "meter": meter,
            "specs": SpecStore(FakeBucket(), self.settings.bucket),
            "clock": self.scheduler,
            "executor": lambda most: Unordered(most, self.choices),
        }

    def _run(self) -> None:
        self._root = self.scheduler.spawn("state machine", self._execute)
        self.scheduler.at(self.run_timeout_seconds, lambda: self._end("TIMED_OUT"))
        self.scheduler.spawn("sweep", self._sweep, after=SWEEP_SECONDS)
        self.scheduler.run(self._settled, self._from_outside)
        self._check_end()

    @property
    def summary(self) -> Summary | None:
        found = [from_item(Summary, item) for item in self.dynamodb.items("workflow_summary")]
        return found[0] if found else None

    @property
    def rows(self) -> list[TaskRow]:
        items = self.dynamodb.items("workflow_details")
        return [from_item(TaskRow, item) for item in items if "workflow_name" in item]

    # --- Step Functions ---------------------------------------------------------------------------------------------

    def _execute(self) -> None:
        settings = StateMachineSettings(
            monitor_function_arn="monitor",
            launcher_function_arn="launcher",
            summary_table=self.settings.summary_table,
            container_name="app",
            run_timeout_seconds=self.run_timeout_seconds,
            task_timeout_seconds=TASK_TIMEOUT_SECONDS,
            max_concurrency=self.max_concurrency,
        )
        machine = Machine(
            {1: pattern_1, 2: pattern_2}[self.pattern](settings),
            {
                "arn:aws:states:::lambda:invoke": self._invoke,
                "arn:aws:states:::ecs:runTask.sync": self._run_task,
                "arn:aws:states:::dynamodb:updateItem": self._update_item,
            },
        )
        machine.world = self
        result = machine.run(self.spec)
        self._end(result.status, result.error, result.cause)

    def _end(self, status: str, error: str = "", cause: str = "") -> None:
        if self.status != "RUNNING":
            return
        self.status, self.ended_at, self._ending = status, self.scheduler.time, (error, cause)
        if self._root is not self.scheduler.current:
            self._root.kill()
        if status == "SUCCEEDED":
            return
        copies = 1 + self.choices.fault("event twice", 30) - self.choices.fault("event lost", 40)
        for _ in range(copies):
            self._events_open += 1
            self.scheduler.spawn("event", self._event, after=(0.02, 0.5, 4, 30)[self.choices.pick(4)])

    def _event(self) -> None:
        detail = {
            "status": self.status,
            "stateMachineArn": STATE_MACHINE,
            "executionArn": EXECUTION,
            "startDate": int(START.timestamp() * 1000),
            "input": json.dumps(self.spec),
            "error": self._ending[0],
            "cause": self._ending[1],
        }
        self._asynchronously(lambda monitor, left: monitor.finalize_from_event({"detail": detail}, left))
        self._events_open -= 1

    def _sweep(self) -> None:
        self.scheduler.spawn("sweep", self._sweep, after=SWEEP_SECONDS)
        ended = self.status != "RUNNING"
        self._asynchronously(lambda monitor, left: monitor.sweep(left))
        if ended and self.choices.fair:
            self._fair_sweeps += 1
        elif ended:
            # Faults end, and after them nothing is left to chance.
            self.choices.end()

    def _asynchronously(self, use: Callable[[Monitor, Callable[[], float]], Any]) -> None:
        """Lambda repeats an asynchronous call that failed, twice."""
        for pause in (60, 120, 0):
            function = self._function(lambda left: use(self._monitor(), left))
            self.scheduler.until(lambda: function.done)  # noqa: B023
            if function.error is None:
                return
            self.scheduler.sleep(pause)

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        self.call()
        assert executionArn == EXECUTION
        return {"status": self.status, "input": json.dumps(self.spec)}

    class exceptions:
        class ExecutionDoesNotExist(Exception):
            pass

    # --- the calls of states ----------------------------------------------------------------------------------------

    def _invoke(self, arguments: Mapping[str, Any]) -> Any:
        payload = arguments["Payload"]

        def work(left: Callable[[], float]) -> Any:
            if payload["action"] == "launch":
                launcher = Launcher(run_task_client=self.ecs, rng=random.Random(1), **self._of_functions)
                return launcher.launch(payload, left)
            return getattr(self._monitor(), payload["action"])(payload)

        if self.choices.fault("function error", 5):
            raise AslError("Lambda.ServiceException", "try again")
        function = self._function(work)
        if self.choices.fault("call twice", 15):
            self._function(work)
        self.scheduler.until(lambda: function.done)
        if isinstance(function.error, Killed):
            raise AslError("Lambda.Unknown", "the function's environment ended")
        if function.error is not None:
            raise AslError(type(function.error).__name__, json.dumps({"errorMessage": str(function.error)}))
        return {"Payload": json.loads(json.dumps(function.result))}

    def _function(self, work: Callable[[Callable[[], float]], Any]) -> Activity:
        began = self.scheduler.time

        def left() -> float:
            return FUNCTION_SECONDS - (self.scheduler.time - began).total_seconds()

        def run() -> Any:
            try:
                return work(left)
            except (ClientError, BotoCoreError, KitError):
                raise
            except Exception as error:
                self.surprises.append(repr(error))
                raise

        function = self.scheduler.spawn("function", run, may_fail=True)
        self.scheduler.at(FUNCTION_SECONDS, lambda: function.kill())
        return function

    def _run_task(self, arguments: Mapping[str, Any]) -> Any:
        """`ecs:runTask.sync`."""
        limit = self.scheduler.time + timedelta(seconds=self.time_limit)
        self.call()
        if self.ecs.is_full():
            raise AslError("ECS.AmazonECSException", "Capacity is unavailable at this time (Service: ECS)")
        if self.choices.fault("server error"):
            raise AslError("ECS.ServerException", "try again")
        if self.choices.fault("throttled"):
            raise AslError("ECS.AmazonECSException", "Capacity is unavailable at this time (Service: ECS)")
        if self.choices.fault("failures"):
            raise AslError("AmazonECS.Unknown", json.dumps({"Failures": [{"Reason": "RESOURCE:MEMORY"}], "Tasks": []}))
        if self.choices.fault("refused", 4):
            raise AslError("ECS.AccessDeniedException", "not allowed")
        override = arguments["Overrides"]["ContainerOverrides"][0]
        started = self.ecs.start(
            {
                "cluster": arguments["Cluster"],
                "startedBy": STEP_FUNCTIONS,
                "group": arguments["Group"],
                "taskDefinition": arguments["TaskDefinition"],
                "overrides": {
                    "containerOverrides": [
                        {"environment": [{"name": v["Name"], "value": v["Value"]} for v in override["Environment"]]}
                    ]
                },
            }
        )
        task = self.ecs.tasks[started["taskArn"]]
        task.is_awaited = True
        try:
            self.scheduler.until(lambda: not task.lives, (limit - self.scheduler.time).total_seconds())
        except Killed:
            if not self.choices.fault("stop lost", 40):
                self.ecs.stop_softly(task, "Task stopped by Step Functions")
            raise
        finally:
            task.is_awaited = False
        if task.lives:
            self.ecs.stop_softly(task, "the state timed out")
            raise AslError("States.Timeout")
        cause = json.dumps(_pascal(task.description), default=str)
        if task.description["containers"][0].get("exitCode") == 0:
            return json.loads(cause)
        raise AslError("States.TaskFailed", cause)

    def _update_item(self, arguments: Mapping[str, Any]) -> Any:
        try:
            return self.dynamodb.update_item(**arguments)
        except ClientError as error:
            raise AslError(f"DynamoDB.{error.response['Error']['Code']}", str(error)) from error
        except BotoCoreError as error:
            raise AslError("DynamoDB.SdkClientException", str(error)) from error

    def _monitor(self) -> Monitor:
        return Monitor(stepfunctions=self, rng=random.Random(1), **self._of_functions)

    # --- around calls -----------------------------------------------------------------------------------------------

    def call(self) -> None:
        """A service is called: others may run first, and the caller may crash."""
        self._crash(None)
        self.scheduler.call()

    def before_call(self, operation: str, write: Callable[[], object] | None) -> None:
        self._crash(write)
        self.scheduler.call()
        if self.choices.fault("table error", 4):
            raise client_error("ProvisionedThroughputExceededException", "slow down", operation)

    def after_call(self, again: Callable[[], object]) -> None:
        if self.choices.fault("table answer lost", 3):
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")
        if self.choices.fault("write twice", 8):
            again()  # the client had no answer and repeated the call
        self.scheduler.call()

    def _crash(self, write: Callable[[], object] | None) -> None:
        current = self.scheduler.current
        assert current is not None
        kind = {"function": "function crashes", "container": "task killed"}.get(current.name.split()[0])
        if kind is None or not self.choices.fault(kind, 3):
            return
        if write is not None and self.choices.fault("late write", 60):
            self.scheduler.at((0.1, 1)[self.choices.pick(2)], lambda: _unless_refused(write))
        current.killed = True
        raise Killed

    def _crash_after_counting(self, before: TaskRow, after: TaskRow) -> None:
        """End a poll between two of the attempts that it takes out of the index: more often than by any crash."""
        current = self.scheduler.current
        is_function = current is not None and current.name.startswith("function")
        if before.uncounted and not after.uncounted and is_function and self.choices.fault("counting crashes", 40):
            current.killed = True
            raise Killed

    def written(self, table: str, before: Item | None, after: Item) -> None:
        """Check the invariants after every write."""
        if outcomes.OUTCOMES in after and "status" not in after:
            return
        if table == self.settings.summary_table:
            self._check_summary(None if before is None else from_item(Summary, before), from_item(Summary, after))
            if (
                self.status == "RUNNING"
                and from_item(Summary, after).status.is_final
                and self.choices.fault("abort", 30)
            ):
                # The state machine does not know it yet.
                self._end("ABORTED", "", "somebody stopped it")
            return
        row, was = from_item(TaskRow, after), from_item(TaskRow, before or after)
        self._crash_after_counting(was, row)
        assert not was.status.is_final or was.status == row.status, f"a terminal row changed: {before} became {after}"
        if row.was_started and row.status is TaskStatus.COMPLETED:
            assert self.ecs.tasks[row.ecs_task_id].did, f"a row is Completed although its job was not done: {after}"

    def _check_summary(self, before: Summary | None, after: Summary) -> None:
        counts = (after.completed_tasks, after.failed_tasks, after.running_tasks)
        assert sum(counts) == self.tasks == after.number_of_tasks and min(counts) >= 0, f"{counts} do not add up"
        was_final = before is not None and before.status.is_final
        assert not was_final or before.status == after.status, f"a terminal summary changed: {before} became {after}"
        if after.status.is_final and not was_final:
            self.final_at = self.scheduler.time
        if after.end_time and (before is None or not before.end_time):
            self._check_no_orphans(after)

    def _check_no_orphans(self, summary: Summary) -> None:
        """When a run has its `end_time`, each of its tasks has ended or is being stopped.

        The launcher itself stops what it started after the run's status was terminal.
        """
        assert self.final_at is not None
        final = {row.ecs_task_id for row in self.rows if row.status.is_final}
        for task in self.ecs.tasks.values():
            if task.description["createdAt"] <= self.final_at and not task.is_awaited and task.arn not in final:
                is_over = task.ended is not None or task.stop_asked
                assert is_over, f"the run ended as {summary.status}, and {task.arn} is orphaned"

    # --- from outside -----------------------------------------------------------------------------------------------

    def _from_outside(self) -> None:
        if not self._aborted and self.status == "RUNNING" and self.choices.fault("abort", 3):
            self._aborted = True
            self._end("ABORTED", "", "somebody stopped it")

    def _settled(self) -> bool:
        if self.status == "RUNNING" or self._events_open or any(task.lives for task in self.ecs.tasks.values()):
            return False
        if self._fair_sweeps >= SWEEPS_TO_THE_END:
            return True
        summary = self.summary
        return (
            summary is not None  # an active call of the launcher or the monitor may still register the run
            and self.choices.fair
            and self._fair_sweeps >= 1
            and summary.status.is_final
            and summary.end_time is not None
            and all(row.status.is_final for row in self.rows)
        )

    def _check_end(self) -> None:
        assert not self.surprises, f"the code raised {self.surprises}"
        summary, rows = self.summary, self.rows
        if summary is None:
            assert not self.ecs.tasks, "tasks were started for a run that was never registered"
            return
        assert summary.status.is_final, f"the execution ended as {self.status}, the run never did: {summary}"
        assert all(row.status.is_final for row in rows), f"not all rows are terminal: {rows}"
        completed = len({row.task_name for row in rows if row.status is TaskStatus.COMPLETED})
        counts = (summary.completed_tasks, summary.failed_tasks, summary.running_tasks)
        assert counts == (completed, self.tasks - completed, 0), f"{counts} are not what the rows say: {rows}"
        # An active call of the monitor may have ended the run while its execution was stopped.
        expected = {final_status(Counts(*counts), self.tasks, self.tolerated), EXECUTION_STATUSES.get(self.status)}
        ends = f"the execution ended as {self.status}, the run as {summary.status} with the counts {counts}"
        assert summary.status in expected and not (summary.status.is_success and self.status == "FAILED"), ends
        self._check_owned()
        self._check_metrics(summary, rows)
        started = Counter(
            (task.environment["KIT_TASK_NAME"], task.environment["KIT_ATTEMPT"]) for task in self.ecs.tasks.values()
        )
        assert set(started.values()) <= {1}, f"attempts were started twice: {started}"
        self._check_retries(rows)
        self._check_duration(rows)

    def _check_retries(self, rows: list[TaskRow]) -> None:
        """No attempt follows one that was the last, however the monitor takes attempts out of the index meanwhile."""
        for name, state in task_states(rows).items():
            for number, row in enumerate(state.rows[:-1], 1):
                is_last = row.status is TaskStatus.FAILED and not TaskState(state.rows[:number]).may_retry(
                    self.task_attempts
                )
                assert not is_last, f"{name} was retried after its last attempt: {state.rows}"

    def _check_duration(self, rows: list[TaskRow]) -> None:
        """A run does not last until its deadline after all its tasks have ended."""
        if self.status != "TIMED_OUT" or len({row.task_name for row in rows}) < self.tasks:
            return
        assert self.ended_at is not None
        idle = self.ended_at - max(from_iso(row.update_time) for row in rows)
        assert idle < LONGEST_IDLE, f"nothing happened for {idle}, then the run timed out: {rows}"

    def _check_metrics(self, summary: Summary, rows: list[TaskRow]) -> None:
        """The metrics say once what the tables say, or less where a process was interrupted or an answer lost."""
        recorded = {
            f"Runs{summary.status}": 1,
            metrics.TASKS_COMPLETED.name: summary.completed_tasks,
            metrics.TASKS_FAILED.name: summary.failed_tasks,
            metrics.TASKS_LAUNCHED.name: sum(row.was_started for row in rows),
            metrics.CAPACITY_WAITS.name: summary.capacity_waits,
        }
        measured = {name: self.measured[name] for name in self.measured if name in recorded or name.startswith("Runs")}
        if any((row.error or "").startswith(failures.Code.TERMINATED) for row in rows):
            # A task that is told to stop while its first write returns does not log that write.
            lost = recorded[metrics.TASKS_LAUNCHED.name] - measured.get(metrics.TASKS_LAUNCHED.name, 0)
            assert lost >= 0, self.measured
            measured[metrics.TASKS_LAUNCHED.name] = recorded[metrics.TASKS_LAUNCHED.name]
        if not {*INTERRUPTING, "task killed", "write twice"} & set(self.choices.made):
            assert measured == {name: number for name, number in recorded.items() if number}, self.measured
        assert sum(number for name, number in measured.items() if name.startswith("Runs")) <= 1, self.measured
        assert measured.get(metrics.TASKS_LAUNCHED.name, 0) <= recorded[metrics.TASKS_LAUNCHED.name], self.measured

    def _check_owned(self) -> None:
        """After a run's end, active tasks were stopped: soon, or by the sweep where a function was interrupted."""
        if self.final_at is None or self.ended_at is None:
            return
        grace = timedelta(seconds=SWEEP_SECONDS + 60 if INTERRUPTING & set(self.choices.made) else 60)
        for task in self.ecs.tasks.values():
            late = max(self.final_at, self.ended_at, task.description["createdAt"]) + grace
            is_owned = task.ended is None or task.ended <= late or task.stop_asked
            assert is_owned, f"{task.arn} was not stopped and ran until {task.ended}; the run ended {self.final_at}"


def _unless_refused(write: Callable[[], object]) -> None:
    with contextlib.suppress(ClientError):
        write()


def _pascal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: _pascal(item) for name, item in value.items()}
    return [_pascal(item) for item in value] if isinstance(value, list) else value


def _choices(faults: st.SearchStrategy[frozenset[str]], fewest: int = 0) -> st.SearchStrategy[Choices]:
    # Pieces of one length: taking one out leaves the decisions in the others what they were.
    pieces = st.lists(st.binary(min_size=32, max_size=32), min_size=fewest, max_size=16)
    return st.builds(Choices, pieces.map(b"".join), faults)


runs: st.SearchStrategy[World] = st.builds(
    World,
    tasks=st.integers(1, 3),
    task_attempts=st.integers(1, 2),
    tolerated=st.sampled_from([0, 50]),
    run_timeout_seconds=st.sampled_from([3600, 150]),
    max_concurrency=st.sampled_from([0, 1]),
    is_long=st.booleans(),
    choices=_choices(st.frozensets(st.sampled_from(FAULTS), min_size=5, max_size=15)),
)
"""Runs with any faults. Few kinds of fault in one run go deeper than all of them."""

retried_runs: st.SearchStrategy[World] = st.builds(
    World,
    tasks=st.integers(1, 3),
    task_attempts=st.just(2),
    max_concurrency=st.sampled_from([0, 1]),
    is_long=st.booleans(),
    choices=_choices(st.just(frozenset({"job fails", "counting crashes"})), fewest=8),
)
"""Runs whose tasks fail, are retried, and are counted by polls that end in the middle of it."""
