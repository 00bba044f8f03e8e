"""Spec files: read, check, choose the tasks, fill in what the stack deployed."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.journeys import list_files
from ecs_kit.runtime.contract.errors import SpecRefused
from ecs_kit.runtime.contract.patterns import PATTERNS
from ecs_kit.runtime.contract.specs import DEPLOYED_ATTRIBUTES, Deployed
from ecs_kit.runtime.functions import spec_check

Document = dict[str, Any]

FILLED_IN = DEPLOYED_ATTRIBUTES
"""What a placeholder of a spec file may stand for: `<name>`."""

_NUMBERS = "|".join(map(str, PATTERNS))


@dataclass(frozen=True)
class SpecFile:
    """A spec that will be run: its file and its content, with placeholders."""

    path: Path
    document: Document


def sample_path(pattern: int) -> Path:
    """The spec file that comes with the kit."""
    return spec_check.SCHEMA.with_name(f"workflow_specs_pattern_{pattern}.json")


def load(path: Path) -> Document:
    """Read a spec file, placeholders and all, and check it.

    Raises:
        BadInput: it is missing or not JSON, or cannot become a valid spec whatever the placeholders stand for.
    """
    return checked(path, read(path))


def read(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        BadInput: it is missing or not JSON.
    """
    advice = "Give a JSON file like those in specs/."
    try:
        return spec_check.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{path}: cannot be read: {reason}. {advice}") from error
    except SpecRefused as error:
        raise BadInput(f"{path}: {'; '.join(problem.reason for problem in error.problems)}. {advice}") from error


def checked(path: Path, document: Any) -> Document:
    """Return the spec that a file holds, if it is one.

    Raises:
        BadInput: it cannot become a valid spec whatever the placeholders stand for.
    """
    with _refusals(path):
        spec_check.check(document, deployed=None)
        spec_check.render(document, {name: f"<{name}>" for name in FILLED_IN})
    return dict(document)


def pattern_of(document: Mapping[str, Any]) -> int | None:
    """The pattern that a spec is for: its summary table says so, else its workflow's name does; None if neither."""
    for attribute, pattern in (
        ("ddbTableNameWFSummary", rf"workflow_summary_pattern_({_NUMBERS})"),
        ("workflowName", rf"pattern[-_]?({_NUMBERS})$"),
    ):
        if found := re.search(pattern, str(document.get(attribute))):
            return int(found.group(1))
    return None


def with_tasks(document: Mapping[str, Any], number: int | None) -> Document:
    """The spec with `number` tasks: the first ones, or all over and over under new names; None changes nothing."""
    if number is None or "taskList" not in document:
        return dict(document)
    tasks = list(document["taskList"])
    by_name = {task["taskName"]: task for task in tasks}
    for repeat in itertools.count(2):
        if len(by_name) >= number:
            break
        for task in tasks:
            name = f"{task['taskName'][:120]}-{repeat}"
            by_name.setdefault(name, {**task, "taskName": name})
    return {**document, "taskList": list(by_name.values())[:number]}


def render(
    path: Path | str,
    document: Mapping[str, Any],
    deployed: Mapping[str, Any],
    *,
    source_buckets: Sequence[str] | None = None,
) -> Document:
    """The run's input: placeholders filled in, everything else compared with the stack's output for the pattern.

    Tasks may read from `source_buckets` besides the kit's own; None leaves it to the functions, which know them.

    Raises:
        BadInput: a value names something that this stack did not deploy, or the input is too large.
    """
    attributes = {name: str(deployed[name]) for name in FILLED_IN}
    # An execution that is started right after an update may still have the definition, and so the revision, of before
    # (https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html).
    family = attributes["taskDefinition"].partition(":")[0]
    with _refusals(path):
        rendered = dict(spec_check.render(document, {**attributes, "taskDefinition": family}))
        spec = spec_check.check(rendered, deployed=None)
        spec_check.check_deployed(spec, deployed_of(deployed, source_buckets))
    _check_size(path, rendered)
    return rendered


def deployed_of(deployed: Mapping[str, Any], source_buckets: Sequence[str] | None = None) -> Deployed:
    """What specs may name, by the stack's output for the pattern, which does not tell the source buckets."""
    attributes = {name: str(deployed[name]) for name in FILLED_IN}
    return Deployed(
        attributes=attributes,
        separator=attributes["separator"],
        security_group_ids=tuple(deployed.get("securityGroupIds") or ()),
        source_buckets=None if source_buckets is None else tuple(source_buckets),
        needs_objects=has_kit_records(deployed),
    )


def has_kit_records(deployed: Mapping[str, Any]) -> bool:
    """Whether tasks keep their own rows, by the stack's output for the pattern."""
    return bool(deployed.get("jobRecords", "kit") == "kit")


def check_length(path: Path, document: Mapping[str, Any]) -> None:
    """Check that a list of tasks is not too long, before anything is deployed to run it.

    Raises:
        BadInput: the list is too long, or is not in the spec.
    """
    _check_size(path, document)
    if "taskList" not in document:
        raise _invalid(path, "$.taskListUri: this job verifies each task and needs a taskList; use `start`")


def _check_size(path: Path | str, document: Mapping[str, Any]) -> None:
    if reason := list_files.too_long(document.get("taskList", [])):
        raise _invalid(path, f"$.taskList: {reason}")


@contextmanager
def _refusals(path: Path | str) -> Iterator[None]:
    try:
        yield
    except SpecRefused as error:
        raise _invalid(path, *map(str, error.problems)) from error


def _invalid(path: Path | str, *problems: str) -> BadInput:
    lines = [f"{path} is not a valid spec:", *(f"  {problem}" for problem in problems)]
    return BadInput("\n".join([*lines, "specs/workflow_specs.schema.json says what is allowed."]))
