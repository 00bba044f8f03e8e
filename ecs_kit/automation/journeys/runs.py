"""Runs of a deployed workflow: put the source objects, start, watch, stop."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import ClientError

from ecs_kit.automation.errors import EcsTasksRemain, SourceObjectMissing
from ecs_kit.automation.host.polling import looks
from ecs_kit.automation.journeys.tables import Item, deciding_attempts, details_items, summary_item
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import PhysicalResource
from ecs_kit.runtime.contract.run_ids import run_id
from ecs_kit.runtime.contract.statuses import TaskStatus

RUNNING = "RUNNING"
STOPPED_WITHIN_SECONDS = 180.0
"""How long the ECS tasks of one cluster may take to stop."""
SAMPLE_OBJECT = b"Amazon ECS tasks started from AWS Step Functions copy this object.\n" * 64
"""Content of the source object that is put where a spec's object is not in the kit's bucket yet: 4 KB."""


@dataclass(frozen=True)
class Run:
    """One execution that was started, and what it was started with.

    Attributes:
        pattern: 1 or 2.
        execution_arn: the execution.
        spec: the input.
        run_id: `workflow_run_id` of the run.
        deployed: the stack's output for the pattern.
    """

    pattern: int
    execution_arn: str
    spec: Mapping[str, Any]
    run_id: int
    deployed: Mapping[str, Any]

    @property
    def workflow_name(self) -> str:
        """`workflow_name` of the run."""
        return str(self.spec["workflowName"])

    @property
    def tasks(self) -> list[Mapping[str, Any]]:
        """The entries of `taskList`."""
        return list(self.spec["taskList"])

    def source(self, task: Mapping[str, Any]) -> tuple[str, str]:
        """Bucket and key of the object that a task copies."""
        return source_of(self.spec, task)

    @property
    def target_folder(self) -> str:
        """Prefix of everything that the run's tasks write."""
        return f"{self.deployed['targetPrefix']}/{self.workflow_name}/{self.run_id}/"

    def target(self, task: Mapping[str, Any]) -> str:
        """Key that a task's copy must have in the kit's bucket."""
        base_name = str(task["objectKey"]).rsplit("/", 1)[-1]
        return f"{self.target_folder}{task['taskName']}/{base_name}"

    def summary(self, aws: AwsClients, *, consistent: bool = True) -> Item | None:
        """Its item of the summary table."""
        return summary_item(aws, self.deployed, self.workflow_name, self.run_id, consistent=consistent)

    def details(self, aws: AwsClients, *, consistent: bool = True) -> Iterator[Item]:
        """Its items of the details table."""
        return details_items(aws, self.deployed, self.workflow_name, self.run_id, consistent=consistent)


def source_of(spec: Mapping[str, Any], task: Mapping[str, Any]) -> tuple[str, str]:
    """Bucket and key of the object that a task of a spec copies."""
    return str(task.get("s3BucketName") or spec["s3BucketName"]), str(task["objectKey"])


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


def waiting(summary: Item) -> str | None:
    """Since when the run of a summary item has waited for capacity, and why; None where it does not wait."""
    if not summary.get("waiting_since"):
        return None
    return f"waiting for capacity since {summary['waiting_since']}: {summary['waiting_reason']}"


def count(status: str, total: int, details: Iterable[Item]) -> Counts:
    """Counts of tasks from the attempts' rows."""
    deciding = deciding_attempts(details)
    by_status = Counter(str(item.get("status")) for item in deciding.values())
    return Counts(
        status=status,
        total=total,
        submitted=len(deciding),
        running=by_status[TaskStatus.RUNNING],
        completed=by_status[TaskStatus.COMPLETED],
        failed=by_status[TaskStatus.FAILED],
    )


def put_sources(aws: AwsClients, spec: Mapping[str, Any], bucket: str, sources: Path | None = None) -> list[str]:
    """Put a source object wherever a task's is missing from the kit's bucket; return the keys that were put.

    Args:
        aws: clients.
        spec: a run's input.
        bucket: the kit's bucket; other people's buckets are only read.
        sources: folder with files by key; for a key without a file, and without a folder, it is a sample text.

    Raises:
        SourceObjectMissing: a source in another bucket is not there.
    """
    wanted = sorted({source_of(spec, task) for task in spec["taskList"]})
    absent = [source for source in wanted if not _exists(aws, *source)]
    for _, key in (source for source in absent if source[0] == bucket):
        aws.s3.put_object(Bucket=bucket, Key=key, Body=_content(sources, key), ContentType="text/plain")
    if foreign := [f"s3://{other}/{key}" for other, key in absent if other != bucket]:
        raise SourceObjectMissing(", ".join(foreign))
    return [key for _, key in absent]


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
    counts = count(status, len(run.tasks), run.details(aws, consistent=status != RUNNING))
    if status != RUNNING or not counts.unstarted:
        return counts
    return replace(counts, waiting=waiting(run.summary(aws, consistent=False) or {}))


def watch(
    aws: AwsClients,
    runs: Iterable[Run],
    *,
    on_counts: Callable[[Run, Counts], None],
    poll_seconds: float,
    limit_seconds: float,
) -> dict[int, tuple[Run, float]]:
    """Look at runs until each has ended, or time is up.

    Args:
        aws: clients.
        runs: at most one of a pattern.
        on_counts: told whenever a run was looked at.
        poll_seconds: time between two looks.
        limit_seconds: bound for a run that does not end although its state machine has a time limit.

    Returns:
        Per pattern the run and the seconds it took.
    """
    began = time.monotonic()
    open_runs = {run.pattern: run for run in runs}
    ended: dict[int, tuple[Run, float]] = {}
    for _ in looks(limit_seconds, poll_seconds):
        for pattern, run in list(open_runs.items()):
            counts = look(aws, run)
            on_counts(run, counts)
            if counts.status != RUNNING:
                ended[pattern] = open_runs.pop(pattern), time.monotonic() - began
        if not open_runs:
            break
    return ended | {pattern: (run, time.monotonic() - began) for pattern, run in open_runs.items()}


def await_final_rows(aws: AwsClients, started: Iterable[Run], *, limit_seconds: float, poll_seconds: float) -> None:
    """Wait until the monitor has ended the runs of executions that ended without it: EventBridge tells it of them.

    A run that was never registered has nothing to wait for.
    """
    waited_for = list(started)
    for _ in looks(limit_seconds, poll_seconds):
        waited_for = [run for run in waited_for if (item := run.summary(aws)) and not item.get("end_time")]
        if not waited_for:
            return


def stop_open_executions(aws: AwsClients, resources: Iterable[PhysicalResource]) -> list[str]:
    """Stop the open executions of a stack's state machines: nothing starts ECS tasks any more. Returns their ARNs."""
    stopped: list[str] = []
    for machine in _ids(resources, "aws:sfn/stateMachine:StateMachine"):
        pages = aws.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=machine, statusFilter="RUNNING"
        )
        try:
            found = [execution["executionArn"] for page in pages for execution in page["executions"]]
        except aws.stepfunctions.exceptions.StateMachineDoesNotExist:
            continue
        for arn in found:
            aws.stepfunctions.stop_execution(
                executionArn=arn, error="StackDestroyed", cause="The stack is being destroyed."
            )
        stopped += found
    return stopped


def stop_ecs_tasks(aws: AwsClients, resources: Iterable[PhysicalResource], *, poll_seconds: float = 1.0) -> list[str]:
    """Stop every ECS task of a stack's clusters and wait until all have stopped: a cluster with tasks cannot go.

    Returns:
        ARNs of the tasks that were stopped.

    Raises:
        EcsTasksRemain: they did not stop within `STOPPED_WITHIN_SECONDS`.
    """
    stopped: list[str] = []
    for cluster in _ids(resources, "aws:ecs/cluster:Cluster"):
        for _ in looks(STOPPED_WITHIN_SECONDS, poll_seconds):
            living = _living_tasks(aws, cluster)
            if not living:
                break
            for arn in living:
                if arn not in stopped:
                    aws.ecs.stop_task(cluster=cluster, task=arn, reason="The stack is being destroyed.")
                    stopped.append(arn)
        else:
            raise EcsTasksRemain(len(living), cluster, STOPPED_WITHIN_SECONDS, ", ".join(living))
    return stopped


def _ids(resources: Iterable[PhysicalResource], type_token: str) -> list[str]:
    return [resource.id for resource in resources if resource.type == type_token and resource.id]


def _living_tasks(aws: AwsClients, cluster: str) -> list[str]:
    try:
        return [
            task["taskArn"] for task in ecs_tasks(aws, cluster) if task.get("lastStatus") not in ("STOPPED", "DELETED")
        ]
    except aws.ecs.exceptions.ClusterNotFoundException:
        return []


_DESIRED_STATUSES: tuple[Literal["RUNNING", "STOPPED"], ...] = ("RUNNING", "STOPPED")


def ecs_tasks(aws: AwsClients, cluster: str) -> Iterator[Any]:
    """The tasks of a cluster, by its name or ARN, as DescribeTasks has them; stopped ones too."""
    arns: list[str] = []
    for status in _DESIRED_STATUSES:
        for page in aws.ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status):
            arns += page["taskArns"]
    for first in range(0, len(arns), 100):
        yield from aws.ecs.describe_tasks(cluster=cluster, tasks=arns[first : first + 100])["tasks"]
