"""What Amazon S3 asks IAM for that depends on the object: whether it is there, and whether it has tags.

An object that is missing is 404 for those who may list the bucket, and 403 for others
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_RequestSyntax, "Permissions"). A copy
takes the tags of its source, which have to be read and put
(https://repost.aws/knowledge-center/s3-troubleshoot-copy-between-buckets).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ministack import app
from ministack.core import iam_actions, iam_evaluator, router
from ministack.core.responses import get_region
from ministack.services import s3

from local_aws.emulator.aws_behaviour.patching import around
from local_aws.emulator.aws_behaviour.request_authorization import Handler, HttpAnswer

ARN = "arn:aws:s3:::"


@around("s3_authorization", app, "SERVICE_HANDLERS", "s3")
async def authorize(
    handler: Handler, method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> HttpAnswer:
    """Wrap MiniStack's S3, which knows no missing object and no tags when it authorizes a call."""
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    source_bucket, _, source_key = (
        unquote(headers.get("x-amz-copy-source", "").partition("?")[0]).lstrip("/").partition("/")
    )
    if method == "PUT" and source_key:
        for action, arn in tag_checks(headers, (source_bucket, source_key), (bucket, key)):
            if (denied := _denial(action, arn, headers, query_params)) is not None:
                return denied
    answer = await handler(method, path, headers, body, query_params)
    if answer[0] != 404 or not key or not (method == "HEAD" or b"<Code>NoSuchKey</Code>" in answer[2]):
        return answer
    denied = _denial("s3:ListBucket", f"{ARN}{source_bucket or bucket}", headers, query_params)
    if denied is None:
        return answer
    return denied if method != "HEAD" else (denied[0], denied[1], b"")


def tag_checks(headers: dict[str, str], source: tuple[str, str], target: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The actions and objects that a copy needs for tags: it takes those of its source unless it is told not to."""
    copies = headers.get("x-amz-tagging-directive", "COPY").upper() == "COPY"
    if copies and any(tags for (*found, _version), tags in list(s3._object_tags.items()) if tuple(found) == source):
        yield "s3:GetObjectTagging", f"{ARN}{'/'.join(source)}"
        yield "s3:PutObjectTagging", f"{ARN}{'/'.join(target)}"


def _denial(action: str, arn: str, headers: dict[str, str], query_params: dict[str, Any]) -> HttpAnswer | None:
    key = router.extract_access_key_id(headers, query_params)
    denied = iam_evaluator.enforce(key, action, "s3", get_region(), resource_arn=arn)
    if denied is None:
        return None
    answer: HttpAnswer = iam_actions.access_denied_response(
        "s3",
        action,
        denied.principal_arn,
        str(uuid.uuid4()),
        headers=headers,
        resource_arn=arn,
        explicit_deny=denied.decision == "Deny",
    )
    return answer
