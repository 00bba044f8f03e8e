"""Runs of a deployed workflow: put the source objects, start, watch, stop."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ecs_kit.automation.errors import DriverError, StoppedBy
from ecs_kit.automation.host.polling import looks
from ecs_kit.automation.journeys import list_files
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import PhysicalResource
from ecs_kit.runtime.contract.run_ids import run_id
from ecs_kit.runtime.contract.settings import VARIABLE, from_json
from ecs_kit.runtime.contract.statuses import RunStatus
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.reporter.counts import Counts, count, waiting
from ecs_kit.runtime.reporter.items import Item, summary_item
from ecs_kit.runtime.reporter.run_state import RunKey, RunState, read

RUNNING = "RUNNING"
STOPPED_WITHIN_SECONDS = 180.0
"""How long the ECS tasks of one cluster may take to stop."""
SAMPLE_OBJECT = b"Amazon ECS tasks started from AWS Step Functions copy this object.\n" * 64
"""Content of a source object that is missing: 4 KB."""


@dataclass(frozen=True)
class Run(RunKey):
    """One execution that was started with a spec."""

    spec: Mapping[str, Any] = field(compare=False, repr=False)

    @property
    def tasks(self) -> Sequence[Mapping[str, Any]]:
        """The entries of `taskList`; none where the spec names its list."""
        return list(self.spec.get("taskList", ()))

    @property
    def target_folder(self) -> str:
        """Prefix of everything that the run's tasks write."""
        return f"{self.deployed['targetPrefix']}/{self.workflow_name}/{self.run_id}/"

    def target(self, task: Mapping[str, Any]) -> str:
        """Key of a task's result in the kit's bucket; of a task without a source object, its folder."""
        base_name = str(task.get("objectKey", "")).rsplit("/", 1)[-1]
        return f"{self.target_folder}{task['taskName']}/{base_name}"


def source_of(spec: Mapping[str, Any], task: Mapping[str, Any]) -> tuple[str, str]:
    """Bucket and key of the object that a task of a spec reads."""
    return str(task.get("s3BucketName") or spec["s3BucketName"]), str(task["objectKey"])


def with_counted(counts: Counts, summary: Item) -> Counts:
    """Counts of tasks that are not counted yet, with those of the run's item."""
    completed, failed = int(summary.get("completed_tasks", 0)), int(summary.get("failed_tasks", 0))
    return replace(
        counts,
        submitted=counts.submitted + completed + failed,
        completed=counts.completed + completed,
        failed=counts.failed + failed,
    )


MOST_ROWS = 500
"""Of longer runs, only the attempts that are not counted are read each time."""


def succeeded(state: RunState) -> bool:
    """Whether the run ended `Completed` or `CompletedWithFailures`."""
    return state.summary is not None and RunStatus(str(state.summary["status"])).is_success


def put_sources(aws: AwsClients, spec: Mapping[str, Any], bucket: str, sources: Path | None = None) -> list[str]:
    """Put a source object wherever a task's is missing from the kit's `bucket`; return the keys that were put.

    It is the file of that name in `sources`, else `SAMPLE_OBJECT`.

    Raises:
        DriverError: a source in another bucket is missing.
    """
    wanted = sorted({source_of(spec, task) for task in spec["taskList"] if "objectKey" in task})
    missing = [source for source in wanted if not _exists(aws, *source)]
    for _, key in (source for source in missing if source[0] == bucket):
        file = None if sources is None else sources / key
        content = file.read_bytes() if file is not None and file.is_file() else SAMPLE_OBJECT
        aws.s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType="text/plain")
    if foreign := [f"s3://{other}/{key}" for other, key in missing if other != bucket]:
        raise DriverError(
            f"these source objects cannot be read: {', '.join(foreign)}. "
            "Put them there, and list their bucket in the config key sourceBuckets."
        )
    return [key for _, key in missing]


def _exists(aws: AwsClients, bucket: str, key: str) -> bool:
    try:
        aws.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "403", "NoSuchKey", "NoSuchBucket"):
            return False
        raise
    return True


def start(aws: AwsClients, *, pattern: int, spec: Mapping[str, Any], deployed: Mapping[str, Any], name: str) -> Run:
    """Start one run. Its id is in the spec, or follows from the execution's start and ARN.

    `name` is that of the execution, unique per state machine for 90 days. A list that is too long for an execution's
    input is put into the kit's bucket.
    """
    document = list_files.to_input(aws, spec, str(deployed["s3BucketName"]))
    started = aws.stepfunctions.start_execution(
        stateMachineArn=str(deployed["stateMachineArn"]),
        name=name,
        input=json.dumps(document, separators=(",", ":"), ensure_ascii=False),
    )
    arn = started["executionArn"]
    given = spec.get("workflowRunId")
    number = run_id(started["startDate"], arn) if given is None else int(given)
    return Run(pattern, str(spec["workflowName"]), number, arn, deployed, spec)


def look(aws: AwsClients, run: Run) -> Counts:
    """How far a run is at the moment; its status is that of the execution.

    DescribeExecution is eventually consistent: an execution that it does not know yet is about to run.
    """
    state = read(aws, run, all_rows=len(run.tasks) <= MOST_ROWS)
    status = RUNNING if state.execution is None else str(state.execution["status"])
    counts = count(status, len(run.tasks), state.details)
    if not state.has_all_rows:
        counts = with_counted(counts, state.summary or {})
    return replace(counts, waiting=waiting(state.summary or {})) if counts.status == RUNNING else counts


def watch(
    aws: AwsClients,
    runs: Iterable[Run],
    *,
    on_counts: Callable[[Run, Counts], None],
    poll_seconds: float,
    limit_seconds: float,
) -> dict[int, float]:
    """Look at runs, at most one of a pattern, until each has ended or the limit has passed; return their seconds."""
    began = time.monotonic()
    active = {run.pattern: run for run in runs}
    seconds: dict[int, float] = {}
    for _ in looks(limit_seconds, poll_seconds):
        for pattern, run in list(active.items()):
            counts = look(aws, run)
            on_counts(run, counts)
            if counts.status != RUNNING:
                del active[pattern]
                seconds[pattern] = time.monotonic() - began
        if not active:
            break
    return seconds | dict.fromkeys(active, time.monotonic() - began)


def await_final_rows(aws: AwsClients, started: Iterable[Run], *, limit_seconds: float, poll_seconds: float) -> None:
    """Wait until the monitor has ended the runs of executions that ended without it, after EventBridge's event.

    A run that was never registered has no rows to wait for.
    """

    def is_open(run: Run) -> bool:
        item = summary_item(aws, run.deployed, run.workflow_name, run.run_id)
        return item is not None and not item.get("end_time")

    open_runs = list(started)
    for _ in looks(limit_seconds, poll_seconds):
        open_runs = list(filter(is_open, open_runs))
        if not open_runs:
            return


def open_executions(aws: AwsClients, machine: str) -> list[str]:
    """ARNs of the open executions of a state machine, none where it was deleted."""
    pages = aws.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter="RUNNING")
    try:
        return [execution["executionArn"] for page in pages for execution in page["executions"]]
    except aws.stepfunctions.exceptions.StateMachineDoesNotExist:
        return []


def stop_open_executions(aws: AwsClients, resources: Iterable[PhysicalResource]) -> list[str]:
    """Stop the open executions of a stack's state machines, so that nothing starts ECS tasks. Returns their ARNs."""
    stopped = []
    for machine in _ids(resources, "aws:sfn/stateMachine:StateMachine"):
        for arn in open_executions(aws, machine):
            aws.stepfunctions.stop_execution(
                executionArn=arn, error=StoppedBy.DESTROY, cause="The stack is being destroyed."
            )
            stopped.append(arn)
    return stopped


def stop_ecs_tasks(aws: AwsClients, resources: Iterable[PhysicalResource]) -> list[str]:
    """Stop every ECS task of a stack's clusters, and the stack's tasks in clusters of others. Returns the tasks' ARNs.

    A cluster or a security group with tasks cannot be deleted.

    Raises:
        DriverError: they did not stop within `STOPPED_WITHIN_SECONDS`.
    """
    stopped: list[str] = []
    for cluster, family in _with_tasks(list(resources)):
        for _ in looks(STOPPED_WITHIN_SECONDS, poll_seconds=1.0):
            active = _active_tasks(aws, cluster, family)
            if not active:
                break
            for arn in active:
                if arn not in stopped:
                    aws.ecs.stop_task(cluster=cluster, task=arn, reason="The stack is being destroyed.")
                    stopped.append(arn)
        else:
            raise DriverError(
                f"{len(active)} ECS tasks in cluster {cluster} did not stop within {STOPPED_WITHIN_SECONDS:.0f} s: "
                f"{', '.join(active)}. Stop them with `aws ecs stop-task` and destroy the stack again."
            )
    return stopped


def _ids(resources: Iterable[PhysicalResource], type_token: str) -> list[str]:
    return [resource.id for resource in resources if resource.type == type_token and resource.id]


def _with_tasks(resources: Sequence[PhysicalResource]) -> list[tuple[str, str | None]]:
    """A stack's clusters, and, by the settings of its functions, clusters of others with the stack's family there."""
    own = _ids(resources, "aws:ecs/cluster:Cluster")
    names = {cluster.rpartition("/")[2] for cluster in own}
    documents = [
        ((resource.inputs.get("environment") or {}).get("variables") or {}).get(VARIABLE)
        for resource in resources
        if resource.type == "aws:lambda/function:Function"
    ]
    settings = [from_json(document) for document in documents if document]
    others = {(each.cluster, each.family) for each in settings}
    return [*((cluster, None) for cluster in own), *sorted(each for each in others if each[0] not in names)]


def _active_tasks(aws: AwsClients, cluster: str, family: str | None) -> list[str]:
    try:
        tasks = EcsTasks(aws.ecs, cluster, family).all()
    except aws.ecs.exceptions.ClusterNotFoundException:
        return []
    return [arn for arn, task in tasks.items() if task.last_status not in ("STOPPED", "DELETED")]
