"""RunTask, StopTask, DescribeTasks, ListTasks and the task definitions they use, as the ECS API answers.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html and its neighbours: what is refused,
with which exception; client tokens; which revision a bare family means; tags that are propagated.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ministack.core.concurrency import resource_lock
from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, ecs

from local_aws.emulator.aws_behaviour import fargate_quota, permissions
from local_aws.emulator.aws_behaviour.calls import Answer, Call, Refused, Request
from local_aws.emulator.runtimes.images import parse_reference

MAXIMUM_OVERRIDES_CHARACTERS = 8192
MAXIMUM_TASKS_PER_CALL = 10
MAXIMUM_DESCRIBED_TASKS = 100
MAXIMUM_STARTED_BY_CHARACTERS = 128
MAXIMUM_CLIENT_TOKEN_CHARACTERS = 64
CLIENT_TOKEN_SECONDS = 24 * 3600.0
AFTER_LIFE_SECONDS = 3600.0
"""A client token is remembered for 24 hours, or the task's life and one hour more, whichever ends first
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html)."""

ECS_TASKS = "ecs-tasks.amazonaws.com"

FARGATE_MEMORY_MIB = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16385, 1024)),
    4096: tuple(range(8192, 30721, 1024)),
    8192: tuple(range(16384, 61441, 4096)),
    16384: tuple(range(32768, 122881, 8192)),
}
"""Memory that Fargate offers for each number of CPU units
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html)."""


def _succeed(body: dict[str, Any]) -> Answer:
    answer: Answer = ecs.json_response(body)
    return answer


# --- which cluster, which definition ---------------------------------------------------------------------------------


def require_cluster(reference: str | None) -> str:
    """The name of the cluster that a call means.

    Raises:
        Refused: there is none (`ClusterNotFoundException`).
    """
    name = ecs._resolve_cluster_name(reference or "default")
    if name is None or name not in ecs._clusters or ecs._clusters[name]["status"] != "ACTIVE":
        raise Refused("ClusterNotFoundException", "Cluster not found.")
    return str(name)


def resolve_task_definition(reference: str) -> str | None:
    """`family:revision`; for a bare family its latest ACTIVE revision, as AWS resolves it."""
    key = reference
    if key.startswith("arn:"):
        key = ecs._ecs_single_resource_tail(key, "task-definition")
        if key is None:
            return None
    if ":" in key:
        return key
    active = [
        definition["revision"]
        for definition in ecs._task_defs.values()
        if definition["family"] == key and definition["status"] == "ACTIVE"
    ]
    return f"{key}:{max(active)}" if active else key


def require_runnable(reference: str) -> dict[str, Any]:
    """The task definition that RunTask means.

    Raises:
        Refused: there is none, or it was deregistered (`ClientException`).
    """
    definition: dict[str, Any] | None = ecs._task_defs.get(resolve_task_definition(reference))
    if definition is None or definition["status"] == "DELETE_IN_PROGRESS":
        raise Refused("ClientException", "TaskDefinition not found.")
    if definition["status"] != "ACTIVE":
        raise Refused("ClientException", "TaskDefinition is inactive")
    return definition


# --- RunTask ---------------------------------------------------------------------------------------------------------


def check_run_task(request: Request, cluster: str) -> dict[str, Any]:
    """Check a RunTask request for a cluster and answer with the task definition it means.

    Raises:
        Refused: AWS would refuse it.
    """
    definition = require_runnable(request.get("taskDefinition", ""))
    count = request.get("count", 1)
    if not 1 <= count <= MAXIMUM_TASKS_PER_CALL:
        raise Refused("InvalidParameterException", f"Count must be between 1 and {MAXIMUM_TASKS_PER_CALL}.")
    if len(request.get("startedBy", "")) > MAXIMUM_STARTED_BY_CHARACTERS:
        raise Refused(
            "InvalidParameterException", f"startedBy must be at most {MAXIMUM_STARTED_BY_CHARACTERS} characters long."
        )
    if len(request.get("clientToken", "")) > MAXIMUM_CLIENT_TOKEN_CHARACTERS:
        raise Refused(
            "InvalidParameterException",
            f"clientToken must be at most {MAXIMUM_CLIENT_TOKEN_CHARACTERS} characters long.",
        )
    _check_capacity(request, cluster)
    _check_overrides(request.get("overrides") or {}, definition)
    _check_network(request, definition)
    task = f"arn:aws:ecs:{get_region()}:{get_account_id()}:task/{cluster}/*"
    for field_name in ("taskRoleArn", "executionRoleArn"):
        role = (request.get("overrides") or {}).get(field_name) or definition.get(field_name)
        if role and not permissions.role_trusts(role, ECS_TASKS, source_arn=task):
            raise Refused(
                "ClientException",
                f"ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the "
                "role being passed has the proper trust relationship and permissions and that your IAM user has "
                "permissions to pass this role.",
            )
    return definition


def _check_capacity(request: Request, cluster: str) -> None:
    """A strategy takes the place of the launch type and names providers that are associated with the cluster."""
    providers = [str(item.get("capacityProvider")) for item in request.get("capacityProviderStrategy") or []]
    if providers and request.get("launchType"):
        raise Refused(
            "InvalidParameterException",
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        )
    missing = sorted(set(providers) - set(ecs._clusters[cluster].get("capacityProviders") or ()))
    if missing:
        raise Refused(
            "InvalidParameterException",
            f"The capacity provider {missing[0]} is not associated with the cluster {cluster}.",
        )


def _check_overrides(overrides: dict[str, Any], definition: dict[str, Any]) -> None:
    if len(json.dumps(overrides, separators=(",", ":"))) > MAXIMUM_OVERRIDES_CHARACTERS:
        raise Refused(
            "InvalidParameterException",
            f"Container Overrides length must be at most {MAXIMUM_OVERRIDES_CHARACTERS}",
        )
    known = {container["name"] for container in definition.get("containerDefinitions", [])}
    for override in overrides.get("containerOverrides", []):
        if override.get("name") not in known:
            raise Refused(
                "InvalidParameterException",
                f"Override for container named {override.get('name')} is not a container in the TaskDefinition.",
            )


def _check_network(request: Request, definition: dict[str, Any]) -> None:
    if definition.get("networkMode") != "awsvpc":
        return
    network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if not network:
        raise Refused(
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )
    subnets, groups = network.get("subnets") or [], network.get("securityGroups") or []
    if not subnets:
        raise Refused("InvalidParameterException", "subnets can not be empty.")
    vpcs = set()
    for subnet in subnets:
        if subnet not in ec2._subnets:
            raise Refused("InvalidParameterException", f"The subnet ID '{subnet}' does not exist")
        vpcs.add(ec2._subnets[subnet].get("VpcId"))
    for group in groups:
        if group not in ec2._security_groups:
            raise Refused("InvalidParameterException", f"The security group '{group}' does not exist")
        vpcs.add(ec2._security_groups[group].get("VpcId"))
    if len(vpcs) > 1:
        raise Refused(
            "InvalidParameterException", "The provided subnets and security groups are not all in the same VPC."
        )


@dataclass
class _Remembered:
    request: Request
    answer: dict[str, Any]
    made: float
    task_arns: list[str] = field(default_factory=list)


PlacementFailures = Callable[[Request], "list[dict[str, str]]"]


def no_failures(_request: Request) -> list[dict[str, str]]:
    """Fargate has room for every task."""
    return []


def no_quota() -> float | None:
    """Fargate runs as many tasks at a time as are wanted."""
    return None


class RunTask:
    """The RunTask call.

    Args:
        make: MiniStack's own, which makes the records of the tasks and starts their lives.
        placement_failures: answers with `failures[]` in the place of tasks; they are remembered with the token.
        vcpu_quota: the account's quota of Fargate vCPUs, None for none; tasks beyond it are `failures[]`, too.
    """

    def __init__(
        self,
        make: Callable[[Request], Answer],
        placement_failures: PlacementFailures = no_failures,
        vcpu_quota: Callable[[], float | None] = no_quota,
    ) -> None:
        self._make = make
        self._placement_failures = placement_failures
        self._vcpu_quota = vcpu_quota
        self._placing = threading.Lock()
        self._lock = threading.Lock()
        self._remembered: dict[tuple[str, str, str], _Remembered] = {}
        self._in_flight: dict[tuple[str, str, str], threading.Lock] = {}

    def __call__(self, request: Request) -> Answer:
        """Answer a request.

        Raises:
            Refused: AWS would refuse it.
        """
        cluster = require_cluster(request.get("cluster"))
        token = request.get("clientToken")
        if not token:
            return _succeed(self._run(request, cluster))
        key = (get_account_id(), get_region(), token)
        with self._lock:
            turn = self._in_flight.setdefault(key, threading.Lock())
        with turn:
            replayed = self._replay(key, request)
            if replayed is not None:
                return _succeed(replayed)
            answer = self._run(request, cluster)
            with self._lock:
                self._remembered[key] = _Remembered(
                    copy.deepcopy(request), answer, time.time(), [task["taskArn"] for task in answer["tasks"]]
                )
            return _succeed(answer)

    def _replay(self, key: tuple[str, str, str], request: Request) -> dict[str, Any] | None:
        with self._lock:
            remembered = self._remembered.get(key)
        if remembered is None or self._expired(remembered):
            return None
        if remembered.request != request:
            raise Refused(
                "ConflictException",
                "The request parameters do not match those of the request that first used this client token.",
                resourceIds=remembered.task_arns,
            )
        tasks = [described(ecs._tasks[arn]) for arn in remembered.task_arns if arn in ecs._tasks]
        return {"tasks": tasks, "failures": remembered.answer["failures"]}

    @staticmethod
    def _expired(remembered: _Remembered) -> bool:
        now = time.time()
        if now - remembered.made > CLIENT_TOKEN_SECONDS:
            return True
        ends = [ecs._ts_to_epoch((ecs._tasks.get(arn) or {}).get("stoppedAt")) for arn in remembered.task_arns]
        return bool(ends) and all(end is not None and now - end > AFTER_LIFE_SECONDS for end in ends)

    def _run(self, request: Request, cluster: str) -> dict[str, Any]:
        definition = check_run_task(request, cluster)
        failures = self._placement_failures(request)
        if failures:
            return {"tasks": [], "failures": failures}
        quota = self._vcpu_quota()
        if quota is None:
            return self._place(request, cluster, definition)
        with self._placing:
            wanted = request.get("count", 1)
            count = fargate_quota.room(quota, request, definition, cluster)
            refused = [{"reason": fargate_quota.REACHED} for _ in range(wanted - count)]
            if not count:
                return {"tasks": [], "failures": refused}
            answer = self._place({**request, "count": count}, cluster, definition)
            return {**answer, "failures": answer["failures"] + refused}

    def _place(self, request: Request, cluster: str, definition: dict[str, Any]) -> dict[str, Any]:
        made = {
            **request,
            "cluster": cluster,
            "taskDefinition": f"{definition['family']}:{definition['revision']}",
            "group": request.get("group") or f"family:{definition['family']}",
            "tags": propagated_tags(request, definition),
        }
        status, _headers, body = self._make(made)
        answer: dict[str, Any] = json.loads(body)
        if status >= 400:
            raise Refused(answer["__type"], answer.get("message", ""))
        return {**answer, "tasks": [described(task) for task in answer["tasks"]]}


def propagated_tags(request: Request, definition: dict[str, Any]) -> list[dict[str, str]]:
    """The tags of the tasks: the request's, over those of the task definition where they are to be propagated."""
    tags: dict[str, str] = {}
    if request.get("propagateTags") == "TASK_DEFINITION":
        tags.update({tag["key"]: tag["value"] for tag in ecs._tags.get(definition["taskDefinitionArn"], [])})
    tags.update({tag["key"]: tag["value"] for tag in request.get("tags") or []})
    return [{"key": key, "value": value} for key, value in tags.items()]


# --- tasks -----------------------------------------------------------------------------------------------------------


def described(task: dict[str, Any]) -> dict[str, Any]:
    """A task as ECS describes it: what has no value yet, and what a Fargate task has not, is absent."""
    with resource_lock("ecs-task", task["taskArn"]):
        shown: dict[str, Any] = copy.deepcopy(ecs._sanitize(task))
    for name in ("startedBy", "stopCode", "stoppedReason"):
        if shown.get(name) == "":
            del shown[name]
    if shown.get("launchType") == "FARGATE":
        shown.pop("containerInstanceArn", None)
        for container in shown["containers"]:
            if container.get("memory") == "0":
                del container["memory"]
    return shown


def find_task(reference: str, cluster: str) -> dict[str, Any] | None:
    """A task of the cluster, by its ARN or its id."""
    arn = reference
    if not reference.startswith("arn:"):
        arn = f"arn:aws:ecs:{get_region()}:{get_account_id()}:task/{cluster}/{reference}"
    task: dict[str, Any] | None = ecs._tasks.get(arn)
    if task is None or ecs._cluster_name_from_arn(task["clusterArn"]) != cluster:
        return None
    return task


def stop_task(stop: Callable[[dict[str, Any], str, str], None]) -> Call:
    """The StopTask call: it answers with the task, still `RUNNING`, with `STOPPED` desired.

    Args:
        stop: asks a task to stop; gets its record, the reason and the stop code.
    """

    def call(request: Request) -> Answer:
        task = find_task(request.get("task", ""), require_cluster(request.get("cluster")))
        if task is None:
            raise Refused("InvalidParameterException", "The referenced task was not found.")
        stop(task, request.get("reason") or "Task stopped by user", "UserInitiated")
        return _succeed({"task": described(task)})

    return call


def describe_tasks(request: Request) -> Answer:
    """The DescribeTasks call: stopped tasks too, `MISSING` for what the cluster does not know.

    Raises:
        Refused: too many tasks, or no such cluster.
    """
    references = request.get("tasks") or []
    if len(references) > MAXIMUM_DESCRIBED_TASKS:
        raise Refused("InvalidParameterException", f"Tasks cannot have more than {MAXIMUM_DESCRIBED_TASKS} elements.")
    if not references:
        raise Refused("InvalidParameterException", "Tasks cannot be empty.")
    cluster = require_cluster(request.get("cluster"))
    tasks, failures = [], []
    for reference in references:
        task = find_task(reference, cluster)
        if task is None:
            arn = (
                reference
                if reference.startswith("arn:")
                else (f"arn:aws:ecs:{get_region()}:{get_account_id()}:task/{cluster}/{reference}")
            )
            failures.append({"arn": arn, "reason": "MISSING"})
            continue
        tags = ecs._tags.get(task["taskArn"], []) if "TAGS" in request.get("include", []) else []
        tasks.append({**described(task), "tags": tags})
    return _succeed({"tasks": tasks, "failures": failures})


_OTHER_FILTERS = ("family", "serviceName", "desiredStatus", "containerInstance", "launchType")
"""What `startedBy` cannot stand beside: "it must be the only filter that you use"
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html)."""


def list_tasks(request: Request) -> Answer:
    """The ListTasks call.

    Raises:
        Refused: `startedBy` beside another filter, or no such cluster.
    """
    cluster = require_cluster(request.get("cluster"))
    started_by = request.get("startedBy")
    if started_by and any(request.get(name) for name in _OTHER_FILTERS):
        raise Refused("InvalidParameterException", "cannot specify startedBy with other arguments")
    wanted = request.get("desiredStatus") or "RUNNING"
    size = int(request.get("maxResults") or 100)
    if not 1 <= size <= 100:
        raise Refused("InvalidParameterException", "maxResults must be between 1 and 100.")
    family, service = request.get("family"), request.get("serviceName")
    found = [
        task["taskArn"]
        for task in ecs._tasks.values()
        if ecs._cluster_name_from_arn(task["clusterArn"]) == cluster
        and task["desiredStatus"] == wanted
        and (not started_by or task.get("startedBy") == started_by)
        and (not family or f":task-definition/{family}:" in task["taskDefinitionArn"])
        and (not service or task.get("group") == f"service:{service.rsplit('/', 1)[-1]}")
        and (not request.get("launchType") or task.get("launchType") == request["launchType"])
        and not request.get("containerInstance")
    ]
    first = int(request.get("nextToken") or 0)
    answer: dict[str, Any] = {"taskArns": found[first : first + size]}
    if first + size < len(found):
        answer["nextToken"] = str(first + size)
    return _succeed(answer)


# --- task definitions ------------------------------------------------------------------------------------------------


def registering(original: Call) -> Call:
    """Wrap MiniStack's RegisterTaskDefinition."""

    def register(request: Request) -> Answer:
        if "FARGATE" in request.get("requiresCompatibilities", []):
            check_fargate(request)
        containers = [described_container(each, request) for each in request.get("containerDefinitions") or []]
        answer = original({**request, "containerDefinitions": containers})
        if answer[0] >= 400:
            return answer
        made = json.loads(answer[2])
        definition = ecs._task_defs[f"{made['taskDefinition']['family']}:{made['taskDefinition']['revision']}"]
        for name in [name for name, value in definition.items() if value in (None, "")]:
            del definition[name]
        return _succeed({**made, "taskDefinition": definition})

    return register


def described_container(container: dict[str, Any], request: Request) -> dict[str, Any]:
    """A container definition as ECS gives it back: with what it fills in.

    Lists that were left out are empty, in the container and in its `capabilities`; `capabilities` that say nothing are
    dropped; a health check has its times, a port its protocol and, with `awsvpc`, its host port
    (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html names the defaults; the
    empty lists are as DescribeTaskDefinition answers).

    Args:
        container: the container definition of a RegisterTaskDefinition request.
        request: the request.
    """
    lists = ("portMappings", "environment", "mountPoints", "volumesFrom", "systemControls")
    result = {"cpu": 0, "essential": True, **{name: [] for name in lists}, **container}
    vpc = request.get("networkMode") == "awsvpc"
    result["portMappings"] = [
        {"protocol": "tcp", **({"hostPort": each["containerPort"]} if vpc and "containerPort" in each else {}), **each}
        for each in result["portMappings"]
    ]
    if "healthCheck" in result:
        result["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **result["healthCheck"]}
    if "linuxParameters" in result:
        linux = dict(result["linuxParameters"])
        capabilities = linux.pop("capabilities", None)
        if capabilities:
            linux["capabilities"] = {"add": [], "drop": [], **capabilities}
        result["linuxParameters"] = linux
    return result


def check_fargate(request: Request) -> None:
    """Check what Fargate demands of a task definition.

    Raises:
        Refused: it lacks a size, a network mode or an execution role that it needs.
    """
    cpu, memory = request.get("cpu"), request.get("memory")
    if not cpu or not memory:
        raise Refused("ClientException", "Fargate requires that 'cpu' and 'memory' be defined at the task level.")
    if int(memory) not in FARGATE_MEMORY_MIB.get(int(cpu), ()):
        raise Refused("ClientException", "No Fargate configuration exists for given values.")
    if request.get("networkMode", "awsvpc") != "awsvpc":
        raise Refused("ClientException", "Fargate only supports network mode 'awsvpc'.")
    if request.get("executionRoleArn"):
        return
    for container in request.get("containerDefinitions", []):
        if (container.get("logConfiguration") or {}).get("logDriver") == "awslogs":
            raise Refused(
                "ClientException",
                "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
            )
        if parse_reference(container.get("image", "")) is not None:
            raise Refused(
                "ClientException",
                "Fargate requires task definition to have execution role ARN to support ECR images.",
            )


def epoch_seconds(value: Any) -> Any:
    """A time as the ECS API sends it: seconds since 1970 with milliseconds; anything else unchanged."""
    if not isinstance(value, str) or not value:
        return value
    return datetime.fromisoformat(value).timestamp()
