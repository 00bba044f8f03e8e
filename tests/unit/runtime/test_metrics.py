"""The metrics that functions and tasks log: each is counted once, by the write that made it true."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import fastjsonschema
import pytest

from ecs_kit.runtime.contract import metrics
from ecs_kit.runtime.contract.records import Summary, TaskRow
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from tests.unit.runtime.fakes import EXECUTION, client_error
from tests.unit.runtime.test_monitor import finalize, plenty
from tests.unit.runtime.test_record_failure import failed

COMPLETED, FAILED = TaskStatus.COMPLETED, TaskStatus.FAILED

SCHEMA = fastjsonschema.compile(
    {
        "type": "object",
        "required": ["_aws"],
        "properties": {
            "_aws": {
                "type": "object",
                "required": ["Timestamp", "CloudWatchMetrics"],
                "properties": {
                    "Timestamp": {"type": "integer"},
                    "CloudWatchMetrics": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["Namespace", "Dimensions", "Metrics"],
                            "properties": {
                                "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                                "Dimensions": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": {"type": "array", "maxItems": 30, "items": {"type": "string"}},
                                },
                                "Metrics": {
                                    "type": "array",
                                    "maxItems": 100,
                                    "items": {
                                        "type": "object",
                                        "required": ["Name"],
                                        "properties": {
                                            "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                            "Unit": {"enum": ["Count", "Seconds"]},
                                        },
                                        "additionalProperties": False,
                                    },
                                },
                            },
                        },
                    },
                },
            }
        },
    }
)
"""What AWS's specification of the format asks of the root node and its metadata, with the units that the kit uses."""


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], dict[str, float]]:
    """The metrics that were logged so far, added up by name; each line is checked against the format."""
    caplog.set_level("INFO", logger="kit")

    def read() -> dict[str, float]:
        totals: Counter[str] = Counter()
        for record in caplog.records:
            entry = json.loads(json.dumps(getattr(record, "details", {})))
            if "_aws" not in entry:
                continue
            SCHEMA(entry)
            (directive,) = entry["_aws"]["CloudWatchMetrics"]
            assert (directive["Namespace"], directive["Dimensions"]) == (metrics.NAMESPACE, [[metrics.DIMENSION]])
            assert entry[metrics.DIMENSION] == "kit"
            totals.update({metric["Name"]: entry[metric["Name"]] for metric in directive["Metrics"]})
        return dict(totals)

    return read


class TestValues:
    def test_a_write_that_changes_nothing_counts_nothing(self) -> None:
        run = Summary("wf", 1, RunStatus.FAILED, 3, "arn", "t", "t", completed_tasks=2, failed_tasks=1)
        row = TaskRow(1, "arn:1", "wf", "a", 1, FAILED, "t", "t", exec_time_in_seconds=2.5)
        assert metrics.of_run(run, replace(run, update_time="later")) == {}
        assert metrics.of_attempt(row, replace(row, error="more")) == {}

    def test_a_new_run_counts_nothing_yet(self) -> None:
        assert metrics.of_run(None, Summary("wf", 1, RunStatus.RUNNING, 3, "arn", "t", "t")) == {}

    @pytest.mark.parametrize("status", [status for status in RunStatus if status.is_final])
    def test_every_end_of_a_run_has_its_metric(self, status: RunStatus) -> None:
        run = Summary("wf", 1, RunStatus.RUNNING, 3, "arn", "t", "t")
        assert metrics.of_run(run, replace(run, status=status)) == {metrics.RUNS_ENDED[status]: 1}

    def test_an_attempt_that_ecs_never_accepted_was_not_launched(self) -> None:
        row = TaskRow(1, "not-started/a/1", "wf", "a", 1, FAILED, "t", "t")
        assert metrics.of_attempt(None, row) == {}

    def test_an_attempt_without_a_known_duration_has_none(self) -> None:
        row = TaskRow(1, "arn:1", "wf", "a", 1, TaskStatus.RUNNING, "t", "t")
        assert metrics.of_attempt(row, replace(row, status=FAILED)) == {}
        assert metrics.of_attempt(row, replace(row, status=COMPLETED, exec_time_in_seconds=0.0)) == {
            metrics.TASK_DURATION: 0.0
        }

    def test_names_are_different_and_few(self) -> None:
        names = [metric.name for metric in metrics.METRICS]
        assert len(set(names)) == len(names) <= 12

    def test_a_line_holds_the_time_in_milliseconds(self) -> None:
        entry = metrics.log_entry({metrics.TASKS_FAILED: 2}, "kit", datetime(2026, 11, 24, tzinfo=UTC))
        assert (entry["_aws"]["Timestamp"], entry["TasksFailed"]) == (1795478400000, 2)


class TestRuns:
    def test_a_run_s_metrics_are_what_its_tables_say_however_often_it_is_polled(self, w: Any, logged: Any) -> None:
        w.launch(10)
        w.end_tasks(COMPLETED, "task_01", "task_02", exec_time_in_seconds=2.0)
        w.poll()
        w.poll()
        w.end_tasks(FAILED, "task_03", error="JobFailed: no", exec_time_in_seconds=0.5)
        w.end_tasks(COMPLETED, *(f"task_{number:02}" for number in range(4, 11)), exec_time_in_seconds=1.0)
        w.poll()
        w.poll()
        durations = [row.exec_time_in_seconds for row in w.rows()]
        assert logged() == {
            "TasksLaunched": len(w.rows()),
            "TasksCompleted": w.summary().completed_tasks,
            "TasksFailed": w.summary().failed_tasks,
            "TaskDuration": sum(durations),
            "RunsFailed": 1,
        }

    def test_a_run_that_is_stopped_counts_once_however_often_it_is_reported(self, w: Any, logged: Any) -> None:
        w.launch()
        w.end_tasks(COMPLETED, "task_01")
        for _ in range(2):
            finalize(w)
        w.poll()
        assert logged() == {"TasksLaunched": 3, "TasksCompleted": 1, "TasksFailed": 2, "RunsAborted": 1}

    def test_a_launcher_that_is_called_again_counts_no_launch_twice(self, w: Any, logged: Any) -> None:
        for _ in range(2):
            w.launch()
        assert logged() == {"TasksLaunched": 3}

    def test_a_retried_task_is_launched_twice_and_completes_once(self, world: Any, logged: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(1)
        w.end_tasks(FAILED, error="JobFailed: no", exec_time_in_seconds=1.0)
        w.poll()
        w.clock.advance(60)
        w.launch(1)
        w.end_tasks(exec_time_in_seconds=2.0)
        w.poll()
        assert logged() == {"TasksLaunched": 2, "TasksCompleted": 1, "TaskDuration": 3.0, "RunsCompleted": 1}


class TestCapacity:
    def test_a_throttled_launch_and_the_wait_after_it(self, w: Any, logged: Any) -> None:
        w.ecs.refuses = lambda _: client_error("ThrottlingException", "Rate exceeded")
        w.launch(1)
        assert logged()["CapacityWaits"] == w.summary().capacity_waits == 1
        assert logged()["RunTaskThrottles"] == len(w.ecs.calls) > 1

    def test_what_step_functions_retried_itself_counts_too(self, world: Any, logged: Any) -> None:
        w = world(2)
        w.register()
        failed(w, "ECS.AmazonECSException", "Rate exceeded (Service: AmazonECS)", retries=6)
        assert logged() == {"RunTaskThrottles": 7, "CapacityWaits": 1}


class TestSweep:
    def test_only_a_sweep_that_found_something_counts(self, w: Any, logged: Any) -> None:
        w.launch(1)
        w.stepfunctions.executions[EXECUTION] = {"status": "RUNNING"}
        w.monitor.sweep(plenty)
        assert "SweepFindings" not in logged()
        w.stepfunctions.executions[EXECUTION] = {"status": "ABORTED"}
        w.monitor.sweep(plenty)
        w.monitor.sweep(plenty)
        assert logged()["SweepFindings"] == 1


class TestTasks:
    def test_a_task_s_own_rows_are_its_launch_and_its_duration(self, w: Any, logged: Any) -> None:
        row = TaskRow(1, "arn:task/1", "wf", "a", 1, TaskStatus.RUNNING, "t", "t")
        w.as_task.write(row)
        w.as_task.write(row)
        w.as_task.write(replace(row, status=COMPLETED, exec_time_in_seconds=1.25))
        w.as_task.write(replace(row, status=FAILED, exec_time_in_seconds=9.0))
        assert logged() == {"TasksLaunched": 1, "TaskDuration": 1.25}
