"""Spec files on their way to a run's input: read, check, choose the tasks, fill in what the stack deployed."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_kit.automation.errors import SpecInvalid, SpecPatternUnknown, SpecUnreadable
from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.contract.errors import SpecRefused
from ecs_kit.runtime.contract.patterns import PATTERNS
from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES, Deployed
from ecs_kit.runtime.functions import spec_check

Document = dict[str, Any]

MAX_INPUT_BYTES = 262_144
"""Input of StartExecution in bytes of UTF-8
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html)."""

FILLED_IN = (*INFRASTRUCTURE_ATTRIBUTES, "workflowName", "separator")
"""What a placeholder of a spec file may stand for: `<name>`."""

_NUMBERS = "|".join(map(str, PATTERNS))
_PATTERN_OF_TABLE = re.compile(rf"workflow_summary_pattern_({_NUMBERS})")
_PATTERN_OF_WORKFLOW = re.compile(rf"pattern[-_]?({_NUMBERS})$")


def sample_path(root: Path, pattern: int) -> Path:
    """The spec file that comes with the kit."""
    return root / "specs" / f"workflow_specs_pattern_{pattern}.json"


def load(path: Path) -> Document:
    """Read a spec file, placeholders and all.

    Raises:
        SpecUnreadable: it is not there, or not JSON.
        SpecInvalid: it cannot become a valid spec whatever the placeholders stand for.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecUnreadable(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        document = spec_check.parse(text)
    except SpecRefused as error:
        raise SpecUnreadable(path, "; ".join(problem.reason for problem in error.problems)) from error
    _check(path, document, None)
    _fill(path, document, {name: f"<{name}>" for name in FILLED_IN})
    return dict(document)


def pattern_of(path: Path, document: Mapping[str, Any]) -> int:
    """The pattern that a spec is for: its summary table says so, else its workflow's name does.

    Raises:
        SpecPatternUnknown: neither says so.
    """
    for text, pattern in (
        (document.get("ddbTableNameWFSummary"), _PATTERN_OF_TABLE),
        (document.get("workflowName"), _PATTERN_OF_WORKFLOW),
    ):
        found = pattern.search(text) if isinstance(text, str) else None
        if found:
            return int(found.group(1))
    raise SpecPatternUnknown(path)


def with_tasks(document: Mapping[str, Any], number: int | None) -> Document:
    """The spec with `number` tasks: the file's first ones, or the file's over and over under new names.

    Args:
        document: a valid spec.
        number: at least 1; None leaves the tasks as they are.
    """
    tasks = list(document["taskList"])
    if number is None:
        return dict(document)
    names = {task["taskName"] for task in tasks}
    chosen = tasks[:number]
    repeat = 2
    while len(chosen) < number:
        for task in tasks:
            name = f"{task['taskName'][:120]}-{repeat}"
            if name not in names and len(chosen) < number:
                names.add(name)
                chosen.append({**task, "taskName": name})
        repeat += 1
    return {**document, "taskList": chosen}


def render(
    path: Path, document: Mapping[str, Any], deployed: Mapping[str, Any], *, source_buckets: Sequence[str] = ()
) -> Document:
    """The run's input: placeholders filled in, everything else compared with what is deployed.

    Args:
        path: where the spec came from, for messages.
        document: a valid spec.
        deployed: the stack's output for the pattern.
        source_buckets: other buckets that tasks may read from.

    Raises:
        SpecInvalid: a value names something that this stack did not deploy, or the input is too large.
    """
    attributes = {name: str(deployed[name]) for name in FILLED_IN}
    # An execution that is started right after an update may still have the definition, and so the revision, of before
    # (https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html).
    family = attributes["taskDefinition"].partition(":")[0]
    rendered = _fill(path, document, {**attributes, "taskDefinition": family})
    _check(
        path,
        rendered,
        Deployed(
            attributes=attributes,
            separator=attributes["separator"],
            security_group_ids=tuple(deployed.get("securityGroupIds") or ()),
            source_buckets=tuple(source_buckets),
        ),
    )
    _check_size(path, rendered)
    return rendered


def check_length(path: Path, document: Mapping[str, Any], *, pattern: int, limits: waits.Limits) -> None:
    """See that a list of tasks is not too long, before anything is deployed to run it.

    Raises:
        SpecInvalid: the input of the run, or the history of its execution, would be too long.
    """
    _check_size(path, document)
    has_launcher = PATTERNS[pattern].has_launcher
    reason = None if has_launcher else waits.reason_to_refuse(limits, len(document["taskList"]))
    if reason is not None:
        raise SpecInvalid(path, [f"$.taskList: {reason}"])


def _check_size(path: Path, document: Mapping[str, Any]) -> None:
    size = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())
    if size > MAX_INPUT_BYTES:
        raise SpecInvalid(
            path,
            [f"the input of the run has {size} bytes; Step Functions takes {MAX_INPUT_BYTES}: use fewer tasks"],
        )


def _fill(path: Path, document: Mapping[str, Any], values: Mapping[str, str]) -> Document:
    try:
        return dict(spec_check.render(document, values))
    except SpecRefused as error:
        raise SpecInvalid(path, _problems(error)) from error


def _check(path: Path, document: Mapping[str, Any], deployed: Deployed | None) -> None:
    try:
        spec_check.check(document, deployed=deployed)
    except SpecRefused as error:
        raise SpecInvalid(path, _problems(error)) from error


def _problems(error: SpecRefused) -> list[str]:
    return [str(problem) for problem in error.problems]
