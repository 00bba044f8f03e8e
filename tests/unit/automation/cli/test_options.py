"""The command lines of `e2e.py` and of its commands."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.cli import e2e
from ecs_kit.automation.cli.options import NAMES, completed, parse, parse_command, parse_deploy
from ecs_kit.automation.journeys import spec_files
from tests.unit.automation.journeys.fakes import ROOT

RUNS = {"stack": None, "pattern": None, "workflow": None}
VIEW = {"quiet": False, "json_lines": False}
WATCH = {**RUNS, "run": None, "json": False, "web": False, **VIEW}
CLEAN = {"target": "local", "stack": None, "plugins": None, "kept": False, "yes": False}
OF_NO_PATTERN = ROOT / "examples" / "word-count" / "spec.json"
OF_PATTERN_2 = spec_files.sample_path(2)
PATHS = ("specs", "json", "report_dir", "faults", "stack_config", "sources")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("status", {**RUNS, "run": None, "json": False}),
        (
            "watch --stack dev --pattern 2 --workflow w --run 1795510747476181 --json",
            {
                "stack": "dev",
                "pattern": 2,
                "workflow": "w",
                "run": 1795510747476181,
                "json": True,
                "web": False,
                **VIEW,
            },
        ),
        ("watch --web --json-lines --quiet", {**WATCH, "web": True, "json_lines": True, "quiet": True}),
        ("report 17", {**RUNS, "run": 17, "run_id": 17, "json": False, "report_dir": None}),
        ("report --run 17 --json", {**RUNS, "run": 17, "run_id": None, "json": True, "report_dir": None}),
        ("abort --cause unwanted", {**RUNS, "run": None, "cause": "unwanted"}),
        ("runs --last 3", {**RUNS, "json": False, "last": 3}),
        ("logs --task a --attempt 2", {**RUNS, "run": None, "task": "a", "attempt": 2, "follow": False}),
        ("clean", CLEAN),
        ("destroy", {**CLEAN, "kept": True}),
        (
            "clean --target aws --stack e2e --plugins bundled --kept --yes",
            {"target": "aws", "stack": "e2e", "plugins": "bundled", "kept": True, "yes": True},
        ),
    ],
)
def test_the_options_of_each_command(arguments: str, options: dict[str, object]) -> None:
    command, *more = arguments.split()
    assert vars(parse_command([command, *more])) == {"command": command, **options}


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("", {"target": "local", "pattern": None, "plugins": "bundled", "container_runtime": "auto", "expect": None}),
        ("--target aws", {"plugins": "published"}),
        ("--config tags={} --config targetPrefix=a=b", {"config": {"tags": "{}", "targetPrefix": "a=b"}}),
        # Paths are absolute, because the driver changes its folder.
        (
            " ".join(f"--{name.replace('_', '-')} docs" for name in PATHS),
            dict.fromkeys(PATHS, Path.cwd() / "docs"),
        ),
    ],
)
def test_the_options_of_the_main_job(arguments: str, options: dict[str, Any]) -> None:
    assert options.items() <= vars(parse(arguments.split())).items()


def test_the_main_help_and_the_page_of_commands_have_every_command() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"[a-z-]+", str(completed().epilog).partition("\n\n")[0]))
    assert set(NAMES) <= listed
    assert set(NAMES) == set(re.findall(r"^\| `([a-z-]+)` \| .+ \| [01],?;? ?.*\|$", page, flags=re.MULTILINE))


def test_a_deployment_has_the_main_job_s_options_without_a_run() -> None:
    main, deploy = vars(parse([])), vars(parse_deploy(["deploy", "--stack", "dev"]))
    assert deploy == {**main, "command": "deploy", "stack": "dev", "keep": True}


@pytest.mark.parametrize(
    ("typed", "completions"),
    [
        ("", {"deploy", "start", "status", "watch", "logs", "abort", "runs", "destroy", "clean"}),
        ("--contain", {"--container-runtime"}),
        ("start --so", {"--sources"}),
        ("--plugins ", {"bundled", "published"}),
    ],
)
def test_a_shell_completes_commands_and_options(tmp_path: Path, typed: str, completions: set[str]) -> None:
    line, answer = f"ecs-kit {typed}", tmp_path / "answer"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    environment = {**os.environ, **asked, "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    subprocess.run([sys.executable, str(ROOT / "automation" / "e2e.py")], env=environment, check=True)
    found = {word.strip() for word in answer.read_text().split("\013")}
    assert completions <= found and (not typed or completions == found)


@pytest.mark.parametrize(
    ("arguments", "patterns"),
    [
        ("", [1, 2]),
        ("--pattern all", [1, 2]),
        ("--pattern 2", [2]),
        (f"--specs {OF_PATTERN_2}", [2]),
        (f"--specs {OF_NO_PATTERN} --pattern 1", [1]),
        (f"--specs {OF_NO_PATTERN} --pattern 2", [2]),
        (f"--specs {OF_NO_PATTERN} --pattern all", [1, 2]),
    ],
)
def test_a_spec_runs_in_the_patterns_that_are_asked_for_else_in_its_own(arguments: str, patterns: list[int]) -> None:
    assert list(e2e._spec_files(parse(arguments.split()))) == patterns


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--bogus", "--bogus"),
        ("--pat 1", "--pat"),
        ("--sources nowhere", "/nowhere: there is no such folder"),
        ("--expect miracles", "--expect miracles: give copy, exists, none, or a Python file"),
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
        (f"--specs {OF_NO_PATTERN}", "--pattern 1 or --pattern 2"),
        (f"--specs {OF_PATTERN_2} --pattern all", "is for pattern 2: leave --pattern all out"),
        (
            "statsu",
            f"statsu: there is no such command. There are {', '.join(NAMES)}.\n",
        ),
        ("watch --json --json-lines", "--json and --json-lines both print"),
        ("report 1 --run 2", "a run's id is given twice"),
        ("report newest", "'newest' is not a workflow_run_id"),
        ("status --run latest", "'latest' is not a workflow_run_id"),
        ("status --pattern 3", "invalid choice"),
        ("runs --last 0", "'0' is not a number of runs"),
        ("runs --run 1", "unrecognized arguments"),
        ("clean --yes", "--yes is for clean --target aws"),
        ("clean --stack e2e", "--stack is for clean --target aws"),
        ("clean --target aws --stack ../../specs", "'../../specs' is not a stack's plain name"),
        ("destroy --target aws --stack=", "'' is not a stack's plain name"),
        ("destroy --yes", "--yes is for destroy --target aws"),
        ("start", "one of the arguments --specs --sources --list is required"),
        ("deploy --stack a/b", "'a/b' is not a stack's plain name"),
        ("deploy --target aws --emulator-port 1", "--emulator-port is for --target local"),
    ],
)
def test_bad_options_are_refused_with_exit_status_2(
    capsys: pytest.CaptureFixture[str], arguments: str, says: str
) -> None:
    assert e2e.main(arguments.split()) == 2
    said = capsys.readouterr().err
    assert says in said and ("Nothing was created." in said) == arguments.startswith(("-", "deploy"))
