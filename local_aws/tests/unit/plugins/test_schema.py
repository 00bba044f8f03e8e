"""Property tables: checking, comparing, refreshing, names."""

import json
from typing import Any

import pytest

from local_aws.plugins.aws.logs import LogGroup
from local_aws.plugins.aws.s3 import Bucket
from local_aws.plugins.framework.resource import named
from local_aws.plugins.framework.schema import (
    ARCHIVE,
    BOOLEAN,
    INTEGER,
    JSON,
    STRING,
    Change,
    ListOf,
    MapOf,
    Object,
    Property,
    Scalar,
    SetOf,
    Table,
    canonical,
    check,
    compare,
    optional,
    reconcile,
    required,
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
    "rules": Property(SetOf(optional(port=INTEGER, why=STRING))),
    "steps": Property(ListOf(required(id=STRING))),
    "login": Property(Object({"server": Property(STRING), "password": Property(STRING, uncompared=True)})),
}
UPDATE, ADD, DELETE = Change("UPDATE", False), Change("ADD", False), Change("DELETE", False)
REPLACE = Change("UPDATE", True)


def test_right_and_unknown_values_pass_unchanged() -> None:
    right = {"name": "x", "size": 4, "on": False, "kind": "a", "document": "[1]", "code": Archive(path="a.zip")}
    nested = {"tags": {"a": "b"}, "ports": [1], "steps": [{"id": "one"}]}
    unknown = {"name": UNKNOWN, "size": UNKNOWN, "kind": UNKNOWN, "tags": {"a": UNKNOWN}, "steps": UNKNOWN}
    for properties in ({**right, **nested}, unknown):
        assert check(TABLE, properties) == (properties, [])


@pytest.mark.parametrize(
    ("properties", "path", "reason"),
    [
        ({"colour": "red"}, "colour", "there is no such property; there are code, document,"),
        ({"name": None}, "name", "it is required and missing"),
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
def test_a_wrong_value_is_named(properties: dict[str, Any], path: str, reason: str) -> None:
    (failure,) = check(TABLE, {"name": "x", **properties})[1]
    assert failure.path == path
    assert reason in failure.reason


@pytest.mark.parametrize(
    ("row", "one", "other", "equal"),
    [
        (Property(INTEGER, default=3), 3, None, True),
        (Property(STRING), "", None, True),
        (Property(BOOLEAN), False, None, True),
        (Property(ListOf(STRING)), [], None, True),
        (Property(SetOf(STRING)), ["a", "b"], ["b", "a"], True),
        (Property(JSON), '{"a": 1, "b": 2}', '{"b":2,"a":1}', True),
        (Property(Object({"a": Property(INTEGER, default=0)})), {"a": 0}, {}, True),
        (Property(Scalar("string", meaning=lambda text: str(text).lower())), "TCP", "tcp", True),
        (Property(ARCHIVE), Archive(path="here.zip", hash="ab"), Archive(path="there.zip", hash="ab"), True),
        (Property(INTEGER, default=3), 0, None, False),
        (Property(BOOLEAN, default=True), False, None, False),
        (Property(ListOf(STRING)), ["a", "b"], ["b", "a"], False),
        (Property(MapOf(STRING)), {"a": ""}, {}, False),
        (Property(JSON), "[1, 2]", "[2, 1]", False),
    ],
)
def test_values_are_compared_in_their_normal_form(row: Property, one: Any, other: Any, equal: bool) -> None:
    assert (canonical(row.shape, one, row.default) == canonical(row.shape, other, row.default)) is equal


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"rules": [{"port": 1}, {"port": 2}]}, {"rules": [{"port": 2}, {"port": 1}]}, {}),
        ({"ports": [1]}, {}, {}),
        ({"ports": [1]}, {"ports": [2]}, {"ports": UPDATE}),
        ({"size": 4}, {"size": 5}, {"size": UPDATE}),
        ({"size": 4}, {}, {"size": DELETE}),
        ({}, {"size": 4}, {"size": ADD}),
        ({"name": "a"}, {"name": "b"}, {"name": REPLACE}),
        ({}, {"name": "b"}, {"name": Change("ADD", True)}),
        ({"size": 4}, {"size": UNKNOWN}, {"size": UPDATE}),
        ({"name": "a"}, {"name": UNKNOWN}, {"name": REPLACE}),
        ({"tags": {"a": "1"}}, {"tags": {"a": UNKNOWN}}, {"tags": UPDATE}),
        ({"steps": [{"id": "a"}, {"id": "b"}]}, {"steps": [{"id": "b"}, {"id": "a"}]}, {"steps": UPDATE}),
        ({"rules": [{"port": 1}]}, {"rules": [{"port": 2}]}, {"rules": UPDATE}),
        ({"login": {"server": "a", "password": "b"}}, {"login": {"server": "a", "password": UNKNOWN}}, {}),
        ({"login": {"server": "a"}}, {"login": {"server": "b"}}, {"login": UPDATE}),
    ],
)
def test_changes_are_found(old: dict[str, Any], new: dict[str, Any], changes: dict[str, Change]) -> None:
    assert compare(TABLE, old, new) == changes


def test_ignored_properties_are_left_out() -> None:
    old, new = {"size": 1, "tags": {"a": "1"}, "kind": "a"}, {"size": 2, "tags": {"a": "2"}, "kind": "b"}
    assert set(compare(TABLE, old, new, ["size", "kind"])) == {"tags"}


def test_a_refresh_keeps_inputs_that_are_right_and_takes_what_changed() -> None:
    inputs = {"name": "x", "size": 4, "document": '{"a": 1}', "code": Archive(path="a.zip"), "kind": "a"}
    actual = {"name": "x", "size": 5, "document": '{"a":1}', "tags": {"stray": "1"}, "ports": [80]}
    kept = {key: value for key, value in inputs.items() if key != "kind"}
    assert reconcile(TABLE, inputs, actual) == {**kept, "size": 5, "tags": {"stray": "1"}}


def test_outputs_keep_the_program_s_spelling_of_equal_values() -> None:
    text = json.dumps({"a": [1]}, indent=2)
    assert spell(JSON, text, '{"a":[1]}') == text
    assert spell(JSON, text, '{"a":[2]}') == '{"a":[2]}'
    assert spell(SetOf(STRING), ["b", "a"], ["a", "b"]) == ["b", "a"]
    assert spell(SetOf(STRING), ["b", "a"], ["a", "c"]) == ["a", "c"]
    nested = ListOf(optional(policy=JSON))
    assert spell(nested, [{"policy": "[ 1 ]"}], [{"policy": "[1]", "extra": 1}]) == [{"policy": "[ 1 ]", "extra": 1}]
    assert spell(nested, [], [{"policy": "[1]"}]) == [{"policy": "[1]"}]


def test_a_name_is_generated_and_kept_by_later_deployments_unless_the_program_gives_one() -> None:
    made = named(LogGroup(), "notes", b"one", {}, {"retentionInDays": 3})
    assert made["name"].startswith("notes-") and len(made["name"]) == len("notes-") + 7
    assert named(LogGroup(), "notes", b"two", made, {"retentionInDays": 7})["name"] == made["name"]
    assert named(LogGroup(), "notes", b"two", {}, {})["name"] != made["name"]
    assert named(LogGroup(), "notes", b"one", {}, {"name": "mine"}) == {"name": "mine"}
    assert named(LogGroup(), "notes", b"one", {"name": "mine"}, {})["name"].startswith("notes-")
    long = named(Bucket(), "n" * 100, b"one", {}, {})["bucket"]
    assert len(long) == 63 and named(Bucket(), "n" * 100, b"two", {"bucket": long}, {})["bucket"] == long
