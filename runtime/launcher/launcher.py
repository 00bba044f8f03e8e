"""The launch of a run's ECS tasks: never twice, never one too many, never for a run that has ended."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from runtime.launcher import answers
from runtime.launcher.answers import Answer, Meaning
from runtime.launcher.pace import Pace
from runtime.workflow import log, naming, reconciliation
from runtime.workflow.attempts import Launch, plan_launches
from runtime.workflow.clock import Clock, to_iso
from runtime.workflow.ecs_tasks import EcsTasks
from runtime.workflow.failures import Code
from runtime.workflow.records import TaskRow, not_started_id
from runtime.workflow.registration import Registration, register
from runtime.workflow.settings import Settings
from runtime.workflow.statuses import RunStatus, TaskStatus
from runtime.workflow.tables import DetailsTable, SummaryTable

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

MOST_TRIES = 8
"""Calls of RunTask for one attempt before it counts as failed."""

PATIENCE_SECONDS = 60.0
"""How long launches take turns without one that starts. From then on those that were tried most come first: where
hundreds wait, none would come to its `MOST_TRIES` within one call, and each call would begin anew."""

RESERVE_SECONDS = 45.0
"""Time kept back for the call under way (25 s at most) and the writes after it."""

LISTED_WITHIN_SECONDS = 2.0
"""ListTasks is eventually consistent: a task that a call without an answer started may not be listed at once."""


@dataclass(order=True)
class _Pending:
    """A launch under way, ordered by when its next call is due."""

    due: datetime
    position: int
    launch: Launch = field(compare=False)
    tries: int = field(default=0, compare=False)
    launch_try: int = field(default=0, compare=False)
    is_uncertain: bool = field(default=False, compare=False)


class Launcher:
    """The Task Launcher.

    Args:
        settings: the deployed pattern.
        summaries: the summary table.
        details: the details table.
        run_task_client: ECS client without retries of its own.
        ecs_tasks: for stopping what must not run.
        clock: the time.
        dice: for jitter.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        summaries: SummaryTable,
        details: DetailsTable,
        run_task_client: ECSClient,
        ecs_tasks: EcsTasks,
        clock: Clock,
        dice: random.Random,
    ) -> None:
        self._settings = settings
        self._summaries = summaries
        self._details = details
        self._ecs = run_task_client
        self._ecs_tasks = ecs_tasks
        self._clock = clock
        self._dice = dice

    def launch(self, payload: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """Register the run and launch what is to be launched now.

        A call that is made again, after a half-done one too, goes on where the rows end.

        Args:
            payload: `execution` and `spec`.
            remaining_seconds: how long this call may still take.

        Returns:
            `runId` (text), `workflowName`, `numberOfTasks`, `launched`, `remaining`, `waitSeconds`, `deadline`.
        """
        registration = register(payload, settings=self._settings, summaries=self._summaries, clock=self._clock)
        if registration.summary.status.is_final:
            return self._result(registration, launched=0, remaining=0)
        plan = self._plan(registration)
        if plan and registration.summary.launching_ended:
            self._summaries.set_launching_ended(registration.summary, False, to_iso(self._clock.now()))
        launched, remaining = self._work(registration, plan, remaining_seconds)
        if remaining == 0:
            self._summaries.set_launching_ended(registration.summary, True, to_iso(self._clock.now()))
        log.info("launched", launched=launched, remaining=remaining)
        return self._result(registration, launched, remaining)

    def _plan(self, registration: Registration) -> list[Launch]:
        rows = self._details.rows(registration.summary.workflow_run_id, registration.spec.workflow_name)
        return plan_launches(registration.spec.tasks, rows, self._settings.task_attempts, self._clock.now())

    def _work(
        self, registration: Registration, plan: list[Launch], remaining_seconds: Callable[[], float]
    ) -> tuple[int, int]:
        """Launch what is planned; return how many were launched and how many are left for another call."""
        pace = Pace(self._clock)
        now = self._clock.now()
        pending = [_Pending(now, position, launch) for position, launch in enumerate(plan)]
        heapq.heapify(pending)
        launched = 0
        last_start = now
        newest: TaskRow | None = None
        while True:
            if not self._still_running(registration):
                self._stop(newest)
                return launched, 0
            newest = None
            if not pending:
                return launched, 0
            item = self._take(pending, last_start)
            pause = max((item.due - self._clock.now()).total_seconds(), 0)
            if launched + item.tries > 0 and remaining_seconds() - pause < RESERVE_SECONDS:
                return launched, len(pending) + 1
            if pause > 0:  # the run may end meanwhile
                heapq.heappush(pending, item)
                self._clock.sleep(pause)
                continue
            pace.wait()
            answer = self._run_task(registration, item)
            item.tries += 1
            item.is_uncertain |= answer.meaning is Meaning.UNCERTAIN
            if answer.meaning is Meaning.STARTED:
                newest = self._record_started(registration, item.launch, answer)
                launched += 1
                last_start = self._clock.now()
            elif answer.meaning is Meaning.REFUSED or item.tries >= MOST_TRIES:
                if item.is_uncertain:
                    self._clock.sleep(LISTED_WITHIN_SECONDS)
                # An earlier call, of this function or of one that broke off, may have started it.
                found = self._find(registration, item.launch)
                if found:
                    newest = self._record_started(registration, item.launch, found)
                    launched += 1
                else:
                    self._record_not_started(registration, item.launch, answer, item.tries)
            else:
                item.launch_try += answer.meaning is Meaning.NOT_PLACED
                item.due = self._clock.now() + timedelta(seconds=answers.backoff_seconds(item.tries, self._dice))
                heapq.heappush(pending, item)

    def _take(self, pending: list[_Pending], last_start: datetime) -> _Pending:
        """Take the launch out of the heap whose turn it is."""
        now = self._clock.now()
        due = [item for item in pending if item.due <= now]
        if not due or (now - last_start).total_seconds() < PATIENCE_SECONDS:
            return heapq.heappop(pending)
        item = max(due, key=lambda each: each.tries)
        pending.remove(item)
        heapq.heapify(pending)
        return item

    def _run_task(self, registration: Registration, item: _Pending) -> Answer:
        settings, spec, launch = self._settings, registration.spec, item.launch
        run_id = registration.summary.workflow_run_id
        environment = naming.override_environment(
            spec.workflow_name, run_id, launch.entry, launch.attempt, registration.deadline
        )
        request: dict[str, Any] = {
            "cluster": settings.cluster,
            "taskDefinition": settings.task_definition,
            **self._capacity(launch),
            "count": 1,
            "startedBy": str(run_id),
            "group": naming.group(run_id),
            "clientToken": answers.client_token(
                spec.workflow_name, run_id, launch.entry.name, launch.attempt, item.launch_try
            ),
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": list(spec.subnet_ids),
                    "securityGroups": list(spec.security_group_ids),
                    "assignPublicIp": "DISABLED",
                }
            },
            "overrides": {
                "containerOverrides": [
                    {
                        "name": settings.container_name,
                        "environment": [{"name": name, "value": value} for name, value in environment.items()],
                    }
                ]
            },
        }
        try:
            answer = answers.of_response(self._ecs.run_task(**request))
        except (ClientError, BotoCoreError) as error:
            answer = answers.of_error(error)
        if answer.meaning is not Meaning.STARTED:
            log.warning(
                "RunTask did not start a task",
                taskName=launch.entry.name,
                attempt=launch.attempt,
                meaning=answer.meaning,
                reason=answer.reason,
            )
        return answer

    def _capacity(self, launch: Launch) -> dict[str, Any]:
        """Where the task runs. Every call starts one task, so the share is made by choosing one provider for each."""
        if self._settings.spot_share == 0:
            return {"launchType": self._settings.launch_type}
        provider = launch.capacity_provider(self._settings.spot_share)
        return {"capacityProviderStrategy": [{"capacityProvider": provider, "weight": 1}]}

    def _find(self, registration: Registration, launch: Launch) -> Answer | None:
        """Look for the task of a launch that is about to be given up."""
        run_id, workflow_name = registration.summary.workflow_run_id, registration.spec.workflow_name
        for desired_status in ("RUNNING", "STOPPED"):
            for task in self._ecs_tasks.of_run(1, run_id, workflow_name, desired_status).values():
                given = task.environment
                if (given.get("KIT_TASK_NAME"), given.get("KIT_ATTEMPT")) == (launch.entry.name, str(launch.attempt)):
                    return Answer(Meaning.STARTED, ecs_task_arn=task.arn)
        return None

    def _record_started(self, registration: Registration, launch: Launch, answer: Answer) -> TaskRow:
        row = self._row(registration, launch, answer.ecs_task_arn, TaskStatus.SUBMITTED)
        stream = naming.log_stream(self._settings.log_stream_prefix, self._settings.container_name, answer.ecs_task_arn)
        found, _ = self._details.put_new(replace(row, log_stream=stream))
        return found

    def _record_not_started(self, registration: Registration, launch: Launch, answer: Answer, tries: int) -> None:
        refused = answer.meaning is Meaning.REFUSED
        code = Code.RUN_TASK_REFUSED if refused else Code.RUN_TASK_FAILED
        times = f"{tries} call" if tries == 1 else f"{tries} calls"
        identifier = not_started_id(launch.entry.name, launch.attempt)
        row = self._row(registration, launch, identifier, TaskStatus.FAILED)
        self._details.put_new(replace(row, error=f"{code}: ECS did not start the task after {times}: {answer.reason}"))

    def _row(self, registration: Registration, launch: Launch, identifier: str, status: TaskStatus) -> TaskRow:
        run_id, workflow_name = registration.summary.workflow_run_id, registration.spec.workflow_name
        entry, now = launch.entry, to_iso(self._clock.now())
        target = naming.target_key(self._settings.target_prefix, workflow_name, run_id, entry.name, entry.key)
        return TaskRow(
            workflow_run_id=run_id,
            ecs_task_id=identifier,
            workflow_name=workflow_name,
            task_name=entry.name,
            attempt=launch.attempt,
            status=status,
            start_time=now,
            update_time=now,
            source_uri=naming.s3_uri(entry.bucket, entry.key),
            target_uri=naming.s3_uri(self._settings.target_bucket, target),
        )

    def _still_running(self, registration: Registration) -> bool:
        found = self._summaries.get(registration.spec.workflow_name, registration.summary.workflow_run_id)
        return found is not None and found.status is RunStatus.RUNNING

    def _stop(self, row: TaskRow | None) -> None:
        """Stop what was started while the run ended; all before it was seen by whoever ended the run."""
        if row is None:
            return
        log.warning("the run ended while its tasks were launched", ecsTask=row.ecs_task_id)
        text = "the run ended while this task was launched"
        self._ecs_tasks.stop(row.ecs_task_id, text)
        now = to_iso(self._clock.now())
        self._details.write(replace(row, status=TaskStatus.FAILED, update_time=now, error=f"{Code.RUN_ENDED}: {text}"))

    def _result(self, registration: Registration, launched: int, remaining: int) -> dict[str, Any]:
        summary = registration.summary
        return {
            "runId": str(summary.workflow_run_id),
            "workflowName": summary.workflow_name,
            "numberOfTasks": summary.number_of_tasks,
            "launched": launched,
            "remaining": remaining,
            "waitSeconds": reconciliation.SHORTEST_WAIT_SECONDS,
            "deadline": registration.deadline,
        }
