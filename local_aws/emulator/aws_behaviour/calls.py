"""Calls of AWS's JSON APIs, and how one is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json

Request = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
Call = Callable[[Request], Answer]


class Refused(Exception):
    """The call is answered with an exception of the service's API.

    Attributes:
        code: the exception's name.
        extra: further members of the answer.
    """

    def __init__(self, code: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.extra = extra


def answering(call: Call) -> Call:
    """Turn what a call refuses into its answer."""

    def answered(request: Request) -> Answer:
        try:
            return call(request)
        except Refused as refused:
            answer: Answer = error_response_json(refused.code, str(refused), 400, refused.extra)
            return answer

    return answered
