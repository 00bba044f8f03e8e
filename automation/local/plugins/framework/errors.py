"""What can go wrong in a provider, one exception a condition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ProviderError(Exception):
    """Any failure with a message for the user."""


class UnknownResourceType(ProviderError):
    """The plugin has no such resource type."""

    def __init__(self, package: str, token: str, known: list[str]) -> None:
        super().__init__(
            f"this {package} plugin does not know the resource type {token}; it knows {', '.join(sorted(known))}. "
            "Use the published plugin for anything else."
        )


class UnknownFunction(ProviderError):
    """The plugin has no such function."""

    def __init__(self, package: str, token: str, known: list[str]) -> None:
        super().__init__(
            f"this {package} plugin does not know the function {token}; it knows {', '.join(sorted(known))}. "
            "Use the published plugin for anything else."
        )


class ConfigurationError(ProviderError):
    """The provider's own configuration cannot be used."""


class NotSupported(ProviderError):
    """The engine asked for something that this resource type cannot do."""


class TimedOut(ProviderError):
    """A resource did not reach the state waited for in time."""


class Cancelled(ProviderError):
    """The engine cancelled what was under way."""


@dataclass(frozen=True)
class CheckFailure:
    """A property that is not as it must be: the property's path and the reason."""

    path: str
    reason: str


class InitFailed(ProviderError):
    """A resource exists, but it did not become usable or could not be read; the engine keeps it in the state.

    Attributes:
        resource_id: the id of what exists.
        properties: its state, as far as it is known.
        cause: what went wrong then.
        inputs: the inputs it was made from, or brought to.
    """

    def __init__(
        self,
        resource_id: str,
        properties: Mapping[str, Any],
        cause: Exception,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(str(cause))
        self.resource_id = resource_id
        self.properties = properties
        self.cause = cause
        self.inputs = properties if inputs is None else inputs
