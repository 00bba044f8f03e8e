"""Tasks whose containers know nothing of the kit: their rows say what ECS says, by events or by polls."""

from __future__ import annotations

from typing import Any

import pytest

from ecs_kit.runtime.contract import overrides
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.failures import ExitCodes, of_stopped_task
from ecs_kit.runtime.contract.records import Target
from ecs_kit.runtime.contract.settings import from_json
from ecs_kit.runtime.contract.specs import TaskEntry
from ecs_kit.runtime.contract.statuses import TaskStatus
from tests.unit.runtime.fakes import settings_json

SUBMITTED, RUNNING = TaskStatus.SUBMITTED, TaskStatus.RUNNING
COMPLETED, FAILED = TaskStatus.COMPLETED, TaskStatus.FAILED
CODES = ExitCodes(success=(0, 3), retry=(75,))


def ended(exit_code: int | None = 0, stop_code: str = "EssentialContainerExited", reason: str = "") -> EcsTask:
    return EcsTask("arn:task/a", "STOPPED", stop_code=stop_code, stopped_reason=reason, exit_code=exit_code)


class TestExitCodes:
    @pytest.mark.parametrize(
        ("task", "succeeded"),
        [
            (ended(0), True),
            (ended(3), True),
            (ended(1), False),
            (ended(None), False),
            (ended(0, "UserInitiated"), False),
            (ended(0, "SpotInterruption"), False),
            (ended(0, reason="Host EC2 (instance i-1) terminated."), False),
        ],
    )
    def test_a_task_succeeds_that_ended_by_itself_with_a_code_of_success(self, task: EcsTask, succeeded: bool) -> None:
        assert CODES.succeeded(task) is succeeded
        assert not ExitCodes().succeeded(task), "tasks that keep their own rows say so themselves"

    @pytest.mark.parametrize(("code", "error"), [(75, "ContainerExited"), (64, "ExitCodeNotRetried")])
    def test_only_the_codes_that_are_named_are_retried(self, code: int, error: str) -> None:
        assert of_stopped_task(ended(code), CODES).error == f"{error}: the container exited with code {code}"
        assert of_stopped_task(ended(code), ExitCodes((0,))).code == "ContainerExited", "without names, all are"
        assert of_stopped_task(ended(code, "UserInitiated"), CODES).code == "TaskStopped", "it did not choose it"


def event(w: Any, arn: str) -> dict[str, Any]:
    """What EventBridge reports of a task: as DescribeTasks has it, but for times, which are text."""
    task = w.ecs.seen(arn)
    times = {name: value.isoformat() for name, value in task.items() if name.endswith("At")}
    return {"detail-type": "ECS Task State Change", "detail": {**task, **times}}


def outcomes(w: Any) -> list[tuple[str, TaskStatus, int | None, float | None]]:
    return [(row.task_name, row.status, row.exit_code, row.exec_time_in_seconds) for row in w.rows()]


@pytest.mark.parametrize("by_events", [True, False], ids=["events", "polls"])
@pytest.mark.parametrize("pattern", [1, 2])
def test_rows_follow_what_ecs_says(world: Any, pattern: int, by_events: bool) -> None:
    w = world(pattern, jobRecords="ecs", taskAttempts=1, toleratedFailurePercentage=50)
    if pattern == 1:
        w.launch()
        arns = [row.ecs_task_id for row in w.rows()]
        assert {row.status for row in w.rows()} == {SUBMITTED}
    else:
        w.register()
        arns = [w.run_task(f"task_{n:02}") for n in (1, 2, 3)]

    def look() -> None:
        if by_events:
            for arn in arns:
                w.monitor.record_event(event(w, arn))
        else:
            w.poll()

    look()
    assert {row.status for row in w.rows()} == {RUNNING}
    w.clock.advance(7)
    for arn, code in zip(arns, (0, 0, 9), strict=True):
        w.ecs.end(arn, code)
    w.clock.advance(60)
    look()
    seen = [w.ecs.seen(row.ecs_task_id) for row in w.rows()]
    assert outcomes(w) == [
        ("task_01", COMPLETED, None, 7.0),
        ("task_02", COMPLETED, None, 7.0),
        ("task_03", FAILED, 9, 7.0),
    ]
    times = [(row.queued_at, row.started_at, row.stopped_at) for row in w.rows()]
    assert times == [(to_iso(each["createdAt"]), to_iso(each["startedAt"]), to_iso(each["stoppedAt"])) for each in seen]
    assert w.rows()[2].error == "ContainerExited: the container exited with code 9"
    assert all(row.log_stream.endswith(row.ecs_task_id.rsplit("/", 1)[-1]) for row in w.rows())
    if pattern == 2:
        w.end_launching()
    result = w.poll()
    assert (result["done"], result["status"], result["completed"]) == (True, "CompletedWithFailures", 2)


def test_tasks_that_ended_before_anything_was_heard_of_them_are_counted_with_their_first_rows(world: Any) -> None:
    w = world(2, jobRecords="ecs")
    w.register(2)
    for name in ("task_01", "task_02"):
        w.ecs.end(w.run_task(name), 0)
    result = w.poll()
    assert (result["status"], result["completed"], w.summary().completed_tasks) == ("Completed", 2, 2)
    assert [row.uncounted for row in w.rows()] == [None, None]


@pytest.mark.parametrize("code", [0, 7])
def test_the_exit_code_of_a_container_that_was_stopped_is_kept(world: Any, code: int) -> None:
    w = world(1, jobRecords="ecs")
    w.launch(1)
    arn = w.rows()[0].ecs_task_id
    w.ecs.end(arn, code)
    w.ecs.tasks[arn]["stopCode"] = "UserInitiated"
    w.monitor.record_event(event(w, arn))
    assert outcomes(w)[0][1:3] == (FAILED, code)


def test_events_in_any_order_and_twice_change_no_terminal_row(world: Any) -> None:
    w = world(1, jobRecords="ecs")
    w.launch(1)
    arn = w.rows()[0].ecs_task_id
    runs = event(w, arn)
    w.ecs.end(arn, 0)
    for each in (event(w, arn), runs, event(w, arn)):
        w.monitor.record_event(each)
    assert [row.status for row in w.rows()] == [COMPLETED]


def test_an_event_of_a_run_that_has_ended_leaves_no_active_row(world: Any) -> None:
    w = world(2, jobRecords="ecs")
    w.register(1)
    arn = w.run_task("task_01")
    runs = event(w, arn)
    w.monitor._finalize(w.summary(), "Aborted", "stopped by hand", lambda: 300)
    assert w.monitor.record_event(runs) == {"recorded": False}
    assert [row.status for row in w.rows()] == [FAILED]


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_task_that_stops_after_its_run_was_ended_gets_ecs_s_reasons(world: Any, pattern: int) -> None:
    w = world(pattern, jobRecords="ecs")
    if pattern == 1:
        w.launch(1)
        arn = w.rows()[0].ecs_task_id
    else:
        w.register(1)
        arn = w.run_task("task_01")
    w.poll()
    w.ecs.stop = lambda arn, _reason: w.ecs.tasks[arn].update(desiredStatus="STOPPED")  # it takes its time
    w.monitor._finalize(w.summary(), "Aborted", "stopped by hand", lambda: 300)
    assert [(row.status, row.exit_code) for row in w.rows()] == [(FAILED, None)]
    error = w.rows()[0].error
    w.clock.advance(7)
    w.ecs.end(arn, 0, "by hand")
    w.ecs.tasks[arn]["stopCode"] = "UserInitiated"
    w.monitor.record_event(event(w, arn))
    (row,) = w.rows()
    assert (row.status, row.error, row.exit_code, row.stop_code) == (FAILED, error, 0, "UserInitiated")
    assert row.exec_time_in_seconds > 0 and row.stopped_reason


def test_events_of_other_tasks_and_of_runs_that_keep_their_own_rows_are_ignored(world: Any) -> None:
    w = world(2, jobRecords="kit")
    w.register(1)
    assert w.monitor.record_event(event(w, w.run_task("task_01"))) == {"recorded": False}
    assert w.monitor.record_event(event(w, w.run_task("task_01", workflow="other"))) == {"recorded": False}
    assert w.rows() == []


def test_tasks_of_another_stack_with_the_same_names_in_a_shared_cluster_are_left_alone(world: Any) -> None:
    w = world(2, jobRecords="ecs", toleratedFailurePercentage=50)
    w.register(1)
    foreign = w.run_task("task_01")
    w.ecs.tasks[foreign] |= {
        "family": "other-2",
        "taskDefinitionArn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/other-2:7",
    }
    w.poll()
    assert w.monitor.record_event(event(w, foreign)) == {"recorded": False} and w.rows() == []
    w.monitor._finalize(w.summary(), "Aborted", "stopped by hand", lambda: 300)
    w.monitor.sweep(lambda: 300)
    assert w.ecs.stopped == []


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_task_over_its_limit_is_stopped_and_recorded(world: Any, pattern: int) -> None:
    w = world(pattern, jobRecords="ecs")
    if pattern == 1:
        w.launch(1)
    else:
        w.register(1)
        w.run_task("task_01")
    w.poll()
    w.clock.advance(611)
    w.poll()
    assert len(w.ecs.stopped) == 1
    w.poll()
    (row,) = w.rows()
    assert (row.status, row.exit_code) == (FAILED, 143)
    assert row.error.startswith("TaskTimedOut: timed out")


def test_a_job_that_ended_before_its_run_was_aborted_counts_as_completed(world: Any) -> None:
    w = world(1, jobRecords="ecs")
    w.launch(2)
    w.ecs.end(w.rows()[0].ecs_task_id, 0)
    w.monitor._finalize(w.summary(), "Aborted", "stopped by hand", lambda: 300)
    assert [row.status for row in w.rows()] == [COMPLETED, FAILED]
    assert (w.summary().completed_tasks, w.summary().failed_tasks) == (1, 1)


class TestOverrides:
    ATTEMPT = Attempt("wf", 7, "a", 2, "in-bucket", "in/k.txt")

    def of(self, entry: TaskEntry, **settings: Any) -> dict[str, Any]:
        made = overrides.of_task(from_json(settings_json(1, **settings)), entry, self.ATTEMPT, "2026-11-24T04:50:44Z")
        (container,) = made.pop("containerOverrides")
        variables = {each["name"]: each["value"] for each in container["environment"]}
        own = {name: value for name, value in variables.items() if not name.startswith("KIT_")}
        return {"command": container.get("command"), "environment": own, **made}

    def test_a_task_has_the_job_s_command_and_variables_with_placeholders_filled_in(self) -> None:
        template = {
            "jobCommand": ["cp", "{source.uri}", "{target.uri}"],
            "jobEnvironment": {"WHO": "{task.name} of {run.id}"},
        }
        assert self.of(TaskEntry("a", "in-bucket", "in/k.txt"), **template) == {
            "command": ["cp", "s3://in-bucket/in/k.txt", "s3://kit-1/copies/wf/7/a/k.txt"],
            "environment": {"WHO": "a of 7"},
        }

    def test_its_own_command_variables_and_size_come_first(self) -> None:
        entry = TaskEntry("a", "b", "k", ("echo", "{no} {a.b}"), {"WHO": "me", "MORE": "{source.key}"}, 512, 2048)
        assert self.of(entry, jobCommand=["cp"], jobEnvironment={"WHO": "{task.name}"}) == {
            "command": ["echo", "{no} {a.b}"],
            "environment": {"WHO": "me", "MORE": "in/k.txt"},
            "cpu": "512",
            "memory": "2048",
        }

    def test_a_value_is_not_searched_for_placeholders(self) -> None:
        attempt = Attempt("wf", 7, "a", 1, "b", "{task.name}/k")
        known = overrides.values(attempt, Target("kit", "copies", "ecs", "app"))
        assert overrides.fill("{source.key}", known) == "{task.name}/k"

    def test_without_any_of_it_the_task_definition_s_values_hold(self) -> None:
        assert self.of(TaskEntry("a", "b", "k")) == {"command": None, "environment": {}}
