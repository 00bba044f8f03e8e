"""Fault injection on the local target: rules from a file, which the emulator applies to the calls of the runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_kit.automation.errors import BadInput, DriverError
from ecs_kit.automation.stacks.target import Injector

SERVICES = frozenset(("dynamodb", "ecr", "ecs", "events", "kinesis", "kms", "lambda", "logs")) | frozenset(
    ("monitoring", "s3", "secretsmanager", "sns", "sqs", "ssm", "states", "sts")
)
"""What a run's functions, tasks and state machine may call, by the emulator's names."""

STACK_CALLERS = "*:assumed-role/*"
"""Sessions of the stack's roles. The driver itself is the account's root, and is spared unless a rule names it."""


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


def read(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Read and check a file of fault rules. A rule without a `caller` applies to the stack, not to the driver.

    Raises:
        BadInput: there is no such file, it is not JSON, or a rule in it is not valid.
    """
    try:
        return _rules(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        reason = error.strerror or str(error)
    except UnicodeDecodeError:
        reason = "it is not a text in UTF-8"
    except json.JSONDecodeError as error:
        reason = f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    except ValueError as error:
        reason = str(error)
    raise BadInput(f"--faults {path}: {reason}. specs/faults.example.json and docs/faults.md show what is meant.")


def _rules(document: Any) -> tuple[Mapping[str, Any], ...]:
    from ecs_kit.automation.stacks.local import parse_rules

    parsed = parse_rules(document)
    if not parsed:
        raise ValueError("it has no rules")
    for index, rule in enumerate(parsed):
        if rule.service not in SERVICES:
            known = ", ".join(sorted(SERVICES))
            raise ValueError(f"fault rule {index}: service {rule.service!r} is not one of {known}")
    given = document["rules"] if isinstance(document, dict) else document
    return tuple(
        {"caller": STACK_CALLERS, "name": rule.name, **fields} for rule, fields in zip(parsed, given, strict=True)
    )
