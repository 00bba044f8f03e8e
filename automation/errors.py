"""The driver's errors: one exception per condition, each with the exit status it ends the process with.

Every message says what was wrong, where, and what to do about it.
"""

from collections.abc import Sequence
from pathlib import Path

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2

__all__ = [
    "EXIT_BAD_INPUT",
    "EXIT_FAILED",
    "EXIT_PASSED",
    "AwsUnreachable",
    "BadInput",
    "BadOption",
    "BackendUnavailable",
    "BuildPlatformMissing",
    "BundledPluginsOnAws",
    "ConfigRefused",
    "ConfirmationNeeded",
    "ContainerRuntimeUnavailable",
    "CredentialsMissing",
    "CredentialsRefused",
    "CredentialsUnusable",
    "Declined",
    "DockerEndpointUnusable",
    "DockerNeeded",
    "DriverError",
    "EmulatorUnavailable",
    "NotYourStack",
    "PlaceUnusable",
    "PulumiMissing",
    "RegionMissing",
    "SourceObjectMissing",
    "SpecInvalid",
    "SpecPatternUnknown",
    "SpecUnreadable",
    "SpecForOnePattern",
    "StackOperationFailed",
    "StackSettingsUnusable",
    "StillRunning",
    "WrongAccount",
]


class DriverError(Exception):
    """Something that ends the run of the driver with `exit_status`."""

    exit_status = EXIT_FAILED


class BadInput(DriverError):
    """What the user gave cannot be used. Nothing has been created."""

    exit_status = EXIT_BAD_INPUT


class BadOption(BadInput):
    """An option of the command line, or a combination of options, that makes no sense."""


class SpecUnreadable(BadInput):
    """The spec file is not there, not readable or not JSON."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}. Give a JSON file like those in specs/.")


class SpecInvalid(BadInput):
    """The spec is JSON, but not a spec that this kit can run."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"{path} is not a valid spec:\n{lines}\nspecs/workflow_specs.schema.json says what is allowed."
        )
        self.problems = tuple(problems)


class SpecPatternUnknown(BadInput):
    """The spec does not say for which pattern it is, and neither does the command line."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} does not tell whether it is for pattern 1 or 2. Say so with --pattern 1 or --pattern 2."
        )


class SpecForOnePattern(BadInput):
    """Both patterns are asked for, but the spec is for one."""

    def __init__(self, path: Path, pattern: int) -> None:
        super().__init__(f"{path} is for pattern {pattern}: leave --pattern all out, or fill in no names of resources.")


class StackSettingsUnusable(BadInput):
    """A stack's settings file cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"--stack-config {path}: {reason}")


class ConfigRefused(BadInput):
    """A value of the kit's configuration is unknown or out of range."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"configuration: {reason}")


class CredentialsMissing(BadInput):
    """No AWS credentials where the AWS SDK looks for them."""

    def __init__(self) -> None:
        super().__init__(
            "--target aws: no AWS credentials found. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or run `aws sso login`; or leave --target out to run on this machine without AWS."
        )


class RegionMissing(BadInput):
    """No AWS region where the AWS SDK looks for it."""

    def __init__(self) -> None:
        super().__init__("--target aws: no AWS region found. Set AWS_REGION, or give your profile a region.")


class CredentialsUnusable(BadInput):
    """The AWS SDK cannot make anything of the profile, the region or the endpoint that it was given."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"--target aws: {reason.rstrip('.')}. Correct what the environment's AWS_… variables, or the profile, say."
        )


class AwsUnreachable(BadInput):
    """AWS, or what stands for it, does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"--target aws: sts:GetCallerIdentity failed: {reason.rstrip('.')}. "
            "Check the network, AWS_REGION and AWS_ENDPOINT_URL."
        )


class CredentialsRefused(BadInput):
    """AWS did not accept the credentials."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"--target aws: sts:GetCallerIdentity failed: {reason}. Renew the credentials and try again.")


class BundledPluginsOnAws(BadInput):
    """The stand-in plugins were asked for against AWS itself."""

    def __init__(self) -> None:
        super().__init__(
            "--plugins bundled: the bundled provider plugins are made for the emulator. "
            "Leave --plugins out to use the published ones on AWS, "
            "or set AWS_ENDPOINT_URL to an emulator (http://localhost:PORT)."
        )


class DockerNeeded(BadInput):
    """The published plugins build the image with Docker, and no daemon answers."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"--plugins published builds the task's image with Docker, and no Docker daemon answers ({reason}). "
            "Start Docker, or set DOCKER_HOST."
        )


class DockerEndpointUnusable(BadInput):
    """The docker CLI is set to an engine that Pulumi's docker plugin cannot be led to."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"--plugins published builds the task's image with Docker: {reason}.")


class BuildPlatformMissing(BadInput):
    """The Docker engine cannot build the task's image for the processor that the tasks run on."""

    def __init__(self, platform: str, native: str) -> None:
        architecture = platform.rpartition("/")[2]
        super().__init__(
            f"the task's image is for {platform}, as cpuArchitecture says, and the Docker engine is {native} without "
            f"an emulator for {architecture} that `docker buildx inspect default` would show. Install one with "
            f"`docker run --privileged --rm tonistiigi/binfmt --install {architecture}`, "
            "or set cpuArchitecture to the engine's own."
        )


class ContainerRuntimeUnavailable(BadInput):
    """The container runtime that was asked for does not work on this machine."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"--container-runtime docker cannot be used: {reason}. Put that right, or use --container-runtime process."
        )


class EmulatorUnavailable(BadInput):
    """The emulator cannot be started as asked."""


class PlaceUnusable(BadInput):
    """Nothing can be written where something is to be written."""

    def __init__(self, place: str, reason: str, advice: str) -> None:
        super().__init__(f"{place}: {reason}. {advice}.")


class ConfirmationNeeded(BadInput):
    """Something that costs money must be confirmed, and nobody is there to ask."""

    def __init__(self) -> None:
        super().__init__(
            "--target aws creates resources that cost money and asks first, but the input is not a terminal. "
            "Add --yes to go ahead without being asked."
        )


class PulumiMissing(BadInput):
    """No Pulumi CLI, and no way to get one."""


class BackendUnavailable(BadInput):
    """Pulumi's backend, where it keeps its state, cannot be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Pulumi's backend cannot be used: {reason}\n"
            "Run `pulumi login`, or set PULUMI_BACKEND_URL (and PULUMI_CONFIG_PASSPHRASE) to another one."
        )


class WrongAccount(BadInput):
    """The stack exists and is somebody else's: it was deployed to another account or region."""

    def __init__(self, stack: str, deployed: str, here: str) -> None:
        super().__init__(
            f"stack {stack} in Pulumi's backend was deployed to {deployed}, and the credentials are for {here}. "
            "Use those credentials, or another stack with --config nameSuffix=…"
        )


class Declined(DriverError):
    """The user was asked and said no. Nothing was deployed."""

    def __init__(self) -> None:
        super().__init__("Declined: nothing was deployed.")


class NotYourStack(DriverError):
    """Somebody else is updating the stack; its lock is not ours to break."""

    def __init__(self, stack: str, reason: str) -> None:
        super().__init__(
            f"stack {stack} is being updated by somebody else: {reason}\n"
            f"Wait for it, or, if that update is dead, run `pulumi cancel --stack {stack}` and try again."
        )


class StackOperationFailed(DriverError):
    """Pulumi could not do what it was told.

    Attributes:
        operation: what was tried: `preview`, `up`, `refresh`, `destroy`, …
        diagnostics: the engine's own error messages, oldest first.
    """

    def __init__(self, operation: str, diagnostics: Sequence[str]) -> None:
        lines = "\n".join(f"  {line}" for line in diagnostics)
        super().__init__(f"pulumi {operation} failed:\n{lines}")
        self.operation = operation
        self.diagnostics = tuple(diagnostics)


class SourceObjectMissing(DriverError):
    """A task's source object is in a bucket that is not the kit's, and not there."""

    def __init__(self, uris: Sequence[str]) -> None:
        super().__init__(
            f"these source objects cannot be read: {', '.join(uris)}. "
            "Put them there, and list their bucket in the config key sourceBuckets."
        )


class StillRunning(DriverError):
    """ECS tasks of this stack did not stop in time."""

    def __init__(self, cluster: str, tasks: Sequence[str], waited_seconds: float) -> None:
        super().__init__(
            f"{len(tasks)} ECS tasks in cluster {cluster} did not stop within {waited_seconds:.0f} s: "
            f"{', '.join(tasks)}. Stop them with `aws ecs stop-task` and destroy the stack again."
        )
