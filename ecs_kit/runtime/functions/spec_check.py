"""The check of specs, which editors, the driver, the launcher and the monitor share."""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fastjsonschema

from ecs_kit.runtime.contract import overrides
from ecs_kit.runtime.contract.environment import RESERVED_PREFIXES
from ecs_kit.runtime.contract.errors import Problem, SpecRefused
from ecs_kit.runtime.contract.fargate import FARGATE_MEMORY
from ecs_kit.runtime.contract.run_ids import LARGEST_RUN_ID
from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES, Deployed, Spec, TaskEntry

SCHEMA = Path(__file__).resolve().parents[2] / "specs" / "workflow_specs.schema.json"
"""The spec's JSON Schema, in a checkout and in a Lambda package."""

MAX_OVERRIDE_CHARACTERS = 6_000
"""RunTask's overrides may have 8,192 characters (API reference, RunTask); the kit's own variables are among them."""

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_]+)>")


def parse(text: str) -> Any:
    """Read a spec's text.

    Raises:
        SpecRefused: the text is not JSON; the message gives line and column.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        position = f"line {error.lineno}, column {error.colno}"
        raise SpecRefused([Problem("$", f"is not JSON: {error.msg} at {position}")]) from error


def check(document: object, *, deployed: Deployed | None) -> Spec:
    """Check a spec; without `deployed` the checks that need a stack are skipped.

    Raises:
        SpecRefused: with every problem found, each with its JSON path.
    """
    _refuse(_schema_problems(document))
    assert isinstance(document, Mapping)  # the schema says so
    of_stack = _infrastructure_problems(document, deployed) if deployed else []
    _refuse([*_run_id_problems(document), *_duplicate_names(document), *_entry_problems(document), *of_stack])
    return _build(document)


def check_deployed(spec: Spec, deployed: Deployed) -> None:
    """Check the resources that a spec names; `check` has checked the rest.

    Raises:
        SpecRefused: with every problem found, each with its JSON path.
    """
    _refuse(_infrastructure_problems(spec.document, deployed))


def render(document: Any, values: Mapping[str, Any]) -> Any:
    """Return a spec with its placeholders, such as `<region>`, filled in at any depth.

    `values` are by placeholder, without the angle brackets; other strings are unchanged.

    Raises:
        SpecRefused: a placeholder has no value; with every such path.
    """
    problems: list[Problem] = []

    def fill(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {name: fill(item, f"{path}.{name}") for name, item in value.items()}
        if isinstance(value, list):
            return [fill(item, f"{path}[{index}]") for index, item in enumerate(value)]
        if not isinstance(value, str) or not _PLACEHOLDER.fullmatch(value):
            return value
        name = value[1:-1]
        if name not in values:
            problems.append(Problem(path, f"placeholder {value} has no value; known are {', '.join(sorted(values))}"))
            return value
        return values[name]

    rendered = fill(document, "$")
    _refuse(problems)
    return rendered


@functools.cache
def _validator() -> Callable[[object], object]:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator: Callable[[object], object] = fastjsonschema.compile(schema, use_default=False, fast_fail=False)
    return validator


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise SpecRefused(problems)


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
        case "minItems" if "expected" not in definition:
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


def _entry_problems(document: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(f"$.taskList[{index}]{path}", reason)
        for index, entry in enumerate(document["taskList"])
        for path, reason in _problems_of_entry(entry)
    ]


def _problems_of_entry(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    cpu, memory = entry.get("cpu"), entry.get("memory")
    if (cpu is None) is not (memory is None):
        yield "", "has cpu without memory or memory without cpu; give both or neither"
    elif cpu is not None and memory not in FARGATE_MEMORY.get(cpu, ()):
        offered = ", ".join(map(str, FARGATE_MEMORY.get(cpu, FARGATE_MEMORY)))
        yield ".memory" if cpu in FARGATE_MEMORY else ".cpu", f"must be one of {offered}, which Fargate offers"
    variables = entry.get("environment", {})
    for name in variables:
        if name.upper().startswith(RESERVED_PREFIXES):
            yield (
                f".environment.{name}",
                f"is reserved, as all names that start with {', '.join(RESERVED_PREFIXES)} are",
            )
    texts = [*entry.get("command", ()), *variables.values()]
    used = overrides.used(texts)
    if unknown := sorted(used - {*overrides.NAMES}):
        yield "", f"has no such placeholder: {', '.join(unknown)}; known are {', '.join(overrides.NAMES)}"
    if "objectKey" not in entry and (of_source := sorted(used & {*overrides.OF_SOURCE})):
        yield "", f"misses attribute objectKey, which {', '.join(of_source)} stands for"
    length = sum(map(len, (*texts, *variables)))
    if length > MAX_OVERRIDE_CHARACTERS:
        yield "", f"has {length} characters of command and environment; {MAX_OVERRIDE_CHARACTERS} is the most"


def _needs_object(entry: Mapping[str, Any], deployed: Deployed) -> bool:
    """Whether the job needs an object; what the entry replaces does not count."""
    own = entry.get("environment", {})
    variables = [text for name, text in deployed.job_environment.items() if name not in own]
    used = overrides.used([*variables, *(() if "command" in entry else deployed.job_command)])
    return deployed.needs_objects or not used.isdisjoint(overrides.OF_SOURCE)


def _infrastructure_problems(document: Mapping[str, Any], deployed: Deployed) -> list[Problem]:
    problems = []
    for name in INFRASTRUCTURE_ATTRIBUTES:
        given, expected = document[name], deployed.attributes[name]
        if name in ("subnetIdLiteral", "securityGroupId"):
            own, ids = _split(expected, deployed.separator), _split(given, document["separator"])
            allowed = own if name == "subnetIdLiteral" else (*own, *deployed.security_group_ids)
            wrong = ", ".join(item for item in ids if item not in allowed) if ids else "nothing"
            verb, shown = "names", document["separator"].join(own)
        else:
            family = expected.partition(":")[0] if name == "taskDefinition" else expected
            wrong = "" if given in (expected, family) else repr(given)
            verb, shown = "is", repr(expected)
        if wrong:
            reason = f"{verb} {wrong}, which this stack did not deploy; expected {shown}"
            problems.append(Problem(f"$.{name}", reason))
    for index, entry in enumerate(document["taskList"]):
        if "objectKey" not in entry and _needs_object(entry, deployed):
            problems.append(Problem(f"$.taskList[{index}]", "misses attribute objectKey, which this stack's job needs"))
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
                key=entry.get("objectKey", ""),
                command=tuple(entry.get("command", ())),
                environment=entry.get("environment", {}),
                cpu=entry.get("cpu"),
                memory=entry.get("memory"),
            )
            for entry in document["taskList"]
        ),
        subnet_ids=_split(document["subnetIdLiteral"], document["separator"]),
        security_group_ids=_split(document["securityGroupId"], document["separator"]),
    )
