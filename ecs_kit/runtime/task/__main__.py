"""The image's entry point: `python -m ecs_kit.runtime.task`.

Exit codes: 0 the job is done and recorded; 1 the job failed; 2 the configuration is wrong; 3 the row could not be
written or was terminal already; 124 the time limit was reached; 143 SIGTERM.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from ecs_kit.runtime.common import log
from ecs_kit.runtime.common.meter import Meter
from ecs_kit.runtime.common.tables import DetailsTable
from ecs_kit.runtime.contract.clock import Clock
from ecs_kit.runtime.contract.errors import SettingsInvalid
from ecs_kit.runtime.task import configuration, interruptions
from ecs_kit.runtime.task.worker import ExitCode, named_job, work

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

VERSION = "0.1.0"


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the task and return its exit code. The command line is passed to the job, but for a first `--version`."""
    if list(arguments[:1]) == ["--version"]:
        print(f"ecs-step-functions-kit task {VERSION}")
        return ExitCode.DONE
    interruptions.exit_on_term(ExitCode.TERMINATED)
    log.configure()
    clock = Clock()
    try:
        settings = configuration.from_environment(environment)
        task = configuration.own_task(environment, clock)
    except SettingsInvalid as error:
        log.warning("the task cannot start", error=str(error))
        return ExitCode.BAD_CONFIGURATION
    attempt = settings.attempt
    log.bind(attempt.workflow_name, attempt.run_id, taskName=attempt.task_name, attempt=attempt.number)
    log.info("the task starts", ecsTask=task.arn, version=VERSION)
    try:
        dynamodb, last_dynamodb, s3 = _clients(settings.stop_timeout_seconds)
    except BotoCoreError as error:
        log.warning("the task has no AWS clients", error=f"{type(error).__name__}: {error}")
        return ExitCode.BAD_CONFIGURATION
    meter = Meter(settings.state_machine, clock)
    return work(
        settings,
        task,
        details=DetailsTable(dynamodb, settings.details_table, meter.attempt_written),
        last_details=DetailsTable(last_dynamodb, settings.details_table, meter.attempt_written),
        s3=s3,
        clock=clock,
        job=named_job(settings.job, arguments),
    )


def _clients(stop_timeout_seconds: int) -> tuple[DynamoDBClient, DynamoDBClient, S3Client]:
    """Create the clients. boto3 is imported after the SIGTERM handler is set: the import takes most of a second.

    The second DynamoDB client makes the one write after SIGTERM, within `stopTimeout`: two calls with a third of it
    each and at most a second between them, or one call where that is too long.

    Adaptive retries slow down when a service throttles. CopyObject of 5 GB may keep a connection silent for minutes.
    """
    import boto3
    from botocore.config import Config

    config = Config(retries={"mode": "adaptive", "max_attempts": 10}, connect_timeout=5, read_timeout=300)
    limit, tries = stop_timeout_seconds / 6, 2 if stop_timeout_seconds >= 5 else 1
    last = Config(retries={"mode": "standard", "total_max_attempts": tries}, connect_timeout=limit, read_timeout=limit)
    return (
        boto3.client("dynamodb", config=config),
        boto3.client("dynamodb", config=last),
        boto3.client("s3", config=config),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
