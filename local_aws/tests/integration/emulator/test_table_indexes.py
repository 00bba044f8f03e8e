"""Sparse global secondary indexes, and the time to live of items.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-indexes-general-sparse-indexes.html,
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html and
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html
"""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.testing.aws import allow
from local_aws.tests.integration.emulator.expectations import refused

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
    first = getattr(indexed, read)(Limit=1)
    assert set(first["LastEvaluatedKey"]) == {"id", "open"}
    second = getattr(indexed, read)(Limit=1, ExclusiveStartKey=first["LastEvaluatedKey"])
    items = first["Items"] + second["Items"]
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
def test_an_index_is_not_read_consistently_and_needs_permission_of_its_own(
    indexed: Indexed, aws: Any, read: str
) -> None:
    with refused("ValidationException", "not supported on global secondary indexes"):
        getattr(indexed, read)(ConsistentRead=True)
    role = aws.role("caller", None, allow("dynamodb:Scan", "dynamodb:Query", on=indexed.arn))
    client = aws.client("dynamodb", role)
    with refused("AccessDeniedException", f"{indexed.arn}/index/open"):
        getattr(indexed, read)(client)
    aws.policy(aws.name("caller"), allow("dynamodb:Scan", "dynamodb:Query", on=f"{indexed.arn}/index/open"))
    assert len(getattr(indexed, read)(client)["Items"]) == 2
    with refused("AccessDeniedException"):
        client.scan(TableName=indexed.name)


def test_the_time_to_live_is_changed_once_an_hour_on_one_attribute(indexed: Indexed) -> None:
    def set_to(attribute: str, enabled: bool) -> None:
        specification = {"AttributeName": attribute, "Enabled": enabled}
        indexed.client.update_time_to_live(TableName=indexed.name, TimeToLiveSpecification=specification)

    set_to("expires", True)
    told = indexed.client.describe_time_to_live(TableName=indexed.name)["TimeToLiveDescription"]
    assert told == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    with refused("ValidationException", "Time to live has been modified multiple times within a fixed interval"):
        set_to("expires", False)
