"""One life for every resource type: what it is made from, what changes, how somebody else changes it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TAGS = {"kit:workflow": "one", "owner": "tests"}
OTHER_TAGS = {"kit:workflow": "two", "added": "yes"}


@dataclass
class Case:
    """A resource's life.

    Attributes:
        token: its type.
        inputs: what the program gives; `world` has ids to refer to.
        changed: inputs that can change in place, with their new values; `None` takes one away.
        drift: how somebody else changes it, given clients and its id.
        drifted: the input that shows that.
        outlives_itself: a setting of something else, which is still there afterwards.
    """

    token: str
    inputs: Callable[[Any], dict[str, Any]]
    changed: Callable[[Any], Mapping[str, Any]] = lambda world: {}
    drift: Callable[[Any, str], None] | None = None
    drifted: str = ""
    outlives_itself: bool = False


def policy(action: str, resource: str = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": [action], "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(service: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        }
    )


def bucket_policy(bucket: str, sid: str) -> str:
    return policy(
        "s3:GetObject", f"arn:aws:s3:::{bucket}/*", Sid=sid, Principal={"AWS": "arn:aws:iam::000000000000:root"}
    )


def container(memory: int = 128) -> str:
    return json.dumps(
        [
            {
                "name": "main",
                "image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/plugins-world@sha256:" + "0" * 64,
                "essential": True,
                "memory": memory,
                "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
                "readonlyRootFilesystem": True,
                "linuxParameters": {"capabilities": {"add": [], "drop": ["ALL"]}},
            }
        ]
    )


def machine(comment: str) -> str:
    return json.dumps({"Comment": comment, "StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


def archive(path: Any) -> Any:
    from local_aws.plugins.framework.values import Archive

    return Archive(path=str(path), hash=str(path))


def lambda_function(world: Any) -> dict[str, Any]:
    return {
        "name": "plugins-function",
        "role": world.ids["role/lambda"],
        "handler": "main.handler",
        "runtime": "python3.13",
        "code": archive(world.ids["zip"]),
        "memorySize": 256,
        "timeout": 30,
        "description": "one",
        "architectures": ["x86_64"],
        "environment": {"variables": {"A": "1"}},
        "vpcConfig": {"subnetIds": world.ids["subnets"], "securityGroupIds": world.ids["groups"]},
        "loggingConfig": {"logFormat": "Text", "logGroup": "/plugins/world"},
        "tracingConfig": {"mode": "Active"},
        "replaceSecurityGroupsOnDestroy": True,
        "tags": TAGS,
    }


def key(attribute: str, kind: str) -> dict[str, str]:
    return {"attributeName": attribute, "keyType": kind}


def index(name: str, *keys: dict[str, str], projection: str, read: int = 1) -> dict[str, Any]:
    return {
        "name": name,
        "keySchemas": list(keys),
        "projectionType": projection,
        "readCapacity": read,
        "writeCapacity": 1,
    }


def indexed_table(world: Any) -> dict[str, Any]:
    return {
        "name": "plugins_indexed",
        "hashKey": "id",
        "rangeKey": "part",
        "attributes": attributes(id="S", part="S", state="S", kind="S"),
        "readCapacity": 1,
        "writeCapacity": 1,
        "globalSecondaryIndexes": [
            index("open", key("state", "HASH"), projection="KEYS_ONLY"),
            index("kinds", key("kind", "HASH"), projection="ALL"),
        ],
    }


def attributes(**kinds: str) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in kinds.items()]


CASES: tuple[Case, ...] = (
    Case(
        "aws:cloudwatch/logGroup:LogGroup",
        lambda world: {"name": "/plugins/group", "retentionInDays": 7, "tags": TAGS},
        lambda world: {"retentionInDays": 14, "tags": OTHER_TAGS},
        lambda world, name: world.client("logs").put_retention_policy(logGroupName=name, retentionInDays=30),
        "retentionInDays",
    ),
    Case(
        "aws:cloudwatch/eventRule:EventRule",
        lambda world: {
            "name": "plugins-rule",
            "description": "one",
            "eventPattern": json.dumps({"source": ["aws.states"], "detail": {"status": ["FAILED"]}}),
            "tags": TAGS,
        },
        lambda world: {"description": "two", "eventPattern": json.dumps({"source": ["aws.ecs"]}), "tags": OTHER_TAGS},
        lambda world, name: world.client("events").put_rule(Name=name, EventPattern='{"source": ["other"]}'),
        "eventPattern",
    ),
    Case(
        "aws:cloudwatch/eventTarget:EventTarget",
        lambda world: {
            "rule": "plugins-world",
            "targetId": "monitor",
            "arn": "arn:aws:lambda:us-east-1:000000000000:function:plugins-callee",
            "input": json.dumps({"action": "sweep"}),
            "retryPolicy": {"maximumEventAgeInSeconds": 600, "maximumRetryAttempts": 2},
        },
        lambda world: {"input": json.dumps({"action": "other"})},
        lambda world, _id: world.client("events").put_targets(
            Rule="plugins-world",
            Targets=[
                {
                    "Id": "monitor",
                    "Arn": "arn:aws:lambda:us-east-1:000000000000:function:plugins-callee",
                    "Input": "{}",
                }
            ],
        ),
        "input",
    ),
    Case(
        "aws:dynamodb/table:Table",
        lambda world: {
            "name": "plugins_table",
            "hashKey": "workflow_name",
            "rangeKey": "workflow_run_id",
            "attributes": [{"name": "workflow_run_id", "type": "N"}, {"name": "workflow_name", "type": "S"}],
            "readCapacity": 5,
            "writeCapacity": 5,
            "tags": TAGS,
        },
        lambda world: {
            "billingMode": "PAY_PER_REQUEST",
            "readCapacity": None,
            "writeCapacity": None,
            "ttl": {"attributeName": "expires", "enabled": True},
            "tags": OTHER_TAGS,
        },
        lambda world, name: world.client("dynamodb").update_table(
            TableName=name,
            BillingMode="PROVISIONED",
            ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        ),
        "billingMode",
    ),
    Case(
        "aws:dynamodb/table:Table",
        indexed_table,
        lambda world: {
            "globalSecondaryIndexes": [
                index("open", key("state", "HASH"), projection="KEYS_ONLY", read=2),
                index("kinds", key("kind", "HASH"), projection="ALL"),
            ],
            "ttl": {"attributeName": "expires", "enabled": True},
        },
        lambda world, name: world.client("dynamodb").update_table(
            TableName=name,
            GlobalSecondaryIndexUpdates=[
                {
                    "Update": {
                        "IndexName": "open",
                        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 1},
                    }
                }
            ],
        ),
        "globalSecondaryIndexes",
    ),
    Case(
        "aws:ec2/vpc:Vpc",
        lambda world: {"cidrBlock": "10.88.0.0/16", "enableDnsHostnames": True, "tags": TAGS},
        lambda world: {"enableDnsHostnames": False, "tags": OTHER_TAGS},
        lambda world, vpc: world.client("ec2").modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False}),
        "enableDnsSupport",
    ),
    Case(
        "aws:ec2/subnet:Subnet",
        lambda world: {
            "vpcId": world.ids["vpc"],
            "cidrBlock": "10.77.10.0/24",
            "availabilityZone": "us-east-1a",
            "mapPublicIpOnLaunch": True,
            "ipv6CidrBlock": "2001:db8:0:1::/64",
            "assignIpv6AddressOnCreation": True,
            "tags": TAGS,
        },
        lambda world: {"mapPublicIpOnLaunch": False, "assignIpv6AddressOnCreation": False, "tags": OTHER_TAGS},
        lambda world, subnet: world.client("ec2").modify_subnet_attribute(
            SubnetId=subnet, MapPublicIpOnLaunch={"Value": True}
        ),
        "mapPublicIpOnLaunch",
    ),
    Case(
        "aws:ec2/internetGateway:InternetGateway",
        lambda world: {"vpcId": world.ids["other vpc"], "tags": TAGS},
        lambda world: {"tags": OTHER_TAGS},
        lambda world, gateway: world.client("ec2").create_tags(
            Resources=[gateway], Tags=[{"Key": "stray", "Value": "x"}]
        ),
        "tags",
    ),
    Case(
        "aws:ec2/routeTable:RouteTable",
        lambda world: {"vpcId": world.ids["vpc"], "tags": TAGS},
        lambda world: {"tags": OTHER_TAGS},
        lambda world, table: world.client("ec2").delete_tags(Resources=[table], Tags=[{"Key": "added"}]),
        "tags",
    ),
    Case(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        lambda world: {"routeTableId": world.ids["tables"][0], "subnetId": world.ids["subnets"][0]},
    ),
    Case(
        "aws:ec2/route:Route",
        lambda world: {
            "routeTableId": world.ids["tables"][0],
            "destinationCidrBlock": "0.0.0.0/0",
            "gatewayId": world.ids["gateway"],
        },
    ),
    Case(
        "aws:ec2/eip:Eip",
        lambda world: {"tags": TAGS},
        lambda world: {"tags": OTHER_TAGS},
        lambda world, address: world.client("ec2").create_tags(
            Resources=[address], Tags=[{"Key": "stray", "Value": "x"}]
        ),
        "tags",
    ),
    Case(
        "aws:ec2/natGateway:NatGateway",
        lambda world: {
            "subnetId": world.ids["subnets"][0],
            "allocationId": world.ids["address"],
            "tags": TAGS,
        },
        lambda world: {"tags": OTHER_TAGS},
    ),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        lambda world: {
            "vpcId": world.ids["vpc"],
            "serviceName": "com.amazonaws.us-east-1.s3",
            "vpcEndpointType": "Gateway",
            "routeTableIds": [world.ids["tables"][0]],
            "tags": TAGS,
        },
        lambda world: {"routeTableIds": world.ids["tables"], "tags": OTHER_TAGS},
        lambda world, endpoint: world.client("ec2").modify_vpc_endpoint(
            VpcEndpointId=endpoint, RemoveRouteTableIds=[world.ids["tables"][0]]
        ),
        "routeTableIds",
    ),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        lambda world: {
            "vpcId": world.ids["vpc"],
            "serviceName": "com.amazonaws.us-east-1.ecs",
            "vpcEndpointType": "Interface",
            "subnetIds": world.ids["subnets"],
            "securityGroupIds": [world.ids["groups"][0]],
            "privateDnsEnabled": True,
            "tags": TAGS,
        },
        lambda world: {
            "securityGroupIds": [world.ids["groups"][1]],
            "subnetIds": world.ids["subnets"][:1],
            "privateDnsEnabled": False,
        },
        lambda world, endpoint: world.client("ec2").modify_vpc_endpoint(
            VpcEndpointId=endpoint, AddSecurityGroupIds=[world.ids["groups"][0]]
        ),
        "securityGroupIds",
    ),
    Case(
        "aws:ec2/securityGroup:SecurityGroup",
        lambda world: {
            "name": "plugins-group",
            "description": "tests",
            "vpcId": world.ids["vpc"],
            "ingress": [
                {
                    "protocol": "tcp",
                    "fromPort": 443,
                    "toPort": 443,
                    "securityGroups": [world.ids["groups"][0]],
                    "description": "from tasks",
                }
            ],
            "egress": [{"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}],
            "tags": TAGS,
        },
        lambda world: {
            "ingress": [
                {"protocol": "tcp", "fromPort": 443, "toPort": 443, "securityGroups": world.ids["groups"]},
                {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["10.0.0.0/8"]},
            ],
            "egress": [],
            "tags": OTHER_TAGS,
        },
        lambda world, group: world.client("ec2").authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
            ],
        ),
        "ingress",
    ),
    Case(
        "aws:ecr/repository:Repository",
        lambda world: {
            "name": "plugins/repository",
            "forceDelete": True,
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": {"scanOnPush": True},
            "tags": TAGS,
        },
        lambda world: {
            "imageTagMutability": "MUTABLE",
            "imageScanningConfiguration": {"scanOnPush": False},
            "tags": OTHER_TAGS,
        },
        lambda world, name: world.client("ecr").put_image_tag_mutability(
            repositoryName=name, imageTagMutability="IMMUTABLE"
        ),
        "imageTagMutability",
    ),
    Case(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        lambda world: {"repository": "plugins-world", "policy": lifecycle(20)},
        lambda world: {"policy": lifecycle(10)},
        lambda world, name: world.client("ecr").put_lifecycle_policy(
            repositoryName=name, lifecyclePolicyText=lifecycle(3)
        ),
        "policy",
    ),
    Case(
        "aws:ecs/cluster:Cluster",
        lambda world: {
            "name": "plugins-cluster",
            "settings": [{"name": "containerInsights", "value": "enabled"}],
            "tags": TAGS,
        },
        lambda world: {"settings": [{"name": "containerInsights", "value": "disabled"}], "tags": OTHER_TAGS},
        lambda world, arn: world.client("ecs").update_cluster(
            cluster=arn, settings=[{"name": "containerInsights", "value": "enhanced"}]
        ),
        "settings",
    ),
    Case(
        "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
        lambda world: {
            "clusterName": "plugins-world",
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        },
        lambda world: {"capacityProviders": ["FARGATE"]},
        outlives_itself=True,
    ),
    Case(
        "aws:ecs/taskDefinition:TaskDefinition",
        lambda world: {
            "family": "plugins-family",
            "containerDefinitions": container(),
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "executionRoleArn": world.ids["role/ecs-tasks"],
            "taskRoleArn": world.ids["role/ecs-tasks"],
            "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
            "tags": TAGS,
        },
        lambda world: {"tags": OTHER_TAGS},
        lambda world, _id: world.client("ecs").untag_resource(
            resourceArn="arn:aws:ecs:us-east-1:000000000000:task-definition/plugins-family:1", tagKeys=["added"]
        ),
        "tags",
    ),
    Case(
        "aws:iam/role:Role",
        lambda world: {
            "name": "plugins-role",
            "assumeRolePolicy": trust("lambda.amazonaws.com"),
            "description": "one",
            "tags": TAGS,
        },
        lambda world: {
            "assumeRolePolicy": trust("states.amazonaws.com"),
            "description": "two",
            "tags": OTHER_TAGS,
        },
        lambda world, name: world.client("iam").update_assume_role_policy(
            RoleName=name, PolicyDocument=trust("ec2.amazonaws.com")
        ),
        "assumeRolePolicy",
    ),
    Case(
        "aws:iam/rolePolicy:RolePolicy",
        lambda world: {"name": "plugins", "role": "plugins-lambda", "policy": policy("s3:GetObject")},
        lambda world: {"policy": policy("s3:PutObject")},
        lambda world, _id: world.client("iam").put_role_policy(
            RoleName="plugins-lambda", PolicyName="plugins", PolicyDocument=policy("s3:*")
        ),
        "policy",
    ),
    Case(
        "aws:lambda/function:Function",
        lambda_function,
        lambda world: {
            "code": archive(world.zip("two", "def handler(event, context):\n    return 2\n")),
            "memorySize": 512,
            "description": None,
            "environment": None,
            "vpcConfig": {"subnetIds": world.ids["subnets"][:1], "securityGroupIds": world.ids["groups"]},
            "tags": OTHER_TAGS,
        },
        lambda world, name: world.client("lambda").update_function_configuration(FunctionName=name, Timeout=60),
        "timeout",
    ),
    Case(
        "aws:lambda/permission:Permission",
        lambda world: {
            "statementId": "events",
            "action": "lambda:InvokeFunction",
            "function": "plugins-callee",
            "principal": "events.amazonaws.com",
            "sourceArn": "arn:aws:events:us-east-1:000000000000:rule/plugins-world",
        },
    ),
    Case(
        "aws:s3/bucket:Bucket",
        lambda world: {"bucket": "plugins-bucket", "forceDestroy": True, "tags": TAGS},
        lambda world: {"tags": OTHER_TAGS},
        lambda world, name: world.client("s3").put_bucket_tagging(
            Bucket=name, Tagging={"TagSet": [{"Key": "stray", "Value": "x"}]}
        ),
        "tags",
    ),
    Case(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        lambda world: {
            "bucket": "plugins-world-bucket",
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
        lambda world: {"ignorePublicAcls": False},
        lambda world, name: world.client("s3").put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration={"BlockPublicAcls": False}
        ),
        "blockPublicAcls",
    ),
    Case(
        "aws:s3/bucketPolicy:BucketPolicy",
        lambda world: {"bucket": "plugins-world-bucket", "policy": bucket_policy("plugins-world-bucket", "one")},
        lambda world: {"policy": bucket_policy("plugins-world-bucket", "two")},
        lambda world, name: world.client("s3").put_bucket_policy(Bucket=name, Policy=bucket_policy(name, "three")),
        "policy",
    ),
    Case(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        lambda world: {"bucket": "plugins-world-bucket", "rules": [lifecycle_rule(1)]},
        lambda world: {"rules": [lifecycle_rule(3)]},
        lambda world, name: world.client("s3").put_bucket_lifecycle_configuration(
            Bucket=name,
            LifecycleConfiguration={
                "Rules": [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 3}}]
            },
        ),
        "rules",
    ),
    Case(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        lambda world: {
            "bucket": "plugins-world-bucket",
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
        },
        lambda world: {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}]},
        outlives_itself=True,
    ),
    Case(
        "aws:sfn/stateMachine:StateMachine",
        lambda world: {
            "name": "plugins-machine",
            "type": "STANDARD",
            "roleArn": world.ids["role/states"],
            "definition": machine("one"),
            "loggingConfiguration": {
                "level": "ALL",
                "includeExecutionData": True,
                "logDestination": "arn:aws:logs:us-east-1:000000000000:log-group:/plugins/world:*",
            },
            "tracingConfiguration": {"enabled": True},
            "tags": TAGS,
        },
        lambda world: {"definition": machine("two"), "tracingConfiguration": {"enabled": False}, "tags": OTHER_TAGS},
        lambda world, arn: world.client("stepfunctions").update_state_machine(
            stateMachineArn=arn, definition=machine("three")
        ),
        "definition",
    ),
)


def lifecycle(count: int) -> str:
    rule = {
        "rulePriority": 1,
        "description": "few",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})


def lifecycle_rule(days: int) -> dict[str, Any]:
    return {
        "id": "uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": days},
    }
