"""What went wrong with an attempt, and whether another attempt can heal it: pure functions of what ECS says.

An `error` attribute reads `<code>: <text>`; the code alone decides about further attempts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from runtime.workflow.ecs_tasks import EcsTask
from runtime.workflow.records import TaskRow


class FailureKind(StrEnum):
    """Who failed, which decides how often a task is tried again."""

    JOB = "job"
    INFRASTRUCTURE = "infrastructure"
    REFUSED = "refused"


class Code(StrEnum):
    """The codes of the kit's own errors. ECS's stop codes and error names are used as they are."""

    JOB_FAILED = "JobFailed"
    TERMINATED = "Terminated"
    TIMED_OUT = "TaskTimedOut"
    NO_RECORD = "NoRecord"
    CONTAINER_EXITED = "ContainerExited"
    TASK_STOPPED = "TaskStopped"
    TASK_MISSING = "TaskMissing"
    HOST_LOST = "HostLost"
    RUN_TASK_REFUSED = "RunTaskRefused"
    RUN_TASK_FAILED = "RunTaskFailed"
    RUN_ENDED = "RunEnded"


_INFRASTRUCTURE_STOP_CODES = frozenset({"TaskFailedToStart", "SpotInterruption", "TerminationNotice"})
"""Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html (`stopCode`)."""

_INFRASTRUCTURE_CODES = _INFRASTRUCTURE_STOP_CODES | {
    Code.TASK_MISSING,
    Code.HOST_LOST,
    "AmazonECS.Unknown",
    "ECS.Unknown",
}

_REFUSED = re.compile(r"RunTaskRefused|RunTaskFailed|RunEnded|ECS\..*|States\..*")

_HOST_LOST = re.compile(r"spot task|spot interruption|host ec2|host was|terminated due to", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an ECS task counts as failed.

    Args:
        code: one of `Code` or a stop code of ECS.
        text: what happened, for a reader.
        stopped_reason: ECS's own sentence, if there is one.
        exit_code: the container's exit code, if there is one.
    """

    code: str
    text: str
    stopped_reason: str | None = None
    exit_code: int | None = None

    @property
    def error(self) -> str:
        """The `error` attribute of the row."""
        return f"{self.code}: {self.text}"


def of_stopped_task(task: EcsTask) -> Failure:
    """Judge a stopped ECS task whose row does not say how it ended.

    The first of these that holds decides: ECS never started it or took its host away; someone stopped it; its
    container ended with an exit code other than 0; its container ended well, but wrote no result.
    """
    reason = task.stopped_reason or None
    detail = f" ({task.container_reason})" if task.container_reason else ""
    # ECS often says the same of the task and of its container.
    stopped = task.stopped_reason or "the ECS task stopped"
    stopped += "" if task.container_reason in stopped else detail
    if task.stop_code in _INFRASTRUCTURE_STOP_CODES:
        return Failure(task.stop_code, stopped, reason, task.exit_code)
    if _HOST_LOST.search(task.stopped_reason):
        return Failure(Code.HOST_LOST, stopped, reason, task.exit_code)
    if task.exit_code:
        return Failure(
            Code.CONTAINER_EXITED, f"the container exited with code {task.exit_code}{detail}", reason, task.exit_code
        )
    if task.stop_code == "UserInitiated" or task.exit_code is None:
        return Failure(Code.TASK_STOPPED, stopped, reason, task.exit_code)
    return Failure(
        Code.NO_RECORD,
        f"the container exited with code 0 but did not record its result{detail}",
        reason,
        task.exit_code,
    )


def code_of(row: TaskRow) -> str:
    """Return the code of a failed row's error."""
    return (row.error or "").partition(":")[0]


def kind_of(row: TaskRow) -> FailureKind:
    """Say who failed, from a failed row alone."""
    code = code_of(row)
    if code in _INFRASTRUCTURE_CODES or _HOST_LOST.search(row.stopped_reason or ""):
        return FailureKind.INFRASTRUCTURE
    if _REFUSED.fullmatch(code):
        return FailureKind.REFUSED
    return FailureKind.JOB
