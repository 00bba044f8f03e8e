"""What a role may do: its policies and its trust, asked as AWS services ask.

Services that act for a user (ECS pulling an image with the execution role, Step Functions making its managed
rule) do so with a session of a role. These functions answer whether the role's policies allow it, and make such
sessions.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, sts

_KEY_ALPHABET = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class Denial:
    """An action that a role's policies do not allow.

    Attributes:
        action: `service:Action`.
        resource: the ARN it was checked on.
        principal_arn: the ARN of the role's session.
        explicit: a statement denies it, rather than none allowing it.
    """

    action: str
    resource: str
    principal_arn: str
    explicit: bool

    @property
    def message(self) -> str:
        """The denial in AWS's words."""
        reason = (
            "with an explicit deny in an identity-based policy"
            if self.explicit
            else f"because no identity-based policy allows the {self.action} action"
        )
        return (
            f"User: {self.principal_arn} is not authorized to perform: {self.action} on resource: {self.resource} "
            f"{reason}"
        )


@dataclass(frozen=True)
class RoleSession:
    """Temporary credentials of a role."""

    access_key_id: str
    secret_access_key: str
    session_token: str


def role_name(role_arn: str) -> str:
    """The name in a role's ARN, without its path."""
    return role_arn.rsplit("/", 1)[-1]


def role_account(role_arn: str) -> str:
    """The account in a role's ARN."""
    return role_arn.split(":")[4]


def session_arn(role_arn: str, session_name: str) -> str:
    """The ARN of a session of the role."""
    return f"arn:aws:sts::{role_account(role_arn)}:assumed-role/{role_name(role_arn)}/{session_name}"


def find_role(role_arn: str) -> dict[str, Any] | None:
    """MiniStack's record of the role, or None where it does not exist."""
    if role_arn.count(":") < 5:
        return None
    found: dict[str, Any] | None = iam._roles.get_scoped(role_account(role_arn), None, role_name(role_arn))
    return found if found is not None and found.get("Arn") == role_arn else None


def role_denial(
    role_arn: str, action: str, resource: str, *, session_name: str, keys: Mapping[str, Any] | None = None
) -> Denial | None:
    """Why the role may not do the action, or None where it may.

    Args:
        role_arn: the role.
        action: `service:Action`.
        resource: the ARN the action is on; `*` where it takes none.
        session_name: whose session of the role asks (an ECS task's id, an execution's name).
        keys: condition keys of the request besides the global ones.
    """
    account = role_account(role_arn)
    name = role_name(role_arn)
    principal = session_arn(role_arn, session_name)
    context = iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={key.lower(): value for key, value in (keys or {}).items()},
    )
    result = iam_evaluator.evaluate(
        context,
        iam_evaluator._gather_role_policies(name, account),
        *iam_evaluator._permissions_boundary(iam._roles, name, account),
    )
    if result.decision == "Allow":
        return None
    return Denial(action=action, resource=resource, principal_arn=principal, explicit=result.decision == "Deny")


def role_trusts(role_arn: str, service: str, *, source_arn: str | None = None) -> bool:
    """Whether the role's trust policy lets the service assume it.

    Args:
        role_arn: the role.
        service: the service principal, such as `ecs-tasks.amazonaws.com`.
        source_arn: the resource the service acts for, for `aws:SourceArn` conditions.
    """
    role = find_role(role_arn)
    if role is None:
        return False
    document = role.get("AssumeRolePolicyDocument") or "{}"
    policy = json.loads(document) if isinstance(document, str) else document
    statements = policy.get("Statement", [])
    keys = {"aws:sourceaccount": get_account_id(), "aws:principalservicename": service}
    if source_arn is not None:
        keys["aws:sourcearn"] = source_arn
    context = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account="",
        action="sts:AssumeRole",
        resource_arn="*",
        region=get_region(),
        service_context=keys,
    )
    allowed = False
    for statement in [statements] if isinstance(statements, dict) else statements:
        actions, services = _as_list(statement.get("Action")), statement.get("Principal", {})
        named = services == "*" or (isinstance(services, dict) and service in _as_list(services.get("Service")))
        if not named or not iam_evaluator._action_matches("sts:AssumeRole", actions, []):
            continue
        if not iam_evaluator._conditions_met(statement.get("Condition", {}), context):
            continue
        if statement.get("Effect") == "Deny":
            return False
        allowed = True
    return allowed


def open_session(role_arn: str, session_name: str) -> RoleSession:
    """Credentials of the role, registered with the emulator's STS; they are good until `close_session`.

    They do not expire: on AWS what holds them is given new ones before that, for as long as it runs (the container
    agent renews those of an ECS task). Here they are fixed in the environment of a process, or in a client.
    """
    session = RoleSession(
        access_key_id="ASIA" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16)),
        secret_access_key=secrets.token_hex(20),
        session_token=secrets.token_hex(48),
    )
    sts.register_session(
        session.access_key_id,
        {
            "Arn": session_arn(role_arn, session_name),
            "UserId": f"{(find_role(role_arn) or {}).get('RoleId', role_name(role_arn))}:{session_name}",
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.session_token,
            "AccountId": role_account(role_arn),
        },
    )
    return session


def close_session(session: RoleSession) -> None:
    """End the session: its credentials are refused from now on."""
    sts._sessions.pop(session.access_key_id, None)


def _as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
