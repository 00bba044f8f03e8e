"""`python -m automation.deployments`: deploy many times on a busy machine; every deployment has to be whole.

Whole means that the deployment made each resource that the preview had announced, and gave every pattern's outputs. No
workflow is run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automation import places, specs
from automation.cli import Parser, count
from automation.edge import exit_status, travel
from automation.errors import DriverError
from automation.interruption import Interruption
from automation.lifecycle import Changes
from automation.scenario import Plan, Scenario, SpecFile

if TYPE_CHECKING:
    from automation.progress import Progress
    from automation.workfolders import Held

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Options:
    """What was asked for; the options of `--help`."""

    count: int = 100
    busy: int = 4
    report_dir: Path | None = None


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line.

    Raises:
        BadOption: an option is unknown, or has a value that is not allowed.
    """
    number = count("a number from 1")
    parser = Parser(
        prog="python -m automation.deployments",
        description="Deploy both patterns on the local target and destroy them, again and again, while other processes "
        "keep the machine busy.",
        epilog="exit status: 0 every deployment was whole; 1 not so; 2 the input cannot be used",
        allow_abbrev=False,
    )
    parser.add_argument("--count", type=number, default=100, metavar="N", help="how many deployments (100)")
    parser.add_argument("--busy", type=number, default=4, metavar="N", help="processes that compute meanwhile (4)")
    parser.add_argument("--report-dir", type=Path, metavar="DIR", help="report and logs (reports/<time>)")
    given = parser.parse_args(arguments)
    return Options(given.count, given.busy, given.report_dir and given.report_dir.absolute())


class Deployments(Scenario):
    """The journey of a stack that is deployed again and again.

    Args:
        number: how many deployments.
        busy: processes that compute meanwhile.
        **journey: of `Scenario`.

    Attributes:
        whole: how many deployments were.
        problems: what was wrong with the others.
    """

    def __init__(self, number: int, *, busy: int, **journey: Any) -> None:
        super().__init__(**journey)
        self.whole = 0
        self.problems: list[str] = []
        self._number = number
        self._busy = busy

    @property
    def passed(self) -> bool:
        """Whether every deployment was whole, and nothing is left."""
        report = self.report
        return self.whole == self._number and not report.failed and report.destroyed and not report.leftovers

    def use_stack(self) -> None:
        """Destroy the stack that was deployed first, then deploy and destroy it as often as was asked for."""
        stack = self._need_stack
        stack.destroy()
        with self._phase("deployments"), busy_machine(self._busy):
            for number in range(1, self._number + 1):
                problem = self._deploy()
                if problem is None:
                    self.whole += 1
                else:
                    self.problems.append(f"deployment {number}: {problem}")
                self._progress.say(f"deployment {number}: {problem or 'whole'}")
                stack.destroy()

    def _deploy(self) -> str | None:
        """Preview and deploy once. Answers what was not whole."""
        stack = self._need_stack
        try:
            announced = stack.preview()
            deployment = stack.deploy()
        except DriverError as error:
            return str(error)
        missing = [f"pattern{pattern}" for pattern in self.plan.specs if f"pattern{pattern}" not in deployment.outputs]
        return not_whole(announced, deployment.changes, missing)

    def write_report(self) -> None:
        """Tell how many deployments were whole, and what was wrong with the others."""
        self.write_documents(
            {
                "passed": self.passed,
                "deployments": self._number,
                "whole": self.whole,
                "problems": self.problems,
                "destroyed": self.report.destroyed,
                "leftovers": self.report.leftovers,
                "seconds": {name: round(seconds, 1) for name, seconds in self.phases.items()},
            }
        )
        rows = [[str(self.whole), str(self._number)]]
        self._progress.table("passed" if self.passed else "FAILED", ["whole", "deployments"], rows)


def not_whole(announced: Changes, made: Changes, missing_outputs: Sequence[str]) -> str | None:
    """What keeps a deployment of an empty stack from being whole, None if nothing does."""
    if dict(announced.counts) != dict(made.counts):
        return f"the preview announced {dict(announced.counts)}, the deployment did {dict(made.counts)}"
    return f"there is no output {', '.join(missing_outputs)}" if missing_outputs else None


@contextmanager
def busy_machine(number: int) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """Keep the machine's processors busy with as many processes while the block runs."""
    # Their parent is asked for: a driver that is killed must not leave them behind.
    code = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n for _ in range(10**6): pass"
    processes = [subprocess.Popen([sys.executable, "-I", "-S", "-c", code]) for _ in range(number)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    return exit_status(
        lambda interruption: _deployments(sys.argv[1:] if arguments is None else arguments, interruption)
    )


def _deployments(arguments: Sequence[str], interruption: Interruption) -> int:
    with interruption.breakable():
        options = parse(arguments)
    from automation.local.target import LocalTarget

    run_name = f"deployments-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    report_dir = options.report_dir or Path.cwd() / "reports" / run_name
    work_dir = ROOT / ".kit" / "runs" / run_name
    os.chdir(ROOT)
    places.folder(report_dir, name="--report-dir", advice="Name a folder that can be written to")
    places.folder(work_dir.parent, name="the work folder", advice=f"Make room, and make {ROOT / '.kit'} writable")
    samples = {pattern: specs.sample_path(ROOT, pattern) for pattern in (1, 2)}
    target = LocalTarget(work_dir=work_dir, container_runtime="process")
    plan = Plan(
        stack_name="deployments",
        specs={pattern: SpecFile(path, specs.load(path)) for pattern, path in samples.items()},
        config={"patterns": "all"},
        keep=False,
        root=ROOT,
        work_dir=work_dir,
        report_dir=report_dir,
        json=None,
        limit_seconds=0.0,
        source_buckets=(),
    )

    def journey(progress: Progress, held: Held) -> Deployments:
        return Deployments(
            options.count,
            busy=options.busy,
            plan=plan,
            target=target,
            interruption=interruption,
            progress=progress,
            held=held,
        )

    return travel(journey, plan, target, log="deployments.log", plugins="bundled", interruption=interruption)


if __name__ == "__main__":
    sys.exit(main())
