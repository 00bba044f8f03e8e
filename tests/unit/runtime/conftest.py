"""One deployed pattern in memory, with the real launcher and monitor."""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import hypothesis
import pytest

from ecs_kit.runtime.common import log
from ecs_kit.runtime.common.counting import Counting
from ecs_kit.runtime.common.meter import Meter
from ecs_kit.runtime.common.tables import DetailsTable, SummaryTable
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.records import TaskRow, new_row
from ecs_kit.runtime.contract.run_ids import run_id
from ecs_kit.runtime.contract.settings import Settings, from_json
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.functions.spec_store import SpecStore
from ecs_kit.runtime.launcher.launcher import Launcher
from ecs_kit.runtime.monitor.monitor import Monitor
from tests.unit.model.dynamodb import DynamoDb
from tests.unit.runtime.fakes import (
    ACCOUNT,
    EXECUTION,
    REGION,
    START,
    FakeBucket,
    FakeClock,
    FakeEcs,
    FakeStepFunctions,
    Inline,
    execution,
    settings_json,
    spec,
)

# The same examples each time, so that a change alone can make a test fail; KIT_EXAMPLES=5000 searches among others.
EXAMPLES = os.environ.get("KIT_EXAMPLES")
hypothesis.settings.register_profile(
    "runtime", deadline=None, max_examples=int(EXAMPLES or 60), derandomize=EXAMPLES is None
)
hypothesis.settings.load_profile("runtime")


@pytest.fixture(autouse=True)
def unbound_log() -> Iterator[None]:
    yield
    log.bind()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def dynamodb() -> DynamoDb:
    return DynamoDb()


@dataclass
class World:
    """One deployed pattern and a run of it, whose id is `run_id` where the spec gives none."""

    settings: Settings
    clock: FakeClock
    ecs: FakeEcs
    stepfunctions: FakeStepFunctions
    dynamodb: DynamoDb
    bucket: FakeBucket
    summaries: SummaryTable
    details: DetailsTable
    launcher: Launcher
    monitor: Monitor

    run_id: int = run_id(START, EXECUTION)

    @property
    def now(self) -> str:
        return to_iso(self.clock.now())

    @property
    def as_task(self) -> DetailsTable:
        """The details table as tasks write it."""
        return DetailsTable(self.dynamodb, self.details.name, self.details.on_write)  # type: ignore[arg-type]

    def rows(self) -> list[TaskRow]:
        return sorted(self.details.rows(self.run_id, "copying"), key=lambda row: (row.task_name, row.attempt))

    def summary(self) -> Any:
        return self.summaries.get("copying", self.run_id)

    def launch(self, tasks: int = 3, *, left: Callable[[], float] = lambda: 300, **changes: Any) -> dict[str, Any]:
        """Call the launcher, which has `left()` seconds; `changes` are attributes of the spec."""
        call = {"execution": changes.pop("execution", execution()), "spec": spec(tasks=tasks, **changes)}
        return self.launcher.launch(call, left)

    def register(self, tasks: int = 3, **changes: Any) -> dict[str, Any]:
        return self.monitor.register({"execution": execution(), "spec": spec(2, tasks, **changes)})

    def poll(self, **changes: Any) -> dict[str, Any]:
        payload = {"execution": execution(), "workflowName": "copying", "runId": str(self.run_id)}
        return self.monitor.monitor({**payload, **changes})

    def end_launching(self) -> None:
        """Say that nothing more is launched, as pattern 2's state machine does."""
        self.summaries._write(self.summary(), {"launching_ended": True})

    def end_tasks(self, status: TaskStatus = TaskStatus.COMPLETED, *names: str, **changes: Any) -> None:
        """Let tasks, all by default, write a terminal status and stop."""
        for row in self.rows():
            if not names or row.task_name in names:
                self.as_task.write(replace(row, status=status, update_time=self.now, **changes))
                self.ecs.end(row.ecs_task_id, 0 if status is TaskStatus.COMPLETED else 1)

    def run_task(self, name: str, attempt: int = 1, workflow: str = "copying", **more: str) -> str:
        """Start an ECS task as pattern 2's state machine does; return its ARN."""
        identifier = f"{workflow}{name}{attempt}".encode().hex()[-32:].zfill(32)
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{self.settings.cluster}/{identifier}"
        environment = {
            "KIT_WORKFLOW_RUN_ID": str(self.run_id),
            "KIT_WORKFLOW_NAME": workflow,
            "KIT_TASK_NAME": name,
            "KIT_ATTEMPT": str(attempt),
            "KIT_TASK_INDEX": str(int(name.rpartition("_")[2]) - 1),
            **more,
        }
        self.ecs.add(arn, started_by="AWS Step Functions", environment=environment)
        return arn

    def record(self, arn: str, name: str, status: TaskStatus, **changes: Any) -> None:
        """Write a row of pattern 2 as its task does."""
        index = int(name.rpartition("_")[2]) - 1
        attempt = Attempt("copying", self.run_id, name, 1, index=index)
        row = new_row(attempt, self.settings.target, status, ecs_task_arn=arn, now=self.clock.now())
        self.as_task.write(replace(row, **changes))


def new_world(dynamodb: DynamoDb, clock: FakeClock, pattern: int = 1, **changes: Any) -> World:
    """A deployed pattern with these tables; `changes` have the names of configuration keys."""
    settings = from_json(settings_json(pattern, **changes))
    ecs, stepfunctions = FakeEcs(clock), FakeStepFunctions()
    meter = Meter(settings.state_machine, clock)
    summaries = SummaryTable(dynamodb, settings.summary_table, meter.run_written)
    details = DetailsTable(dynamodb, settings.details_table, meter.attempt_written, confirms=True)
    shared: dict[str, Any] = {
        "settings": settings,
        "summaries": summaries,
        "details": details,
        "clock": clock,
    }
    ecs.family = settings.family
    both = {**shared, "ecs_tasks": EcsTasks(ecs, settings.cluster, settings.family), "rng": random.Random(1)}
    both["executor"] = Inline
    bucket = FakeBucket()
    both |= {"meter": meter, "specs": SpecStore(bucket, settings.bucket)}
    both |= {"counting": Counting(dynamodb, summaries)}
    return World(
        ecs=ecs,
        stepfunctions=stepfunctions,
        dynamodb=dynamodb,
        bucket=bucket,
        launcher=Launcher(run_task_client=ecs, **both),
        monitor=Monitor(stepfunctions=stepfunctions, **both),
        **shared,
    )


@pytest.fixture
def world(dynamodb: DynamoDb, clock: FakeClock) -> Callable[..., World]:
    """Makes a world; later ones find the rows of earlier ones, as after a deployment."""
    return functools.partial(new_world, dynamodb, clock)


@pytest.fixture
def w(world: Callable[..., World]) -> World:
    """Pattern 1 with the usual settings."""
    return world()
