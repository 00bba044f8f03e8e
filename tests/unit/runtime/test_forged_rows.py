"""Rows that a compromised task has written with UpdateItem: what launcher and monitor make of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.records import Counts, new_row, to_item
from ecs_kit.runtime.contract.statuses import TaskStatus
from tests.unit.runtime.fakes import ACCOUNT, REGION, client_error, spec
from tests.unit.runtime.test_monitor import finalize
from tests.unit.runtime.test_record_failure import ecs_cause, failed

COMPLETED, FAILED, RUNNING = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.RUNNING
FOREIGN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/kit-1/{'ab' * 16}"
LONG_AGO = "2026-11-24T00:00:00Z"


def forge(w: Any, status: TaskStatus, name: str, index: int, attempt: int = 1, key: str = "", **more: Any) -> None:
    """Update an item that does not exist yet; `more` are attribute values as DynamoDB JSON."""
    values: dict[str, Any] = {
        "workflow_name": {"S": "copying"},
        "task_name": {"S": name},
        "attempt": {"N": str(attempt)},
        "status": {"S": status},
        "start_time": {"S": w.now},
        "update_time": {"S": w.now},
        "task_index": {"N": str(index)},
        "uncounted": {"S": f"copying/{index}/{attempt}/{name}"},
        **more,
    }
    w.dynamodb.update_item(
        TableName=w.details.name,
        Key={"workflow_run_id": {"N": str(w.run_id)}, "ecs_task_id": {"S": key or f"not-started/{name}/x{attempt}"}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
        ExpressionAttributeNames={f"#{name}": name for name in values},
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


def end(w: Any, status: TaskStatus, *names: str, **more: Any) -> None:
    """End ECS tasks, by default all, each with its own row."""
    for row in w.rows():
        if row.ecs_task_id in w.ecs.tasks and (not names or row.task_name in names):
            w.as_task.write(replace(row, status=status, update_time=w.now, **more))
            w.ecs.end(row.ecs_task_id, 0 if status is COMPLETED else 1)


def tamper(w: Any, key: str, *remove: str, **values: Any) -> None:
    """Update an item that exists; `key` is its own or a task's name, `values` are DynamoDB JSON."""
    own = [row.ecs_task_id for row in w.rows() if row.task_name == key and row.was_started]
    clauses = {"SET": [f"#{name} = :{name}" for name in values], "REMOVE": [f"#{name}" for name in remove]}
    request: dict[str, Any] = {
        "TableName": w.details.name,
        "Key": {"workflow_run_id": {"N": str(w.run_id)}, "ecs_task_id": {"S": (own or [key])[-1]}},
        "UpdateExpression": " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts),
        "ExpressionAttributeNames": {f"#{name}": name for name in (*values, *remove)},
    }
    if values:
        request["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
    w.dynamodb.update_item(**request)


def follow(w: Any, tasks: int, seconds: int = 3000) -> dict[str, Any]:
    """Poll and launch as pattern 1's state machine does, until the run has ended; return the last poll's answer."""
    answer: dict[str, Any] = {}
    for _ in range(seconds // 30):
        answer = w.poll()
        if answer["done"]:
            break
        if answer["relaunch"]:
            w.launch(tasks)
        w.clock.advance(30)
    return answer


class TestCompleted:
    def test_of_an_attempt_that_ecs_did_not_start_is_not_counted(self, w: Any) -> None:
        w.launch()
        forge(w, COMPLETED, "task_02", 1)
        forge(w, COMPLETED, "task_03", 2)
        end(w, COMPLETED, "task_01")
        end(w, FAILED, "task_02", "task_03", error="JobFailed: x")
        w.poll()
        w.poll()
        assert w.summary().counts == Counts(1, 2, 0)

    def test_of_tasks_that_were_not_launched_yet_ends_no_run(self, world: Any) -> None:
        w = world(maxConcurrency=1)
        w.launch(3)
        for index in (1, 2):
            forge(w, COMPLETED, f"task_0{index + 1}", index)
        for _ in range(4):
            end(w, COMPLETED)
            w.poll()
            w.launch(3)
            w.clock.advance(30)
        assert {row.task_name for row in w.rows() if row.was_started} == {"task_01", "task_02", "task_03"}

    def test_of_an_attempt_that_ecs_did_not_start_does_not_count_in_a_stopped_run(self, w: Any) -> None:
        w.launch()
        forge(w, COMPLETED, "task_02", 1)
        finalize(w)
        assert w.summary().counts == Counts(0, 3, 0)

    def test_of_a_task_that_is_counted_counts_once(self, w: Any) -> None:
        w.launch(2)
        w.end_tasks(COMPLETED, "task_01")
        w.poll()
        (row,) = [row for row in w.rows() if row.task_name == "task_01"]
        key = {"workflow_run_id": {"N": str(w.run_id)}, "ecs_task_id": {"S": row.ecs_task_id}}
        w.dynamodb.update_item(TableName=w.details.name, Key=key, UpdateExpression="REMOVE task_index")
        for number in range(5):
            forge(w, COMPLETED, f"ghost{number}", 1)
        finalize(w, input=json.dumps(spec(tasks=2)))
        assert w.summary().counts == Counts(1, 1, 0)

    def test_of_a_task_that_was_counted_as_failed_does_not_correct_it(self, w: Any) -> None:
        w.launch(3)
        end(w, FAILED, "task_02", error="JobFailed: x")
        w.poll()
        tamper(w, "task_01", "uncounted")  # so that all rows are read
        forge(w, COMPLETED, "task_02", 1, key=FOREIGN)
        tamper(w, FOREIGN, "uncounted")
        w.poll()
        assert w.summary().counts == Counts(0, 1, 2)

    def test_after_a_call_that_ended_the_run_was_interrupted_does_not_count(self, w: Any) -> None:
        w.launch(2)
        forge(w, RUNNING, "task_02", 1, key=FOREIGN)
        conclude, w.monitor.summaries.conclude = w.monitor.summaries.conclude, None
        with pytest.raises(TypeError):
            finalize(w)
        w.monitor.summaries.conclude = conclude
        tamper(w, FOREIGN, status={"S": "Completed"})
        finalize(w)
        assert w.summary().counts == Counts(0, 2, 0)


class TestFailed:
    @pytest.mark.parametrize("index", [1000000, -1, 250, 10**30])
    def test_outside_the_task_list_is_left_out(self, w: Any, index: int) -> None:
        w.launch()
        forge(w, FAILED, "ghost", index, error={"S": "JobFailed: x"})
        w.poll()
        assert w.summary().counts == Counts(0, 0, 3)

    def test_outside_the_task_list_keeps_no_launcher_from_its_work(self, world: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(1)
        forge(w, FAILED, "ghost", 7, error={"S": "JobFailed: x"}, update_time={"S": LONG_AGO})
        w.clock.advance(60)
        w.launch(1)
        assert len(w.ecs.calls) == 1

    def test_of_other_names_is_no_reason_to_launch_a_task_again(self, world: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(1)
        for number in range(40):
            forge(w, FAILED, f"ghost{number}", 0, error={"S": "JobFailed: x"}, update_time={"S": LONG_AGO})
        w.clock.advance(60)
        w.poll()
        w.launch(1)
        assert len(w.ecs.calls) == 1

    def test_of_the_hundredth_attempt_makes_no_rows_of_those_before_it(self, world: Any) -> None:
        w = world(2)
        w.register()
        for number in (1, 2, 3):
            w.record(w.run_task(f"task_0{number}"), f"task_0{number}", RUNNING)
        forge(w, FAILED, "task_02", 1, attempt=100, error={"S": "JobFailed: x"})
        w.end_launching()
        w.poll()
        assert len(w.rows()) == 3

    @pytest.mark.parametrize("key", ["", FOREIGN], ids=["not started", "of a task that does not exist"])
    @pytest.mark.parametrize("pattern", [1, 2])
    def test_ends_no_run_and_no_task(self, world: Any, pattern: int, key: str) -> None:
        w = world(pattern)
        if pattern == 1:
            w.launch()
        else:
            w.register()
            for number in (1, 2, 3):
                w.record(w.run_task(f"task_0{number}"), f"task_0{number}", RUNNING)
            w.end_launching()
        w.poll()
        forge(w, FAILED, "task_02", 1, key=key, error={"S": "RunTaskRefused: x"})
        for _ in range(2):
            assert w.poll()["failed"] == 0
            w.clock.advance(301)
        end(w, COMPLETED)
        assert w.poll()["status"] == "Completed"
        assert w.summary().counts == Counts(3, 0, 0)

    def test_does_not_take_the_key_of_an_attempt_that_ecs_refuses(self, world: Any) -> None:
        w = world(2)
        w.register()
        forge(w, COMPLETED, "task_01", 0, key="not-started/task_01/1")
        assert failed(w, "ECS.InvalidParameterException", "TaskDefinition is inactive")["again"] is False
        (row,) = w.rows()
        assert (row.status, row.error.partition(":")[0]) == (FAILED, "ECS.InvalidParameterException")

    @pytest.mark.parametrize(
        "forged",
        [
            {"status": {"S": "Completed"}},
            {"task_index": {"N": "2"}},
            {"task_name": {"S": "x"}},
            {"attempt": {"S": "x"}},
        ],
    )
    def test_in_the_place_of_an_attempt_that_ecs_refused_does_not_hold_up_the_run(
        self, world: Any, forged: dict[str, Any]
    ) -> None:
        w = world(2)
        w.register(1)
        failed(w, "ECS.InvalidParameterException", "TaskDefinition is inactive")
        w.end_launching()
        w.dynamodb.put_item(TableName=w.details.name, Item={**to_item(w.rows()[0]), **forged})
        for _ in range(2):
            w.poll()
        assert (w.summary().status, w.summary().counts) == ("Failed", Counts(0, 1, 0))

    def test_of_a_task_s_own_is_retried_once_ecs_has_confirmed_it(self, world: Any) -> None:
        w = world(taskAttempts=2)
        put_new = w.details.put_new
        w.details.put_new = w.as_task.put_new  # its task was faster than the launcher
        w.launch(1)
        w.details.put_new = put_new
        end(w, FAILED, error="JobFailed: x")
        w.clock.advance(60)
        w.launch(1)
        assert len(w.ecs.calls) == 1
        assert w.poll()["relaunch"]
        w.launch(1)
        assert len(w.ecs.calls) == 2

    def test_that_timed_out_stops_no_task_of_others(self, w: Any) -> None:
        w.launch(1)
        w.ecs.add(FOREIGN, started_by="them", environment={})
        forge(w, FAILED, "ghost", 0, key=FOREIGN, error={"S": "TaskTimedOut: x"})
        w.poll()
        assert not w.ecs.stopped


@pytest.mark.parametrize(
    "more",
    [
        {"exec_time_in_seconds": {"S": "NaN"}},
        {"exec_time_in_seconds": {"S": "1e999"}},
        {"expires_at": {"S": "9" * 60}},
        {"exit_code": {"S": "9" * 60}},
    ],
)
def test_values_that_dynamodb_would_refuse_keep_no_run_from_its_end(w: Any, more: Any) -> None:
    w.launch()
    forge(w, COMPLETED, "ghost", 1, key=FOREIGN, **more)
    finalize(w)
    assert w.summary().end_time


def test_true_rows_count_in_a_run_that_is_ended_late_and_twice(w: Any) -> None:
    w.launch()
    w.clock.advance(60)
    w.end_tasks(COMPLETED)
    w.clock.advance(2 * 3600)
    w.ecs.tasks.clear()
    for _ in range(2):
        finalize(w, "TIMED_OUT")
        assert w.summary().counts == Counts(3, 0, 0)
        w.clock.advance(300)


def test_true_rows_count_in_a_run_that_an_older_version_has_counted(w: Any) -> None:
    w.launch()
    w.end_tasks(COMPLETED, "task_01", "task_02")
    for row in w.rows():
        if row.status is COMPLETED:
            w.ecs.tasks.pop(row.ecs_task_id)
    w.clock.advance(7200)
    # Such a version says how many tasks have ended, and not which.
    w.summaries._write(w.summary(), {"completed_tasks": 2, "running_tasks": 1, "last_ended": w.now})
    finalize(w)
    assert w.summary().counts == Counts(2, 1, 0)


class TestRunning:
    """Rows of ECS tasks that do not exist, in the name of attempts to come."""

    def test_takes_no_retry_from_a_task(self, world: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(2)
        w.poll()
        tamper(w, "task_01", start_time={"S": "x"})  # its own row is none: all rows are read
        forge(w, RUNNING, "task_02", 1, attempt=4, key=FOREIGN)
        w.poll()
        end(w, FAILED, "task_02", error="JobFailed: x")
        w.clock.advance(301)
        follow(w, 2, 600)
        assert [call for call in w.ecs.calls[2:] if "task_02" in str(call)]

    def test_makes_no_rows_of_attempts_before_it(self, world: Any) -> None:
        w = world(2)
        w.register(2)
        for name in ("task_01", "task_02"):
            w.record(w.run_task(name), name, RUNNING)
        w.end_launching()
        forge(w, RUNNING, "task_02", 1, attempt=20, key=FOREIGN)
        w.poll()
        w.clock.advance(301)
        w.poll()
        assert len(w.rows()) == 2

    def test_of_long_ago_outside_the_task_list_does_not_end_a_poll(self, world: Any) -> None:
        w = world(2, runTimeoutSeconds=20000, taskTimeoutSeconds=20000)
        w.register(2)
        for name in ("task_01", "task_02"):
            w.record(w.run_task(name), name, RUNNING)
        w.end_launching()
        started = w.now
        w.clock.advance(3600)
        forge(w, RUNNING, "ghost", 0, key=FOREIGN, start_time={"S": started}, task_index={"N": "-1"})
        assert w.poll()["running"] == 2

    def test_without_status_takes_no_retry_from_a_task(self, world: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(2)
        forge(w, RUNNING, "task_02", 1, attempt=2, key=FOREIGN)
        tamper(w, FOREIGN, "status")
        end(w, COMPLETED, "task_01")
        end(w, FAILED, "task_02", error="JobFailed: x")
        w.clock.advance(400)
        follow(w, 2, 600)
        assert len(w.ecs.calls) == 3

    def test_without_status_takes_no_room_for_good(self, world: Any) -> None:
        w = world(maxConcurrency=1)
        w.launch(2)
        forge(w, RUNNING, "ghost", 0, key=FOREIGN)
        tamper(w, FOREIGN, "status")
        end(w, COMPLETED, "task_01")
        w.clock.advance(400)
        follow(w, 2, 600)
        assert len(w.ecs.calls) == 2

    def test_at_the_place_of_another_task_does_not_count_for_it(self, w: Any) -> None:
        w.launch(3)
        forge(w, RUNNING, "task_01", 2, key=FOREIGN)
        end(w, COMPLETED, "task_01")
        w.poll()
        end(w, COMPLETED, "task_02")
        end(w, FAILED, "task_03", error="JobFailed: x")
        assert follow(w, 3)["done"]
        assert w.summary().counts == Counts(2, 1, 0)

    @pytest.mark.parametrize("start", [{"start_time": {"S": "2026-11-24T03:40:00Z"}}, {}], ids=["old", "new"])
    def test_that_is_as_long_as_an_item_can_be_keeps_no_run_from_its_end(self, w: Any, start: dict[str, Any]) -> None:
        w.launch(2)
        pad(lambda size: forge(w, RUNNING, "x", 1, key=FOREIGN, source_uri={"S": "x" * size}, **start))
        w.poll()
        finalize(w)
        assert w.summary().end_time


def pad(write: Callable[[int], object]) -> None:
    """Write the longest text that an item of DynamoDB has room for."""
    for size in range(409_600, 408_000, -1):
        with contextlib.suppress(ClientError):
            write(size)
            return


class TestOwnRow:
    """What a task can do to its own row: it may fail, and holds up nobody."""

    @pytest.mark.parametrize("attempts", [1, 2])
    @pytest.mark.parametrize(
        "forged",
        [
            {"exit_code": {"S": "x"}},
            {"expires_at": {"S": "x"}},
            {"status": {"S": "Bogus"}},
            {"task_index": {"S": "x"}},
            {"update_time": {"S": "9999-12-31T23:59:59.900Z"}},
            {"update_time": {"S": "3000-01-01T00:00:00Z"}},
        ],
        ids=str,
    )
    def test_that_is_changed_does_not_hold_up_the_run(self, world: Any, forged: Any, attempts: int) -> None:
        w = world(taskAttempts=attempts)
        w.launch(2)
        end(w, COMPLETED, "task_02")
        end(w, FAILED, "task_01", error="JobFailed: x")
        tamper(w, "task_01", **forged)
        for _ in range(attempts):
            assert not follow(w, 2, 600).get("relaunch")
            end(w, FAILED, "task_01", error="JobFailed: x")
        assert follow(w, 2)["done"]
        assert w.summary().counts == Counts(1, 1, 0)

    def test_without_its_place_in_the_list_does_not_hold_up_the_run(self, w: Any) -> None:
        w.launch(2)
        end(w, COMPLETED, "task_02")
        end(w, FAILED, "task_01", error="JobFailed: x")
        tamper(w, "task_01", "task_index")
        assert follow(w, 2)["done"]

    @pytest.mark.parametrize("forged", [{}, {"uncounted": {"S": "x"}}, {"uncounted": {"S": "copying/0/1/x"}}], ids=str)
    def test_that_leaves_the_index_is_retried(self, world: Any, forged: dict[str, Any]) -> None:
        w = world(taskAttempts=2)
        w.launch(2)
        end(w, COMPLETED, "task_02")
        end(w, FAILED, "task_01", error="JobFailed: x")
        tamper(w, "task_01", *(() if forged else ("uncounted",)), **forged)
        follow(w, 2, 600)
        assert len(w.ecs.calls) == 3

    def test_without_status_does_not_hold_up_the_run(self, world: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(2)
        end(w, COMPLETED, "task_02")
        tamper(w, "task_01", "status", uncounted={"S": "copying/0/2/task_01"})
        w.ecs.end(next(iter(w.ecs.tasks)), 1)
        follow(w, 2, 600)
        assert len(w.ecs.calls) == 3

    def test_at_another_place_is_not_confirmed_there_after_an_interruption(self, world: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(3)
        tamper(w, "task_01", task_index={"N": "2"}, uncounted={"S": "copying/2/1/task_01"})
        w.summaries._write(w.summary(), {"launcher_call": "interrupted", "launching_ended": False})
        w.launch(3)
        end(w, COMPLETED, "task_02", "task_03")
        end(w, FAILED, "task_01", error="JobFailed: x")
        follow(w, 3, 600)
        assert len(w.ecs.calls) == 4

    def test_that_is_as_long_as_an_item_can_be_does_not_hold_up_the_run(self, w: Any) -> None:
        w.launch(2)
        pad(lambda size: tamper(w, "task_01", source_uri={"S": "x" * size}))
        end(w, COMPLETED, "task_02")
        w.ecs.end(next(iter(w.ecs.tasks)), 1)
        assert follow(w, 2, 600)["done"]
        assert w.summary().counts == Counts(1, 1, 0)

    def test_with_a_log_stream_without_end_makes_no_long_message(self, w: Any) -> None:
        w.launch(1)
        end(w, FAILED, "task_01", error="JobFailed: x")
        tamper(w, "task_01", log_stream={"S": "x" * 390_000})
        assert len(w.poll()["message"]) < 1000


class TestNotStarted:
    """Rows of attempts that ECS refused: their keys can be guessed."""

    @pytest.mark.parametrize("attempts", [1, 2])
    @pytest.mark.parametrize(
        "forged",
        [
            {"status": {"S": "Running"}},
            {"status": {"S": "Completed"}},
            {"status": {"S": "Bogus"}},
            {"task_name": {"S": "task_01"}},
            {"task_index": {"N": "0"}},
            {"error": {"S": "JobFailed: x"}, "update_time": {"S": "3000-01-01T00:00:00Z"}},
            {"start_time": {"S": "x"}},
            {"exit_code": {"S": "x"}},
        ],
        ids=str,
    )
    def test_that_are_changed_say_what_they_said(self, world: Any, forged: Any, attempts: int) -> None:
        w = world(taskAttempts=attempts)
        refused = client_error("InvalidParameterException", "x")
        w.ecs.refuses = lambda request: refused if "task_02" in str(request) else None
        w.launch(2)
        tamper(w, "not-started/task_02/1", **forged)
        end(w, COMPLETED, "task_01")
        assert follow(w, 2, 1500)["done"] and w.summary().counts == Counts(1, 1, 0)
        assert len([call for call in w.ecs.calls if "task_02" in str(call)]) == 1

    def test_of_a_counted_task_do_not_hold_up_the_run(self, w: Any) -> None:
        refused = client_error("InvalidParameterException", "x")
        w.ecs.refuses = lambda request: refused if "task_02" in str(request) else None
        w.launch(2)
        w.poll()
        tamper(w, "not-started/task_02/1", status={"S": "Running"}, uncounted={"S": "copying/1/1/task_02"})
        end(w, COMPLETED, "task_01")
        assert follow(w, 2)["done"]


class TestTrueRows:
    """What must not be taken for forged."""

    def test_of_a_lost_host_is_retried_where_the_task_was_faster_than_the_launcher(self, world: Any) -> None:
        w = world(taskAttempts=1)
        target = w.settings.target
        attempt = Attempt("copying", w.run_id, "task_01", 1, "b", "in/1.txt", index=0)
        w.ecs.after_run_task = lambda arn: w.as_task.write(
            new_row(attempt, target, RUNNING, ecs_task_arn=arn, now=w.clock.now())
        )
        w.launch(1)
        w.ecs.after_run_task = None
        w.ecs.tasks.clear()
        w.clock.advance(301)
        follow(w, 1, 600)
        assert len(w.ecs.calls) == 2

    def test_of_a_counted_task_stays_where_ecs_has_forgotten_it(self, world: Any) -> None:
        w = world(2, taskAttempts=2, runTimeoutSeconds=20000, taskTimeoutSeconds=20000)
        w.register(3)
        arn = w.run_task("task_01", 2)  # its first attempt has no row
        for status in (RUNNING, COMPLETED):
            w.record(arn, "task_01", status, attempt=2, uncounted="copying/0/2/task_01")
        w.ecs.end(arn, 0)
        w.poll()
        other = w.run_task("task_02")
        w.record(other, "task_02", RUNNING)
        w.clock.advance(3500)
        w.record(other, "task_02", COMPLETED)
        w.ecs.end(other, 0)
        w.poll()
        w.clock.advance(200)
        del w.ecs.tasks[arn]
        w.poll()
        assert w.summary().counts == Counts(2, 0, 1)
        assert arn in {row.ecs_task_id for row in w.rows()}

    def test_that_was_refuted_fails_as_its_state_machine_says(self, world: Any) -> None:
        w = world(2, taskAttempts=2)
        w.register(1)
        arn = w.run_task("task_01")
        w.record(arn, "task_01", RUNNING)
        w.ecs.tasks.pop(arn)
        w.clock.advance(301)
        w.poll()
        cause = ecs_cause(TaskArn=arn, Containers=[], StopCode="SpotInterruption", StoppedReason="x")
        assert failed(w, "States.TaskFailed", cause)["again"]
        (row,) = w.rows()
        assert (row.ecs_task_id, row.stop_code) == (arn, "SpotInterruption")

    def test_that_was_refuted_counts_once_ecs_knows_its_task(self, world: Any) -> None:
        w = world(2)
        w.register(2)
        arn = w.run_task("task_01")
        w.record(arn, "task_01", RUNNING)
        task = w.ecs.tasks.pop(arn)
        w.clock.advance(301)
        w.poll()
        w.ecs.tasks[arn] = task
        w.record(arn, "task_01", COMPLETED)
        w.ecs.end(arn, 0)
        w.end_launching()
        w.poll()
        assert w.summary().counts == Counts(1, 1, 0)


@pytest.mark.parametrize(
    "key",
    [
        f"arn:aws:ecs:us-west-2:{ACCOUNT}:task/kit-1/{'ab' * 16}",
        f"arn:aws:ecs:{REGION}:999999999999:task/kit-1/{'ab' * 16}",
        f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/kit-1/{'ab' * 16}a",
        f"arn:aws-cn:ecs:{REGION}:{ACCOUNT}:task/kit-1/{'ab' * 16}",
    ],
)
def test_ecs_is_not_asked_for_what_it_would_refuse_the_whole_call(
    w: Any, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    w.launch(1)
    forge(w, RUNNING, "task_01", 0, key=key)
    asked: list[str] = []
    describe = w.ecs.describe_tasks
    monkeypatch.setattr(w.ecs, "describe_tasks", lambda **given: (asked.extend(given["tasks"]), describe(**given))[1])
    w.poll()
    assert asked == list(w.ecs.tasks)
