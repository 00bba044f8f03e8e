"""The launch of a run's ECS tasks: never twice, never one too many, never for a run that has ended."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from runtime.launcher import answers
from runtime.launcher.answers import Answer, Outcome
from runtime.launcher.rate_limiter import RateLimiter
from runtime.workflow import history, log, naming, reconciliation
from runtime.workflow.attempts import Launch, plan_launches, task_states
from runtime.workflow.clock import Clock, from_iso, to_iso
from runtime.workflow.ecs_tasks import EcsTasks
from runtime.workflow.failures import LACKS_CAPACITY, Code
from runtime.workflow.records import TaskRow, not_started_id
from runtime.workflow.registration import Registration, register
from runtime.workflow.settings import Settings
from runtime.workflow.statuses import RunStatus, TaskStatus
from runtime.workflow.tables import DetailsTable, SummaryTable

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

MOST_UNCERTAIN_TRIES = 8
"""Calls of RunTask without an answer, for one attempt, before it counts as failed."""

CAPACITY_PATIENCE_SECONDS = 20.0
"""How long the launcher itself asks again while ECS has no capacity. Then the run waits, and the launcher is called
later."""

CAPACITY_PATIENCE_WHILE_WAITING_SECONDS = 5.0
"""The same where the run has waited already."""

PATIENCE_SECONDS = 60.0
"""How long launches take turns without one that starts. From then on those that were tried most come first: where
hundreds have no answer, none would reach `MOST_UNCERTAIN_TRIES` within one call, and each call would begin anew."""

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
    uncertain_tries: int = field(default=0, compare=False)
    lacks_capacity: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class _Work:
    """What one call of the launcher did.

    Args:
        launched: attempts that ECS started.
        left: launches for a later call.
        lacks_capacity: what ECS said, where they are left because it has no capacity.
        is_uncertain: whether a call for one of them had no answer.
    """

    launched: int
    left: tuple[Launch, ...] = ()
    lacks_capacity: str = ""
    is_uncertain: bool = False


class Launcher:
    """The Task Launcher.

    Args:
        settings: the deployed pattern.
        summaries: the summary table.
        details: the details table.
        run_task_client: ECS client without retries of its own.
        ecs_tasks: for stopping what must not run.
        clock: the time.
        rng: for jitter.
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
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._summaries = summaries
        self._details = details
        self._ecs = run_task_client
        self._ecs_tasks = ecs_tasks
        self._clock = clock
        self._rng = rng

    def launch(self, payload: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """Register the run and launch what is to be launched now.

        A call that is made again, after a half-done one too, continues where the rows end.

        Args:
            payload: `execution` and `spec`.
            remaining_seconds: how long this call may still take.

        Returns:
            `runId` (text), `workflowName`, `numberOfTasks`, `launched`, `remaining`, `again` (whether to call at once
            for the rest), `waitSeconds`, `deadline`.
        """
        registration = register(payload, settings=self._settings, summaries=self._summaries, clock=self._clock)
        if registration.summary.status.is_final:
            return self._result(registration, _Work(launched=0), [])
        plan, without_room = self._plan(registration)
        if plan and registration.summary.launching_ended:
            self._summaries.set_launching_ended(registration.summary, False, to_iso(self._clock.now()))
        work = self._work(registration, plan, remaining_seconds)
        work, without_room = self._note_capacity(registration, work, without_room)
        if not work.left and not without_room:
            self._summaries.set_launching_ended(registration.summary, True, to_iso(self._clock.now()))
        log.info("launched", launched=work.launched, remaining=len(work.left), withoutRoom=len(without_room))
        return self._result(registration, work, without_room)

    def _plan(self, registration: Registration) -> tuple[list[Launch], list[Launch]]:
        """Return what to launch now, and what has to wait: for capacity, or until other tasks end."""
        rows = self._details.rows(registration.summary.workflow_run_id, registration.spec.workflow_name)
        settings = registration.settings
        now, launch_after = self._clock.now(), registration.summary.launch_after
        plan = plan_launches(registration.spec.tasks, rows, settings.task_attempts, now)
        if launch_after is not None and now < from_iso(launch_after):
            return [], plan
        if settings.max_concurrency == 0:
            return plan, []
        room = max(0, settings.max_concurrency - reconciliation.open_tasks(task_states(rows).values()))
        return plan[:room], plan[room:]

    def _note_capacity(
        self, registration: Registration, work: _Work, without_room: list[Launch]
    ) -> tuple[_Work, list[Launch]]:
        """Note that the run waits for capacity, or does so no longer.

        Calls after a wait use other client tokens. What a call without an answer has started, one of an earlier
        invocation included, is recorded first, so that it is not started again.

        Returns:
            What is done and left then, and what has no room.
        """
        summary = registration.summary
        if work.lacks_capacity:
            is_uncertain = work.is_uncertain or bool(without_room)
            found = self._record_found(registration, [*work.left, *without_room], is_uncertain=is_uncertain)
            left = tuple(launch for launch in work.left if launch not in found)
            without_room = [launch for launch in without_room if launch not in found]
            lacks_capacity = work.lacks_capacity if left else ""
            work = replace(work, launched=work.launched + len(found), left=left, lacks_capacity=lacks_capacity)
        if work.lacks_capacity:
            self._wait_for_capacity(registration, work)
        elif work.launched and summary.waiting_since:
            self._summaries.end_waiting(summary, to_iso(self._clock.now()))
        return work, without_room

    def _wait_for_capacity(self, registration: Registration, work: _Work) -> None:
        """Note when to ask again: after as long as the run has been waiting, at most 15 min.

        Where one of Spot and on-demand capacity has no room, the other one comes first then.
        """
        summary, now = registration.summary, self._clock.now()
        if work.launched and summary.waiting_since:
            summary, _ = self._summaries.end_waiting(summary, to_iso(now))
        waited = (now - from_iso(summary.waiting_since)).total_seconds() if summary.waiting_since else 0
        pause = timedelta(seconds=history.capacity_wait_seconds(waited))
        log.warning("the run waits for capacity", remaining=len(work.left), waitSeconds=pause.total_seconds())
        changes_turn = registration.settings.spot_share > 0 and bool(LACKS_CAPACITY.search(work.lacks_capacity))
        self._summaries.wait_for_capacity(
            summary,
            to_iso(now),
            work.lacks_capacity,
            launch_after=to_iso(now + pause),
            on_demand_first=summary.on_demand_first != changes_turn,
        )

    def _work(self, registration: Registration, plan: list[Launch], remaining_seconds: Callable[[], float]) -> _Work:
        """Launch what is planned."""
        rate_limiter = RateLimiter(self._clock)
        now = self._clock.now()
        pending = [_Pending(now, position, launch) for position, launch in enumerate(plan)]
        heapq.heapify(pending)
        launched = 0
        last_start = now
        waiting = registration.summary.waiting_since is not None
        patience = CAPACITY_PATIENCE_WHILE_WAITING_SECONDS if waiting else CAPACITY_PATIENCE_SECONDS
        newest: TaskRow | None = None
        while True:
            summary = self._summaries.get(registration.spec.workflow_name, registration.summary.workflow_run_id)
            if summary is None or summary.status is not RunStatus.RUNNING:
                self._stop(newest)
                return _Work(launched)
            if summary.capacity_waits != registration.summary.capacity_waits:
                # Another call at the same time has left the rest for later; later calls use other client tokens.
                return _left(launched, pending)
            newest = None
            if not pending:
                return _Work(launched)
            item = self._take(pending, last_start)
            pause = max((item.due - self._clock.now()).total_seconds(), 0)
            if launched + item.tries > 0 and remaining_seconds() - pause < RESERVE_SECONDS:
                return _left(launched, [item, *pending])
            if item.lacks_capacity and (self._clock.now() - last_start).total_seconds() >= patience:
                return _left(launched, [item, *pending], item.lacks_capacity)
            if pause > 0:  # the run may end meanwhile
                heapq.heappush(pending, item)
                self._clock.sleep(pause)
                continue
            rate_limiter.wait()
            answer = self._run_task(registration, item)
            item.tries += 1
            item.uncertain_tries += answer.outcome is Outcome.UNCERTAIN
            item.lacks_capacity = answer.reason if answer.outcome in (Outcome.BUSY, Outcome.NOT_PLACED) else ""
            if answer.outcome is Outcome.STARTED:
                newest = self._record_started(registration, item.launch, answer.ecs_task_arn)
                launched += 1
                last_start = self._clock.now()
            elif answer.outcome is Outcome.REFUSED or item.uncertain_tries >= MOST_UNCERTAIN_TRIES:
                # An earlier call, of this function or of one that broke off, may have started it.
                found = self._record_found(registration, [item.launch], is_uncertain=item.uncertain_tries > 0)
                launched += len(found)
                if not found:
                    self._record_not_started(registration, item.launch, answer, item.tries)
            else:
                item.launch_try += answer.outcome is Outcome.NOT_PLACED
                item.due = self._clock.now() + timedelta(seconds=answers.backoff_seconds(item.tries, self._rng))
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
        settings, spec, launch = registration.settings, registration.spec, item.launch
        run_id = registration.summary.workflow_run_id
        environment = naming.override_environment(
            spec.workflow_name,
            run_id,
            launch.entry,
            launch.attempt,
            registration.deadline,
            registration.summary.expires_at,
        )
        # ECS replays `failures[]` under the same token: after a wait for capacity the next call uses other tokens.
        turn = (item.launch_try + registration.summary.on_demand_first) % 2
        launch_try = (registration.summary.capacity_waits, item.launch_try, turn)
        request: dict[str, Any] = {
            "cluster": settings.cluster,
            "taskDefinition": settings.task_definition,
            **_capacity(settings, launch, turn),
            "count": 1,
            "startedBy": str(run_id),
            "group": naming.group(run_id),
            "clientToken": answers.client_token(
                spec.workflow_name, run_id, launch.entry.name, launch.attempt, launch_try
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
        if answer.outcome is not Outcome.STARTED:
            log.warning(
                "RunTask did not start a task",
                taskName=launch.entry.name,
                attempt=launch.attempt,
                outcome=answer.outcome,
                reason=answer.reason,
            )
        return answer

    def _record_found(
        self, registration: Registration, launches: Sequence[Launch], *, is_uncertain: bool
    ) -> dict[Launch, str]:
        """Look for the tasks of launches that are about to be given up or left for later, and record them.

        Args:
            registration: the run.
            launches: the launches.
            is_uncertain: whether a call for one of them had no answer.

        Returns:
            The ARNs of those that ECS has.
        """
        if is_uncertain:
            self._clock.sleep(LISTED_WITHIN_SECONDS)
        wanted = {(launch.entry.name, str(launch.attempt)): launch for launch in launches}
        run_id, workflow_name = registration.summary.workflow_run_id, registration.spec.workflow_name
        tasks = {
            **self._ecs_tasks.stopped_of_run(registration.settings.family, run_id, workflow_name),
            **self._ecs_tasks.running_of_run(1, run_id, workflow_name),
        }
        found = {
            launch: task.arn
            for task in tasks.values()
            if (
                launch := wanted.get(
                    (task.environment.get("KIT_TASK_NAME", ""), task.environment.get("KIT_ATTEMPT", ""))
                )
            )
        }
        for launch, arn in found.items():
            self._record_started(registration, launch, arn)
        return found

    def _record_started(self, registration: Registration, launch: Launch, ecs_task_arn: str) -> TaskRow:
        row = self._row(registration, launch, ecs_task_arn, TaskStatus.SUBMITTED)
        stream = naming.log_stream(self._settings.log_stream_prefix, self._settings.container_name, ecs_task_arn)
        found, _ = self._details.put_new(replace(row, log_stream=stream))
        return found

    def _record_not_started(self, registration: Registration, launch: Launch, answer: Answer, tries: int) -> None:
        refused = answer.outcome is Outcome.REFUSED
        code = Code.RUN_TASK_REFUSED if refused else Code.RUN_TASK_FAILED
        times = f"{tries} call" if tries == 1 else f"{tries} calls"
        identifier = not_started_id(launch.entry.name, launch.attempt)
        row = self._row(registration, launch, identifier, TaskStatus.FAILED)
        self._details.put_new(replace(row, error=f"{code}: ECS did not start the task after {times}: {answer.reason}"))

    def _row(self, registration: Registration, launch: Launch, identifier: str, status: TaskStatus) -> TaskRow:
        run_id, workflow_name = registration.summary.workflow_run_id, registration.spec.workflow_name
        entry, now = launch.entry, to_iso(self._clock.now())
        target = naming.target_key(registration.settings.target_prefix, workflow_name, run_id, entry.name, entry.key)
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
            expires_at=registration.summary.expires_at,
        )

    def _stop(self, row: TaskRow | None) -> None:
        """Stop what was started while the run ended; all before it was seen by whoever ended the run."""
        if row is None:
            return
        log.warning("the run ended while its tasks were launched", ecsTask=row.ecs_task_id)
        text = "the run ended while this task was launched"
        self._ecs_tasks.stop(row.ecs_task_id, text)
        now = to_iso(self._clock.now())
        self._details.write(replace(row, status=TaskStatus.FAILED, update_time=now, error=f"{Code.RUN_ENDED}: {text}"))

    def _result(self, registration: Registration, work: _Work, without_room: Sequence[Launch]) -> dict[str, Any]:
        summary = registration.summary
        remaining = len(work.left) + len(without_room)
        return {
            "runId": str(summary.workflow_run_id),
            "workflowName": summary.workflow_name,
            "numberOfTasks": summary.number_of_tasks,
            "launched": work.launched,
            "remaining": remaining,
            "again": bool(work.left) and not work.lacks_capacity,
            # The launch is paced as looks are, for the history of the execution holds so many of both.
            "waitSeconds": reconciliation.wait_seconds(
                replace(summary, launching_ended=remaining == 0, launch_after=None),
                {},
                self._clock.now(),
                registration.settings,
            ),
            "deadline": registration.deadline,
        }


def _left(launched: int, items: Sequence[_Pending], lacks_capacity: str = "") -> _Work:
    return _Work(
        launched,
        tuple(item.launch for item in items),
        lacks_capacity,
        is_uncertain=any(item.uncertain_tries for item in items),
    )


def _capacity(settings: Settings, launch: Launch, turn: int) -> dict[str, Any]:
    """Where the task runs. Every call starts one task, so the share is made by choosing one provider for each.

    The turn is part of the client token: a call that is made again asks for the same.
    """
    if settings.spot_share == 0:
        return {"launchType": settings.launch_type}
    provider = launch.capacity_provider(settings.spot_share, turn)
    return {"capacityProviderStrategy": [{"capacityProvider": provider, "weight": 1}]}
