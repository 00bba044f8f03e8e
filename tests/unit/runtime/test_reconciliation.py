"""Reconciliation of rows with what ECS says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_kit.runtime.contract import failures
from ecs_kit.runtime.contract.attempts import due_retries, task_states
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask, to_ecs_task
from ecs_kit.runtime.contract.failures import FailureKind
from ecs_kit.runtime.contract.records import Counts, Summary, TaskRow
from ecs_kit.runtime.contract.settings import Settings, from_json
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from ecs_kit.runtime.contract.waits import wait_seconds
from ecs_kit.runtime.monitor.reconciliation import EcsAnswer, Reconciliation, Run
from tests.unit.runtime.fakes import START, settings_json

NAMES = ("a", "b", "c")
RUNNING, SUBMITTED = TaskStatus.RUNNING, TaskStatus.SUBMITTED
COMPLETED, FAILED = TaskStatus.COMPLETED, TaskStatus.FAILED
INFRASTRUCTURE, JOB = FailureKind.INFRASTRUCTURE, FailureKind.JOB
SPOT_REASON = "Your Spot Task was interrupted."
NO_EXIT = {"exit_code": None}
NO_START = {**NO_EXIT, "stop_code": "TaskFailedToStart", "stopped_reason": "Cannot: x"}


def settings(pattern: int = 1, **changes: Any) -> Settings:
    return from_json(settings_json(pattern, **changes))


def environment(name: str, attempt: int = 1) -> dict[str, str]:
    of_run = {"KIT_WORKFLOW_NAME": "wf", "KIT_WORKFLOW_RUN_ID": "7"}
    source = {"KIT_SOURCE_BUCKET": "b", "KIT_SOURCE_KEY": "in/k.txt"}
    return {**of_run, **source, "KIT_TASK_NAME": name, "KIT_ATTEMPT": str(attempt), "KIT_TASK_INDEX": str(index(name))}


def index(name: str) -> int:
    """A task's place in the task list; of tasks that it lacks, after its end."""
    return [*NAMES, name].index(name)


def summary(tasks: int = 3, **changes: Any) -> Summary:
    run = Summary("wf", 7, RunStatus.RUNNING, tasks, "arn:x", to_iso(START), to_iso(START))
    return replace(run, **changes)


def row(name: str, status: TaskStatus, attempt: int = 1, at: datetime = START, **changes: Any) -> TaskRow:
    made = TaskRow(7, f"arn:task/{name}{attempt}", "wf", name, attempt, status, to_iso(at), to_iso(at))
    return replace(made, task_index=index(name), **changes)


def confirmed(row: TaskRow) -> TaskRow:
    """A row as launcher or monitor write it."""
    return replace(row, confirmed_as=row.identity)


def running(name: str, attempt: int = 1, **changes: Any) -> EcsTask:
    task = EcsTask(f"arn:task/{name}{attempt}", "RUNNING", created_at=START, started_at=START)
    return replace(task, **{"environment": environment(name, attempt), **changes})


def stopped(name: str, attempt: int = 1, **changes: Any) -> EcsTask:
    given: dict[str, Any] = {"exit_code": 1, "stopped_reason": "Essential container in task exited", **changes}
    return replace(running(name, attempt), last_status="STOPPED", stopped_at=START + timedelta(seconds=9), **given)


def answer(*tasks: EcsTask, missing: tuple[str, ...] = ()) -> EcsAnswer:
    return EcsAnswer({task.arn: task for task in tasks}, frozenset(missing))


def reconcile(
    rows: list[TaskRow],
    ecs: EcsAnswer | None = None,
    run: Summary | None = None,
    *,
    after: float = 60,
    every: bool = False,
    counted: Mapping[str, bool] | None = None,
    **changes: Any,
) -> Reconciliation:
    """Reconcile a run `after` so many seconds, `every` row and task of it or not; `changes` are settings."""
    moment = Run(run or summary(), settings(**changes), START + timedelta(seconds=after), counted or {})
    return moment.reconcile(rows, ecs or answer(), NAMES if every else ())


def asked(rows: list[TaskRow], counted: Mapping[str, bool] | None = None) -> list[str]:
    return Run(summary(), settings(), START, counted or {}).arns_to_ask(rows)


class TestCountsAndVerdicts:
    @pytest.mark.parametrize(
        ("rows", "counts", "verdict"),
        [
            ([], Counts(0, 0, 3), None),
            (
                [row("a", FAILED, 1), row("a", COMPLETED, 2), row("b", RUNNING), row("c", FAILED)],
                Counts(1, 1, 1),
                None,
            ),
            (
                [*(row(name, COMPLETED) for name in NAMES), row("a", FAILED, 2)],
                Counts(3, 0, 0),
                RunStatus.COMPLETED,
            ),
            ([row("a", COMPLETED), row("b", COMPLETED), row("c", RUNNING)], Counts(2, 0, 1), None),
            ([row(name, FAILED) for name in NAMES], Counts(0, 3, 0), RunStatus.FAILED),
        ],
    )
    def test_are_of_tasks_not_of_rows(self, rows: list[TaskRow], counts: Counts, verdict: RunStatus | None) -> None:
        outcome = reconcile(rows, answer(running("b"), running("c")))
        assert (outcome.counts, outcome.verdict) == (counts, verdict)

    @pytest.mark.parametrize(
        ("tolerated", "verdict"),
        [(0, RunStatus.FAILED), (29, RunStatus.FAILED), (30, RunStatus.COMPLETED_WITH_FAILURES)],
    )
    def test_three_of_ten_failed(self, tolerated: int, verdict: RunStatus) -> None:
        rows = [row(f"t{n}", FAILED if n < 3 else COMPLETED) for n in range(10)]
        outcome = reconcile(rows, run=summary(10), toleratedFailurePercentage=tolerated)
        assert outcome.verdict is verdict and outcome.counts == Counts(7, 3, 0)

    @pytest.mark.parametrize("pattern", [1, 2])
    def test_a_run_is_active_while_another_attempt_at_a_completed_task_runs(self, pattern: int) -> None:
        rows = [*(row(name, COMPLETED) for name in NAMES), row("a", RUNNING, 2)]
        outcome = reconcile(rows, answer(running("a", 2)), pattern=pattern)
        assert outcome.verdict is None and outcome.counts == Counts(3, 0, 0)
        ended = reconcile(rows, answer(stopped("a", 2)), pattern=pattern)
        assert ended.verdict is RunStatus.COMPLETED and [update.attempt for update in ended.updates] == [2]


class TestStoppedTasks:
    def test_become_failed_with_ecs_s_reason_and_exit_code(self) -> None:
        killed = stopped("a", exit_code=137, container_reason="OutOfMemoryError: x")
        (update,) = reconcile([row("a", RUNNING)], answer(killed)).updates
        assert update.status is FAILED
        assert (update.stopped_reason, update.exit_code) == ("Essential container in task exited", 137)
        assert update.error == "ContainerExited: the container exited with code 137 (OutOfMemoryError: x)"
        assert update.exec_time_in_seconds == 9
        assert (update.queued_at, update.stopped_at) == (to_iso(START), to_iso(START + timedelta(seconds=9)))

    def test_add_ecs_s_times_where_the_row_has_none(self) -> None:
        own = "2026-11-24T03:50:45.500Z"
        (update,) = reconcile([row("a", RUNNING, started_at=own)], answer(stopped("a"))).updates
        assert (update.queued_at, update.started_at, update.pull_started_at) == (to_iso(START), own, None)

    @pytest.mark.parametrize(
        ("changes", "error", "kind"),
        [
            ({"exit_code": 0}, "NoRecord: the container exited with code 0 but did not record its result", JOB),
            ({}, "ContainerExited: the container exited with code 1", JOB),
            ({**NO_START, "container_reason": "Cannot: x"}, "TaskFailedToStart: Cannot: x", INFRASTRUCTURE),
            ({**NO_START, "container_reason": "y"}, "TaskFailedToStart: Cannot: x (y)", INFRASTRUCTURE),
            (
                {**NO_START, "stopped_reason": "", "container_reason": "y"},
                "TaskFailedToStart: the ECS task stopped (y)",
                INFRASTRUCTURE,
            ),
            (
                {"stop_code": "SpotInterruption", "stopped_reason": SPOT_REASON, "exit_code": 143},
                f"SpotInterruption: {SPOT_REASON}",
                INFRASTRUCTURE,
            ),
            (
                {**NO_EXIT, "stopped_reason": "Host EC2 (i-0) terminated."},
                "HostLost: Host EC2 (i-0) terminated.",
                INFRASTRUCTURE,
            ),
            ({**NO_EXIT, "stop_code": "UserInitiated", "stopped_reason": "by hand"}, "TaskStopped: by hand", JOB),
            ({**NO_EXIT, "stopped_reason": ""}, "TaskStopped: the ECS task stopped", JOB),
        ],
    )
    def test_say_once_what_ecs_says_of_the_task_and_of_its_container(
        self, changes: Any, error: str, kind: FailureKind
    ) -> None:
        (update,) = reconcile([row("a", RUNNING)], answer(stopped("a", **changes))).updates
        assert update.error == error
        assert failures.kind_of(update) is failures.kind_of(replace(update, stop_code=None)) is kind

    def test_only_active_rows_are_asked_about(self) -> None:
        rows = [row("a", COMPLETED), confirmed(row("b", FAILED, error="JobFailed: x")), row("c", RUNNING)]
        rows.append(confirmed(row("d", FAILED, ecs_task_id="not-started/d/1")))
        rows.append(confirmed(row("e", FAILED, error="TaskTimedOut: x", exit_code=124)))
        assert asked(rows, {"a": True}) == ["arn:task/c1"]


class TestTerminatedTasks:
    """A task that got SIGTERM does not know why: its row awaits ECS's reason."""

    ROW = row("a", FAILED, error="Terminated: SIGTERM", exit_code=143)

    def test_are_explained_once_ecs_has_a_reason(self) -> None:
        assert asked([self.ROW]) == ["arn:task/a1"]
        assert reconcile([self.ROW], answer(running("a")), summary(1)).verdict is None
        stopping = running("a", last_status="DEPROVISIONING", stopped_reason="stopped by hand")
        for task in (stopping, stopped("a", exit_code=143, stopped_reason="stopped by hand")):
            outcome = reconcile([self.ROW], answer(task), summary(1))
            (explanation,) = outcome.explanations
            assert explanation.stopped_reason == "stopped by hand" and explanation.error == "Terminated: SIGTERM"
            assert outcome.verdict is RunStatus.FAILED and not outcome.updates

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("SpotInterruption", SPOT_REASON),
            ("SpotInterruption", "in other words than today's"),
            ("TerminationNotice", "x"),
            ("InfrastructureHealth", "x"),
            ("", SPOT_REASON),
        ],
    )
    def test_are_retried_where_the_infrastructure_failed(self, code: str, reason: str) -> None:
        outcome = reconcile([self.ROW], answer(stopped("a", stop_code=code, stopped_reason=reason)), summary(1))
        (explanation,) = outcome.explanations
        assert (explanation.stop_code or "", explanation.error) == (code, "Terminated: SIGTERM")
        assert failures.kind_of(explanation) is FailureKind.INFRASTRUCTURE and outcome.verdict is None

    def test_that_ecs_forgot_do_not_wait_for_ever(self) -> None:
        outcome = reconcile([confirmed(self.ROW)], answer(missing=("arn:task/a1",)), summary(1), after=301)
        assert outcome.explanations[0].stopped_reason
        assert outcome.verdict is RunStatus.FAILED


class TestMissingTasks:
    @pytest.mark.parametrize(("after", "failed"), [(299, 0), (300, 1)])
    def test_count_only_five_minutes_after_the_row_and_are_retried(self, after: int, failed: int) -> None:
        outcome = reconcile([confirmed(row("a", SUBMITTED))], answer(missing=("arn:task/a1",)), after=after)
        assert [update.error.partition(":")[0] for update in outcome.updates] == ["TaskMissing"] * failed
        assert outcome.counts.failed == 0

    def test_not_described_at_all_changes_nothing(self) -> None:
        outcome = reconcile([row("a", SUBMITTED)], after=9999)
        assert not (outcome.updates or outcome.explanations or outcome.creations)


class TestForgedRows:
    """A compromised task writes rows of ECS tasks that it invents (docs/security.md)."""

    @pytest.mark.parametrize("status", [SUBMITTED, RUNNING, COMPLETED, FAILED])
    @pytest.mark.parametrize("at", [0, 9999], ids=["now", "in the future"])
    def test_one_of_a_task_that_ecs_does_not_know_is_of_no_attempt(self, status: TaskStatus, at: int) -> None:
        forged, true = row("a", status, at=START + timedelta(seconds=at)), row("b", COMPLETED)
        assert asked([forged, true]) == [forged.ecs_task_id, true.ecs_task_id]
        outcome = reconcile([forged, true], answer(stopped("b", exit_code=0), missing=("arn:task/a1",)), after=300)
        assert outcome.doubts.refuted == [forged]
        assert outcome.counts == Counts(1, 0, 2) and outcome.ended == {1: True}
        assert not (outcome.updates or outcome.explanations)

    @pytest.mark.parametrize("status", [COMPLETED, FAILED])
    def test_one_of_a_task_that_ecs_may_not_know_yet_is_neither_counted_nor_refuted(self, status: TaskStatus) -> None:
        outcome = reconcile([row("a", status)], answer(missing=("arn:task/a1",)), summary(1), after=299)
        assert (outcome.counts, outcome.verdict, outcome.doubts.refuted) == (Counts(0, 0, 1), None, [])

    def test_one_that_has_failed_is_confirmed_once(self) -> None:
        failed = row("a", FAILED, error="JobFailed: x")
        assert reconcile([failed], answer(stopped("a"))).doubts.confirmed == [failed]
        assert asked([confirmed(failed)]) == []

    @pytest.mark.parametrize("status", [RUNNING, COMPLETED, FAILED])
    def test_one_that_names_another_attempt_is_that_of_its_ecs_task_which_has_failed(self, status: TaskStatus) -> None:
        renamed = replace(confirmed(row("a", status)), task_name="b", task_index=1)
        outcome = reconcile([renamed], answer(running("a")))
        corrected = outcome.doubts.corrections[renamed.ecs_task_id]
        assert (corrected.task_name, corrected.task_index, corrected.status) == ("a", 0, FAILED)
        assert corrected.error == "NoRecord: the row of this ECS task named another attempt"
        assert outcome.stops == {renamed.ecs_task_id: corrected.error}

    @pytest.mark.parametrize("variables", [{}, {**environment("a"), "KIT_WORKFLOW_RUN_ID": "8"}])
    def test_one_of_an_ecs_task_of_others_is_of_no_attempt(self, variables: dict[str, str]) -> None:
        forged = row("a", FAILED, error="TaskTimedOut: x")
        outcome = reconcile([forged], answer(running("a", environment=variables)))
        assert outcome.doubts.refuted == [forged] and not outcome.stops

    @pytest.mark.parametrize(("after", "ended", "refuted"), [(3299, "", 1), (3300, "", 0), (3300, to_iso(START), 0)])
    def test_one_that_ecs_may_have_forgotten_is_believed(self, after: int, ended: str, refuted: int) -> None:
        run = summary(1, last_ended=ended or None)
        outcome = reconcile([row("a", COMPLETED)], answer(missing=("arn:task/a1",)), run, after=after)
        assert (len(outcome.doubts.refuted), outcome.counts.completed) == (refuted, 1 - refuted)

    def test_one_of_long_ago_in_a_run_in_which_tasks_end_is_not_believed(self) -> None:
        run = summary(1, last_ended=to_iso(START + timedelta(seconds=60)))
        outcome = reconcile([row("a", COMPLETED)], answer(missing=("arn:task/a1",)), run, after=3300)
        assert len(outcome.doubts.refuted) == 1

    def test_nothing_is_asked_of_what_the_monitor_itself_has_recorded(self) -> None:
        moment = Run(summary(), settings(jobRecords="ecs"), START)
        assert moment.arns_to_ask([row("a", COMPLETED)]) == []

    def test_one_of_a_task_that_was_counted_as_completed_changes_nothing(self) -> None:
        run = summary().counted(Counts(1, 0, 2))
        assert reconcile([row("a", FAILED)], run=run, counted={"a": True}).counts == Counts(1, 0, 2)


class TestTimeLimits:
    REASON = "timed out: the task ran longer than 600 s and was stopped"
    RECORDED = row("a", FAILED, error="TaskTimedOut: timed out")

    @pytest.mark.parametrize(
        ("given", "task", "limit"),
        [
            (row("a", RUNNING), {}, 610),
            (row("a", RUNNING, at=START + timedelta(seconds=40)), {}, 650),
            (row("a", RUNNING, at=START + timedelta(days=1)), {}, 910),
            (row("a", SUBMITTED, at=START - timedelta(seconds=40)), {}, 910),
            (row("a", SUBMITTED, at=START + timedelta(seconds=40)), {}, 910),
            (row("a", SUBMITTED), {"last_status": "PENDING", "started_at": None}, 910),
        ],
        ids=["usual", "slow to start", "wrong clock", "row of the launcher", "its later row", "never starts"],
    )
    def test_a_task_over_its_limit_is_stopped(self, given: TaskRow, task: Any, limit: int) -> None:
        assert not reconcile([given], answer(running("a", **task)), after=limit - 1).stops
        outcome = reconcile([given], answer(running("a", **task)), summary(1), after=limit)
        assert outcome.stops == {"arn:task/a1": self.REASON}
        (update,) = outcome.updates
        assert (update.error, update.stopped_reason) == (f"TaskTimedOut: {self.REASON}", None)
        assert update.exec_time_in_seconds == (None if task else limit)
        assert (outcome.counts, outcome.verdict) == (Counts(0, 0, 1), None), "active until the task has stopped"

    def test_a_stop_that_failed_is_repeated(self) -> None:
        assert asked([self.RECORDED]) == ["arn:task/a1"]
        outcome = reconcile([self.RECORDED], answer(running("a")), summary(1))
        assert len(outcome.stops) == 1 and not outcome.explanations and outcome.verdict is None

    def test_once_it_has_stopped_its_row_says_how(self) -> None:
        outcome = reconcile([self.RECORDED], answer(stopped("a", exit_code=137, stopped_reason="told to")), summary(1))
        (explanation,) = outcome.explanations
        assert (explanation.error, explanation.stopped_reason) == ("TaskTimedOut: timed out", "told to")
        assert (explanation.exit_code, outcome.verdict) == (137, RunStatus.FAILED)

    @pytest.mark.parametrize(("after", "verdict"), [(300, None), (301, RunStatus.FAILED)])
    def test_one_that_ecs_does_not_stop_is_waited_for_five_minutes(self, after: int, verdict: Any) -> None:
        stopping = answer(running("a", desired_status="STOPPED", stopped_reason="told to"))
        outcome = reconcile([self.RECORDED], stopping, summary(1), after=after)
        assert not outcome.stops and outcome.verdict is verdict


class TestRetries:
    @pytest.mark.parametrize(("after", "relaunch"), [(1, False), (2, True)])
    def test_the_launcher_is_called_once_the_backoff_has_passed(self, after: int, relaunch: bool) -> None:
        outcome = reconcile([row("a", FAILED)], run=summary(1, launching_ended=True), taskAttempts=2, after=after)
        assert outcome.relaunch is relaunch

    @pytest.mark.parametrize("pattern", [1, 2])
    def test_the_launcher_is_called_where_it_did_not_finish(self, pattern: int) -> None:
        assert reconcile([row("a", RUNNING)], answer(running("a")), pattern=pattern).relaunch is (pattern == 1)

    @pytest.mark.parametrize(
        ("errors", "attempts", "verdict"),
        [
            (["TaskFailedToStart"] * 3, 1, None),
            (["TaskFailedToStart"] * 3 + ["HostLost"], 1, RunStatus.FAILED),
            (["SpotInterruption"] * 2 + ["JobFailed"], 2, None),
            (["SpotInterruption"] * 2 + ["JobFailed"] * 2, 2, RunStatus.FAILED),
            (["RunTaskRefused"], 9, RunStatus.FAILED),
        ],
    )
    def test_infrastructure_has_three_and_does_not_use_up_the_job_s(
        self, errors: list[str], attempts: int, verdict: RunStatus | None
    ) -> None:
        rows = [row("a", FAILED, n, error=f"{error}: x") for n, error in enumerate(errors, 1)]
        assert reconcile(rows, run=summary(1), taskAttempts=attempts).verdict is verdict

    def test_pattern_2_waits_for_its_state_machine_to_end_launching(self) -> None:
        rows = [row(name, FAILED) for name in NAMES]
        assert reconcile(rows, pattern=2).verdict is None
        assert reconcile(rows, run=summary(launching_ended=True), pattern=2).verdict is RunStatus.FAILED

    def test_pattern_2_does_not_wait_for_ever(self) -> None:
        rows = [row("a", FAILED, error="TaskFailedToStart: x"), row("b", COMPLETED), row("c", FAILED)]
        assert reconcile(rows, pattern=2, after=900).verdict is None
        outcome = reconcile(rows, pattern=2, after=901)
        assert outcome.verdict is RunStatus.FAILED and outcome.counts == Counts(1, 2, 0)


class TestTasksWithoutRow:
    ENDED = summary(launching_ended=True)
    ROWS = (row("a", COMPLETED), row("b", COMPLETED))

    def needs_all_rows(self, rows: Any, run: Summary = ENDED, **changes: Any) -> bool:
        return Run(run, settings(**changes), START).needs_all_rows(rows)

    def reconcile(self, *tasks: EcsTask, rows: Any = ROWS, run: Summary = ENDED, attempts: int = 1) -> Reconciliation:
        return reconcile(list(rows), answer(*tasks), run, every=True, pattern=2, taskAttempts=attempts)

    def test_are_looked_for_only_when_launching_has_ended(self) -> None:
        assert self.needs_all_rows(self.ROWS)
        assert not self.needs_all_rows(self.ROWS, summary())
        assert not self.needs_all_rows([*self.ROWS, row("c", RUNNING)])

    @pytest.mark.parametrize(
        ("of_c", "expected"),
        [
            ([row("c", COMPLETED, 2)], True),
            ([row("c", FAILED), row("c", FAILED, ecs_task_id="arn:task/again"), row("c", COMPLETED, 3)], True),
            ([row("c", FAILED, error="JobFailed: x")], True),
            ([row("c", FAILED, error="JobFailed: x"), row("c", FAILED, 2, error="JobFailed: x")], False),
            ([row("c", FAILED, error="RunTaskRefused: x")], False),
        ],
        ids=["gap", "gap beside a double", "no last", "whole", "refused"],
    )
    def test_are_looked_for_in_pattern_2_where_an_attempt_is_missing(self, of_c: list[TaskRow], expected: bool) -> None:
        assert self.needs_all_rows([*self.ROWS, *of_c], pattern=2, taskAttempts=2) is expected
        assert not self.needs_all_rows([*self.ROWS, *of_c], pattern=1, taskAttempts=2)

    def test_attempts_without_a_row_get_one_each(self) -> None:
        rows = [*self.ROWS, row("c", FAILED, 1, error="JobFailed: x")]
        outcome = self.reconcile(stopped("c", 3, exit_code=137), rows=rows, attempts=3)
        made = {(row.ecs_task_id, row.attempt, (row.error or "").partition(":")[0]) for row in outcome.creations}
        assert made == {("arn:task/c3", 3, "ContainerExited"), ("not-started/c/2", 2, "NoRecord")}
        assert outcome.verdict is RunStatus.FAILED and outcome.counts == Counts(2, 1, 0)

    def test_after_an_attempt_that_fails_in_the_same_look_get_one_at_once(self) -> None:
        rows = [*self.ROWS, row("c", SUBMITTED)]
        outcome = self.reconcile(stopped("c", stop_code="TaskFailedToStart"), running("c", 2), rows=rows, attempts=2)
        assert [made.ecs_task_id for made in (*outcome.updates, *outcome.creations)] == ["arn:task/c1", "arn:task/c2"]

    def test_are_failed_only_once_ecs_has_been_asked(self) -> None:
        outcome = reconcile(list(self.ROWS), run=self.ENDED, pattern=2)
        assert not outcome.creations and outcome.verdict is None

    def test_that_ecs_does_not_know_either_have_no_record(self) -> None:
        outcome = self.reconcile()
        (made,) = outcome.creations
        assert made.ecs_task_id == "not-started/c/1" and made.error.startswith("NoRecord: no record of this task")
        assert outcome.verdict is RunStatus.FAILED and outcome.counts == Counts(2, 1, 0)

    def test_that_were_not_launched_say_what_launching_failed_with(self) -> None:
        (made,) = self.reconcile(run=replace(self.ENDED, launching_error="States.Permissions: no")).creations
        assert made.error.endswith("in this run; launching failed with States.Permissions: no")

    def test_that_ecs_knows_get_a_row_of_what_ecs_says(self) -> None:
        lost = stopped("c", exit_code=137, stop_code="SpotInterruption")
        (made,) = self.reconcile(lost, run=replace(self.ENDED, expires_at=7)).creations
        assert (made.ecs_task_id, made.exit_code, made.attempt) == ("arn:task/c1", 137, 1)
        assert (made.source_uri, made.target_uri) == ("s3://b/in/k.txt", "s3://kit-2/copies/wf/7/c/k.txt")
        assert (made.log_stream, made.stop_code, made.expires_at) == ("ecs/app/c1", "SpotInterruption", 7)

    def test_that_still_run_are_stopped(self) -> None:
        outcome = self.reconcile(running("c"))
        assert list(outcome.stops) == ["arn:task/c1"]
        assert outcome.verdict is RunStatus.FAILED

    @pytest.mark.parametrize(
        ("task", "recorded", "made"),
        [
            (running("a"), ("arn:task/a1",), []),
            (running("a", stop_code="UserInitiated"), (), [(1, "RunEnded: stopped by hand", "UserInitiated")]),
            (
                stopped("a", 2, exit_code=137),
                (),
                [(2, "ContainerExited: the container exited with code 137", None)],
            ),
        ],
        ids=["recorded", "being stopped", "ended before"],
    )
    def test_get_a_terminal_row_where_their_run_was_ended_early(self, task: EcsTask, recorded: Any, made: Any) -> None:
        rows = Run(summary(), settings(2), START).rows_of_unrecorded([task], recorded, "stopped by hand")
        assert [(row.attempt, row.error, row.stop_code) for row in rows] == made
        assert all((row.task_name, row.status) == ("a", FAILED) for row in rows)


class TestIntervals:
    def wait(self, age: float, is_idle: bool = True, *, run_timeout: int = 3600, limit: int = 0, **changes: Any) -> int:
        """How long pattern 1 waits before the next poll of a run of that age in seconds."""
        deployed = settings(runTimeoutSeconds=run_timeout, maxConcurrency=limit)
        run = summary(**{"launching_ended": True, **changes})
        return wait_seconds(run, START + timedelta(seconds=age), deployed, is_idle=is_idle)

    def test_are_short_at_first_and_a_minute_at_most(self) -> None:
        ages = (0, 10, 30, 75, 150, 900, 3000)
        assert [self.wait(age) for age in ages] == [1, 1, 1, 2, 5, 30, 60]
        assert self.wait(86_400, run_timeout=129_600) == 95, "else its history would not last"

    @given(st.floats(0, 129_600))
    def test_leave_a_second_for_the_poll_itself_within_what_is_promised(self, age: float) -> None:
        seconds = self.wait(age)
        assert 1 <= seconds <= 60
        assert seconds + 1 <= max(5, 0.1 * (age + seconds))

    @pytest.mark.parametrize(("age", "timeout", "expected"), [(900, 3600, 10), (900, 129_600, 30), (3600, 21_600, 16)])
    def test_are_short_while_tasks_wait_for_room(self, age: int, timeout: int, expected: int) -> None:
        assert self.wait(age, run_timeout=timeout, limit=2, launching_ended=False) == expected

    @pytest.mark.parametrize(("age", "is_idle", "expected"), [(900, True, 700), (900, False, 30), (3600, True, 1)])
    def test_last_until_the_launcher_retries_where_no_task_is_active(
        self, age: int, is_idle: bool, expected: int
    ) -> None:
        later = to_iso(START + timedelta(seconds=900 + 700))
        assert self.wait(age, is_idle, launching_ended=False, launch_after=later) == expected


class TestEcsDescriptions:
    def test_are_read_with_the_exit_code_of_the_container_that_the_override_names(self) -> None:
        task = to_ecs_task(
            {
                "taskArn": "arn:x",
                "lastStatus": "STOPPED",
                "desiredStatus": "STOPPED",
                "stopCode": "EssentialContainerExited",
                "stoppedReason": "why",
                "createdAt": START,
                "containers": [
                    {"name": "aws-guardduty-agent", "exitCode": 137, "reason": "CannotPullContainerError"},
                    {"name": "app", "exitCode": 3, "reason": "OutOfMemoryError"},
                ],
                "overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "A", "value": "1"}]}]},
                "taskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/kit-1:7",
            }
        )
        assert (task.exit_code, task.container_reason, task.environment) == (3, "OutOfMemoryError", {"A": "1"})
        assert task.is_stopped and task.started_at is None and (task.created_at, task.family) == (START, "kit-1")

    def test_may_lack_almost_everything(self) -> None:
        task = to_ecs_task({"taskArn": "arn:x", "stoppedReason": None, "containers": [{}]})
        assert (task.exit_code, task.stopped_reason, task.is_stopped) == (None, "", False)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        *((f"RunTask{how}: x", FailureKind.REFUSED) for how in ("Refused", "Failed")),
        *((f"{code}: x", FailureKind.REFUSED) for code in ("RunEnded", "ECS.ClientException", "States.X")),
        (None, JOB),
    ],
)
def test_refusals_are_their_own_kind_and_a_row_without_an_error_counts_as_the_job_s(
    error: str | None, kind: FailureKind
) -> None:
    assert failures.kind_of(row("a", FAILED, error=error)) is kind


@pytest.mark.parametrize(
    ("rows", "after", "planned"),
    [
        ([row("a", SUBMITTED), row("b", COMPLETED), row("c", FAILED, error="ECS.X: y")], 60, []),
        ([row("a", FAILED), row("b", FAILED, error="HostLost: x"), row("c", COMPLETED)], 60, ["a", "b"]),
        ([row(n, FAILED, k, error="TaskFailedToStart: x") for n in NAMES for k in (1, 2, 3)], 7, []),
        (
            [row(n, FAILED, k, error="TaskFailedToStart: x") for n in NAMES for k in (1, 2, 3)],
            8,
            ["a", "b", "c"],
        ),
    ],
    ids=["none", "retries", "not before the backoff", "after it"],
)
def test_retries_are_due_after_the_last_attempt(rows: list[TaskRow], after: int, planned: list[str]) -> None:
    states = task_states(rows)
    due = due_retries(states.values(), 2, START + timedelta(seconds=after))
    assert due == [states[name].rows[-1] for name in planned]


def test_no_retry_is_due_of_an_attempt_that_another_follows_which_is_not_seen_yet() -> None:
    states = task_states([row("a", FAILED, retried_by="arn:task/a2")])
    assert due_retries(states.values(), 2, START + timedelta(seconds=60)) == [] and states["a"].is_open


errors = st.sampled_from(
    ["JobFailed: x", "TaskFailedToStart: x", "Terminated: x", "RunTaskFailed: x", "HostLost: x", None]
)
made_rows = st.lists(
    st.builds(
        lambda name, attempt, status, error, reason: row(
            name, status, attempt, error=error if status is FAILED else None, stopped_reason=reason
        ),
        st.sampled_from(NAMES),
        st.integers(1, 5),
        st.sampled_from(list(TaskStatus)),
        errors,
        st.sampled_from([None, SPOT_REASON]),
    ),
    max_size=12,
    unique_by=lambda made: made.ecs_task_id,
)
made_tasks = st.lists(
    st.builds(
        lambda name, attempt, last, code, stop: running(
            name, attempt, last_status=last, exit_code=code, stop_code=stop, environment=environment(name)
        ),
        st.sampled_from(NAMES),
        st.integers(1, 5),
        st.sampled_from(["PENDING", "RUNNING", "STOPPED"]),
        st.sampled_from([None, 0, 1, 137]),
        st.sampled_from(["", "TaskFailedToStart", "SpotInterruption", "UserInitiated"]),
    ),
    max_size=12,
    unique_by=lambda made: made.arn,
)


class TestProperties:
    @given(made_rows, made_tasks, st.booleans(), st.booleans(), st.sampled_from([1, 2]), st.integers(0, 2000))
    def test_hold_for_whatever_was_written_and_whatever_ecs_says(
        self, rows: list[TaskRow], tasks: list[EcsTask], ended: bool, listed: bool, pattern: int, after: int
    ) -> None:
        missing = tuple({made.ecs_task_id for made in rows} - {task.arn for task in tasks})
        ecs = answer(*tasks, missing=missing)
        run = summary(launching_ended=ended)
        outcome = reconcile(rows, ecs, run, after=after, every=listed, pattern=pattern, taskAttempts=2)
        counts = outcome.counts
        assert counts.completed + counts.failed + counts.running == 3
        assert min(counts.completed, counts.failed, counts.running) >= 0
        final = {made.ecs_task_id for made in rows if made.status.is_final}
        assert not final & {update.ecs_task_id for update in outcome.updates}
        assert all(made.status is FAILED for made in (*outcome.updates, *outcome.creations))
        assert (outcome.verdict is not None) <= (counts.running == 0)
        assert outcome.verdict is not RunStatus.COMPLETED or counts.completed == 3
        assert 1 <= outcome.wait_seconds <= 60

    @given(made_rows, made_tasks, st.sampled_from([1, 2]), st.integers(0, 2000))
    def test_a_second_reconciliation_of_what_the_first_wrote_decides_nothing_new(
        self, rows: list[TaskRow], tasks: list[EcsTask], pattern: int, after: int
    ) -> None:
        run, ecs = summary(launching_ended=True), answer(*tasks)
        first = reconcile(rows, ecs, run, after=after, every=True, pattern=pattern)
        written = {made.ecs_task_id: made for made in (*rows, *first.updates, *first.explanations, *first.creations)}
        second = reconcile(list(written.values()), ecs, run, after=after, every=True, pattern=pattern)
        assert not (second.updates or second.explanations or second.creations)
        assert (second.counts, second.verdict) == (first.counts, first.verdict)

    @given(made_rows, made_tasks)
    def test_once_everything_has_stopped_a_run_ends(self, rows: list[TaskRow], tasks: list[EcsTask]) -> None:
        gone = [replace(task, last_status="STOPPED") for task in tasks]
        missing = tuple({made.ecs_task_id for made in rows} - {task.arn for task in gone})
        ecs = answer(*gone, missing=missing)
        outcome = reconcile(rows, ecs, summary(launching_ended=True), after=301, every=True, pattern=2)
        assert outcome.verdict is not None
        assert len(task_states([*rows, *outcome.creations])) == 3
