"""What calls are authorized on.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import xform_name

from local_aws.testing.aws import allow
from local_aws.tests.integration.emulator.expectations import refused, stop

pytestmark = [pytest.mark.integration, pytest.mark.correction(name="request_authorization")]

ROLES = [("task_role", "execution_role"), ("execution_role", "task_role")]


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


def run_statement(fargate: Any, definition: str, cluster: str | None = None) -> dict[str, Any]:
    return allow("ecs:RunTask", on=definition, when={"ArnEquals": {"ecs:cluster": cluster or fargate.cluster_arn}})


def pass_roles(fargate: Any, service: str = "ecs-tasks") -> dict[str, Any]:
    passed = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
    return allow("iam:PassRole", on=[fargate.task_role, fargate.execution_role], when=passed)


@pytest.mark.parametrize("named", ["revision", "family"])
def test_run_task_is_authorized_on_the_task_definition_and_the_cluster(
    aws: Any, fargate: Any, caller: Caller, named: str
) -> None:
    definition = fargate.define("")
    client = caller.client("ecs", run_statement(fargate, definition), pass_roles(fargate))
    answer = fargate.run(definition if named == "revision" else aws.name("family"), client)
    fargate.when(answer["tasks"][0]["taskArn"], "STOPPED")


def test_run_task_is_denied_in_another_cluster_or_with_permission_on_the_cluster_alone(
    fargate: Any, caller: Caller
) -> None:
    definition, cluster = fargate.define(""), fargate.cluster_arn
    for granted in (run_statement(fargate, definition, f"{cluster}-other"), allow("ecs:RunTask", on=cluster)):
        client = caller.client("ecs", granted, pass_roles(fargate))
        with refused("AccessDeniedException", f"not authorized to perform: ecs:RunTask on resource: {definition}"):
            fargate.run(definition, client)


@pytest.mark.parametrize(("lacking", "granted"), ROLES)
def test_run_task_and_register_task_definition_need_pass_role_for_both_roles(
    aws: Any, fargate: Any, caller: Caller, lacking: str, granted: str
) -> None:
    definition, needed = fargate.define(""), f"iam:PassRole on resource: {getattr(fargate, lacking)}"
    one = allow("iam:PassRole", on=getattr(fargate, granted))
    client = caller.client("ecs", run_statement(fargate, definition), one, allow("ecs:RegisterTaskDefinition"))
    with refused("AccessDeniedException", needed):
        fargate.run(definition, client)
    with refused("AccessDeniedException", needed):
        client.register_task_definition(
            family=aws.name("family"),
            taskRoleArn=fargate.task_role,
            executionRoleArn=fargate.execution_role,
            containerDefinitions=[{"name": "app", "image": "x", "memory": 64}],
        )


def test_pass_role_to_another_service_is_denied(fargate: Any, caller: Caller) -> None:
    definition = fargate.define("")
    client = caller.client("ecs", run_statement(fargate, definition), pass_roles(fargate, "lambda"))
    with refused("AccessDeniedException", "iam:PassRole"):
        fargate.run(definition, client)


@pytest.mark.parametrize("of", ["request", "definition"])
def test_tasks_that_get_tags_need_tag_resource(aws: Any, fargate: Any, caller: Caller, of: str) -> None:
    definition, tags = fargate.define(""), [{"key": "of", "value": "test"}]
    request: dict[str, Any] = {"tags": tags}
    if of == "definition":
        fargate.ecs.tag_resource(resourceArn=definition, tags=tags)
        request = {"propagateTags": "TASK_DEFINITION"}
    granted = [run_statement(fargate, definition), pass_roles(fargate)]
    tasks = f"arn:aws:ecs:{aws.region}:{aws.account}:task/{fargate.cluster}/*"
    with refused("AccessDeniedException", f"not authorized to perform: ecs:TagResource on resource: {tasks}"):
        fargate.run(definition, caller.client("ecs", *granted), **request)
    tagging = allow("ecs:TagResource", on=tasks, when={"StringEquals": {"ecs:CreateAction": "RunTask"}})
    arn = fargate.run(definition, caller.client("ecs", *granted, tagging), **request)["tasks"][0]["taskArn"]
    described = fargate.ecs.describe_tasks(cluster=fargate.cluster, tasks=[arn], include=["TAGS"])["tasks"][0]
    assert described["tags"] == tags
    fargate.when(arn, "STOPPED")


def test_stop_and_describe_are_authorized_on_each_task(fargate: Any, caller: Caller) -> None:
    definition = fargate.define("import time; time.sleep(60)", stopTimeout=2)
    mine, other = fargate.start(definition), fargate.start(definition)
    client = caller.client("ecs", allow("ecs:DescribeTasks", "ecs:StopTask", on=mine))
    assert len(client.describe_tasks(cluster=fargate.cluster, tasks=[mine])["tasks"]) == 1
    with refused("AccessDeniedException", f"ecs:DescribeTasks on resource: {other}"):
        client.describe_tasks(cluster=fargate.cluster, tasks=[mine, other])
    with refused("AccessDeniedException", f"ecs:StopTask on resource: {other}"):
        client.stop_task(cluster=fargate.cluster, task=other)
    client.stop_task(cluster=fargate.cluster, task=mine)
    stop(fargate, mine, other)


def test_list_tasks_is_authorized_on_the_cluster_by_condition(fargate: Any, caller: Caller) -> None:
    def listing(cluster: str) -> Any:
        return caller.client("ecs", allow("ecs:ListTasks", when={"ArnEquals": {"ecs:cluster": cluster}}))

    assert listing(fargate.cluster_arn).list_tasks(cluster=fargate.cluster)["taskArns"] == []
    with refused("AccessDeniedException", "ecs:ListTasks"):
        listing(fargate.cluster_arn + "-other").list_tasks(cluster=fargate.cluster)


@pytest.mark.parametrize(
    ("service", "action", "request_"),
    [
        ("stepfunctions", "states:CreateStateMachine", {"name": "m", "definition": "{}", "roleArn": "ROLE"}),
        ("stepfunctions", "states:UpdateStateMachine", {"stateMachineArn": "MACHINE", "roleArn": "ROLE"}),
        ("lambda", "lambda:UpdateFunctionConfiguration", {"FunctionName": "f", "Role": "ROLE"}),
        ("lambda", "lambda:CreateFunction", {"FunctionName": "f", "Role": "ROLE", "Code": {"ImageUri": "x"}}),
        ("events", "events:PutTargets", {"Rule": "r", "Targets": [{"Id": "1", "Arn": "MACHINE", "RoleArn": "ROLE"}]}),
    ],
    ids=lambda value: value.partition(":")[2] if isinstance(value, str) and ":" in value else "",
)
def test_calls_that_hand_a_role_to_a_service_need_pass_role(
    aws: Any, caller: Caller, service: str, action: str, request_: dict[str, Any]
) -> None:
    role = aws.role("handed", f"{action.partition(':')[0]}.amazonaws.com")
    machine = f"arn:aws:states:{aws.region}:{aws.account}:stateMachine:none"
    parameters = json.loads(json.dumps(request_).replace("ROLE", role).replace("MACHINE", machine))
    client = caller.client(service, allow(action))
    with refused("AccessDeniedException", f"iam:PassRole on resource: {role}"):
        getattr(client, xform_name(action.partition(":")[2]))(**parameters)


def test_a_bucket_that_denies_plain_transport_is_reached(aws: Any, caller: Caller) -> None:
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
    client = caller.client("s3", allow("s3:PutObject", on=f"arn:aws:s3:::{bucket}/*"))
    client.put_object(Bucket=bucket, Key="k", Body=b"x")


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        ({"UpdateExpression": "SET #s = :v, hits = if_not_exists(hits, :v)"}, ["hits", "status"]),
        ({"UpdateExpression": "REMOVE place.street[0]"}, ["place"]),
        (
            {"UpdateExpression": "ADD n :v", "ConditionExpression": "attribute_not_exists(#s) OR size(t) > :v"},
            ["n", "status", "t"],
        ),
        ({"AttributeUpdates": {"hits": {"Value": {"N": "1"}}}}, ["hits"]),
    ],
    ids=["set", "remove", "add with a condition", "legacy"],
)
def test_update_item_is_authorized_on_the_attributes_that_it_names(
    aws: Any, caller: Caller, expressions: dict[str, Any], names: list[str]
) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html."""
    table, dynamodb = aws.name("table"), aws.client("dynamodb")
    arn = dynamodb.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["TableArn"]
    dynamodb.put_item(TableName=table, Item={"id": {"S": "1"}, "place": {"M": {"street": {"L": [{"S": "x"}]}}}})
    text = " ".join(map(str, expressions.values()))
    request = {"TableName": table, "Key": {"id": {"S": "1"}}, **expressions}
    if "#s" in text:
        request["ExpressionAttributeNames"] = {"#s": "status"}
    if ":v" in text:
        request["ExpressionAttributeValues"] = {":v": {"N": "1"}}

    def client(*attributes: str) -> Any:
        when = {"ForAllValues:StringEquals": {"dynamodb:Attributes": list(attributes)}}
        return caller.client("dynamodb", allow("dynamodb:UpdateItem", on=arn, when=when))

    for missing in ("id", *names):
        with refused("AccessDeniedException", "dynamodb:UpdateItem"):
            client(*{"id", *names} - {missing}).update_item(**request)
    client("id", *names).update_item(**request)


def test_get_log_events_is_authorized_on_the_log_stream(aws: Any, caller: Caller) -> None:
    group, logs = aws.name("logs"), aws.client("logs")
    logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{aws.region}:{aws.account}:log-group:{group}"
    for stream in ("one", "two"):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    client = caller.client("logs", allow("logs:GetLogEvents", on=f"{arn}:log-stream:one"))
    assert client.get_log_events(logGroupName=group, logStreamName="one")["events"] == []
    with refused("AccessDeniedException", f"{arn}:log-stream:two"):
        client.get_log_events(logGroupName=group, logStreamName="two")
    with refused("AccessDeniedException"):
        caller.client("logs", allow("logs:GetLogEvents", on=arn)).get_log_events(
            logGroupName=group, logStreamName="one"
        )
