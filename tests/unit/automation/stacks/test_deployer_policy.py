"""The policies of a deployer: every resource type, only real actions, and short enough."""

import json
from pathlib import Path
from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from ecs_kit.automation.cli.e2e import main
from ecs_kit.automation.stacks import deployer_policy
from ecs_kit.components.config import MAX_SOURCE_BUCKETS, KitConfig
from ecs_kit.components.names import DeploymentTarget

ROOT = Path(__file__).resolve().parents[4]
EXPECTED = json.loads((ROOT / "tests" / "expected_resources.json").read_text(encoding="utf-8"))
WITH_A_TOPIC = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
"""Deployed only with a topic, whose ARN names a region: the table of resources is for any."""
SOMEWHERE = DeploymentTarget("aws-us-gov", "123456789012", "us-gov-west-1")
KEY = "arn:aws:kms:us-east-1:123456789012:key/0123456789ab-0123456789ab-01234567"
BOUNDARY = "arn:aws:iam::123456789012:policy/limits"
CONFIGURATIONS = {
    "default": KitConfig(),
    "everything": KitConfig(
        name_suffix="abcdefghijkl",
        kms_key_arn=KEY,
        permissions_boundary=BOUNDARY,
        source_buckets=tuple(f"{number:02}{'b' * 61}" for number in range(MAX_SOURCE_BUCKETS)),
    ),
    "an existing network": KitConfig(
        vpc_id="vpc-11111111", private_subnet_ids=("subnet-11111111",), endpoints="none", cluster_name="c" * 255
    ),
}


def statements(config: KitConfig, here: DeploymentTarget = SOMEWHERE) -> list[dict[str, Any]]:
    return [each for policy in deployer_policy.policies(config, here).values() for each in policy["Statement"]]


def resource_types(action: str) -> set[str]:
    """The resource types that IAM's reference has for an action; `*` for none."""
    service, _, name = action.partition(":")
    data = get_action_data(service, name)
    assert data, f"{action} does not exist"
    return {row["resource_arn_format"] for row in data[service]}


def test_every_resource_type_that_the_kit_deploys_has_its_actions() -> None:
    rows = [row for pattern in EXPECTED["patterns"].values() for row in pattern.values()]
    types = {WITH_A_TOPIC} | {name for row in rows for name in row["resources"] if name.startswith(("aws:", "docker:"))}
    assert types - {*deployer_policy.EC2, *deployer_policy.NAMED} == set()
    assert {*deployer_policy.EC2, *deployer_policy.NAMED} - types == set()


@pytest.mark.parametrize("config", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_every_action_exists_and_one_that_takes_no_resource_is_allowed_on_all(config: KitConfig) -> None:
    for found in statements(config):
        only_on_all = [action for action in found["Action"] if resource_types(action) == {"*"}]
        assert found["Resource"] == ["*"] or only_on_all == [], found["Sid"]


@pytest.mark.parametrize("config", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_each_policy_is_short_enough_and_they_fit_one_role(config: KitConfig) -> None:
    policies = deployer_policy.policies(config, SOMEWHERE)
    assert {name: n for name, policy in policies.items() if (n := deployer_policy.length(policy)) > 6144} == {}
    assert len(policies) <= 10
    sids = [each["Sid"] for policy in policies.values() for each in policy["Statement"]]
    assert len(set(sids)) == len(sids)


def test_what_is_allowed_on_all_is_not_allowed_again_by_name() -> None:
    named = {action for found in statements(KitConfig()) if found["Resource"] != ["*"] for action in found["Action"]}
    assert named & {*deployer_policy.ANY_RESOURCE} == set()


def test_the_leftover_check_may_list_what_has_other_names_too() -> None:
    listed = {
        *("cloudwatch:DescribeAlarms", "cloudwatch:ListDashboards", "dynamodb:ListTables", "ecr:DescribeRepositories"),
        *("events:ListRules", "iam:ListRoles", "lambda:ListFunctions", "logs:DescribeLogGroups", "s3:ListAllMyBuckets"),
        *("scheduler:ListSchedules", "sqs:ListQueues", "states:ListStateMachines"),
    }
    on_all = {action for found in statements(KitConfig()) if found["Resource"] == ["*"] for action in found["Action"]}
    assert listed - on_all == set()


def test_a_vpc_s_flow_logs_have_their_group_and_a_group_s_key_can_change() -> None:
    (logs,) = (found for found in statements(KitConfig()) if found["Sid"] == "ManageLogs")
    assert any(":log-group:/aws/vpc/flow-logs/" in arn for arn in logs["Resource"])
    assert {"logs:AssociateKmsKey", "logs:DisassociateKmsKey"} <= {*logs["Action"]}


def test_source_buckets_can_be_listed_and_their_objects_read_and_nothing_else() -> None:
    of_others = {
        (action, arn)
        for found in statements(KitConfig(source_buckets=("other", "more")))
        for action in found["Action"]
        for arn in found["Resource"]
        if arn.endswith((":::other", ":::more", ":::other/*", ":::more/*"))
    }
    assert of_others == {
        *(("s3:ListBucket", f"arn:aws-us-gov:s3:::{bucket}") for bucket in ("other", "more")),
        *(("s3:GetObject", f"arn:aws-us-gov:s3:::{bucket}/*") for bucket in ("other", "more")),
    }


def test_roles_are_the_kit_s_own_and_are_passed_to_its_services_alone() -> None:
    for found in statements(KitConfig()):
        if found["Action"] == ["iam:PassRole"]:
            assert found["Condition"]["StringEquals"]["iam:PassedToService"] == [
                *("ecs-tasks.amazonaws.com", "lambda.amazonaws.com", "scheduler.amazonaws.com", "states.amazonaws.com"),
                "vpc-flow-logs.amazonaws.com",
            ]
        if any(action.startswith("iam:") for action in found["Action"]) and found["Sid"] != "AnyResource":
            assert all(
                ":role/amazon-ecs-starter-kit-pattern-" in arn or "service-role" in arn for arn in found["Resource"]
            )


def test_with_a_boundary_no_role_without_it_can_be_made_or_lose_it() -> None:
    granted = {
        action: found.get("Condition")
        for found in statements(CONFIGURATIONS["everything"])
        for action in found["Action"]
    }
    bounded = {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"):
        assert granted[action] == bounded
    assert "iam:DeleteRolePermissionsBoundary" not in granted


def test_what_is_not_deployed_is_not_allowed() -> None:
    ready = KitConfig.parse({"jobImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/job:1", "patterns": "1"})
    actions = {action for found in statements(ready) for action in found["Action"]}
    assert "ecr:CreateRepository" not in actions
    existing = {action for found in statements(CONFIGURATIONS["an existing network"]) for action in found["Action"]}
    assert "ec2:CreateVpc" not in existing and "ec2:DescribeNatGateways" in existing
    assert "route53:AssociateVPCWithHostedZone" not in existing, "it has no endpoints of the kit's"
    assert not any("pattern-2" in arn for found in statements(ready) for arn in found["Resource"])


def test_in_an_existing_network_the_interfaces_that_lambda_leaves_in_the_kit_s_groups_can_be_deleted() -> None:
    allowed = {action for found in statements(CONFIGURATIONS["an existing network"]) for action in found["Action"]}
    assert {"ec2:DetachNetworkInterface", "ec2:DeleteNetworkInterface"} <= allowed


def test_the_command_prints_the_policies_or_writes_a_file_for_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["deployer-policy", "--account", "123456789012", "--region", "us-east-1"]
    assert main(given) == 0
    printed = json.loads(capsys.readouterr().out)

    assert main([*given, "--output-dir", str(tmp_path / "policies")]) == 0

    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in written} == printed
    assert main(["deployer-policy"]) == 0
    assert ":*:*:" in capsys.readouterr().out
    assert main(["deployer-policy", "--account", "12"]) == 2
    key = f"kmsKeyArn=arn:aws:kms:us-east-1:{'1' * 12}:key/1"
    assert main(["deployer-policy", "--region", "eu-central-1", "--config", key]) == 2
    assert main(["deployer-policy", "--config", key]) == 0
