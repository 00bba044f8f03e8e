"""The environment of a task's container: the task definition's variables, and RunTask's override for one attempt."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

DETAILS_TABLE = "KIT_DETAILS_TABLE"
TARGET_BUCKET = "KIT_TARGET_BUCKET"
TARGET_PREFIX = "KIT_TARGET_PREFIX"
TASK_TIMEOUT_SECONDS = "KIT_TASK_TIMEOUT_SECONDS"
STOP_TIMEOUT_SECONDS = "KIT_STOP_TIMEOUT_SECONDS"
LOG_STREAM_PREFIX = "KIT_LOG_STREAM_PREFIX"
CONTAINER_NAME = "KIT_CONTAINER_NAME"
STATE_MACHINE = "KIT_STATE_MACHINE"
JOB = "KIT_JOB"
RESERVED_PREFIXES = ("KIT_", "AWS_", "ECS_")
"""Prefixes of the variables that the kit, the AWS SDKs and ECS set in the container."""

JOB_PREFIX = "JOB_"
"""Prefix of the user's own variables."""

WORKFLOW_NAME = "KIT_WORKFLOW_NAME"
RUN_ID = "KIT_WORKFLOW_RUN_ID"
TASK_NAME = "KIT_TASK_NAME"
TASK_INDEX = "KIT_TASK_INDEX"
ATTEMPT = "KIT_ATTEMPT"
SOURCE_BUCKET = "KIT_SOURCE_BUCKET"
SOURCE_KEY = "KIT_SOURCE_KEY"
DEADLINE = "KIT_DEADLINE"
EXPIRES_AT = "KIT_EXPIRES_AT"
QUEUED_AT = "KIT_QUEUED_AT"
"""When pattern 2's state machine entered the state RunTask. Pattern 1 has RunTask's own answer instead: a time would
make each repeated call another request than the one that its client token belongs to."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, 1, 2, …, at one task of a run.

    The source is empty where it is not known. `index` is the task's place in the task list, from 0. DynamoDB may delete
    the row after `expires_at`, in seconds since 1970.
    """

    workflow_name: str
    run_id: int
    task_name: str
    number: int
    source_bucket: str = ""
    source_key: str = ""
    expires_at: int | None = None
    index: int | None = None


def override(attempt: Attempt, deadline: str) -> dict[str, str]:
    """Return the variables of one attempt's container override; the run's deadline is in ISO 8601."""
    return {
        WORKFLOW_NAME: attempt.workflow_name,
        RUN_ID: str(attempt.run_id),
        TASK_NAME: attempt.task_name,
        ATTEMPT: str(attempt.number),
        SOURCE_BUCKET: attempt.source_bucket,
        SOURCE_KEY: attempt.source_key,
        DEADLINE: deadline,
        EXPIRES_AT: "" if attempt.expires_at is None else str(attempt.expires_at),
        TASK_INDEX: "" if attempt.index is None else str(attempt.index),
    }


def attempt_of(environment: Mapping[str, str]) -> Attempt | None:
    """Read the variables of `override`; None where the task is not the kit's."""
    identifier, number = environment.get(RUN_ID, ""), environment.get(ATTEMPT, "1")
    expires_at, index = environment.get(EXPIRES_AT, ""), environment.get(TASK_INDEX, "")
    run_id, attempt = whole_number(identifier), whole_number(number)
    if not environment.get(WORKFLOW_NAME) or run_id is None or attempt is None:
        return None
    return Attempt(
        workflow_name=environment[WORKFLOW_NAME],
        run_id=run_id,
        task_name=environment.get(TASK_NAME, ""),
        number=attempt,
        source_bucket=environment.get(SOURCE_BUCKET, ""),
        source_key=environment.get(SOURCE_KEY, ""),
        expires_at=whole_number(expires_at),
        index=whole_number(index),
    )


def whole_number(text: str) -> int | None:
    """Read a number of 1 to 18 digits; None for any other text."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None
