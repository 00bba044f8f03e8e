"""`python -m tools.deployments`: deploy and destroy a stack many times on a busy machine; is each deployment complete?

Complete means that the deployment made each resource that the preview had announced, and gave every pattern's outputs.
No workflow is run.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ecs_kit.automation.cli.entry_point import exit_status
from ecs_kit.automation.cli.options import Parser, absolute, whole_number
from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys.scenario import Scenario
from ecs_kit.automation.stacks.lifecycle import Changes, Stack
from ecs_kit.runtime.contract.patterns import PATTERNS
from tools import local_plan


@dataclass(eq=False)
class Deployments(Scenario):
    """The journey of a stack that is deployed `number` times while `busy` processes compute."""

    number: int
    busy: int = field(kw_only=True)
    complete: int = field(default=0, init=False)
    problems: list[str] = field(default_factory=list, init=False)

    @property
    def passed(self) -> bool:
        """Whether every deployment was complete, and nothing is left."""
        return self.complete == self.number and self.report.stack_ended

    def use_stack(self, stack: Stack) -> None:
        """Destroy the stack that was deployed first, then deploy and destroy it as often as was asked for."""
        stack.destroy()
        with self._phase("deployments"), busy_machine(self.busy):
            for number in range(1, self.number + 1):
                problem = self._deploy(stack)
                if problem is None:
                    self.complete += 1
                else:
                    self.problems.append(f"deployment {number}: {problem}")
                self.progress.say(f"deployment {number}: {problem or 'complete'}")
                stack.destroy()

    def _deploy(self, stack: Stack) -> str | None:
        try:
            announced = stack.preview()
            deployment = stack.deploy()
        except DriverError as error:
            return str(error)
        missing = [f"pattern{pattern}" for pattern in self.plan.specs if f"pattern{pattern}" not in deployment.outputs]
        return incomplete(announced, deployment.changes, missing)

    def document(self) -> dict[str, Any]:
        """How many deployments were complete, and what was wrong with the others."""
        return {
            "passed": self.passed,
            "deployments": self.number,
            "complete": self.complete,
            "problems": self.problems,
            **self.ending(),
        }

    def show_report(self) -> None:
        """Show how many deployments were complete."""
        rows = [[str(self.complete), str(self.number)]]
        self.progress.table("passed" if self.passed else "FAILED", ["complete", "deployments"], rows)


def incomplete(announced: Changes, made: Changes, missing_outputs: Sequence[str]) -> str | None:
    """What a deployment of an empty stack lacks, None if it is complete."""
    if dict(announced.counts) != dict(made.counts):
        return f"the preview announced {dict(announced.counts)}, the deployment did {dict(made.counts)}"
    return f"there is no output {', '.join(missing_outputs)}" if missing_outputs else None


@contextmanager
def busy_machine(number: int) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """Keep the machine's processors busy with as many processes while the block runs."""
    # They end with their parent: a driver that is killed must not leave them behind.
    code = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n for _ in range(10**6): pass"
    processes = [subprocess.Popen([sys.executable, "-I", "-S", "-c", code]) for _ in range(number)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, the process's own for None; the attributes are the options of `--help`."""
    number = whole_number("a number from 1")
    parser = Parser(
        prog="python -m tools.deployments",
        description="Deploy both patterns on the local target and destroy them, again and again, while other processes "
        "keep the machine busy.",
        epilog="exit status: 0 every deployment was complete; 1 not so; 2 the input cannot be used",
    )
    parser.add_argument("--count", type=number, default=100, metavar="N", help="how many deployments (100)")
    parser.add_argument("--busy", type=number, default=4, metavar="N", help="processes that compute meanwhile (4)")
    parser.add_argument("--report-dir", type=absolute, metavar="DIR", help="report and logs (reports/<time>)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for and return the process's exit status."""
    return exit_status(partial(_deployments, arguments))


def _deployments(arguments: Sequence[str] | None, interruption: Interruption) -> int:
    options = parse(arguments)
    return local_plan.run(
        "deployments",
        partial(Deployments, options.count, busy=options.busy),
        interruption,
        patterns=tuple(PATTERNS),
        config={"patterns": "all"},
        report_dir=options.report_dir,
        limit_seconds=0.0,
    )


if __name__ == "__main__":
    sys.exit(main())
