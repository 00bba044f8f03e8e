"""The TestState call: one state of a machine, with what it calls mocked or called.

https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html: a definition of a state, or of a
machine and the name of a state in it; `mock` gives the result or the error of what the state calls; the answer's
`status` is `SUCCEEDED`, `FAILED`, `CAUGHT_ERROR` or `RETRIABLE`. Parallel and Map states need a mock.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as states
from ministack.services.stepfunctions import _ExecutionError

from automation.local.emulator.aws_behaviour.states_engine import Executions, matching, require_size, retry_delay
from automation.local.emulator.aws_behaviour.states_machines import Refused, every_state

Request = dict[str, Any]


class TestState:
    """The TestState call.

    Args:
        executions: evaluates states.
    """

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    def __call__(self, request: Request) -> Any:
        """Answer a request.

        Raises:
            Refused: there is no such state.
        """
        definition = json.loads(request["definition"])
        name, state = _find(definition, request.get("stateName"))
        value = json.loads(request.get("input") or "{}")
        context = _context(request, definition, name)
        answer = self._answer(request, state, value, context)
        return states.json_response(answer)

    def _answer(self, request: Request, state: dict[str, Any], value: Any, context: dict[str, Any]) -> dict[str, Any]:
        try:
            if "mock" in request and state["Type"] in ("Task", "Parallel", "Map"):
                output, following = self._with_mock(request["mock"], state, value, context)
            else:
                output, following = self._evaluate(state, value, context)
            require_size(output, context["State"]["Name"])
        except _ExecutionError as error:
            return self._failed(request, state, value, context, error)
        answer = {"status": "SUCCEEDED", "output": json.dumps(output)}
        if following is not None:
            answer["nextState"] = following
        return answer

    def _evaluate(self, state: dict[str, Any], value: Any, context: dict[str, Any]) -> tuple[Any, str | None]:
        kind = state.get("Type")
        if kind in ("Parallel", "Map"):
            raise Refused("ValidationException", f"A {kind} state is tested with a mock only")
        bare = {key: item for key, item in state.items() if key not in ("Retry", "Catch")}
        return self._executions.run_one(bare, value, {"events": [], "status": "RUNNING"}, context)

    @staticmethod
    def _with_mock(
        mock: dict[str, Any], state: dict[str, Any], value: Any, context: dict[str, Any]
    ) -> tuple[Any, str | None]:
        if "errorOutput" in mock:
            given = mock["errorOutput"]
            raise _ExecutionError(given.get("error", ""), given.get("cause", ""))
        jsonata = states._state_query_language(state, context) == "JSONata"
        if jsonata:
            require_size(states._apply_jsonata_arguments(state, value, context), context["State"]["Name"])
        result = json.loads(mock["result"])
        require_size(result, context["State"]["Name"])
        return Executions.completed(state, value, result, context)

    @staticmethod
    def _failed(
        request: Request, state: dict[str, Any], value: Any, context: dict[str, Any], error: Any
    ) -> dict[str, Any]:
        answer = {"status": "FAILED", "error": error.error, "cause": error.cause}
        retried = int((request.get("stateConfiguration") or {}).get("retrierRetryCount") or 0)
        index = matching(state.get("Retry", []), error.error)
        if index is not None and retried < state["Retry"][index].get("MaxAttempts", 3):
            details = {
                "retryIndex": index,
                "retryBackoffIntervalSeconds": int(retry_delay(state["Retry"][index], retried, 1.0)),
            }
            return {**answer, "status": "RETRIABLE", "inspectionData": {"errorDetails": details}}
        index = matching(state.get("Catch", []), error.error)
        if index is None:
            return answer
        catcher = state["Catch"][index]
        language = states._state_query_language(state, context)
        given = {"Error": error.error, "Cause": error.cause}
        output = states._apply_catcher(catcher, value, context, language, given)
        return {**answer, "status": "CAUGHT_ERROR", "nextState": catcher["Next"], "output": json.dumps(output)}


def _find(definition: dict[str, Any], name: str | None) -> tuple[str, dict[str, Any]]:
    if "States" not in definition:
        return name or "TestState", definition
    wanted = name or definition.get("StartAt", "")
    for path, state in every_state(definition):
        if path.rsplit("/", 1)[-1] == wanted:
            return wanted, state
    raise Refused("InvalidDefinition", f"There is no state '{wanted}' in the definition")


def _context(request: Request, definition: dict[str, Any], name: str) -> dict[str, Any]:
    given = json.loads(request.get("context") or "{}")
    execution = {
        "Id": "arn:aws:states:::express:test",
        "Input": {},
        "Name": "test",
        "RoleArn": request.get("roleArn", ""),
        "StartTime": now_iso(),
        "RedriveCount": 0,
    }
    return {
        **given,
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": {**execution, **given.get("Execution", {})},
        "StateMachine": {"Id": "test", "Name": "test", **given.get("StateMachine", {})},
        "State": {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0, **given.get("State", {})},
        "variables": json.loads(request.get("variables") or "{}"),
    }
