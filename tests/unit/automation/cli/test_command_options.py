"""The commands' options, and what of them is refused."""

import pytest

from ecs_kit.automation.cli.command_options import CommandOptions, parse
from ecs_kit.automation.e2e import main
from ecs_kit.automation.errors import BadOption


def test_a_command_without_options_is_about_the_newest_runs_of_the_selected_stack() -> None:
    assert parse(["status"]) == CommandOptions("status")
    assert parse(["clean"]) == CommandOptions("clean", target="local", kept=False)


def test_every_option_arrives() -> None:
    assert parse(
        ["status", "--stack", "dev", "--pattern", "2", "--workflow", "w", "--run", "1795510747476181", "--json"]
    ) == CommandOptions("status", stack="dev", pattern=2, workflow="w", run=1795510747476181, json=True)
    assert parse(["abort", "--cause", "no longer wanted"]).cause == "no longer wanted"
    assert parse(["runs", "--last", "3"]).last == 3
    assert parse(["clean", "--target", "aws", "--stack", "e2e", "--plugins", "bundled", "--kept", "--yes"]) == (
        CommandOptions("clean", target="aws", stack="e2e", plugins="bundled", kept=True, yes=True)
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["status", "--run", "latest"], "'latest' is not a workflow_run_id"),
        (["status", "--pattern", "3"], "invalid choice"),
        (["runs", "--last", "0"], "'0' is not a number of runs"),
        (["runs", "--run", "1"], "unrecognized arguments"),
        (["clean", "--yes"], "--yes is for clean --target aws"),
        (["clean", "--stack", "e2e"], "--stack is for clean --target aws"),
        (["clean", "--target", "aws", "--stack", "../../specs"], "give a stack's plain name"),
        (["clean", "--target", "aws", "--stack", ""], "give a stack's plain name"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], reason: str) -> None:
    with pytest.raises(BadOption, match=reason):
        parse(arguments)


def test_a_command_that_does_not_exist_ends_with_2_and_names_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["statsu"]) == 2
    assert capsys.readouterr().err == (
        "statsu: there is no such command. There are status, watch, abort, runs, clean.\n"
    )
