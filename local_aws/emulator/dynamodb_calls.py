"""Calls of DynamoDB that tell what they consumed, whether the caller asked for it or not."""

from __future__ import annotations

import json
import zlib
from typing import Any

from local_aws.emulator import capacity
from local_aws.emulator.aws_behaviour.request_authorization import Handler, HttpAnswer, read_json


async def consuming(
    operation: str,
    handler: Handler,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
) -> tuple[HttpAnswer, list[capacity.Units]]:
    """Make a call: its answer, with the `ConsumedCapacity` that the caller asked for, and the units it consumed."""
    request = read_json(body)
    asked = request.get("ReturnConsumedCapacity", "NONE")
    if operation in capacity.WRITES and asked != "INDEXES":
        body = json.dumps({**request, "ReturnConsumedCapacity": "INDEXES"}).encode()
    answer = await handler(method, path, headers, body, query_params)
    document = read_json(answer[2])
    units = capacity.consumed(operation, request, answer[0], document)
    if asked != "INDEXES" and "ConsumedCapacity" in document:
        answer = _as_asked(answer, document, asked)
    return answer, units


def _as_asked(answer: HttpAnswer, document: dict[str, Any], asked: str) -> HttpAnswer:
    """The answer with the consumed capacity that the caller asked for: none, or the totals."""
    given = document.pop("ConsumedCapacity")
    if asked == "TOTAL":
        totals = [
            {name: each[name] for name in ("TableName", "CapacityUnits")}
            for each in (given if isinstance(given, list) else [given])
        ]
        document["ConsumedCapacity"] = totals if isinstance(given, list) else totals[0]
    body = json.dumps(document, ensure_ascii=False).encode()
    checksum = {"x-amz-crc32": str(zlib.crc32(body))}
    kept = {name: value for name, value in answer[1].items() if name.lower() not in ("x-amz-crc32", "content-length")}
    return answer[0], {**kept, **checksum}, body
