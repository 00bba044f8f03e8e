"""Property values as the engine sends them, and as Python sees them.

The engine's property bags are protobuf `Struct`s in which unknown values, secrets and archives are written with
signatures (Pulumi's developer documentation, "Property values"). Here they are plain Python values and the classes
below. The servicer accepts neither output values nor resource references, so the engine sends none.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"
ARCHIVE_SIGNATURE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
# One per kind of value that the engine does not know yet: boolean, number, string, array, asset, archive, object.
UNKNOWN_SENTINELS: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Properties = dict[str, Any]


class Unknown:
    """A value that is not known before something is created. There is one: `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that is neither shown nor stored in plain text."""

    value: Any


@dataclass(frozen=True)
class Archive:
    """An archive by its path; `hash` is the engine's SHA-256 of it (hex), which is all that the state has of it."""

    path: str = ""
    hash: str = ""


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """The property bag of a `Struct`; nulls are left out, as an absent property."""
    values = {key: _from_value(value) for key, value in struct.fields.items()}
    return {key: value for key, value in values.items() if value is not None}


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """The `Struct` of a property bag; `None` is left out."""
    return struct_pb2.Struct(fields={key: to_value(value) for key, value in properties.items() if value is not None})


def _from_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in UNKNOWN_SENTINELS else value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    return _from_object(value.struct_value) if kind == "struct_value" else None


def _from_object(struct: struct_pb2.Struct) -> Any:
    plain = from_struct(struct)
    signature = plain.pop(SIGNATURE, None)
    if signature == SECRET_SIGNATURE:
        return Secret(plain.get("value"))
    if signature == ARCHIVE_SIGNATURE:
        return Archive(plain.get("path", ""), plain.get("hash", ""))
    return plain


def to_value(value: Any) -> struct_pb2.Value:
    """One property value as protobuf; `TypeError` for a Python value that has no counterpart."""
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=UNKNOWN_STRING)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, (int, float)):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=to_struct(value))
    if isinstance(value, (list, tuple)):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[to_value(item) for item in value]))
    if isinstance(value, Secret):
        return to_value({SIGNATURE: SECRET_SIGNATURE, "value": value.value})
    if isinstance(value, Archive):
        return to_value({SIGNATURE: ARCHIVE_SIGNATURE, "path": value.path or None, "hash": value.hash or None})
    raise TypeError(f"a property cannot hold a {type(value).__name__}: {value!r}")


def reveal(value: Any) -> Any:
    """`value` without secret wrappers at any depth."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    return [reveal(item) for item in value] if isinstance(value, list) else value


def contains_unknown(value: Any) -> bool:
    """Whether an unknown is anywhere in `value`, behind a secret too."""
    return _anywhere(value, lambda part: part is UNKNOWN)


def _anywhere(value: Any, is_meant: Callable[[Any], bool]) -> bool:
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    inside = [value.value] if isinstance(value, Secret) else parts
    return is_meant(value) or any(_anywhere(part, is_meant) for part in inside)


def secret_keys(properties: Mapping[str, Any]) -> frozenset[str]:
    """The top-level properties that hold a secret at any depth."""
    return frozenset(
        key for key, value in properties.items() if _anywhere(value, lambda part: isinstance(part, Secret))
    )


def conceal(properties: Mapping[str, Any], keys: Iterable[str]) -> Properties:
    """`properties` with the values of `keys` as secrets: a secret input is never a plain output."""
    hidden = frozenset(keys)
    return {
        key: Secret(value) if key in hidden and not isinstance(value, Secret) else value
        for key, value in properties.items()
    }
