"""The command line of `e2e.py`."""

import argparse
from collections.abc import Sequence

from ecs_kit.automation.cli.entry_point import Parser, absolute, whole_number
from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.journeys import expectations
from ecs_kit.runtime.contract.patterns import PATTERNS

DESCRIPTION = """\
Deploy the kit, run its sample workflows, check every task's outcome, and destroy everything again.

preview, deploy, put the sample object, start, watch, verify (execution status, both tables, S3 copies),
destroy, look for leftovers. Without options: both patterns, on this machine, without an AWS account.
"""
EPILOG = """\
commands over a deployed stack, each with its own --help: status, watch, abort, runs; and clean, which removes what a
killed run of this program left behind: `python automation/e2e.py COMMAND`, or `python -m automation COMMAND`.

exit status: 0 every step held; 1 a step failed (all was destroyed as far as possible); 2 the input cannot be used,
nothing was created; 130 ended by Ctrl-C, 143 by SIGTERM, after everything was destroyed.
"""

_LOCAL_ONLY = {
    "container_runtime": "--container-runtime is for --target local: on AWS, Fargate runs the tasks. Leave it out.",
    "emulator_port": "--emulator-port is for --target local. Set AWS_ENDPOINT_URL to use a running emulator.",
    "faults": "--faults is for --target local: only the emulator makes faults on purpose. Leave it out.",
}


def parser() -> argparse.ArgumentParser:
    """The options, their defaults and their help."""
    result = Parser(
        prog="python automation/e2e.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add(
        "--target",
        choices=("local", "aws"),
        default="local",
        help="deployment target. local: the emulator on this machine (default); aws: your account, or what "
        "AWS_ENDPOINT_URL names",
    )
    add("--pattern", choices=(*map(str, PATTERNS), "all"), help="which pattern to deploy (all)")
    add("--specs", type=absolute, metavar="FILE", help="the spec to run instead of the one in specs/")
    number = whole_number("a number of tasks: give 1 or more")
    add("--tasks", type=number, metavar="N", help="run N tasks instead of those of the spec")
    add(
        "--container-runtime",
        choices=("auto", "process", "docker"),
        help="what runs ECS tasks on the local target (auto: docker where it works, else process)",
    )
    add(
        "--plugins",
        choices=("bundled", "published"),
        help="provider plugins: the kit's stand-ins (default of local) or the published ones (default of aws)",
    )
    add("--keep", action="store_true", help="do not destroy; say how to use and remove what is left")
    add("--yes", action="store_true", help="do not ask before creating what costs money")
    add("--report-dir", type=absolute, metavar="DIR", help="reports, inputs and logs (reports/<time>)")
    add("--json", type=absolute, metavar="FILE", help="write the report there, too")
    add(
        "--config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a config value of the kit (see Pulumi.yaml), as often as needed",
    )
    add(
        "--stack-config",
        type=absolute,
        metavar="FILE",
        help="the kit's config from a stack's settings file like Pulumi.dev.yaml; --config goes first",
    )
    add(
        "--sources",
        type=absolute,
        metavar="DIR",
        help="source objects: what is missing in the kit's bucket is put from DIR/<objectKey> (else a sample text is)",
    )
    add(
        "--expect",
        type=expectations.read,
        metavar="WHAT",
        help="what each result has to be: copy of its source (default), exists, or FILE.py[:FUNCTION], a function "
        "of the bytes of source and result that says what is wrong",
    )
    add(
        "--faults",
        type=absolute,
        metavar="FILE",
        help="faults that the emulator makes while the runs are on, like specs/faults.example.json (docs/faults.md)",
    )
    port = whole_number("a port: give 1 to 65535", most=65535)
    add("--emulator-port", type=port, metavar="PORT", help="port of the local target's emulator (any free one)")
    return result


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; the attributes are the options of `--help`, `config` a mapping."""
    given = parser().parse_args(arguments)
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
