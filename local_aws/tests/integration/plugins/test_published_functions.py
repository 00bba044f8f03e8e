"""Functions that publish versions, as in the published provider (`internal/service/lambda/function.go`)."""

from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from local_aws.plugins.framework.values import UNKNOWN, Properties
from local_aws.testing import MakeStack
from local_aws.testing.stacks import changes
from local_aws.tests.integration.plugins.cases import FUNCTION, OTHER_TAGS, machine
from local_aws.tests.integration.plugins.harness import Engine, World

pytestmark = pytest.mark.integration

TOKEN = "aws:lambda/function:Function"
OF_A_VERSION = ("version", "qualifiedArn", "qualifiedInvokeArn")


class Published:
    """A function that publishes versions, and its state."""

    def __init__(self, engine: Engine, world: World, name: str, **more: Any) -> None:
        self.engine = engine
        self.world = world
        self.name = name
        self.program = {**world.resolved(FUNCTION), "name": name, "publish": True, **more}
        self.inputs = engine.check(TOKEN, self.program)
        _, self.state = engine.create(TOKEN, self.inputs)

    def update(self, **change: Any) -> Properties:
        """Change inputs; returns what the preview of it shows."""
        self.program = {key: value for key, value in {**self.program, **change}.items() if value is not None}
        new = self.engine.check(TOKEN, self.program)
        foreseen = self.engine.update(TOKEN, self.name, self.state, self.inputs, new, preview=True)
        self.state = self.engine.update(TOKEN, self.name, self.state, self.inputs, new)
        self.inputs = new
        return foreseen

    @property
    def version(self) -> tuple[str, str, str]:
        """The outputs about the version."""
        return (self.state["version"], self.state["qualifiedArn"], self.state["qualifiedInvokeArn"])

    def expected(self, version: str) -> tuple[str, str, str]:
        """Their values for a version."""
        arn = self.state["arn"]
        return (version, f"{arn}:{version}", self.state["invokeArn"].replace(arn, f"{arn}:{version}"))


def test_creating_one_publishes_its_first_version(engine: Engine, world: World) -> None:
    function = Published(engine, world, "publish-created")
    assert function.version == function.expected("1")
    assert function.state["arn"].endswith(":function:publish-created")


@pytest.mark.parametrize("change", ["code", "configuration", "both"])
def test_each_update_of_code_or_configuration_publishes_one(engine: Engine, world: World, change: str) -> None:
    function = Published(engine, world, f"publish-{change}")
    changed = {"code": {"code": world.ids["other code"]}, "configuration": {"environment": {"variables": {"A": "2"}}}}
    foreseen = function.update(**(changed["code"] | changed["configuration"] if change == "both" else changed[change]))
    assert {foreseen[name] for name in OF_A_VERSION} == {UNKNOWN}, "what uses the version shows as changing"
    assert foreseen["arn"] == function.state["arn"]
    assert function.version == function.expected("2")


def test_tags_publish_none(engine: Engine, world: World) -> None:
    function = Published(engine, world, "publish-tags")
    before = function.version
    foreseen = function.update(tags=OTHER_TAGS)
    assert tuple(foreseen[name] for name in OF_A_VERSION) == before
    assert function.version == before


def test_publishing_can_be_turned_on_and_off(engine: Engine, world: World) -> None:
    function = Published(engine, world, "publish-later", publish=None)
    assert function.version == function.expected("$LATEST")
    function.update(memorySize=512)
    assert function.version == function.expected("$LATEST")
    assert function.update(publish=True)["version"] is UNKNOWN
    assert function.version == function.expected("1")
    function.update(publish=None, memorySize=1024)
    assert function.version == function.expected("1"), "the newest there is"


@pytest.mark.acceptance
def test_the_newest_of_many_versions_is_found(engine: Engine, world: World) -> None:
    function = Published(engine, world, "publish-many")
    client = world.client("lambda")
    for timeout in range(31, 86):
        client.update_function_configuration(FunctionName=function.name, Timeout=timeout)
        client.get_waiter("function_updated_v2").wait(FunctionName=function.name, WaiterConfig={"Delay": 0})
        client.publish_version(FunctionName=function.name)
    _, state, _ = engine.read(TOKEN, function.name, function.state, function.inputs)
    assert state["version"] == "56", "ListVersionsByFunction gives 50 at once"


@pytest.mark.acceptance
def test_what_uses_a_version_changes_only_with_it(world: World, make_stack: MakeStack) -> None:
    class Program:
        path, tags = str(world.ids["zip"]), "one"

        def __call__(self) -> None:
            function = aws.lambda_.Function(
                "function",
                name="publish-engine",
                role=world.ids["role/lambda"],
                handler="main.handler",
                runtime="python3.13",
                code=pulumi.FileArchive(self.path),
                vpc_config={"subnet_ids": world.ids["subnets"], "security_group_ids": world.ids["groups"]},
                logging_config={"log_format": "Text", "log_group": "/plugins/world"},
                tracing_config={"mode": "Active"},
                publish=True,
                tags={"of": self.tags},
            )
            aws.sfn.StateMachine(
                "machine",
                name="publish-engine",
                role_arn=world.ids["role/states"],
                definition=function.qualified_arn.apply(machine),
            )
            pulumi.export("arn", function.qualified_arn)

    program = Program()
    stack = make_stack("published", program)
    assert stack.up().outputs["arn"].value.endswith(":function:publish-engine:1")
    program.tags = "two"
    assert changes(stack.preview()) == {"update": 1}
    assert changes(stack.up()) == {"update": 1}
    program.path = str(world.zip("engine", "def handler(event, context):\n    return 3\n"))
    assert changes(stack.preview()) == {"update": 2}
    up = stack.up()
    assert changes(up) == {"update": 2}
    assert up.outputs["arn"].value.endswith(":function:publish-engine:2")
    assert changes(stack.preview(expect_no_changes=True)) == {}
    assert changes(stack.refresh(expect_no_changes=True)) == {}
