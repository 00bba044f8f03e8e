"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html."""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.emulator.aws_behaviour.dynamodb_time_to_live import refusal

ENABLED = {"TimeToLiveStatus": "ENABLED", "AttributeName": "a"}
DISABLED = {"TimeToLiveStatus": "DISABLED", "AttributeName": "a"}


@pytest.mark.parametrize(
    ("current", "attribute", "enabled", "since_seconds", "reason"),
    [
        ({}, "a", True, None, None),
        ({}, "a", False, None, "already disabled"),
        (ENABLED, "a", True, 4000.0, "already enabled"),
        (ENABLED, "b", True, 4000.0, "active on a different AttributeName"),
        (ENABLED, "b", False, 4000.0, "active on a different AttributeName"),
        (ENABLED, "a", False, 3599.0, "modified multiple times"),
        (ENABLED, "a", False, 3600.0, None),
        (DISABLED, "b", True, 3600.0, None),
        (DISABLED, "b", True, 10.0, "modified multiple times"),
    ],
)
def test_it_is_changed_once_an_hour_where_that_changes_something(
    current: dict[str, Any], attribute: str, enabled: bool, since_seconds: float | None, reason: str | None
) -> None:
    refused = refusal(current, {"AttributeName": attribute, "Enabled": enabled}, since_seconds)
    assert refused is None if reason is None else reason in (refused or "")
