"""One launch at a time: its RunTask call, its row, and the ECS task of a call that was not answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.runtime.common import log
from ecs_kit.runtime.common.tables import DetailsTable
from ecs_kit.runtime.contract import overrides, waits
from ecs_kit.runtime.contract.attempts import Launch, possible
from ecs_kit.runtime.contract.clock import Clock
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.failures import Code
from ecs_kit.runtime.contract.records import Failure, TaskRow, new_row
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.functions.registration import Registration
from ecs_kit.runtime.launcher import answers
from ecs_kit.runtime.launcher.answers import Answer, Outcome
from ecs_kit.runtime.launcher.plan import Pending

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient


@dataclass(frozen=True)
class Launches:
    """The launches of one run."""

    registration: Registration
    run_task_client: ECSClient
    details: DetailsTable
    ecs_tasks: EcsTasks
    clock: Clock

    def start(self, item: Pending) -> tuple[Answer, TaskRow | None]:
        """Call RunTask once; return its answer, and the row of the task that it started."""
        try:
            answer = answers.of_response(self.run_task_client.run_task(**self._request(item)))
        except (ClientError, BotoCoreError) as error:
            answer = answers.of_error(error)
        if answer.task is not None:
            return answer, self._record_started(item.launch, answer.task)
        log.warning(
            "RunTask did not start a task",
            taskName=item.launch.entry.name,
            attempt=item.launch.attempt,
            outcome=answer.outcome,
            reason=answer.reason,
        )
        return answer, None

    def record_found(self, launches: Sequence[Launch], *, is_uncertain: bool) -> set[Launch]:
        """Find and record the ECS tasks of launches that are about to be given up or postponed; return those started.

        `is_uncertain` says whether a RunTask call for one of them was not answered.
        """
        if is_uncertain:
            self.clock.sleep(waits.LISTED_WITHIN_SECONDS)
        wanted = {(launch.entry.name, launch.attempt): launch for launch in launches}
        found = {
            launch: task
            for attempt, task in self._started()
            if (launch := wanted.get((attempt.task_name, attempt.number)))
        }
        for launch, task in found.items():
            self._record_started(launch, task)
        return set(found)

    def recorded(self) -> list[TaskRow]:
        """Return the rows of all attempts; those that ECS started without one get one.

        A row that only a task has written is one if ECS has started that task as this attempt.
        """
        summary = self.registration.summary
        started = {task.arn: (attempt, task) for attempt, task in self._started()}
        names = {arn: (attempt.task_name, attempt.number, attempt.index) for arn, (attempt, _) in started.items()}
        rows = possible(self.details.rows(summary.workflow_run_id, summary.workflow_name), summary)
        of_tasks = [row for row in rows if names.get(row.ecs_task_id) == (row.task_name, row.attempt, row.task_index)]
        for row in of_tasks:
            if not row.is_confirmed:
                self.details.confirm(row)
        keys = {row.ecs_task_id for row in of_tasks}
        rows = [*of_tasks, *(row for row in rows if row.is_confirmed and row.ecs_task_id not in keys)]
        recorded = {(row.task_name, row.attempt) for row in rows}
        for attempt, task in started.values():
            if (attempt.task_name, attempt.number) not in recorded:
                rows.append(self._record(attempt, TaskStatus.SUBMITTED, ecs_task_arn=task.arn, task=task))
                recorded.add((attempt.task_name, attempt.number))
        return rows

    def record_not_started(self, launch: Launch, answer: Answer, tries: int) -> None:
        """Record that an attempt failed because ECS did not start it."""
        code = Code.RUN_TASK_REFUSED if answer.outcome is Outcome.REFUSED else Code.RUN_TASK_FAILED
        times = f"{tries} call" if tries == 1 else f"{tries} calls"
        failure = Failure(code, f"ECS did not start the task after {times}: {answer.reason}")
        self._record_launch(launch, TaskStatus.FAILED, ecs_task_arn="", failure=failure)

    def stop(self, row: TaskRow) -> None:
        """Stop a task that was started while the run ended. Whoever ended the run saw all earlier ones."""
        log.warning("the run ended while its tasks were launched", ecsTask=row.ecs_task_id)
        failure = Failure(Code.RUN_ENDED, "the run ended while this task was launched")
        self.ecs_tasks.stop(row.ecs_task_id, failure.text)
        self.details.write(row.failed(failure, self.clock.now()))

    def provider(self, item: Pending) -> str:
        """Return the capacity provider of a launch's next call."""
        turn = (item.launch_try + self.registration.summary.on_demand_first) % 2
        return item.launch.capacity_provider(self.registration.settings.spot_share, turn)

    def _started(self) -> Iterator[tuple[Attempt, EcsTask]]:
        """Return the run's attempts that ECS knows, and their tasks."""
        run = (self.registration.summary.workflow_run_id, self.registration.spec.workflow_name)
        tasks = {
            **self.ecs_tasks.stopped_of_run(*run),
            **self.ecs_tasks.running_of_run(self.registration.settings.capabilities, *run),
        }
        return ((task.attempt, task) for task in tasks.values() if task.attempt)

    def _record_started(self, launch: Launch, task: EcsTask) -> TaskRow:
        return self._record_launch(launch, TaskStatus.SUBMITTED, ecs_task_arn=task.arn, task=task)

    def _record_launch(self, launch: Launch, status: TaskStatus, **more: Any) -> TaskRow:
        row = self._record(self._attempt(launch), status, **more)
        if launch.previous:
            self.details.set_retried(row.workflow_run_id, launch.previous, row.ecs_task_id)
        return row

    def _record(self, attempt: Attempt, status: TaskStatus, **more: Any) -> TaskRow:
        target = self.registration.settings.target
        found, _ = self.details.put_new(new_row(attempt, target, status, now=self.clock.now(), **more))
        return found

    def _attempt(self, launch: Launch) -> Attempt:
        entry = launch.entry
        return self.registration.summary.attempt(entry.name, launch.attempt, entry.bucket, entry.key, launch.index)

    def _request(self, item: Pending) -> dict[str, Any]:
        """The arguments of RunTask."""
        settings, spec, launch = self.registration.settings, self.registration.spec, item.launch
        run_id = self.registration.summary.workflow_run_id
        # ECS replays `failures[]` for the same token, so each capacity wait changes the tokens. A repeated call
        # requests the same provider, because the turn changes with these numbers alone.
        launch_try = (self.registration.summary.capacity_waits, item.launch_try)
        capacity: dict[str, Any] = {"launchType": settings.launch_type}
        if settings.spot_share > 0:  # one provider per call, since each call starts one task
            capacity = {"capacityProviderStrategy": [{"capacityProvider": self.provider(item), "weight": 1}]}
        token = answers.client_token(spec.workflow_name, run_id, launch.entry.name, launch.attempt, launch_try)
        return {
            "cluster": settings.cluster,
            "taskDefinition": settings.task_definition,
            **capacity,
            "count": 1,
            "startedBy": settings.capabilities.started_by(run_id),
            "group": f"run-{run_id}",
            "propagateTags": "TASK_DEFINITION",
            "clientToken": token,
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": list(spec.subnet_ids),
                    "securityGroups": list(spec.security_group_ids),
                    "assignPublicIp": "DISABLED",
                }
            },
            "overrides": overrides.of_task(settings, launch.entry, self._attempt(launch), self.registration.deadline),
        }
