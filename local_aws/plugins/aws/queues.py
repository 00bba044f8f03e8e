"""Amazon SQS."""

from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws, AwsResource, tag_changes
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.schema import BOOLEAN, INTEGER, JSON, STRING, Property, Table
from local_aws.plugins.framework.values import UNKNOWN, Properties

_ATTRIBUTES = {
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "policy": "Policy",
}
"""AWS's names of the attributes, whose values are texts."""


class Queue(AwsResource):
    """`aws.sqs.Queue`, a standard one; its id is its URL."""

    token = "aws:sqs/queue:Queue"
    name_property = "name"
    service, creates, deletes = "sqs", "CreateQueue", "DeleteQueue"
    renamed: ClassVar = {"name": "QueueName"}
    gone = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "messageRetentionSeconds": Property(INTEGER, default=345600),
        "sqsManagedSseEnabled": Property(BOOLEAN, computed=True),
        "policy": Property(JSON, computed=True),
    }
    outputs = ("arn", "tagsAll", "url")
    deletes_before_replace = True

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """CreateQueue."""
        return {**super().request(provider, inputs), "Attributes": _attributes(inputs)}

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateQueue, which answers with the URL."""
        operation.created = str(self.send(operation, inputs)["QueueUrl"])
        return operation.created

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetQueueAttributes and ListQueueTags."""
        sqs = self.client(operation)
        found = sqs.get_queue_attributes(QueueUrl=resource_id, AttributeNames=["All"])["Attributes"]
        return {
            "name": found["QueueArn"].rsplit(":", 1)[-1],
            "arn": found["QueueArn"],
            "url": resource_id,
            "messageRetentionSeconds": int(found["MessageRetentionPeriod"]),
            "sqsManagedSseEnabled": found.get("SqsManagedSseEnabled") == "true",
            "policy": found.get("Policy"),
            "tags": sqs.list_queue_tags(QueueUrl=resource_id).get("Tags"),
        }

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """SetQueueAttributes; a policy that is no longer given is removed."""
        given = {name: new.get(name) for name in changed}
        removed = {"Policy": ""} if "policy" in changed and not new.get("policy") else {}
        if "messageRetentionSeconds" in changed and given["messageRetentionSeconds"] is None:
            given["messageRetentionSeconds"] = self.properties["messageRetentionSeconds"].default
        self.client(operation).set_queue_attributes(QueueUrl=resource_id, Attributes={**_attributes(given), **removed})

    def change_tags(self, operation: Aws, resource_id: str, old: Properties, new: Properties) -> None:
        """UntagQueue and TagQueue."""
        changes, removed = tag_changes(old, new)
        if removed:
            self.client(operation).untag_queue(QueueUrl=resource_id, TagKeys=removed)
        if changes:
            self.client(operation).tag_queue(QueueUrl=resource_id, Tags=changes)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteQueue."""
        self.client(operation).delete_queue(QueueUrl=resource_id)


def _attributes(inputs: Properties) -> dict[str, Any]:
    given = {aws: inputs.get(name) for name, aws in _ATTRIBUTES.items()}
    return {name: _text(value) for name, value in given.items() if value is not None}


def _text(value: Any) -> Any:
    if value is UNKNOWN:
        return "unknown"
    return str(value).lower() if isinstance(value, bool) else str(value)
