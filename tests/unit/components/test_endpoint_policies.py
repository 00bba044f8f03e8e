"""The policies of the endpoints: what the kit's roles may do, on the same resources, and nothing else."""

import json
from functools import cache

import pytest

from ecs_kit.components import endpoint_policies
from ecs_kit.components.endpoint_policies import LONGEST, OPEN, PREFIXES
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.names import PatternNames
from tests.unit.components.recorded_network import BASE, documents_of
from tests.unit.components.recorder import TARGET, Deployment, deployment
from tests.unit.components.test_existing_resources import existing

BUCKET = f"arn:aws:s3:::{TARGET.account}-ecs-starter-kit-pattern-1-bucket"
LAYERS = "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*"
NAMES = PatternNames(1, "", TARGET)
TOPIC = TARGET.arn("sns", "operators")


def role(user: str) -> str:
    return f"arn:aws:iam::{TARGET.account}:role/{BASE}1-{user}"


def policies_of(deployed: Deployment) -> dict[str, list[dict]]:
    """The statements of each endpoint's policy, by service, of those that have one."""
    return {
        found.inputs["serviceName"].removeprefix(f"com.amazonaws.{TARGET.region}."): found.document("policy")[
            "Statement"
        ]
        for found in deployed.of("VpcEndpoint")
        if "policy" in found.inputs
    }


@cache
def of_pattern_1() -> dict[str, list[dict]]:
    return policies_of(deployment(patterns="1"))


def allowed(statements: list[dict], principal: str) -> dict[str, set[str]]:
    """The resources of each action that a role may use through an endpoint."""
    found: dict[str, set[str]] = {}
    for statement in statements:
        if statement.get("Condition") == {"ArnEquals": {"aws:PrincipalArn": principal}}:
            for action in statement["Action"]:
                found.setdefault(action, set()).update(statement["Resource"])
    return found


@pytest.mark.parametrize(
    "more", [{}, {"runReports": "create", "notificationTopicArn": TOPIC}], ids=["default", "reports"]
)
def test_each_endpoint_lets_through_what_the_deployed_roles_may_do_with_its_service(more: dict[str, str]) -> None:
    deployed = deployment(patterns="1", **more)
    found = policies_of(deployed)
    for user, documents in documents_of(deployed).items():
        granted: dict[str, set[str]] = {}
        for statement in (
            each for document in documents for each in document["Statement"] if each["Effect"] == "Allow"
        ):
            for action in statement["Action"]:
                granted.setdefault(action, set()).update(statement["Resource"])
        if user in ("launcher", "monitor", "reporter"):
            granted = {action: on for action, on in granted.items() if not endpoint_policies.is_of_lambda(action)}
        for service, statements in found.items():
            prefix = PREFIXES[service]
            expected = {action: on for action, on in granted.items() if action.partition(":")[0] == prefix}
            assert allowed(statements, role(user)) == expected, (user, service)


def test_nobody_but_the_roles_is_let_through_and_only_ecrs_layers_are_read_without_a_role() -> None:
    for service, statements in of_pattern_1().items():
        for statement in statements:
            assert (statement["Effect"], statement["Principal"]) == ("Allow", "*")
            if statement.get("Condition") is None:
                assert (service, statement["Action"], statement["Resource"]) == ("s3", "s3:GetObject", LAYERS)
                continue
            assert statement["Condition"]["ArnEquals"]["aws:PrincipalArn"] in map(
                role, ("task", "task-execution", "launcher", "monitor")
            )


def test_resources_are_the_patterns_own_but_for_actions_that_take_none() -> None:
    for statements in of_pattern_1().values():
        for statement in statements:
            if statement["Resource"] == ["*"]:
                assert statement["Action"] in (["ecr:GetAuthorizationToken"], ["ecs:ListTasks"])
                continue
            on = [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]
            assert all(f"{BASE}1" in arn or "pattern_1" in arn or arn.startswith(BUCKET) or arn == LAYERS for arn in on)


def test_the_endpoint_of_the_ecs_agent_is_left_without_a_policy() -> None:
    assert set(of_pattern_1()) == {"s3", "dynamodb", "ecs", "ecr.api", "ecr.dkr", "logs", "states"}


def test_the_jobs_own_policy_and_source_buckets_and_secrets_count() -> None:
    policy = {"Effect": "Allow", "Action": ["s3:GetObject", "sqs:SendMessage"], "Resource": "arn:aws:s3:::theirs/*"}
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:one-AbCdEf"
    found = policies_of(
        deployment(
            patterns="1",
            jobPolicy=json.dumps({"Version": "2012-10-17", "Statement": policy}),
            jobSecrets=json.dumps({"ONE": secret}),
            sourceBuckets='["sources"]',
            interfaceEndpoints='["ecs", "ecr.api", "ecr.dkr", "logs", "states", "sns"]',
        )
    )
    of_task = [
        each for each in found["s3"] if each.get("Condition", {}).get("ArnEquals") == {"aws:PrincipalArn": role("task")}
    ]
    assert {"Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::theirs/*"}.items() <= of_task[-1].items()
    assert "arn:aws:s3:::sources/*" in of_task[1]["Resource"]
    assert allowed(found["secretsmanager"], role("task-execution")) == {"secretsmanager:GetSecretValue": {secret}}
    (of_account,) = found["sns"]
    assert of_account["Condition"] == {"StringEquals": {"aws:PrincipalAccount": TARGET.account}}, "no role names it"


@pytest.mark.parametrize(
    ("statement", "services"),
    [
        ({"Action": "*", "Resource": "*"}, {"s3", "sqs"}),
        ({"NotAction": "iam:*", "Resource": "*"}, {"s3", "sqs"}),
        ({"Action": "sqs:*", "Resource": "*"}, {"sqs"}),
        ({"Action": ["SQS:SendMessage", "S3:GetObject"], "Resource": "*"}, {"s3", "sqs"}),
        ({"Action": "sqs:*", "Resource": "*", "Effect": "Deny"}, set()),
        ({"Action": "sqs:*", "Resource": "*", "Condition": {"StringEquals": {"kms:ViaService": "sqs"}}}, set()),
    ],
)
def test_what_a_statement_of_the_job_is_about(statement: dict, services: set[str]) -> None:
    documents = {"task": [{"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}}]}
    for service in ("s3", "sqs"):
        (only,) = endpoint_policies.policy(NAMES, service, documents)["Statement"]
        assert ("ArnEquals" in only["Condition"]) == (service in services)


def test_conditions_are_left_to_the_roles_own_policies() -> None:
    """An endpoint policy takes string conditions only with six characters beside each wildcard."""
    conditions = {name for all_of in of_pattern_1().values() for each in all_of for name in each.get("Condition", {})}
    assert conditions == {"ArnEquals"}


def test_open_policies_replace_those_that_were_there() -> None:
    deployed = deployment(patterns="1", endpointPolicies="open")
    assert {found.inputs.get("policy") for found in deployed.of("VpcEndpoint")} == {OPEN, None}


def test_gateway_endpoints_of_an_existing_vpc_serve_others_too() -> None:
    found = {
        each.inputs["serviceName"].rpartition(".")[2]: each.inputs.get("policy")
        for each in existing().of("VpcEndpoint")
    }
    assert found["s3"] == found["dynamodb"] == OPEN
    assert found["states"] != OPEN


def test_the_longest_configuration_fits_and_a_longer_policy_is_refused() -> None:
    buckets = json.dumps([f"{n:02}{'b' * 61}" for n in range(20)])
    deployed = deployment(patterns="1", nameSuffix="abcdefghijkl", sourceBuckets=buckets)
    assert max(len(found.inputs.get("policy", "")) for found in deployed.of("VpcEndpoint")) < LONGEST / 2
    statements = [{"Effect": "Allow", "Action": f"s3:Get{n}", "Resource": "*"} for n in range(300)]
    documents = {"task": [{"Version": "2012-10-17", "Statement": statements}]}
    with pytest.raises(
        ConfigError, match="jobPolicy = 'its statements about s3': must be shorter, or endpointPolicies"
    ):
        endpoint_policies.as_json(NAMES, "s3", documents)
