"""Is each task of a run done, and everything recorded? Facts are gathered from AWS and judged by a pure function."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from botocore.exceptions import ClientError

from ecs_kit.automation.journeys.expectations import COPY, NONE, Expectation
from ecs_kit.automation.journeys.report import COUNTS, PatternResult
from ecs_kit.automation.journeys.runs import Run, source_of
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from ecs_kit.runtime.reporter.run_state import RunState, read

SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True)
class Facts:
    """What AWS has of a run after its end.

    `results` has by task name what is wrong with the task's result, nothing if nothing is; it is empty where no
    result was read. `stray` are the keys of objects under the run's folder that are no task's result.
    """

    state: RunState
    results: Mapping[str, str]
    stray: Sequence[str] = ()

    @property
    def execution_status(self) -> str:
        """Of Step Functions."""
        return str((self.state.execution or {}).get("status"))


def judge(run: Run, facts: Facts) -> PatternResult:
    """Find everything that is wrong: each task is once Completed, its result is as expected, all counts match."""
    row, details = facts.state.summary, facts.state.details
    by_status = Counter(str(item.get("status")) for item in details)
    return PatternResult(
        run.pattern,
        run,
        execution_status=facts.execution_status,
        summary={"items": int(row is not None), **{name: (row or {}).get(name) for name in COUNTS}},
        details={"items": len(details), "byStatus": dict(sorted(by_status.items()))},
        copies=sum(not problem for problem in facts.results.values()) if facts.results else None,
        problems=(
            *_wrong_execution(facts),
            *_wrong_summary(run, facts),
            *_wrong_rows(run, facts),
            *(f"task {name}: {problem}" for name, problem in facts.results.items() if problem),
            *(f"an object that no task should have written: {key}" for key in facts.stray),
        ),
    )


def _wrong_execution(facts: Facts) -> list[str]:
    if facts.execution_status == SUCCEEDED:
        return []
    execution = facts.state.execution or {}
    error = [str(execution[name]) for name in ("error", "cause") if execution.get(name)]
    return [": ".join([f"execution ended {facts.execution_status}, not {SUCCEEDED}", *error])]


def _wrong_summary(run: Run, facts: Facts) -> list[str]:
    row = facts.state.summary
    if row is None:
        return [f"0 summary items with run id {run.run_id}, not 1"]
    expected = {
        "status": RunStatus.COMPLETED.value,
        "number_of_tasks": len(run.tasks),
        "completed_tasks": len(run.tasks),
        "failed_tasks": 0,
        "running_tasks": 0,
    }
    return [
        f"summary item: {name} is {row.get(name)!r}, not {value!r}"
        for name, value in expected.items()
        if row.get(name) != value
    ]


def _wrong_rows(run: Run, facts: Facts) -> list[str]:
    status, details = TaskStatus.COMPLETED.value, facts.state.details
    completed = Counter(str(item.get("task_name")) for item in details if item.get("status") == status)
    names = [str(task["taskName"]) for task in run.tasks]
    unknown = sorted({str(item.get("task_name")) for item in details} - {*names})
    return [
        *(
            f"task {name}: {completed[name]} details items are {status}, not 1{_why(name, facts)}"
            for name in names
            if completed[name] != 1
        ),
        *(f"details items of a task that the spec does not have: {name}" for name in unknown),
    ]


def _why(name: str, facts: Facts) -> str:
    for item in facts.state.details:
        if item.get("task_name") == name and item.get("status") != TaskStatus.COMPLETED:
            reason = item.get("error") or item.get("stopped_reason") or ""
            return f" ({item.get('status')}{': ' if reason else ''}{reason})"
    return ""


def gather(aws: AwsClients, run: Run, expectation: Expectation = COPY) -> Facts:
    """Read a run that has ended: its execution, both tables, and every byte of sources and results.

    A task without a source object has no result, and may write what it likes into its folder.
    """
    if expectation == NONE:
        return Facts(read(aws, run), results={})
    bucket = str(run.deployed["s3BucketName"])
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=run.target_folder)
    keys = {found["Key"] for page in pages for found in page.get("Contents", [])}
    digest = cache(partial(_digest, aws))

    def wrong_result(task: Mapping[str, Any]) -> str:
        key, source = run.target(task), source_of(run.spec, task)
        if key not in keys:
            return f"no {'copy' if expectation == COPY else 'result'} at {key}"
        if expectation == COPY:
            is_copy = digest(bucket, key) == digest(*source)
            return "" if is_copy else f"the copy at {key} differs from its source"
        contents = (aws.s3.get_object(Bucket=of, Key=name)["Body"].read() for of, name in (source, (bucket, key)))
        reason = expectation(*contents)
        return f"the result at {key} is not as expected: {reason}" if reason else ""

    with_source = [task for task in run.tasks if "objectKey" in task]
    free = tuple(run.target(task) for task in run.tasks if "objectKey" not in task)
    return Facts(
        state=read(aws, run),
        results={str(task["taskName"]): wrong_result(task) for task in with_source},
        stray=sorted(key for key in keys - {*map(run.target, with_source)} if not key.startswith(free)),
    )


def _digest(aws: AwsClients, bucket: str, key: str) -> str | None:
    try:
        body: Any = aws.s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
            return None
        raise
    return hashlib.file_digest(body, "sha256").hexdigest()
