"""Property tables: checking, meaning the same, refreshing."""

import json
from typing import Any

import pytest

from local_aws.plugins.framework.schema import (
    ARCHIVE,
    BOOLEAN,
    INTEGER,
    JSON,
    STRING,
    ListOf,
    MapOf,
    Object,
    Property,
    Scalar,
    SetOf,
    Table,
    canonical,
    check,
    matches,
    reconcile,
    spell,
)
from local_aws.plugins.framework.values import UNKNOWN, Archive

TABLE: Table = {
    "name": Property(STRING, required=True, replaces=True),
    "size": Property(INTEGER, default=3),
    "on": Property(BOOLEAN),
    "kind": Property(STRING, allowed=("a", "b")),
    "document": Property(JSON),
    "code": Property(ARCHIVE, unreadable=True),
    "tags": Property(MapOf(STRING)),
    "ports": Property(SetOf(INTEGER), computed=True),
    "steps": Property(ListOf(Object({"id": Property(STRING, required=True)}))),
}


def failures(**properties: Any) -> dict[str, str]:
    return {failure.path: failure.reason for failure in check(TABLE, {"name": "x", **properties})[1]}


def test_what_is_right_passes_unchanged() -> None:
    properties = {
        "name": "x",
        "size": 4,
        "on": False,
        "kind": "a",
        "document": "[1]",
        "code": Archive(path="a.zip"),
        "tags": {"a": "b"},
        "ports": [1],
        "steps": [{"id": "one"}],
    }
    assert check(TABLE, properties) == (properties, [])


def test_unknowns_pass_everywhere() -> None:
    properties = {"name": UNKNOWN, "size": UNKNOWN, "kind": UNKNOWN, "tags": {"a": UNKNOWN}, "steps": UNKNOWN}
    assert check(TABLE, properties) == (properties, [])


@pytest.mark.parametrize(
    ("properties", "path", "reason"),
    [
        ({"colour": "red"}, "colour", "there is no such property; there are code, document,"),
        ({"size": "many"}, "size", "it must be a whole number, not str"),
        ({"size": 1.5}, "size", "it must be a whole number, not float"),
        ({"size": True}, "size", "it must be a whole number, not bool"),
        ({"on": "perhaps"}, "on", "it must be true or false, not str"),
        ({"kind": "c"}, "kind", "'c' is not one of a, b"),
        ({"document": "{"}, "document", "it is not a JSON document"),
        ({"code": "a.zip"}, "code", "it must be an archive, not str"),
        ({"tags": []}, "tags", "it must be an object, not list"),
        ({"tags": {"kit:x": {}}}, 'tags["kit:x"]', "it must be a string, not dict"),
        ({"ports": 1}, "ports", "it must be a list, not int"),
        ({"steps": [{"id": "x"}, {}]}, "steps[1].id", "it is required and missing"),
        ({"steps": [{"id": "x", "speed": 1}]}, "steps[0].speed", "there is no such property"),
    ],
)
def test_what_is_wrong_is_named(properties: dict[str, Any], path: str, reason: str) -> None:
    found = failures(**properties)
    assert list(found) == [path]
    assert reason in found[path]


def test_a_missing_property_is_named() -> None:
    assert [failure.path for failure in check(TABLE, {})[1]] == ["name"]


@pytest.mark.parametrize(
    ("row", "one", "other"),
    [
        (Property(INTEGER, default=3), 3, None),
        (Property(STRING), "", None),
        (Property(BOOLEAN), False, None),
        (Property(ListOf(STRING)), [], None),
        (Property(SetOf(STRING)), ["a", "b"], ["b", "a"]),
        (Property(JSON), '{"a": 1, "b": 2}', '{"b":2,"a":1}'),
        (Property(Object({"a": Property(INTEGER, default=0)})), {"a": 0}, {}),
        (Property(Scalar("string", meaning=lambda text: str(text).lower())), "TCP", "tcp"),
        (Property(ARCHIVE), Archive(path="here.zip", hash="ab"), Archive(path="there.zip", hash="ab")),
    ],
)
def test_equal_means_equal(row: Property, one: Any, other: Any) -> None:
    assert canonical(row.shape, one, row.default) == canonical(row.shape, other, row.default)


@pytest.mark.parametrize(
    ("row", "one", "other"),
    [
        (Property(INTEGER, default=3), 0, None),
        (Property(BOOLEAN, default=True), False, None),
        (Property(ListOf(STRING)), ["a", "b"], ["b", "a"]),
        (Property(MapOf(STRING)), {"a": ""}, {}),
        (Property(JSON), "[1, 2]", "[2, 1]"),
    ],
)
def test_different_means_different(row: Property, one: Any, other: Any) -> None:
    assert canonical(row.shape, one, row.default) != canonical(row.shape, other, row.default)


def test_what_aws_decides_on_is_not_compared() -> None:
    assert matches(TABLE["ports"], None, [80])
    assert not matches(TABLE["ports"], [443], [80])


def test_a_refresh_keeps_inputs_that_hold_and_takes_what_changed() -> None:
    inputs = {"name": "x", "size": 4, "document": '{"a": 1}', "code": Archive(path="a.zip"), "steps": [{"id": "x"}]}
    actual = {
        "name": "x",
        "size": 5,
        "document": '{"a":1}',
        "tags": {"stray": "1"},
        "ports": [80],
        "steps": [{"id": "x"}],
    }
    assert reconcile(TABLE, inputs, actual) == {**inputs, "size": 5, "tags": {"stray": "1"}}


def test_a_refresh_drops_what_is_no_longer_set() -> None:
    assert reconcile(TABLE, {"name": "x", "tags": {"a": "b"}}, {"name": "x"}) == {"name": "x"}


def test_outputs_keep_the_program_s_words_where_they_mean_the_same() -> None:
    text = json.dumps({"a": [1]}, indent=2)
    assert spell(JSON, text, '{"a":[1]}') == text
    assert spell(JSON, text, '{"a":[2]}') == '{"a":[2]}'
    assert spell(SetOf(STRING), ["b", "a"], ["a", "b"]) == ["b", "a"]
    assert spell(SetOf(STRING), ["b", "a"], ["a", "c"]) == ["a", "c"]
    nested = ListOf(Object({"policy": Property(JSON)}))
    assert spell(nested, [{"policy": "[ 1 ]"}], [{"policy": "[1]", "extra": 1}]) == [{"policy": "[ 1 ]", "extra": 1}]
    assert spell(nested, [], [{"policy": "[1]"}]) == [{"policy": "[1]"}]
