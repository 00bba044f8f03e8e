"""What can go wrong in a provider, as far as somebody tells it apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ProviderError(Exception):
    """Any failure with a message for the user."""


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
