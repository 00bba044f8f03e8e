"""What changed between two property bags, path by path."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from automation.local.plugins.framework.schema import (
    ListOf,
    MapOf,
    Object,
    Property,
    SetOf,
    Shape,
    Table,
    canonical,
    child_path,
)
from automation.local.plugins.framework.values import UNKNOWN


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
    table: Table, old: Mapping[str, Any], new: Mapping[str, Any], ignore: Iterable[str] = ()
) -> dict[str, Change]:
    """The changes that turn `old` into `new`, by path in the engine's notation.

    An unknown new value is a change, as it may be one. A property that `new` leaves to AWS is not. Paths of
    `ignore` (and below them) are left out.
    """
    changes: dict[str, Change] = {}
    for name, row in table.items():
        if new.get(name) is None and row.computed:
            continue
        _compare(row, old.get(name), new.get(name), name, row.replaces, changes)
    ignored = tuple(ignore)
    return {path: change for path, change in changes.items() if not any(_below(path, root) for root in ignored)}


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith((f"{root}.", f"{root}["))


def _compare(row: Property, old: Any, new: Any, path: str, replaces: bool, changes: dict[str, Change]) -> None:
    if row.uncompared:
        return
    was, becomes = canonical(row.shape, old, row.default), canonical(row.shape, new, row.default)
    if becomes is not UNKNOWN and was is not UNKNOWN and was == becomes:
        return
    if was is None:
        changes[path] = Change(Kind.ADD, replaces or _any_replaces(row.shape))
    elif becomes is None:
        changes[path] = Change(Kind.DELETE, replaces or _any_replaces(row.shape))
    elif not _descend(row.shape, old, new, path, replaces, changes):
        changes[path] = Change(Kind.UPDATE, replaces)


def _any_replaces(shape: Shape) -> bool:
    """Whether a member that must not change is below `shape`: adding or removing the whole changes it."""
    if isinstance(shape, Object):
        return any(row.replaces or _any_replaces(row.shape) for row in shape.properties.values())
    return isinstance(shape, (ListOf, SetOf, MapOf)) and _any_replaces(shape.item)


def _descend(shape: Shape, old: Any, new: Any, path: str, replaces: bool, changes: dict[str, Change]) -> bool:
    """Compare members one by one; false where `shape` has none or a side is not of that shape."""
    if isinstance(shape, Object) and isinstance(old, dict) and isinstance(new, dict):
        for name, row in shape.properties.items():
            if new.get(name) is None and row.computed:
                continue
            _compare(row, old.get(name), new.get(name), child_path(path, name), replaces or row.replaces, changes)
    elif isinstance(shape, MapOf) and isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            at = child_path(path, key)
            if key not in old:
                changes[at] = Change(Kind.ADD, replaces)
            elif key not in new:
                changes[at] = Change(Kind.DELETE, replaces)
            else:
                _compare(Property(shape.item), old[key], new[key], at, replaces, changes)
    elif isinstance(shape, ListOf) and isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            at = f"{path}[{index}]"
            if index >= len(old):
                changes[at] = Change(Kind.ADD, replaces)
            elif index >= len(new):
                changes[at] = Change(Kind.DELETE, replaces)
            else:
                _compare(Property(shape.item), old[index], new[index], at, replaces, changes)
    elif isinstance(shape, SetOf) and isinstance(old, list) and isinstance(new, list):
        _compare_sets(shape, old, new, path, replaces, changes)
    else:
        return False
    return True


def _compare_sets(
    shape: SetOf, old: list[Any], new: list[Any], path: str, replaces: bool, changes: dict[str, Change]
) -> None:
    was = [canonical(shape.item, item) for item in old]
    becomes = [canonical(shape.item, item) for item in new]
    for index, item in enumerate(was):
        if item not in becomes:
            changes[f"{path}[{index}]"] = Change(Kind.DELETE, replaces)
    for index, item in enumerate(becomes):
        if item is UNKNOWN or item not in was:
            at = f"{path}[{index}]"
            changes[at] = Change(Kind.UPDATE if at in changes else Kind.ADD, replaces)
