"""A stand-in for the Pulumi engine that records the resources that the program registers."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pulumi
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.rpc import _special_resource_sig, _special_sig_key
from pulumi.runtime.settings import get_root_resource

from ecs_kit.components import program
from ecs_kit.components.config import NAMESPACE
from ecs_kit.components.names import DeploymentTarget

TARGET = DeploymentTarget(partition="aws", account="123456789012", region="eu-central-1")
ZONE_IDS = ("euc1-az2", "euc1-az3", "euc1-az1")
EXISTING: dict[str, Any] = {
    "getVpc": {"enableDnsSupport": True, "enableDnsHostnames": True},
    "getSubnet": {
        "subnet-aaaaaaaa": {
            "vpcId": "vpc-11111111",
            "availabilityZone": f"{TARGET.region}a",
            "cidrBlock": "10.0.0.0/24",
        },
        "subnet-bbbbbbbb": {
            "vpcId": "vpc-11111111",
            "availabilityZone": f"{TARGET.region}b",
            "cidrBlock": "10.0.1.0/24",
        },
    },
    "getRouteTable": {
        "subnet-aaaaaaaa": {"routeTableId": "rtb-1", "routes": []},
        "main": {"routeTableId": "rtb-0", "routes": []},
    },
    "getVpcEndpoint": {},
    "getNatGateways": {"ids": []},
    "getSecurityGroup": {"sg-11111111": {"vpcId": "vpc-11111111"}},
    "getSecurityGroupRules": {"ids": []},
    "getSecurityGroupRule": {},
    "getCluster": {"own": {"status": "ACTIVE"}},
}
"""Answers of lookups in an existing network, where it says so by what is looked up: an id, a service, a name.

It has two subnets, of which the second has the VPC's main route table, without endpoints and without a way out.
"""
PROJECT = Path(__file__).resolve().parents[3]


@dataclass
class Resource:
    """A resource as the engine would see it."""

    type: str
    name: str
    inputs: dict[str, Any]
    transforms: list[pulumi.ResourceTransform]
    urn: str
    parent: str
    dependencies: tuple[str, ...]
    delete_timeout: str
    protect: bool
    retained: bool
    ignored: tuple[str, ...]
    replacing: tuple[str, ...]
    former: tuple[str, ...]
    """URNs, or parents' URNs, in its aliases."""

    def document(self, key: str) -> Any:
        """The JSON document in one of its inputs."""
        return json.loads(self.inputs[key])


class Recorder(pulumi.runtime.Mocks, MockMonitor):
    """Answers as the providers would, as far as the program reads answers, and keeps every request."""

    def __init__(self) -> None:
        MockMonitor.__init__(self, self)
        self.recorded: list[Resource] = []
        self._thread = threading.local()

    def RegisterResource(self, request: Any) -> Any:
        # Resources are registered from several threads at once.
        self._thread.request = request
        return super().RegisterResource(request)

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:  # type: ignore[override]
        answers: dict[str, dict[str, Any]] = {
            "getCallerIdentity": {"accountId": TARGET.account},
            "getPartition": {"partition": TARGET.partition},
            "getRegion": {"region": TARGET.region},
            "getAvailabilityZones": {
                "names": [f"{TARGET.region}{letter}" for letter in "abc"],
                "zoneIds": list(ZONE_IDS),
            },
            "getAuthorizationToken": {"proxyEndpoint": "https://registry", "userName": "AWS", "password": "a-token"},
            "getImages": {"imageIds": []},
        }
        function = args.token.rsplit(":", 1)[1]
        return answers[function] if function in answers else _existing(function, args.args)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        request = self._thread.request
        self.recorded.append(
            Resource(
                type=args.typ,
                name=args.name,
                inputs=args.inputs,
                transforms=args.transforms,
                urn=self.make_urn(request.parent, request.type, request.name),
                parent=request.parent,
                dependencies=tuple(request.dependencies),
                delete_timeout=request.customTimeouts.delete,
                protect=request.protect,
                retained=request.retainOnDelete,
                ignored=tuple(request.ignoreChanges),
                replacing=tuple(request.replaceOnChanges),
                former=tuple(alias.urn or alias.spec.parentUrn for alias in request.aliases),
            )
        )
        inputs = {} if args.typ == "awsx:ec2:Vpc" else args.inputs
        return f"{args.name}-id", {**inputs, **self._computed(args)}

    def _computed(self, args: pulumi.runtime.MockResourceArgs) -> dict[str, Any]:
        """The outputs that a provider adds to a resource's inputs."""
        name = args.inputs.get("name", args.name)
        match args.typ.rsplit(":", 1)[1]:
            case "Vpc":
                kinds = ["private"] if args.inputs.get("subnetSpecs") else ["public", "private"]
                layout = [f"{kind}-{zone}" for zone in (1, 2) for kind in kinds]
                return {
                    "vpcId": "vpc-1",
                    "privateSubnetIds": ["subnet-a", "subnet-b"],
                    "publicSubnetIds": ["subnet-public-1", "subnet-public-2"] if "public" in kinds else [],
                    "internetGateway": self._child("aws:ec2/internetGateway:InternetGateway", name, "igw-1"),
                    "subnets": [self._child("aws:ec2/subnet:Subnet", each, f"subnet-{each}") for each in layout],
                    "routeTables": [
                        self._child("aws:ec2/routeTable:RouteTable", each, f"rtb-{each}") for each in layout
                    ],
                }
            case "VpcEndpoint" if args.inputs["vpcEndpointType"] == "Gateway":
                return {"prefixListId": f"pl-{args.inputs['serviceName'].rsplit('.', 1)[1]}"}
            case "Repository":
                url = f"{TARGET.account}.dkr.ecr.{TARGET.region}.amazonaws.com/{name}"
                return {"registryId": TARGET.account, "repositoryUrl": url}
            case "Image":
                return {"repoDigest": args.inputs["imageName"].rsplit(":", 1)[0] + "@sha256:" + "0" * 64}
            case "TaskDefinition":
                return {"revision": 7}
            case "Role":
                return {"arn": f"arn:{TARGET.partition}:iam::{TARGET.account}:role/{name}"}
            case "StateMachine":
                return {"arn": TARGET.arn("states", f"stateMachine:{name}")}
            case "Function":
                arn = TARGET.arn("lambda", f"function:{name}")
                return {"arn": arn, "version": "3", "qualifiedArn": f"{arn}:3"}
            case "LogGroup":
                return {"arn": TARGET.arn("logs", f"log-group:{name}")}
            case "Secret":
                return {"arn": TARGET.arn("secretsmanager", f"secret:{name}-AbCdEf")}
            case "Queue":
                url = f"https://sqs.{TARGET.region}.amazonaws.com/{TARGET.account}/{name}"
                return {"arn": TARGET.arn("sqs", name), "url": url}
            case "EventRule":
                return {"arn": TARGET.arn("events", f"rule/{name}")}
        return {}

    def _child(self, kind: str, name: str, resource_id: str) -> dict[str, str]:
        """A child that the awsx plugin would make, as the reference to a resource that it hands back."""
        urn = self.make_urn("", kind, name)
        self.resources[urn] = MockMonitor.ResourceRegistration(urn, resource_id, {})
        return {_special_sig_key: _special_resource_sig, "urn": urn, "id": resource_id}


class NotFound(grpc.RpcError):
    """A lookup finds nothing, as the provider says it."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return "no matching thing found"


def _existing(function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    answer = EXISTING[function]
    if function in ("getVpc", "getNatGateways", "getSecurityGroupRules"):
        return answer
    asked = ("id", "subnetId", "serviceName", "securityGroupRuleId", "clusterName")
    key = next((arguments[name] for name in asked if arguments.get(name)), "main")
    if key not in answer:
        raise NotFound
    return {"id": key, **answer[key]}


@dataclass
class Deployment:
    """The resources that a program registered, and its stack outputs."""

    resources: list[Resource]
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[Resource]:
        """The resources of a type, such as `Function`."""
        return [resource for resource in self.resources if resource.type.rsplit(":", 1)[1] == kind]

    def the(self, kind: str, name: str = "") -> Resource:
        """The one resource of a type whose logical name ends with `name`."""
        (found,) = [resource for resource in self.of(kind) if resource.name.endswith(name)]
        return found

    def container(self) -> dict[str, Any]:
        """The one container of the one task definition."""
        (definition,) = self.the("TaskDefinition").document("containerDefinitions")
        return definition

    def environment(self) -> dict[str, str]:
        """The variables of `container`."""
        return {pair["name"]: pair["value"] for pair in self.container()["environment"]}


def run(body: Callable[[], Any], config: Mapping[str, str] | None = None) -> Deployment:
    """Run a Pulumi program against the recorder, wait for all of it, and return what it did."""
    recorder = Recorder()
    pulumi.runtime.settings.set_root_resource(None)
    pulumi.runtime.set_mocks(recorder, project=NAMESPACE, stack="test", monitor=recorder)
    pulumi.runtime.set_all_config({f"{NAMESPACE}:{key}": value for key, value in (config or {}).items()})
    outputs: dict[str, Any] = {}

    @pulumi.runtime.test
    def whole() -> pulumi.Output[Any]:
        body()
        root = get_root_resource()
        assert root is not None
        return pulumi.Output.from_input(dict(root.outputs)).apply(outputs.update)

    whole()
    return Deployment(recorder.recorded, outputs)


_deployments: dict[str, Deployment] = {}

OTHER_VALUES = {
    "targetPrefix": "out/here",
    "sourceBuckets": '["in-1"]',
    "tableBilling": "PAY_PER_REQUEST",
    "taskCpu": "1024",
    "taskMemory": "4096",
    "taskEphemeralStorage": "100",
    "taskRootFileSystem": "writable",
    "spotShare": "50",
    "cpuArchitecture": "ARM64",
    "baseImage": "python:3.13",
    "stopTimeoutSeconds": "45",
    "taskAttempts": "3",
    "taskTimeoutSeconds": "90",
    "runTimeoutSeconds": "120",
    "toleratedFailurePercentage": "30",
    "maxConcurrency": "7",
    "recordRetentionDays": "9",
    "logRetentionDays": "30",
    "tags": '{"team": "data"}',
}
"""Another value than the default for each key that changes no number of resources."""


def configured(pattern: int) -> Deployment:
    """A pattern with `OTHER_VALUES`."""
    return deployment(patterns=str(pattern), **OTHER_VALUES)


def deployment(**config: str) -> Deployment:
    """The whole program under a configuration; the same configuration is run once in a test session."""
    key = json.dumps(config, sort_keys=True)
    if key not in _deployments:
        _deployments[key] = run(program.program, config)
    return _deployments[key]
