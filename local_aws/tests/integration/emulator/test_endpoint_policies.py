"""Calls of functions and ECS tasks need an Allow of the policy of the endpoint that they go through.

https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local_aws.testing.aws import Fargate, Functions, allow

pytestmark = [pytest.mark.integration, pytest.mark.correction(name="endpoint_policies")]

LISTS_BUCKETS = """
import boto3
from botocore.exceptions import ClientError

def answer():
    try:
        boto3.client("s3").list_buckets()
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Message"]
"""


def statement(action: str, **more: Any) -> str:
    given = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*", **more}
    return json.dumps({"Statement": [given]})


@pytest.fixture
def endpoint(aws: Any, fargate: Fargate) -> Iterator[Any]:
    """Makes an endpoint of a service in the VPC of `fargate`, or changes its policy."""
    ec2, made = aws.client("ec2"), dict[str, str]()
    vpc = ec2.describe_subnets(SubnetIds=[fargate.subnet])["Subnets"][0]["VpcId"]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    (table,) = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]

    def make(service: str, policy: str, **settings: Any) -> str:
        kind = {"VpcEndpointType": "Interface", "SubnetIds": [fargate.subnet], "PrivateDnsEnabled": True}
        if service == "s3":
            kind = {"VpcEndpointType": "Gateway", "RouteTableIds": [table["RouteTableId"]]}
        if service in made:
            ec2.modify_vpc_endpoint(VpcEndpointId=made[service], PolicyDocument=policy)
        else:
            name = f"com.amazonaws.{aws.region}.{service}"
            asked = {"VpcId": vpc, "ServiceName": name, "PolicyDocument": policy, **kind, **settings}
            made[service] = ec2.create_vpc_endpoint(**asked)["VpcEndpoint"]["VpcEndpointId"]
        (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[made[service]])["VpcEndpoints"]
        assert json.loads(found["PolicyDocument"]) == json.loads(policy)
        return made[service]

    yield make
    ec2.delete_vpc_endpoints(VpcEndpointIds=list(made.values()))


def test_a_task_is_refused_what_its_endpoint_does_not_let_through(aws: Any, fargate: Fargate, endpoint: Any) -> None:
    definition = fargate.define(f"{LISTS_BUCKETS}\nprint(answer())")

    def answer() -> str:
        return fargate.log(fargate.finish(definition)["taskArn"])[-1]

    principals = {"ArnEquals": {"aws:PrincipalArn": fargate.task_role}}
    s3 = endpoint("s3", statement("s3:ListAllMyBuckets", Condition=principals))
    assert answer() == "allowed"
    endpoint("s3", statement("s3:GetObject"))
    assert answer().endswith("because no VPC endpoint policy allows the s3:ListAllMyBuckets action")
    endpoint("s3", statement("s3:*", Condition={"ArnEquals": {"aws:PrincipalArn": f"{fargate.task_role}-other"}}))
    assert "no VPC endpoint policy" in answer()
    aws.client("ec2").modify_vpc_endpoint(
        VpcEndpointId=s3,
        RemoveRouteTableIds=aws.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[s3])["VpcEndpoints"][0][
            "RouteTableIds"
        ],
    )
    assert answer() == "allowed", "without a route the calls do not go through it"


def test_a_role_that_may_not_is_refused_by_its_own_policy_first(aws: Any, fargate: Fargate, endpoint: Any) -> None:
    endpoint("s3", statement("s3:GetObject"))
    definition = fargate.define(
        f"{LISTS_BUCKETS}\nprint(answer())".replace("list_buckets()", "create_bucket(Bucket='b-b')")
    )
    assert "no identity-based policy allows" in fargate.log(fargate.finish(definition)["taskArn"])[-1]


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("ecr.api", "no VPC endpoint policy allows the ecr:GetAuthorizationToken action"),
        ("logs", "no VPC endpoint policy allows the logs:CreateLogStream action"),
    ],
)
def test_ecs_starts_a_task_through_the_endpoints(fargate: Fargate, endpoint: Any, service: str, reason: str) -> None:
    endpoint(service, statement("states:*"))
    stopped = fargate.finish(fargate.define("print('started')"))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert reason in stopped["stoppedReason"]


def test_an_interface_endpoint_without_a_private_name_is_passed_by(fargate: Fargate, endpoint: Any) -> None:
    endpoint("logs", statement("states:*"), PrivateDnsEnabled=False)
    stopped = fargate.finish(fargate.define("print('started')"))
    assert fargate.log(stopped["taskArn"]) == ["started"]


def test_functions_in_the_vpc_use_it_and_others_do_not(
    aws: Any, fargate: Fargate, functions: Functions, endpoint: Any
) -> None:
    manage = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"]
    more = ["ec2:DescribeSubnets", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]
    aws.policy(functions.role.rsplit("/", 1)[-1], allow("s3:ListAllMyBuckets", "logs:*", *manage, *more))
    code = f"{LISTS_BUCKETS}\ndef handler(event, context):\n    return answer()"
    functions.create(code)
    endpoint("s3", statement("s3:GetObject"))
    assert functions.invoke() == "allowed"
    network = {"SubnetIds": [fargate.subnet], "SecurityGroupIds": [fargate.security_group]}
    aws.client("lambda").update_function_configuration(FunctionName=functions.name, VpcConfig=network)
    functions.settle()
    assert "no VPC endpoint policy allows the s3:ListAllMyBuckets action" in functions.invoke()
    endpoint("s3", statement("s3:*"))
    assert functions.invoke() == "allowed"
