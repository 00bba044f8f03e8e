"""Reconciliation of a run's rows with ECS: pure functions of what was read."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ecs_kit.runtime.contract import ecs_rows, failures, waits
from ecs_kit.runtime.contract.attempts import TaskState, age, awaits_ecs, task_states
from ecs_kit.runtime.contract.clock import from_iso, to_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.failures import Code
from ecs_kit.runtime.contract.records import Counts, Failure, Summary, TaskRow, new_row
from ecs_kit.runtime.contract.settings import Settings
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus


@dataclass(frozen=True, slots=True)
class EcsAnswer:
    """ECS's answers about a run: tasks by ARN, and the ARNs that it reports as `MISSING`."""

    tasks: Mapping[str, EcsTask] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Doubts:
    """What becomes of rows that tasks have written: a compromised one can write rows of others.

    Args:
        confirmed: failed rows whose tasks ECS knows.
        refuted: rows of no attempt of the run: of ECS tasks that do not exist, or are not the run's.
        corrections: by the rows' keys, what is true of ECS tasks whose rows name another attempt.
        awaited: keys of rows of tasks that ECS may not know yet.
    """

    confirmed: list[TaskRow] = field(default_factory=list)
    refuted: list[TaskRow] = field(default_factory=list)
    corrections: dict[str, TaskRow] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome of a reconciliation.

    Args:
        updates: rows to write first, unless their status is terminal by then.
        stops: reasons by ARN of the tasks to stop after that, because a stopped task writes its row, too.
        explanations: failed rows that get ECS's reason and exit code.
        doubts: rows that only a task has written, and what ECS says of them.
        creations: rows of attempts that have none.
        unindexed: attempts of tasks that are not counted, which the index of these lacks.
        ended: tasks to count, by their places in the task list: whether they completed.
        corrected: how many of these were counted as failed before.
        done: attempts that nothing awaits any more, of tasks that are counted, or are to be.
        counts: the counts with these tasks.
        changes: attributes of the run's item that change with the counts.
        verdict: the run's terminal status; None while it is active.
        relaunch: pattern 1: the launcher has something to launch.
        has_capacity: whether the run waited for capacity and no longer does.
        freed_capacity: pattern 1: whether attempts that ended may have freed capacity: the launcher need not wait.
    """

    updates: list[TaskRow]
    stops: dict[str, str]
    explanations: list[TaskRow]
    doubts: Doubts
    creations: list[TaskRow]
    unindexed: list[TaskRow]
    ended: dict[int, bool]
    corrected: int
    done: list[TaskRow]
    counts: Counts
    changes: dict[str, str]
    verdict: RunStatus | None
    relaunch: bool
    wait_seconds: int
    has_capacity: bool
    freed_capacity: bool


@dataclass(frozen=True, slots=True)
class _Compared:
    """Rows as they are after ECS's answer, by key, and what of it is to be written and stopped: see Reconciliation."""

    rows: dict[str, TaskRow]
    updates: dict[str, TaskRow]
    doubts: Doubts
    explanations: list[TaskRow] = field(default_factory=list)
    stops: dict[str, str] = field(default_factory=dict)


LONGEST_FIRST_FAILURE = 600
"""Characters of the first failure's error in a run's item, each update of which is charged for the whole item."""


def indices(rows: Iterable[TaskRow], names: Sequence[str]) -> dict[str, int]:
    """Return the places of tasks in the task list, by name: of all tasks, or else of those that have rows."""
    return {
        **{row.task_name: row.task_index for row in rows if row.task_index is not None},
        **{name: index for index, name in enumerate(names)},
    }


def final_status(counts: Counts, number_of_tasks: int, tolerated_failure_percentage: int) -> RunStatus:
    """Return the status of a run whose tasks have all ended."""
    if counts.failed == 0:
        return RunStatus.COMPLETED
    if counts.failed * 100 <= tolerated_failure_percentage * number_of_tasks:
        return RunStatus.COMPLETED_WITH_FAILURES
    return RunStatus.FAILED


@dataclass(frozen=True, slots=True)
class Run:
    """A run at a moment: its item, its settings at registration, and which of its tasks are counted already.

    `counted` are these tasks by name, whether they completed; only those that have rows in what is reconciled.
    """

    summary: Summary
    settings: Settings
    now: datetime
    counted: Mapping[str, bool] = field(default_factory=dict)

    def arns_to_ask(self, rows: Iterable[TaskRow]) -> list[str]:
        """Return the ECS tasks to describe."""
        return [row.ecs_task_id for row in rows if row.was_started and self._is_in_question(row)]

    def _is_in_question(self, row: TaskRow) -> bool:
        return awaits_ecs(row) or self._is_unconfirmed(row)

    def doubts(self, rows: Iterable[TaskRow], ecs: EcsAnswer) -> Doubts:
        """Compare rows with what ECS said about `arns_to_ask`."""
        doubts = Doubts()
        for row in (row for row in rows if self._is_in_question(row)):
            task = ecs.tasks.get(row.ecs_task_id)
            if task is not None and not _is_of(row, task):
                self._add_contradicted(doubts, row, task)
            elif self._is_unconfirmed(row) and row.ecs_task_id in ecs.missing and not self._may_be_forgotten(row):
                if abs(self.now - from_iso(row.start_time)) >= waits.MISSING_COUNTS_AFTER:
                    doubts.refuted.append(row)
                else:
                    doubts.awaited.add(row.ecs_task_id)
            elif self._is_unconfirmed(row) and row.status is TaskStatus.FAILED and task is not None:
                doubts.confirmed.append(row)
        return doubts

    def _add_contradicted(self, doubts: Doubts, row: TaskRow, task: EcsTask) -> None:
        """Add a row whose ECS task is another attempt's: it is that one's which has failed, if it is of the run."""
        if task.run != (row.workflow_name, row.workflow_run_id):
            doubts.refuted.append(row)
            return
        failure = Failure(Code.NO_RECORD, "the row of this ECS task named another attempt")
        doubts.corrections[row.ecs_task_id] = self._row_of_task(task, failure)

    def _is_unconfirmed(self, row: TaskRow) -> bool:
        """Whether an attempt counts only if ECS knows its task, because only a task may have recorded it."""
        counted = self.counted.get(row.task_name)
        is_settled = row.status.is_final and (counted or (counted is False and row.status is TaskStatus.FAILED))
        return not (row.is_confirmed or is_settled or self.settings.has_ecs_records)

    def _may_be_forgotten(self, row: TaskRow) -> bool:
        """Whether a row's task may have ended so long ago that ECS has forgotten it, and no task was counted since."""
        latest = max(from_iso(row.start_time), from_iso(self.summary.last_ended or self.summary.start_time))
        return self.now - latest >= waits.REMEMBERED_BY_ECS

    def needs_all_rows(self, rows: Iterable[TaskRow]) -> bool:
        """Whether all the run's rows and ECS tasks must be read: launching has ended, yet some attempts have no row.

        That is so where a task has no row and, in pattern 2, where its attempts have a gap or lack a due retry. Of
        tasks that are counted only attempts that something awaits are among the rows.
        """
        if not self.summary.launching_ended:
            return False
        states = task_states(rows)
        if self._known(states) < self.summary.number_of_tasks:
            return True
        return not self._has_launcher and any(self._misses_attempts(state) for state in states.values())

    def may_be_counted(self, rows: Iterable[TaskRow]) -> set[int]:
        """Return the places of tasks that look as if they are retried, but may be counted already.

        A poll that is interrupted after it has counted a task leaves some of its attempts in the index: all terminal.
        """
        states = task_states(rows)
        ended = self._ended(states)
        return {
            row.task_index
            for name, state in states.items()
            if name not in ended and name not in self.counted and all(row.status.is_final for row in state.rows)
            for row in state.rows
            if row.task_index is not None
        }

    @property
    def needs_listing(self) -> bool:
        """Whether the run's ECS tasks must be listed: only the list shows those whose events were lost.

        That is so where the state machine starts tasks that keep no rows. A long run is listed every five minutes.
        """
        if not self.settings.has_ecs_records or self._has_launcher:
            return False
        if self.summary.launching_ended or not self.is_listed_seldom:
            return True
        since = self.now - from_iso(self.summary.listed_at or self.summary.start_time)
        return since.total_seconds() >= waits.LISTING_INTERVAL_SECONDS

    @property
    def is_listed_seldom(self) -> bool:
        """Whether the run is so long that not every poll lists its ECS tasks."""
        return self.summary.number_of_tasks > waits.ALWAYS_LISTED_TASKS

    def _known(self, names: Iterable[str]) -> int:
        """Return how many tasks have rows: those that are counted, and those among `names` that are not."""
        counts = self.summary.counts
        return counts.completed + counts.failed + sum(name not in self.counted for name in names)

    def changed_rows(self, tasks: Iterable[EcsTask], rows: Mapping[str, TaskRow]) -> list[TaskRow]:
        """Return what ECS's word about tasks changes in their rows, by ARN; nothing where tasks keep them."""
        if not self.settings.has_ecs_records:
            return []
        changed = ecs_rows.changed_rows(tasks, rows, self.settings.target, self.settings.exit_codes, self.now)
        return [self._indexed(row) for row in changed]

    def _indexed(self, row: TaskRow) -> TaskRow:
        """Return a row to write. Attempts of a run that has ended are not counted: the index does not have them."""
        return replace(row, uncounted=None) if self.summary.status.is_final else row

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
        """Reconcile the run's rows with what ECS said about `arns_to_ask`.

        The rows are those of attempts that are not counted yet; where `needs_all_rows` they are all of the run's, with
        the names of all its tasks in the order of the task list, and ECS has listed all of its tasks.
        """
        compared = self._compare(rows, ecs)
        current, stops = compared.rows, compared.stops
        creations: list[TaskRow] = []
        awaited = compared.doubts.awaited
        if task_names and self.needs_all_rows(row for arn, row in current.items() if arn not in awaited):
            creations, more_stops = self._unrecorded(current, ecs, task_names, awaited)
            stops |= more_stops
            current |= {row.ecs_task_id: row for row in creations}
        by_name = task_states(current.values())
        states = list(by_name.values())
        places = indices((row for arn, row in current.items() if arn not in awaited), task_names)
        ended = {name: completed for name, completed in self._ended(by_name).items() if name in places}
        corrected = sum(name in self.counted for name in ended)
        counts = self._counts(ended, corrected)
        freed = self._freed_capacity(current.values())
        after = replace(self, summary=replace(self.summary, launch_after=None)) if freed else self
        is_idle = not any(state.is_open for state in states)
        return Reconciliation(
            updates=list(compared.updates.values()),
            stops=stops,
            explanations=compared.explanations,
            doubts=compared.doubts,
            creations=creations,
            unindexed=self._unindexed(by_name, ended, awaited) if task_names else [],
            ended={places[name]: completed for name, completed in ended.items()},
            corrected=corrected,
            done=[
                row
                for name, state in by_name.items()
                if name in ended or name in self.counted
                for row in self._done(state)
            ],
            counts=counts,
            changes=self._changes(by_name, ended),
            verdict=self._verdict(states, counts),
            relaunch=after._launcher_has_work(by_name),
            wait_seconds=waits.wait_seconds(after.summary, self.now, self.settings, is_idle=is_idle),
            has_capacity=self._has_capacity(ecs),
            freed_capacity=freed,
        )

    def _compare(self, rows: Iterable[TaskRow], ecs: EcsAnswer) -> _Compared:
        current = {row.ecs_task_id: row for row in rows}
        updates = {row.ecs_task_id: row for row in self.changed_rows(ecs.tasks.values(), current)}
        current |= updates
        compared = _Compared(current, updates, self.doubts(current.values(), ecs))
        for row in compared.doubts.refuted:
            del current[row.ecs_task_id]
        for arn, row in compared.doubts.corrections.items():
            current[arn] = row
            if ecs.tasks[arn].is_active:
                compared.stops[arn] = row.error or ""
        for arn in compared.doubts.awaited:
            current[arn] = replace(current[arn], status=TaskStatus.RUNNING)
        for arn, row in [(arn, row) for arn, row in current.items() if awaits_ecs(row)]:
            failure, stop = self._classify(row, ecs)
            if stop:
                compared.stops[arn] = stop
            if failure is None:
                continue
            current[arn] = self._failed(row, failure, ecs.tasks.get(arn))
            if row.status.is_final:
                compared.explanations.append(current[arn])
            else:
                updates[arn] = current[arn]
        return compared

    def _unindexed(
        self, states: Mapping[str, TaskState], ended: Collection[str], awaited: Collection[str]
    ) -> list[TaskRow]:
        open_states = (state for name, state in states.items() if name not in ended and name not in self.counted)
        rows = (row for state in open_states for row in state.rows if row.ecs_task_id not in awaited)
        return [row for row in rows if row.task_index is not None and row.uncounted != row.identity]

    @property
    def _has_launcher(self) -> bool:
        return self.settings.capabilities.has_launcher

    def _classify(self, row: TaskRow, ecs: EcsAnswer) -> tuple[Failure | None, str]:
        """Return why a row's attempt failed, if it did, and why its task is to be stopped, if it is."""
        task = ecs.tasks.get(row.ecs_task_id)
        if row.ecs_task_id in ecs.missing:
            if age(from_iso(row.start_time), self.now) < waits.MISSING_COUNTS_AFTER:
                return None, ""
            text = "ECS does not know this task any more and it recorded no result; its host may have been lost"
            return Failure(Code.TASK_MISSING, text), ""
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
        self, rows: Mapping[str, TaskRow], ecs: EcsAnswer, task_names: Sequence[str], awaited: Collection[str]
    ) -> tuple[list[TaskRow], dict[str, str]]:
        """Return rows for attempts without one, and stops: an ECS task that still runs is orphaned.

        Launching has ended. A task with a row in `awaited` gets none yet: that row may not be true.
        """
        creations: list[TaskRow] = []
        stops: dict[str, str] = {}
        attempts: dict[str, set[int]] = {name: set() for name in task_names}
        indices = {name: index for index, name in enumerate(task_names)}
        for row in (row for arn, row in rows.items() if arn not in awaited):
            attempts.setdefault(row.task_name, set()).add(row.attempt)
        pending = {rows[arn].task_name for arn in awaited}
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
        for name, known in ((name, known) for name, known in attempts.items() if name not in pending):
            latest = max(known, default=1)
            text = "no record of this task" if latest == 1 else "no record of this attempt"
            cause = f"; launching failed with {error}" if (error := self.summary.launching_error) else ""
            failure = Failure(Code.NO_RECORD, f"{text}, and ECS knows none of its name in this run{cause}")
            for number in sorted(set(range(1, latest + 1)) - known):
                attempt = self.summary.attempt(name, number, index=indices.get(name))
                creations.append(self._failed_row(attempt, failure))
        return creations, stops

    def _row_of_task(self, task: EcsTask, failure: Failure) -> TaskRow:
        """Return the row of an ECS task of the run that has none."""
        attempt = replace(task.attempt or self.summary.attempt("", 1), expires_at=self.summary.expires_at)
        return self._failed_row(attempt, failure, task)

    def _failed_row(self, attempt: Attempt, failure: Failure, task: EcsTask | None = None) -> TaskRow:
        row = new_row(
            attempt,
            self.settings.target,
            TaskStatus.FAILED,
            ecs_task_arn=task.arn if task else "",
            now=self.now,
            start=task.created_at if task else None,
            failure=failure,
            task=task,
        )
        return self._indexed(row)

    def _has_gap(self, state: TaskState) -> bool:
        return len({row.attempt for row in state.rows}) < state.next_attempt - 1

    def _misses_attempts(self, state: TaskState) -> bool:
        if self._has_gap(state):
            return True
        return state.has_only_failed and state.may_retry(self.settings.task_attempts)

    def _ended(self, states: Mapping[str, TaskState]) -> dict[str, bool]:
        """Return tasks to count: whether they completed. One that was counted as failed may have completed since."""
        ended: dict[str, bool] = {}
        for name, state in states.items():
            if state.is_completed and self.counted.get(name) is not True:
                ended[name] = True
            elif name not in self.counted and self._has_failed(state):
                ended[name] = False
        return ended

    def _counts(self, ended: Mapping[str, bool], corrected: int) -> Counts:
        """Count the run's tasks: completed, failed without a retry, all others."""
        completed = self.summary.completed_tasks + sum(ended.values())
        failed = self.summary.failed_tasks + len(ended) - sum(ended.values()) - corrected
        return Counts(completed, failed, self.summary.number_of_tasks - completed - failed)

    def _done(self, state: TaskState) -> list[TaskRow]:
        """Return the attempts of a counted task that nothing awaits any more.

        Where an attempt between them has no row, that is seen by the others.
        """
        if not self._has_launcher and not self.summary.launching_ended and self._has_gap(state):
            return []
        return [row for row in state.rows if row.uncounted and not awaits_ecs(row)]

    def _changes(self, states: Mapping[str, TaskState], ended: Mapping[str, bool]) -> dict[str, str]:
        """Return what the run's item says of tasks that are counted, whose rows are not read again."""
        changes: dict[str, str] = {}
        if any(row.was_started for name in ended for row in states[name].rows):
            changes["last_ended"] = to_iso(self.now)
        if not self.summary.first_failure and (failure := self._first_failure(states, ended)):
            changes["first_failure"] = failure
        return changes

    def _first_failure(self, states: Mapping[str, TaskState], ended: Mapping[str, bool]) -> str:
        failed = [row for name, completed in ended.items() if not completed for row in states[name].rows]
        if not failed:
            return ""
        first = min(failed, key=lambda row: (row.update_time, row.task_name, row.attempt))
        log = f", log stream {self.settings.target.log_stream(first.ecs_task_id)}" if first.was_started else ""
        return f"task {first.task_name}, attempt {first.attempt}: {(first.error or '')[:LONGEST_FIRST_FAILURE]}{log}"

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
        return self.summary.capacity_waits == 0 and age(latest, self.now) > waits.RETRY_EXPECTED_WITHIN

    def _verdict(self, states: Sequence[TaskState], counts: Counts) -> RunStatus | None:
        # A completed task may have another attempt, started when the state RunTask timed out.
        if counts.running > 0 or any(state.is_open for state in states):
            return None
        may_retry = not self._has_launcher and counts.failed > 0 and not self.summary.launching_ended
        last_update = max([from_iso(self.summary.update_time), *(state.last_update for state in states)])
        if may_retry and not self._retries_are_lost(last_update):
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
        ended = [row.update_time or to_iso(self.now) for row in rows if row.was_started and row.status.is_final]
        latest = self.now + waits.WRONG_CLOCK
        return any(since < from_iso(text) <= latest for text in (*ended, self.summary.last_ended) if text)

    def _launcher_has_work(self, by_name: Mapping[str, TaskState]) -> bool:
        """Whether to call pattern 1's launcher: something is to be launched, there is room for it, no wait is on."""
        summary, settings, states = self.summary, self.settings, by_name.values()
        has_room = not settings.max_concurrency or sum(state.is_open for state in states) < settings.max_concurrency
        waits_for_capacity = summary.launch_after is not None and self.now < from_iso(summary.launch_after)
        if not self._has_launcher or not has_room or waits_for_capacity:
            return False
        if not summary.launching_ended and self._known(by_name) < summary.number_of_tasks:
            return True
        return any(
            state.retry_is_due(settings.task_attempts, self.now)
            for name, state in by_name.items()
            if name not in self.counted
        )


def _is_of(row: TaskRow, task: EcsTask) -> bool:
    """Whether an ECS task is of a row's attempt, as RunTask's overrides say, which no task can change."""
    attempt = task.attempt
    if attempt is None:
        return False
    of_task = (attempt.workflow_name, attempt.run_id, attempt.task_name, attempt.number)
    of_row = (row.workflow_name, row.workflow_run_id, row.task_name, row.attempt)
    return of_task == of_row and row.task_index == attempt.index


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
