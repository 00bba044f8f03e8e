"""The sample job, and the inputs of every job.

`run` copies an object. `KIT_JOB=module:function` in the container's environment replaces it. The function is called
once per ECS task. Returning means success; any exception means failure, and its text is recorded. A task may be
retried, so the function must be idempotent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class S3Object:
    """The address of an S3 object."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Job:
    """The inputs of a job: the object that the task's spec entry names, and a key of this task alone for the result.

    `parameters` are the environment variables whose names start with `JOB_`, without that prefix; `arguments` is the
    container's command: what follows the entry point.
    """

    source: S3Object
    target: S3Object
    parameters: Mapping[str, str]
    arguments: tuple[str, ...] = ()


def run(job: Job, s3: S3Client) -> None:
    """Copy the source object to the target, inside S3.

    Up to 5 GB one CopyObject call copies it; above that, S3 refuses and a multipart copy follows.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html

    Raises:
        botocore.exceptions.ClientError: S3 refused, for example because there is no such object.
    """
    source, target = job.source, job.target
    try:
        s3.copy_object(Bucket=target.bucket, Key=target.key, CopySource={"Bucket": source.bucket, "Key": source.key})
    except ClientError as error:
        if not _is_too_large(error):
            raise
        s3.copy({"Bucket": source.bucket, "Key": source.key}, target.bucket, target.key)


def _is_too_large(error: ClientError) -> bool:
    details = error.response.get("Error", {})
    return details.get("Code") == "InvalidRequest" and "larger than the maximum" in details.get("Message", "")
