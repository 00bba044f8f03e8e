"""What calls are authorized on.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.integration, pytest.mark.correction(name="request_authorization")]


class Caller:
    """Someone with a role, whose policy a test writes."""

    def __init__(self, aws: Any) -> None:
        self.aws = aws
        self.role = aws.role("caller", None)

    def client(self, service: str, *statements: dict[str, Any]) -> Any:
        self.aws.policy(self.aws.name("caller"), *statements)
        return self.aws.client(service, self.role)


@pytest.fixture
def caller(aws: Any) -> Caller:
    return Caller(aws)


def denied(error: pytest.ExceptionInfo[ClientError]) -> str:
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    message: str = error.value.response["Error"]["Message"]
    return message


def run_statement(fargate: Any, statement: Any, definition: str, cluster: str | None = None) -> dict[str, Any]:
    granted: dict[str, Any] = statement(
        "ecs:RunTask", on=definition, when={"ArnEquals": {"ecs:cluster": cluster or fargate.cluster_arn}}
    )
    return granted


def pass_roles(fargate: Any, statement: Any) -> dict[str, Any]:
    granted: dict[str, Any] = statement(
        "iam:PassRole",
        on=[fargate.task_role, fargate.execution_role],
        when={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    )
    return granted


def test_run_task_is_authorized_on_the_task_definition_and_the_cluster(
    fargate: Any, caller: Caller, statement: Any
) -> None:
    definition = fargate.define("")
    client = caller.client("ecs", run_statement(fargate, statement, definition), pass_roles(fargate, statement))
    fargate.when(fargate.run(definition, client)["tasks"][0]["taskArn"], "STOPPED")


def test_run_task_by_a_bare_family_is_authorized_on_its_latest_revision(
    aws: Any, fargate: Any, caller: Caller, statement: Any
) -> None:
    definition = fargate.define("")
    client = caller.client("ecs", run_statement(fargate, statement, definition), pass_roles(fargate, statement))
    fargate.when(fargate.run(aws.name("family"), client)["tasks"][0]["taskArn"], "STOPPED")


def test_run_task_in_another_cluster_is_denied(fargate: Any, caller: Caller, statement: Any) -> None:
    definition = fargate.define("")
    other = fargate.cluster_arn + "-other"
    client = caller.client("ecs", run_statement(fargate, statement, definition, other), pass_roles(fargate, statement))
    with pytest.raises(ClientError) as error:
        fargate.run(definition, client)
    assert f"not authorized to perform: ecs:RunTask on resource: {definition}" in denied(error)


def test_run_task_on_the_clusters_arn_is_denied(fargate: Any, caller: Caller, statement: Any) -> None:
    definition = fargate.define("")
    client = caller.client("ecs", statement("ecs:RunTask", on=fargate.cluster_arn), pass_roles(fargate, statement))
    with pytest.raises(ClientError) as error:
        fargate.run(definition, client)
    assert "ecs:RunTask" in denied(error)


@pytest.mark.parametrize("which", ["task_role", "execution_role"])
def test_run_task_needs_pass_role_for_both_roles(fargate: Any, caller: Caller, statement: Any, which: str) -> None:
    definition = fargate.define("")
    other = {"task_role": "execution_role", "execution_role": "task_role"}[which]
    client = caller.client(
        "ecs", run_statement(fargate, statement, definition), statement("iam:PassRole", on=getattr(fargate, other))
    )
    with pytest.raises(ClientError) as error:
        fargate.run(definition, client)
    assert f"not authorized to perform: iam:PassRole on resource: {getattr(fargate, which)}" in denied(error)


def test_pass_role_to_another_service_is_denied(fargate: Any, caller: Caller, statement: Any) -> None:
    definition = fargate.define("")
    to_lambda = statement("iam:PassRole", when={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})
    client = caller.client("ecs", run_statement(fargate, statement, definition), to_lambda)
    with pytest.raises(ClientError) as error:
        fargate.run(definition, client)
    assert "iam:PassRole" in denied(error)


def test_tasks_that_get_tags_need_tag_resource(aws: Any, fargate: Any, caller: Caller, statement: Any) -> None:
    definition = fargate.define("")
    granted = [run_statement(fargate, statement, definition), pass_roles(fargate, statement)]
    client = caller.client("ecs", *granted)
    tags = [{"key": "of", "value": "test"}]
    with pytest.raises(ClientError) as error:
        fargate.run(definition, client, tags=tags)
    tasks = f"arn:aws:ecs:{aws.region}:{aws.account}:task/{fargate.cluster}/*"
    assert f"not authorized to perform: ecs:TagResource on resource: {tasks}" in denied(error)
    tagging = statement("ecs:TagResource", on=tasks, when={"StringEquals": {"ecs:CreateAction": "RunTask"}})
    client = caller.client("ecs", *granted, tagging)
    arn = fargate.run(definition, client, tags=tags)["tasks"][0]["taskArn"]
    described = fargate.ecs.describe_tasks(cluster=fargate.cluster, tasks=[arn], include=["TAGS"])["tasks"][0]
    assert described["tags"] == tags
    fargate.when(arn, "STOPPED")


def test_tasks_that_get_the_tags_of_their_definition_need_tag_resource(
    fargate: Any, caller: Caller, statement: Any
) -> None:
    definition = fargate.define("")
    tags = [{"key": "of", "value": "the definition"}]
    fargate.ecs.tag_resource(resourceArn=definition, tags=tags)
    client = caller.client("ecs", run_statement(fargate, statement, definition), pass_roles(fargate, statement))
    with pytest.raises(ClientError) as error:
        fargate.run(definition, client, propagateTags="TASK_DEFINITION")
    assert "ecs:TagResource" in denied(error)
    arn = fargate.start(definition, propagateTags="TASK_DEFINITION")
    described = fargate.ecs.describe_tasks(cluster=fargate.cluster, tasks=[arn], include=["TAGS"])["tasks"][0]
    assert described["tags"] == tags
    fargate.when(arn, "STOPPED")


def test_stop_and_describe_are_authorized_on_each_task(fargate: Any, caller: Caller, statement: Any) -> None:
    definition = fargate.define("import time; time.sleep(60)", stopTimeout=2)
    mine, other = fargate.start(definition), fargate.start(definition)
    client = caller.client("ecs", statement("ecs:DescribeTasks", "ecs:StopTask", on=mine))
    assert len(client.describe_tasks(cluster=fargate.cluster, tasks=[mine])["tasks"]) == 1
    with pytest.raises(ClientError) as error:
        client.describe_tasks(cluster=fargate.cluster, tasks=[mine, other])
    assert f"ecs:DescribeTasks on resource: {other}" in denied(error)
    with pytest.raises(ClientError) as error:
        client.stop_task(cluster=fargate.cluster, task=other)
    assert f"ecs:StopTask on resource: {other}" in denied(error)
    client.stop_task(cluster=fargate.cluster, task=mine)
    fargate.ecs.stop_task(cluster=fargate.cluster, task=other)
    for arn in (mine, other):
        fargate.when(arn, "STOPPED")


def test_list_tasks_is_authorized_on_the_cluster_by_condition(fargate: Any, caller: Caller, statement: Any) -> None:
    def listing(cluster: str) -> Any:
        return caller.client("ecs", statement("ecs:ListTasks", when={"ArnEquals": {"ecs:cluster": cluster}}))

    assert listing(fargate.cluster_arn).list_tasks(cluster=fargate.cluster)["taskArns"] == []
    with pytest.raises(ClientError) as error:
        listing(fargate.cluster_arn + "-other").list_tasks(cluster=fargate.cluster)
    assert "ecs:ListTasks" in denied(error)


@pytest.mark.parametrize("which", ["task_role", "execution_role"])
def test_register_task_definition_needs_pass_role_for_both_roles(
    aws: Any, fargate: Any, caller: Caller, statement: Any, which: str
) -> None:
    other = {"task_role": "execution_role", "execution_role": "task_role"}[which]
    registering = statement("ecs:RegisterTaskDefinition")
    client = caller.client("ecs", registering, statement("iam:PassRole", on=getattr(fargate, other)))
    with pytest.raises(ClientError) as error:
        client.register_task_definition(
            family=aws.name("family"),
            taskRoleArn=fargate.task_role,
            executionRoleArn=fargate.execution_role,
            containerDefinitions=[{"name": "app", "image": "x", "memory": 64}],
        )
    assert f"iam:PassRole on resource: {getattr(fargate, which)}" in denied(error)


def test_create_state_machine_needs_pass_role(aws: Any, caller: Caller, statement: Any) -> None:
    role = aws.role("machine", "states.amazonaws.com")
    client = caller.client("stepfunctions", statement("states:CreateStateMachine"))
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    with pytest.raises(ClientError) as error:
        client.create_state_machine(name=aws.name("machine"), definition=definition, roleArn=role)
    assert f"iam:PassRole on resource: {role}" in denied(error)


def test_a_machine_that_gets_another_role_needs_pass_role(aws: Any, caller: Caller, statement: Any) -> None:
    role, other = aws.role("machine", "states.amazonaws.com"), aws.role("other", "states.amazonaws.com")
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    machine = aws.client("stepfunctions").create_state_machine(
        name=aws.name("machine"), definition=definition, roleArn=role
    )["stateMachineArn"]
    client = caller.client("stepfunctions", statement("states:UpdateStateMachine"))
    with pytest.raises(ClientError) as error:
        client.update_state_machine(stateMachineArn=machine, roleArn=other)
    assert f"iam:PassRole on resource: {other}" in denied(error)


def test_a_function_that_gets_another_role_needs_pass_role(aws: Any, caller: Caller, statement: Any) -> None:
    other = aws.role("other", "lambda.amazonaws.com")
    client = caller.client("lambda", statement("lambda:UpdateFunctionConfiguration"))
    with pytest.raises(ClientError) as error:
        client.update_function_configuration(FunctionName=aws.name("function"), Role=other)
    assert f"iam:PassRole on resource: {other}" in denied(error)


def test_create_function_needs_pass_role(aws: Any, caller: Caller, statement: Any, package: Any) -> None:
    role = aws.role("function", "lambda.amazonaws.com")
    client = caller.client("lambda", statement("lambda:CreateFunction"))
    with pytest.raises(ClientError) as error:
        client.create_function(
            FunctionName=aws.name("function"),
            Runtime="python3.13",
            Role=role,
            Handler="f.handler",
            Code={"ZipFile": package({"f.py": ""})},
        )
    assert f"iam:PassRole on resource: {role}" in denied(error)


def test_a_target_with_a_role_needs_pass_role(aws: Any, caller: Caller, statement: Any) -> None:
    aws.client("events").put_rule(Name=aws.name("rule"), ScheduleExpression="rate(1 day)")
    role = aws.role("target", "events.amazonaws.com")
    client = caller.client("events", statement("events:PutTargets"))
    target = {"Id": "1", "Arn": f"arn:aws:states:{aws.region}:{aws.account}:stateMachine:none", "RoleArn": role}
    with pytest.raises(ClientError) as error:
        client.put_targets(Rule=aws.name("rule"), Targets=[target])
    assert f"iam:PassRole on resource: {role}" in denied(error)


def test_a_bucket_that_denies_plain_transport_is_reached(aws: Any, caller: Caller, statement: Any) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html."""
    bucket = aws.name("bucket")
    aws.client("s3").create_bucket(Bucket=bucket)
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    client = caller.client("s3", statement("s3:PutObject", on=f"arn:aws:s3:::{bucket}/*"))
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
