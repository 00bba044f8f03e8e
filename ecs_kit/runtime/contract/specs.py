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

    `needs_objects` says whether the job needs a source object for every task. If not, a task needs one where the job's
    command or environment names it and the task has none of its own.
    """

    attributes: Mapping[str, str]
    separator: str = "$"
    security_group_ids: tuple[str, ...] = ()
    source_buckets: tuple[str, ...] = ()
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


@dataclass(frozen=True, slots=True)
class Spec:
    """A checked spec; `document` is the unchanged JSON document."""

    document: Mapping[str, Any]
    workflow_name: str
    run_id: int | None
    tasks: tuple[TaskEntry, ...]
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
