"""What differs between two property bags, and what that means."""

from typing import Any

import pytest

from automation.local.plugins.framework.diff import Change, Kind, compare
from automation.local.plugins.framework.schema import (
    INTEGER,
    JSON,
    STRING,
    ListOf,
    MapOf,
    Object,
    Property,
    SetOf,
    Table,
)
from automation.local.plugins.framework.values import UNKNOWN

TABLE: Table = {
    "name": Property(STRING, replaces=True),
    "size": Property(INTEGER, default=3),
    "zone": Property(STRING, replaces=True, computed=True),
    "document": Property(JSON),
    "tags": Property(MapOf(STRING)),
    "rules": Property(SetOf(Object({"port": Property(INTEGER), "why": Property(STRING)}))),
    "steps": Property(ListOf(STRING)),
    "network": Property(
        Object(
            {
                "vpc": Property(STRING, computed=True),
                "subnets": Property(SetOf(STRING)),
                "kind": Property(STRING, replaces=True),
            }
        )
    ),
}
UPDATE, REPLACE = Change(Kind.UPDATE, False), Change(Kind.UPDATE, True)
ADD, DELETE = Change(Kind.ADD, False), Change(Kind.DELETE, False)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"size": 3}, {}, {}),
        ({"document": '{"a": 1}'}, {"document": '{"a":1}'}, {}),
        ({"rules": [{"port": 1}, {"port": 2}]}, {"rules": [{"port": 2}, {"port": 1}]}, {}),
        ({"zone": "a"}, {}, {}),
        ({"network": {"vpc": "v", "subnets": ["a"]}}, {"network": {"subnets": ["a"]}}, {}),
        ({"size": 4}, {"size": 5}, {"size": UPDATE}),
        ({"size": 4}, {}, {"size": DELETE}),
        ({}, {"size": 4}, {"size": ADD}),
        ({"name": "a"}, {"name": "b"}, {"name": REPLACE}),
        ({"zone": "a"}, {"zone": "b"}, {"zone": REPLACE}),
        ({"size": 4}, {"size": UNKNOWN}, {"size": UPDATE}),
        ({"name": "a"}, {"name": UNKNOWN}, {"name": REPLACE}),
        (
            {"tags": {"a": "1", "b": "1", "kit:x": "1"}},
            {"tags": {"b": "2", "c": "1", "kit:x": "2"}},
            {"tags.a": DELETE, "tags.b": UPDATE, "tags.c": ADD, 'tags["kit:x"]': UPDATE},
        ),
        ({"steps": ["a", "b"]}, {"steps": ["b"]}, {"steps[0]": UPDATE, "steps[1]": DELETE}),
        ({"steps": ["a"]}, {"steps": ["a", "b"]}, {"steps[1]": ADD}),
        ({"rules": [{"port": 1}]}, {"rules": [{"port": 2}]}, {"rules[0]": UPDATE}),
        ({"rules": [{"port": 1}]}, {"rules": [{"port": 1}, {"port": 2}]}, {"rules[1]": ADD}),
        ({"rules": [{"port": 1}, {"port": 2}]}, {"rules": [{"port": 2}]}, {"rules[0]": DELETE}),
        ({"network": {"subnets": ["a"]}}, {"network": {"subnets": ["b"]}}, {"network.subnets[0]": UPDATE}),
        ({"network": {"kind": "a"}}, {"network": {"kind": "b"}}, {"network.kind": REPLACE}),
        ({}, {"network": {"kind": "b"}}, {"network": Change(Kind.ADD, True)}),
        ({"network": {"subnets": ["a"]}}, {"network": {"subnets": UNKNOWN}}, {"network.subnets": UPDATE}),
    ],
)
def test_changes_are_found_where_they_are(old: dict[str, Any], new: dict[str, Any], changes: dict[str, Change]) -> None:
    assert compare(TABLE, old, new) == changes


def test_ignored_paths_and_what_is_below_them_are_left_out() -> None:
    old = {"size": 1, "tags": {"a": "1", "b": "1"}, "steps": ["a"]}
    new = {"size": 2, "tags": {"a": "2", "b": "2"}, "steps": ["b"]}
    assert set(compare(TABLE, old, new, ["size", "tags.a", "steps"])) == {"tags.b"}
