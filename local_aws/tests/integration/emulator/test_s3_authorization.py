"""What S3 asks IAM for that depends on the object.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html: a missing object is 404 for those who may list the
bucket, 403 for others. A copy takes the tags of its source.
"""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.testing.aws import allow
from local_aws.tests.integration.emulator.expectations import refused

pytestmark = [pytest.mark.integration, pytest.mark.correction(name="s3_authorization")]

OBJECTS = ("s3:GetObject", "s3:PutObject")


@pytest.fixture
def bucket(aws: Any) -> str:
    name: str = aws.name("objects").lower()
    aws.client("s3").create_bucket(Bucket=name)
    return name


def client(aws: Any, *statements: dict[str, Any]) -> Any:
    return aws.client("s3", aws.role("reader", None, *statements))


def test_a_missing_object_is_forbidden_to_those_who_may_not_list_the_bucket(aws: Any, bucket: str) -> None:
    s3 = client(aws, allow(*OBJECTS))
    denied = f'not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::{bucket}"'
    with refused("AccessDenied", denied):
        s3.get_object(Bucket=bucket, Key="missing")
    with refused("AccessDenied", denied):
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "missing"})
    with refused("403", "Forbidden"):
        s3.head_object(Bucket=bucket, Key="missing")


def test_a_missing_object_is_not_found_by_those_who_may_list_the_bucket(aws: Any, bucket: str) -> None:
    s3 = client(aws, allow(*OBJECTS, "s3:ListBucket"))
    with refused("NoSuchKey", "does not exist"):
        s3.get_object(Bucket=bucket, Key="missing")
    with refused("404", "Not Found"):
        s3.head_object(Bucket=bucket, Key="missing")


@pytest.mark.parametrize("lacking", ["s3:GetObjectTagging", "s3:PutObjectTagging"])
def test_a_copy_needs_to_read_and_to_put_the_tags_of_its_source(aws: Any, bucket: str, lacking: str) -> None:
    root = aws.client("s3")
    root.put_object(Bucket=bucket, Key="tagged", Body=b"", Tagging="a=b")
    root.put_object(Bucket=bucket, Key="plain", Body=b"")
    granted = {"s3:GetObjectTagging", "s3:PutObjectTagging"} - {lacking}
    s3 = client(aws, allow(*OBJECTS, *granted))

    def copy(key: str, **more: str) -> None:
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key}, **more)

    copy("plain")
    copy("tagged", TaggingDirective="REPLACE")
    with refused("AccessDenied", f"not authorized to perform: {lacking}"):
        copy("tagged")
