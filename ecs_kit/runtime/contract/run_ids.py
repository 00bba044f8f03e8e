"""The run id. It depends on the execution alone, so that a retry makes the same one."""

import hashlib
from datetime import UTC, datetime, timedelta

from ecs_kit.runtime.contract.clock import from_iso

LARGEST_RUN_ID = 2**53 - 1
"""Largest integer that JSON readers with double precision keep exactly."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def run_id(start_time: datetime | str, execution_arn: str) -> int:
    """Make the run id of an execution: its start in milliseconds since 1970 times 1000, plus three digits of a hash.

    All arithmetic is on integers. The id stays under 2^53 until the year 2255. Text is a time in ISO 8601.
    """
    moment = from_iso(start_time) if isinstance(start_time, str) else start_time
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    digits = int(hashlib.sha256(execution_arn.encode()).hexdigest(), 16) % 1000
    return milliseconds * 1000 + digits


def given_id(value: object) -> int | None:
    """Return the id that a spec or a caller gives, an integer or its digits; None where it is no id of a run."""
    try:
        identifier = int(value) if isinstance(value, str | int | float) else 0
    except (ValueError, OverflowError):
        return None
    return identifier if 1 <= identifier <= LARGEST_RUN_ID else None


def from_milliseconds(milliseconds: int) -> datetime:
    """Turn milliseconds since 1970, as EventBridge events carry them, into a time without rounding."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
