"""What a program can ask of the plugins under the real engine: names, tags, imports, errors."""

import gc
import re
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_awsx as awsx
import pytest
from pulumi import automation as auto

from tests.integration.plugins.cases import policy
from tests.integration.plugins.harness import MakeStack, World, changes, trust

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]


class Options:
    """A program that asks for one thing after the other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.days = 7
        self.path = "/one/"

    def __call__(self) -> None:
        vpc = awsx.ec2.Vpc("net", number_of_availability_zones=2, subnet_strategy="Auto")
        pulumi.export("gateways", vpc.nat_gateways.apply(lambda found: len(found)))
        pulumi.export("addresses", vpc.eips.apply(lambda found: len(found)))
        aws.cloudwatch.LogGroup(
            "ignored",
            name="/ignored",
            retention_in_days=self.days,
            opts=pulumi.ResourceOptions(ignore_changes=["retentionInDays"]),
        )
        role = aws.iam.Role("made-up", assume_role_policy=trust("lambda.amazonaws.com"), path=self.path)
        pulumi.export("name", role.name)
        aws.cloudwatch.LogGroup(
            "taken", name="/taken", retention_in_days=3, opts=pulumi.ResourceOptions(import_="/taken")
        )
        tagged = aws.Provider(
            "tagged",
            region="us-east-1",
            access_key="test",
            secret_key="test",
            s3_use_path_style=True,
            skip_credentials_validation=True,
            default_tags={"tags": {"owner": "everybody", "kind": "default"}},
            endpoints=[{"logs": self.world.emulator.endpoint_url}],
        )
        group = aws.cloudwatch.LogGroup(
            "lines", name="/tagged", tags={"kind": "own"}, opts=pulumi.ResourceOptions(provider=tagged)
        )
        pulumi.export("tags", group.tags_all)


@dataclass(frozen=True)
class Life:
    """What came of deploying it, of looking whether anything changed, and of changing it."""

    first: auto.UpResult
    preview: auto.PreviewResult
    refresh: auto.RefreshResult
    second: auto.UpResult


@pytest.fixture(scope="module")
def life(world: World, make_stack: MakeStack) -> Life:
    world.client("logs").create_log_group(logGroupName="/taken")
    world.client("logs").put_retention_policy(logGroupName="/taken", retentionInDays=3)
    program = Options(world)
    stack = make_stack("options", program)
    first = stack.up()
    preview = stack.preview()
    refresh = stack.refresh()
    program.days, program.path = 30, "/two/"
    return Life(first, preview, refresh, stack.up())


def test_nothing_changes_by_itself(life: Life) -> None:
    assert (changes(life.preview), changes(life.refresh)) == ({}, {})


def test_awsx_gives_one_nat_gateway_for_each_zone_if_told(life: Life) -> None:
    outputs = life.first.outputs
    assert (outputs["gateways"].value, outputs["addresses"].value) == (2, 2)


def test_an_existing_resource_is_taken_over(life: Life) -> None:
    assert changes(life.first)["import"] == 1


def test_default_tags_are_on_everything(life: Life) -> None:
    assert life.first.outputs["tags"].value == {"owner": "everybody", "kind": "own"}


def test_names_are_made_up_once_and_replaced_before_deletion_while_ignored_changes_stay(life: Life) -> None:
    name = life.first.outputs["name"].value
    assert re.fullmatch(r"made-up-[0-9a-f]{7}", name)
    assert changes(life.second) == {"replace": 1}, "the role, because of its path; not the log group"
    assert life.second.outputs["name"].value != name


def test_what_cannot_be_read_after_it_was_made_stays_in_the_state_until_it_is_destroyed(
    world: World, make_stack: MakeStack
) -> None:
    logs = world.client("logs")
    stack = make_stack("unread", lambda: aws.cloudwatch.LogGroup("unread", name="/unread") and None)
    denied = {"error": "AccessDeniedException", "message": "not to be read", "status": 400}
    world.emulator.inject_faults([{"service": "logs", "operation": "DescribeLogGroups", "effect": denied}])
    try:
        with pytest.raises(auto.CommandError, match="not to be read"):
            stack.up()
    finally:
        world.emulator.inject_faults([])

    (kept,) = (each for each in stack.export_stack().deployment["resources"] if each.get("id") == "/unread")
    assert "not to be read" in kept["initErrors"][0]
    assert changes(stack.up()) == {"update": 1}, "the engine looks again"
    assert logs.describe_log_groups(logGroupNamePrefix="/unread")["logGroups"]
    assert changes(stack.destroy())["delete"] == 2, "with the stack itself"
    assert not logs.describe_log_groups(logGroupNamePrefix="/unread")["logGroups"]


def unknown_type() -> None:
    pulumi.CustomResource("aws:sns/topic:Topic", "topic", {"name": "x"})


def unknown_property() -> None:
    aws.cloudwatch.LogGroup("lines", name="/lines", name_prefix="x")


def refused_by_aws() -> None:
    soon = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="1s"))
    aws.iam.RolePolicy("lost", role="there-is-none", policy=policy("s3:*"), opts=soon)


def test_every_refusal_says_what_and_where(make_stack: MakeStack) -> None:
    named = {
        unknown_type: ("does not know the resource type aws:sns/topic:Topic",),
        unknown_property: (
            "aws:cloudwatch/logGroup:LogGroup 'lines'",
            "property namePrefix: there is no such property",
        ),
        refused_by_aws: ("creating aws:iam/rolePolicy:RolePolicy lost", "PutRolePolicy with NoSuchEntity"),
    }
    stack = make_stack("refused", unknown_type)
    for program, texts in named.items():
        with pytest.raises(auto.CommandError) as failure:
            stack.up(program=program)
        for text in texts:
            assert text in str(failure.value)
    # A program that fails leaves futures with exceptions behind, which are reported when they are collected. Where that
    # happens in the middle of ast.parse, Python 3.11 gives up with a SystemError: let it happen here.
    gc.collect()
