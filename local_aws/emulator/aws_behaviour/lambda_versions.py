"""Versions of functions: what is published stays as it was, under a number of its own.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html (what a version keeps),
https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html (nothing new, no version),
https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html and
https://docs.aws.amazon.com/lambda/latest/dg/versioning-intro.html (numbers are never used again).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import lambda_svc

from local_aws.emulator.aws_behaviour.calls import Answer, Refused, amended, succeed
from local_aws.emulator.aws_behaviour.lambda_functions import INVALID, LATEST
from local_aws.emulator.aws_behaviour.patching import around, instead

Call = Callable[..., Any]

_STATUS = ("State", "StateReason", "StateReasonCode")
_UPDATE = ("LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode")
_OF_THE_MOMENT = frozenset({"FunctionArn", "LastModified", "RevisionId", "Version", *_STATUS, *_UPDATE})
"""What a configuration says of the moment: no change of it makes a version."""

_next_numbers: dict[tuple[str, str, str], int] = {}


def published_content(config: dict[str, Any]) -> dict[str, Any]:
    """What a version keeps of a configuration, the code's hash included: equal means nothing to publish."""
    return {key: value for key, value in config.items() if key not in _OF_THE_MOMENT}


def publish(name: str, description: str = "") -> dict[str, Any]:
    """Publish `$LATEST` unless the latest version is the same; returns the version's configuration."""
    function = lambda_svc._functions[name]
    config, versions = function["config"], function["versions"]
    content = copy.deepcopy(published_content(config))
    latest = versions.get(max(versions, key=int, default=""))
    if latest is not None and latest["content"] == content:
        kept: dict[str, Any] = latest["config"]
        return kept
    number = str(function["next_version"])
    function["next_version"] += 1
    published = {
        **copy.deepcopy(config),
        **dict.fromkeys((*_STATUS, *_UPDATE), ""),
        **{"State": "Active", "LastUpdateStatus": "Successful"},
        "Version": number,
        "FunctionArn": f"{lambda_svc._func_arn(name)}:{number}",
        "RevisionId": new_uuid(),
        **({"Description": description} if description else {}),
    }
    versions[number] = {"config": published, "code_zip": function.get("code_zip"), "content": content}
    return published


@instead("lambda_versions.publish", lambda_svc, "_publish_version")
def publish_version(name: str, request: dict[str, Any]) -> Any:
    """The PublishVersion call."""
    function = lambda_svc._functions.get(name)
    if function is None:
        return lambda_svc._function_qualifier_not_found(name, None)
    refusal = lambda_svc._check_revision(function["config"], request)
    if refusal is not None:
        return refusal
    if function["config"].get("LastUpdateStatus") == "InProgress":
        raise Refused(
            "ResourceConflictException",
            "The operation cannot be performed at this time. An update is in progress for resource: "
            f"{lambda_svc._func_arn(name)}",
            409,
        )
    return succeed(publish(name, request.get("Description", "")), 201)


@around("lambda_versions.create", lambda_svc, "_create_function")
def create(original: Call, request: dict[str, Any]) -> Any:
    """Wrap CreateFunction: `Publish` makes a version; numbers of a function that is gone are not used again."""
    answer = original({**request, "Publish": False})
    name = request.get("FunctionName", "")
    if answer[0] < 300:
        lambda_svc._functions[name]["next_version"] = _next_numbers.get(_key(name), 1)
    return _publishing(answer, name, request)


@around("lambda_versions.update_code", lambda_svc, "_update_code")
def update_code(original: Call, name: str, request: dict[str, Any]) -> Any:
    """Wrap UpdateFunctionCode: `Publish` makes a version where there is something new."""
    return _publishing(original(name, {**request, "Publish": False}), name, request)


@around("lambda_versions.update_configuration", lambda_svc, "_update_config")
def update_configuration(original: Call, name: str, request: dict[str, Any]) -> Any:
    """Wrap UpdateFunctionConfiguration: any change means new execution environments, of the role too."""
    answer = original(name, request)
    if answer[0] < 300:
        lambda_svc.invalidate_worker(name, LATEST, get_account_id(), get_region())
    return answer


def _publishing(answer: Answer, name: str, request: dict[str, Any]) -> Answer:
    def published(document: dict[str, Any]) -> dict[str, Any]:
        version = publish(name)
        return {**document, "Version": version["Version"], "FunctionArn": version["FunctionArn"]}

    return amended(answer, published) if request.get("Publish") else answer


@around("lambda_versions.get", lambda_svc, "_get_function")
@around("lambda_versions.get", lambda_svc, "_get_function_config")
def get(original: Call, name: str, qualifier: str | None = None) -> Any:
    """Wrap GetFunction and GetFunctionConfiguration: with a qualifier they tell of that version and nothing else."""
    function = lambda_svc._functions.get(name)
    if function is not None and not lambda_svc._function_qualifier_exists(function, qualifier):
        return lambda_svc._function_qualifier_not_found(name, qualifier)
    if not qualifier:
        return original(name, qualifier)

    def of_version(document: dict[str, Any]) -> dict[str, Any]:
        document.get("Configuration", document)["FunctionArn"] = f"{lambda_svc._func_arn(name)}:{qualifier}"
        # https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html: both belong to the function.
        return {key: value for key, value in document.items() if key not in ("Tags", "Concurrency")}

    return amended(original(name, qualifier), of_version)


@around("lambda_versions.list", lambda_svc, "_list_versions")
def list_versions(original: Call, name: str, query: dict[str, Any]) -> Any:
    """Wrap ListVersionsByFunction: every ARN in it is qualified, `$LATEST`'s too."""

    def qualified(document: dict[str, Any]) -> dict[str, Any]:
        for version in document["Versions"]:
            version["FunctionArn"] = f"{lambda_svc._func_arn(name)}:{version['Version']}"
        return document

    return amended(original(name, query), qualified)


@around("lambda_versions.delete", lambda_svc, "_delete_function")
def delete(original: Call, name: str, query: dict[str, Any], path_qualifier: str | None = None) -> Any:
    """Wrap DeleteFunction: `$LATEST` goes with the function alone; the numbers of its versions stay used."""
    if lambda_svc._qualifier_from_path_or_query(path_qualifier, query) == LATEST:
        raise Refused(INVALID, "$LATEST version cannot be deleted without deleting the function.")
    function = lambda_svc._functions.get(name)
    answer = original(name, query, path_qualifier)
    if function is not None and name not in lambda_svc._functions:
        _next_numbers[_key(name)] = function["next_version"]
    return answer


def _key(name: str) -> tuple[str, str, str]:
    return get_account_id(), get_region(), name
