"""What the EC2 resource types share."""

from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, AwsResource, Retry, tag_changes, tolerating
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.values import Properties

READY_SECONDS: Final = 600.0
"""The published provider's limit for one to become available."""
_FAILED: Final = ("failed", "rejected", "expired")


class Ec2Resource(AwsResource):
    """A resource type of EC2, read by a Describe call with its id.

    Attributes:
        kind: EC2's name of it in tag specifications and ARNs.
        listed: the list in the answer of its Describe call, which has the same name.
        id_member: EC2's name of the id.
    """

    service = "ec2"
    kind: ClassVar[str]
    listed: ClassVar[str]
    id_member: ClassVar[str]
    # Other services' network interfaces may exist for minutes; 20 min is the published provider's limit.
    in_use = Retry("the deletion of what depends on {id}", ("DependencyViolation", "InvalidIPAddress.InUse"), 1200)

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """The Create call, with tags in EC2's form."""
        parameters = super().request(provider, inputs)
        tags = [{"Key": key, "Value": text} for key, text in sorted((inputs.get("tags") or {}).items())]
        if tags:
            parameters["TagSpecifications"] = [{"ResourceType": self.kind, "Tags": tags}]
        return parameters

    def create(self, operation: Aws, inputs: Properties) -> str:
        """The Create call, and wait until it is available."""
        answer = self.send(operation, inputs)
        operation.created = str(answer.get(self.listed.removesuffix("s"), answer)[self.id_member])
        self.wait_until_available(operation, operation.created)
        return operation.created

    def describe(self, operation: Aws, resource_id: str) -> dict[str, Any] | None:
        """EC2's description of an id, if it exists."""
        with tolerating(*self.gone):
            answer = self.call(operation, f"Describe{self.listed}", {f"{self.id_member}s": [resource_id]})
            return first(answer[self.listed])
        return None

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """The Describe call."""
        item = self.describe(operation, resource_id)
        return None if item is None else self.described(operation, resource_id, item)

    def described(self, operation: Aws, resource_id: str, item: dict[str, Any]) -> Properties:
        """The properties in a description; EC2 returns no ARNs."""
        found = {**self.found(item), "tags": item.get("Tags")}
        if "arn" in self.outputs:
            provider = operation.provider
            owner = item.get("OwnerId") or provider.account
            found["arn"] = f"arn:{provider.partition}:ec2:{provider.region}:{owner}:{self.kind}/{resource_id}"
        return found

    def wait_until_available(self, operation: Aws, resource_id: str) -> None:
        """Poll until it is there and available; `ProviderError`: it will never be available."""

        def available() -> bool | None:
            item = self.describe(operation, resource_id)
            state = "" if item is None else item.get("State", "available").lower()
            if item is not None and state in _FAILED:
                reason = item.get("FailureMessage") or item.get("LastError", {}).get("Message", "no reason given")
                raise ProviderError(f"{self.kind} {resource_id} is {state}: {reason}")
            return state in ("available", "pendingacceptance") or None

        operation.wait(f"{resource_id} to become available", available, default_seconds=READY_SECONDS)

    def change_tags(self, operation: Aws, resource_id: str, old: Properties, new: Properties) -> None:
        """CreateTags and DeleteTags."""
        changes, removed = tag_changes(old, new)
        if removed:
            self.client(operation).delete_tags(Resources=[resource_id], Tags=[{"Key": key} for key in removed])
        if changes:
            tags = [{"Key": key, "Value": text} for key, text in changes.items()]
            self.client(operation).create_tags(Resources=[resource_id], Tags=tags)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """The Delete call."""
        self.call(operation, self.creates.replace("Create", "Delete"), {self.id_member: resource_id})


def first(items: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The only item of a description by id."""
    return items[0] if items else None
