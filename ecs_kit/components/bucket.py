"""The bucket of source objects and results."""

import json

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.config import NONCURRENT_DAYS, KitConfig
from ecs_kit.components.parts import PartArgs
from ecs_kit.runtime.contract.spec_references import PINNED_PREFIX

PINNED_SPEC_DAYS = 30
"""Days after which the copy of a spec is deleted. A run reads its own until its end, at most 1.5 days later."""


def _encryption(key_arn: str) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict:
    """Encryption with a KMS key, by a key of the bucket, which saves calls of KMS; with S3's own keys without one."""
    if not key_arn:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
        "bucket_key_enabled": True,
    }


def lifecycle_rules(config: KitConfig) -> list[aws.s3.BucketLifecycleConfigurationRuleArgsDict]:
    """What S3 deletes by itself: unfinished uploads, pinned specs, old results and old versions as configured."""
    of_all: aws.s3.BucketLifecycleConfigurationRuleArgsDict = {
        "id": "abort-incomplete-uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
    }
    if config.bucket_versioning == "enabled":
        of_all["noncurrent_version_expiration"] = {"noncurrent_days": NONCURRENT_DAYS}
    expiring = {"delete-pinned-specs": (PINNED_PREFIX, PINNED_SPEC_DAYS)}
    if config.result_retention_days:
        expiring["delete-results"] = (f"{config.target_prefix}/", config.result_retention_days)
    return [
        of_all,
        *(
            aws.s3.BucketLifecycleConfigurationRuleArgsDict(
                id=name, status="Enabled", filter={"prefix": prefix}, expiration={"days": days}
            )
            for name, (prefix, days) in expiring.items()
        ),
    ]


class PrivateBucket(pulumi.ComponentResource):
    """An encrypted bucket without public access, reached by TLS only; emptied on destroy unless data are retained.

    With versions and an access log where the configuration asks for them.
    """

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
        needed: list[pulumi.Resource] = []
        if args.config.bucket_versioning == "enabled":
            versioning = aws.s3.BucketVersioning(
                name, bucket=self.bucket.bucket, versioning_configuration={"status": "Enabled"}, opts=child
            )
            needed.append(versioning)
        if args.config.access_log_bucket:
            aws.s3.BucketLogging(
                name,
                bucket=self.bucket.bucket,
                target_bucket=args.config.access_log_bucket,
                target_prefix=f"{args.names.bucket}/",
                opts=child,
            )
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=self.bucket.bucket,
            rules=lifecycle_rules(args.config),
            # Rules of versions are for a bucket that has some.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=needed)),
        )
        self.register_outputs({"bucket": self.bucket.bucket})
