"""Fault injection on the local target: rules from a file, which the emulator applies to the calls of the runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ecs_kit.automation.errors import DriverError, FaultsUnusable

SERVICES = frozenset(("dynamodb", "ecr", "ecs", "events", "kinesis", "kms", "lambda", "logs")) | frozenset(
    ("monitoring", "s3", "secretsmanager", "sns", "sqs", "ssm", "states", "sts")
)
"""What a run's functions, tasks and state machine may call, by the emulator's names."""

STACK_CALLERS = "*:assumed-role/*"
"""Sessions of the stack's roles. The driver itself is the account's root, and is spared unless a rule names it."""


class Injector(Protocol):
    """What injects faults, in named sets of rules."""

    def inject_faults(self, rules: Sequence[Mapping[str, Any]], name: str = "") -> None:
        """Replace the rules of the set; none end it."""

    def injected_faults(self, name: str = "") -> list[dict[str, Any]]:
        """For each rule of the set: its `name`, how many calls `matched` and how many it `met`."""


@dataclass(frozen=True)
class Faults:
    """Rules, as `docs/faults.md` describes them, and what injects them."""

    rules: Sequence[Mapping[str, Any]]
    injector: Injector

    @contextmanager
    def injected(self, met: list[dict[str, Any]]) -> Iterator[None]:
        """Inject the faults within the block. However it ends, each rule's counts are then appended to `met`.

        Raises:
            DriverError: the emulator ended meanwhile.
        """
        self.injector.inject_faults(self.rules)
        try:
            yield
        finally:
            try:
                met += self.injector.injected_faults()
                self.injector.inject_faults([])
            except OSError as error:
                raise DriverError(
                    f"the emulator does not tell which faults it made: {error}. Its log may say why it ended."
                ) from error


def read(path: Path, parse: Callable[[Any], Sequence[Any]]) -> tuple[Mapping[str, Any], ...]:
    """Read and check a file of fault rules. A rule without a `caller` applies to the stack, not to the driver.

    `parse` is the emulator's; its rules have a `name` and a `service`, and its `ValueError` says what is wrong.

    Raises:
        FaultsUnusable: there is no such file, it is not JSON, or a rule in it is not valid.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        parsed = parse(document)
    except OSError as error:
        raise FaultsUnusable(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise FaultsUnusable(path, "it is not a text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise FaultsUnusable(path, f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    except ValueError as error:
        raise FaultsUnusable(path, error) from error
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
