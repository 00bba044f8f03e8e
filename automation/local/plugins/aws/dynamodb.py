"""DynamoDB."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from automation.local.plugins.aws.base import (
    Aws,
    AwsResource,
    Request,
    compact,
    created,
    retrying,
    tag_changes,
    tag_list,
    tag_map,
    tolerating,
)
from automation.local.plugins.framework.errors import CheckFailure
from automation.local.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    Object,
    Property,
    SetOf,
    sort_key,
)
from automation.local.plugins.framework.values import UNKNOWN, Properties

_GONE = "ResourceNotFoundException"
_ACTIVE_SECONDS = 1800.0
"""The published provider's limit for a new table."""
_TTL_SECONDS = 300.0
"""The published provider's limit for a change of the time to live."""


class Table(AwsResource):
    """`aws.dynamodb.Table`; its id is its name."""

    token = "aws:dynamodb/table:Table"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property(STRING, replaces=True, computed=True),
        "hashKey": Property(STRING, replaces=True),
        "rangeKey": Property(STRING, replaces=True),
        "attributes": Property(
            SetOf(
                Object({"name": Property(STRING, required=True), "type": Property(STRING, required=True)}),
            ),
        ),
        "billingMode": Property(STRING, default="PROVISIONED"),
        "readCapacity": Property(INTEGER, computed=True),
        "writeCapacity": Property(INTEGER, computed=True),
        "globalSecondaryIndexes": Property(
            SetOf(
                Object(
                    {
                        "name": Property(STRING, required=True),
                        "hashKey": Property(STRING),
                        "rangeKey": Property(STRING),
                        "keySchemas": Property(
                            ListOf(
                                Object(
                                    {
                                        "attributeName": Property(STRING, required=True),
                                        "keyType": Property(STRING, required=True, allowed=("HASH", "RANGE")),
                                    }
                                )
                            )
                        ),
                        "projectionType": Property(STRING, required=True),
                        "nonKeyAttributes": Property(SetOf(STRING)),
                        "readCapacity": Property(INTEGER, computed=True),
                        "writeCapacity": Property(INTEGER, computed=True),
                    }
                )
            ),
            computed=True,
        ),
        "localSecondaryIndexes": Property(
            SetOf(
                Object(
                    {
                        "name": Property(STRING, required=True),
                        "rangeKey": Property(STRING, required=True),
                        "projectionType": Property(STRING, required=True),
                        "nonKeyAttributes": Property(ListOf(STRING)),
                    }
                )
            ),
            replaces=True,
        ),
        "streamEnabled": Property(BOOLEAN, default=False),
        "streamViewType": Property(STRING, computed=True),
        "tableClass": Property(STRING, default="STANDARD"),
        "deletionProtectionEnabled": Property(BOOLEAN, default=False),
        "pointInTimeRecovery": Property(Object({"enabled": Property(BOOLEAN, required=True)}), computed=True),
        "serverSideEncryption": Property(
            Object({"enabled": Property(BOOLEAN, required=True), "kmsKeyArn": Property(STRING, computed=True)}),
            computed=True,
        ),
        "ttl": Property(
            Object({"attributeName": Property(STRING), "enabled": Property(BOOLEAN, default=False)}), computed=True
        ),
    }
    outputs = ("arn", "streamArn", "streamLabel", "tagsAll")
    volatile = ("streamArn", "streamLabel")
    name_property = "name"

    def check(self, provider: Any, inputs: Properties) -> list[CheckFailure]:
        """Every key is an attribute and every attribute is a key of the table or of an index; capacity fits billing.

        A time to live that is enabled names its attribute.
        """
        del provider
        failures = [*_check_keys(inputs), *_check_ttl(inputs.get("ttl"))]
        on_demand = inputs.get("billingMode") == "PAY_PER_REQUEST"
        for name in ("readCapacity", "writeCapacity"):
            given = inputs.get(name)
            if on_demand and given and given is not UNKNOWN:
                failures.append(CheckFailure(name, "it cannot be set where billingMode is PAY_PER_REQUEST"))
            if inputs.get("billingMode", "PROVISIONED") == "PROVISIONED" and given in (None, 0):
                failures.append(CheckFailure(name, "it must be at least 1 where billingMode is PROVISIONED"))
        if inputs.get("billingMode", "PROVISIONED") == "PROVISIONED":
            failures += [
                CheckFailure(
                    "globalSecondaryIndexes", f"{index.get('name')}: {name} must be at least 1, as it is PROVISIONED"
                )
                for index in _global_indexes(inputs)
                for name in ("readCapacity", "writeCapacity")
                if index.get(name) in (None, 0)
            ]
        return failures

    def replaced_by(self, old: Properties, new: Properties) -> list[str]:
        """The type of a key cannot change (UpdateTable, DynamoDB API reference)."""
        before, after = _types(old), _types(new)
        keys = {new.get("hashKey"), new.get("rangeKey")} & before.keys()
        return ["attributes"] if any(before[key] != after.get(key) for key in keys) else []

    def request(self, inputs: Properties) -> Request:
        """CreateTable."""
        on_demand = inputs.get("billingMode") == "PAY_PER_REQUEST"
        stream = inputs.get("streamEnabled")
        encryption = inputs.get("serverSideEncryption")
        parameters = {
            "TableName": inputs["name"],
            "KeySchema": _key_schema(inputs),
            "AttributeDefinitions": _definitions(inputs),
            "BillingMode": inputs.get("billingMode", "PROVISIONED"),
            "ProvisionedThroughput": None if on_demand else _throughput(inputs),
            "GlobalSecondaryIndexes": [
                _global_index(index, on_demand) for index in inputs.get("globalSecondaryIndexes") or ()
            ]
            or None,
            "LocalSecondaryIndexes": [
                _index({**index, "hashKey": inputs.get("hashKey")})
                for index in inputs.get("localSecondaryIndexes") or ()
            ]
            or None,
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": inputs.get("streamViewType")}
            if stream
            else None,
            "TableClass": inputs.get("tableClass"),
            "DeletionProtectionEnabled": inputs.get("deletionProtectionEnabled"),
            "SSESpecification": encryption and _encryption(encryption),
            "Tags": tag_list(inputs) or None,
        }
        return Request("dynamodb", "CreateTable", compact(parameters))

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateTable, then what only works on an active table."""
        self.send(operation, inputs)
        name = str(inputs["name"])
        with created(name, inputs):
            self._wait(operation, name, inputs)
            wanted = {key for key in ("ttl", "pointInTimeRecovery") if (inputs.get(key) or {}).get("enabled")}
            self._recovery_and_ttl(operation, name, inputs, wanted)
        return name

    def _wait(self, operation: Aws, name: str, properties: Properties) -> None:
        dynamodb = self.client(operation, "dynamodb", properties)

        def active() -> bool | None:
            with tolerating(_GONE):
                table = dynamodb.describe_table(TableName=name)["Table"]
                indexes = table.get("GlobalSecondaryIndexes") or ()
                if table["TableStatus"] == "ACTIVE" and all(
                    index.get("IndexStatus", "ACTIVE") == "ACTIVE" for index in indexes
                ):
                    return True
            return None

        operation.wait(f"table {name} to become active", active, default_seconds=_ACTIVE_SECONDS)

    def _recovery_and_ttl(self, operation: Aws, name: str, inputs: Properties, changed: set[str]) -> None:
        dynamodb = self.client(operation, "dynamodb", inputs)
        if "ttl" in changed:
            self._set_ttl(operation, name, inputs)
        if "pointInTimeRecovery" in changed:
            recovery = inputs.get("pointInTimeRecovery") or {}
            retrying(
                operation,
                f"backups of table {name} to be ready",
                lambda: dynamodb.update_continuous_backups(
                    TableName=name,
                    PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": bool(recovery.get("enabled"))},
                ),
                "ContinuousBackupsUnavailableException",
                seconds=_ACTIVE_SECONDS,
            )

    def _set_ttl(self, operation: Aws, name: str, inputs: Properties) -> None:
        """UpdateTimeToLive, and wait for it; AWS wants the attribute's name to disable it, too."""
        dynamodb = self.client(operation, "dynamodb", inputs)
        ttl = inputs.get("ttl") or {}
        enabled = bool(ttl.get("enabled"))
        dynamodb.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": enabled, "AttributeName": ttl.get("attributeName") or ""},
        )

        def done() -> bool | None:
            description = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
            return True if description["TimeToLiveStatus"] == ("ENABLED" if enabled else "DISABLED") else None

        operation.wait(f"the time to live of table {name} to change", done, default_seconds=_TTL_SECONDS)

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeTable, ListTagsOfResource, and backups and time to live where the program has a say in them."""
        dynamodb = self.client(operation, "dynamodb", state)
        with tolerating(_GONE):
            table = dynamodb.describe_table(TableName=resource_id)["Table"]
            if table["TableStatus"] == "DELETING":
                return None
            tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags")
            found = {**_table(table, state), "tags": tag_map(tags)}
            if not state or state.get("pointInTimeRecovery"):
                backups = dynamodb.describe_continuous_backups(TableName=resource_id)["ContinuousBackupsDescription"]
                recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
                found["pointInTimeRecovery"] = {"enabled": recovery == "ENABLED"}
            if not state or state.get("ttl"):
                ttl = dynamodb.describe_time_to_live(TableName=resource_id)["TimeToLiveDescription"]
                enabled = ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
                # AWS does not tell the name that it wanted when the time to live was disabled.
                name = ttl.get("AttributeName") if enabled else (state.get("ttl") or {}).get("attributeName")
                found["ttl"] = compact({"attributeName": name, "enabled": enabled})
            return found
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateTable, one kind of change at a time as DynamoDB demands, waiting in between."""
        dynamodb = self.client(operation, "dynamodb", new)

        def apply(**parameters: Any) -> None:
            dynamodb.update_table(TableName=resource_id, **parameters)
            self._wait(operation, resource_id, new)

        on_demand = new.get("billingMode") == "PAY_PER_REQUEST"
        indexes = index_changes(old, new, on_demand) if "globalSecondaryIndexes" in changed else IndexChanges()
        for update in indexes.deleted:
            apply(GlobalSecondaryIndexUpdates=[update])
        if "tableClass" in changed:
            apply(TableClass=new.get("tableClass", "STANDARD"))
        if indexes.updated or changed & {"billingMode", "readCapacity", "writeCapacity"}:
            capacity = {} if on_demand else {"ProvisionedThroughput": _throughput(new)}
            updates = {"GlobalSecondaryIndexUpdates": indexes.updated} if indexes.updated else {}
            apply(BillingMode=new.get("billingMode", "PROVISIONED"), **capacity, **updates)
        if "deletionProtectionEnabled" in changed:
            apply(DeletionProtectionEnabled=bool(new.get("deletionProtectionEnabled")))
        if "serverSideEncryption" in changed:
            apply(SSESpecification=_encryption(new.get("serverSideEncryption") or {"enabled": False}))
        if changed & {"streamEnabled", "streamViewType"}:
            if old.get("streamEnabled"):
                apply(StreamSpecification={"StreamEnabled": False})
            if new.get("streamEnabled"):
                apply(StreamSpecification={"StreamEnabled": True, "StreamViewType": new["streamViewType"]})
        for update in indexes.created:
            apply(AttributeDefinitions=_definitions(new), GlobalSecondaryIndexUpdates=[update])
        self._recovery_and_ttl(operation, resource_id, new, changed)
        if "tags" in changed:
            changes, removed = tag_changes(old, new)
            if removed:
                dynamodb.untag_resource(ResourceArn=old["arn"], TagKeys=removed)
            if changes:
                dynamodb.tag_resource(ResourceArn=old["arn"], Tags=tag_list({"tags": changes}))

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteTable, and wait until it is gone."""
        dynamodb = self.client(operation, "dynamodb", state)
        with tolerating(_GONE):
            retrying(
                operation,
                f"table {resource_id} to be free",
                lambda: dynamodb.delete_table(TableName=resource_id),
                "ResourceInUseException",
                "LimitExceededException",
                seconds=600,
            )

        def gone() -> bool | None:
            with tolerating(_GONE):
                dynamodb.describe_table(TableName=resource_id)
                return None
            return True

        operation.wait(f"table {resource_id} to be gone", gone, default_seconds=600)


def _types(inputs: Properties) -> dict[Any, Any]:
    attributes = inputs.get("attributes")
    known = attributes if isinstance(attributes, list) else []
    return {item["name"]: item["type"] for item in known if isinstance(item, dict)}


def _definitions(inputs: Properties) -> list[dict[str, str]]:
    attributes = inputs.get("attributes") or ()
    pairs = [{"AttributeName": item["name"], "AttributeType": item["type"]} for item in attributes]
    return sorted(pairs, key=sort_key)


def _global_indexes(properties: Properties) -> list[Properties]:
    """Those that are known."""
    indexes = properties.get("globalSecondaryIndexes")
    return [index for index in indexes or () if isinstance(index, dict)] if indexes is not UNKNOWN else []


def _check_keys(inputs: Properties) -> list[CheckFailure]:
    failures = [
        CheckFailure("globalSecondaryIndexes", f"{index.get('name')}: it needs exactly one of keySchemas and hashKey")
        for index in _global_indexes(inputs)
        if (index.get("keySchemas") is None) == (index.get("hashKey") is None)
    ]
    attributes = inputs.get("attributes")
    sources = (attributes, inputs.get("globalSecondaryIndexes"), inputs.get("localSecondaryIndexes"))
    if any(source is UNKNOWN for source in sources) or any(
        UNKNOWN in (item, item.get("name") if isinstance(item, dict) else None) for item in attributes or ()
    ):
        return failures
    keyed = [
        item
        for item in (inputs, *_global_indexes(inputs), *(inputs.get("localSecondaryIndexes") or ()))
        if isinstance(item, dict)
    ]
    keys: set[Any] = {key["AttributeName"] for item in keyed for key in _key_schema(item)}
    declared = {item["name"] for item in attributes or ()}
    if UNKNOWN not in keys and keys != declared:
        reason = f"it declares {sorted(declared)}, but the keys of the table and its indexes are {sorted(keys)}"
        failures.append(CheckFailure("attributes", reason))
    return failures


def _check_ttl(ttl: Any) -> list[CheckFailure]:
    if isinstance(ttl, dict) and ttl.get("enabled") is True and not ttl.get("attributeName"):
        return [CheckFailure("ttl.attributeName", "it is required where ttl is enabled")]
    return []


def _key_schema(keys: Properties) -> list[dict[str, str]]:
    if keys.get("keySchemas"):
        return [{"AttributeName": key["attributeName"], "KeyType": key["keyType"]} for key in keys["keySchemas"]]
    schema = [{"AttributeName": keys["hashKey"], "KeyType": "HASH"}] if keys.get("hashKey") else []
    return schema + ([{"AttributeName": keys["rangeKey"], "KeyType": "RANGE"}] if keys.get("rangeKey") else [])


def _throughput(inputs: Properties) -> dict[str, int]:
    return {
        "ReadCapacityUnits": inputs.get("readCapacity") or 1,
        "WriteCapacityUnits": inputs.get("writeCapacity") or 1,
    }


def _index(index: Properties) -> dict[str, Any]:
    others = index.get("nonKeyAttributes")
    projection = {"ProjectionType": index["projectionType"], "NonKeyAttributes": others and sorted(others)}
    return {"IndexName": index["name"], "KeySchema": _key_schema(index), "Projection": compact(projection)}


def _global_index(index: Properties, on_demand: bool) -> dict[str, Any]:
    return _index(index) if on_demand else {**_index(index), "ProvisionedThroughput": _throughput(index)}


def _encryption(encryption: Properties) -> dict[str, Any]:
    if not encryption.get("enabled"):
        return {"Enabled": False}
    return compact({"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": encryption.get("kmsKeyArn")})


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
    before = {index["name"]: index for index in _global_indexes(old)}
    after = {index["name"]: index for index in _global_indexes(new)}
    both = before.keys() & after.keys()
    remade = {name for name in both if _index(before[name]) != _index(after[name])}
    units = ("readCapacity", "writeCapacity")
    resized = {
        name for name in both if [before[name].get(key) for key in units] != [after[name].get(key) for key in units]
    }
    return IndexChanges(
        deleted=[{"Delete": {"IndexName": name}} for name in sorted((before.keys() - after.keys()) | remade)],
        updated=[
            {"Update": {"IndexName": name, "ProvisionedThroughput": _throughput(after[name])}}
            for name in sorted(resized - remade if not on_demand else ())
        ],
        created=[
            {"Create": _global_index(after[name], on_demand)}
            for name in sorted((after.keys() - before.keys()) | remade)
        ],
    )


def _keys(schema: list[dict[str, str]]) -> Properties:
    names = {item["KeyType"]: item["AttributeName"] for item in schema}
    return compact({"hashKey": names.get("HASH"), "rangeKey": names.get("RANGE")})


def _capacity(throughput: dict[str, Any] | None) -> Properties:
    units = throughput or {}
    return {
        "readCapacity": units.get("ReadCapacityUnits", 0),
        "writeCapacity": units.get("WriteCapacityUnits", 0),
    }


def _found_index(index: dict[str, Any], *, keyed: bool = False) -> Properties:
    """An index as it is; `keyed` tells its keys as `keySchemas`."""
    projection, schema = index.get("Projection", {}), index["KeySchema"]
    schemas = [{"attributeName": key["AttributeName"], "keyType": key["KeyType"]} for key in schema]
    return {
        "name": index["IndexName"],
        **({"keySchemas": schemas} if keyed else _keys(schema)),
        "projectionType": projection.get("ProjectionType"),
        **compact({"nonKeyAttributes": projection.get("NonKeyAttributes") or None}),
    }


def _table(table: dict[str, Any], state: Properties) -> Properties:
    """A table as it is, the keys of its indexes in the state's words: `hashKey`, or else `keySchemas`."""
    by_hash_key = {index["name"] for index in _global_indexes(state) if index.get("hashKey")}
    stream = table.get("StreamSpecification") or {}
    encryption = table.get("SSEDescription") or {}
    attributes = [
        {"name": item["AttributeName"], "type": item["AttributeType"]} for item in table["AttributeDefinitions"]
    ]
    billing = (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
    on_demand = billing == "PAY_PER_REQUEST"
    found = {
        "name": table["TableName"],
        "arn": table["TableArn"],
        **_keys(table["KeySchema"]),
        "attributes": sorted(attributes, key=sort_key),
        "billingMode": billing,
        **_capacity(None if on_demand else table.get("ProvisionedThroughput")),
        "globalSecondaryIndexes": [
            {
                **_found_index(index, keyed=index["IndexName"] not in by_hash_key),
                **_capacity(None if on_demand else index.get("ProvisionedThroughput")),
            }
            for index in sorted(table.get("GlobalSecondaryIndexes") or (), key=lambda item: str(item["IndexName"]))
        ]
        or None,
        "localSecondaryIndexes": [
            {key: value for key, value in _found_index(index).items() if key != "hashKey"}
            for index in sorted(table.get("LocalSecondaryIndexes") or (), key=lambda item: str(item["IndexName"]))
        ]
        or None,
        "streamEnabled": bool(stream.get("StreamEnabled")),
        "streamViewType": stream.get("StreamViewType"),
        "streamArn": table.get("LatestStreamArn", ""),
        "streamLabel": table.get("LatestStreamLabel", ""),
        "tableClass": (table.get("TableClassSummary") or {}).get("TableClass", "STANDARD"),
        "deletionProtectionEnabled": bool(table.get("DeletionProtectionEnabled")),
    }
    if encryption.get("Status") == "ENABLED" and encryption.get("SSEType") == "KMS":
        found["serverSideEncryption"] = compact({"enabled": True, "kmsKeyArn": encryption.get("KMSMasterKeyArn")})
    return found
