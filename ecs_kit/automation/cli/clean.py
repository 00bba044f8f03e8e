"""Removes what killed drivers left behind, and on request what was kept: on this machine, or stacks on AWS.

The folder of an active driver is never touched.
"""

import argparse
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from ecs_kit.automation.errors import EXIT_FAILED, EXIT_PASSED, BadInput, DriverError
from ecs_kit.automation.host import processes, workfolders
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.host.polling import looks
from ecs_kit.automation.host.workfolders import Held, Record
from ecs_kit.automation.journeys.progress import Progress, shown
from ecs_kit.automation.journeys.teardown import Teardown
from ecs_kit.automation.stacks.aws import AwsTarget
from ecs_kit.automation.stacks.lifecycle import Stack
from ecs_kit.automation.stacks.pulumi_cli import get_pulumi

ENGINE_SECONDS = 3600.0
"""How long an engine may take to finish its current operations on AWS; a NAT gateway or endpoint takes minutes."""
_POLL_SECONDS = 1.0

Say = Callable[[str], None]
Decision = Literal["remove", "keep", "unknown"]


def decision(record: Record | None, *, kept_too: bool) -> Decision:
    """What to do with an abandoned work folder; `kept_too`: the user wants kept ones removed."""
    if kept_too:
        return "remove"
    return "unknown" if record is None else "keep" if record.kept else "remove"


def describe(held: Held) -> str:
    """A driver's run, in words."""
    record = held.record
    if record is None:
        return f"{held.folder.name} (it has no record)"
    how = "kept by deploy or --keep" if record.kept else "killed, or ended before everything was removed"
    return f"{held.folder.name} (process {record.pid}, started {record.started}; {how})"


@contextmanager
def work_folder(folder: Path, record: Record, *, runs: Path, interruption: Interruption, say: Say) -> Iterator[Held]:
    """Hold a driver's work folder within the block, after the removal of what killed drivers left.

    Raises:
        DriverError: an active driver works there.
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
        if _is_empty(other) or decision(other.record, kept_too=False) == "remove":
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
            return _Clean(progress, kept_too=options.kept).all_in(root / ".kit" / "runs")
        cleaning = _CleanAws(progress, options, root, interruption)
        parent = root / ".kit" / "aws"
        return cleaning.all_in(parent) if options.stack is None else cleaning.one(parent / options.stack)


def _is_empty(held: Held) -> bool:
    return held.record is None and not any(path.is_dir() for path in held.folder.iterdir())


def _remove_local(held: Held, say: Say) -> None:
    say(f"removing what is left of e2e {describe(held)}")
    names = {path.name for path in held.folder.glob("emulator/emulator-*")}
    if held.record is not None and held.record.emulator_name:
        names.add(held.record.emulator_name)
    ended = processes.end(held.folder)
    from ecs_kit.automation.stacks.local import remove_containers

    containers = sum(map(remove_containers, names))
    shutil.rmtree(held.folder, ignore_errors=True)
    if ended:
        say(f"  ended {', '.join(map(str, ended))}")
    if containers:
        say(f"  removed {containers} containers")
    say(f"  removed {held.folder}")


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
                processes.send_signal(pid, signal.SIGINT)
            say(f"telling its engine ({', '.join(map(str, new))}) to stop; it finishes what it has begun")
    raise DriverError(
        f"the Pulumi engine of an earlier run has not ended within {ENGINE_SECONDS:.0f} s. See what it waits for, or "
        f"end it with `kill {' '.join(map(str, sorted(engines)))}`, and try again."
    )


class _Clean:
    """`clean` on this machine: ends the processes of abandoned runs, and removes their containers and folders."""

    command = "clean"

    def __init__(self, progress: Progress, *, kept_too: bool) -> None:
        self._progress = progress
        self._kept_too = kept_too
        self._status = EXIT_PASSED
        self._removed = 0
        self._left = 0

    def all_in(self, parent: Path) -> int:
        """Remove what was left in the folders in `parent`, name what is kept, and return the exit status."""
        say = self._progress.say
        for held in workfolders.abandoned(parent):
            what = decision(held.record, kept_too=self._kept_too or self._is_unused(held))
            if what == "remove":
                self._remove(held)
                continue
            self._left += 1
            description, *use = self._described(held)
            say(f"{'kept' if what == 'keep' else 'left alone, as it has no record'}: {description}")
            for line in (*use, f"`{self.command} --kept` removes it"):
                say(f"  {line}")
        if not self._removed and self._status == EXIT_PASSED:
            say("nothing else to clean" if self._left else "nothing to clean")
        return self._status

    def _failed(self, message: str) -> None:
        self._status = EXIT_FAILED
        self._progress.say(f"FAILED: {message}")

    def _remove(self, held: Held) -> None:
        try:
            _remove_local(held, self._progress.say)
            self._removed += 1
        except DriverError as error:
            self._failed(str(error))

    def _is_unused(self, held: Held) -> bool:
        return _is_empty(held)

    def _described(self, held: Held) -> list[str]:
        if any(process.what == "emulator" for process in processes.find(held.folder)):
            return [f"{describe(held)}; its emulator runs", *(held.record.use if held.record else ())]
        return [f"{describe(held)}; its emulator has ended"]


class _CleanAws(_Clean):
    """`clean --target aws`: destroys stacks that `e2e.py --target aws` left, as it would have done."""

    command = "clean --target aws"

    def __init__(self, progress: Progress, options: argparse.Namespace, root: Path, interruption: Interruption) -> None:
        super().__init__(progress, kept_too=options.kept)
        self._options = options
        self._root = root
        self._interruption = interruption

    def one(self, folder: Path) -> int:
        """Remove one stack, that of a folder, and return the exit status."""
        with closing(workfolders.hold(folder)) as held:
            try:
                if held.record is not None and held.record.kept and not self._kept_too:
                    kept = f"stack {folder.name} was kept by deploy or --keep"
                    raise BadInput(f"{kept}. Add --kept to remove it all the same.")
                self._remove(held)
            finally:
                if not self._removed:
                    held.discard_new()
        return self._status

    def _is_unused(self, held: Held) -> bool:  # noqa: ARG002  Pulumi's backend has the stack, whatever is here
        return False

    def _described(self, held: Held) -> list[str]:
        return [f"stack {describe(held)}", *(held.record.use if held.record else ())]

    def _remove(self, held: Held) -> None:
        name, say = held.folder.name, self._progress.say
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
        await_engine(held.folder, say)
        target.start(say)
        stack = Stack.of_target(
            target,
            name=name,
            project=self._root,
            interruption=self._interruption,
            log_file=target.work_dir / "pulumi.log",
            say=say,
        )
        if stack.adopt(target, create=False) is None:
            say(
                f"stack {name} is not in Pulumi's backend: there is nothing to destroy. Task definition revisions "
                "that a plain `pulumi destroy` left stay ACTIVE; docs/aws.md says how to deregister them"
            )
            shutil.rmtree(held.folder, ignore_errors=True)
            return
        here, resources = target.identity, stack.resources()
        say(f"stack {name}: {len(resources)} resources, left by {describe(held)}")
        say(f"account {here.account}, region {here.region}, as {here.arn}")
        stack.use_docker(target, resources)
        if self._options.yes or self._progress.ask("Destroy this?"):
            self._destroy(stack, target)
        else:
            self._failed(f"declined: stack {name} was left alone")

    def _destroy(self, stack: Stack, target: AwsTarget) -> None:
        self._removed += 1
        teardown = Teardown(stack, target, self._progress, self._failed)
        self._progress.phase(f"destroy {stack.name}")
        destroyed = teardown.destroy()
        self._progress.phase("leftovers")
        if teardown.look_for_leftovers():
            self._status = EXIT_FAILED
        if destroyed:
            shutil.rmtree(target.work_dir, ignore_errors=True)
            self._progress.say(f"stack {stack.name} is destroyed")
