"""The launch of a run's ECS tasks. Invariants: none twice, none above `maxConcurrency`, none for an ended run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract import metrics, overrides, waits
from ecs_kit.runtime.contract.attempts import Launch, plan_launches, task_states
from ecs_kit.runtime.contract.clock import from_iso, to_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.failures import LACKS_CAPACITY, Code
from ecs_kit.runtime.contract.records import Failure, TaskRow, new_row
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from ecs_kit.runtime.functions.function import Function
from ecs_kit.runtime.functions.registration import Registration
from ecs_kit.runtime.launcher import answers
from ecs_kit.runtime.launcher.answers import Answer, Outcome
from ecs_kit.runtime.launcher.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

MOST_UNCERTAIN_TRIES = 8
"""Unanswered RunTask calls after which an attempt fails."""


@dataclass(order=True)
class _Pending:
    """A pending launch, ordered by the due time of its next call."""

    due: datetime
    position: int
    launch: Launch = field(compare=False)
    tries: int = field(default=0, compare=False)
    launch_try: int = field(default=0, compare=False)
    uncertain_tries: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class _Work:
    """What one call of the launcher did.

    Args:
        left: launches for a later call.
        lacks_capacity: what ECS said, where they are left for lack of capacity.
        asked: when RunTask was last called.
        is_uncertain: whether a RunTask call for one of them was not answered.
        repeats_token: whether that was after `failures[]`: a later call begins with the token that got these.
        was_overtaken: whether a concurrent call has begun a wait, after which other client tokens are used.
    """

    launched: int
    left: tuple[Launch, ...] = ()
    lacks_capacity: str = ""
    asked: str = ""
    is_uncertain: bool = False
    repeats_token: bool = False
    was_overtaken: bool = False


@dataclass(kw_only=True)
class Launcher(Function):
    """The Task Launcher; `run_task_client` is an ECS client without retries."""

    run_task_client: ECSClient

    def launch(self, payload: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """Register the run and launch what is due.

        A repeated call continues after the recorded rows, also when an earlier one was interrupted. The payload has
        `execution` and `spec`; `again` in the answer is whether to call at once for the rest.
        """
        registration = self.register_run(payload)
        if registration.summary.status.is_final:
            return self._result(registration, _Work(launched=0), [])
        plan, without_room = self._plan(registration)
        if plan and registration.summary.launching_ended:
            self.summaries.set_launching_ended(registration.summary, False, to_iso(self.clock.now()))
        work = self._work(registration, plan, remaining_seconds)
        work, without_room = self._note_capacity(registration, work, without_room)
        if not work.left and not without_room:
            self.summaries.set_launching_ended(registration.summary, True, to_iso(self.clock.now()))
        log.info("launched", launched=work.launched, remaining=len(work.left), withoutRoom=len(without_room))
        return self._result(registration, work, without_room)

    def _plan(self, registration: Registration) -> tuple[list[Launch], list[Launch]]:
        """Return what to launch now, and what waits for capacity or for other tasks to end."""
        rows = self.details.rows(registration.summary.workflow_run_id, registration.spec.workflow_name)
        settings = registration.settings
        now, launch_after = self.clock.now(), registration.summary.launch_after
        plan = plan_launches(registration.spec.tasks, rows, settings.task_attempts, now)
        if launch_after is not None and now < from_iso(launch_after):
            return [], plan
        if settings.max_concurrency == 0:
            return plan, []
        room = max(0, settings.max_concurrency - sum(state.is_open for state in task_states(rows).values()))
        return plan[:room], plan[room:]

    def _note_capacity(
        self, registration: Registration, work: _Work, without_room: list[Launch]
    ) -> tuple[_Work, list[Launch]]:
        """Record that the run waits for capacity, or no longer does; return what is left of work and launches.

        RunTask may be repeated with another client token: after a wait, or where ECS has forgotten a token that it
        answered with `failures[]`. Before that, the tasks that unanswered calls started are found and recorded.
        """
        summary = registration.summary
        if work.lacks_capacity or work.was_overtaken or work.repeats_token:
            is_uncertain = work.is_uncertain or bool(without_room)
            found = self._record_found(registration, [*work.left, *without_room], is_uncertain=is_uncertain)
            left = tuple(launch for launch in work.left if launch not in found)
            without_room = [launch for launch in without_room if launch not in found]
            lacks_capacity = work.lacks_capacity if left else ""
            work = replace(work, launched=work.launched + len(found), left=left, lacks_capacity=lacks_capacity)
        if work.lacks_capacity:
            self._wait_for_capacity(registration, work)
        elif work.launched and summary.waiting_since:
            self.summaries.end_waiting(summary, to_iso(self.clock.now()))
        return work, without_room

    def _wait_for_capacity(self, registration: Registration, work: _Work) -> None:
        """Record when to retry: after as long as the run has waited already, at most 15 min.

        Where Spot or on-demand capacity is full, the retry tries the other one first.
        """
        summary, now = registration.summary, self.clock.now()
        if work.launched and summary.waiting_since:
            summary = self.summaries.end_waiting(summary, to_iso(now))
        waited = (now - from_iso(summary.waiting_since)).total_seconds() if summary.waiting_since else 0
        pause = timedelta(seconds=waits.capacity_wait_seconds(waited))
        log.warning("the run waits for capacity", remaining=len(work.left), waitSeconds=pause.total_seconds())
        share = registration.settings.spot_share
        changes_turn = bool(LACKS_CAPACITY.search(work.lacks_capacity)) and any(
            launch.capacity_provider(share, 0) != launch.capacity_provider(share, 1) for launch in work.left
        )
        self.summaries.wait_for_capacity(
            summary,
            to_iso(now),
            work.lacks_capacity,
            launch_asked=work.asked,
            launch_after=to_iso(now + pause),
            on_demand_first=summary.on_demand_first != changes_turn,
        )

    def _work(self, registration: Registration, plan: list[Launch], remaining_seconds: Callable[[], float]) -> _Work:
        """Carry out the plan."""
        rate_limiter = RateLimiter(self.clock)
        last_start = self.clock.now()
        pending = [_Pending(last_start, position, launch) for position, launch in enumerate(plan)]
        launched = 0
        waiting = registration.summary.waiting_since is not None
        retry_for = waits.CAPACITY_RETRY_WHILE_WAITING_SECONDS if waiting else waits.CAPACITY_RETRY_SECONDS
        newest: TaskRow | None = None
        asked = refusal = ""
        refused_by: set[str] = set()  # capacity providers, since the last start
        while True:
            summary = self.summaries.get(registration.spec.workflow_name, registration.summary.workflow_run_id)
            if summary is None or summary.status is not RunStatus.RUNNING:
                self._stop(newest)
                return _Work(launched)
            if summary.capacity_waits != registration.summary.capacity_waits:
                # A concurrent call has left the rest for later, and later calls use other client tokens.
                return replace(_left(launched, pending), was_overtaken=True)
            newest = None
            if not pending:
                return _Work(launched)
            candidates = pending
            if refused_by and (self.clock.now() - last_start).total_seconds() >= retry_for:
                # Spot and on-demand capacity have quotas of their own: where one is full, the other may not be.
                candidates = [each for each in pending if _provider(registration, each) not in refused_by]
            if not candidates:
                return replace(_left(launched, pending), lacks_capacity=refusal, asked=asked)
            item = self._next(candidates, last_start)
            pause = max((item.due - self.clock.now()).total_seconds(), 0)
            if launched + item.tries > 0 and remaining_seconds() - pause < waits.RESERVE_SECONDS:
                return _left(launched, pending)
            if pause > 0:  # then check the run again: it may end meanwhile
                self.clock.sleep(pause)
                continue
            rate_limiter.wait()
            asked, provider = to_iso(self.clock.now()), _provider(registration, item)
            answer = self._run_task(registration, item)
            item.tries += 1
            item.uncertain_tries += answer.outcome is Outcome.UNCERTAIN
            if answer.outcome in (Outcome.BUSY, Outcome.NOT_PLACED):
                self.meter.record({metrics.RUN_TASK_THROTTLES: 1})
                refusal = answer.reason
                refused_by.add(provider)
            if answer.task is not None:
                refused_by.clear()
                pending.remove(item)
                newest = self._record_started(registration, item.launch, answer.task)
                launched += 1
                last_start = self.clock.now()
            elif answer.outcome is Outcome.REFUSED or item.uncertain_tries >= MOST_UNCERTAIN_TRIES:
                pending.remove(item)
                # An earlier RunTask, also of an interrupted call of this function, may have started it.
                found = self._record_found(registration, [item.launch], is_uncertain=item.uncertain_tries > 0)
                launched += len(found)
                if not found:
                    self._record_not_started(registration, item.launch, answer, item.tries)
            else:
                item.launch_try += answer.outcome is Outcome.NOT_PLACED
                item.due = self.clock.now() + timedelta(seconds=waits.backoff_seconds(item.tries, self.rng))

    def _next(self, candidates: Sequence[_Pending], last_start: datetime) -> _Pending:
        now = self.clock.now()
        due = [item for item in candidates if item.due <= now]
        if not due or (now - last_start).total_seconds() < waits.ROUND_ROBIN_SECONDS:
            return min(candidates)
        return max(due, key=lambda each: each.tries)

    def _run_task(self, registration: Registration, item: _Pending) -> Answer:
        try:
            answer = answers.of_response(self.run_task_client.run_task(**_request(registration, item)))
        except (ClientError, BotoCoreError) as error:
            answer = answers.of_error(error)
        if answer.outcome is not Outcome.STARTED:
            log.warning(
                "RunTask did not start a task",
                taskName=item.launch.entry.name,
                attempt=item.launch.attempt,
                outcome=answer.outcome,
                reason=answer.reason,
            )
        return answer

    def _record_found(
        self, registration: Registration, launches: Sequence[Launch], *, is_uncertain: bool
    ) -> set[Launch]:
        """Find and record the ECS tasks of launches that are about to be given up or postponed; return those started.

        `is_uncertain` says whether a RunTask call for one of them was not answered.
        """
        if is_uncertain:
            self.clock.sleep(waits.LISTED_WITHIN_SECONDS)
        wanted = {(launch.entry.name, launch.attempt): launch for launch in launches}
        run_id, workflow_name = registration.summary.workflow_run_id, registration.spec.workflow_name
        tasks = {
            **self.ecs_tasks.stopped_of_run(run_id, workflow_name),
            **self.ecs_tasks.running_of_run(registration.settings.capabilities, run_id, workflow_name),
        }
        found = {
            launch: task
            for task in tasks.values()
            if task.attempt and (launch := wanted.get((task.attempt.task_name, task.attempt.number)))
        }
        for launch, task in found.items():
            self._record_started(registration, launch, task)
        return set(found)

    def _record_started(self, registration: Registration, launch: Launch, task: EcsTask) -> TaskRow:
        return self._record(registration, launch, TaskStatus.SUBMITTED, ecs_task_arn=task.arn, task=task)

    def _record_not_started(self, registration: Registration, launch: Launch, answer: Answer, tries: int) -> None:
        code = Code.RUN_TASK_REFUSED if answer.outcome is Outcome.REFUSED else Code.RUN_TASK_FAILED
        times = f"{tries} call" if tries == 1 else f"{tries} calls"
        failure = Failure(code, f"ECS did not start the task after {times}: {answer.reason}")
        self._record(registration, launch, TaskStatus.FAILED, ecs_task_arn="", failure=failure)

    def _record(self, registration: Registration, launch: Launch, status: TaskStatus, **more: Any) -> TaskRow:
        attempt, target = _attempt(registration, launch), registration.settings.target
        found, _ = self.details.put_new(new_row(attempt, target, status, now=self.clock.now(), **more))
        return found

    def _stop(self, row: TaskRow | None) -> None:
        """Stop the task that was started while the run ended. Whoever ended the run saw all earlier ones."""
        if row is None:
            return
        log.warning("the run ended while its tasks were launched", ecsTask=row.ecs_task_id)
        failure = Failure(Code.RUN_ENDED, "the run ended while this task was launched")
        self.ecs_tasks.stop(row.ecs_task_id, failure.text)
        self.details.write(row.failed(failure, self.clock.now()))

    def _result(self, registration: Registration, work: _Work, without_room: Sequence[Launch]) -> dict[str, Any]:
        summary = registration.summary
        remaining = len(work.left) + len(without_room)
        # Launches have the interval of polls: the history of the execution has room for as many of both.
        polled = replace(summary, launching_ended=remaining == 0, launch_after=None)
        return {
            "runId": str(summary.workflow_run_id),
            "workflowName": summary.workflow_name,
            "numberOfTasks": summary.number_of_tasks,
            "launched": work.launched,
            "remaining": remaining,
            "again": bool(work.left) and not work.lacks_capacity,
            "waitSeconds": waits.wait_seconds(polled, self.clock.now(), registration.settings, is_idle=False),
            "deadline": registration.deadline,
        }


def _attempt(registration: Registration, launch: Launch) -> Attempt:
    return registration.summary.attempt(launch.entry.name, launch.attempt, launch.entry.bucket, launch.entry.key)


def _request(registration: Registration, item: _Pending) -> dict[str, Any]:
    """The arguments of RunTask."""
    settings, spec, launch = registration.settings, registration.spec, item.launch
    run_id = registration.summary.workflow_run_id
    # ECS replays `failures[]` for the same token, so each capacity wait changes the tokens. A repeated call requests
    # the same provider, because the turn changes with these numbers alone.
    launch_try = (registration.summary.capacity_waits, item.launch_try)
    provider = _provider(registration, item)
    capacity: dict[str, Any] = {"launchType": settings.launch_type}
    if settings.spot_share > 0:  # one provider per call, since each call starts one task
        capacity = {"capacityProviderStrategy": [{"capacityProvider": provider, "weight": 1}]}
    return {
        "cluster": settings.cluster,
        "taskDefinition": settings.task_definition,
        **capacity,
        "count": 1,
        "startedBy": settings.capabilities.started_by(run_id),
        "group": f"run-{run_id}",
        "propagateTags": "TASK_DEFINITION",
        "clientToken": answers.client_token(spec.workflow_name, run_id, launch.entry.name, launch.attempt, launch_try),
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": list(spec.subnet_ids),
                "securityGroups": list(spec.security_group_ids),
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": overrides.of_task(settings, launch.entry, _attempt(registration, launch), registration.deadline),
    }


def _turn(registration: Registration, item: _Pending) -> int:
    return (item.launch_try + registration.summary.on_demand_first) % 2


def _provider(registration: Registration, item: _Pending) -> str:
    return item.launch.capacity_provider(registration.settings.spot_share, _turn(registration, item))


def _left(launched: int, items: Sequence[_Pending]) -> _Work:
    return _Work(
        launched,
        tuple(item.launch for item in sorted(items)),
        is_uncertain=any(item.uncertain_tries for item in items),
        repeats_token=any(item.uncertain_tries and item.launch_try for item in items),
    )
