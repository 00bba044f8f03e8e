"""One ECS task: its row, its job, its exit code."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.runtime.common import log
from ecs_kit.runtime.common.tables import DetailsTable
from ecs_kit.runtime.contract.clock import Clock, to_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.failures import Code
from ecs_kit.runtime.contract.records import TaskRow, new_row
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.task import interruptions
from ecs_kit.runtime.task.configuration import Configuration
from ecs_kit.runtime.task.job import Job, S3Object

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

JobFunction = Callable[[Job, "S3Client"], None]


class ExitCode(IntEnum):
    """Exit codes of the container. Only `DONE` means that the job is done and recorded."""

    DONE = 0
    JOB_FAILED = 1
    BAD_CONFIGURATION = 2
    NOT_RECORDED = 3
    TIME_LIMIT = 124
    TERMINATED = 143


def named_job(reference: str, arguments: Sequence[str] = ()) -> JobFunction:
    """Return the job that a reference, `module:function`, names; `arguments` is the container's command.

    Its module is imported by the call, so that an import error is the job's error and within the job's time limit.
    """
    module, _, name = reference.partition(":")

    def call(job: Job, s3: S3Client) -> None:
        function: JobFunction = getattr(importlib.import_module(module), name)
        function(replace(job, arguments=tuple(arguments)), s3)

    return call


def work(
    configuration: Configuration,
    task: EcsTask,
    *,
    details: DetailsTable,
    last_details: DetailsTable,
    s3: S3Client,
    clock: Clock,
    job: JobFunction,
) -> ExitCode:
    """Run the job, record its outcome, and return the container's exit code.

    `last_details` is the same table with a client that gives up within `stopTimeout`: for the write after SIGTERM.
    """
    started = clock.now()
    row = new_row(
        configuration.attempt,
        configuration.target,
        TaskStatus.RUNNING,
        ecs_task_arn=task.arn,
        now=started,
        task=task,
    )
    outcome = (ExitCode.NOT_RECORDED, "")
    try:
        with interruptions.raised(_limit_seconds(configuration, started)):
            found, _ = details.write(row)
            if found.status.is_final:
                log.warning("the row of this ECS task is terminal already; the job is not run", status=found.status)
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
    attempt, target = configuration.attempt, configuration.target
    source = S3Object(attempt.source_bucket, attempt.source_key)
    try:
        job(Job(source, S3Object(target.bucket, target.key(attempt)), configuration.parameters), s3)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the job is the user's code: any error is its outcome
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
        log.warning("the row of this ECS task has another terminal status, which is kept", status=found.status)
        return ExitCode.NOT_RECORDED if code is ExitCode.DONE else code
    return code


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
