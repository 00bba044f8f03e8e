"""Classification of RunTask's answers: pure functions.

An answer is *definite* when ECS says that it did not start the task, and *uncertain* when none came: the task may run,
so the same call is retried with the same client token.
Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from ecs_kit.runtime.contract.failures import BUSY_FAILURE, BUSY_TEXT

_BUSY_CODES = (
    *("ThrottlingException", "Throttling", "TooManyRequestsException"),
    *("RequestLimitExceeded", "LimitExceededException"),
)
_SERVER_CODES = ("ServerException", "ServiceUnavailable", "InternalFailure", "InternalError")


class Outcome(StrEnum):
    """Outcome of a RunTask call.

    `UNCERTAIN` and `BUSY`: retry with the same token. `NOT_PLACED`: retry with a new token, because the old one replays
    the failure. `REFUSED`: no retry.
    """

    STARTED = "started"
    UNCERTAIN = "uncertain"
    BUSY = "busy"
    NOT_PLACED = "not placed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """A classified answer of RunTask: the task that was started, or what ECS or the network said."""

    outcome: Outcome
    ecs_task_arn: str = ""
    reason: str = ""


def of_response(response: Mapping[str, Any]) -> Answer:
    """Classify an answer that is no error."""
    if response.get("tasks"):
        return Answer(Outcome.STARTED, ecs_task_arn=response["tasks"][0]["taskArn"])
    reasons = [
        " ".join(str(failure[key]) for key in ("reason", "detail") if failure.get(key))
        for failure in response.get("failures", [])
    ]
    reason = "; ".join(reasons) or "no task and no reason"
    outcome = Outcome.NOT_PLACED if not reasons or BUSY_FAILURE.search(reason) else Outcome.REFUSED
    return Answer(outcome, reason=reason)


def of_error(error: Exception) -> Answer:
    """Classify an error of the call. Anything but an answer of ECS itself is uncertain."""
    if not isinstance(error, ClientError):
        return Answer(Outcome.UNCERTAIN, reason=f"{type(error).__name__}: {error}")
    details: Mapping[str, Any] = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    reason = f"{code}: {message}"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if code == "ConflictException":
        started = error.response.get("resourceIds")
        if isinstance(started, list) and started:
            return Answer(Outcome.STARTED, ecs_task_arn=str(started[0]))
    if code in _BUSY_CODES or BUSY_TEXT.search(message):
        return Answer(Outcome.BUSY, reason=reason)
    if status >= 500 or code in _SERVER_CODES:
        return Answer(Outcome.UNCERTAIN, reason=reason)
    return Answer(Outcome.REFUSED, reason=reason)


def client_token(workflow_name: str, run_id: int, task_name: str, attempt: int, launch_try: tuple[int, ...]) -> str:
    """Return RunTask's `clientToken`, 64 ASCII characters: the same launch makes the same token.

    `launch_try` has the run's capacity waits, and a number that is raised only after a definite failure, because ECS
    replays it for the same token.
    """
    text = "\n".join((workflow_name, task_name, *map(str, (run_id, attempt, *launch_try))))
    return hashlib.sha256(text.encode()).hexdigest()
