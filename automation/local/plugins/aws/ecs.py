"""Elastic Container Service."""

import json
from typing import Any, ClassVar, Final

from automation.local.plugins.aws.base import (
    Aws,
    AwsResource,
    Request,
    compact,
    created,
    retrying,
    tag_changes,
    tag_list,
    tag_map,
    tolerating,
)
from automation.local.plugins.framework.errors import CheckFailure
from automation.local.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    MapOf,
    Object,
    Property,
    Scalar,
    SetOf,
    Table,
    sort_key,
)
from automation.local.plugins.framework.values import UNKNOWN, Properties

_SECONDS: Final = 600.0
_CLUSTER_GONE: Final = "ClusterNotFoundException"
_UPDATE_IN_PROGRESS: Final = "UpdateInProgressException"
_STRATEGY: Final = SetOf(
    Object(
        {
            "capacityProvider": Property(STRING, required=True),
            "base": Property(INTEGER, default=0),
            "weight": Property(INTEGER, default=0),
        }
    )
)


class Cluster(AwsResource):
    """`aws.ecs.Cluster`; its id is its ARN."""

    token = "aws:ecs/cluster:Cluster"
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "settings": Property(
            SetOf(Object({"name": Property(STRING, required=True), "value": Property(STRING, required=True)})),
            computed=True,
        ),
    }
    outputs = ("arn", "tagsAll")
    name_property = "name"

    def request(self, inputs: Properties) -> Request:
        """CreateCluster."""
        return Request(
            "ecs",
            "CreateCluster",
            compact(
                {
                    "clusterName": inputs["name"],
                    "settings": inputs.get("settings"),
                    "tags": tag_list(inputs, "key", "value") or None,
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateCluster, and wait until it is active."""
        arn = str(self.send(operation, inputs)["cluster"]["clusterArn"])
        with created(arn, inputs):
            self._wait(operation, arn, inputs)
        return arn

    def _wait(self, operation: Aws, arn: str, properties: Properties) -> None:
        def active() -> bool | None:
            cluster = self._describe(operation, arn, properties)
            return True if cluster is not None and cluster["status"] == "ACTIVE" else None

        operation.wait(f"{arn} to become active", active, default_seconds=_SECONDS)

    def _describe(self, operation: Aws, arn: str, state: Properties) -> dict[str, Any] | None:
        with tolerating(_CLUSTER_GONE):
            answer = self.client(operation, "ecs", state).describe_clusters(
                clusters=[arn], include=["TAGS", "SETTINGS"]
            )
            return next(iter(answer["clusters"]), None)
        return None

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeClusters."""
        cluster = self._describe(operation, resource_id, state)
        if cluster is None or cluster["status"] == "INACTIVE":
            return None
        settings = cluster.get("settings") or [{"name": "containerInsights", "value": "disabled"}]
        return {
            "name": cluster["clusterName"],
            "arn": cluster["clusterArn"],
            "settings": sorted(({"name": item["name"], "value": item["value"]} for item in settings), key=sort_key),
            "tags": tag_map(cluster.get("tags"), "key", "value"),
        }

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Settings and tags change in place."""
        ecs = self.client(operation, "ecs", new)
        if "settings" in changed:
            settings = new.get("settings") or [{"name": "containerInsights", "value": "disabled"}]
            ecs.update_cluster(cluster=resource_id, settings=settings)
            self._wait(operation, resource_id, new)
        if "tags" in changed:
            change_tags(ecs, resource_id, old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteCluster, once nothing runs in it, and wait until it is gone."""
        ecs = self.client(operation, "ecs", state)
        with tolerating(_CLUSTER_GONE):
            retrying(
                operation,
                f"{resource_id} to be empty",
                lambda: ecs.delete_cluster(cluster=resource_id),
                "ClusterContainsContainerInstancesException",
                "ClusterContainsServicesException",
                "ClusterContainsTasksException",
                _UPDATE_IN_PROGRESS,
                seconds=_SECONDS,
            )

        def gone() -> bool | None:
            cluster = self._describe(operation, resource_id, state)
            return True if cluster is None or cluster["status"] == "INACTIVE" else None

        operation.wait(f"{resource_id} to be gone", gone, default_seconds=_SECONDS)


class ClusterCapacityProviders(AwsResource):
    """`aws.ecs.ClusterCapacityProviders`; its id is its cluster's name."""

    token = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
    tagged = False
    properties: ClassVar[Table] = {
        "clusterName": Property(STRING, required=True, replaces=True),
        "capacityProviders": Property(SetOf(STRING)),
        "defaultCapacityProviderStrategies": Property(_STRATEGY),
    }

    def request(self, inputs: Properties) -> Request:
        """PutClusterCapacityProviders."""
        return Request(
            "ecs",
            "PutClusterCapacityProviders",
            {
                "cluster": inputs["clusterName"],
                "capacityProviders": sorted(inputs.get("capacityProviders") or ()),
                "defaultCapacityProviderStrategy": [
                    {
                        "capacityProvider": item["capacityProvider"],
                        "base": item.get("base", 0),
                        "weight": item.get("weight", 0),
                    }
                    for item in inputs.get("defaultCapacityProviderStrategies") or ()
                ],
            },
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """PutClusterCapacityProviders."""
        self._put(operation, inputs)
        return str(inputs["clusterName"])

    def _put(self, operation: Aws, inputs: Properties) -> None:
        retrying(
            operation,
            f"cluster {inputs['clusterName']} to be ready for a change",
            lambda: self.send(operation, inputs),
            _UPDATE_IN_PROGRESS,
            "ResourceInUseException",
            seconds=_SECONDS,
        )

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeClusters."""
        with tolerating(_CLUSTER_GONE):
            answer = self.client(operation, "ecs", state).describe_clusters(clusters=[resource_id])
            cluster = next((item for item in answer["clusters"] if item["status"] != "INACTIVE"), None)
            if cluster is not None:
                strategy = [
                    {
                        "capacityProvider": item["capacityProvider"],
                        "base": item.get("base", 0),
                        "weight": item.get("weight", 0),
                    }
                    for item in cluster.get("defaultCapacityProviderStrategy") or ()
                ]
                return {
                    "clusterName": cluster["clusterName"],
                    "capacityProviders": sorted(cluster.get("capacityProviders") or ()),
                    "defaultCapacityProviderStrategies": sorted(strategy, key=sort_key),
                }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """PutClusterCapacityProviders again."""
        del resource_id, old
        if changed:
            self._put(operation, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """Leave the cluster without capacity providers."""
        with tolerating(_CLUSTER_GONE):
            self._put(operation, {"clusterName": resource_id, "region": state.get("region")})


def containers_meaning(document: Any) -> Any:
    """Container definitions in the form that the published provider compares.

    It sees through what ECS fills in for a container (`essential`, a `cpu` of 0, empty lists, a port's protocol and
    host port, the times of a health check) and the order of containers, `environment` and `secrets`. It does not see
    through what ECS fills in further down: `capabilities` without `add` are others than those with an empty `add`
    (terraform-provider-aws, `internal/service/ecs/container_definitions.go`).
    """
    if not isinstance(document, list):
        return document
    meaning = [_container(item) if isinstance(item, dict) else item for item in _without_nulls(document)]
    return sorted(meaning, key=lambda item: (str(item.get("name")) if isinstance(item, dict) else "", sort_key(item)))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _container(container: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"essential": True}
    for key, value in container.items():
        members = [item for item in value if item not in (None, {})] if isinstance(value, list) else value
        if members == [] or (key == "cpu" and members == 0):
            continue
        if key in ("environment", "secrets"):
            members = sorted(members, key=sort_key)
        elif key == "portMappings" and isinstance(members, list):
            members = [_port(item) if isinstance(item, dict) else item for item in members]
        elif key == "healthCheck" and isinstance(members, dict):
            members = {"interval": 30, "retries": 3, "timeout": 5, **members}
        result[key] = members
    return result


def _port(mapping: dict[str, Any]) -> dict[str, Any]:
    # With `awsvpc` the host's port is the container's.
    port = {"protocol": "tcp", **mapping}
    if not port.get("hostPort") and "containerPort" in port:
        port["hostPort"] = port["containerPort"]
    return port


CONTAINERS: Final = Scalar("json", meaning=containers_meaning)


class TaskDefinition(AwsResource):
    """`aws.ecs.TaskDefinition`: one revision; its id is its family. Every change but of tags is a new revision."""

    token = "aws:ecs/taskDefinition:TaskDefinition"
    properties: ClassVar[Table] = {
        "family": Property(STRING, required=True, replaces=True),
        "containerDefinitions": Property(CONTAINERS, required=True, replaces=True),
        "cpu": Property(STRING, replaces=True),
        "memory": Property(STRING, replaces=True),
        "networkMode": Property(STRING, replaces=True, computed=True),
        "requiresCompatibilities": Property(SetOf(STRING), replaces=True),
        "executionRoleArn": Property(STRING, replaces=True),
        "taskRoleArn": Property(STRING, replaces=True),
        "runtimePlatform": Property(
            Object({"cpuArchitecture": Property(STRING), "operatingSystemFamily": Property(STRING)}), replaces=True
        ),
        "ephemeralStorage": Property(Object({"sizeInGib": Property(INTEGER, required=True)}), replaces=True),
        "volumes": Property(
            SetOf(
                Object(
                    {
                        "name": Property(STRING, required=True),
                        "hostPath": Property(STRING),
                        "dockerVolumeConfiguration": Property(
                            Object(
                                {
                                    "autoprovision": Property(BOOLEAN, default=False),
                                    "driver": Property(STRING),
                                    "driverOpts": Property(MapOf(STRING)),
                                    "labels": Property(MapOf(STRING)),
                                    "scope": Property(STRING, computed=True),
                                }
                            )
                        ),
                    }
                )
            ),
            replaces=True,
        ),
        "ipcMode": Property(STRING, replaces=True),
        "pidMode": Property(STRING, replaces=True),
        "enableFaultInjection": Property(BOOLEAN, replaces=True, computed=True),
        "skipDestroy": Property(BOOLEAN, default=False, unreadable=True),
        "trackLatest": Property(BOOLEAN, default=False, unreadable=True),
    }
    outputs = ("arn", "arnWithoutRevision", "revision", "tagsAll")

    def check(self, provider: Any, inputs: Properties) -> list[CheckFailure]:
        """Container definitions are a list; Fargate needs sizes for the task."""
        del provider
        failures: list[CheckFailure] = []
        text = inputs["containerDefinitions"]
        if text is not UNKNOWN and not isinstance(json.loads(text), list):
            failures.append(CheckFailure("containerDefinitions", "it must be a JSON list of container definitions"))
        compatibilities = inputs.get("requiresCompatibilities")
        if isinstance(compatibilities, list) and "FARGATE" in compatibilities:
            failures += [
                CheckFailure(name, "a Fargate task definition needs it")
                for name in ("cpu", "memory")
                if inputs.get(name) is None
            ]
            if inputs.get("networkMode") not in ("awsvpc", UNKNOWN):
                failures.append(CheckFailure("networkMode", "a Fargate task definition needs awsvpc"))
        return failures

    def request(self, inputs: Properties) -> Request | None:
        """RegisterTaskDefinition."""
        if inputs["containerDefinitions"] is UNKNOWN:
            return None
        storage = inputs.get("ephemeralStorage")
        return Request(
            "ecs",
            "RegisterTaskDefinition",
            compact(
                {
                    "family": inputs["family"],
                    "containerDefinitions": json.loads(inputs["containerDefinitions"]),
                    "cpu": inputs.get("cpu"),
                    "memory": inputs.get("memory"),
                    "networkMode": inputs.get("networkMode"),
                    "requiresCompatibilities": inputs.get("requiresCompatibilities"),
                    "executionRoleArn": inputs.get("executionRoleArn"),
                    "taskRoleArn": inputs.get("taskRoleArn"),
                    "runtimePlatform": inputs.get("runtimePlatform"),
                    "ephemeralStorage": storage and {"sizeInGiB": storage["sizeInGib"]},
                    "volumes": [_volume(item) for item in inputs.get("volumes") or ()] or None,
                    "ipcMode": inputs.get("ipcMode"),
                    "pidMode": inputs.get("pidMode"),
                    "enableFaultInjection": inputs.get("enableFaultInjection"),
                    "tags": tag_list(inputs, "key", "value") or None,
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """RegisterTaskDefinition."""
        definition = self.send(operation, inputs)["taskDefinition"]
        # The engine keeps the state that the read after this gives; it needs to know which revision is meant.
        inputs["arn"] = definition["taskDefinitionArn"]
        return str(definition["family"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeTaskDefinition of the revision in the state; an import's id is a revision's ARN."""
        wanted = resource_id if state.get("trackLatest") else state.get("arn") or resource_id
        with tolerating("ClientException", "InvalidParameterException"):
            answer = self.client(operation, "ecs", state).describe_task_definition(
                taskDefinition=wanted, include=["TAGS"]
            )
            definition = answer["taskDefinition"]
            if definition.get("status", "ACTIVE") == "INACTIVE":
                return None
            storage, platform = definition.get("ephemeralStorage"), definition.get("runtimePlatform")
            containers = json.dumps(definition["containerDefinitions"], sort_keys=True, separators=(",", ":"))
            return {
                "family": definition["family"],
                "arn": definition["taskDefinitionArn"],
                "arnWithoutRevision": definition["taskDefinitionArn"].rsplit(":", 1)[0],
                "revision": definition["revision"],
                "containerDefinitions": containers,
                "cpu": definition.get("cpu"),
                "memory": definition.get("memory"),
                "networkMode": definition.get("networkMode"),
                "requiresCompatibilities": sorted(definition.get("requiresCompatibilities") or ()) or None,
                "executionRoleArn": definition.get("executionRoleArn") or None,
                "taskRoleArn": definition.get("taskRoleArn") or None,
                "runtimePlatform": platform or None,
                "ephemeralStorage": storage and {"sizeInGib": storage["sizeInGiB"]},
                "volumes": [_found_volume(item) for item in definition.get("volumes") or ()] or None,
                "ipcMode": definition.get("ipcMode") or None,
                "pidMode": definition.get("pidMode") or None,
                "enableFaultInjection": bool(definition.get("enableFaultInjection")),
                "skipDestroy": state.get("skipDestroy"),
                "trackLatest": state.get("trackLatest"),
                "tags": tag_map(answer.get("tags"), "key", "value"),
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Only tags change in place."""
        del resource_id
        if "tags" in changed:
            change_tags(self.client(operation, "ecs", new), old["arn"], old, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeregisterTaskDefinition; ECS itself keeps inactive revisions."""
        if not state.get("skipDestroy"):
            with tolerating("ClientException", "InvalidParameterException"):
                self.client(operation, "ecs", state).deregister_task_definition(
                    taskDefinition=state.get("arn") or resource_id
                )


def _volume(volume: Properties) -> dict[str, Any]:
    docker = volume.get("dockerVolumeConfiguration")
    host = volume.get("hostPath")
    return compact({"name": volume["name"], "host": host and {"sourcePath": host}, "dockerVolumeConfiguration": docker})


def _found_volume(volume: dict[str, Any]) -> Properties:
    return compact(
        {
            "name": volume["name"],
            "hostPath": (volume.get("host") or {}).get("sourcePath") or None,
            "dockerVolumeConfiguration": volume.get("dockerVolumeConfiguration") or None,
        }
    )


def change_tags(ecs: Any, arn: str, old: Properties, new: Properties) -> None:
    """TagResource and UntagResource of ECS."""
    changes, removed = tag_changes(old, new)
    if removed:
        ecs.untag_resource(resourceArn=arn, tagKeys=removed)
    if changes:
        ecs.tag_resource(resourceArn=arn, tags=tag_list({"tags": changes}, "key", "value"))
