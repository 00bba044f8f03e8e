"""What the meter counts, against numbers computed by hand from AWS's rules.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html: an item of 2.5 KB takes 3
write units, of 6 KB 2 consistent read units; a Query of items of 40.8 KB in all takes 11 (44 KB) consistent read units.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.emulator import Emulator
from local_aws.emulator.supervisor import meter_at
from local_aws.testing.aws import Functions, allow

pytestmark = [pytest.mark.integration]


@pytest.fixture
def metered(emulator: Emulator) -> Iterator[Emulator]:
    emulator.start_meter()
    yield emulator
    emulator.stop_meter()


@pytest.fixture
def table(aws: Any) -> str:
    """With the key `k` and `s`, and a sparse index `open` on `o` that has the keys alone."""
    name: str = aws.name("metered")
    keys = [{"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=keys,
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("k", "s", "o")],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "open",
                "KeySchema": [{"AttributeName": "o", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    return name


def item(size: int, sort: str = "1", **more: str) -> dict[str, Any]:
    """An item of so many bytes: attribute names and texts count their UTF-8 bytes."""
    texts = {"k": "a", "s": sort, **more}
    used = sum(len(name) + len(value) for name, value in texts.items()) + 1
    return {name: {"S": value} for name, value in {**texts, "t": "x" * (size - used)}.items()}


def units(emulator: Emulator, table: str, operation: str) -> list[tuple[str, float, float]]:
    """Index, read and write units of an operation; the meter starts again."""
    found = [each for each in emulator.read_meter().capacity if (each.table, each.operation) == (table, operation)]
    emulator.start_meter()
    return [(each.index, each.read, each.write) for each in found]


KEY = {"k": {"S": "a"}, "s": {"S": "1"}}


def test_writes_take_a_unit_for_each_kilobyte_and_those_of_the_index_they_change(
    metered: Emulator, aws: Any, table: str
) -> None:
    client = aws.client("dynamodb")
    answer = client.put_item(TableName=table, Item=item(2560))
    assert "ConsumedCapacity" not in answer
    assert units(metered, table, "PutItem") == [("", 0, 3)]
    change = {"TableName": table, "Key": KEY, "ExpressionAttributeValues": {":o": {"S": "1"}}}
    client.update_item(**change, UpdateExpression="SET o = :o")
    assert units(metered, table, "UpdateItem") == [("", 0, 3), ("open", 0, 1)]
    client.update_item(TableName=table, Key=KEY, UpdateExpression="REMOVE o")
    assert units(metered, table, "UpdateItem") == [("", 0, 3), ("open", 0, 1)]
    with pytest.raises(ClientError):
        client.update_item(**change, UpdateExpression="SET o = :o", ConditionExpression="attribute_exists(o)")
    assert units(metered, table, "UpdateItem") == [("", 0, 3)]
    client.delete_item(TableName=table, Key=KEY)
    assert units(metered, table, "DeleteItem") == [("", 0, 3)]
    client.delete_item(TableName=table, Key=KEY)
    assert units(metered, table, "DeleteItem") == [("", 0, 1)]


def test_a_transaction_takes_twice_the_units(metered: Emulator, aws: Any, table: str) -> None:
    client = aws.client("dynamodb")
    put = {"Put": {"TableName": table, "Item": item(2560, o="1")}}
    client.transact_write_items(TransactItems=[put])
    assert units(metered, table, "TransactWriteItems") == [("", 0, 6), ("open", 0, 1)]
    put["Put"]["ConditionExpression"] = "attribute_not_exists(k)"
    with pytest.raises(ClientError):
        client.transact_write_items(TransactItems=[put])
    assert units(metered, table, "TransactWriteItems") == [("", 0, 6)]
    client.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": KEY}}])
    assert units(metered, table, "TransactGetItems") == [("", 2, 0)]


def test_reads_take_a_unit_for_each_four_kilobytes_and_half_of_it_when_eventual(
    metered: Emulator, aws: Any, table: str
) -> None:
    client = aws.client("dynamodb")
    client.put_item(TableName=table, Item=item(6144))
    client.get_item(TableName=table, Key=KEY, ConsistentRead=True, ProjectionExpression="k")
    assert units(metered, table, "GetItem") == [("", 2, 0)]
    client.get_item(TableName=table, Key=KEY)
    assert units(metered, table, "GetItem") == [("", 1, 0)]
    client.get_item(TableName=table, Key={**KEY, "s": {"S": "none"}})
    assert units(metered, table, "GetItem") == [("", 0.5, 0)]
    client.batch_get_item(RequestItems={table: {"Keys": [KEY, {**KEY, "s": {"S": "none"}}]}})
    assert units(metered, table, "BatchGetItem") == [("", 1.5, 0)]


def test_a_query_takes_the_units_of_all_that_it_evaluated(metered: Emulator, aws: Any, table: str) -> None:
    client = aws.client("dynamodb")
    for number in range(10):
        client.put_item(TableName=table, Item=item(4178, str(number), **({"o": "1"} if number < 4 else {})))
    query = {
        "TableName": table,
        "KeyConditionExpression": "k = :k",
        "ExpressionAttributeValues": {":k": {"S": "a"}},
    }
    client.query(**query, ConsistentRead=True)
    assert units(metered, table, "Query") == [("", 11, 0)], "41,780 bytes are 40.8 KB"
    client.query(**query)
    assert units(metered, table, "Query") == [("", 5.5, 0)]
    client.query(**query, Select="COUNT")
    assert units(metered, table, "Query") == [("", 5.5, 0)]
    query["ExpressionAttributeValues"] = {":k": {"S": "a"}, ":no": {"S": "no"}}
    found = client.query(**query, FilterExpression="t = :no", ProjectionExpression="k")
    assert (found["Count"], units(metered, table, "Query")) == (0, [("", 5.5, 0)])
    index = {"IndexName": "open", "KeyConditionExpression": "o = :o", "ExpressionAttributeValues": {":o": {"S": "1"}}}
    client.query(TableName=table, **index)
    assert units(metered, table, "Query") == [("open", 0.5, 0)], "four entries with keys alone"


def test_calls_are_counted_for_each_role_with_their_errors(metered: Emulator, aws: Any, table: str) -> None:
    role = aws.role("reader", None, allow("dynamodb:GetItem"))
    reader = aws.client("dynamodb", role)
    metered.start_meter()
    reader.get_item(TableName=table, Key=KEY)
    throttle = {"service": "dynamodb", "first": 1, "effect": {"error": "ThrottlingException"}}
    metered.inject_faults([throttle])
    with pytest.raises(ClientError):
        reader.get_item(TableName=table, Key=KEY)
    metered.inject_faults([])
    reading = metered.read_meter()
    (found,) = reading.calls
    assert (found.service, found.operation, found.role) == ("dynamodb", "GetItem", role.rpartition("/")[2])
    assert (found.calls, found.errors, reading.calls_of("dynamodb", "GetItem")) == (2, 1, 2)
    assert reading.read_units(table) == 0.5


def test_executions_are_counted_with_their_largest_payload(metered: Emulator, aws: Any, machines: Any) -> None:
    big = {"Type": "Pass", "Output": {"text": "x" * 1000}, "Next": "Small"}
    states = {"Big": big, "Small": {"Type": "Pass", "Output": {}, "End": True}}
    end = machines.run(states, "Big", aws.role("machine", "states.amazonaws.com"))
    reading = metered.read_meter()
    (found,) = [each for each in reading.executions if each.state_machine == end["stateMachineArn"]]
    assert (found.count, found.transitions, found.most_transitions) == (1, 2, 2)
    assert found.events == found.most_events == len(machines.history(end["executionArn"])) == 6
    (payload,) = [each for each in reading.payloads if each.state == "Big"]
    assert payload.bytes == len(json.dumps({"text": "x" * 1000}))


def test_functions_are_counted_with_their_time_and_memory(metered: Emulator, aws: Any) -> None:
    function = Functions(aws)
    function.create("def handler(event, context):\n    kept = bytearray(64 * 1024 * 1024)\n    return len(kept)\n")
    function.settle()
    function.invoke()
    function.invoke()
    (found,) = [each for each in metered.read_meter().functions if each.name == function.name]
    assert (found.calls, found.errors) == (2, 0)
    assert 0 < found.longest_seconds <= found.total_seconds
    assert found.peak_memory_bytes > 64 * 1024 * 1024


def test_a_meter_that_is_off_counts_nothing(emulator: Emulator, aws: Any) -> None:
    emulator.stop_meter()
    aws.client("s3").list_buckets()
    assert meter_at(emulator.endpoint_url).calls == ()
