"""The calls of ECS that list, describe and stop tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ecs_kit.runtime.contract.ecs_task import EcsTask, to_ecs_task
from ecs_kit.runtime.contract.patterns import Pattern

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

TASKS_PER_DESCRIBE = 100
"""Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html"""


_TASK_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class EcsTasks:
    """The ECS tasks of one cluster, or those of a task definition's family there: a cluster may be shared."""

    def __init__(self, client: ECSClient, cluster: str, family: str | None = None) -> None:
        self._client = client
        self._cluster = cluster
        self._family = family
        self._of_family = {} if family is None else {"family": family}

    def describe(self, arns: Iterable[str]) -> tuple[dict[str, EcsTask], frozenset[str]]:
        """Return tasks by their ARNs, and the ARNs that ECS reports as `MISSING` (no longer known, or not yet)."""
        found: dict[str, EcsTask] = {}
        missing: set[str] = set()
        every = list(arns)
        for first in range(0, len(every), TASKS_PER_DESCRIBE):
            batch = every[first : first + TASKS_PER_DESCRIBE]
            answer = self._client.describe_tasks(cluster=self._cluster, tasks=batch)
            found |= {task.arn: task for task in map(to_ecs_task, answer.get("tasks", []))}
            missing |= {failure["arn"] for failure in answer.get("failures", []) if failure.get("reason") == "MISSING"}
        return found, frozenset(missing)

    def describe_recorded(self, arns: Iterable[str], prefix: str) -> tuple[dict[str, EcsTask], frozenset[str]]:
        """Return what `describe` does, for the keys of rows; ARNs of the cluster's tasks begin with `prefix`.

        A key that is no such ARN is missing, too: ECS would refuse the whole call for it. A compromised task may have
        written it.
        """
        given = set(arns)
        of_tasks = {arn for arn in given if arn.startswith(prefix) and _TASK_ID.fullmatch(arn, len(prefix))}
        found, missing = self.describe(sorted(of_tasks))
        return found, missing | (given - of_tasks)

    def running(self, started_by: str | None = None) -> Iterator[str]:
        """Return the ARNs of tasks that have not been told to stop, or of the cluster's with this `startedBy`.

        ECS allows no other filter with it, neither `family` nor `desiredStatus`.
        Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
        """
        return self._list(self._of_family if started_by is None else {"startedBy": started_by})

    def all(self) -> dict[str, EcsTask]:
        """Return the tasks by ARN; stopped ones, too."""
        return self.describe([*self.running(), *self._list({**self._of_family, "desiredStatus": "STOPPED"})])[0]

    def running_of_run(self, pattern: Pattern, run_id: int, workflow_name: str) -> dict[str, EcsTask]:
        """Return a run's tasks that have not been told to stop, by ARN."""
        return self._of_run(self.running(pattern.started_by(run_id)), run_id, workflow_name)

    def stopped_of_run(self, run_id: int, workflow_name: str) -> dict[str, EcsTask]:
        """Return a run's tasks that have stopped or been told to, by ARN. ECS keeps them for an hour at least."""
        return self._of_run(self._list({**self._of_family, "desiredStatus": "STOPPED"}), run_id, workflow_name)

    def stop(self, arn: str, reason: str) -> None:
        """Stop a task. One that ECS no longer knows counts as stopped. ECS keeps 255 characters of the reason."""
        try:
            self._client.stop_task(cluster=self._cluster, task=arn, reason=reason[:255])
        except ClientError as error:
            details = error.response.get("Error", {})
            if details.get("Code") != "InvalidParameterException" or "not found" not in details.get("Message", ""):
                raise

    def _list(self, filters: dict[str, Any]) -> Iterator[str]:
        while True:
            page = self._client.list_tasks(cluster=self._cluster, **filters)
            yield from page.get("taskArns", [])
            if not page.get("nextToken"):
                return
            filters = {**filters, "nextToken": page["nextToken"]}

    def _of_run(self, arns: Iterable[str], run_id: int, workflow_name: str) -> dict[str, EcsTask]:
        """Two workflows may use one run id, and two stacks one workflow: the task's environment and family decide."""
        found, _ = self.describe(arns)
        of_family = {arn: task for arn, task in found.items() if self._family in (None, task.family)}
        return {arn: task for arn, task in of_family.items() if task.run == (workflow_name, run_id)}
