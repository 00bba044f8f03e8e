"""The plugins under the real engine."""

import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx
import pulumi_docker as docker
import pytest

from tests.integration.plugins.cases import bucket_policy, container, lifecycle, lifecycle_rule, machine, policy
from tests.integration.plugins.harness import MakeStack, World, changes, trust

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]


class Everything:
    """A program with every type; its attributes are what a test changes between two deployments."""

    def __init__(self, world: World, context: Path) -> None:
        self.world = world
        self.context = context
        self.retention = 7
        self.range_key_type = "N"
        self.memory = 128
        self.definition = "one"
        self.name = "engine"
        self.public_subnets = True

    def __call__(self) -> None:
        name = self.name
        tags = {"kit:workflow": "engine"}
        account = aws.get_caller_identity().account_id
        region = aws.get_region().region
        group = aws.cloudwatch.LogGroup("group", name=f"/{name}", retention_in_days=self.retention, tags=tags)
        role = aws.iam.Role("role", name=name, assume_role_policy=trust("lambda.amazonaws.com"), tags=tags)
        allowed = aws.iam.RolePolicy("allowed", name="all", role=role.name, policy=policy("*"))
        machines = aws.iam.Role("machines", name=f"{name}-sfn", assume_role_policy=trust("states.amazonaws.com"))
        runs = aws.iam.RolePolicy("runs", name="all", role=machines.name, policy=policy("*"))
        tasks = aws.iam.Role("tasks", name=f"{name}-ecs", assume_role_policy=trust("ecs-tasks.amazonaws.com"))
        aws.dynamodb.Table(
            "table",
            name=f"{name}_table",
            hash_key="name",
            range_key="id",
            attributes=[{"name": "name", "type": "S"}, {"name": "id", "type": self.range_key_type}],
            read_capacity=5,
            write_capacity=5,
            tags=tags,
        )
        self._bucket(name, account)
        vpc = self._network(name, tags)
        closed = aws.ec2.SecurityGroup("closed", name=f"{name}-closed", description="tasks", vpc_id=vpc.vpc_id)
        aws.ec2.SecurityGroup(
            "open",
            name=f"{name}-open",
            description="endpoints",
            vpc_id=vpc.vpc_id,
            ingress=[{"protocol": "tcp", "from_port": 443, "to_port": 443, "security_groups": [closed.id]}],
        )
        tables = vpc.route_tables.apply(lambda found: pulumi.Output.all(*[table.id for table in found]))
        aws.ec2.VpcEndpoint(
            "s3", vpc_id=vpc.vpc_id, service_name=f"com.amazonaws.{region}.s3", route_table_ids=tables, tags=tags
        )
        aws.ec2.VpcEndpoint(
            "ecs",
            vpc_id=vpc.vpc_id,
            service_name=f"com.amazonaws.{region}.ecs",
            vpc_endpoint_type="Interface",
            subnet_ids=vpc.private_subnet_ids,
            security_group_ids=[closed.id],
            private_dns_enabled=True,
        )
        image = self._image(name)
        cluster = aws.ecs.Cluster("cluster", name=name, tags=tags)
        aws.ecs.ClusterCapacityProviders("spot", cluster_name=cluster.name, capacity_providers=["FARGATE"])
        task = aws.ecs.TaskDefinition(
            "task",
            family=name,
            cpu="256",
            memory="512",
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            execution_role_arn=tasks.arn,
            container_definitions=image.repo_digest.apply(lambda digest: container(self.memory).replace("A", digest)),
        )
        function = aws.lambda_.Function(
            "function",
            name=name,
            role=role.arn,
            handler="main.handler",
            runtime="python3.13",
            code=pulumi.FileArchive(str(self.world.ids["zip"])),
            environment={"variables": {"TASK": task.arn, "PASSWORD": pulumi.Output.secret("hush")}},
            vpc_config={"subnet_ids": vpc.private_subnet_ids, "security_group_ids": [closed.id]},
            replace_security_groups_on_destroy=True,
            opts=pulumi.ResourceOptions(depends_on=[allowed]),
        )
        rule = aws.cloudwatch.EventRule("rule", name=name, schedule_expression="rate(1 hour)", tags=tags)
        aws.cloudwatch.EventTarget("target", rule=rule.name, target_id="function", arn=function.arn)
        aws.lambda_.Permission(
            "permission",
            statement_id="events",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
        )
        machine_ = aws.sfn.StateMachine(
            "machine",
            name=name,
            role_arn=machines.arn,
            definition=machine(self.definition),
            logging_configuration={"level": "ERROR", "log_destination": group.arn.apply(lambda arn: f"{arn}:*")},
            opts=pulumi.ResourceOptions(depends_on=[runs]),
        )
        pulumi.export("machine", machine_.arn)
        pulumi.export("revision", task.revision)
        pulumi.export("image", image.repo_digest)
        pulumi.export("environment", function.environment)

    def _bucket(self, name: str, account: str) -> None:
        bucket = aws.s3.Bucket("bucket", bucket=f"{account}-{name}", force_destroy=True)
        aws.s3.BucketPublicAccessBlock("block", bucket=bucket.bucket, block_public_acls=True)
        aws.s3.BucketPolicy(
            "policy", bucket=bucket.bucket, policy=bucket.bucket.apply(lambda known: bucket_policy(known, "reads"))
        )
        rule = lifecycle_rule(1)
        aws.s3.BucketLifecycleConfiguration(
            "lifecycle",
            bucket=bucket.bucket,
            rules=[
                {
                    "id": rule["id"],
                    "status": rule["status"],
                    "filter": rule["filter"],
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
                }
            ],
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            "encryption",
            bucket=bucket.bucket,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
        )

    def _network(self, name: str, tags: dict[str, str]) -> awsx.ec2.Vpc:
        def no_public_addresses(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
            if args.type_ != "aws:ec2/subnet:Subnet":
                return None
            props: Any = {**args.props, "mapPublicIpOnLaunch": False}
            return pulumi.ResourceTransformResult(props=props, opts=args.opts)

        return awsx.ec2.Vpc(
            name,
            cidr_block="10.91.0.0/16",
            number_of_availability_zones=2,
            nat_gateways={"strategy": "Single"},
            subnet_strategy="Auto",
            enable_dns_hostnames=True,
            tags=tags,
            opts=pulumi.ResourceOptions(transforms=[] if self.public_subnets else [no_public_addresses]),
        )

    def _image(self, name: str) -> docker.Image:
        repository = aws.ecr.Repository("repository", name=name, force_delete=True, image_tag_mutability="IMMUTABLE")
        aws.ecr.LifecyclePolicy("expiry", repository=repository.name, policy=lifecycle(5))
        login = aws.ecr.get_authorization_token_output(registry_id=repository.registry_id)
        tag = re.sub(r"\W", "", (self.context / "job.py").read_text())[:20]
        return docker.Image(
            "image",
            image_name=pulumi.Output.concat(repository.repository_url, ":", tag),
            build={
                "context": str(self.context),
                "dockerfile": str(self.context / "Dockerfile"),
                "platform": "linux/amd64",
            },
            registry={"server": login.proxy_endpoint, "username": login.user_name, "password": login.password},
        )


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        'FROM python:3.13-slim\nCOPY job.py /app/\nENTRYPOINT ["python", "/app/job.py"]\n'
    )
    (folder / "job.py").write_text("print(1)\n")
    return folder


def test_every_type_lives_under_the_engine(world: World, make_stack: MakeStack, context: Path) -> None:
    program = Everything(world, context)
    stack = make_stack("everything", program)

    up = stack.up()
    made = changes(up)
    assert set(made) == {"create"}
    assert up.outputs["environment"].secret
    first_image = up.outputs["image"].value
    assert re.fullmatch(r"000000000000\.dkr\.ecr\.us-east-1\.amazonaws\.com/engine@sha256:[0-9a-f]{64}", first_image)

    assert changes(stack.preview(expect_no_changes=True)) == {}
    assert changes(stack.refresh(expect_no_changes=True)) == {}

    program.retention, program.definition, program.public_subnets = 14, "two", False
    program.range_key_type = "S"
    (context / "job.py").write_text("print(2)\n")
    up = stack.up()
    assert changes(up) == {"update": 6, "replace": 2}, (
        "log group, state machine, both public subnets, image, function; table, task definition"
    )
    assert up.outputs["revision"].value == 2
    assert up.outputs["image"].value != first_image

    arn = up.outputs["machine"].value
    world.client("stepfunctions").update_state_machine(stateMachineArn=arn, definition=machine("stray"))
    world.client("events").remove_targets(Rule="engine", Ids=["function"])
    assert changes(stack.refresh()) == {"update": 1, "delete": 1}
    assert changes(stack.up()) == {"update": 1, "create": 1}
    found = world.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
    assert json.loads(found["definition"])["Comment"] == "two"

    assert changes(stack.destroy())["delete"] == made["create"]
