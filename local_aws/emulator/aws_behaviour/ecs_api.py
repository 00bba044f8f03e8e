"""RunTask, DescribeTasks, ListTasks and the task definitions they use, as the ECS API answers.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html and its neighbours: what is refused,
with which exception; client tokens; which revision a bare family means; tags that are propagated.
"""

from __future__ import annotations

import contextvars
import copy
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ministack.core.concurrency import resource_lock
from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, ecs

from local_aws.emulator.aws_behaviour import fargate_quota, permissions
from local_aws.emulator.aws_behaviour.calls import Answer, Call, Refused, Request, amended, succeed
from local_aws.emulator.aws_behaviour.patching import around, instead
from local_aws.emulator.runtimes.images import parse_reference

MAXIMUM_OVERRIDES_CHARACTERS = 8192
MAXIMUM_TASKS_PER_CALL = 10
MAXIMUM_DESCRIBED_TASKS = 100
MAXIMUM_CHARACTERS = {"startedBy": 128, "clientToken": 64}

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


injected_failures: contextvars.ContextVar[Sequence[Mapping[str, str]]] = contextvars.ContextVar("failures", default=())
"""The `failures[]` with which a fault rule has the current RunTask answered."""
vcpu_quota: contextvars.ContextVar[float | None] = contextvars.ContextVar("vcpu_quota", default=None)
"""The account's quota of Fargate vCPUs that a fault rule sets for the current RunTask; None for none."""


def _invalid(message: str) -> Refused:
    return Refused("InvalidParameterException", message)


# --- which cluster, which definition ---------------------------------------------------------------------------------


def require_cluster(request: Request) -> str:
    """The name of the cluster that a call means; refused where there is none (`ClusterNotFoundException`)."""
    name = ecs._resolve_cluster_name(request.get("cluster") or "default")
    if name is None or name not in ecs._clusters or ecs._clusters[name]["status"] != "ACTIVE":
        raise Refused("ClusterNotFoundException", "Cluster not found.")
    return str(name)


@instead("ecs_api.latest_active", ecs, "_resolve_td_key")
def resolve_task_definition(reference: str) -> str | None:
    """`family:revision`; for a bare family its latest ACTIVE revision, as AWS resolves it."""
    key = ecs._ecs_single_resource_tail(reference, "task-definition") if reference.startswith("arn:") else reference
    active = [
        definition["revision"]
        for definition in ecs._task_defs.values()
        if definition["family"] == key and definition["status"] == "ACTIVE"
    ]
    return f"{key}:{max(active)}" if active else key


def require_runnable(reference: str) -> dict[str, Any]:
    """The task definition that RunTask means; refused where it does not exist or was deregistered."""
    definition: dict[str, Any] | None = ecs._task_defs.get(resolve_task_definition(reference))
    if definition is None or definition["status"] == "DELETE_IN_PROGRESS":
        raise Refused("ClientException", "TaskDefinition not found.")
    if definition["status"] != "ACTIVE":
        raise Refused("ClientException", "TaskDefinition is inactive")
    return definition


# --- RunTask ---------------------------------------------------------------------------------------------------------


def check_run_task(request: Request, cluster: str) -> dict[str, Any]:
    """Refuse what AWS would refuse of a RunTask request; returns the task definition it means."""
    definition = require_runnable(request.get("taskDefinition", ""))
    if not 1 <= request.get("count", 1) <= MAXIMUM_TASKS_PER_CALL:
        raise _invalid(f"Count must be between 1 and {MAXIMUM_TASKS_PER_CALL}.")
    for name, most in MAXIMUM_CHARACTERS.items():
        if len(request.get(name, "")) > most:
            raise _invalid(f"{name} must be at most {most} characters long.")
    overrides = request.get("overrides", {})
    _check_capacity(request, cluster)
    _check_overrides(overrides, definition)
    _check_network(request, definition)
    task = f"arn:aws:ecs:{get_region()}:{get_account_id()}:task/{cluster}/*"
    for name in ("taskRoleArn", "executionRoleArn"):
        role = overrides.get(name) or definition.get(name)
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
        raise _invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    missing = sorted(set(providers) - set(ecs._clusters[cluster].get("capacityProviders") or ()))
    if missing:
        raise _invalid(f"The capacity provider {missing[0]} is not associated with the cluster {cluster}.")


def _check_overrides(overrides: dict[str, Any], definition: dict[str, Any]) -> None:
    if len(json.dumps(overrides, separators=(",", ":"))) > MAXIMUM_OVERRIDES_CHARACTERS:
        raise _invalid(f"Container Overrides length must be at most {MAXIMUM_OVERRIDES_CHARACTERS}")
    size = {**definition, **overrides}
    if {"cpu", "memory"} & {*overrides}:
        _check_fargate_size(size.get("cpu", "0"), size.get("memory", "0"))
    known = {container["name"] for container in definition.get("containerDefinitions", [])}
    for override in overrides.get("containerOverrides", []):
        if override.get("name") not in known:
            raise _invalid(
                f"Override for container named {override.get('name')} is not a container in the TaskDefinition."
            )


def _check_network(request: Request, definition: dict[str, Any]) -> None:
    if definition.get("networkMode") != "awsvpc":
        return
    network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if not network:
        raise _invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    subnets, groups = network.get("subnets") or [], network.get("securityGroups") or []
    if not subnets:
        raise _invalid("subnets can not be empty.")
    for kind, there, wanted in (("subnet ID", ec2._subnets, subnets), ("security group", ec2._security_groups, groups)):
        for each in wanted:
            if each not in there:
                raise _invalid(f"The {kind} '{each}' does not exist")
    vpcs = {ec2._subnets[each]["VpcId"] for each in subnets} | {ec2._security_groups[each]["VpcId"] for each in groups}
    if len(vpcs) > 1:
        raise _invalid("The provided subnets and security groups are not all in the same VPC.")


def count_tasks_when_described() -> None:
    """Let DescribeClusters alone count the tasks of a cluster: each RunTask would look at every task there ever was."""
    describe: Call = ecs._ACTION_MAP["DescribeClusters"]
    count = ecs._recount_cluster
    is_described = contextvars.ContextVar("is_described", default=False)

    def described_clusters(request: Request) -> Answer:
        token = is_described.set(True)
        try:
            return describe(request)
        finally:
            is_described.reset(token)

    ecs._ACTION_MAP["DescribeClusters"] = described_clusters
    ecs._recount_cluster = lambda cluster: count(cluster) if is_described.get() else None


_lock = threading.Lock()
_remembered: dict[tuple[str, str, str], tuple[Request, dict[str, Any]]] = {}
"""RunTask requests and their answers by account, region and client token, for as long as the emulator runs."""


@around("ecs_api.run_task", ecs, "_ACTION_MAP", "RunTask")
def run_task(original: Call, request: Request) -> Answer:
    """Wrap RunTask: what AWS refuses is refused, and a client token again is the same answer.

    MiniStack creates the records of the tasks and starts their lives.
    """
    cluster = require_cluster(request)
    key = (get_account_id(), get_region(), request.get("clientToken") or "")
    with _lock:
        if key in _remembered:
            return succeed(_replay(*_remembered[key], request))
        answer = _run(original, request, cluster)
        if key[2]:
            _remembered[key] = copy.deepcopy(request), answer
        return succeed(answer)


def _replay(first_request: Request, answer: dict[str, Any], request: Request) -> dict[str, Any]:
    task_arns = [task["taskArn"] for task in answer["tasks"]]
    if request != first_request:
        raise Refused(
            "ConflictException",
            "The request parameters do not match those of the request that first used this client token.",
            resourceIds=task_arns,
        )
    tasks = [described(ecs._tasks[arn]) for arn in task_arns if arn in ecs._tasks]
    return {"tasks": tasks, "failures": answer["failures"]}


def _run(original: Call, request: Request, cluster: str) -> dict[str, Any]:
    definition = check_run_task(request, cluster)
    failures = [dict(each) for each in injected_failures.get()]
    if failures:
        return {"tasks": [], "failures": failures}
    quota, wanted = vcpu_quota.get(), request.get("count", 1)
    count = wanted if quota is None else fargate_quota.room(quota, request, definition, cluster)
    refused = [{"reason": fargate_quota.REACHED} for _ in range(wanted - count)]
    if not count:
        return {"tasks": [], "failures": refused}
    status, _headers, body = original(
        {
            **request,
            "count": count,
            "cluster": cluster,
            "taskDefinition": f"{definition['family']}:{definition['revision']}",
            "group": request.get("group") or f"family:{definition['family']}",
            "tags": propagated_tags(request, definition),
        }
    )
    answer: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise Refused(answer["__type"], answer.get("message", ""))
    return {"tasks": [described(task) for task in answer["tasks"]], "failures": answer["failures"] + refused}


def propagated_tags(request: Request, definition: dict[str, Any]) -> list[dict[str, str]]:
    """The tags of the tasks: the request's, over those of the task definition where they are to be propagated."""
    tags: dict[str, str] = {}
    if request.get("propagateTags") == "TASK_DEFINITION":
        tags.update({tag["key"]: tag["value"] for tag in ecs._tags.get(definition["taskDefinitionArn"], [])})
    tags.update({tag["key"]: tag["value"] for tag in request.get("tags", [])})
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


def task_arn(reference: str, cluster: str) -> str:
    """The ARN of a task of the cluster that is named by its ARN or its id."""
    prefix = f"arn:aws:ecs:{get_region()}:{get_account_id()}:task/{cluster}"
    return reference if reference.startswith("arn:") else f"{prefix}/{reference}"


def find_task(reference: str, cluster: str) -> dict[str, Any] | None:
    """A task of the cluster, by its ARN or its id."""
    task: dict[str, Any] | None = ecs._tasks.get(task_arn(reference, cluster))
    return task if task is not None and _is_in(task, cluster) else None


def _is_in(task: dict[str, Any], cluster: str) -> bool:
    return bool(ecs._cluster_name_from_arn(task["clusterArn"]) == cluster)


@instead("ecs_api.describe_tasks", ecs, "_ACTION_MAP", "DescribeTasks")
def describe_tasks(request: Request) -> Answer:
    """The DescribeTasks call: stopped tasks too, `MISSING` for what the cluster does not know."""
    references = request.get("tasks", [])
    if len(references) > MAXIMUM_DESCRIBED_TASKS:
        raise _invalid(f"Tasks cannot have more than {MAXIMUM_DESCRIBED_TASKS} elements.")
    if not references:
        raise _invalid("Tasks cannot be empty.")
    cluster = require_cluster(request)
    tasks, failures = [], []
    for reference in references:
        task = find_task(reference, cluster)
        if task is None:
            failures.append({"arn": task_arn(reference, cluster), "reason": "MISSING"})
        else:
            tags = ecs._tags.get(task["taskArn"], []) if "TAGS" in request.get("include", []) else []
            tasks.append({**described(task), "tags": tags})
    return succeed({"tasks": tasks, "failures": failures})


_OTHER_FILTERS = ("family", "serviceName", "desiredStatus", "containerInstance", "launchType")
"""What `startedBy` cannot stand beside: "it must be the only filter that you use"
(https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html)."""


@instead("ecs_api.list_tasks", ecs, "_ACTION_MAP", "ListTasks")
def list_tasks(request: Request) -> Answer:
    """The ListTasks call. No task belongs to a service or a container instance."""
    cluster = require_cluster(request)
    started_by, family, launch_type = (request.get(name) for name in ("startedBy", "family", "launchType"))
    if started_by and any(request.get(name) for name in _OTHER_FILTERS):
        raise _invalid("cannot specify startedBy with other arguments")
    size = int(request.get("maxResults", 100))
    if not 1 <= size <= 100:
        raise _invalid("maxResults must be between 1 and 100.")
    found = [
        task["taskArn"]
        for task in ecs._tasks.values()
        if _is_in(task, cluster)
        and task["desiredStatus"] == request.get("desiredStatus", "RUNNING")
        and (not started_by or task.get("startedBy") == started_by)
        and (not family or f":task-definition/{family}:" in task["taskDefinitionArn"])
        and (not launch_type or task.get("launchType") == launch_type)
        and not (request.get("containerInstance") or request.get("serviceName"))
    ]
    first = int(request.get("nextToken", 0))
    answer: dict[str, Any] = {"taskArns": found[first : first + size]}
    if first + size < len(found):
        answer["nextToken"] = str(first + size)
    return succeed(answer)


# --- task definitions ------------------------------------------------------------------------------------------------


@around("ecs_api.register", ecs, "_ACTION_MAP", "RegisterTaskDefinition")
def register(original: Call, request: Request) -> Answer:
    """Wrap RegisterTaskDefinition: Fargate's demands are checked, containers get ECS's defaults."""
    if "FARGATE" in request.get("requiresCompatibilities", []):
        check_fargate(request)
    containers = [described_container(each) for each in request.get("containerDefinitions", [])]

    def clean(made: dict[str, Any]) -> dict[str, Any]:
        definition = ecs._task_defs[f"{made['taskDefinition']['family']}:{made['taskDefinition']['revision']}"]
        for name in [name for name, value in definition.items() if value in (None, "")]:
            del definition[name]
        return {**made, "taskDefinition": definition}

    return amended(original({**request, "containerDefinitions": containers}), clean)


def described_container(container: dict[str, Any]) -> dict[str, Any]:
    """A container definition of a RegisterTaskDefinition request as ECS returns it: with what it fills in.

    Lists that were left out are empty, in the container and in its `capabilities`; `capabilities` that say nothing are
    dropped (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html names the defaults;
    the empty lists are as DescribeTaskDefinition returns them).
    """
    lists = ("portMappings", "environment", "mountPoints", "volumesFrom", "systemControls")
    result = {"cpu": 0, "essential": True, **{name: [] for name in lists}, **container}
    if "linuxParameters" in result:
        linux = dict(result["linuxParameters"])
        capabilities = linux.pop("capabilities", None)
        if capabilities:
            linux["capabilities"] = {"add": [], "drop": [], **capabilities}
        result["linuxParameters"] = linux
    return result


def _check_fargate_size(cpu: str, memory: str) -> None:
    if int(memory) not in FARGATE_MEMORY_MIB.get(int(cpu), ()):
        raise Refused("ClientException", "No Fargate configuration exists for given values.")


def check_fargate(request: Request) -> None:
    """Refuse a task definition that lacks a size, a network mode or an execution role that Fargate demands."""
    cpu, memory = request.get("cpu"), request.get("memory")
    if not cpu or not memory:
        raise Refused("ClientException", "Fargate requires that 'cpu' and 'memory' be defined at the task level.")
    _check_fargate_size(cpu, memory)
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


@instead("ecs_api.times", ecs, "_ts_to_epoch")
def epoch_seconds(value: Any) -> Any:
    """A time as the ECS API sends it: seconds since 1970 with milliseconds; anything else unchanged."""
    if not isinstance(value, str) or not value:
        return value
    return datetime.fromisoformat(value).timestamp()
