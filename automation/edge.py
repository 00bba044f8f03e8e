"""The edge of a process that makes a journey: signals and errors become an exit status, the work folder is held."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from automation.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_PASSED, DriverError
from automation.interruption import Interrupted, InterruptedAgain, Interruption
from automation.lasting_output import lasting_stderr

if TYPE_CHECKING:
    from automation.progress import Progress
    from automation.scenario import Plan, Scenario
    from automation.target import Target
    from automation.workfolders import Held

    MakeJourney = Callable[[Progress, Held], Scenario]


def exit_status(act: Callable[[Interruption], int], *, creates: bool = True) -> int:
    """Act with signals handled, say what went wrong, and return the process's exit status.

    Args:
        act: what there is to do; it returns the status.
        creates: it creates something, unless its input cannot be used.
    """
    interruption = Interruption()
    with lasting_stderr(), interruption.installed():
        try:
            return act(interruption)
        except DriverError as error:
            print(error, file=sys.stderr)
            if error.exit_status == EXIT_BAD_INPUT and creates:
                print("Nothing was created.", file=sys.stderr)
            return error.exit_status
        except Interrupted as signal:
            print(signal, file=sys.stderr)
            return interruption.exit_status


def travel(
    journey: "MakeJourney", plan: "Plan", target: "Target", *, log: str, plugins: str, interruption: Interruption
) -> int:
    """Make a journey with its work folder held, show how it goes, and return the process's exit status.

    Args:
        journey: makes it from where to say what happens and the held folder.
        plan: its own.
        target: its own.
        log: name of the log in the report folder.
        plugins: `bundled` or `published`.
        interruption: its own.

    Raises:
        InterruptedAgain: a second signal came; what is left has been told.
    """
    from automation.commands import cleaning
    from automation.progress import shown

    with (
        shown(plan.report_dir / log) as progress,
        cleaning.work_folder(
            plan.work_dir,
            runs=plan.root / ".kit" / "runs",
            target=target.name,
            stack=plan.stack_name,
            plugins=plugins,
            interruption=interruption,
            say=progress.say,
        ) as held,
    ):
        made = journey(progress, held)
        try:
            made.run()
        except InterruptedAgain:
            for line in made.what_is_left():
                progress.say(line)
            target.stop()
            raise
    return EXIT_PASSED if made.passed else EXIT_FAILED
