"""CloudWatch Logs."""

from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws, AwsResource, created
from local_aws.plugins.framework.schema import INTEGER, STRING, Property, Table
from local_aws.plugins.framework.values import Properties


class LogGroup(AwsResource):
    """`aws.cloudwatch.LogGroup`; its id is its name."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    name_property = "name"
    service = "logs"
    creates = "CreateLogGroup"
    renamed: ClassVar = {"name": "logGroupName"}
    gone = ("ResourceNotFoundException",)
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "retentionInDays": Property(INTEGER, default=0),
    }
    outputs = ("arn", "tagsAll")
    deletes_before_replace = True

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateLogGroup, PutRetentionPolicy."""
        self.send(operation, inputs)
        name = str(inputs["name"])
        with created(name, inputs):
            if inputs.get("retentionInDays"):
                self.change(operation, name, {}, inputs, {"retentionInDays"})
        return name

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeLogGroups, ListTagsForResource."""
        logs = self.client(operation)
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=resource_id)
        groups: list[dict[str, Any]] = [group for page in pages for group in page["logGroups"]]
        group = next((item for item in groups if item["logGroupName"] == resource_id), None)
        if group is None:
            return None
        arn = str(group["arn"]).removesuffix(":*")
        return {**self.found(group), "arn": arn, "tags": logs.list_tags_for_resource(resourceArn=arn).get("tags")}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Retention changes in place."""
        logs = self.client(operation)
        if new.get("retentionInDays"):
            logs.put_retention_policy(logGroupName=resource_id, retentionInDays=new["retentionInDays"])
        else:
            logs.delete_retention_policy(logGroupName=resource_id)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteLogGroup."""
        self.client(operation).delete_log_group(logGroupName=resource_id)
