"""Physical names and ARNs."""

from __future__ import annotations

import pytest

from ecs_kit.components.names import DeploymentTarget, PatternArns, PatternNames
from tests.unit.components.recorder import TARGET


def test_names_are_those_of_the_seed_kit():
    names = PatternNames(1, "", TARGET)
    assert names.base == "amazon-ecs-starter-kit-pattern-1"
    assert (names.summary_table, names.details_table) == ("workflow_summary_pattern_1", "workflow_details_pattern_1")
    assert names.bucket == "123456789012-ecs-starter-kit-pattern-1-bucket"
    assert names.launcher_function == "amazon-ecs-starter-kit-pattern-1-ecs-task-launcher"
    assert names.monitor_function == "amazon-ecs-starter-kit-pattern-1-ecs-task-monitor"
    assert names.workflow == "amazon_ecs_starter_kit-pattern-1"


def test_the_suffix_keeps_two_deployments_apart():
    plain, blue = PatternNames(2, "", TARGET), PatternNames(2, "blue", TARGET)
    for name in ("base", "summary_table", "details_table", "bucket", "monitor_function", "task_log_group"):
        assert getattr(plain, name) != getattr(blue, name)
        assert "blue" in getattr(blue, name)
    assert plain.role("task") != blue.role("task")


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_longest_suffix_keeps_names_within_what_aws_allows(pattern):
    names = PatternNames(pattern, "a" * 12, TARGET)
    assert len(names.bucket) <= 63
    assert len(names.launcher_function) <= 64
    assert all(
        len(names.role(user)) <= 64 for user in ("state-machine", "launcher", "monitor", "task", "task-execution")
    )
    assert len(f"{names.base}-execution-ended") <= 64
    assert len(names.base) <= 80


def test_arns_follow_the_partition():
    arns = PatternArns(PatternNames(1, "", type(TARGET)("aws-cn", "1" * 12, "cn-north-1")))
    assert arns.bucket == "arn:aws-cn:s3:::111111111111-ecs-starter-kit-pattern-1-bucket"
    assert arns.role("task") == "arn:aws-cn:iam::111111111111:role/amazon-ecs-starter-kit-pattern-1-task"
    assert arns.ecs_tasks == "arn:aws-cn:ecs:cn-north-1:111111111111:task/amazon-ecs-starter-kit-pattern-1/*"


@pytest.mark.parametrize(
    ("partition", "region", "service", "name"),
    [
        ("aws", "eu-central-1", "ecr.api", "com.amazonaws.eu-central-1.ecr.api"),
        ("aws-us-gov", "us-gov-west-1", "states", "com.amazonaws.us-gov-west-1.states"),
        *(
            ("aws-cn", "cn-north-1", service, f"cn.com.amazonaws.cn-north-1.{service}")
            for service in ("ecr.api", "ecr.dkr", "states", "sqs")
        ),
        *(
            ("aws-cn", "cn-northwest-1", service, f"com.amazonaws.cn-northwest-1.{service}")
            for service in ("ecs", "ecs-agent", "logs", "secretsmanager", "ssm", "s3", "dynamodb")
        ),
    ],
)
def test_endpoints_know_services_by_names_that_differ_in_china(partition, region, service, name):
    assert DeploymentTarget(partition, "123456789012", region).endpoint_service(service) == name
