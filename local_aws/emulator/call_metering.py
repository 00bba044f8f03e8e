"""Counts the calls that reach the emulator's services."""

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions, iam_evaluator

from local_aws.emulator.aws_behaviour.request_authorization import Handler, HttpAnswer
from local_aws.emulator.dynamodb_calls import consuming
from local_aws.emulator.metering import meter


async def handle(
    service: str,
    handler: Handler,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
) -> HttpAnswer:
    """Wrap a service's handler, around what injects faults."""
    if not meter.on:
        return await handler(method, path, headers, body, query_params)
    named = iam_actions.extract_iam_action(service, method, path, headers, body, query_params) or ":"
    operation = headers.get("x-amz-target", "").rpartition(".")[2] or named.split(":", 1)[1]
    role = role_of(iam_evaluator.request_caller_arn(headers, query_params))
    if service != "dynamodb":
        answer = await handler(method, path, headers, body, query_params)
        meter.call(service, operation, role, failed=answer[0] >= 400)
        return answer
    answer, consumed = await consuming(operation, handler, method, path, headers, body, query_params)
    meter.call(service, operation, role, failed=answer[0] >= 400)
    for units in consumed:
        meter.capacity(units.table, units.index, operation, read=units.read, write=units.write)
    return answer


def role_of(caller_arn: str) -> str:
    """The name of the role whose session calls; `root` for the account's root."""
    return caller_arn.split("/")[1] if ":assumed-role/" in caller_arn else "root"
