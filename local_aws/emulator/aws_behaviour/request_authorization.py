"""What a call is authorized on: the resources and condition keys of AWS's Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html for
Amazon ECS. RunTask is authorized on the task definition, StopTask and DescribeTasks on each task, ListTasks on
the container instance that it names or else on `*` (https://github.com/cdklabs/construct-hub/pull/1207 shows AWS's
answer), all with `ecs:cluster`. Calls that hand a role to a service also need
`iam:PassRole` on it, with `iam:PassedToService`
(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html).
"""

from __future__ import annotations

import functools
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from ministack import app
from ministack.core import iam_actions, iam_evaluator, router
from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs

from local_aws.emulator.aws_behaviour import ecs_api
from local_aws.emulator.aws_behaviour.patching import around

HttpAnswer = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[HttpAnswer]]

_PASSED_ROLES = {
    "RegisterTaskDefinition": (ecs_api.ECS_TASKS, "taskRoleArn", "executionRoleArn"),
    **dict.fromkeys(("CreateFunction", "UpdateFunctionConfiguration"), ("lambda.amazonaws.com", "Role")),
    **dict.fromkeys(("CreateStateMachine", "UpdateStateMachine"), ("states.amazonaws.com", "roleArn")),
}
"""Calls that hand roles to a service: the service, and the members with the roles."""
_CLUSTER_KEY_ACTIONS = ("RunTask", "StopTask", "DescribeTasks", "ListTasks")
_COLONS = "arn:partition:lambda:region:account:function:name".count(":")


_ATTRIBUTE = re.compile(r"(?<![\w.:#])#?[A-Za-z_]\w*(?!\w*\s*\()")
"""The first part of a path in an expression; not a value, nor a function."""
_KEYWORDS = {"ADD", "AND", "BETWEEN", "DELETE", "IN", "NOT", "OR", "REMOVE", "SET"}


class Check(NamedTuple):
    """One authorization that a call needs: `service:Action`, an ARN or `*`, and condition keys."""

    action: str
    resource: str
    keys: dict[str, Any]


def read_json(body: bytes) -> dict[str, Any]:
    """A request's JSON body; empty where it is none."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def ecs_resources(action: str, request: dict[str, Any], region: str, account: str) -> list[str] | None:
    """The ARNs that an ECS call is authorized on; None where MiniStack's own answer is right."""
    prefix = f"arn:aws:ecs:{region}:{account}"
    cluster = ecs._cluster_name_from_arn(request.get("cluster") or "default")
    if action == "RunTask":
        reference = request.get("taskDefinition", "")
        key = ecs_api.resolve_task_definition(reference)
        return [f"{prefix}:task-definition/{key}" if key else reference]
    if action in ("StopTask", "DescribeTasks"):
        tasks = [request.get("task", "")] if action == "StopTask" else request.get("tasks") or [""]
        return [task if task.startswith("arn:") else f"{prefix}:task/{cluster}/{task}" for task in tasks]
    if action == "ListTasks":
        instance = request.get("containerInstance")
        return [f"{prefix}:container-instance/{cluster}/{instance.rpartition('/')[2]}" if instance else "*"]
    if action == "RegisterTaskDefinition":
        return [f"{prefix}:task-definition/{request.get('family', '')}:*"]
    if action in ("DeregisterTaskDefinition", "DescribeTaskDefinition", "ListTaskDefinitions"):
        return ["*"]
    return None


def ecs_keys(action: str, request: dict[str, Any], region: str, account: str) -> dict[str, Any]:
    """The condition keys of Amazon ECS that a call carries."""
    if action not in _CLUSTER_KEY_ACTIONS:
        return {}
    cluster = ecs._cluster_name_from_arn(request.get("cluster") or "default")
    return {"ecs:cluster": f"arn:aws:ecs:{region}:{account}:cluster/{cluster}"}


def further_checks(service: str, action: str, request: dict[str, Any], region: str, account: str) -> Iterator[Check]:
    """What a call needs besides its own action on its first resource."""
    if action in _PASSED_ROLES:
        yield from pass_roles(request, *_PASSED_ROLES[action])
    if action == "PutTargets":
        for target in request.get("Targets") or []:
            yield from pass_roles(target, "events.amazonaws.com", "RoleArn")
    if action in ("CreateSchedule", "UpdateSchedule"):
        yield from pass_roles(request.get("Target") or {}, "scheduler.amazonaws.com", "RoleArn")
    if service == "ecs":
        for resource in (ecs_resources(action, request, region, account) or [])[1:]:
            yield Check(f"ecs:{action}", resource, ecs_keys(action, request, region, account))
    if action == "RunTask":
        definition = ecs._task_defs.get(ecs_api.resolve_task_definition(request.get("taskDefinition", ""))) or {}
        roles = {**definition, **request.get("overrides", {})}
        yield from pass_roles(roles, ecs_api.ECS_TASKS, "taskRoleArn", "executionRoleArn")
        if definition and ecs_api.propagated_tags(request, definition):
            cluster = ecs._cluster_name_from_arn(request.get("cluster") or "default")
            tasks = f"arn:aws:ecs:{region}:{account}:task/{cluster}/*"
            yield Check("ecs:TagResource", tasks, {"ecs:CreateAction": "RunTask"})


def pass_roles(request: dict[str, Any], service: str, *members: str) -> Iterator[Check]:
    """The permission to hand the roles that a request names to a service."""
    for member in members:
        if request.get(member):
            yield Check("iam:PassRole", request[member], {"iam:PassedToService": service})


@around("request_authorization.resources", iam_actions, "extract_resource_arn")
def resource_arn(
    original: Callable[..., str],
    service: str,
    method: str,
    path: str,
    headers: Any,
    body: bytes,
    query_params: Any,
    region: str,
    account_id: str,
) -> str:
    """Wrap MiniStack's finding of the resource that a call is authorized on."""
    if service == "ecs":
        action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        resources = ecs_resources(action, read_json(body), region, account_id)
        if resources is not None:
            return resources[0]
    if service == "states" and read_json(body).get("mapRunArn"):
        return str(read_json(body)["mapRunArn"])
    arn = original(service, method, path, headers, body, query_params, region, account_id)
    if service == "logs" and headers.get("x-amz-target", "").endswith(".GetLogEvents"):
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
        return f"{arn}:log-stream:{read_json(body).get('logStreamName', '')}"
    return qualified(arn, query_params) if service == "lambda" and path.endswith("/invocations") else arn


def qualified(function_arn: str, query_params: dict[str, Any]) -> str:
    """The ARN that Invoke is authorized on: with the version or alias, however the call names it.

    https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
    """
    given = query_params.get("Qualifier") or ""
    qualifier = given[0] if isinstance(given, list) else given
    return f"{function_arn}:{qualifier}" if qualifier and function_arn.count(":") == _COLONS else function_arn


def updated_attributes(request: dict[str, Any]) -> list[str]:
    """The top-level attributes that UpdateItem names, those of its key included.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    names = request.get("ExpressionAttributeNames") or {}
    text = " ".join(request.get(name) or "" for name in ("UpdateExpression", "ConditionExpression"))
    words = (found[0] for found in _ATTRIBUTE.finditer(text) if found[0].upper() not in _KEYWORDS)
    of_expressions = (names.get(word, word) for word in words)
    return sorted({*request.get("Key", {}), *request.get("AttributeUpdates", {}), *of_expressions})


@around("request_authorization.condition_keys", iam_actions, "request_tag_context")
def request_context(
    original: Callable[..., dict[str, Any]], service: str, iam_action: str, body: bytes, params: dict[str, Any]
) -> dict[str, Any]:
    """Wrap MiniStack's finding of the condition keys that a call carries."""
    keys = dict(original(service, iam_action, body, params))
    if iam_action == "s3:ListBucket" and "prefix" in params:
        given = params["prefix"]
        keys["s3:prefix"] = given[0] if isinstance(given, list) else given
    if iam_action == "dynamodb:UpdateItem":
        keys["dynamodb:Attributes"] = updated_attributes(read_json(body))
    if service == "ecs":
        keys.update(ecs_keys(iam_action.split(":", 1)[1], read_json(body), get_region(), get_account_id()))
    return keys


@around("request_authorization.secure_transport", app, "pin_request_origin")
def note_origin(original: Callable[[str, bool], None], source_ip: str, _secure_transport: bool) -> None:
    """Wrap MiniStack's noting of where a request comes from: the loopback address stands for AWS's TLS endpoints.

    So `aws:SecureTransport`
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html) is true.
    """
    original(source_ip, True)


@around("request_authorization.messages", iam_actions, "access_denied_response")
def denial_answer(
    original: Callable[..., HttpAnswer], service: str, action: str, principal_arn: str, request_id: str, **details: Any
) -> HttpAnswer:
    """Wrap MiniStack's answer to a denied call: AWS names the resource in its message."""
    worded = any(details.get(name) for name in ("message", "error_code", "resource_policy_arn"))
    if not worded and service not in ("ssm", "logs"):
        resource = details.get("resource_arn", "*")
        shown = f'"{resource}"' if service == "s3" else resource
        denied = details.get("explicit_deny", False)
        details["message"] = iam_actions.identity_denial_message(action, principal_arn, shown, denied)
    return original(service, action, principal_arn, request_id, **details)


async def authorize(
    service: str, handler: Handler, method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any
) -> HttpAnswer:
    """Wrap a service's handler: it is reached only when every further check of the call is passed."""
    named = iam_actions.extract_iam_action(service, method, path, headers, body, query_params) or ":"
    key, region = router.extract_access_key_id(headers, query_params), get_region()
    for check in further_checks(service, named.split(":", 1)[1], read_json(body), region, get_account_id()):
        denied = iam_evaluator.enforce(
            key, check.action, service, region, resource_arn=check.resource, service_context=check.keys
        )
        if denied is not None:
            answer: HttpAnswer = iam_actions.access_denied_response(
                service,
                check.action,
                denied.principal_arn,
                str(uuid.uuid4()),
                headers=headers,
                resource_arn=check.resource,
                explicit_deny=denied.decision == "Deny",
            )
            return answer
    return await handler(method, path, headers, body, query_params)


for _service in ("ecs", "lambda", "states", "events", "scheduler"):
    around("request_authorization.further_checks", app, "SERVICE_HANDLERS", _service)(
        functools.partial(authorize, _service)
    )
