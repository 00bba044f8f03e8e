"""The launch of a run's ECS tasks. Invariants: none twice, none above `maxConcurrency`, none for an ended run."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.contract.attempts import Launch, awaits_ecs, due_retries, possible, task_states
from ecs_kit.runtime.contract.clock import from_iso, to_iso
from ecs_kit.runtime.contract.failures import LACKS_CAPACITY
from ecs_kit.runtime.contract.records import TaskRow
from ecs_kit.runtime.contract.specs import TaskEntry
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.functions.function import Function
from ecs_kit.runtime.functions.registration import Registration
from ecs_kit.runtime.launcher.launches import Launches
from ecs_kit.runtime.launcher.launching import Launching, Work, calls_at_once
from ecs_kit.runtime.launcher.plan import Plan, indices_of

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient


@dataclass(kw_only=True)
class Launcher(Function):
    """The Task Launcher; `run_task_client` is an ECS client without retries."""

    run_task_client: ECSClient

    def launch(self, payload: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """Register the run and launch what is due.

        A repeated call continues where an earlier one ended, also when it was interrupted. The payload has `execution`
        and `spec`; `again` in the answer is whether the rest can be launched at once.
        """
        registration = self.register_run(payload)
        summary = registration.summary
        if summary.status.is_final:
            return self._result(registration, Work(launched=0), remaining=0, again=False)
        now = self.clock.now()
        call = uuid.uuid4().hex
        rows = self._without_counted(registration, self._uncounted(registration))
        waits_for_capacity = summary.launch_after is not None and now < from_iso(summary.launch_after)
        retries = self._due_retries(registration, rows)
        if waits_for_capacity or (summary.launching_ended and not retries):
            plan = self._plan(registration, retries, rows, lambda _name, _attempt: False)
            return self._result(registration, Work(launched=0), remaining=plan.left, again=False)
        before, is_active = self.summaries.begin_launching(summary, call, to_iso(now))
        if not is_active:
            return self._result(registration, Work(launched=0), remaining=0, again=False)
        registration = replace(registration, summary=replace(before, launcher_call=call, launching_ended=False))
        launches = self._launches(registration)
        recorded: set[tuple[str, int]] = set()
        if before.launcher_call is not None:
            log.warning("an earlier call of the launcher was interrupted or goes on", call=before.launcher_call)
            rows = launches.recorded()
            recorded = {(row.task_name, row.attempt) for row in rows}
        plan = self._plan(registration, retries, rows, lambda name, attempt: (name, attempt) in recorded)
        at_once = calls_at_once(registration.settings.run_task_rate)
        with self.executor(at_once) as executor:
            work = Launching(
                launches,
                plan,
                self.summaries,
                self.meter,
                self.rng,
                executor,
                at_once,
                remaining_seconds,
                lambda: self._open_tasks(registration),
                follows_interruption=before.launcher_call is not None,
            ).run()
        work = self._note_capacity(launches, work)
        remaining = len(work.left) + plan.left
        next_index, skipped = plan.position(work.left)
        # The next call finds what unanswered calls of RunTask have started, as after an interruption.
        self.summaries.end_launching(
            registration.summary,
            call,
            next_index,
            skipped,
            remaining == 0,
            to_iso(self.clock.now()),
            is_uncertain=work.is_uncertain and bool(work.left),
        )
        log.info("launched", launched=work.launched, remaining=remaining)
        goes_on = plan.left > 0 and (plan.has_room or work.is_over)
        again = not work.lacks_capacity and (bool(work.left) or goes_on)
        return self._result(registration, work, remaining=remaining, again=again and not work.was_overtaken)

    def _due_retries(self, registration: Registration, rows: Sequence[TaskRow]) -> list[Launch]:
        attempts = registration.settings.task_attempts
        due = due_retries(task_states(rows).values(), attempts, self.clock.now())
        entry = _entries(registration)
        indices = [(entry(row.task_index or 0), row.task_index or 0, row) for row in due]
        return [
            Launch(task, row.attempt + 1, index, row.ecs_task_id)
            for task, index, row in indices
            if task.name == row.task_name
        ]

    def _plan(
        self,
        registration: Registration,
        retries: Sequence[Launch],
        rows: Sequence[TaskRow],
        is_recorded: Callable[[str, int], bool],
    ) -> Plan:
        """Return what to launch now."""
        summary, settings = registration.summary, registration.settings
        states, skipped = task_states(rows).values(), list(indices_of(summary.skipped))
        # The index may lack the newest rows. All launched tasks are open but those that are counted or await a retry.
        await_retry = sum(state.has_only_failed and state.may_retry(settings.task_attempts) for state in states)
        ended = summary.completed_tasks + summary.failed_tasks + await_retry
        is_open = max(sum(state.is_open for state in states), summary.next_index - len(skipped) - ended)
        return Plan(
            retries,
            skipped,
            range(summary.next_index, summary.number_of_tasks),
            _entries(registration),
            room=max(0, settings.max_concurrency - is_open) if settings.max_concurrency else None,
            is_recorded=is_recorded,
        )

    def _note_capacity(self, launches: Launches, work: Work) -> Work:
        """Record that the run waits for capacity, or no longer does; return what is left of the work.

        RunTask may be repeated with another client token: after a wait, or where ECS has forgotten a token that it
        answered with `failures[]`. Before that, the tasks that unanswered calls started are found and recorded.
        """
        registration, summary = launches.registration, launches.registration.summary
        if work.lacks_capacity or work.was_overtaken or work.repeats_token:
            found = launches.record_found(work.left, is_uncertain=work.is_uncertain)
            left = tuple(launch for launch in work.left if launch not in found)
            lacks_capacity = work.lacks_capacity if left else ""
            work = replace(work, launched=work.launched + len(found), left=left, lacks_capacity=lacks_capacity)
        if work.lacks_capacity:
            self._wait_for_capacity(registration, work)
        elif work.launched and summary.waiting_since:
            self.summaries.end_waiting(summary, to_iso(self.clock.now()))
        return work

    def _wait_for_capacity(self, registration: Registration, work: Work) -> None:
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

    def _uncounted(self, registration: Registration) -> list[TaskRow]:
        """Read the attempts that are not counted yet, without failed ones that only a task has recorded so far.

        The monitor confirms or refutes these.
        """
        summary, has_ecs_records = registration.summary, registration.settings.has_ecs_records
        rows = possible(self.details.uncounted(summary.workflow_run_id, summary.workflow_name), summary)
        return [row for row in rows if row.status is not TaskStatus.FAILED or row.is_confirmed or has_ecs_records]

    def _without_counted(self, registration: Registration, rows: list[TaskRow]) -> list[TaskRow]:
        """Leave out the attempts of counted tasks, which the monitor takes out of the index one by one.

        Without their other attempts these look like tasks to be retried. What is counted is read after the rows.
        """
        attempts, summary = registration.settings.task_attempts, registration.summary
        states = task_states(rows).values()
        in_doubt = [state for state in states if state.has_only_failed and state.may_retry(attempts)]
        if not in_doubt:
            return rows
        summary = self.summaries.get(summary.workflow_name, summary.workflow_run_id) or summary
        indices = {row.task_index for state in in_doubt for row in state.rows if row.task_index is not None}
        counted = self.counting.counted(summary, indices)
        return [row for row in rows if row.task_index not in counted]

    def _open_tasks(self, registration: Registration) -> set[str]:
        return {row.ecs_task_id for row in self._uncounted(registration) if awaits_ecs(row)}

    def _launches(self, registration: Registration) -> Launches:
        return Launches(registration, self.run_task_client, self.details, self.ecs_tasks, self.clock)

    def _result(self, registration: Registration, work: Work, *, remaining: int, again: bool) -> dict[str, Any]:
        summary = registration.summary
        # Launches have the interval of polls: the history of the execution has room for as many of both.
        polled = replace(summary, launching_ended=remaining == 0, launch_after=None)
        return {
            "runId": str(summary.workflow_run_id),
            "workflowName": summary.workflow_name,
            "numberOfTasks": summary.number_of_tasks,
            "launched": work.launched,
            "remaining": remaining,
            "again": again,
            "waitSeconds": waits.wait_seconds(polled, self.clock.now(), registration.settings, is_idle=False),
            "deadline": registration.deadline,
        }


def _entries(registration: Registration) -> Callable[[int], TaskEntry]:
    return lambda index: registration.tasks.entries(index, index + 1)[0]
