"""DynamoDB."""

from collections.abc import Mapping
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
_PROJECTION = {
    "projectionType": Property(STRING, required=True),
    "nonKeyAttributes": Property(ListOf(STRING)),
}


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
                        "hashKey": Property(STRING, required=True),
                        "rangeKey": Property(STRING),
                        **_PROJECTION,
                        "readCapacity": Property(INTEGER, computed=True),
                        "writeCapacity": Property(INTEGER, computed=True),
                    }
                )
            )
        ),
        "localSecondaryIndexes": Property(
            SetOf(
                Object(
                    {
                        "name": Property(STRING, required=True),
                        "rangeKey": Property(STRING, required=True),
                        **_PROJECTION,
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
        """Every key is an attribute and every attribute is a key of the table or of an index; capacity fits billing."""
        del provider
        attributes = inputs.get("attributes")
        if attributes is UNKNOWN or any(
            UNKNOWN in (item, item.get("name") if isinstance(item, dict) else None) for item in attributes or ()
        ):
            return []
        indexes = [*(inputs.get("globalSecondaryIndexes") or ()), *(inputs.get("localSecondaryIndexes") or ())]
        holders = [item for item in (inputs, *indexes) if isinstance(item, dict)]
        keys = {item[key] for item in holders for key in ("hashKey", "rangeKey") if item.get(key)}
        declared = {item["name"] for item in attributes or ()}
        failures: list[CheckFailure] = []
        if UNKNOWN not in keys and keys != declared:
            failures.append(
                CheckFailure(
                    "attributes",
                    f"it declares {sorted(declared)}, but the keys of the table and its indexes are {sorted(keys)}",
                )
            )
        on_demand = inputs.get("billingMode") == "PAY_PER_REQUEST"
        for name in ("readCapacity", "writeCapacity"):
            given = inputs.get(name)
            if on_demand and given and given is not UNKNOWN:
                failures.append(CheckFailure(name, "it cannot be set where billingMode is PAY_PER_REQUEST"))
            if inputs.get("billingMode", "PROVISIONED") == "PROVISIONED" and given in (None, 0):
                failures.append(CheckFailure(name, "it must be at least 1 where billingMode is PROVISIONED"))
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
            self._recovery_and_ttl(
                operation, name, inputs, {key for key in ("ttl", "pointInTimeRecovery") if inputs.get(key)}
            )
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
            ttl = inputs.get("ttl") or {}
            dynamodb.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={
                    "Enabled": bool(ttl.get("enabled")),
                    "AttributeName": ttl.get("attributeName") or "ttl",
                },
            )
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

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeTable, ListTagsOfResource, and backups and time to live where the program has a say in them."""
        dynamodb = self.client(operation, "dynamodb", state)
        with tolerating(_GONE):
            table = dynamodb.describe_table(TableName=resource_id)["Table"]
            if table["TableStatus"] == "DELETING":
                return None
            tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags")
            found = {**_table(table), "tags": tag_map(tags)}
            if not state or state.get("pointInTimeRecovery"):
                backups = dynamodb.describe_continuous_backups(TableName=resource_id)["ContinuousBackupsDescription"]
                recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
                found["pointInTimeRecovery"] = {"enabled": recovery == "ENABLED"}
            if not state or state.get("ttl"):
                ttl = dynamodb.describe_time_to_live(TableName=resource_id)["TimeToLiveDescription"]
                enabled = ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
                found["ttl"] = compact({"attributeName": ttl.get("AttributeName"), "enabled": enabled})
            return found
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateTable, one kind of change at a time as DynamoDB demands, waiting in between."""
        dynamodb = self.client(operation, "dynamodb", new)

        def apply(**parameters: Any) -> None:
            dynamodb.update_table(TableName=resource_id, **parameters)
            self._wait(operation, resource_id, new)

        on_demand = new.get("billingMode") == "PAY_PER_REQUEST"
        if changed & {"billingMode", "readCapacity", "writeCapacity"}:
            if on_demand:
                apply(BillingMode="PAY_PER_REQUEST")
            else:
                apply(BillingMode="PROVISIONED", ProvisionedThroughput=_throughput(new))
        if "tableClass" in changed:
            apply(TableClass=new.get("tableClass", "STANDARD"))
        if "deletionProtectionEnabled" in changed:
            apply(DeletionProtectionEnabled=bool(new.get("deletionProtectionEnabled")))
        if "serverSideEncryption" in changed:
            apply(SSESpecification=_encryption(new.get("serverSideEncryption") or {"enabled": False}))
        if changed & {"streamEnabled", "streamViewType"}:
            if old.get("streamEnabled"):
                apply(StreamSpecification={"StreamEnabled": False})
            if new.get("streamEnabled"):
                apply(StreamSpecification={"StreamEnabled": True, "StreamViewType": new["streamViewType"]})
        if "globalSecondaryIndexes" in changed:
            for parameters in _index_changes(old, new, on_demand):
                apply(**parameters)
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


def _key_schema(keys: Properties) -> list[dict[str, str]]:
    schema = [{"AttributeName": keys["hashKey"], "KeyType": "HASH"}] if keys.get("hashKey") else []
    return schema + ([{"AttributeName": keys["rangeKey"], "KeyType": "RANGE"}] if keys.get("rangeKey") else [])


def _throughput(inputs: Properties) -> dict[str, int]:
    return {
        "ReadCapacityUnits": inputs.get("readCapacity") or 1,
        "WriteCapacityUnits": inputs.get("writeCapacity") or 1,
    }


def _index(index: Properties) -> dict[str, Any]:
    projection = {"ProjectionType": index["projectionType"], "NonKeyAttributes": index.get("nonKeyAttributes")}
    return {"IndexName": index["name"], "KeySchema": _key_schema(index), "Projection": compact(projection)}


def _global_index(index: Properties, on_demand: bool) -> dict[str, Any]:
    return _index(index) if on_demand else {**_index(index), "ProvisionedThroughput": _throughput(index)}


def _encryption(encryption: Properties) -> dict[str, Any]:
    if not encryption.get("enabled"):
        return {"Enabled": False}
    return compact({"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": encryption.get("kmsKeyArn")})


def _index_changes(old: Properties, new: Properties, on_demand: bool) -> list[dict[str, Any]]:
    """UpdateTable parameters, one call for each index that goes, changes or comes."""
    before = {index["name"]: index for index in old.get("globalSecondaryIndexes") or ()}
    after = {index["name"]: index for index in new.get("globalSecondaryIndexes") or ()}
    calls: list[dict[str, Any]] = []
    remade = {name for name in before.keys() & after.keys() if _index(before[name]) != _index(after[name])}
    for name in sorted((before.keys() - after.keys()) | remade):
        calls.append({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]})
    for name in sorted((after.keys() - before.keys()) | remade):
        creation = {"Create": _global_index(after[name], on_demand)}
        calls.append({"AttributeDefinitions": _definitions(new), "GlobalSecondaryIndexUpdates": [creation]})
    for name in sorted((before.keys() & after.keys()) - remade):
        if not on_demand and _throughput(before[name]) != _throughput(after[name]):
            change = {"Update": {"IndexName": name, "ProvisionedThroughput": _throughput(after[name])}}
            calls.append({"GlobalSecondaryIndexUpdates": [change]})
    return calls


def _keys(schema: list[dict[str, str]]) -> Properties:
    names = {item["KeyType"]: item["AttributeName"] for item in schema}
    return compact({"hashKey": names.get("HASH"), "rangeKey": names.get("RANGE")})


def _capacity(throughput: dict[str, Any] | None) -> Properties:
    units = throughput or {}
    return {
        "readCapacity": units.get("ReadCapacityUnits", 0),
        "writeCapacity": units.get("WriteCapacityUnits", 0),
    }


def _found_index(index: dict[str, Any]) -> Properties:
    projection = index.get("Projection", {})
    return {
        "name": index["IndexName"],
        **_keys(index["KeySchema"]),
        "projectionType": projection.get("ProjectionType"),
        **compact({"nonKeyAttributes": projection.get("NonKeyAttributes") or None}),
    }


def _table(table: dict[str, Any]) -> Properties:
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
            {**_found_index(index), **_capacity(None if on_demand else index.get("ProvisionedThroughput"))}
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
