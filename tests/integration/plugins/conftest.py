"""A configured `aws` plugin in this process, and a world of AWS things that resources refer to."""

import os
from collections.abc import Iterator

import pytest
from pulumi import automation as auto

from automation.local import plugins, pulumi_cli
from automation.local.emulator import Emulator
from automation.local.plugins.aws.base import AwsProvider
from automation.local.plugins.aws.registry import provider
from automation.local.plugins.framework.servicer import ProviderServicer
from tests.integration.plugins.harness import (
    ALLOW_ALL,
    PROJECT,
    Engine,
    MakeStack,
    Program,
    World,
    configuration,
    trust,
)


@pytest.fixture(scope="session")
def aws_provider(emulator: Emulator) -> AwsProvider:
    configured = provider()
    configured.configure(dict(configuration(emulator)))
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


@pytest.fixture(scope="session")
def command() -> auto.PulumiCommand:
    cli = pulumi_cli.ensure(pulumi_cli.default_cache_dir(), progress=print)
    return auto.PulumiCommand(str(cli.root))


@pytest.fixture(scope="session")
def environment(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("engine")
    plugins.install(folder / "bin")
    (folder / "state").mkdir()
    return {
        **world.emulator.environment,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "tests",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "PULUMI_EXPERIMENTAL": "true",
        "PULUMI_SKIP_CHECKPOINTS": "true",
    }


@pytest.fixture(scope="session")
def make_stack(
    world: World,
    command: auto.PulumiCommand,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> MakeStack:
    def make(name: str, program: Program) -> auto.Stack:
        folder = tmp_path_factory.mktemp(name)
        options = auto.LocalWorkspaceOptions(work_dir=str(folder), env_vars=environment, pulumi_command=command)
        stack = auto.create_stack(stack_name=name, project_name=PROJECT, program=program, opts=options)
        values = configuration(world.emulator)
        stack.set_all_config({f"aws:{key}": auto.ConfigValue(value) for key, value in values.items()})
        return stack

    # What a stack has made goes with the emulator.
    return make
