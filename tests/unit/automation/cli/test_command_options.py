"""The commands' options."""

import pytest

from ecs_kit.automation.cli.command_options import parse
from ecs_kit.automation.e2e import main
from ecs_kit.automation.errors import BadOption

RUNS = {"stack": None, "pattern": None, "workflow": None}
CLEAN = {"target": "local", "stack": None, "plugins": None, "kept": False, "yes": False}


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("status", {**RUNS, "run": None, "json": False}),
        (
            "watch --stack dev --pattern 2 --workflow w --run 1795510747476181 --json",
            {"stack": "dev", "pattern": 2, "workflow": "w", "run": 1795510747476181, "json": True},
        ),
        ("abort --cause unwanted", {**RUNS, "run": None, "cause": "unwanted"}),
        ("runs --last 3", {**RUNS, "json": False, "last": 3}),
        ("clean", CLEAN),
        (
            "clean --target aws --stack e2e --plugins bundled --kept --yes",
            {"target": "aws", "stack": "e2e", "plugins": "bundled", "kept": True, "yes": True},
        ),
    ],
)
def test_the_options_of_each_command(arguments: str, options: dict[str, object]) -> None:
    command, *more = arguments.split()
    assert vars(parse([command, *more])) == {"command": command, **options}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("status --run latest", "'latest' is not a workflow_run_id"),
        ("status --pattern 3", "invalid choice"),
        ("runs --last 0", "'0' is not a number of runs"),
        ("runs --run 1", "unrecognized arguments"),
        ("clean --yes", "--yes is for clean --target aws"),
        ("clean --stack e2e", "--stack is for clean --target aws"),
        ("clean --target aws --stack ../../specs", "give a stack's plain name"),
        ("clean --target aws --stack=", "give a stack's plain name"),
    ],
)
def test_bad_options_are_refused(arguments: str, reason: str) -> None:
    with pytest.raises(BadOption, match=reason):
        parse(arguments.split())


def test_an_unknown_command_ends_with_2_and_the_names_of_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statsu"]) == 2
    assert capsys.readouterr().err == (
        "statsu: there is no such command. There are status, watch, abort, runs, clean.\n"
    )
