"""What Task states of Step Functions call, called as AWS does: over HTTP, with a session of the machine's role.

So IAM decides about every call as about anyone's, and an error has the name the service gave it.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html,
https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html,
https://docs.aws.amazon.com/step-functions/latest/dg/connect-ddb.html and recorded histories.
"""

from __future__ import annotations

import contextvars
import functools
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import boto3
import botocore.exceptions
from botocore import xform_name
from botocore.config import Config
from botocore.model import Shape
from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs
from ministack.services import stepfunctions as states
from ministack.services.stepfunctions import _ExecutionError

from local_aws.emulator.aws_behaviour import ecs_api, ecs_events, permissions, states_map_runs
from local_aws.emulator.aws_behaviour.patching import unless_left_out
from local_aws.emulator.aws_behaviour.states_scope import Scope

RUN_TASK_FIELDS = (
    *("CapacityProviderStrategy", "Cluster", "EnableExecuteCommand", "Group", "LaunchType", "NetworkConfiguration"),
    *("Overrides", "PlacementConstraints", "PlacementStrategy", "PlatformVersion", "PropagateTags", "TaskDefinition"),
)
"""The parameters of the optimized `ecs:runTask`; `StartedBy` and `Tags` are not among them."""
RUN_TASK = "arn:aws:states:::ecs:runTask.sync"
MANAGED_RULE = "StepFunctionsGetEventsForECSTaskRule"
MANAGED_RULE_ACTIONS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
INVOKE = "arn:aws:states:::lambda:invoke"
DYNAMODB = tuple(f"arn:aws:states:::dynamodb:{name}Item" for name in ("get", "put", "update", "delete"))
_SHORTEST_WAIT_SECONDS = 0.01
_LONGEST_WAIT_SECONDS = 30.0
_LAMBDA_SECONDS = 910


class ErrorNames(NamedTuple):
    """How an integration names errors: prefix, exception for codes that are not declared, service in causes."""

    prefix: str
    base: str
    display: str


_ERROR_NAMES = {
    "ecs": ErrorNames("ECS", "AmazonECSException", "AmazonECS"),
    "dynamodb": ErrorNames("DynamoDB", "AmazonDynamoDBException", "AmazonDynamoDBv2"),
    "lambda": ErrorNames("Lambda", "AWSLambdaException", "AWSLambda"),
}


@dataclass(frozen=True)
class TaskCall:
    """One attempt at a Task state, with evaluated arguments and the machine's role.

    Attributes:
        scope: ends with the state, its branch or its execution.
        deadline: `time.monotonic()` at which the state times out, None for never.
        note: records a history event.
    """

    resource: str
    arguments: Any
    role_arn: str
    scope: Scope
    deadline: float | None
    note: Callable[..., None]

    def sleep(self, seconds: float) -> None:
        """Wait; ends with `Cancelled` or, after the `TimeoutSeconds` of the state, with `States.Timeout`."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise _ExecutionError("States.Timeout", "")
        self.scope.sleep(seconds)


@functools.cache
def _boto3_session() -> boto3.Session:
    return boto3.Session()


def warm_up() -> None:
    """Load what the first call would load."""
    for service in (*_ERROR_NAMES, "s3"):
        _boto3_session()._session.get_service_model(service)


def to_api(value: Any, shape: Shape, path: str = "") -> Any:
    """Arguments as the API names them; a field that the operation does not have fails with `States.Runtime`."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members = {pascal(name): name for name in shape.members}  # type: ignore[attr-defined]
        unknown = [key for key in value if key not in members]
        if unknown:
            raise _ExecutionError(
                "States.Runtime", f"The field '{path}{unknown[0]}' is not supported by Step Functions"
            )
        return {
            members[key]: to_api(item, shape.members[members[key]], f"{path}{key}.")  # type: ignore[attr-defined]
            for key, item in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [to_api(item, shape.member, path) for item in value]  # type: ignore[attr-defined]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: to_api(item, shape.value, f"{path}{key}.") for key, item in value.items()}  # type: ignore[attr-defined]
    return value


def from_api(value: Any, shape: Shape) -> Any:
    """A service's answer, or ECS's record of a task, with the names that states see; times in milliseconds."""
    if shape.type_name == "structure":
        members = shape.members  # type: ignore[attr-defined]
        return {pascal(key): from_api(item, members[key]) for key, item in value.items() if key in members}
    if shape.type_name == "list":
        return [from_api(item, shape.member) for item in value]  # type: ignore[attr-defined]
    if shape.type_name == "map":
        return {key: from_api(item, shape.value) for key, item in value.items()}  # type: ignore[attr-defined]
    if shape.type_name == "timestamp":
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return round(moment.timestamp() * 1000)
    if shape.type_name == "blob":
        content = value.read() if hasattr(value, "read") else value
        return content.decode("utf-8", errors="replace")
    return value


def pascal(name: str) -> str:
    """A member's name with an upper-case first letter."""
    return name[:1].upper() + name[1:]


def error_name(service: str, client: Any, code: str) -> str:
    """The name of a service's error.

    An exception that the service's model declares has its own name. Any other code, such as `ThrottlingException` of
    Amazon ECS, comes under the SDK's base exception, the code being in the cause: `ECS.AmazonECSException`
    (https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity). `SdkClientException`: no answer came.
    """
    names = _ERROR_NAMES[service]
    declared = {shape.name for shape in client.meta.service_model.error_shapes} | {"SdkClientException"}
    exception = code if code.endswith("Exception") else f"{code}Exception"
    return f"{names.prefix}.{exception if declared & {code, exception} else names.base}"


def _ministacks_own(call: TaskCall) -> Any:
    """The call as MiniStack makes it: without the role."""
    return states._invoke_resource(call.resource, call.arguments)


@unless_left_out("states_integrations", _ministacks_own)
def result_of(call: TaskCall) -> Any:
    """What the call of a Task state returns; every failure is an `_ExecutionError`."""
    if call.resource == RUN_TASK:
        return _run_task(call)
    if call.resource == INVOKE:
        return _invoke(call)
    if call.resource in DYNAMODB:
        return _ask(call, "dynamodb", pascal(call.resource.rsplit(":", 1)[-1]), call.arguments)
    raise _ExecutionError("States.Runtime", f"{call.resource} is not supported by this emulator")


_lock = threading.Lock()


def _client(service: str, role_arn: str) -> Any:
    with _lock:
        return _role_client(service, role_arn, get_region())


@functools.cache
def _role_session(role_arn: str) -> permissions.RoleSession:
    return permissions.open_session(role_arn, "StepFunctions")


@functools.cache
def _role_client(service: str, role_arn: str, region: str) -> Any:
    session = _role_session(role_arn)
    return _boto3_session().client(
        service,  # type: ignore[call-overload]
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        aws_access_key_id=session.access_key_id,
        aws_secret_access_key=session.secret_access_key,
        aws_session_token=session.session_token,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=_LAMBDA_SECONDS, max_pool_connections=100),
    )


def _ask(call: TaskCall, service: str, operation: str, arguments: Mapping[str, Any], **more: str) -> Any:
    """Call an operation; `more` are arguments with the API's own names."""
    client = _client(service, call.role_arn)
    model = client.meta.service_model.operation_model(operation)
    request = {**to_api(arguments, model.input_shape), **more}
    try:
        answer = getattr(client, xform_name(operation))(**request)
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"].get("Code", "")
        metadata = error.response["ResponseMetadata"]
        message = error.response["Error"].get("Message") or error.response.get("message", "")
        raise _ExecutionError(
            error_name(service, client, code),
            f"{message} (Service: {_ERROR_NAMES[service].display}; Status Code: {metadata['HTTPStatusCode']}; "
            f"Error Code: {code}; Request ID: {metadata.get('RequestId')}; Proxy: null)",
        ) from error
    except botocore.exceptions.ParamValidationError as error:
        raise _ExecutionError(
            "States.Runtime",
            f"The Parameters '{json.dumps(request)}' could not be used to start the Task: [{error}]",
        ) from error
    except botocore.exceptions.BotoCoreError as error:
        raise _ExecutionError(
            error_name(service, client, "SdkClientException"), f"Unable to execute HTTP request: {error}"
        ) from error
    status = {"HttpStatusCode": answer["ResponseMetadata"]["HTTPStatusCode"]}
    return {**from_api(answer, model.output_shape), "SdkHttpMetadata": status}


def object_text(arguments: Mapping[str, Any], role_arn: str) -> str:
    """The text of an object that an `ItemReader` names, read as the role; `States.ItemReaderFailed` where it fails."""
    client = _client("s3", role_arn)
    request = to_api(arguments, client.meta.service_model.operation_model("GetObject").input_shape)
    try:
        return str(client.get_object(**request)["Body"].read().decode("utf-8-sig"))
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, UnicodeDecodeError) as error:
        raise states_map_runs.reader_failed(f"Failed to read {json.dumps(request)}: {error}") from error


def _invoke(call: TaskCall) -> Any:
    arguments = {key: value for key, value in call.arguments.items() if key != "Payload"}
    payload = json.dumps(call.arguments.get("Payload", {}))
    answer = interruptible(call, lambda: _ask(call, "lambda", "Invoke", arguments, Payload=payload))
    given = json.loads(answer["Payload"]) if answer["Payload"] else None
    if answer.get("FunctionError"):
        name = given.get("errorType") if isinstance(given, dict) else None
        raise _ExecutionError(name or "Lambda.Unknown", answer["Payload"])
    return {**answer, "Payload": given}


def _run_task(call: TaskCall) -> Any:
    refused = [name for name in call.arguments if name not in RUN_TASK_FIELDS]
    if refused:
        raise _ExecutionError("States.Runtime", f"The field '{refused[0]}' is not supported by Step Functions")
    _require(call, MANAGED_RULE_ACTIONS, managed_rule_arn())
    started = _ask(call, "ecs", "RunTask", call.arguments, startedBy="AWS Step Functions")
    if started["Failures"]:
        raise _ExecutionError("AmazonECS.Unknown", json.dumps(started))
    call.note("TaskSubmitted", resourceType="ecs", resource="runTask.sync", output=json.dumps(started))
    arn = started["Tasks"][0]["TaskArn"]
    try:
        _require(call, ("ecs:DescribeTasks",), arn, {"ecs:cluster": started["Tasks"][0]["ClusterArn"]})
        with call.scope.child() as waiting:
            ecs_events.on_stopped(arn, waiting.cancel)
            while ecs._tasks[arn]["lastStatus"] != "STOPPED":
                call.sleep(0)
                waiting.wait(_until(call.deadline))
    except BaseException:
        if ecs._tasks[arn]["lastStatus"] != "STOPPED":
            stopped = {"Cluster": arn.split("/")[-2], "Task": arn, "Reason": "Task stopped by AWS Step Functions"}
            _ask(call, "ecs", "StopTask", stopped)
        raise
    shape = _client("ecs", call.role_arn).meta.service_model.shape_for("Task")
    task: dict[str, Any] = from_api(ecs_api.described(ecs._tasks[arn]), shape)
    if task_failed(task):
        raise _ExecutionError("States.TaskFailed", json.dumps(task))
    return task


def managed_rule_arn() -> str:
    """The rule with which Step Functions follows its ECS tasks."""
    return f"arn:aws:events:{get_region()}:{get_account_id()}:rule/{MANAGED_RULE}"


def _require(call: TaskCall, actions: Sequence[str], resource: str, keys: Mapping[str, str] | None = None) -> None:
    """Fail with `States.Permissions` where the role may not follow what its `.sync` state starts.

    AWS asks when it puts its rule and when it polls; here all is asked for once a task, so that a missing one is found.
    """
    for action in actions:
        denial = permissions.role_denial(call.role_arn, action, resource, session_name="StepFunctions", keys=keys)
        if denial is not None:
            raise _ExecutionError("States.Permissions", denial)


def _until(deadline: float | None) -> float:
    """Seconds to a deadline, at least a short time, so that no loop spins."""
    return _LONGEST_WAIT_SECONDS if deadline is None else max(deadline - time.monotonic(), _SHORTEST_WAIT_SECONDS)


def task_failed(task: Mapping[str, Any]) -> bool:
    """Whether a stopped task fails its `.sync` state: it never started, or a container did not end with 0."""
    return any(container.get("ExitCode") != 0 for container in task["Containers"])


def interruptible(call: TaskCall, work: Callable[[], Any]) -> Any:
    """Do work in a thread, and stop waiting for it when the state ends before."""
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised in the state's own thread
            done.set_exception(error)

    with call.scope.child() as waiting:
        done.add_done_callback(lambda _: waiting.cancel())
        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
        while not done.done():
            call.sleep(0)
            waiting.wait(_until(call.deadline))
    return done.result()
