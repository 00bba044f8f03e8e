"""Specs in the pattern's bucket: an execution may name one instead of being given it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract.errors import Problem, SpecRefused
from ecs_kit.runtime.contract.executions import Execution
from ecs_kit.runtime.contract.spec_references import MAX_SPEC_BYTES, SPEC_URI, is_reference, reference
from ecs_kit.runtime.functions import spec_check

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ABSENT = ("NoSuchKey", "AccessDenied")
"""Without the permission to list a bucket, a missing object is an access that is denied (S3 API, GetObject)."""


@dataclass(frozen=True, slots=True)
class GivenSpec:
    """The document of an execution's spec, not checked yet.

    `run_id` is that of a scheduled run, None for others; `is_reference` says whether the input only named the document.
    """

    document: Any
    run_id: int | None = None
    is_reference: bool = False


@dataclass(frozen=True, slots=True)
class SpecStore:
    """The specs in a pattern's bucket. The first read of a run pins a copy that all later reads get."""

    client: S3Client
    bucket: str

    def given(self, given: Any, execution: Execution) -> GivenSpec:
        """Return the spec that an execution's input is or names.

        Raises:
            SpecRefused: the reference is malformed, or there is no such object, or it is too large or no JSON.
        """
        if not is_reference(given):
            return GivenSpec(given)
        found = reference(given, self.bucket, execution.arn, execution.start_time)
        text = self._read(found.pinned_key)
        if text is None:
            try:
                text = self._get(found.key)
            except ClientError as error:
                if not _is_absent(error):
                    raise
                what = f"names {found.uri}, which does not exist or may not be read: {error}"
                raise SpecRefused([Problem(f"$.{SPEC_URI}", what)]) from error
            text = self._pin(found.pinned_key, text)
        return GivenSpec(spec_check.parse(text.decode("utf-8", "replace")), found.run_id, is_reference=True)

    def pinned(self, key: str) -> str | None:
        """Return the pinned copy of a spec, None where there is none."""
        text = self._read(key)
        return None if text is None else text.decode("utf-8", "replace")

    def _read(self, key: str) -> bytes | None:
        try:
            return self._get(key)
        except ClientError as error:
            if _is_absent(error):
                log.info("there is no pinned copy, or it may not be read", key=key, error=str(error))
                return None
            raise

    def _get(self, key: str) -> bytes:
        answer = self.client.get_object(Bucket=self.bucket, Key=key)
        if answer["ContentLength"] > MAX_SPEC_BYTES:
            what = f"names s3://{self.bucket}/{key} of {answer['ContentLength']} bytes; {MAX_SPEC_BYTES} is the most"
            raise SpecRefused([Problem(f"$.{SPEC_URI}", what)])
        return answer["Body"].read()

    def _pin(self, key: str, text: bytes) -> bytes:
        """Keep the copy unless there is one, which a concurrent or an earlier call has made; return the kept one."""
        try:
            self.client.put_object(
                Bucket=self.bucket, Key=key, Body=text, ContentType="application/json", IfNoneMatch="*"
            )
        except ClientError as error:
            # Conflict: another call is writing it.
            if error.response.get("Error", {}).get("Code") not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise
            pinned = self._read(key)
            if pinned is None:
                raise
            return pinned
        return text


def _is_absent(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in ABSENT
