"""Names that follow from a task: its copy, its log stream, its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.workflow.specs import TaskEntry


def s3_uri(bucket: str, key: str) -> str:
    """Return `s3://bucket/key`."""
    return f"s3://{bucket}/{key}"


def target_key(prefix: str, workflow_name: str, run_id: int, task_name: str, source_key: str) -> str:
    """Return the key of a task's copy: `<prefix>/<workflow>/<run>/<task>/<the object's base name>`.

    Doing a task again makes the same key, so it overwrites and never duplicates.
    """
    return f"{prefix}/{workflow_name}/{run_id}/{task_name}/{source_key.rsplit('/', 1)[-1]}"


def log_stream(prefix: str, container_name: str, ecs_task_arn: str) -> str:
    """Return the CloudWatch log stream of an ECS task.

    It is `prefix-name/container-name/task-id`.
    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
    """
    return f"{prefix}/{container_name}/{ecs_task_arn.rsplit('/', 1)[-1]}"


def group(run_id: int) -> str:
    """Return the ECS task group of a run, which pattern 2's tasks are found by."""
    return f"run-{run_id}"


def override_environment(
    workflow_name: str, run_id: int, entry: TaskEntry, attempt: int, deadline: str, expires_at: int | None
) -> dict[str, str]:
    """Return the environment variables that make a task definition into one attempt at one task.

    Args:
        workflow_name: the run's workflow.
        run_id: the run.
        entry: the task.
        attempt: 1, 2, …
        deadline: when the run's time is up, ISO 8601.
        expires_at: when DynamoDB may delete the run's items, in seconds since 1970; None for never.
    """
    return {
        "KIT_WORKFLOW_NAME": workflow_name,
        "KIT_WORKFLOW_RUN_ID": str(run_id),
        "KIT_TASK_NAME": entry.name,
        "KIT_ATTEMPT": str(attempt),
        "KIT_SOURCE_BUCKET": entry.bucket,
        "KIT_SOURCE_KEY": entry.key,
        "KIT_DEADLINE": deadline,
        "KIT_EXPIRES_AT": "" if expires_at is None else str(expires_at),
    }
