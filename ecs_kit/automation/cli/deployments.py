"""`python -m automation.cli.deployments`: deploy and destroy many times on a busy machine."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from ecs_kit.automation.cli import entry_point
from ecs_kit.automation.cli.entry_point import ROOT, Parser, absolute, whole_number
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import spec_files
from ecs_kit.automation.journeys.deployments import Deployments
from ecs_kit.runtime.contract.patterns import PATTERNS


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, the process's own for None; the attributes are the options of `--help`.

    Raises:
        BadOption: an option is unknown, or has a value that is not allowed.
    """
    number = whole_number("a number from 1")
    parser = Parser(
        prog="python -m automation.cli.deployments",
        description="Deploy both patterns on the local target and destroy them, again and again, while other processes "
        "keep the machine busy.",
        epilog="exit status: 0 every deployment was whole; 1 not so; 2 the input cannot be used",
    )
    parser.add_argument("--count", type=number, default=100, metavar="N", help="how many deployments (100)")
    parser.add_argument("--busy", type=number, default=4, metavar="N", help="processes that compute meanwhile (4)")
    parser.add_argument("--report-dir", type=absolute, metavar="DIR", help="report and logs (reports/<time>)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    return entry_point.exit_status(lambda interruption: _deployments(parse(arguments), interruption))


def _deployments(options: argparse.Namespace, interruption: Interruption) -> int:
    samples = {pattern: spec_files.load(spec_files.sample_path(ROOT, pattern)) for pattern in PATTERNS}
    plan, target = entry_point.local_plan(
        "deployments", samples, config={"patterns": "all"}, report_dir=options.report_dir, limit_seconds=0.0
    )
    make = partial(Deployments, options.count, busy=options.busy)
    return entry_point.run_journey(make, plan, target, log="deployments.log", interruption=interruption)


if __name__ == "__main__":
    sys.exit(main())
