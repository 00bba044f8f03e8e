"""ECS tasks as ECS describes them, and the calls that ask for them and stop them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

TASKS_PER_DESCRIBE = 100
"""Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html"""

STARTED_BY_STEP_FUNCTIONS = "AWS Step Functions"
"""`startedBy` of every ECS task that `ecs:runTask.sync` starts."""


@dataclass(frozen=True, slots=True)
class EcsTask:
    """One ECS task.

    Args:
        arn: its ARN.
        last_status: `PROVISIONING`, … `RUNNING`, … `STOPPED`.
        desired_status: `RUNNING` or `STOPPED`.
        stop_code: why it stopped, as one of ECS's words; empty while it has none.
        stopped_reason: why it stopped, as a sentence.
        container_reason: what ECS says about a container, for example `OutOfMemoryError: …`.
        exit_code: the first exit code of a container that is not 0, else 0, else None.
        created_at: when RunTask accepted it.
        started_at: when its containers ran.
        stopped_at: when it stopped.
        group: its task group.
        environment: the variables of its override.
    """

    arn: str
    last_status: str
    desired_status: str = "RUNNING"
    stop_code: str = ""
    stopped_reason: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    group: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_stopped(self) -> bool:
        """Whether it has ended."""
        return self.last_status == "STOPPED"

    @property
    def is_active(self) -> bool:
        """Whether it has neither ended nor been told to stop."""
        return self.desired_status != "STOPPED" and not self.is_stopped

    @property
    def run(self) -> tuple[str, int] | None:
        """Workflow name and id of its run, as its own environment has them; None if it is none of the kit's."""
        name, identifier = (self.environment.get(f"KIT_WORKFLOW_{part}", "") for part in ("NAME", "RUN_ID"))
        return (name, int(identifier)) if name and identifier.isdecimal() else None


def to_ecs_task(description: Mapping[str, Any]) -> EcsTask:
    """Read one element of DescribeTasks' `tasks`."""
    containers: Sequence[Mapping[str, Any]] = description.get("containers", [])
    exit_codes = [container["exitCode"] for container in containers if container.get("exitCode") is not None]
    reasons = [container["reason"] for container in containers if container.get("reason")]
    overrides: Sequence[Mapping[str, Any]] = description.get("overrides", {}).get("containerOverrides", [])
    variables = [variable for override in overrides for variable in override.get("environment", [])]
    return EcsTask(
        arn=description["taskArn"],
        last_status=description.get("lastStatus", ""),
        desired_status=description.get("desiredStatus", ""),
        stop_code=description.get("stopCode") or "",
        stopped_reason=description.get("stoppedReason") or "",
        container_reason=reasons[0] if reasons else "",
        exit_code=next((code for code in exit_codes if code != 0), 0 if exit_codes else None),
        created_at=_utc(description.get("createdAt")),
        started_at=_utc(description.get("startedAt")),
        stopped_at=_utc(description.get("stoppedAt")),
        group=description.get("group") or "",
        environment={variable["name"]: variable.get("value", "") for variable in variables},
    )


class EcsTasks:
    """The ECS tasks of one cluster.

    Args:
        client: ECS client.
        cluster: the cluster's name.
    """

    def __init__(self, client: ECSClient, cluster: str) -> None:
        self._client = client
        self._cluster = cluster

    def describe(self, arns: Iterable[str]) -> tuple[dict[str, EcsTask], frozenset[str]]:
        """Ask for tasks by their ARNs, 100 a call.

        Returns:
            The tasks found, by ARN, and the ARNs that ECS does not know (any more, or yet).
        """
        found: dict[str, EcsTask] = {}
        missing: set[str] = set()
        for batch in _batches(arns, TASKS_PER_DESCRIBE):
            answer = self._client.describe_tasks(cluster=self._cluster, tasks=batch)
            for description in answer.get("tasks", []):
                task = to_ecs_task(description)
                found[task.arn] = task
            missing |= {failure["arn"] for failure in answer.get("failures", []) if failure.get("reason") == "MISSING"}
        return found, frozenset(missing)

    def running(self, started_by: str | None = None) -> Iterator[str]:
        """Return the ARNs of the cluster's tasks that have not been told to stop.

        Args:
            started_by: only those that it started; ECS allows no other filter beside it, not even `desiredStatus`.
                Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
        """
        return self._list({} if started_by is None else {"startedBy": started_by})

    def stopped(self, family: str) -> Iterator[str]:
        """Return the ARNs of the stopped tasks of a family, for as long as ECS keeps them: an hour at least.

        Args:
            family: of their task definition, all revisions.
        """
        return self._list({"family": family, "desiredStatus": "STOPPED"})

    def _list(self, filters: dict[str, Any]) -> Iterator[str]:
        while True:
            page = self._client.list_tasks(cluster=self._cluster, **filters)
            yield from page.get("taskArns", [])
            if not page.get("nextToken"):
                return
            filters = {**filters, "nextToken": page["nextToken"]}

    def running_of_run(self, pattern: int, run_id: int, workflow_name: str) -> dict[str, EcsTask]:
        """Find a run's tasks that have not been told to stop, without any row.

        Pattern 1 starts them with the run's id as `startedBy`; pattern 2's are started by Step Functions. Two workflows
        may use one id, so the task's own environment decides.

        Returns:
            The tasks by ARN.
        """
        started_by = str(run_id) if pattern == 1 else STARTED_BY_STEP_FUNCTIONS
        return self._of_run(self.running(started_by), run_id, workflow_name)

    def stopped_of_run(self, family: str, run_id: int, workflow_name: str) -> dict[str, EcsTask]:
        """Find a run's stopped tasks, without any row.

        Args:
            family: of their task definition.
            run_id: the run.
            workflow_name: its workflow.

        Returns:
            The tasks by ARN.
        """
        return self._of_run(self.stopped(family), run_id, workflow_name)

    def _of_run(self, arns: Iterable[str], run_id: int, workflow_name: str) -> dict[str, EcsTask]:
        found, _ = self.describe(arns)
        return {arn: task for arn, task in found.items() if task.run == (workflow_name, run_id)}

    def stop(self, arn: str, reason: str) -> None:
        """Stop a task. One that ECS does not know any more is stopped.

        Args:
            arn: the task.
            reason: becomes its `stoppedReason`; ECS keeps 255 characters.
        """
        try:
            self._client.stop_task(cluster=self._cluster, task=arn, reason=reason[:255])
        except ClientError as error:
            details = error.response.get("Error", {})
            if details.get("Code") != "InvalidParameterException" or "not found" not in details.get("Message", ""):
                raise


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
