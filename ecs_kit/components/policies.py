"""IAM documents as pure functions of ARNs: least privilege for each workload.

Actions, resource types and condition keys are those of AWS's Service Authorization Reference. `"*"` is used only for
actions that take no resource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecs_kit.components.names import DeploymentTarget, PatternArns

Document = dict[str, Any]
Statement = dict[str, Any]


def statement(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    effect: str = "Allow",
) -> Statement:
    """One statement of an identity policy.

    Args:
        sid: What the statement is for, in letters and digits.
        actions: Actions as `service:Action`.
        resources: ARNs, or `*` for actions that take no resource.
        conditions: Values by key by operator.
        effect: `Allow` or `Deny`.
    """
    result: Statement = {"Sid": sid, "Effect": effect, "Action": sorted(actions), "Resource": sorted(resources)}
    if conditions:
        result["Condition"] = {operator: dict(values) for operator, values in conditions.items()}
    return result


def document(*statements: Statement) -> Document:
    """A policy of the given statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trust(service: str, target: DeploymentTarget, source_arn: str | None = None) -> Document:
    """A trust policy: an AWS service may assume a role, for this account alone where it sends the source account.

    Args:
        service: Service principal, such as `states.amazonaws.com`.
        target: The account.
        source_arn: `aws:SourceArn`, with `*`; None for services that send none (Lambda).
    """
    result: Statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if source_arn is not None:
        result["Condition"] = {
            "StringEquals": {"aws:SourceAccount": target.account},
            "ArnLike": {"aws:SourceArn": source_arn},
        }
    return document(result)


def trust_ecs_tasks(target: DeploymentTarget) -> Document:
    """Lets ECS tasks of this account and region assume a role."""
    return trust("ecs-tasks.amazonaws.com", target, target.arn("ecs", "*"))


def trust_state_machines(target: DeploymentTarget) -> Document:
    """Lets state machines of this account and region assume a role."""
    return trust("states.amazonaws.com", target, target.arn("states", "stateMachine:*"))


def trust_lambda(target: DeploymentTarget) -> Document:
    """Lets Lambda functions assume a role."""
    return trust("lambda.amazonaws.com", target)


def bucket_tls_only(bucket_arn: str) -> Document:
    """A bucket policy that refuses every request without TLS.

    Args:
        bucket_arn: The bucket.
    """
    return document(
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


def task(arns: PatternArns, *, target_prefix: str, source_buckets: Sequence[str]) -> Document:
    """What the job in the container may do: read its source, write its copy, keep its own record.

    Args:
        arns: The pattern's ARNs.
        target_prefix: Prefix in the kit's bucket that it may write to.
        source_buckets: Names of other buckets that it may read.
    """
    buckets = [arns.bucket, *(arns.other_bucket(name) for name in source_buckets)]
    targets = [f"{arns.bucket}/{target_prefix}/*"]
    return document(
        # With ListBucket a missing object is 404 instead of 403.
        statement("FindSource", ["s3:ListBucket"], buckets),
        statement("ReadSource", ["s3:GetObject", "s3:GetObjectTagging"], [f"{bucket}/*" for bucket in buckets]),
        statement("WriteTarget", ["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectTagging"], targets),
        statement("KeepOwnRecord", ["dynamodb:GetItem", "dynamodb:UpdateItem"], [arns.details_table]),
    )


def task_execution(arns: PatternArns, *, repository: str | None, secrets: Sequence[str] = ()) -> Document:
    """What ECS does to start a container: pull its image, read its secrets, write its log.

    Args:
        arns: The pattern's ARNs.
        repository: ARN of the image's private ECR repository, None for other registries.
        secrets: ARNs of the container's Secrets Manager secrets and SSM parameters.
    """
    statements = []
    if repository is not None:
        statements = [
            statement("SignInToRegistry", ["ecr:GetAuthorizationToken"], ["*"]),
            statement(
                "PullImage",
                ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                [repository],
            ),
        ]
    parameters = sorted({arn for arn in secrets if arn.split(":")[2] == "ssm"})
    if parameters:
        statements.append(statement("ReadParameters", ["ssm:GetParameters"], parameters))
    values = sorted(set(secrets) - set(parameters))
    if values:
        statements.append(statement("ReadSecrets", ["secretsmanager:GetSecretValue"], values))
    return document(*statements, _write_log(arns, arns.names.task_log_group))


def launcher(arns: PatternArns) -> Document:
    """What the Task Launcher does: register the run, launch ECS tasks, stop those of an ended run.

    Args:
        arns: The pattern's ARNs.
    """
    return document(
        *_function(arns, arns.names.launcher_function, arns.launcher_function),
        *_records(arns),
        _run_tasks(arns),
        _pass_task_roles(arns),
        *_describe_and_stop_tasks(arns),
    )


def monitor(arns: PatternArns) -> Document:
    """What the Task Monitor does: reconcile rows with ECS, update the summary, end runs whose execution has ended.

    Args:
        arns: The pattern's ARNs.
    """
    return document(
        *_function(arns, arns.names.monitor_function, arns.monitor_function),
        *_records(arns),
        statement("FindOpenRuns", ["dynamodb:Scan"], [arns.open_runs_index]),
        *_describe_and_stop_tasks(arns),
        statement("DescribeExecutions", ["states:DescribeExecution"], [arns.executions]),
    )


def state_machine_pattern_1(arns: PatternArns) -> Document:
    """What the state machine of pattern 1 does: call the two functions.

    Args:
        arns: The pattern's ARNs.
    """
    return document(
        statement("CallFunctions", ["lambda:InvokeFunction"], [arns.launcher_versions, arns.monitor_versions]),
        *_deliver_logs_and_traces(),
    )


def state_machine_pattern_2(arns: PatternArns) -> Document:
    """What the state machine of pattern 2 does: run ECS tasks with `.sync`, call the monitor, set `launching_ended`.

    Args:
        arns: The pattern's ARNs.
    """
    return document(
        statement("CallFunctions", ["lambda:InvokeFunction"], [arns.monitor_versions]),
        _run_tasks(arns),
        _pass_task_roles(arns),
        statement("TrackTasks", ["ecs:DescribeTasks", "ecs:StopTask"], [arns.ecs_tasks]),
        statement(
            "TrackTasksByEvents", ["events:DescribeRule", "events:PutRule", "events:PutTargets"], [arns.managed_rule]
        ),
        statement("MarkLaunchingEnded", ["dynamodb:UpdateItem"], [arns.summary_table]),
        *_deliver_logs_and_traces(),
    )


def _function(arns: PatternArns, function: str, function_arn: str) -> list[Statement]:
    """What every function in a VPC needs: its log, its traces, its network interfaces."""
    interfaces = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:UnassignPrivateIpAddresses",
    ]
    describe = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    return [
        _write_log(arns, arns.names.function_log_group(function)),
        statement("WriteTraces", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
        statement("ManageNetworkInterfaces", interfaces, [arns.network_interfaces]),
        statement("DescribeNetwork", describe, ["*"]),
        # Lambda itself needs these; the function's code must not have them (Lambda developer guide, "Giving Lambda
        # functions access to resources in an Amazon VPC").
        statement(
            "NotFromCode",
            [*interfaces, *describe],
            ["*"],
            {"ArnEquals": {"lambda:SourceFunctionArn": function_arn}},
            effect="Deny",
        ),
    ]


def _write_log(arns: PatternArns, log_group: str) -> Statement:
    return statement("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [arns.log_streams(log_group)])


def _records(arns: PatternArns) -> list[Statement]:
    actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    return [statement("KeepRecords", actions, [arns.details_table, arns.summary_table])]


def _run_tasks(arns: PatternArns) -> Statement:
    return statement("RunTasks", ["ecs:RunTask"], [arns.task_definitions], {"ArnEquals": {"ecs:cluster": arns.cluster}})


def _pass_task_roles(arns: PatternArns) -> Statement:
    return statement(
        "PassTaskRoles",
        ["iam:PassRole"],
        [arns.role("task"), arns.role("task-execution")],
        {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    )


def _describe_and_stop_tasks(arns: PatternArns) -> list[Statement]:
    return [
        statement("DescribeAndStopTasks", ["ecs:DescribeTasks", "ecs:StopTask"], [arns.ecs_tasks]),
        # ListTasks takes container instances as its resource, not tasks, and Fargate has none.
        statement("ListTasks", ["ecs:ListTasks"], ["*"], {"ArnEquals": {"ecs:cluster": arns.cluster}}),
    ]


def _deliver_logs_and_traces() -> list[Statement]:
    """Logging and X-Ray of a state machine; none of these actions takes a resource (Step Functions developer guide)."""
    return [
        statement(
            "DeliverLogs",
            [
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            ],
            ["*"],
        ),
        statement(
            "WriteTraces",
            [
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            ],
            ["*"],
        ),
    ]
