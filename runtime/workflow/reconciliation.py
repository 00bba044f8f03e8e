"""Reconciliation: what the rows say, what ECS says, and what follows. A pure function and its inputs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from runtime.workflow import failures, history, naming
from runtime.workflow.attempts import TaskState, awaits_ecs, task_states
from runtime.workflow.clock import from_iso, to_iso
from runtime.workflow.ecs_tasks import EcsTask
from runtime.workflow.failures import Code, Failure
from runtime.workflow.records import Summary, TaskRow, not_started_id
from runtime.workflow.settings import Settings
from runtime.workflow.statuses import RunStatus, TaskStatus
from runtime.workflow.tables import Counts

MISSING_COUNTS_AFTER = timedelta(minutes=5)
"""DescribeTasks is eventually consistent: a task unknown to ECS is lost only when its row is older than this."""

START_ALLOWANCE = timedelta(minutes=5)
"""Time a task may take from RunTask to its container's start, and from there to its job's, before its time limit begins
to count."""

STOP_ALLOWANCE = timedelta(seconds=10)
"""Time a task has to end itself at its limit before the monitor stops it."""

STOPPED_WITHIN = timedelta(minutes=5)
"""Time a task that was told to stop has to be stopped: its container's `stopTimeout`, 120 s at most, and what ECS takes
besides. A run does not wait longer for ECS to say so."""

ASKED_AGAIN_WITHIN = timedelta(seconds=150)
"""Pattern 2: time from the end of a task's wait for capacity to the monitor's note that it waits again: the retrier of
`RunTask` takes up to two minutes."""

RETRY_EXPECTED_WITHIN = timedelta(minutes=15)
"""Pattern 2: a failed task that its state machine has not tried again for so long will not be."""

SHORTEST_WAIT_SECONDS = 1


@dataclass(frozen=True, slots=True)
class EcsAnswer:
    """What ECS said when it was asked.

    Args:
        tasks: tasks by ARN; those without a row belong to the run, too.
        missing: ARNs that ECS does not know.
        listed: whether all of the run's tasks were looked for, so that one that is not in `tasks` does not exist.
    """

    tasks: Mapping[str, EcsTask] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """An ECS task to be stopped.

    Args:
        ecs_task_arn: which.
        reason: why; it becomes its `stoppedReason`.
    """

    ecs_task_arn: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What follows from rows and ECS's answer.

    Args:
        updates: rows to write, first of all, unless they are final by now.
        stops: tasks to stop, after that: a task that is told to stop writes its row, too.
        explanations: failed rows to add ECS's reason and exit code to.
        creations: rows of attempts that have none.
        counts: the run's counts once all that is written.
        verdict: the run's final status; None while it goes on.
        relaunch: pattern 1: the launcher has something to launch.
        wait_seconds: how long to wait before the next look.
        has_capacity: whether the run waited for capacity and does so no longer.
        freed_capacity: pattern 1: whether an attempt has ended since the launcher asked, so that it need not wait.
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
    """Return the ECS tasks whose state has to be known."""
    return [row.ecs_task_id for row in rows if row.was_started and awaits_ecs(row)]


def needs_listing(summary: Summary, rows: Iterable[TaskRow], settings: Settings) -> bool:
    """Whether the run's ECS tasks have to be looked for: launching has ended, yet some attempts have no row.

    Those are of tasks without any row and, in pattern 2, where the attempts are not numbered without a gap or end
    though another one should have followed.
    """
    if not summary.launching_ended:
        return False
    states = task_states(rows)
    if len(states) < summary.number_of_tasks:
        return True
    return settings.pattern == 2 and any(_misses_attempts(state, settings) for state in states.values())


def rows_of_unrecorded(
    summary: Summary,
    tasks: Iterable[EcsTask],
    recorded: Collection[str],
    why: str,
    now: datetime,
    settings: Settings,
) -> list[TaskRow]:
    """Make final rows for the ECS tasks of a run that was ended early and that have none.

    Args:
        summary: the run's item.
        tasks: all its ECS tasks, stopped or about to.
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
        rows.append(_new_row(summary, *_identity(task), task, failure, now, settings))
    return rows


def reconcile(
    summary: Summary,
    rows: Sequence[TaskRow],
    ecs: EcsAnswer,
    now: datetime,
    settings: Settings,
    task_names: Sequence[str] = (),
) -> Reconciliation:
    """Decide what is true about a run.

    Args:
        summary: the run's item.
        rows: all its rows.
        ecs: what ECS said about the tasks of `arns_to_ask`, and, where `needs_listing`, about all others.
        now: the time.
        settings: the deployed pattern.
        task_names: names of all tasks; only looked at where `needs_listing`.
    """
    stops: list[Stop] = []
    updates: list[TaskRow] = []
    explanations: list[TaskRow] = []
    current = {row.ecs_task_id: row for row in rows}
    for row in rows:
        if not (row.was_started and awaits_ecs(row)):
            continue
        failure, stop = _judge(row, ecs, now, settings)
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
        relaunch=settings.pattern == 1 and launcher_has_work(summary, states, now, settings),
        wait_seconds=wait_seconds(summary, states, now, settings),
        has_capacity=_has_capacity(summary, ecs, now),
        freed_capacity=freed,
    )


def count(summary: Summary, states: Mapping[str, TaskState], now: datetime, settings: Settings) -> Counts:
    """Count a run's tasks: completed, failed for good, all others."""
    completed = sum(state.is_completed for state in states.values())
    failed = sum(_failed_for_good(state, summary, now, settings) for state in states.values())
    return Counts(completed, failed, summary.number_of_tasks - completed - failed)


def final_status(counts: Counts, number_of_tasks: int, tolerated_failure_percentage: int) -> RunStatus:
    """Return the status of a run whose tasks have all ended."""
    if counts.failed == 0:
        return RunStatus.COMPLETED
    if counts.failed * 100 <= tolerated_failure_percentage * number_of_tasks:
        return RunStatus.COMPLETED_WITH_FAILURES
    return RunStatus.FAILED


def wait_seconds(summary: Summary, states: Mapping[str, TaskState], now: datetime, settings: Settings) -> int:
    """Return how long to wait before the next look at a run.

    It is 1 s at first and a fifteenth of the run's age later, at most 60 s, so that the end is noticed within 10 % of
    the run's length. While tasks of pattern 1 wait for room under `max_concurrency` it is at most 16 s in a run of 6 h;
    while all of them wait for capacity it lasts until the launcher is to ask again.
    """
    by_age = int((now - from_iso(summary.start_time)).total_seconds()) // history.WAIT_PER_AGE
    longest = history.longest_wait_seconds(settings.run_timeout_seconds)
    if settings.pattern == 1 and not summary.launching_ended:
        if summary.launch_after is not None:
            until = math.ceil((from_iso(summary.launch_after) - now).total_seconds())
            is_idle = not any(state.is_open for state in states.values())
            return max(SHORTEST_WAIT_SECONDS, until if is_idle else min(until, by_age, longest))
        longest = history.longest_wait_for_room_seconds(settings.run_timeout_seconds)
    return max(SHORTEST_WAIT_SECONDS, min(longest, by_age))


def open_tasks(states: Iterable[TaskState]) -> int:
    """Count the tasks that have an attempt under way."""
    return sum(state.is_open for state in states)


def _judge(row: TaskRow, ecs: EcsAnswer, now: datetime, settings: Settings) -> tuple[Failure | None, Stop | None]:
    if row.ecs_task_id in ecs.missing:
        if now - from_iso(row.start_time) < MISSING_COUNTS_AFTER:
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
    # Once it has stopped, ECS knows its exit code.
    is_awaited = row.status.is_final and now - from_iso(row.update_time) <= STOPPED_WITHIN
    return (None if is_awaited else Failure(Code.TIMED_OUT, text)), stop


def _is_over_its_limit(row: TaskRow, task: EcsTask, now: datetime, settings: Settings) -> bool:
    began = _limit_counts_from(row, task)
    limit = timedelta(seconds=settings.task_timeout_seconds)
    return began is not None and now >= began + limit + STOP_ALLOWANCE


def _limit_counts_from(row: TaskRow, task: EcsTask) -> datetime | None:
    """Return when a task's time limit begins to count: where its own row says so, for the task counts from there, too.

    Between ECS's start of a container and the task's first write lies the time its interpreter takes, which is long on
    a busy host. A clock that goes wrong there cannot put the limit off by more than the allowance.
    """
    if task.started_at is None:
        return task.created_at + START_ALLOWANCE if task.created_at else None
    if row.status is not TaskStatus.RUNNING:
        return task.started_at
    return max(task.started_at, min(from_iso(row.start_time), task.started_at + START_ALLOWANCE))


def _failed(row: TaskRow, failure: Failure, task: EcsTask | None, now: datetime) -> TaskRow:
    seconds = row.exec_time_in_seconds
    if seconds is None and task and task.started_at:
        seconds = round(((task.stopped_at or now) - task.started_at).total_seconds(), 3)
    return replace(
        row,
        status=TaskStatus.FAILED,
        update_time=to_iso(now),
        error=row.error or failure.error,
        # A row that only waits for ECS's word must not wait for ever where ECS gives none.
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
    """Make rows for attempts that have none though nothing more will be launched.

    An ECS task that still runs is orphaned: it is stopped.
    """
    creations: list[TaskRow] = []
    stops: list[Stop] = []
    attempts: dict[str, set[int]] = {name: set() for name in task_names}
    for row in rows.values():
        attempts.setdefault(row.task_name, set()).add(row.attempt)
    for task in ecs.tasks.values():
        name, attempt = _identity(task)
        if task.arn in rows or name not in attempts:
            continue
        if task.is_stopped:
            failure = failures.of_stopped_task(task)
        else:
            failure = Failure(Code.NO_RECORD, "no record of this task, and nothing waits for it; it was stopped")
            stops.append(Stop(task.arn, failure.text))
        creations.append(_new_row(summary, name, attempt, task, failure, now, settings))
        attempts[name].add(attempt)
    for name, known in attempts.items():
        latest = max(known, default=1)
        text = "no record of this task" if latest == 1 else "no record of this attempt"
        failure = Failure(Code.NO_RECORD, f"{text}, and ECS knows none of its name in this run")
        creations += [
            _new_row(summary, name, attempt, None, failure, now, settings)
            for attempt in range(1, latest + 1)
            if attempt not in known
        ]
    return creations, stops


def _identity(task: EcsTask) -> tuple[str, int]:
    """Return the name of the task that an ECS task is an attempt at, and the attempt's number."""
    return task.environment.get("KIT_TASK_NAME", ""), int(task.environment.get("KIT_ATTEMPT", "1"))


def _misses_attempts(state: TaskState, settings: Settings) -> bool:
    if len({row.attempt for row in state.rows}) < state.next_attempt - 1:
        return True
    return state.has_only_failed and state.may_retry(settings.task_attempts)


def _new_row(
    summary: Summary,
    name: str,
    attempt: int,
    task: EcsTask | None,
    failure: Failure,
    now: datetime,
    settings: Settings,
) -> TaskRow:
    bucket = task.environment.get("KIT_SOURCE_BUCKET") if task else None
    key = task.environment.get("KIT_SOURCE_KEY") if task else None
    target = (
        naming.target_key(settings.target_prefix, summary.workflow_name, summary.workflow_run_id, name, key)
        if key
        else None
    )
    return TaskRow(
        workflow_run_id=summary.workflow_run_id,
        ecs_task_id=task.arn if task else not_started_id(name, attempt),
        workflow_name=summary.workflow_name,
        task_name=name,
        attempt=attempt,
        status=TaskStatus.FAILED,
        start_time=to_iso(task.created_at if task and task.created_at else now),
        update_time=to_iso(now),
        source_uri=naming.s3_uri(bucket, key) if bucket and key else None,
        target_uri=naming.s3_uri(settings.target_bucket, target) if target else None,
        error=failure.error,
        stopped_reason=failure.stopped_reason,
        stop_code=failure.stop_code,
        exit_code=failure.exit_code,
        expires_at=summary.expires_at,
        log_stream=naming.log_stream(settings.log_stream_prefix, settings.container_name, task.arn) if task else None,
    )


def _failed_for_good(state: TaskState, summary: Summary, now: datetime, settings: Settings) -> bool:
    if not state.has_only_failed:
        return False
    if not state.may_retry(settings.task_attempts):
        return True
    if settings.pattern == 1:
        return False
    return summary.launching_ended or _retries_are_lost(summary, state.last_update, now)


def _retries_are_lost(summary: Summary, latest: datetime, now: datetime) -> bool:
    """Pattern 2: whether failed tasks will not be tried again although their state machine has not said so.

    A run that has waited for capacity may wait for longer: it ends by its state machine or by its deadline.
    """
    return summary.capacity_waits == 0 and now - latest > RETRY_EXPECTED_WITHIN


def _verdict(
    summary: Summary, states: Mapping[str, TaskState], counts: Counts, now: datetime, settings: Settings
) -> RunStatus | None:
    # A completed task may have a further attempt that its state machine began when it timed out waiting.
    if counts.running > 0 or any(state.is_open for state in states.values()):
        return None
    may_retry = settings.pattern == 2 and counts.failed > 0 and not summary.launching_ended
    if may_retry and not _retries_are_lost(summary, max(state.last_update for state in states.values()), now):
        return None
    return final_status(counts, summary.number_of_tasks, settings.tolerated_failure_percentage)


def _has_capacity(summary: Summary, ecs: EcsAnswer, now: datetime) -> bool:
    """Whether a run has capacity again: in pattern 1 RunTask has accepted a task since, in pattern 2 no task waits."""
    if summary.waiting_since is None:
        return False
    if summary.waiting_until is not None:
        return now > from_iso(summary.waiting_until) + ASKED_AGAIN_WITHIN
    since = from_iso(summary.waiting_since)
    return any(task.created_at is not None and task.created_at > since for task in ecs.tasks.values())


def _freed_capacity(summary: Summary, rows: Iterable[TaskRow]) -> bool:
    """Whether an attempt has ended since the launcher asked ECS for capacity last."""
    if summary.launch_after is None or summary.launch_asked is None:
        return False
    asked = from_iso(summary.launch_asked)
    return any(row.status.is_final and from_iso(row.update_time) > asked for row in rows)


def launcher_has_work(summary: Summary, states: Mapping[str, TaskState], now: datetime, settings: Settings) -> bool:
    """Whether the launcher of pattern 1 is to be called: there is something to launch, room for it, and no wait."""
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
