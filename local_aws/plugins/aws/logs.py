"""CloudWatch Logs: log groups and saved queries."""

from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws, AwsResource
from local_aws.plugins.framework.schema import INTEGER, STRING, ListOf, Property, Table
from local_aws.plugins.framework.values import Properties


class LogGroup(AwsResource):
    """`aws.cloudwatch.LogGroup`; its id is its name."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    name_property = "name"
    service, creates, lists_tags, deletes = "logs", "CreateLogGroup", "ListTagsForResource", "DeleteLogGroup"
    renamed: ClassVar = {"name": "logGroupName"}
    gone = ("ResourceNotFoundException",)
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "retentionInDays": Property(INTEGER, default=0),
        "kmsKeyId": Property(STRING),
    }
    outputs = ("arn", "tagsAll")
    deletes_before_replace = True

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateLogGroup, PutRetentionPolicy."""
        name = super().create(operation, inputs)
        if inputs.get("retentionInDays"):
            self.change(operation, name, {}, inputs, {"retentionInDays"})
        return name

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeLogGroups."""
        pages = self.client(operation).get_paginator("describe_log_groups").paginate(logGroupNamePrefix=resource_id)
        groups: list[dict[str, Any]] = [group for page in pages for group in page["logGroups"]]
        group = next((item for item in groups if item["logGroupName"] == resource_id), None)
        return group and {**self.found(group), "arn": str(group["arn"]).removesuffix(":*")}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """PutRetentionPolicy or DeleteRetentionPolicy, AssociateKmsKey or DisassociateKmsKey."""
        for name, sets, removes in (
            ("retentionInDays", "PutRetentionPolicy", "DeleteRetentionPolicy"),
            ("kmsKeyId", "AssociateKmsKey", "DisassociateKmsKey"),
        ):
            if name in changed:
                self.call_on(operation, sets if new.get(name) else removes, {**new, "name": resource_id})


class QueryDefinition(AwsResource):
    """`aws.cloudwatch.QueryDefinition`; AWS makes its id."""

    token = "aws:cloudwatch/queryDefinition:QueryDefinition"
    name_property = "name"
    service, creates, deletes = "logs", "PutQueryDefinition", "DeleteQueryDefinition"
    gone = ("ResourceNotFoundException",)
    tagged = False
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True),
        "queryString": Property(STRING, required=True),
        "logGroupNames": Property(ListOf(STRING)),
    }
    outputs = ("queryDefinitionId",)

    def create(self, operation: Aws, inputs: Properties) -> str:
        """PutQueryDefinition without an id, which makes one."""
        operation.created = str(self.send(operation, inputs)["queryDefinitionId"])
        return operation.created

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeQueryDefinitions."""
        request: dict[str, Any] = {}
        while True:
            answer = self.client(operation).describe_query_definitions(**request)
            for found in answer["queryDefinitions"]:
                if found["queryDefinitionId"] == resource_id:
                    return self.found(found)
            if not answer.get("nextToken"):
                return None
            request["nextToken"] = answer["nextToken"]

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """PutQueryDefinition with the id, which replaces all of it."""
        self.call_on(operation, self.creates, {**new, "queryDefinitionId": resource_id})

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteQueryDefinition."""
        self.client(operation).delete_query_definition(queryDefinitionId=resource_id)
