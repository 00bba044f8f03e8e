"""CloudWatch Logs."""

from typing import Any, ClassVar

from automation.local.plugins.aws.base import Aws, AwsResource, Request, compact, created, tag_changes, tolerating
from automation.local.plugins.framework.schema import BOOLEAN, INTEGER, STRING, Property, Table
from automation.local.plugins.framework.values import Properties

_GONE = "ResourceNotFoundException"


class LogGroup(AwsResource):
    """`aws.cloudwatch.LogGroup`; its id is its name."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "retentionInDays": Property(INTEGER, default=0),
        "kmsKeyId": Property(STRING),
        "logGroupClass": Property(STRING, replaces=True, computed=True),
        "skipDestroy": Property(BOOLEAN, default=False, unreadable=True),
    }
    outputs = ("arn", "tagsAll")
    name_property = "name"
    name_limit = 512

    def request(self, inputs: Properties) -> Request:
        """CreateLogGroup."""
        return Request(
            "logs",
            "CreateLogGroup",
            compact(
                {
                    "logGroupName": inputs["name"],
                    "kmsKeyId": inputs.get("kmsKeyId"),
                    "logGroupClass": inputs.get("logGroupClass"),
                    "tags": inputs.get("tags") or None,
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateLogGroup, PutRetentionPolicy."""
        self.send(operation, inputs)
        name = str(inputs["name"])
        with created(name, inputs):
            self._retain(operation, name, inputs)
        return name

    def _retain(self, operation: Aws, name: str, inputs: Properties) -> None:
        logs = self.client(operation, "logs", inputs)
        if inputs.get("retentionInDays"):
            logs.put_retention_policy(logGroupName=name, retentionInDays=inputs["retentionInDays"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeLogGroups, ListTagsForResource."""
        logs = self.client(operation, "logs", state)
        group = _group(logs, resource_id)
        if group is None:
            return None
        arn = str(group["arn"]).removesuffix(":*")
        with tolerating(_GONE):
            tags = logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
            return {
                "name": resource_id,
                "arn": arn,
                "retentionInDays": group.get("retentionInDays", 0),
                "kmsKeyId": group.get("kmsKeyId"),
                "logGroupClass": group.get("logGroupClass", "STANDARD"),
                "skipDestroy": state.get("skipDestroy"),
                "tags": {key: value for key, value in tags.items() if not key.startswith("aws:")},
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Retention, key and tags change in place."""
        logs = self.client(operation, "logs", new)
        if "retentionInDays" in changed:
            if new.get("retentionInDays"):
                self._retain(operation, resource_id, new)
            else:
                logs.delete_retention_policy(logGroupName=resource_id)
        if "kmsKeyId" in changed:
            if new.get("kmsKeyId"):
                logs.associate_kms_key(logGroupName=resource_id, kmsKeyId=new["kmsKeyId"])
            else:
                logs.disassociate_kms_key(logGroupName=resource_id)
        if "tags" in changed:
            changes, removed = tag_changes(old, new)
            if removed:
                logs.untag_resource(resourceArn=old["arn"], tagKeys=removed)
            if changes:
                logs.tag_resource(resourceArn=old["arn"], tags=changes)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteLogGroup."""
        if not state.get("skipDestroy"):
            with tolerating(_GONE):
                self.client(operation, "logs", state).delete_log_group(logGroupName=resource_id)


def _group(logs: Any, name: str) -> dict[str, Any] | None:
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return next((group for page in pages for group in page["logGroups"] if group["logGroupName"] == name), None)
