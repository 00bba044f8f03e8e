"""Provisioned capacity of DynamoDB, with its bursts."""

from __future__ import annotations

from local_aws.emulator.capacity import Units
from local_aws.emulator.provisioned_capacity import ProvisionedCapacity

FIVE = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
TABLE = {"TableName": "t", "ProvisionedThroughput": FIVE}


def test_a_table_keeps_300_seconds_of_unused_capacity_and_gets_its_units_each_second() -> None:
    now = [0.0]
    kept = ProvisionedCapacity(clock=lambda: now[0])
    assert not kept.lacking(TABLE, "", "write", 300)
    kept.take([Units("t", "", write=1500)])
    assert kept.lacking(TABLE, "", "write", 300)
    assert not kept.lacking(TABLE, "", "read", 300)
    now[0] += 1
    assert not kept.lacking(TABLE, "", "write", 300)
    kept.take([Units("t", "", write=5)])
    assert kept.lacking(TABLE, "", "write", 300)


def test_an_index_without_capacity_holds_up_the_writes_of_its_table_but_not_its_reads() -> None:
    index = {"IndexName": "open", "ProvisionedThroughput": FIVE}
    table = {**TABLE, "ProvisionedThroughput": {}, "GlobalSecondaryIndexes": [index]}
    kept = ProvisionedCapacity(clock=lambda: 0.0)
    assert not kept.lacking(table, "", "write", 1)
    kept.take([Units("t", "open", write=5)])
    assert kept.lacking(table, "", "write", 1)
    assert not kept.lacking(table, "open", "read", 1)
    assert not kept.lacking({**TABLE, "ProvisionedThroughput": {}}, "", "write", 1), "on demand"
