"""The monitor: register, follow, end, sweep."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError

from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.errors import PayloadInvalid, RedriveRefused, RunIdInUse, RunNotFound, TasksStillRunning
from ecs_kit.runtime.contract.records import Counts, TaskRow
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.monitor import messages
from tests.unit.runtime.fakes import (
    ACCOUNT,
    EXECUTION,
    REGION,
    STATE_MACHINE,
    client_error,
    execution,
    infrastructure,
    spec,
)


def plenty() -> float:
    return 300


def launch(w: Any, tasks: int = 3, **changes: Any) -> None:
    w.launcher.launch({"action": "launch", "execution": execution(), "spec": spec(tasks=tasks, **changes)}, plenty)


def look(w: Any, **changes: Any) -> dict[str, Any]:
    payload = {"action": "monitor", "execution": execution(), "workflowName": "copying", "runId": str(w.run_id)}
    result: dict[str, Any] = w.monitor.monitor({**payload, **changes})
    return result


def finish(w: Any, status: TaskStatus = TaskStatus.COMPLETED, *names: str, **changes: Any) -> None:
    for row in w.rows():
        if not names or row.task_name in names:
            w.details.write(replace(row, status=status, update_time=to_iso(w.clock.now()), **changes))
            w.ecs.end(row.ecs_task_id, 0 if status is TaskStatus.COMPLETED else 1)


def register(w: Any, tasks: int = 3, **changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = w.monitor.register({"execution": execution(), "spec": spec(2, tasks, **changes)})
    return result


def start_2(w: Any, name: str, attempt: int = 1, workflow: str = "copying", **more: str) -> str:
    """Start an ECS task as pattern 2's state machine does."""
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/kit-2/{workflow}{name}{attempt}"
    environment = {
        "KIT_WORKFLOW_RUN_ID": str(w.run_id),
        "KIT_WORKFLOW_NAME": workflow,
        "KIT_TASK_NAME": name,
        "KIT_ATTEMPT": str(attempt),
        **more,
    }
    w.ecs.add(arn, started_by="AWS Step Functions", group=f"run-{w.run_id}", environment=environment)
    return arn


def record_2(w: Any, arn: str, name: str, status: TaskStatus, **changes: Any) -> None:
    now = to_iso(w.clock.now())
    w.details.write(TaskRow(w.run_id, arn, "copying", name, 1, status, now, now, **changes))


def event(status: str = "ABORTED", *, pattern: int = 1, **changes: Any) -> dict[str, Any]:
    detail = {
        "executionArn": EXECUTION,
        "stateMachineArn": STATE_MACHINE,
        "status": status,
        "startDate": 1795492244120,
        "input": json.dumps(spec(pattern)),
    }
    return {"detail-type": "Step Functions Execution Status Change", "detail": {**detail, **changes}}


def before_each_stop(w: Any, monkeypatch: pytest.MonkeyPatch, look: Callable[[], object]) -> list[object]:
    """What is seen right before each ECS task is stopped."""
    seen: list[object] = []
    stop = w.monitor.ecs_tasks.stop
    monkeypatch.setattr(w.monitor.ecs_tasks, "stop", lambda arn, why: (seen.append(look()), stop(arn, why)))
    return seen


class TestRegistering:
    def test_answers_what_the_state_machine_needs(self, world: Callable[..., Any]) -> None:
        w = world(2)
        assert register(w, subnetIdLiteral="subnet-2", taskDefinition="kit-2") == {
            "runId": str(w.run_id),
            "workflowName": "copying",
            "numberOfTasks": 3,
            "deadline": "2026-11-24T04:50:44.120Z",
            "expiresAt": "",
            "cluster": "kit-2",
            "taskDefinition": "kit-2:7",
            "subnets": ["subnet-2"],
            "securityGroups": ["sg-tasks"],
            "waitSeconds": 1,
        }
        assert (w.summary().number_of_tasks, w.summary().running_tasks) == (3, 3)

    def test_names_the_time_after_which_the_run_s_items_may_go(self, world: Callable[..., Any]) -> None:
        w = world(2, recordRetentionDays=2)
        assert register(w)["expiresAt"] == str(w.summary().expires_at) == "1795668644"

    def test_may_be_repeated(self, world: Callable[..., Any]) -> None:
        w = world(2)
        assert register(w) == register(w)


class TestFollowing:
    def test_a_run_under_way(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        finish(w, TaskStatus.COMPLETED, "task_01")
        result = look(w)
        assert (result["done"], result["status"], result["relaunch"]) == (False, "Running", False)
        assert [result[name] for name in ("total", "completed", "failed", "running")] == [3, 1, 0, 2]
        assert result["message"] == f"1 of 3 tasks completed, 0 failed, 2 left in run {w.run_id} of copying"
        assert (w.summary().completed_tasks, w.summary().running_tasks) == (1, 2)

    def test_a_run_that_completed(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        finish(w)
        result = look(w)
        assert (result["done"], result["succeeded"], result["status"]) == (True, True, "Completed")
        summary = w.summary()
        assert (summary.status, summary.completed_tasks, summary.end_time) == (
            RunStatus.COMPLETED,
            3,
            to_iso(w.clock.now()),
        )

    def test_a_run_that_failed_says_what_and_where(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        finish(w, TaskStatus.FAILED, "task_02", error="JobFailed: NoSuchKey: no; source s3://kit-1/in/2.txt")
        finish(w, TaskStatus.COMPLETED, "task_01", "task_03")
        result = look(w)
        assert (result["done"], result["succeeded"]) == (True, False)
        stream = w.rows()[1].log_stream
        assert result["message"] == (
            f"run {w.run_id} of copying ended as Failed: 1 of 3 tasks failed, 2 completed. "
            "first failure: task task_02, attempt 1: JobFailed: NoSuchKey: no; source s3://kit-1/in/2.txt, "
            f"log stream {stream}. all of them: table workflow_details_pattern_1, workflow_run_id {w.run_id}."
        )

    def test_within_tolerance_it_succeeds(self, world: Callable[..., Any]) -> None:
        w = world(toleratedFailurePercentage=34)
        launch(w)
        finish(w, TaskStatus.FAILED, "task_02")
        finish(w, TaskStatus.COMPLETED, "task_01", "task_03")
        result = look(w)
        assert (result["succeeded"], result["status"]) == (True, "CompletedWithFailures")

    def test_a_container_that_died_before_its_first_write(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w, 1)
        w.ecs.end(w.rows()[0].ecs_task_id, 137, "Essential container in task exited")
        assert look(w)["status"] == "Failed"
        (row,) = w.rows()
        assert (row.status, row.exit_code, row.stopped_reason) == (
            TaskStatus.FAILED,
            137,
            "Essential container in task exited",
        )

    def test_a_task_over_its_limit_is_stopped_and_recorded(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w, 1)
        w.clock.advance(611)
        assert look(w)["running"] == 1
        assert len(w.ecs.stopped) == 1 and w.rows()[0].error.startswith("TaskTimedOut: timed out")
        assert look(w)["failed"] == 1
        assert (len(w.ecs.stopped), w.rows()[0].exit_code) == (1, 143)
        assert w.rows()[0].error.startswith("TaskTimedOut: timed out")

    def test_a_row_that_was_written_in_between_wins(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        launch(w, 1)
        describe = w.monitor.ecs_tasks.describe

        def slow(arns: Any) -> Any:
            finish(w)
            return describe(arns)

        monkeypatch.setattr(w.monitor.ecs_tasks, "describe", slow)
        result = look(w)
        assert (result["status"], result["completed"]) == ("Completed", 1)
        assert w.rows()[0].status is TaskStatus.COMPLETED

    def test_rows_that_change_faster_than_they_are_judged_count_as_they_stand(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        launch(w, 3)
        describe = w.monitor.ecs_tasks.describe
        names = ["task_01", "task_02", "task_03"]

        def slow(arns: Any) -> Any:
            finish(w, TaskStatus.COMPLETED, names.pop(0))
            return describe(arns)

        monkeypatch.setattr(w.monitor.ecs_tasks, "describe", slow)
        result = look(w)
        assert (result["status"], result["completed"], result["failed"]) == ("Completed", 3, 0)

    def test_looking_twice_at_once_changes_nothing(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        finish(w)
        first = look(w)
        w.clock.advance(60)
        second = look(w)
        assert {**first, "waitSeconds": 0} == {**second, "waitSeconds": 0}

    def test_the_launcher_is_called_for_a_retry(self, world: Callable[..., Any]) -> None:
        w = world(taskAttempts=2)
        launch(w, 1)
        finish(w, TaskStatus.FAILED, error="JobFailed: x")
        assert not look(w)["relaunch"]
        w.clock.advance(2)
        result = look(w)
        assert (result["relaunch"], result["done"], result["running"]) == (True, False, 1)

    def test_an_interrupted_task_is_explained_by_ecs(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w, 1)
        arn = w.rows()[0].ecs_task_id
        finish(w, TaskStatus.FAILED, error="Terminated: SIGTERM", exit_code=143)
        w.ecs.tasks[arn].update(stopCode="SpotInterruption", stoppedReason="Your Spot Task was interrupted.")
        w.clock.advance(2)
        assert look(w)["done"] is False
        assert w.rows()[0].stopped_reason == "Your Spot Task was interrupted."
        w.clock.advance(2)
        assert look(w)["relaunch"] is True

    def test_other_runs_and_workflows_are_not_seen(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w, 1)
        other = replace(w.rows()[0], workflow_name="other", ecs_task_id="arn:task/other", status=TaskStatus.RUNNING)
        w.details.put_new(other)
        finish(w, TaskStatus.COMPLETED, "task_01")
        assert look(w)["status"] == "Completed"

    def test_a_run_without_its_row(self, world: Callable[..., Any]) -> None:
        with pytest.raises(RunNotFound, match="has no row for workflow copying"):
            look(world())

    def test_a_run_of_another_execution(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        with pytest.raises(RunIdInUse):
            look(w, execution=execution(EXECUTION + "2"))

    def test_a_redrive(self, world: Callable[..., Any]) -> None:
        with pytest.raises(RedriveRefused):
            look(world(), execution=execution(redrive_count=1))

    @pytest.mark.parametrize("changes", [{"runId": None}, {"runId": "1.7e15"}, {"workflowName": None}])
    def test_a_payload_that_names_no_run(self, world: Callable[..., Any], changes: Any) -> None:
        with pytest.raises(PayloadInvalid):
            look(world(), **changes)


class TestPattern2WithoutRows:
    def ended(self, w: Any, **changes: Any) -> None:
        register(w, **changes)
        w.summaries.set_launching_ended(w.summary(), True, to_iso(w.clock.now()))

    def test_a_task_that_ran_but_never_wrote_is_failed_with_ecs_s_word(self, world: Callable[..., Any]) -> None:
        w = world(2)
        self.ended(w, tasks=1)
        arn = start_2(w, "task_01")
        w.ecs.end(arn, 137)
        assert look(w)["status"] == "Failed"
        (row,) = w.rows()
        assert (row.ecs_task_id, row.exit_code) == (arn, 137)

    def test_a_task_that_ecs_does_not_know_has_no_record(self, world: Callable[..., Any]) -> None:
        w = world(2)
        self.ended(w, tasks=2)
        arn = start_2(w, "task_02")
        record_2(w, arn, "task_02", TaskStatus.COMPLETED)
        result = look(w)
        assert (result["completed"], result["failed"], result["status"]) == (1, 1, "Failed")
        assert w.rows()[0].ecs_task_id == "not-started/task_01/1"

    def test_a_task_of_another_workflow_with_the_same_id_is_not_taken(self, world: Callable[..., Any]) -> None:
        w = world(2)
        self.ended(w, tasks=1)
        start_2(w, "task_01", workflow="other")
        look(w)
        assert w.rows()[0].ecs_task_id == "not-started/task_01/1" and w.ecs.stopped == []

    def test_names_come_from_the_execution_where_the_spec_was_too_long(self, world: Callable[..., Any]) -> None:
        w = world(2)
        self.ended(w, tasks=100)
        w.stepfunctions.executions[EXECUTION] = {"input": json.dumps(spec(2, 100))}
        result = look(w)
        assert (result["failed"], result["total"]) == (100, 100)
        assert len(w.rows()) == 100

    def test_before_launching_has_ended_nothing_is_missing(self, world: Callable[..., Any]) -> None:
        w = world(2)
        register(w)
        assert look(w)["running"] == 3 and w.rows() == []


class TestDeployments:
    """A run keeps what it was registered with; what ends it from outside has the code and the settings of now."""

    SOURCE: ClassVar = {"KIT_SOURCE_BUCKET": "kit-2", "KIT_SOURCE_KEY": "in/1.txt"}

    def test_a_run_that_is_registered_already_is_told_its_own_revision(self, world: Callable[..., Any]) -> None:
        before = register(world(2))
        attributes = {**infrastructure(2), "taskDefinition": "kit-2:8", "separator": "$"}
        after = register(world(2, infrastructure=attributes, runTimeoutSeconds=120))
        assert before["taskDefinition"] == "kit-2:7" and after == before

    @pytest.mark.parametrize("pattern", [1, 2])
    def test_a_failed_task_has_the_attempts_of_its_run(self, world: Callable[..., Any], pattern: int) -> None:
        w = world(pattern, taskAttempts=2)
        if pattern == 1:
            launch(w, 1)
            finish(w, TaskStatus.FAILED, error="JobFailed: x")
        else:
            register(w, 1)
            record_2(w, "arn:task/1", "task_01", TaskStatus.FAILED, error="JobFailed: x")
        w.clock.advance(5)
        result = look(world(pattern, taskAttempts=1))
        assert (result["done"], result["running"], result["relaunch"]) == (False, 1, pattern == 1)

    def test_rows_of_a_run_that_is_ended_name_its_own_targets(self, world: Callable[..., Any]) -> None:
        register(world(2))
        after = world(2, targetPrefix="elsewhere")
        start_2(after, "task_01", **self.SOURCE)
        after.monitor.finalize_from_event(event(pattern=2), plenty)
        assert after.rows()[0].target_uri == f"s3://kit-2/copies/copying/{after.run_id}/task_01/1.txt"

    def test_rows_of_tasks_that_outlived_their_run_name_its_own_targets(self, world: Callable[..., Any]) -> None:
        w = world(2)
        register(w)
        w.summaries.finish(w.summary(), RunStatus.FAILED, Counts(0, 3, 0), to_iso(w.clock.now()))
        after = world(2, targetPrefix="elsewhere")
        start_2(after, "task_01", **self.SOURCE)
        after.monitor.sweep(plenty)
        assert after.rows()[0].target_uri == f"s3://kit-2/copies/copying/{after.run_id}/task_01/1.txt"


class TestEnding:
    @pytest.mark.parametrize(
        ("status", "expected"), [("ABORTED", "Aborted"), ("TIMED_OUT", "TimedOut"), ("FAILED", "Failed")]
    )
    def test_a_stopped_execution_stops_its_tasks_and_ends_its_rows(
        self, world: Callable[..., Any], status: str, expected: str
    ) -> None:
        w = world()
        launch(w)
        finish(w, TaskStatus.COMPLETED, "task_01")
        assert w.monitor.finalize_from_event(event(status, cause="why"), plenty) == {
            "finalized": True,
            "runId": str(w.run_id),
        }
        summary = w.summary()
        assert summary.status == expected and summary.end_time
        assert (summary.completed_tasks, summary.failed_tasks, summary.running_tasks) == (1, 2, 0)
        assert len(w.ecs.stopped) == 2 and {task["lastStatus"] for task in w.ecs.tasks.values()} == {"STOPPED"}
        assert [row.status for row in w.rows()] == [TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.FAILED]
        assert w.rows()[1].error == f"RunEnded: its execution ended as {status}: why"

    def test_tasks_that_record_their_own_end_meanwhile_are_told_why(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        launch(w, 1)
        stop = w.monitor.ecs_tasks.stop

        def obey(arn: str, why: str) -> None:
            finish(w, TaskStatus.FAILED, error="Terminated: SIGTERM", exit_code=143)
            stop(arn, why)

        monkeypatch.setattr(w.monitor.ecs_tasks, "stop", obey)
        w.monitor.finalize_from_event(event(), plenty)
        (row,) = w.rows()
        assert row.error == "Terminated: SIGTERM"
        assert row.stopped_reason == f"run {w.run_id} ended: its execution ended as ABORTED"

    def test_pattern_2_stops_its_own_tasks_only(self, world: Callable[..., Any]) -> None:
        w = world(2)
        register(w)
        own, other = start_2(w, "task_01"), start_2(w, "task_01", workflow="other")
        w.monitor.finalize_from_event(event(pattern=2), plenty)
        assert [arn for arn, _ in w.ecs.stopped] == [own] and w.ecs.tasks[other]["lastStatus"] == "RUNNING"

    def test_the_summary_is_final_before_the_first_task_is_stopped(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        launch(w, 1)
        seen = before_each_stop(w, monkeypatch, lambda: w.summary().status)
        w.monitor.finalize_from_event(event(), plenty)
        assert seen == [RunStatus.ABORTED]

    def test_a_task_that_appears_between_two_listings_is_stopped_too(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world(2)
        register(w)
        running, calls = w.monitor.ecs_tasks.running_of_run, []

        def late(*arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) == 2:
                start_2(w, "task_02")
            return running(*arguments)

        monkeypatch.setattr(w.monitor.ecs_tasks, "running_of_run", late)
        w.monitor.finalize_from_event(event(pattern=2), plenty)
        assert len(w.ecs.stopped) == 1 and len(calls) == 4

    @pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT"])
    def test_a_run_that_has_its_status_keeps_it(self, world: Callable[..., Any], status: str) -> None:
        w = world()
        launch(w)
        finish(w, TaskStatus.FAILED, error="JobFailed: x")
        look(w)
        before = w.summary()
        w.monitor.finalize_from_event(event(status), plenty)
        after = w.summary()
        assert (after.status, after.failed_tasks, after.end_time) == (before.status, 3, before.end_time)
        assert {row.error for row in w.rows()} == {"JobFailed: x"}

    def test_a_row_that_completes_meanwhile_counts(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        launch(w, 1)
        rows, calls = w.details.rows, []

        def then_finish(*arguments: Any) -> Any:
            before = rows(*arguments)
            calls.append(arguments)
            if len(calls) == 2:  # the rows that are to be ended; the first are read for their ids
                for row in before:
                    w.details.write(replace(row, status=TaskStatus.COMPLETED))
            return before

        monkeypatch.setattr(w.details, "rows", then_finish)
        w.monitor.finalize_from_event(event(input=json.dumps(spec(tasks=1))), plenty)
        assert (w.summary().completed_tasks, w.summary().failed_tasks) == (1, 0)

    def test_an_execution_that_ends_before_its_run_is_registered_launches_nothing(
        self, world: Callable[..., Any]
    ) -> None:
        w = world()
        assert w.monitor.finalize_from_event(event(), plenty)["finalized"]
        launch(w)
        assert w.ecs.calls == [] and w.rows() == []
        summary = w.summary()
        assert (summary.status, summary.failed_tasks, summary.running_tasks) == (RunStatus.ABORTED, 3, 0)

    def test_a_run_whose_spec_would_be_refused_by_now_is_ended_all_the_same(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        text = json.dumps(spec(taskDefinition="kit-1:6"))
        assert w.monitor.finalize_from_event(event(input=text), plenty)["finalized"]

    def test_it_has_no_end_before_its_tasks_are_stopped(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        launch(w, 1)
        seen = before_each_stop(w, monkeypatch, lambda: w.summary().end_time)
        w.monitor.finalize_from_event(event(), plenty)
        assert seen == [None] and w.summary().end_time

    def test_a_task_that_has_not_written_its_row_yet_finds_a_final_one(self, world: Callable[..., Any]) -> None:
        w = world(2)
        register(w)
        arn = start_2(w, "task_01")
        w.monitor.finalize_from_event(event(pattern=2), plenty)
        record_2(w, arn, "task_01", TaskStatus.RUNNING)
        (row,) = w.rows()
        assert (row.ecs_task_id, row.status, row.error) == (
            arn,
            TaskStatus.FAILED,
            "RunEnded: its execution ended as ABORTED",
        )

    def test_may_be_repeated(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        w.monitor.finalize_from_event(event(), plenty)
        before = (w.summary(), w.rows())
        w.monitor.finalize_from_event(event(), plenty)
        assert (replace(w.summary(), update_time=before[0].update_time), w.rows()) == before

    def test_a_call_that_runs_out_of_time_is_repeated(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        launch(w)
        monkeypatch.setattr(w.monitor.ecs_tasks, "stop", lambda *_: None)
        with pytest.raises(TasksStillRunning, match="3 ECS tasks of run"):
            w.monitor.finalize_from_event(event(), lambda: 10)
        assert w.summary().status is RunStatus.ABORTED

    def test_an_input_that_the_event_leaves_out_is_asked_for(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        w.stepfunctions.executions[EXECUTION] = {"input": json.dumps(spec())}
        assert w.monitor.finalize_from_event(event(input=None), plenty)["finalized"]

    def test_an_id_of_the_spec_s_own_is_found(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w, workflowRunId="100001")
        text = json.dumps(spec(workflowRunId="100001"))
        assert w.monitor.finalize_from_event(event(input=text), plenty)["runId"] == "100001"

    @pytest.mark.parametrize("text", ["", "[]", "{}", "no json", '{"workflowName": 3}', '{"workflowName": "copying"}'])
    def test_an_execution_that_never_registered_a_run_changes_nothing(
        self, world: Callable[..., Any], text: str
    ) -> None:
        assert world().monitor.finalize_from_event(event(input=text), plenty) == {"finalized": False}

    def test_the_run_of_an_execution_that_used_the_id_first_is_left_alone(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w, workflowRunId=100001)
        second = event(executionArn=EXECUTION + "2", input=json.dumps(spec(workflowRunId=100001)))
        assert w.monitor.finalize_from_event(second, plenty) == {"finalized": False}
        assert w.summaries.get("copying", 100001).status is RunStatus.RUNNING

    @pytest.mark.parametrize("changes", [{"status": "SUCCEEDED"}, {"stateMachineArn": "other"}])
    def test_events_of_others_are_refused(self, world: Callable[..., Any], changes: Any) -> None:
        with pytest.raises(PayloadInvalid, match="is not for this function"):
            world().monitor.finalize_from_event(event(**changes), plenty)


class TestSweep:
    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            ({"status": "ABORTED"}, RunStatus.ABORTED),
            ({"status": "TIMED_OUT"}, RunStatus.TIMED_OUT),
            ({"status": "SUCCEEDED"}, RunStatus.FAILED),
            (None, RunStatus.FAILED),
        ],
    )
    def test_ends_runs_whose_execution_has_ended(
        self, world: Callable[..., Any], found: dict[str, str] | None, expected: RunStatus
    ) -> None:
        w = world()
        launch(w)
        if found:
            w.stepfunctions.executions[EXECUTION] = found
        assert w.monitor.sweep(plenty) == {"finalized": [str(w.run_id)], "stopped": []}
        assert w.summary().status is expected and len(w.ecs.stopped) == 3

    def test_goes_on_where_a_call_that_ended_a_run_broke_off(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        launch(w)
        w.stepfunctions.executions[EXECUTION] = {"status": "ABORTED"}
        with monkeypatch.context() as broken, pytest.raises(TasksStillRunning):
            broken.setattr(w.monitor.ecs_tasks, "stop", lambda *_: None)
            w.monitor.finalize_from_event(event(), lambda: 10)
        assert w.summary().status is RunStatus.ABORTED and w.ecs.stopped == []
        assert w.monitor.sweep(plenty) == {"finalized": [str(w.run_id)], "stopped": []}
        assert (w.summary().failed_tasks, len(w.ecs.stopped)) == (3, 3)
        assert w.monitor.sweep(plenty) == {"finalized": [], "stopped": []}

    def test_a_run_whose_tasks_do_not_stop_does_not_hold_up_the_others(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        launch(w, workflowRunId=1)
        launch(w, workflowRunId=2)
        stop, stubborn = w.monitor.ecs_tasks.stop, w.details.rows(1, "copying")[0].ecs_task_id
        monkeypatch.setattr(w.monitor.ecs_tasks, "stop", lambda arn, why: arn == stubborn or stop(arn, why))
        left = iter([100, 10] + [100] * 9)
        with pytest.raises(TasksStillRunning, match="1 ECS tasks of run 1 "):
            w.monitor.sweep(lambda: next(left))
        assert w.summaries.get("copying", 1).end_time is None
        assert w.summaries.get("copying", 2).end_time is not None

    def test_a_row_that_it_cannot_make_sense_of_does_not_hold_up_the_others(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w, workflowRunId=1)
        w.summaries.register(replace(w.summaries.get("copying", 1), workflow_name="a", execution_arn="by hand"))
        describe = w.stepfunctions.describe_execution

        def refuse(*, executionArn: str) -> Any:
            if executionArn == "by hand":
                raise client_error("InvalidArn", "Invalid ARN", "DescribeExecution")
            return describe(executionArn=executionArn)

        w.stepfunctions.describe_execution = refuse
        launch(w, workflowRunId=2)
        w.ecs.add(
            "arn:task/late",
            started_by="2",
            environment={"KIT_WORKFLOW_NAME": "copying", "KIT_WORKFLOW_RUN_ID": "3", "KIT_TASK_NAME": "x"},
        )
        ended = replace(w.summaries.get("copying", 2), workflow_run_id=3, status=RunStatus.ABORTED, end_time="then")
        w.summaries.register(ended)
        with pytest.raises(ClientError, match="InvalidArn"):
            w.monitor.sweep(plenty)
        assert [w.summaries.get("copying", n).status for n in (1, 2)] == [RunStatus.FAILED] * 2
        assert "arn:task/late" in [arn for arn, _ in w.ecs.stopped]

    @pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
    def test_leaves_others_alone(self, world: Callable[..., Any], status: str) -> None:
        w = world()
        launch(w)
        w.stepfunctions.executions[EXECUTION] = {"status": status}
        assert w.monitor.sweep(plenty) == {"finalized": [], "stopped": []}
        assert w.summary().status is RunStatus.RUNNING

    @pytest.mark.parametrize("recorded", [True, False])
    def test_stops_a_task_that_outlived_its_run(self, world: Callable[..., Any], recorded: bool) -> None:
        w = world()
        launch(w)
        finish(w)
        look(w)
        late = start_2(w, "task_02", attempt=2)
        if recorded:
            record_2(w, late, "task_02", TaskStatus.RUNNING)
        assert w.monitor.sweep(plenty) == {"finalized": [], "stopped": [late]}
        why = "the sweep found the task still running after its run had ended"
        assert w.ecs.stopped == [(late, f"run {w.run_id} had ended as Completed: {why}")]
        row = w.details.get(w.run_id, late)
        assert (row.status, row.error) == (TaskStatus.FAILED, f"RunEnded: {why}")
        assert (w.summary().status, w.summary().completed_tasks) == (RunStatus.COMPLETED, 3)
        assert w.monitor.sweep(plenty) == {"finalized": [], "stopped": []}

    def test_stops_a_task_that_completed_and_whose_process_does_not_end(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w, 1)
        (row,) = w.rows()
        w.details.write(replace(row, status=TaskStatus.COMPLETED, update_time=to_iso(w.clock.now())))
        look(w)
        w.clock.advance(300)
        assert w.monitor.sweep(plenty)["stopped"] == []
        w.clock.advance(1)
        assert w.monitor.sweep(plenty)["stopped"] == [row.ecs_task_id]
        assert [arn for arn, _ in w.ecs.stopped] == [row.ecs_task_id]
        assert w.rows()[0].status is TaskStatus.COMPLETED and w.summary().completed_tasks == 1

    def test_leaves_a_task_that_completed_and_tasks_that_are_none_of_the_kit_s(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        for row in w.rows():
            w.details.write(replace(row, status=TaskStatus.COMPLETED, update_time=to_iso(w.clock.now())))
        look(w)
        assert w.summary().status is RunStatus.COMPLETED
        start_2(w, "task_01", workflow="of nobody's")
        w.ecs.add("arn:task/by-hand", started_by="somebody", group="family:other", environment={})
        assert w.monitor.sweep(plenty) == {"finalized": [], "stopped": []}
        assert w.ecs.stopped == []


class TestAsking:
    def test_a_hundred_tasks_are_asked_about_at_once_and_lists_read_to_their_end(
        self, world: Callable[..., Any]
    ) -> None:
        w = world(2)
        arns = [start_2(w, f"t{number}") for number in range(250)]
        tasks = EcsTasks(w.ecs, "kit-2")
        found, missing = tasks.describe([*arns, "arn:task/gone"])
        assert list(found) == arns and missing == {"arn:task/gone"}
        assert list(tasks.running("AWS Step Functions")) == arns


class TestStopping:
    def test_a_task_that_ecs_forgot_is_stopped(self, world: Callable[..., Any]) -> None:
        EcsTasks(world().ecs, "kit-1").stop("arn:task/gone", "x" * 300)

    def test_other_refusals_are_not_swallowed(self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
        w = world()
        error = client_error("AccessDeniedException", "no", "StopTask")

        def refuse(**_: object) -> None:
            raise error

        monkeypatch.setattr(w.ecs, "stop_task", refuse)
        with pytest.raises(type(error), match="AccessDenied"):
            EcsTasks(w.ecs, "kit-1").stop("arn:task/1", "why")


class TestMessages:
    def test_the_first_failure_is_the_earliest_of_a_task_that_did_not_complete(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        summary = w.summary()
        first, second, third = w.rows()
        rows = [
            replace(first, status=TaskStatus.FAILED, error="a", update_time="1"),
            replace(first, status=TaskStatus.COMPLETED, attempt=2),
            replace(second, status=TaskStatus.FAILED, error="b", update_time="3", log_stream=None),
            replace(third, status=TaskStatus.FAILED, error="c", update_time="2"),
        ]
        text = messages.outcome(summary, Counts(1, 2, 0), RunStatus.FAILED, rows, "table")
        assert "first failure: task task_03, attempt 1: c, log stream" in text

    def test_a_run_that_failed_without_any_row_says_so_too(self, world: Callable[..., Any]) -> None:
        w = world()
        launch(w)
        text = messages.outcome(w.summary(), Counts(0, 3, 0), RunStatus.ABORTED, [], "table")
        assert "ended as Aborted: 3 of 3 tasks failed" in text and "first failure" not in text
