"""What ECS does with the execution role before a task's containers start.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.testing.aws import allow

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="execution_role"),
    pytest.mark.correction(name="ecs_tasks"),
]


def without(statements: list[dict[str, Any]], action: str) -> list[dict[str, Any]]:
    """The statements that remain when one action is taken away."""
    left = [{**each, "Action": [name for name in each["Action"] if name != action]} for each in statements]
    return [each for each in left if each["Action"]]


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("ecr:GetAuthorizationToken", "ResourceInitializationError: unable to pull secrets or registry auth"),
        ("ecr:BatchGetImage", "CannotPullContainerError: "),
        ("ecr:GetDownloadUrlForLayer", "CannotPullContainerError: "),
        ("ecr:BatchCheckLayerAvailability", "CannotPullContainerError: "),
        ("logs:CreateLogStream", "ResourceInitializationError: failed to validate logger args: "),
    ],
)
def test_a_task_whose_execution_role_may_not_does_not_start(aws: Any, fargate: Any, action: str, reason: str) -> None:
    definition = fargate.define("")
    aws.policy(aws.name("execution"), *without(fargate.execution_statements, action))
    task = fargate.finish(definition)
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith(reason)
    assert action in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]
    assert "startedAt" not in task


def test_output_that_the_role_may_not_put_is_lost(aws: Any, fargate: Any) -> None:
    definition = fargate.define("print('said')")
    aws.policy(aws.name("execution"), *without(fargate.execution_statements, "logs:PutLogEvents"))
    task = fargate.finish(definition)
    assert task["containers"][0]["exitCode"] == 0
    assert fargate.log(task["taskArn"]) == []


def make_secret(aws: Any) -> tuple[str, str, str]:
    secret = json.dumps({"word": "swordfish"})
    arn = aws.client("secretsmanager").create_secret(Name=aws.name("secret"), SecretString=secret)["ARN"]
    return "secretsmanager:GetSecretValue", arn, f"{arn}:word::"


def make_parameter(aws: Any, kind: str) -> tuple[str, str, str]:
    ssm, name = aws.client("ssm"), f"/{aws.name('parameter')}"
    ssm.put_parameter(Name=name, Value="swordfish", Type=kind)
    arn = ssm.get_parameter(Name=name)["Parameter"]["ARN"]
    return "ssm:GetParameters", arn, arn


@pytest.mark.parametrize("kind", ["secret", "String", "SecureString"])
def test_secrets_and_parameters_are_read_with_the_execution_role_and_decrypted(
    aws: Any, fargate: Any, kind: str
) -> None:
    action, arn, source = make_secret(aws) if kind == "secret" else make_parameter(aws, kind)
    script = "import os; print(os.environ['WORD'])"
    definition = fargate.define(script, secrets=[{"name": "WORD", "valueFrom": source}])
    assert action in fargate.finish(definition)["stoppedReason"]
    aws.policy(aws.name("execution"), *fargate.execution_statements, allow(action, on=arn))
    assert fargate.log(fargate.finish(definition)["taskArn"]) == ["swordfish"]


@pytest.mark.parametrize("missing", ["log group", "image", "parameter"])
def test_what_is_missing_keeps_a_task_from_starting(aws: Any, fargate: Any, missing: str) -> None:
    image = f"{aws.account}.dkr.ecr.{aws.region}.amazonaws.com/{fargate.repository}:no-such-tag"
    parameter = f"arn:aws:ssm:{aws.region}:{aws.account}:parameter/missing"
    aws.policy(aws.name("execution"), *fargate.execution_statements, allow("ssm:GetParameters", on=parameter))
    if missing == "log group":
        aws.client("logs").delete_log_group(logGroupName=fargate.log_group)
    definition, start, end = {
        "log group": ({}, "ResourceInitializationError: ", "The specified log group does not exist."),
        "image": ({"image": image}, "CannotPullContainerError: ", f"{image}: not found"),
        "parameter": (
            {"secrets": [{"name": "WORD", "valueFrom": parameter}]},
            "ResourceInitializationError: ",
            parameter,
        ),
    }[missing]
    task = fargate.finish(fargate.define(**definition))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith(start) and end in task["stoppedReason"]
    assert missing != "image" or task["containers"][0]["reason"] == task["stoppedReason"]
