"""Sparse global secondary indexes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-indexes-general-sparse-indexes.html and
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
"""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.testing.aws import allow
from local_aws.tests.integration.emulator.expectations import refused

pytestmark = pytest.mark.integration


@pytest.fixture
def table(aws: Any) -> str:
    """A table whose index holds the items that have `open`, with nothing but keys and `note`; two of three have it."""
    client, name = aws.client("dynamodb"), aws.name("table")
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("id", "open")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "open",
                "KeySchema": [{"AttributeName": "open", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(3):
        item = {"id": {"S": str(number)}, "note": {"S": "n"}, "other": {"S": "o"}}
        client.put_item(TableName=name, Item={**item, "open": {"S": "yes"}} if number else item)
    return str(name)


NAMES = {"ExpressionAttributeNames": {"#o": "open"}}
READS = {
    "scan": {},
    "query": {"KeyConditionExpression": "#o = :y", "ExpressionAttributeValues": {":y": {"S": "yes"}}, **NAMES},
}


@pytest.mark.parametrize("read", READS)
def test_an_index_holds_the_items_that_have_its_key_and_needs_permission_of_its_own(
    aws: Any, table: str, read: str
) -> None:
    arn = f"arn:aws:dynamodb:{aws.region}:{aws.account}:table/{table}"
    role = aws.role("caller", None, allow("dynamodb:Scan", "dynamodb:Query", on=arn))
    root, client = aws.client("dynamodb"), aws.client("dynamodb", role)

    def answer(**more: Any) -> Any:
        return getattr(client, read)(TableName=table, IndexName="open", **READS[read], **more)

    with refused("AccessDeniedException", f"{arn}/index/open"):
        answer()
    aws.policy(aws.name("caller"), allow("dynamodb:Scan", "dynamodb:Query", on=f"{arn}/index/open"))
    with refused("AccessDeniedException"):
        client.scan(TableName=table)
    with refused("ValidationException", "not supported on global secondary indexes"):
        answer(ConsistentRead=True)
    first = answer(Limit=1)
    assert set(first["LastEvaluatedKey"]) == {"id", "open"}
    items = first["Items"] + answer(Limit=1, ExclusiveStartKey=first["LastEvaluatedKey"])["Items"]
    assert sorted(item["id"]["S"] for item in items) == ["1", "2"]
    assert {name for item in items for name in item} == {"id", "open", "note"}
    root.update_item(TableName=table, Key={"id": {"S": "1"}}, UpdateExpression="REMOVE #o", **NAMES)
    assert [item["id"]["S"] for item in answer()["Items"]] == ["2"]
