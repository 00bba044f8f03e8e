"""The monitor's work: reads and writes around `reconcile`."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from runtime.monitor import messages
from runtime.workflow import failures, history, log, naming, reconciliation
from runtime.workflow.attempts import awaits_ecs, is_of_share, retry_wait_seconds
from runtime.workflow.clock import Clock, from_iso, to_iso
from runtime.workflow.ecs_tasks import EcsTask, EcsTasks
from runtime.workflow.errors import PayloadInvalid, RunIdInUse, RunNotFound, SpecRefused, TasksStillRunning
from runtime.workflow.failures import Code, FailureKind
from runtime.workflow.reconciliation import EcsAnswer, Reconciliation, reconcile
from runtime.workflow.records import Summary, TaskRow, not_started_id
from runtime.workflow.registration import deadline_of, register, to_execution
from runtime.workflow.run_ids import from_milliseconds, run_id
from runtime.workflow.settings import Settings
from runtime.workflow.statuses import EXECUTION_STATUSES, RunStatus, TaskStatus
from runtime.workflow.tables import Counts, DetailsTable, SummaryTable

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

RECONCILE_ROUNDS = 3
"""Rounds in one call: another one only where a row changed between reading and writing."""

EMPTY_LISTINGS = 2
"""Listings without a task that end the stopping of a run's tasks: ListTasks is eventually consistent."""

PAUSE_BETWEEN_LISTINGS_SECONDS = 2.0

FINALIZE_RESERVE_SECONDS = 15.0
"""Time kept back for the writes after the last listing."""


class Monitor:
    """The Task Monitor.

    Args:
        settings: the deployed pattern.
        summaries: the summary table.
        details: the details table.
        ecs_tasks: the cluster's tasks.
        stepfunctions: Step Functions client.
        clock: the time.
        rng: for jitter.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        summaries: SummaryTable,
        details: DetailsTable,
        ecs_tasks: EcsTasks,
        stepfunctions: SFNClient,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._summaries = summaries
        self._details = details
        self._ecs_tasks = ecs_tasks
        self._stepfunctions = stepfunctions
        self._clock = clock
        self._rng = rng

    def register(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Register a run of pattern 2.

        Returns:
            `runId` (text), `workflowName`, `numberOfTasks`, `deadline`, `expiresAt` (text, empty for never), `cluster`,
            `taskDefinition`, `subnets`, `securityGroups`, `waitSeconds`.
        """
        registration = register(payload, settings=self._settings, summaries=self._summaries, clock=self._clock)
        return {
            "runId": str(registration.summary.workflow_run_id),
            "workflowName": registration.spec.workflow_name,
            "numberOfTasks": registration.summary.number_of_tasks,
            "deadline": registration.deadline,
            "expiresAt": str(registration.summary.expires_at or ""),
            "cluster": self._settings.cluster,
            "taskDefinition": registration.settings.task_definition,
            "subnets": list(registration.spec.subnet_ids),
            "securityGroups": list(registration.spec.security_group_ids),
            "waitSeconds": reconciliation.SHORTEST_WAIT_SECONDS,
        }

    def monitor(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Look at a run once.

        Args:
            payload: `execution`, `workflowName`, `runId` (text).

        Returns:
            `done`, `succeeded`, `status`, `total`, `completed`, `failed`, `running`, `relaunch`, `waitSeconds`,
            `message`, `workflowName`, `runId`.

        Raises:
            RunNotFound: the summary row is gone.
            RunIdInUse: the summary row belongs to another execution.
        """
        summary = self._summary_of(payload)
        if summary.status.is_final:
            rows = self._details.rows(summary.workflow_run_id, summary.workflow_name)
            return self._result(summary, rows, None)
        outcome, rows = self._reconcile(summary)
        now = to_iso(self._clock.now())
        if outcome.has_capacity:
            summary, _ = self._summaries.end_waiting(summary, now)
        elif outcome.freed_capacity:
            summary, _ = self._summaries.launch_now(summary, now)
        if outcome.verdict is None:
            summary, _ = self._summaries.update_counts(summary, outcome.counts, now)
        else:
            summary, _ = self._summaries.finish(summary, outcome.verdict, outcome.counts, now)
        log.info(
            "looked at the run",
            status=summary.status,
            completed=outcome.counts.completed,
            failed=outcome.counts.failed,
            running=outcome.counts.running,
        )
        return self._result(summary, rows, outcome)

    def record_failure(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Judge a failed `RunTask` of pattern 2: record it, and say what follows.

        A task that ECS has no capacity for is no failure: the same attempt is asked for again, until the run's
        deadline. A time-out does not say which ECS task it was: the next look finds, stops and records that one.

        Args:
            payload: `execution`, `workflowName`, `runId` (text), `task` (the entry of `taskList`), `sourceBucket`,
                `index`, `attempt`, `infrastructureFailures`, `waitedSeconds`, `waits` and `retries` (numbers), `error`,
                `cause`.

        Returns:
            `again`, `waitSeconds`, and of the next `RunTask` `attempt`, `infrastructureFailures`, and how long and how
            often it has waited for capacity, `waitedSeconds` and `waits`.

        Raises:
            RunNotFound: the summary row is gone.
            RunIdInUse: the summary row belongs to another execution.
        """
        summary = self._summary_of(payload)
        settings = self._settings.of_run(summary.settings)
        attempt, infrastructure = int(payload["attempt"]), int(payload["infrastructureFailures"])
        found = failures.of_state(str(payload["error"]), str(payload["cause"]))
        error = found.failure.error
        log.info("RunTask failed", taskName=payload["task"]["taskName"], attempt=attempt, kind=found.kind, error=error)
        if summary.status.is_final:
            return {"again": False}
        retries = int(payload["retries"])
        events = history.EVENTS_PER_ATTEMPT + history.EVENTS_PER_RETRY * retries
        if found.kind is FailureKind.BUSY:
            waited, waits = int(payload["waitedSeconds"]), int(payload["waits"])
            # The room for a first wait on Spot is in the limit of the list: on-demand capacity may be free.
            is_rationed = waits > 0 or attempt > 1 or not is_of_share(int(payload["index"]), settings.spot_share)
            wait = self._wait_for_capacity(summary, settings, error, waited, events=events, is_rationed=is_rationed)
            return _next_attempt(True, wait, attempt, infrastructure, waited + wait, waits + 1)
        infrastructure += found.kind is FailureKind.INFRASTRUCTURE
        if found.failure.code != Code.TIMED_OUT:
            row, _ = self._details.record_failure(self._failed_row(summary, settings, payload, found))
            if row.status is TaskStatus.COMPLETED or row.workflow_name != summary.workflow_name:
                return {"again": False}
        again = failures.retry_is_allowed(
            found.kind,
            job=attempt - infrastructure,
            infrastructure=infrastructure,
            task_attempts=settings.task_attempts,
        )
        wait = 1 + int(self._rng.random() * retry_wait_seconds(attempt))
        if not again:
            self._summaries.count_events(summary, history.EVENTS_PER_RETRY * retries)
        elif found.kind is FailureKind.INFRASTRUCTURE:
            again = self._has_room(summary, settings, retries)
        else:
            self._summaries.count_events(summary, events)
        return _next_attempt(again, wait, attempt + 1, infrastructure, waited=0, waits=0)

    def _has_room(self, summary: Summary, settings: Settings, retries: int) -> bool:
        """Count the events of a further attempt after a failure of the infrastructure, if the history has room for it.

        Where `RunTask` itself had to try again, it will have to for the other tasks, too, and does not tell where these
        complete.
        """
        events = history.EVENTS_PER_ATTEMPT + history.EVENTS_PER_RETRY * retries
        summary, _ = self._summaries.count_events(summary, events)
        of_others = history.EVENTS_PER_RETRY * retries * summary.number_of_tasks
        room = history.events_for_waits(
            settings, summary.number_of_tasks, summary.completed_tasks, summary.failed_tasks
        )
        if summary.wait_events + of_others <= room:
            return True
        self._summaries.count_events(summary, history.EVENTS_PER_RETRY * retries - events)
        log.warning("the task is not tried again: the history of the execution has no room for it")
        return False

    def _wait_for_capacity(
        self, summary: Summary, settings: Settings, reason: str, waited: int, *, events: int, is_rationed: bool
    ) -> int:
        """Note that a task of the run waits, and return for how many seconds.

        How long it has waited itself decides, not how long the run has: that others start says little about when it
        can.
        """
        now = self._clock.now()
        summary, _ = self._summaries.wait_for_capacity(summary, to_iso(now), reason, events=events)
        wait = 1 + int(history.capacity_wait_seconds(waited) * self._rng.uniform(0.5, 1))
        if is_rationed:
            wait = history.rationed_wait_seconds(
                wait,
                settings,
                number_of_tasks=summary.number_of_tasks,
                completed_tasks=summary.completed_tasks,
                failed_tasks=summary.failed_tasks,
                wait_events=summary.wait_events,
                events_per_wait=events,
                remaining_seconds=max(0.0, (deadline_of(summary, settings) - now).total_seconds()),
            )
        self._summaries.wait_until(summary, to_iso(now + timedelta(seconds=wait)))
        return wait

    def _failed_row(
        self, summary: Summary, settings: Settings, payload: Mapping[str, Any], found: failures.StateFailure
    ) -> TaskRow:
        task, attempt, now = payload["task"], int(payload["attempt"]), to_iso(self._clock.now())
        name, bucket, key = task["taskName"], str(payload["sourceBucket"]), task["objectKey"]
        run_id, workflow_name, arn = summary.workflow_run_id, summary.workflow_name, found.ecs_task_arn
        return TaskRow(
            workflow_run_id=run_id,
            ecs_task_id=arn or not_started_id(name, attempt),
            workflow_name=workflow_name,
            task_name=name,
            attempt=attempt,
            status=TaskStatus.FAILED,
            start_time=now,
            update_time=now,
            source_uri=naming.s3_uri(bucket, key),
            target_uri=naming.s3_uri(
                settings.target_bucket, naming.target_key(settings.target_prefix, workflow_name, run_id, name, key)
            ),
            error=found.failure.error,
            stopped_reason=found.failure.stopped_reason,
            stop_code=found.failure.stop_code,
            exit_code=found.failure.exit_code,
            log_stream=naming.log_stream(settings.log_stream_prefix, settings.container_name, arn) if arn else None,
            expires_at=summary.expires_at,
        )

    def _summary_of(self, payload: Mapping[str, Any]) -> Summary:
        """Read the row of the run that a payload names, which must be its execution's."""
        execution = to_execution(payload)
        workflow_name, identifier = _run_of(payload)
        log.bind(workflow_name, identifier)
        summary = self._summaries.get(workflow_name, identifier)
        if summary is None:
            raise RunNotFound(self._summaries.name, workflow_name, identifier)
        if summary.execution_arn != execution.arn:
            raise RunIdInUse(workflow_name, identifier, summary.execution_arn)
        return summary

    def finalize_from_event(self, event: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """End the run of an execution that failed, timed out or was stopped.

        Args:
            event: "Step Functions Execution Status Change" of EventBridge.
            remaining_seconds: how long this call may still take.

        Raises:
            TasksStillRunning: the call is to be repeated; Lambda does so by itself.
        """
        detail = event["detail"]
        status = EXECUTION_STATUSES.get(detail.get("status"))
        if status is None or detail.get("stateMachineArn") != self._settings.state_machine_arn:
            raise PayloadInvalid(
                f"status {detail.get('status')!r} of {detail.get('stateMachineArn')!r} is not for this function"
            )
        text = detail.get("input")
        if text is None:  # EventBridge leaves out what makes an event longer than 248 KB
            text = self._stepfunctions.describe_execution(executionArn=detail["executionArn"]).get("input", "")
        summary = self._registered(text, detail["executionArn"], from_milliseconds(int(detail["startDate"])))
        if summary is None:
            log.info("the execution has no run and may not register one", executionArn=detail["executionArn"])
            return {"finalized": False}
        cause = f": {detail['cause']}" if detail.get("cause") else ""
        self._finalize(summary, status, f"its execution ended as {detail['status']}{cause}", remaining_seconds)
        return {"finalized": True, "runId": str(summary.workflow_run_id)}

    def sweep(self, remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """End all runs that have not come to their end though their execution has, and tasks that outlived their run.

        Args:
            remaining_seconds: how long this call may still take.

        Returns:
            `finalized`: ids of the runs (text); `stopped`: ARNs of the tasks whose run had ended before.

        Raises:
            Exception: what stood in the way of ending one of the runs; the call is to be repeated.
        """
        finalized: list[str] = []
        problem: Exception | None = None
        for summary in self._summaries.unfinished():
            log.bind(summary.workflow_name, summary.workflow_run_id)
            try:
                if self._sweep_up(summary, remaining_seconds):
                    finalized.append(str(summary.workflow_run_id))
            except Exception as error:  # noqa: BLE001 - whatever it is, the other runs are not to wait for this one
                log.exception("the run could not be ended")
                problem = error
        stopped = self._stop_outliving()
        log.bind()
        log.info("swept", finalized=finalized, stopped=stopped)
        if problem is not None:
            raise problem
        return {"finalized": finalized, "stopped": stopped}

    def _sweep_up(self, summary: Summary, remaining_seconds: Callable[[], float]) -> bool:
        """End a run if its execution has ended; return whether that was so."""
        status = self._execution_status(summary)
        if status == "RUNNING" or status == "PENDING_REDRIVE":
            return False
        log.warning("the run's execution has ended, the run had not", executionStatus=status)
        final = EXECUTION_STATUSES.get(status, RunStatus.FAILED)
        self._finalize(summary, final, f"its execution ended as {status}, and the sweep found it", remaining_seconds)
        return True

    def _stop_outliving(self) -> list[str]:
        """Stop ECS tasks whose run has come to its end, and record them.

        A launcher that breaks off right after a call, while its run is ended, never gets to the stopping of what that
        call started. A task whose row has just become `Completed` is on its way out and left alone; one whose process
        does not end, for example because the job left a thread behind, is not.
        """
        living, _ = self._ecs_tasks.describe(self._ecs_tasks.running())
        stopped = []
        for (workflow_name, identifier), tasks in _by_run(living.values()).items():
            summary = self._summaries.get(workflow_name, identifier)
            if summary is None or summary.end_time is None:
                continue
            log.bind(workflow_name, identifier)
            rows = {row.ecs_task_id: row for row in self._details.rows(identifier, workflow_name)}
            why = "the sweep found the task still running after its run had ended"
            for task in tasks:
                row, now = rows.get(task.arn), self._clock.now()
                if row is not None and _is_leaving(row, now):
                    continue
                log.warning("stops an ECS task that outlived its run", ecsTask=task.arn, status=summary.status)
                self._ecs_tasks.stop(task.arn, f"run {identifier} had ended as {summary.status}: {why}")
                settings = self._settings.of_run(summary.settings)
                for new in reconciliation.rows_of_unrecorded(summary, [task], rows, why, now, settings):
                    self._details.write(new)
                if row is not None:
                    error = f"{Code.RUN_ENDED}: {why}"
                    self._details.write(replace(row, status=TaskStatus.FAILED, update_time=to_iso(now), error=error))
                stopped.append(task.arn)
        return stopped

    def _reconcile(self, summary: Summary) -> tuple[Reconciliation, list[TaskRow]]:
        """Ask, decide, do; once more where a row changed in between."""
        settings = self._settings.of_run(summary.settings)
        for _ in range(RECONCILE_ROUNDS):
            rows = self._details.rows(summary.workflow_run_id, summary.workflow_name)
            listing = reconciliation.needs_listing(summary, rows, settings)
            outcome = reconcile(
                summary,
                rows,
                self._ask_ecs(summary, rows, listing),
                self._clock.now(),
                settings,
                self._task_names(summary) if listing else (),
            )
            if not self._apply(outcome):
                break
        else:  # rows change faster than they can be judged: they count as they stand, and the next look judges them
            rows = self._details.rows(summary.workflow_run_id, summary.workflow_name)
            outcome = reconcile(summary, rows, EcsAnswer(), self._clock.now(), settings)
        written = {row.ecs_task_id: row for row in (*outcome.updates, *outcome.explanations, *outcome.creations)}
        return outcome, [*(row for row in rows if row.ecs_task_id not in written), *written.values()]

    def _ask_ecs(self, summary: Summary, rows: Sequence[TaskRow], listing: bool) -> EcsAnswer:
        tasks, missing = self._ecs_tasks.describe(reconciliation.arns_to_ask(rows))
        if listing:
            tasks |= self._running(summary)
            # After the running ones: a task that stops in between is in the one list or the other.
            tasks |= self._stopped(summary)
        return EcsAnswer(tasks, missing, listed=listing)

    def _apply(self, outcome: Reconciliation) -> bool:
        """Write and stop what was decided; return whether a row said otherwise by then."""
        overtaken = False
        for row in outcome.updates:
            log.warning("an ECS task failed", taskName=row.task_name, ecsTask=row.ecs_task_id, error=row.error)
            found, written = self._details.write(row)
            overtaken |= not written and found.status is not TaskStatus.FAILED
        for stop in outcome.stops:
            log.warning("stops an ECS task", ecsTask=stop.ecs_task_arn, reason=stop.reason)
            self._ecs_tasks.stop(stop.ecs_task_arn, stop.reason)
        for row in outcome.explanations:
            self._details.explain(row)
        for row in outcome.creations:
            log.warning("a task has no record", taskName=row.task_name, error=row.error)
            found, written = self._details.put_new(row)
            overtaken |= not written and found.workflow_name == row.workflow_name
        return overtaken

    def _task_names(self, summary: Summary) -> list[str]:
        """Return the names of a run's tasks, from its row or, where the spec was too long for that, its execution."""
        document = json.loads(summary.workflow_specs or "{}")
        if "taskList" not in document:
            answer = self._stepfunctions.describe_execution(executionArn=summary.execution_arn)
            document = json.loads(answer["input"])
        return [entry["taskName"] for entry in document["taskList"]]

    def _registered(self, text: str, execution_arn: str, started: datetime) -> Summary | None:
        """Find the run of an execution that ended; None where it has none and may not have one.

        A run that is not registered yet is registered here: the function that does so may still be at work, and a
        launcher that finds the row of an ended run launches nothing.
        """
        try:
            document = json.loads(text)
        except ValueError:
            return None
        found = self._find(document, execution_arn, started)
        if found is not None:
            return found
        payload = {"execution": {"arn": execution_arn, "startTime": to_iso(started)}, "spec": document}
        try:
            return register(payload, settings=self._settings, summaries=self._summaries, clock=self._clock).summary
        except (SpecRefused, RunIdInUse):
            return None

    def _find(self, document: Any, execution_arn: str, started: datetime) -> Summary | None:
        """Find the run of an execution from its input, which need not be a spec that would be accepted now."""
        try:
            workflow_name = document["workflowName"]
            given = document.get("workflowRunId")
            identifier = run_id(started, execution_arn) if given is None else int(given)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        if not isinstance(workflow_name, str) or not workflow_name:
            return None
        log.bind(workflow_name, identifier)
        summary = self._summaries.get(workflow_name, identifier)
        return summary if summary is not None and summary.execution_arn == execution_arn else None

    def _finalize(self, summary: Summary, status: RunStatus, why: str, remaining_seconds: Callable[[], float]) -> None:
        """Make a run final: first its row, so that nothing more is launched, then its ECS tasks, then their rows."""
        summary, _ = self._summaries.end_early(summary, status, to_iso(self._clock.now()))
        log.warning("the run is ended", status=summary.status, why=why)
        reason = f"run {summary.workflow_run_id} ended: {why}"
        self._stop_all(summary, reason, remaining_seconds)
        self._record_unrecorded(summary, why)
        rows = self._details.rows(summary.workflow_run_id, summary.workflow_name)
        completed = {row.task_name for row in rows if row.status is TaskStatus.COMPLETED}
        for row in filter(awaits_ecs, rows):
            now = to_iso(self._clock.now())
            if row.status.is_final:
                self._details.explain(replace(row, update_time=now, stopped_reason=reason[:500]))
                continue
            error = f"{Code.RUN_ENDED}: {why[:500]}"
            found, _ = self._details.write(replace(row, status=TaskStatus.FAILED, update_time=now, error=error))
            if found.status is TaskStatus.COMPLETED:
                completed.add(found.task_name)
        failed = summary.number_of_tasks - len(completed)
        self._summaries.conclude(summary, Counts(len(completed), failed, 0), to_iso(self._clock.now()))

    def _record_unrecorded(self, summary: Summary, why: str) -> None:
        """Give ECS tasks that have no row yet one that is final, so that the task itself can make none that is not."""
        recorded = {row.ecs_task_id for row in self._details.rows(summary.workflow_run_id, summary.workflow_name)}
        settings = self._settings.of_run(summary.settings)
        for row in reconciliation.rows_of_unrecorded(
            summary, self._stopped(summary).values(), recorded, why[:500], self._clock.now(), settings
        ):
            self._details.write(row)

    def _running(self, summary: Summary) -> dict[str, EcsTask]:
        """The run's ECS tasks that have not been told to stop, by ARN."""
        return self._ecs_tasks.running_of_run(self._settings.pattern, summary.workflow_run_id, summary.workflow_name)

    def _stopped(self, summary: Summary) -> dict[str, EcsTask]:
        """The run's ECS tasks that have stopped or been told to, by ARN."""
        return self._ecs_tasks.stopped_of_run(self._settings.family, summary.workflow_run_id, summary.workflow_name)

    def _stop_all(self, summary: Summary, reason: str, remaining_seconds: Callable[[], float]) -> None:
        empty = 0
        stopped: set[str] = set()
        while True:
            running = [arn for arn, task in self._running(summary).items() if task.is_active]
            empty = 0 if running else empty + 1
            if empty == EMPTY_LISTINGS:
                return
            for arn in running:
                if arn not in stopped:
                    log.warning("stops an ECS task", ecsTask=arn, reason=reason)
                self._ecs_tasks.stop(arn, reason)
                stopped.add(arn)
            if remaining_seconds() < FINALIZE_RESERVE_SECONDS:
                raise TasksStillRunning(summary.workflow_run_id, len(running))
            self._clock.sleep(PAUSE_BETWEEN_LISTINGS_SECONDS)

    def _execution_status(self, summary: Summary) -> str:
        try:
            return str(self._stepfunctions.describe_execution(executionArn=summary.execution_arn)["status"])
        except self._stepfunctions.exceptions.ExecutionDoesNotExist:
            return "GONE"

    def _result(self, summary: Summary, rows: Sequence[TaskRow], outcome: Reconciliation | None) -> dict[str, Any]:
        counts = (
            outcome.counts
            if outcome and not summary.status.is_final
            else Counts(summary.completed_tasks, summary.failed_tasks, summary.running_tasks)
        )
        return {
            "done": summary.status.is_final,
            "succeeded": summary.status.is_success,
            "status": summary.status.value,
            "total": summary.number_of_tasks,
            "completed": counts.completed,
            "failed": counts.failed,
            "running": counts.running,
            "relaunch": bool(outcome and outcome.relaunch and not summary.status.is_final),
            "waitSeconds": outcome.wait_seconds if outcome else reconciliation.SHORTEST_WAIT_SECONDS,
            "message": messages.outcome(summary, counts, summary.status, rows, self._details.name),
            "workflowName": summary.workflow_name,
            "runId": str(summary.workflow_run_id),
        }


def _is_leaving(row: TaskRow, now: datetime) -> bool:
    """Whether a task has just completed, so that ECS still lists it although its process ends by itself."""
    return row.status is TaskStatus.COMPLETED and now - from_iso(row.update_time) <= reconciliation.STOPPED_WITHIN


def _by_run(tasks: Iterable[EcsTask]) -> dict[tuple[str, int], list[EcsTask]]:
    """Group the kit's tasks that have not been told to stop, by workflow name and run id."""
    runs: defaultdict[tuple[str, int], list[EcsTask]] = defaultdict(list)
    for task in tasks:
        if task.run is not None and task.is_active:
            runs[task.run].append(task)
    return runs


def _next_attempt(again: bool, wait: int, attempt: int, infrastructure: int, waited: int, waits: int) -> dict[str, Any]:
    """What the state machine of pattern 2 is told about the next `RunTask` of a task."""
    return {
        "again": again,
        "waitSeconds": wait,
        "attempt": attempt,
        "infrastructureFailures": infrastructure,
        "waitedSeconds": waited,
        "waits": waits,
    }


def _run_of(payload: Mapping[str, Any]) -> tuple[str, int]:
    workflow_name, identifier = payload.get("workflowName"), payload.get("runId")
    if not isinstance(workflow_name, str) or not str(identifier).isdecimal():
        raise PayloadInvalid(f"workflowName is {workflow_name!r} and runId {identifier!r}")
    return workflow_name, int(str(identifier))
