"""What can fail in building and pushing an image."""

from local_aws.plugins.framework.errors import ProviderError

_NO_INDEX = ("No matching distribution found", "Failed to establish a new connection", "Temporary failure in name")
"""What pip says if it reaches no package index."""


class DockerfileError(ProviderError):
    """A line of a Dockerfile that cannot be followed."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {reason}")


class RegistryError(ProviderError):
    """The registry refused something, or cannot be reached."""


class BuildFailed(ProviderError):
    """A step of a build failed."""

    def __init__(self, dockerfile: str, reason: str, log: list[str]) -> None:
        lines = "".join(f"\n  {line}" for line in log if line)
        hint = ""
        if any(sign in line for line in [reason, *log] for sign in _NO_INDEX):
            hint = "; a build that reaches no package index takes wheels: run `make wheels`"
        super().__init__(f"{dockerfile}: {reason}{hint}{lines}")


class EngineUnavailable(ProviderError):
    """No Docker engine answers."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the image is built with Docker, but no engine answers: {reason}; "
            "start it, or build without it (LOCAL_AWS_IMAGE_BUILDER=archive, for the process runtime)"
        )
