"""Elastic Container Registry."""

from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws, AwsResource
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.schema import BOOLEAN, JSON, STRING, ListOf, Property, Table, optional, required
from local_aws.plugins.framework.values import Properties

_GONE = "RepositoryNotFoundException"


class Repository(AwsResource):
    """`aws.ecr.Repository`; its id is its name."""

    token = "aws:ecr/repository:Repository"
    name_property = "name"
    service, creates, lists_tags, deletes = "ecr", "CreateRepository", "ListTagsForResource", "DeleteRepository"
    updates: ClassVar = {
        "PutImageTagMutability": ("imageTagMutability",),
        "PutImageScanningConfiguration": ("imageScanningConfiguration",),
    }
    renamed: ClassVar = {
        "name": "repositoryName",
        "arn": "repositoryArn",
        "repositoryUrl": "repositoryUri",
        "forceDelete": "force",
    }
    gone = (_GONE,)
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "forceDelete": Property(BOOLEAN, default=False, unreadable=True),
        "imageTagMutability": Property(STRING, default="MUTABLE"),
        "imageScanningConfiguration": Property(required(scanOnPush=BOOLEAN), default={"scanOnPush": False}),
        "encryptionConfigurations": Property(
            ListOf(optional(encryptionType=STRING, kmsKey=STRING)),
            replaces=True,
            default=[{"encryptionType": "AES256"}],
        ),
    }
    outputs = ("arn", "registryId", "repositoryUrl", "tagsAll")
    deletes_before_replace = True

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """CreateRepository, with the one encryption that there may be."""
        encryption = (inputs.get("encryptionConfigurations") or [None])[0]
        return super().request(provider, {**inputs, "encryptionConfiguration": encryption})

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRepositories."""
        answer = self.call(operation, "DescribeRepositories", {"repositoryNames": [resource_id]})
        repository = answer["repositories"][0]
        return self.found({**repository, "encryptionConfigurations": [repository["encryptionConfiguration"]]})


class LifecyclePolicy(AwsResource):
    """`aws.ecr.LifecyclePolicy`; its id is its repository's name."""

    token = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    service, creates, reads, deletes = "ecr", "PutLifecyclePolicy", "GetLifecyclePolicy", "DeleteLifecyclePolicy"
    puts = True
    id_property = "repository"
    renamed: ClassVar = {"repository": "repositoryName", "policy": "lifecyclePolicyText"}
    gone = (_GONE, "LifecyclePolicyNotFoundException")
    tagged = False
    properties: ClassVar[Table] = {
        "repository": Property(STRING, required=True, replaces=True),
        "policy": Property(JSON, required=True),
    }
    outputs = ("registryId",)
