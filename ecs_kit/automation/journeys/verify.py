"""Did a run do what it was started for? Facts are gathered from AWS, then judged by a pure function."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ecs_kit.automation.journeys.expectations import Expectation
from ecs_kit.automation.journeys.runs import Run
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus

SUCCEEDED = "SUCCEEDED"
MAX_LOG_LINES = 20


@dataclass(frozen=True)
class Facts:
    """What AWS says about a run after its end.

    Attributes:
        execution_status: of Step Functions.
        execution_error: error and cause, empty if there are none.
        summary: the items of the summary table with the run's key.
        details: the items of the details table of the run.
        sources: (bucket, key) -> digest of the object, None where it is missing.
        copies: key -> digest of every object under the run's folder.
        unexpected: key -> what is wrong with a result; None where results have to be copies of their sources.
    """

    execution_status: str
    execution_error: str
    summary: tuple[Mapping[str, Any], ...]
    details: tuple[Mapping[str, Any], ...]
    sources: Mapping[tuple[str, str], str | None]
    copies: Mapping[str, str]
    unexpected: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Verdict:
    """What came of a run, the way the report has it.

    Attributes:
        run: the run.
        execution_status: of Step Functions.
        summary: `items`, `status` and the three numbers.
        details: `items` and `byStatus`.
        copies: how many results are there and as expected, by default equal to their source.
        problems: everything that is not as it should be; empty if the run passed.
    """

    run: Run
    execution_status: str
    summary: Mapping[str, Any]
    details: Mapping[str, Any]
    copies: int
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def judge(run: Run, facts: Facts) -> Verdict:
    """Compare what is with what must be: each task once Completed, each result as expected, all numbers true."""
    row = facts.summary[0] if len(facts.summary) == 1 else {}
    by_status = Counter(str(item.get("status")) for item in facts.details)
    results = {str(task["taskName"]): _wrong_result(run, facts, task) for task in run.tasks}
    counts = ("status", "number_of_tasks", "completed_tasks", "failed_tasks")
    return Verdict(
        run=run,
        execution_status=facts.execution_status,
        summary={"items": len(facts.summary), **{name: row.get(name) for name in counts}},
        details={"items": len(facts.details), "byStatus": dict(sorted(by_status.items()))},
        copies=sum(not problem for problem in results.values()),
        problems=(
            *_wrong_execution(facts),
            *_wrong_summary(run, facts),
            *_wrong_rows(list(results), facts),
            *(f"task {name}: {problem}" for name, problem in results.items() if problem),
            *_stray_objects(run, facts),
        ),
    )


def _wrong_execution(facts: Facts) -> list[str]:
    if facts.execution_status == SUCCEEDED:
        return []
    error = f": {facts.execution_error}" if facts.execution_error else ""
    return [f"execution ended {facts.execution_status}, not {SUCCEEDED}{error}"]


def _wrong_summary(run: Run, facts: Facts) -> list[str]:
    if len(facts.summary) != 1:
        return [f"{len(facts.summary)} summary items with run id {run.run_id}, not 1"]
    must = {
        "status": RunStatus.COMPLETED.value,
        "number_of_tasks": len(run.tasks),
        "completed_tasks": len(run.tasks),
        "failed_tasks": 0,
        "running_tasks": 0,
        "execution_arn": run.execution_arn,
    }
    (row,) = facts.summary
    return [
        f"summary item: {name} is {row.get(name)!r}, not {value!r}"
        for name, value in must.items()
        if row.get(name) != value
    ]


def _wrong_rows(names: Sequence[str], facts: Facts) -> list[str]:
    status = TaskStatus.COMPLETED.value
    completed = Counter(str(item.get("task_name")) for item in facts.details if item.get("status") == status)
    unknown = sorted({str(item.get("task_name")) for item in facts.details} - set(names))
    return [
        *(
            f"task {name}: {completed[name]} details items are {status}, not 1{_why(name, facts)}"
            for name in names
            if completed[name] != 1
        ),
        *(f"details items of a task that the spec does not have: {name}" for name in unknown),
    ]


def _wrong_result(run: Run, facts: Facts, task: Mapping[str, Any]) -> str | None:
    """What is wrong with a task's result, None if nothing is."""
    key = run.target(task)
    if key not in facts.copies:
        return f"no {'copy' if facts.unexpected is None else 'result'} at {key}"
    if facts.unexpected is not None:
        reason = facts.unexpected.get(key)
        return f"the result at {key} is not as expected: {reason}" if reason else None
    source = facts.sources.get(run.source(task))
    return None if source is not None and facts.copies[key] == source else f"the copy at {key} differs from its source"


def _stray_objects(run: Run, facts: Facts) -> list[str]:
    stray = sorted(set(facts.copies) - {run.target(task) for task in run.tasks})
    return [f"an object that no task should have written: {key}" for key in stray]


def _why(name: str, facts: Facts) -> str:
    for item in facts.details:
        if item.get("task_name") == name and item.get("status") != TaskStatus.COMPLETED:
            reason = item.get("error") or item.get("stopped_reason") or ""
            return f" ({item.get('status')}{': ' if reason else ''}{reason})"
    return ""


def gather(aws: AwsClients, run: Run, expectation: Expectation | None = None) -> Facts:
    """Read everything that `judge` needs: the execution, both tables, and every byte of sources and results.

    Args:
        aws: clients.
        run: a run that has ended.
        expectation: what a result has to be; None for a copy of its source.
    """
    execution = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)
    error = ": ".join(part for part in (execution.get("error"), execution.get("cause")) if part)
    bucket = str(run.deployed["s3BucketName"])
    copies = {key: _digest(aws, bucket, key) or "" for key in _keys(aws, bucket, run.target_folder)}
    return Facts(
        execution_status=execution["status"],
        execution_error=error,
        summary=() if (summary := run.summary(aws)) is None else (summary,),
        details=tuple(run.details(aws)),
        sources={source: _digest(aws, *source) for source in sorted({run.source(task) for task in run.tasks})},
        copies=copies,
        unexpected=None if expectation is None else _judged(aws, run, expectation, copies),
    )


def _judged(aws: AwsClients, run: Run, expectation: Expectation, results: Mapping[str, str]) -> dict[str, str]:
    """What the expectation says of each result that is there."""
    bucket = str(run.deployed["s3BucketName"])
    judged = {}
    for task in run.tasks:
        key = run.target(task)
        if key in results:
            source_bucket, source_key = run.source(task)
            source = aws.s3.get_object(Bucket=source_bucket, Key=source_key)["Body"].read()
            judged[key] = expectation(source, aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return judged


def log_tail(aws: AwsClients, log_group: str, item: Mapping[str, Any], lines: int = MAX_LOG_LINES) -> list[str]:
    """The last lines of an ECS task's log, none where it has no log; `item` is its item of the details table."""
    stream = item.get("log_stream")
    if not stream:
        return []
    try:
        events = aws.logs.get_log_events(
            logGroupName=log_group, logStreamName=str(stream), limit=lines, startFromHead=False
        )["events"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return []
        raise
    return [event.get("message", "").rstrip() for event in events]


def _keys(aws: AwsClients, bucket: str, prefix: str) -> Iterator[str]:
    for page in aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            yield found["Key"]


def _digest(aws: AwsClients, bucket: str, key: str) -> str | None:
    digest = hashlib.sha256()
    try:
        body = aws.s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
            return None
        raise
    for chunk in body.iter_chunks(1024 * 1024):
        digest.update(chunk)
    return digest.hexdigest()
