"""What can fail in a provider."""

from dataclasses import dataclass


class ProviderError(Exception):
    """Any failure with a message for the user."""


@dataclass(frozen=True)
class CheckFailure:
    """A wrong property: its path and the reason."""

    path: str
    reason: str
