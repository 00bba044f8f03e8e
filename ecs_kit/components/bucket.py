"""The bucket of source objects and results."""

import json

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.parts import PartArgs


def _encryption(key_arn: str) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict:
    """Encryption with a KMS key, by a key of the bucket, which saves calls of KMS; with S3's own keys without one."""
    if not key_arn:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
        "bucket_key_enabled": True,
    }


class PrivateBucket(pulumi.ComponentResource):
    """An encrypted bucket without public access, reached by TLS only; emptied on destroy unless data are retained."""

    bucket: aws.s3.Bucket

    def __init__(self, name: str, args: PartArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:bucket:PrivateBucket", name, None, opts)
        is_retained = args.config.retains_data
        # The settings, too: without them the bucket would be less protected than before.
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=is_retained)
        self.bucket = aws.s3.Bucket(
            name, bucket=args.names.bucket, force_destroy=not is_retained, tags=args.tags, opts=child
        )
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
        after_closing = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[closed]))
        tls_only = json.dumps(policies.bucket_tls_only(args.names.bucket_arn))
        aws.s3.BucketPolicy(name, bucket=self.bucket.bucket, policy=tls_only, opts=after_closing)
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=self.bucket.bucket,
            rules=[_encryption(args.config.kms_key_arn)],
            opts=child,
        )
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=self.bucket.bucket,
            rules=[
                {
                    "id": "abort-incomplete-uploads",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
                }
            ],
            opts=child,
        )
        self.register_outputs({"bucket": self.bucket.bucket})
