"""What differs between two property bags, and what that means."""

from typing import Any

import pytest

from local_aws.plugins.framework.diff import Change, Kind, compare
from local_aws.plugins.framework.schema import INTEGER, JSON, STRING, ListOf, MapOf, Object, Property, SetOf, Table
from local_aws.plugins.framework.values import UNKNOWN

TABLE: Table = {
    "name": Property(STRING, replaces=True),
    "size": Property(INTEGER, default=3),
    "zone": Property(STRING, computed=True),
    "document": Property(JSON),
    "tags": Property(MapOf(STRING)),
    "rules": Property(SetOf(Object({"port": Property(INTEGER), "why": Property(STRING)}))),
    "steps": Property(ListOf(STRING)),
    "login": Property(Object({"server": Property(STRING), "password": Property(STRING, uncompared=True)})),
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
        ({"zone": "a"}, {"zone": "b"}, {"zone": UPDATE}),
        ({"size": 4}, {"size": 5}, {"size": UPDATE}),
        ({"size": 4}, {}, {"size": DELETE}),
        ({}, {"size": 4}, {"size": ADD}),
        ({"name": "a"}, {"name": "b"}, {"name": REPLACE}),
        ({}, {"name": "b"}, {"name": Change(Kind.ADD, True)}),
        ({"size": 4}, {"size": UNKNOWN}, {"size": UPDATE}),
        ({"name": "a"}, {"name": UNKNOWN}, {"name": REPLACE}),
        ({"tags": {"a": "1"}}, {"tags": {"a": UNKNOWN}}, {"tags": UPDATE}),
        ({"steps": ["a", "b"]}, {"steps": ["b", "a"]}, {"steps": UPDATE}),
        ({"rules": [{"port": 1}]}, {"rules": [{"port": 2}]}, {"rules": UPDATE}),
        ({"login": {"server": "a", "password": "b"}}, {"login": {"server": "a", "password": UNKNOWN}}, {}),
        ({"login": {"server": "a"}}, {"login": {"server": "b"}}, {"login": UPDATE}),
    ],
)
def test_changes_are_found_where_they_are(old: dict[str, Any], new: dict[str, Any], changes: dict[str, Change]) -> None:
    assert compare(TABLE, old, new) == changes


def test_ignored_properties_are_left_out() -> None:
    old, new = {"size": 1, "tags": {"a": "1"}, "steps": ["a"]}, {"size": 2, "tags": {"a": "2"}, "steps": ["b"]}
    assert set(compare(TABLE, old, new, ["size", "steps"])) == {"tags"}
