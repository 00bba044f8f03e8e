"""What the workloads call through the network, and the policies of VPC endpoints: derived from the roles' policies.

Source: https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ecs_kit.components.config import GATEWAY_SERVICES, KitConfig
from ecs_kit.components.errors import ConfigError, ConfigProblem
from ecs_kit.components.names import PatternNames
from ecs_kit.components.policies import Document, Statement

Documents = Mapping[str, Sequence[Document]]
"""The policies of roles, by the role's user, as in `PatternNames.role`."""

LONGEST = 20_480
"""Characters of an endpoint policy (same page)."""

OPEN = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
"""The policy of an endpoint that is given none (same page). Without it, an endpoint keeps the policy that it has."""

PREFIXES: Mapping[str, str] = {
    **{name: name for name in ("dynamodb", "ecs", "events", "kms", "lambda", "logs", "s3", "secretsmanager", "sns")},
    **{name: name for name in ("sqs", "ssm", "states", "sts")},
    **{"ecr.api": "ecr", "ecr.dkr": "ecr", "monitoring": "cloudwatch"},
}
"""Services whose user guides describe endpoint policies, by the last part of the endpoint's name, with the prefix of
their IAM actions. EC2 refuses a policy on an endpoint of a service that supports none; others are left without one."""

CALLED_BY_LAMBDA = frozenset(
    {"ec2", "xray", "logs:CreateLogStream", "logs:PutLogEvents", "sns:Publish", "sqs:SendMessage"}
)
"""Services and actions that Lambda itself calls with a function's role, from its own network: network interfaces,
traces, the function's log, the destination of its answers, failed events
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html)."""

NO_CALLS = frozenset({"iam"})
"""Permissions that other services' calls need: `iam:PassRole`."""


def is_of_lambda(action: str) -> bool:
    """Whether an action of a function's role is called by Lambda itself and not by the function's code."""
    return not CALLED_BY_LAMBDA.isdisjoint({action, action.partition(":")[0]})


def workload_of(user: str) -> str:
    """The workload, which has a security group, of a role's user: ECS uses the execution role in the task's subnet."""
    return "tasks" if user in ("task", "task-execution") else user


def needs(documents: Documents) -> dict[str, list[str]]:
    """The services that each workload calls through the network, by the last parts of their endpoints' names."""
    found: dict[str, set[str]] = {}
    for user, policies in documents.items():
        prefixes = {action.partition(":")[0] for _, each in _allowed(user, policies) for action in _actions(each)}
        services = {service for service, prefix in PREFIXES.items() if prefix in prefixes}
        unknown = prefixes - {*PREFIXES.values(), *NO_CALLS, "*"}
        # Image layers are in S3.
        layers = {"s3"} if "ecr" in prefixes else set()
        found.setdefault(workload_of(user), set()).update(services, unknown, layers)
    return {workload: sorted(services) for workload, services in found.items()}


def open_workloads(config: KitConfig, needed: Mapping[str, Collection[str]], created: Collection[str]) -> set[str]:
    """The workloads whose security groups let HTTPS out to any address, not to the kit's endpoints alone.

    In an existing VPC the endpoints may be others'. With NAT gateways it is the tasks, and functions that call a
    service without an endpoint.
    """
    if not config.has_own_vpc:
        return set(needed)
    if not config.has_nat:
        return set()
    reached = {*created, *GATEWAY_SERVICES}
    return {
        workload for workload, services in needed.items() if workload == "tasks" or not reached.issuperset(services)
    }


def is_restricted(config: KitConfig, service: str) -> bool:
    """Whether the kit's endpoint of a service has a policy of its own.

    In an existing VPC, gateway endpoints serve all that use the subnets' route tables, not the kit's workloads alone.
    """
    return config.endpoint_policies == "restricted" and (config.has_own_vpc or service not in GATEWAY_SERVICES)


def as_json(names: PatternNames, service: str, documents: Documents) -> str:
    """The policy of an endpoint as EC2 takes it.

    Raises:
        ConfigError: It is too long.
    """
    text = json.dumps(policy(names, service, documents), separators=(",", ":"))
    if len(text) > LONGEST:
        allowed = f"shorter, or endpointPolicies must be open: the policy of the endpoint of {service} would have "
        allowed += f"{len(text)} characters, and {LONGEST} is the most"
        raise ConfigError([ConfigProblem("jobPolicy", f"its statements about {service}", allowed)])
    return text


def policy(names: PatternNames, service: str, documents: Documents) -> Document:
    """The policy of an endpoint that the kit creates.

    Each role may do what its own policies allow with the service, on the same resources; their conditions are IAM's
    alone, because endpoint policies take fewer wildcards. A service that no role's policy names is open to the
    account's principals.
    """
    prefix = PREFIXES[service]
    statements = [
        {
            "Effect": "Allow",
            "Principal": "*",
            **{name: given[name] for name in ("Action", "NotAction", "Resource", "NotResource") if name in given},
            # A gateway endpoint's policy takes no other principal than `*`.
            "Condition": {"ArnEquals": {"aws:PrincipalArn": names.role_arn(user)}},
        }
        for user, policies in documents.items()
        for of, given in _allowed(user, policies)
        if of in (prefix, "*")
    ]
    if service == "s3" and any(
        of == "ecr" for user, policies in documents.items() for of, _ in _allowed(user, policies)
    ):
        statements.append(_image_layers(names))
    if not statements:
        of_account = {"StringEquals": {"aws:PrincipalAccount": names.target.account}}
        statements = [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": of_account}]
    return {"Version": "2012-10-17", "Statement": statements}


def _image_layers(names: PatternNames) -> Statement:
    """Amazon ECR's bucket, with requests that ECR has signed.

    Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html, "Create the Amazon S3 gateway
    endpoint"
    """
    layers = names.target.bucket_arn(f"prod-{names.target.region}-starport-layer-bucket")
    return {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{layers}/*"}


def _allowed(user: str, policies: Iterable[Document]) -> Iterator[tuple[str, Statement]]:
    """What policies allow, by the prefix of the actions, `*` for those of any; each has actions of one prefix."""
    for document in policies:
        given = document["Statement"]
        statements: list[Statement] = [given] if isinstance(given, dict) else given
        for each in statements:
            if each["Effect"] != "Allow" or _is_for_services(each):
                continue
            if "NotAction" in each:
                yield "*", each
            called = [action for action in _actions(each) if workload_of(user) == "tasks" or not is_of_lambda(action)]
            for prefix in dict.fromkeys(map(_prefix, called)):
                yield prefix, {**each, "Action": [action for action in called if _prefix(action) == prefix]}


def _prefix(action: str) -> str:
    """The service of an action, which IAM reads in either case."""
    return action.partition(":")[0].lower()


def _is_for_services(statement: Statement) -> bool:
    """Whether it is for calls of other services alone, such as those of S3 to KMS."""
    keys = (key for values in statement.get("Condition", {}).values() for key in values)
    return any(key.lower() == "kms:viaservice" for key in keys)


def _actions(statement: Mapping[str, Any]) -> list[str]:
    given = statement.get("Action", [])
    return [given] if isinstance(given, str) else list(given)
