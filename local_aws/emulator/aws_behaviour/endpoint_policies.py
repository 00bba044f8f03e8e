"""The policies of VPC endpoints, on calls of functions in a VPC and of ECS tasks.

https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html. A call goes through the endpoint of its
service in the caller's VPC: an interface endpoint with private DNS, or a gateway endpoint with a route in the subnet's
route table. It needs an Allow of the endpoint's policy, besides the role's own policies.

Packets are not routed here: a service without an endpoint is reached, and security groups are not asked.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, ecs, lambda_svc, sts

from local_aws.emulator.aws_behaviour import permissions
from local_aws.emulator.aws_behaviour.patching import around

SERVICES = {"cloudwatch": ("monitoring",), "ecr": ("ecr.api", "ecr.dkr")}
"""The last parts of endpoints' names, by the prefix of IAM actions, where they differ."""

_refuses: contextvars.ContextVar[bool] = contextvars.ContextVar("an endpoint's policy refuses", default=False)


def subnets_of(session: str) -> list[str]:
    """The subnets of the function or ECS task that a role's session is named for."""
    function = lambda_svc._functions.get(session)
    if function is not None:
        return list(((function.get("config") or function).get("VpcConfig") or {}).get("SubnetIds") or ())
    prefix = f"arn:aws:ecs:{get_region()}:{get_account_id()}:task"
    tasks = (ecs._tasks.get(f"{prefix}/{cluster}/{session}") for cluster in ecs._clusters)
    return [task["_subnet"] for task in tasks if task and task.get("_subnet")]


def endpoints_between(subnets: list[str], service: str) -> Iterator[dict[str, Any]]:
    """The endpoints that calls from these subnets to a service, as IAM names it, go through."""
    vpcs = {ec2._subnets[subnet]["VpcId"] for subnet in subnets if subnet in ec2._subnets}
    names = [f".{get_region()}.{name}" for name in SERVICES.get(service, (service,))]
    tables = {table for subnet in subnets for table in route_tables(subnet, vpcs)}
    for endpoint in ec2._vpc_endpoints.values():
        if endpoint["VpcId"] in vpcs and endpoint["ServiceName"].endswith(tuple(names)):
            interface = endpoint["VpcEndpointType"] == "Interface"
            if endpoint["PrivateDnsEnabled"] if interface else tables & {*endpoint["RouteTableIds"]}:
                yield endpoint


def route_tables(subnet: str, vpcs: set[str]) -> list[str]:
    """The route table that a subnet is associated with, or else its VPC's main one."""
    tables = {
        table["RouteTableId"]: [(each.get("SubnetId"), each.get("Main")) for each in table.get("Associations", ())]
        for table in ec2._route_tables.values()
        if table["VpcId"] in vpcs
    }
    own = [table for table, found in tables.items() if subnet in [of for of, _ in found]]
    return own or [table for table, found in tables.items() if any(is_main for _, is_main in found)]


def refuses(principal: str, action: str, resource: str) -> bool:
    """Whether an endpoint's policy refuses a call: the ARN of a role's session, `service:Action`, an ARN or `*`."""
    *_, role, session = principal.split("/")
    account = get_account_id()
    context = iam_evaluator.EvalContext(
        # `aws:PrincipalArn` of a session is its role's
        # (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
        principal_arn=f"arn:aws:iam::{account}:role/{role}",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
    )
    return any(
        iam_evaluator.evaluate_resource_policy(endpoint["PolicyDocument"], context).decision != "Allow"
        for endpoint in endpoints_between(subnets_of(session), action.partition(":")[0])
    )


@around("endpoint_policies", iam_evaluator, "enforce")
def enforce(original: Callable[..., Any], access_key_id: str, action: str, *arguments: Any, **keywords: Any) -> Any:
    """Wrap MiniStack's authorization of a call: what the roles allow, endpoints may refuse."""
    _refuses.set(False)
    denied = original(access_key_id, action, *arguments, **keywords)
    principal = str((sts._sessions.get(access_key_id) or {}).get("Arn", ""))
    if denied is None and ":assumed-role/" in principal:
        _refuses.set(refuses(principal, action, keywords.get("resource_arn", "*")))
        if _refuses.get():
            return iam_evaluator.EvalResult("ImplicitDeny", principal_arn=principal)
    return denied


@around("endpoint_policies", permissions, "role_denial")
def role_denial(
    original: Callable[..., str | None], role_arn: str, action: str, resource: str, *, session_name: str, **keys: Any
) -> str | None:
    """Wrap the question what a role may do: ECS, too, uses a task's execution role from the task's subnet."""
    principal = permissions._session_arn(role_arn, session_name)
    denied = original(role_arn, action, resource, session_name=session_name, **keys)
    # Lambda writes logs and manages network interfaces from its own network.
    if denied is None and lambda_svc._functions.get(session_name) is None and refuses(principal, action, resource):
        return _message(action, principal, resource)
    return denied


@around("endpoint_policies", iam_actions, "identity_denial_message")
def denial_message(original: Callable[..., str], action: str, principal: str, resource: str, explicit: bool) -> str:
    """Wrap MiniStack's message of a denial."""
    return _message(action, principal, resource) if _refuses.get() else original(action, principal, resource, explicit)


def _message(action: str, principal: str, resource: str) -> str:
    """AWS's words (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html)."""
    return (
        f"User: {principal} is not authorized to perform: {action} on resource: {resource} "
        f"because no VPC endpoint policy allows the {action} action"
    )
