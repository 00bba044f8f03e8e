"""`python -m benchmarks.scale`: measure both patterns and the baseline on the local AWS, and write the results."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from benchmarks.scale import results
from benchmarks.scale.journey import CONTENDERS, RUN_TIMEOUT_SECONDS, Scale
from benchmarks.scale.measures import LIMIT_PER_SECOND as LIMIT
from ecs_kit.automation.cli.entry_point import exit_status
from ecs_kit.automation.cli.options import Parser, absolute, whole_number
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys.report import write_json
from ecs_kit.runtime.contract.patterns import PATTERNS
from tools import local_plan

CONFIG = {
    "patterns": "all",
    "tableBilling": "PAY_PER_REQUEST",
    # The baseline's roles are its own.
    "endpointPolicies": "open",
    "runTimeoutSeconds": str(RUN_TIMEOUT_SECONDS),
    "taskTimeoutSeconds": "600",
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, the process's own for None."""
    number = whole_number("a number from 1")
    parser = Parser(
        prog="python -m benchmarks.scale",
        description="Run both patterns and the baseline on the local AWS, with AWS's rate limits kept, and write what "
        "they used per task. `make pages` shows it in docs/scale.md.",
        epilog="exit status: 0 every run is verified and everything was destroyed; 1 not so; 2 bad input",
    )
    add = parser.add_argument
    add("--tasks", type=number, nargs="+", default=[10, 100], metavar="N", help="numbers of tasks (10 100)")
    names = [name.replace(" ", "-") for name in CONTENDERS]
    add("--contenders", nargs="+", choices=names, default=names, metavar="NAME", help=f"some of {', '.join(names)}")
    share = "percent of the calls of RunTask that are throttled besides (0)"
    add("--throttled", type=int, choices=range(100), default=0, metavar="PERCENT", help=share)
    stop = "stop each execution after so many seconds; the patterns alone"
    add("--stop-after", type=number, default=0, metavar="SECONDS", help=stop)
    at_once = "tasks of a run at once, where the machine has no room for more (as many as are launched)"
    add("--max-concurrency", type=number, default=0, metavar="N", help=at_once)
    rate = f"RunTask calls of a run each second, where the machine keeps up with no more (AWS's limit: {LIMIT:.0f})"
    add("--rate", type=number, default=0, metavar="N", help=rate)
    add("--append", action="store_true", help="keep the other runs in the results; else they are written anew")
    add(
        "--results",
        type=absolute,
        default=results.FILE,
        metavar="FILE",
        help=f"({results.FILE.name} beside this)",
    )
    add("--report-dir", type=absolute, metavar="DIR", help="report and logs (reports/<time>)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    return exit_status(partial(_measure, arguments))


def _measure(arguments: Sequence[str] | None, interruption: Interruption) -> int:
    options = parse(arguments)
    found = results.read(options.results)
    contenders = [name for name in CONTENDERS if name.replace(" ", "-") in options.contenders]
    if options.stop_after:
        contenders = [name for name in contenders if name.startswith("pattern")]
    made: list[Scale] = []

    def make(**more: Any) -> Scale:
        made.append(Scale(options.tasks, contenders, options.throttled, options.stop_after, **more))
        return made[0]

    status = local_plan.run(
        "scale",
        make,
        interruption,
        patterns=tuple(PATTERNS),
        config={
            **CONFIG,
            "maxConcurrency": str(options.max_concurrency),
            **({"runTaskRate": str(options.rate)} if options.rate else {}),
        },
        report_dir=options.report_dir,
        container_runtime="simulated",
        limit_seconds=RUN_TIMEOUT_SECONDS,
    )
    more = {
        "machine": results.machine(),
        **({"maxConcurrency": options.max_concurrency} if options.max_concurrency else {}),
        **({"runTaskRate": options.rate} if options.rate else {}),
    }
    new = [{**run, **more} for journey in made for run in journey.measured]
    if new:
        earlier = found["runs"] if options.append else []
        write_json(options.results, {**found, "runs": results.merged(earlier, new, CONTENDERS)})
        print(f"{options.results}: {len(new)} runs of {datetime.now(UTC):%Y-%m-%d}. `make pages` shows them.")
    return status


if __name__ == "__main__":
    sys.exit(main())
