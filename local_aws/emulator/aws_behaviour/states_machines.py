"""Calls on state machines and executions, as Step Functions answers.

Sources: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html,
https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html (managed rule),
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html (log delivery) and
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html (repeated names).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions as states

from local_aws.emulator.aws_behaviour import permissions
from local_aws.emulator.aws_behaviour.calls import Answer, Call, Refused, Request, amended, answering, succeed
from local_aws.emulator.aws_behaviour.patching import around
from local_aws.emulator.aws_behaviour.states_engine import MAXIMUM_PAYLOAD_BYTES, executions, keep_machine
from local_aws.emulator.aws_behaviour.states_integrations import (
    MANAGED_RULE_ACTIONS,
    RUN_TASK,
    RUN_TASK_FIELDS,
    managed_rule_arn,
)

STATES = "states.amazonaws.com"
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


def all_states(definition: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state of a machine with its path, those of branches and items included."""
    for name, state in definition.get("States", {}).items():
        here = f"{path}/States/{name}"
        yield here, state
        for index, branch in enumerate(state.get("Branches", [])):
            yield from all_states(branch, f"{here}/Branches[{index}]")
        yield from all_states(state.get("ItemProcessor", {}), f"{here}/ItemProcessor")


def run_task_states(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every `ecs:runTask.sync` state of a machine with its path."""
    return ((path, state) for path, state in all_states(definition) if state.get("Resource") == RUN_TASK)


def check_definition(definition: dict[str, Any]) -> None:
    """Refuse what Step Functions refuses beyond the syntax of the language (`InvalidDefinition`).

    That is a name that two states have, and a field that `ecs:runTask` has not.
    """
    names: set[str] = set()
    for path, _ in all_states(definition):
        name = path.rpartition("/")[2]
        if name in names:
            raise Refused(
                "InvalidDefinition",
                f"Invalid State Machine Definition: 'DUPLICATE_STATE_NAME: Duplicate state name: {name} at {path}'",
            )
        names.add(name)
    for path, state in run_task_states(definition):
        given = state.get("Arguments")
        for field in given if isinstance(given, dict) else ():
            if field not in RUN_TASK_FIELDS:
                raise Refused(
                    "InvalidDefinition",
                    f'Invalid State Machine Definition: \'SCHEMA_VALIDATION_FAILED: The field "{field}" is not '
                    f"supported by Step Functions at {path}/Arguments'",
                )


def check_machine(machine_arn: str, machine: dict[str, Any]) -> None:
    """Refuse what Step Functions refuses of a machine that is created or updated.

    The definition has to be valid (`InvalidDefinition`); the role has to be assumable for the machine, and to allow the
    managed rule and the log delivery (`AccessDeniedException`).
    """
    definition, role = _parse(machine.get("definition", "{}")), machine.get("roleArn", "")
    check_definition(definition)

    def may(*actions: str, on: str) -> bool:
        return not any(permissions.role_denial(role, action, on, session_name="StepFunctions") for action in actions)

    if not permissions.role_trusts(role, STATES, source_arn=machine_arn):
        raise Refused(
            "AccessDeniedException",
            f"Neither the global service principal {STATES}, nor the regional one is authorized to assume the provided "
            "role.",
        )
    if any(run_task_states(definition)) and not may(*MANAGED_RULE_ACTIONS, on=managed_rule_arn()):
        raise Refused("AccessDeniedException", f"'{role}' is not authorized to create managed-rule.")
    logging = machine.get("loggingConfiguration") or {}
    if logging.get("level", "OFF") != "OFF" and not may(*LOG_DELIVERY_ACTIONS, on="*"):
        raise Refused(
            "AccessDeniedException", "The state machine IAM Role is not authorized to access the Log Destination"
        )


@around("states_machines.create", states, "_create_state_machine")
def create(original: Call, request: Request) -> Answer:
    """Wrap CreateStateMachine: definition and role are checked."""
    check_machine(f"arn:aws:states:{get_region()}:{get_account_id()}:stateMachine:{request.get('name')}", request)
    answer = original(request)
    _keep_tracing(json.loads(answer[2]).get("stateMachineArn"), request)
    return answer


@around("states_machines.update", states, "_update_state_machine")
def update(original: Call, request: Request) -> Answer:
    """Wrap UpdateStateMachine: definition and role are checked, those that stay too."""
    arn = request.get("stateMachineArn", "")
    if arn in states._state_machines:
        check_machine(arn, {**states._state_machines[arn], **request})
    answer = original(request)
    _keep_tracing(arn, request)
    return answer


def _keep_tracing(arn: str | None, request: Request) -> None:
    if arn in states._state_machines and "tracingConfiguration" in request:
        states._state_machines[arn]["tracingConfiguration"] = request["tracingConfiguration"]


@around("states_machines.delete", states, "_delete_state_machine")
def delete(original: Call, request: Request) -> Answer:
    """Wrap DeleteStateMachine: active executions are ended. Deleting what is not there succeeds."""
    arn = request.get("stateMachineArn", "")
    if arn not in states._state_machines:
        return succeed({})
    executions.stop_all_of(arn)
    return original(request)


@around("states_machines.start", states, "_start_execution")
def start(original: Call, request: Request) -> Answer:
    """Wrap StartExecution: the same name and input again is the same execution while it is active."""
    given = request.get("input", "{}")
    if len(given.encode()) > MAXIMUM_PAYLOAD_BYTES:
        raise Refused("InvalidExecutionInput", "The input is larger than 262144 bytes")
    _parse(given, "InvalidExecutionInput", "Invalid State Machine Execution Input")
    machine = request.get("stateMachineArn", "").rsplit(":", 1)[-1]
    arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine}:{request.get('name')}"
    found = states._executions.get(arn)
    if found is not None and found["status"] == "RUNNING" and found["input"] == given:
        return succeed({"executionArn": arn, "startDate": found["startDate"]})
    answer = original(request)
    if answer[0] == 200:
        keep_machine(states._executions[json.loads(answer[2])["executionArn"]])
    return answer


@around("states_machines.redrive", states, "_describe_execution")
def describe(original: Call, request: Request) -> Answer:
    """Wrap DescribeExecution: it tells how often the execution was redriven."""
    count = states._executions.get(request.get("executionArn"), {}).get("redriveCount", 0)
    return amended(original(request), lambda document: {**document, "redriveCount": count})


@around("states_machines.describe", states, "_describe_state_machine_for_execution")
def describe_for_execution(original: Call, request: Request) -> Answer:
    """Wrap DescribeStateMachineForExecution: it tells what the execution was started with.

    Not as on AWS: for a child execution of a Map Run, the definition is its parent's.
    """
    execution = states._executions.get(request.get("executionArn"), {})
    started_with = execution.get("startedWith", {})
    if "mapRunArn" in execution:
        label = execution["stateMachineArn"].partition("/")[2]
        of_map_run = {name: execution[name] for name in ("stateMachineArn", "mapRunArn")}
        return succeed({**of_map_run, "label": label, "updateDate": execution["startDate"], **started_with})
    return amended(original(request), lambda document: {**document, **started_with})


@around("states_machines.redrive", app, "SERVICE_HANDLERS", "states")
async def redrive(
    handler: Callable[..., Awaitable[Any]],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
) -> Any:
    """Wrap MiniStack's Step Functions, which do not know RedriveExecution."""
    if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
        return states._finalize_response(answering(executions.redrive)(json.loads(body)))
    return await handler(method, path, headers, body, query_params)


def _parse(text: str, code: str = "InvalidDefinition", message: str = "Invalid State Machine Definition") -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused(code, f"{message}: '{error}'") from error
