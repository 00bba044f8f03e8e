"""An execution's input that names its spec by its place in the pattern's bucket, instead of being the spec."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.errors import Problem, SpecRefused
from ecs_kit.runtime.contract.run_ids import run_id

SPEC_URI = "specUri"
SCHEDULED_TIME = "scheduledTime"

SPEC_PREFIX = "specs/"
"""Where in the bucket such specs are."""

PINNED_PREFIX = f"{SPEC_PREFIX}pinned/"
"""Where a run's first step keeps the copy that all later steps read, whatever happens to the original."""

MAX_SPEC_BYTES = 4 * 1024 * 1024
"""Largest spec that is read: more than ten thousand entries, and little beside a function's memory."""

MAX_TASK_LIST_BYTES = 200_000
"""Longest task list of such a spec in pattern 2, whose state machine gets it in one answer of at most 256 KiB
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html)."""


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
    if key in ("", SPEC_PREFIX) or key.startswith(PINNED_PREFIX):
        problems.append(Problem(f"$.{SPEC_URI}", f"must be an object below {place}, not {uri!r}"))
    moment = started
    if scheduled is not None:
        try:
            moment = from_iso(scheduled)
        except (TypeError, ValueError):
            problems.append(Problem(f"$.{SCHEDULED_TIME}", f"must be a time in ISO 8601, not {scheduled!r}"))
    if problems:
        raise SpecRefused(problems)
    identifier = run_id(moment, execution_arn if scheduled is None else uri)
    pinned_key = f"{PINNED_PREFIX}{identifier}.json"
    return SpecReference(bucket, key, pinned_key, None if scheduled is None else identifier)
