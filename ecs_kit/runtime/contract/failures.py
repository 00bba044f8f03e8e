"""Failure classification and retry rules: pure functions of what ECS and Step Functions say.

An `error` attribute reads `<code>: <text>`. The row's `stop_code` decides about retries, else the error's code.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ecs_kit.runtime.contract.ecs_task import EcsTask, own_container
from ecs_kit.runtime.contract.records import Failure, TaskRow
from ecs_kit.runtime.contract.run_ids import from_milliseconds


class FailureKind(StrEnum):
    """What failed. It decides how often a task is retried.

    `BUSY` does not fail the attempt: ECS has no capacity or throttles, and the same attempt is requested again.
    """

    JOB = "job"
    INFRASTRUCTURE = "infrastructure"
    REFUSED = "refused"
    BUSY = "busy"


class Code(StrEnum):
    """The kit's own error codes. ECS's stop codes and error names are used unchanged."""

    JOB_FAILED = "JobFailed"
    TERMINATED = "Terminated"
    TIMED_OUT = "TaskTimedOut"
    NO_RECORD = "NoRecord"
    CONTAINER_EXITED = "ContainerExited"
    EXIT_NOT_RETRIED = "ExitCodeNotRetried"
    TASK_STOPPED = "TaskStopped"
    TASK_MISSING = "TaskMissing"
    HOST_LOST = "HostLost"
    RUN_TASK_REFUSED = "RunTaskRefused"
    RUN_TASK_FAILED = "RunTaskFailed"
    RUN_ENDED = "RunEnded"


BUSY_TEXT = re.compile(
    r"capacity is unavailable|rate exceeded|limit ?exceeded|reached the limit|throttl|too many|slow down|temporarily",
    re.IGNORECASE,
)
"""Throttling and lack of capacity also come as InvalidParameterException and ClientException with such a message. A
full quota, which frees up when other tasks end, also comes in `failures[]`: "You've reached the limit on the number of
vCPUs you can run concurrently"."""

BUSY_FAILURE = re.compile(rf"RESOURCE:|AGENT|capacity|{BUSY_TEXT.pattern}", re.IGNORECASE)
"""Transient reasons in RunTask's `failures[]`. Source:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html"""

LACKS_CAPACITY = re.compile(r"RESOURCE:|AGENT|capacity|reached the limit", re.IGNORECASE)
"""Reasons of ECS for no capacity or a full quota. The rest of `BUSY_FAILURE` is throttling."""

TRANSIENT_ECS_ERRORS = ("ECS.AmazonECSException", "ECS.SdkClientException", "ECS.ServerException")
"""Step Functions' error names for throttling and other errors that the ECS API does not declare, broken connections,
and errors of the service itself. Source:
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""

_NON_RETRYABLE_CODE = re.compile(
    r"Error ?Code: ?(AccessDenied|AuthFailure|ClientException|ExpiredToken|IncompleteSignature|InvalidAction"
    r"|InvalidClientTokenId|InvalidParameter|InvalidSignature|Malformed|Missing|NotAuthorized|OptInRequired"
    r"|SubscriptionRequired|Unauthorized|UnknownOperation|UnrecognizedClient|Validation|Blocked|PendingVerification)"
)
"""Prefixes of client errors' codes that no retry changes: with one in its cause, an error of `TRANSIENT_ECS_ERRORS` is
refused. Causes of the SDK's version 2 name no code, and stay busy. Sources:
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (`AuthFailure` and the like)."""

_NOT_PLACED = ("AmazonECS.Unknown", "ECS.Unknown")
"""Step Functions' error names for a RunTask that answered with `failures[]`."""

EXITED_BY_ITSELF = "EssentialContainerExited"
"""The `stopCode` of a task that nothing but its own container ended."""

_INFRASTRUCTURE_STOP_CODES = {"TaskFailedToStart", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"}
"""Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html (`stopCode`)."""

_INFRASTRUCTURE_CODES = _INFRASTRUCTURE_STOP_CODES | {Code.TASK_MISSING, Code.HOST_LOST, *_NOT_PLACED}

INFRASTRUCTURE_RETRIES = 3
"""Retries of a task that ECS never started, or whose host or Spot capacity was lost."""

_REFUSED = re.compile(r"RunTaskRefused|RunTaskFailed|RunEnded|ExitCodeNotRetried|ECS\..*|States\..*")

_HOST_LOST = re.compile(r"spot task|spot interruption|host ec2|host was|terminated due to", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ExitCodes:
    """How a container's exit code is judged where ECS alone says how a task ended.

    Without any code of success, tasks keep their own rows: exit code 0 without a terminal row is a failure. Without any
    code to retry, every failure is retried.
    """

    success: tuple[int, ...] = ()
    retry: tuple[int, ...] = ()

    def succeeded(self, task: EcsTask) -> bool:
        """Whether a stopped task did its job: it ended by itself with a code of success."""
        lost = task.stop_code in _INFRASTRUCTURE_STOP_CODES or _HOST_LOST.search(task.stopped_reason)
        return task.exit_code in self.success and task.stop_code != "UserInitiated" and not lost


KEPT_BY_TASKS = ExitCodes()
"""Tasks keep their own rows."""


@dataclass(frozen=True, slots=True)
class StateFailure:
    """Why the state `RunTask` of pattern 2 failed; no task where ECS started none, and on a time-out."""

    kind: FailureKind
    failure: Failure
    task: EcsTask | None = None


def of_stopped_task(task: EcsTask, codes: ExitCodes = KEPT_BY_TASKS) -> Failure:
    """Classify a stopped ECS task that did not succeed and whose row has no terminal status.

    The first match decides: an infrastructure `stopCode`; a lost host; an exit code other than 0, if nobody stopped the
    task or tasks keep their own rows; a StopTask call or no exit code; exit code 0 without a recorded result.
    """
    detail = f" ({task.container_reason})" if task.container_reason else ""
    stopped = task.stopped_reason or "the ECS task stopped"
    if task.container_reason not in stopped:  # ECS often says the same of the task and of its container
        stopped += detail

    def failure(code: str, text: str) -> Failure:
        return Failure(code, text, task.stopped_reason or None, task.exit_code, task.stop_code or None)

    if task.stop_code in _INFRASTRUCTURE_STOP_CODES:
        return failure(task.stop_code, stopped)
    if _HOST_LOST.search(task.stopped_reason):
        return failure(Code.HOST_LOST, stopped)
    # Where exit codes are judged, that of a container that was stopped, as at its time limit, does not count.
    if task.exit_code and not (codes.success and task.stop_code == "UserInitiated"):
        is_retried = not codes.retry or task.exit_code in codes.retry
        code = Code.CONTAINER_EXITED if is_retried else Code.EXIT_NOT_RETRIED
        return failure(code, f"the container exited with code {task.exit_code}{detail}")
    if task.stop_code == "UserInitiated" or task.exit_code is None:
        return failure(Code.TASK_STOPPED, stopped)
    return failure(Code.NO_RECORD, f"the container exited with code 0 but did not record its result{detail}")


def stopped_task_of(cause: str) -> EcsTask | None:
    """Read the stopped task in the cause of a failed `ecs:runTask.sync`, which may be truncated; None without one."""
    arn = _text_of("TaskArn", cause)
    if not arn:
        return None
    container = _own_container(cause)
    exit_code = re.search(r'"ExitCode"\s*:\s*([0-9]+)', container or "") or re.search(
        r'"ExitCode"\s*:\s*([1-9][0-9]*)', "" if container else cause
    )
    return EcsTask(
        arn=arn,
        last_status="STOPPED",
        stop_code=_text_of("StopCode", cause),
        stopped_reason=_text_of("StoppedReason", cause),
        container_reason=_text_of("Reason", container or cause),
        exit_code=int(exit_code[1]) if exit_code else None,
        started_at=_moment_of("StartedAt", cause),
        stopped_at=_moment_of("ExecutionStoppedAt", cause),
    )


def _own_container(cause: str) -> str | None:
    """Return what a cause says of the container that RunTask's override names; None where it is truncated."""
    try:
        task = json.loads(cause)
        names = {override["Name"] for override in task["Overrides"]["ContainerOverrides"]}
        return json.dumps(own_container(task["Containers"], names))
    except (ValueError, LookupError, TypeError):
        return None


def of_state(error: str, cause: str, codes: ExitCodes = KEPT_BY_TASKS) -> StateFailure:
    """Classify a failure of `ecs:runTask.sync`.

    Its cause is JSON where a task was started or not placed, else a sentence; it may be truncated.
    """
    if error == "States.Timeout":
        return StateFailure(FailureKind.JOB, Failure(Code.TIMED_OUT, "the state RunTask timed out"))
    if task := stopped_task_of(cause):
        failure = of_stopped_task(task, codes)
        return StateFailure(_kind(failure.code, failure.stop_code, failure.stopped_reason), failure, task)
    not_placed = error in _NOT_PLACED
    if not_placed:  # the cause also has ARNs, which may contain any word
        is_busy = BUSY_FAILURE.search(f"{_text_of('Reason', cause)} {_text_of('Detail', cause)}") is not None
    else:
        is_transient = error in TRANSIENT_ECS_ERRORS and not _NON_RETRYABLE_CODE.search(cause)
        is_busy = is_transient or BUSY_TEXT.search(f"{error} {cause}") is not None
    kind = FailureKind.BUSY if is_busy else FailureKind.INFRASTRUCTURE if not_placed else FailureKind.REFUSED
    why = _text_of("Reason", cause) or cause[:800]
    return StateFailure(kind, Failure(error or "Unknown", f"ECS did not start the task: {why}"))


def retry_is_allowed(last: FailureKind, *, job: int, infrastructure: int, task_attempts: int) -> bool:
    """Whether a task is retried after all its attempts failed: by the last failure, and the number of each kind."""
    if last is FailureKind.INFRASTRUCTURE:
        return infrastructure <= INFRASTRUCTURE_RETRIES
    return last is FailureKind.JOB and job < task_attempts


def code_of(row: TaskRow) -> str:
    """Return the code of a failed row's error."""
    return (row.error or "").partition(":")[0]


def kind_of(row: TaskRow) -> FailureKind:
    """Classify a failed row."""
    return _kind(code_of(row), row.stop_code, row.stopped_reason)


def _kind(code: str, stop_code: str | None, stopped_reason: str | None) -> FailureKind:
    if code in _INFRASTRUCTURE_CODES or stop_code in _INFRASTRUCTURE_STOP_CODES:
        return FailureKind.INFRASTRUCTURE
    if _HOST_LOST.search(stopped_reason or ""):
        return FailureKind.INFRASTRUCTURE
    return FailureKind.REFUSED if _REFUSED.fullmatch(code) else FailureKind.JOB


def _moment_of(attribute: str, cause: str) -> datetime | None:
    """Extract a time, which Step Functions gives in milliseconds; None where there is none."""
    found = re.search(rf'"{attribute}"\s*:\s*([0-9]+)', cause)
    return from_milliseconds(int(found[1])) if found else None


def _text_of(attribute: str, cause: str) -> str:
    """Extract a string attribute from JSON that may be truncated; empty where there is none."""
    found = re.search(rf'"{attribute}"\s*:\s*"((?:\\.|[^"\\])*)"', cause)
    try:
        return str(json.loads(f'"{found[1]}"', strict=False)) if found else ""
    except ValueError:
        return ""
