"""Making, changing, deleting and starting state machines, as Step Functions answers.

Sources: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html,
https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html (managed rule),
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html (log delivery) and
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html (repeated names).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions as states

from local_aws.emulator.aws_behaviour import permissions
from local_aws.emulator.aws_behaviour.calls import Answer, Call, Refused, Request
from local_aws.emulator.aws_behaviour.states_engine import MAXIMUM_PAYLOAD_BYTES, Executions, keep_machine
from local_aws.emulator.aws_behaviour.states_integrations import RUN_TASK_FIELDS

STATES = "states.amazonaws.com"
MANAGED_RULE = "StepFunctionsGetEventsForECSTaskRule"
MANAGED_RULE_ACTIONS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
LOG_DELIVERY_ACTIONS = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
_SESSION = "StepFunctions"


def every_state(definition: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state of a machine with its path, those of branches and items included."""
    for name, state in (definition.get("States") or {}).items():
        here = f"{path}/States/{name}"
        yield here, state
        for index, branch in enumerate(state.get("Branches") or []):
            yield from every_state(branch, f"{here}/Branches[{index}]")
        for key in ("ItemProcessor", "Iterator"):
            if isinstance(state.get(key), dict):
                yield from every_state(state[key], f"{here}/{key}")


def check_definition(definition: dict[str, Any]) -> None:
    """Check what Step Functions checks beyond the language: the fields of `ecs:runTask`.

    Raises:
        Refused: a field is not one of the integration (`InvalidDefinition`).
    """
    for path, state in every_state(definition):
        if not str(state.get("Resource", "")).startswith("arn:aws:states:::ecs:runTask"):
            continue
        for key in ("Arguments", "Parameters"):
            given = state.get(key)
            for field in given if isinstance(given, dict) else ():
                if field.removesuffix(".$") not in RUN_TASK_FIELDS:
                    raise Refused(
                        "InvalidDefinition",
                        f'Invalid State Machine Definition: \'SCHEMA_VALIDATION_FAILED: The field "{field}" is not '
                        f"supported by Step Functions at {path}/{key}'",
                    )


def check_role(role_arn: str, definition: dict[str, Any], logging: dict[str, Any], machine_arn: str) -> None:
    """Check what Step Functions asks of a machine's role when the machine is made.

    Args:
        role_arn: the role.
        definition: of the machine.
        logging: its `loggingConfiguration`.
        machine_arn: what Step Functions acts for, in the trust policy's `aws:SourceArn`.

    Raises:
        Refused: the role cannot be assumed, or lacks what the managed rule or the log delivery needs
            (`AccessDeniedException`).
    """
    if not permissions.role_trusts(role_arn, STATES, source_arn=machine_arn):
        raise Refused(
            "AccessDeniedException",
            f"Neither the global service principal {STATES}, nor the regional one is authorized to assume the provided "
            "role.",
        )
    waits_for_tasks = any(
        state.get("Resource") == "arn:aws:states:::ecs:runTask.sync" for _path, state in every_state(definition)
    )
    if waits_for_tasks:
        rule = f"arn:aws:events:{get_region()}:{get_account_id()}:rule/{MANAGED_RULE}"
        for action in MANAGED_RULE_ACTIONS:
            if permissions.role_denial(role_arn, action, rule, session_name=_SESSION):
                raise Refused("AccessDeniedException", f"'{role_arn}' is not authorized to create managed-rule.")
    if logging.get("level", "OFF") != "OFF":
        for action in LOG_DELIVERY_ACTIONS:
            if permissions.role_denial(role_arn, action, "*", session_name=_SESSION):
                raise Refused(
                    "AccessDeniedException",
                    "The state machine IAM Role is not authorized to access the Log Destination",
                )


class Machines:
    """The calls on state machines, each around MiniStack's own.

    Args:
        executions: what runs.
    """

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    def creating(self, original: Call) -> Call:
        """Wrap CreateStateMachine: definition and role are checked."""

        def create(request: Request) -> Answer:
            definition = _parse(request.get("definition", "{}"))
            check_definition(definition)
            arn = f"arn:aws:states:{get_region()}:{get_account_id()}:stateMachine:{request.get('name')}"
            check_role(request.get("roleArn", ""), definition, request.get("loggingConfiguration") or {}, arn)
            answer = original(request)
            _keep_tracing(answer[0], json.loads(answer[2]).get("stateMachineArn"), request)
            return answer

        return create

    def updating(self, original: Call) -> Call:
        """Wrap UpdateStateMachine: definition and role are checked, those that stay too."""

        def update(request: Request) -> Answer:
            machine = states._state_machines.get(request.get("stateMachineArn"))
            if machine is not None:
                definition = _parse(request.get("definition") or machine["definition"])
                check_definition(definition)
                logging = request.get("loggingConfiguration") or machine.get("loggingConfiguration") or {}
                role = request.get("roleArn") or machine["roleArn"]
                check_role(role, definition, logging, machine["stateMachineArn"])
            answer = original(request)
            _keep_tracing(answer[0], request.get("stateMachineArn"), request)
            return answer

        return update

    def deleting(self, original: Call) -> Call:
        """Wrap DeleteStateMachine: executions that run are ended. Deleting what is not there succeeds."""

        def delete(request: Request) -> Answer:
            arn = request.get("stateMachineArn", "")
            if arn not in states._state_machines:
                answer: Answer = states.json_response({})
                return answer
            self._executions.stop_all_of(arn)
            return original(request)

        return delete

    def starting(self, original: Call) -> Call:
        """Wrap StartExecution: the same name and input again is the same execution while it runs."""

        def start(request: Request) -> Answer:
            given = request.get("input", "{}")
            if len(given.encode()) > MAXIMUM_PAYLOAD_BYTES:
                raise Refused("InvalidExecutionInput", "The input is larger than 262144 bytes")
            _parse(given, "InvalidExecutionInput", "Invalid State Machine Execution Input")
            name = request.get("name")
            if name:
                machine = request.get("stateMachineArn", "").rsplit(":", 1)[-1]
                arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine}:{name}"
                found = states._executions.get(arn)
                if found is not None and found["status"] == "RUNNING" and found["input"] == given:
                    again: Answer = states.json_response({"executionArn": arn, "startDate": found["startDate"]})
                    return again
            answer = original(request)
            execution = states._executions.get(json.loads(answer[2]).get("executionArn"))
            if execution is not None:
                keep_machine(execution, states._state_machines[execution["stateMachineArn"]])
            return answer

        return start


def describing_for_execution(original: Call) -> Call:
    """Wrap MiniStack's DescribeStateMachineForExecution: it tells what the execution was started with."""

    def describe(request: Request) -> Any:
        answer = original(request)
        if answer[0] != 200:
            return answer
        started_with = states._executions[request["executionArn"]].get("startedWith") or {}
        return states.json_response({**json.loads(answer[2]), **started_with})

    return describe


def _keep_tracing(status: int, arn: str | None, request: Request) -> None:
    if status < 300 and arn is not None and "tracingConfiguration" in request:
        states._state_machines[arn]["tracingConfiguration"] = request["tracingConfiguration"]


def _parse(text: str, code: str = "InvalidDefinition", message: str = "Invalid State Machine Definition") -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused(code, f"{message}: '{error}'") from error
