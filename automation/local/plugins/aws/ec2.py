"""What the EC2 resource types share."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from automation.local.plugins.aws.base import Aws, AwsResource, retrying, tag_changes, tag_list, tolerating
from automation.local.plugins.framework.values import Properties

DELETE_SECONDS: Final = 1200.0
"""How long what depends on a network resource may take to go; the published provider's 20 minutes."""


class Ec2Resource(AwsResource):
    """A resource type of EC2.

    Attributes:
        kind: EC2's name of it in tag specifications.
        gone: the error codes that mean there is none.
    """

    kind: ClassVar[str]
    gone: ClassVar[tuple[str, ...]]

    @staticmethod
    def ec2(operation: Aws, properties: Mapping[str, Any]) -> Any:
        """The client."""
        return operation.provider.client("ec2", properties.get("region"))

    def tag_specifications(self, inputs: Properties) -> list[dict[str, Any]] | None:
        """Tags as EC2's Create calls take them."""
        tags = tag_list(inputs)
        return [{"ResourceType": self.kind, "Tags": tags}] if tags else None

    def update_tags(self, operation: Aws, resource_id: str, old: Properties, new: Properties) -> None:
        """CreateTags and DeleteTags."""
        changes, removed = tag_changes(old, new)
        ec2 = self.ec2(operation, new)
        if removed:
            ec2.delete_tags(Resources=[resource_id], Tags=[{"Key": key} for key in removed])
        if changes:
            ec2.create_tags(Resources=[resource_id], Tags=tag_list({"tags": changes}))

    def delete_when_free(self, operation: Aws, resource_id: str, call: Callable[[], Any]) -> None:
        """Delete as soon as nothing depends on it any more; network interfaces of others take minutes to go."""
        with tolerating(*self.gone):
            retrying(
                operation,
                f"what depends on {resource_id} to be gone",
                call,
                "DependencyViolation",
                "InvalidIPAddress.InUse",
                seconds=DELETE_SECONDS,
            )


def first(items: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The one item that a Describe call by id answers with."""
    return items[0] if items else None
