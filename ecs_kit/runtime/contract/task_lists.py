"""Task lists in S3: where one may be, how it is read, how a prefix's tasks are named, the index of a pinned copy.

Forms: JSON Lines, a JSON array, CSV, and an S3 prefix whose objects are the tasks.
"""

import codecs
import csv
import hashlib
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Any, Self

from ecs_kit.runtime.contract.errors import Problem, SpecRefused
from ecs_kit.runtime.contract.json_text import DECODER
from ecs_kit.runtime.contract.spec_references import PINNED_PREFIX, SPEC_PREFIX

TASK_LIST_URI = "taskListUri"

MAX_LIST_BYTES = 64 * 1024 * 1024
"""Largest object with a task list. A function keeps it, and the pinned copy, in its 512 MB of temporary storage."""

MAX_TASKS = 200_000
"""Longest task list: its names, which must be unique, take some 40 MB of a function's 256 MB."""

MAX_ENTRY_BYTES = 128 * 1024
"""Longest line, or entry of an array: twice what a key, a command and an environment have at most, escaped."""

MAX_PROBLEMS = 20
"""Problems of a list that a refusal shows; it counts the others."""

BLOCK = 500
"""Entries between two offsets of a pinned list's index."""

_CELLS = ("taskName", "s3BucketName", "objectKey", "command", "cpu", "memory")
_VARIABLE = "environment."
_LONGEST_NAME = 128
_HASH_DIGITS = 12


class Form(StrEnum):
    """What a list is, by the end of its URI."""

    JSON_LINES = ".jsonl"
    JSON = ".json"
    CSV = ".csv"
    PREFIX = "/"

    @property
    def unit(self) -> str:
        """What the numbers of entries count."""
        return {Form.JSON: "entry", Form.PREFIX: "object"}.get(self, "line")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list is; the key of a list that is a prefix is the prefix."""

    bucket: str
    key: str
    form: Form

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of a list as it was read, not checked yet.

    `number` counts the form's units from 1, `where` is for a reader. `problems` are by path in the entry, such as
    `.cpu`; an entry that has some cannot be read.
    """

    number: int
    where: str
    entry: Any = None
    problems: tuple[tuple[str, str], ...] = ()


def place(uri: str, bucket: str, source_buckets: Collection[str]) -> Place:
    """Read a `taskListUri` of a spec of the pattern's bucket.

    A list file is below `specs/` in that bucket. A prefix is elsewhere in it, or in a source bucket.

    Raises:
        SpecRefused: it is no such URI, or the list is somewhere else.
    """
    own, _, key = uri.removeprefix("s3://").partition("/")
    form = next((form for form in Form if uri.endswith(form)), None)
    if not uri.startswith("s3://") or form is None or not own:
        kinds = "s3://BUCKET/KEY.jsonl, .json or .csv, or a prefix s3://BUCKET/PREFIX/"
        raise _refused(f"must be {kinds}, not {uri!r}")
    if form is not Form.PREFIX:
        if own != bucket or not key.startswith(SPEC_PREFIX) or key.startswith(PINNED_PREFIX):
            below = f"s3://{bucket}/{SPEC_PREFIX}"
            raise _refused(f"must be an object below {below}, but not below s3://{bucket}/{PINNED_PREFIX}, not {uri!r}")
    elif own == bucket and (not key or key.startswith(SPEC_PREFIX)):
        raise _refused(f"must be a prefix that has no part of {SPEC_PREFIX} of the pattern's bucket, not {uri!r}")
    elif own not in (bucket, *source_buckets):
        allowed = ", ".join((bucket, *source_buckets))
        raise _refused(f"is in {own!r}, not in one of {allowed}; add it to the sourceBuckets config key")
    return Place(own, key, form)


def form_of(name: str) -> Form | None:
    """Return the form of a list file by its name; None for any other name."""
    return next((form for form in (Form.JSON_LINES, Form.JSON, Form.CSV) if name.endswith(form)), None)


def lines(form: Form, file: IO[bytes]) -> Iterator[Line]:
    """Read the entries of a list file, one after another. A line that cannot be read ends the list where it must."""
    match form:
        case Form.JSON_LINES:
            return _json_lines(file)
        case Form.JSON:
            return _array(file)
        case Form.CSV:
            return _csv(file)
        case _:
            raise ValueError(f"{form!r} is no form of a file")


def of_keys(keys: Iterable[str], bucket: str, prefix: str) -> Iterator[Line]:
    """Make an entry for each object below a prefix; keys that end with `/` are folders and have none."""
    number = 0
    for key in keys:
        if not key.endswith("/"):
            number += 1
            entry = {"taskName": name_of_key(key[len(prefix) :]), "s3BucketName": bucket, "objectKey": key}
            yield Line(number, f"object {key!r}", entry)


def name_of_key(key: str) -> str:
    """Return the name of the task of an object, by its key below the prefix; it depends on nothing else.

    A key that can be a name is the name. Else each run of other characters becomes `-`, the last characters are kept,
    and 12 hexadecimal digits of the key's SHA-256 follow.
    """
    fit = re.sub(r"[^A-Za-z0-9_.-]+", "-", key)
    if fit == key and len(key) <= _LONGEST_NAME and key not in ("", ".", ".."):
        return key
    digits = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return f"{fit[-(_LONGEST_NAME - 1 - _HASH_DIGITS) :]}-{digits}"


def path(line: Line, form: Form, inside: str = "") -> str:
    """Return the place of a problem for a reader: `$.taskListUri line 17, memory`; `inside` is a path in the entry."""
    name = inside.lstrip(".")
    if name and form is Form.CSV:
        name = f"column {name.partition('[')[0]}"
    return f"$.{TASK_LIST_URI} {line.where}{', ' if name else ''}{name}"


def pinned_key(identifier: int) -> str:
    """Return the key of a pinned list."""
    return f"{PINNED_PREFIX}{identifier}.tasks.jsonl"


def index_key(key: str) -> str:
    """Return the key of a pinned list's index, which says that the list is complete."""
    return f"{key.removesuffix('.jsonl')}.index.json"


@dataclass(frozen=True, slots=True)
class Index:
    """The index of a pinned list: its number of tasks, and where in bytes each `every`th line begins, and the end."""

    tasks: int
    every: int
    offsets: tuple[int, ...]

    def blocks(self, first: int, last: int) -> tuple[int, int]:
        """Return the blocks [begin, end) that hold the entries [first, last)."""
        return first // self.every, -(-last // self.every)

    def to_json(self) -> str:
        """Return the index as it is stored."""
        return json.dumps({"tasks": self.tasks, "every": self.every, "offsets": self.offsets}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read a stored index."""
        document = json.loads(text)
        return cls(document["tasks"], document["every"], tuple(document["offsets"]))

    @classmethod
    def of_lengths(cls, lengths: Iterable[int]) -> Self:
        """Make the index of a list from the lengths of its lines in bytes."""
        offsets, total, number = [], 0, 0
        for number, length in enumerate(lengths, 1):
            if (number - 1) % BLOCK == 0:
                offsets.append(total)
            total += length
        return cls(number, BLOCK, (*offsets, total))


def canonical(entry: Mapping[str, Any]) -> bytes:
    """Return an entry as a line of a pinned list."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _refused(reason: str) -> SpecRefused:
    return SpecRefused([Problem(f"$.{TASK_LIST_URI}", reason)])


def _line(number: int, entry: Any = None, *problems: tuple[str, str]) -> Line:
    return Line(number, f"line {number}", entry, problems)


def _texts(file: IO[bytes]) -> Iterator[tuple[int, str, str]]:
    """Yield each line's number and text, or what is wrong with it; a line that is too long is the last."""
    for number, raw in enumerate(iter(lambda: file.readline(MAX_ENTRY_BYTES + 1), b""), 1):
        if len(raw) > MAX_ENTRY_BYTES:
            yield number, "", f"is longer than {MAX_ENTRY_BYTES} bytes; what follows was not read"
            return
        try:
            yield number, raw.removeprefix(codecs.BOM_UTF8 if number == 1 else b"").decode(), ""
        except UnicodeDecodeError as error:
            yield number, "", f"is not UTF-8 at byte {error.start + 1}"


def _json_lines(file: IO[bytes]) -> Iterator[Line]:
    for number, text, problem in _texts(file):
        if problem:
            yield _line(number, None, ("", problem))
        elif text.strip():
            try:
                yield _line(number, DECODER.decode(text))
            except json.JSONDecodeError as error:
                yield _line(number, None, ("", f"is not JSON: {error.msg} at column {error.colno}"))
            except RecursionError:
                yield _line(number, None, ("", "is not JSON that can be read: it is nested too deeply"))
            except ValueError as error:
                yield _line(number, None, ("", f"is not JSON: {error}"))


class _Unreadable(Exception):
    """A line cannot be read, nor what follows; `args` are its number and what is wrong with it."""


def _csv(file: IO[bytes]) -> Iterator[Line]:
    def texts() -> Iterator[str]:
        for number, text, problem in _texts(file):
            if problem:
                raise _Unreadable(number, problem)
            yield text

    reader = csv.reader(texts(), strict=True)
    ended = 0
    columns: list[str] | None = None
    try:
        for row in reader:
            number, ended = ended + 1, reader.line_num
            if not any(row):
                continue
            if columns is None:
                columns = [name.strip() for name in row]
                if problems := _column_problems(columns):
                    yield _line(number, None, *problems)
                    return
            elif len(row) > len(columns):
                yield _line(number, None, ("", f"has {len(row)} cells, and the header {len(columns)}"))
            else:
                yield _row(number, dict(zip(columns, row, strict=False)))
    except csv.Error as error:
        yield _line(ended + 1, None, ("", f"is not CSV: {error}; what follows was not read"))
    except _Unreadable as error:
        number, problem = error.args
        yield _line(number, None, ("", problem))


def _column_problems(columns: list[str]) -> list[tuple[str, str]]:
    known = f"known are {', '.join(_CELLS)} and {_VARIABLE}NAME"
    twice = sorted({name for name in columns if columns.count(name) > 1})
    unknown = [name for name in columns if name not in _CELLS and not name.startswith(_VARIABLE)]
    return [
        *(("", f"has no such column: {name!r}; {known}") for name in unknown),
        *(("", f"has the column {name!r} twice") for name in twice),
        *([] if "taskName" in columns else [("", "misses the column taskName")]),
    ]


def _row(number: int, cells: Mapping[str, str]) -> Line:
    entry: dict[str, Any] = {}
    problems = []
    for name, text in cells.items():
        if not text:
            continue
        if name.startswith(_VARIABLE):
            entry.setdefault("environment", {})[name.removeprefix(_VARIABLE)] = text
        elif name in ("cpu", "memory"):
            if re.fullmatch("[0-9]{1,9}", text.strip()):
                entry[name] = int(text)
            else:
                problems.append((f".{name}", f"must be a whole number, not {text[:100]!r}"))
        elif name == "command":
            try:
                entry[name] = DECODER.decode(text)
            except (ValueError, RecursionError):
                problems.append((f".{name}", f'must be a JSON array such as ["go", "fast"], not {text[:100]!r}'))
        else:
            entry[name] = text
    return _line(number, entry, *problems)


class _Characters:
    """The text of a file, of which little is held at a time; `line` is that of `position`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text, self.position, self.line, self.is_whole = "", 0, 1, False

    def more(self) -> bool:
        """Read on; return whether there was anything."""
        raw = self._file.read(io.DEFAULT_BUFFER_SIZE * 8)
        self.text = self.text[self.position :] + self._decoder.decode(raw, final=not raw)
        self.position, self.is_whole = 0, not raw
        return bool(raw)

    def advance(self, position: int) -> None:
        self.line += self.text.count("\n", self.position, position)
        self.position = position

    def next(self) -> str:
        """Return the next character that is no white space, empty at the end; stay before it."""
        while True:
            rest = re.compile(r"[ \t\r\n]*").match(self.text, self.position)
            assert rest is not None
            self.advance(rest.end())
            if self.position < len(self.text):
                return self.text[self.position]
            if not self.more():
                return ""

    def object(self) -> Any:
        """Read the JSON object that begins here."""
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.position)
            except json.JSONDecodeError as error:
                line = self.line + error.doc.count("\n", self.position, error.pos)
                if len(self.text) - self.position > MAX_ENTRY_BYTES or not self.more():
                    raise _Unreadable(line, f"is not JSON: {error.msg}; what follows was not read") from error
                continue
            except ValueError as error:
                raise _Unreadable(self.line, f"is not JSON: {error}; what follows was not read") from error
            self.advance(end)
            return value


def _array(file: IO[bytes]) -> Iterator[Line]:
    """An array is read in pieces. After what is no JSON nothing can be read."""
    characters, number = _Characters(file), 0

    def item(entry: Any = None, *problems: tuple[str, str]) -> Line:
        return Line(number, f"line {characters.line}, entry {number}", entry, problems)

    try:
        if characters.next() != "[":
            yield _line(characters.line, None, ("", "must be the beginning of a JSON array: ["))
            return
        characters.advance(characters.position + 1)
        while (found := characters.next()) != "]" or number:
            number += 1
            if found != "{":
                yield item(None, ("", f"must be a JSON object, not {found!r}; what follows was not read"))
                return
            before = item()
            yield Line(number, before.where, characters.object())
            if (found := characters.next()) == "]":
                break
            if found != ",":
                yield item(None, ("", f"must be followed by a comma or ], not {found!r}; what follows was not read"))
                return
            characters.advance(characters.position + 1)
        characters.advance(characters.position + 1)
        if characters.next():
            yield _line(characters.line, None, ("", "has text after the array's end"))
    except _Unreadable as error:
        line, problem = error.args
        yield Line(number, f"line {line}, entry {number}", None, (("", problem),))
    except UnicodeDecodeError:
        yield _line(characters.line, None, ("", "is not UTF-8, or a line after it is not"))
    except RecursionError:
        yield item(None, ("", "is not JSON that can be read: it is nested too deeply"))
