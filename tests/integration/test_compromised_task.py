"""A compromised task: what its role's credentials can do when they are used directly, and what they cannot."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_kit.components import policies
from ecs_kit.components.names import DeploymentTarget, PatternNames
from ecs_kit.runtime.contract import outcomes
from ecs_kit.runtime.contract.records import FUNCTION_ATTRIBUTES
from local_aws import Emulator
from local_aws.testing.aws import ACCOUNT, REGION, Aws, allow
from tests.unit.model.dynamodb import create_table

pytestmark = pytest.mark.integration

Call = Callable[["Task"], Any]
SPEC, SOURCE, COPY = "specs/pinned/another-run.json", "sample/sample.txt", "copies/wf/7/task_01/sample.txt"
ROW = {"workflow_run_id": {"N": "7"}, "ecs_task_id": {"S": "arn:aws:ecs:::task/other/1"}}
COMPLETE = {
    "UpdateExpression": "SET #status = :completed",
    "ExpressionAttributeNames": {"#status": "status"},
    "ExpressionAttributeValues": {":completed": {"S": "Completed"}},
}


class Task:
    """Clients with a session of the role of a pattern's tasks, and the pattern's bucket and tables."""

    def __init__(self, aws: Aws, *further: dict[str, Any], keeps_record: bool = True) -> None:
        self.aws = aws
        self.names = PatternNames(1, aws.suffix, DeploymentTarget("aws", ACCOUNT, REGION))
        document = policies.task(self.names, target_prefix="copies", source_buckets=[], keeps_record=keeps_record)
        self.role = aws.role(f"task-{uuid.uuid4().hex[:8]}", None, *document["Statement"], *further)

    def client(self, service: str) -> Any:
        """With the role's credentials."""
        return self.aws.client(service, self.role)

    @property
    def s3(self) -> Any:
        return self.client("s3")

    @property
    def dynamodb(self) -> Any:
        return self.client("dynamodb")

    @property
    def ecs(self) -> Any:
        return self.client("ecs")


@pytest.fixture(scope="module")
def task(emulator: Emulator) -> Task:
    """A task of a pattern, beside another run's spec and copy."""
    made = Task(Aws(emulator))
    s3, names = made.aws.client("s3"), made.names
    s3.create_bucket(Bucket=names.bucket)
    s3.put_bucket_policy(Bucket=names.bucket, Policy=json.dumps(policies.bucket_tls_only(names.bucket_arn)))
    for key in (SPEC, SOURCE, COPY):
        s3.put_object(Bucket=names.bucket, Key=key, Body=b"x")
    dynamodb = made.aws.client("dynamodb")
    create_table(dynamodb, names.summary_table, "workflow_summary")
    create_table(dynamodb, names.details_table, "workflow_details")
    trust = json.dumps(policies.trust_lambda(names.target))
    made.aws.client("iam").create_role(RoleName=names.role("monitor"), AssumeRolePolicyDocument=trust)
    made.aws.client("ecs").create_cluster(clusterName=names.cluster)
    return made


def object_(task: Task, key: str) -> dict[str, str]:
    return {"Bucket": task.names.bucket, "Key": key}


def summary(task: Task) -> dict[str, Any]:
    key = {"workflow_name": {"S": "wf"}, "workflow_run_id": {"N": "7"}}
    return {"TableName": task.names.summary_table, "Key": key}


def details(task: Task) -> dict[str, Any]:
    return {"TableName": task.names.details_table}


ALLOWED: dict[str, Call] = {
    "read a source": lambda task: task.s3.get_object(**object_(task, SOURCE)),
    "list the bucket": lambda task: task.s3.list_objects_v2(Bucket=task.names.bucket),
    "write a copy, another run's, too": lambda task: task.s3.put_object(**object_(task, COPY), Body=b"forged"),
    "write a row by its whole key": lambda task: task.dynamodb.update_item(**details(task), Key=ROW, **COMPLETE),
}


def set_attribute(name: str) -> Call:
    """UpdateItem of a row, which also sets an attribute."""
    values = {":completed": {"S": "Completed"}, ":forged": {"S": "x"}}
    update = {**COMPLETE, "UpdateExpression": f"SET #status = :completed, {name} = :forged"}
    return lambda task: task.dynamodb.update_item(
        **details(task), Key=ROW, **{**update, "ExpressionAttributeValues": values}
    )


REFUSED: dict[str, Call] = {
    **{f"write a row's {name}": set_attribute(name) for name in FUNCTION_ATTRIBUTES},
    "delete an object": lambda task: task.s3.delete_object(**object_(task, COPY)),
    "delete objects": lambda task: task.s3.delete_objects(
        Bucket=task.names.bucket, Delete={"Objects": [{"Key": COPY}]}
    ),
    "delete the bucket": lambda task: task.s3.delete_bucket(Bucket=task.names.bucket),
    "open the bucket": lambda task: task.s3.put_bucket_policy(Bucket=task.names.bucket, Policy="{}"),
    "read another run's spec": lambda task: task.s3.get_object(**object_(task, SPEC)),
    "copy another run's spec": lambda task: task.s3.copy_object(**object_(task, COPY), CopySource=object_(task, SPEC)),
    "change another run's spec": lambda task: task.s3.put_object(**object_(task, SPEC), Body=b""),
    "change a source": lambda task: task.s3.put_object(**object_(task, SOURCE), Body=b""),
    "list buckets": lambda task: task.s3.list_buckets(),
    "read a summary": lambda task: task.dynamodb.get_item(**summary(task)),
    "write a summary": lambda task: task.dynamodb.update_item(**summary(task), **COMPLETE),
    "put a summary": lambda task: task.dynamodb.put_item(TableName=task.names.summary_table, Item=summary(task)["Key"]),
    "count a task": lambda task: task.dynamodb.put_item(
        TableName=task.names.summary_table,
        Item={"workflow_name": {"S": outcomes.key("wf", 0)}, "workflow_run_id": {"N": "7"}},
    ),
    "read a row": lambda task: task.dynamodb.get_item(**details(task), Key=ROW),
    "find rows": lambda task: task.dynamodb.scan(**details(task)),
    "find a run's rows": lambda task: task.dynamodb.query(
        **details(task),
        KeyConditionExpression="workflow_run_id = :run",
        ExpressionAttributeValues={":run": {"N": "7"}},
    ),
    "replace a row": lambda task: task.dynamodb.put_item(**details(task), Item=ROW),
    "delete a row": lambda task: task.dynamodb.delete_item(**details(task), Key=ROW),
    "start a task": lambda task: task.ecs.run_task(cluster=task.names.cluster, taskDefinition=task.names.base),
    "stop a task": lambda task: task.ecs.stop_task(cluster=task.names.cluster, task="1" * 32),
    "find tasks": lambda task: task.ecs.list_tasks(cluster=task.names.cluster),
    "describe tasks": lambda task: task.ecs.describe_tasks(cluster=task.names.cluster, tasks=["1" * 32]),
    "start a run": lambda task: task.client("stepfunctions").start_execution(
        stateMachineArn=task.names.state_machine_arn
    ),
    "call a function": lambda task: task.client("lambda").invoke(FunctionName=task.names.function("monitor")),
    "read secrets": lambda task: task.client("secretsmanager").get_secret_value(SecretId="any"),
    "read logs": lambda task: task.client("logs").get_log_events(
        logGroupName=task.names.task_log_group, logStreamName="any"
    ),
    "write logs": lambda task: task.client("logs").create_log_stream(
        logGroupName=task.names.task_log_group, logStreamName="forged"
    ),
    "assume another role": lambda task: task.client("sts").assume_role(
        RoleArn=task.names.role_arn("monitor"), RoleSessionName="task"
    ),
    "change its own role": lambda task: task.client("iam").put_role_policy(
        RoleName=task.role.rsplit("/", 1)[-1], PolicyName="more", PolicyDocument="{}"
    ),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_a_compromised_task_can(task: Task, what: str) -> None:
    assert ALLOWED[what](task)["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("what", REFUSED)
def test_a_compromised_task_cannot(task: Task, what: str) -> None:
    with pytest.raises(ClientError) as refused:
        REFUSED[what](task)
    assert refused.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"), refused.value


@pytest.fixture(scope="module")
def with_job_policy(task: Task) -> Iterator[Task]:
    """A task whose job's own policy allows more than it should."""
    yield Task(task.aws, allow("s3:*"), allow("ecs:RegisterTaskDefinition", "ecs:RunTask"))


def test_no_policy_of_the_job_lets_it_read_specs(with_job_policy: Task) -> None:
    assert with_job_policy.s3.list_buckets()
    with pytest.raises(ClientError, match="AccessDenied"):
        with_job_policy.s3.get_object(**object_(with_job_policy, SPEC))


def test_a_job_that_may_run_tasks_still_cannot_pass_a_role(with_job_policy: Task) -> None:
    container = {"name": "app", "image": "x", "memory": 64}
    with pytest.raises(ClientError, match=r"not authorized to perform: iam:PassRole on resource: .*-task-execution"):
        with_job_policy.ecs.register_task_definition(
            family="mine",
            executionRoleArn=with_job_policy.names.role_arn("task-execution"),
            containerDefinitions=[container],
        )


@pytest.mark.parametrize("what", ["read a row", "write a row by its whole key"])
def test_with_rows_kept_from_ecs_it_has_no_access_to_a_table(task: Task, what: str) -> None:
    without_record = Task(task.aws, allow("s3:ListAllMyBuckets"), keeps_record=False)
    with pytest.raises(ClientError, match="no identity-based policy allows the dynamodb:"):
        {**ALLOWED, **REFUSED}[what](without_record)
