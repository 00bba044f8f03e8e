"""Property values as the engine sends them, and as Python sees them.

The engine's property bags are protobuf `Struct`s in which unknown values, secrets, outputs, archives and
resource references are written with signatures (see Pulumi's "property values" in its developer documentation).
Here they become plain Python values and the few classes below.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"
ARCHIVE_SIGNATURE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE_SIGNATURE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT_SIGNATURE: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
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
    """A value that must not be shown or stored in clear."""

    value: Any


@dataclass(frozen=True)
class Archive:
    """An archive by its path; `hash` is the engine's SHA-256 of it (hex), which is all that the state has of it."""

    path: str = ""
    hash: str = ""


@dataclass(frozen=True)
class ResourceReference:
    """A reference to another resource of the stack."""

    urn: str
    id: Any = None
    package_version: str = ""


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """The property bag of a `Struct`; nulls are left out, as an absent property."""
    return {key: value for key, value in ((k, _from_value(v)) for k, v in struct.fields.items()) if value is not None}


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """The `Struct` of a property bag; `None` is left out."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        if value is not None:
            struct.fields[key].CopyFrom(to_value(value))
    return struct


def _from_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in UNKNOWN_SENTINELS else value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if math.isfinite(number) and number == int(number) else number
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _from_object(value.struct_value)
    return None


def _from_object(struct: struct_pb2.Struct) -> Any:
    fields = struct.fields
    signature = fields[SIGNATURE].string_value if SIGNATURE in fields else ""
    if signature == SECRET_SIGNATURE:
        return Secret(_from_value(fields["value"]))
    if signature == OUTPUT_SIGNATURE:
        known = _from_value(fields["value"]) if "value" in fields else UNKNOWN
        return Secret(known) if "secret" in fields and fields["secret"].bool_value else known
    plain = from_struct(struct)
    plain.pop(SIGNATURE, None)
    if signature == ARCHIVE_SIGNATURE:
        return Archive(plain.get("path", ""), plain.get("hash", ""))
    if signature == RESOURCE_SIGNATURE:
        return ResourceReference(plain["urn"], plain.get("id"), plain.get("packageVersion", ""))
    return plain


def to_value(value: Any) -> struct_pb2.Value:
    """One property value as protobuf.

    Raises:
        TypeError: for a Python value that has no counterpart.
    """
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
        return _signed(SECRET_SIGNATURE, {"value": value.value})
    if isinstance(value, Archive):
        return _signed(ARCHIVE_SIGNATURE, {"path": value.path or None, "hash": value.hash or None})
    if isinstance(value, ResourceReference):
        return _signed(
            RESOURCE_SIGNATURE, {"urn": value.urn, "id": value.id, "packageVersion": value.package_version or None}
        )
    raise TypeError(f"a property cannot hold a {type(value).__name__}: {value!r}")


def _signed(signature: str, members: Mapping[str, Any]) -> struct_pb2.Value:
    return struct_pb2.Value(struct_value=to_struct({SIGNATURE: signature, **members}))


def reveal(value: Any) -> Any:
    """`value` without secret wrappers at any depth."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def contains_secret(value: Any) -> bool:
    """Whether a secret is anywhere in `value`."""
    return _anywhere(value, lambda part: isinstance(part, Secret))


def contains_unknown(value: Any) -> bool:
    """Whether an unknown is anywhere in `value`, behind a secret too."""
    return _anywhere(value, lambda part: part is UNKNOWN)


def _anywhere(value: Any, is_meant: Callable[[Any], bool]) -> bool:
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    inside = [value.value] if isinstance(value, Secret) else parts
    return is_meant(value) or any(_anywhere(part, is_meant) for part in inside)


def secret_keys(properties: Mapping[str, Any]) -> frozenset[str]:
    """The top-level properties that hold a secret at any depth."""
    return frozenset(key for key, value in properties.items() if contains_secret(value))


def conceal(properties: Mapping[str, Any], keys: Iterable[str]) -> Properties:
    """`properties` with the values of `keys` as secrets: what went in as a secret never comes out in clear."""
    hidden = frozenset(keys)
    return {
        key: Secret(value) if key in hidden and not isinstance(value, Secret) else value
        for key, value in properties.items()
    }
