"""The monitor's reads and writes around the reconciliation of a run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract import failures, metrics, waits
from ecs_kit.runtime.contract.attempts import age, awaits_ecs, is_of_share, possible
from ecs_kit.runtime.contract.clock import from_iso, to_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask, to_ecs_task
from ecs_kit.runtime.contract.errors import (
    PayloadInvalid,
    RunIdInUse,
    RunNotFound,
    SpecRefused,
    TasksStillRunning,
    shown,
)
from ecs_kit.runtime.contract.executions import Execution
from ecs_kit.runtime.contract.failures import LACKS_CAPACITY, Code, FailureKind, StateFailure
from ecs_kit.runtime.contract.records import Counts, Failure, Summary, TaskRow, new_row
from ecs_kit.runtime.contract.run_ids import from_milliseconds, given_id, run_id
from ecs_kit.runtime.contract.settings import Settings
from ecs_kit.runtime.contract.spec_references import is_short
from ecs_kit.runtime.contract.statuses import EXECUTION_STATUSES, RunStatus, TaskStatus
from ecs_kit.runtime.functions import spec_check
from ecs_kit.runtime.functions.function import Function
from ecs_kit.runtime.functions.registration import Registration, deadline_of, to_execution
from ecs_kit.runtime.functions.spec_store import GivenSpec
from ecs_kit.runtime.functions.task_lists import open_list
from ecs_kit.runtime.monitor import messages, reconciliation
from ecs_kit.runtime.monitor.reconciliation import Doubts, EcsAnswer, Reconciliation, Run

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

RECONCILE_ROUNDS = 3
"""Rounds in one call. Another one follows only where a row changed between read and write."""

CONCURRENT_WRITES = 8
"""Rows that are taken out of the index at once. A poll may find thousands whose tasks have ended. More at once would
use up the SDK's quota of retries where a table of a few units throttles."""


@dataclass(kw_only=True)
class Monitor(Function):
    """The Task Monitor."""

    stepfunctions: SFNClient

    def register(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Register a run of pattern 2. Run id and `expiresAt` (empty for never) are text in the answer."""
        registration = self.register_run(payload)
        settings, document = registration.settings, registration.spec.document
        return {
            "runId": str(registration.summary.workflow_run_id),
            "workflowName": registration.spec.workflow_name,
            "numberOfTasks": registration.summary.number_of_tasks,
            "deadline": registration.deadline,
            "expiresAt": str(registration.summary.expires_at or ""),
            "cluster": self.settings.cluster,
            "taskDefinition": settings.task_definition,
            "subnets": list(registration.spec.subnet_ids),
            "securityGroups": list(registration.spec.security_group_ids),
            "target": {"bucket": settings.target.bucket, "prefix": settings.target_prefix},
            "command": list(settings.job_command),
            "environment": dict(settings.job_environment),
            "waitSeconds": waits.SHORTEST_WAIT_SECONDS,
            "sourceBucket": document["s3BucketName"],
            "launchesFrom": int(self.clock.now().timestamp() * 1000),
            "launchIntervalMilliseconds": 1000 / settings.run_task_rate,
            **_task_list(registration),
        }

    def monitor(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Poll a run once: reconcile its rows with ECS and update its summary.

        The payload has `execution`, `workflowName` and `runId` (text).

        Raises:
            RunNotFound: the summary row is gone.
            RunIdInUse: the summary row belongs to another execution.
        """
        summary = self._summary_of(payload)
        if summary.status.is_final:
            return self._result(summary, None)
        summary, outcome = self._reconcile(summary)
        now = to_iso(self.clock.now())
        if outcome.has_capacity:
            summary = self.summaries.end_waiting(summary, now)
        elif outcome.freed_capacity:
            summary = self.summaries.launch_now(summary, now)
        if outcome.verdict is not None:
            summary = self.summaries.finish(summary, outcome.verdict, now)
        log.info("reconciled the run", status=summary.status, **asdict(summary.counts))
        return self._result(summary, outcome)

    def record_failure(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Classify and record a failed `RunTask` of pattern 2, and decide about a retry.

        Lack of capacity does not fail the attempt: it is requested again until the run's deadline. A time-out does not
        name its ECS task: the next poll finds, stops and records it.

        The payload has `execution`, `workflowName`, `runId` (text), the entry of `taskList` as `task`, `sourceBucket`,
        `index`, `retries` (of `RunTask` itself), `error`, `cause`, and as the answer has them for the next `RunTask`
        `attempt`, `infrastructureFailures`, `waitedSeconds` (how long it has waited for capacity) and `turn` (how often
        ECS had no capacity; odd: request on-demand capacity instead of Spot).

        Raises:
            RunNotFound: the summary row is gone.
            RunIdInUse: the summary row belongs to another execution.
        """
        summary = self._summary_of(payload)
        settings = self.settings.of_run(summary.settings)
        attempt, infrastructure = int(payload["attempt"]), int(payload["infrastructureFailures"])
        found = failures.of_state(str(payload["error"]), str(payload["cause"]), settings.exit_codes)
        error = found.failure.error
        log.info("RunTask failed", taskName=payload["task"]["taskName"], attempt=attempt, kind=found.kind, error=error)
        has_succeeded = found.task is not None and settings.exit_codes.succeeded(found.task)
        if summary.status.is_final or has_succeeded:
            return {"again": False}
        if found.kind is FailureKind.BUSY:
            self.meter.record({metrics.RUN_TASK_THROTTLES: 1 + int(payload["retries"])})
            return self._retry_after_wait(summary, settings, payload, error)
        of_retries = waits.EVENTS_PER_RETRY * int(payload["retries"])
        infrastructure += found.kind is FailureKind.INFRASTRUCTURE
        if found.failure.code != Code.TIMED_OUT and not self._record_attempt(summary, settings, payload, found):
            return {"again": False}
        again = failures.retry_is_allowed(
            found.kind,
            job=attempt - infrastructure,
            infrastructure=infrastructure,
            task_attempts=settings.task_attempts,
        )
        if again and found.kind is FailureKind.INFRASTRUCTURE and not _is_in_child(payload, summary):
            again = self._has_room(summary, settings, of_retries)
        else:
            self.summaries.count_events(summary, of_retries + (waits.events_of_retry(settings) if again else 0))
        return {
            "again": again,
            "attempt": attempt + 1,
            "infrastructureFailures": infrastructure,
            "waitSeconds": 1 + int(self.rng.random() * waits.retry_wait_seconds(attempt)),
            "waitedSeconds": 0,
            "turn": 0,
        }

    def _record_attempt(
        self, summary: Summary, settings: Settings, payload: Mapping[str, Any], found: StateFailure
    ) -> bool:
        """Record that an attempt failed; return False where its row is `Completed` or another workflow's."""
        task = payload["task"]
        attempt = summary.attempt(
            task["taskName"],
            int(payload["attempt"]),
            str(payload["sourceBucket"]),
            task.get("objectKey", ""),
            int(payload["index"]),
        )
        failed = new_row(
            attempt,
            settings.target,
            TaskStatus.FAILED,
            ecs_task_arn=found.task.arn if found.task else "",
            now=self.clock.now(),
            failure=found.failure,
            task=found.task,
        )
        failed = replace(failed, exec_time_in_seconds=found.task.seconds if found.task else None)
        row, _ = self.details.record_failure(failed)
        return row.status is not TaskStatus.COMPLETED and row.workflow_name == summary.workflow_name

    def _has_room(self, summary: Summary, settings: Settings, of_retries: int) -> bool:
        """Count the events of a retry after an infrastructure failure, if the history has room for it.

        If `RunTask` itself had to be retried, the other tasks may need that, too: room for it is kept free.
        """
        of_attempt = waits.events_of_retry(settings)
        summary = self.summaries.count_events(summary, of_attempt + of_retries)
        if summary.wait_events + of_retries * summary.number_of_tasks <= waits.events_for_waits(settings, summary):
            return True
        self.summaries.count_events(summary, -of_attempt)
        log.warning("the task is not retried: the history of the execution has no room for it")
        return False

    def _retry_after_wait(
        self, summary: Summary, settings: Settings, payload: Mapping[str, Any], reason: str
    ) -> dict[str, Any]:
        """Record that a task of the run waits for capacity, and request the same attempt again after that.

        The task's own waiting time decides, not the run's: starts of other tasks say little about this one.
        """
        attempt, waited, turn = int(payload["attempt"]), int(payload["waitedSeconds"]), int(payload["turn"])
        lacks_capacity = bool(LACKS_CAPACITY.search(reason))
        events = waits.EVENTS_PER_ATTEMPT + waits.EVENTS_PER_RETRY * int(payload["retries"])
        # The limit of the task list includes a first wait for lack of Spot: on-demand capacity may be free.
        on_spot = attempt == 1 and is_of_share(int(payload["index"]), settings.spot_share)
        is_rationed = not (on_spot and lacks_capacity and turn == 0)
        now = self.clock.now()
        summary = self.summaries.wait_for_capacity(summary, to_iso(now), reason, events=events)
        wait = 1 + int(waits.capacity_wait_seconds(waited) * self.rng.uniform(0.5, 1))
        if _is_in_child(payload, summary):
            wait = waits.wait_of_child_seconds(wait, waited, settings.run_timeout_seconds)
        elif is_rationed:
            remaining = max(0.0, (deadline_of(summary, settings) - now).total_seconds())
            wait = waits.rationed_wait_seconds(wait, settings, summary, events=events, remaining_seconds=remaining)
        self.summaries.wait_until(summary, to_iso(now + timedelta(seconds=wait)))
        return {
            "again": True,
            "attempt": attempt,
            "infrastructureFailures": int(payload["infrastructureFailures"]),
            "waitSeconds": wait,
            "waitedSeconds": waited + wait,
            "turn": turn + lacks_capacity,
        }

    def record_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Record a task's state in its row, where tasks keep none; `event` is an "ECS Task State Change"."""
        task = to_ecs_task(event["detail"])
        run = task.run if task.family == self.settings.family else None
        summary = self.summaries.get(*run) if run else None
        if summary is None:
            return {"recorded": False}
        log.bind(summary.workflow_name, summary.workflow_run_id)
        rows = self._run(summary).changed_rows([task], {})
        # A run that was ended has ended its active rows, too.
        due = [row for row in rows if row.status.is_final or not summary.status.is_final]
        for row in due:
            log.info("ECS says of a task", ecsTask=row.ecs_task_id, status=row.status, error=row.error)
            _, written = self.details.write(row)
            if not written and row.status is TaskStatus.FAILED:  # it was recorded before ECS had stopped the task
                self.details.explain(row)
        return {"recorded": bool(due)}

    def finalize_from_event(self, event: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """End the run of an execution that failed, timed out or was stopped, as EventBridge's event says.

        Raises:
            TasksStillRunning: the call is to be repeated; Lambda does so by itself.
        """
        detail = event["detail"]
        status = EXECUTION_STATUSES.get(detail.get("status"))
        if status is None or detail.get("stateMachineArn") != self.settings.state_machine_arn:
            raise PayloadInvalid(
                f"status {detail.get('status')!r} of {detail.get('stateMachineArn')!r} is not for this function"
            )
        text = detail.get("input")
        if text is None:  # EventBridge leaves out an input that makes the event longer than 248 KB
            text = self.stepfunctions.describe_execution(executionArn=detail["executionArn"]).get("input", "")
        summary = self._registered(text, detail["executionArn"], from_milliseconds(int(detail["startDate"])))
        if summary is None:
            log.info("the execution has no run and may not register one", executionArn=detail["executionArn"])
            return {"finalized": False}
        cause = f": {detail['cause']}" if detail.get("cause") else ""
        self._finalize(summary, status, f"its execution ended as {detail['status']}{cause}", remaining_seconds)
        return {"finalized": True, "runId": str(summary.workflow_run_id)}

    def sweep(self, remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """End all runs without `end_time` whose execution has ended, and stop orphaned tasks: those of ended runs.

        Rows that tasks of a run that was ended early have written since become terminal.

        Raises:
            Exception: why one of the runs could not be ended; the call is to be repeated.
        """
        finalized: list[str] = []
        problem: Exception | None = None
        for summary in self.summaries.open():
            log.bind(summary.workflow_name, summary.workflow_run_id)
            try:
                if summary.end_time is not None:
                    self._record_late_tasks(summary, from_iso(summary.end_time))
                elif self._sweep_up(summary, remaining_seconds):
                    finalized.append(str(summary.workflow_run_id))
            except Exception as error:  # noqa: BLE001 - one run's error must not keep the others from being ended
                log.exception("the run could not be ended")
                problem = error
        stopped = self._stop_orphans()
        log.bind()
        log.info("swept", finalized=finalized, stopped=stopped)
        if finalized or stopped:
            self.meter.record({metrics.SWEEP_FINDINGS: len(finalized) + len(stopped)})
        if problem is not None:
            raise problem
        return {"finalized": finalized, "stopped": stopped}

    def _sweep_up(self, summary: Summary, remaining_seconds: Callable[[], float]) -> bool:
        """End a run if its execution has ended; return whether it has."""
        try:
            status: str = self.stepfunctions.describe_execution(executionArn=summary.execution_arn)["status"]
        except self.stepfunctions.exceptions.ExecutionDoesNotExist:
            status = "GONE"
        if status in ("RUNNING", "PENDING_REDRIVE"):
            return False
        log.warning("the run's execution has ended, the run has no end_time", executionStatus=status)
        final = EXECUTION_STATUSES.get(status, RunStatus.FAILED)
        self._finalize(summary, final, f"its execution ended as {status}, and the sweep found it", remaining_seconds)
        return True

    def _record_late_tasks(self, summary: Summary, ended: datetime) -> None:
        """Record tasks of an ended run that started while it ended, were stopped, and left an active row."""
        rows = possible(self.details.uncounted(summary.workflow_run_id, summary.workflow_name), summary)
        active = {row.ecs_task_id: row for row in rows if not row.status.is_final}
        tasks, missing = self.ecs_tasks.describe_recorded(active, self.settings.task_arns)
        failure = Failure(Code.RUN_ENDED, f"the run had ended as {summary.status} when this task started")
        now = self.clock.now()
        stopped = {arn for arn, task in tasks.items() if task.is_stopped}
        for arn in missing | stopped:
            log.warning("a task started while its run ended", ecsTask=arn)
            self.details.write(active[arn].failed(failure, now, tasks.get(arn)), confirms=arn in tasks)
            self.details.set_counted(active[arn])
        if now - ended >= waits.LATE_TASKS_WITHIN:
            self.summaries.close(summary)

    def _stop_orphans(self) -> list[str]:
        """Stop and record orphaned ECS tasks: those whose run has ended.

        One is left by a launcher that is interrupted right after RunTask while its run is ended. A task whose row has
        just become `Completed` is about to exit and is left alone. One whose process does not exit, for example
        because of a thread that the job left, is stopped.
        """
        living, _ = self.ecs_tasks.describe(self.ecs_tasks.running())
        stopped = []
        for (workflow_name, identifier), tasks in _by_run(living.values()).items():
            summary = self.summaries.get(workflow_name, identifier)
            if summary is None or summary.end_time is None:
                continue
            log.bind(workflow_name, identifier)
            rows = {row.ecs_task_id: row for row in self._rows(summary)}
            for task in tasks:
                if not _is_exiting(rows.get(task.arn), self.clock.now()):
                    self._stop_orphan(summary, task, rows)
                    stopped.append(task.arn)
        return stopped

    def _stop_orphan(self, summary: Summary, task: EcsTask, rows: Mapping[str, TaskRow]) -> None:
        why = "the sweep found the task still running after its run had ended"
        log.warning("stops an orphaned ECS task: its run has ended", ecsTask=task.arn, status=summary.status)
        self.ecs_tasks.stop(task.arn, f"run {summary.workflow_run_id} had ended as {summary.status}: {why}")
        run = self._run(summary)
        recorded = rows.get(task.arn)
        ended = [recorded.failed(Failure(Code.RUN_ENDED, why), run.now)] if recorded else []
        for row in ended or run.rows_of_unrecorded([task], {}, why):
            self.details.write(row)

    def _summary_of(self, payload: Mapping[str, Any]) -> Summary:
        """Read the summary of the run that a payload names; it must belong to the calling execution."""
        execution = to_execution(payload)
        workflow_name, given = payload.get("workflowName"), payload.get("runId")
        identifier = given_id(given)
        if identifier is None or not isinstance(workflow_name, str):
            raise PayloadInvalid(f"workflowName is {shown(workflow_name)} and runId {shown(given)}")
        log.bind(workflow_name, identifier)
        summary = self.summaries.get(workflow_name, identifier)
        if summary is None:
            raise RunNotFound(self.summaries.name, workflow_name, identifier)
        if summary.execution_arn != execution.arn:
            raise RunIdInUse(workflow_name, identifier, summary.execution_arn)
        return summary

    def _run(self, summary: Summary, counted: Mapping[str, bool] | None = None) -> Run:
        return Run(summary, self.settings.of_run(summary.settings), self.clock.now(), counted or {})

    def _rows(self, summary: Summary) -> list[TaskRow]:
        return possible(self.details.rows(summary.workflow_run_id, summary.workflow_name), summary)

    def _running(self, summary: Summary) -> dict[str, EcsTask]:
        pattern = self.settings.capabilities
        return self.ecs_tasks.running_of_run(pattern, summary.workflow_run_id, summary.workflow_name)

    def _stopped(self, summary: Summary) -> dict[str, EcsTask]:
        return self.ecs_tasks.stopped_of_run(summary.workflow_run_id, summary.workflow_name)

    def _reconcile(self, summary: Summary) -> tuple[Summary, Reconciliation]:
        """Read, decide, write, count; repeat where a row or a count changed in between."""
        known: dict[int, bool] = {}
        read = self._read(summary, known)
        for left in reversed(range(RECONCILE_ROUNDS + 1)):
            run, rows, answer, names = read
            # Rows that change faster than they are reconciled are counted as they are: the next poll reconciles them.
            outcome = run.reconcile(rows, answer if left else EcsAnswer(), names)
            if changed := self._apply(outcome):
                rows = [*(row for row in rows if row.ecs_task_id not in changed), *changed.values()]
                read = run, rows, answer, names
            else:
                now = to_iso(self.clock.now())
                counted, found = self.counting.count(summary, outcome.ended, known, outcome.changes, now)
                if counted is not None:
                    if counted.counts != outcome.counts:  # forged rows share a task's place in the list
                        outcome = replace(outcome, verdict=None)
                    with self.executor(CONCURRENT_WRITES) as executor:
                        list(executor.map(self.details.set_counted, outcome.done))
                    return counted, outcome
                known |= found
                summary = self.summaries.get(summary.workflow_name, summary.workflow_run_id) or summary
                if summary.status.is_final:
                    break
                read = self._read(summary, known)
        return summary, replace(outcome, verdict=None)

    def _read(self, summary: Summary, known: Mapping[int, bool]) -> tuple[Run, list[TaskRow], EcsAnswer, Sequence[str]]:
        """Read what is to be reconciled: the attempts that are not counted, or all rows where some are missing.

        `known` are tasks that are counted, by their places in the task list.
        """
        rows = possible(self.details.uncounted(summary.workflow_run_id, summary.workflow_name), summary)
        run = self._run(summary, _by_name(rows, (), known))
        if looked_up := run.may_be_counted(rows):
            known = {**known, **self.counting.counted(summary, looked_up)}
            run = self._run(summary, _by_name(rows, (), known))
        names: Sequence[str] = ()
        if run.needs_all_rows(rows):
            rows, names = self._rows(summary), self._task_names(summary)
            run = self._run(summary, _by_name(rows, names, self.counting.counted(summary, range(len(names)))))
        tasks, missing = self.ecs_tasks.describe_recorded(run.arns_to_ask(rows), self.settings.task_arns)
        if missing:
            rows = self._in_full(summary, rows, missing)
            if not names:
                indices = [row.task_index for row in rows if row.ecs_task_id in missing and row.task_index is not None]
                run = self._run(summary, _by_name(rows, (), {**known, **self.counting.counted(summary, indices)}))
        if names or run.needs_listing:
            # Stopped tasks are listed later, so that a task that stops in between is in one of the two lists.
            listed = {**self._running(summary), **self._stopped(summary)}
            tasks |= listed if names else self._not_counted(summary, listed, rows)
            if run.is_listed_seldom and not summary.launching_ended:
                self.summaries.set_listed(summary, to_iso(run.now))
        return run, rows, EcsAnswer(tasks, missing), names

    def _not_counted(
        self, summary: Summary, tasks: Mapping[str, EcsTask], rows: Sequence[TaskRow]
    ) -> dict[str, EcsTask]:
        """Return the ECS tasks that have a row among `rows`, or whose task of the run is not counted."""
        indices = {
            arn: task.attempt.index for arn, task in tasks.items() if task.attempt and task.attempt.index is not None
        }
        counted = self.counting.counted(summary, indices.values())
        recorded = {row.ecs_task_id for row in rows}
        return {arn: task for arn, task in tasks.items() if arn in recorded or indices.get(arn) not in counted}

    def _apply(self, outcome: Reconciliation) -> dict[str, TaskRow]:
        """Write the rows and stop the tasks; return the rows that had changed by then, by their keys."""
        changed: dict[str, TaskRow] = {}
        for row in outcome.updates:
            found, written = self.details.write(row)
            if written and row.status is TaskStatus.FAILED:
                log.warning("an ECS task failed", taskName=row.task_name, ecsTask=row.ecs_task_id, error=row.error)
            if not written and found.status is not TaskStatus.FAILED:
                changed[found.ecs_task_id] = found
        for arn, reason in outcome.stops.items():
            log.warning("stops an ECS task", ecsTask=arn, reason=reason)
            self.ecs_tasks.stop(arn, reason)
        for row in outcome.explanations:
            self.details.explain(row)
        self._clear_up(outcome.doubts)
        for row in outcome.unindexed:
            self.details.index(row)
        for row in outcome.creations:
            log.warning("a task has no record", taskName=row.task_name, error=row.error)
            found, written = self.details.put_new(row)
            if not written and found.workflow_name == row.workflow_name:
                changed[found.ecs_task_id] = found
        return changed

    def _clear_up(self, doubts: Doubts) -> None:
        now = to_iso(self.clock.now())
        for row in doubts.refuted:
            log.warning("a row is of no ECS task of its run", taskName=row.task_name, ecsTask=row.ecs_task_id)
        with self.executor(CONCURRENT_WRITES) as executor:
            list(executor.map(self.details.confirm, doubts.confirmed))
            list(executor.map(lambda row: self.details.refute(row, now), doubts.refuted))
        for row in doubts.corrections.values():
            log.warning("a row was not true", taskName=row.task_name, ecsTask=row.ecs_task_id, error=row.error)
            self.details.correct(row)

    def _in_full(self, summary: Summary, rows: list[TaskRow], missing: frozenset[str]) -> list[TaskRow]:
        """Return rows with those in full that ECS does not know: the index does not say whether they are confirmed."""
        in_full = {row.ecs_task_id: row for row in self.details.read(summary.workflow_run_id, sorted(missing))}
        return possible([in_full.get(row.ecs_task_id, row) for row in rows], summary)

    def _task_names(self, summary: Summary) -> list[str]:
        return list(open_list(summary.task_list, self.task_lists, lambda: self._document(summary)).names())

    def _document(self, summary: Summary) -> Mapping[str, Any]:
        """Return a run's spec with an inline list: from its row, or, where that lacks the list, from its execution."""
        document: Mapping[str, Any] = json.loads(summary.workflow_specs or "{}")
        if "taskList" not in document:
            answer = self.stepfunctions.describe_execution(executionArn=summary.execution_arn)
            execution = Execution(summary.execution_arn, from_iso(summary.start_time))
            document = self.specs.given(json.loads(answer["input"]), execution).document
        return document

    def _registered(self, text: str, execution_arn: str, started: datetime) -> Summary | None:
        """Find the run of an execution that ended; None where it has none and may not register one.

        A run that is not registered yet is registered here: its launcher may still be active, and launches nothing
        once it finds the row of an ended run.
        """
        try:
            document = spec_check.parse(text)
            given = self.specs.given(document, Execution(execution_arn, started))
        except SpecRefused as error:
            log.info("the execution's input is no spec", executionArn=execution_arn, reason=str(error))
            return None
        found = self._find(given, execution_arn, started)
        if found is not None:
            return found
        payload = {"execution": {"arn": execution_arn, "startTime": to_iso(started)}, "spec": document}
        try:
            return self.register_run(payload).summary
        except (SpecRefused, RunIdInUse) as error:
            log.info("the execution's run is refused", executionArn=execution_arn, reason=str(error))
            return None

    def _find(self, spec: GivenSpec, execution_arn: str, started: datetime) -> Summary | None:
        """Find the run of an execution by its spec, which need not be valid."""
        try:
            workflow_name = spec.document["workflowName"]
            given = spec.document.get("workflowRunId") if spec.run_id is None else spec.run_id
        except (TypeError, KeyError, AttributeError):
            return None
        identifier = run_id(started, execution_arn) if given is None else given_id(given)
        if identifier is None or not spec_check.is_workflow_name(workflow_name):
            return None
        log.bind(workflow_name, identifier)
        summary = self.summaries.get(workflow_name, identifier)
        return summary if summary is not None and summary.execution_arn == execution_arn else None

    def _finalize(self, summary: Summary, status: RunStatus, why: str, remaining_seconds: Callable[[], float]) -> None:
        """End a run: first its summary, so that nothing more is launched, then its ECS tasks, then their rows."""
        if summary.end_time:
            log.info("the run has ended already", status=summary.status, why=why)
            return
        polled = self._run(summary)
        summary = self.summaries.end_early(summary, status, to_iso(self.clock.now()))
        log.warning("the run is ended", status=summary.status, why=why)
        reason = f"run {summary.workflow_run_id} ended: {why}"
        self._stop_all(summary, reason, remaining_seconds)
        stopped = self._stopped(summary)
        self._record_unrecorded(summary, stopped, why[:500])
        rows = self._rows(summary)
        completed = [row for row in rows if row.status is TaskStatus.COMPLETED]
        for row in filter(awaits_ecs, rows):
            now, task = self.clock.now(), stopped.get(row.ecs_task_id)
            if row.status.is_final:
                explained = replace(row, update_time=to_iso(now), stopped_reason=reason[:500])
                self.details.explain(explained, confirms=task is not None)
                continue
            failed = row.failed(Failure(Code.RUN_ENDED, why[:500]), now, task)
            found, _ = self.details.write(failed, confirms=task is not None)
            if found.status is TaskStatus.COMPLETED:
                completed.append(found)
        for row in rows:
            if row.uncounted:
                self.details.set_counted(row)
        done = self._completed_tasks(polled, completed)
        self.summaries.conclude(summary, Counts(done, summary.number_of_tasks - done, 0), to_iso(self.clock.now()))

    def _record_unrecorded(self, summary: Summary, stopped: Mapping[str, EcsTask], why: str) -> None:
        """Write a terminal row for ECS tasks without one, so that the task itself cannot write an active one."""
        recorded = {row.ecs_task_id: row for row in self._rows(summary)}
        for row in self._run(summary).rows_of_unrecorded(stopped.values(), recorded, why):
            self.details.write(row)

    def _completed_tasks(self, polled: Run, completed: Sequence[TaskRow]) -> int:
        """Count the completed tasks of a run that is ended: those that polls have counted, and those of further rows.

        `polled` is the run at its last poll. Rows that ECS contradicts do not count. In a run that an
        older version has counted, it is not known of which rows ECS must still know the tasks: all are believed.
        """
        summary = polled.summary
        counted = self.counting.counted(summary, range(summary.number_of_tasks))
        if len(counted) != summary.completed_tasks + summary.failed_tasks:
            return len({row.task_name for row in completed})
        rows = [row for row in completed if row.task_index is not None and not counted.get(row.task_index)]
        answer = EcsAnswer(*self.ecs_tasks.describe_recorded(polled.arns_to_ask(rows), self.settings.task_arns))
        doubts = polled.doubts(rows, answer)
        self._clear_up(doubts)
        wrong = {row.ecs_task_id for row in doubts.refuted} | doubts.corrections.keys() | doubts.awaited
        return sum(counted.values()) + len({row.task_index for row in rows if row.ecs_task_id not in wrong})

    def _stop_all(self, summary: Summary, reason: str, remaining_seconds: Callable[[], float]) -> None:
        empty = 0
        stopped: set[str] = set()
        while True:
            running = [arn for arn, task in self._running(summary).items() if task.is_active]
            empty = 0 if running else empty + 1
            if empty == waits.EMPTY_LISTINGS:
                return
            for arn in running:
                if arn not in stopped:
                    log.warning("stops an ECS task", ecsTask=arn, reason=reason)
                self.ecs_tasks.stop(arn, reason)
                stopped.add(arn)
            if remaining_seconds() < waits.FINALIZE_RESERVE_SECONDS:
                raise TasksStillRunning(summary.workflow_run_id, len(running))
            self.clock.sleep(waits.PAUSE_BETWEEN_LISTINGS_SECONDS)

    def _result(self, summary: Summary, outcome: Reconciliation | None) -> dict[str, Any]:
        is_active = not summary.status.is_final
        return {
            "done": not is_active,
            "succeeded": summary.status.is_success,
            "status": summary.status.value,
            "total": summary.number_of_tasks,
            **asdict(summary.counts),
            "relaunch": bool(outcome and outcome.relaunch and is_active),
            "waitSeconds": outcome.wait_seconds if outcome else waits.SHORTEST_WAIT_SECONDS,
            "message": messages.outcome(summary, self.details.name),
            "workflowName": summary.workflow_name,
            "runId": str(summary.workflow_run_id),
        }


def _is_in_child(payload: Mapping[str, Any], summary: Summary) -> bool:
    """Whether a child execution runs the task. State machines of earlier versions do not say it."""
    return bool(payload.get("isInChild", summary.task_list is not None))


def _task_list(registration: Registration) -> dict[str, Any]:
    """Return what the state machine of pattern 2 gets of the task list: nothing of one that it has in its input.

    A short list that it does not have is in the answer; of a longer one the answer says where the pinned copy is.
    """
    summary, tasks = registration.summary, registration.tasks
    if summary.task_list is None:
        return {"taskList": registration.spec.document["taskList"]} if registration.is_reference else {}
    if len(tasks) <= waits.longest_task_list(registration.settings):
        entries = [entry.document for entry in tasks.entries(0, len(tasks))]
        if is_short(entries):
            return {"taskList": entries}
    return {"pinnedList": {"bucket": registration.settings.bucket, "key": summary.task_list}}


def _by_name(rows: Iterable[TaskRow], names: Sequence[str], counted: Mapping[int, bool]) -> dict[str, bool]:
    return {name: counted[index] for name, index in reconciliation.indices(rows, names).items() if index in counted}


def _is_exiting(row: TaskRow | None, now: datetime) -> bool:
    """Whether a task has just completed: ECS still lists it, and its process is about to exit."""
    if row is None or row.status is not TaskStatus.COMPLETED:
        return False
    return age(from_iso(row.update_time), now) <= waits.STOPPED_WITHIN


def _by_run(tasks: Iterable[EcsTask]) -> dict[tuple[str, int], list[EcsTask]]:
    """Group the kit's tasks that have not been told to stop, by workflow name and run id."""
    runs: defaultdict[tuple[str, int], list[EcsTask]] = defaultdict(list)
    for task in tasks:
        if task.run is not None and task.is_active:
            runs[task.run].append(task)
    return runs
