"""Hostile input: what someone who may start executions, or who writes a spec, a list or a command line, may give."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.unit.runtime.fakes import spec

ANY_TEXT = st.text(st.characters(codec=None), max_size=20)
"""All characters: NUL, control characters, lone surrogates."""

NASTY_TEXTS = st.sampled_from(
    (
        *(
            "",
            ".",
            "..",
            "../..",
            "a/..",
            "a/.",
            "in/../../etc",
            "/",
            "//",
            "a\x00b",
            "a\nb",
            "\x1b[2J",
            "\x7f",
            "\u202e",
        ),
        *(
            "\ud800",
            "\udfff",
            "\ufeff",
            "${x}",
            "{source.uri}",
            "{run.id}{task.name}",
            "{source.nothing}",
            "{%states%}",
        ),
        *("kit-2", "kit-2:7", "kit-1:8", "other", "workflow_summary_pattern_2", "elsewhere", "kit-1", "$", "subnet-9"),
        *("arn:aws:ecs:eu-central-1:111122223333:task-definition/admin:1", "arn:aws:iam::111122223333:role/admin"),
        *("x" * 129, "x" * 1025, "x" * 100_000, "😀" * 2_000, "s3://other/k", "s3://kit-1/specs/x.csv", "NaN", "-1"),
        *("9" * 16, "9" * 5_000, "٣", "²", "1e400", "0x10", "<region>", "<nothing>", "__proto__", "KIT_TASK_NAME"),
    )
)

TEXTS = ANY_TEXT | NASTY_TEXTS


def nested(depth: int, leaf: Any = 1, *, in_objects: bool = False) -> Any:
    """A value in so many lists or objects."""
    value = leaf
    for _ in range(depth):
        value = {"a": value} if in_objects else [value]
    return value


NUMBERS = st.integers() | st.floats() | st.sampled_from((0, -1, 256, 256.0, 1.5, 2**53, 2**64, 10**400, -(10**30)))

VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
) | st.builds(nested, st.sampled_from((10, 300, 900)), in_objects=st.booleans())
"""Any JSON value, and what Python reads as JSON besides: NaN and infinities."""

ATTRIBUTES = st.sampled_from((*spec(), "workflowRunId", "rerunOf", "taskListUri")) | TEXTS
OF_ENTRIES = st.sampled_from(("taskName", "objectKey", "s3BucketName", "command", "environment", "cpu", "memory"))


@st.composite
def specs(draw: st.DrawFn, pattern: int = 1) -> Any:
    """A spec that would be accepted, but for what is changed in it; sometimes no spec at all."""
    document: Any = spec(pattern, tasks=draw(st.integers(1, 3)))
    for _ in range(draw(st.integers(0, 3))):
        match draw(st.sampled_from(("attribute", "entry", "entries", "remove", "whole"))):
            case "attribute":
                document[draw(ATTRIBUTES)] = draw(VALUES)
            case "remove":
                document.pop(draw(ATTRIBUTES), None)
            case "entries":
                document["taskList"] = draw(VALUES | st.lists(VALUES, max_size=3))
            case "entry":
                entry = draw(st.sampled_from(spec(pattern)["taskList"]))
                document["taskList"] = [{**entry, draw(OF_ENTRIES | TEXTS): draw(VALUES)}]
            case "whole" if draw(st.booleans()):
                return draw(VALUES)
    return document


def json_text(value: Any) -> str:
    """A value as JSON text; of one that is too deep for Python, its beginning."""
    try:
        return json.dumps(value)
    except RecursionError:
        return "[" * 50_000


DEEP = (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 3_000 + b"]" * 3_000, b'"' + b"x" * 10_000_000 + b'"')
NOT_QUITE_JSON = st.sampled_from(
    (
        *DEEP,
        b"",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"-Infinity",
        b"9" * 5_000,
        b"[" + b"9" * 5_000 + b"]",
        b"1e999",
    )
)
DOCUMENTS = NOT_QUITE_JSON | st.binary(max_size=40) | specs().map(json_text).map(str.encode)
"""The bytes of a spec's file or object."""
