"""Physical names, ARNs and zones."""

import pulumi_aws as aws
import pytest

from ecs_kit.components import zones
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.names import DeploymentTarget, PatternNames
from tests.unit.components.recorder import TARGET


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_longest_suffix_keeps_names_within_what_aws_allows(pattern):
    names = PatternNames(pattern, "a" * 12, TARGET)
    assert len(names.bucket) <= 63 and len(names.base) <= 80
    longest = [names.function("launcher"), names.role("task-execution"), f"{names.base}-execution-ended"]
    assert all(len(name) <= 64 for name in longest)


def test_arns_follow_the_partition():
    names = PatternNames(1, "", DeploymentTarget("aws-cn", "1" * 12, "cn-north-1"))
    assert names.bucket_arn == "arn:aws-cn:s3:::111111111111-ecs-starter-kit-pattern-1-bucket"
    assert names.role_arn("task") == "arn:aws-cn:iam::111111111111:role/amazon-ecs-starter-kit-pattern-1-task"
    assert names.cluster_arn == "arn:aws-cn:ecs:cn-north-1:111111111111:cluster/amazon-ecs-starter-kit-pattern-1"


@pytest.mark.parametrize(
    ("partition", "region", "prefix", "services"),
    [
        ("aws", "eu-central-1", "com", ["ecr.api"]),
        ("aws-us-gov", "us-gov-west-1", "com", ["states"]),
        ("aws-cn", "cn-north-1", "cn.com", ["ecr.api", "ecr.dkr", "states", "sqs"]),
        ("aws-cn", "cn-northwest-1", "com", ["ecs", "ecs-agent", "logs", "secretsmanager", "ssm", "s3", "dynamodb"]),
    ],
)
def test_endpoint_services_have_other_names_in_china(partition, region, prefix, services):
    target = DeploymentTarget(partition, "123456789012", region)
    for service in services:
        assert target.endpoint_service(service) == f"{prefix}.amazonaws.{region}.{service}"


@pytest.mark.parametrize(
    ("region", "found", "architecture", "chosen"),
    [
        ("eu-west-1", {"1c": "euw1-az1", "1b": "euw1-az3", "1a": "euw1-az2"}, "ARM64", ("1a", "1b")),
        ("ap-northeast-1", {"1a": "apne1-az3", "1c": "apne1-az1", "1d": "apne1-az2"}, "X86_64", ("1c", "1d")),
        ("us-west-1", {"1a": "usw1-az3", "1b": "usw1-az2", "1c": "usw1-az1"}, "X86_64", ("1a", "1c")),
        ("us-west-1", {"1a": "usw1-az2"}, "X86_64", ()),
        ("us-east-1", {"1a": "use1-az3", "1b": "use1-az1", "1c": "use1-az2"}, "X86_64", ("1a", "1b")),
        ("us-east-1", {"1a": "use1-az3", "1b": "use1-az1", "1c": "use1-az2"}, "ARM64", ("1b", "1c")),
    ],
)
def test_the_first_two_zones_with_fargate_are_chosen(region, found, architecture, chosen):
    assert zones.choose(region, found.items(), architecture) == chosen


@pytest.fixture
def requests(monkeypatch) -> list[dict]:
    """The requests for zones; the answer is two zones, one of them with Fargate."""
    received: list[dict] = []

    class Found:
        names, zone_ids = ["us-west-1a", "us-west-1b"], ["usw1-az1", "usw1-az2"]

    def answer(**arguments):
        received.append(arguments)
        return Found

    monkeypatch.setattr(aws, "get_availability_zones", answer)
    return received


def test_too_few_zones_are_an_error_that_says_what_to_set(requests):
    with pytest.raises(ConfigError, match=r"availabilityZones.*2 zones of us-west-1: Fargate is offered in us-west-1a"):
        zones.of_vpc("us-west-1", (), "X86_64")
    (only,) = requests[0]["filters"]
    assert (requests[0]["state"], only.name, only.values) == ("available", "opt-in-status", ["opt-in-not-required"])


def test_named_zones_are_used_if_they_exist(requests):
    assert zones.of_vpc("us-west-1", ("us-west-1b", "us-west-1a"), "X86_64") == ("us-west-1b", "us-west-1a")
    assert requests[0]["filters"] == [], "a named zone may need an opt-in"
    with pytest.raises(ConfigError, match=r"availabilityZones = .us-west-1a, us-west-1c.*us-west-1a, us-west-1b"):
        zones.of_vpc("us-west-1", ("us-west-1a", "us-west-1c"), "X86_64")
