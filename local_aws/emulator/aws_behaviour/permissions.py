"""What a role may do: its policies and its trust, asked as AWS services ask.

Services that act for a user (ECS pulling an image with the execution role, Step Functions creating its managed rule) do
so with a session of a role.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, sts

_KEY_ALPHABET = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class RoleSession:
    """Temporary credentials of a role."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables in which an AWS SDK finds them."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }


def _account_and_name(role_arn: str) -> tuple[str, str]:
    return role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]


def _session_arn(role_arn: str, session_name: str) -> str:
    account, name = _account_and_name(role_arn)
    return f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}"


def find_role(role_arn: str) -> dict[str, Any] | None:
    """MiniStack's record of the role, or None where it does not exist."""
    if role_arn.count(":") < 5:
        return None
    account, name = _account_and_name(role_arn)
    found: dict[str, Any] | None = iam._roles.get_scoped(account, None, name)
    return found if found is not None and found.get("Arn") == role_arn else None


def role_denial(
    role_arn: str, action: str, resource: str, *, session_name: str, keys: Mapping[str, str] | None = None
) -> str | None:
    """Why the role may not do an action (`service:Action`) on an ARN or `*`, in AWS's words, or None where it may.

    `session_name` is whose session of the role asks: an ECS task's id, a function's name. `keys` are condition keys.
    """
    account, name = _account_and_name(role_arn)
    principal = _session_arn(role_arn, session_name)
    context = iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={name.lower(): value for name, value in (keys or {}).items()},
    )
    result = iam_evaluator.evaluate(
        context,
        iam_evaluator._gather_role_policies(name, account),
        *iam_evaluator._permissions_boundary(iam._roles, name, account),
    )
    if result.decision == "Allow":
        return None
    return str(iam_actions.identity_denial_message(action, principal, resource, result.decision == "Deny"))


def service_is_allowed(policy: Any, service: str, action: str, resource: str, **keys: str) -> bool:
    """Whether a policy of a resource, or the trust policy of a role (on `*`), lets a service principal do an action.

    The policy is JSON or parsed; `keys` are condition keys of the prefix `aws:`.
    """
    context = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={
            "aws:sourceaccount": get_account_id(),
            **{f"aws:{name.lower()}": value for name, value in keys.items()},
        },
    )
    return bool(iam_evaluator.evaluate_resource_policy(policy, context, service).decision == "Allow")


def role_trusts(role_arn: str, service: str, *, source_arn: str | None = None) -> bool:
    """Whether the role's trust policy lets the service assume it, for a resource that is its `aws:SourceArn`."""
    role = find_role(role_arn)
    if role is None:
        return False
    keys = {} if source_arn is None else {"SourceArn": source_arn}
    return service_is_allowed(
        role.get("AssumeRolePolicyDocument"), service, "sts:AssumeRole", "*", PrincipalServiceName=service, **keys
    )


def open_session(role_arn: str, session_name: str) -> RoleSession:
    """Credentials of the role, registered with the emulator's STS; they are valid until `close_session`.

    They do not expire: on AWS what holds them is given new ones before that, for as long as it runs (the container
    agent renews those of an ECS task). Here they are fixed in the environment of a process, or in a client.
    """
    session = RoleSession(
        access_key_id="ASIA" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16)),
        secret_access_key=secrets.token_hex(20),
        session_token=secrets.token_hex(48),
    )
    account, name = _account_and_name(role_arn)
    # `sts.register_session` would look for expired ones among all, while other threads add theirs.
    sts._sessions[session.access_key_id] = {
        "Arn": _session_arn(role_arn, session_name),
        "UserId": f"{(find_role(role_arn) or {}).get('RoleId', name)}:{session_name}",
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
        "AccountId": account,
        "IssuedAt": time.time(),
    }
    return session


def close_session(session: RoleSession) -> None:
    """End the session: its credentials are refused from now on."""
    sts._sessions.pop(session.access_key_id, None)
