"""What changed between two property bags."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from local_aws.plugins.framework.schema import Table, canonical, matches
from local_aws.plugins.framework.values import contains_unknown


class Kind(Enum):
    """How a property changed."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True)
class Change:
    """One changed property: how, and whether it needs another resource."""

    kind: Kind
    replaces: bool


def compare(
    table: Table, old: Mapping[str, Any], new: Mapping[str, Any], ignore: Collection[str] = ()
) -> dict[str, Change]:
    """The changes that turn `old` into `new`, by top-level property; the engine finds the nested ones itself.

    An unknown new value is a change, as it may be one. A property that `new` leaves to AWS is none, nor one of
    `ignore`. Ignored values within a property are the old ones already: the engine puts them there.
    """
    changes: dict[str, Change] = {}
    for name, row in table.items():
        was, becomes = old.get(name), new.get(name)
        if name in ignore or (matches(row, becomes, was) and not contains_unknown(canonical(row.shape, becomes))):
            continue
        was_absent = canonical(row.shape, was, row.default) is None
        is_absent = canonical(row.shape, becomes, row.default) is None
        kind = Kind.ADD if was_absent else Kind.DELETE if is_absent else Kind.UPDATE
        changes[name] = Change(kind, row.replaces)
    return changes
