"""The command line of e2e.py."""

from pathlib import Path

import pytest

from ecs_kit.automation.cli.e2e_options import parse
from ecs_kit.automation.errors import BadOption


def test_without_options_both_patterns_run_here() -> None:
    options = parse([])

    assert (options.target, options.patterns, options.plugins, options.container_runtime) == (
        "local",
        (1, 2),
        "bundled",
        "auto",
    )


def test_plugins_default_to_published_on_aws() -> None:
    assert parse(["--target", "aws"]).plugins == "published"


@pytest.mark.parametrize(("text", "patterns"), [("1", (1,)), ("2", (2,)), ("all", (1, 2))])
def test_patterns(text: str, patterns: tuple[int, ...]) -> None:
    assert parse(["--pattern", text]).patterns == patterns


def test_paths_are_absolute_because_the_driver_changes_its_folder() -> None:
    options = parse(["--specs", "a.json", "--json", "b.json", "--report-dir", "c", "--faults", "d.json"])

    assert (options.specs, options.json, options.report_dir, options.faults) == (
        Path.cwd() / "a.json",
        Path.cwd() / "b.json",
        Path.cwd() / "c",
        Path.cwd() / "d.json",
    )


def test_what_another_job_brings_along() -> None:
    options = parse(["--stack-config", "a.yaml", "--sources", "docs", "--expect", "exists", "--pattern", "all"])

    assert (options.stack_config, options.sources, options.all_given) == (
        Path.cwd() / "a.yaml",
        Path.cwd() / "docs",
        True,
    )
    assert options.expectation is not None and parse([]).expectation is None


def test_config_values_may_contain_an_equals_sign() -> None:
    assert parse(["--config", "tags={}", "--config", "targetPrefix=a=b"]).config == {
        "tags": "{}",
        "targetPrefix": "a=b",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--bogus"], "--bogus"),
        (["--sources", "nowhere"], "--sources nowhere: there is no such folder"),
        (["--expect", "miracles"], "--expect miracles: give copy, exists, or a Python file"),
        (["--pattern", "3"], "--pattern: invalid choice: '3'"),
        (["--target", "moon"], "--target: invalid choice: 'moon'"),
        (["--container-runtime", "podman"], "--container-runtime: invalid choice"),
        (["--plugins", "own"], "--plugins: invalid choice"),
        (["--tasks", "0"], "--tasks: '0' is not a number of tasks: give 1 or more"),
        (["--tasks", "-1"], "--tasks"),
        (["--tasks", "many"], "--tasks: 'many' is not a number of tasks"),
        (["--emulator-port", "0"], "--emulator-port: '0' is not a port: give 1 to 65535"),
        (["--emulator-port", "65536"], "'65536' is not a port"),
        (["--config", "taskMemory"], "--config taskMemory: expected KEY=VALUE"),
        (["--config", "aws:region=us-east-1"], "without a namespace"),
        (["--config", "patterns=1"], "choose patterns with --pattern"),
        (["--target", "aws", "--container-runtime", "docker"], "--container-runtime is for --target local"),
        (["--target", "aws", "--emulator-port", "4566"], "--emulator-port is for --target local"),
        (["--target", "aws", "--faults", "f.json"], "--faults is for --target local: only the emulator makes faults"),
        (["--pat", "1"], "--pat"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], says: str) -> None:
    with pytest.raises(BadOption) as refused:
        parse(arguments)

    assert says in str(refused.value)


def test_help_names_every_option_and_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])

    shown = capsys.readouterr().out
    assert ended.value.code == 0
    for option in ("--target", "--pattern", "--specs", "--tasks", "--keep", "--yes", "--report-dir", "--json", "130"):
        assert option in shown
