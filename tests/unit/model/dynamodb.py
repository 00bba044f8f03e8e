"""DynamoDB for the model and the runtime's unit tests: the emulator's own tables, called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from ministack.services import dynamodb

from ecs_kit.runtime.contract.records import OPEN_RUNS_INDEX, OPEN_RUNS_KEY

Item = dict[str, Any]

ITEMS_PER_PAGE = 2
"""So few that other writes come between the pages of a query."""

KEYS = {
    "workflow_summary": ("workflow_name", "workflow_run_id"),
    "workflow_details": ("workflow_run_id", "ecs_task_id"),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "CreateTable": dynamodb._create_table,
    "GetItem": dynamodb._get_item,
    "PutItem": dynamodb._put_item,
    "Query": dynamodb._query,
    "Scan": dynamodb._scan,
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

    def query(self, *, ConsistentRead: bool, **request: Any) -> dict[str, Any]:
        assert ConsistentRead
        return self._read("Query", {**request, "Limit": ITEMS_PER_PAGE})

    def scan(self, **request: Any) -> dict[str, Any]:
        return self._read("Scan", {**request, "Limit": ITEMS_PER_PAGE})

    def _read(self, operation: str, request: Item) -> dict[str, Any]:
        self._world.before_call(operation, None)
        return self._call(operation, request)

    def _write(self, operation: str, request: Item, key: Item) -> dict[str, Any]:
        table = request["TableName"]
        names = next(names for kind, names in KEYS.items() if table.startswith(kind))
        lookup = {"TableName": table, "Key": {name: key[name] for name in names}}

        def write() -> dict[str, Any]:
            before = self._call("GetItem", lookup).get("Item")
            answer = self._call(operation, request)
            self._world.written(table, before, self._call("GetItem", lookup)["Item"])
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
    """Create a table of a kind in `KEYS`, the summary table with its index."""
    indexes = [
        {
            "IndexName": OPEN_RUNS_INDEX,
            "KeySchema": [{"AttributeName": OPEN_RUNS_KEY, "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ]
    has_index = kind == "workflow_summary"
    attributes = (*KEYS[kind], *([OPEN_RUNS_KEY] if has_index else []))
    client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": key, "KeyType": role} for key, role in zip(KEYS[kind], ("HASH", "RANGE"), strict=True)
        ],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "N" if key == "workflow_run_id" else "S"} for key in attributes
        ],
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": indexes} if has_index else {}),
    )
