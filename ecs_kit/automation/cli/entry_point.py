"""What the command lines share: the exit status for errors and signals, and a journey in its work folder."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_kit.automation.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_PASSED, BadInput, DriverError
from ecs_kit.automation.host import writable
from ecs_kit.automation.host.interruption import Interrupted, InterruptedAgain, Interruption
from ecs_kit.automation.host.log_file import tolerant_stderr

if TYPE_CHECKING:
    from ecs_kit.automation.journeys.scenario import Plan, Scenario
    from ecs_kit.automation.stacks.target import Target

IS_INSTALLED = Path(sys.argv[0]).name == "ecs-kit"
"""Whether this is the command of the installed package."""

ROOT = Path.cwd() if IS_INSTALLED else Path(__file__).resolve().parents[3]
"""The Pulumi project's folder: for the installed command the one that it is called in, else the kit's checkout."""

PROGRAM = "ecs-kit" if IS_INSTALLED else "python automation/e2e.py"
"""How this program is called."""


EXIT_READER_GONE = 128 + signal.SIGPIPE
"""The status that a shell reports of a program that a broken pipe has ended."""


def check_project() -> None:
    """Check that there is a program to deploy.

    Raises:
        BadInput: there is none.
    """
    import yaml

    path = ROOT / "Pulumi.yaml"
    if not path.is_file():
        raise BadInput(f"{ROOT} holds no Pulumi.yaml: call {PROGRAM} in the folder of your Pulumi program.")
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    missing = [name for name in ("name", "runtime") if not isinstance(declared, dict) or name not in declared]
    if missing:
        raise BadInput(f"{path} has no {' and no '.join(missing)}: write `name: my-jobs` and `runtime: python`.")


def exit_status(act: Callable[[Interruption], int], *, creates: bool = True) -> int:
    """Call `act` with signals handled, show errors, and return the process's exit status.

    `creates` says whether it creates something, unless its input cannot be used.
    """
    interruption = Interruption()
    with tolerant_stderr(), interruption.installed():
        try:
            status = act(interruption)
            sys.stdout.flush()
            return status
        except BrokenPipeError:
            # What reads standard output has seen enough, such as `head`. Python writes the rest when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_READER_GONE
        except DriverError as error:
            print(error, file=sys.stderr)
            if error.exit_status == EXIT_BAD_INPUT and creates:
                print("Nothing was created.", file=sys.stderr)
            return error.exit_status
        except ModuleNotFoundError as error:
            if error.name != "local_aws":
                raise
            print(
                "The driver needs the package pulumi-local-aws: install the kit's folder local_aws/.", file=sys.stderr
            )
            return EXIT_BAD_INPUT
        except Interrupted as interrupted:
            print(interrupted, file=sys.stderr)
            return interruption.exit_status


def run_folders(name: str, report_dir: Path | None) -> tuple[Path, Path]:
    """The report folder and the local work folder of a process, before it changes into the project's folder."""
    run_name = f"{name}{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    return report_dir or Path.cwd() / "reports" / run_name, ROOT / ".kit" / "runs" / run_name


def check_folders(report_dir: Path, work_dir: Path) -> None:
    """Check that the folders of a run can be written to.

    Raises:
        BadInput: one of them cannot.
    """
    writable.folder(report_dir, name="--report-dir", advice="Name a folder that can be written to")
    writable.folder(work_dir.parent, name="the work folder", advice=f"Make room, and make {ROOT / '.kit'} writable")


def run_journey(
    make: "Callable[..., Scenario]",
    plan: "Plan",
    target: "Target",
    *,
    log: str,
    interruption: Interruption,
    plugins: str = "bundled",
    quiet: bool = False,
    json_lines: bool = False,
) -> int:
    """Make a journey in its work folder, which is locked, and return the process's exit status.

    Raises:
        InterruptedAgain: a second signal came; what is left has been shown.
    """
    from ecs_kit.automation.cli import clean
    from ecs_kit.automation.host.workfolders import Record
    from ecs_kit.automation.journeys.progress import shown

    record = Record.of_this_process(stack=plan.stack_name, plugins=plugins)
    runs = plan.root / ".kit" / "runs"
    with (
        shown(plan.report_dir / log, quiet=quiet, json_lines=json_lines) as progress,
        clean.work_folder(target.work_dir, record, runs=runs, interruption=interruption, say=progress.say) as held,
    ):
        journey = make(plan=plan, target=target, interruption=interruption, progress=progress, held=held)
        try:
            journey.run()
        except InterruptedAgain:
            for line in journey.what_is_left():
                progress.say(line)
            target.stop()
            raise
    return EXIT_PASSED if journey.passed else EXIT_FAILED
