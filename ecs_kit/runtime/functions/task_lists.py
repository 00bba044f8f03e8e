"""A run's tasks: the list of its spec, or a checked copy in the pattern's bucket, which all steps of the run read."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from ecs_kit.runtime.contract import task_lists
from ecs_kit.runtime.contract.errors import Problem, SpecRefused
from ecs_kit.runtime.contract.specs import Deployed, TaskEntry, to_entry
from ecs_kit.runtime.contract.task_lists import MAX_LIST_BYTES, MAX_PROBLEMS, MAX_TASKS, Form, Index, Line, Place
from ecs_kit.runtime.functions import spec_check
from ecs_kit.runtime.functions.spec_store import ABSENT

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_NO_LISTING = ("NoSuchBucket", "AccessDenied", "AllAccessDisabled", "PermanentRedirect")
_NAMES_AT_ONCE = 10 * task_lists.BLOCK


class TaskList(Protocol):
    """The tasks of a run, in the order of its list."""

    def __len__(self) -> int:
        """Return the number of tasks."""

    def entries(self, first: int, last: int) -> Sequence[TaskEntry]:
        """Return the entries [first, last), counted from 0.

        Raises:
            IndexError: the list has no such entries.
        """

    def names(self) -> Iterator[str]:
        """Yield the names of all tasks."""

    @property
    def uri(self) -> str | None:
        """The pinned copy, `s3://bucket/key`; None for a list that is in the spec alone."""


@dataclass(frozen=True, slots=True)
class InlineList:
    """The tasks of an inline list."""

    tasks: Sequence[TaskEntry]
    uri: str | None = None

    def __len__(self) -> int:
        return len(self.tasks)

    def entries(self, first: int, last: int) -> Sequence[TaskEntry]:
        """Return the entries [first, last)."""
        _check_range(self, first, last)
        return self.tasks[first:last]

    def names(self) -> Iterator[str]:
        """Yield the names of all tasks."""
        return (task.name for task in self.tasks)


@dataclass
class PinnedList:
    """The pinned copy of a list. Each call of `entries` is at most one read; the last one is kept."""

    client: S3Client
    bucket: str
    key: str
    index: Index
    _kept: tuple[int, int, Sequence[TaskEntry]] = field(default=(0, 0, ()), repr=False)

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"

    def __len__(self) -> int:
        return self.index.tasks

    def entries(self, first: int, last: int) -> Sequence[TaskEntry]:
        """Return the entries [first, last)."""
        _check_range(self, first, last)
        if first == last:
            return ()
        kept_first, kept_last, kept = self._kept
        if not kept_first <= first <= last <= kept_last:
            begin, end = self.index.blocks(first, last)
            kept_first, kept = begin * self.index.every, self._read(begin, end)
            self._kept = (kept_first, kept_first + len(kept), kept)
        return kept[first - kept_first : last - kept_first]

    def names(self) -> Iterator[str]:
        """Yield the names of all tasks."""
        step = _NAMES_AT_ONCE // self.index.every
        for begin in range(0, len(self.index.offsets) - 1, step):
            yield from (entry.name for entry in self._read(begin, min(begin + step, len(self.index.offsets) - 1)))

    def _read(self, begin: int, end: int) -> Sequence[TaskEntry]:
        first, last = self.index.offsets[begin], self.index.offsets[end] - 1
        answer = self.client.get_object(Bucket=self.bucket, Key=self.key, Range=f"bytes={first}-{last}")
        documents = (json.loads(line) for line in answer["Body"].read().split(b"\n") if line)
        return tuple(to_entry(document, self.bucket) for document in documents)


@dataclass(frozen=True, slots=True)
class TaskListStore:
    """The task lists in S3 that specs of a pattern name, and their pinned copies in its bucket."""

    client: S3Client
    bucket: str

    def pinned(self, key: str) -> PinnedList | None:
        """Return a pinned list by its key; None where there is none that is complete."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=task_lists.index_key(key))
        except ClientError as error:
            if _code(error) in ABSENT:
                return None
            raise
        return PinnedList(self.client, self.bucket, key, Index.from_json(answer["Body"].read()))

    def pin_uri(self, uri: str, deployed: Deployed, key: str) -> PinnedList:
        """Pin the list of a `taskListUri`, checked.

        Raises:
            SpecRefused: it cannot be read, or some of it is wrong; nothing was written.
        """
        place = task_lists.place(uri, self.bucket, deployed.source_buckets or ())
        with self._opened(place) as lines:
            return self.pin(checked(lines, place.form, self.bucket, deployed), key)

    def pin(self, entries: Iterable[TaskEntry], key: str) -> PinnedList:
        """Keep a copy of checked entries unless there is one, which a concurrent or an earlier call has made.

        The list is put first, then its index. Returns the kept list.
        """
        with tempfile.TemporaryFile() as file:
            index = Index.of_lengths(file.write(task_lists.canonical(entry.document)) for entry in entries)
            file.seek(0)
            if not self._put(key, file, "application/jsonl"):
                with self._downloaded(Place(self.bucket, key, Form.JSON_LINES)) as kept:
                    index = Index.of_lengths(map(len, kept))
        self._put(task_lists.index_key(key), index.to_json().encode(), "application/json")
        return PinnedList(self.client, self.bucket, key, index)

    @contextmanager
    def _opened(self, place: Place) -> Iterator[Iterator[Line]]:
        if place.form is Form.PREFIX:
            yield task_lists.of_keys(self._keys(place), place.bucket, place.key)
            return
        with self._downloaded(place, MAX_LIST_BYTES) as file:
            yield task_lists.lines(place.form, file)

    @contextmanager
    def _downloaded(self, place: Place, most_bytes: int | None = None) -> Iterator[IO[bytes]]:
        try:
            answer = self.client.get_object(Bucket=place.bucket, Key=place.key)
        except ClientError as error:
            if _code(error) in ABSENT:
                raise _refused(f"names {place.uri}, which does not exist or may not be read: {error}") from error
            raise
        size = answer["ContentLength"]
        if most_bytes is not None and size > most_bytes:
            raise _refused(f"names {place.uri} of {size} bytes; {most_bytes} is the most")
        with tempfile.TemporaryFile() as file:
            shutil.copyfileobj(answer["Body"], file)
            file.seek(0)
            yield file

    def _keys(self, place: Place) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key)
        try:
            for page in pages:
                yield from (found["Key"] for found in page.get("Contents", ()))
        except ClientError as error:
            if _code(error) in _NO_LISTING:
                raise _refused(f"names {place.uri}, which cannot be listed: {error}") from error
            raise

    def _put(self, key: str, body: Any, content_type: str) -> bool:
        try:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*")
        except ClientError as error:
            # A conflict, while another call writes it, is an error that is retried: it is not there yet.
            if _code(error) == "PreconditionFailed":
                return False
            raise
        return True


def pin_inline(store: TaskListStore, entries: Iterable[TaskEntry], key: str) -> PinnedList:
    """Pin an inline list's entries, which are checked already, unless they are pinned."""
    return store.pinned(key) or store.pin(entries, key)


def open_list(task_list: str | None, store: TaskListStore, document: Callable[[], Mapping[str, Any]]) -> TaskList:
    """Return the tasks of a registered run.

    `task_list` is that of its summary. `document` reads its spec, which is needed for an inline list alone.

    Raises:
        SpecRefused: the pinned list was deleted.
    """
    if task_list is None:
        spec = document()
        return InlineList([to_entry(entry, spec["s3BucketName"]) for entry in spec["taskList"]])
    found = store.pinned(task_list)
    if found is None:
        raise _refused(f"was pinned as s3://{store.bucket}/{task_list}, which was deleted")
    return found


def checked(lines: Iterable[Line], form: Form, bucket: str, deployed: Deployed | None) -> Iterator[TaskEntry]:
    """Yield the entries of a list while nothing is wrong with it; `bucket` is the spec's.

    Without `deployed` the checks that need a stack are skipped.

    Raises:
        SpecRefused: at the end, with the first problems, each with its line, and the number of the others.
    """
    first: dict[str, int] = {}
    problems: list[Problem] = []
    further = 0
    for line in lines:
        for inside, reason in line.problems or _problems(line, form, first, deployed):
            if len(problems) < MAX_PROBLEMS:
                problems.append(Problem(task_lists.path(line, form, inside), reason))
            else:
                further += 1
        if len(first) > MAX_TASKS:
            raise _refused(f"has more than {MAX_TASKS} tasks; start several runs with a part of the list each")
        if not problems:
            yield to_entry(line.entry, bucket)
    if further:
        problems.append(Problem(f"$.{task_lists.TASK_LIST_URI}", f"has {further} more problems"))
    if not problems and not first:
        problems.append(Problem(f"$.{task_lists.TASK_LIST_URI}", "is empty; name at least one task"))
    if problems:
        raise SpecRefused(problems)


def _problems(line: Line, form: Form, first: dict[str, int], deployed: Deployed | None) -> Sequence[tuple[str, str]]:
    if found := spec_check.entry_problems(line.entry, deployed):
        return found
    name = line.entry["taskName"]
    if first.setdefault(name, line.number) == line.number:
        return ()
    return [(".taskName", spec_check.taken(name, f"{form.unit} {first[name]}"))]


def _check_range(tasks: TaskList, first: int, last: int) -> None:
    if not 0 <= first <= last <= len(tasks):
        raise IndexError(f"entries {first} to {last} of a list of {len(tasks)} tasks")


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _refused(reason: str) -> SpecRefused:
    return SpecRefused([Problem(f"$.{task_lists.TASK_LIST_URI}", reason)])
