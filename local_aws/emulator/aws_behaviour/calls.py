"""Calls of AWS's JSON APIs: how one is refused, how an answer is changed; events of AWS services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import eventbridge

Request = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
Call = Callable[[Request], Answer]


class Refused(Exception):
    """The call is answered with the exception `code` of the service's API; `extra` are members of the answer."""

    def __init__(self, code: str, message: str, status: int = 400, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.extra = extra


def answering(call: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what a call refuses into its answer."""

    def answered(*arguments: Any, **keywords: Any) -> Any:
        try:
            return call(*arguments, **keywords)
        except Refused as refused:
            return error_response_json(refused.code, str(refused), refused.status, refused.extra)

    return answered


def succeed(document: dict[str, Any], status: int = 200) -> Answer:
    """A successful answer."""
    answer: Answer = json_response(document, status)
    return answer


def amended(answer: Answer, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Answer:
    """An answer whose document is replaced; a refusal stays as it is."""
    status, _headers, body = answer
    return answer if status >= 300 else succeed(change(json.loads(body)), status)


def publish_event(source: str, detail_type: str, detail: dict[str, Any], resource: str) -> None:
    """Publish an AWS service's event about a resource on the default event bus."""
    entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail), "Resources": [resource]}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
