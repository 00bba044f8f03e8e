"""`python -m tools.soak`: deploy both patterns on this machine, run many runs with faults in them, destroy."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from ecs_kit.automation.cli.entry_point import exit_status
from ecs_kit.automation.cli.options import Parser, absolute, whole_number
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.runtime.contract.patterns import PATTERNS
from tools import local_plan
from tools.soak.journey import CONFIG, RUN_TIMEOUT_SECONDS, Soak
from tools.soak.plan import plan as planned


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, the process's own for None; the attributes are the options of `--help`, and `patterns`."""
    number = whole_number("a number from 1")
    parser = Parser(
        prog="python -m tools.soak",
        description="Many runs with faults of every kind in them, on the local target, and whether each ended as it "
        "should: no run open, no row that is not final, no container running.",
        epilog="exit status: 0 every run did and everything was destroyed; 1 not so; 2 the input cannot be used",
    )
    parser.add_argument("--runs", type=number, default=50, metavar="N", help="how many runs (50)")
    parser.add_argument("--tasks", type=number, default=10, metavar="N", help="tasks of each (10)")
    parser.add_argument("--at-once", type=number, default=4, metavar="N", help="runs at the same time (4)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another seed, other faults (1)")
    parser.add_argument(
        "--pattern", choices=(*map(str, PATTERNS), "all"), default="all", help="which pattern's runs (all)"
    )
    parser.add_argument("--report-dir", type=absolute, metavar="DIR", help="report and logs (reports/<time>)")
    parser.add_argument("--json", type=absolute, metavar="FILE", help="write the report there, too")
    given = parser.parse_args(arguments)
    given.patterns = tuple(PATTERNS) if given.pattern == "all" else (int(given.pattern),)
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    return exit_status(partial(_soak, arguments))


def _soak(arguments: Sequence[str] | None, interruption: Interruption) -> int:
    options = parse(arguments)
    runs = planned(runs=options.runs, tasks=options.tasks, patterns=options.patterns, seed=options.seed)
    return local_plan.run(
        "soak",
        partial(Soak, runs, at_once=options.at_once),
        interruption,
        patterns=options.patterns,
        config={**CONFIG, "patterns": options.pattern},
        report_dir=options.report_dir,
        tasks=options.tasks,
        json=options.json,
        limit_seconds=RUN_TIMEOUT_SECONDS,
    )


if __name__ == "__main__":
    sys.exit(main())
