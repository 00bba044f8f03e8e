"""What the EC2 resource types share."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, AwsProvider, AwsResource, Request, call, retrying, tag_changes, tolerating
from local_aws.plugins.framework.values import Properties

DELETE_SECONDS: Final = 1200.0
"""How long what depends on a network resource may take to go; the published provider's 20 minutes."""
READY_SECONDS: Final = 600.0
"""The published provider's limit for one to become available."""


class Ec2Resource(AwsResource):
    """A resource type of EC2, found by a Describe call with its id.

    Attributes:
        kind: EC2's name of it in tag specifications and ARNs.
        describes: AWS's name of the Describe call.
        listed: what its answer calls the list.
        id_member: what EC2 calls the id, alone.
    """

    service = "ec2"
    kind: ClassVar[str]
    describes: ClassVar[str]
    listed: ClassVar[str]
    id_member: ClassVar[str]

    def request(self, provider: AwsProvider, inputs: Properties) -> Request:
        """The Create call, with tags as EC2's take them."""
        parameters = self.parameters(provider, inputs)
        tags = [{"Key": key, "Value": text} for key, text in sorted((inputs.get("tags") or {}).items())]
        if tags:
            parameters["TagSpecifications"] = [{"ResourceType": self.kind, "Tags": tags}]
        return Request("ec2", self.creates, parameters)

    def create(self, operation: Aws, inputs: Properties) -> str:
        """The Create call."""
        answer = self.send(operation, inputs)
        return str(answer.get(self.listed.removesuffix("s"), answer)[self.id_member])

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """What EC2 has under the id, if anything."""
        with tolerating(*self.gone):
            parameters = {f"{self.id_member}s": [resource_id]}
            return first(call(self.client(operation), self.describes, parameters)[self.listed])
        return None

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """The Describe call."""
        item = self.describe(operation, resource_id)
        return None if item is None else self.told(operation, resource_id, item)

    def told(self, operation: Aws, resource_id: str, item: dict[str, Any]) -> Properties:
        """The properties that `item` tells of."""
        arn = operation.provider.ec2_arn(self.kind, resource_id, item.get("OwnerId")) if "arn" in self.outputs else None
        return {**self.found(item), "arn": arn, "tags": item.get("Tags")}

    def wait_until_available(self, operation: Aws, resource_id: str) -> None:
        """Ask for it until it is there and `available`."""

        def available() -> bool | None:
            item = self.describe(operation, resource_id)
            return True if item is not None and item.get("State", "available") == "available" else None

        operation.wait(f"{resource_id} to become available", available, default_seconds=READY_SECONDS)

    def change_tags(self, operation: Aws, resource_id: str, old: Properties, new: Properties) -> None:
        """CreateTags and DeleteTags."""
        changes, removed = tag_changes(old, new)
        ec2 = self.client(operation)
        if removed:
            ec2.delete_tags(Resources=[resource_id], Tags=[{"Key": key} for key in removed])
        if changes:
            ec2.create_tags(
                Resources=[resource_id], Tags=[{"Key": key, "Value": text} for key, text in changes.items()]
            )

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """The Delete call."""
        ec2 = self.client(operation)
        name = self.creates.replace("Create", "Delete")
        self.when_free(operation, resource_id, lambda: call(ec2, name, {self.id_member: resource_id}))

    def when_free(self, operation: Aws, resource_id: str, delete: Callable[[], Any]) -> None:
        """Delete as soon as nothing depends on it any more; network interfaces of others take minutes to go."""
        retrying(
            operation,
            f"what depends on {resource_id} to be gone",
            delete,
            "DependencyViolation",
            "InvalidIPAddress.InUse",
            seconds=DELETE_SECONDS,
        )


def first(items: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The one item that a Describe call by id answers with."""
    return items[0] if items else None
