"""The commands and their options."""

import argparse
import re
from collections.abc import Sequence

from ecs_kit.automation.cli.entry_point import Parser, whole_number
from ecs_kit.automation.errors import BadInput
from ecs_kit.runtime.contract.patterns import PATTERNS

DESCRIPTION = """\
Look at the runs of a deployed stack, stop one, and remove what was left behind.
Without a command: the main job, `python -m automation --help`.
"""
_STACK_NAME = re.compile(r"\w[\w.-]{0,99}", re.ASCII)
"""A stack's own name (https://www.pulumi.com/docs/iac/concepts/stacks/); `clean` has a folder of that name."""
_STACK = (
    "The stack is found as `pulumi` finds it: the environment names the backend, and --stack or `pulumi stack select` "
    "the stack. "
)
_COMMANDS = {
    "status": (
        "how a run stands: counts, failed tasks and why, with the end of their logs",
        f"{_STACK}Exit status: 0 the state is shown; 2 there is no such stack or run.",
    ),
    "watch": (
        "follow a run until it ends",
        f"{_STACK}Exit status: 0 every run ended Completed or CompletedWithFailures; 1 one did not; "
        "2 there is no such stack or run; 130 ended by Ctrl-C, which leaves the run alone.",
    ),
    "abort": (
        "stop a run: its execution, then its ECS tasks and rows, and wait until all is quiet",
        f"{_STACK}Exit status: 0 the run is final and none of its ECS tasks runs; 1 it is not so in time; "
        "2 there is no such stack or run.",
    ),
    "runs": (
        "past runs with their counts, newest first",
        f"{_STACK}Exit status: 0 the runs are listed; 2 there is no such stack.",
    ),
    "clean": (
        "remove what a killed e2e left behind, and on request what --keep kept",
        "Exit status: 0 nothing is left but what you keep; 1 something could not be removed; 2 bad input.",
    ),
}
"""What each does, and the end of its help."""

NAMES = tuple(_COMMANDS)
"""Every command besides the main job."""


def parser() -> argparse.ArgumentParser:
    """The commands, their options and their help."""
    result = Parser(prog="python -m automation", description=DESCRIPTION)
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    made = {
        name: commands.add_parser(name, help=does, description=does, epilog=epilog)
        for name, (does, epilog) in _COMMANDS.items()
    }
    for name in ("status", "watch", "abort", "runs"):
        made[name].add_argument("--stack", metavar="NAME", help="the stack (the selected one)")
        made[name].add_argument(
            "--pattern", type=int, choices=tuple(PATTERNS), help="the pattern (all that are deployed)"
        )
        made[name].add_argument("--workflow", metavar="NAME", help="only runs of this workflow")
    for name in ("status", "watch", "abort"):
        made[name].add_argument("--run", type=_run_id, metavar="ID", help="workflow_run_id (the newest run)")
    for name in ("status", "watch", "runs"):
        made[name].add_argument("--json", action="store_true", help="print JSON to standard output")
    made["abort"].add_argument("--cause", default="", metavar="TEXT", help="why, kept in the execution's history")
    number = whole_number("a number of runs: give 1 or more")
    made["runs"].add_argument("--last", type=number, metavar="N", help="only the N newest")
    clean = made["clean"]
    clean.add_argument(
        "--target",
        choices=("local", "aws"),
        default="local",
        help="local: work folders and processes on this machine (default); aws: stacks of `e2e.py --target aws`",
    )
    clean.add_argument("--kept", action="store_true", help="also what --keep kept")
    clean.add_argument("--stack", metavar="NAME", help="aws: this stack (all that e2e deployed from this folder)")
    clean.add_argument(
        "--plugins",
        choices=("bundled", "published"),
        help="aws: provider plugins (those that the stack was deployed with)",
    )
    clean.add_argument("--yes", action="store_true", help="aws: do not ask before a stack is destroyed")
    return result


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line of a command; the attributes are `command` and the options of its `--help`."""
    given = parser().parse_args(arguments)
    if given.command == "clean" and given.target == "local":
        for option in ("stack", "plugins", "yes"):
            if getattr(given, option):
                raise BadInput(f"--{option} is for clean --target aws. Leave it out, or add --target aws.")
    elif given.command == "clean" and given.stack is not None and not _STACK_NAME.fullmatch(given.stack):
        raise BadInput(f"--stack {given.stack}: give a stack's plain name, such as e2e.")
    return given


def _run_id(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a workflow_run_id: give its digits")
    return int(text)
