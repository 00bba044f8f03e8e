"""What a program can ask of the plugins under the real engine: tags, ignored changes, errors."""

import gc

import pulumi
import pulumi_aws as aws
import pytest
from pulumi import automation as auto

from local_aws.testing import MakeStack
from local_aws.testing.stacks import changes
from local_aws.tests.integration.plugins.cases import policy
from local_aws.tests.integration.plugins.harness import World

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]


class Options:
    """A program that a test changes between deployments."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.days = 7
        self.name = "/ignored"

    def __call__(self) -> None:
        aws.cloudwatch.LogGroup(
            "ignored",
            name=self.name,
            retention_in_days=self.days,
            opts=pulumi.ResourceOptions(ignore_changes=["retentionInDays"]),
        )
        for name in ("changed", "removed"):
            aws.cloudwatch.LogGroup(name, name=f"/by-hand/{name}", retention_in_days=3)
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


def test_a_program_changes_only_what_it_should_and_corrects_drift(world: World, make_stack: MakeStack) -> None:
    program, logs = Options(world), world.client("logs")
    stack = make_stack("options", program)
    tags = stack.up().outputs["tags"].value
    assert tags == {"owner": "everybody", "kind": "own"}, "default tags are on everything"
    assert (changes(stack.preview()), changes(stack.refresh())) == ({}, {}), "an unchanged program changes nothing"
    program.days = 30
    assert changes(stack.up()) == {}, "ignored changes are not deployed"

    logs.put_retention_policy(logGroupName="/by-hand/changed", retentionInDays=30)
    logs.delete_log_group(logGroupName="/by-hand/removed")
    assert changes(stack.refresh()) == {"update": 1, "delete": 1}
    assert changes(stack.up()) == {"update": 1, "create": 1}
    found = logs.describe_log_groups(logGroupNamePrefix="/by-hand/")["logGroups"]
    assert [group["retentionInDays"] for group in found] == [3, 3]
    program.name = "/replaced"
    assert changes(stack.up()) == {"replace": 1}


def test_a_new_resource_that_cannot_be_read_stays_in_the_state_until_it_is_destroyed(
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


def imported() -> None:
    aws.cloudwatch.LogGroup("taken", name="/plugins/world", opts=pulumi.ResourceOptions(import_="/plugins/world"))


def refused_by_aws() -> None:
    soon = pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="1s"))
    aws.iam.RolePolicy("lost", name="lost", role="there-is-none", policy=policy("s3:*"), opts=soon)


def test_every_refusal_names_the_resource_and_the_reason(make_stack: MakeStack) -> None:
    named = {
        unknown_type: ("does not know the resource type aws:sns/topic:Topic",),
        unknown_property: (
            "aws:cloudwatch/logGroup:LogGroup 'lines'",
            "property namePrefix: there is no such property",
        ),
        imported: ("aws:cloudwatch/logGroup:LogGroup taken", "cannot import"),
        refused_by_aws: ("creating aws:iam/rolePolicy:RolePolicy lost", "PutRolePolicy with NoSuchEntity"),
    }
    stack = make_stack("refused", unknown_type)
    for program, texts in named.items():
        with pytest.raises(auto.CommandError) as failure:
            stack.up(program=program)
        for text in texts:
            assert text in str(failure.value)
    # A failed program leaves futures with exceptions, which are reported when they are collected. Python 3.11 fails
    # with a SystemError if that happens during ast.parse: collect them here.
    gc.collect()
