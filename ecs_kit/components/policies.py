"""IAM documents as pure functions of names: least privilege for each workload.

Actions, resource types and condition keys are those of AWS's Service Authorization Reference. `"*"` is used only where
a call is authorized on no resource. `make audit` finds grants that no run needs, `make mutation` those that none
misses.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ecs_kit.components.names import DeploymentTarget, PatternNames
from ecs_kit.runtime.contract.records import OPEN_RUNS_INDEX, TASK_ATTRIBUTES, UNCOUNTED_INDEX
from ecs_kit.runtime.contract.reports import REPORT_PREFIX
from ecs_kit.runtime.contract.spec_references import PINNED_PREFIX, SPEC_PREFIX

Document = dict[str, Any]
Statement = dict[str, Any]

MANAGED_RULE = "StepFunctionsGetEventsForECSTaskRule"
"""EventBridge rule with which Step Functions tracks its ECS tasks (its developer guide, "Run Amazon ECS tasks")."""


def statement(
    sid: str,
    actions: Sequence[str],
    resources: Iterable[str],
    conditions: Mapping[str, Mapping[str, str | list[str]]] | None = None,
    *,
    effect: str = "Allow",
) -> Statement:
    """One statement of an identity policy; `conditions` are values by key by operator."""
    result: Statement = {"Sid": sid, "Effect": effect, "Action": sorted(actions), "Resource": sorted(resources)}
    if conditions:
        result["Condition"] = {operator: dict(values) for operator, values in conditions.items()}
    return result


def document(*statements: Statement) -> Document:
    """A policy of the given statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trust(service: str, target: DeploymentTarget, source_arn: str | None = None) -> Document:
    """A trust policy: an AWS service may assume a role, for this account alone where it sends the source account.

    `source_arn` is `aws:SourceArn`, with `*`; None for services that send none (Lambda).
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
    """A bucket policy that refuses every request without TLS."""
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


def failure_queue(names: PatternNames) -> Document:
    """The failure queue's policy: EventBridge's rules of the pattern send to it, and nobody without TLS.

    Lambda and Scheduler send with their roles.
    Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    """
    queue = names.failure_queue_arn
    return document(
        {
            "Sid": "EventsOfRules",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnLike": {"aws:SourceArn": names.rules_arn}},
        },
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": queue,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )


def trust_scheduler(names: PatternNames) -> Document:
    """Lets the pattern's schedule assume a role.

    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html, by
    which `aws:SourceArn` is the ARN of the schedule's group.
    """
    return trust("scheduler.amazonaws.com", names.target, names.target.arn("scheduler", "schedule-group/default"))


def schedule(names: PatternNames) -> Document:
    """What the schedule does: start executions, and keep a start that failed."""
    return document(
        statement("StartRuns", ["states:StartExecution"], [names.state_machine_arn]),
        _send_failures(names),
    )


def use_key(target: DeploymentTarget, key_arn: str, services: Iterable[str], *, puts_objects: bool = True) -> Document:
    """What a role does with a KMS key: use the data that these services encrypt with it, and nothing else.

    Of S3, a role that only reads needs to decrypt, and an upload in parts needs both actions (S3 user guide, "Using
    server-side encryption with AWS KMS keys"); DynamoDB asks for the caller's permission to decrypt the table's key
    (DynamoDB developer guide, "Encryption at rest").
    """
    of_s3 = ["kms:Decrypt", "kms:GenerateDataKey"] if puts_objects else ["kms:Decrypt"]
    actions = {"s3": of_s3, "dynamodb": ["kms:Decrypt"]}
    return document(
        *(
            statement(
                f"UseKeyIn{service.capitalize()}",
                actions[service],
                [key_arn],
                {"StringEquals": {"kms:ViaService": f"{service}.{target.region}.amazonaws.com"}},
            )
            for service in services
        )
    )


def task(
    names: PatternNames, *, target_prefix: str, source_buckets: Sequence[str], keeps_record: bool = True
) -> Document:
    """What the job in the container may do: read its source, write its copy, and, if it does, keep its own record.

    Specs are not sources: they name other runs' tasks. No policy of the job can allow to read them.
    """
    buckets = [names.bucket_arn, *map(names.target.bucket_arn, source_buckets)]
    targets = [f"{names.bucket_arn}/{target_prefix}/*"]
    details = names.table_arn(names.details_table)
    return document(
        # With ListBucket a missing object is 404 instead of 403.
        statement("FindSource", ["s3:ListBucket"], buckets),
        statement("ReadSource", ["s3:GetObject", "s3:GetObjectTagging"], [f"{bucket}/*" for bucket in buckets]),
        statement(
            "NotSpecs",
            ["s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion"],
            [f"{names.bucket_arn}/{SPEC_PREFIX}*"],
            effect="Deny",
        ),
        statement("WriteTarget", ["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectTagging"], targets),
        *([_keep_own_record(details)] if keeps_record else []),
    )


def _keep_own_record(details_arn: str) -> Statement:
    """A task's writes to its row, without what only launcher and monitor say of it.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    attributes = {"ForAllValues:StringEquals": {"dynamodb:Attributes": list(TASK_ATTRIBUTES)}}
    return statement("KeepOwnRecord", ["dynamodb:UpdateItem"], [details_arn], attributes)


def task_execution(names: PatternNames, *, repository: str | None, secrets: Sequence[str] = ()) -> Document:
    """What ECS does to start a container: pull its image, read its secrets, write its log.

    `repository` is the ARN of the image's private ECR repository, None for other registries. `secrets` are the ARNs of
    the container's Secrets Manager secrets and SSM parameters.
    """
    statements = []
    if repository is not None:
        pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        statements = [
            statement("SignInToRegistry", ["ecr:GetAuthorizationToken"], ["*"]),
            statement("PullImage", pull, [repository]),
        ]
    parameters = {arn for arn in secrets if arn.split(":")[2] == "ssm"}
    if parameters:
        statements.append(statement("ReadParameters", ["ssm:GetParameters"], parameters))
    values = set(secrets) - parameters
    if values:
        statements.append(statement("ReadSecrets", ["secretsmanager:GetSecretValue"], values))
    return document(*statements, _write_log(names, names.task_log_group))


def launcher(names: PatternNames, *, source_buckets: Sequence[str] = ()) -> Document:
    """What the Task Launcher does: register the run, launch ECS tasks, stop those of an ended run."""
    return document(
        *_function(names, "launcher"),
        *_keep_records(names),
        *_run_tasks(names),
        _pass_task_roles(names),
        *_describe_and_stop_tasks(names),
        _read_specs(names),
        _pin_specs(names),
        *_list_sources(names, source_buckets),
    )


def monitor(names: PatternNames, *, source_buckets: Sequence[str] = ()) -> Document:
    """What the Task Monitor does: reconcile rows with ECS, update the summary, end runs whose execution has ended."""
    open_runs = f"{names.table_arn(names.summary_table)}/index/{OPEN_RUNS_INDEX}"
    executions = names.target.arn("states", f"execution:{names.base}:*")
    return document(
        *_function(names, "monitor"),
        *_keep_records(names),
        statement("FindOpenRuns", ["dynamodb:Scan"], [open_runs]),
        statement("ReadCounts", ["dynamodb:BatchGetItem"], [names.table_arn(names.summary_table)]),
        *_describe_and_stop_tasks(names),
        statement("DescribeExecutions", ["states:DescribeExecution"], [executions]),
        _read_specs(names),
        _pin_specs(names),
        *_list_sources(names, source_buckets),
        _send_failures(names),
    )


def reporter(names: PatternNames, *, topic_arn: str = "") -> Document:
    """What the Run Reporter does: read a run that has ended, write its report; Lambda tells the topic with its role."""
    summary, details = map(names.table_arn, (names.summary_table, names.details_table))
    log_streams = names.target.arn("logs", f"log-group:{names.task_log_group}:log-stream:*")
    executions = names.target.arn("states", f"execution:{names.base}:*")
    return document(
        *_function(names, "reporter"),
        statement("ReadRun", ["dynamodb:GetItem"], [summary]),
        statement("ReadAttempts", ["dynamodb:Query"], [details]),
        statement("ReadTaskLogs", ["logs:GetLogEvents"], [log_streams]),
        statement("DescribeExecutions", ["states:DescribeExecution"], [executions]),
        statement("DescribeTaskDefinitions", ["ecs:DescribeTaskDefinition"], ["*"]),
        statement("ReadPinnedSpecs", ["s3:GetObject"], [f"{names.bucket_arn}/{PINNED_PREFIX}*"]),
        statement("WriteReports", ["s3:PutObject"], [f"{names.bucket_arn}/{REPORT_PREFIX}*"]),
        *([statement("TellTopic", ["sns:Publish"], [topic_arn])] if topic_arn else []),
        _send_failures(names),
    )


def state_machine(names: PatternNames, definition: Mapping[str, Any]) -> Document:
    """What a state machine does: what the service integrations and the Distributed Map states of its definition need.

    The functions that it calls are named by ARNs without a version.

    Tasks, pinned lists and their roles are the pattern's own, whatever the arguments of the calls name.

    Raises:
        ValueError: it is not known here what a call or a state needs.
    """
    found: dict[str, Statement] = {}
    for state in _states(definition):
        for needed in _of_state(names, state):
            known = found.setdefault(needed["Sid"], needed)
            known["Resource"] = sorted({*known["Resource"], *needed["Resource"]})
    return document(*found.values(), *_deliver_logs_and_traces())


def services_of(policy: Document) -> set[str]:
    """The services whose actions a policy names."""
    return {action.partition(":")[0] for each in policy["Statement"] for action in each["Action"]}


def _states(definition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for state in definition["States"].values():
        yield state
        for inner in (*state.get("Branches", ()), *filter(None, [state.get("ItemProcessor")])):
            yield from _states(inner)


def _of_state(names: PatternNames, state: Mapping[str, Any]) -> list[Statement]:
    if unknown := {"Credentials", "Iterator", "ResultWriter"} & state.keys():
        raise ValueError(f"{', '.join(sorted(unknown))}: say in {__name__} what this needs")
    statements = []
    for call in (state, state.get("ItemReader", {})):
        if "Resource" in call:
            statements += _of_integration(names, call["Resource"].rpartition(":::")[2], call.get("Arguments", {}))
    if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
        statements += _run_children(names)
    return statements


def _of_integration(names: PatternNames, integration: str, arguments: Mapping[str, Any]) -> list[Statement]:
    """What a service integration needs.

    Sources: https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html and, of
    `ecs:runTask.sync`, https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html
    """
    functions = {names.function_arn(workload) for workload in ("launcher", "monitor")}
    match integration:
        case "lambda:invoke" if arguments.get("FunctionName") in functions:
            # State machines call published versions, which the function's own ARN does not name.
            return [statement("CallFunctions", ["lambda:InvokeFunction"], [f"{arguments['FunctionName']}:*"])]
        case "ecs:runTask.sync":
            rule = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
            track = ["ecs:DescribeTasks", "ecs:StopTask"]
            return [
                *_run_tasks(names),
                _pass_task_roles(names),
                statement("TrackTasks", track, [_ecs_tasks(names)], _in_cluster(names)),
                statement("TrackTasksByEvents", rule, [names.target.arn("events", f"rule/{MANAGED_RULE}")]),
            ]
        case "dynamodb:updateItem" if arguments.get("TableName") == names.summary_table:
            table = names.table_arn(names.summary_table)
            return [statement("MarkLaunchingEnded", ["dynamodb:UpdateItem"], [table])]
        case "s3:getObject":
            return [statement("ReadTaskLists", ["s3:GetObject"], [f"{names.bucket_arn}/{PINNED_PREFIX}*"])]
    raise ValueError(f"{integration} of {dict(arguments)}: say in {__name__} what this needs")


def _run_children(names: PatternNames) -> list[Statement]:
    """Child executions, which Step Functions starts, follows and stops with the role of a Distributed Map's execution.

    Their ARNs have the label of the Map state after a slash; AWS's example names executions without it.
    Source: https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    """
    children = [names.target.arn("states", f"execution:{names.base}{rest}") for rest in ("/*", ":*")]
    return [
        statement("StartChildren", ["states:StartExecution"], [names.state_machine_arn]),
        statement("FollowChildren", ["states:DescribeExecution", "states:StopExecution"], children),
    ]


def _function(names: PatternNames, workload: str) -> list[Statement]:
    """What every function in a VPC needs: its log, its traces, its network interfaces."""
    interfaces = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:UnassignPrivateIpAddresses",
    ]
    describe = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    called_by_function = {"ArnEquals": {"lambda:SourceFunctionArn": names.function_arn(workload)}}
    return [
        _write_log(names, names.function_log_group(workload)),
        statement("WriteTraces", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
        # The form that Lambda asks for.
        statement("ManageNetworkInterfaces", interfaces, [names.target.arn("ec2", "*/*")]),
        statement("DescribeNetwork", describe, ["*"]),
        # Lambda itself needs these; the function's code must not have them (Lambda developer guide, "Giving Lambda
        # functions access to resources in an Amazon VPC").
        statement("NotFromCode", [*interfaces, *describe], ["*"], called_by_function, effect="Deny"),
    ]


def _write_log(names: PatternNames, log_group: str) -> Statement:
    streams = names.target.arn("logs", f"log-group:{log_group}:*")
    return statement("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [streams])


def _keep_records(names: PatternNames) -> list[Statement]:
    """Reads and writes of both functions; a transaction needs the permissions of its writes."""
    details, summary = map(names.table_arn, (names.details_table, names.summary_table))
    return [
        statement("KeepRecords", ["dynamodb:PutItem", "dynamodb:UpdateItem"], [details, summary]),
        statement("ReadRuns", ["dynamodb:GetItem"], [summary]),
        statement("ReadAttempts", ["dynamodb:BatchGetItem"], [details]),
        statement("FindAttempts", ["dynamodb:Query"], [details, f"{details}/index/{UNCOUNTED_INDEX}"]),
    ]


def _read_specs(names: PatternNames) -> Statement:
    """Specs that runs name by their place in the bucket, and their pinned copies."""
    return statement("ReadSpecs", ["s3:GetObject"], [f"{names.bucket_arn}/{SPEC_PREFIX}*"])


def _pin_specs(names: PatternNames) -> Statement:
    return statement("PinSpecs", ["s3:PutObject"], [f"{names.bucket_arn}/{PINNED_PREFIX}*"])


def _list_sources(names: PatternNames, source_buckets: Sequence[str]) -> list[Statement]:
    """Prefixes whose objects are a run's tasks: any of a source bucket, folders of the pattern's own but specs."""
    folders = {"StringLike": {"s3:prefix": "*/"}, "StringNotLike": {"s3:prefix": f"{SPEC_PREFIX}*"}}
    others = [names.target.bucket_arn(bucket) for bucket in source_buckets]
    return [
        statement("ListFolders", ["s3:ListBucket"], [names.bucket_arn], folders),
        *([statement("ListSourceBuckets", ["s3:ListBucket"], others)] if others else []),
    ]


def _send_failures(names: PatternNames) -> Statement:
    return statement("SendFailures", ["sqs:SendMessage"], [names.failure_queue_arn])


def _run_tasks(names: PatternNames) -> list[Statement]:
    """RunTask, and the tags that it copies from the task definition to the task.

    Source of the second: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html
    """
    of_run_task = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
    return [
        statement("RunTasks", ["ecs:RunTask"], [f"{names.family_arn}:*"], _in_cluster(names)),
        statement("TagNewTasks", ["ecs:TagResource"], [_ecs_tasks(names)], of_run_task),
    ]


def _in_cluster(names: PatternNames) -> dict[str, dict[str, str]]:
    return {"ArnEquals": {"ecs:cluster": names.cluster_arn}}


def _pass_task_roles(names: PatternNames) -> Statement:
    to_ecs = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    return statement("PassTaskRoles", ["iam:PassRole"], map(names.role_arn, ("task", "task-execution")), to_ecs)


def _ecs_tasks(names: PatternNames) -> str:
    return names.target.arn("ecs", f"task/{names.cluster}/*")


def _describe_and_stop_tasks(names: PatternNames) -> list[Statement]:
    return [
        statement(
            "DescribeAndStopTasks", ["ecs:DescribeTasks", "ecs:StopTask"], [_ecs_tasks(names)], _in_cluster(names)
        ),
        # ListTasks is authorized on the container instance that it names. The kit's calls name none: on `*`.
        statement("ListTasks", ["ecs:ListTasks"], ["*"], _in_cluster(names)),
    ]


def _deliver_logs_and_traces() -> list[Statement]:
    """Logging and X-Ray of a state machine; none of these actions takes a resource (Step Functions developer guide)."""
    logs = [
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ]
    traces = [
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ]
    return [statement("DeliverLogs", logs, ["*"]), statement("WriteTraces", traces, ["*"])]
