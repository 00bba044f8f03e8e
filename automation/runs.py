"""Runs of a deployed workflow: put the source objects, start, watch, stop."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import ClientError

from automation.aws import AwsClients
from automation.errors import SourceObjectMissing, StillRunning
from automation.lifecycle import PhysicalResource
from automation.verify import Run, deciding_attempts, details_items, summary_items
from runtime.workflow.run_ids import run_id

RUNNING = "RUNNING"
SAMPLE_LINE = "Amazon ECS tasks started from AWS Step Functions copy this object.\n"
SAMPLE_OBJECT = SAMPLE_LINE.encode() * 64
"""Content of the source object that is put where a spec's object is not in the kit's bucket yet: 4 KB."""


@dataclass(frozen=True)
class Counts:
    """How far a run is. Tasks are counted, not attempts.

    Attributes:
        status: of the execution.
        total: tasks in the spec.
        submitted: tasks with at least one ECS task.
        running: of those, tasks whose latest attempt runs.
        completed: tasks that are done.
        failed: tasks whose latest attempt failed.
        waiting: since when the run has waited for capacity, and why; None where it does not wait.
    """

    status: str
    total: int
    submitted: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    waiting: str | None = None

    @property
    def unstarted(self) -> int:
        """Tasks that neither run nor are done: none has a chance to wait where this is 0."""
        return self.total - self.running - self.completed


def waiting(summary: Mapping[str, Any]) -> str | None:
    """Since when a run has waited for capacity, and why; None where it does not wait.

    Args:
        summary: its item of the summary table.
    """
    if not summary.get("waiting_since"):
        return None
    return f"waiting for capacity since {summary['waiting_since']}: {summary['waiting_reason']}"


def count(status: str, total: int, details: Iterable[Mapping[str, Any]]) -> Counts:
    """Counts of tasks from the attempts' rows.

    Args:
        status: of the execution.
        total: tasks in the spec.
        details: items of the details table, of one run.
    """
    deciding = deciding_attempts(details)
    by_status = Counter(str(item.get("status")) for item in deciding.values())
    return Counts(
        status=status,
        total=total,
        submitted=len(deciding),
        running=by_status["Running"],
        completed=by_status["Completed"],
        failed=by_status["Failed"],
    )


def put_sources(aws: AwsClients, spec: Mapping[str, Any], bucket: str, sources: Path | None = None) -> list[str]:
    """Put a source object wherever a task's is missing from the kit's bucket.

    Args:
        aws: clients.
        spec: a run's input.
        bucket: the kit's bucket; other people's buckets are only read.
        sources: folder with files by key; for a key without a file, and without a folder, it is a sample text.

    Returns:
        The keys that were put.

    Raises:
        SourceObjectMissing: a source in another bucket is not there.
    """
    wanted = {
        (str(task.get("s3BucketName") or spec["s3BucketName"]), str(task["objectKey"])) for task in spec["taskList"]
    }
    put: list[str] = []
    missing: list[str] = []
    for source_bucket, key in sorted(wanted):
        if _exists(aws, source_bucket, key):
            continue
        if source_bucket == bucket:
            aws.s3.put_object(Bucket=bucket, Key=key, Body=_content(sources, key), ContentType="text/plain")
            put.append(key)
        else:
            missing.append(f"s3://{source_bucket}/{key}")
    if missing:
        raise SourceObjectMissing(missing)
    return put


def _content(sources: Path | None, key: str) -> bytes:
    file = None if sources is None else sources / key
    return file.read_bytes() if file is not None and file.is_file() else SAMPLE_OBJECT


def _exists(aws: AwsClients, bucket: str, key: str) -> bool:
    try:
        aws.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "403", "NoSuchKey", "NoSuchBucket"):
            return False
        raise
    return True


def start(aws: AwsClients, *, pattern: int, spec: Mapping[str, Any], deployed: Mapping[str, Any], name: str) -> Run:
    """Start one run.

    Args:
        aws: clients.
        pattern: 1 or 2.
        spec: the input.
        deployed: the stack's output for the pattern.
        name: of the execution; unique per state machine for 90 days.

    Returns:
        The run, by the id that its rows have: it follows from the execution's start and ARN, or stands in the input.
    """
    started = aws.stepfunctions.start_execution(
        stateMachineArn=str(deployed["stateMachineArn"]),
        name=name,
        input=json.dumps(spec, separators=(",", ":"), ensure_ascii=False),
    )
    arn = started["executionArn"]
    given = spec.get("workflowRunId")
    number = run_id(started["startDate"], arn) if given is None else int(given)
    return Run(pattern=pattern, execution_arn=arn, spec=spec, run_id=number, deployed=deployed)


def look(aws: AwsClients, run: Run) -> Counts:
    """How far a run is at the moment.

    While it is active, eventually consistent reads do, at half the price: the functions need the same read units. The
    summary item, which holds the whole spec, is read only while a task may wait.
    """
    status = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)["status"]
    counts = count(status, len(run.tasks), details_items(aws, run, consistent=status != RUNNING))
    if status != RUNNING or not counts.unstarted:
        return counts
    return replace(counts, waiting=next(map(waiting, summary_items(aws, run, consistent=False)), None))


def watch(
    aws: AwsClients,
    runs: Iterable[Run],
    *,
    on_counts: Callable[[Run, Counts], None],
    poll_seconds: float,
    limit_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[int, tuple[Run, float]]:
    """Look at runs until each has ended, or `limit_seconds` are over.

    Args:
        aws: clients.
        runs: at most one of a pattern.
        on_counts: told whenever a run was looked at.
        poll_seconds: time between two looks.
        limit_seconds: bound for a run that does not end although its state machine has a time limit.
        clock: seconds that only grow.
        sleep: waits for seconds.

    Returns:
        Per pattern the run and the seconds it took.
    """
    began = clock()
    open_runs = list(runs)
    ended: dict[int, tuple[Run, float]] = {}
    while open_runs:
        still_open = []
        for run in open_runs:
            counts = look(aws, run)
            on_counts(run, counts)
            took = clock() - began
            if counts.status == RUNNING and took < limit_seconds:
                still_open.append(run)
            else:
                ended[run.pattern] = (run, took)
        open_runs = still_open
        if open_runs:
            sleep(poll_seconds)
    return ended


def await_final_rows(
    aws: AwsClients,
    started: Iterable[Run],
    *,
    limit_seconds: float,
    poll_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until the monitor has ended the runs of executions that ended without it: EventBridge tells it of them.

    A run that was never registered has nothing to wait for.

    Args:
        aws: clients.
        started: runs whose executions have ended.
        limit_seconds: how long to wait for all of them.
        poll_seconds: time between two looks.
        clock: seconds that only grow.
        sleep: waits for seconds.
    """
    began = clock()
    for run in started:
        while any(not item.get("end_time") for item in summary_items(aws, run)) and clock() - began < limit_seconds:
            sleep(poll_seconds)


def stop_open_executions(aws: AwsClients, resources: Iterable[PhysicalResource]) -> list[str]:
    """Stop every execution that still runs, so that nothing starts ECS tasks any more.

    Args:
        aws: clients.
        resources: of the stack; its state machines are asked.

    Returns:
        ARNs of the executions that were stopped.
    """
    stopped: list[str] = []
    for resource in resources:
        if resource.type != "aws:sfn/stateMachine:StateMachine" or not resource.id:
            continue
        try:
            pages = list(
                aws.stepfunctions.get_paginator("list_executions").paginate(
                    stateMachineArn=resource.id, statusFilter="RUNNING"
                )
            )
        except aws.stepfunctions.exceptions.StateMachineDoesNotExist:
            continue
        for page in pages:
            for execution in page["executions"]:
                aws.stepfunctions.stop_execution(
                    executionArn=execution["executionArn"],
                    error="StackDestroyed",
                    cause="The stack is being destroyed.",
                )
                stopped.append(execution["executionArn"])
    return stopped


def stop_ecs_tasks(
    aws: AwsClients,
    resources: Iterable[PhysicalResource],
    *,
    limit_seconds: float = 180.0,
    poll_seconds: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Stop every ECS task of the stack's clusters and wait until all have stopped: a cluster with tasks cannot go.

    Args:
        aws: clients.
        resources: of the stack; its clusters are asked.
        limit_seconds: how long to wait for one cluster.
        poll_seconds: time between two looks.
        clock: seconds that only grow.
        sleep: waits for seconds.

    Returns:
        ARNs of the tasks that were stopped.

    Raises:
        StillRunning: they did not stop in time.
    """
    stopped: list[str] = []
    for resource in resources:
        if resource.type != "aws:ecs/cluster:Cluster" or not resource.id:
            continue
        began = clock()
        while True:
            living = _living_tasks(aws, resource.id)
            if not living:
                break
            if clock() - began > limit_seconds:
                raise StillRunning(resource.id, living, limit_seconds)
            for arn in living:
                if arn not in stopped:
                    aws.ecs.stop_task(cluster=resource.id, task=arn, reason="The stack is being destroyed.")
                    stopped.append(arn)
            sleep(poll_seconds)
    return stopped


def _living_tasks(aws: AwsClients, cluster: str) -> list[str]:
    try:
        return [
            task["taskArn"] for task in ecs_tasks(aws, cluster) if task.get("lastStatus") not in ("STOPPED", "DELETED")
        ]
    except aws.ecs.exceptions.ClusterNotFoundException:
        return []


_DESIRED_STATUSES: tuple[Literal["RUNNING", "STOPPED"], ...] = ("RUNNING", "STOPPED")


def ecs_tasks(aws: AwsClients, cluster: str) -> Iterator[Any]:
    """A cluster's tasks, stopped ones too, as DescribeTasks has them.

    Args:
        aws: clients.
        cluster: its name or ARN.
    """
    arns: list[str] = []
    for status in _DESIRED_STATUSES:
        for page in aws.ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status):
            arns += page["taskArns"]
    for first in range(0, len(arns), 100):
        yield from aws.ecs.describe_tasks(cluster=cluster, tasks=arns[first : first + 100])["tasks"]
