"""Configuration keys: a dataclass field declares one with its default, description and rule."""

import dataclasses
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pulumi

KeyType = Literal["string", "integer", "array", "object"]
Types = tuple[type[Any], ...]


@dataclass(frozen=True)
class Rule:
    """What a key accepts: the phrase that completes "must be …", and a check, if no other one decides."""

    allowed: str
    accepts: Callable[[Any], bool] = lambda _: True


def one_of(*choices: str | int) -> Rule:
    """A rule that accepts the given values only."""
    return Rule("one of " + ", ".join(map(str, choices)), lambda value: value in choices)


def between(low: int, high: int) -> Rule:
    """A rule that accepts whole numbers from `low` to `high`, both included."""
    return Rule(f"a whole number from {low} to {high}", lambda value: low <= value <= high)


def text(pattern: re.Pattern[str], allowed: str) -> Rule:
    """A rule that accepts strings which `pattern` matches as a whole."""
    return Rule(allowed, lambda value: pattern.fullmatch(value) is not None)


def list_of(pattern: re.Pattern[str], allowed: str, most: int) -> Rule:
    """A rule that accepts lists of at most `most` different strings, each matched by `pattern` as a whole."""
    return Rule(
        f"a list of at most {most} different {allowed}",
        lambda value: len(set(value)) == len(value) <= most and all(map(pattern.fullmatch, value)),
    )


@dataclass(frozen=True)
class Key:
    """A configuration key, as `Pulumi.yaml` declares it. Arrays hold strings, objects map strings to strings.

    The configuration object holds it in `attribute`, such as `task_cpu` or `job.image`. `parse` makes its value of raw
    text, and raises ValueError where that is not of the type. `given` has the types of a string's value in a program.
    """

    attribute: str
    type: KeyType
    default: str | int | list[str] | dict[str, str]
    description: str
    rule: Rule
    parse: Callable[[str], Any]
    given: Types = (str,)

    @property
    def name(self) -> str:
        """The key without its namespace."""
        first, *rest = re.split("[._]", self.attribute)
        return first + "".join(map(str.capitalize, rest))

    def value(self, config: object) -> Any:
        """The key's value in a configuration object."""
        return operator.attrgetter(self.attribute)(config)

    def has_type(self, value: Any) -> bool:
        """Whether a value that a program gives has the key's type."""
        match self.type:
            case "integer":
                return type(value) is int
            case "array":
                return isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value)
            case "object":
                return isinstance(value, Mapping) and all(
                    isinstance(name, str) and isinstance(entry, str | pulumi.Output) for name, entry in value.items()
                )
            case "string":
                return isinstance(value, self.given)


class NotText(ValueError):
    """An entry of an object is no text: `pulumi config set --path` stores `1` and `true` as a number and a boolean."""

    def __init__(self, name: str, value: object):
        super().__init__(
            f"{name} is {json.dumps(value)}, which is no text: `pulumi config set --type string` stores it as one"
        )


def key(
    default: Any,
    description: str,
    rule: Rule,
    parse: Callable[[str], Any] | None = None,
    given: Types = (str,),
) -> Any:
    """A dataclass field that is a configuration key; its type is that of the default, or else text for `parse`."""
    metadata = {"description": description, "rule": rule, "parse": parse, "given": given}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def keys_of(declaring: Any, prefix: str = "") -> Iterator[Key]:
    """The keys that the fields of a dataclass declare, in order, and those of dataclasses in its fields."""
    for declared in dataclasses.fields(declaring):
        factory = declared.default_factory
        default: Any = declared.default if factory is dataclasses.MISSING else factory()
        if dataclasses.is_dataclass(default):
            yield from keys_of(default, f"{declared.name}.")
            continue
        key_type, parse = _TYPES.get(type(default), ("string", str))
        rule: Rule = declared.metadata["rule"]
        yield Key(
            attribute=prefix + declared.name,
            type=key_type,
            default=list(default) if isinstance(default, tuple) else "" if default is None else default,
            description=f"{declared.metadata['description']} Must be {rule.allowed}.",
            rule=rule,
            parse=declared.metadata["parse"] or parse,
            given=declared.metadata["given"],
        )


def _integer(raw: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,12}", raw.strip()):
        raise ValueError(raw)
    return int(raw)


def texts(values: Any) -> Any:
    """A list whose whole numbers are texts, as an array's entries are; other values are left to the check."""
    if not isinstance(values, list | tuple):
        return values
    return tuple(str(value) if type(value) is int else value for value in values)


def _json(raw: str) -> Any:
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _array(raw: str) -> tuple[str, ...]:
    value = texts(_json(raw))
    if not isinstance(value, tuple):
        raise ValueError(raw)
    for number, item in enumerate(value):
        if not isinstance(item, str):
            raise NotText(f"[{number}]", item)
    return value


def _object(raw: str) -> dict[str, str]:
    value = _json(raw)
    if not isinstance(value, dict):
        raise ValueError(raw)
    for name, item in value.items():
        if not isinstance(item, str):
            raise NotText(name, item)
    return dict(sorted(value.items()))


_TYPES: dict[type, tuple[KeyType, Callable[[str], Any]]] = {
    int: ("integer", _integer),
    tuple: ("array", _array),
    dict: ("object", _object),
}
