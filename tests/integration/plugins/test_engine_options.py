"""What a program can ask of the plugins under the real engine: names, tags, imports, errors."""

import re

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx
import pytest
from pulumi import automation as auto

from tests.integration.plugins.cases import policy
from tests.integration.plugins.harness import MakeStack, World, changes, trust

pytestmark = pytest.mark.integration


def test_awsx_gives_one_nat_gateway_for_each_zone_if_told(make_stack: MakeStack) -> None:
    def program() -> None:
        vpc = awsx.ec2.Vpc("net", number_of_availability_zones=2, subnet_strategy="Auto")
        pulumi.export("gateways", vpc.nat_gateways.apply(lambda found: len(found)))
        pulumi.export("addresses", vpc.eips.apply(lambda found: len(found)))

    stack = make_stack("gateways", program)
    outputs = stack.up().outputs
    assert (outputs["gateways"].value, outputs["addresses"].value) == (2, 2)
    assert changes(stack.preview(expect_no_changes=True)) == {}
    assert changes(stack.refresh(expect_no_changes=True)) == {}


def refused(stack: auto.Stack) -> str:
    with pytest.raises(auto.CommandError) as failure:
        stack.up()
    return str(failure.value)


def test_an_unknown_type_is_named(make_stack: MakeStack) -> None:
    def program() -> None:
        pulumi.CustomResource("aws:sns/topic:Topic", "topic", {"name": "x"})

    assert "does not know the resource type aws:sns/topic:Topic" in refused(make_stack("unknown-type", program))


def test_an_unknown_property_is_named_with_its_resource(make_stack: MakeStack) -> None:
    def program() -> None:
        aws.cloudwatch.LogGroup("lines", name="/lines", name_prefix="x")

    text = refused(make_stack("unknown-property", program))
    assert "aws:cloudwatch/logGroup:LogGroup 'lines'" in text
    assert "property namePrefix: there is no such property" in text


def test_an_answer_of_aws_is_shown_with_call_code_and_resource(make_stack: MakeStack) -> None:
    def program() -> None:
        aws.iam.RolePolicy("lost", role="there-is-none", policy=policy("s3:*"), opts=short())

    def short() -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="1s"))

    text = refused(make_stack("aws-error", program))
    assert "creating aws:iam/rolePolicy:RolePolicy lost" in text
    assert "PutRolePolicy with NoSuchEntity" in text


def test_ignored_changes_stay(world: World, make_stack: MakeStack) -> None:
    days = [7]

    def program() -> None:
        aws.cloudwatch.LogGroup(
            "lines",
            name="/ignored",
            retention_in_days=days[0],
            opts=pulumi.ResourceOptions(ignore_changes=["retentionInDays"]),
        )

    stack = make_stack("ignore", program)
    stack.up()
    days[0] = 30
    assert changes(stack.up()) == {}


def test_names_are_made_up_once_and_replaced_before_deletion(make_stack: MakeStack) -> None:
    path = ["/one/"]

    def program() -> None:
        role = aws.iam.Role("made-up", assume_role_policy=trust("lambda.amazonaws.com"), path=path[0])
        pulumi.export("name", role.name)

    stack = make_stack("names", program)
    first = stack.up().outputs["name"].value
    assert re.fullmatch(r"made-up-[0-9a-f]{7}", first)
    path[0] = "/two/"
    up = stack.up()
    assert changes(up) == {"replace": 1}
    assert up.outputs["name"].value != first


def test_default_tags_are_on_everything(world: World, make_stack: MakeStack) -> None:
    def program() -> None:
        tagged = aws.Provider(
            "tagged",
            region="us-east-1",
            access_key="test",
            secret_key="test",
            s3_use_path_style=True,
            skip_credentials_validation=True,
            default_tags={"tags": {"owner": "everybody", "kind": "default"}},
            endpoints=[{"logs": world.emulator.endpoint_url}],
        )
        group = aws.cloudwatch.LogGroup(
            "lines", name="/tagged", tags={"kind": "own"}, opts=pulumi.ResourceOptions(provider=tagged)
        )
        pulumi.export("all", group.tags_all)

    assert make_stack("tags", program).up().outputs["all"].value == {"owner": "everybody", "kind": "own"}


def test_an_existing_resource_is_taken_over(world: World, make_stack: MakeStack) -> None:
    world.client("logs").create_log_group(logGroupName="/taken")
    world.client("logs").put_retention_policy(logGroupName="/taken", retentionInDays=3)

    def program() -> None:
        aws.cloudwatch.LogGroup(
            "lines", name="/taken", retention_in_days=3, opts=pulumi.ResourceOptions(import_="/taken")
        )

    stack = make_stack("import", program)
    assert changes(stack.up()) == {"create": 1, "import": 1}
    assert changes(stack.preview(expect_no_changes=True)) == {}
