"""The driver's command lines: the main job's, and those of the commands."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ecs_kit.automation.cli.entry_point import PROGRAM
from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.journeys import expectations
from ecs_kit.runtime.contract import environment
from ecs_kit.runtime.contract.errors import plain
from ecs_kit.runtime.contract.patterns import PATTERNS
from ecs_kit.runtime.contract.run_ids import given_id

_DESCRIPTION = """\
Deploy the kit, run its sample workflows, check every task's outcome, and destroy everything again.

preview, deploy, put the sample object, start, watch, verify (execution status, both tables, S3 copies),
destroy, look for leftovers. Without options: both patterns, on this machine, without an AWS account.
"""
_EPILOG = """\
commands, each with its own --help: estimate, preflight, deploy, start, rerun, status, watch, report, logs, abort,
runs, network, explain, deployer-policy, destroy; and clean, which removes what a killed run of this program left.

example: --pattern 2 --tasks 3 --config taskMemory=1024

exit status: 0 every step held; 1 a step failed (all was destroyed as far as possible); 2 the input cannot be used,
nothing was created; 130 ended by Ctrl-C, 143 by SIGTERM, after everything was destroyed.
"""

_LOCAL_ONLY = {
    "container_runtime": "--container-runtime is for --target local: on AWS, Fargate runs the tasks. Leave it out.",
    "emulator_port": "--emulator-port is for --target local. Set AWS_ENDPOINT_URL to use a running emulator.",
    "faults": "--faults is for --target local: only the emulator makes faults on purpose. Leave it out.",
}


class Parser(argparse.ArgumentParser):
    """Raises `BadInput`, so that one function writes messages and ends the process. No option can be abbreviated."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise BadInput(f"{plain(message)}. Try `{self.prog} --help`.")


def absolute(text: str) -> Path:
    """A type of arguments: a path below the folder that the program is started in, before it changes to another."""
    return Path(text).absolute()


def whole_number(what: str, *, most: int | None = None) -> Callable[[str], int]:
    """A type of arguments: numbers from 1 to `most`; `what` is the message's end for anything else."""

    def read(text: str) -> int:
        number = environment.whole_number(text)
        if number is None or number < 1 or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return number

    return read


def wanted_patterns(given: str | int | None) -> tuple[int, ...]:
    """The patterns that `--pattern` names; all without it."""
    return tuple(PATTERNS) if given in (None, "all") else (int(given or 0),)


def _main_parser() -> Parser:
    result = Parser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_deployment_options(result.add_argument)
    result.add_argument("--keep", action="store_true", help="do not destroy; say how to use and remove what is left")
    _add_run_options(result.add_argument)
    result.set_defaults(command=None, stack=None)
    return result


def _add_deployment_options(add: Callable[..., object]) -> None:
    add(
        "--target",
        choices=("local", "aws"),
        default="local",
        help="deployment target. local: the emulator on this machine (default); aws: your account, or what "
        "AWS_ENDPOINT_URL names",
    )
    _add_configuration_options(add)
    runtime = "what runs ECS tasks on the local target (auto: docker where it works, else process)"
    add("--container-runtime", choices=("auto", "process", "simulated", "docker"), help=runtime)
    plugins = "provider plugins: the kit's stand-ins (default of local) or the published ones (default of aws)"
    add("--plugins", choices=("bundled", "published"), help=plugins)
    port = whole_number("a port: give 1 to 65535", most=65535)
    add("--emulator-port", type=port, metavar="PORT", help="port of the local target's emulator (any free one)")
    add("--yes", action="store_true", help="do not ask before creating what costs money")
    add("--report-dir", type=absolute, metavar="DIR", help="reports, inputs and logs (reports/<time>)")
    _add_view_options(add)


def _add_view_options(add: Callable[..., object]) -> None:
    quiet = "show problems alone; what a command prints at its end stays"
    add("--quiet", action="store_true", help=quiet)
    lines = "print a JSON object to standard output for every change (docs/commands.md)"
    add("--json-lines", action="store_true", help=lines)


def _add_configuration_options(add: Callable[..., object]) -> None:
    add("--pattern", choices=(*map(str, PATTERNS), "all"), help="which pattern to deploy (all)")
    config = "a config value of the kit (see Pulumi.yaml), as often as needed"
    add("--config", action="append", default=[], metavar="KEY=VALUE", help=config)
    settings = "the kit's config from a stack's settings file like Pulumi.dev.yaml; --config goes first"
    add("--stack-config", type=absolute, metavar="FILE", help=settings)


def _add_run_options(add: Callable[..., object]) -> None:
    add("--specs", type=absolute, metavar="FILE", help="the spec to run instead of the one in specs/")
    number = whole_number("a number of tasks: give 1 or more")
    add("--tasks", type=number, metavar="N", help="run N tasks instead of those of the spec")
    sources = "what is missing in the kit's bucket is put from DIR/<objectKey> (else a sample text is)"
    add("--sources", type=absolute, metavar="DIR", help=f"source objects: {sources}")
    add(
        "--expect",
        type=expectations.read,
        metavar="WHAT",
        help="what each result has to be: copy of its source (default), exists, FILE.py[:FUNCTION], a function "
        "of the bytes of source and result that says what is wrong, or none (default with jobRecords=ecs): not read",
    )
    faults = "faults that the emulator makes while the runs are on, like specs/faults.example.json (docs/faults.md)"
    add("--faults", type=absolute, metavar="FILE", help=faults)
    add("--json", type=absolute, metavar="FILE", help="write the report there, too")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; the attributes are the options of `--help`, `config` a mapping."""
    return _checked(_main_parser().parse_args(arguments))


def parse_deploy(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line of `deploy`; the attributes are those of the main job, without a run."""
    given = _command_parser().parse_args(arguments)
    no_run = dict.fromkeys(("specs", "tasks", "sources", "expect", "faults", "json"))
    return _checked(argparse.Namespace(**{**no_run, **vars(given), "keep": True}))


def _checked(given: argparse.Namespace) -> argparse.Namespace:
    if given.target == "aws":
        for name, reason in _LOCAL_ONLY.items():
            if getattr(given, name) is not None:
                raise BadInput(reason)
    if given.sources is not None and not given.sources.is_dir():
        raise BadInput(f"--sources {given.sources}: there is no such folder")
    given.container_runtime = given.container_runtime or "auto"
    given.plugins = given.plugins or ("published" if given.target == "aws" else "bundled")
    given.config = dict(_config_value(pair) for pair in given.config)
    return given


def _config_value(pair: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    if not equals or not key:
        raise BadInput(f"--config {pair}: expected KEY=VALUE, like --config taskMemory=1024")
    if key == "patterns":
        raise BadInput(f"--config {pair}: choose patterns with --pattern 1, 2 or all")
    if ":" in key:
        raise BadInput(f"--config {pair}: give the kit's own keys, without a namespace")
    return key, value


_COMMANDS_DESCRIPTION = """\
Start, follow and stop runs of a deployed stack, and remove what was left behind.
Without a command: the main job.
"""
_STACK_NAME = re.compile(r"\w[\w.-]{0,99}", re.ASCII)
"""A stack's own name (https://www.pulumi.com/docs/iac/concepts/stacks/); `clean` has a folder of that name."""
_STACK = (
    "The stack is found as `pulumi` finds it: the environment names the backend, and --stack or `pulumi stack select` "
    "the stack. "
)
_COMMANDS = {
    "estimate": (
        "what a stack costs an hour, and what a run of so many tasks costs",
        f"Example: `{PROGRAM} estimate --tasks 1000 --seconds 90 --config taskCpu=1024 --config taskMemory=2048`. It "
        "needs neither a stack nor AWS. Exit status: 0 it is shown; 2 the configuration cannot be used.",
    ),
    "preflight": (
        "whether a deployment on AWS can work: credentials, region, quotas, names, Docker",
        f"Example: `{PROGRAM} preflight --config nameSuffix=dev`. "
        "It reads only. Exit status: 0 nothing is in the way; 1 something is, and each finding says what to do; "
        "2 bad input.",
    ),
    "deployer-policy": (
        "the IAM policies of whoever deploys this configuration",
        f"Example: `{PROGRAM} deployer-policy --account 123456789012 --region us-east-1 --output-dir policies`. "
        "Exit status: 0 it is printed; 2 the configuration cannot be used.",
    ),
    "explain": (
        "what an error's name means, what causes it and what to do",
        f"Example: `{PROGRAM} explain NoRecord`; without a name it lists them all. "
        "Exit status: 0 it is shown; 2 there is no such name.",
    ),
    "deploy": (
        "deploy the program's stack and keep it",
        f"Example: `{PROGRAM} deploy --target aws --pattern 2 --config taskMemory=1024`. "
        "Exit status: 0 it is deployed; 1 it is not, or not all of it; 2 bad input: nothing was created; 130 ended by "
        "Ctrl-C: on AWS what was made stays, on this machine it is destroyed.",
    ),
    "start": (
        "start a run of a list of tasks",
        f"Example: `{PROGRAM} start --pattern 1 --specs tasks.json --watch`; tasks.json is a spec or its taskList. "
        f"{_STACK}Exit status: 0 the run was started (with --watch: it ended Completed or CompletedWithFailures); "
        "1 with --watch: it did not; 2 there is no such stack, or the list is wrong: nothing was started.",
    ),
    "rerun": (
        "start a run of the tasks that did not complete in an earlier one",
        f"Example: `{PROGRAM} rerun 1795510747476181 --failed --watch`. The new run has the old one's workflow and the "
        f"stack's present job; both summaries name the other. {_STACK}Exit status: 0 the run was started (with "
        "--watch: it ended Completed or CompletedWithFailures); 1 with --watch: it did not; 2 there is no such stack "
        "or run, it has not ended, or all of its tasks completed: nothing was started.",
    ),
    "status": (
        "how a run stands: counts, failed tasks and why, with the end of their logs",
        f"Example: `{PROGRAM} status --pattern 1 --json`. "
        f"{_STACK}Exit status: 0 the state is shown; 2 there is no such stack or run.",
    ),
    "watch": (
        "follow a run until it ends",
        f"Example: `{PROGRAM} watch --pattern 1 --web`. "
        f"{_STACK}Exit status: 0 every run ended Completed or CompletedWithFailures; 1 one did not; "
        "2 there is no such stack or run; 130 ended by Ctrl-C, which leaves the run alone.",
    ),
    "report": (
        "write a run's report as one HTML page, for any past run or one that is active",
        f"Example: `{PROGRAM} report 1795510747476181`. "
        f"{_STACK}Exit status: 0 the page is written, and its path printed; 2 there is no such stack or run, or the "
        "folder cannot be written to.",
    ),
    "logs": (
        "what a run's tasks wrote, each attempt from its beginning",
        f"Example: `{PROGRAM} logs --pattern 1 --task task_01 --follow`. "
        f"{_STACK}Exit status: 0 it is shown; 2 there is no such stack, run or task, or nothing was written.",
    ),
    "abort": (
        "stop a run: its execution, then its ECS tasks and rows, and wait until all have ended",
        f"Example: `{PROGRAM} abort --pattern 1 --cause 'wrong list'`. "
        f"{_STACK}Exit status: 0 the run is final and none of its ECS tasks runs; 1 it is not so in time; "
        "2 there is no such stack or run.",
    ),
    "runs": (
        "past runs with their counts, newest first",
        f"Example: `{PROGRAM} runs --last 5`. {_STACK}Exit status: 0 the runs are listed; 2 there is no such stack.",
    ),
    "network": (
        "how tasks and functions reach the services that their roles may call, and what is missing",
        f"Example: `{PROGRAM} network --pattern 1`. {_STACK}Exit status: 0 they reach all; 1 a hop is missing, "
        "and it is named; 2 there is no such stack.",
    ),
    "destroy": (
        "destroy what deploy or --keep left",
        f"Example: `{PROGRAM} destroy --target aws --stack e2e`. "
        "Exit status: 0 nothing is left; 1 something could not be removed; 2 bad input.",
    ),
    "clean": (
        "remove what a killed e2e left behind, and on request what deploy and --keep kept",
        f"Example: `{PROGRAM} clean --kept`. "
        "Exit status: 0 nothing is left but what you keep; 1 something could not be removed; 2 bad input.",
    ),
}
"""What each does, and the end of its help."""

NAMES = tuple(_COMMANDS)
"""Every command besides the main job."""

WITHOUT_STACK = ("estimate", "preflight", "deployer-policy", "explain")
"""Commands that look at no stack and need no project: `run` of a module of that name."""


def completed() -> argparse.ArgumentParser:
    """What a shell completes: the main job's options, and the commands with theirs."""
    result = _main_parser()
    _add_commands(result, required=False)
    return result


def _command_parser() -> Parser:
    result = Parser(prog=PROGRAM, description=_COMMANDS_DESCRIPTION)
    _add_commands(result, required=True)
    return result


def _add_commands(parser: Parser, *, required: bool) -> None:
    commands = parser.add_subparsers(dest="command", required=required, metavar="COMMAND", parser_class=Parser)
    made = {
        name: commands.add_parser(name, help=does, description=does, epilog=epilog)
        for name, (does, epilog) in _COMMANDS.items()
    }
    _add_deployment_options(made["deploy"].add_argument)
    made["deploy"].add_argument("--stack", type=_stack_name, metavar="NAME", help="the stack's name (e2e)")
    _add_offline_options(made)
    for name in ("start", "rerun", "status", "watch", "report", "logs", "abort", "runs", "network"):
        made[name].add_argument("--stack", metavar="NAME", help="the stack (the selected one)")
        which = "the deployed one" if name in ("start", "rerun", "logs", "abort") else "all that are deployed"
        made[name].add_argument("--pattern", type=int, choices=tuple(PATTERNS), help=f"the pattern ({which})")
        workflow = "record the run under this name" if name == "start" else "only runs of this workflow"
        made[name].add_argument("--workflow", metavar="NAME", help=workflow)
    made["report"].add_argument("run_id", type=_run_id, nargs="?", metavar="RUN_ID", help="the same as --run")
    made["rerun"].add_argument("run", type=_run_id, metavar="RUN_ID", help="workflow_run_id of the earlier run")
    failed = "the tasks that did not complete; there is no other choice yet"
    made["rerun"].add_argument("--failed", action="store_true", required=True, help=failed)
    for name in ("status", "watch", "report", "logs", "abort"):
        made[name].add_argument("--run", type=_run_id, metavar="ID", help="workflow_run_id (the newest run)")
    for name in ("start", "rerun", "status", "watch", "report", "runs", "network"):
        made[name].add_argument("--json", action="store_true", help="print JSON to standard output")
    for name in ("start", "rerun", "watch"):
        _add_view_options(made[name].add_argument)
    web = "serve the run's report on this machine alone, and keep it up to date until the run ends"
    made["watch"].add_argument("--web", action="store_true", help=web)
    pages = "where the page is written (reports)"
    made["report"].add_argument("--report-dir", type=absolute, metavar="DIR", help=pages)
    _add_start_options(made["start"])
    for name in ("start", "rerun"):
        execution = "the execution's name: a second start with it and the same tasks starts nothing (a new one)"
        made[name].add_argument("--name", metavar="NAME", help=execution)
        made[name].add_argument("--watch", action="store_true", help="follow the run until it ends")
    add = made["logs"].add_argument
    add("--task", metavar="NAME", help="only this task (all)")
    add("--attempt", type=whole_number("an attempt: give 1 or more"), metavar="N", help="only this attempt (all)")
    add("--follow", action="store_true", help="show what is written until the run ends")
    made["abort"].add_argument("--cause", default="", metavar="TEXT", help="why, kept in the execution's history")
    number = whole_number("a number of runs: give 1 or more")
    made["runs"].add_argument("--last", type=number, metavar="N", help="only the N newest")
    made["clean"].add_argument("--kept", action="store_true", help="also what deploy and --keep kept")
    made["destroy"].set_defaults(kept=True)
    for name in ("clean", "destroy"):
        _add_clean_options(made[name].add_argument)


def _add_offline_options(made: Mapping[str, argparse.ArgumentParser]) -> None:
    """Options of the commands that need no stack: the configuration stands on the command line."""
    for name in ("estimate", "preflight", "deployer-policy"):
        _add_configuration_options(made[name].add_argument)
    for name in ("estimate", "preflight"):
        made[name].add_argument("--json", action="store_true", help="print JSON to standard output")
    add = made["estimate"].add_argument
    add("--tasks", type=whole_number("a number of tasks: give 1 or more"), default=10, metavar="N", help="tasks (10)")
    seconds = "seconds of each task, from the pull of its image until it ends (60, the least that Fargate charges)"
    add("--seconds", type=whole_number("a number of seconds: give 1 or more"), default=60, metavar="S", help=seconds)
    add = made["preflight"].add_argument
    add("--stack", type=_stack_name, metavar="NAME", help="the stack's name, for names that it has already (e2e)")
    add = made["deployer-policy"].add_argument
    add("--account", type=_account, default="*", metavar="ID", help="the account's 12 digits (*)")
    add("--region", default="*", metavar="NAME", help="the region (*)")
    add("--partition", default="aws", metavar="NAME", help="the partition, such as aws-cn (aws)")
    add("--output-dir", type=absolute, metavar="DIR", help="write a file for each policy (print them all)")
    made["explain"].add_argument("condition", nargs="?", metavar="NAME", help="the error's name (lists all names)")


def _account(text: str) -> str:
    if not re.fullmatch(r"[0-9]{12}|\*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an account: give its 12 digits, or * for any")
    return text


def _add_clean_options(add: Callable[..., object]) -> None:
    target = "local: work folders and processes on this machine (default); aws: stacks that were deployed from here"
    add("--target", choices=("local", "aws"), default="local", help=target)
    add("--stack", type=_stack_name, metavar="NAME", help="aws: this stack (all that were deployed from this folder)")
    plugins = "aws: provider plugins (those that the stack was deployed with)"
    add("--plugins", choices=("bundled", "published"), help=plugins)
    add("--yes", action="store_true", help="aws: do not ask before a stack is destroyed")


def _add_start_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    specs = "a spec like those in specs/, or its taskList alone, as JSON"
    what.add_argument("--specs", type=absolute, metavar="FILE", help=specs)
    what.add_argument("--sources", metavar="s3://BUCKET/PREFIX", help="a task for every object below a prefix")
    lists = "a task list: .jsonl, .json or .csv (docs/specs.md)"
    what.add_argument("--list", type=absolute, metavar="FILE", help=lists)


def parse_command(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line of a command; the attributes are `command` and the options of its `--help`."""
    given = _command_parser().parse_args(arguments)
    if given.command == "report" and given.run_id is not None:
        if given.run is not None:
            raise BadInput("a run's id is given twice: as RUN_ID and with --run. Leave one of them out.")
        given.run = given.run_id
    if given.command in ("start", "rerun", "watch") and given.json and given.json_lines:
        raise BadInput("--json and --json-lines both print to standard output. Leave one of them out.")
    if given.command in ("clean", "destroy") and given.target == "local":
        for option in ("stack", "plugins", "yes"):
            if getattr(given, option):
                raise BadInput(f"--{option} is for {given.command} --target aws. Leave it out, or add --target aws.")
    if isinstance(getattr(given, "config", None), list):
        given.config = dict(_config_value(pair) for pair in given.config)
    return given


def _stack_name(text: str) -> str:
    if not _STACK_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a stack's plain name, such as e2e")
    return text


def _run_id(text: str) -> int:
    if given_id(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a workflow_run_id: give its digits")
    return int(text)
