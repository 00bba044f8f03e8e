"""`python -m local_aws start | env | stop`: the local AWS of this folder, for a shell.

`eval "$(python -m local_aws start)"` starts it and sets this shell's environment to use it; `env` prints that
environment again, for another shell; `stop` stops it and deletes its state. Its files are in `.local-aws`, in the
folder that the commands are run in.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from local_aws import session
from local_aws.emulator import EmulatorError
from local_aws.pulumi_cli import PulumiUnavailable

FAILED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "stop":
            session.stop(say=_say)
            return 0
        if options.command == "env":
            found = session.require()
        else:
            given = {name: value for name, value in vars(options).items() if name != "command"}
            found = session.start(**given, say=_say)
    except (EmulatorError, PulumiUnavailable) as error:
        _say(f"error: {error}")
        return FAILED
    print("\n".join(found.exports()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_aws", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start it, unless it runs, and print the environment")
    start.add_argument("--port", type=int, help="its port on 127.0.0.1 (default: any free one)")
    start.add_argument(
        "--container-runtime",
        choices=["auto", "process", "simulated", "docker"],
        default="auto",
        help="what runs ECS tasks",
    )
    start.add_argument(
        "--base-image",
        metavar="IMAGE",
        help="what your images are built on: auto takes Docker only where it is there or can be pulled",
    )
    commands.add_parser("env", help="print the environment of the one that runs")
    commands.add_parser("stop", help="stop it and delete its state")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
