"""The driver's errors: a class for each condition, with its message and the exit status it ends the process with.

Every message says what was wrong, where, and what to do about it. Its `{}` stand for what the error is made with.
"""

from collections.abc import Sequence
from pathlib import Path

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2

_WHERE_STACKS_ARE = (
    'Commands find a stack as `pulumi` does: `eval "$(make -s local)"` leads to the local AWS, the lines that '
    "`e2e.py --keep` printed (`python -m automation clean` prints them again) to a kept stack, "
    "`pulumi login` to your own."
)


class DriverError(Exception):
    """Something that ends the run of the driver with `exit_status`."""

    exit_status = EXIT_FAILED
    message = "{}"

    def __init__(self, *values: object) -> None:
        super().__init__(self.message.format(*values))


class BadInput(DriverError):
    """What the user gave cannot be used. Nothing has been created."""

    exit_status = EXIT_BAD_INPUT


# --- options and files ------------------------------------------------------------------------------------------------


class BadOption(BadInput):
    """An option of the command line, or a combination of options, that makes no sense."""


class SpecUnreadable(BadInput):
    """The spec file is not there, not readable or not JSON."""

    message = "{}: {}. Give a JSON file like those in specs/."


class SpecInvalid(BadInput):
    """The spec is JSON, but not a spec that this kit can run."""

    message = "{} is not a valid spec:\n{}\nspecs/workflow_specs.schema.json says what is allowed."

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(path, _indented(problems))
        self.problems = tuple(problems)


class SpecPatternUnknown(BadInput):
    """The spec does not say for which pattern it is, and neither does the command line."""

    message = "{} does not tell whether it is for pattern 1 or 2. Say so with --pattern 1 or --pattern 2."


class SpecForOnePattern(BadInput):
    """Both patterns are asked for, but the spec is for one."""

    message = "{} is for pattern {}: leave --pattern all out, or fill in no names of resources."


class StackSettingsUnusable(BadInput):
    """A stack's settings file cannot be used."""

    message = "--stack-config {}: {}"


class ConfigRefused(BadInput):
    """A value of the kit's configuration is unknown or out of range."""

    message = "configuration: {}"


class NotWritable(BadInput):
    """Nothing can be written where something is to be written."""

    message = "{}: {}. {}."


# --- AWS and Docker ---------------------------------------------------------------------------------------------------


class CredentialsMissing(BadInput):
    """No AWS credentials where the AWS SDK looks for them."""

    message = (
        "--target aws: no AWS credentials found. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
        "or run `aws sso login`; or leave --target out to run on this machine without AWS."
    )


class RegionMissing(BadInput):
    """No AWS region where the AWS SDK looks for it."""

    message = "--target aws: no AWS region found. Set AWS_REGION, or give your profile a region."


class CredentialsUnusable(BadInput):
    """The AWS SDK cannot make anything of the profile, the region or the endpoint that it was given."""

    message = "--target aws: {}. Correct what the environment's AWS_… variables, or the profile, say."

    def __init__(self, reason: str) -> None:
        super().__init__(reason.rstrip("."))


class AwsUnreachable(BadInput):
    """AWS, or what stands for it, does not answer."""

    message = "--target aws: sts:GetCallerIdentity failed: {}. Check the network, AWS_REGION and AWS_ENDPOINT_URL."

    def __init__(self, reason: str) -> None:
        super().__init__(reason.rstrip("."))


class CredentialsRefused(BadInput):
    """AWS did not accept the credentials."""

    message = "--target aws: sts:GetCallerIdentity failed: {}. Renew the credentials and try again."


class BundledPluginsOnAws(BadInput):
    """The stand-in plugins were asked for against AWS itself."""

    message = (
        "--plugins bundled: the bundled provider plugins are made for the emulator. Leave --plugins out to use the "
        "published ones on AWS, or set AWS_ENDPOINT_URL to an emulator (http://localhost:PORT)."
    )


class DockerNeeded(BadInput):
    """The published plugins build the image with Docker, and no daemon answers."""

    message = (
        "--plugins published builds the task's image with Docker, and no Docker daemon answers ({}). "
        "Start Docker, or set DOCKER_HOST."
    )


class DockerEndpointUnusable(BadInput):
    """The docker CLI is set to an engine that Pulumi's docker plugin cannot be led to."""

    message = "--plugins published builds the task's image with Docker: {}."


class BuildPlatformMissing(BadInput):
    """The Docker engine cannot build the task's image for the processor that the tasks run on."""

    message = (
        "the task's image is for {0}, as cpuArchitecture says, and the Docker engine is {1} without an emulator for "
        "{2} that `docker buildx inspect default` would show. Install one with `docker run --privileged --rm "
        "tonistiigi/binfmt --install {2}`, or set cpuArchitecture to the engine's own."
    )

    def __init__(self, platform: str, native: str) -> None:
        super().__init__(platform, native, platform.rpartition("/")[2])


class ContainerRuntimeUnavailable(BadInput):
    """The container runtime that was asked for does not work on this machine."""

    message = "--container-runtime docker cannot be used: {}. Put that right, or use --container-runtime process."


class EmulatorUnavailable(BadInput):
    """The emulator cannot be started as asked."""


class AwsNotReadable(BadInput):
    """A command found the stack; AWS, or the emulator, cannot be reached from this shell."""

    message = (
        "stack {} was found, but AWS cannot be asked about it: {}. "
        "Set the credentials (and AWS_ENDPOINT_URL, where it is an emulator's) that it was deployed with."
    )


class CallFailed(DriverError):
    """AWS refused a call of a command."""

    message = "AWS could not be asked: {}"


# --- Pulumi and its stacks --------------------------------------------------------------------------------------------


class PulumiMissing(BadInput):
    """No Pulumi CLI, and no way to get one."""


class BackendUnavailable(BadInput):
    """Pulumi's backend, where it keeps its state, cannot be used."""

    message = (
        "Pulumi's backend cannot be used: {}\n"
        "Run `pulumi login`, or set PULUMI_BACKEND_URL (and PULUMI_CONFIG_PASSPHRASE) to another one."
    )


class NoBackend(BadInput):
    """Nothing says where Pulumi keeps its state."""

    message = f"Pulumi is not logged in to a backend, so there is no stack to look at. {_WHERE_STACKS_ARE}"


class StackUnknown(BadInput):
    """The backend has no stack of this name."""

    message = f"--stack {{}}: Pulumi's backend has no such stack of this project. It has {{}}. {_WHERE_STACKS_ARE}"

    def __init__(self, wanted: str, names: Sequence[str]) -> None:
        super().__init__(wanted, ", ".join(names) or "none")


class NoStack(BadInput):
    """The backend has no stack of this project."""

    message = f"Pulumi's backend has no stack of this project. {_WHERE_STACKS_ARE}"


class SeveralStacks(BadInput):
    """No stack is selected and none is named."""

    message = (
        "no stack is selected, and there are several: {}. "
        "Name one with --stack, or select one with `pulumi stack select`."
    )


class StackUnreadable(BadInput):
    """Pulumi could not say what the stack holds."""

    message = "pulumi {} failed:\n{}"

    def __init__(self, command: str, reason: str) -> None:
        said = [line for line in reason.splitlines() if line.strip() and line.strip() != "stdout:"]
        super().__init__(command, _indented(said))


class NothingDeployed(BadInput):
    """The stack has no outputs."""

    message = "stack {} holds no pattern: nothing is deployed. Deploy with `pulumi up`."


class PatternNotDeployed(BadInput):
    """The stack holds the other pattern only."""

    message = "--pattern {1}: stack {0} holds pattern {2} only."


class WrongAccount(BadInput):
    """The stack exists and is somebody else's: it was deployed to another account or region."""

    message = (
        "stack {} in Pulumi's backend was deployed to {}, and the credentials are for {}. "
        "Use those credentials, or another stack with --config nameSuffix=…"
    )


class NotYourStack(DriverError):
    """Somebody else is updating the stack; its lock must not be broken."""

    message = (
        "stack {0} is being updated by somebody else: {1}\n"
        "Wait for it, or, if that update is dead, run `pulumi cancel --stack {0}` and try again."
    )


class StackOperationFailed(DriverError):
    """Pulumi could not do what it was told.

    Attributes:
        operation: what was tried: `preview`, `up`, `refresh`, `destroy`, …
        diagnostics: the engine's own error messages, oldest first.
    """

    message = "pulumi {} failed:\n{}"

    def __init__(self, operation: str, diagnostics: Sequence[str]) -> None:
        super().__init__(operation, _indented(diagnostics))
        self.operation = operation
        self.diagnostics = tuple(diagnostics)


class ConfirmationNeeded(BadInput):
    """Something that costs money must be confirmed, and nobody is there to ask."""

    message = (
        "--target aws creates resources that cost money and asks first, but the input is not a terminal. "
        "Add --yes to go ahead without being asked."
    )


class DestroyConfirmationNeeded(BadInput):
    """A stack is to be destroyed, and nobody is there to ask."""

    message = (
        "clean --target aws asks before it destroys stack {}, but the input is not a terminal. "
        "Add --yes to go ahead without being asked."
    )


class Kept(BadInput):
    """The stack was kept by the user's wish."""

    message = "stack {} was kept by --keep. Add --kept to remove it all the same."


class Declined(DriverError):
    """The user was asked and said no. Nothing was deployed."""

    message = "Declined: nothing was deployed."


# --- runs -------------------------------------------------------------------------------------------------------------


class SourceObjectMissing(DriverError):
    """A task's source object is in a bucket that is not the kit's, and not there."""

    message = (
        "these source objects cannot be read: {}. "
        "Put them there, and list their bucket in the config key sourceBuckets."
    )


class NoSuchRun(BadInput):
    """No run with this id, or none at all."""

    message = "stack {} has {}{} in {}. `python -m automation runs` lists those that there are."

    def __init__(self, stack: str, run_id: int | None, workflow: str | None, patterns: Sequence[int]) -> None:
        super().__init__(
            stack,
            "no run" if run_id is None else f"no run {run_id}",
            f" of workflow {workflow}" if workflow else "",
            " or ".join(f"pattern {pattern}" for pattern in patterns),
        )


class SeveralRuns(BadInput):
    """More than one run is meant, and the command is about one."""

    message = "{} is about one run, and these are meant: {}. Say which with --pattern, --run or --workflow."


class RunStillOpen(DriverError):
    """A stopped run did not become final in time, or its ECS tasks did not stop."""

    message = (
        "{} has been stopped, but after {:.0f} s its summary says {} and {}. "
        "The monitor ends it at the latest 10 minutes after an event was missed; its log says what keeps it. "
        "Run the command again to wait on."
    )


class EcsTasksRemain(DriverError):
    """ECS tasks of this stack did not stop in time."""

    message = (
        "{} ECS tasks in cluster {} did not stop within {:.0f} s: {}. "
        "Stop them with `aws ecs stop-task` and destroy the stack again."
    )


# --- this machine -----------------------------------------------------------------------------------------------------


class FolderInUse(DriverError):
    """Another driver, which lives, works in the folder."""

    message = "another e2e{} works on the stack of {}. Wait for its end, or end it."


class ProcessesRemain(DriverError):
    """Processes that were killed are still there."""

    message = "{}: processes of this run do not end: {}. End them, and run `clean` again."


class ContainersRemain(DriverError):
    """The Docker engine does not remove containers."""

    message = "containers with the label {} could not be removed: {}. See that Docker works, and run `clean` again."


class EngineRemains(DriverError):
    """The Pulumi engine of a driver that is gone does not end."""

    message = (
        "the Pulumi engine of an earlier run has not ended within {:.0f} s. "
        "See what it waits for, or end it with `kill {}`, and try again."
    )


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)
