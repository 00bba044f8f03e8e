"""Reconciliation of a run's rows with ECS: pure functions of what was read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ecs_kit.runtime.contract import ecs_rows, failures, waits
from ecs_kit.runtime.contract.attempts import TaskState, awaits_ecs, task_states
from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.failures import Code
from ecs_kit.runtime.contract.records import Counts, Failure, Summary, TaskRow, new_row
from ecs_kit.runtime.contract.settings import Settings
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus


@dataclass(frozen=True, slots=True)
class EcsAnswer:
    """ECS's answers about a run: tasks by ARN, and the ARNs that it reports as `MISSING`.

    If all of the run's tasks were `listed`, one that is not in `tasks` does not exist.
    """

    tasks: Mapping[str, EcsTask] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome of a reconciliation.

    Args:
        updates: rows to write first, unless their status is terminal by then.
        stops: reasons by ARN of the tasks to stop after that, because a stopped task writes its row, too.
        explanations: failed rows that get ECS's reason and exit code.
        creations: rows of attempts that have none.
        verdict: the run's terminal status; None while it is active.
        relaunch: pattern 1: the launcher has something to launch.
        has_capacity: whether the run waited for capacity and no longer does.
        freed_capacity: pattern 1: whether attempts that ended may have freed capacity: the launcher need not wait.
    """

    updates: list[TaskRow]
    stops: dict[str, str]
    explanations: list[TaskRow]
    creations: list[TaskRow]
    counts: Counts
    verdict: RunStatus | None
    relaunch: bool
    wait_seconds: int
    has_capacity: bool
    freed_capacity: bool


def arns_to_ask(rows: Iterable[TaskRow]) -> list[str]:
    """Return the ECS tasks to describe."""
    return [row.ecs_task_id for row in rows if row.was_started and awaits_ecs(row)]


def final_status(counts: Counts, number_of_tasks: int, tolerated_failure_percentage: int) -> RunStatus:
    """Return the status of a run whose tasks have all ended."""
    if counts.failed == 0:
        return RunStatus.COMPLETED
    if counts.failed * 100 <= tolerated_failure_percentage * number_of_tasks:
        return RunStatus.COMPLETED_WITH_FAILURES
    return RunStatus.FAILED


@dataclass(frozen=True, slots=True)
class Run:
    """A run at a moment: its item and its settings at registration."""

    summary: Summary
    settings: Settings
    now: datetime

    def needs_listing(self, rows: Iterable[TaskRow]) -> bool:
        """Whether the run's ECS tasks must be listed: launching has ended, yet some attempts have no row.

        That is so where a task has no row and, in pattern 2, where its attempts have a gap or lack a due retry. Where
        the state machine starts tasks that keep no rows, the list alone shows those whose events were lost.
        """
        return self._lacks_rows(rows) or (self.settings.has_ecs_records and not self._has_launcher)

    def _lacks_rows(self, rows: Iterable[TaskRow]) -> bool:
        if not self.summary.launching_ended:
            return False
        states = task_states(rows)
        if len(states) < self.summary.number_of_tasks:
            return True
        return not self._has_launcher and any(self._misses_attempts(state) for state in states.values())

    def changed_rows(self, tasks: Iterable[EcsTask], rows: Mapping[str, TaskRow]) -> list[TaskRow]:
        """Return what ECS's word about tasks changes in their rows, by ARN; nothing where tasks keep them."""
        if not self.settings.has_ecs_records:
            return []
        return ecs_rows.changed_rows(tasks, rows, self.settings.target, self.settings.exit_codes, self.now)

    def rows_of_unrecorded(self, tasks: Iterable[EcsTask], recorded: Mapping[str, TaskRow], why: str) -> list[TaskRow]:
        """Return terminal rows for ECS tasks, stopped or stopping, without a row, in a run that was ended early."""
        by_itself = [task for task in tasks if task.is_stopped and task.stop_code != "UserInitiated"]
        rows = self.changed_rows(by_itself, recorded)
        known = {*recorded, *(row.ecs_task_id for row in rows)}
        for task in (task for task in tasks if task.arn not in known):
            failure = Failure(Code.RUN_ENDED, why, task.stopped_reason or None, task.exit_code, task.stop_code or None)
            if task in by_itself:
                failure = failures.of_stopped_task(task)
            rows.append(self._row_of_task(task, failure))
        return rows

    def reconcile(self, rows: Sequence[TaskRow], ecs: EcsAnswer, task_names: Sequence[str] = ()) -> Reconciliation:
        """Reconcile all the run's rows with what ECS said about `arns_to_ask`, and, where `needs_listing`, all others.

        The names of all tasks are used only where `needs_listing`.
        """
        stops: dict[str, str] = {}
        explanations: list[TaskRow] = []
        creations: list[TaskRow] = []
        current = {row.ecs_task_id: row for row in rows}
        updates = {row.ecs_task_id: row for row in self.changed_rows(ecs.tasks.values(), current)}
        current |= updates
        for arn in arns_to_ask(list(current.values())):
            row = current[arn]
            failure, stop = self._classify(row, ecs)
            if stop:
                stops[arn] = stop
            if failure is None:
                continue
            current[arn] = self._failed(row, failure, ecs.tasks.get(arn))
            if row.status.is_final:
                explanations.append(current[arn])
            else:
                updates[arn] = current[arn]
        if ecs.listed and self._lacks_rows(current.values()):
            creations, more_stops = self._unrecorded(current, ecs, task_names)
            stops |= more_stops
            current |= {row.ecs_task_id: row for row in creations}
        states = list(task_states(current.values()).values())
        counts = self._counts(states)
        freed = self._freed_capacity(current.values())
        after = replace(self, summary=replace(self.summary, launch_after=None)) if freed else self
        is_idle = not any(state.is_open for state in states)
        return Reconciliation(
            updates=list(updates.values()),
            stops=stops,
            explanations=explanations,
            creations=creations,
            counts=counts,
            verdict=self._verdict(states, counts),
            relaunch=after._launcher_has_work(states),
            wait_seconds=waits.wait_seconds(after.summary, self.now, self.settings, is_idle=is_idle),
            has_capacity=self._has_capacity(ecs),
            freed_capacity=freed,
        )

    @property
    def _has_launcher(self) -> bool:
        return self.settings.capabilities.has_launcher

    def _classify(self, row: TaskRow, ecs: EcsAnswer) -> tuple[Failure | None, str]:
        """Return why a row's attempt failed, if it did, and why its task is to be stopped, if it is."""
        if row.ecs_task_id in ecs.missing:
            if self.now - from_iso(row.start_time) < waits.MISSING_COUNTS_AFTER:
                return None, ""
            text = "ECS does not know this task any more and it recorded no result; its host may have been lost"
            return Failure(Code.TASK_MISSING, text), ""
        task = ecs.tasks.get(row.ecs_task_id)
        if task is None:
            return None, ""
        if task.is_stopped:
            return failures.of_stopped_task(task, self.settings.exit_codes), ""
        if row.status.is_final and failures.code_of(row) != Code.TIMED_OUT:
            return (failures.of_stopped_task(task) if task.stopped_reason else None), ""
        if not row.status.is_final and not self._is_over_its_limit(row, task):
            return None, ""
        text = f"timed out: the task ran longer than {self.settings.task_timeout_seconds} s and was stopped"
        # ECS knows the exit code once the task has stopped.
        is_awaited = row.status.is_final and self.now - from_iso(row.update_time) <= waits.STOPPED_WITHIN
        return (None if is_awaited else Failure(Code.TIMED_OUT, text)), "" if task.desired_status == "STOPPED" else text

    def _is_over_its_limit(self, row: TaskRow, task: EcsTask) -> bool:
        began = _limit_counts_from(row, task)
        limit = timedelta(seconds=self.settings.task_timeout_seconds)
        return began is not None and self.now >= began + limit + waits.STOP_ALLOWANCE

    def _failed(self, row: TaskRow, failure: Failure, task: EcsTask | None) -> TaskRow:
        seconds = row.exec_time_in_seconds
        if seconds is None and task and task.started_at:
            seconds = round(((task.stopped_at or self.now) - task.started_at).total_seconds(), 3)
        return replace(row.failed(failure, self.now, task), exec_time_in_seconds=seconds)

    def _unrecorded(
        self, rows: Mapping[str, TaskRow], ecs: EcsAnswer, task_names: Sequence[str]
    ) -> tuple[list[TaskRow], dict[str, str]]:
        """Return rows for attempts without one, and stops: an ECS task that still runs is orphaned.

        Launching has ended.
        """
        creations: list[TaskRow] = []
        stops: dict[str, str] = {}
        attempts: dict[str, set[int]] = {name: set() for name in task_names}
        for row in rows.values():
            attempts.setdefault(row.task_name, set()).add(row.attempt)
        for task in ecs.tasks.values():
            attempt = task.attempt
            if attempt is None or task.arn in rows or attempt.task_name not in attempts:
                continue
            if task.is_stopped:
                failure = failures.of_stopped_task(task)
            else:
                failure = Failure(Code.NO_RECORD, "no record of this task, and nothing waits for it; it was stopped")
                stops[task.arn] = failure.text
            creations.append(self._row_of_task(task, failure))
            attempts[attempt.task_name].add(attempt.number)
        for name, known in attempts.items():
            latest = max(known, default=1)
            text = "no record of this task" if latest == 1 else "no record of this attempt"
            failure = Failure(Code.NO_RECORD, f"{text}, and ECS knows none of its name in this run")
            for number in sorted(set(range(1, latest + 1)) - known):
                creations.append(self._failed_row(self.summary.attempt(name, number), failure))
        return creations, stops

    def _row_of_task(self, task: EcsTask, failure: Failure) -> TaskRow:
        """Return the row of an ECS task of the run that has none."""
        attempt = replace(task.attempt or self.summary.attempt("", 1), expires_at=self.summary.expires_at)
        return self._failed_row(attempt, failure, task)

    def _failed_row(self, attempt: Attempt, failure: Failure, task: EcsTask | None = None) -> TaskRow:
        return new_row(
            attempt,
            self.settings.target,
            TaskStatus.FAILED,
            ecs_task_arn=task.arn if task else "",
            now=self.now,
            start=task.created_at if task else None,
            failure=failure,
            task=task,
        )

    def _misses_attempts(self, state: TaskState) -> bool:
        if len({row.attempt for row in state.rows}) < state.next_attempt - 1:
            return True
        return state.has_only_failed and state.may_retry(self.settings.task_attempts)

    def _counts(self, states: Iterable[TaskState]) -> Counts:
        """Count the run's tasks: completed, failed without a retry, all others."""
        completed = sum(state.is_completed for state in states)
        failed = sum(self._has_failed(state) for state in states)
        return Counts(completed, failed, self.summary.number_of_tasks - completed - failed)

    def _has_failed(self, state: TaskState) -> bool:
        if not state.has_only_failed:
            return False
        if not state.may_retry(self.settings.task_attempts):
            return True
        if self._has_launcher:
            return False
        return self.summary.launching_ended or self._retries_are_lost(state.last_update)

    def _retries_are_lost(self, latest: datetime) -> bool:
        """Pattern 2: whether failed tasks are not retried although their state machine has not said so.

        A run that has waited for capacity may wait longer: its state machine or its deadline ends it.
        """
        return self.summary.capacity_waits == 0 and self.now - latest > waits.RETRY_EXPECTED_WITHIN

    def _verdict(self, states: Sequence[TaskState], counts: Counts) -> RunStatus | None:
        # A completed task may have another attempt, started when the state RunTask timed out.
        if counts.running > 0 or any(state.is_open for state in states):
            return None
        may_retry = not self._has_launcher and counts.failed > 0 and not self.summary.launching_ended
        if may_retry and not self._retries_are_lost(max(state.last_update for state in states)):
            return None
        return final_status(counts, self.summary.number_of_tasks, self.settings.tolerated_failure_percentage)

    def _has_capacity(self, ecs: EcsAnswer) -> bool:
        """Whether the run has capacity again: pattern 1: RunTask has started a task since; pattern 2: no task waits."""
        if self.summary.waiting_since is None:
            return False
        if self.summary.waiting_until is not None:
            return self.now > from_iso(self.summary.waiting_until) + waits.ASKED_AGAIN_WITHIN
        since = from_iso(self.summary.waiting_since)
        return any(task.created_at is not None and task.created_at > since for task in ecs.tasks.values())

    def _freed_capacity(self, rows: Iterable[TaskRow]) -> bool:
        """Whether an attempt has ended since the last RunTask, or so shortly before it that ECS still ran the task."""
        if self.summary.launch_after is None or self.summary.launch_asked is None:
            return False
        since = from_iso(self.summary.launch_asked) - waits.CAPACITY_FREED_WITHIN
        return any(row.was_started and row.status.is_final and from_iso(row.update_time) > since for row in rows)

    def _launcher_has_work(self, states: Sequence[TaskState]) -> bool:
        """Whether to call pattern 1's launcher: something is to be launched, there is room for it, no wait is on."""
        summary, settings = self.summary, self.settings
        has_room = not settings.max_concurrency or sum(state.is_open for state in states) < settings.max_concurrency
        waits_for_capacity = summary.launch_after is not None and self.now < from_iso(summary.launch_after)
        if not self._has_launcher or not has_room or waits_for_capacity:
            return False
        if not summary.launching_ended and len(states) < summary.number_of_tasks:
            return True
        return any(state.retry_is_due(settings.task_attempts, self.now) for state in states)


def _limit_counts_from(row: TaskRow, task: EcsTask) -> datetime | None:
    """Return when a task's time limit starts: at its row's `start_time`, from which the task itself counts.

    ECS's `startedAt` is earlier by the interpreter's start, which takes long on a busy host. The allowance bounds that
    start, and the effect of a wrong clock in the task.
    """
    if task.started_at is None:
        return task.created_at + waits.START_ALLOWANCE if task.created_at else None
    latest = task.started_at + waits.START_ALLOWANCE
    if row.status is not TaskStatus.RUNNING:
        return latest
    return max(task.started_at, min(from_iso(row.start_time), latest))
