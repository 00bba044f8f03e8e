"""What a change of each property means, type by type, and what is refused before anything is sent."""

import json
from typing import Any

import pytest

from automation.local.plugins.aws.dynamodb import index_changes
from automation.local.plugins.aws.registry import provider
from automation.local.plugins.framework.servicer import ProviderServicer
from automation.local.plugins.framework.values import UNKNOWN, Archive, Secret
from tests.unit.plugins.playing import check, diff

IN_PLACE, REPLACE, REPLACE_AFTER_DELETE = "in place", "replace", "replace, the old one deleted first"


@pytest.fixture(scope="module")
def servicer() -> ProviderServicer[Any]:
    configured = provider()
    configured.configure({"region": "eu-central-1", "accessKey": "test", "secretKey": "test"})
    return ProviderServicer(configured, "1.0.0")


ASSUMED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
EXPIRY = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5},
                "action": {"type": "expire"},
            }
        ]
    }
)
CONTAINERS = json.dumps([{"name": "main", "image": "x", "environment": [{"name": "A", "value": "1"}]}])
ROLE = "arn:aws:iam::123456789012:role/one"

INDEX = {
    "name": "by-b",
    "keySchemas": [{"attributeName": "b", "keyType": "HASH"}],
    "projectionType": "KEYS_ONLY",
    "readCapacity": 1,
    "writeCapacity": 1,
}

WITH_INDEX = {"globalSecondaryIndexes": [INDEX]}

BASE: dict[str, dict[str, Any]] = {
    "aws:cloudwatch/logGroup:LogGroup": {"name": "/one", "retentionInDays": 7},
    "aws:cloudwatch/eventRule:EventRule": {"name": "one", "scheduleExpression": "rate(1 day)"},
    "aws:cloudwatch/eventTarget:EventTarget": {"rule": "one", "targetId": "one", "arn": "arn:aws:sqs:::one"},
    "aws:dynamodb/table:Table": {
        "name": "one",
        "hashKey": "a",
        "rangeKey": "b",
        "attributes": [{"name": "a", "type": "S"}, {"name": "b", "type": "N"}],
        "readCapacity": 5,
        "writeCapacity": 5,
    },
    "aws:ec2/vpc:Vpc": {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True},
    "aws:ec2/subnet:Subnet": {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/24", "availabilityZone": "eu-central-1a"},
    "aws:ec2/internetGateway:InternetGateway": {"vpcId": "vpc-1"},
    "aws:ec2/routeTable:RouteTable": {"vpcId": "vpc-1"},
    "aws:ec2/routeTableAssociation:RouteTableAssociation": {"routeTableId": "rtb-1", "subnetId": "subnet-1"},
    "aws:ec2/route:Route": {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"},
    "aws:ec2/eip:Eip": {"domain": "vpc"},
    "aws:ec2/natGateway:NatGateway": {"subnetId": "subnet-1", "allocationId": "eipalloc-1"},
    "aws:ec2/vpcEndpoint:VpcEndpoint": {
        "vpcId": "vpc-1",
        "serviceName": "com.amazonaws.eu-central-1.ecs",
        "vpcEndpointType": "Interface",
        "subnetIds": ["subnet-1"],
        "securityGroupIds": ["sg-1"],
    },
    "aws:ec2/securityGroup:SecurityGroup": {"name": "one", "description": "one", "vpcId": "vpc-1", "ingress": []},
    "aws:ecr/repository:Repository": {"name": "one", "imageTagMutability": "IMMUTABLE"},
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": {"repository": "one", "policy": EXPIRY},
    "aws:ecs/cluster:Cluster": {"name": "one"},
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": {"clusterName": "one", "capacityProviders": ["A"]},
    "aws:ecs/taskDefinition:TaskDefinition": {
        "family": "one",
        "containerDefinitions": CONTAINERS,
        "cpu": "256",
        "memory": "512",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {"cpuArchitecture": "X86_64"},
    },
    "aws:iam/role:Role": {"name": "one", "assumeRolePolicy": ASSUMED},
    "aws:iam/rolePolicy:RolePolicy": {"name": "one", "role": "one", "policy": POLICY},
    "aws:lambda/function:Function": {
        "name": "one",
        "role": ROLE,
        "handler": "main.handler",
        "runtime": "python3.13",
        "code": Archive(path="one.zip", hash="1"),
    },
    "aws:lambda/permission:Permission": {
        "statementId": "one",
        "action": "lambda:InvokeFunction",
        "function": "one",
        "principal": "events.amazonaws.com",
    },
    "aws:s3/bucket:Bucket": {"bucket": "one-bucket"},
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {"bucket": "one-bucket", "blockPublicAcls": True},
    "aws:s3/bucketPolicy:BucketPolicy": {"bucket": "one-bucket", "policy": POLICY},
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
        "bucket": "one-bucket",
        "rules": [{"id": "a", "status": "Enabled", "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1}}],
    },
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
        "bucket": "one-bucket",
        "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
    },
    "aws:sfn/stateMachine:StateMachine": {"name": "one", "roleArn": ROLE, "definition": '{"StartAt": "A"}'},
}


@pytest.mark.parametrize("token", BASE)
def test_nothing_changed_is_no_change(servicer: ProviderServicer[Any], token: str) -> None:
    inputs, failures = check(servicer, token, BASE[token])
    assert failures == []
    again, _ = check(servicer, token, BASE[token], inputs)
    assert not diff(servicer, token, inputs, again).diffs


@pytest.mark.parametrize(
    ("token", "changed", "effect"),
    [
        ("aws:cloudwatch/logGroup:LogGroup", {"name": "/two"}, REPLACE_AFTER_DELETE),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 14}, IN_PLACE),
        ("aws:cloudwatch/logGroup:LogGroup", {"tags": {"a": "b"}}, IN_PLACE),
        ("aws:cloudwatch/logGroup:LogGroup", {"logGroupClass": "INFREQUENT_ACCESS"}, REPLACE_AFTER_DELETE),
        ("aws:cloudwatch/logGroup:LogGroup", {"region": "us-east-1"}, REPLACE_AFTER_DELETE),
        ("aws:cloudwatch/eventRule:EventRule", {"name": "two"}, REPLACE_AFTER_DELETE),
        ("aws:cloudwatch/eventRule:EventRule", {"scheduleExpression": "rate(2 days)"}, IN_PLACE),
        ("aws:cloudwatch/eventRule:EventRule", {"eventBusName": "other"}, REPLACE_AFTER_DELETE),
        ("aws:cloudwatch/eventTarget:EventTarget", {"rule": "two"}, REPLACE_AFTER_DELETE),
        ("aws:cloudwatch/eventTarget:EventTarget", {"arn": "arn:aws:sqs:::two"}, IN_PLACE),
        ("aws:dynamodb/table:Table", {"hashKey": "b", "rangeKey": "a"}, REPLACE_AFTER_DELETE),
        (
            "aws:dynamodb/table:Table",
            {"attributes": [{"name": "a", "type": "S"}, {"name": "b", "type": "S"}]},
            REPLACE_AFTER_DELETE,
        ),
        (
            "aws:dynamodb/table:Table",
            {"billingMode": "PAY_PER_REQUEST", "readCapacity": None, "writeCapacity": None},
            IN_PLACE,
        ),
        ("aws:dynamodb/table:Table", {"readCapacity": 6}, IN_PLACE),
        ("aws:dynamodb/table:Table", {"globalSecondaryIndexes": [INDEX]}, IN_PLACE),
        ("aws:dynamodb/table:Table", {"ttl": {"attributeName": "expires", "enabled": True}}, IN_PLACE),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.1.0.0/16"}, REPLACE),
        ("aws:ec2/vpc:Vpc", {"enableDnsHostnames": False}, IN_PLACE),
        ("aws:ec2/vpc:Vpc", {"instanceTenancy": "dedicated"}, REPLACE),
        ("aws:ec2/subnet:Subnet", {"cidrBlock": "10.0.1.0/24"}, REPLACE),
        ("aws:ec2/subnet:Subnet", {"availabilityZone": "eu-central-1b"}, REPLACE),
        ("aws:ec2/subnet:Subnet", {"mapPublicIpOnLaunch": True}, IN_PLACE),
        ("aws:ec2/subnet:Subnet", {"assignIpv6AddressOnCreation": True}, IN_PLACE),
        ("aws:ec2/subnet:Subnet", {"ipv6CidrBlock": "2001:db8:0:1::/64"}, IN_PLACE),
        ("aws:ec2/internetGateway:InternetGateway", {"vpcId": "vpc-2"}, IN_PLACE),
        ("aws:ec2/routeTable:RouteTable", {"vpcId": "vpc-2"}, REPLACE),
        ("aws:ec2/routeTableAssociation:RouteTableAssociation", {"routeTableId": "rtb-2"}, IN_PLACE),
        ("aws:ec2/routeTableAssociation:RouteTableAssociation", {"subnetId": "subnet-2"}, REPLACE),
        ("aws:ec2/route:Route", {"destinationCidrBlock": "10.0.0.0/8"}, REPLACE),
        ("aws:ec2/route:Route", {"gatewayId": None, "natGatewayId": "nat-1"}, IN_PLACE),
        ("aws:ec2/natGateway:NatGateway", {"allocationId": "eipalloc-2"}, REPLACE),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"serviceName": "com.amazonaws.eu-central-1.logs"}, REPLACE),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Gateway"}, REPLACE),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"securityGroupIds": ["sg-2"], "subnetIds": ["subnet-2"]}, IN_PLACE),
        ("aws:ec2/securityGroup:SecurityGroup", {"name": "two"}, REPLACE_AFTER_DELETE),
        ("aws:ec2/securityGroup:SecurityGroup", {"description": "two"}, REPLACE_AFTER_DELETE),
        ("aws:ec2/securityGroup:SecurityGroup", {"vpcId": "vpc-2"}, REPLACE_AFTER_DELETE),
        (
            "aws:ec2/securityGroup:SecurityGroup",
            {"ingress": [{"protocol": "tcp", "fromPort": 1, "toPort": 1, "cidrBlocks": ["10.0.0.0/8"]}]},
            IN_PLACE,
        ),
        ("aws:ecr/repository:Repository", {"name": "two"}, REPLACE_AFTER_DELETE),
        ("aws:ecr/repository:Repository", {"imageTagMutability": "MUTABLE", "forceDelete": True}, IN_PLACE),
        (
            "aws:ecr/repository:Repository",
            {"encryptionConfigurations": [{"encryptionType": "KMS"}]},
            REPLACE_AFTER_DELETE,
        ),
        ("aws:ecr/lifecyclePolicy:LifecyclePolicy", {"repository": "two"}, REPLACE),
        ("aws:ecr/lifecyclePolicy:LifecyclePolicy", {"policy": EXPIRY.replace("5", "6")}, IN_PLACE),
        ("aws:ecs/cluster:Cluster", {"name": "two"}, REPLACE_AFTER_DELETE),
        ("aws:ecs/cluster:Cluster", {"settings": [{"name": "containerInsights", "value": "enabled"}]}, IN_PLACE),
        ("aws:ecs/clusterCapacityProviders:ClusterCapacityProviders", {"clusterName": "two"}, REPLACE),
        ("aws:ecs/clusterCapacityProviders:ClusterCapacityProviders", {"capacityProviders": ["B"]}, IN_PLACE),
        ("aws:ecs/taskDefinition:TaskDefinition", {"memory": "1024"}, REPLACE),
        ("aws:ecs/taskDefinition:TaskDefinition", {"containerDefinitions": UNKNOWN}, REPLACE),
        ("aws:ecs/taskDefinition:TaskDefinition", {"runtimePlatform": {"cpuArchitecture": "ARM64"}}, REPLACE),
        ("aws:ecs/taskDefinition:TaskDefinition", {"taskRoleArn": ROLE}, REPLACE),
        ("aws:ecs/taskDefinition:TaskDefinition", {"tags": {"a": "b"}}, IN_PLACE),
        ("aws:ecs/taskDefinition:TaskDefinition", {"skipDestroy": True}, IN_PLACE),
        ("aws:iam/role:Role", {"name": "two"}, REPLACE_AFTER_DELETE),
        ("aws:iam/role:Role", {"path": "/two/"}, REPLACE_AFTER_DELETE),
        ("aws:iam/role:Role", {"assumeRolePolicy": ASSUMED.replace("lambda", "states")}, IN_PLACE),
        ("aws:iam/rolePolicy:RolePolicy", {"role": "two"}, REPLACE_AFTER_DELETE),
        ("aws:iam/rolePolicy:RolePolicy", {"policy": POLICY.replace("s3:", "ecs:")}, IN_PLACE),
        ("aws:lambda/function:Function", {"name": "two"}, REPLACE_AFTER_DELETE),
        ("aws:lambda/function:Function", {"code": Archive(path="two.zip", hash="2")}, IN_PLACE),
        ("aws:lambda/function:Function", {"memorySize": 256, "timeout": 60, "role": f"{ROLE}-2"}, IN_PLACE),
        (
            "aws:lambda/permission:Permission",
            {"sourceArn": "arn:aws:events:eu-central-1:1:rule/x"},
            REPLACE_AFTER_DELETE,
        ),
        ("aws:s3/bucket:Bucket", {"bucket": "two-bucket"}, REPLACE_AFTER_DELETE),
        ("aws:s3/bucket:Bucket", {"forceDestroy": True, "tags": {"a": "b"}}, IN_PLACE),
        ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"bucket": "two-bucket"}, REPLACE),
        ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"ignorePublicAcls": True}, IN_PLACE),
        ("aws:s3/bucketPolicy:BucketPolicy", {"bucket": "two-bucket"}, REPLACE),
        ("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", {"bucket": "two-bucket"}, REPLACE),
        (
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            {"bucket": "two-bucket"},
            REPLACE,
        ),
        ("aws:sfn/stateMachine:StateMachine", {"name": "two"}, REPLACE_AFTER_DELETE),
        ("aws:sfn/stateMachine:StateMachine", {"type": "EXPRESS"}, REPLACE_AFTER_DELETE),
        ("aws:sfn/stateMachine:StateMachine", {"definition": '{"StartAt": "B"}', "roleArn": f"{ROLE}-2"}, IN_PLACE),
    ],
)
def test_a_change_means(servicer: ProviderServicer[Any], token: str, changed: dict[str, Any], effect: str) -> None:
    old, _ = check(servicer, token, BASE[token])
    program = {key: value for key, value in {**BASE[token], **changed}.items() if value is not None}
    new, failures = check(servicer, token, program, old)
    assert failures == []
    response = diff(servicer, token, old, new)
    assert set(response.diffs) == set(changed) - {"readCapacity", "writeCapacity"} | (
        {"readCapacity"} & set(changed) if program.get("readCapacity") else set()
    )
    found = IN_PLACE if not response.replaces else REPLACE
    assert (REPLACE_AFTER_DELETE if response.deleteBeforeReplace else found) == effect


@pytest.mark.parametrize(
    ("token", "one", "other"),
    [
        (
            "aws:iam/role:Role",
            {"assumeRolePolicy": ASSUMED},
            {"assumeRolePolicy": ASSUMED.replace('"sts:AssumeRole"', '["sts:AssumeRole"]')},
        ),
        (
            "aws:iam/rolePolicy:RolePolicy",
            {"policy": POLICY},
            {
                "policy": json.dumps(
                    {
                        "Statement": {"Sid": "", "Resource": ["*"], "Action": ["s3:*"], "Effect": "Allow"},
                        "Version": "2012-10-17",
                    }
                )
            },
        ),
        (
            "aws:ecs/taskDefinition:TaskDefinition",
            {"containerDefinitions": CONTAINERS},
            {
                "containerDefinitions": json.dumps(
                    [
                        {
                            "environment": [{"value": "1", "name": "A"}],
                            "name": "main",
                            "image": "x",
                            "essential": True,
                            "cpu": 0,
                            "mountPoints": [],
                            "volumesFrom": [],
                            "portMappings": [],
                        }
                    ]
                )
            },
        ),
        (
            "aws:ecs/taskDefinition:TaskDefinition",
            {"containerDefinitions": '[{"name": "a", "portMappings": [{"containerPort": 80}]}]'},
            {
                "containerDefinitions": '[{"name": "a", "portMappings": [{"containerPort": 80, "hostPort": 80,'
                ' "protocol": "tcp"}], "secrets": [], "logConfiguration": null}]'
            },
        ),
        (
            "aws:ecs/taskDefinition:TaskDefinition",
            {
                "containerDefinitions": '[{"name": "b", "image": "x", "healthCheck": {"command": ["a"]}},'
                ' {"name": "a", "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {}]}]'
            },
            {
                "containerDefinitions": '[{"name": "a", "systemControls": [],'
                ' "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}, {"name": "b", "image":'
                ' "x", "healthCheck": {"command": ["a"], "interval": 30, "retries": 3, "timeout": 5}}]'
            },
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
        (
            "aws:ec2/vpcEndpoint:VpcEndpoint",
            {"subnetIds": ["a", "b"]},
            {"subnetIds": ["b", "a"]},
        ),
    ],
)
def test_other_words_for_the_same_are_no_change(
    servicer: ProviderServicer[Any], token: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    old, _ = check(servicer, token, {**BASE[token], **one})
    new, _ = check(servicer, token, {**BASE[token], **other}, old)
    assert not diff(servicer, token, old, new).diffs


@pytest.mark.parametrize(
    "filled_in",
    [
        {"linuxParameters": {"capabilities": {"add": [], "drop": ["ALL"]}}},
        {"logConfiguration": {"logDriver": "awslogs", "secretOptions": []}},
        {"readonlyRootFilesystem": False},
        {"dockerLabels": {}},
    ],
)
def test_what_ecs_fills_in_further_down_is_another_task_definition(
    servicer: ProviderServicer[Any], filled_in: dict[str, Any]
) -> None:
    """The published provider's comparison empties the container's own lists alone."""
    token = "aws:ecs/taskDefinition:TaskDefinition"
    given = {"linuxParameters": {"capabilities": {"drop": ["ALL"]}}, "logConfiguration": {"logDriver": "awslogs"}}
    old, new = (
        check(
            servicer, token, {**BASE[token], "containerDefinitions": json.dumps([{"name": "a", "image": "x", **each}])}
        )
        for each in (given, {**given, **filled_in})
    )
    assert list(diff(servicer, token, old[0], new[0]).replaces) == ["containerDefinitions"]


@pytest.mark.parametrize(
    ("token", "changed", "reason"),
    [
        ("aws:cloudwatch/logGroup:LogGroup", {"namePrefix": "x"}, "property namePrefix: there is no such property"),
        (
            "aws:cloudwatch/logGroup:LogGroup",
            {"retentionInDays": "soon"},
            "property retentionInDays: it must be a number",
        ),
        ("aws:cloudwatch/logGroup:LogGroup", {"name": ""}, "AWS would refuse CreateLogGroup"),
        ("aws:dynamodb/table:Table", {"rangeKey": None}, "property attributes: it declares ['a', 'b']"),
        ("aws:dynamodb/table:Table", {"readCapacity": None}, "property readCapacity: it must be at least 1"),
        ("aws:dynamodb/table:Table", {"billingMode": "PAY_PER_REQUEST"}, "it cannot be set where billingMode is"),
        (
            "aws:dynamodb/table:Table",
            {"globalSecondaryIndexes": [{**INDEX, "readCapacity": None}]},
            "by-b: readCapacity must be at least 1",
        ),
        (
            "aws:dynamodb/table:Table",
            {"globalSecondaryIndexes": [{**INDEX, "hashKey": "b"}]},
            "by-b: it needs exactly one of keySchemas and hashKey",
        ),
        ("aws:dynamodb/table:Table", {"ttl": {"enabled": True}}, "property ttl.attributeName: it is required where"),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": None}, "property cidrBlock: it is required"),
        ("aws:ec2/routeTableAssociation:RouteTableAssociation", {"gatewayId": "igw-1"}, "exactly one of subnetId"),
        ("aws:ec2/route:Route", {"gatewayId": None}, "exactly one of gatewayId"),
        ("aws:ec2/route:Route", {"destinationIpv6CidrBlock": "::/0"}, "exactly one of destinationCidrBlock"),
        ("aws:ec2/natGateway:NatGateway", {"allocationId": None}, "a public NAT gateway needs one"),
        ("aws:ec2/natGateway:NatGateway", {"subnetId": None}, "property subnetId: it is required"),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Other"}, "'Other' is not one of Gateway, Interface"),
        ("aws:ec2/securityGroup:SecurityGroup", {"ingress": [{"protocol": "tcp"}]}, "property ingress[0].fromPort"),
        ("aws:ecs/taskDefinition:TaskDefinition", {"memory": None}, "a Fargate task definition needs it"),
        ("aws:ecs/taskDefinition:TaskDefinition", {"networkMode": None}, "needs awsvpc"),
        ("aws:ecs/taskDefinition:TaskDefinition", {"containerDefinitions": "{}"}, "it must be a JSON list"),
        ("aws:ecs/taskDefinition:TaskDefinition", {"containerDefinitions": '[{"memory": "x"}]'}, "AWS would refuse"),
        ("aws:iam/role:Role", {"assumeRolePolicy": "{"}, "it is not a JSON document"),
        ("aws:iam/rolePolicy:RolePolicy", {"role": None}, "property role: it is required and missing"),
        ("aws:lambda/function:Function", {"code": None}, "exactly one of code, s3Bucket and imageUri"),
        ("aws:lambda/function:Function", {"handler": None}, "property handler: a function from a zip needs it"),
        ("aws:lambda/function:Function", {"replacementSecurityGroupIds": ["sg-1"]}, "needs replaceSecurityGroups"),
        ("aws:sfn/stateMachine:StateMachine", {"type": "FAST"}, "'FAST' is not one of STANDARD, EXPRESS"),
    ],
)
def test_what_is_wrong_is_refused_with_type_name_and_property(
    servicer: ProviderServicer[Any], token: str, changed: dict[str, Any], reason: str
) -> None:
    program = {key: value for key, value in {**BASE[token], **changed}.items() if value is not None}
    _, failures = check(servicer, token, program, name="culprit")
    assert failures
    assert all(text.startswith(f"{token} 'culprit': ") for text in failures)
    assert reason in " ".join(failures)


@pytest.mark.parametrize("token", BASE)
def test_a_preview_with_nothing_known_is_not_refused(servicer: ProviderServicer[Any], token: str) -> None:
    unknown = {
        key: UNKNOWN
        for key in BASE[token]
        if key not in ("readCapacity", "writeCapacity", "billingMode", "networkMode")
    }
    inputs, failures = check(servicer, token, {**BASE[token], **unknown})
    assert failures == []
    assert all(inputs[key] is UNKNOWN for key in unknown)
    assert diff(servicer, token, check(servicer, token, BASE[token])[0], inputs).diffs


def test_secrets_stay_secret(servicer: ProviderServicer[Any]) -> None:
    inputs, _ = check(
        servicer,
        "aws:lambda/function:Function",
        {**BASE["aws:lambda/function:Function"], "environment": {"variables": {"PASSWORD": Secret("hush")}}},
    )
    assert inputs["environment"] == Secret({"variables": {"PASSWORD": "hush"}})


def test_indexes_that_go_go_first_and_those_that_come_come_last() -> None:
    """As in the published provider (`internal/service/dynamodb/table.go`): three phases."""

    def index(name: str, **more: Any) -> dict[str, Any]:
        return {**INDEX, "name": name, **more}

    others = {"projectionType": "INCLUDE", "nonKeyAttributes": ["x", "y"]}
    old = {"globalSecondaryIndexes": [index("gone"), index("wider"), index("larger"), index("same", **others)]}
    same = index("same", **{**others, "nonKeyAttributes": ["y", "x"]})
    new = {"globalSecondaryIndexes": [same, index("larger", readCapacity=2), index("wider", **others), index("new")]}
    changes = index_changes(old, new, on_demand=False)
    assert [update["Delete"]["IndexName"] for update in changes.deleted] == ["gone", "wider"]
    assert [update["Update"] for update in changes.updated] == [
        {"IndexName": "larger", "ProvisionedThroughput": {"ReadCapacityUnits": 2, "WriteCapacityUnits": 1}}
    ]
    assert [update["Create"]["IndexName"] for update in changes.created] == ["new", "wider"]
    assert index_changes(old, new, on_demand=True).updated == []


def test_an_index_that_the_program_no_longer_names_stays(servicer: ProviderServicer[Any]) -> None:
    """`global_secondary_index` is optional and computed in the published provider: absent means as it is."""
    before, failures = check(servicer, "aws:dynamodb/table:Table", {**BASE["aws:dynamodb/table:Table"], **WITH_INDEX})
    after, more = check(servicer, "aws:dynamodb/table:Table", BASE["aws:dynamodb/table:Table"])
    assert failures + more == []
    assert list(diff(servicer, "aws:dynamodb/table:Table", before, after).diffs) == []
