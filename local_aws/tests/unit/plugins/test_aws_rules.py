"""What a change of each property does, type by type, and what is refused before anything is sent."""

import json
from typing import Any

import pytest

from local_aws.plugins.aws.base import AwsResource
from local_aws.plugins.aws.registry import RESOURCES, provider
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.plugins.framework.values import UNKNOWN, Archive, Secret
from local_aws.tests.integration.plugins.cases import CASES, resolved
from local_aws.tests.unit.plugins.playing import Aborted, Engine


@pytest.fixture(scope="module")
def engine() -> Engine:
    configured = provider()
    configured.configure({"region": "eu-central-1", "accessKey": "test", "secretKey": "test"})
    return Engine(ProviderServicer(configured, "1.0.0"))


TABLE, TASK_DEFINITION = "aws:dynamodb/table:Table", "aws:ecs/taskDefinition:TaskDefinition"
A, B = {"name": "A", "value": "1"}, {"name": "B", "value": "2"}
EMPTY: dict[str, Any] = {"mountPoints": [], "volumesFrom": [], "portMappings": []}


def containers(*definitions: dict[str, Any]) -> dict[str, Any]:
    return {"containerDefinitions": json.dumps(definitions)}


INDEX = {
    "name": "by-run",
    "keySchemas": [{"attributeName": "workflow_run_id", "keyType": "HASH"}],
    "projectionType": "KEYS_ONLY",
    "readCapacity": 1,
    "writeCapacity": 1,
}


IDS: dict[str, Any] = {
    **{name: name for name in ("vpc", "other vpc", "gateway", "address")},
    **{
        f"role/{service}": "arn:aws:iam::000000000000:role/one"
        for service in ("lambda", "ecs-tasks", "states", "scheduler")
    },
    **{name: ["one", "two"] for name in ("subnets", "groups", "tables")},
    "code": Archive(path="code.zip", hash="1"),
}
BASE: dict[str, dict[str, Any]] = {case.token: resolved(case.inputs, IDS) for case in reversed(CASES)}
REPLACING = {
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:cloudwatch/dashboard:Dashboard": "dashboardName",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "name",
    "aws:cloudwatch/eventRule:EventRule": "name",
    "aws:cloudwatch/eventTarget:EventTarget": "rule targetId",
    "aws:dynamodb/table:Table": "name hashKey rangeKey",
    "aws:ec2/vpc:Vpc": "cidrBlock",
    "aws:ec2/subnet:Subnet": "vpcId cidrBlock availabilityZone",
    "aws:ec2/routeTable:RouteTable": "vpcId",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "subnetId",
    "aws:ec2/route:Route": "routeTableId destinationCidrBlock",
    "aws:ec2/natGateway:NatGateway": "subnetId allocationId",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "vpcId serviceName vpcEndpointType",
    "aws:ec2/securityGroup:SecurityGroup": "name description vpcId",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "vpcId",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "securityGroupId",
    "aws:ecr/repository:Repository": "encryptionConfigurations name",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "repository",
    "aws:ecs/cluster:Cluster": "name",
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": "clusterName",
    "aws:ecs/taskDefinition:TaskDefinition": "family containerDefinitions cpu memory networkMode"
    " requiresCompatibilities executionRoleArn taskRoleArn runtimePlatform ephemeralStorage",
    "aws:iam/role:Role": "name",
    "aws:iam/rolePolicy:RolePolicy": "name role",
    "aws:lambda/function:Function": "name",
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": "functionName",
    "aws:lambda/permission:Permission": "statementId action function principal sourceArn",
    "aws:s3/bucket:Bucket": "bucket",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "bucket",
    "aws:s3/bucketPolicy:BucketPolicy": "bucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "bucket",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "bucket",
    "aws:s3/bucketVersioning:BucketVersioning": "bucket",
    "aws:s3/bucketLogging:BucketLogging": "bucket",
    "aws:ec2/flowLog:FlowLog": "vpcId trafficType logDestination iamRoleArn maxAggregationInterval",
    "aws:scheduler/schedule:Schedule": "name",
    "aws:sfn/stateMachine:StateMachine": "name type",
    "aws:sqs/queue:Queue": "name",
}
"""The properties that replace a resource of each type; the life cycle tests change the others in place."""
UNIQUE = (
    "Bucket Cluster Dashboard EventRule EventTarget Function FunctionEventInvokeConfig LogGroup MetricAlarm Permission"
    " Queue Repository Role RolePolicy Schedule SecurityGroup StateMachine Table"
)
"""Types with a unique name, so that the old one has to be deleted before the new one is created."""


def checked(engine: Engine, token: str, **changed: Any) -> dict[str, Any]:
    """The checked inputs of the type's case, with changes."""
    return engine.check(token, {**BASE[token], **changed})


@pytest.mark.parametrize("token", BASE)
def test_nothing_changed_is_no_change(engine: Engine, token: str) -> None:
    assert not engine.diff(token, checked(engine, token), checked(engine, token)).diffs


@pytest.mark.parametrize("make", RESOURCES, ids=lambda make: make.token)
def test_replacements_are_the_published_provider_s(make: type[AwsResource]) -> None:
    replacing = [name for name, row in make().table.items() if row.replaces]
    assert sorted(replacing) == sorted(REPLACING.get(make.token, "").split())
    assert make.deletes_before_replace == (make.token.rsplit(":", 1)[1] in UNIQUE.split())


def test_another_type_of_a_key_replaces_the_table(engine: Engine) -> None:
    others = [{**item, "type": "B"} for item in BASE[TABLE]["attributes"]]
    response = engine.diff(TABLE, checked(engine, TABLE), checked(engine, TABLE, attributes=others))
    assert (list(response.replaces), response.deleteBeforeReplace) == (["attributes"], True)


@pytest.mark.parametrize(
    ("token", "one", "other"),
    [
        (
            TASK_DEFINITION,
            containers({"name": "b", "image": "x", "secrets": []}, {"name": "a", "environment": [A, B, {}]}),
            containers(
                {"environment": [B, A], "name": "a", "systemControls": [], "essential": True, "cpu": 0, **EMPTY},
                {"image": "x", "name": "b"},
            ),
        ),
        (
            "aws:sfn/stateMachine:StateMachine",
            {"definition": '{"StartAt": "A"}'},
            {"definition": '{\n  "StartAt": "A"\n}'},
        ),
        (
            "aws:lambda/function:Function",
            {"code": Archive(path="/one/place.zip", hash="1")},
            {"code": Archive(path="/another/place.zip", hash="1")},
        ),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"subnetIds": ["a", "b"]}, {"subnetIds": ["b", "a"]}),
    ],
)
def test_another_spelling_of_the_same_is_no_change(
    engine: Engine, token: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    old, new = (engine.check_failures(token, {**BASE[token], **spelled})[0] for spelled in (one, other))
    assert not engine.diff(token, old, new).diffs


def test_what_ecs_fills_in_further_down_is_another_task_definition(engine: Engine) -> None:
    """The published provider's comparison empties the container's own lists alone."""
    given = {"linuxParameters": {"capabilities": {"drop": ["ALL"]}}, "logConfiguration": {"logDriver": "awslogs"}}
    for filled_in in (
        {"linuxParameters": {"capabilities": {"add": [], "drop": ["ALL"]}}},
        {"logConfiguration": {"logDriver": "awslogs", "secretOptions": []}},
        {"readonlyRootFilesystem": False},
        {"dockerLabels": {}},
    ):
        old, new = (
            checked(engine, TASK_DEFINITION, **containers({"name": "a", "image": "x", **each}))
            for each in (given, {**given, **filled_in})
        )
        assert list(engine.diff(TASK_DEFINITION, old, new).replaces) == ["containerDefinitions"]


@pytest.mark.parametrize(
    ("token", "changed", "reason"),
    [
        ("aws:cloudwatch/logGroup:LogGroup", {"name": ""}, "AWS would refuse CreateLogGroup"),
        (TABLE, {"ttl": {"enabled": True}}, "property ttl.attributeName: it is required and missing"),
        ("aws:ec2/route:Route", {"gatewayId": None}, "exactly one of it and natGatewayId"),
        ("aws:ec2/subnet:Subnet", {"ipv6CidrBlock": "2001:db8::/64"}, "'2001:db8::/64' is not one of"),
        ("aws:ec2/natGateway:NatGateway", {"allocationId": None}, "property allocationId: it is required"),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Other"}, "'Other' is not one of Gateway, Interface"),
        ("aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"protocol": "tcp"}]}, "property ingress[0].fromPort"),
        (TASK_DEFINITION, {"memory": None}, "property memory: it is required"),
        (TASK_DEFINITION, {"networkMode": "host"}, "'host' is not one of awsvpc"),
        (TASK_DEFINITION, {"containerDefinitions": "{}"}, "it must be a JSON list"),
        (TASK_DEFINITION, {"containerDefinitions": '[{"memory": "x"}]'}, "AWS would refuse"),
        ("aws:iam/role:Role", {"assumeRolePolicy": "{"}, "it is not a JSON document"),
        ("aws:sfn/stateMachine:StateMachine", {"type": "FAST"}, "'FAST' is not one of STANDARD, EXPRESS"),
    ],
)
def test_wrong_inputs_are_refused_with_type_name_and_property(
    engine: Engine, token: str, changed: dict[str, Any], reason: str
) -> None:
    program = {key: value for key, value in {**BASE[token], **changed}.items() if value is not None}
    _, failures = engine.check_failures(token, program, name="culprit")
    assert failures
    assert all(text.startswith(f"{token} 'culprit': ") for text in failures)
    assert reason in " ".join(failures)


@pytest.mark.parametrize("token", BASE)
def test_a_preview_with_nothing_known_is_not_refused(engine: Engine, token: str) -> None:
    unknown = dict.fromkeys(BASE[token], UNKNOWN)
    inputs = checked(engine, token, **unknown)
    assert all(inputs[key] is UNKNOWN for key in unknown)
    assert engine.diff(token, checked(engine, token), inputs).diffs


def test_secrets_stay_secret(engine: Engine) -> None:
    secret = {"variables": {"PASSWORD": Secret("hush")}}
    inputs = checked(engine, "aws:lambda/function:Function", environment=secret)
    assert inputs["environment"] == Secret({"variables": {"PASSWORD": "hush"}})


@pytest.mark.parametrize(
    "changed", [[], [{**INDEX, "projectionType": "ALL"}], [INDEX, {**INDEX, "name": "second"}]], ids=len
)
def test_indexes_are_neither_added_nor_removed_nor_rebuilt(engine: Engine, changed: list[dict[str, Any]]) -> None:
    old = checked(engine, TABLE, globalSecondaryIndexes=[INDEX])
    new = checked(engine, TABLE, globalSecondaryIndexes=changed)
    with pytest.raises(Aborted, match="cannot add, remove or rebuild indexes of table plugins_table"):
        engine.diff(TABLE, old, new)
    assert engine.diff(TABLE, old, {**new, "name": "other"}).replaces, "a new table may have any"


def test_an_index_that_the_program_no_longer_has_is_kept(engine: Engine) -> None:
    """`global_secondary_index` is optional and computed in the published provider: absent means as it is."""
    before = checked(engine, TABLE, globalSecondaryIndexes=[INDEX])
    assert not engine.diff(TABLE, before, checked(engine, TABLE)).diffs
