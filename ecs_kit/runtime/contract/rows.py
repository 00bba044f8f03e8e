"""The one constructor of details rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ecs_kit.runtime.contract import naming
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.failures import Failure
from ecs_kit.runtime.contract.records import TaskRow, not_started_id
from ecs_kit.runtime.contract.statuses import TaskStatus


@dataclass(frozen=True, slots=True)
class Target:
    """Where a task's result and its log go.

    Args:
        bucket: bucket for the result.
        prefix: first part of the result's key.
        log_stream_prefix: `awslogs-stream-prefix` of the task definition.
        container_name: the container that does the job.
    """

    bucket: str
    prefix: str
    log_stream_prefix: str
    container_name: str

    def key(self, attempt: Attempt) -> str:
        """Key of the result."""
        return naming.target_key(
            self.prefix, attempt.workflow_name, attempt.run_id, attempt.task_name, attempt.source_key
        )


def new_row(
    attempt: Attempt,
    target: Target,
    status: TaskStatus,
    *,
    ecs_task_arn: str,
    now: datetime,
    start: datetime | None = None,
    failure: Failure | None = None,
) -> TaskRow:
    """Make the row of an attempt.

    Args:
        attempt: the attempt.
        target: where its result and its log go.
        status: its status.
        ecs_task_arn: its ECS task; empty where ECS started none.
        now: the time.
        start: when it started; now, if not given.
        failure: why it failed.
    """
    has_source = bool(attempt.source_bucket and attempt.source_key)
    return TaskRow(
        workflow_run_id=attempt.run_id,
        ecs_task_id=ecs_task_arn or not_started_id(attempt.task_name, attempt.number),
        workflow_name=attempt.workflow_name,
        task_name=attempt.task_name,
        attempt=attempt.number,
        status=status,
        start_time=to_iso(start or now),
        update_time=to_iso(now),
        source_uri=naming.s3_uri(attempt.source_bucket, attempt.source_key) if has_source else None,
        target_uri=naming.s3_uri(target.bucket, target.key(attempt)) if attempt.source_key else None,
        error=failure.error if failure else None,
        stopped_reason=failure.stopped_reason if failure else None,
        stop_code=failure.stop_code if failure else None,
        exit_code=failure.exit_code if failure else None,
        log_stream=(
            naming.log_stream(target.log_stream_prefix, target.container_name, ecs_task_arn) if ecs_task_arn else None
        ),
        expires_at=attempt.expires_at,
    )
