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
from ecs_kit.runtime.contract.errors import Problem, SpecRefused, shown
from ecs_kit.runtime.contract.fargate import FARGATE_MEMORY
from ecs_kit.runtime.contract.json_text import DECODER
from ecs_kit.runtime.contract.run_ids import LARGEST_RUN_ID, given_id
from ecs_kit.runtime.contract.spec_references import SPEC_PREFIX
from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES, Deployed, Spec, to_entry
from ecs_kit.runtime.contract.task_lists import TASK_LIST_URI

SCHEMA = Path(__file__).resolve().parents[2] / "specs" / "workflow_specs.schema.json"
"""The spec's JSON Schema, in a checkout and in a Lambda package."""

MAX_OVERRIDE_CHARACTERS = 6_000
"""RunTask's overrides may have 8,192 characters (API reference, RunTask); the kit's own variables are among them."""

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_]+)>")


def parse(text: str) -> Any:
    """Read a spec's text.

    Raises:
        SpecRefused: the text is not JSON; the message gives line and column, if there is one place.
    """
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        reason = str(error)
    raise SpecRefused([Problem("$", f"is not JSON: {reason}")])


def check(document: object, *, deployed: Deployed | None) -> Spec:
    """Check a spec; without `deployed` the checks that need a stack are skipped.

    Raises:
        SpecRefused: with every problem found, each with its JSON path.
    """
    _refuse(_schema_problems(_validator(), document, "$"))
    assert isinstance(document, Mapping)  # the schema says so
    of_stack = _infrastructure_problems(document, deployed) if deployed else []
    entries = _of_entries(document, _own_problems)
    _refuse([*_run_id_problems(document), *_duplicate_names(document), *entries, *of_stack])
    return _build(document)


def entry_problems(entry: object, deployed: Deployed | None) -> list[tuple[str, str]]:
    """Check one entry as `check` checks those of `taskList`; return what is wrong by path in the entry, `.cpu`."""
    of_schema = _schema_problems(_entry_validator(), entry, "")
    if of_schema:
        return [(problem.path, problem.reason) for problem in of_schema]
    assert isinstance(entry, Mapping)  # the schema says so
    return [*_own_problems(entry), *(_stack_problems(entry, deployed) if deployed else ())]


def is_workflow_name(value: object) -> bool:
    """Whether a value can be a spec's `workflowName`; only then a run can have that name."""
    pattern = _schema()["properties"]["workflowName"]["pattern"]
    return isinstance(value, str) and not value.endswith("\n") and re.search(pattern, value) is not None


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
def _schema() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return document


@functools.cache
def _validator() -> Callable[[object], object]:
    return _compiled(_schema())


@functools.cache
def _entry_validator() -> Callable[[object], object]:
    return _compiled(_schema()["properties"]["taskList"]["items"])


def _compiled(schema: dict[str, Any]) -> Callable[[object], object]:
    validator: Callable[[object], object] = fastjsonschema.compile(schema, use_default=False, fast_fail=False)
    return validator


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise SpecRefused(problems)


def _schema_problems(validator: Callable[[object], object], document: object, root: str) -> list[Problem]:
    try:
        validator(document)
    except fastjsonschema.JsonSchemaValuesException as found:
        errors = [error for error in found.errors if error.rule != "oneOf" or isinstance(error.value, Mapping)]
        return [_problem(error, root) for error in errors]
    return []


def _problem(error: Any, root: str) -> Problem:
    path = root + (error.name or "data").removeprefix("data")
    definition = error.definition if isinstance(error.definition, Mapping) else {}
    value = error.value
    match error.rule:
        case "oneOf":
            given = [name for name in ("taskList", TASK_LIST_URI) if name in value]
            return Problem(path, f"has both {' and '.join(given)}" if given else f"misses taskList, or {TASK_LIST_URI}")
        case "required":
            missing = [name for name in definition["required"] if name not in value]
            return Problem(path, f"misses {_names(missing)}")
        case "additionalProperties":
            unknown = [name for name in value if name not in definition["properties"]]
            return Problem(path, f"has unknown {_names(unknown)}; known are {', '.join(definition['properties'])}")
        case "minItems" if "expected" not in definition:
            return Problem(path, "is empty; name at least one task")
        case "type":
            return Problem(path, f"must be {_type_name(definition['type'])}, not {shown(value)}")
        case _:
            return Problem(path, f"must be {definition.get('expected', error.message)}, not {shown(value)}")


def _names(names: Sequence[str]) -> str:
    return ("attribute " if len(names) == 1 else "attributes ") + ", ".join(names)


def _type_name(name: str) -> str:
    return f"an {name}" if name[0] in "aio" else f"a {name}"


def _run_id_problems(document: Mapping[str, Any]) -> list[Problem]:
    given = document.get("workflowRunId")
    if given is None or given_id(given) is not None:
        return []
    return [Problem("$.workflowRunId", f"must be from 1 to {LARGEST_RUN_ID}, not {shown(given)}")]


def _duplicate_names(document: Mapping[str, Any]) -> list[Problem]:
    first: dict[str, int] = {}
    problems = []
    for index, entry in enumerate(document.get("taskList", ())):
        name = entry["taskName"]
        if name in first:
            problems.append(Problem(f"$.taskList[{index}].taskName", taken(name, f"$.taskList[{first[name]}]")))
        first.setdefault(name, index)
    return problems


def taken(name: str, entry: str) -> str:
    """Return why a task may not have the name of an earlier entry."""
    return f"{name!r} is already the name of {entry}; every task needs a name of its own"


def _of_entries(
    document: Mapping[str, Any], find: Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]
) -> list[Problem]:
    return [
        Problem(f"$.taskList[{index}]{path}", reason)
        for index, entry in enumerate(document.get("taskList", ()))
        for path, reason in find(entry)
    ]


def _own_problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
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
    return [*problems, *_of_entries(document, lambda entry: _stack_problems(entry, deployed))]


def _stack_problems(entry: Mapping[str, Any], deployed: Deployed) -> Iterator[tuple[str, str]]:
    if "objectKey" not in entry and _needs_object(entry, deployed):
        yield "", "misses attribute objectKey, which this stack's job needs"
    own, bucket = deployed.attributes["s3BucketName"], entry.get("s3BucketName")
    if bucket in (None, own) and entry.get("objectKey", "").startswith(SPEC_PREFIX):
        yield ".objectKey", f"is below {SPEC_PREFIX} of the pattern's bucket, where tasks may not read"
    if bucket is None or deployed.source_buckets is None:
        return
    buckets = (own, *deployed.source_buckets)
    if bucket not in buckets:
        yield (
            ".s3BucketName",
            f"tasks of this stack may not read from {bucket!r}, only from {', '.join(buckets)}; "
            "add it to the sourceBuckets config key",
        )


def _split(literal: str, separator: str) -> tuple[str, ...]:
    parts = (part.strip() for part in literal.split(separator))
    return tuple(dict.fromkeys(part for part in parts if part))


def _build(document: Mapping[str, Any]) -> Spec:
    given = document.get("workflowRunId")
    return Spec(
        document=document,
        workflow_name=document["workflowName"],
        run_id=None if given is None else int(given),
        tasks=tuple(to_entry(entry, document["s3BucketName"]) for entry in document.get("taskList", ())),
        subnet_ids=_split(document["subnetIdLiteral"], document["separator"]),
        security_group_ids=_split(document["securityGroupId"], document["separator"]),
        task_list_uri=document.get(TASK_LIST_URI),
        rerun_of=None if (earlier := document.get("rerunOf")) is None else int(earlier),
    )
