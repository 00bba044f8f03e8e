"""Saved queries of CloudWatch Logs Insights, which MiniStack lacks.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html,
API_DescribeQueryDefinitions.html and API_DeleteQueryDefinition.html of the same reference.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ministack import app
from ministack.core.responses import AccountRegionScopedDict, new_uuid

from local_aws.emulator.aws_behaviour.calls import Answer, Refused, Request, answering, succeed
from local_aws.emulator.aws_behaviour.patching import around

_queries = AccountRegionScopedDict()
NAME_CHARACTERS, QUERY_CHARACTERS = 255, 10_000


def put(request: Request) -> Answer:
    """PutQueryDefinition: a new one, or, with an id, all of an existing one."""
    for member, most in (("name", NAME_CHARACTERS), ("queryString", QUERY_CHARACTERS)):
        if not 1 <= len(request.get(member, "")) <= most:
            raise Refused("InvalidParameterException", f"{member} must have from 1 to {most} characters")
    identifier = request.get("queryDefinitionId") or new_uuid()
    if request.get("queryDefinitionId") and identifier not in _queries:
        raise Refused("ResourceNotFoundException", f"The query definition {identifier} does not exist.")
    _queries[identifier] = {
        "queryDefinitionId": identifier,
        "name": request["name"],
        "queryString": request["queryString"],
        "logGroupNames": request.get("logGroupNames", []),
        "lastModified": int(time.time() * 1000),
    }
    return succeed({"queryDefinitionId": identifier})


def describe(request: Request) -> Answer:
    """DescribeQueryDefinitions, all on one page."""
    prefix = request.get("queryDefinitionNamePrefix", "")
    found = [query for query in _queries.values() if query["name"].startswith(prefix)]
    return succeed({"queryDefinitions": sorted(found, key=lambda query: str(query["name"]))})


def delete(request: Request) -> Answer:
    """DeleteQueryDefinition."""
    if _queries.pop(request.get("queryDefinitionId", ""), None) is None:
        raise Refused("ResourceNotFoundException", "The query definition does not exist.")
    return succeed({"success": True})


_CALLS = {
    "Logs_20140328.PutQueryDefinition": put,
    "Logs_20140328.DescribeQueryDefinitions": describe,
    "Logs_20140328.DeleteQueryDefinition": delete,
}


@around("saved_queries", app, "SERVICE_HANDLERS", "logs")
async def handle(
    original: Callable[..., Awaitable[Answer]],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: Any,
) -> Answer:
    """Wrap MiniStack's handler of CloudWatch Logs."""
    call = _CALLS.get(headers.get("x-amz-target", ""))
    if call is None:
        return await original(method, path, headers, body, query_params)
    answer: Answer = answering(call)(json.loads(body or b"{}"))
    return answer
