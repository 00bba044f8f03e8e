"""How EventBridge calls a Lambda function.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html: only where the function's
policy lets `events.amazonaws.com` call it for the rule, and asynchronously, so that a failing function is tried
again (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
"""

from __future__ import annotations

import contextvars
import json
import logging
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc

logger = logging.getLogger("emulator.events")

EVENTS = "events.amazonaws.com"

_rule_arn: contextvars.ContextVar[str] = contextvars.ContextVar("rule_arn", default="")


def remembering_rule(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap MiniStack's calling of a target, so that the call knows for which rule it is."""

    def call(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        token = _rule_arn.set(rule.get("Arn", ""))
        try:
            original(target, event, rule, view)
        finally:
            _rule_arn.reset(token)

    return call


def allowed(policy: dict[str, Any] | None, function_arn: str, rule_arn: str) -> bool:
    """Whether a function's policy lets EventBridge call it for a rule.

    Args:
        policy: all statements of the function, each on the function or on one of its versions and aliases.
        function_arn: what the rule's target names: a statement is on exactly that, qualified or not.
        rule_arn: the rule.
    """
    context = iam_evaluator.EvalContext(
        principal_arn=EVENTS,
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=function_arn,
        region=get_region(),
        service_context={"aws:sourcearn": rule_arn, "aws:sourceaccount": get_account_id()},
    )
    decision = False
    for statement in (policy or {}).get("Statement", []):
        if statement.get("Resource") != function_arn:
            continue
        principal = statement.get("Principal", {})
        services = principal.get("Service") if isinstance(principal, dict) else principal
        if EVENTS not in ([services] if isinstance(services, str) else services or []) and services != "*":
            continue
        actions = statement.get("Action", [])
        if not iam_evaluator._action_matches(context.action, [actions] if isinstance(actions, str) else actions, []):
            continue
        if not iam_evaluator._conditions_met(statement.get("Condition", {}), context):
            continue
        if statement.get("Effect") == "Deny":
            return False
        decision = True
    return decision


def call_function(arn: str, payload: str) -> None:
    """Call a function with an event. Has the signature of MiniStack's own."""
    function, config, name = lambda_svc._get_func_record_for_ref(arn)
    owner, _config, _name = lambda_svc._get_base_func_record_for_ref(arn)
    if not function or not config or not owner:
        logger.warning("%s: there is no function %s", _rule_arn.get(), name)
        return
    if not allowed(owner.get("policy"), arn, _rule_arn.get()):
        logger.warning("%s: the policy of %s does not let %s call it", _rule_arn.get(), name, EVENTS)
        return
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), json.loads(payload))
