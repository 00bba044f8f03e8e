"""The command line of e2e.py."""

from pathlib import Path

import pytest

from ecs_kit.automation.cli import e2e
from ecs_kit.automation.cli.e2e_options import parse
from ecs_kit.automation.errors import BadOption


def test_defaults() -> None:
    options = parse([])

    assert (options.target, options.pattern, options.plugins, options.container_runtime, options.expect) == (
        *("local", None, "bundled", "auto", None),
    )
    assert parse(["--target", "aws"]).plugins == "published"


@pytest.mark.parametrize(
    ("given", "patterns"), [([], [1, 2]), (["--pattern", "all"], [1, 2]), (["--pattern", "2"], [2])]
)
def test_the_sample_of_each_pattern_is_run(given: list[str], patterns: list[int]) -> None:
    assert list(e2e._spec_files(parse(given))) == patterns


def test_paths_are_absolute_because_the_driver_changes_its_folder() -> None:
    names = ("specs", "json", "report_dir", "faults", "stack_config", "sources")
    options = parse([word for name in names for word in (f"--{name.replace('_', '-')}", "docs")])

    assert [getattr(options, name) for name in names] == [Path.cwd() / "docs"] * len(names)


def test_config_values_may_contain_an_equals_sign() -> None:
    assert parse(["--config", "tags={}", "--config", "targetPrefix=a=b"]).config == {
        "tags": "{}",
        "targetPrefix": "a=b",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--bogus", "--bogus"),
        ("--sources nowhere", "--sources nowhere: there is no such folder"),
        ("--expect miracles", "--expect miracles: give copy, exists, or a Python file"),
        ("--pattern 3", "--pattern: invalid choice: '3'"),
        ("--target moon", "--target: invalid choice: 'moon'"),
        ("--container-runtime podman", "--container-runtime: invalid choice"),
        ("--plugins own", "--plugins: invalid choice"),
        ("--tasks 0", "--tasks: '0' is not a number of tasks: give 1 or more"),
        ("--tasks -1", "--tasks"),
        ("--tasks many", "--tasks: 'many' is not a number of tasks"),
        ("--emulator-port 0", "--emulator-port: '0' is not a port: give 1 to 65535"),
        ("--emulator-port 65536", "'65536' is not a port"),
        ("--config taskMemory", "--config taskMemory: expected KEY=VALUE"),
        ("--config aws:region=us-east-1", "without a namespace"),
        ("--config patterns=1", "choose patterns with --pattern"),
        ("--target aws --container-runtime docker", "--container-runtime is for --target local"),
        ("--target aws --emulator-port 4566", "--emulator-port is for --target local"),
        ("--target aws --faults f.json", "--faults is for --target local: only the emulator makes faults"),
        ("--pat 1", "--pat"),
    ],
)
def test_bad_options_are_refused(arguments: str, says: str) -> None:
    with pytest.raises(BadOption) as refused:
        parse(arguments.split())

    assert says in str(refused.value)


def test_help_names_every_option_and_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])

    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(f"--{name.replace('_', '-')}" in shown for name in vars(parse([]))) and "130" in shown
