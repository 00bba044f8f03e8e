"""A pattern on the emulator, created with boto3 alone: the runtime and the state machines without Pulumi."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3

from ecs_kit.automation.journeys import tables
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.components import build_folder, lambda_package
from ecs_kit.components.definitions import StateMachineSettings, pattern_1, pattern_2
from ecs_kit.components.task_image import CONTEXT_FOLDERS
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.reporter.items import Item
from local_aws import Emulator
from local_aws.testing.aws import ACCOUNT, REGION, Aws, Fargate, allow, zip_of
from tests.unit.model.dynamodb import create_table
from tests.unit.runtime.fakes import infrastructure, settings_json

ROOT = Path(__file__).parents[3]


JOB = """

_copy = run


def run(job, s3):
    import os, signal, time

    kind = job.source.key.split("/")[0]
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "waiting":
        signal.pause()
    if kind == "exiting":
        os._exit(137)
    if kind == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if kind in ("deaf", "hanging"):
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(600)
    if kind == "held":
        while "Contents" not in s3.list_objects_v2(Bucket=job.source.bucket, Prefix=job.source.key):
            time.sleep(0.2)
    _copy(job, s3)
"""
"""The first part of the source's key is the behaviour of the job; one that is held waits for its source object."""


def image_files() -> dict[str, str]:
    library = build_folder.library(ROOT, CONTEXT_FOLDERS)
    files = {f"app/{path}": file.read_text() for path, file in library.items() if file.suffix == ".py"}
    files["app/ecs_kit/runtime/task/job.py"] += JOB
    return files


class Pattern:
    """One deployed pattern; `image_tag` is that of the pushed image by default."""

    def __init__(
        self,
        emulator: Emulator,
        pattern: int,
        *,
        image_tag: str = "",
        task_actions: Sequence[str] = ("s3:*", "dynamodb:*"),
        stop_timeout_seconds: int = 2,
        **settings: Any,
    ) -> None:
        self.aws = Aws(emulator)
        self.clients = AwsClients(boto3.Session("test", "test", region_name=REGION), endpoint_url=emulator.endpoint_url)
        self.pattern = pattern
        self.fargate = Fargate(self.aws)
        self.suffix = self.aws.suffix
        self.bucket = f"kit-{self.suffix}"
        self.summary_table, self.details_table = f"summary-{self.suffix}", f"details-{self.suffix}"
        self.options = {"taskTimeoutSeconds": 600, "runTimeoutSeconds": 3600, "taskAttempts": 1, **settings}
        self.state_machine_arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:kit-{self.suffix}"
        self.aws.client("s3").create_bucket(Bucket=self.bucket)
        create_table(self.aws.client("dynamodb"), self.summary_table, "workflow_summary")
        create_table(self.aws.client("dynamodb"), self.details_table, "workflow_details")
        self.aws.policy(self.fargate.task_role.rsplit("/", 1)[-1], allow(*task_actions))
        self.definition = self._task_definition(image_tag, stop_timeout_seconds).rsplit("/", 1)[-1]
        names = ("launcher", "monitor") if pattern == 1 else ("monitor",)
        self.functions = {name: self._function(name) for name in names}
        self._state_machine()
        self._rule()

    @property
    def attributes(self) -> dict[str, str]:
        return {
            **infrastructure(),
            "region": REGION,
            "s3BucketName": self.bucket,
            "subnetIdLiteral": self.fargate.subnet,
            "securityGroupId": self.fargate.security_group,
            "ddbTableNameWFSummary": self.summary_table,
            "ddbTableNameWFDetails": self.details_table,
            "clusterName": self.fargate.cluster,
            "taskDefinition": self.definition,
        }

    def _task_definition(self, image_tag: str, stop_timeout_seconds: int) -> str:
        image = self.aws.push(
            self.fargate.repository,
            "task",
            image_files(),
            {
                "Entrypoint": ["python3", "-m", "ecs_kit.runtime.task"],
                "WorkingDir": "/app",
                "Env": ["PYTHONPATH=/app:/packages"],
            },
        )
        if image_tag:
            image = f"{image.partition('@')[0]}:{image_tag}"
        environment = {
            "KIT_STATE_MACHINE": f"kit-{self.suffix}",
            "KIT_DETAILS_TABLE": self.details_table,
            "KIT_TARGET_BUCKET": self.bucket,
            "KIT_TARGET_PREFIX": "copies",
            "KIT_TASK_TIMEOUT_SECONDS": str(self.options["taskTimeoutSeconds"]),
            "KIT_LOG_STREAM_PREFIX": "ecs",
            "KIT_CONTAINER_NAME": "app",
            "KIT_STOP_TIMEOUT_SECONDS": str(stop_timeout_seconds),
        }
        return self.fargate.define(
            image=image,
            stopTimeout=stop_timeout_seconds,
            linuxParameters={"initProcessEnabled": True},
            environment=[{"name": name, "value": value} for name, value in environment.items()],
        )

    def _function(self, name: Any) -> str:
        everything = allow("s3:*", "dynamodb:*", "ecs:*", "states:*", "logs:*", "iam:PassRole")
        role = self.aws.role(name, "lambda.amazonaws.com", everything)
        package = {path: data.decode() for path, data in lambda_package.contents(name, ROOT).items()}
        settings = settings_json(
            self.pattern, infrastructure=self.attributes, stateMachineArn=self.state_machine_arn, **self.options
        )
        return self.aws.client("lambda").create_function(
            FunctionName=f"{name}-{self.suffix}",
            Runtime="python3.13",
            Role=role,
            Handler=f"ecs_kit.runtime.{name}.handler.handler",
            Timeout=300,
            Code={"ZipFile": zip_of(package)},
            Environment={"Variables": {"KIT_SETTINGS": settings}},
        )["FunctionArn"]

    def _state_machine(self) -> None:
        settings = StateMachineSettings(
            monitor_function_arn=self.functions["monitor"],
            launcher_function_arn=self.functions.get("launcher"),
            summary_table=self.summary_table,
            container_name="app",
            run_timeout_seconds=self.options["runTimeoutSeconds"],
            task_timeout_seconds=self.options["taskTimeoutSeconds"],
            max_concurrency=self.options.get("maxConcurrency", 0),
        )
        document = {1: pattern_1, 2: pattern_2}[self.pattern](settings)
        role = self.aws.role(
            "machine",
            "states.amazonaws.com",
            allow("lambda:InvokeFunction", "dynamodb:*", "ecs:*", "iam:PassRole", "events:*"),
        )
        self.aws.client("stepfunctions").create_state_machine(
            name=f"kit-{self.suffix}", definition=json.dumps(document), roleArn=role
        )

    def _rule(self) -> None:
        events, functions = self.aws.client("events"), self.aws.client("lambda")
        ended = {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"stateMachineArn": [self.state_machine_arn], "status": ["FAILED", "TIMED_OUT", "ABORTED"]},
        }
        arn = events.put_rule(Name=f"kit-{self.suffix}", EventPattern=json.dumps(ended))["RuleArn"]
        functions.add_permission(
            FunctionName=self.functions["monitor"],
            StatementId="events",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=arn,
        )
        events.put_targets(Rule=f"kit-{self.suffix}", Targets=[{"Id": "monitor", "Arn": self.functions["monitor"]}])

    def put(self, *keys: str) -> None:
        for key in keys:
            self.aws.client("s3").put_object(Bucket=self.bucket, Key=key, Body=f"content of {key}".encode())

    def spec(self, workflow: str, *keys: str, **changes: Any) -> dict[str, Any]:
        """A spec with one task per key."""
        tasks = [{"taskName": f"task_{n:02}", "objectKey": key} for n, key in enumerate(keys, 1)]
        return {**self.attributes, "separator": "$", "workflowName": workflow, "taskList": tasks, **changes}

    def start(self, document: Any) -> str:
        return self.aws.client("stepfunctions").start_execution(
            stateMachineArn=self.state_machine_arn, input=json.dumps(document)
        )["executionArn"]

    def end(self, execution: str, seconds: float = 60) -> dict[str, Any]:
        def ask() -> dict[str, Any] | None:
            found = self.aws.client("stepfunctions").describe_execution(executionArn=execution)
            return None if found["status"] == "RUNNING" else found

        return self.until(ask, seconds)

    def summaries(self, workflow: str) -> list[Item]:
        return [
            item for item in tables.all_items(self.clients, self.summary_table) if item["workflow_name"] == workflow
        ]

    def rows(self, workflow: str) -> list[Item]:
        own = [item for item in tables.all_items(self.clients, self.details_table) if item["workflow_name"] == workflow]
        return sorted(own, key=lambda row: (row["task_name"], row["attempt"]))

    def ecs_tasks(self, workflow: str, run_id: int) -> list[EcsTask]:
        """A run's ECS tasks, stopped ones too, by their creation."""
        found = EcsTasks(self.clients.ecs, self.fargate.cluster).all().values()
        own = [task for task in found if task.run == (workflow, run_id)]
        return sorted(own, key=lambda task: task.created_at)

    def copies(self, workflow: str) -> dict[str, str]:
        s3 = self.aws.client("s3")
        found = s3.list_objects_v2(Bucket=self.bucket, Prefix=f"copies/{workflow}/").get("Contents", [])
        return {
            item["Key"]: s3.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read().decode() for item in found
        }

    def until(self, ask: Callable[[], Any], seconds: float = 30) -> Any:
        """Ask four times a second until there is an answer."""
        deadline = time.monotonic() + seconds
        while not (answer := ask()):
            assert time.monotonic() < deadline, "no answer in time"
            time.sleep(0.25)
        return answer
