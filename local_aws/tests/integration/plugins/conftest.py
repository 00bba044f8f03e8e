"""A configured `aws` plugin in this process, and AWS resources that other resources refer to, made with boto3 alone."""

import pytest

from local_aws.emulator import Emulator
from local_aws.environment import provider_configuration
from local_aws.plugins.aws.registry import provider
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.tests.integration.plugins.cases import archive, trust
from local_aws.tests.integration.plugins.harness import Engine, World


@pytest.fixture(scope="session")
def engine(emulator: Emulator) -> Engine:
    configured = provider()
    settings = provider_configuration(emulator)
    configured.configure({key.removeprefix("aws:"): value for key, value in settings.items()})
    return Engine(ProviderServicer(configured, "1.0.0"))


@pytest.fixture(scope="session")
def world(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(emulator, tmp_path_factory.mktemp("world"))
    ec2, iam, ids = made.client("ec2"), made.client("iam"), made.ids
    vpc = ids["vpc"] = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    ids["subnets"] = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{index}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for index, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    ids["groups"] = [
        ec2.create_security_group(GroupName=f"plugins-{index}", Description="d", VpcId=vpc)["GroupId"]
        for index in range(2)
    ]
    ids["tables"] = [ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2)]
    ids["gateway"] = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=ids["gateway"], VpcId=vpc)
    everything = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    for service in ("lambda", "states", "ecs-tasks", "scheduler"):
        role = {"RoleName": f"plugins-{service}", "AssumeRolePolicyDocument": trust(f"{service}.amazonaws.com")}
        ids[f"role/{service}"] = iam.create_role(**role)["Role"]["Arn"]
        iam.put_role_policy(RoleName=role["RoleName"], PolicyName="all", PolicyDocument=everything)
    ids["zip"] = made.zip("one", "def handler(event, context):\n    return 1\n")
    ids["code"] = archive(ids["zip"])
    ids["other code"] = archive(made.zip("two", "def handler(event, context):\n    return 2\n"))
    made.client("lambda").create_function(
        FunctionName="plugins-callee",
        Role=ids["role/lambda"],
        Runtime="python3.13",
        Handler="main.handler",
        Code={"ZipFile": ids["zip"].read_bytes()},
    )
    made.client("s3").create_bucket(Bucket="plugins-world-bucket")
    made.client("ecr").create_repository(repositoryName="plugins-world")
    made.client("ecs").create_cluster(clusterName="plugins-world")
    made.client("events").put_rule(Name="plugins-world", ScheduleExpression="rate(1 day)")
    made.client("sqs").create_queue(QueueName="plugins-failures")
    made.client("logs").create_log_group(logGroupName="/plugins/world")
    return made
