"""Elastic Container Registry."""

from typing import ClassVar, Final

from automation.local.plugins.aws.base import (
    Aws,
    AwsResource,
    Request,
    compact,
    tag_changes,
    tag_list,
    tag_map,
    tolerating,
)
from automation.local.plugins.framework.schema import BOOLEAN, JSON, STRING, ListOf, Object, Property, Table
from automation.local.plugins.framework.values import Properties

_GONE: Final = "RepositoryNotFoundException"


class Repository(AwsResource):
    """`aws.ecr.Repository`; its id is its name."""

    token = "aws:ecr/repository:Repository"
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "forceDelete": Property(BOOLEAN, default=False, unreadable=True),
        "imageTagMutability": Property(STRING, default="MUTABLE"),
        "imageScanningConfiguration": Property(Object({"scanOnPush": Property(BOOLEAN, required=True)})),
        "encryptionConfigurations": Property(
            ListOf(
                Object(
                    {"encryptionType": Property(STRING, default="AES256"), "kmsKey": Property(STRING, computed=True)}
                )
            ),
            replaces=True,
            computed=True,
        ),
    }
    outputs = ("arn", "registryId", "repositoryUrl", "tagsAll")
    name_property = "name"
    name_limit = 256

    def request(self, inputs: Properties) -> Request:
        """CreateRepository."""
        scanning = inputs.get("imageScanningConfiguration")
        encryption = next(iter(inputs.get("encryptionConfigurations") or ()), None)
        return Request(
            "ecr",
            "CreateRepository",
            compact(
                {
                    "repositoryName": inputs["name"],
                    "imageTagMutability": inputs.get("imageTagMutability"),
                    "imageScanningConfiguration": scanning and {"scanOnPush": scanning["scanOnPush"]},
                    "encryptionConfiguration": encryption
                    and compact(
                        {
                            "encryptionType": encryption.get("encryptionType", "AES256"),
                            "kmsKey": encryption.get("kmsKey"),
                        }
                    ),
                    "tags": tag_list(inputs) or None,
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateRepository."""
        return str(self.send(operation, inputs)["repository"]["repositoryName"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRepositories, ListTagsForResource."""
        ecr = self.client(operation, "ecr", state)
        with tolerating(_GONE):
            repository = ecr.describe_repositories(repositoryNames=[resource_id])["repositories"][0]
            tags = ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"]).get("tags")
            encryption = repository.get("encryptionConfiguration") or {"encryptionType": "AES256"}
            scanning = repository.get("imageScanningConfiguration") or {}
            return {
                "name": repository["repositoryName"],
                "arn": repository["repositoryArn"],
                "registryId": repository["registryId"],
                "repositoryUrl": repository["repositoryUri"],
                "imageTagMutability": repository.get("imageTagMutability", "MUTABLE"),
                "imageScanningConfiguration": {"scanOnPush": bool(scanning.get("scanOnPush"))},
                "encryptionConfigurations": [
                    compact({"encryptionType": encryption.get("encryptionType"), "kmsKey": encryption.get("kmsKey")})
                ],
                "forceDelete": state.get("forceDelete"),
                "tags": tag_map(tags),
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Mutability, scanning and tags change in place."""
        ecr = self.client(operation, "ecr", new)
        if "imageTagMutability" in changed:
            ecr.put_image_tag_mutability(
                repositoryName=resource_id, imageTagMutability=new.get("imageTagMutability", "MUTABLE")
            )
        if "imageScanningConfiguration" in changed:
            scanning = new.get("imageScanningConfiguration") or {"scanOnPush": False}
            ecr.put_image_scanning_configuration(
                repositoryName=resource_id, imageScanningConfiguration={"scanOnPush": scanning["scanOnPush"]}
            )
        if "tags" in changed:
            changes, removed = tag_changes(old, new)
            if removed:
                ecr.untag_resource(resourceArn=old["arn"], tagKeys=removed)
            if changes:
                ecr.tag_resource(resourceArn=old["arn"], tags=tag_list({"tags": changes}))

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRepository, with its images where `forceDelete` says so."""
        with tolerating(_GONE):
            self.client(operation, "ecr", state).delete_repository(
                repositoryName=resource_id, force=bool(state.get("forceDelete"))
            )


class LifecyclePolicy(AwsResource):
    """`aws.ecr.LifecyclePolicy`; its id is its repository's name."""

    token = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    tagged = False
    properties: ClassVar[Table] = {
        "repository": Property(STRING, required=True, replaces=True),
        "policy": Property(JSON, required=True),
    }
    outputs = ("registryId",)

    def request(self, inputs: Properties) -> Request:
        """PutLifecyclePolicy."""
        parameters = {"repositoryName": inputs["repository"], "lifecyclePolicyText": inputs["policy"]}
        return Request("ecr", "PutLifecyclePolicy", parameters)

    def create(self, operation: Aws, inputs: Properties) -> str:
        """PutLifecyclePolicy."""
        self.send(operation, inputs)
        return str(inputs["repository"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetLifecyclePolicy."""
        with tolerating(_GONE, "LifecyclePolicyNotFoundException"):
            policy = self.client(operation, "ecr", state).get_lifecycle_policy(repositoryName=resource_id)
            return {
                "repository": policy["repositoryName"],
                "policy": policy["lifecyclePolicyText"],
                "registryId": policy["registryId"],
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """PutLifecyclePolicy again."""
        del resource_id, old
        if changed:
            self.send(operation, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteLifecyclePolicy."""
        with tolerating(_GONE, "LifecyclePolicyNotFoundException"):
            self.client(operation, "ecr", state).delete_lifecycle_policy(repositoryName=resource_id)
