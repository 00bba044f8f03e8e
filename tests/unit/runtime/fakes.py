"""Stand-ins for what the runtime talks to: a clock, an ECS cluster, Step Functions, Lambda's context."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

START = datetime(2026, 11, 24, 3, 50, 44, 120_000, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-central-1"
STATE_MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:kit"
EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:kit:one"


class FakeClock:
    """A clock that only sleeping moves."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(max(seconds, 0))

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class FakeContext:
    """Lambda's context with a fixed time left."""

    def __init__(self, seconds: float = 300) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def client_error(
    code: str, message: str = "", operation: str = "RunTask", status: int = 400, **more: Any
) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(response, operation)


class FakeEcs:
    """One ECS cluster in memory. RunTask honours client tokens, as ECS does.

    `answers` holds, for the next calls of RunTask, an exception to raise, `failures` to return, or None for success.
    `lost_answers` counts calls that are carried out but whose answer never arrives.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.tasks: dict[str, dict[str, Any]] = {}
        self.answers: list[Any] = []
        self.lost_answers: list[Exception] = []
        self.calls: list[dict[str, Any]] = []
        self.stopped: list[tuple[str, str]] = []
        self.after_run_task: Callable[[str], None] | None = None
        self.refuses: Callable[[dict[str, Any]], Exception | None] = lambda _: None
        self._by_token: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)

    def run_task(self, **request: Any) -> dict[str, Any]:
        self.calls.append(request)
        token = request["clientToken"]
        if token not in self._by_token:
            answer = self.answers.pop(0) if self.answers else self.refuses(request)
            if isinstance(answer, Exception):
                raise answer
            if answer:
                self._by_token[token] = {"tasks": [], "failures": answer}
            else:
                self._by_token[token] = {"tasks": [self._start(request)], "failures": []}
        if self.lost_answers:
            raise self.lost_answers.pop(0)
        result = self._by_token[token]
        if self.after_run_task and result["tasks"]:
            self.after_run_task(result["tasks"][0]["taskArn"])
        return result

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{request['cluster']}/{next(self._numbers):032x}"
        return self.add(
            arn,
            started_by=request.get("startedBy", ""),
            group=request.get("group", ""),
            family=request["taskDefinition"].partition(":")[0],
            environment={
                variable["name"]: variable["value"]
                for variable in request["overrides"]["containerOverrides"][0]["environment"]
            },
        )

    def add(
        self, arn: str, *, started_by: str, group: str = "", family: str = "", environment: dict[str, str]
    ) -> dict[str, Any]:
        self.tasks[arn] = {
            "taskArn": arn,
            "family": family or arn.split("/")[1],
            "lastStatus": "RUNNING",
            "desiredStatus": "RUNNING",
            "startedBy": started_by,
            "group": group,
            "createdAt": self.clock.now(),
            "startedAt": self.clock.now(),
            "containers": [{"name": "app"}],
            "overrides": {
                "containerOverrides": [
                    {"name": "app", "environment": [{"name": n, "value": v} for n, v in environment.items()]}
                ]
            },
        }
        return self.tasks[arn]

    def end(self, arn: str, exit_code: int | None = 0, reason: str = "Essential container in task exited") -> None:
        task = self.tasks[arn]
        task.update(lastStatus="STOPPED", desiredStatus="STOPPED", stoppedReason=reason, stoppedAt=self.clock.now())
        task["stopCode"] = "EssentialContainerExited"
        if exit_code is not None:
            task["containers"][0]["exitCode"] = exit_code

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict[str, Any]:
        assert 0 < len(tasks) <= 100
        return {
            "tasks": [self.tasks[arn] for arn in tasks if arn in self.tasks],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn in tasks if arn not in self.tasks],
        }

    def list_tasks(self, *, cluster: str, nextToken: str = "0", **filters: str) -> dict[str, Any]:
        assert "startedBy" not in filters or len(filters) == 1, "startedBy must be the only filter"
        wanted = {"desiredStatus": "RUNNING", **filters}
        found = [arn for arn, task in self.tasks.items() if wanted.items() <= task.items()]
        first = int(nextToken)
        page: dict[str, Any] = {"taskArns": found[first : first + 3]}
        return page | ({"nextToken": str(first + 3)} if first + 3 < len(found) else {})

    def stop_task(self, *, cluster: str, task: str, reason: str) -> None:
        assert len(reason) <= 255
        if task not in self.tasks:
            raise client_error("InvalidParameterException", "The referenced task was not found.", "StopTask")
        self.stopped.append((task, reason))
        self.end(task, 143, reason)
        self.tasks[task]["stopCode"] = "UserInitiated"


class FakeStepFunctions:
    """Executions by ARN, as DescribeExecution has them."""

    class exceptions:
        class ExecutionDoesNotExist(Exception):
            pass

    def __init__(self) -> None:
        self.executions: dict[str, dict[str, Any]] = {}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        if executionArn not in self.executions:
            raise self.exceptions.ExecutionDoesNotExist
        return self.executions[executionArn]


def infrastructure(pattern: int = 1) -> dict[str, str]:
    return {
        "region": REGION,
        "s3BucketName": f"kit-{pattern}",
        "subnetIdLiteral": "subnet-1$subnet-2",
        "securityGroupId": "sg-tasks",
        "ddbTableNameWFSummary": f"workflow_summary_pattern_{pattern}",
        "hashKeyWFSummary": "workflow_name",
        "rangeKeyWFSummary": "workflow_run_id",
        "ddbTableNameWFDetails": f"workflow_details_pattern_{pattern}",
        "hashKeyWFDetails": "workflow_run_id",
        "rangeKeyWFDetails": "ecs_task_id",
        "clusterName": f"kit-{pattern}",
        "containerName": "app",
        "taskDefinition": f"kit-{pattern}:7",
    }


def spec(pattern: int = 1, tasks: int = 3, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        **infrastructure(pattern),
        "separator": "$",
        "workflowName": "copying",
        "taskList": [{"taskName": f"task_{n:02}", "objectKey": f"in/{n}.txt"} for n in range(1, tasks + 1)],
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


def execution(arn: str = EXECUTION, redrive_count: int = 0) -> dict[str, Any]:
    return {"arn": arn, "name": "one", "startTime": "2026-11-24T03:50:44.120Z", "redriveCount": redrive_count}


def settings_json(pattern: int = 1, **changes: Any) -> str:
    """The document in `KIT_SETTINGS`; `changes` have the names of configuration keys."""
    document = {
        "pattern": pattern,
        "infrastructure": infrastructure(pattern),
        "separator": "$",
        "security_group_ids": ["sg-tasks", "sg-monitor"],
        "source_buckets": [],
        "state_machine_arn": STATE_MACHINE,
        "target_prefix": "copies",
        "task_attempts": 1,
        "task_timeout_seconds": 600,
        "run_timeout_seconds": 3600,
        "tolerated_failure_percentage": 0,
        "log_stream_prefix": "ecs",
        "launch_type": "FARGATE",
        "spot_share": 0,
        "max_concurrency": 0,
        "record_retention_days": 0,
    }
    return json.dumps(document | {re.sub("[A-Z]", lambda a: f"_{a[0].lower()}", key): changes[key] for key in changes})
