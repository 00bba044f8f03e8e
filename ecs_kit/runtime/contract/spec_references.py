"""An execution's input that names its spec by its place in the pattern's bucket, instead of being the spec."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.errors import Problem, SpecRefused, shown
from ecs_kit.runtime.contract.run_ids import LARGEST_RUN_ID, run_id

SPEC_URI = "specUri"
SCHEDULED_TIME = "scheduledTime"

SPEC_PREFIX = "specs/"
"""Where in the bucket such specs are."""

PINNED_PREFIX = f"{SPEC_PREFIX}pinned/"
"""Where a run's first step keeps the copy that all later steps read, whatever happens to the original."""

MAX_SPEC_BYTES = 4 * 1024 * 1024
"""Largest spec that is read: more than ten thousand entries, and little beside a function's memory."""

_KEY = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,1024}")
"""Keys that S3 takes and that a log line can hold
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html)."""

MAX_TASK_LIST_BYTES = 16 * 1024
"""Longest task list that the state machine of pattern 2 gets in an answer; it reads longer ones from S3."""


@dataclass(frozen=True, slots=True)
class SpecReference:
    """Where a spec is, and the key of its pinned copy.

    `run_id` is that of a scheduled run: it is made of the scheduled time and not of the execution, so that a start
    that is delivered twice has one run. None where the execution makes the id.
    """

    bucket: str
    key: str
    pinned_key: str
    run_id: int | None

    @property
    def uri(self) -> str:
        """The spec's place, `s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


def is_short(task_list: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the state machine of pattern 2 gets a task list that is not in its input in an answer."""
    return len(json.dumps(task_list, ensure_ascii=False).encode()) <= MAX_TASK_LIST_BYTES


def is_reference(document: object) -> bool:
    """Whether an execution's input names a spec instead of being one."""
    return isinstance(document, Mapping) and SPEC_URI in document


def reference(document: Mapping[str, Any], bucket: str, execution_arn: str, started: datetime) -> SpecReference:
    """Read an input that names its spec in the pattern's bucket.

    Raises:
        SpecRefused: an attribute is unknown or malformed, or the spec is somewhere else.
    """
    uri, scheduled = document[SPEC_URI], document.get(SCHEDULED_TIME)
    problems = [
        Problem(f"$.{name}", f"is unknown beside {SPEC_URI}; known is {SCHEDULED_TIME}")
        for name in sorted(set(document) - {SPEC_URI, SCHEDULED_TIME})
    ]
    place = f"s3://{bucket}/{SPEC_PREFIX}"
    key = uri.removeprefix(f"s3://{bucket}/") if isinstance(uri, str) and uri.startswith(place) else ""
    if key == SPEC_PREFIX or key.startswith(PINNED_PREFIX) or not _KEY.fullmatch(key):
        problems.append(
            Problem(f"$.{SPEC_URI}", f"must be an object below {place} and not below {PINNED_PREFIX}, not {shown(uri)}")
        )
    identifier = 0
    with suppress(TypeError, ValueError):
        identifier = run_id(started, execution_arn) if scheduled is None else run_id(from_iso(scheduled), str(uri))
    if not 1 <= identifier <= LARGEST_RUN_ID:
        reason = f"must be a time in ISO 8601, from 1970 to 2255, not {shown(scheduled)}"
        problems.append(Problem(f"$.{SCHEDULED_TIME}", reason))
    if problems:
        raise SpecRefused(problems)
    pinned_key = f"{PINNED_PREFIX}{identifier}.json"
    return SpecReference(bucket, key, pinned_key, None if scheduled is None else identifier)
