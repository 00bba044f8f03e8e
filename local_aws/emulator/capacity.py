"""The capacity units that a DynamoDB call consumes, by the rules that AWS documents.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html: a read unit is 4 KB read
consistently, or 8 KB eventually; a write unit is 1 KB; a transaction takes twice as many. An item that is not there is
a read of one unit, consistent or half of it eventual; a Query or Scan rounds the sum of what it evaluated, filtered or
not. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html has the sizes.
A write whose condition is false consumes what a write of the item that is there would, at least one unit.

MiniStack answers `ConsumedCapacity` of writes by these rules. Of reads it does not regard the size, so they are
computed here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ministack.services import dynamodb

Request = Mapping[str, Any]
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")
_FILTERS = ("FilterExpression", "ProjectionExpression", "Select", "AttributesToGet", "QueryFilter", "ScanFilter")


@dataclass(frozen=True)
class Units:
    """Capacity units of a table, or of its `index`; empty: the table itself."""

    table: str
    index: str
    read: float = 0.0
    write: float = 0.0


def item_bytes(item: Mapping[str, Any] | None) -> int:
    """The size of an item in DynamoDB's JSON; 0 where there is none."""
    return int(dynamodb._item_size_bytes(item)) if item else 0


def read_units(size: int, *, consistent: bool = False) -> float:
    """Units to read some bytes."""
    return max(1, math.ceil(size / 4096)) * (1.0 if consistent else 0.5)


def write_units(size: int) -> float:
    """Units to write an item."""
    return float(max(1, math.ceil(size / 1024)))


def tables_of(request: Request) -> set[str]:
    """The names of the tables that a call is about."""
    items = request.get("TransactItems") or []
    named = [each["TableName"] for action in items for each in action.values()]
    named += [request["TableName"]] if "TableName" in request else []
    return {_name(each) for each in (*named, *(request.get("RequestItems") or {}))}


def consumed(operation: str, request: Request, status: int, answer: Mapping[str, Any]) -> list[Units]:
    """What a call consumed; the request asked for `ReturnConsumedCapacity` `INDEXES`."""
    if operation in WRITES:
        return list(_written(answer) if status < 300 else _refused(request, answer))
    return list(_read(operation, request, answer)) if status < 300 else []


def _written(answer: Mapping[str, Any]) -> Iterator[Units]:
    given = answer.get("ConsumedCapacity", [])
    for each in [given] if isinstance(given, dict) else given:
        table, indexes = _name(each["TableName"]), 0.0
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
            for index, units in each.get(kind, {}).items():
                indexes += units["CapacityUnits"]
                yield Units(table, index, write=units["CapacityUnits"])
        yield Units(table, "", write=each["CapacityUnits"] - indexes)


def _refused(request: Request, answer: Mapping[str, Any]) -> Iterator[Units]:
    """Of a write whose condition was false, or of a transaction that was canceled."""
    kind = str(answer.get("__type", "")).rpartition("#")[2]
    if kind == "ConditionalCheckFailedException":
        yield Units(_name(request["TableName"]), "", write=write_units(item_bytes(_stored(request))))
    if kind == "TransactionCanceledException":
        for action in request.get("TransactItems", []):
            for each in action.values():
                yield Units(_name(each["TableName"]), "", write=2 * write_units(item_bytes(_stored(each))))


def _read(operation: str, request: Request, answer: Mapping[str, Any]) -> Iterator[Units]:
    if operation == "GetItem":
        yield _got(request, consistent=bool(request.get("ConsistentRead")))
    elif operation == "BatchGetItem":
        unprocessed = answer.get("UnprocessedKeys", {})
        for table, wanted in request.get("RequestItems", {}).items():
            left = unprocessed.get(table, {}).get("Keys", [])
            for key in wanted["Keys"]:
                if key not in left:
                    yield _got({"TableName": table, "Key": key}, consistent=bool(wanted.get("ConsistentRead")))
    elif operation == "TransactGetItems":
        for each in request.get("TransactItems", []):
            got = _got(each["Get"], consistent=True)
            yield replace(got, read=2 * got.read)
    elif operation in ("Query", "Scan"):
        size = sum(item_bytes(item) for item in _evaluated(operation, request, answer))
        units = read_units(size, consistent=bool(request.get("ConsistentRead")))
        yield Units(_name(request["TableName"]), request.get("IndexName", ""), read=units)


def _got(request: Request, *, consistent: bool) -> Units:
    return Units(_name(request["TableName"]), "", read=read_units(item_bytes(_stored(request)), consistent=consistent))


def _evaluated(operation: str, request: Request, answer: Mapping[str, Any]) -> list[Any]:
    """The items that a Query or Scan evaluated: those it returned, and those its filter left out, in full."""
    if not any(name in request for name in _FILTERS):
        return list(answer.get("Items", []))
    scanned = answer.get("ScannedCount", 0)
    if not scanned:
        return []
    again = {key: value for key, value in request.items() if key not in (*_FILTERS, "ReturnConsumedCapacity")}
    call = dynamodb._query if operation == "Query" else dynamodb._scan
    unused = _without_unused_names(again)
    return list(_document(call({**unused, "Limit": scanned})).get("Items", []))


def _without_unused_names(request: dict[str, Any]) -> dict[str, Any]:
    """Without the names and values that only a filter used: DynamoDB refuses those."""
    condition = request.get("KeyConditionExpression", "")
    for name in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        used = {key: value for key, value in request.get(name, {}).items() if key in _words(condition)}
        request = {**request, name: used} if used else {key: value for key, value in request.items() if key != name}
    return request


def _words(expression: str) -> set[str]:
    return set("".join(each if each.isalnum() or each in "_:#" else " " for each in expression).split())


def _stored(request: Request) -> Any:
    """The item that is there now with the key of a request, or with that of its `Item`."""
    table = dynamodb._tables.get(_name(request["TableName"]))
    return dynamodb._get_item_by_key(table, request.get("Key") or request.get("Item") or {}) if table else None


def _document(answer: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer[2])
    return document


def _name(table: str) -> str:
    return table.rpartition("/")[2]
