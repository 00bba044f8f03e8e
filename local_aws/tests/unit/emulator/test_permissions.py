"""Sessions of roles that the emulator opens for what it runs."""

from __future__ import annotations

import time

import pytest
from ministack.core import iam_evaluator

from local_aws.emulator.aws_behaviour import permissions

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/kit-task"


def who(session: permissions.RoleSession) -> str:
    """The principal that the emulator takes a call with these credentials for, or why it refuses them."""
    found = iam_evaluator.resolve_credential(session.access_key_id, ACCOUNT, session.session_token)
    return found.code if isinstance(found, iam_evaluator.CredentialResolutionError) else str(found.principal_arn)


def test_a_session_is_good_until_it_is_closed_however_long_that_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    session = permissions.open_session(ROLE, "one")
    a_week_later = time.time() + 7 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: a_week_later)
    other = permissions.open_session(ROLE, "two")
    prefix = f"arn:aws:sts::{ACCOUNT}:assumed-role/kit-task"
    assert [who(session), who(other)] == [f"{prefix}/one", f"{prefix}/two"]
    permissions.close_session(session)
    assert [who(session), who(other)] == ["UnrecognizedClientException", f"{prefix}/two"]
    permissions.close_session(other)
