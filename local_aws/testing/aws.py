"""What tests need of AWS: clients, roles, images, tasks, state machines, functions."""

from __future__ import annotations

import functools
import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from local_aws.emulator import Emulator
from local_aws.plugins.docker import registry
from local_aws.plugins.docker.build import image_of
from local_aws.plugins.docker.context import Entry
from local_aws.testing import docker_images

T = TypeVar("T")
ACCOUNT = "000000000000"
REGION = "us-east-1"


def allow(*actions: str, on: str | list[str] = "*", when: dict[str, Any] | None = None) -> dict[str, Any]:
    """A statement that allows."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": on}
    return {**statement, "Condition": when} if when else statement


def zip_of(files: dict[str, str]) -> bytes:
    """A Lambda package, the same bytes for the same files: Lambda publishes no version where the code is the same."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


@functools.cache
def session() -> boto3.session.Session:
    """Shared by all clients: it loads the services' models once."""
    return boto3.session.Session()


def make_client(endpoint_url: str, service: str, **keys: str) -> Any:
    """A client without retries."""
    return session().client(
        service,  # type: ignore[call-overload]
        region_name=REGION,
        endpoint_url=endpoint_url,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, inject_host_prefix=False),
        **keys,
    )


@functools.cache
def root_client(endpoint_url: str, service: str) -> Any:
    """A client of the account's root."""
    return make_client(endpoint_url, service, aws_access_key_id="test", aws_secret_access_key="test")


class Aws:
    """The emulator's AWS, with names that no other test uses."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.suffix = uuid.uuid4().hex[:8]
        self.account = ACCOUNT
        self.region = REGION

    def client(self, service: str, role: str | None = None) -> Any:
        """A client as the account's root, or with a session of a role."""
        if role is None:
            return root_client(self.emulator.endpoint_url, service)
        answer = self.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return make_client(
            self.emulator.endpoint_url,
            service,
            aws_access_key_id=answer["AccessKeyId"],
            aws_secret_access_key=answer["SecretAccessKey"],
            aws_session_token=answer["SessionToken"],
        )

    def name(self, kind: str) -> str:
        """A name of a kind of thing, for this test alone."""
        return f"{kind}-{self.suffix}"

    def role(self, kind: str, service: str | None, *statements: dict[str, Any]) -> str:
        """A role that a service (or, with None, the account) may assume."""
        principal = {"Service": service} if service else {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        trust: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        source = {"states.amazonaws.com": "states", "ecs-tasks.amazonaws.com": "ecs"}.get(service or "")
        if source:
            trust["Condition"] = {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {"aws:SourceArn": f"arn:aws:{source}:{REGION}:{ACCOUNT}:*"},
            }
        iam, name = self.client("iam"), self.name(kind)
        arn: str = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )["Role"]["Arn"]
        self.policy(name, *statements)
        return arn

    def policy(self, role_name: str, *statements: dict[str, Any]) -> None:
        """Give a role these statements, and no other."""
        if not statements:
            return
        self.client("iam").put_role_policy(
            RoleName=role_name,
            PolicyName="only",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
        )

    def push(self, repository: str, tag: str, files: dict[str, str], config: dict[str, Any]) -> str:
        """Push an image of text files; answers with its name by digest."""
        if self.emulator.container_runtime == "docker":
            return docker_images.push(self.emulator.endpoint_url, repository, tag, files, config)
        entries = {path: Entry("file", 0o644, text.encode()) for path, text in files.items()}
        image, reference = image_of(entries, config), registry.Reference(docker_images.REGISTRY, repository, tag)
        registry.push(image, reference, self.emulator.endpoint_url)
        return f"{reference.repository_name}@{image.digest}"


def ask_until(ask: Callable[[], T | None], seconds: float = 60.0) -> T:
    """Ask until there is an answer."""
    deadline = time.monotonic() + seconds
    while (answer := ask()) is None:
        assert time.monotonic() < deadline, "no answer in time"
        time.sleep(0.05)
    return answer


class Fargate:
    """A cluster and a task definition that run a script in an image."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.ecs = aws.client("ecs")
        # Containers that start side by side share what the machine has; a quarter of a processor each is slow besides.
        in_containers = aws.emulator.container_runtime == "docker"
        self.cpu, self.memory = ("1024", "2048") if in_containers else ("256", "512")
        self.cluster = aws.name("cluster")
        self.repository = aws.name("repository")
        self.log_group = f"/ecs/{aws.suffix}"
        self.cluster_arn = self.ecs.create_cluster(clusterName=self.cluster)["cluster"]["clusterArn"]
        aws.client("ecr").create_repository(repositoryName=self.repository)
        aws.client("logs").create_log_group(logGroupName=self.log_group)
        self.task_role = aws.role("task", "ecs-tasks.amazonaws.com", allow("s3:ListAllMyBuckets"))
        self.execution_statements = [
            allow("ecr:GetAuthorizationToken"),
            allow(
                "ecr:BatchCheckLayerAvailability",
                "ecr:GetDownloadUrlForLayer",
                "ecr:BatchGetImage",
                on=f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{self.repository}",
            ),
            allow(
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                on=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{self.log_group}:log-stream:*",
            ),
        ]
        self.execution_role = aws.role("execution", "ecs-tasks.amazonaws.com", *self.execution_statements)
        ec2 = aws.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
        self.security_group = ec2.create_security_group(GroupName=self.cluster, Description="x", VpcId=vpc)["GroupId"]

    def define(self, script: str = "", **container: Any) -> str:
        """Push a script and register a task definition that runs it; answers with the definition's ARN."""
        image = container.pop("image", None) or self.aws.push(
            self.repository,
            uuid.uuid4().hex,
            {"app/job.py": script},
            {"Entrypoint": ["python", "job.py"], "WorkingDir": "/app", "Env": ["FROM_IMAGE=yes", "PATH=/nowhere"]},
        )
        options = {"awslogs-group": self.log_group, "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"}
        log = {"logDriver": "awslogs", "options": options}
        arn: str = self.ecs.register_task_definition(
            family=self.aws.name("family"),
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu=self.cpu,
            memory=self.memory,
            taskRoleArn=self.task_role,
            executionRoleArn=self.execution_role,
            containerDefinitions=[{"name": "app", "image": image, "logConfiguration": log, **container}],
        )["taskDefinition"]["taskDefinitionArn"]
        return arn

    @property
    def network(self) -> dict[str, Any]:
        """A network configuration for RunTask."""
        return {"awsvpcConfiguration": {"subnets": [self.subnet], "securityGroups": [self.security_group]}}

    def run(self, definition: str, client: Any = None, **request: Any) -> Any:
        """RunTask; answers with what ECS answered."""
        return (client or self.ecs).run_task(
            cluster=self.cluster,
            taskDefinition=definition,
            launchType="FARGATE",
            networkConfiguration=self.network,
            **request,
        )

    def start(self, definition: str, **request: Any) -> Any:
        """RunTask of one task; answers with its ARN."""
        return self.run(definition, **request)["tasks"][0]["taskArn"]

    def describe(self, arn: str) -> Any:
        """DescribeTasks of one task."""
        return self.ecs.describe_tasks(cluster=self.cluster, tasks=[arn])["tasks"][0]

    def when(self, arn: str, status: str) -> Any:
        """The task once it has a status."""

        def ask() -> Any:
            task = self.describe(arn)
            assert status == "STOPPED" or task["lastStatus"] != "STOPPED", task.get("stoppedReason")
            return task if task["lastStatus"] == status else None

        return ask_until(ask)

    def finish(self, definition: str, **request: Any) -> Any:
        """Run one task until it has stopped."""
        return self.when(self.start(definition, **request), "STOPPED")

    def log(self, arn: str) -> list[str]:
        """What a task wrote."""
        stream = f"ecs/app/{arn.rsplit('/', 1)[-1]}"
        events = self.aws.client("logs").get_log_events(
            logGroupName=self.log_group, logStreamName=stream, startFromHead=True
        )["events"]
        return [event["message"] for event in events]


class StateMachines:
    """State machines with a role of their own."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.client = aws.client("stepfunctions")
        self._made = 0

    def create(self, states: dict[str, Any], start: str, role: str, **definition: Any) -> str:
        """A JSONata state machine."""
        self._made += 1
        document = {"QueryLanguage": "JSONata", "StartAt": start, "States": states, **definition}
        arn: str = self.client.create_state_machine(
            name=f"{self.aws.name('machine')}-{self._made}", definition=json.dumps(document), roleArn=role
        )["stateMachineArn"]
        return arn

    def start(self, machine: str, value: Any = None) -> Any:
        """Start an execution; answers with its ARN."""
        return self.client.start_execution(stateMachineArn=machine, input=json.dumps(value or {}))["executionArn"]

    def end(self, execution: str, seconds: float = 60.0) -> Any:
        """The execution once it has ended."""

        def ask() -> Any:
            described = self.client.describe_execution(executionArn=execution)
            return None if described["status"] == "RUNNING" else described

        return ask_until(ask, seconds)

    def run(self, states: dict[str, Any], start: str, role: str, value: Any = None, **definition: Any) -> Any:
        """Run states until the execution has ended."""
        return self.end(self.start(self.create(states, start, role, **definition), value))

    def history(self, execution: str) -> Any:
        """The execution's events."""
        return self.client.get_execution_history(executionArn=execution, maxResults=1000)["events"]


class Functions:
    """A Lambda function with a role of its own, which may write its log."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.client = aws.client("lambda")
        self.name = aws.name("function")
        self.arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"
        self.role = aws.role(
            "function",
            "lambda.amazonaws.com",
            allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
        )

    @staticmethod
    def package(files: dict[str, str]) -> bytes:
        """A deployment package."""
        return zip_of(files)

    def create(self, code: str, **more: Any) -> Any:
        """CreateFunction."""
        return self.client.create_function(
            FunctionName=self.name,
            Runtime="python3.13",
            Role=more.pop("Role", self.role),
            Handler="code.handler",
            Code={"ZipFile": zip_of({"code.py": code})},
            **more,
        )

    def invoke(self, event: Any = None, **more: Any) -> Any:
        """What the function answers."""
        answer = self.client.invoke(**{"FunctionName": self.name, **more}, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    def settle(self) -> None:
        """Return when no creation or update of the function is in progress."""

        def settled() -> bool | None:
            configuration = self.client.get_function_configuration(FunctionName=self.name)
            return configuration["LastUpdateStatus"] == "Successful" or None

        ask_until(settled)

    def publish(self, **more: Any) -> Any:
        """PublishVersion once the function is settled."""
        self.settle()
        return self.client.publish_version(FunctionName=self.name, **more)

    def put_code(self, code: str, **more: Any) -> Any:
        """UpdateFunctionCode."""
        return self.client.update_function_code(FunctionName=self.name, ZipFile=zip_of({"code.py": code}), **more)


class Topic:
    """An SNS topic, and a queue in which its messages wait. `client` makes clients by service."""

    def __init__(self, client: Callable[[str], Any], name: str) -> None:
        sns, self._sqs = client("sns"), client("sqs")
        self.arn: str = sns.create_topic(Name=name)["TopicArn"]
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        may_send = allow("sqs:SendMessage", on=attributes["QueueArn"])
        policy = {"Version": "2012-10-17", "Statement": [{**may_send, "Principal": {"Service": "sns.amazonaws.com"}}]}
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": json.dumps(policy)})
        raw = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=attributes["QueueArn"], Attributes=raw)

    def message(self, wanted: Callable[[Any], bool] = lambda _: True, seconds: float = 60.0) -> Any:
        """The first message that is wanted, from JSON; others before it are dropped."""

        def receive() -> Any:
            for message in self._sqs.receive_message(QueueUrl=self._queue).get("Messages", []):
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                if wanted(body := json.loads(message["Body"])):
                    return body
            return None

        return ask_until(receive, seconds)
