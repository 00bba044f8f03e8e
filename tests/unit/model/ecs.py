"""An ECS cluster in memory whose tasks run the kit's real worker, with the faults and delays that ECS has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ReadTimeoutError

from ecs_kit.runtime.common.meter import Meter
from ecs_kit.runtime.common.tables import DetailsTable
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.settings import Settings
from ecs_kit.runtime.task import configuration, interruptions, worker
from tests.unit.model.dynamodb import DynamoDb
from tests.unit.model.scheduler import Activity, Killed, Scheduler
from tests.unit.runtime.fakes import FakeEcs, client_error

STALE_SECONDS = 2.0
"""How old an answer of DescribeTasks or ListTasks may be."""

STOP_TIMEOUT_SECONDS = 10.0


@dataclass
class Task:
    """One ECS task."""

    description: dict[str, Any]
    """As DescribeTasks has it."""
    past: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    """Earlier descriptions, by the time of their end."""
    began: bool = False
    did: bool = False
    stop_asked: bool = False
    ended: datetime | None = None
    process: Activity | None = None
    interruptible: bool = False
    is_deaf: bool = False
    is_awaited: bool = False
    """By the state machine, which stops it if it ends before."""

    @property
    def arn(self) -> str:
        return str(self.description["taskArn"])

    @property
    def lives(self) -> bool:
        return bool(self.description["lastStatus"] != "STOPPED")

    @property
    def environment(self) -> dict[str, str]:
        return _variables(self.description)


def _variables(request: Mapping[str, Any]) -> dict[str, str]:
    override = request["overrides"]["containerOverrides"][0]
    return {variable["name"]: variable["value"] for variable in override["environment"]}


class Ecs(FakeEcs):
    """A client of the cluster; `call` is what happens before each call of a service."""

    def __init__(
        self, scheduler: Scheduler, call: Callable[[], None], dynamodb: DynamoDb, settings: Settings, meter: Meter
    ) -> None:
        super().__init__(scheduler)
        self.scheduler, self.choices, self.settings = scheduler, scheduler.choices, settings
        self._call = call
        self._details = DetailsTable(dynamodb, settings.details_table, meter.attempt_written)  # type: ignore[arg-type]
        self._full_until = scheduler.time
        self._refused: list[dict[str, str]] = []

    def before(self, operation: str) -> None:
        self._call()
        if operation != "RunTask":
            if self.choices.fault("ecs error", 4):
                raise client_error("ThrottlingException", "Rate exceeded", operation)
            return
        if self.is_full():
            raise client_error("ClientException", "Capacity is unavailable at this time.")
        if self.choices.fault("throttled"):
            raise client_error("ThrottlingException", "Rate exceeded")
        if self.choices.fault("server error"):
            raise client_error("ServerException", "try again", status=500)
        if self.choices.fault("lost call"):
            raise ReadTimeoutError(endpoint_url="https://ecs.example")

    def refuse(self, request: dict[str, Any]) -> Any:
        """A call whose token ECS knows is answered with its task, and not refused."""
        attempt = _variables(request)
        if attempt in self._refused or self.choices.fault("refused", 4):
            self._refused.append(attempt)  # so is the same request of a concurrent call
            raise client_error("InvalidParameterException", "the task definition is inactive")
        return [{"reason": "RESOURCE:MEMORY"}] if self.choices.fault("failures") else None

    def run_task(self, **request: Any) -> dict[str, Any]:
        answer = super().run_task(**request)
        if self.choices.fault("lost answer"):
            raise ReadTimeoutError(endpoint_url="https://ecs.example")
        self._call()
        return answer

    def stop(self, arn: str, reason: str) -> None:
        self.stop_softly(self.tasks[arn], reason)

    def is_full(self) -> bool:
        """Whether the account's quota is used up, now and then for minutes."""
        if self.scheduler.time >= self._full_until and self.choices.fault("full", 5):
            self._full_until = self.scheduler.time + timedelta(seconds=(30, 100, 700)[self.choices.pick(3)])
        return self.scheduler.time < self._full_until

    def seen(self, arn: str) -> dict[str, Any] | None:
        if arn not in self.tasks:
            return None
        task = self.tasks[arn]
        if self.choices.fault("stale", 30):
            at = self.scheduler.time - timedelta(seconds=STALE_SECONDS)
            was = [description for until, description in task.past if until > at]
            if was:
                return was[0] or None
        return dict(task.description)

    # --- tasks ------------------------------------------------------------------------------------------------------

    def _change(self, task: Task, **values: Any) -> None:
        task.past.append((self.scheduler.time, dict(task.description)))
        task.description.update(values)

    def start(self, request: Mapping[str, Any], arn: str = "") -> dict[str, Any]:
        task = Task(self.described(request, "PENDING"))
        task.past.append((self.scheduler.time, {}))  # a moment ago it did not exist
        self.tasks[task.arn] = task
        task.process = self.scheduler.spawn(f"task {task.environment['KIT_TASK_NAME']}", lambda: self._live(task))
        return dict(task.description)

    def stop_softly(self, task: Task, reason: str) -> None:
        """SIGTERM now, SIGKILL later."""
        task.stop_asked = True
        if not task.lives or task.description["desiredStatus"] == "STOPPED":
            return
        self._change(task, desiredStatus="STOPPED", stoppedReason=reason, stopCode="UserInitiated")
        if task.process is None or not task.began:
            return
        if task.interruptible and not task.is_deaf and not self.choices.fault("deaf"):
            task.process.signal = interruptions.Terminated()
        self.scheduler.at(STOP_TIMEOUT_SECONDS, lambda: self.kill(task))

    def kill(self, task: Task) -> None:
        """SIGKILL, which also ends a task without memory."""
        if task.process is not None and task.lives and task.process is not self.scheduler.current:
            task.process.kill()

    def _live(self, task: Task) -> None:
        self.scheduler.sleep((1, 3, 40)[self.choices.pick(3)])
        if self.choices.fault("never started"):
            self._stopped(task, None, "TaskFailedToStart", "CannotPullContainerError: no such image")
            return
        if task.description["desiredStatus"] == "STOPPED":
            self._stopped(task, None, "", "")
            return
        self._change(task, lastStatus="RUNNING", startedAt=self.scheduler.time)
        task.began = True
        container = self.scheduler.spawn(f"container of {task.arn[-3:]}", lambda: self._work(task), may_fail=True)
        task.process = container
        self.scheduler.until(lambda: container.done)
        task.ended = self.scheduler.time
        if container.error is not None and not isinstance(container.error, Killed):
            raise container.error
        exit_code = int(container.result) if container.error is None else 137
        self.scheduler.sleep((0.02, 2)[self.choices.pick(2)])
        self._stopped(task, exit_code, "EssentialContainerExited", "Essential container in task exited")

    def _stopped(self, task: Task, exit_code: int | None, code: str, reason: str) -> None:
        containers = [{"name": "app", **({} if exit_code is None else {"exitCode": exit_code})}]
        task.ended = task.ended or self.scheduler.time
        self._change(
            task,
            lastStatus="STOPPED",
            desiredStatus="STOPPED",
            stoppedAt=self.scheduler.time,
            containers=containers,
            stopCode=task.description.get("stopCode") or code,
            stoppedReason=task.description.get("stoppedReason") or reason,
        )

    def _work(self, task: Task) -> int:
        fixed = {
            "KIT_DETAILS_TABLE": self.settings.details_table,
            "KIT_TARGET_BUCKET": "kit-1",
            "KIT_TARGET_PREFIX": "copies",
            "KIT_TASK_TIMEOUT_SECONDS": str(self.settings.task_timeout_seconds),
            "KIT_LOG_STREAM_PREFIX": "ecs",
            "KIT_CONTAINER_NAME": "app",
            "KIT_STATE_MACHINE": self.settings.state_machine,
        }
        return worker.work(
            configuration.from_environment({**fixed, **task.environment}),
            EcsTask(task.arn, "RUNNING"),
            details=self._details,
            last_details=self._details,
            s3=None,  # type: ignore[arg-type]
            clock=self.scheduler,
            job=lambda *_: self._job(task),
        )

    def _job(self, task: Task) -> None:
        if task.is_deaf:
            # The monitor stops it in the end, and it is done before it is killed.
            self.scheduler.sleep(self.settings.task_timeout_seconds + (14, 18, 11)[self.choices.pick(3)])
        else:
            self.scheduler.sleep((2, 30, 0.1, 100)[self.choices.pick(4)])
        if self.choices.fault("hangs", 6):
            self.scheduler.until(lambda: False, 100_000)
        if self.choices.fault("job fails", 30):
            raise FileNotFoundError("no such object")
        task.did = True

    @contextmanager
    def interruptible(self, limit_seconds: float) -> Iterator[None]:
        """Stands in for `interruptions.raised`, whose signals are a process's own."""
        container = self.scheduler.current
        assert container is not None
        (task,) = (task for task in self.tasks.values() if task.process is container)
        open_ = [True]

        def time_is_up() -> None:
            if open_[0] and not container.done:
                container.signal = interruptions.TimeLimitReached()

        task.is_deaf = self.choices.fault("is late", 40)
        if not task.is_deaf and not self.choices.fault("deaf"):
            self.scheduler.at(max(limit_seconds, 0.001), time_is_up)
        task.interruptible = True
        try:
            yield
        finally:
            open_[0] = False
            task.interruptible = False
            container.signal = None
