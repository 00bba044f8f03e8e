"""RedriveExecution: an execution that did not succeed goes on, under its own ARN, with the state that did not.

https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html: with that state's input, with the
definition and the role it was started with, and counted in the context object. Not as on AWS: of Parallel and Map
states all branches and items are run again.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as states

from local_aws.emulator.aws_behaviour.calls import Answer, Call, Refused, Request

Handler = Callable[..., Awaitable[Any]]

UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")


def redrive_status(execution: dict[str, Any]) -> dict[str, Any]:
    """What DescribeExecution and status events say about redriving an execution."""
    status, date = execution["status"], execution.get("redriveDate")
    told = {"redriveCount": execution.get("redriveCount", 0), **({"redriveDate": date} if date else {})}
    if status in UNSUCCESSFUL:
        return {**told, "redriveStatus": "REDRIVABLE"}
    reason = f"Execution is {status} and cannot be redriven"
    return {**told, "redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}


def redriving(again: Callable[[dict[str, Any]], None]) -> Call:
    """The RedriveExecution call.

    Args:
        again: runs an execution, which is `RUNNING` again, from where it came to.
    """

    def redrive(request: Request) -> Answer:
        arn = request.get("executionArn")
        execution = states._executions.get(arn)
        if execution is None:
            raise Refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        token = request.get("clientToken")
        if token is None or token != execution.get("redriveToken"):
            if execution["status"] not in UNSUCCESSFUL:
                raise Refused("ExecutionNotRedrivable", f"{redrive_status(execution)['redriveStatusReason']}: '{arn}'")
            execution.update(redriveToken=token, redriveDate=now_iso())
            again(execution)
        answer: Answer = states.json_response({"redriveDate": execution["redriveDate"]})
        return answer

    return redrive


def describing(original: Call) -> Call:
    """Wrap MiniStack's DescribeExecution: the answer says whether and how often the execution was redriven."""

    def describe(request: Request) -> Any:
        answer = original(request)
        if answer[0] != 200:
            return answer
        return states.json_response(
            {**json.loads(answer[2]), **redrive_status(states._executions[request["executionArn"]])}
        )

    return describe


def serving(redrive: Call, handler: Handler) -> Handler:
    """Wrap MiniStack's Step Functions, which does not know the call."""

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]) -> Any:
        if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
            return states._finalize_response(redrive(json.loads(body or b"{}")))
        return await handler(method, path, headers, body, query_params)

    return handle
