"""Property tables: the inputs of a resource type, checked and compared by one set of rules.

A test compares the names in the tables with the published providers' classes.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from local_aws.plugins.framework.errors import CheckFailure
from local_aws.plugins.framework.values import UNKNOWN, Archive, Properties, contains_unknown


class Shape:
    """The type of a property's values."""


@dataclass(frozen=True)
class Scalar(Shape):
    """A plain value. `json` is a string with a JSON document and is compared as the document.

    `meaning` turns a value, or a document, into its normal form, which is compared.
    """

    kind: Literal["string", "integer", "number", "boolean", "json", "archive"]
    meaning: Callable[[Any], Any] | None = None


STRING: Final = Scalar("string")
INTEGER: Final = Scalar("integer")
NUMBER: Final = Scalar("number")
BOOLEAN: Final = Scalar("boolean")
JSON: Final = Scalar("json")
ARCHIVE: Final = Scalar("archive")


@dataclass(frozen=True)
class ListOf(Shape):
    """A list whose order is significant."""

    item: Shape


@dataclass(frozen=True)
class SetOf(Shape):
    """A list whose order is not significant."""

    item: Shape


@dataclass(frozen=True)
class MapOf(Shape):
    """Free keys, values of one shape."""

    item: Shape


@dataclass(frozen=True)
class Object(Shape):
    """Fixed keys: a table of its own."""

    properties: "Mapping[str, Property]"


@dataclass(frozen=True)
class Property:
    """One row of a table.

    Attributes:
        replaces: whether a change replaces the resource.
        default: what an absent value means; a value equal to it counts as absent.
        computed: whether AWS chooses the value if the program gives none.
        unreadable: whether AWS does not return it, so that a refresh keeps the state's value.
        allowed: the only valid values.
        uncompared: whether a change of it is ignored.
    """

    shape: Shape
    required: bool = False
    replaces: bool = False
    default: Any = None
    computed: bool = False
    unreadable: bool = False
    allowed: tuple[Any, ...] = ()
    uncompared: bool = False


Table = Mapping[str, Property]


def required(**members: Shape) -> Object:
    """An object whose members are all required."""
    return Object({name: Property(shape, required=True) for name, shape in members.items()})


def optional(**members: Shape) -> Object:
    """An object whose members are all optional."""
    return Object({name: Property(shape) for name, shape in members.items()})


def child_path(path: str, key: str) -> str:
    """The path of a member of an object, in the engine's notation."""
    if not re.fullmatch(r"[A-Za-z_$][\w$]*", key):
        quoted = key.replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{key}" if path else key


def check(table: Table, properties: Mapping[str, Any]) -> tuple[Properties, list[CheckFailure]]:
    """`properties` without nulls, and what is wrong with them."""
    failures: list[CheckFailure] = []
    _check_object(table, properties, "", failures)
    return {name: value for name, value in properties.items() if value is not None}, failures


def _check_object(table: Table, properties: Mapping[str, Any], path: str, failures: list[CheckFailure]) -> None:
    for name, value in properties.items():
        at = child_path(path, name)
        if name not in table:
            failures.append(CheckFailure(at, f"there is no such property; there are {', '.join(sorted(table))}"))
        elif value is not None:
            _check_value(table[name].shape, value, at, failures)
            allowed = table[name].allowed
            if allowed and value is not UNKNOWN and value not in allowed:
                failures.append(CheckFailure(at, f"{value!r} is not one of {', '.join(map(str, allowed))}"))
    for name, row in table.items():
        if row.required and properties.get(name) is None:
            failures.append(CheckFailure(child_path(path, name), "it is required and missing"))


def _check_value(shape: Shape, value: Any, path: str, failures: list[CheckFailure]) -> None:
    wanted, kind = _KINDS[shape.kind if isinstance(shape, Scalar) else type(shape)]
    if value is UNKNOWN:
        return
    if not isinstance(value, kind) or (kind in (int, (int, float)) and isinstance(value, bool)):
        failures.append(CheckFailure(path, f"it must be {wanted}, not {type(value).__name__}"))
    elif isinstance(shape, Object):
        _check_object(shape.properties, value, path, failures)
    elif isinstance(shape, MapOf):
        for key, item in value.items():
            _check_value(shape.item, item, child_path(path, key), failures)
    elif isinstance(shape, (ListOf, SetOf)):
        for index, item in enumerate(value):
            _check_value(shape.item, item, f"{path}[{index}]", failures)
    elif isinstance(shape, Scalar) and shape.kind == "json":
        try:
            json.loads(value)
        except ValueError as error:
            failures.append(CheckFailure(path, f"it is not a JSON document: {error}"))


_KINDS: Final[Mapping[Any, tuple[str, Any]]] = {
    "string": ("a string", str),
    "json": ("a string", str),
    "integer": ("a whole number", int),
    "number": ("a number", (int, float)),
    "boolean": ("true or false", bool),
    "archive": ("an archive", Archive),
    ListOf: ("a list", list),
    SetOf: ("a list", list),
    MapOf: ("an object", dict),
    Object: ("an object", dict),
}
"""The name of a shape's values in errors, and their Python type."""


def canonical(shape: Shape, value: Any, default: Any = None) -> Any:
    """The normal form of `value`, which is compared; `None` if it counts as absent.

    Absent are `None`, the default, and without a default false, 0, "" and empty collections, as in the published
    providers' state.
    """
    if value is None or value is UNKNOWN:
        return value
    result = _canonical(shape, value)
    absent = _canonical(shape, default) if default is not None else None
    if result == absent or (default is None and (result in (False, 0, "", None) or result == [] or result == {})):
        return None
    return result


def _canonical(shape: Shape, value: Any) -> Any:
    if value is None or value is UNKNOWN:
        return value
    if isinstance(shape, Scalar):
        if shape.kind == "json" and isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return value
        if shape.meaning is not None:
            return shape.meaning(value)
        return value.hash if isinstance(value, Archive) and value.hash else value
    if isinstance(shape, ListOf) and isinstance(value, list):
        return [_canonical(shape.item, item) for item in value]
    if isinstance(shape, SetOf) and isinstance(value, list):
        return sorted((_canonical(shape.item, item) for item in value), key=sort_key)
    if isinstance(shape, MapOf) and isinstance(value, dict):
        return {key: _canonical(shape.item, item) for key, item in value.items()}
    if isinstance(shape, Object) and isinstance(value, dict):
        members = {
            name: canonical(row.shape, value.get(name), row.default)
            for name, row in shape.properties.items()
            if not row.uncompared
        }
        return {name: member for name, member in members.items() if member is not None}
    return value


def sort_key(value: Any) -> str:
    """A total order over plain values."""
    return json.dumps(value, sort_keys=True, default=repr)


def matches(row: Property, wanted: Any, actual: Any) -> bool:
    """Whether `actual`, read from AWS, equals the input `wanted`; what AWS chooses is not compared."""
    if wanted is None and row.computed:
        return True
    return bool(canonical(row.shape, wanted, row.default) == canonical(row.shape, actual, row.default))


def spell(shape: Shape, wanted: Any, actual: Any) -> Any:
    """`actual` as `wanted` spells it if both are equal: documents keep their text, sets their order."""
    if wanted is None or actual is None:
        return actual
    if isinstance(shape, Object) and isinstance(actual, dict) and isinstance(wanted, dict):
        return {
            name: spell(shape.properties[name].shape, wanted.get(name), value) if name in shape.properties else value
            for name, value in actual.items()
        }
    if isinstance(shape, ListOf) and isinstance(actual, list) and isinstance(wanted, list):
        if len(actual) == len(wanted):
            return [spell(shape.item, w, a) for w, a in zip(wanted, actual, strict=True)]
        return actual
    if isinstance(shape, Scalar) and shape.kind not in ("json", "archive") and shape.meaning is None:
        return actual
    if isinstance(shape, SetOf) and not isinstance(shape.item, Scalar):
        return actual
    return wanted if _canonical(shape, wanted) == _canonical(shape, actual) else actual


def reconcile(table: Table, inputs: Mapping[str, Any], actual: Mapping[str, Any]) -> Properties:
    """The inputs that describe the resource in AWS: each of `inputs` if it is still right, else what was read."""
    result: Properties = {}
    for name, row in table.items():
        wanted, found = inputs.get(name), actual.get(name)
        value = wanted if row.unreadable or matches(row, wanted, found) else found
        if value is not None:
            result[name] = value
    return result


@dataclass(frozen=True)
class Change:
    """One changed property: how, and whether it needs another resource."""

    kind: Literal["ADD", "DELETE", "UPDATE"]
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
        changes[name] = Change("ADD" if was_absent else "DELETE" if is_absent else "UPDATE", row.replaces)
    return changes
