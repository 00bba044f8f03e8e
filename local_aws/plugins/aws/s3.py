"""S3."""

from typing import Any, ClassVar, Final

from local_aws.plugins.aws import shapes
from local_aws.plugins.aws.base import Aws, AwsResource, Retry, tolerating
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    JSON,
    STRING,
    ListOf,
    Object,
    Property,
    SetOf,
    Table,
    optional,
    required,
)
from local_aws.plugins.framework.values import Properties

_GONE: Final = ("NoSuchBucket", "404")
_VISIBLE_SECONDS: Final = 60.0
"""A new bucket may not be visible everywhere at once (S3 user guide, "Amazon S3 data consistency model")."""
_BUCKET: Final = Property(STRING, required=True, replaces=True)


class Bucket(AwsResource):
    """`aws.s3.Bucket`; its id is its name."""

    token = "aws:s3/bucket:Bucket"
    name_property = id_property = "bucket"
    service, creates, deletes = "s3", "CreateBucket", "DeleteBucket"
    gone = _GONE
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "forceDestroy": Property(BOOLEAN, default=False, unreadable=True),
    }
    outputs = ("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName", "tagsAll")
    deletes_before_replace = True

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """CreateBucket."""
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": provider.region}}
        return {"Bucket": inputs["bucket"], **(elsewhere if provider.region != "us-east-1" else {})}

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateBucket, PutBucketTagging."""
        bucket = super().create(operation, inputs)
        if inputs.get("tags"):
            Retry("bucket {bucket} to be visible", _GONE, _VISIBLE_SECONDS).call(
                operation, lambda: self.change_tags(operation, bucket, {}, inputs), inputs
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
        """DeleteBucket, emptied first if `forceDestroy` says so."""
        if state.get("forceDestroy"):
            empty_bucket(self.client(operation), resource_id)
        super().remove(operation, resource_id, state)


def empty_bucket(s3: Any, bucket: str) -> None:
    """Delete every version, delete marker and unfinished upload; `ProviderError`: S3 does not delete some."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        entries = [*(page.get("Versions") or ()), *(page.get("DeleteMarkers") or ())]
        objects = [{key: item[key] for key in ("Key", "VersionId") if item.get(key) is not None} for item in entries]
        # DeleteObjects takes at most 1,000 keys, as many as a page has.
        for start in range(0, len(objects), 1000):
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects[start : start + 1000], "Quiet": True})
            for failure in answer.get("Errors") or ():
                raise ProviderError(
                    f"{bucket}/{failure.get('Key')} is not deleted: {failure.get('Code')} {failure.get('Message')}"
                )
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads") or ():
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


class _BucketSetting(AwsResource):
    """A setting of a bucket; its id is the bucket's name.

    The member `answers` of the Put call holds it, and that of the Get call's answer.
    """

    service = "s3"
    puts = True
    id_property = "bucket"
    tagged = False
    not_yet = Retry("bucket {bucket} to be visible and free", ("NoSuchBucket", "OperationAborted"), _VISIBLE_SECONDS)

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """The Put call."""
        if not self.answers:
            return super().request(provider, inputs)
        shape = shapes.input_of(provider.client("s3"), self.creates).members[self.answers]
        return {"Bucket": inputs["bucket"], self.answers: shapes.to_aws(shape, inputs)}

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """The Get call."""
        found = super().find(operation, resource_id, state)
        return found and {**found, "bucket": resource_id}


class BucketPublicAccessBlock(_BucketSetting):
    """`aws.s3.BucketPublicAccessBlock`."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    creates, reads, deletes = "PutPublicAccessBlock", "GetPublicAccessBlock", "DeletePublicAccessBlock"
    answers = "PublicAccessBlockConfiguration"
    gone = ("NoSuchPublicAccessBlockConfiguration", *_GONE)
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "blockPublicAcls": Property(BOOLEAN, default=False),
        "blockPublicPolicy": Property(BOOLEAN, default=False),
        "ignorePublicAcls": Property(BOOLEAN, default=False),
        "restrictPublicBuckets": Property(BOOLEAN, default=False),
    }


class BucketPolicy(_BucketSetting):
    """`aws.s3.BucketPolicy`."""

    token = "aws:s3/bucketPolicy:BucketPolicy"
    creates, reads, deletes = "PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"
    gone = ("NoSuchBucketPolicy", *_GONE)
    properties: ClassVar[Table] = {"bucket": _BUCKET, "policy": Property(JSON, required=True)}


class BucketLifecycleConfiguration(_BucketSetting):
    """`aws.s3.BucketLifecycleConfiguration`, of rules that abort unfinished uploads or delete old objects."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    creates, reads = "PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration"
    deletes = "DeleteBucketLifecycle"
    answers = "LifecycleConfiguration"
    gone = ("NoSuchLifecycleConfiguration", *_GONE)
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "rules": Property(
            ListOf(
                Object(
                    {
                        "id": Property(STRING, required=True),
                        "status": Property(STRING, required=True),
                        "filter": Property(optional(prefix=STRING)),
                        "abortIncompleteMultipartUpload": Property(required(daysAfterInitiation=INTEGER)),
                        "expiration": Property(required(days=INTEGER)),
                        "noncurrentVersionExpiration": Property(required(noncurrentDays=INTEGER)),
                    }
                )
            ),
            required=True,
        ),
    }


class BucketVersioning(_BucketSetting):
    """`aws.s3.BucketVersioning`. Versioning that was enabled can be suspended, but not removed."""

    token = "aws:s3/bucketVersioning:BucketVersioning"
    creates, reads = "PutBucketVersioning", "GetBucketVersioning"
    gone = _GONE
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "versioningConfiguration": Property(required(status=STRING), required=True),
    }

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetBucketVersioning; None where there never was any."""
        status = self.client(operation).get_bucket_versioning(Bucket=resource_id).get("Status")
        return {"bucket": resource_id, "versioningConfiguration": {"status": status}} if status else None

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """PutBucketVersioning, which suspends it."""
        suspended = {"Status": "Suspended"}
        self.client(operation).put_bucket_versioning(Bucket=resource_id, VersioningConfiguration=suspended)


class BucketLogging(_BucketSetting):
    """`aws.s3.BucketLogging`."""

    token = "aws:s3/bucketLogging:BucketLogging"
    creates, reads, deletes = "PutBucketLogging", "GetBucketLogging", "PutBucketLogging"
    answers = "LoggingEnabled"
    gone = _GONE
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "targetBucket": Property(STRING, required=True),
        "targetPrefix": Property(STRING, required=True),
    }

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """PutBucketLogging."""
        target = {"TargetBucket": inputs["targetBucket"], "TargetPrefix": inputs["targetPrefix"]}
        return {"Bucket": inputs["bucket"], "BucketLoggingStatus": {"LoggingEnabled": target}}

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetBucketLogging; None where there is none."""
        found = super().find(operation, resource_id, state)
        return found if found and "targetBucket" in found else None

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """PutBucketLogging of nothing."""
        self.client(operation).put_bucket_logging(Bucket=resource_id, BucketLoggingStatus={})


class BucketServerSideEncryptionConfiguration(_BucketSetting):
    """`aws.s3.BucketServerSideEncryptionConfiguration`; without it S3 encrypts with its own keys, too."""

    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    creates, reads, deletes = "PutBucketEncryption", "GetBucketEncryption", "DeleteBucketEncryption"
    answers = "ServerSideEncryptionConfiguration"
    gone = ("ServerSideEncryptionConfigurationNotFoundError", *_GONE)
    properties: ClassVar[Table] = {
        "bucket": _BUCKET,
        "rules": Property(
            SetOf(
                Object(
                    {
                        "applyServerSideEncryptionByDefault": Property(
                            Object(
                                {
                                    "sseAlgorithm": Property(STRING, required=True),
                                    "kmsMasterKeyId": Property(STRING),
                                }
                            ),
                            required=True,
                        ),
                        "bucketKeyEnabled": Property(BOOLEAN),
                    }
                )
            ),
            required=True,
        ),
    }
