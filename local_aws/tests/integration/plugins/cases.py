"""For every resource type: what it is made of, and what changes in place."""

import json
from dataclasses import dataclass, field
from typing import Any

from local_aws.plugins.framework.values import Archive

TAGS = {"kit:workflow": "one", "owner": "tests"}
OTHER_TAGS = {"kit:workflow": "two", "added": "yes"}
KEY = "arn:aws:kms:us-east-1:000000000000:key/11112222-3333-4444-5555-666677778888"
BOUNDARY = "arn:aws:iam::aws:policy/PowerUserAccess"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:plugins-failures"
TOPIC = "arn:aws:sns:us-east-1:000000000000:plugins-topic"
CALLEE = "arn:aws:lambda:us-east-1:000000000000:function:plugins-callee"


@dataclass(frozen=True)
class Ref:
    """Stands for an id of the world."""

    name: str


VPC, SUBNETS, GROUPS, TABLES = Ref("vpc"), Ref("subnets"), Ref("groups"), Ref("tables")


@dataclass
class Case:
    """A resource's life.

    Attributes:
        token: its type.
        inputs: what the program gives.
        changed: inputs that can change in place, with their new values; `None` removes one.
        outlives_itself: a setting of another resource, which exists afterwards, too.
    """

    token: str
    inputs: dict[str, Any]
    changed: dict[str, Any] = field(default_factory=dict)
    outlives_itself: bool = False


def resolved(value: Any, ids: dict[str, Any]) -> Any:
    """A value with ids in place of references."""
    if isinstance(value, Ref):
        name, _, index = value.name.partition("#")
        return ids[name][int(index)] if index else ids[name]
    if isinstance(value, dict):
        return {key: resolved(item, ids) for key, item in value.items()}
    return [resolved(item, ids) for item in value] if isinstance(value, list) else value


def policy(action: str, resource: str = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": [action], "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def bucket_policy(sid: str) -> str:
    return policy(
        "s3:GetObject",
        "arn:aws:s3:::plugins-world-bucket/*",
        Sid=sid,
        Principal={"AWS": "arn:aws:iam::000000000000:root"},
    )


def queue_policy(sid: str) -> str:
    return policy("sqs:SendMessage", QUEUE, Sid=sid, Principal={"Service": "events.amazonaws.com"})


def dashboard(title: str) -> str:
    line = ["AWS/Lambda", "Errors", "FunctionName", "one", {"stat": "Sum"}]
    chart = {"title": title, "view": "timeSeries", "region": "us-east-1", "metrics": [line]}
    return json.dumps({"widgets": [{"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": chart}]})


def query(name: str, metric: str, period: int = 300) -> dict[str, Any]:
    of = {"namespace": "AWS/Lambda", "metricName": metric, "dimensions": {"FunctionName": "one"}}
    return {"id": name, "metric": {**of, "period": period, "stat": "Sum"}}


def machine(comment: str) -> str:
    return json.dumps({"Comment": comment, "StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


def archive(path: Any) -> Archive:
    return Archive(path=str(path), hash=str(path))


def index(name: str, key: str, projection: str, read: int = 1) -> dict[str, Any]:
    keys = [{"attributeName": key, "keyType": "HASH"}]
    units = {"readCapacity": read, "writeCapacity": 1}
    named = {"nonKeyAttributes": ["one", "two"]} if projection == "INCLUDE" else {}
    return {"name": name, "keySchemas": keys, "projectionType": projection, **named, **units}


def attributes(**kinds: str) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in kinds.items()]


def rule(port: int, protocol: str = "tcp", **peers: Any) -> dict[str, Any]:
    return {"protocol": protocol, "fromPort": port, "toPort": port, **peers}


def lifecycle(count: int) -> str:
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count}
    rules = [{"rulePriority": 1, "description": "few", "selection": selection, "action": {"type": "expire"}}]
    return json.dumps({"rules": rules})


def upload_rules(days: int) -> list[dict[str, Any]]:
    ended = {"abortIncompleteMultipartUpload": {"daysAfterInitiation": days}}
    old = {"id": "old", "status": "Enabled", "filter": {"prefix": "old/"}, "expiration": {"days": days + 1}}
    return [{"id": "uploads", "status": "Enabled", "filter": {"prefix": ""}, **ended}, old]


CONTAINER = {
    "name": "main",
    "image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/plugins-world@sha256:" + "0" * 64,
    "essential": True,
    "memory": 128,
    "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
    "readonlyRootFilesystem": True,
    "linuxParameters": {"capabilities": {"add": [], "drop": ["ALL"]}},
}
FUNCTION: dict[str, Any] = {
    "name": "plugins-function",
    "role": Ref("role/lambda"),
    "handler": "main.handler",
    "runtime": "python3.13",
    "code": Ref("code"),
    "memorySize": 256,
    "timeout": 30,
    "description": "one",
    "architectures": ["x86_64"],
    "environment": {"variables": {"A": "1"}},
    "vpcConfig": {"subnetIds": SUBNETS, "securityGroupIds": GROUPS},
    "loggingConfig": {"logFormat": "Text", "logGroup": "/plugins/world"},
    "tracingConfig": {"mode": "Active"},
    "deadLetterConfig": {"targetArn": QUEUE},
    "tags": TAGS,
}
VALUE = {"id": "value", "expression": "FILL(m0,0)+FILL(m1,0)", "label": "errors", "returnData": True}
SCHEDULED: dict[str, Any] = {
    "arn": "arn:aws:scheduler:::aws-sdk:sfn:startExecution",
    "roleArn": Ref("role/scheduler"),
    "input": '{"StateMachineArn": "x", "Name": "<aws.scheduler.execution-id>"}',
    "retryPolicy": {"maximumEventAgeInSeconds": 600, "maximumRetryAttempts": 2},
    "deadLetterConfig": {"arn": QUEUE},
}

CASES: tuple[Case, ...] = (
    Case(
        "aws:cloudwatch/logGroup:LogGroup",
        {"name": "/plugins/group", "retentionInDays": 7, "kmsKeyId": KEY, "tags": TAGS},
        {"retentionInDays": 14, "tags": OTHER_TAGS},
    ),
    Case(
        "aws:cloudwatch/queryDefinition:QueryDefinition",
        {"name": "plugins/one", "queryString": "fields @timestamp", "logGroupNames": ["/plugins/world"]},
        {"queryString": "fields @message | limit 3", "name": "plugins/two"},
    ),
    Case(
        "aws:cloudwatch/dashboard:Dashboard",
        {"dashboardName": "plugins-dashboard", "dashboardBody": dashboard("one")},
        {"dashboardBody": dashboard("two")},
    ),
    Case(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {
            "name": "plugins-alarm",
            "alarmDescription": "one",
            "comparisonOperator": "GreaterThanThreshold",
            "threshold": 2,
            "evaluationPeriods": 1,
            "metricQueries": [query("m0", "Errors"), query("m1", "Throttles"), VALUE],
            "treatMissingData": "notBreaching",
            "alarmActions": [TOPIC],
            "okActions": [TOPIC],
            "tags": TAGS,
        },
        {
            "threshold": 2.5,
            "metricQueries": [query("m0", "Errors", 60), {**VALUE, "expression": "m0"}],
            "alarmActions": None,
            "tags": OTHER_TAGS,
        },
    ),
    Case(
        "aws:sqs/queue:Queue",
        {
            "name": "plugins-queue",
            "messageRetentionSeconds": 1209600,
            "sqsManagedSseEnabled": True,
            "policy": queue_policy("one"),
            "tags": TAGS,
        },
        {"messageRetentionSeconds": 60, "policy": queue_policy("two"), "tags": OTHER_TAGS},
    ),
    Case(
        "aws:scheduler/schedule:Schedule",
        {
            "name": "plugins-schedule",
            "description": "one",
            "scheduleExpression": "cron(0 3 * * ? *)",
            "scheduleExpressionTimezone": "Europe/Berlin",
            "flexibleTimeWindow": {"mode": "OFF"},
            "target": SCHEDULED,
        },
        {
            "description": "two",
            "scheduleExpression": "rate(1 day)",
            "target": {**SCHEDULED, "input": "{}", "retryPolicy": {"maximumRetryAttempts": 3}},
        },
    ),
    Case(
        "aws:cloudwatch/eventRule:EventRule",
        {"name": "plugins-rule", "description": "one", "eventPattern": '{"source": ["aws.states"]}', "tags": TAGS},
        {"description": "two", "eventPattern": '{"source": ["aws.ecs"]}', "tags": OTHER_TAGS},
    ),
    Case(
        "aws:cloudwatch/eventTarget:EventTarget",
        {
            "rule": "plugins-world",
            "targetId": "monitor",
            "arn": CALLEE,
            "input": '{"action": "sweep"}',
            "deadLetterConfig": {"arn": QUEUE},
            "retryPolicy": {"maximumEventAgeInSeconds": 600, "maximumRetryAttempts": 2},
        },
        {"input": '{"action": "other"}', "deadLetterConfig": None},
    ),
    Case(
        "aws:cloudwatch/eventTarget:EventTarget",
        {
            "rule": "plugins-world",
            "targetId": "reporter",
            "arn": CALLEE,
            "inputTransformer": {"inputPaths": {"arn": "$.detail.executionArn"}, "inputTemplate": '{"arn": <arn>}'},
        },
        {"inputTransformer": {"inputPaths": {"id": "$.id"}, "inputTemplate": '{"id": <id>}'}},
    ),
    Case(
        "aws:dynamodb/table:Table",
        {
            "name": "plugins_table",
            "serverSideEncryption": {"enabled": True, "kmsKeyArn": KEY},
            "hashKey": "workflow_name",
            "rangeKey": "workflow_run_id",
            "attributes": attributes(workflow_run_id="N", workflow_name="S"),
            "readCapacity": 5,
            "writeCapacity": 5,
            "deletionProtectionEnabled": True,
            "tags": TAGS,
        },
        {
            "deletionProtectionEnabled": False,
            "pointInTimeRecovery": {"enabled": True},
            "billingMode": "PAY_PER_REQUEST",
            "readCapacity": None,
            "writeCapacity": None,
            "ttl": {"attributeName": "expires", "enabled": True},
            "tags": OTHER_TAGS,
        },
    ),
    Case(
        "aws:dynamodb/table:Table",
        {
            "name": "plugins_indexed",
            "hashKey": "id",
            "rangeKey": "part",
            "attributes": attributes(id="S", part="S", state="S", kind="S"),
            "readCapacity": 1,
            "writeCapacity": 1,
            "globalSecondaryIndexes": [
                index("open", "state", "KEYS_ONLY"),
                index("kinds", "kind", "ALL"),
                index("some", "kind", "INCLUDE"),
            ],
        },
        {
            "globalSecondaryIndexes": [
                index("open", "state", "KEYS_ONLY", read=2),
                index("kinds", "kind", "ALL"),
                index("some", "kind", "INCLUDE"),
            ],
            "ttl": {"attributeName": "expires", "enabled": True},
        },
    ),
    Case(
        "aws:ec2/vpc:Vpc",
        {"cidrBlock": "10.88.0.0/16", "enableDnsHostnames": True, "tags": TAGS},
        {"enableDnsHostnames": False, "tags": OTHER_TAGS},
    ),
    Case(
        "aws:ec2/subnet:Subnet",
        {
            "vpcId": VPC,
            "cidrBlock": "10.77.10.0/24",
            "availabilityZone": "us-east-1a",
            "mapPublicIpOnLaunch": True,
            "tags": TAGS,
        },
        {"mapPublicIpOnLaunch": False, "tags": OTHER_TAGS},
    ),
    Case(
        "aws:ec2/internetGateway:InternetGateway",
        {"vpcId": Ref("other vpc"), "tags": TAGS},
        {"tags": OTHER_TAGS},
    ),
    Case(
        "aws:ec2/routeTable:RouteTable",
        {"vpcId": VPC, "tags": TAGS},
        {"tags": OTHER_TAGS},
    ),
    Case(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        {"routeTableId": Ref("tables#0"), "subnetId": Ref("subnets#0")},
    ),
    Case(
        "aws:ec2/route:Route",
        {"routeTableId": Ref("tables#0"), "destinationCidrBlock": "0.0.0.0/0", "gatewayId": Ref("gateway")},
    ),
    Case(
        "aws:ec2/eip:Eip",
        {"tags": TAGS},
        {"tags": OTHER_TAGS},
    ),
    Case(
        "aws:ec2/natGateway:NatGateway",
        {"subnetId": Ref("subnets#0"), "allocationId": Ref("address"), "tags": TAGS},
        {"tags": OTHER_TAGS},
    ),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        {
            "vpcId": VPC,
            "serviceName": "com.amazonaws.us-east-1.s3",
            "vpcEndpointType": "Gateway",
            "routeTableIds": [Ref("tables#0")],
            "tags": TAGS,
        },
        {"routeTableIds": TABLES, "tags": OTHER_TAGS},
    ),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        {
            "vpcId": VPC,
            "serviceName": "com.amazonaws.us-east-1.ecs",
            "vpcEndpointType": "Interface",
            "subnetIds": SUBNETS,
            "securityGroupIds": [Ref("groups#0")],
            "privateDnsEnabled": True,
            "policy": policy("ecs:*", Principal="*"),
            "tags": TAGS,
        },
        {
            "securityGroupIds": [Ref("groups#1")],
            "subnetIds": [Ref("subnets#0")],
            "privateDnsEnabled": False,
            "policy": policy("ecs:DescribeTasks", Principal="*"),
        },
    ),
    Case(
        "aws:ec2/securityGroup:SecurityGroup",
        {
            "name": "plugins-group",
            "description": "tests",
            "vpcId": VPC,
            "ingress": [rule(443, securityGroups=[Ref("groups#0")], description="from tasks")],
            "egress": [rule(443, cidrBlocks=["0.0.0.0/0"]), rule(443, prefixListIds=["pl-1"], description="S3")],
            "tags": TAGS,
        },
        {
            "ingress": [
                rule(443, securityGroups=GROUPS),
                rule(0, "udp", toPort=65535, cidrBlocks=["10.0.0.0/8", "192.168.0.0/16"]),
            ],
            "egress": [],
            "tags": OTHER_TAGS,
        },
    ),
    Case(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        {"vpcId": Ref("other vpc"), "ingress": [], "egress": [], "tags": TAGS},
        {"egress": [rule(443, cidrBlocks=["10.0.0.0/8"])], "tags": OTHER_TAGS},
        outlives_itself=True,
    ),
    Case(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {
            "securityGroupId": Ref("groups#0"),
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "referencedSecurityGroupId": Ref("groups#1"),
            "description": "from tasks",
            "tags": TAGS,
        },
        {"fromPort": 442, "toPort": 444, "description": "from functions", "tags": OTHER_TAGS},
    ),
    Case(
        "aws:ecr/repository:Repository",
        {
            "name": "plugins/repository",
            "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": KEY}],
            "forceDelete": True,
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "tags": TAGS,
        },
        {"imageTagMutability": "MUTABLE", "imageScanningConfiguration": None, "tags": OTHER_TAGS},
    ),
    Case(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        {"repository": "plugins-world", "policy": lifecycle(20)},
        {"policy": lifecycle(10)},
    ),
    Case(
        "aws:ecs/cluster:Cluster",
        {"name": "plugins-cluster", "settings": [{"name": "containerInsights", "value": "enabled"}], "tags": TAGS},
        {"settings": [{"name": "containerInsights", "value": "disabled"}], "tags": OTHER_TAGS},
    ),
    Case(
        "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
        {"clusterName": "plugins-world", "capacityProviders": ["FARGATE", "FARGATE_SPOT"]},
        {"capacityProviders": ["FARGATE"]},
        outlives_itself=True,
    ),
    Case(
        "aws:ecs/taskDefinition:TaskDefinition",
        {
            "family": "plugins-family",
            "containerDefinitions": json.dumps([CONTAINER]),
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "executionRoleArn": Ref("role/ecs-tasks"),
            "taskRoleArn": Ref("role/ecs-tasks"),
            "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
            "tags": TAGS,
        },
        {"tags": OTHER_TAGS},
    ),
    Case(
        "aws:iam/role:Role",
        {"name": "plugins-role", "assumeRolePolicy": trust("lambda.amazonaws.com"), "description": "one", "tags": TAGS},
        {
            "assumeRolePolicy": trust("states.amazonaws.com"),
            "description": "two",
            "permissionsBoundary": BOUNDARY,
            "tags": OTHER_TAGS,
        },
    ),
    Case(
        "aws:iam/rolePolicy:RolePolicy",
        {"name": "plugins", "role": "plugins-lambda", "policy": policy("s3:GetObject")},
        {"policy": policy("s3:PutObject")},
    ),
    Case(
        "aws:lambda/function:Function",
        FUNCTION,
        {
            "code": Ref("other code"),
            "memorySize": 512,
            "description": None,
            "environment": None,
            "deadLetterConfig": None,
            "vpcConfig": {"subnetIds": [Ref("subnets#0")], "securityGroupIds": GROUPS},
            "tags": OTHER_TAGS,
        },
    ),
    Case(
        "aws:lambda/permission:Permission",
        {
            "statementId": "events",
            "action": "lambda:InvokeFunction",
            "function": "plugins-callee",
            "principal": "events.amazonaws.com",
            "sourceArn": "arn:aws:events:us-east-1:000000000000:rule/plugins-world",
        },
    ),
    Case(
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
        {"functionName": "plugins-callee", "destinationConfig": {"onSuccess": {"destination": TOPIC}}},
        {"maximumRetryAttempts": 1},
    ),
    Case(
        "aws:s3/bucket:Bucket",
        {"bucket": "plugins-bucket", "forceDestroy": True, "tags": TAGS},
        {"tags": OTHER_TAGS},
    ),
    Case(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {
            "bucket": "plugins-world-bucket",
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
        {"ignorePublicAcls": False},
    ),
    Case(
        "aws:s3/bucketPolicy:BucketPolicy",
        {"bucket": "plugins-world-bucket", "policy": bucket_policy("one")},
        {"policy": bucket_policy("two")},
    ),
    Case(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        {"bucket": "plugins-world-bucket", "rules": upload_rules(1)},
        {"rules": upload_rules(3)},
    ),
    Case(
        "aws:s3/bucketVersioning:BucketVersioning",
        {"bucket": "plugins-world-bucket", "versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}},
        outlives_itself=True,
    ),
    Case(
        "aws:s3/bucketLogging:BucketLogging",
        {"bucket": "plugins-world-bucket", "targetBucket": "plugins-logs", "targetPrefix": "one/"},
        {"targetPrefix": "two/"},
    ),
    Case(
        "aws:ec2/flowLog:FlowLog",
        {
            "vpcId": VPC,
            "trafficType": "ALL",
            "logDestination": "arn:aws:logs:us-east-1:000000000000:log-group:/plugins/world",
            "iamRoleArn": Ref("role/states"),
            "maxAggregationInterval": 600,
            "tags": TAGS,
        },
        {"tags": OTHER_TAGS},
    ),
    Case(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {
            "bucket": "plugins-world-bucket",
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
        },
        {
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY},
                    "bucketKeyEnabled": True,
                }
            ]
        },
        outlives_itself=True,
    ),
    Case(
        "aws:sfn/stateMachine:StateMachine",
        {
            "name": "plugins-machine",
            "type": "STANDARD",
            "roleArn": Ref("role/states"),
            "definition": machine("one"),
            "loggingConfiguration": {
                "level": "ALL",
                "includeExecutionData": True,
                "logDestination": "arn:aws:logs:us-east-1:000000000000:log-group:/plugins/world:*",
            },
            "tracingConfiguration": {"enabled": True},
            "tags": TAGS,
        },
        {"definition": machine("two"), "tracingConfiguration": {"enabled": False}, "tags": OTHER_TAGS},
    ),
)
