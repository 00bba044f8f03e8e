"""What is left of the provisioned capacity of DynamoDB tables and their global secondary indexes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html: up to 300 seconds of
unused capacity are kept for bursts. A table that lacks capacity refuses; a write that an index lacks capacity for is
refused, too (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html). Not as on AWS: a call that
finds some capacity left is done, and may take more than is left, which the next calls wait for; every write of a table
waits for its indexes, also one that changes none of them; partitions have no limits of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_aws.emulator.capacity import Units

_MEMBERS = {"read": "ReadCapacityUnits", "write": "WriteCapacityUnits"}


@dataclass
class _Bucket:
    left: float
    filled: float


@dataclass
class ProvisionedCapacity:
    """Buckets of units by table, index and kind (`read`, `write`); all are full at first."""

    clock: Callable[[], float] = time.monotonic
    _buckets: dict[tuple[str, str, str], _Bucket] = field(default_factory=dict)

    def lacking(self, table: Mapping[str, Any], index: str, kind: str, burst_seconds: float) -> bool:
        """Whether a call has to be refused: of a read, the table or the index read; of a write, the table or any index.

        `table` is DescribeTable's; on demand, none is.
        """
        parts = {"": table, **{each["IndexName"]: each for each in table.get("GlobalSecondaryIndexes") or []}}
        used = [index if index in parts else ""] if kind == "read" else list(parts)
        # Of each, for a bucket is filled by looking at it.
        empty = [self._is_empty(table["TableName"], each, parts[each], kind, burst_seconds) for each in used]
        return any(empty)

    def _is_empty(self, table: str, index: str, part: Mapping[str, Any], kind: str, burst_seconds: float) -> bool:
        rate = float((part.get("ProvisionedThroughput") or {}).get(_MEMBERS[kind]) or 0)
        if not rate:
            return False
        now, most = self.clock(), rate * max(1.0, burst_seconds)
        bucket = self._buckets.setdefault((table, index, kind), _Bucket(most, now))
        bucket.left = min(most, bucket.left + (now - bucket.filled) * rate)
        bucket.filled = now
        return bucket.left <= 0

    def take(self, units: Iterable[Units]) -> None:
        """Take what a call consumed."""
        for each in units:
            for kind, amount in (("read", each.read), ("write", each.write)):
                bucket = self._buckets.get((each.table, each.index, kind))
                if bucket is not None:
                    bucket.left -= amount
