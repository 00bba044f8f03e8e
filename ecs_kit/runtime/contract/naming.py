"""Names derived from a task: its target key, its log stream, its task group."""

from __future__ import annotations


def s3_uri(bucket: str, key: str) -> str:
    """Return `s3://bucket/key`."""
    return f"s3://{bucket}/{key}"


def target_key(prefix: str, workflow_name: str, run_id: int, task_name: str, source_key: str) -> str:
    """Return the key of a task's copy: `<prefix>/<workflow>/<run>/<task>/<the object's base name>`.

    A retry writes to the same key: it overwrites and never duplicates.
    """
    return f"{prefix}/{workflow_name}/{run_id}/{task_name}/{source_key.rsplit('/', 1)[-1]}"


def log_stream(prefix: str, container_name: str, ecs_task_arn: str) -> str:
    """Return the CloudWatch log stream of an ECS task.

    It is `prefix-name/container-name/task-id`.
    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
    """
    return f"{prefix}/{container_name}/{ecs_task_arn.rsplit('/', 1)[-1]}"


def group(run_id: int) -> str:
    """Return the ECS task group of a run; pattern 2's tasks are found by it."""
    return f"run-{run_id}"
