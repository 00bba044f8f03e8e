"""Runs of any size, made up, as AWS would have them: for the page's tests."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.reporter.cost import TaskSize
from ecs_kit.runtime.reporter.data import Reading
from ecs_kit.runtime.reporter.run_state import RunKey, RunState

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CLUSTER = "amazon-ecs-starter-kit-pattern-1"
MACHINE = f"arn:aws:states:us-east-1:111122223333:stateMachine:{CLUSTER}"
DEPLOYED: Mapping[str, Any] = {
    "stateMachineArn": MACHINE,
    "clusterName": CLUSTER,
    "containerName": "app",
    "taskDefinition": f"{CLUSTER}:7",
    "ddbTableNameWFSummary": "workflow_summary_pattern_1",
    "ddbTableNameWFDetails": "workflow_details_pattern_1",
    "launcherFunctionName": f"{CLUSTER}-launcher",
    "monitorFunctionName": f"{CLUSTER}-monitor",
    "taskLogGroup": f"/ecs/{CLUSTER}",
    "s3BucketName": "111122223333-bucket",
    "targetPrefix": "copies",
}
SETTINGS = {
    "task_definition": f"{CLUSTER}:5",
    "task_attempts": 2,
    "task_timeout_seconds": 600,
    "run_timeout_seconds": 3600,
    "tolerated_failure_percentage": 20,
    "spot_share": 0,
    "max_concurrency": 0,
    "job_records": "kit",
    "target_prefix": "copies",
}
ERRORS = (
    "JobFailed: NoSuchKey: The specified key does not exist. (CopyObject); source s3://sources/in/a.txt",
    "SpotInterruption: Your Spot Task was interrupted.",
    "TaskTimedOut: timed out after 600 s or at the run's deadline",
)


def at(seconds: float) -> str:
    """A time after the run's start."""
    return to_iso(START + timedelta(seconds=seconds))


def attempt(
    name: str, number: int, queued: float, *, pulled: float = 8, runs: float | None = 20, error: str = "", **more: Any
) -> dict[str, Any]:
    """A row: queued at so many seconds, pulled 4 s later for so long, run for so long; None while it runs."""
    began = queued + 4 + pulled
    status = "Running" if runs is None else "Failed" if error else "Completed"
    identifier = uuid.uuid5(uuid.NAMESPACE_OID, f"{name}/{number}").hex
    row = {
        "workflow_name": "nightly",
        "workflow_run_id": 1795510747476181,
        "ecs_task_id": f"arn:aws:ecs:us-east-1:111122223333:task/{CLUSTER}/{identifier}",
        "task_name": name,
        "attempt": number,
        "status": status,
        "start_time": at(began + 0.4),
        "queued_at": at(queued),
        "pull_started_at": at(queued + 4),
        "pull_stopped_at": at(queued + 4 + pulled),
        "started_at": at(began),
        "update_time": at(began + (runs or 0)),
        "log_stream": f"ecs/app/{identifier}",
    }
    if runs is not None:
        row["exec_time_in_seconds"] = runs - 0.4
    if error:
        row |= {"error": error, "exit_code": 1}
    return {**row, **more}


def run_of(tasks: int, *, failing: int = 0, active: bool = False, width: int = 250) -> Reading:
    """A run with so many tasks, `width` of them at once; `failing` of them fail, and as many need two attempts."""
    rows = []
    for number in range(tasks):
        name, queued = f"task_{number + 1:05}", (number // width) * 30 + number % width * 0.05
        runs: float | None = 6 + number * 37 % 23
        every = tasks // failing if failing else tasks + 1
        if failing and number % every == every - 1 and number // every < failing:
            rows.append(attempt(name, 1, queued, runs=runs, error=ERRORS[number % 3]))
            rows.append(attempt(name, 2, queued + 40, runs=runs, error=ERRORS[number % 3]))
        elif failing and number % every == 0 and number // every < failing:
            rows.append(attempt(name, 1, queued, runs=3, error=ERRORS[1], stop_code="SpotInterruption"))
            rows.append(attempt(name, 2, queued + 25, runs=runs))
        elif active and number >= tasks * 0.9:
            continue
        else:
            rows.append(attempt(name, 1, queued, runs=None if active and number >= tasks * 0.7 else runs))
    names = [f"task_{number + 1:05}" for number in range(tasks)]
    return reading(rows, names, active=active, failed=failing)


def reading(rows: list[dict[str, Any]], names: list[str], *, active: bool = False, failed: int = 0) -> Reading:
    """What is read of a run with these rows and tasks."""
    end = max((row["update_time"] for row in rows if "update_time" in row), default=at(1))
    status = "Running" if active else "CompletedWithFailures" if failed else "Completed"
    summary = {
        "status": status,
        "number_of_tasks": len(names),
        "completed_tasks": len(names) - failed,
        "failed_tasks": failed,
        "running_tasks": 0,
        "start_time": at(0),
        "settings": json.dumps(SETTINGS),
        **({} if active else {"end_time": end}),
    }
    arn = f"{MACHINE.replace('stateMachine', 'execution')}:nightly"
    spec = {"workflowName": "nightly", "taskList": [{"taskName": name, "objectKey": "in/a.txt"} for name in names]}
    execution = {"status": "RUNNING" if active else "SUCCEEDED", "startDate": START, "input": json.dumps(spec)}
    key = RunKey(1, "nightly", 1795510747476181, arn, DEPLOYED)
    logs = {row["ecs_task_id"]: ["the task starts", f"ERROR {row['error']}"] for row in rows if row.get("error")}
    return Reading(
        RunState(key, execution, summary, tuple(rows)),
        now=datetime.fromisoformat(end) + timedelta(seconds=5),
        logs=dict(list(logs.items())[:20]),
        size=TaskSize(256, 512),
        image="111122223333.dkr.ecr.us-east-1.amazonaws.com/amazon-ecs-starter-kit-pattern-1@sha256:0123456789abcdef",
        has_console=True,
    )
