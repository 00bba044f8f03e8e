"""UpdateTimeToLive: what may be changed, and when.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html: "It can take up to one hour
for the change to fully process. Any additional UpdateTimeToLive calls for the same table during this one hour duration
result in a ValidationException."
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import dynamodb

from local_aws.emulator.aws_behaviour.calls import Call, Refused, Request
from local_aws.emulator.aws_behaviour.patching import around

PROCESSING_SECONDS = 3600.0

_changed: dict[tuple[str, str, str], float] = {}


def refusal(current: Mapping[str, Any], wanted: Mapping[str, Any], since_seconds: float | None) -> str | None:
    """Why DynamoDB would not change a time to live; None where it would.

    Args:
        current: MiniStack's record of it, empty where it was never set.
        wanted: the request's `TimeToLiveSpecification`.
        since_seconds: how long ago it was changed; None for never.
    """
    enabled = current.get("TimeToLiveStatus") == "ENABLED"
    active = current.get("AttributeName")
    if enabled and wanted.get("AttributeName") != active:
        return f"TimeToLive is active on a different AttributeName: current AttributeName is {active}"
    if enabled == bool(wanted.get("Enabled")):
        return f"TimeToLive is already {'enabled' if enabled else 'disabled'}"
    if since_seconds is not None and since_seconds < PROCESSING_SECONDS:
        return "Time to live has been modified multiple times within a fixed interval"
    return None


@around("dynamodb_time_to_live", dynamodb, "_update_ttl")
def update(original: Call, request: Request) -> Any:
    """Wrap MiniStack's UpdateTimeToLive, which takes any change at any time."""
    name = dynamodb._normalize_table_name(request.get("TableName"))
    table = dynamodb._tables.get(name)
    if table is None:
        return original(request)
    key, now = (get_account_id(), get_region(), table["TableId"]), time.monotonic()
    since = now - _changed[key] if key in _changed else None
    reason = refusal(dynamodb._ttl_settings.get(name) or {}, request["TimeToLiveSpecification"], since)
    if reason is not None:
        raise Refused("ValidationException", reason)
    _changed[key] = now
    return original(request)
