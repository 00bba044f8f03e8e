"""DynamoDB in memory, for the model and the runtime's unit tests: the kit's real condition and update expressions.

It knows the expressions that the kit uses and no others; `test_dynamodb.py` compares it with another implementation.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.exceptions import ReadTimeoutError

from ecs_kit.runtime.contract.records import OPEN_RUNS_INDEX, OPEN_RUNS_KEY
from tests.unit.runtime.fakes import client_error

Item = dict[str, Any]
Key = tuple[str, str]

ITEMS_PER_PAGE = 2
"""So few that other writes come between the pages of a query."""

KEYS = {
    "workflow_summary": ("workflow_name", "workflow_run_id"),
    "workflow_details": ("workflow_run_id", "ecs_task_id"),
}

_TERM = re.compile(
    r"(?P<function>attribute_exists|attribute_not_exists)\((?P<path>[#\w]+)\)"
    r"|(?P<left>[#\w]+) (?P<comparison>=|<>|<) (?P<right>:\w+)"
    r"|(?P<of>[#\w]+) IN \((?P<values>[:\w, ]+)\)"
)
_WORD = re.compile(rf"\s*(?:(?P<word>AND|OR|\(|\))|{_TERM.pattern})")
_SET = re.compile(r"([#\w]+) = (?:if_not_exists\(([#\w]+), (:\w+)\)|(:\w+))(?:, |$)")
_CLAUSES = re.compile(r"(?:SET (?P<sets>.+?))?(?: REMOVE (?P<removed>[#\w, ]+?))?(?: ?ADD (?P<added>.+))?")


class World:
    """What happens around a call: nothing here. The model has faults."""

    def before_call(self, operation: str, write: Callable[[], object] | None) -> None:
        """Others may go first; the call may fail, or its caller die."""

    def after_call(self, operation: str, again: Callable[[], object] | None) -> None:
        """Its answer may be lost."""

    def written(self, table: str, before: Item | None, after: Item) -> None:
        """An item was written."""


Words = tuple[str | re.Match[str], ...]


@functools.cache
def _words(expression: str) -> Words:
    """Terms, `AND`, `OR` and brackets, one after the other."""
    found: list[str | re.Match[str]] = []
    position = 0
    while position < len(expression):
        match = _WORD.match(expression, position)
        assert match, f"not an expression that is known here: {expression[position:]}"
        found.append(match["word"] or match)
        position = match.end()
    return tuple(found)


@functools.cache
def _sets(expression: str) -> tuple[tuple[str, ...], ...]:
    found, position = [], 0
    while position < len(expression):
        match = _SET.match(expression, position)
        assert match, f"not an update that is known here: {expression[position:]}"
        found.append(match.groups())
        position = match.end()
    return tuple(found)


def holds(expression: str | None, item: Mapping[str, Any] | None, names: Mapping[str, str], values: Any) -> bool:
    """Whether a condition holds for an item."""
    found = item or {}

    def value(path: str) -> Any:
        return found.get(names.get(path, path))

    def is_true(term: re.Match[str]) -> bool:
        if term["function"]:
            return (value(term["path"]) is not None) == (term["function"] == "attribute_exists")
        if term["of"]:
            return value(term["of"]) in [values[name] for name in term["values"].split(", ")]
        if term["comparison"] == "<":
            left = value(term["left"])
            return left is not None and left["S"] < values[term["right"]]["S"]
        # An attribute that is not there is different from everything.
        return (value(term["left"]) == values[term["right"]]) == (term["comparison"] == "=")

    def any_of(words: list[str | re.Match[str]]) -> bool:
        result = all_of(words)
        while words and words[0] == "OR":
            words.pop(0)
            result = all_of(words) or result
        return result

    def all_of(words: list[str | re.Match[str]]) -> bool:
        result = single(words)
        while words and words[0] == "AND":
            words.pop(0)
            result = single(words) and result
        return result

    def single(words: list[str | re.Match[str]]) -> bool:
        word = words.pop(0)
        if isinstance(word, re.Match):
            return is_true(word)
        assert word == "("
        result = any_of(words)
        assert words.pop(0) == ")"
        return result

    if expression is None:
        return True
    words = list(_words(expression))
    result = any_of(words)
    assert not words
    return result


def updated(expression: str, item: Mapping[str, Any], names: Mapping[str, str], values: Any) -> Item:
    """The item that an update makes."""
    clauses = _CLAUSES.fullmatch(expression)
    assert clauses, f"not an update that is known here: {expression}"
    after = dict(item)
    for path, kept, default, given in _sets(clauses["sets"] or ""):
        name = names.get(path, path)
        after[name] = values[given] if given else item.get(names.get(kept, kept), values[default])
    for path in (clauses["removed"] or "").split(", "):
        after.pop(names.get(path, path), None)
    for path, given in re.findall(r"(#\w+) (:\w+)", clauses["added"] or ""):
        number = int(item.get(names[path], {"N": "0"})["N"]) + int(values[given]["N"])
        after[names[path]] = {"N": str(number)}
    return after


class DynamoDb:
    """A client of two tables in memory.

    Args:
        world: what happens around each call.
    """

    def __init__(self, world: Any = None) -> None:
        self._world = world or World()
        self.tables: dict[str, dict[Key, Item]] = {}

    def items(self, kind: str) -> list[Item]:
        """All items of the one table whose name starts so."""
        return [item for name, items in self.tables.items() if name.startswith(kind) for item in items.values()]

    def put_item(self, *, TableName: str, Item: Item, **request: Any) -> dict[str, Any]:
        return self._write("PutItem", TableName, self._key(TableName, Item), lambda _: dict(Item), request)

    def update_item(self, *, TableName: str, Key: Item, UpdateExpression: str, **request: Any) -> dict[str, Any]:
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})

        def update(before: Mapping[str, Any] | None) -> dict[str, Any]:
            return updated(UpdateExpression, Key if before is None else before, names, values)

        return self._write("UpdateItem", TableName, self._key(TableName, Key), update, request)

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> dict[str, Any]:
        assert ConsistentRead
        self._world.before_call("GetItem", None)
        item = self._table(TableName).get(self._key(TableName, Key))
        return {} if item is None else {"Item": dict(item)}

    def query(self, *, TableName: str, ConsistentRead: bool, KeyConditionExpression: str, **request: Any) -> Any:
        assert ConsistentRead and KeyConditionExpression == "workflow_run_id = :run_id"
        wanted = request["ExpressionAttributeValues"][":run_id"]["N"]
        return self._page(TableName, lambda item: item["workflow_run_id"]["N"] == wanted, request)

    def scan(self, *, TableName: str, IndexName: str, **request: Any) -> Any:
        """The keys of the items in the index of open runs."""
        assert IndexName == OPEN_RUNS_INDEX
        return self._page(TableName, lambda item: "open_since" in item, request)

    def _page(self, table: str, belongs: Callable[[Item], bool], request: Mapping[str, Any]) -> dict[str, Any]:
        self._world.before_call("Query", None)
        start = request.get("ExclusiveStartKey")
        after = self._key(table, start) if start else ("", "")
        found = sorted(key for key, item in self._table(table).items() if key > after and belongs(item))
        page = found[:ITEMS_PER_PAGE]
        items = [dict(self._table(table)[key]) for key in page]
        kept = [
            item
            for item in items
            if holds(
                request.get("FilterExpression"),
                item,
                request.get("ExpressionAttributeNames", {}),
                request.get("ExpressionAttributeValues", {}),
            )
        ]
        answer: dict[str, Any] = {"Items": kept}
        if len(found) > len(page):
            answer["LastEvaluatedKey"] = {name: items[-1][name] for name in self._key_names(table)}
        return answer

    def _write(
        self,
        operation: str,
        table: str,
        key: Key,
        change: Callable[[Mapping[str, Any] | None], Item],
        request: Mapping[str, Any],
    ) -> dict[str, Any]:
        def write() -> Item:
            before = self._table(table).get(key)
            names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
            if not holds(request.get("ConditionExpression"), before, names, values):
                wanted = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
                more = {"Item": dict(before)} if wanted and before is not None else {}
                raise client_error("ConditionalCheckFailedException", "the condition is false", operation, **more)
            after = change(before)
            self._table(table)[key] = after
            self._world.written(table, before, after)
            return after

        self._world.before_call(operation, write)
        after = write()
        self._world.after_call(operation, write)
        return {"Attributes": dict(after)} if request.get("ReturnValues") == "ALL_NEW" else {}

    def _table(self, name: str) -> dict[Key, Item]:
        return self.tables.setdefault(name, {})

    def _key_names(self, table: str) -> tuple[str, str]:
        return next(names for start, names in KEYS.items() if table.startswith(start))

    def _key(self, table: str, item: Mapping[str, Any]) -> Key:
        first, second = (next(iter(item[name].values())) for name in self._key_names(table))
        return str(first), str(second)


def create_table(client: Any, name: str, kind: str) -> None:
    """Create a table of a kind in `KEYS` in another implementation, the summary table with its index."""
    index = [OPEN_RUNS_KEY] if kind == "workflow_summary" else []
    types = {"workflow_run_id": "N"}

    def schema(names: Iterable[str]) -> list[dict[str, str]]:
        return [{"AttributeName": name, "KeyType": role} for name, role in zip(names, ("HASH", "RANGE"), strict=False)]

    indexes = [
        {"IndexName": OPEN_RUNS_INDEX, "KeySchema": schema([key]), "Projection": {"ProjectionType": "KEYS_ONLY"}}
        for key in index
    ]
    client.create_table(
        TableName=name,
        KeySchema=schema(KEYS[kind]),
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": types.get(key, "S")} for key in (*KEYS[kind], *index)
        ],
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )


def lost_answer() -> Exception:
    """What a client raises whose call was never answered."""
    return ReadTimeoutError(endpoint_url="https://dynamodb.example")
