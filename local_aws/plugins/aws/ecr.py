"""Elastic Container Registry."""

from typing import ClassVar

from local_aws.plugins.aws.base import Aws, AwsResource
from local_aws.plugins.framework.schema import BOOLEAN, JSON, STRING, Object, Property, Table
from local_aws.plugins.framework.values import Properties

_GONE = "RepositoryNotFoundException"


class Repository(AwsResource):
    """`aws.ecr.Repository`; its id is its name."""

    token = "aws:ecr/repository:Repository"
    name_property = "name"
    service = "ecr"
    creates = "CreateRepository"
    renamed: ClassVar = {"name": "repositoryName", "arn": "repositoryArn", "repositoryUrl": "repositoryUri"}
    gone = (_GONE,)
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "forceDelete": Property(BOOLEAN, default=False, unreadable=True),
        "imageTagMutability": Property(STRING, default="MUTABLE"),
        "imageScanningConfiguration": Property(Object({"scanOnPush": Property(BOOLEAN, required=True)})),
    }
    outputs = ("arn", "registryId", "repositoryUrl", "tagsAll")
    deletes_before_replace = True

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRepositories, ListTagsForResource."""
        ecr = self.client(operation)
        repository = ecr.describe_repositories(repositoryNames=[resource_id])["repositories"][0]
        tags = ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"]).get("tags")
        return {**self.found(repository), "tags": tags}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Mutability and scanning change in place."""
        ecr = self.client(operation)
        if "imageTagMutability" in changed:
            ecr.put_image_tag_mutability(
                repositoryName=resource_id, imageTagMutability=new.get("imageTagMutability", "MUTABLE")
            )
        if "imageScanningConfiguration" in changed:
            scanning = new.get("imageScanningConfiguration") or {"scanOnPush": False}
            ecr.put_image_scanning_configuration(repositoryName=resource_id, imageScanningConfiguration=scanning)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRepository, with its images where `forceDelete` says so."""
        self.client(operation).delete_repository(repositoryName=resource_id, force=bool(state.get("forceDelete")))


class LifecyclePolicy(AwsResource):
    """`aws.ecr.LifecyclePolicy`; its id is its repository's name."""

    token = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    service = "ecr"
    creates = "PutLifecyclePolicy"
    id_property = "repository"
    renamed: ClassVar = {"repository": "repositoryName", "policy": "lifecyclePolicyText"}
    gone = (_GONE, "LifecyclePolicyNotFoundException")
    tagged = False
    properties: ClassVar[Table] = {
        "repository": Property(STRING, required=True, replaces=True),
        "policy": Property(JSON, required=True),
    }
    outputs = ("registryId",)

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetLifecyclePolicy."""
        return self.found(self.client(operation).get_lifecycle_policy(repositoryName=resource_id))

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteLifecyclePolicy."""
        self.client(operation).delete_lifecycle_policy(repositoryName=resource_id)
