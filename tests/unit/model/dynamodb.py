"""DynamoDB for the model and the runtime's unit tests: the emulator's own tables, called in this process."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from ministack.services import dynamodb

from ecs_kit.runtime.contract.records import (
    OPEN_RUNS_INDEX,
    OPEN_RUNS_KEY,
    UNCOUNTED_INDEX,
    UNCOUNTED_KEY,
    UNCOUNTED_PROJECTION,
)

Item = dict[str, Any]

ITEMS_PER_PAGE = 2
"""So few that other writes come between the pages of a query."""

KEYS = {
    "workflow_summary": ("workflow_name", "workflow_run_id"),
    "workflow_details": ("workflow_run_id", "ecs_task_id"),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "BatchGetItem": dynamodb._batch_get_item,
    "CreateTable": dynamodb._create_table,
    "GetItem": dynamodb._get_item,
    "PutItem": dynamodb._put_item,
    "Query": dynamodb._query,
    "Scan": dynamodb._scan,
    "TransactWriteItems": dynamodb._transact_write_items,
    "UpdateItem": dynamodb._update_item,
}


class World:
    """What happens around a call: nothing here. The model has faults."""

    def before_call(self, operation: str, write: Callable[[], object] | None) -> None:
        """Others may go first; the call may fail, or its caller die."""

    def after_call(self, again: Callable[[], object]) -> None:
        """The answer of a write may be lost."""

    def written(self, table: str, before: Item | None, after: Item) -> None:
        """An item was written."""


class DynamoDb:
    """A client of both patterns' tables, which are empty at first."""

    def __init__(self, world: Any = None) -> None:
        self._world = world or World()
        dynamodb._tables.clear()
        for name in self.tables():
            create_table(self, name, name.rpartition("_pattern")[0])

    def tables(self) -> list[str]:
        return [f"{kind}_pattern_{pattern}" for kind in KEYS for pattern in (1, 2)]

    def items(self, kind: str) -> list[Item]:
        """All items of the tables of a kind in `KEYS`."""
        return [
            item
            for name in self.tables()
            if name.startswith(kind)
            for item in self._call("Scan", {"TableName": name})["Items"]
        ]

    def create_table(self, **request: Any) -> None:
        self._call("CreateTable", request)

    def put_item(self, **request: Any) -> dict[str, Any]:
        return self._write("PutItem", request, request["Item"])

    def update_item(self, **request: Any) -> dict[str, Any]:
        return self._write("UpdateItem", request, request["Key"])

    def get_item(self, *, ConsistentRead: bool, **request: Any) -> dict[str, Any]:
        assert ConsistentRead
        return self._read("GetItem", request)

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        assert all(
            wanted["ConsistentRead"] and len(wanted["Keys"]) <= 100 for wanted in request["RequestItems"].values()
        )
        return self._read("BatchGetItem", request)

    def query(self, *, ConsistentRead: bool = False, **request: Any) -> dict[str, Any]:
        assert ConsistentRead is ("IndexName" not in request)
        return self._read("Query", {**request, "Limit": ITEMS_PER_PAGE})

    def scan(self, **request: Any) -> dict[str, Any]:
        return self._read("Scan", {**request, "Limit": ITEMS_PER_PAGE})

    def get_paginator(self, operation: str) -> Any:
        """Pages of a Query or Scan."""

        def paginate(**request: Any) -> Iterator[dict[str, Any]]:
            while True:
                page = getattr(self, operation)(**request)
                yield page
                if "LastEvaluatedKey" not in page:
                    return
                request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

        return SimpleNamespace(paginate=paginate)

    def _read(self, operation: str, request: Item) -> dict[str, Any]:
        self._world.before_call(operation, None)
        return self._call(operation, request)

    def _write(self, operation: str, request: Item, key: Item) -> dict[str, Any]:
        return self._written(operation, request, [(request["TableName"], key)])

    def transact_write_items(self, *, TransactItems: list[Any]) -> dict[str, Any]:
        assert 0 < len(TransactItems) <= 100
        writes = [next(iter(item.values())) for item in TransactItems]
        keys = [(write["TableName"], write.get("Key") or write["Item"]) for write in writes]
        # The SDK makes a token for each call, which it repeats with a call that it repeats.
        token = {"ClientRequestToken": uuid.uuid4().hex}
        return self._written("TransactWriteItems", {"TransactItems": TransactItems, **token}, keys)

    def _written(self, operation: str, request: Item, keys: list[tuple[str, Item]]) -> dict[str, Any]:
        lookups = [(table, {"TableName": table, "Key": _key(table, item)}) for table, item in keys]

        def write() -> dict[str, Any]:
            before = [self._call("GetItem", lookup).get("Item") for _, lookup in lookups]
            answer = self._call(operation, request)
            for (table, lookup), old in zip(lookups, before, strict=True):
                self._world.written(table, old, self._call("GetItem", lookup)["Item"])
            return answer

        self._world.before_call(operation, write)
        answer = write()
        self._world.after_call(write)
        return answer

    def _call(self, operation: str, request: Item) -> dict[str, Any]:
        status, _, body = CALLS[operation](json.loads(json.dumps(request)))
        answer: dict[str, Any] = json.loads(body)
        if status == 200:
            return answer
        error = {"Code": answer["__type"].rpartition("#")[2], "Message": answer.get("message", "")}
        raise ClientError({**answer, "Error": error}, operation)  # type: ignore[typeddict-item]


def create_table(client: Any, name: str, kind: str) -> None:
    """Create a table of a kind in `KEYS`, with its index."""
    index, projection = {
        "workflow_summary": ({OPEN_RUNS_KEY: "HASH"}, {"ProjectionType": "KEYS_ONLY"}),
        "workflow_details": (
            {"workflow_run_id": "HASH", UNCOUNTED_KEY: "RANGE"},
            {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(UNCOUNTED_PROJECTION)},
        ),
    }[kind]
    name_of_index = {"workflow_summary": OPEN_RUNS_INDEX, "workflow_details": UNCOUNTED_INDEX}[kind]
    key_schema = [{"AttributeName": key, "KeyType": role} for key, role in index.items()]
    indexes = [{"IndexName": name_of_index, "KeySchema": key_schema, "Projection": projection}]
    attributes = {*KEYS[kind], *index}
    client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": key, "KeyType": role} for key, role in zip(KEYS[kind], ("HASH", "RANGE"), strict=True)
        ],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "N" if key == "workflow_run_id" else "S"}
            for key in sorted(attributes)
        ],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=indexes,
    )


def _key(table: str, item: Item) -> Item:
    names = next(names for kind, names in KEYS.items() if table.startswith(kind))
    return {name: item[name] for name in names}
