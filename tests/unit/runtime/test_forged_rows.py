"""Rows that a compromised task has written with UpdateItem: what launcher and monitor make of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ecs_kit.runtime.contract.records import Counts
from ecs_kit.runtime.contract.statuses import TaskStatus
from tests.unit.runtime.fakes import ACCOUNT, REGION, spec
from tests.unit.runtime.test_monitor import finalize
from tests.unit.runtime.test_record_failure import failed

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
