"""`python -m automation.soak`: deploy both patterns on this machine, run many runs with faults in them, destroy."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from automation import places, specs
from automation.cli import Parser, count
from automation.edge import exit_status, travel
from automation.interruption import Interruption

if TYPE_CHECKING:
    from automation.progress import Progress
    from automation.workfolders import Held

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Options:
    """What was asked for; the options of `--help`."""

    runs: int = 50
    tasks: int = 10
    at_once: int = 4
    seed: int = 1
    patterns: tuple[int, ...] = (1, 2)
    report_dir: Path | None = None
    json: Path | None = None


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line.

    Raises:
        BadOption: an option is unknown, or has a value that is not allowed.
    """
    number = count("a number from 1")
    parser = Parser(
        prog="python -m automation.soak",
        description="Many runs with faults of every kind in them, on the local target, and whether all came to a true "
        "end: no run open, no row that is not final, no container running.",
        epilog="exit status: 0 every run did and everything was destroyed; 1 not so; 2 the input cannot be used",
        allow_abbrev=False,
    )
    parser.add_argument("--runs", type=number, default=50, metavar="N", help="how many runs (50)")
    parser.add_argument("--tasks", type=number, default=10, metavar="N", help="tasks of each (10)")
    parser.add_argument("--at-once", type=number, default=4, metavar="N", help="runs at the same time (4)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another seed, other faults (1)")
    parser.add_argument("--pattern", choices=("1", "2", "all"), default="all", help="which pattern's runs (all)")
    parser.add_argument("--report-dir", type=Path, metavar="DIR", help="report and logs (reports/<time>)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there, too")
    given = parser.parse_args(arguments)
    return Options(
        runs=given.runs,
        tasks=given.tasks,
        at_once=given.at_once,
        seed=given.seed,
        patterns=(1, 2) if given.pattern == "all" else (int(given.pattern),),
        report_dir=given.report_dir and given.report_dir.absolute(),
        json=given.json and given.json.absolute(),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    return exit_status(lambda interruption: _soak(sys.argv[1:] if arguments is None else arguments, interruption))


def _soak(arguments: Sequence[str], interruption: Interruption) -> int:
    with interruption.breakable():
        options = parse(arguments)
    from automation import scenario
    from automation.local.target import LocalTarget
    from automation.soak.journey import CONFIG, RUN_TIMEOUT_SECONDS, Soak
    from automation.soak.plan import plan as planned
    from components.program import check_config

    patterns = "all" if len(options.patterns) > 1 else str(options.patterns[0])
    config = check_config(values := {**CONFIG, "patterns": patterns})
    run_name = f"soak-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    report_dir = options.report_dir or Path.cwd() / "reports" / run_name
    work_dir = ROOT / ".kit" / "runs" / run_name
    os.chdir(ROOT)
    places.folder(report_dir, name="--report-dir", advice="Name a folder that can be written to")
    places.folder(work_dir.parent, name="the work folder", advice=f"Make room, and make {ROOT / '.kit'} writable")
    samples = {pattern: specs.sample_path(ROOT, pattern) for pattern in options.patterns}
    target = LocalTarget(work_dir=work_dir, container_runtime="process", base_image=config.base_image)
    plan = scenario.Plan(
        stack_name="soak",
        specs={
            pattern: scenario.SpecFile(path, specs.with_tasks(specs.load(path), options.tasks))
            for pattern, path in samples.items()
        },
        config=values,
        keep=False,
        root=ROOT,
        work_dir=work_dir,
        report_dir=report_dir,
        json=options.json,
        limit_seconds=RUN_TIMEOUT_SECONDS,
        source_buckets=(),
    )

    def journey(progress: Progress, held: Held) -> Soak:
        return Soak(
            planned(runs=options.runs, tasks=options.tasks, patterns=options.patterns, seed=options.seed),
            at_once=options.at_once,
            injector=target.injector,
            plan=plan,
            target=target,
            interruption=interruption,
            progress=progress,
            held=held,
        )

    return travel(journey, plan, target, log="soak.log", plugins="bundled", interruption=interruption)


if __name__ == "__main__":
    sys.exit(main())
