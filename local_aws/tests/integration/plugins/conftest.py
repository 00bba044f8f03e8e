"""A configured `aws` plugin in this process, and a world of AWS things that resources refer to."""

from collections.abc import Iterator

import pytest

from local_aws.emulator import Emulator
from local_aws.plugins.aws.base import AwsProvider
from local_aws.plugins.aws.registry import provider
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.testing.stacks import provider_configuration
from local_aws.tests.integration.plugins.harness import ALLOW_ALL, Engine, World, trust


@pytest.fixture(scope="session")
def aws_provider(emulator: Emulator) -> AwsProvider:
    configured = provider()
    settings = provider_configuration(emulator)
    configured.configure({key.removeprefix("aws:"): value for key, value in settings.items()})
    return configured


@pytest.fixture(scope="session")
def engine(aws_provider: AwsProvider) -> Engine:
    return Engine(ProviderServicer(aws_provider, "1.0.0"))


@pytest.fixture(scope="session")
def world(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(emulator, tmp_path_factory.mktemp("world"))
    ec2, iam = made.client("ec2"), made.client("iam")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    made.ids["vpc"] = vpc
    made.ids["subnets"] = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{index}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for index, zone in enumerate(("us-east-1a", "us-east-1b"))
    ]
    made.ids["groups"] = [
        ec2.create_security_group(GroupName=f"plugins-{index}", Description="d", VpcId=vpc)["GroupId"]
        for index in range(2)
    ]
    made.ids["tables"] = [ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2)]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    made.ids["gateway"] = gateway
    for service in ("lambda", "states", "ecs-tasks"):
        name = f"plugins-{service}"
        made.ids[f"role/{service}"] = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=trust(f"{service}.amazonaws.com")
        )["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=ALLOW_ALL)
    made.ids["zip"] = made.zip("one", "def handler(event, context):\n    return 1\n")
    made.client("lambda").create_function(
        FunctionName="plugins-callee",
        Role=made.ids["role/lambda"],
        Runtime="python3.13",
        Handler="main.handler",
        Code={"ZipFile": made.ids["zip"].read_bytes()},
    )
    made.client("s3").create_bucket(Bucket="plugins-world-bucket")
    made.client("ecr").create_repository(repositoryName="plugins-world")
    made.client("ecs").create_cluster(clusterName="plugins-world")
    made.ids["rule"] = made.client("events").put_rule(Name="plugins-world", ScheduleExpression="rate(1 day)")
    made.client("logs").create_log_group(logGroupName="/plugins/world")
    yield made
