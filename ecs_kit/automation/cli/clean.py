"""Removes what killed drivers left behind, and on request what was kept: on this machine, or stacks on AWS.

The folder of an active driver is never touched.
"""

import argparse
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from ecs_kit.automation.errors import EXIT_FAILED, EXIT_PASSED, BackendUnavailable, BadInput, DriverError
from ecs_kit.automation.host import processes, workfolders
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.host.polling import looks
from ecs_kit.automation.host.processes import RUN_VARIABLE, Process
from ecs_kit.automation.host.workfolders import Held, Record
from ecs_kit.automation.journeys.progress import Progress, shown
from ecs_kit.automation.journeys.teardown import Teardown
from ecs_kit.automation.stacks.aws import AwsTarget
from ecs_kit.automation.stacks.lifecycle import Stack
from ecs_kit.automation.stacks.local import get_pulumi, remove_containers
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess
from ecs_kit.automation.stacks.target import check_place

ENGINE_SECONDS = 3600.0
"""How long an engine may take to finish its current operations on AWS; a NAT gateway or endpoint takes minutes."""
_POLL_SECONDS = 1.0

Say = Callable[[str], None]
Decision = Literal["remove", "keep", "unknown"]


def decision(record: Record | None, *, empty: bool, kept_too: bool) -> Decision:
    """What to do with an abandoned work folder; `kept_too`: the user wants kept ones removed."""
    if record is None:
        return "remove" if empty or kept_too else "unknown"
    return "keep" if record.kept and not kept_too else "remove"


def describe(held: Held) -> str:
    """A driver's run, in words."""
    record = held.record
    if record is None:
        return f"{held.folder.name} (it has no record)"
    how = "kept by --keep" if record.kept else "killed, or ended before everything was removed"
    return f"{held.folder.name} (process {record.pid}, started {record.started}; {how})"


def counted(ended: Iterable[Process]) -> str:
    """Processes by kind: `1 emulator, 2 plugins`."""
    number = Counter(process.what for process in ended)
    plural = {"process": "processes"}
    return ", ".join(
        f"{count} {what if count == 1 else plural.get(what, f'{what}s')}" for what, count in sorted(number.items())
    )


@contextmanager
def work_folder(folder: Path, record: Record, *, runs: Path, interruption: Interruption, say: Say) -> Iterator[Held]:
    """Hold a driver's work folder within the block, after the removal of what killed drivers left.

    Raises:
        FolderInUse: an active driver works there.
    """
    with closing(workfolders.hold(folder)) as held:
        try:
            with interruption.breakable():
                before_a_run(held, runs=runs, say=say)
        except BaseException:
            held.discard_new()
            raise
        held.start(record)
        yield held


def before_a_run(held: Held, *, runs: Path, say: Say) -> None:
    """Remove what killed local runs left, and stop the engine that a killed run of this stack left."""
    for other in workfolders.abandoned(runs):
        if decision(other.record, empty=_empty(other), kept_too=False) == "remove":
            try:
                _remove_local(other, say)
            except DriverError as error:
                # It does not keep this run from its work.
                say(str(error))
    if held.record is not None and not held.record.kept:
        say(f"left on AWS: stack {held.record.stack} of {describe(held)}")
        await_engine(held.folder, say)


def clean(options: argparse.Namespace, *, root: Path, interruption: Interruption) -> int:
    """Do what `clean` asks for and return the process's exit status.

    Raises:
        BadInput: it cannot be done like this.
    """
    with shown() as progress:
        if options.target == "local":
            return _clean_local(root / ".kit" / "runs", kept_too=options.kept, say=progress.say)
        return _CleanAws(options, root, interruption, progress).run()


def _clean_local(runs: Path, *, kept_too: bool, say: Say) -> int:
    status, removed = EXIT_PASSED, 0
    for held in workfolders.abandoned(runs):
        match decision(held.record, empty=_empty(held), kept_too=kept_too):
            case "remove":
                try:
                    _remove_local(held, say)
                    removed += 1
                except DriverError as error:
                    say(str(error))
                    status = EXIT_FAILED
            case "keep":
                active = any(process.what == "emulator" for process in processes.find(held.folder))
                say(f"kept: {describe(held)}; its emulator {'runs' if active else 'has ended'}")
                for line in held.record.use if held.record and active else ():
                    say(f"  {line}")
                say("  `clean --kept` removes it")
            case "unknown":
                say(f"left alone, as it has no record: {held.folder}; `clean --kept` removes it")
    if not removed and status == EXIT_PASSED:
        say("nothing to clean")
    return status


def _remove_local(held: Held, say: Say) -> None:
    say(f"removing what is left of e2e {describe(held)}")
    names = {path.name for path in held.folder.glob("emulator/emulator-*")}
    if held.record is not None and held.record.emulator_name:
        names.add(held.record.emulator_name)
    ended = processes.end(held.folder)
    containers = sum(map(remove_containers, names))
    shutil.rmtree(held.folder, ignore_errors=True)
    if ended:
        say(f"  ended {counted(ended)} ({', '.join(str(process.pid) for process in ended)})")
    if containers:
        say(f"  removed {containers} containers")
    say(f"  removed {held.folder}")


def _empty(held: Held) -> bool:
    return not any(path.is_dir() for path in held.folder.iterdir())


def await_engine(folder: Path, say: Say) -> None:
    """Interrupt an engine that outlived its driver, as Ctrl-C does, and wait for it.

    It finishes its current operations, writes the state and releases its lock.

    Raises:
        DriverError: it does not end within `ENGINE_SECONDS`.
    """
    told: set[int] = set()
    for _ in looks(ENGINE_SECONDS, _POLL_SECONDS):
        engines = {process.pid for process in processes.find(folder) if process.what == "engine"}
        if not engines:
            return
        # A second signal would end it in the middle of its operations.
        if new := sorted(engines - told):
            told.update(new)
            for pid in new:
                processes.tell(pid, signal.SIGINT)
            say(f"telling its engine ({', '.join(map(str, new))}) to stop; it finishes what it has begun")
    raise DriverError(
        f"the Pulumi engine of an earlier run has not ended within {ENGINE_SECONDS:.0f} s. See what it waits for, or "
        f"end it with `kill {' '.join(map(str, sorted(engines)))}`, and try again."
    )


class _CleanAws:
    """`clean --target aws`: destroys stacks that `e2e.py --target aws` left, as it would have done."""

    def __init__(self, options: argparse.Namespace, root: Path, interruption: Interruption, progress: Progress) -> None:
        self._options = options
        self._root = root
        self._interruption = interruption
        self._progress = progress
        self._status = EXIT_PASSED
        self._done = 0

    def run(self) -> int:
        parent = self._root / ".kit" / "aws"
        if self._options.stack is not None:
            self._remove_named(parent / self._options.stack)
            return self._status
        for held in workfolders.abandoned(parent):
            name = held.folder.name if held.record is None else held.record.stack
            what = decision(held.record, empty=False, kept_too=self._options.kept)
            if what == "remove":
                self._remove(held, name)
                continue
            why = "kept" if what == "keep" else "left alone, as it has no record"
            self._progress.say(f"{why}: stack {name} of {describe(held)}")
            for line in held.record.use if held.record else ():
                self._progress.say(f"  {line}")
            self._progress.say("  `clean --target aws --kept` removes it")
        if not self._done and self._status == EXIT_PASSED:
            self._progress.say("nothing to clean")
        return self._status

    def _remove_named(self, folder: Path) -> None:
        with closing(workfolders.hold(folder)) as held:
            try:
                if held.record is not None and held.record.kept and not self._options.kept:
                    raise BadInput(f"stack {folder.name} was kept by --keep. Add --kept to remove it all the same.")
                self._remove(held, folder.name)
            finally:
                if not self._done:
                    held.discard_new()

    def _failed(self, message: str) -> None:
        self._status = EXIT_FAILED
        self._progress.say(f"FAILED: {message}")

    def _remove(self, held: Held, name: str) -> None:
        plugins = self._options.plugins or (held.record.plugins if held.record else None)
        target = AwsTarget(
            work_dir=held.folder,
            plugins="bundled" if plugins == "bundled" else "published",
            confirmed=True,
            state_dir=self._root / ".kit" / "state",
            get_pulumi=get_pulumi,
        )
        target.check()
        if not self._options.yes and not sys.stdin.isatty():
            raise BadInput(
                f"clean --target aws asks before it destroys stack {name}, but the input is not a terminal. "
                "Add --yes to go ahead without being asked."
            )
        await_engine(held.folder, self._progress.say)
        target.start(self._progress.say)
        stack = self._open(held.folder, name, target)
        if stack is None:
            self._progress.say(
                f"stack {name} is not in Pulumi's backend: there is nothing to destroy. Task definition revisions "
                "that a plain `pulumi destroy` left stay ACTIVE; the README says how to deregister them"
            )
            shutil.rmtree(held.folder, ignore_errors=True)
            return
        here, resources = target.identity, stack.resources()
        self._progress.say(f"stack {name}: {len(resources)} resources, left by {describe(held)}")
        self._progress.say(f"account {here.account}, region {here.region}, as {here.arn}")
        stack.use_docker(target)
        if self._options.yes or self._progress.ask("Destroy this?"):
            self._destroy(stack, target, held.folder)
        else:
            self._failed(f"declined: stack {name} was left alone")

    def _destroy(self, stack: Stack, target: AwsTarget, folder: Path) -> None:
        self._done += 1
        teardown = Teardown(stack, target=target, work_dir=folder, progress=self._progress, failed=self._failed)
        self._progress.phase(f"destroy {stack.name}")
        destroyed = teardown.destroy()
        self._progress.phase("leftovers")
        if teardown.look_for_leftovers():
            self._status = EXIT_FAILED
        if destroyed:
            shutil.rmtree(folder, ignore_errors=True)
            self._progress.say(f"stack {stack.name} is destroyed")

    def _open(self, folder: Path, name: str, target: AwsTarget) -> Stack | None:
        pulumi = PulumiProcess(
            target.pulumi.executable,
            version=target.pulumi.version,
            environment={**target.environment, RUN_VARIABLE: str(folder)},
            interruption=self._interruption,
            log_file=folder / "pulumi.log",
        )
        config, say = target.config, self._progress.say
        stack = Stack(name=name, pulumi=pulumi, work_dir=folder, project=self._root, config=config, say=say)
        try:
            if not stack.select():
                return None
            outputs = stack.outputs()
        except DriverError as error:
            raise BackendUnavailable(str(error)) from error
        check_place(name, outputs, target.identity)
        return stack
