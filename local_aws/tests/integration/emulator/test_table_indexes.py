"""Sparse global secondary indexes, and the time to live of items.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-indexes-general-sparse-indexes.html,
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html and
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.integration, pytest.mark.correction(name="dynamodb_time_to_live")]


class Indexed:
    """A table whose index holds the items that have `open`, with nothing but keys and `note`."""

    def __init__(self, aws: Any) -> None:
        self.client = aws.client("dynamodb")
        self.name = aws.name("table")
        self.arn = f"arn:aws:dynamodb:{aws.region}:{aws.account}:table/{self.name}"
        self.client.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "open", "AttributeType": "S"},
            ],
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
            self.client.put_item(TableName=self.name, Item={**item, "open": {"S": "yes"}} if number else item)

    def scan(self, client: Any = None, **more: Any) -> Any:
        return (client or self.client).scan(TableName=self.name, IndexName="open", **more)

    def query(self, client: Any = None, **more: Any) -> Any:
        return (client or self.client).query(
            TableName=self.name,
            IndexName="open",
            KeyConditionExpression="#o = :y",
            ExpressionAttributeNames={"#o": "open"},
            ExpressionAttributeValues={":y": {"S": "yes"}},
            **more,
        )


@pytest.fixture
def indexed(aws: Any) -> Indexed:
    return Indexed(aws)


@pytest.mark.parametrize("read", ["scan", "query"])
def test_an_index_holds_the_items_that_have_its_key_and_what_is_projected(indexed: Indexed, read: str) -> None:
    items = getattr(indexed, read)()["Items"]
    assert sorted(item["id"]["S"] for item in items) == ["1", "2"]
    assert {name for item in items for name in item} == {"id", "open", "note"}
    indexed.client.update_item(
        TableName=indexed.name,
        Key={"id": {"S": "1"}},
        UpdateExpression="REMOVE #o",
        ExpressionAttributeNames={"#o": "open"},
    )
    assert [item["id"]["S"] for item in getattr(indexed, read)()["Items"]] == ["2"]


@pytest.mark.parametrize("read", ["scan", "query"])
def test_pages_of_an_index_go_on_from_the_keys_of_both(indexed: Indexed, read: str) -> None:
    first = getattr(indexed, read)(Limit=1)
    assert set(first["LastEvaluatedKey"]) == {"id", "open"}
    second = getattr(indexed, read)(Limit=1, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert sorted(item["id"]["S"] for item in first["Items"] + second["Items"]) == ["1", "2"]


@pytest.mark.parametrize("read", ["scan", "query"])
def test_an_index_is_not_read_consistently(indexed: Indexed, read: str) -> None:
    with pytest.raises(ClientError, match="not supported on global secondary indexes") as error:
        getattr(indexed, read)(ConsistentRead=True)
    assert error.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("read", ["scan", "query"])
def test_reading_an_index_needs_leave_on_the_index(indexed: Indexed, aws: Any, statement: Any, read: str) -> None:
    role = aws.role("caller", None, statement("dynamodb:Scan", "dynamodb:Query", on=indexed.arn))
    client = aws.client("dynamodb", role)
    with pytest.raises(ClientError, match=f"{indexed.arn}/index/open") as error:
        getattr(indexed, read)(client)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    aws.policy(aws.name("caller"), statement("dynamodb:Scan", "dynamodb:Query", on=f"{indexed.arn}/index/open"))
    assert len(getattr(indexed, read)(client)["Items"]) == 2
    with pytest.raises(ClientError):
        client.scan(TableName=indexed.name)


def test_an_index_that_is_added_holds_what_there_is(indexed: Indexed) -> None:
    indexed.client.update_table(
        TableName=indexed.name,
        AttributeDefinitions=[{"AttributeName": "note", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "notes",
                    "KeySchema": [{"AttributeName": "note", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        ],
    )
    items = indexed.client.scan(TableName=indexed.name, IndexName="notes")["Items"]
    assert sorted(item["id"]["S"] for item in items) == ["0", "1", "2"]
    assert {name for item in items for name in item} == {"id", "note"}


def test_the_time_to_live_is_changed_once_an_hour_on_one_attribute(indexed: Indexed) -> None:
    def set_to(attribute: str, enabled: bool) -> None:
        specification = {"AttributeName": attribute, "Enabled": enabled}
        indexed.client.update_time_to_live(TableName=indexed.name, TimeToLiveSpecification=specification)

    def told() -> dict[str, str]:
        found: dict[str, str] = indexed.client.describe_time_to_live(TableName=indexed.name)["TimeToLiveDescription"]
        return found

    with pytest.raises(ClientError, match="TimeToLive is already disabled"):
        set_to("expires", False)
    assert told() == {"TimeToLiveStatus": "DISABLED"}
    set_to("expires", True)
    assert told() == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    for attribute, enabled, reason in (
        ("expires", True, "TimeToLive is already enabled"),
        ("other", True, "TimeToLive is active on a different AttributeName: current AttributeName is expires"),
        ("expires", False, "Time to live has been modified multiple times within a fixed interval"),
    ):
        with pytest.raises(ClientError, match=reason):
            set_to(attribute, enabled)
