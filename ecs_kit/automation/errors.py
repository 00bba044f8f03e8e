"""The driver's errors, each with its message and the exit status that the process ends with.

A condition has a class of its own where code tells it apart or where it has several sources. Everything else is a
`BadInput` or a `DriverError` with its message. Every message says what was wrong, where, and what to do about it.
"""

from collections.abc import Sequence
from pathlib import Path

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2


class DriverError(Exception):
    """Ends the driver with `exit_status`. The `{}` of `message` stand for what the error is made with."""

    exit_status = EXIT_FAILED
    message = "{}"

    def __init__(self, *values: object) -> None:
        super().__init__(self.message.format(*values))


class BadInput(DriverError):
    """What the user gave cannot be used. Nothing has been created."""

    exit_status = EXIT_BAD_INPUT


class BadOption(BadInput):
    """An option of the command line, or a combination of options, makes no sense."""


class SpecUnreadable(BadInput):
    """The spec file does not exist, cannot be read, or is not JSON."""

    message = "{}: {}. Give a JSON file like those in specs/."


class SpecInvalid(BadInput):
    """The spec is JSON that the kit cannot run."""

    message = "{} is not a valid spec:\n{}\nspecs/workflow_specs.schema.json says what is allowed."

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(path, _indented(problems))
        self.problems = tuple(problems)


class SpecPatternUnknown(BadInput):
    """Neither the spec nor the command line names the pattern."""

    message = "{} does not tell whether it is for pattern 1 or 2. Say so with --pattern 1 or --pattern 2."


class SpecForOnePattern(BadInput):
    """The spec names the resources of one pattern, and both patterns are to run it."""

    message = "{} is for pattern {}: leave --pattern all out, or fill in no names of resources."


class StackSettingsUnusable(BadInput):
    """A stack's settings file cannot be used."""

    message = "--stack-config {}: {}"


class FaultsUnusable(BadInput):
    """A file of fault rules cannot be used."""

    message = "--faults {}: {}. specs/faults.example.json and docs/faults.md show what is meant."


class AwsUnusable(BadInput):
    """The environment has no credentials or region, or AWS does not accept them."""

    message = "--target aws: {}"


class DockerNeeded(BadInput):
    """The published plugins build the image with Docker, and no daemon answers."""

    message = (
        "--plugins published builds the task's image with Docker, and no Docker daemon answers ({}). "
        "Start Docker, or set DOCKER_HOST."
    )


class DockerEndpointUnusable(BadInput):
    """Pulumi's docker plugin cannot use the engine that the docker CLI is set to."""

    message = "--plugins published builds the task's image with Docker: {}."


class BackendUnavailable(BadInput):
    """Pulumi's backend, where it keeps its state, cannot be used."""

    message = (
        "Pulumi's backend cannot be used: {}\n"
        "Run `pulumi login`, or set PULUMI_BACKEND_URL (and PULUMI_CONFIG_PASSPHRASE) to another one."
    )


class WrongAccount(BadInput):
    """The stack was deployed to another account or region."""

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
    """A Pulumi command failed.

    Attributes:
        diagnostics: the engine's own error messages, oldest first.
    """

    message = "pulumi {} failed:\n{}"

    def __init__(self, operation: str, diagnostics: Sequence[str]) -> None:
        super().__init__(operation, _indented(diagnostics))
        self.diagnostics = tuple(diagnostics)


class ConfirmationNeeded(BadInput):
    """A deployment that costs money must be confirmed, and standard input is not a terminal."""

    message = (
        "--target aws creates resources that cost money and asks first, but the input is not a terminal. "
        "Add --yes to go ahead without being asked."
    )


class Declined(DriverError):
    """The user was asked and said no."""

    message = "Declined: nothing was deployed."


class SourceObjectMissing(DriverError):
    """A task's source object does not exist, in a bucket that is not the kit's."""

    message = (
        "these source objects cannot be read: {}. "
        "Put them there, and list their bucket in the config key sourceBuckets."
    )


class SeveralRuns(BadInput):
    """A command about one run matches several."""

    message = "{} is about one run, and these are meant: {}. Say which with --pattern, --run or --workflow."


class EcsTasksRemain(DriverError):
    """ECS tasks of this stack did not stop in time."""

    message = (
        "{} ECS tasks in cluster {} did not stop within {:.0f} s: {}. "
        "Stop them with `aws ecs stop-task` and destroy the stack again."
    )


class FolderInUse(DriverError):
    """Another active driver works in the folder."""

    message = "another e2e{} works on the stack of {}. Wait for its end, or end it."


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)
