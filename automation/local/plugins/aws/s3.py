"""S3."""

from typing import Any, ClassVar, Final

from automation.local.plugins.aws.base import (
    POLICY,
    Aws,
    AwsResource,
    Request,
    compact,
    created,
    retrying,
    tag_list,
    tag_map,
    tolerating,
)
from automation.local.plugins.framework.errors import ProviderError
from automation.local.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    MapOf,
    Object,
    Property,
    SetOf,
    Table,
)
from automation.local.plugins.framework.values import Properties

_GONE: Final = ("NoSuchBucket", "404")
_SEEN_SECONDS: Final = 60.0
"""A new bucket may not be seen everywhere at once (S3 user guide, "Amazon S3 data consistency model")."""


class Bucket(AwsResource):
    """`aws.s3.Bucket`; its id is its name."""

    token = "aws:s3/bucket:Bucket"
    properties: ClassVar[Table] = {
        "bucket": Property(STRING, replaces=True, computed=True),
        "forceDestroy": Property(BOOLEAN, default=False, unreadable=True),
        "objectLockEnabled": Property(BOOLEAN, replaces=True, computed=True),
    }
    outputs = ("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName", "tagsAll")
    name_property = "bucket"
    name_limit = 63

    def request(self, inputs: Properties) -> Request:
        """CreateBucket."""
        parameters: dict[str, Any] = {"Bucket": inputs["bucket"]}
        if inputs.get("objectLockEnabled"):
            parameters["ObjectLockEnabledForBucket"] = True
        return Request("s3", "CreateBucket", parameters)

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateBucket, PutBucketTagging."""
        region = inputs.get("region") or operation.provider.region
        parameters = dict(self.request(inputs).parameters)
        if region != "us-east-1":
            parameters["CreateBucketConfiguration"] = {"LocationConstraint": region}
        operation.provider.send(Request("s3", "CreateBucket", parameters), region)
        bucket = str(inputs["bucket"])
        with created(bucket, inputs):
            if inputs.get("tags"):
                retrying(
                    operation,
                    f"bucket {bucket} to be seen",
                    lambda: self._tag(operation, bucket, inputs),
                    *_GONE,
                    seconds=_SEEN_SECONDS,
                )
        return bucket

    def _tag(self, operation: Aws, bucket: str, inputs: Properties) -> None:
        s3 = self.client(operation, "s3", inputs)
        if inputs.get("tags"):
            s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_list(inputs)})
        else:
            s3.delete_bucket_tagging(Bucket=bucket)

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """HeadBucket, GetBucketTagging."""
        s3 = self.client(operation, "s3", state)
        with tolerating(*_GONE):
            s3.head_bucket(Bucket=resource_id)
            tags: dict[str, str] = {}
            with tolerating("NoSuchTagSet"):
                tags = tag_map(s3.get_bucket_tagging(Bucket=resource_id)["TagSet"])
            region = state.get("region") or operation.provider.region
            partition = operation.provider.partition(region)
            return {
                "bucket": resource_id,
                "arn": f"arn:{partition}:s3:::{resource_id}",
                "bucketDomainName": f"{resource_id}.s3.amazonaws.com",
                "bucketRegion": region,
                "bucketRegionalDomainName": f"{resource_id}.s3.{region}.amazonaws.com",
                "forceDestroy": state.get("forceDestroy"),
                "objectLockEnabled": bool(state.get("objectLockEnabled")),
                "tags": tags,
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Only tags change in AWS."""
        del old
        if "tags" in changed:
            self._tag(operation, resource_id, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteBucket, emptied first where `forceDestroy` says so."""
        s3 = self.client(operation, "s3", state)
        with tolerating(*_GONE):
            if state.get("forceDestroy"):
                empty_bucket(s3, resource_id)
            s3.delete_bucket(Bucket=resource_id)


def empty_bucket(s3: Any, bucket: str) -> None:
    """Delete every version, delete marker and unfinished upload.

    Raises:
        ProviderError: S3 keeps some.
    """
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        entries = [*(page.get("Versions") or ()), *(page.get("DeleteMarkers") or ())]
        objects = [compact({"Key": item["Key"], "VersionId": item.get("VersionId")}) for item in entries]
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
    """Something that a bucket has at most one of; its id is the bucket's name."""

    tagged = False

    def create(self, operation: Aws, inputs: Properties) -> str:
        """Put it."""
        self._put(operation, inputs)
        return str(inputs["bucket"])

    def _put(self, operation: Aws, inputs: Properties) -> None:
        retrying(
            operation,
            f"bucket {inputs['bucket']} to be seen and free",
            lambda: self.send(operation, inputs),
            "NoSuchBucket",
            "OperationAborted",
            seconds=_SEEN_SECONDS,
        )

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Put it again."""
        del resource_id, old
        if changed:
            self._put(operation, new)


_BLOCKS: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


class BucketPublicAccessBlock(_BucketPart):
    """`aws.s3.BucketPublicAccessBlock`."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    properties: ClassVar[Table] = {
        "bucket": Property(STRING, required=True, replaces=True),
        **{name: Property(BOOLEAN, default=False) for name in _BLOCKS},
        "skipDestroy": Property(BOOLEAN, unreadable=True),
    }

    def request(self, inputs: Properties) -> Request:
        """PutPublicAccessBlock."""
        configuration = {name[0].upper() + name[1:]: inputs.get(name, False) for name in _BLOCKS}
        parameters = {"Bucket": inputs["bucket"], "PublicAccessBlockConfiguration": configuration}
        return Request("s3", "PutPublicAccessBlock", parameters)

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetPublicAccessBlock."""
        with tolerating("NoSuchPublicAccessBlockConfiguration", *_GONE):
            answer = self.client(operation, "s3", state).get_public_access_block(Bucket=resource_id)
            found = answer["PublicAccessBlockConfiguration"]
            blocks = {name: bool(found.get(name[0].upper() + name[1:])) for name in _BLOCKS}
            return {"bucket": resource_id, **blocks, "skipDestroy": state.get("skipDestroy")}
        return None

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeletePublicAccessBlock."""
        if not state.get("skipDestroy"):
            with tolerating("NoSuchPublicAccessBlockConfiguration", *_GONE):
                self.client(operation, "s3", state).delete_public_access_block(Bucket=resource_id)


class BucketPolicy(_BucketPart):
    """`aws.s3.BucketPolicy`."""

    token = "aws:s3/bucketPolicy:BucketPolicy"
    properties: ClassVar[Table] = {
        "bucket": Property(STRING, required=True, replaces=True),
        "policy": Property(POLICY, required=True),
    }

    def request(self, inputs: Properties) -> Request:
        """PutBucketPolicy."""
        return Request("s3", "PutBucketPolicy", {"Bucket": inputs["bucket"], "Policy": inputs["policy"]})

    def _put(self, operation: Aws, inputs: Properties) -> None:
        # A principal that is new itself may not be seen yet (IAM).
        retrying(
            operation,
            "the principals of the policy to be seen",
            lambda: _BucketPart._put(self, operation, inputs),
            "MalformedPolicy",
            messages=("principal",),
            seconds=_SEEN_SECONDS,
        )

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetBucketPolicy."""
        with tolerating("NoSuchBucketPolicy", *_GONE):
            policy = self.client(operation, "s3", state).get_bucket_policy(Bucket=resource_id)["Policy"]
            return {"bucket": resource_id, "policy": policy}
        return None

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteBucketPolicy."""
        with tolerating("NoSuchBucketPolicy", *_GONE):
            self.client(operation, "s3", state).delete_bucket_policy(Bucket=resource_id)


_FILTER: Final[Table] = {
    "prefix": Property(STRING),
    "objectSizeGreaterThan": Property(INTEGER),
    "objectSizeLessThan": Property(INTEGER),
    "tag": Property(Object({"key": Property(STRING, required=True), "value": Property(STRING, required=True)})),
    "and": Property(
        Object(
            {
                "prefix": Property(STRING),
                "objectSizeGreaterThan": Property(INTEGER),
                "objectSizeLessThan": Property(INTEGER),
                "tags": Property(MapOf(STRING)),
            }
        )
    ),
}
_RULE: Final = Object(
    {
        "id": Property(STRING, required=True),
        "status": Property(STRING, required=True, allowed=("Enabled", "Disabled")),
        "prefix": Property(STRING),
        "filter": Property(Object(_FILTER)),
        "abortIncompleteMultipartUpload": Property(Object({"daysAfterInitiation": Property(INTEGER)})),
        "expiration": Property(
            Object(
                {
                    "days": Property(INTEGER),
                    "date": Property(STRING),
                    "expiredObjectDeleteMarker": Property(BOOLEAN, computed=True),
                }
            )
        ),
        "noncurrentVersionExpiration": Property(
            Object({"noncurrentDays": Property(INTEGER), "newerNoncurrentVersions": Property(INTEGER)})
        ),
        "transitions": Property(
            SetOf(
                Object(
                    {
                        "days": Property(INTEGER),
                        "date": Property(STRING),
                        "storageClass": Property(STRING, required=True),
                    }
                )
            )
        ),
    }
)


class BucketLifecycleConfiguration(_BucketPart):
    """`aws.s3.BucketLifecycleConfiguration`."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    properties: ClassVar[Table] = {
        "bucket": Property(STRING, required=True, replaces=True),
        "rules": Property(ListOf(_RULE), required=True),
        "expectedBucketOwner": Property(STRING, replaces=True, unreadable=True),
        "transitionDefaultMinimumObjectSize": Property(STRING, computed=True),
    }

    def request(self, inputs: Properties) -> Request:
        """PutBucketLifecycleConfiguration."""
        return Request(
            "s3",
            "PutBucketLifecycleConfiguration",
            compact(
                {
                    "Bucket": inputs["bucket"],
                    "ExpectedBucketOwner": inputs.get("expectedBucketOwner"),
                    "TransitionDefaultMinimumObjectSize": inputs.get("transitionDefaultMinimumObjectSize"),
                    "LifecycleConfiguration": {"Rules": [_lifecycle_rule(rule) for rule in inputs["rules"]]},
                }
            ),
        )

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetBucketLifecycleConfiguration."""
        with tolerating("NoSuchLifecycleConfiguration", *_GONE):
            answer = self.client(operation, "s3", state).get_bucket_lifecycle_configuration(Bucket=resource_id)
            return {
                "bucket": resource_id,
                "rules": [_found_rule(rule) for rule in answer["Rules"]],
                "expectedBucketOwner": state.get("expectedBucketOwner"),
                "transitionDefaultMinimumObjectSize": answer.get(
                    "TransitionDefaultMinimumObjectSize", "all_storage_classes_128K"
                ),
            }
        return None

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteBucketLifecycle."""
        with tolerating("NoSuchLifecycleConfiguration", *_GONE):
            self.client(operation, "s3", state).delete_bucket_lifecycle(Bucket=resource_id)


def _capitalised(members: Properties) -> dict[str, Any]:
    return {key[0].upper() + key[1:]: value for key, value in members.items() if value is not None}


def _uncapitalised(members: dict[str, Any]) -> Properties:
    return {key[0].lower() + key[1:]: value for key, value in members.items()}


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    result: dict[str, Any] = {"ID": rule["id"], "Status": rule["status"]}
    scope = rule.get("filter")
    if scope is None:
        result["Filter"] = {"Prefix": rule.get("prefix", "")}
    else:
        members = _capitalised({key: value for key, value in scope.items() if key not in ("tag", "and")})
        if scope.get("tag"):
            members["Tag"] = _capitalised(scope["tag"])
        if scope.get("and"):
            both = _capitalised({key: value for key, value in scope["and"].items() if key != "tags"})
            members["And"] = compact({**both, "Tags": tag_list(scope["and"]) or None})
        result["Filter"] = members or {"Prefix": ""}
    for name in ("abortIncompleteMultipartUpload", "expiration", "noncurrentVersionExpiration"):
        if rule.get(name):
            result[name[0].upper() + name[1:]] = _capitalised(rule[name])
    if rule.get("transitions"):
        result["Transitions"] = [_capitalised(item) for item in rule["transitions"]]
    return result


def _found_rule(rule: dict[str, Any]) -> Properties:
    found: Properties = {"id": rule.get("ID", ""), "status": rule["Status"]}
    scope = rule.get("Filter")
    if scope:
        members = _uncapitalised({key: value for key, value in scope.items() if key not in ("Tag", "And")})
        if scope.get("Tag"):
            members["tag"] = _uncapitalised(scope["Tag"])
        if scope.get("And"):
            both = _uncapitalised({key: value for key, value in scope["And"].items() if key != "Tags"})
            members["and"] = compact({**both, "tags": tag_map(scope["And"].get("Tags")) or None})
        found["filter"] = members
    elif rule.get("Prefix"):
        found["prefix"] = rule["Prefix"]
    for name in ("abortIncompleteMultipartUpload", "expiration", "noncurrentVersionExpiration"):
        part = rule.get(name[0].upper() + name[1:])
        if part:
            found[name] = {key: _plain(value) for key, value in _uncapitalised(part).items()}
    if rule.get("Transitions"):
        found["transitions"] = [
            {key: _plain(value) for key, value in _uncapitalised(item).items()} for item in rule["Transitions"]
        ]
    return found


def _plain(value: Any) -> Any:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else value


class BucketServerSideEncryptionConfiguration(_BucketPart):
    """`aws.s3.BucketServerSideEncryptionConfiguration`; without it S3 encrypts with its own keys all the same."""

    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    properties: ClassVar[Table] = {
        "bucket": Property(STRING, required=True, replaces=True),
        "expectedBucketOwner": Property(STRING, replaces=True, unreadable=True),
        "rules": Property(
            SetOf(
                Object(
                    {
                        "applyServerSideEncryptionByDefault": Property(
                            Object(
                                {"sseAlgorithm": Property(STRING, required=True), "kmsMasterKeyId": Property(STRING)}
                            )
                        ),
                        "bucketKeyEnabled": Property(BOOLEAN),
                    }
                )
            ),
            required=True,
        ),
    }

    def request(self, inputs: Properties) -> Request:
        """PutBucketEncryption."""
        rules = []
        for rule in inputs["rules"]:
            default = rule.get("applyServerSideEncryptionByDefault")
            rules.append(
                compact(
                    {
                        "ApplyServerSideEncryptionByDefault": default
                        and compact(
                            {"SSEAlgorithm": default["sseAlgorithm"], "KMSMasterKeyID": default.get("kmsMasterKeyId")}
                        ),
                        "BucketKeyEnabled": rule.get("bucketKeyEnabled"),
                    }
                )
            )
        parameters = {
            "Bucket": inputs["bucket"],
            "ExpectedBucketOwner": inputs.get("expectedBucketOwner"),
            "ServerSideEncryptionConfiguration": {"Rules": rules},
        }
        return Request("s3", "PutBucketEncryption", compact(parameters))

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetBucketEncryption."""
        with tolerating("ServerSideEncryptionConfigurationNotFoundError", *_GONE):
            answer = self.client(operation, "s3", state).get_bucket_encryption(Bucket=resource_id)
            rules = []
            for rule in answer["ServerSideEncryptionConfiguration"]["Rules"]:
                default = rule.get("ApplyServerSideEncryptionByDefault")
                rules.append(
                    compact(
                        {
                            "applyServerSideEncryptionByDefault": default
                            and compact(
                                {
                                    "sseAlgorithm": default["SSEAlgorithm"],
                                    "kmsMasterKeyId": default.get("KMSMasterKeyID"),
                                }
                            ),
                            "bucketKeyEnabled": bool(rule.get("BucketKeyEnabled")),
                        }
                    )
                )
            return {
                "bucket": resource_id,
                "rules": rules,
                "expectedBucketOwner": state.get("expectedBucketOwner"),
            }
        return None

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteBucketEncryption."""
        with tolerating("ServerSideEncryptionConfigurationNotFoundError", *_GONE):
            self.client(operation, "s3", state).delete_bucket_encryption(Bucket=resource_id)
