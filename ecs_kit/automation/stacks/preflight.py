"""What can be known before a deployment on AWS: whether quotas suffice and names are free.

`needs_of_steps` and `needs_of_config` say what a deployment will create, `read` asks AWS, `judge` returns findings.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.leftovers import ECS_ROLE, STACK_TAG
from ecs_kit.automation.stacks.lifecycle import ResourceStep
from ecs_kit.automation.stacks.target import Identity
from ecs_kit.components.config import GATEWAY_SERVICES, KitConfig
from ecs_kit.components.existing_network import created_endpoints
from ecs_kit.components.names import DeploymentTarget, PatternNames
from ecs_kit.components.network import NAT_GATEWAYS
from ecs_kit.components.operations.alarms import alarms
from ecs_kit.components.patterns import COMPONENTS

_T = TypeVar("_T")

CLUSTER = "aws:ecs/cluster:Cluster"
TABLE = "aws:dynamodb/table:Table"
BUCKET = "aws:s3/bucket:Bucket"
REPOSITORY = "aws:ecr/repository:Repository"
STATE_MACHINE = "aws:sfn/stateMachine:StateMachine"
FUNCTION = "aws:lambda/function:Function"
ROLE = "aws:iam/role:Role"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
RULE = "aws:cloudwatch/eventRule:EventRule"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
QUEUE = "aws:sqs/queue:Queue"
SCHEDULE = "aws:scheduler/schedule:Schedule"
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403", "Forbidden")


class Level(StrEnum):
    """How a finding matters: `PROBLEM` makes the deployment fail."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """What was found, and what to do about it; nothing for `OK`."""

    level: Level
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.level}: {self.what}" + (f". {self.mend}" if self.mend else "")


@dataclass(frozen=True)
class NotChecked:
    """Why something could not be read."""

    reason: str


@dataclass(frozen=True)
class Needs:
    """What a deployment will create.

    Attributes:
        names: physical names, by type token.
        vpcs: VPCs, each with an internet gateway.
        gateway_endpoints: in the region.
        interface_endpoints: in each VPC; in the existing one where `vpc_id` names it.
        addresses: Elastic IP addresses, one for each NAT gateway.
        task_vcpu: vCPUs of a task.
        on_spot: whether tasks may run on Fargate Spot.
    """

    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    vpcs: int = 0
    gateway_endpoints: int = 0
    interface_endpoints: int = 0
    addresses: int = 0
    task_vcpu: float = 0.0
    on_spot: bool = False
    vpc_id: str = ""

    def without_new(self) -> "Needs":
        """The same of a stack that exists: it has its names, and what it counts."""
        return Needs(task_vcpu=self.task_vcpu, on_spot=self.on_spot)


_NAME_PROPERTY = {
    **dict.fromkeys((CLUSTER, TABLE, REPOSITORY, STATE_MACHINE, FUNCTION, ROLE, LOG_GROUP, RULE), "name"),
    **dict.fromkeys((ALARM, QUEUE, SCHEDULE), "name"),
    BUCKET: "bucket",
    DASHBOARD: "dashboardName",
}


def needs_of_steps(steps: Iterable[ResourceStep], *, on_spot: bool = False, vpc_id: str = "") -> Needs:
    """What the steps of a preview will create; `vpc_id` is the existing VPC, if any."""
    names: dict[str, set[str]] = defaultdict(set)
    counted: dict[str, int] = defaultdict(int)
    vcpu = 0.0
    for step in steps:
        inputs = step.inputs
        if step.type == "aws:ecs/taskDefinition:TaskDefinition" and str(inputs.get("cpu", "")).isdigit():
            vcpu = max(vcpu, int(inputs["cpu"]) / 1024)
        if step.operation != "create":
            continue
        counted[f"{inputs.get('vpcEndpointType', '')}{step.type}"] += 1
        name = inputs.get(_NAME_PROPERTY.get(step.type, ""))
        if name:
            names[step.type].add(str(name))
    vpcs = counted["aws:ec2/vpc:Vpc"] or counted["awsx:ec2:Vpc"]
    return Needs(
        names={token: frozenset(found) for token, found in names.items()},
        vpcs=vpcs,
        gateway_endpoints=counted["Gatewayaws:ec2/vpcEndpoint:VpcEndpoint"],
        interface_endpoints=math.ceil(counted["Interfaceaws:ec2/vpcEndpoint:VpcEndpoint"] / max(1, vpcs)),
        addresses=counted["aws:ec2/eip:Eip"],
        task_vcpu=vcpu,
        on_spot=on_spot,
        vpc_id=vpc_id,
    )


def needs_of_config(config: KitConfig, here: DeploymentTarget) -> Needs:
    """What the kit's own program creates with a configuration."""
    names: dict[str, set[str]] = defaultdict(set)
    for pattern in config.deployed_patterns:
        for token, found in _names_of(PatternNames(pattern, config.name_suffix, here, config.cluster_name), config):
            names[token].add(found)
    patterns = len(config.deployed_patterns)
    return Needs(
        names={token: frozenset(found) for token, found in names.items()},
        vpcs=patterns * config.has_own_vpc,
        gateway_endpoints=patterns * len(GATEWAY_SERVICES) * (config.endpoints == "create"),
        interface_endpoints=len(created_endpoints(config, reaches_all=config.has_nat or not config.has_own_vpc)),
        addresses=patterns * NAT_GATEWAYS[config.nat_gateways],
        task_vcpu=config.task_cpu / 1024,
        on_spot=config.spot_share > 0,
        vpc_id=config.vpc_id,
    )


def _names_of(names: PatternNames, config: KitConfig) -> Iterable[tuple[str, str]]:
    functions = COMPONENTS[names.pattern].deployed_functions(config)
    has_flow_logs, has_schedule = config.flow_logs == "create", bool(config.schedule_expression)
    if not config.cluster_name:
        yield CLUSTER, names.cluster
    if not config.job.is_ready_image:
        yield REPOSITORY, names.base
    yield from ((TABLE, names.summary_table), (TABLE, names.details_table), (BUCKET, names.bucket))
    yield STATE_MACHINE, names.base
    yield from ((FUNCTION, names.function(workload)) for workload in functions)
    users = ["state-machine", "task", "task-execution", *functions]
    users += [*["flow-logs"] * has_flow_logs, *["schedule"] * has_schedule]
    yield from ((ROLE, names.role(user)) for user in users)
    yield from ((LOG_GROUP, group) for group in (names.task_log_group, names.state_machine_log_group))
    yield from ((LOG_GROUP, names.function_log_group(workload)) for workload in functions)
    if config.container_insights != "disabled":
        yield LOG_GROUP, names.container_insights_log_group
    if has_flow_logs:
        yield LOG_GROUP, names.flow_log_group
    yield QUEUE, names.failure_queue
    if has_schedule:
        yield SCHEDULE, names.schedule
    # AWS overwrites rules, alarms and dashboards that exist, without an error.
    rules = ["execution-ended", "sweep", *["tasks"] * config.job.has_ecs_records]
    if config.has_run_reports:
        rules.append("run-reports")
    elif config.notification_topic_arn:
        rules.append("run-ended")
    yield from ((RULE, names.rule(purpose)) for purpose in rules)
    if config.alarms == "create":
        planned = alarms(names, functions, config.alarm_failed_task_percentage)
        yield from ((ALARM, names.alarm(alarm.name)) for alarm in planned)
    if config.dashboard == "create":
        yield DASHBOARD, names.base


@dataclass(frozen=True)
class _Look:
    """How a name is looked up: what it is, the client's operation, and what of its answer is there."""

    what: str
    client: str
    operation: str
    arguments: Callable[[str, Identity], Mapping[str, Any]]
    exists: Callable[[Any, str], bool] = lambda _answer, _name: True
    missing: tuple[str, ...] = ()
    denied: str = ""
    """What it means where the look is not allowed."""


def _state_machine_arn(name: str, here: Identity) -> str:
    return f"arn:{here.arn.split(':')[1]}:states:{here.region}:{here.account}:stateMachine:{name}"


_LOOKS: Mapping[str, _Look] = {
    CLUSTER: _Look(
        "ECS cluster",
        "ecs",
        "describe_clusters",
        lambda name, _: {"clusters": [name]},
        exists=lambda answer, _: any(cluster["status"] == "ACTIVE" for cluster in answer["clusters"]),
        missing=("ClusterNotFoundException",),
    ),
    TABLE: _Look(
        "DynamoDB table",
        "dynamodb",
        "describe_table",
        lambda name, _: {"TableName": name},
        missing=("ResourceNotFoundException",),
    ),
    BUCKET: _Look(
        "S3 bucket",
        "s3",
        "head_bucket",
        lambda name, _: {"Bucket": name},
        missing=("404", "NoSuchBucket"),
        denied="another account has it, or s3:ListBucket is not allowed",
    ),
    REPOSITORY: _Look(
        "ECR repository",
        "ecr",
        "describe_repositories",
        lambda name, _: {"repositoryNames": [name]},
        missing=("RepositoryNotFoundException",),
    ),
    STATE_MACHINE: _Look(
        "state machine",
        "stepfunctions",
        "describe_state_machine",
        lambda name, here: {"stateMachineArn": _state_machine_arn(name, here)},
        missing=("StateMachineDoesNotExist",),
    ),
    FUNCTION: _Look(
        "Lambda function",
        "functions",
        "get_function_configuration",
        lambda name, _: {"FunctionName": name},
        missing=("ResourceNotFoundException",),
    ),
    ROLE: _Look("IAM role", "iam", "get_role", lambda name, _: {"RoleName": name}, missing=("NoSuchEntity",)),
    LOG_GROUP: _Look(
        "log group",
        "logs",
        "describe_log_groups",
        lambda name, _: {"logGroupNamePrefix": name},
        exists=lambda answer, name: name in [group["logGroupName"] for group in answer["logGroups"]],
    ),
    RULE: _Look(
        "EventBridge rule",
        "events",
        "describe_rule",
        lambda name, _: {"Name": name},
        missing=("ResourceNotFoundException",),
    ),
    ALARM: _Look(
        "CloudWatch alarm",
        "cloudwatch",
        "describe_alarms",
        lambda name, _: {"AlarmNames": [name], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
        exists=lambda answer, _: bool(answer.get("MetricAlarms") or answer.get("CompositeAlarms")),
    ),
    DASHBOARD: _Look(
        "CloudWatch dashboard",
        "cloudwatch",
        "get_dashboard",
        lambda name, _: {"DashboardName": name},
        missing=("ResourceNotFound", "DashboardNotFoundError"),
    ),
    QUEUE: _Look(
        "SQS queue",
        "sqs",
        "list_queues",
        lambda name, _: {"QueueNamePrefix": name},
        exists=lambda answer, name: name in [url.rsplit("/", 1)[-1] for url in answer.get("QueueUrls", ())],
    ),
    SCHEDULE: _Look(
        "schedule",
        "scheduler",
        "get_schedule",
        lambda name, _: {"Name": name},
        missing=("ResourceNotFoundException",),
    ),
}


@dataclass(frozen=True)
class Quota:
    """A quota of an account in a region, its codes in Service Quotas, and how what it counts is listed.

    Codes: `aws service-quotas list-service-quotas --service-code vpc` (and `ec2`, `fargate`).
    """

    what: str
    service: str
    code: str
    need: Callable[[Needs], float]
    count: Callable[[AwsClients, Needs], float] | None = None
    instead: str = ""


def _listed(aws: AwsClients, operation: str, result: str, **arguments: Any) -> float:
    pages = aws.ec2.get_paginator(operation).paginate(**arguments)
    return float(sum(len(page[result]) for page in pages))


def _endpoints_of(aws: AwsClients, kind: str, vpc_id: str = "") -> float:
    filters = [{"Name": "vpc-endpoint-type", "Values": [kind]}]
    filters += [{"Name": "vpc-id", "Values": [vpc_id]}] if vpc_id else []
    return _listed(aws, "describe_vpc_endpoints", "VpcEndpoints", Filters=filters)


_OWN_VPC = "or deploy into an existing VPC with vpcId"
QUOTAS: Sequence[Quota] = (
    Quota(
        "VPCs",
        "vpc",
        "L-F678F1CE",
        lambda needs: needs.vpcs,
        lambda aws, _: _listed(aws, "describe_vpcs", "Vpcs"),
        f"{_OWN_VPC}, or one pattern with --pattern",
    ),
    Quota(
        "internet gateways",
        "vpc",
        "L-A4707A72",
        lambda needs: needs.vpcs,
        lambda aws, _: _listed(aws, "describe_internet_gateways", "InternetGateways"),
        _OWN_VPC,
    ),
    Quota(
        "gateway endpoints",
        "vpc",
        "L-1B52E74A",
        lambda needs: needs.gateway_endpoints,
        lambda aws, _: _endpoints_of(aws, "Gateway"),
        "or use existing ones with endpoints=none",
    ),
    Quota(
        "interface endpoints of a VPC",
        "vpc",
        "L-29B6F2EB",
        lambda needs: needs.interface_endpoints,
        lambda aws, needs: _endpoints_of(aws, "Interface", needs.vpc_id) if needs.vpc_id else 0.0,
        "or list fewer interfaceEndpoints",
    ),
    Quota(
        "Elastic IP addresses",
        "ec2",
        "L-0263D0A3",
        lambda needs: needs.addresses,
        lambda aws, _: float(len(aws.ec2.describe_addresses()["Addresses"])),
        "or set natGateways to single or none",
    ),
    Quota("Fargate vCPUs on demand", "fargate", "L-3032A538", lambda needs: needs.task_vcpu),
    Quota("Fargate Spot vCPUs", "fargate", "L-36FBB829", lambda needs: needs.task_vcpu if needs.on_spot else 0.0),
)


@dataclass(frozen=True)
class Answers:
    """What AWS said.

    Attributes:
        quotas: by code, the value; only of those that are needed.
        counts: by code, how many there are.
        taken: by type token and name, whether it exists.
        has_ecs_role: whether the service-linked role of ECS exists.
    """

    quotas: Mapping[str, float | NotChecked] = field(default_factory=dict)
    counts: Mapping[str, float | NotChecked] = field(default_factory=dict)
    taken: Mapping[tuple[str, str], bool | NotChecked] = field(default_factory=dict)
    has_ecs_role: bool | NotChecked = True


def read(aws: AwsClients, here: Identity, needs: Needs) -> Answers:
    """Ask AWS. What it refuses to say is `NotChecked`."""
    needed = [quota for quota in QUOTAS if quota.need(needs) > 0]
    counted = {quota.code: count for quota in needed if (count := quota.count) is not None}
    return Answers(
        quotas={quota.code: _quota(aws, quota) for quota in needed},
        counts={code: _asked(partial(count, aws, needs)) for code, count in counted.items()},
        taken={
            (token, name): _is_taken(aws, _LOOKS[token], name, here)
            for token, names in sorted(needs.names.items())
            for name in sorted(names)
        },
        has_ecs_role=_exists(lambda: aws.iam.get_role(RoleName=ECS_ROLE), ("NoSuchEntity",)),
    )


def stack_of(aws: AwsClients, here: Identity, needs: Needs) -> str | None:
    """The stack whose state machines already have these names, by their tag; None where there are none, or unknown."""
    for name in sorted(needs.names.get(STATE_MACHINE, ())):
        try:
            tags = aws.stepfunctions.list_tags_for_resource(resourceArn=_state_machine_arn(name, here))["tags"]
        except (ClientError, BotoCoreError):
            continue
        for tag in tags:
            if tag["key"] == STACK_TAG:
                return str(tag["value"])
    return None


def _quota(aws: AwsClients, quota: Quota) -> float | NotChecked:
    client = aws.client("service-quotas", retries={"mode": "standard", "max_attempts": 3})
    codes = {"ServiceCode": quota.service, "QuotaCode": quota.code}

    def applied() -> float:
        try:
            return float(client.get_service_quota(**codes)["Quota"]["Value"])
        except client.exceptions.NoSuchResourceException:
            # Service Quotas knows no applied value where the default was never changed.
            return float(client.get_aws_default_service_quota(**codes)["Quota"]["Value"])

    return _asked(applied)


def _is_taken(aws: AwsClients, look: _Look, name: str, here: Identity) -> bool | NotChecked:
    call = getattr(getattr(aws, look.client), look.operation)
    return _exists(lambda: call(**look.arguments(name, here)), look.missing, lambda got: look.exists(got, name))


def _exists(
    call: Callable[[], Any], missing: Sequence[str], judge: Callable[[Any], bool] = lambda _: True
) -> bool | NotChecked:
    def look() -> bool:
        try:
            return judge(call())
        except ClientError as error:
            if error.response["Error"]["Code"] in missing:
                return False
            raise

    return _asked(look)


def _asked(look: Callable[[], _T]) -> "_T | NotChecked":
    try:
        return look()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _DENIED:
            return NotChecked(f"{error.operation_name} is not allowed ({code})")
        return NotChecked(f"{error.operation_name}: {error.response['Error'].get('Message') or code}")
    except BotoCoreError as error:
        return NotChecked(str(error))


def judge(needs: Needs, answers: Answers) -> list[Finding]:
    """What stands in the way of a deployment, and what could not be found out."""
    findings = [_quota_finding(quota, needs, answers) for quota in QUOTAS if quota.need(needs) > 0]
    findings += _name_findings(answers.taken)
    if isinstance(answers.has_ecs_role, NotChecked):
        findings.append(Finding(Level.NOT_CHECKED, f"role {ECS_ROLE}: {answers.has_ecs_role.reason}"))
    elif not answers.has_ecs_role:
        findings.append(
            Finding(
                Level.NOTE,
                f"the account has no role {ECS_ROLE}: it never used ECS",
                "ECS creates it with the first cluster. If the deployment fails with `Unable to assume the service "
                "linked role`, deploy again",
            )
        )
    return findings


def _quota_finding(quota: Quota, needs: Needs, answers: Answers) -> Finding:
    need, limit, used = quota.need(needs), answers.quotas[quota.code], answers.counts.get(quota.code, 0.0)
    if isinstance(limit, NotChecked):
        return Finding(Level.NOT_CHECKED, f"quota of {quota.what}: {limit.reason}")
    if isinstance(used, NotChecked):
        return Finding(Level.NOT_CHECKED, f"quota of {quota.what}: {used.reason}")
    if used + need > limit:
        ask = (
            f"Ask for more: `aws service-quotas request-service-quota-increase --service-code {quota.service} "
            f"--quota-code {quota.code} --desired-value {max(used + need, limit + 1):g}`"
        )
        already = f"{used:g} exist, " if quota.count else ""
        what = f"{quota.what}: {already}{need:g} more are needed, and the quota is {limit:g}"
        return Finding(Level.PROBLEM, what, f"{ask}, {quota.instead}" if quota.instead else ask)
    if quota.service == "fargate":
        at_once = int(limit / need)
        return Finding(
            Level.OK, f"{quota.what}: the quota of {limit:g} is for {at_once} tasks at once, others wait for capacity"
        )
    return Finding(Level.OK, f"{quota.what}: {used:g} of {limit:g} exist, {need:g} more are needed")


def _name_findings(taken: Mapping[tuple[str, str], bool | NotChecked]) -> list[Finding]:
    findings, free = [], 0
    for (token, name), answer in taken.items():
        look = _LOOKS[token]
        if isinstance(answer, NotChecked):
            reason = look.denied if "not allowed" in answer.reason and look.denied else answer.reason
            findings.append(Finding(Level.NOT_CHECKED, f"{look.what} {name}: {reason}"))
        elif answer:
            mend = "Deploy with another nameSuffix, or delete it. `pulumi import` adopts one that a destroy retained"
            findings.append(Finding(Level.PROBLEM, f"{look.what} {name} exists already", mend))
        else:
            free += 1
    return [*findings, *([Finding(Level.OK, f"{free} names are free")] if free else [])]
