"""Reconciliation: rows and ECS's word in, truth out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_kit.runtime.contract import failures
from ecs_kit.runtime.contract.attempts import plan_launches, task_states
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask, to_ecs_task
from ecs_kit.runtime.contract.failures import FailureKind
from ecs_kit.runtime.contract.records import Counts, Summary, TaskRow, not_started_id
from ecs_kit.runtime.contract.settings import Settings, from_json
from ecs_kit.runtime.contract.specs import TaskEntry
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from ecs_kit.runtime.contract.waits import wait_seconds
from ecs_kit.runtime.monitor import reconciliation
from ecs_kit.runtime.monitor.reconciliation import EcsAnswer, Reconciliation, reconcile
from tests.unit.runtime.fakes import START, settings_json

NAMES = ("a", "b", "c")
RUNNING, SUBMITTED, COMPLETED, FAILED = (
    TaskStatus.RUNNING,
    TaskStatus.SUBMITTED,
    TaskStatus.COMPLETED,
    TaskStatus.FAILED,
)


def settings(pattern: int = 1, **changes: Any) -> Settings:
    return from_json(settings_json(pattern, **changes))


OF_RUN = {"KIT_WORKFLOW_NAME": "wf", "KIT_WORKFLOW_RUN_ID": "7"}


def summary(tasks: int = 3, **changes: Any) -> Summary:
    run = Summary("wf", 7, RunStatus.RUNNING, tasks, "arn:x", to_iso(START), to_iso(START))
    return replace(run, **changes)


def row(name: str, status: TaskStatus, attempt: int = 1, at: datetime = START, **changes: Any) -> TaskRow:
    made = TaskRow(7, f"arn:task/{name}{attempt}", "wf", name, attempt, status, to_iso(at), to_iso(at))
    return replace(made, **changes)


def running(name: str, attempt: int = 1, **changes: Any) -> EcsTask:
    task = EcsTask(f"arn:task/{name}{attempt}", "RUNNING", created_at=START, started_at=START)
    return replace(task, **changes)


def stopped(name: str, attempt: int = 1, **changes: Any) -> EcsTask:
    given: dict[str, Any] = {"exit_code": 1, "stopped_reason": "Essential container in task exited", **changes}
    return replace(running(name, attempt), last_status="STOPPED", stopped_at=START + timedelta(seconds=9), **given)


def answer(*tasks: EcsTask, missing: tuple[str, ...] = (), listed: bool = False) -> EcsAnswer:
    return EcsAnswer({task.arn: task for task in tasks}, frozenset(missing), listed)


def look(
    rows: list[TaskRow],
    ecs: EcsAnswer | None = None,
    *,
    after: float = 60,
    run: Summary | None = None,
    deployed: Settings | None = None,
) -> Reconciliation:
    now = START + timedelta(seconds=after)
    return reconcile(run or summary(), rows, ecs or answer(), now, deployed or settings(), NAMES)


class TestCounts:
    def test_are_of_tasks_not_of_rows(self) -> None:
        rows = [row("a", FAILED, 1), row("a", COMPLETED, 2), row("b", RUNNING), row("c", FAILED)]
        assert look(rows, answer(running("b"))).counts == Counts(1, 1, 1)

    def test_tasks_not_launched_yet_count_as_running(self) -> None:
        assert look([]).counts == Counts(0, 0, 3)

    def test_a_task_that_is_to_be_tried_again_counts_as_running(self) -> None:
        outcome = look([row("a", FAILED)], run=summary(1), deployed=settings(taskAttempts=2))
        assert outcome.counts == Counts(0, 0, 1) and outcome.verdict is None

    def test_a_task_with_a_late_second_failure_stays_completed(self) -> None:
        assert look([row("a", COMPLETED), row("a", FAILED, 2)], run=summary(1)).counts == Counts(1, 0, 0)


class TestVerdicts:
    def test_all_completed(self) -> None:
        assert look([row(name, COMPLETED) for name in NAMES]).verdict is RunStatus.COMPLETED

    def test_none_while_a_task_runs(self) -> None:
        rows = [row("a", COMPLETED), row("b", COMPLETED), row("c", RUNNING)]
        assert look(rows, answer(running("c"))).verdict is None

    @pytest.mark.parametrize(
        ("tolerated", "verdict"),
        [(0, RunStatus.FAILED), (29, RunStatus.FAILED), (30, RunStatus.COMPLETED_WITH_FAILURES)],
    )
    def test_three_of_ten_failed(self, tolerated: int, verdict: RunStatus) -> None:
        rows = [row(f"t{n}", FAILED if n < 3 else COMPLETED) for n in range(10)]
        outcome = look(rows, run=summary(10), deployed=settings(toleratedFailurePercentage=tolerated))
        assert outcome.verdict is verdict and outcome.counts == Counts(7, 3, 0)

    @pytest.mark.parametrize("pattern", [1, 2])
    def test_none_while_a_further_attempt_at_a_completed_task_runs(self, pattern: int) -> None:
        rows = [*(row(name, COMPLETED) for name in NAMES), row("a", RUNNING, 2)]
        outcome = look(rows, answer(running("a", 2)), deployed=settings(pattern))
        assert outcome.verdict is None and outcome.counts == Counts(3, 0, 0)
        ended = look(rows, answer(stopped("a", 2)), deployed=settings(pattern))
        assert ended.verdict is RunStatus.COMPLETED and [update.attempt for update in ended.updates] == [2]

    def test_all_failed_is_no_success(self) -> None:
        assert look([row(name, FAILED) for name in NAMES]).verdict is RunStatus.FAILED


class TestStoppedTasks:
    def test_become_failed_with_ecs_s_reason_and_exit_code(self) -> None:
        outcome = look([row("a", RUNNING)], answer(stopped("a", exit_code=137, container_reason="OutOfMemoryError: x")))
        (update,) = outcome.updates
        assert update.status is FAILED
        assert (update.stopped_reason, update.exit_code) == ("Essential container in task exited", 137)
        assert update.error == "ContainerExited: the container exited with code 137 (OutOfMemoryError: x)"
        assert update.exec_time_in_seconds == 9

    @pytest.mark.parametrize(
        ("of_task", "of_container", "said"),
        [
            ("CannotPullContainerError: x", "CannotPullContainerError: x", "CannotPullContainerError: x"),
            ("CannotPullContainerError: x", "y", "CannotPullContainerError: x (y)"),
            ("", "y", "the ECS task stopped (y)"),
        ],
    )
    def test_say_once_what_ecs_says_of_the_task_and_of_its_container(
        self, of_task: str, of_container: str, said: str
    ) -> None:
        task = stopped(
            "a",
            exit_code=None,
            stop_code="TaskFailedToStart",
            stopped_reason=of_task,
            container_reason=of_container,
        )
        (update,) = look([row("a", RUNNING)], answer(task)).updates
        assert update.error == f"TaskFailedToStart: {said}"

    def test_exit_code_zero_without_a_record_is_a_failure(self) -> None:
        (update,) = look([row("a", RUNNING)], answer(stopped("a", exit_code=0))).updates
        assert update.error == "NoRecord: the container exited with code 0 but did not record its result"

    def test_rows_that_are_final_are_not_asked_about(self) -> None:
        rows = [row("a", COMPLETED), row("b", FAILED, error="JobFailed: x"), row("c", RUNNING)]
        rows.append(row("d", FAILED, ecs_task_id=not_started_id("d", 1)))
        assert reconciliation.arns_to_ask(rows) == ["arn:task/c1"]

    def test_one_told_to_stop_waits_for_ecs_to_say_why(self) -> None:
        told = row("a", FAILED, error="Terminated: SIGTERM", exit_code=143)
        assert reconciliation.arns_to_ask([told]) == ["arn:task/a1"]
        assert look([told], answer(running("a")), run=summary(1)).verdict is None
        outcome = look([told], answer(stopped("a", exit_code=143, stopped_reason="stopped by hand")), run=summary(1))
        (explanation,) = outcome.explanations
        assert explanation.stopped_reason == "stopped by hand" and explanation.error == "Terminated: SIGTERM"
        assert outcome.verdict is RunStatus.FAILED and outcome.changes_rows

    def test_one_told_to_stop_is_explained_as_soon_as_ecs_has_a_reason(self) -> None:
        told = row("a", FAILED, error="Terminated: SIGTERM", exit_code=143)
        stopping = running("a", last_status="DEPROVISIONING", stopped_reason="stopped by hand")
        assert look([told], answer(stopping), run=summary(1)).verdict is RunStatus.FAILED

    def test_one_told_to_stop_by_spot_is_tried_again(self) -> None:
        told = row("a", FAILED, error="Terminated: SIGTERM", exit_code=143)
        spot = stopped("a", stop_code="SpotInterruption", stopped_reason="Your Spot Task was interrupted.")
        outcome = look([told], answer(spot), run=summary(1))
        assert outcome.verdict is None
        assert failures.kind_of(outcome.explanations[0]) is FailureKind.INFRASTRUCTURE

    @pytest.mark.parametrize("code", ["SpotInterruption", "TerminationNotice", "InfrastructureHealth"])
    def test_ecs_s_code_decides_whatever_its_sentence_and_the_row_s_own_error_say(self, code: str) -> None:
        told = row("a", FAILED, error="Terminated: SIGTERM", exit_code=143)
        task = stopped("a", stop_code=code, stopped_reason="in other words than today's")
        outcome = look([told], answer(task), run=summary(1))
        (explanation,) = outcome.explanations
        assert (explanation.stop_code, explanation.error) == (code, "Terminated: SIGTERM")
        assert failures.kind_of(explanation) is FailureKind.INFRASTRUCTURE and outcome.verdict is None

    def test_one_told_to_stop_that_ecs_forgot_does_not_wait_for_ever(self) -> None:
        told = row("a", FAILED, error="Terminated: SIGTERM", exit_code=143)
        outcome = look([told], answer(missing=("arn:task/a1",)), after=301, run=summary(1))
        assert outcome.explanations[0].stopped_reason
        assert outcome.verdict is RunStatus.FAILED


class TestMissingTasks:
    @pytest.mark.parametrize(("after", "failed"), [(299, 0), (300, 1)])
    def test_count_only_five_minutes_after_the_row(self, after: int, failed: int) -> None:
        outcome = look([row("a", SUBMITTED)], answer(missing=("arn:task/a1",)), after=after)
        assert len(outcome.updates) == failed

    def test_are_tried_again(self) -> None:
        outcome = look([row("a", SUBMITTED)], answer(missing=("arn:task/a1",)), after=301)
        assert outcome.updates[0].error.startswith("TaskMissing: ") and outcome.counts.failed == 0

    def test_not_described_at_all_changes_nothing(self) -> None:
        assert not look([row("a", SUBMITTED)], after=9999).changes_rows


class TestTimeLimits:
    @pytest.mark.parametrize(("after", "stops"), [(609, 0), (610, 1)])
    def test_a_task_over_its_limit_is_stopped(self, after: int, stops: int) -> None:
        outcome = look([row("a", RUNNING)], answer(running("a")), after=after)
        assert len(outcome.stops) == len(outcome.updates) == stops

    @pytest.mark.parametrize(("after", "stops"), [(649, 0), (650, 1)])
    def test_the_limit_counts_from_where_the_task_itself_began_to_count(self, after: int, stops: int) -> None:
        slow_to_start = row("a", RUNNING, at=START + timedelta(seconds=40))
        assert len(look([slow_to_start], answer(running("a")), after=after).stops) == stops

    @pytest.mark.parametrize(("after", "stops"), [(909, 0), (910, 1)])
    def test_a_task_s_wrong_clock_puts_its_limit_off_by_five_minutes_at_most(self, after: int, stops: int) -> None:
        ahead = row("a", RUNNING, at=START + timedelta(days=1))
        assert len(look([ahead], answer(running("a")), after=after).stops) == stops

    @pytest.mark.parametrize("row_time", [START - timedelta(seconds=40), START + timedelta(seconds=40)])
    def test_a_row_that_the_task_has_not_written_says_nothing_about_its_start(self, row_time: datetime) -> None:
        submitted = row("a", SUBMITTED, at=row_time)
        assert len(look([submitted], answer(running("a")), after=609).stops) == 0
        assert len(look([submitted], answer(running("a")), after=610).stops) == 1

    def test_its_row_says_so(self) -> None:
        outcome = look([row("a", RUNNING)], answer(running("a")), after=700)
        reason = "timed out: the task ran longer than 600 s and was stopped"
        assert outcome.stops[0].reason == reason
        assert outcome.updates[0].error == f"TaskTimedOut: {reason}"
        assert outcome.updates[0].exec_time_in_seconds == 700

    def test_the_run_goes_on_until_the_task_has_stopped(self) -> None:
        outcome = look([row("a", RUNNING)], answer(running("a")), after=700, run=summary(1))
        assert outcome.updates[0].stopped_reason is None and not outcome.explanations
        assert (outcome.counts, outcome.verdict) == (Counts(0, 0, 1), None)

    def test_an_order_to_stop_that_failed_is_given_again(self) -> None:
        noted = row("a", FAILED, error="TaskTimedOut: timed out")
        assert reconciliation.arns_to_ask([noted]) == ["arn:task/a1"]
        outcome = look([noted], answer(running("a")), run=summary(1))
        assert len(outcome.stops) == 1 and not outcome.changes_rows and outcome.verdict is None

    def test_once_it_has_stopped_its_row_says_how(self) -> None:
        noted = row("a", FAILED, error="TaskTimedOut: timed out")
        outcome = look([noted], answer(stopped("a", exit_code=137, stopped_reason="told to")), run=summary(1))
        (explanation,) = outcome.explanations
        assert (explanation.error, explanation.stopped_reason) == ("TaskTimedOut: timed out", "told to")
        assert (explanation.exit_code, outcome.verdict) == (137, RunStatus.FAILED)

    @pytest.mark.parametrize(("after", "verdict"), [(300, None), (301, RunStatus.FAILED)])
    def test_one_that_ecs_does_not_stop_is_not_waited_for_longer_than_five_minutes(
        self, after: int, verdict: RunStatus | None
    ) -> None:
        noted = row("a", FAILED, error="TaskTimedOut: timed out")
        stopping = answer(running("a", desired_status="STOPPED", stopped_reason="told to"))
        outcome = look([noted], stopping, after=after, run=summary(1))
        assert not outcome.stops and outcome.verdict is verdict

    def test_a_task_that_ended_itself_at_its_limit_is_not_asked_about(self) -> None:
        assert reconciliation.arns_to_ask([row("a", FAILED, error="TaskTimedOut: x", exit_code=124)]) == []

    @pytest.mark.parametrize(("after", "stops"), [(909, 0), (910, 1)])
    def test_one_that_never_starts_has_five_minutes_more(self, after: int, stops: int) -> None:
        pending = running("a", last_status="PENDING", started_at=None)
        assert len(look([row("a", SUBMITTED)], answer(pending), after=after).stops) == stops


class TestRetries:
    def test_the_launcher_is_called_once_the_pause_has_passed(self) -> None:
        deployed = settings(taskAttempts=2)
        rows = [row("a", FAILED)]
        assert not look(rows, run=summary(1, launching_ended=True), deployed=deployed, after=1).relaunch
        assert look(rows, run=summary(1, launching_ended=True), deployed=deployed, after=2).relaunch

    def test_the_launcher_is_called_where_it_did_not_finish(self) -> None:
        assert look([row("a", RUNNING)], answer(running("a"))).relaunch
        assert not look([row("a", RUNNING)], answer(running("a")), deployed=settings(2)).relaunch

    def test_infrastructure_is_tried_three_times_more(self) -> None:
        rows = [row("a", FAILED, n, error="TaskFailedToStart: x") for n in (1, 2, 3)]
        assert look(rows, run=summary(1)).verdict is None
        assert look([*rows, row("a", FAILED, 4, error="HostLost: x")], run=summary(1)).verdict is RunStatus.FAILED

    def test_infrastructure_does_not_use_up_the_job_s_attempts(self) -> None:
        deployed = settings(taskAttempts=2)
        rows = [row("a", FAILED, n, error="SpotInterruption: x") for n in (1, 2)] + [
            row("a", FAILED, 3, error="JobFailed: x")
        ]
        assert look(rows, run=summary(1), deployed=deployed).verdict is None
        rows.append(row("a", FAILED, 4, error="JobFailed: x"))
        assert look(rows, run=summary(1), deployed=deployed).verdict is RunStatus.FAILED

    def test_what_ecs_refuses_is_not_tried_again(self) -> None:
        refused = row("a", FAILED, ecs_task_id=not_started_id("a", 1), error="RunTaskRefused: AccessDenied")
        assert look([refused], run=summary(1), deployed=settings(taskAttempts=9)).verdict is RunStatus.FAILED

    def test_pattern_2_waits_for_its_state_machine_to_end_launching(self) -> None:
        rows = [row(name, FAILED) for name in NAMES]
        assert look(rows, deployed=settings(2)).verdict is None
        ended = summary(launching_ended=True)
        assert look(rows, run=ended, deployed=settings(2)).verdict is RunStatus.FAILED

    def test_pattern_2_does_not_wait_for_ever(self) -> None:
        rows = [row("a", FAILED, error="TaskFailedToStart: x"), row("b", COMPLETED), row("c", FAILED)]
        assert look(rows, deployed=settings(2), after=900).verdict is None
        outcome = look(rows, deployed=settings(2), after=901)
        assert outcome.verdict is RunStatus.FAILED and outcome.counts == Counts(1, 2, 0)

    def test_pattern_2_needs_nothing_more_once_all_completed(self) -> None:
        assert look([row(n, COMPLETED) for n in NAMES], deployed=settings(2)).verdict is RunStatus.COMPLETED


class TestTasksWithoutRow:
    ENDED = summary(launching_ended=True)
    ROWS = (row("a", COMPLETED), row("b", COMPLETED))

    def environment(self, name: str, attempt: int = 1) -> dict[str, str]:
        source = {"KIT_SOURCE_BUCKET": "b", "KIT_SOURCE_KEY": "in/k.txt"}
        return {**OF_RUN, "KIT_TASK_NAME": name, "KIT_ATTEMPT": str(attempt), **source}

    def test_are_looked_for_only_when_launching_has_ended(self) -> None:
        assert reconciliation.needs_listing(self.ENDED, self.ROWS, settings())
        assert not reconciliation.needs_listing(summary(), self.ROWS, settings())
        assert not reconciliation.needs_listing(self.ENDED, [*self.ROWS, row("c", RUNNING)], settings())

    def test_are_looked_for_in_pattern_2_where_an_attempt_is_missing(self) -> None:
        deployed = settings(2, taskAttempts=2)
        gap = [*self.ROWS, row("c", COMPLETED, 2)]
        no_last = [*self.ROWS, row("c", FAILED, 1, error="JobFailed: x")]
        whole = [*self.ROWS, row("c", FAILED, 1, error="JobFailed: x"), row("c", FAILED, 2, error="JobFailed: x")]
        refused = [*self.ROWS, row("c", FAILED, 1, error="RunTaskRefused: x")]
        found = [reconciliation.needs_listing(self.ENDED, rows, deployed) for rows in (gap, no_last, whole, refused)]
        assert found == [True, True, False, False]
        assert not reconciliation.needs_listing(self.ENDED, no_last, settings(1, taskAttempts=2))

    def test_attempts_without_a_row_get_one_each(self) -> None:
        rows = [*self.ROWS, row("c", FAILED, 1, error="JobFailed: x")]
        third = stopped("c", 3, exit_code=137, environment=self.environment("c", 3))
        outcome = look(rows, answer(third, listed=True), run=self.ENDED, deployed=settings(2, taskAttempts=3))
        made = {(row.ecs_task_id, row.attempt, (row.error or "").partition(":")[0]) for row in outcome.creations}
        assert made == {("arn:task/c3", 3, "ContainerExited"), ("not-started/c/2", 2, "NoRecord")}
        assert outcome.verdict is RunStatus.FAILED and outcome.counts == Counts(2, 1, 0)

    def test_are_failed_only_once_ecs_has_been_asked(self) -> None:
        outcome = look(list(self.ROWS), run=self.ENDED, deployed=settings(2))
        assert not outcome.creations and outcome.verdict is None

    def test_that_ecs_does_not_know_either_have_no_record(self) -> None:
        outcome = look(list(self.ROWS), answer(listed=True), run=self.ENDED, deployed=settings(2))
        (made,) = outcome.creations
        assert made.ecs_task_id == "not-started/c/1" and made.error.startswith("NoRecord: no record of this task")
        assert outcome.verdict is RunStatus.FAILED and outcome.counts == Counts(2, 1, 0)

    def test_that_ecs_knows_get_a_row_of_what_ecs_says(self) -> None:
        lost = stopped("c", exit_code=137, environment=self.environment("c"))
        outcome = look(list(self.ROWS), answer(lost, listed=True), run=self.ENDED, deployed=settings(2))
        (made,) = outcome.creations
        assert (made.ecs_task_id, made.exit_code, made.attempt) == ("arn:task/c1", 137, 1)
        assert (made.source_uri, made.target_uri) == ("s3://b/in/k.txt", "s3://kit-2/copies/wf/7/c/k.txt")
        assert made.log_stream == "ecs/app/c1"

    def test_their_rows_keep_ecs_s_code_and_go_with_the_run_s(self) -> None:
        lost = stopped("c", stop_code="SpotInterruption", environment=self.environment("c"))
        run = replace(self.ENDED, expires_at=7)
        outcome = look(list(self.ROWS), answer(lost, listed=True), run=run, deployed=settings(2))
        assert [(made.stop_code, made.expires_at) for made in outcome.creations] == [("SpotInterruption", 7)]

    def test_that_still_run_are_stopped(self) -> None:
        lost = running("c", environment=self.environment("c"))
        outcome = look(list(self.ROWS), answer(lost, listed=True), run=self.ENDED, deployed=settings(2))
        assert [stop.ecs_task_arn for stop in outcome.stops] == ["arn:task/c1"]
        assert outcome.verdict is RunStatus.FAILED


class TestRunsThatWereEndedEarly:
    def rows(self, *tasks: EcsTask, recorded: tuple[str, ...] = ()) -> list[TaskRow]:
        return reconciliation.rows_of_unrecorded(summary(), tasks, recorded, "stopped by hand", START, settings(2))

    def test_a_task_that_has_a_row_gets_no_other(self) -> None:
        assert self.rows(running("a"), recorded=("arn:task/a1",)) == []

    def test_a_task_that_is_being_stopped_gets_a_row_that_says_so(self) -> None:
        stopping = running(
            "a", stop_code="UserInitiated", environment={**OF_RUN, "KIT_TASK_NAME": "a", "KIT_ATTEMPT": "1"}
        )
        (made,) = self.rows(stopping)
        assert (made.task_name, made.status, made.error) == ("a", FAILED, "RunEnded: stopped by hand")
        assert made.stop_code == "UserInitiated"

    def test_a_task_that_had_ended_before_gets_a_row_of_what_ecs_says(self) -> None:
        (made,) = self.rows(
            stopped("a", exit_code=137, environment={**OF_RUN, "KIT_TASK_NAME": "a", "KIT_ATTEMPT": "2"})
        )
        assert (made.attempt, made.error) == (2, "ContainerExited: the container exited with code 137")


def wait(age: float, *under_way: str, **changes: Any) -> int:
    """How long pattern 1 waits before the next look at a run of that age in seconds."""
    run_timeout = changes.pop("run_timeout_seconds", 3600)
    deployed = settings(runTimeoutSeconds=run_timeout, maxConcurrency=changes.pop("max_concurrency", 0))
    run = summary(**{"launching_ended": True, **changes})
    return wait_seconds(run, START + timedelta(seconds=age), deployed, is_idle=not under_way)


class TestWaits:
    def test_are_short_at_first_and_a_minute_at_most(self) -> None:
        ages = (0, 10, 30, 75, 150, 900, 3000)
        assert [wait(age) for age in ages] == [1, 1, 2, 5, 10, 60, 60]

    def test_are_longer_in_a_run_whose_history_would_not_last(self) -> None:
        assert wait(86_400, run_timeout_seconds=129_600) == 93

    @given(st.floats(0, 129_600))
    def test_leave_a_second_for_the_look_itself_within_what_is_promised(self, age: float) -> None:
        seconds = wait(age)
        assert 1 <= seconds <= 60
        assert seconds + 1 <= max(5, 0.1 * (age + seconds))

    def test_are_short_while_tasks_wait_for_room(self) -> None:
        assert wait(900, launching_ended=False, max_concurrency=2) == 10
        assert wait(900, launching_ended=False, run_timeout_seconds=129_600, max_concurrency=2) == 60
        assert wait(3600, launching_ended=False, run_timeout_seconds=21_600, max_concurrency=2) == 16

    def test_last_until_the_launcher_is_to_ask_again_where_no_task_is_under_way(self) -> None:
        later = to_iso(START + timedelta(seconds=900 + 700))
        assert wait(900, launching_ended=False, launch_after=later) == 700
        assert wait(900, "task_01", launching_ended=False, launch_after=later) == 60
        assert wait(3600, launching_ended=False, launch_after=later) == 1


class TestEcsDescriptions:
    def test_are_read_with_the_first_exit_code_that_is_not_zero(self) -> None:
        task = to_ecs_task(
            {
                "taskArn": "arn:x",
                "lastStatus": "STOPPED",
                "desiredStatus": "STOPPED",
                "stopCode": "EssentialContainerExited",
                "stoppedReason": "why",
                "group": "run-7",
                "createdAt": START,
                "containers": [{"exitCode": 0}, {"exitCode": 3, "reason": "OutOfMemoryError"}, {}],
                "overrides": {"containerOverrides": [{"environment": [{"name": "A", "value": "1"}]}]},
            }
        )
        assert (task.exit_code, task.container_reason, task.environment) == (3, "OutOfMemoryError", {"A": "1"})
        assert task.is_stopped and task.started_at is None and task.created_at == START

    def test_may_lack_almost_everything(self) -> None:
        task = to_ecs_task({"taskArn": "arn:x", "stoppedReason": None, "containers": [{}]})
        assert (task.exit_code, task.stopped_reason, task.is_stopped) == (None, "", False)


class TestFailures:
    @pytest.mark.parametrize(
        ("changes", "error", "kind"),
        [
            (
                {"stop_code": "TaskFailedToStart", "exit_code": None, "stopped_reason": "CannotPullContainerError: x"},
                "TaskFailedToStart: CannotPullContainerError: x",
                FailureKind.INFRASTRUCTURE,
            ),
            (
                {
                    "stop_code": "SpotInterruption",
                    "stopped_reason": "Your Spot Task was interrupted.",
                    "exit_code": 143,
                },
                "SpotInterruption: Your Spot Task was interrupted.",
                FailureKind.INFRASTRUCTURE,
            ),
            (
                {"stopped_reason": "Host EC2 (instance i-0) terminated.", "exit_code": None},
                "HostLost: Host EC2 (instance i-0) terminated.",
                FailureKind.INFRASTRUCTURE,
            ),
            ({"exit_code": 1}, "ContainerExited: the container exited with code 1", FailureKind.JOB),
            (
                {"stop_code": "UserInitiated", "stopped_reason": "by hand", "exit_code": None},
                "TaskStopped: by hand",
                FailureKind.JOB,
            ),
            ({"stopped_reason": "", "exit_code": None}, "TaskStopped: the ECS task stopped", FailureKind.JOB),
        ],
    )
    def test_say_who_failed(self, changes: dict[str, Any], error: str, kind: FailureKind) -> None:
        failure = failures.of_stopped_task(stopped("a", **changes))
        assert failure.error == error
        assert failures.kind_of(row("a", FAILED, error=error, stopped_reason=failure.stopped_reason)) is kind

    @pytest.mark.parametrize("code", ["RunTaskRefused", "RunTaskFailed", "RunEnded", "ECS.ClientException", "States.X"])
    def test_refusals_of_ecs_are_their_own_kind(self, code: str) -> None:
        assert failures.kind_of(row("a", FAILED, error=f"{code}: x")) is FailureKind.REFUSED

    def test_a_row_without_error_counts_as_the_job_s(self) -> None:
        assert failures.kind_of(row("a", FAILED)) is FailureKind.JOB


class TestLaunchPlans:
    TASKS = tuple(TaskEntry(name, "b", "k") for name in NAMES)

    def plan(self, rows: list[TaskRow], task_attempts: int = 1, after: float = 60) -> list[tuple[str, int]]:
        launches = plan_launches(self.TASKS, rows, task_attempts, START + timedelta(seconds=after))
        return [(launch.entry.name, launch.attempt) for launch in launches]

    def test_begin_with_every_task(self) -> None:
        assert self.plan([]) == [("a", 1), ("b", 1), ("c", 1)]

    def test_leave_out_what_has_a_row(self) -> None:
        assert self.plan([row("a", SUBMITTED), row("b", COMPLETED), row("c", FAILED)]) == []

    def test_try_again_what_may_be(self) -> None:
        rows = [row("a", FAILED), row("b", FAILED, error="HostLost: x"), row("c", COMPLETED)]
        assert self.plan(rows, task_attempts=2) == [("a", 2), ("b", 2)]

    def test_let_the_pause_grow(self) -> None:
        rows = [row(n, FAILED, k, error="TaskFailedToStart: x") for n in NAMES for k in (1, 2, 3)]
        assert self.plan(rows, after=7) == [] and self.plan(rows, after=8) == [("a", 4), ("b", 4), ("c", 4)]


statuses = st.sampled_from(list(TaskStatus))
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
        statuses,
        errors,
        st.sampled_from([None, "Your Spot Task was interrupted."]),
    ),
    max_size=12,
    unique_by=lambda made: made.ecs_task_id,
)
made_tasks = st.lists(
    st.builds(
        lambda name, attempt, last, code, stop: replace(
            running(name, attempt),
            last_status=last,
            exit_code=code,
            stop_code=stop,
            environment={**OF_RUN, "KIT_TASK_NAME": name},
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
        run, deployed = summary(launching_ended=ended), settings(pattern, taskAttempts=2)
        known = {task.arn for task in tasks}
        ecs = answer(*tasks, missing=tuple({made.ecs_task_id for made in rows} - known), listed=listed)
        outcome = look(rows, ecs, after=after, run=run, deployed=deployed)
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
    def test_a_second_look_at_what_the_first_wrote_decides_nothing_new(
        self, rows: list[TaskRow], tasks: list[EcsTask], pattern: int, after: int
    ) -> None:
        run, deployed = summary(launching_ended=True), settings(pattern)
        ecs = answer(*tasks, listed=True)
        first = look(rows, ecs, after=after, run=run, deployed=deployed)
        written = {made.ecs_task_id: made for made in (*rows, *first.updates, *first.explanations, *first.creations)}
        second = look(list(written.values()), ecs, after=after, run=run, deployed=deployed)
        assert not second.changes_rows
        assert (second.counts, second.verdict) == (first.counts, first.verdict)

    @given(made_rows, made_tasks)
    def test_once_everything_has_stopped_a_run_has_an_end(self, rows: list[TaskRow], tasks: list[EcsTask]) -> None:
        every = {made.ecs_task_id: made for made in rows}
        gone = [replace(task, last_status="STOPPED") for task in tasks]
        missing = tuple(set(every) - {task.arn for task in gone})
        run, deployed = summary(launching_ended=True), settings(2)
        outcome = look(rows, answer(*gone, missing=missing, listed=True), after=301, run=run, deployed=deployed)
        assert outcome.verdict is not None
        assert len(task_states([*rows, *outcome.creations])) == 3
