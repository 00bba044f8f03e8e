"""How EventBridge calls a Lambda function.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html: only where the function's
policy lets `events.amazonaws.com` call it for the rule, and asynchronously, so that a failing function is tried
again (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge, lambda_svc

from local_aws.emulator.aws_behaviour import failure_queues, permissions
from local_aws.emulator.aws_behaviour.patching import around, instead

_rule_arn: contextvars.ContextVar[str] = contextvars.ContextVar("rule_arn", default="")
_target: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("target")


@around("event_targets", eventbridge, "_invoke_target")
def call_target(
    original: Callable[..., None], target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
) -> None:
    """Wrap MiniStack's calling of a target, so that the call knows for which rule it is."""
    token = _rule_arn.set(rule.get("Arn", ""))
    _target.set(target)
    try:
        original(target, event, rule, view)
    finally:
        _rule_arn.reset(token)


@instead("event_targets", eventbridge, "_dispatch_to_lambda")
def call_function(arn: str, payload: str) -> None:
    """Call a function, or a version of it, with an event. Has the signature of MiniStack's own.

    A statement of the function's policy is on exactly one ARN, qualified or not: the one that the target has to name.
    """
    function, config, name = lambda_svc._get_func_record_for_ref(arn)
    owner, _config, _name = lambda_svc._get_base_func_record_for_ref(arn)
    if not function or not config or not owner:
        failure_queues.undelivered(_rule_arn.get(), _target.get(), payload, "RESOURCE_NOT_FOUND", f"no function {name}")
        return
    policy, rule = owner.get("policy"), _rule_arn.get()
    if not permissions.service_is_allowed(policy, "events.amazonaws.com", "lambda:InvokeFunction", arn, SourceArn=rule):
        why = f"the policy of {name} does not let EventBridge call it"
        failure_queues.undelivered(rule, _target.get(), payload, "NO_PERMISSIONS", why)
        return
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), json.loads(payload))
