"""What can go wrong in building and pushing an image."""

from automation.local.plugins.framework.errors import ProviderError


class DockerfileError(ProviderError):
    """A line of a Dockerfile that cannot be followed."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {reason}")


class ContextError(ProviderError):
    """The build context is not as it must be."""


class RegistryError(ProviderError):
    """The registry refused something, or cannot be reached."""
