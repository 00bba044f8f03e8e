"""What an execution was started with, how far it came, and the RedriveExecution call, which goes on from there.

https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html: an execution that failed, was stopped or
timed out goes on, under its own ARN, with the state that did not succeed and that state's input; of Parallel and inline
Map states only the branches and items that did not succeed are run again; retry counts and the execution's time limit
start anew.
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as states

Request = dict[str, Any]
Call = Callable[[Request], Any]
Handler = Callable[..., Awaitable[Any]]

UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")


class Progress:
    """Where one line of states is: an execution's own, a branch's, an item's.

    Attributes:
        ended: whether it came to its end.
        output: what it ended with.
    """

    def __init__(self) -> None:
        self.ended = False
        self.output: Any = None
        self._state: str | None = None
        self._input: Any = None
        self._variables: dict[str, Any] = {}
        self._inner: dict[int, Progress] = {}
        self._kept: dict[int, Progress] | None = None

    def resume(self, start: str, value: Any, variables: dict[str, Any]) -> tuple[str, Any]:
        """Return the state to go on with and its input; `variables` become what they were there."""
        if self._state is None:
            return start, value
        variables.clear()
        variables.update(self._variables)
        self._kept = self._inner
        return self._state, self._input

    def enter(self, state: str, value: Any, variables: dict[str, Any]) -> None:
        """Note the state that is to be run."""
        self._state, self._input, self._variables = state, value, dict(variables)

    def leave(self) -> None:
        """Note that it succeeded: what was kept of its branches or items is of no more use."""
        self._kept = None

    def end(self, output: Any) -> None:
        """Note the end."""
        self.ended, self.output = True, output

    def branches(self) -> dict[int, Progress]:
        """The branches or items of the state that is run: in a redriven one those from before, once; else none yet."""
        self._inner = {} if self._kept is None else self._kept
        self._kept = None
        return self._inner


current: contextvars.ContextVar[Progress | None] = contextvars.ContextVar("states_progress", default=None)
"""The line of states that this thread runs; None where none is to be redriven."""


def keep_machine(execution: dict[str, Any], machine: dict[str, Any]) -> dict[str, Any]:
    """Definition and role that an execution was started with; from the machine where it has just been started.

    "Running executions will continue to use the previous definition and roleArn"
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html), redriven ones too.
    """
    kept: dict[str, Any] = execution.setdefault("startedWith", {key: machine[key] for key in ("definition", "roleArn")})
    return kept


def describing_machine(original: Call) -> Call:
    """Wrap MiniStack's DescribeStateMachineForExecution: it tells what the execution was started with."""

    def describe(request: Request) -> Any:
        status, headers, body = original(request)
        if status != 200:
            return status, headers, body
        started_with = states._executions[request["executionArn"]].get("startedWith") or {}
        return states.json_response({**json.loads(body), **started_with})

    return describe


def redrive_status(execution: dict[str, Any]) -> dict[str, Any]:
    """What DescribeExecution and status events say about redriving an execution."""
    status = execution["status"]
    if status in UNSUCCESSFUL:
        redrivable = {"redriveStatus": "REDRIVABLE"}
    else:
        reason = f"Execution is {status} and cannot be redriven"
        redrivable = {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
    date = execution.get("redriveDate")
    return {"redriveCount": execution.get("redriveCount", 0), **redrivable, **({"redriveDate": date} if date else {})}


def redriving(again: Callable[[dict[str, Any]], None]) -> Call:
    """The RedriveExecution call.

    Args:
        again: runs an execution, which is `RUNNING` again, from where it came to.
    """

    def redrive(request: Request) -> Any:
        arn = request.get("executionArn")
        execution = states._executions.get(arn)
        if execution is None:
            return states.error_response_json("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'", 400)
        token = request.get("clientToken")
        if token is None or token != execution.get("redriveToken"):
            if execution["status"] not in UNSUCCESSFUL:
                reason = redrive_status(execution)["redriveStatusReason"]
                return states.error_response_json("ExecutionNotRedrivable", f"{reason}: '{arn}'", 400)
            execution.update(redriveToken=token, redriveDate=now_iso())
            again(execution)
        return states.json_response({"redriveDate": execution["redriveDate"]})

    return redrive


def describing(original: Call) -> Call:
    """Wrap MiniStack's DescribeExecution: the answer says whether and how often the execution was redriven."""

    def describe(request: Request) -> Any:
        status, headers, body = original(request)
        execution = states._executions.get(request.get("executionArn"))
        if execution is None or status != 200:
            return status, headers, body
        return states.json_response({**json.loads(body), **redrive_status(execution)})

    return describe


def serving(redrive: Call, handler: Handler) -> Handler:
    """Wrap MiniStack's Step Functions, which does not know the call."""

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]) -> Any:
        if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
            return states._finalize_response(redrive(json.loads(body or b"{}")))
        return await handler(method, path, headers, body, query_params)

    return handle
