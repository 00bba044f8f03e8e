"""The monitor: register, poll, end, sweep."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_kit.runtime.contract.errors import PayloadInvalid, RedriveRefused, RunIdInUse, RunNotFound, TasksStillRunning
from ecs_kit.runtime.contract.records import to_item
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

COMPLETED, FAILED, RUNNING = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.RUNNING
SWEPT = "the sweep found the task still running after its run had ended"


def plenty() -> float:
    return 300


def event(status: str = "ABORTED", *, pattern: int = 1, **changes: Any) -> dict[str, Any]:
    detail = {
        "executionArn": EXECUTION,
        "stateMachineArn": STATE_MACHINE,
        "status": status,
        "startDate": 1795492244120,
        "input": json.dumps(spec(pattern)),
    }
    return {"detail-type": "Step Functions Execution Status Change", "detail": {**detail, **changes}}


def finalize(w: Any, status: str = "ABORTED", **changes: Any) -> dict[str, Any]:
    return w.monitor.finalize_from_event(event(status, pattern=w.settings.pattern, **changes), plenty)


def before_each_stop(w: Any, look: Callable[[], object]) -> list[object]:
    """What is seen right before each ECS task is stopped."""
    seen: list[object] = []
    stop = w.ecs.stop
    w.ecs.stop = lambda arn, why: (seen.append(look()), stop(arn, why))
    return seen


@pytest.fixture
def w2(world: Any) -> Any:
    """Pattern 2 with the usual settings."""
    return world(2)


class TestRegistering:
    def test_returns_what_the_state_machine_needs(self, w2: Any) -> None:
        assert w2.register(subnetIdLiteral="subnet-2", taskDefinition="kit-2") == {
            "runId": str(w2.run_id),
            "workflowName": "copying",
            "numberOfTasks": 3,
            "launchesFrom": 1795492244120,
            "launchIntervalMilliseconds": 50.0,
            "deadline": "2026-11-24T04:50:44.120Z",
            "expiresAt": "",
            "cluster": "kit-2",
            "taskDefinition": "kit-2:7",
            "subnets": ["subnet-2"],
            "securityGroups": ["sg-tasks"],
            "target": {"bucket": "kit-2", "prefix": "copies"},
            "command": [],
            "environment": {},
            "waitSeconds": 1,
            "sourceBucket": "kit-2",
        }
        assert (w2.summary().number_of_tasks, w2.summary().running_tasks) == (3, 3)

    def test_names_the_time_after_which_the_run_s_items_may_go(self, world: Any) -> None:
        w = world(2, recordRetentionDays=2)
        assert w.register()["expiresAt"] == str(w.summary().expires_at) == "1795668644"


class TestPolls:
    def test_an_active_run(self, w: Any) -> None:
        w.launch()
        w.end_tasks(COMPLETED, "task_01")
        result = w.poll()
        assert (result["done"], result["status"], result["relaunch"]) == (False, "Running", False)
        assert [result[name] for name in ("total", "completed", "failed", "running")] == [3, 1, 0, 2]
        assert result["message"] == f"1 of 3 tasks completed, 0 failed, 2 left in run {w.run_id} of copying"
        assert (w.summary().completed_tasks, w.summary().running_tasks) == (1, 2)

    def test_a_completed_run_is_the_same_in_every_later_poll_which_asks_ecs_nothing(
        self, w: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w.launch()
        w.end_tasks()
        first = w.poll()
        assert (first["done"], first["succeeded"], first["status"]) == (True, True, "Completed")
        summary = w.summary()
        assert (summary.status, summary.completed_tasks, summary.end_time) == (RunStatus.COMPLETED, 3, w.now)
        w.clock.advance(60)
        monkeypatch.setattr(w.monitor, "ecs_tasks", None)
        assert {**w.poll(), "waitSeconds": 0} == {**first, "waitSeconds": 0}

    @pytest.mark.parametrize(("tolerated", "status"), [(0, "Failed"), (34, "CompletedWithFailures")])
    def test_a_failed_run_says_what_and_where(self, world: Any, tolerated: int, status: str) -> None:
        w = world(toleratedFailurePercentage=tolerated)
        w.launch()
        w.end_tasks(FAILED, "task_02", error="JobFailed: NoSuchKey: no; source s3://kit-1/in/2.txt")
        w.end_tasks(COMPLETED, "task_01", "task_03")
        result = w.poll()
        assert (result["done"], result["succeeded"], result["status"]) == (True, tolerated > 0, status)
        assert result["message"] == (
            f"run {w.run_id} of copying ended as {status}: 1 of 3 tasks failed, 2 completed. "
            "first failure: task task_02, attempt 1: JobFailed: NoSuchKey: no; source s3://kit-1/in/2.txt, log stream "
            f"{w.rows()[1].log_stream}. all of them: table workflow_details_pattern_1, workflow_run_id {w.run_id}."
        )

    def test_a_task_over_its_limit_is_recorded_and_then_stopped(self, w: Any) -> None:
        w.launch(1)
        w.clock.advance(911)
        seen = before_each_stop(w, lambda: w.rows()[0].status)
        assert w.poll()["running"] == 1
        assert seen == [FAILED]
        assert w.poll()["failed"] == 1
        assert (len(w.ecs.stopped), w.rows()[0].exit_code) == (1, 143)
        assert w.rows()[0].error.startswith("TaskTimedOut: timed out")

    @pytest.mark.parametrize("tasks", [1, 3])
    def test_rows_that_change_while_they_are_reconciled_count_as_written(
        self, w: Any, monkeypatch: pytest.MonkeyPatch, tasks: int
    ) -> None:
        w.launch(tasks)
        names = [f"task_{n:02}" for n in range(1, tasks + 1)]
        describe = w.monitor.ecs_tasks.describe

        def slow(arns: Any) -> Any:
            while names:
                w.end_tasks(COMPLETED, names.pop(0))
            return describe(arns)

        monkeypatch.setattr(w.monitor.ecs_tasks, "describe", slow)
        result = w.poll()
        assert (result["status"], result["completed"], result["failed"]) == ("Completed", tasks, 0)
        assert {row.status for row in w.rows()} == {COMPLETED}

    def test_a_row_of_a_task_that_ecs_does_not_know_is_left_out_and_the_task_itself_decides(self, w: Any) -> None:
        w.launch(2)
        forged = replace(w.rows()[0], ecs_task_id="arn:aws:ecs:forged", status=TaskStatus.COMPLETED)
        w.as_task.put_new(forged)
        assert w.poll()["completed"] == 0
        w.clock.advance(300)
        w.poll()
        assert forged.ecs_task_id not in {row.ecs_task_id for row in w.rows()}
        w.end_tasks()
        assert (w.poll()["status"], w.summary().completed_tasks) == ("Completed", 2)

    def test_a_row_of_a_task_of_its_own_that_names_another_task_is_not_believed(self, w: Any) -> None:
        w.launch(2)
        own, other = w.rows()
        forged = replace(own, task_name=other.task_name, task_index=other.task_index, uncounted=other.uncounted)
        w.as_task.write(replace(forged, status=TaskStatus.COMPLETED))
        assert w.poll()["completed"] == 0
        found = next(row for row in w.rows() if row.ecs_task_id == own.ecs_task_id)
        assert (found.status, found.task_name) == (TaskStatus.FAILED, own.task_name)
        assert [arn for arn, _ in w.ecs.stopped] == [own.ecs_task_id]

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": {"S": "Bogus"}},
            {"start_time": {"S": "yesterday"}},
            {"attempt": {"S": "many"}},
            {"uncounted": {"S": "copying/0"}},
            {"ecs_task_id": {"S": "arn:aws:ecs:eu-west-1:1:task/another-cluster/1"}},
            {"ecs_task_id": {"S": "nothing"}, "status": {"S": "Running"}},
        ],
    )
    def test_an_item_that_is_no_row_does_not_stop_the_run(self, w: Any, changes: Any) -> None:
        w.launch(1)
        forged = {**to_item(w.rows()[0]), "ecs_task_id": {"S": "forged"}, **changes}
        w.end_tasks()
        w.dynamodb.put_item(TableName=w.settings.details_table, Item=forged)
        w.poll()
        w.clock.sleep(301)
        assert (w.poll()["status"], w.summary().completed_tasks) == ("Completed", 1)

    def test_an_interrupted_task_is_explained_by_ecs(self, w: Any) -> None:
        w.launch(1)
        w.end_tasks(FAILED, error="Terminated: SIGTERM", exit_code=143)
        (task,) = w.ecs.tasks.values()
        task.update(stopCode="SpotInterruption", stoppedReason="Your Spot Task was interrupted.")
        w.clock.advance(2)
        assert w.poll()["done"] is False
        assert w.rows()[0].stopped_reason == "Your Spot Task was interrupted."
        w.clock.advance(2)
        assert w.poll()["relaunch"] is True

    def test_refusals(self, w: Any) -> None:
        with pytest.raises(RunNotFound, match="has no row for workflow copying"):
            w.poll()
        w.launch()
        with pytest.raises(RunIdInUse):
            w.poll(execution=execution(EXECUTION + "2"))
        with pytest.raises(RedriveRefused):
            w.poll(execution=execution(redrive_count=1))

    @pytest.mark.parametrize("changes", [{"runId": None}, {"runId": "1.7e15"}, {"workflowName": None}])
    def test_a_payload_that_names_no_run(self, w: Any, changes: Any) -> None:
        with pytest.raises(PayloadInvalid):
            w.poll(**changes)


class TestPattern2WithoutRows:
    def ended(self, w: Any, tasks: int) -> None:
        w.register(tasks)
        w.end_launching()

    def test_a_task_that_stops_between_the_two_listings_is_found(self, w2: Any) -> None:
        self.ended(w2, 1)
        arn, list_tasks = w2.run_task("task_01"), w2.ecs.list_tasks
        w2.ecs.list_tasks = lambda **request: (list_tasks(**request), w2.ecs.end(arn, 137))[0]
        w2.poll()
        assert [(row.ecs_task_id, row.exit_code) for row in w2.rows()] == [(arn, 137)]

    def test_a_task_that_ecs_does_not_know_has_no_record(self, w2: Any) -> None:
        self.ended(w2, 2)
        w2.record(w2.run_task("task_02"), "task_02", COMPLETED)
        w2.run_task("task_01", workflow="other")
        result = w2.poll()
        assert (result["completed"], result["failed"], result["status"]) == (1, 1, "Failed")
        assert w2.rows()[0].ecs_task_id == "not-started/task_01/1" and w2.ecs.stopped == []

    def test_a_row_that_a_task_puts_meanwhile_is_not_overwritten(self, w2: Any, monkeypatch: Any) -> None:
        self.ended(w2, 1)
        arn = w2.run_task("task_01")
        w2.ecs.end(arn, 1)
        stopped_of_run = w2.monitor.ecs_tasks.stopped_of_run

        def slow(*run: Any) -> Any:
            if not w2.rows():
                w2.record(arn, "task_01", RUNNING)
            return stopped_of_run(*run)

        monkeypatch.setattr(w2.monitor.ecs_tasks, "stopped_of_run", slow)
        monkeypatch.setattr("ecs_kit.runtime.monitor.monitor.RECONCILE_ROUNDS", 1)
        w2.poll()
        assert [row.status for row in w2.rows()] == [RUNNING], "the next poll judges it"

    def test_names_come_from_the_execution_where_the_spec_was_too_long(self, w2: Any) -> None:
        self.ended(w2, 100)
        w2.stepfunctions.executions[EXECUTION] = {"input": json.dumps(spec(2, 100))}
        result = w2.poll()
        assert (result["failed"], result["total"]) == (100, 100)
        assert len(w2.rows()) == 100


class TestDeployments:
    """A run keeps what it was registered with; events and the sweep call the newest code."""

    def test_a_registered_run_keeps_its_revision_and_deadline(self, world: Any) -> None:
        before = world(2).register()
        attributes = {**infrastructure(2), "taskDefinition": "kit-2:8", "separator": "$"}
        after = world(2, infrastructure=attributes, runTimeoutSeconds=120).register()
        assert before["taskDefinition"] == "kit-2:7" and after == before

    def test_a_failed_task_has_the_attempts_of_its_run(self, world: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(1)
        w.end_tasks(FAILED, error="JobFailed: x")
        w.clock.advance(5)
        result = world(taskAttempts=1).poll()
        assert (result["done"], result["running"], result["relaunch"]) == (False, 1, True)

    @pytest.mark.parametrize("is_orphan", [False, True])
    def test_rows_of_unrecorded_tasks_name_the_run_s_own_target(self, world: Any, is_orphan: bool) -> None:
        before = world(2)
        before.register()
        after = world(2, targetPrefix="elsewhere")
        after.run_task("task_01", KIT_SOURCE_BUCKET="kit-2", KIT_SOURCE_KEY="in/1.txt")
        if is_orphan:
            before.summaries.finish(before.summary(), RunStatus.FAILED, before.now)
            after.monitor.sweep(plenty)
        else:
            finalize(after)
        assert after.rows()[0].target_uri == f"s3://kit-2/copies/copying/{after.run_id}/task_01/1.txt"


class TestEnding:
    @pytest.mark.parametrize(
        ("status", "expected"), [("ABORTED", "Aborted"), ("TIMED_OUT", "TimedOut"), ("FAILED", "Failed")]
    )
    def test_a_stopped_execution_stops_its_tasks_and_ends_its_rows(self, w: Any, status: str, expected: str) -> None:
        w.launch()
        w.end_tasks(COMPLETED, "task_01")
        seen = before_each_stop(w, lambda: (w.summary().status, w.summary().end_time))
        assert finalize(w, status, cause="why") == {"finalized": True, "runId": str(w.run_id)}
        summary = w.summary()
        assert summary.status == expected and summary.end_time and seen == [(expected, None)] * 2
        assert (summary.completed_tasks, summary.failed_tasks, summary.running_tasks) == (1, 2, 0)
        assert len(w.ecs.stopped) == 2 and {task["lastStatus"] for task in w.ecs.tasks.values()} == {"STOPPED"}
        assert [row.status for row in w.rows()] == [COMPLETED, FAILED, FAILED]
        assert w.rows()[1].error == f"RunEnded: its execution ended as {status}: why"
        before = w.rows()
        finalize(w, status, cause="why")
        assert (replace(w.summary(), update_time=summary.update_time), w.rows()) == (summary, before)

    def test_tasks_that_record_their_own_end_meanwhile_are_told_why(self, w: Any) -> None:
        w.launch(1)
        before_each_stop(w, lambda: w.end_tasks(FAILED, error="Terminated: SIGTERM", exit_code=143))
        finalize(w)
        (row,) = w.rows()
        assert row.error == "Terminated: SIGTERM"
        assert row.stopped_reason == f"run {w.run_id} ended: its execution ended as ABORTED"

    def test_pattern_2_stops_its_own_tasks_only(self, w2: Any) -> None:
        w2.register()
        own, other = w2.run_task("task_01"), w2.run_task("task_01", workflow="other")
        finalize(w2)
        assert [arn for arn, _ in w2.ecs.stopped] == [own] and w2.ecs.tasks[other]["lastStatus"] == "RUNNING"

    def test_a_task_that_appears_between_two_listings_is_stopped_too(self, w2: Any, monkeypatch: Any) -> None:
        w2.register()
        running, calls = w2.monitor.ecs_tasks.running_of_run, []

        def late(*arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) == 2:
                w2.run_task("task_02")
            return running(*arguments)

        monkeypatch.setattr(w2.monitor.ecs_tasks, "running_of_run", late)
        finalize(w2)
        assert len(w2.ecs.stopped) == 1 and len(calls) == 4

    def test_a_row_that_completes_meanwhile_counts(self, w: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        w.launch(1)
        rows, calls = w.details.rows, []

        def then_complete(*arguments: Any) -> Any:
            before = rows(*arguments)
            calls.append(arguments)
            if len(calls) == 2:  # the rows that are to be ended; the first are read for their ids
                w.as_task.write(replace(before[0], status=COMPLETED))
            return before

        monkeypatch.setattr(w.details, "rows", then_complete)
        finalize(w, input=json.dumps(spec(tasks=1)))
        assert (w.summary().completed_tasks, w.summary().failed_tasks) == (1, 0)

    def test_completed_rows_count_if_ecs_knows_their_tasks(self, w: Any) -> None:
        w.launch()
        w.end_tasks(COMPLETED, "task_01")
        w.poll()
        w.end_tasks(COMPLETED, "task_02")
        (own,) = [row for row in w.rows() if row.task_name == "task_02"]
        forged = replace(own, ecs_task_id=f"{own.ecs_task_id[:-4]}beef", task_name="task_03", task_index=2)
        w.as_task.put_new(forged)
        w.clock.advance(300)
        for _ in range(2):
            finalize(w)
            assert (w.summary().completed_tasks, w.summary().failed_tasks) == (2, 1)
        assert forged.ecs_task_id not in {row.ecs_task_id for row in w.rows()}

    def test_an_execution_that_ends_before_its_run_is_registered_launches_nothing(self, w: Any) -> None:
        assert finalize(w)["finalized"]
        w.launch()
        assert w.ecs.calls == [] and w.rows() == []
        summary = w.summary()
        assert (summary.status, summary.failed_tasks, summary.running_tasks) == (RunStatus.ABORTED, 3, 0)

    def test_a_task_that_has_not_written_its_row_yet_finds_a_terminal_one(self, w2: Any) -> None:
        w2.register()
        arn = w2.run_task("task_01")
        finalize(w2)
        w2.record(arn, "task_01", RUNNING)
        (row,) = w2.rows()
        assert (row.ecs_task_id, row.status) == (arn, FAILED)
        assert row.error == "RunEnded: its execution ended as ABORTED"

    def test_a_call_that_runs_out_of_time_is_continued_by_the_sweep(self, w: Any, monkeypatch: Any) -> None:
        w.launch()
        w.stepfunctions.executions[EXECUTION] = {"status": "ABORTED"}
        with monkeypatch.context() as broken, pytest.raises(TasksStillRunning, match="3 ECS tasks of run"):
            broken.setattr(w.monitor.ecs_tasks, "stop", lambda *_: None)
            w.monitor.finalize_from_event(event(), lambda: 10)
        assert w.summary().status is RunStatus.ABORTED and w.ecs.stopped == []
        assert w.monitor.sweep(plenty) == {"finalized": [str(w.run_id)], "stopped": []}
        assert (w.summary().failed_tasks, len(w.ecs.stopped)) == (3, 3)
        assert w.monitor.sweep(plenty) == {"finalized": [], "stopped": []}

    @pytest.mark.parametrize("given", [None, json.dumps(spec(taskDefinition="kit-1:6"))])
    def test_an_input_that_the_event_leaves_out_or_that_would_be_refused_by_now(self, w: Any, given: Any) -> None:
        w.launch()
        w.stepfunctions.executions[EXECUTION] = {"input": json.dumps(spec())}
        assert finalize(w, input=given)["finalized"]

    def test_a_run_id_of_the_spec_is_found_unless_it_is_another_execution_s(self, w: Any) -> None:
        w.launch(workflowRunId="100001")
        text = json.dumps(spec(workflowRunId="100001"))
        assert finalize(w, executionArn=EXECUTION + "2", input=text) == {"finalized": False}
        assert w.summaries.get("copying", 100001).status is RunStatus.RUNNING
        assert finalize(w, input=text)["runId"] == "100001"

    @pytest.mark.parametrize("text", ["", "[]", "{}", "no json", '{"workflowName": 3}', '{"workflowName": "copying"}'])
    def test_an_execution_that_never_registered_a_run_changes_nothing(self, w: Any, text: str) -> None:
        assert finalize(w, input=text) == {"finalized": False}

    def test_why_the_run_of_an_ended_execution_is_refused_is_in_the_log(self, w: Any, caplog: Any) -> None:
        caplog.set_level("INFO")
        assert finalize(w, input=json.dumps(spec(taskDefinition="other:1"))) == {"finalized": False}
        reasons = [record.details.get("reason", "") for record in caplog.records if hasattr(record, "details")]
        assert any("$.taskDefinition" in reason for reason in reasons), reasons

    @pytest.mark.parametrize("changes", [{"status": "SUCCEEDED"}, {"stateMachineArn": "other"}])
    def test_events_of_others_are_refused(self, w: Any, changes: Any) -> None:
        with pytest.raises(PayloadInvalid, match="is not for this function"):
            w.monitor.finalize_from_event(event(**changes), plenty)


class TestSweep:
    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            ({"status": "ABORTED"}, RunStatus.ABORTED),
            ({"status": "TIMED_OUT"}, RunStatus.TIMED_OUT),
            ({"status": "SUCCEEDED"}, RunStatus.FAILED),
            (None, RunStatus.FAILED),
            ({"status": "RUNNING"}, RunStatus.RUNNING),
            ({"status": "PENDING_REDRIVE"}, RunStatus.RUNNING),
        ],
    )
    def test_ends_runs_whose_execution_has_ended(self, w: Any, found: dict[str, str] | None, expected: Any) -> None:
        w.launch()
        if found:
            w.stepfunctions.executions[EXECUTION] = found
        is_ended = expected.is_final
        assert w.monitor.sweep(plenty) == {"finalized": [str(w.run_id)] * is_ended, "stopped": []}
        assert w.summary().status is expected and len(w.ecs.stopped) == 3 * is_ended

    def test_rows_of_tasks_that_started_while_their_run_ended_become_terminal(self, w2: Any) -> None:
        w2.register()
        finalize(w2)
        stopped, killed, active = (w2.run_task(f"task_0{number}") for number in (1, 2, 3))
        for number, arn in enumerate((stopped, killed, active), 1):
            w2.record(arn, f"task_0{number}", RUNNING)
        w2.ecs.end(stopped, 143)
        del w2.ecs.tasks[killed]
        w2.monitor._record_late_tasks(w2.summary(), w2.clock.now())
        assert {row.ecs_task_id: row.status for row in w2.rows()} == {stopped: FAILED, killed: FAILED, active: RUNNING}
        w2.monitor.sweep(plenty)
        assert {row.status for row in w2.rows()} == {FAILED}
        assert [run.workflow_run_id for run in w2.summaries.open()] == [w2.run_id]
        w2.clock.advance(600)
        w2.monitor.sweep(plenty)
        assert list(w2.summaries.open()) == []

    def test_a_run_whose_tasks_do_not_stop_does_not_hold_up_the_others(self, w: Any) -> None:
        w.launch(workflowRunId=1)
        w.launch(workflowRunId=2)
        stop, stubborn = w.ecs.stop, w.details.rows(1, "copying")[0].ecs_task_id
        w.ecs.stop = lambda arn, why: arn == stubborn or stop(arn, why)
        left = iter([100, 10] + [100] * 9)
        with pytest.raises(TasksStillRunning, match="1 ECS tasks of run 1 "):
            w.monitor.sweep(lambda: next(left))
        assert w.summaries.get("copying", 1).end_time is None
        assert w.summaries.get("copying", 2).end_time is not None

    def test_an_invalid_item_does_not_hold_up_the_others(self, w: Any) -> None:
        w.launch(workflowRunId=1)
        w.summaries.register(replace(w.summaries.get("copying", 1), workflow_name="a", execution_arn="by hand"))
        describe = w.stepfunctions.describe_execution

        def refuse(*, executionArn: str) -> Any:
            if executionArn == "by hand":
                raise client_error("InvalidArn", "Invalid ARN", "DescribeExecution")
            return describe(executionArn=executionArn)

        w.stepfunctions.describe_execution = refuse
        w.launch(workflowRunId=2)
        environment = {"KIT_WORKFLOW_NAME": "copying", "KIT_WORKFLOW_RUN_ID": "3", "KIT_TASK_NAME": "x"}
        w.ecs.add(f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/kit-1/{7:032x}", started_by="2", environment=environment)
        ended = replace(w.summaries.get("copying", 2), workflow_run_id=3, status=RunStatus.ABORTED, end_time=w.now)
        w.summaries.register(ended)
        with pytest.raises(ClientError, match="InvalidArn"):
            w.monitor.sweep(plenty)
        assert [w.summaries.get("copying", n).status for n in (1, 2)] == [RunStatus.FAILED] * 2
        assert f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/kit-1/{7:032x}" in [arn for arn, _ in w.ecs.stopped]

    @pytest.mark.parametrize("is_recorded", [True, False])
    def test_stops_an_orphaned_task_and_none_that_is_not_the_kit_s(self, w: Any, is_recorded: bool) -> None:
        w.launch()
        w.end_tasks()
        w.poll()
        w.run_task("task_01", workflow="unknown")
        w.ecs.add("arn:task/by-hand", started_by="somebody", environment={})
        late = w.run_task("task_02", attempt=2)
        if is_recorded:
            w.record(late, "task_02", RUNNING)
        assert w.monitor.sweep(plenty) == {"finalized": [], "stopped": [late]}
        assert w.ecs.stopped == [(late, f"run {w.run_id} had ended as Completed: {SWEPT}")]
        row = w.details.get(w.run_id, late)
        assert (row.status, row.error) == (FAILED, f"RunEnded: {SWEPT}")
        assert (w.summary().status, w.summary().completed_tasks) == (RunStatus.COMPLETED, 3)
        assert w.monitor.sweep(plenty) == {"finalized": [], "stopped": []}

    def test_stops_a_completed_task_whose_process_does_not_end(self, w: Any) -> None:
        w.launch(1)
        (row,) = w.rows()
        w.as_task.write(replace(row, status=COMPLETED, update_time=w.now))
        w.poll()
        w.clock.advance(300)
        assert w.monitor.sweep(plenty)["stopped"] == []
        w.clock.advance(1)
        assert w.monitor.sweep(plenty)["stopped"] == [row.ecs_task_id]
        assert w.rows()[0].status is COMPLETED and w.summary().completed_tasks == 1


class TestEcsTasks:
    def test_a_hundred_tasks_are_described_at_once_and_lists_read_to_their_end(self, w: Any) -> None:
        arns = [w.run_task(f"task_{number:03}") for number in range(250)]
        tasks = EcsTasks(w.ecs, "kit-1")
        found, missing = tasks.describe([*arns, "arn:task/gone"])
        assert list(found) == arns and missing == {"arn:task/gone"}
        assert list(tasks.running("AWS Step Functions")) == arns

    def test_a_task_that_ecs_forgot_is_stopped_and_other_refusals_are_raised(self, w: Any) -> None:
        tasks = EcsTasks(w.ecs, "kit-1")
        tasks.stop("arn:task/gone", "x" * 300)

        def refuse(_: str) -> None:
            raise client_error("AccessDeniedException", "no", "StopTask")

        w.ecs.before = refuse
        with pytest.raises(ClientError, match="AccessDenied"):
            tasks.stop("arn:task/1", "why")


class TestMessages:
    def test_the_first_failure_is_the_earliest_of_a_task_that_did_not_complete(self, w: Any) -> None:
        w.launch()
        w.end_tasks(COMPLETED, "task_01")
        w.end_tasks(FAILED, "task_03", error="JobFailed: c")
        w.clock.advance(1)
        w.end_tasks(FAILED, "task_02", error="JobFailed: b")
        text = w.poll()["message"]
        assert "first failure: task task_03, attempt 1: JobFailed: c, log stream" in text
        assert "first failure" not in messages.outcome(replace(w.summary(), first_failure=None), "table")


@pytest.mark.parametrize(("tasks", "listed"), [(500, 4), (501, 1)])
def test_the_ecs_tasks_of_a_long_run_are_listed_every_five_minutes(
    world: Any, monkeypatch: pytest.MonkeyPatch, tasks: int, listed: int
) -> None:
    w = world(2, jobRecords="ecs")
    w.monitor.register({"execution": execution(), "spec": spec(2, tasks)})
    seen = []
    stopped = w.monitor.ecs_tasks.stopped_of_run
    monkeypatch.setattr(w.monitor.ecs_tasks, "stopped_of_run", lambda *run: seen.append(run) or stopped(*run))
    for pause in (299, 1, 100, 100):
        w.clock.advance(pause)
        w.summaries.wait_for_capacity(w.summary(), w.now, "x")  # changes `update_time` between polls
        w.poll()
    assert len(seen) == listed
