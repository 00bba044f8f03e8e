"""The command line of `e2e.py`: what may be asked for, and what of it makes no sense."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from ecs_kit.automation.errors import BadOption
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


@dataclass(frozen=True)
class Options:
    """What the user asked for. Attributes are the options of `--help`."""

    target: Literal["local", "aws"] = "local"
    patterns: tuple[int, ...] = tuple(PATTERNS)
    pattern_given: bool = False
    all_given: bool = False
    specs: Path | None = None
    tasks: int | None = None
    container_runtime: Literal["auto", "process", "docker"] = "auto"
    plugins: Literal["bundled", "published"] = "bundled"
    keep: bool = False
    yes: bool = False
    report_dir: Path | None = None
    json: Path | None = None
    config: dict[str, str] = field(default_factory=dict)
    emulator_port: int | None = None
    stack_config: Path | None = None
    sources: Path | None = None
    expectation: expectations.Expectation | None = None
    faults: Path | None = None


class Parser(argparse.ArgumentParser):
    """Reports errors as exceptions, so that one function writes messages and ends the process."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line.

        Raises:
            BadOption: always.
        """
        raise BadOption(f"{message}. Try `{self.prog} --help`.")


def absolute(text: str) -> Path:
    """A type of arguments: a path from the folder that the program is started in; it changes to another."""
    return Path(text).absolute()


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise BadOption(f"--sources {text}: there is no such folder")
    return absolute(text)


def count(what: str) -> Callable[[str], int]:
    """A type of arguments: numbers from 1.

    Args:
        what: what anything else is not, as its message says.
    """

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return int(text)

    return read


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give 1 to 65535")
    return int(text)


_OPTIONS: dict[str, dict[str, Any]] = {
    "--target": {
        "choices": ("local", "aws"),
        "default": "local",
        "help": "deployment target. local: the emulator on this machine (default); aws: your account, or what "
        "AWS_ENDPOINT_URL names",
    },
    "--pattern": {"choices": (*map(str, PATTERNS), "all"), "help": "which pattern to deploy (all)"},
    "--specs": {"type": absolute, "metavar": "FILE", "help": "the spec to run instead of the one in specs/"},
    "--tasks": {
        "type": count("a number of tasks: give 1 or more"),
        "metavar": "N",
        "help": "run N tasks instead of those of the spec",
    },
    "--container-runtime": {
        "choices": ("auto", "process", "docker"),
        "help": "what runs ECS tasks on the local target (auto: docker where it works, else process)",
    },
    "--plugins": {
        "choices": ("bundled", "published"),
        "help": "provider plugins: the kit's stand-ins (default of local) or the published ones (default of aws)",
    },
    "--keep": {"action": "store_true", "help": "do not destroy; say how to use and remove what is left"},
    "--yes": {"action": "store_true", "help": "do not ask before creating what costs money"},
    "--report-dir": {"type": absolute, "metavar": "DIR", "help": "reports, inputs and logs (reports/<time>)"},
    "--json": {"type": absolute, "metavar": "FILE", "help": "write the report there, too"},
    "--config": {
        "action": "append",
        "default": [],
        "metavar": "KEY=VALUE",
        "help": "a config value of the kit (see Pulumi.yaml), as often as needed",
    },
    "--stack-config": {
        "type": absolute,
        "metavar": "FILE",
        "help": "the kit's config from a stack's settings file like Pulumi.dev.yaml; --config goes first",
    },
    "--sources": {
        "type": _folder,
        "metavar": "DIR",
        "help": "source objects: what is missing in the kit's bucket is put from DIR/<objectKey> (else a sample text "
        "is)",
    },
    "--expect": {
        "type": expectations.read,
        "metavar": "WHAT",
        "help": "what each result has to be: copy of its source (default), exists, or FILE.py[:FUNCTION], a function "
        "of the bytes of source and result that says what is wrong",
    },
    "--faults": {
        "type": absolute,
        "metavar": "FILE",
        "help": "faults that the emulator makes while the runs are on, like specs/faults.example.json (docs/faults.md)",
    },
    "--emulator-port": {"type": _port, "metavar": "PORT", "help": "port of the local target's emulator (any free one)"},
}

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
        allow_abbrev=False,
    )
    for name, option in _OPTIONS.items():
        result.add_argument(name, **option)
    return result


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line.

    Raises:
        BadOption: an option is unknown, has a value that is not allowed, or does not go with another.
    """
    given = vars(parser().parse_args(arguments))
    if given["target"] == "aws":
        for name, reason in _LOCAL_ONLY.items():
            if given[name] is not None:
                raise BadOption(reason)
    pattern = given.pop("pattern")
    given["plugins"] = given["plugins"] or ("published" if given["target"] == "aws" else "bundled")
    given["config"] = _config(given["config"])
    return Options(
        patterns=tuple(PATTERNS) if pattern in (None, "all") else (int(pattern),),
        pattern_given=pattern not in (None, "all"),
        all_given=pattern == "all",
        container_runtime=given.pop("container_runtime") or "auto",
        expectation=given.pop("expect"),
        **given,
    )


def _config(pairs: Sequence[str]) -> dict[str, str]:
    config: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise BadOption(f"--config {pair}: expected KEY=VALUE, like --config taskMemory=1024")
        if key == "patterns":
            raise BadOption(f"--config {pair}: choose patterns with --pattern 1, 2 or all")
        if ":" in key:
            raise BadOption(f"--config {pair}: give the kit's own keys, without a namespace")
        config[key] = value
    return config
