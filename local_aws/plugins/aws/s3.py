"""S3."""

from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import (
    Aws,
    AwsProvider,
    AwsResource,
    Request,
    call,
    created,
    retrying,
    tolerating,
)
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.schema import BOOLEAN, INTEGER, JSON, STRING, ListOf, Object, Property, SetOf, Table
from local_aws.plugins.framework.values import Properties

_GONE: Final = ("NoSuchBucket", "404")
_SEEN_SECONDS: Final = 60.0
"""A new bucket may not be seen everywhere at once (S3 user guide, "Amazon S3 data consistency model")."""
_BUCKET: Final = Property(STRING, required=True, replaces=True)


class Bucket(AwsResource):
    """`aws.s3.Bucket`; its id is its name."""

    token = "aws:s3/bucket:Bucket"
    name_property = "bucket"
    service = "s3"
    creates = "CreateBucket"
    gone = _GONE
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "forceDestroy": Property(BOOLEAN, default=False, unreadable=True),
    }
    outputs = ("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName", "tagsAll")
    deletes_before_replace = True

    def request(self, provider: AwsProvider, inputs: Properties) -> Request:
        """CreateBucket."""
        parameters = {"Bucket": inputs["bucket"]}
        if provider.region != "us-east-1":
            parameters["CreateBucketConfiguration"] = {"LocationConstraint": provider.region}
        return Request("s3", self.creates, parameters)

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateBucket, PutBucketTagging."""
        self.send(operation, inputs)
        bucket = str(inputs["bucket"])
        with created(bucket, inputs):
            if inputs.get("tags"):
                retrying(
                    operation,
                    f"bucket {bucket} to be seen",
                    lambda: self.change_tags(operation, bucket, {}, inputs),
                    *_GONE,
                    seconds=_SEEN_SECONDS,
                )
        return bucket

    def change_tags(self, operation: Aws, resource_id: str, old: Properties, new: Properties) -> None:
        """PutBucketTagging, which replaces all of them."""
        tags = [{"Key": key, "Value": text} for key, text in sorted((new.get("tags") or {}).items())]
        if tags:
            self.client(operation).put_bucket_tagging(Bucket=resource_id, Tagging={"TagSet": tags})
        else:
            self.client(operation).delete_bucket_tagging(Bucket=resource_id)

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """HeadBucket, GetBucketTagging."""
        s3, region = self.client(operation), operation.provider.region
        s3.head_bucket(Bucket=resource_id)
        tags: list[dict[str, str]] = []
        with tolerating("NoSuchTagSet"):
            tags = s3.get_bucket_tagging(Bucket=resource_id)["TagSet"]
        return {
            "bucket": resource_id,
            "arn": f"arn:{operation.provider.partition}:s3:::{resource_id}",
            "bucketDomainName": f"{resource_id}.s3.amazonaws.com",
            "bucketRegion": region,
            "bucketRegionalDomainName": f"{resource_id}.s3.{region}.amazonaws.com",
            "tags": tags,
        }

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteBucket, emptied first where `forceDestroy` says so."""
        if state.get("forceDestroy"):
            empty_bucket(self.client(operation), resource_id)
        self.client(operation).delete_bucket(Bucket=resource_id)


def empty_bucket(s3: Any, bucket: str) -> None:
    """Delete every version, delete marker and unfinished upload.

    Raises:
        ProviderError: S3 keeps some.
    """
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        entries = [*(page.get("Versions") or ()), *(page.get("DeleteMarkers") or ())]
        objects = [{key: item[key] for key in ("Key", "VersionId") if item.get(key) is not None} for item in entries]
        # DeleteObjects takes at most 1,000 keys, as many as a page has.
        for start in range(0, len(objects), 1000):
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects[start : start + 1000], "Quiet": True})
            for failure in answer.get("Errors") or ():
                raise ProviderError(
                    f"{bucket}/{failure.get('Key')} stays: {failure.get('Code')} {failure.get('Message')}"
                )
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads") or ():
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


class _BucketPart(AwsResource):
    """Something that a bucket has at most one of; its id is the bucket's name.

    Attributes:
        member: the member of the Put call that holds it, and of the Get call's answer; empty where that is it.
        gets: AWS's name of the Get call.
        deletes: AWS's name of the Delete call.
    """

    service = "s3"
    tagged = False
    member: ClassVar[str] = ""
    gets: ClassVar[str]
    deletes: ClassVar[str]

    def request(self, provider: AwsProvider, inputs: Properties) -> Request:
        """The Put call."""
        part = self.parameters(provider, inputs, lambda shape: shape.members[self.member] if self.member else shape)
        wrapped = {self.member: part} if self.member else part
        return Request("s3", self.creates, {**wrapped, "Bucket": inputs["bucket"]})

    def create(self, operation: Aws, inputs: Properties) -> str:
        """The Put call."""
        retrying(
            operation,
            f"bucket {inputs['bucket']} to be seen and free",
            lambda: self.send(operation, inputs),
            "NoSuchBucket",
            "OperationAborted",
            seconds=_SEEN_SECONDS,
        )
        return str(inputs["bucket"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """The Get call."""
        answer = call(self.client(operation), self.gets, {"Bucket": resource_id})
        return {**self.found(answer.get(self.member, answer)), "bucket": resource_id}

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """The Delete call."""
        call(self.client(operation), self.deletes, {"Bucket": resource_id})


class BucketPublicAccessBlock(_BucketPart):
    """`aws.s3.BucketPublicAccessBlock`."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    creates, gets, deletes = "PutPublicAccessBlock", "GetPublicAccessBlock", "DeletePublicAccessBlock"
    member = "PublicAccessBlockConfiguration"
    gone = ("NoSuchPublicAccessBlockConfiguration", *_GONE)
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "blockPublicAcls": Property(BOOLEAN, default=False),
        "blockPublicPolicy": Property(BOOLEAN, default=False),
        "ignorePublicAcls": Property(BOOLEAN, default=False),
        "restrictPublicBuckets": Property(BOOLEAN, default=False),
    }


class BucketPolicy(_BucketPart):
    """`aws.s3.BucketPolicy`."""

    token = "aws:s3/bucketPolicy:BucketPolicy"
    creates, gets, deletes = "PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"
    gone = ("NoSuchBucketPolicy", *_GONE)
    properties: ClassVar[Table] = {"bucket": _BUCKET, "policy": Property(JSON, required=True)}


class BucketLifecycleConfiguration(_BucketPart):
    """`aws.s3.BucketLifecycleConfiguration`, of rules that end unfinished uploads."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    creates, gets = "PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration"
    deletes = "DeleteBucketLifecycle"
    member = "LifecycleConfiguration"
    gone = ("NoSuchLifecycleConfiguration", *_GONE)
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "rules": Property(
            ListOf(
                Object(
                    {
                        "id": Property(STRING, required=True),
                        "status": Property(STRING, required=True, allowed=("Enabled", "Disabled")),
                        "filter": Property(Object({"prefix": Property(STRING)}), required=True),
                        "abortIncompleteMultipartUpload": Property(
                            Object({"daysAfterInitiation": Property(INTEGER, required=True)}), required=True
                        ),
                    }
                )
            ),
            required=True,
        ),
    }


class BucketServerSideEncryptionConfiguration(_BucketPart):
    """`aws.s3.BucketServerSideEncryptionConfiguration`; without it S3 encrypts with its own keys all the same."""

    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    creates, gets, deletes = "PutBucketEncryption", "GetBucketEncryption", "DeleteBucketEncryption"
    member = "ServerSideEncryptionConfiguration"
    gone = ("ServerSideEncryptionConfigurationNotFoundError", *_GONE)
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "rules": Property(
            SetOf(
                Object(
                    {
                        "applyServerSideEncryptionByDefault": Property(
                            Object({"sseAlgorithm": Property(STRING, required=True)}), required=True
                        )
                    }
                )
            ),
            required=True,
        ),
    }
