"""DynamoDB."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws, AwsProvider, AwsResource, Request, created, retrying, tolerating
from local_aws.plugins.framework.errors import CheckFailure
from local_aws.plugins.framework.schema import BOOLEAN, INTEGER, STRING, ListOf, Object, Property, SetOf, sort_key
from local_aws.plugins.framework.values import UNKNOWN, Properties, contains_unknown

_GONE = "ResourceNotFoundException"
_ACTIVE_SECONDS = 1800.0
"""The published provider's limit for a new table."""
_TTL_SECONDS = 300.0
"""The published provider's limit for a change of the time to live."""
_CAPACITY = ("readCapacity", "writeCapacity")
_KEY = Object(
    {
        "attributeName": Property(STRING, required=True),
        "keyType": Property(STRING, required=True, allowed=("HASH", "RANGE")),
    }
)
_INDEX = Object(
    {
        "name": Property(STRING, required=True),
        "keySchemas": Property(ListOf(_KEY), required=True),
        "projectionType": Property(STRING, required=True),
        **{name: Property(INTEGER) for name in _CAPACITY},
    }
)


class Table(AwsResource):
    """`aws.dynamodb.Table`; its id is its name."""

    token = "aws:dynamodb/table:Table"
    name_property = "name"
    service = "dynamodb"
    creates = "CreateTable"
    renamed: ClassVar = {"name": "TableName", "arn": "TableArn"}
    gone = (_GONE,)
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property(STRING, required=True, replaces=True),
        "hashKey": Property(STRING, required=True, replaces=True),
        "rangeKey": Property(STRING, replaces=True),
        "attributes": Property(
            SetOf(Object({"name": Property(STRING, required=True), "type": Property(STRING, required=True)})),
            required=True,
        ),
        "billingMode": Property(STRING, default="PROVISIONED", allowed=("PROVISIONED", "PAY_PER_REQUEST")),
        **{name: Property(INTEGER) for name in _CAPACITY},
        "globalSecondaryIndexes": Property(SetOf(_INDEX), computed=True),
        "ttl": Property(
            Object(
                {
                    "attributeName": Property(STRING, required=True),
                    "enabled": Property(BOOLEAN, required=True, allowed=(True,)),
                }
            )
        ),
    }
    outputs = ("arn", "tagsAll")
    deletes_before_replace = True

    def check(self, provider: Any, inputs: Properties) -> list[CheckFailure]:
        """Every key is an attribute and every attribute is a key of the table or of an index; capacity fits billing."""
        mode = inputs.get("billingMode", "PROVISIONED")
        owners = [("", inputs), *((f"{index['name']}: ", index) for index in _indexes(inputs))]
        return _check_keys(inputs) + [
            CheckFailure("globalSecondaryIndexes" if owner else name, f"{owner}{name} {reason}")
            for owner, owned in owners
            for name in _CAPACITY
            for is_wrong, reason in (
                (mode == "PROVISIONED" and not owned.get(name), "must be at least 1 where billingMode is PROVISIONED"),
                (
                    mode == "PAY_PER_REQUEST" and owned.get(name) not in (None, 0, UNKNOWN),
                    "cannot be set where billingMode is PAY_PER_REQUEST",
                ),
            )
            if is_wrong
        ]

    def replaced_by(self, old: Properties, new: Properties) -> list[str]:
        """The type of a key cannot change (UpdateTable, DynamoDB API reference)."""
        before, after = _types(old), _types(new)
        keys = {new.get("hashKey"), new.get("rangeKey")} & before.keys()
        return ["attributes"] if any(before[key] != after.get(key) for key in keys) else []

    def request(self, provider: AwsProvider, inputs: Properties) -> Request:
        """CreateTable."""
        on_demand = inputs.get("billingMode") == "PAY_PER_REQUEST"
        parameters = {
            "BillingMode": "PROVISIONED",
            **self.parameters(provider, {**inputs, "globalSecondaryIndexes": None}),
            "KeySchema": _schema((inputs["hashKey"], "HASH"), (inputs.get("rangeKey"), "RANGE")),
            "AttributeDefinitions": _definitions(inputs),
            **({} if on_demand else {"ProvisionedThroughput": _throughput(inputs)}),
        }
        if inputs.get("globalSecondaryIndexes"):
            parameters["GlobalSecondaryIndexes"] = [_index(index, on_demand) for index in _indexes(inputs)]
        return Request("dynamodb", "CreateTable", parameters)

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateTable, then what only works on an active table."""
        self.send(operation, inputs)
        name = str(inputs["name"])
        with created(name, inputs):
            self._wait(operation, name)
            if inputs.get("ttl"):
                self._set_ttl(operation, name, inputs["ttl"])
        return name

    def _wait(self, operation: Aws, name: str) -> None:
        def active() -> bool | None:
            with tolerating(_GONE):
                table = self.client(operation).describe_table(TableName=name)["Table"]
                states = {index.get("IndexStatus", "ACTIVE") for index in table.get("GlobalSecondaryIndexes") or ()}
                return True if states | {table["TableStatus"]} == {"ACTIVE"} else None
            return None

        operation.wait(f"table {name} to become active", active, default_seconds=_ACTIVE_SECONDS)

    def _set_ttl(self, operation: Aws, name: str, ttl: Properties) -> None:
        """UpdateTimeToLive, and wait for it."""
        dynamodb = self.client(operation)
        dynamodb.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": ttl["enabled"], "AttributeName": ttl["attributeName"]},
        )

        def done() -> bool | None:
            description = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
            return True if description["TimeToLiveStatus"] == ("ENABLED" if ttl["enabled"] else "DISABLED") else None

        operation.wait(f"the time to live of table {name} to change", done, default_seconds=_TTL_SECONDS)

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeTable, DescribeTimeToLive, ListTagsOfResource."""
        dynamodb = self.client(operation)
        table = dynamodb.describe_table(TableName=resource_id)["Table"]
        ttl = dynamodb.describe_time_to_live(TableName=resource_id)["TimeToLiveDescription"]
        is_timed = ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
        return {
            **self.found(table),
            **_found(table),
            "ttl": {"attributeName": ttl["AttributeName"], "enabled": True} if is_timed else None,
            "tags": dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags"),
        }

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateTable, one kind of change at a time, as DynamoDB wants it."""
        dynamodb = self.client(operation)

        def apply(**parameters: Any) -> None:
            dynamodb.update_table(TableName=resource_id, **parameters)
            self._wait(operation, resource_id)

        on_demand = new.get("billingMode") == "PAY_PER_REQUEST"
        indexes = index_changes(old, new, on_demand) if "globalSecondaryIndexes" in changed else IndexChanges()
        for update in indexes.deleted:
            apply(GlobalSecondaryIndexUpdates=[update])
        if indexes.updated or changed & {"billingMode", *_CAPACITY}:
            capacity = {} if on_demand else {"ProvisionedThroughput": _throughput(new)}
            updates = {"GlobalSecondaryIndexUpdates": indexes.updated} if indexes.updated else {}
            apply(BillingMode=new.get("billingMode", "PROVISIONED"), **capacity, **updates)
        for update in indexes.created:
            apply(AttributeDefinitions=_definitions(new), GlobalSecondaryIndexUpdates=[update])
        if "ttl" in changed:
            # AWS wants the attribute's name to disable it, too.
            self._set_ttl(operation, resource_id, new.get("ttl") or {**old["ttl"], "enabled": False})

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteTable, and wait until it is gone."""
        retrying(
            operation,
            f"table {resource_id} to be free",
            lambda: self.client(operation).delete_table(TableName=resource_id),
            "ResourceInUseException",
            "LimitExceededException",
            seconds=600,
        )
        self.wait_until_gone(operation, resource_id, state, 600)


def _known(items: Any) -> list[Properties]:
    """Those of a list of objects that are known."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _indexes(properties: Properties) -> list[Properties]:
    return _known(properties.get("globalSecondaryIndexes"))


def _types(inputs: Properties) -> dict[Any, Any]:
    return {item["name"]: item["type"] for item in _known(inputs.get("attributes"))}


def _definitions(inputs: Properties) -> list[dict[str, str]]:
    pairs = [{"AttributeName": name, "AttributeType": kind} for name, kind in _types(inputs).items()]
    return sorted(pairs, key=sort_key)


def _schema(*keys: tuple[str | None, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in keys if name]


def _check_keys(inputs: Properties) -> list[CheckFailure]:
    keys = {key for name in ("hashKey", "rangeKey") if (key := inputs.get(name)) is not None}
    keys |= {key["attributeName"] for index in _indexes(inputs) for key in _known(index["keySchemas"])}
    declared = set(_types(inputs))
    if contains_unknown([inputs["attributes"], inputs.get("globalSecondaryIndexes"), *keys]) or keys == declared:
        return []
    reason = f"it declares {sorted(declared)}, but the keys of the table and its indexes are {sorted(keys)}"
    return [CheckFailure("attributes", reason)]


def _throughput(inputs: Properties) -> dict[str, int]:
    return {
        "ReadCapacityUnits": inputs.get("readCapacity") or 1,
        "WriteCapacityUnits": inputs.get("writeCapacity") or 1,
    }


def _index(index: Properties, on_demand: bool) -> dict[str, Any]:
    return {
        "IndexName": index["name"],
        "KeySchema": _schema(*((key["attributeName"], key["keyType"]) for key in _known(index["keySchemas"]))),
        "Projection": {"ProjectionType": index["projectionType"]},
        **({} if on_demand else {"ProvisionedThroughput": _throughput(index)}),
    }


@dataclass(frozen=True)
class IndexChanges:
    """What UpdateTable has to be told about a table's global secondary indexes, in this order.

    Attributes:
        deleted: one a call; first, for what is switched to PROVISIONED needs a capacity for every index there is.
        updated: all of them in the call that changes the table's own capacity.
        created: one a call.
    """

    deleted: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)
    created: list[dict[str, Any]] = field(default_factory=list)


def index_changes(old: Properties, new: Properties, on_demand: bool) -> IndexChanges:
    """What turns the indexes of the state `old` into those of `new`; another key or projection remakes one."""
    before = {index["name"]: index for index in _indexes(old)}
    after = {index["name"]: index for index in _indexes(new)}
    both = before.keys() & after.keys()
    remade = {name for name in both if _index(before[name], True) != _index(after[name], True)}
    resized = {
        name
        for name in both
        if [before[name].get(key) for key in _CAPACITY] != [after[name].get(key) for key in _CAPACITY]
    }
    return IndexChanges(
        deleted=[{"Delete": {"IndexName": name}} for name in sorted((before.keys() - after.keys()) | remade)],
        updated=[
            {"Update": {"IndexName": name, "ProvisionedThroughput": _throughput(after[name])}}
            for name in sorted(resized - remade if not on_demand else ())
        ],
        created=[
            {"Create": _index(after[name], on_demand)} for name in sorted((after.keys() - before.keys()) | remade)
        ],
    )


def _found(table: dict[str, Any]) -> Properties:
    """What a table tells of its keys, billing and indexes; on demand there is no capacity."""
    keys = {item["KeyType"]: item["AttributeName"] for item in table["KeySchema"]}
    attributes = [(item["AttributeName"], item["AttributeType"]) for item in table["AttributeDefinitions"]]
    billing = (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")

    def capacity(owner: dict[str, Any]) -> Properties:
        units = owner.get("ProvisionedThroughput") or {}
        told = {"readCapacity": units.get("ReadCapacityUnits"), "writeCapacity": units.get("WriteCapacityUnits")}
        return told if billing == "PROVISIONED" else {}

    def index(told: dict[str, Any]) -> Properties:
        schema = [{"attributeName": key["AttributeName"], "keyType": key["KeyType"]} for key in told["KeySchema"]]
        projection = told.get("Projection", {}).get("ProjectionType")
        return {"name": told["IndexName"], "keySchemas": schema, "projectionType": projection, **capacity(told)}

    indexes: Iterable[dict[str, Any]] = table.get("GlobalSecondaryIndexes") or ()
    return {
        "hashKey": keys["HASH"],
        "rangeKey": keys.get("RANGE"),
        "attributes": [{"name": name, "type": kind} for name, kind in sorted(attributes)],
        "billingMode": billing,
        **capacity(table),
        "globalSecondaryIndexes": sorted(map(index, indexes), key=sort_key) or None,
    }
