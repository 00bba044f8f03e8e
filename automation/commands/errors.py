"""What commands over a deployed stack say when they cannot do what they were asked for."""

from collections.abc import Sequence

from automation.errors import BadInput, DriverError

_WHERE = (
    'Commands find a stack as `pulumi` does: `eval "$(make -s local)"` leads to the local AWS, the lines that '
    "`e2e.py --keep` printed (`python -m automation clean` prints them again) to a kept stack, "
    "`pulumi login` to your own."
)


class NoBackend(BadInput):
    """Nothing says where Pulumi keeps its state."""

    def __init__(self) -> None:
        super().__init__(f"Pulumi is not logged in to a backend, so there is no stack to look at. {_WHERE}")


class StackUnknown(BadInput):
    """The backend has no stack of this name."""

    def __init__(self, wanted: str, names: Sequence[str]) -> None:
        known = f"It has {', '.join(names)}." if names else "It has none."
        super().__init__(f"--stack {wanted}: Pulumi's backend has no such stack of this project. {known} {_WHERE}")


class WhichStack(BadInput):
    """No stack is selected and none is named."""

    def __init__(self, names: Sequence[str]) -> None:
        if names:
            super().__init__(
                f"no stack is selected, and there are several: {', '.join(names)}. "
                "Name one with --stack, or select one with `pulumi stack select`."
            )
        else:
            super().__init__(f"Pulumi's backend has no stack of this project. {_WHERE}")


class StackUnreadable(BadInput):
    """Pulumi could not say what the stack holds."""

    def __init__(self, command: str, reason: str) -> None:
        words = "\n".join(f"  {line}" for line in reason.splitlines() if line.strip() and line.strip() != "stdout:")
        super().__init__(f"pulumi {command} failed:\n{words}")


class NothingDeployed(BadInput):
    """The stack has no outputs."""

    def __init__(self, stack: str) -> None:
        super().__init__(f"stack {stack} holds no pattern: nothing is deployed. Deploy with `pulumi up`.")


class PatternNotDeployed(BadInput):
    """The stack holds the other pattern only."""

    def __init__(self, stack: str, pattern: int, deployed: Sequence[int]) -> None:
        others = ", ".join(str(number) for number in deployed)
        super().__init__(f"--pattern {pattern}: stack {stack} holds pattern {others} only.")


class AwsUnusable(BadInput):
    """AWS, or the emulator, cannot be reached from this shell."""

    def __init__(self, stack: str, reason: str) -> None:
        super().__init__(
            f"stack {stack} was found, but AWS cannot be asked about it: {reason}. "
            "Set the credentials (and AWS_ENDPOINT_URL, where it is an emulator's) that it was deployed with."
        )


class NoSuchRun(BadInput):
    """No run with this id, or none at all."""

    def __init__(self, stack: str, run_id: int | None, workflow: str | None, patterns: Sequence[int]) -> None:
        of = f" of workflow {workflow}" if workflow else ""
        where = " or ".join(f"pattern {pattern}" for pattern in patterns)
        what = "no run" if run_id is None else f"no run {run_id}"
        super().__init__(
            f"stack {stack} has {what}{of} in {where}. `python -m automation runs` lists those that there are."
        )


class WhichRun(BadInput):
    """More than one run is meant, and the command is about one."""

    def __init__(self, command: str, runs: Sequence[str]) -> None:
        super().__init__(
            f"{command} is about one run, and these are meant: {'; '.join(runs)}. "
            "Say which with --pattern, --run or --workflow."
        )


class CallFailed(DriverError):
    """AWS refused a call of a command."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"AWS could not be asked: {reason}")


class NotQuiet(DriverError):
    """A stopped run did not become quiet in time."""

    def __init__(self, run: str, status: str, tasks: Sequence[str], waited_seconds: float) -> None:
        running = f"{len(tasks)} ECS tasks run: {', '.join(tasks)}" if tasks else "no ECS task of it runs"
        super().__init__(
            f"{run} has been stopped, but after {waited_seconds:.0f} s its summary says {status} and {running}. "
            "The monitor ends it at the latest 10 minutes after an event was missed; its log says what keeps it. "
            "Run the command again to wait on."
        )


class DestroyConfirmationNeeded(BadInput):
    """A stack is to be destroyed, and nobody is there to ask."""

    def __init__(self, stack: str) -> None:
        super().__init__(
            f"clean --target aws asks before it destroys stack {stack}, but the input is not a terminal. "
            "Add --yes to go ahead without being asked."
        )


class Kept(BadInput):
    """The stack was kept by the user's wish."""

    def __init__(self, stack: str) -> None:
        super().__init__(f"stack {stack} was kept by --keep. Add --kept to remove it all the same.")
