"""The bucket of source objects and results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies


@dataclass(frozen=True)
class PrivateBucketArgs:
    """Arguments of `PrivateBucket`.

    Args:
        bucket: The bucket's name.
        arn: The bucket's ARN.
        tags: The bucket's tags.
    """

    bucket: str
    arn: str
    tags: Mapping[str, str]


class PrivateBucket(pulumi.ComponentResource):
    """An encrypted bucket without public access, reached by TLS only, and emptied on destroy."""

    bucket: aws.s3.Bucket

    def __init__(self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:bucket:PrivateBucket", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.bucket = aws.s3.Bucket(name, bucket=args.bucket, force_destroy=True, tags=args.tags, opts=child)
        closed = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=self.bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        # S3 refuses concurrent changes to a bucket's access.
        aws.s3.BucketPolicy(
            name,
            bucket=self.bucket.bucket,
            policy=json.dumps(policies.bucket_tls_only(args.arn)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=self.bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=(
                        aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                            sse_algorithm="AES256"
                        )
                    )
                )
            ],
            opts=child,
        )
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=self.bucket.bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="abort-incomplete-uploads",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    abort_incomplete_multipart_upload=(
                        aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                            days_after_initiation=1
                        )
                    ),
                )
            ],
            opts=child,
        )
        self.register_outputs({"bucket": self.bucket.bucket})
