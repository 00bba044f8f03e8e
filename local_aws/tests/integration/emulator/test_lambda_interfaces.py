"""The network interfaces of functions in a VPC.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, "Understanding Hyperplane Elastic Network
Interfaces", and https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (DependencyViolation).
"""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.testing.aws import allow, ask_until, zip_of
from local_aws.tests.integration.emulator.expectations import refused

pytestmark = [pytest.mark.integration, pytest.mark.correction(name="lambda_interfaces")]

MANAGES_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
)


class PrivateFunctions:
    """A VPC with subnets and security groups, and functions in it."""

    def __init__(self, aws: Any) -> None:
        self.aws = aws
        self.statement = allow(*MANAGES_INTERFACES)
        self.ec2, self.functions = aws.client("ec2"), aws.client("lambda")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.66.0.0/16")["Vpc"]["VpcId"]

    def subnet(self, number: int) -> str:
        made: str = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.66.{number}.0/24")["Subnet"]["SubnetId"]
        return made

    def group(self, name: str) -> str:
        made: str = self.ec2.create_security_group(GroupName=name, Description="x", VpcId=self.vpc)["GroupId"]
        return made

    def create(self, name: str, subnets: list[str], group: str) -> str:
        """Returns the function's name, which is its role's too."""
        role = self.aws.role(name, "lambda.amazonaws.com", self.statement)
        self.functions.create_function(
            FunctionName=self.aws.name(name),
            Runtime="python3.13",
            Role=role,
            Handler="code.handler",
            Code={"ZipFile": zip_of({"code.py": "def handler(event, context): pass\n"})},
            VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": [group]},
        )
        known: str = self.aws.name(name)
        # Lambda publishes nothing of a function that is not ready.
        self.functions.get_waiter("function_active_v2").wait(FunctionName=known, WaiterConfig={"Delay": 0.1})
        return known

    def interfaces(self, **filters: str) -> list[dict[str, Any]]:
        wanted = {"vpc-id": self.vpc, **{name.replace("_", "-"): value for name, value in filters.items()}}
        query = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
        found: list[dict[str, Any]] = self.ec2.describe_network_interfaces(Filters=query)["NetworkInterfaces"]
        return found

    def until_given_back(self, subnet: str) -> None:
        with refused("DependencyViolation"):
            self.ec2.delete_subnet(SubnetId=subnet)
        ask_until(lambda: True if not self.interfaces(subnet_id=subnet) else None)


@pytest.fixture
def private(aws: Any) -> PrivateFunctions:
    return PrivateFunctions(aws)


def test_a_function_holds_an_interface_in_each_subnet_and_with_it_subnets_and_groups(private: PrivateFunctions) -> None:
    subnets, group = [private.subnet(1), private.subnet(2)], private.group("one")
    name = private.create("one", subnets, group)
    found = private.interfaces()
    assert {each["SubnetId"] for each in found} == set(subnets) and len(found) == 2
    for each in found:
        assert [of["GroupId"] for of in each["Groups"]] == [group]
        assert (each["Status"], each["InterfaceType"]) == ("in-use", "lambda")
        assert each["Description"] == f"AWS Lambda VPC ENI-{name}"
    with refused("DependencyViolation"):
        private.ec2.delete_subnet(SubnetId=subnets[0])
    with refused("DependencyViolation"):
        private.ec2.delete_security_group(GroupId=group)


def test_interfaces_outlive_their_function_and_are_given_back(private: PrivateFunctions) -> None:
    subnet, group = private.subnet(1), private.group("one")
    private.functions.delete_function(FunctionName=private.create("one", [subnet], group))
    private.until_given_back(subnet)
    private.ec2.delete_subnet(SubnetId=subnet)
    private.ec2.delete_security_group(GroupId=group)


@pytest.mark.parametrize("role_is", ["gone", "without the permission"])
def test_interfaces_stay_where_the_functions_role_cannot_delete_them(private: PrivateFunctions, role_is: str) -> None:
    iam, group = private.aws.client("iam"), private.group("one")
    orphaned, other = private.subnet(1), private.subnet(2)
    first, second = private.create("first", [orphaned], group), private.create("second", [other], group)
    iam.delete_role_policy(RoleName=first, PolicyName="only")
    if role_is == "gone":
        iam.delete_role(RoleName=first)
    private.functions.delete_function(FunctionName=first)
    private.functions.delete_function(FunctionName=second)
    with refused("DependencyViolation"):
        private.ec2.delete_subnet(SubnetId=orphaned)
    private.until_given_back(other)
    assert len(private.interfaces(subnet_id=orphaned)) == 1
    with refused("DependencyViolation"):
        private.ec2.delete_subnet(SubnetId=orphaned)


def test_functions_and_published_versions_share_an_interface_and_each_keeps_it(private: PrivateFunctions) -> None:
    subnet, group, later = private.subnet(1), private.group("one"), private.group("later")
    first, second = private.create("first", [subnet], group), private.create("second", [subnet], group)
    (shared,) = private.interfaces()
    private.functions.publish_version(FunctionName=first)
    private.functions.update_function_configuration(
        FunctionName=first, VpcConfig={"SubnetIds": [subnet], "SecurityGroupIds": [later]}
    )
    private.functions.delete_function(FunctionName=second)
    assert len(private.interfaces(group_id=later)) == 1
    assert [each["NetworkInterfaceId"] for each in private.interfaces(group_id=group)] == [shared["NetworkInterfaceId"]]
    private.functions.delete_function(FunctionName=first)
    private.until_given_back(subnet)
