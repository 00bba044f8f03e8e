"""Faults that runs on the local target are to survive: read from a file, made by the emulator while runs are on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ecs_kit.automation.errors import BadInput, DriverError

SERVICES = frozenset(
    {
        "dynamodb",
        "ecr",
        "ecs",
        "events",
        "kinesis",
        "kms",
        "lambda",
        "logs",
        "monitoring",
        "s3",
        "secretsmanager",
        "sns",
        "sqs",
        "ssm",
        "states",
        "sts",
    }
)
"""What a run's functions, tasks and state machine may call, as the emulator names it."""

STACK_CALLERS = "*:assumed-role/*"
"""Sessions of the stack's roles. The driver itself is the account's root, and is spared unless a rule names it."""


class FaultsUnusable(BadInput):
    """A file of fault rules cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"--faults {path}: {reason}. specs/faults.example.json and docs/faults.md show what is meant.")


class InjectorLost(DriverError):
    """The emulator ended while it made faults."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the emulator does not tell which faults it made: {reason}. Its log may say why it ended.")


class Injector(Protocol):
    """What makes faults, in sets that have names."""

    def inject_faults(self, rules: Sequence[Mapping[str, Any]], name: str = "") -> None:
        """Make these and no others of the set; none end it."""

    def injected_faults(self, name: str = "") -> list[dict[str, Any]]:
        """For each rule of the set: its `name`, how many calls `matched` and how many it `met`."""


@dataclass(frozen=True)
class Faults:
    """Rules, and who makes them true.

    Attributes:
        rules: as `docs/faults.md` describes them.
        injector: the emulator.
    """

    rules: Sequence[Mapping[str, Any]]
    injector: Injector

    @contextmanager
    def injected(self, met: list[dict[str, Any]]) -> Iterator[None]:
        """Make the faults for as long as the block lasts.

        Args:
            met: what they met is added there at the end, however the block ends.
        """
        self.injector.inject_faults(self.rules)
        try:
            yield
        finally:
            try:
                met += self.injector.injected_faults()
                self.injector.inject_faults([])
            except OSError as error:
                raise InjectorLost(str(error)) from error


class Rule(Protocol):
    """As much of a rule as is looked at here."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    @property
    def service(self) -> str:
        """Whose calls it meets."""


def read(path: Path, parse: Callable[[Any], Sequence[Rule]]) -> tuple[Mapping[str, Any], ...]:
    """Read and check a file of fault rules. A rule without a `caller` meets the stack, not the driver.

    Args:
        path: the file.
        parse: the emulator's own reading of rules; a `ValueError` says what it does not understand.

    Raises:
        FaultsUnusable: it is not there, not JSON, or a rule in it is not understood.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FaultsUnusable(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise FaultsUnusable(path, "it is not a text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise FaultsUnusable(path, f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    try:
        parsed = parse(document)
    except ValueError as error:
        raise FaultsUnusable(path, str(error)) from error
    if not parsed:
        raise FaultsUnusable(path, "it has no rules")
    for index, rule in enumerate(parsed):
        if rule.service not in SERVICES:
            known = ", ".join(sorted(SERVICES))
            raise FaultsUnusable(path, f"fault rule {index}: service {rule.service!r} is not one of {known}")
    given = document["rules"] if isinstance(document, dict) else document
    return tuple(
        {"caller": STACK_CALLERS, "name": rule.name, **fields} for rule, fields in zip(parsed, given, strict=True)
    )
