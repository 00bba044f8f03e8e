"""Functions that publish versions, as in the published provider (`internal/service/lambda/function.go`)."""

import pulumi
import pulumi_aws as aws
import pytest

from local_aws.plugins.framework.values import UNKNOWN
from local_aws.testing import MakeStack
from local_aws.testing.stacks import changes
from local_aws.tests.integration.plugins.cases import FUNCTION, OTHER_TAGS, machine
from local_aws.tests.integration.plugins.harness import Engine, World

pytestmark = pytest.mark.integration

TOKEN = "aws:lambda/function:Function"
OF_A_VERSION = ("version", "qualifiedArn", "qualifiedInvokeArn")


def test_a_version_is_published_with_each_change_of_code_or_configuration_while_the_program_says_so(
    engine: Engine, world: World
) -> None:
    program = {**world.resolved(FUNCTION), "name": "publish", "publish": True}
    inputs = engine.check(TOKEN, program)
    name, state = engine.create(TOKEN, inputs)

    def published() -> str:
        """The number in all outputs about the version."""
        arn, version = state["arn"], state["version"]
        invoked = state["invokeArn"].replace(arn, f"{arn}:{version}")
        assert [state[each] for each in OF_A_VERSION] == [version, f"{arn}:{version}", invoked]
        return str(version)

    assert (published(), state["arn"].endswith(":function:publish")) == ("1", True)
    variables = [{"environment": {"variables": {"A": value}}} for value in ("2", "3")]
    for change, version in (
        ({"code": world.ids["other code"]}, "2"),
        (variables[0], "3"),
        ({"code": world.ids["code"], **variables[1]}, "4"),
        ({"tags": OTHER_TAGS}, "4"),
        # The newest there is.
        ({"publish": None, "memorySize": 1024}, "4"),
        ({"publish": True}, "5"),
    ):
        before = {each: state[each] for each in ("arn", *OF_A_VERSION)}
        program = {key: value for key, value in {**program, **change}.items() if value is not None}
        new = engine.check(TOKEN, program)
        foreseen = engine.update(TOKEN, name, state, inputs, new, preview=True)
        unknown = dict.fromkeys(OF_A_VERSION, UNKNOWN) if version != before["version"] else {}
        assert {each: foreseen[each] for each in before} == {**before, **unknown}, "what uses the version changes, too"
        state, inputs = engine.update(TOKEN, name, state, inputs, new), new
        assert published() == version


@pytest.mark.acceptance
def test_the_newest_of_many_versions_is_found(engine: Engine, world: World) -> None:
    inputs = engine.check(TOKEN, {**world.resolved(FUNCTION), "name": "publish-many"})
    name, state = engine.create(TOKEN, inputs)
    assert state["version"] == "$LATEST"
    client = world.client("lambda")
    for timeout in range(31, 86):
        client.update_function_configuration(FunctionName=name, Timeout=timeout)
        client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0})
        client.publish_version(FunctionName=name)
    _, state, _ = engine.read(TOKEN, name, state, inputs)
    assert state["version"] == "55", "ListVersionsByFunction gives 50 at once"


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
