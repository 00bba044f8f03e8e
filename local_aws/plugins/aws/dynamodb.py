"""DynamoDB."""

from collections.abc import Mapping
from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws, AwsResource, Retry, tolerating
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    Object,
    Property,
    SetOf,
    required,
    sort_key,
)
from local_aws.plugins.framework.values import Properties, contains_unknown

_GONE = "ResourceNotFoundException"
_ACTIVE_SECONDS = 1800.0
"""The published provider's limit for a new table."""
_TTL_SECONDS = 300.0
"""The published provider's limit for a change of the time to live."""
_CAPACITY = {"readCapacity": "ReadCapacityUnits", "writeCapacity": "WriteCapacityUnits"}
_INDEX = required(name=STRING, keySchemas=ListOf(required(attributeName=STRING, keyType=STRING)), projectionType=STRING)
_ALWAYS = Property(BOOLEAN, required=True, allowed=(True,))
_UNITS = {name: Property(INTEGER) for name in _CAPACITY}
_MORE_OF_INDEX = {"nonKeyAttributes": Property(SetOf(STRING)), **_UNITS}


class Table(AwsResource):
    """`aws.dynamodb.Table`; its id is its name."""

    token = "aws:dynamodb/table:Table"
    name_property = "name"
    service, creates, lists_tags, deletes = "dynamodb", "CreateTable", "ListTagsOfResource", "DeleteTable"
    renamed: ClassVar = {"name": "TableName", "arn": "TableArn"}
    gone = (_GONE,)
    in_use = Retry("table {id} to be free", ("ResourceInUseException", "LimitExceededException"), 600)
    gone_seconds = 600
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property(STRING, required=True, replaces=True),
        "hashKey": Property(STRING, required=True, replaces=True),
        "rangeKey": Property(STRING, replaces=True),
        "attributes": Property(SetOf(required(name=STRING, type=STRING)), required=True),
        "billingMode": Property(STRING, default="PROVISIONED", allowed=("PROVISIONED", "PAY_PER_REQUEST")),
        **_UNITS,
        "globalSecondaryIndexes": Property(SetOf(Object({**_INDEX.properties, **_MORE_OF_INDEX})), computed=True),
        "ttl": Property(Object({**required(attributeName=STRING).properties, "enabled": _ALWAYS})),
        "serverSideEncryption": Property(Object({"enabled": _ALWAYS, "kmsKeyArn": Property(STRING)})),
        "pointInTimeRecovery": Property(required(enabled=BOOLEAN)),
        "deletionProtectionEnabled": Property(BOOLEAN, default=False),
    }
    outputs = ("arn", "tagsAll")
    deletes_before_replace = True

    def replaced_by(self, old: Properties, new: Properties) -> list[str]:
        """The type of a key cannot change (UpdateTable, DynamoDB API reference)."""
        before, after = _types(old), _types(new)
        keys = {new.get("hashKey"), new.get("rangeKey")} & before.keys()
        return ["attributes"] if any(before[key] != after.get(key) for key in keys) else []

    def check_change(self, old: Properties, new: Properties, changed: set[str]) -> None:
        """Of an index, the capacity alone can change."""
        if contains_unknown([new["attributes"], new.get("globalSecondaryIndexes")]):
            return
        before, after = (
            {sort_key({**_index(index), "ProvisionedThroughput": None}) for index in _indexes(each)}
            for each in (old, new)
        )
        if "attributes" in changed or ("globalSecondaryIndexes" in changed and before != after):
            raise ProviderError(f"this plugin cannot add, remove or rebuild indexes of table {new['name']}")

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """CreateTable."""
        types = sorted(_types(inputs).items())
        indexes = [_index(index) for index in _indexes(inputs)]
        return {
            "BillingMode": "PROVISIONED",
            **super().request(provider, {**inputs, "globalSecondaryIndexes": None}),
            "KeySchema": _schema((inputs["hashKey"], "HASH"), (inputs.get("rangeKey"), "RANGE")),
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in types],
            **_throughput(inputs),
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
            **(_encryption(inputs) if inputs.get("serverSideEncryption") else {}),
        }

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateTable, and UpdateTimeToLive when it is active."""
        name = super().create(operation, inputs)
        self._wait(operation, name)
        if inputs.get("ttl"):
            self._set_ttl(operation, name, inputs["ttl"])
        if inputs.get("pointInTimeRecovery"):
            self._set_recovery(operation, name, inputs)
        return name

    def _set_recovery(self, operation: Aws, name: str, properties: Properties) -> None:
        """UpdateContinuousBackups."""
        specification = {"PointInTimeRecoveryEnabled": _is_recoverable(properties)}
        self.client(operation).update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=specification)

    def _wait(self, operation: Aws, name: str) -> None:
        def active() -> bool | None:
            with tolerating(_GONE):
                table = self.client(operation).describe_table(TableName=name)["Table"]
                states = {index.get("IndexStatus", "ACTIVE") for index in table.get("GlobalSecondaryIndexes") or ()}
                return states | {table["TableStatus"]} == {"ACTIVE"} or None
            return None

        operation.wait(f"table {name} to become active", active, default_seconds=_ACTIVE_SECONDS)

    def _set_ttl(self, operation: Aws, name: str, ttl: Properties) -> None:
        """UpdateTimeToLive, and wait until it is done."""
        dynamodb, status = self.client(operation), "ENABLED" if ttl["enabled"] else "DISABLED"
        specification = {"Enabled": ttl["enabled"], "AttributeName": ttl["attributeName"]}
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)

        def done() -> bool | None:
            description = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
            return description["TimeToLiveStatus"] == status or None

        operation.wait(f"the time to live of table {name} to change", done, default_seconds=_TTL_SECONDS)

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeTable, DescribeTimeToLive, DescribeContinuousBackups."""
        dynamodb = self.client(operation)
        table = dynamodb.describe_table(TableName=resource_id)["Table"]
        ttl = dynamodb.describe_time_to_live(TableName=resource_id)["TimeToLiveDescription"]
        backups = dynamodb.describe_continuous_backups(TableName=resource_id)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        is_timed = ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
        keys = {item["KeyType"]: item["AttributeName"] for item in table["KeySchema"]}
        billing = (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
        indexes = [_found_index(index, billing) for index in table.get("GlobalSecondaryIndexes") or ()]
        attributes = [(item["AttributeName"], item["AttributeType"]) for item in table["AttributeDefinitions"]]
        return {
            **self.found(table),
            "hashKey": keys["HASH"],
            "rangeKey": keys.get("RANGE"),
            "attributes": [{"name": name, "type": kind} for name, kind in sorted(attributes)],
            "billingMode": billing,
            **_found_capacity(table, billing),
            "globalSecondaryIndexes": sorted(indexes, key=sort_key) or None,
            "ttl": {"attributeName": ttl["AttributeName"], "enabled": True} if is_timed else None,
            "serverSideEncryption": _found_encryption(table),
            "pointInTimeRecovery": {"enabled": True} if recovery == "ENABLED" else None,
        }

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateTable of billing, capacity, encryption and protection, UpdateTimeToLive, UpdateContinuousBackups."""
        if "pointInTimeRecovery" in changed:
            self._set_recovery(operation, resource_id, new)
        if changed - {"ttl", "pointInTimeRecovery"}:
            updates = [
                {"Update": {"IndexName": index["name"], **_throughput(index)}}
                for index in _indexes(new)
                if _throughput(index) and index not in _indexes(old)
            ]
            parameters: dict[str, Any] = {"GlobalSecondaryIndexUpdates": updates} if updates else {}
            if changed & {"billingMode", *_CAPACITY}:
                parameters.update(BillingMode=new.get("billingMode", "PROVISIONED"), **_throughput(new))
            if "serverSideEncryption" in changed:
                parameters.update(_encryption(new))
            if "deletionProtectionEnabled" in changed:
                parameters["DeletionProtectionEnabled"] = bool(new.get("deletionProtectionEnabled"))
            self.client(operation).update_table(TableName=resource_id, **parameters)
            self._wait(operation, resource_id)
        if "ttl" in changed:
            # AWS wants the attribute's name to disable it, too.
            self._set_ttl(operation, resource_id, new.get("ttl") or {**old["ttl"], "enabled": False})


def _is_recoverable(properties: Properties) -> bool:
    return bool((properties.get("pointInTimeRecovery") or {}).get("enabled"))


def _known(items: Any) -> list[Properties]:
    """Those of a list of objects that are known."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _indexes(properties: Properties) -> list[Properties]:
    return _known(properties.get("globalSecondaryIndexes"))


def _types(inputs: Properties) -> dict[Any, Any]:
    return {item["name"]: item["type"] for item in _known(inputs.get("attributes"))}


def _schema(*keys: tuple[str | None, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in keys if name]


def _throughput(owner: Properties) -> dict[str, Any]:
    """The capacity of a table or an index, which has none on demand."""
    units = {member: owner[name] for name, member in _CAPACITY.items() if owner.get(name)}
    return {"ProvisionedThroughput": units} if units else {}


def _index(index: Properties) -> dict[str, Any]:
    named = index.get("nonKeyAttributes")
    return {
        "IndexName": index["name"],
        "KeySchema": _schema(*((key["attributeName"], key["keyType"]) for key in _known(index["keySchemas"]))),
        "Projection": {"ProjectionType": index["projectionType"], **({"NonKeyAttributes": named} if named else {})},
        **_throughput(index),
    }


def _encryption(inputs: Properties) -> dict[str, Any]:
    """Encryption with a KMS key, or, without any in the program, with DynamoDB's own key."""
    wanted = inputs.get("serverSideEncryption")
    key = {"SSEType": "KMS", "KMSMasterKeyId": wanted["kmsKeyArn"]} if wanted and wanted.get("kmsKeyArn") else {}
    return {"SSESpecification": {"Enabled": bool(wanted), **key}}


def _found_encryption(table: dict[str, Any]) -> Properties | None:
    found = table.get("SSEDescription") or {}
    is_on = found.get("Status") in ("ENABLED", "ENABLING", "UPDATING")
    return {"enabled": True, "kmsKeyArn": found.get("KMSMasterKeyArn")} if is_on else None


def _found_index(index: dict[str, Any], billing: str) -> Properties:
    schema = [{"attributeName": key["AttributeName"], "keyType": key["KeyType"]} for key in index["KeySchema"]]
    projection = index.get("Projection", {})
    named = {"nonKeyAttributes": sorted(names)} if (names := projection.get("NonKeyAttributes")) else {}
    return {
        "name": index["IndexName"],
        "keySchemas": schema,
        "projectionType": projection.get("ProjectionType"),
        **named,
        **_found_capacity(index, billing),
    }


def _found_capacity(owner: dict[str, Any], billing: str) -> Properties:
    """The capacity of a table or an index; on demand there is none."""
    units = owner.get("ProvisionedThroughput") or {}
    return {name: units.get(member) for name, member in _CAPACITY.items()} if billing == "PROVISIONED" else {}
