"""One ECS task from start to end: its row, its job, its exit code."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runtime.task import interruptions
from runtime.task.configuration import Configuration
from runtime.task.job import Job, S3Object
from runtime.workflow import log, naming
from runtime.workflow.clock import Clock, to_iso
from runtime.workflow.failures import Code
from runtime.workflow.records import TaskRow
from runtime.workflow.statuses import TaskStatus
from runtime.workflow.tables import DetailsTable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

JobFunction = Callable[[Job, "S3Client"], None]


class ExitCode(IntEnum):
    """Exit codes of the container. Only `DONE` means that the job is done and its row says so."""

    DONE = 0
    JOB_FAILED = 1
    BAD_CONFIGURATION = 2
    NOT_RECORDED = 3
    TIME_LIMIT = 124
    TERMINATED = 143


def named_job(reference: str, arguments: Sequence[str] = ()) -> JobFunction:
    """The job that a name stands for.

    Its module is imported when it is called: what goes wrong there is the job's error, and has the job's time limit.

    Args:
        reference: `module:function`.
        arguments: the container's command.
    """
    module, _, name = reference.partition(":")

    def call(job: Job, s3: S3Client) -> None:
        function: JobFunction = getattr(importlib.import_module(module), name)
        function(replace(job, arguments=tuple(arguments)), s3)

    return call


def work(
    configuration: Configuration,
    ecs_task_arn: str,
    *,
    details: DetailsTable,
    last_details: DetailsTable,
    s3: S3Client,
    clock: Clock,
    job: JobFunction,
) -> ExitCode:
    """Do the job and record how it ended.

    Args:
        configuration: what to do.
        ecs_task_arn: this ECS task, the key of its row.
        details: the details table.
        last_details: the same, whose client gives up within ECS's `stopTimeout`: for the last write from SIGTERM on.
        s3: S3 client for the job.
        clock: the time.
        job: the function that does the job.

    Returns:
        The container's exit code.
    """
    started = clock.now()
    row = _first_row(configuration, ecs_task_arn, started)
    outcome = (ExitCode.NOT_RECORDED, "")
    try:
        with interruptions.raised(_limit_seconds(configuration, started)):
            found, _ = details.write(row)
            if found.status.is_final:
                log.warning("the row of this ECS task is final already; the job is not done", status=found.status)
                return ExitCode.NOT_RECORDED
            outcome = _do(job, configuration, row, s3)
    except interruptions.Terminated:
        outcome = ExitCode.TERMINATED, f"{Code.TERMINATED}: the task was told to stop (SIGTERM) before it was done"
    except interruptions.TimeLimitReached:
        limit = f"{configuration.task_timeout_seconds} s"
        outcome = ExitCode.TIME_LIMIT, f"{Code.TIMED_OUT}: timed out after {limit} or at the run's deadline"
    except (BotoCoreError, ClientError) as error:
        log.exception("the task's row could not be written")
        outcome = ExitCode.NOT_RECORDED, f"{Code.NO_RECORD}: {error}"
    if outcome[0] is not ExitCode.TERMINATED:
        try:
            with interruptions.raised_on_term():
                return _record(row, outcome, details, started, clock)
        except interruptions.Terminated:
            log.warning("the task was told to stop while its row was written")
    return _record(row, outcome, last_details, started, clock)


def _do(job: JobFunction, configuration: Configuration, row: TaskRow, s3: S3Client) -> tuple[ExitCode, str]:
    source = S3Object(configuration.source_bucket, configuration.source_key)
    try:
        job(Job(source, S3Object(configuration.target_bucket, configuration.target_key), configuration.parameters), s3)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the job is the user's code, and any error of it is its result
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return ExitCode.DONE, ""
        log.exception("the job failed", source=row.source_uri, target=row.target_uri)
        return ExitCode.JOB_FAILED, f"{Code.JOB_FAILED}: {_describe(error)}; source {row.source_uri}"
    return ExitCode.DONE, ""


def _record(
    row: TaskRow, outcome: tuple[ExitCode, str], details: DetailsTable, started: datetime, clock: Clock
) -> ExitCode:
    code, error = outcome
    now = clock.now()
    status = TaskStatus.COMPLETED if code is ExitCode.DONE else TaskStatus.FAILED
    final = replace(
        row,
        status=status,
        update_time=to_iso(now),
        exec_time_in_seconds=round((now - started).total_seconds(), 3),
        error=error or None,
        exit_code=None if code is ExitCode.DONE else int(code),
    )
    try:
        found, _ = details.write(final)
    except (BotoCoreError, ClientError):
        log.exception("the task's row could not be written", status=status)
        return ExitCode.NOT_RECORDED if code is ExitCode.DONE else code
    log.info("the task ended", status=status, error=error, exitCode=int(code))
    if found.status is not status:
        log.warning("the row of this ECS task says otherwise and stays", status=found.status)
        return ExitCode.NOT_RECORDED if code is ExitCode.DONE else code
    return code


def _first_row(configuration: Configuration, ecs_task_arn: str, started: datetime) -> TaskRow:
    return TaskRow(
        workflow_run_id=configuration.run_id,
        ecs_task_id=ecs_task_arn,
        workflow_name=configuration.workflow_name,
        task_name=configuration.task_name,
        attempt=configuration.attempt,
        status=TaskStatus.RUNNING,
        start_time=to_iso(started),
        update_time=to_iso(started),
        source_uri=naming.s3_uri(configuration.source_bucket, configuration.source_key),
        target_uri=naming.s3_uri(configuration.target_bucket, configuration.target_key),
        log_stream=naming.log_stream(configuration.log_stream_prefix, configuration.container_name, ecs_task_arn),
        expires_at=configuration.expires_at,
    )


def _limit_seconds(configuration: Configuration, started: datetime) -> float:
    limit = float(configuration.task_timeout_seconds)
    if configuration.deadline is not None:
        limit = min(limit, (configuration.deadline - started).total_seconds())
    return limit


def _describe(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the job called sys.exit({error.code!r})"
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return f"{details.get('Code', 'Unknown')}: {details.get('Message', error)} ({error.operation_name})"
    return f"{type(error).__name__}: {error}"
