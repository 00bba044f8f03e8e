"""The driver's errors. Each message says what was wrong, where, and what to do about it.

A condition has a class of its own only where code tells it apart.
"""

from enum import StrEnum

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2


class DriverError(Exception):
    """Something failed; the driver ends with `exit_status`."""

    exit_status = EXIT_FAILED


class BadInput(DriverError):
    """What the user gave cannot be used. Nothing has been created."""

    exit_status = EXIT_BAD_INPUT


class NotYourStack(DriverError):
    """Somebody else is updating the stack; its lock must not be broken."""


class StoppedBy(StrEnum):
    """The error of an execution that the driver stops, by the command that does so."""

    ABORT = "Aborted"
    DESTROY = "StackDestroyed"
