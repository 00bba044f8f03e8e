"""Records the decisions of the emulator's IAM."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from local_aws.emulator.authorizations import Authorization, recorder
from local_aws.emulator.call_metering import role_of

_of_resource: ContextVar[bool] = ContextVar("of_resource", default=False)


def evaluate(original: Callable[..., Any], context: Any, policies: Any, *limits: Any) -> Any:
    """Wrap MiniStack's evaluation of the policies of whoever calls; a role's decisions are recorded."""
    result = original(context, policies, *limits)
    if recorder.on and not _of_resource.get() and ":assumed-role/" in context.principal_arn:
        role, allowed = role_of(context.principal_arn), result.decision == "Allow"
        recorder.record(Authorization(role, context.action, context.resource_arn, allowed, result.matched_sid))
    return result


def evaluate_resource_policy(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Wrap MiniStack's evaluation of a resource's policy, which is not the caller's: nothing is recorded."""
    token = _of_resource.set(True)
    try:
        return original(*arguments, **keywords)
    finally:
        _of_resource.reset(token)
