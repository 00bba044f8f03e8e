"""Deploy and destroy a stack again and again on a busy machine; every deployment has to be whole.

Whole means that the deployment made each resource that the preview had announced, and gave every pattern's outputs. No
workflow is run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.journeys.scenario import Scenario
from ecs_kit.automation.stacks.lifecycle import Changes


class Deployments(Scenario):
    """The journey of a stack that is deployed again and again.

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
