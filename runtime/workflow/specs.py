"""Specs: the JSON documents that start runs. One check serves editors, the driver, the launcher and the monitor."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastjsonschema

from runtime.workflow.errors import Problem, SpecRefused
from runtime.workflow.run_ids import LARGEST_RUN_ID

SCHEMA_FILE_NAME = "workflow_specs.schema.json"

INFRASTRUCTURE_ATTRIBUTES = (
    "region",
    "s3BucketName",
    "subnetIdLiteral",
    "securityGroupId",
    "ddbTableNameWFSummary",
    "hashKeyWFSummary",
    "rangeKeyWFSummary",
    "ddbTableNameWFDetails",
    "hashKeyWFDetails",
    "rangeKeyWFDetails",
    "clusterName",
    "containerName",
    "taskDefinition",
)
"""Attributes of a spec that must name what the stack deployed."""

SPEC_ATTRIBUTES = (*INFRASTRUCTURE_ATTRIBUTES, "separator", "workflowName", "taskList")
"""Attributes that every spec has."""

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_]+)>")


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a stack deployed, as far as specs name it.

    Args:
        attributes: value of every name in `INFRASTRUCTURE_ATTRIBUTES`; other keys are allowed and not looked at.
        separator: what joins the ids in `subnetIdLiteral` and `securityGroupId` of `attributes`.
        security_group_ids: further security groups of the stack that a spec may name.
        source_buckets: buckets beside the kit's own that tasks may read from.
    """

    attributes: Mapping[str, str]
    separator: str = "$"
    security_group_ids: tuple[str, ...] = ()
    source_buckets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """One entry of `taskList`.

    Args:
        name: `taskName`, unique in the spec.
        bucket: bucket of the source object; the entry's own or else the spec's.
        key: key of the source object.
    """

    name: str
    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Spec:
    """A checked spec.

    Args:
        document: the JSON document as it came.
        workflow_name: `workflowName`.
        run_id: `workflowRunId` as a number, if the spec gives one.
        tasks: the entries of `taskList`, in their order.
        subnet_ids: ids in `subnetIdLiteral`.
        security_group_ids: ids in `securityGroupId`.
    """

    document: Mapping[str, Any]
    workflow_name: str
    run_id: int | None
    tasks: tuple[TaskEntry, ...]
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]


def parse(text: str) -> Any:
    """Read a spec's text.

    Raises:
        SpecRefused: the text is not JSON; the message gives line and column.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise SpecRefused([Problem("$", f"is not JSON: {error.msg} at {place}")]) from error


def check(document: object, *, deployed: Deployed | None) -> Spec:
    """Check a spec.

    Args:
        document: the JSON document.
        deployed: what the stack deployed; without it only what needs no stack is checked.

    Raises:
        SpecRefused: with every problem found, each with its JSON path.
    """
    problems = _schema_problems(document)
    if problems:
        raise SpecRefused(problems)
    assert isinstance(document, Mapping)  # the schema says so
    problems = [*_run_id_problems(document), *_duplicate_names(document)]
    if deployed is not None:
        problems += _infrastructure_problems(document, deployed)
    if problems:
        raise SpecRefused(problems)
    return _build(document)


def check_deployed(spec: Spec, deployed: Deployed) -> None:
    """Check what a spec, checked without a stack before, names of one.

    Raises:
        SpecRefused: with every problem found, each with its JSON path.
    """
    problems = _infrastructure_problems(spec.document, deployed)
    if problems:
        raise SpecRefused(problems)


def is_placeholder(value: object) -> bool:
    """Whether a value is a placeholder as the sample specs have them, for example `<region>`."""
    return isinstance(value, str) and _PLACEHOLDER.fullmatch(value) is not None


def render(document: Any, values: Mapping[str, Any]) -> Any:
    """Fill in a spec's placeholders, wherever they stand.

    Args:
        document: the JSON document with placeholders.
        values: what each placeholder stands for, by its name without the angle brackets.

    Returns:
        A new document; strings that are no placeholders stay as they are.

    Raises:
        SpecRefused: a placeholder has no value; with every such place.
    """
    problems: list[Problem] = []

    def fill(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {name: fill(item, f"{path}.{name}") for name, item in value.items()}
        if isinstance(value, list):
            return [fill(item, f"{path}[{index}]") for index, item in enumerate(value)]
        if not is_placeholder(value):
            return value
        name = value[1:-1]
        if name not in values:
            problems.append(Problem(path, f"placeholder {value} has no value; known are {', '.join(sorted(values))}"))
            return value
        return values[name]

    rendered = fill(document, "$")
    if problems:
        raise SpecRefused(problems)
    return rendered


@functools.cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of specs: beside this module in a Lambda, in `specs/` in a checkout."""
    here = Path(__file__).resolve().parent
    places = (here / SCHEMA_FILE_NAME, here.parents[1] / "specs" / SCHEMA_FILE_NAME)
    path = next((place for place in places if place.is_file()), places[-1])
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@functools.cache
def _validator() -> Callable[[object], object]:
    validator: Callable[[object], object] = fastjsonschema.compile(schema(), use_default=False, fast_fail=False)
    return validator


def _schema_problems(document: object) -> list[Problem]:
    try:
        _validator()(document)
    except fastjsonschema.JsonSchemaValuesException as found:
        return [_problem(error) for error in found.errors]
    return []


def _problem(error: Any) -> Problem:
    path = re.sub(r"^data", "$", error.name or "data")
    definition = error.definition if isinstance(error.definition, Mapping) else {}
    value = error.value
    match error.rule:
        case "required":
            missing = [name for name in definition["required"] if name not in value]
            return Problem(path, f"misses {_names(missing)}")
        case "additionalProperties":
            unknown = [name for name in value if name not in definition["properties"]]
            return Problem(path, f"has unknown {_names(unknown)}; known are {', '.join(definition['properties'])}")
        case "minItems":
            return Problem(path, "is empty; name at least one task")
        case "type":
            return Problem(path, f"must be {_type_name(definition['type'])}, not {_shown(value)}")
        case _:
            return Problem(path, f"must be {definition.get('expected', error.message)}, not {_shown(value)}")


def _names(names: Sequence[str]) -> str:
    return ("attribute " if len(names) == 1 else "attributes ") + ", ".join(names)


def _type_name(name: str) -> str:
    return f"an {name}" if name[0] in "aio" else f"a {name}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else text[:200] + "…"


def _run_id_problems(document: Mapping[str, Any]) -> list[Problem]:
    given = document.get("workflowRunId")
    if given is None or 1 <= int(given) <= LARGEST_RUN_ID:
        return []
    return [Problem("$.workflowRunId", f"must be from 1 to {LARGEST_RUN_ID}, not {_shown(given)}")]


def _duplicate_names(document: Mapping[str, Any]) -> list[Problem]:
    first: dict[str, int] = {}
    problems = []
    for index, entry in enumerate(document["taskList"]):
        name = entry["taskName"]
        if name in first:
            reason = f"{name!r} is already the name of $.taskList[{first[name]}]; every task needs a name of its own"
            problems.append(Problem(f"$.taskList[{index}].taskName", reason))
        first.setdefault(name, index)
    return problems


def _infrastructure_problems(document: Mapping[str, Any], deployed: Deployed) -> list[Problem]:
    problems = []
    for name in INFRASTRUCTURE_ATTRIBUTES:
        given, expected = document[name], deployed.attributes[name]
        if name in ("subnetIdLiteral", "securityGroupId"):
            own = _split(expected, deployed.separator)
            allowed = own if name == "subnetIdLiteral" else (*own, *deployed.security_group_ids)
            strangers = [item for item in _split(given, document["separator"]) if item not in allowed]
            if strangers or not _split(given, document["separator"]):
                shown = document["separator"].join(own)
                reason = f"names {', '.join(strangers) or 'nothing'}, which this stack did not deploy; expected {shown}"
                problems.append(Problem(f"$.{name}", reason))
        elif name == "taskDefinition":
            if given not in (expected, expected.partition(":")[0]):
                problems.append(_not_deployed(name, given, expected))
        elif given != expected:
            problems.append(_not_deployed(name, given, expected))
    buckets = (deployed.attributes["s3BucketName"], *deployed.source_buckets)
    for index, entry in enumerate(document["taskList"]):
        bucket = entry.get("s3BucketName")
        if bucket is not None and bucket not in buckets:
            reason = (
                f"tasks of this stack may not read from {bucket!r}, only from {', '.join(buckets)}; "
                "add it to the sourceBuckets config key"
            )
            problems.append(Problem(f"$.taskList[{index}].s3BucketName", reason))
    return problems


def _not_deployed(name: str, given: str, expected: str) -> Problem:
    return Problem(f"$.{name}", f"is {given!r}, which this stack did not deploy; expected {expected!r}")


def _split(literal: str, separator: str) -> tuple[str, ...]:
    parts = (part.strip() for part in literal.split(separator))
    return tuple(dict.fromkeys(part for part in parts if part))


def _build(document: Mapping[str, Any]) -> Spec:
    given = document.get("workflowRunId")
    return Spec(
        document=document,
        workflow_name=document["workflowName"],
        run_id=None if given is None else int(given),
        tasks=tuple(
            TaskEntry(
                name=entry["taskName"],
                bucket=entry.get("s3BucketName", document["s3BucketName"]),
                key=entry["objectKey"],
            )
            for entry in document["taskList"]
        ),
        subnet_ids=_split(document["subnetIdLiteral"], document["separator"]),
        security_group_ids=_split(document["securityGroupId"], document["separator"]),
    )
