"""Pulumi's properties and AWS's parameters, translated by botocore's model of the service.

The published provider's names are AWS's in another case (`sizeInGib` is `sizeInGiB`, `subnetIds` is `SubnetIds`), but
for those that a resource type lists in `renamed`. A property without a counterpart is not sent.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, StructureShape

from local_aws.plugins.framework.schema import JSON, ListOf, Object, SetOf, Shape, Table, sort_key
from local_aws.plugins.framework.values import UNKNOWN, Properties


def input_of(client: Any, operation: str) -> StructureShape:
    """The parameters of an operation of a client's service."""
    shape = client.meta.service_model.operation_model(operation).input_shape
    assert isinstance(shape, StructureShape)
    return shape


def to_aws(shape: Any, value: Any, renamed: Mapping[str, str] | None = None) -> Any:
    """A property bag as parameters of `shape`; tags take the form that they have there."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        names = {(renamed or {}).get(name, name).lower(): name for name in value if value[name] is not None}
        given = {member: value[names[member.lower()]] for member in shape.members if member.lower() in names}
        return {
            member: (tags_for if member.lower() == "tags" else to_aws)(shape.members[member], item)
            for member, item in given.items()
            if member.lower() != "tags" or item
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [to_aws(shape.member, item) for item in value]
    return value


def from_aws(table: Table, answer: Mapping[str, Any], renamed: Mapping[str, str] | None = None) -> Properties:
    """The properties of `table` that `answer` has; times and JSON documents are texts, sets are sorted."""
    answered = {name.lower(): value for name, value in answer.items()}
    values = {name: answered.get((renamed or {}).get(name, name).lower()) for name in table}
    return {name: _from_aws(table[name].shape, value) for name, value in values.items() if value not in (None, "")}


def _from_aws(shape: Shape, value: Any) -> Any:
    if isinstance(shape, Object) and isinstance(value, Mapping):
        return from_aws(shape.properties, value)
    if isinstance(shape, (ListOf, SetOf)):
        items = [_from_aws(shape.item, item) for item in value]
        return sorted(items, key=sort_key) if isinstance(shape, SetOf) else items
    if shape == JSON and not isinstance(value, str):
        # botocore decodes the documents that IAM returns.
        return json.dumps(value, separators=(",", ":"))
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


def tags_for(shape: Any, tags: Any) -> Any:
    """Tags as `shape` has them: a map, or a list of pairs."""
    if isinstance(shape, MapShape) or tags is UNKNOWN:
        return tags
    key, value = shape.member.members
    return [{key: name, value: text} for name, text in sorted(tags.items())]


def tags_of(answered: Mapping[str, str] | Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags from either form; AWS's own (`aws:…`) are left out."""
    if not isinstance(answered, Mapping):
        pairs = [{key.lower(): text for key, text in pair.items()} for pair in answered or ()]
        answered = {pair["key"]: pair["value"] for pair in pairs}
    return {name: text for name, text in answered.items() if not name.startswith("aws:")}
