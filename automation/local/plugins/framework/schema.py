"""Property tables: what a resource type takes, checked and compared by one set of rules.

A table is a mapping of property names to `Property`. A property's `Shape` says what its values look like. Where the
tables differ from nothing but the published providers' own schemas, they are wrong: a test compares the two.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from automation.local.plugins.framework.errors import CheckFailure
from automation.local.plugins.framework.values import UNKNOWN, Archive, Asset, Properties

DEFAULTS: Final = "__defaults"
"""The input that lists the properties which the provider filled in, as the published providers keep it."""


class Shape:
    """What values of a property look like."""


@dataclass(frozen=True)
class Scalar(Shape):
    """A plain value. `json` is a string that holds a JSON document and is compared as the document.

    Attributes:
        kind: the type.
        meaning: gives a document, or a plain value, a form in which equal means equal.
    """

    kind: Literal["string", "integer", "number", "boolean", "json", "archive", "any"]
    meaning: Callable[[Any], Any] | None = None


STRING: Final = Scalar("string")
INTEGER: Final = Scalar("integer")
NUMBER: Final = Scalar("number")
BOOLEAN: Final = Scalar("boolean")
JSON: Final = Scalar("json")
ARCHIVE: Final = Scalar("archive")
ANY: Final = Scalar("any")


@dataclass(frozen=True)
class ListOf(Shape):
    """A list; its order counts."""

    item: Shape


@dataclass(frozen=True)
class SetOf(Shape):
    """A list whose order means nothing."""

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
        shape: what its values look like.
        required: whether the program must give it.
        replaces: whether a change means another resource.
        default: what an absent value means; a value equal to it counts as absent.
        computed: whether AWS decides on a value where the program gives none.
        unreadable: whether AWS never tells it, so that a refresh keeps what the state has.
        allowed: the only values there are.
        uncompared: whether a change of it means nothing.
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


def child_path(path: str, key: str) -> str:
    """The path of a member of an object, in the engine's notation."""
    if not re.fullmatch(r"[A-Za-z_$][\w$]*", key):
        quoted = key.replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{key}" if path else key


def check(table: Table, properties: Mapping[str, Any]) -> tuple[Properties, list[CheckFailure]]:
    """`properties` with numbers, booleans and texts in the form the table asks for, and what is wrong with them.

    A number or boolean given for a text is written out and a text that is a number is read, as the published
    providers do.
    """
    failures: list[CheckFailure] = []
    return _check_object(table, properties, "", failures), failures


def _check_object(table: Table, properties: Mapping[str, Any], path: str, failures: list[CheckFailure]) -> Properties:
    checked: Properties = {}
    for name, value in properties.items():
        if name == DEFAULTS:
            continue
        at = child_path(path, name)
        if name not in table:
            failures.append(CheckFailure(at, f"there is no such property; there are {', '.join(sorted(table))}"))
        elif value is not None:
            checked[name] = _check_value(table[name].shape, value, at, failures)
            allowed = table[name].allowed
            if allowed and checked[name] is not UNKNOWN and checked[name] not in allowed:
                choices = ", ".join(map(str, allowed))
                failures.append(CheckFailure(at, f"{checked[name]!r} is not one of {choices}"))
    for name, row in table.items():
        if row.required and properties.get(name) is None:
            failures.append(CheckFailure(child_path(path, name), "it is required and missing"))
    return checked


def _check_value(shape: Shape, value: Any, path: str, failures: list[CheckFailure]) -> Any:
    if value is UNKNOWN:
        return value
    if isinstance(shape, Scalar):
        return _check_scalar(shape, value, path, failures)
    if isinstance(shape, (ListOf, SetOf)):
        if not isinstance(value, list):
            failures.append(CheckFailure(path, f"it must be a list, not {_describe(value)}"))
            return value
        return [_check_value(shape.item, item, f"{path}[{index}]", failures) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        failures.append(CheckFailure(path, f"it must be an object, not {_describe(value)}"))
        return value
    if isinstance(shape, MapOf):
        return {key: _check_value(shape.item, item, child_path(path, key), failures) for key, item in value.items()}
    assert isinstance(shape, Object)
    return _check_object(shape.properties, value, path, failures)


def _check_scalar(shape: Scalar, value: Any, path: str, failures: list[CheckFailure]) -> Any:
    kind = shape.kind
    if kind == "any":
        return value
    if kind == "archive":
        if not isinstance(value, (Archive, Asset)):
            failures.append(CheckFailure(path, f"it must be an asset or archive, not {_describe(value)}"))
        return value
    if kind in ("string", "json"):
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, (int, float)):
            value = str(value)
        if not isinstance(value, str):
            failures.append(CheckFailure(path, f"it must be a string, not {_describe(value)}"))
        elif kind == "json":
            failures.extend(_json_failures(value, path))
        return value
    if kind == "boolean":
        if value in ("true", "false"):
            return value == "true"
        if not isinstance(value, bool):
            failures.append(CheckFailure(path, f"it must be true or false, not {_describe(value)}"))
        return value
    if isinstance(value, str):
        try:
            value = float(value) if kind == "number" else int(value)
        except ValueError:
            failures.append(CheckFailure(path, f"it must be a number, not {value!r}"))
            return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        failures.append(CheckFailure(path, f"it must be a number, not {_describe(value)}"))
    elif kind == "integer" and not isinstance(value, int):
        failures.append(CheckFailure(path, f"it must be a whole number, not {value}"))
    return value


def _json_failures(text: str, path: str) -> Iterator[CheckFailure]:
    try:
        json.loads(text)
    except ValueError as error:
        yield CheckFailure(path, f"it is not a JSON document: {error}")


def _describe(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), f"a {type(value).__name__.lower()}")


def canonical(shape: Shape, value: Any, default: Any = None) -> Any:
    """A form of `value` in which equal means equal: what counts as absent is `None`.

    Absent are `None`, the default, and, where there is no default, false, 0, "" and empty collections, as in the
    published providers' state.
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
        return value.hash if isinstance(value, (Archive, Asset)) and value.hash else value
    if isinstance(shape, ListOf) and isinstance(value, list):
        return [_canonical(shape.item, item) for item in value]
    if isinstance(shape, SetOf) and isinstance(value, list):
        return sorted((_canonical(shape.item, item) for item in value), key=sort_key)
    if isinstance(shape, MapOf) and isinstance(value, dict):
        return {key: _canonical(shape.item, item) for key, item in value.items()}
    if isinstance(shape, Object) and isinstance(value, dict):
        members = {name: canonical(row.shape, value.get(name), row.default) for name, row in shape.properties.items()}
        return {name: member for name, member in members.items() if member is not None}
    return value


def sort_key(value: Any) -> str:
    """A total order over plain values."""
    return json.dumps(value, sort_keys=True, default=repr)


def matches(row: Property, wanted: Any, actual: Any) -> bool:
    """Whether `actual`, read from AWS, is what `wanted` asks for; what AWS decides on by itself is not compared."""
    if wanted is None and row.computed:
        return True
    found = canonical(row.shape, _without_extras(row.shape, wanted, actual), row.default)
    return bool(canonical(row.shape, wanted, row.default) == found)


def _without_extras(shape: Shape, wanted: Any, actual: Any) -> Any:
    """`actual` without members that AWS decided on and `wanted` leaves open."""
    if isinstance(shape, Object) and isinstance(actual, dict):
        asked = wanted if isinstance(wanted, dict) else {}
        return {
            name: _without_extras(row.shape, asked.get(name), actual[name])
            for name, row in shape.properties.items()
            if name in actual and not (row.computed and asked.get(name) is None)
        }
    if isinstance(shape, ListOf) and isinstance(actual, list):
        known = wanted if isinstance(wanted, list) else []
        padded = known + [None] * (len(actual) - len(known))
        return [_without_extras(shape.item, w, a) for w, a in zip(padded, actual, strict=False)]
    if isinstance(shape, SetOf) and isinstance(shape.item, Object) and isinstance(actual, list):
        asked_keys = {key for item in wanted or [] if isinstance(item, dict) for key in item}
        template = dict.fromkeys(asked_keys, True)
        return [_without_extras(shape.item, template, item) for item in actual]
    return actual


def spell(shape: Shape, wanted: Any, actual: Any) -> Any:
    """`actual` in the words of `wanted` where both mean the same: documents keep their text, sets their order."""
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
    """The inputs that describe what AWS has: `inputs` where they still hold, else what was read."""
    result: Properties = {}
    if DEFAULTS in inputs:
        result[DEFAULTS] = inputs[DEFAULTS]
    for name, row in table.items():
        wanted, found = inputs.get(name), actual.get(name)
        kept = row.unreadable or matches(row, wanted, found)
        value = wanted if kept else _without_extras(row.shape, wanted, found)
        if value is not None:
            result[name] = value
    return result


def importable(table: Table, actual: Mapping[str, Any]) -> Properties:
    """The inputs of a resource that is taken over: what is set, but not what AWS decides on and may decide anew."""
    result: Properties = {}
    for name, row in table.items():
        found = actual.get(name)
        if found is not None and (row.required or row.replaces or not row.computed):
            value = _without_extras(row.shape, None, found)
            if row.required or canonical(row.shape, value, row.default) is not None:
                result[name] = value
    return result
