"""What Task states of Step Functions call, called as AWS does: over HTTP, with a session of the machine's role.

So IAM decides about every call as about anyone's, and an error has the name the service gave it.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html,
https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html,
https://docs.aws.amazon.com/step-functions/latest/dg/connect-ddb.html,
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html and recorded histories.
"""

from __future__ import annotations

import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
import botocore.exceptions
import botocore.model
from botocore import xform_name
from botocore.config import Config
from botocore.model import Shape
from ministack.core.responses import get_region
from ministack.services import ecs
from ministack.services.stepfunctions import _AWS_SDK_ERROR_PREFIX, _ExecutionError

from local_aws.emulator.aws_behaviour import ecs_api, permissions
from local_aws.emulator.aws_behaviour.states_scope import Scope

RUN_TASK_FIELDS = frozenset(
    {
        "CapacityProviderStrategy",
        "Cluster",
        "EnableExecuteCommand",
        "Group",
        "LaunchType",
        "NetworkConfiguration",
        "Overrides",
        "PlacementConstraints",
        "PlacementStrategy",
        "PlatformVersion",
        "PropagateTags",
        "TaskDefinition",
    }
)
"""The parameters of the optimized `ecs:runTask`; `StartedBy` and `Tags` are not among them."""
STARTED_BY = "AWS Step Functions"
_POLL_SECONDS = 0.1
_LAMBDA_SECONDS = 910
_DYNAMODB_OPERATIONS = {
    "getItem": "GetItem",
    "putItem": "PutItem",
    "updateItem": "UpdateItem",
    "deleteItem": "DeleteItem",
}


@dataclass(frozen=True)
class OptimizedService:
    """How the errors of an optimized integration are named.

    Attributes:
        prefix: before the exception's name.
        base: the exception that stands for one the service's model does not know.
        display: the service's name in causes.
    """

    prefix: str
    base: str
    display: str


ECS = OptimizedService("ECS", "AmazonECSException", "AmazonECS")
DYNAMODB = OptimizedService("DynamoDB", "AmazonDynamoDBException", "AmazonDynamoDBv2")
LAMBDA = OptimizedService("Lambda", "AWSLambdaException", "AWSLambda")


@dataclass(frozen=True)
class TaskCall:
    """One attempt at a Task state.

    Attributes:
        resource: its `Resource`.
        arguments: evaluated.
        role_arn: of the state machine.
        scope: ends with the state, its branch or its execution.
        deadline: `time.monotonic()` at which the state times out, None for never.
        note: records a history event.
    """

    resource: str
    arguments: Any
    role_arn: str
    scope: Scope
    deadline: float | None
    note: Callable[[str, dict[str, Any]], object]


Integration = Callable[[TaskCall], Any]


# --- clients ---------------------------------------------------------------------------------------------------------


class Clients:
    """boto3 clients that speak to the emulator with sessions of roles."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._sessions: dict[str, permissions.RoleSession] = {}

    def get(self, service: str, role_arn: str) -> Any:
        """A client of the service, for the role, in the region of the execution."""
        region = get_region()
        with self._lock:
            key = (service, role_arn, region)
            if key not in self._clients:
                self._clients[key] = self._make(service, role_arn, region)
            return self._clients[key]

    def _make(self, service: str, role_arn: str, region: str) -> Any:
        if role_arn not in self._sessions:
            self._sessions[role_arn] = permissions.open_session(role_arn, "StepFunctions")
        session = self._sessions[role_arn]
        make: Any = _boto3_session().client
        return make(
            service,
            region_name=region,
            endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
            aws_access_key_id=session.access_key_id,
            aws_secret_access_key=session.secret_access_key,
            aws_session_token=session.session_token,
            config=Config(
                retries={"total_max_attempts": 1},
                read_timeout=_LAMBDA_SECONDS,
                max_pool_connections=100,
                s3={"addressing_style": "path"},
            ),
        )


@functools.cache
def _boto3_session() -> boto3.Session:
    return boto3.Session()


def warm_up() -> None:
    """Load what the first call would load."""
    session = _boto3_session()
    for service in ("ecs", "lambda", "dynamodb"):
        session._session.get_service_model(service)


# --- names -----------------------------------------------------------------------------------------------------------


def to_api(value: Any, shape: Shape, path: str) -> Any:
    """Arguments as the service's API names them.

    Raises:
        _ExecutionError: `States.Runtime`, a field that the operation does not have.
    """
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members = {name.lower(): name for name in shape.members}  # type: ignore[attr-defined]
        named = {}
        for key, item in value.items():
            member = members.get(key.lower())
            if member is None or not key[:1].isupper():
                raise _ExecutionError("States.Runtime", f"The field '{path}{key}' is not supported by Step Functions")
            named[member] = to_api(item, shape.members[member], f"{path}{key}.")  # type: ignore[attr-defined]
        return named
    if shape.type_name == "list" and isinstance(value, list):
        return [to_api(item, shape.member, path) for item in value]  # type: ignore[attr-defined]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: to_api(item, shape.value, f"{path}{key}.") for key, item in value.items()}  # type: ignore[attr-defined]
    return value


def from_api(value: Any, shape: Shape, timestamp: Callable[[datetime], Any]) -> Any:
    """A service's answer with the names that states see."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        return {
            pascal(key): from_api(item, shape.members[key], timestamp)  # type: ignore[attr-defined]
            for key, item in value.items()
            if key in shape.members  # type: ignore[attr-defined]
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [from_api(item, shape.member, timestamp) for item in value]  # type: ignore[attr-defined]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: from_api(item, shape.value, timestamp) for key, item in value.items()}  # type: ignore[attr-defined]
    if isinstance(value, datetime):
        return timestamp(value)
    if hasattr(value, "read"):
        return value.read().decode("utf-8", errors="replace")
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value


def pascal(name: str) -> str:
    """A member's name with an upper-case first letter."""
    return name[:1].upper() + name[1:]


def epoch_milliseconds(moment: datetime) -> int:
    """How optimized integrations show a time."""
    return round(moment.timestamp() * 1000)


def iso_time(moment: datetime) -> str:
    """How AWS SDK integrations show a time."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- calls -----------------------------------------------------------------------------------------------------------


def call_api(
    client: Any, operation: str, arguments: dict[str, Any], name_error: Callable[[Any, str], str], display: str
) -> Any:
    """Call an operation and answer with its result.

    Raises:
        _ExecutionError: the service refused, or could not be reached.
    """
    try:
        return getattr(client, xform_name(operation))(**arguments)
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"].get("Code", "")
        metadata = error.response.get("ResponseMetadata", {})
        message = error.response["Error"].get("Message") or error.response.get("message", "")
        raise _ExecutionError(
            name_error(client, code),
            f"{message} (Service: {display}; Status Code: {metadata.get('HTTPStatusCode')}; Error Code: {code}; "
            f"Request ID: {metadata.get('RequestId')}; Proxy: null)",
        ) from error
    except botocore.exceptions.ParamValidationError as error:
        raise _ExecutionError(
            "States.Runtime", f"The Parameters '{json.dumps(arguments)}' could not be used to start the Task: [{error}]"
        ) from error
    except botocore.exceptions.BotoCoreError as error:
        raise _ExecutionError(
            name_error(client, "SdkClientException"), f"Unable to execute HTTP request: {error}"
        ) from error


def optimized_error(service: OptimizedService) -> Callable[[Any, str], str]:
    """Names the errors of an optimized integration.

    An exception that the service's model declares has its own name. Any other code, such as `ThrottlingException` of
    Amazon ECS, comes under the SDK's base exception, the code being in the cause: `ECS.AmazonECSException`
    (https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity). `SdkClientException`: no answer came.
    """

    def name(client: Any, code: str) -> str:
        modelled = {shape.name for shape in client.meta.service_model.error_shapes}
        exception = code if code.endswith("Exception") else f"{code}Exception"
        if exception == "SdkClientException" or code in modelled or exception in modelled:
            return f"{service.prefix}.{exception}"
        return f"{service.prefix}.{service.base}"

    return name


def sdk_error(service: str) -> Callable[[Any, str], str]:
    """Names the errors of an AWS SDK integration."""
    prefix = _AWS_SDK_ERROR_PREFIX.get(service, service.capitalize())

    def name(client: Any, code: str) -> str:
        modelled = {shape.name for shape in client.meta.service_model.error_shapes}
        exception = code if code.endswith("Exception") else f"{code}Exception"
        if exception == "SdkClientException" or code in modelled or exception in modelled:
            return f"{prefix}.{exception}"
        return f"{prefix}.{prefix}Exception"

    return name


class Integrations:
    """The integrations that a Task state can name."""

    def __init__(self) -> None:
        self._clients = Clients()

    def find(self, resource: str) -> Integration | None:
        """The integration for a `Resource`; None where it is MiniStack's own to run."""
        service, _, operation = resource.removeprefix("arn:aws:states:::").partition(":")
        if not resource.startswith("arn:aws:states:::"):
            return self._function if ":function:" in resource else None
        if resource in ("arn:aws:states:::ecs:runTask", "arn:aws:states:::ecs:runTask.sync"):
            return self._run_task
        if resource == "arn:aws:states:::lambda:invoke":
            return self._invoke
        if service == "dynamodb" and operation in _DYNAMODB_OPERATIONS:
            return self._dynamodb
        if service == "aws-sdk" and not resource.endswith((".sync", ".waitForTaskToken")):
            return self._sdk
        return None

    # --- AWS Lambda ---

    def _invoke(self, call: TaskCall) -> Any:
        arguments = dict(call.arguments)
        payload = arguments.pop("Payload", {})
        return self._invoke_function(call, {**arguments, "Payload": payload})

    def _function(self, call: TaskCall) -> Any:
        answer = self._invoke_function(call, {"FunctionName": call.resource, "Payload": call.arguments})
        return answer["Payload"]

    def _invoke_function(self, call: TaskCall, arguments: dict[str, Any]) -> dict[str, Any]:
        client = self._clients.get("lambda", call.role_arn)
        shape = client.meta.service_model.operation_model("Invoke").input_shape
        payload = json.dumps(arguments.pop("Payload"))
        request = {**to_api(arguments, shape, ""), "Payload": payload.encode()}
        answer = interruptible(
            call, lambda: _read_payload(call_api(client, "Invoke", request, optimized_error(LAMBDA), LAMBDA.display))
        )
        if answer["error"]:
            raise _ExecutionError(_error_type(answer["payload"]), answer["payload"])
        return {
            "ExecutedVersion": answer["version"],
            "Payload": json.loads(answer["payload"]) if answer["payload"] else None,
            "SdkHttpMetadata": {"HttpStatusCode": answer["status"]},
            "StatusCode": answer["status"],
        }

    # --- Amazon DynamoDB ---

    def _dynamodb(self, call: TaskCall) -> Any:
        operation = _DYNAMODB_OPERATIONS[call.resource.rsplit(":", 1)[-1]]
        client = self._clients.get("dynamodb", call.role_arn)
        model = client.meta.service_model.operation_model(operation)
        arguments = to_api(call.arguments, model.input_shape, "")
        answer = call_api(client, operation, arguments, optimized_error(DYNAMODB), DYNAMODB.display)
        return {
            **from_api(answer, model.output_shape, epoch_milliseconds),
            "SdkHttpMetadata": {"HttpStatusCode": answer["ResponseMetadata"]["HTTPStatusCode"]},
        }

    # --- AWS SDK ---

    def _sdk(self, call: TaskCall) -> Any:
        service, _, operation = call.resource.removeprefix("arn:aws:states:::aws-sdk:").partition(":")
        name = {"sfn": "stepfunctions", "cloudwatchlogs": "logs", "eventbridge": "events"}.get(service, service)
        try:
            client = self._clients.get(name, call.role_arn)
            model = client.meta.service_model.operation_model(pascal(operation))
        except (botocore.exceptions.UnknownServiceError, botocore.model.OperationNotFoundError) as error:
            raise _ExecutionError("States.Runtime", f"{call.resource} is not supported: {error}") from error
        arguments = to_api(call.arguments, model.input_shape, "") if model.input_shape else {}
        display = pascal(service)
        answer = interruptible(call, lambda: call_api(client, model.name, arguments, sdk_error(service), display))
        return from_api(answer, model.output_shape, iso_time) if model.output_shape else {}

    # --- Amazon ECS ---

    def _run_task(self, call: TaskCall) -> Any:
        refused = [name for name in call.arguments if name not in RUN_TASK_FIELDS]
        if refused:
            raise _ExecutionError("States.Runtime", f"The field '{refused[0]}' is not supported by Step Functions")
        client = self._clients.get("ecs", call.role_arn)
        model = client.meta.service_model.operation_model("RunTask")
        arguments = {**to_api(call.arguments, model.input_shape, ""), "startedBy": STARTED_BY}
        answer = call_api(client, "RunTask", arguments, optimized_error(ECS), ECS.display)
        started = from_api(answer, model.output_shape, epoch_milliseconds)
        if not call.resource.endswith(".sync"):
            return started
        if started["Failures"]:
            raise _ExecutionError("AmazonECS.Unknown", json.dumps(started))
        call.note(
            "TaskSubmitted",
            {
                "taskSubmittedEventDetails": {
                    "resourceType": "ecs",
                    "resource": "runTask.sync",
                    "output": json.dumps(started),
                }
            },
        )
        arn = started["Tasks"][0]["TaskArn"]
        try:
            self._wait_for(call, arn)
        except BaseException:
            self._stop(call, arn)
            raise
        shape = client.meta.service_model.shape_for("Task")
        task = from_api(_with_datetimes(ecs_api.described(ecs._tasks[arn]), shape), shape, epoch_milliseconds)
        if task_failed(task):
            raise _ExecutionError("States.TaskFailed", json.dumps(task))
        return task

    def _wait_for(self, call: TaskCall, arn: str) -> None:
        while ecs._tasks[arn]["lastStatus"] != "STOPPED":
            if call.deadline is not None and time.monotonic() >= call.deadline:
                raise timed_out()
            call.scope.sleep(_POLL_SECONDS)

    def _stop(self, call: TaskCall, arn: str) -> None:
        if ecs._tasks[arn]["lastStatus"] == "STOPPED":
            return
        client = self._clients.get("ecs", call.role_arn)
        cluster = arn.split("/")[-2]
        call_api(
            client,
            "StopTask",
            {"cluster": cluster, "task": arn, "reason": "Task stopped by AWS Step Functions"},
            optimized_error(ECS),
            ECS.display,
        )


def task_failed(task: Mapping[str, Any]) -> bool:
    """Whether a stopped task fails its `.sync` state: it never started, or a container did not end with 0."""
    if task.get("StopCode") == "TaskFailedToStart":
        return True
    return any(container.get("ExitCode") != 0 for container in task.get("Containers", []))


def timed_out() -> Exception:
    """A state that ran longer than its `TimeoutSeconds`."""
    error: Exception = _ExecutionError("States.Timeout", "")
    return error


def interruptible(call: TaskCall, work: Callable[[], Any]) -> Any:
    """Do work in a thread, and stop waiting for it when the state ends before.

    Raises:
        _ExecutionError: what the work raised, or `States.Timeout`.
    """
    outcome: list[tuple[Any, BaseException | None]] = []
    done = threading.Event()

    def run() -> None:
        try:
            outcome.append((work(), None))
        except _ExecutionError as error:
            outcome.append((None, error))
        finally:
            done.set()

    threading.Thread(target=run, daemon=True, name="states-call").start()
    while not done.wait(_POLL_SECONDS):
        call.scope.check()
        if call.deadline is not None and time.monotonic() >= call.deadline:
            raise timed_out()
    if not outcome:
        raise _ExecutionError("States.Runtime", "the call ended without an answer")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def _read_payload(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": answer["StatusCode"],
        "version": answer.get("ExecutedVersion", "$LATEST"),
        "error": answer.get("FunctionError"),
        "payload": answer["Payload"].read().decode(),
    }


def _error_type(payload: str) -> str:
    try:
        document = json.loads(payload)
    except ValueError:
        return "Lambda.Unknown"
    name = document.get("errorType") if isinstance(document, dict) else None
    return str(name) if name else "Lambda.Unknown"


def _with_datetimes(value: Any, shape: Shape) -> Any:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        return dict(_typed_members(value, shape))
    if shape.type_name == "list" and isinstance(value, list):
        return [_with_datetimes(item, shape.member) for item in value]  # type: ignore[attr-defined]
    if shape.type_name == "timestamp" and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def _typed_members(value: Mapping[str, Any], shape: Shape) -> Iterator[tuple[str, Any]]:
    members: Mapping[str, Shape] = shape.members  # type: ignore[attr-defined]
    for key, item in value.items():
        if key in members:
            yield key, _with_datetimes(item, members[key])
