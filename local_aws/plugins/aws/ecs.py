"""Elastic Container Service."""

import json
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, AwsResource, Retry, tolerating
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import CheckFailure
from local_aws.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    Property,
    Scalar,
    SetOf,
    Table,
    optional,
    required,
    sort_key,
)
from local_aws.plugins.framework.values import UNKNOWN, Properties

_SECONDS: Final = 600.0
_CLUSTER_GONE: Final = ("ClusterNotFoundException",)


class _OfCluster(AwsResource):
    """A cluster, or a setting of one."""

    service = "ecs"
    gone = _CLUSTER_GONE

    def describe(self, operation: Aws, name: str) -> dict[str, Any] | None:
        """The cluster, if it exists and is not inactive."""
        with tolerating(*_CLUSTER_GONE):
            answer = self.client(operation).describe_clusters(clusters=[name], include=["TAGS", "SETTINGS"])
            return next((item for item in answer["clusters"] if item["status"] != "INACTIVE"), None)
        return None

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeClusters."""
        cluster = self.describe(operation, resource_id)
        return cluster and self.found(cluster)


class Cluster(_OfCluster):
    """`aws.ecs.Cluster`; its id is its ARN."""

    token = "aws:ecs/cluster:Cluster"
    name_property = "name"
    creates = "CreateCluster"
    renamed: ClassVar = {"name": "clusterName", "arn": "clusterArn"}
    in_use = Retry(
        "{id} to be empty",
        (
            "ClusterContainsContainerInstancesException",
            "ClusterContainsServicesException",
            "ClusterContainsTasksException",
            "UpdateInProgressException",
        ),
        _SECONDS,
    )
    gone_seconds = _SECONDS
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "settings": Property(SetOf(required(name=STRING, value=STRING)), required=True),
    }
    outputs = ("arn", "tagsAll")
    deletes_before_replace = True

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateCluster."""
        return str(self.send(operation, inputs)["cluster"]["clusterArn"])

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateCluster."""
        self.client(operation).update_cluster(cluster=resource_id, settings=new["settings"])

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteCluster."""
        self.client(operation).delete_cluster(cluster=resource_id)


class ClusterCapacityProviders(_OfCluster):
    """`aws.ecs.ClusterCapacityProviders`; its id is its cluster's name."""

    token = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
    creates = "PutClusterCapacityProviders"
    puts = True
    id_property = "clusterName"
    tagged = False
    not_yet = Retry(
        "cluster {clusterName} to be ready for a change",
        ("UpdateInProgressException", "ResourceInUseException"),
        _SECONDS,
    )
    properties: ClassVar[Table] = {
        "clusterName": Property(STRING, required=True, replaces=True),
        "capacityProviders": Property(SetOf(STRING), required=True),
    }

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """PutClusterCapacityProviders."""
        parameters = {"cluster": inputs["clusterName"], "capacityProviders": inputs["capacityProviders"]}
        return {**parameters, "defaultCapacityProviderStrategy": []}

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """Leave the cluster without capacity providers."""
        self.create(operation, {"clusterName": resource_id, "capacityProviders": []})


def containers_meaning(document: Any) -> Any:
    """Container definitions in the form that the published provider compares.

    It ignores what ECS fills in for a container (`essential`, a `cpu` of 0, empty lists) and the order of containers,
    `environment` and `secrets`. It does not ignore what ECS fills in further down: `capabilities` without `add` differ
    from those with an empty `add` (terraform-provider-aws, `internal/service/ecs/container_definitions.go`).
    """
    if not isinstance(document, list):
        return document
    meaning = [_container(item) if isinstance(item, dict) else item for item in document]
    return sorted(meaning, key=lambda item: (str(item.get("name")) if isinstance(item, dict) else "", sort_key(item)))


def _container(container: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"essential": True}
    for key, value in container.items():
        members = [item for item in value if item not in (None, {})] if isinstance(value, list) else value
        if members == [] or (key == "cpu" and members == 0):
            continue
        if key in ("environment", "secrets"):
            members = sorted(members, key=sort_key)
        result[key] = members
    return result


CONTAINERS: Final = Scalar("json", meaning=containers_meaning)


class TaskDefinition(AwsResource):
    """`aws.ecs.TaskDefinition`: one revision; its id is its family. Every change but of tags is a new revision."""

    token = "aws:ecs/taskDefinition:TaskDefinition"
    service = "ecs"
    creates = "RegisterTaskDefinition"
    renamed: ClassVar = {"arn": "taskDefinitionArn"}
    gone = ("ClientException", "InvalidParameterException")
    properties: ClassVar[Table] = {
        "family": Property(STRING, required=True, replaces=True),
        "containerDefinitions": Property(CONTAINERS, required=True, replaces=True),
        "cpu": Property(STRING, required=True, replaces=True),
        "memory": Property(STRING, required=True, replaces=True),
        "networkMode": Property(STRING, required=True, replaces=True, allowed=("awsvpc",)),
        "requiresCompatibilities": Property(SetOf(STRING), replaces=True),
        "executionRoleArn": Property(STRING, replaces=True),
        "taskRoleArn": Property(STRING, replaces=True),
        "runtimePlatform": Property(optional(cpuArchitecture=STRING, operatingSystemFamily=STRING), replaces=True),
        "ephemeralStorage": Property(required(sizeInGib=INTEGER), replaces=True),
        "skipDestroy": Property(BOOLEAN, default=False, unreadable=True),
    }
    outputs = ("arn", "arnWithoutRevision", "revision", "tagsAll")

    def check(self, provider: AwsProvider, inputs: Properties) -> list[CheckFailure]:
        """Container definitions are a list."""
        text = inputs["containerDefinitions"]
        if text is UNKNOWN or isinstance(json.loads(text), list):
            return []
        return [CheckFailure("containerDefinitions", "it must be a JSON list of container definitions")]

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """RegisterTaskDefinition."""
        containers = json.loads(inputs["containerDefinitions"])
        return {**super().request(provider, inputs), "containerDefinitions": containers}

    def create(self, operation: Aws, inputs: Properties) -> str:
        """RegisterTaskDefinition."""
        definition = self.send(operation, inputs)["taskDefinition"]
        # The read that follows takes the revision from here.
        inputs["arn"] = definition["taskDefinitionArn"]
        return str(definition["family"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeTaskDefinition of the revision in the state."""
        answer = self.client(operation).describe_task_definition(taskDefinition=state["arn"], include=["TAGS"])
        definition = answer["taskDefinition"]
        if definition.get("status", "ACTIVE") == "INACTIVE":
            return None
        containers = json.dumps(definition["containerDefinitions"], sort_keys=True, separators=(",", ":"))
        return {
            **self.found(definition),
            "arnWithoutRevision": definition["taskDefinitionArn"].rsplit(":", 1)[0],
            "containerDefinitions": containers,
            "tags": answer.get("tags"),
        }

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeregisterTaskDefinition; ECS itself keeps inactive revisions."""
        if not state.get("skipDestroy"):
            self.client(operation).deregister_task_definition(taskDefinition=state["arn"])
