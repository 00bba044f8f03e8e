"""Reconciliation of a run's rows with ECS: a pure function and its inputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ecs_kit.runtime.contract import failures, waits
from ecs_kit.runtime.contract.attempts import TaskState, awaits_ecs, open_tasks, task_states
from ecs_kit.runtime.contract.clock import from_iso, to_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.failures import Code, Failure
from ecs_kit.runtime.contract.records import Counts, Summary, TaskRow
from ecs_kit.runtime.contract.rows import new_row
from ecs_kit.runtime.contract.settings import Settings
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus


@dataclass(frozen=True, slots=True)
class EcsAnswer:
    """ECS's answers about a run.

    Args:
        tasks: tasks by ARN; those without a row belong to the run, too.
        missing: ARNs that ECS reports as `MISSING`.
        listed: whether all of the run's tasks were listed: then one that is not in `tasks` does not exist.
    """

    tasks: Mapping[str, EcsTask] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """An ECS task to be stopped.

    Args:
        ecs_task_arn: its ARN.
        reason: becomes its `stoppedReason`.
    """

    ecs_task_arn: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The outcome of a reconciliation: what to write and to stop.

    Args:
        updates: rows to write first, unless their status is terminal by then.
        stops: tasks to stop after that, because a stopped task writes its row, too.
        explanations: failed rows that get ECS's reason and exit code.
        creations: rows of attempts that have none.
        counts: the run's counts after these writes.
        verdict: the run's terminal status; None while it is active.
        relaunch: pattern 1: the launcher has something to launch.
        wait_seconds: how long to wait before the next poll.
        has_capacity: whether the run waited for capacity and no longer does.
        freed_capacity: pattern 1: whether an attempt has ended since the last RunTask: the launcher need not wait.
    """

    updates: tuple[TaskRow, ...]
    stops: tuple[Stop, ...]
    explanations: tuple[TaskRow, ...]
    creations: tuple[TaskRow, ...]
    counts: Counts
    verdict: RunStatus | None
    relaunch: bool
    wait_seconds: int
    has_capacity: bool = False
    freed_capacity: bool = False

    @property
    def changes_rows(self) -> bool:
        """Whether any row is to be written."""
        return bool(self.updates or self.explanations or self.creations)


def arns_to_ask(rows: Iterable[TaskRow]) -> list[str]:
    """Return the ECS tasks to describe."""
    return [row.ecs_task_id for row in rows if row.was_started and awaits_ecs(row)]


def needs_listing(summary: Summary, rows: Iterable[TaskRow], settings: Settings) -> bool:
    """Whether the run's ECS tasks must be listed: launching has ended, yet some attempts have no row.

    That is so where a task has no row and, in pattern 2, where its attempts have a gap or lack a due retry.
    """
    if not summary.launching_ended:
        return False
    states = task_states(rows)
    if len(states) < summary.number_of_tasks:
        return True
    if settings.capabilities.has_launcher:
        return False
    return any(_misses_attempts(state, settings) for state in states.values())


def rows_of_unrecorded(
    summary: Summary,
    tasks: Iterable[EcsTask],
    recorded: Collection[str],
    why: str,
    now: datetime,
    settings: Settings,
) -> list[TaskRow]:
    """Return terminal rows for ECS tasks without a row, in a run that was ended early.

    Args:
        summary: the run's item.
        tasks: all its ECS tasks, stopped or stopping.
        recorded: the ARNs of those that have a row.
        why: why the run was ended.
        now: the time.
        settings: the deployed pattern.
    """
    rows = []
    for task in tasks:
        if task.arn in recorded:
            continue
        ended_by_itself = task.is_stopped and task.stop_code != "UserInitiated"
        failure = (
            failures.of_stopped_task(task)
            if ended_by_itself
            else Failure(Code.RUN_ENDED, why, task.stopped_reason or None, task.exit_code, task.stop_code or None)
        )
        rows.append(_row_of_task(summary, task, failure, now, settings))
    return rows


def reconcile(
    summary: Summary,
    rows: Sequence[TaskRow],
    ecs: EcsAnswer,
    now: datetime,
    settings: Settings,
    task_names: Sequence[str] = (),
) -> Reconciliation:
    """Reconcile a run's rows with ECS.

    Args:
        summary: the run's item.
        rows: all its rows.
        ecs: what ECS said about the tasks of `arns_to_ask`, and, where `needs_listing`, about all others.
        now: the time.
        settings: the deployed pattern.
        task_names: names of all tasks; only used where `needs_listing`.
    """
    stops: list[Stop] = []
    updates: list[TaskRow] = []
    explanations: list[TaskRow] = []
    current = {row.ecs_task_id: row for row in rows}
    for row in rows:
        if not (row.was_started and awaits_ecs(row)):
            continue
        failure, stop = _classify(row, ecs, now, settings)
        if stop:
            stops.append(stop)
        if failure is None:
            continue
        failed = _failed(row, failure, ecs.tasks.get(row.ecs_task_id), now)
        (explanations if row.status.is_final else updates).append(failed)
        current[row.ecs_task_id] = failed
    creations: list[TaskRow] = []
    if needs_listing(summary, rows, settings) and ecs.listed:
        creations, more_stops = _unrecorded(summary, current, ecs, now, settings, task_names)
        stops += more_stops
        current |= {row.ecs_task_id: row for row in creations}
    states = task_states(current.values())
    counts = count(summary, states, now, settings)
    freed = _freed_capacity(summary, current.values())
    if freed:
        summary = replace(summary, launch_after=None)
    return Reconciliation(
        updates=tuple(updates),
        stops=tuple(stops),
        explanations=tuple(explanations),
        creations=tuple(creations),
        counts=counts,
        verdict=_verdict(summary, states, counts, now, settings),
        relaunch=settings.capabilities.has_launcher and launcher_has_work(summary, states, now, settings),
        wait_seconds=waits.wait_seconds(
            summary, now, settings, is_idle=not any(state.is_open for state in states.values())
        ),
        has_capacity=_has_capacity(summary, ecs, now),
        freed_capacity=freed,
    )


def count(summary: Summary, states: Mapping[str, TaskState], now: datetime, settings: Settings) -> Counts:
    """Count a run's tasks: completed, failed without a retry, all others."""
    completed = sum(state.is_completed for state in states.values())
    failed = sum(_has_failed(state, summary, now, settings) for state in states.values())
    return Counts(completed, failed, summary.number_of_tasks - completed - failed)


def final_status(counts: Counts, number_of_tasks: int, tolerated_failure_percentage: int) -> RunStatus:
    """Return the status of a run whose tasks have all ended."""
    if counts.failed == 0:
        return RunStatus.COMPLETED
    if counts.failed * 100 <= tolerated_failure_percentage * number_of_tasks:
        return RunStatus.COMPLETED_WITH_FAILURES
    return RunStatus.FAILED


def _classify(row: TaskRow, ecs: EcsAnswer, now: datetime, settings: Settings) -> tuple[Failure | None, Stop | None]:
    if row.ecs_task_id in ecs.missing:
        if now - from_iso(row.start_time) < waits.MISSING_COUNTS_AFTER:
            return None, None
        text = "ECS does not know this task any more and it recorded no result; its host may have been lost"
        return Failure(Code.TASK_MISSING, text, stopped_reason=None), None
    task = ecs.tasks.get(row.ecs_task_id)
    if task is None:
        return None, None
    if task.is_stopped:
        return failures.of_stopped_task(task), None
    if row.status.is_final and failures.code_of(row) != Code.TIMED_OUT:
        return (failures.of_stopped_task(task) if task.stopped_reason else None), None
    if not row.status.is_final and not _is_over_its_limit(row, task, now, settings):
        return None, None
    text = f"timed out: the task ran longer than {settings.task_timeout_seconds} s and was stopped"
    stop = None if task.desired_status == "STOPPED" else Stop(task.arn, text)
    # ECS knows the exit code once the task has stopped.
    is_awaited = row.status.is_final and now - from_iso(row.update_time) <= waits.STOPPED_WITHIN
    return (None if is_awaited else Failure(Code.TIMED_OUT, text)), stop


def _is_over_its_limit(row: TaskRow, task: EcsTask, now: datetime, settings: Settings) -> bool:
    began = _limit_counts_from(row, task)
    limit = timedelta(seconds=settings.task_timeout_seconds)
    return began is not None and now >= began + limit + waits.STOP_ALLOWANCE


def _limit_counts_from(row: TaskRow, task: EcsTask) -> datetime | None:
    """Return when a task's time limit starts: at its row's `start_time`, from which the task itself counts.

    ECS's `startedAt` is earlier by the interpreter's start, which takes long on a busy host. The allowance bounds the
    effect of a wrong clock in the task.
    """
    if task.started_at is None:
        return task.created_at + waits.START_ALLOWANCE if task.created_at else None
    if row.status is not TaskStatus.RUNNING:
        return task.started_at
    return max(task.started_at, min(from_iso(row.start_time), task.started_at + waits.START_ALLOWANCE))


def _failed(row: TaskRow, failure: Failure, task: EcsTask | None, now: datetime) -> TaskRow:
    seconds = row.exec_time_in_seconds
    if seconds is None and task and task.started_at:
        seconds = round(((task.stopped_at or now) - task.started_at).total_seconds(), 3)
    return replace(
        row,
        status=TaskStatus.FAILED,
        update_time=to_iso(now),
        error=row.error or failure.error,
        # A terminal row without a reason of ECS gets ours, so that it is not described for ever.
        stopped_reason=row.stopped_reason or failure.stopped_reason or (failure.text if row.status.is_final else None),
        stop_code=row.stop_code or failure.stop_code,
        exit_code=failure.exit_code if row.exit_code is None else row.exit_code,
        exec_time_in_seconds=seconds,
    )


def _unrecorded(
    summary: Summary,
    rows: Mapping[str, TaskRow],
    ecs: EcsAnswer,
    now: datetime,
    settings: Settings,
    task_names: Sequence[str],
) -> tuple[list[TaskRow], list[Stop]]:
    """Return rows for attempts without one, and stops: an ECS task that still runs is orphaned. Launching has ended."""
    creations: list[TaskRow] = []
    stops: list[Stop] = []
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
            stops.append(Stop(task.arn, failure.text))
        creations.append(_row_of_task(summary, task, failure, now, settings))
        attempts[attempt.task_name].add(attempt.number)
    for name, known in attempts.items():
        latest = max(known, default=1)
        text = "no record of this task" if latest == 1 else "no record of this attempt"
        failure = Failure(Code.NO_RECORD, f"{text}, and ECS knows none of its name in this run")
        creations += [
            new_row(
                Attempt(summary.workflow_name, summary.workflow_run_id, name, number, expires_at=summary.expires_at),
                settings.target,
                TaskStatus.FAILED,
                ecs_task_arn="",
                now=now,
                failure=failure,
            )
            for number in range(1, latest + 1)
            if number not in known
        ]
    return creations, stops


def _row_of_task(summary: Summary, task: EcsTask, failure: Failure, now: datetime, settings: Settings) -> TaskRow:
    """Return the row of an ECS task of the run that has none."""
    attempt = replace(task.attempt or Attempt("", 0, "", 1), expires_at=summary.expires_at)
    return new_row(
        attempt,
        settings.target,
        TaskStatus.FAILED,
        ecs_task_arn=task.arn,
        now=now,
        start=task.created_at,
        failure=failure,
    )


def _misses_attempts(state: TaskState, settings: Settings) -> bool:
    if len({row.attempt for row in state.rows}) < state.next_attempt - 1:
        return True
    return state.has_only_failed and state.may_retry(settings.task_attempts)


def _has_failed(state: TaskState, summary: Summary, now: datetime, settings: Settings) -> bool:
    if not state.has_only_failed:
        return False
    if not state.may_retry(settings.task_attempts):
        return True
    if settings.capabilities.has_launcher:
        return False
    return summary.launching_ended or _retries_are_lost(summary, state.last_update, now)


def _retries_are_lost(summary: Summary, latest: datetime, now: datetime) -> bool:
    """Pattern 2: whether failed tasks are not retried although their state machine has not said so.

    A run that has waited for capacity may wait longer: its state machine or its deadline ends it.
    """
    return summary.capacity_waits == 0 and now - latest > waits.RETRY_EXPECTED_WITHIN


def _verdict(
    summary: Summary, states: Mapping[str, TaskState], counts: Counts, now: datetime, settings: Settings
) -> RunStatus | None:
    # A completed task may have another attempt, started when the state RunTask timed out.
    if counts.running > 0 or any(state.is_open for state in states.values()):
        return None
    may_retry = not settings.capabilities.has_launcher and counts.failed > 0 and not summary.launching_ended
    if may_retry and not _retries_are_lost(summary, max(state.last_update for state in states.values()), now):
        return None
    return final_status(counts, summary.number_of_tasks, settings.tolerated_failure_percentage)


def _has_capacity(summary: Summary, ecs: EcsAnswer, now: datetime) -> bool:
    """Whether a run has capacity again: pattern 1: RunTask has started a task since; pattern 2: no task waits."""
    if summary.waiting_since is None:
        return False
    if summary.waiting_until is not None:
        return now > from_iso(summary.waiting_until) + waits.ASKED_AGAIN_WITHIN
    since = from_iso(summary.waiting_since)
    return any(task.created_at is not None and task.created_at > since for task in ecs.tasks.values())


def _freed_capacity(summary: Summary, rows: Iterable[TaskRow]) -> bool:
    """Whether an attempt has ended since the launcher's last RunTask."""
    if summary.launch_after is None or summary.launch_asked is None:
        return False
    asked = from_iso(summary.launch_asked)
    return any(row.status.is_final and from_iso(row.update_time) > asked for row in rows)


def launcher_has_work(summary: Summary, states: Mapping[str, TaskState], now: datetime, settings: Settings) -> bool:
    """Whether to call pattern 1's launcher: something is to be launched, `max_concurrency` allows it, no wait is on."""
    if settings.max_concurrency and open_tasks(states.values()) >= settings.max_concurrency:
        return False
    if summary.launch_after is not None and now < from_iso(summary.launch_after):
        return False
    if not summary.launching_ended and len(states) < summary.number_of_tasks:
        return True
    return any(
        state.has_only_failed and state.may_retry(settings.task_attempts) and state.retry_is_due(now)
        for state in states.values()
    )
