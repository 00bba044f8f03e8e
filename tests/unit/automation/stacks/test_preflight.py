"""The preflight: what a deployment needs, what AWS says of it, and what follows."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import Stubber

from ecs_kit.automation.stacks import preflight
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import ResourceStep
from ecs_kit.automation.stacks.preflight import Answers, Finding, Level, Needs, NotChecked
from ecs_kit.automation.stacks.target import Identity
from ecs_kit.components.config import KitConfig
from tests.unit.components.conftest import project  # noqa: F401  a fixture
from tests.unit.components.recorder import TARGET, deployment

HERE = Identity("123456789012", "us-east-1", "arn:aws:iam::123456789012:user/dev")
CONFIGURATIONS: dict[str, dict[str, str]] = {
    "both patterns": {},
    "one pattern": {"patterns": "1", "nameSuffix": "x"},
    "NAT gateways": {"natGateways": "per-az"},
    "any image, with insights": {
        "jobRecords": "ecs",
        "jobImage": f"{TARGET.account}.dkr.ecr.{TARGET.region}.amazonaws.com/any:job",
        "containerInsights": "enabled",
    },
    "reports, a schedule and flow logs": {
        "runReports": "create",
        "scheduleExpression": "rate(1 day)",
        "flowLogs": "create",
        "notificationTopicArn": TARGET.arn("sns", "ended"),
    },
    "a topic that is told of runs, no alarms, no dashboard": {
        "notificationTopicArn": TARGET.arn("sns", "ended"),
        "alarms": "none",
        "dashboard": "none",
    },
}
NOT_TAKEN = {
    *("aws:ec2/securityGroup:SecurityGroup", "aws:iam/rolePolicy:RolePolicy"),
    "aws:cloudwatch/queryDefinition:QueryDefinition",
}
"""Types with names that a new VPC or role has not yet, and of saved queries, which have ids."""


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("values", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_configuration_needs_what_a_preview_of_its_program_creates(values: dict[str, str]) -> None:
    recorded = deployment(**values).resources
    steps = [ResourceStep("create", resource.type, resource.name, resource.inputs) for resource in recorded]

    needs = preflight.needs_of_config(KitConfig.parse(values), TARGET)
    assert needs == preflight.needs_of_steps(steps)
    named = {resource.type for resource in recorded if {"name", "dashboardName"} & {*resource.inputs}}
    assert named - NOT_TAKEN - {*needs.names} == set(), "a type whose names are not looked up"


def test_what_exists_already_is_not_needed_again() -> None:
    steps = [
        ResourceStep("same", "aws:ecs/cluster:Cluster", "a", {"name": "kit"}),
        ResourceStep("update", "aws:ecs/taskDefinition:TaskDefinition", "a", {"cpu": "512"}),
        ResourceStep("create", "aws:ec2/eip:Eip", "a", {}),
    ]
    assert preflight.needs_of_steps(steps) == Needs(addresses=1, task_vcpu=0.5)


def judged(needs: Needs, **answers: Any) -> list[Finding]:
    return preflight.judge(needs, Answers(**answers))


@pytest.mark.parametrize(
    ("used", "limit", "found"),
    [
        (
            4,
            5,
            Finding(
                Level.PROBLEM,
                "VPCs: 4 exist, 2 more are needed, and the quota is 5",
                "Ask for more: `aws service-quotas request-service-quota-increase --service-code vpc --quota-code "
                "L-F678F1CE --desired-value 6`, or deploy into an existing VPC with vpcId, or one pattern with "
                "--pattern",
            ),
        ),
        (3, 5, Finding(Level.OK, "VPCs: 3 of 5 exist, 2 more are needed")),
        (
            NotChecked("DescribeVpcs is not allowed (UnauthorizedOperation)"),
            5,
            Finding(Level.NOT_CHECKED, "quota of VPCs: DescribeVpcs is not allowed (UnauthorizedOperation)"),
        ),
        (0, NotChecked("no route"), Finding(Level.NOT_CHECKED, "quota of VPCs: no route")),
    ],
    ids=["too few", "enough", "a count is denied", "a quota is unknown"],
)
def test_a_quota_has_to_have_room(used: Any, limit: Any, found: Finding) -> None:
    of_gateways = {"L-A4707A72": 5.0}
    findings = judged(
        Needs(vpcs=2),
        quotas={**of_gateways, "L-F678F1CE": limit},
        counts={**dict.fromkeys(of_gateways, 0.0), "L-F678F1CE": used},
    )
    assert findings[0] == found


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        (6.0, "ok: Fargate vCPUs on demand: the quota of 6 is for 3 tasks at once, others wait for capacity"),
        (1.0, "problem: Fargate vCPUs on demand: 2 more are needed, and the quota is 1. Ask for more: "),
    ],
)
def test_a_quota_of_fargate_has_to_be_for_one_task(limit: float, found: str) -> None:
    (finding,) = judged(Needs(task_vcpu=2.0), quotas={"L-3032A538": limit})
    assert str(finding).startswith(found)


def test_names_are_taken_free_or_not_checked_each_by_its_name() -> None:
    denied = NotChecked("HeadBucket is not allowed (403)")
    findings = judged(
        Needs(),
        taken={
            (preflight.CLUSTER, "kit"): True,
            (preflight.TABLE, "t"): False,
            (preflight.BUCKET, "b"): denied,
            (preflight.ROLE, "r"): NotChecked("GetRole is not allowed (AccessDenied)"),
        },
        has_ecs_role=False,
    )
    assert [(finding.level, finding.what) for finding in findings] == [
        ("problem", "ECS cluster kit exists already"),
        ("not checked", "S3 bucket b: another account has it, or s3:ListBucket is not allowed"),
        ("not checked", "IAM role r: GetRole is not allowed (AccessDenied)"),
        ("ok", "1 names are free"),
        ("note", "the account has no role AWSServiceRoleForECS: it never used ECS"),
    ]
    assert "nameSuffix" in findings[0].mend


class Quotas:
    """Service Quotas, whose answers a test says."""

    def __init__(self, aws: AwsClients, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client = aws.client("service-quotas")
        self.stub = Stubber(self.client)
        client = aws.client
        monkeypatch.setattr(
            aws, "client", lambda name, **config: self.client if name == "service-quotas" else client(name, **config)
        )

    def says(self, service: str, code: str, value: float) -> None:
        asked = {"ServiceCode": service, "QuotaCode": code}
        self.stub.add_response("get_service_quota", {"Quota": {"Value": value}}, asked)


@pytest.fixture
def quotas(aws: AwsClients, monkeypatch: pytest.MonkeyPatch) -> Iterator[Quotas]:
    made = Quotas(aws, monkeypatch)
    with made.stub:
        yield made
    made.stub.assert_no_pending_responses()


def test_quotas_counts_and_names_are_read_from_aws(aws: AwsClients, quotas: Quotas) -> None:
    needs = replace(
        preflight.needs_of_config(KitConfig(patterns="2", nat_gateways="single", spot_share=50), TARGET), vpc_id=""
    )
    aws.ecs.create_cluster(clusterName="amazon-ecs-starter-kit-pattern-2")
    aws.logs.create_log_group(logGroupName="/ecs/amazon-ecs-starter-kit-pattern-2-else")
    vpcs = len(aws.ec2.describe_vpcs()["Vpcs"])
    for service, code in (("vpc", "L-F678F1CE"), ("vpc", "L-A4707A72"), ("vpc", "L-1B52E74A"), ("vpc", "L-29B6F2EB")):
        quotas.says(service, code, 20.0)
    quotas.says("ec2", "L-0263D0A3", 5.0)
    quotas.stub.add_client_error("get_service_quota", "NoSuchResourceException")
    quotas.stub.add_response("get_aws_default_service_quota", {"Quota": {"Value": 6.0}})
    quotas.stub.add_client_error("get_service_quota", "AccessDeniedException")

    answers = preflight.read(aws, HERE, needs)

    assert answers.quotas["L-3032A538"] == 6.0, "the default, where no value was applied"
    assert answers.quotas["L-36FBB829"] == NotChecked("GetServiceQuota is not allowed (AccessDeniedException)")
    assert (answers.counts["L-F678F1CE"], answers.counts["L-0263D0A3"]) == (vpcs, 0)
    assert [name for name, is_taken in answers.taken.items() if is_taken is not False] == [
        (preflight.CLUSTER, "amazon-ecs-starter-kit-pattern-2")
    ]
    assert answers.has_ecs_role is False
    levels = [finding.level for finding in preflight.judge(needs, answers)]
    assert (levels.count(Level.PROBLEM), levels.count(Level.NOT_CHECKED)) == (1, 1)


def test_what_aws_would_overwrite_or_refuse_is_found_by_its_whole_name(aws: AwsClients) -> None:
    config = {"patterns": "1", "scheduleExpression": "rate(1 day)", "runReports": "create"}
    names = preflight.needs_of_config(KitConfig.parse(config), TARGET).names
    checked = (preflight.RULE, preflight.ALARM, preflight.DASHBOARD, preflight.QUEUE, preflight.SCHEDULE)
    needs = Needs(names={token: names[token] for token in checked})
    assert {*preflight.read(aws, HERE, needs).taken.values()} == {False}
    base = "amazon-ecs-starter-kit-pattern-1"
    for end in ("", "-else"):
        aws.events.put_rule(Name=f"{base}-run-reports{end}", ScheduleExpression="rate(1 day)")
        aws.cloudwatch.put_metric_alarm(
            AlarmName=f"{base}-runs-failed{end}",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            MetricName="m",
            Namespace="n",
            Period=60,
            Statistic="Sum",
            Threshold=1,
        )
        aws.cloudwatch.put_dashboard(DashboardName=f"{base}{end}", DashboardBody='{"widgets": []}')
        aws.scheduler.create_schedule(
            Name=f"{base}-schedule{end}",
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "RoleArn": "arn:aws:iam::123456789012:role/x"},
        )

    aws.sqs.create_queue(QueueName=f"{base}-failures-else")
    taken = preflight.read(aws, HERE, needs).taken

    assert {name for name, is_taken in taken.items() if is_taken is not False} == {
        (preflight.RULE, f"{base}-run-reports"),
        (preflight.ALARM, f"{base}-runs-failed"),
        (preflight.DASHBOARD, base),
        (preflight.SCHEDULE, f"{base}-schedule"),
    }
    aws.sqs.create_queue(QueueName=f"{base}-failures")
    assert preflight.read(aws, HERE, needs).taken[preflight.QUEUE, f"{base}-failures"] is True


def test_the_stack_that_has_the_names_is_known_by_its_tag(aws: AwsClients) -> None:
    needs = Needs(names={preflight.STATE_MACHINE: frozenset({"kit"})})
    assert preflight.stack_of(aws, HERE, needs) is None
    aws.stepfunctions.create_state_machine(
        name="kit",
        definition="{}",
        roleArn="arn:aws:iam::123456789012:role/x",
        tags=[{"key": "kit:stack", "value": "dev"}],
    )
    assert preflight.stack_of(aws, HERE, needs) == "dev"
    assert replace(needs, vpcs=1, task_vcpu=1.0).without_new() == Needs(task_vcpu=1.0)
