"""Specs, the JSON documents that start runs, after their check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INFRASTRUCTURE_ATTRIBUTES = (
    "region",
    "s3BucketName",
    "subnetIdLiteral",
    "securityGroupId",
    "ddbTableNameWFSummary",
    "hashKeyWFSummary",
    "rangeKeyWFSummary",
    "ddbTableNameWFDetails",
    "hashKeyWFDetails",
    "rangeKeyWFDetails",
    "clusterName",
    "containerName",
    "taskDefinition",
)
"""Attributes of a spec that must name what the stack deployed."""

DEPLOYED_ATTRIBUTES = (*INFRASTRUCTURE_ATTRIBUTES, "workflowName", "separator")
"""Attributes of a spec that a pattern's outputs give; a program adds the task list."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """The deployed resources that specs name, as `Settings` has them; further keys of `attributes` are ignored.

    Where `source_buckets` is None, tasks may read from any bucket: those that they may are not known.

    `needs_objects` says whether the job needs a source object for every task. If not, a task needs one where the job's
    command or environment names it and the task has none of its own.
    """

    attributes: Mapping[str, str]
    separator: str = "$"
    security_group_ids: tuple[str, ...] = ()
    source_buckets: tuple[str, ...] | None = ()
    needs_objects: bool = True
    job_command: tuple[str, ...] = ()
    job_environment: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """One entry of `taskList`; `bucket` is its own or else the spec's, `cpu` in units and `memory` in MiB.

    A task without a source object has no key. Without a command, an environment or a size of its own it has the job's.
    """

    name: str
    bucket: str
    key: str = ""
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    cpu: int | None = None
    memory: int | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The entry as `taskList` has it, with its bucket whatever the spec's is; `to_entry` reads it again."""
        given = {
            "taskName": self.name,
            "s3BucketName": self.bucket,
            "objectKey": self.key,
            "command": list(self.command),
            "environment": dict(self.environment),
            "cpu": self.cpu,
            "memory": self.memory,
        }
        return {name: value for name, value in given.items() if value}


def to_entry(document: Mapping[str, Any], bucket: str) -> TaskEntry:
    """Read a checked entry of `taskList`; `bucket` is the spec's."""
    cpu, memory = document.get("cpu"), document.get("memory")
    return TaskEntry(
        name=document["taskName"],
        bucket=document.get("s3BucketName", bucket),
        key=document.get("objectKey", ""),
        command=tuple(document.get("command", ())),
        environment=document.get("environment", {}),
        cpu=None if cpu is None else int(cpu),
        memory=None if memory is None else int(memory),
    )


@dataclass(frozen=True, slots=True)
class Spec:
    """A checked spec; `document` is the unchanged JSON document.

    `tasks` are those of an inline list. A list that is elsewhere has a `task_list_uri`. `rerun_of` is the id of the run
    whose failed tasks these are.
    """

    document: Mapping[str, Any]
    workflow_name: str
    run_id: int | None
    tasks: tuple[TaskEntry, ...]
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    task_list_uri: str | None = None
    rerun_of: int | None = None
