"""`python -m tools.audit`: what each role is granted against what it asks for; `--mutation`: is each grant missed?"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ecs_kit.automation.cli.entry_point import ROOT, exit_status
from ecs_kit.automation.cli.options import Parser, absolute
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.runtime.contract.patterns import PATTERNS
from tools import local_plan
from tools.audit.journey import CONFIG, AuditJourney
from tools.audit.mutation import MutationJourney
from tools.audit.page import PAGE

RUN_SECONDS = 600


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, the process's own for None; the attributes are the options of `--help`, and `patterns`."""
    parser = Parser(
        prog="python -m tools.audit",
        description="Deploy both patterns on the local target, play runs of every kind, and compare what each role "
        f"asked IAM for with what it is granted; write {PAGE}.",
        epilog="exit status: 0 both are the same, and no mutant survives; 1 not so; 2 the input cannot be used",
    )
    parser.add_argument(
        "--mutation", action="store_true", help="then take each grant away, and play a case that asks for it"
    )
    parser.add_argument(
        "--role", default="", metavar="TEXT", help="mutants of roles with this text in their name alone"
    )
    parser.add_argument("--case", default="", metavar="TEXT", help="cases with this text in their name; writes no page")
    parser.add_argument(
        "--pattern", choices=(*map(str, PATTERNS), "all"), default="all", help="one pattern; writes no page (all)"
    )
    parser.add_argument("--report-dir", type=absolute, metavar="DIR", help="report and logs (reports/<time>)")
    given = parser.parse_args(arguments)
    given.patterns = tuple(PATTERNS) if given.pattern == "all" else (int(given.pattern),)
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    return exit_status(partial(_audit, arguments))


def _audit(arguments: Sequence[str] | None, interruption: Interruption) -> int:
    options = parse(arguments)
    is_whole = not options.case and options.pattern == "all"
    more = {"only": options.case, "page": Path(ROOT) / PAGE if is_whole else None}
    make = partial(MutationJourney, role=options.role, **more) if options.mutation else partial(AuditJourney, **more)
    return local_plan.run(
        "audit",
        make,
        interruption,
        patterns=options.patterns,
        config={**CONFIG, "patterns": options.pattern},
        report_dir=options.report_dir,
        container_runtime="simulated",
        limit_seconds=RUN_SECONDS,
    )


if __name__ == "__main__":
    sys.exit(main())
