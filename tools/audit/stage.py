"""A deployed pattern on the local AWS: what the cases of an audit do with it, and where they look for denied calls."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.host.polling import looks
from ecs_kit.automation.journeys import spec_files, tables
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.components.names import DeploymentTarget, PatternNames
from ecs_kit.runtime.contract import outcomes
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.reports import REPORT_PREFIX
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from tools.audit.grants import Policies, Question

LIMIT_SECONDS = 120.0
"""How long a step of a case may take."""
POLL_SECONDS = 0.2
SMALL = b"an object of the audit"
LARGE = bytes(9 * 1024 * 1024)
"""Above the size that the SDK copies in parts."""
FINAL = ("Completed", "Failed")


@dataclass(eq=False)
class Stage:
    """One deployed pattern, and the executions and answers of the case that uses it.

    Attributes:
        target: the local target; its emulator injects faults.
        names: of the pattern's resources.
        deployed: the pattern's outputs.
        sources: the further bucket that tasks read.
        look: called while a case waits; it may raise, which ends the case.
    """

    target: Any
    names: PatternNames
    deployed: Mapping[str, Any]
    sources: str
    look: Callable[[], None] = lambda: None
    executions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.time)

    @property
    def aws(self) -> AwsClients:
        """Clients of the account's root."""
        clients: AwsClients = self.target.aws
        return clients

    @property
    def pattern(self) -> int:
        """The pattern's number."""
        return self.names.pattern

    @classmethod
    def of(cls, target: Any, deployed: Mapping[str, Any], pattern: int, sources: str) -> "Stage":
        """The stage of a deployed pattern, by its outputs."""
        _, _, _, region, account, *_ = str(deployed["stateMachineArn"]).split(":")
        return cls(target, PatternNames(pattern, "", DeploymentTarget("aws", account, region)), deployed, sources)

    @property
    def bucket(self) -> str:
        """The pattern's bucket."""
        return str(self.deployed["s3BucketName"])

    def begin(self, look: Callable[[], None] = lambda: None) -> None:
        """Begin a case: what roles ask for is recorded from now on. Ended runs have no report unless a case asks."""
        self.aws.events.disable_rule(Name=self.names.rule("run-reports"))
        self.target.injector.start_recording()
        self.look, self.executions, self.answers, self._began = look, [], [], time.time()

    def questions(self) -> tuple[Question, ...]:
        """What the pattern's roles have asked IAM since the case began."""
        return tuple(
            Question(each.role, each.action, each.resource, each.statement, each.allowed)
            for each in self.target.injector.read_authorizations()
            if each.role.startswith(f"{self.names.base}-")
        )

    def put_policy(self, role: str, policy: str, document: Mapping[str, Any]) -> None:
        """Change an inline policy of a role."""
        self.aws.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))

    def policies(self) -> Policies:
        """The inline policies of the pattern's roles, as they are deployed."""
        iam = self.aws.iam
        roles = [role["RoleName"] for role in iam.list_roles()["Roles"]]
        return {
            (role, name): iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for role in roles
            if role.startswith(f"{self.names.base}-")
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        }

    def until(self, ask: Callable[[], Any], what: str, seconds: float = LIMIT_SECONDS) -> Any:
        """Ask until there is an answer, and return it.

        Raises:
            DriverError: there was none in time.
        """
        for _ in looks(seconds, POLL_SECONDS):
            self.look()
            if answer := ask():
                return answer
        raise DriverError(f"pattern {self.pattern}: {what} did not happen within {seconds:g} s")

    def put(self, key: str, body: bytes = SMALL, *, bucket: str = "", tags: str = "") -> str:
        """Put an object, and return its key."""
        self.aws.s3.put_object(Bucket=bucket or self.bucket, Key=key, Body=body, Tagging=tags)
        return key

    def spec(self, tasks: Sequence[Mapping[str, Any]] | None, **more: Any) -> dict[str, Any]:
        """A spec with these tasks, or with none."""
        sample = spec_files.load(spec_files.sample_path(self.pattern))
        named = {
            **sample,
            "workflowName": f"audit-{uuid.uuid4().hex[:8]}",
            "taskList": list(tasks or sample["taskList"]),
        }
        rendered = {**spec_files.render(Path("audit.json"), named, self.deployed), **more}
        return rendered if tasks else {name: value for name, value in rendered.items() if name != "taskList"}

    def tasks(self, *keys: str) -> list[dict[str, Any]]:
        """A task of a list for each object: a key of the pattern's bucket, or `bucket/key` of the other one."""
        return [{"taskName": f"t{number}", **self._object(key)} for number, key in enumerate(keys, 1)]

    def _object(self, key: str) -> dict[str, str]:
        of_other = key.startswith(f"{self.sources}/")
        bucket = self.sources if of_other else self.bucket
        return {"s3BucketName": bucket, "objectKey": key.removeprefix(f"{self.sources}/")}

    def start(self, document: Any) -> str:
        """Start an execution, and return its ARN."""
        arn = self.aws.stepfunctions.start_execution(
            stateMachineArn=self.names.state_machine_arn, name=uuid.uuid4().hex, input=json.dumps(document)
        )["executionArn"]
        self.executions.append(arn)
        return arn

    def run(self, document: Any) -> None:
        """Start an execution, and wait until it has ended and its rows are final."""
        self.ended(self.start(document), str(document.get("workflowName", "")))

    def ended(self, execution_arn: str, workflow: str) -> None:
        """Wait until an execution has ended, its rows are final and its tasks have stopped."""
        self.until(lambda: self.status(execution_arn) != "RUNNING", "the end of an execution")
        self.until(lambda: self.is_over(workflow), "the end of a run")

    def status(self, execution_arn: str) -> str:
        """The status of an execution."""
        return str(self.aws.stepfunctions.describe_execution(executionArn=execution_arn)["status"])

    def is_over(self, workflow: str) -> bool:
        """Whether the runs of a workflow have ended, with all rows, and no task of it runs."""
        summaries = list(tables.summary_items(self.aws, self.deployed, workflow))
        rows = [row for row in self.rows() if row["workflow_name"] == workflow]
        return (
            all(item.get("end_time") for item in summaries)
            and all(row["status"] in FINAL for row in rows)
            and all(task.is_stopped for task in self.tasks_of(workflow))
        )

    def has_run(self, workflow: str) -> bool:
        """Whether a workflow has a run."""
        return any(tables.summary_items(self.aws, self.deployed, workflow))

    def is_reported(self, workflow: str) -> bool:
        """Whether there is a report of a workflow's run."""
        prefix = f"{REPORT_PREFIX}{workflow}/"
        return bool(self.aws.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("KeyCount"))

    def has_outcomes(self, workflow: str) -> bool:
        """Whether a workflow has an item of counted outcomes."""
        items = tables.all_items(self.aws, str(self.deployed["ddbTableNameWFSummary"]))
        return any(item["workflow_name"] == outcomes.key(workflow, 0) for item in items)

    def statuses(self, workflow: str) -> Counter[str]:
        """How many attempts of a workflow have each status."""
        return Counter(str(row["status"]) for row in self.rows() if row["workflow_name"] == workflow)

    def rows(self) -> list[Mapping[str, Any]]:
        """The rows of all attempts."""
        return list(tables.all_items(self.aws, str(self.deployed["ddbTableNameWFDetails"])))

    def delete_rows(self, workflow: str) -> None:
        """Delete the rows of a workflow's attempts."""
        for row in self.rows():
            if row["workflow_name"] == workflow:
                key = {"workflow_run_id": {"N": str(row["workflow_run_id"])}, "ecs_task_id": {"S": row["ecs_task_id"]}}
                self.aws.dynamodb.delete_item(TableName=str(self.deployed["ddbTableNameWFDetails"]), Key=key)

    def ecs_tasks(self) -> list[EcsTask]:
        """The cluster's tasks, stopped ones too."""
        return list(EcsTasks(self.aws.ecs, self.names.cluster).all().values())

    def tasks_of(self, workflow: str) -> list[EcsTask]:
        """The tasks of a workflow's runs."""
        return [task for task in self.ecs_tasks() if task.run and task.run[0] == workflow]

    def call(self, workload: str, payload: Mapping[str, Any], *, in_background: bool = False) -> Any:
        """Call a function; its answer is among the answers."""
        answer = self.aws.functions.invoke(
            FunctionName=self.names.function(workload),
            InvocationType="Event" if in_background else "RequestResponse",
            Payload=json.dumps(payload).encode(),
        )
        text = answer["Payload"].read().decode()
        self.answers.append(text)
        return json.loads(text or "null")

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Inject faults instead of those before; none end them."""
        self.target.injector.inject_faults(list(rules), f"audit-{self.pattern}")

    def met(self) -> list[int]:
        """How many calls each fault rule hit."""
        found = self.target.injector.injected_faults(f"audit-{self.pattern}")
        return [int(each["met"]) for each in found]

    def caller(self, user: str) -> str:
        """The pattern of who calls, for a fault rule: sessions of a role."""
        return f"*assumed-role/{self.names.role(user)}/*"

    def clean(self) -> None:
        """End whatever a case left: faults, executions, tasks, messages."""
        self.faults()
        for arn in self.executions:
            if self.status(arn) == "RUNNING":
                self.aws.stepfunctions.stop_execution(executionArn=arn)
        for task in self.ecs_tasks():
            if task.is_active:
                self.aws.ecs.stop_task(cluster=self.names.cluster, task=task.arn)
        self.look = lambda: None
        self.until(lambda: all(task.is_stopped for task in self.ecs_tasks()), "the end of the tasks")
        self.messages()

    def messages(self) -> list[str]:
        """Take the messages that wait in the failure queue."""
        found = []
        while taken := self.aws.sqs.receive_message(
            QueueUrl=self.deployed["failureQueueUrl"], MessageAttributeNames=["All"], MaxNumberOfMessages=10
        ).get("Messages"):
            for message in taken:
                found.append(json.dumps(message, default=str))
                self.aws.sqs.delete_message(
                    QueueUrl=self.deployed["failureQueueUrl"], ReceiptHandle=message["ReceiptHandle"]
                )
        self.answers += found
        return found

    def told(self) -> Iterator[tuple[str, str]]:
        """Where a user would find what went wrong since the case began, and the texts there."""
        states = self.aws.stepfunctions
        for arn in self.executions:
            described = states.describe_execution(executionArn=arn)
            yield "execution", f"{described.get('error')} {described.get('cause')}"
            yield "history", json.dumps(states.get_execution_history(executionArn=arn, maxResults=1000), default=str)
        yield "answer", "\n".join(self.answers)
        workflows = {item["workflow_name"] for item in self.rows()}
        yield "row", json.dumps(self.rows(), default=str) if workflows else ""
        yield "task", "\n".join(f"{task.stopped_reason} {task.container_reason}" for task in self.ecs_tasks())
        for group in (
            *map(self.names.function_log_group, ("launcher", "monitor", "reporter")),
            self.names.task_log_group,
        ):
            try:
                pages = self.aws.logs.get_paginator("filter_log_events").paginate(
                    logGroupName=group, startTime=int(self._began * 1000)
                )
                yield "log", "\n".join(event["message"] for page in pages for event in page["events"])
            except self.aws.logs.exceptions.ResourceNotFoundException:
                continue
