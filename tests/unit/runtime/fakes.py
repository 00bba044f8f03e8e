"""Stand-ins for what the runtime talks to: a clock, an ECS cluster, Step Functions, Lambda's context."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

START = datetime(2026, 11, 24, 3, 50, 44, 120_000, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-central-1"
STATE_MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:kit"
TASKS_PER_PAGE = 2
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


class Inline(Executor):
    """Calls at once, in the thread of the caller, who gets its errors."""

    def __init__(self, _most: int) -> None:
        """One call at a time, however many there may be."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **more))
        return future


class FakeEcs:
    """A cluster whose tasks run until they are ended. RunTask honours client tokens, as ECS does.

    `answers` holds, for the next calls of RunTask, an exception to raise, `failures` to return, or None for success.
    `lost_answers` counts calls that are carried out but whose answer never arrives. Whether ECS `remembers_failures`,
    and replays `failures[]` for the same token, is on no page.
    """

    remembers_failures = True

    family = "kit-2"
    """Of tasks that are added."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.tasks: dict[str, Any] = {}
        self.answers: list[Any] = []
        self.lost_answers: list[Exception | None] = []
        self.calls: list[dict[str, Any]] = []
        self.stopped: list[tuple[str, str]] = []
        self.after_run_task: Callable[[str], object] | None = None
        self.refuses: Callable[[dict[str, Any]], Exception | None] = lambda _: None
        self._by_token: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)

    def before(self, operation: str) -> None:
        """Called first in each call."""

    def refuse(self, request: dict[str, Any]) -> Any:
        """Raise an error of RunTask, or return its `failures`."""
        answer = self.answers.pop(0) if self.answers else self.refuses(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def start(self, request: Mapping[str, Any], arn: str = "") -> dict[str, Any]:
        task = {**self.described(request, "RUNNING", arn), "startedAt": self.clock.now()}
        self.tasks[task["taskArn"]] = task
        return task

    def stop(self, arn: str, reason: str) -> None:
        self.stopped.append((arn, reason))
        self.end(arn, 143, reason)
        self.tasks[arn]["stopCode"] = "UserInitiated"

    def seen(self, arn: str) -> dict[str, Any] | None:
        """A task as DescribeTasks has it."""
        return self.tasks.get(arn)

    def run_task(self, **request: Any) -> dict[str, Any]:
        self.calls.append(request)
        self.before("RunTask")
        token = request["clientToken"]
        result = self._by_token.get(token)
        if result is None:
            failures = self.refuse(request)
            result = {"tasks": [] if failures else [self.start(request)], "failures": failures or []}
            if self.remembers_failures or not failures:
                self._by_token[token] = result
        if self.lost_answers and (lost := self.lost_answers.pop(0)):
            raise lost
        if self.after_run_task and result["tasks"]:
            self.after_run_task(result["tasks"][0]["taskArn"])
        return result

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict[str, Any]:
        assert 0 < len(tasks) <= 100
        self.before("DescribeTasks")
        seen = {arn: self.seen(arn) for arn in tasks}
        return {
            "tasks": [task for task in seen.values() if task],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn, task in seen.items() if not task],
        }

    def list_tasks(self, *, cluster: str, nextToken: str = "0", **filters: str) -> dict[str, Any]:
        assert "startedBy" not in filters or len(filters) == 1, "startedBy must be the only filter"
        self.before("ListTasks")
        wanted = {"desiredStatus": "RUNNING", **filters}
        seen = {arn: self.seen(arn) for arn in sorted(self.tasks)}
        found = [arn for arn, task in seen.items() if task and wanted.items() <= task.items()]
        first, last = int(nextToken), int(nextToken) + TASKS_PER_PAGE
        return {"taskArns": found[first:last], **({"nextToken": str(last)} if last < len(found) else {})}

    def stop_task(self, *, cluster: str, task: str, reason: str) -> None:
        assert len(reason) <= 255
        self.before("StopTask")
        if task not in self.tasks:
            raise client_error("InvalidParameterException", "The referenced task was not found.", "StopTask")
        self.stop(task, reason)

    def described(self, request: Mapping[str, Any], status: str, arn: str = "") -> dict[str, Any]:
        """A new task's description."""
        cluster, number = request["cluster"], next(self._numbers)
        return {
            "taskArn": arn or f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{cluster}/{number:032x}",
            "lastStatus": status,
            "desiredStatus": "RUNNING",
            "startedBy": request["startedBy"],
            "group": request.get("group", ""),
            "family": request["taskDefinition"].partition(":")[0],
            "taskDefinitionArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{request['taskDefinition']}",
            "createdAt": self.clock.now(),
            "containers": [{"name": "app"}],
            "overrides": request["overrides"],
        }

    def add(self, arn: str, *, started_by: str, environment: Mapping[str, str]) -> None:
        """A task that something else than RunTask of this client started."""
        variables = [{"name": name, "value": value} for name, value in environment.items()]
        request = {"cluster": "", "startedBy": started_by, "taskDefinition": f"{self.family}:7"}
        self.start({**request, "overrides": {"containerOverrides": [{"environment": variables}]}}, arn)

    def end(self, arn: str, exit_code: int | None = 0, reason: str = "Essential container in task exited") -> None:
        task = self.tasks[arn]
        task.update(lastStatus="STOPPED", desiredStatus="STOPPED", stoppedReason=reason, stoppedAt=self.clock.now())
        task["stopCode"] = "EssentialContainerExited"
        if exit_code is not None:
            task["containers"][0]["exitCode"] = exit_code


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


class FakeBucket:
    """The objects of a bucket, by key. A missing one is denied, as without the permission to list it."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.reads: list[str] = []

    def get_object(self, *, Bucket: str, Key: str, Range: str = "") -> dict[str, Any]:
        self.reads.append(Key)
        if Key not in self.objects:
            raise client_error("AccessDenied", operation="GetObject", status=403)
        body = self.objects[Key]
        if Range:
            first, last = map(int, Range.removeprefix("bytes=").split("-"))
            assert first <= last < len(body)
            body = body[first : last + 1]
        return {"ContentLength": len(body), "Body": io.BytesIO(body)}

    def get_paginator(self, operation: str) -> FakeBucket:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        """One object a page; a bucket of the name `closed` may not be listed."""
        if Bucket == "closed":
            raise client_error("AccessDenied", operation="ListObjectsV2", status=403)
        yield {}
        for key in sorted(self.objects):
            if key.startswith(Prefix):
                yield {"Contents": [{"Key": key}]}

    def put_object(self, *, Bucket: str, Key: str, Body: Any, ContentType: str, IfNoneMatch: str) -> None:
        assert IfNoneMatch == "*"
        if Key in self.objects:
            raise client_error("PreconditionFailed", operation="PutObject", status=412)
        self.objects[Key] = Body if isinstance(Body, bytes) else Body.read()


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
        "run_task_rate": 20,
        "job_records": "kit",
        "success_exit_codes": ["0"],
        "retry_exit_codes": [],
        "job_command": [],
        "job_environment": {},
        "record_retention_days": 0,
    }
    return json.dumps(document | {re.sub("[A-Z]", lambda a: f"_{a[0].lower()}", key): changes[key] for key in changes})
