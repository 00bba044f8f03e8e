"""The data of a run's page: a pure function of what was read of the run. `docs/report.md` describes the document."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from ecs_kit.runtime.contract.records import NOT_STARTED
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.reporter import cost
from ecs_kit.runtime.reporter.console import Console, resources
from ecs_kit.runtime.reporter.cost import TaskSize
from ecs_kit.runtime.reporter.counts import counts_of, is_over, status_of
from ecs_kit.runtime.reporter.items import Item, deciding_attempts
from ecs_kit.runtime.reporter.logs import readable
from ecs_kit.runtime.reporter.meanings import meanings
from ecs_kit.runtime.reporter.phases import Phases, concurrency, milliseconds, phases_of
from ecs_kit.runtime.reporter.run_state import RunState

OUTCOMES = ("Waiting", *TaskStatus)
"""Of a task, by number: `Waiting` has no attempt yet, the others are the status of the attempt that decides."""


@dataclass(frozen=True)
class Reading:
    """What was read of a run.

    Attributes:
        now: when.
        logs: the last lines of the log of some attempts, by `ecs_task_id`.
        size: of the run's task definition, where that is known.
        image: of its job's container.
        has_console: whether the run is on AWS itself, and not on an emulator.
        verdict: what the main job found: `passed`, `problems`.
        pinned: the entries of the run's pinned task list by name, where it was read.
    """

    state: RunState
    now: datetime
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    size: TaskSize | None = None
    image: str = ""
    has_console: bool = False
    verdict: Mapping[str, Any] | None = None
    pinned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def document(reading: Reading) -> dict[str, Any]:
    """The page's data. Times are milliseconds; those of attempts count from `began`."""
    state = reading.state
    row, execution, key = state.summary or {}, state.execution or {}, state.key
    counts, entries = counts_of(state), reading.pinned or _task_list(state)
    deciding = deciding_attempts(state.details)
    names = [*entries, *sorted(deciding.keys() - entries.keys())]
    numbers = {name: number for number, name in enumerate(names)}
    rows = sorted(state.details, key=lambda item: (numbers[str(item["task_name"])], int(item.get("attempt", 1))))
    phases = [phases_of(item) for item in rows]
    began, until = _span(state, phases, reading.now)
    console = Console(str(key.deployed.get("stateMachineArn", ""))) if reading.has_console else None
    reasons = _Texts()
    attempts = [_attempt(item, each, numbers, reasons, began) for item, each in zip(rows, phases, strict=True)]
    by_task = {number: len(list(own)) for number, own in groupby(attempts, key=lambda attempt: attempt[0])}
    curve = concurrency(phases, until)
    failures, error = _failures(deciding), str(execution.get("error") or "")
    return {
        "run": {
            "pattern": key.pattern,
            "workflow": key.workflow_name,
            "id": str(key.run_id),
            "status": status_of(state),
            "isActive": not is_over(state),
            "error": ": ".join(str(execution[name]) for name in ("error", "cause") if execution.get(name)),
            "errorCode": error,
            "waiting": counts.waiting,
        },
        "began": began,
        "until": until - began,
        "readAt": milliseconds(reading.now.isoformat()),
        "counts": {name: getattr(counts, name) for name in _COUNTED},
        "summary": {name: row.get(name) for name in ("completed_tasks", "failed_tasks", "running_tasks")},
        "outcomes": list(OUTCOMES),
        "tasks": names,
        "taskOutcomes": [OUTCOMES.index(str(deciding[name]["status"])) if name in deciding else 0 for name in names],
        "attemptsOfTask": [by_task.get(number, 0) for number in range(len(names))],
        "attempts": attempts,
        "reasons": list(reasons),
        "failures": failures,
        "meanings": meanings([error, *(code for code, _ in failures)]),
        "logs": {
            str(number): [part for line in reading.logs[item["ecs_task_id"]] for part in readable(line)]
            for number, item in enumerate(rows)
            if reading.logs.get(item.get("ecs_task_id", ""))
        },
        "concurrency": {
            "times": [moment - began for moment in curve.times],
            "queued": curve.queued,
            "pulling": curve.pulling,
            "running": curve.running,
            "most": curve.most,
            "mostRunning": curve.most_running,
        },
        "asked": [[label, str(value)] for label, value in _asked(reading, len(names)) if value not in (None, "")],
        "cost": _cost(reading, entries, rows, phases, until),
        "resources": resources(key.deployed, key.execution_arn, _folder(state), console),
        "links": _links(state, console),
        "verdict": reading.verdict,
        "isOnAws": reading.has_console,
    }


_COUNTED = ("total", "submitted", "running", "completed", "failed")


class _Texts:
    """Texts without repetition, each by its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)


def _attempt(row: Item, phases: Phases, numbers: Mapping[str, int], reasons: _Texts, began: int) -> list[Any]:
    """Task, number, outcome, begin of each phase and end, end of the pull, exit code, reason, ECS task's id."""
    error, stopped = str(row.get("error") or ""), str(row.get("stopped_reason") or "")
    reason = "; ".join(text for text in (error, "" if stopped in error else stopped) if text)
    pulled = milliseconds(row.get("pull_stopped_at"))
    identifier = str(row.get("ecs_task_id", ""))
    return [
        numbers[str(row["task_name"])],
        int(row.get("attempt", 1)),
        OUTCOMES.index(str(row["status"])),
        *(None if moment is None else moment - began for moment in (*phases, pulled)),
        row.get("exit_code"),
        reasons.number(reason) if reason else None,
        "" if identifier.startswith(NOT_STARTED) else identifier.rpartition("/")[2],
    ]


def _failures(deciding: Mapping[str, Item]) -> list[list[Any]]:
    """Code and number of the tasks that failed, the most frequent first."""
    failed = [row for row in deciding.values() if row.get("status") == TaskStatus.FAILED]
    codes = Counter(str(row.get("error") or "no reason").partition(":")[0] for row in failed)
    return [list(pair) for pair in codes.most_common()]


def _spec(state: RunState) -> Mapping[str, Any]:
    """The spec of a run with its task list: the execution's input, or what the summary row keeps of it."""
    for text in ((state.execution or {}).get("input"), (state.summary or {}).get("workflow_specs")):
        try:
            found = json.loads(text or "null")
        except ValueError:
            continue
        if isinstance(found, dict) and "taskList" in found:
            return found
    return {}


def _task_list(state: RunState) -> dict[str, Mapping[str, Any]]:
    """The entries of `taskList` by name, as far as the spec has them."""
    entries = _spec(state).get("taskList")
    named = [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    return {str(entry["taskName"]): entry for entry in named if "taskName" in entry}


def _span(state: RunState, phases: Sequence[Phases], now: datetime) -> tuple[int, int]:
    """When the run began, and the end of what is known of it."""
    row, execution = state.summary or {}, state.execution or {}
    at = milliseconds(now.isoformat()) or 0
    begins = [
        milliseconds(row.get("start_time")),
        _moment(execution.get("startDate")),
        *(each.begun for each in phases),
    ]
    began = min((moment for moment in begins if moment is not None), default=at)
    if not is_over(state):
        return began, max(began, at)
    ends = [milliseconds(row.get("end_time")), _moment(execution.get("stopDate")), *(each.ended for each in phases)]
    return began, max((moment for moment in ends if moment is not None), default=began)


def _moment(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _asked(reading: Reading, tasks: int) -> list[tuple[str, object]]:
    """What the run was asked to do: labels and values, None for what is not known."""
    row, key = reading.state.summary or {}, reading.state.key
    settings = kept_settings(reading.state)
    size = reading.size

    def seconds(name: str) -> str | None:
        return f"{settings[name]} s" if name in settings else None

    return [
        ("workflow", key.workflow_name),
        ("pattern", key.pattern),
        ("tasks", row.get("number_of_tasks", tasks)),
        ("rerun of run", row.get("rerun_of")),
        ("rerun by run", row.get("rerun_by")),
        ("task definition", settings.get("task_definition", key.deployed.get("taskDefinition"))),
        ("image", reading.image),
        ("size of a task", size and f"{size.cpu / 1024:g} vCPU, {size.memory / 1024:g} GiB, {size.architecture}"),
        ("attempts at a task", settings.get("task_attempts")),
        ("time limit of a task", seconds("task_timeout_seconds")),
        ("time limit of the run", seconds("run_timeout_seconds")),
        (
            "failed tasks tolerated",
            f"{percent} %" if (percent := settings.get("tolerated_failure_percentage")) else None,
        ),
        ("tasks at once", settings.get("max_concurrency") or None),
        ("first attempts on Fargate Spot", f"{share} %" if (share := settings.get("spot_share")) else None),
        ("rows kept by", {"kit": "the tasks", "ecs": "ECS's word"}.get(settings.get("job_records", ""))),
    ]


def kept_settings(state: RunState) -> Mapping[str, Any]:
    """The settings that the run keeps in its summary row; none without a row."""
    kept: Mapping[str, Any] = json.loads((state.summary or {}).get("settings") or "{}")
    return kept


def _folder(state: RunState) -> str:
    prefix = kept_settings(state).get("target_prefix", state.key.deployed.get("targetPrefix", ""))
    return f"{prefix}/{state.key.workflow_name}/{state.key.run_id}/"


def _links(state: RunState, console: Console | None) -> dict[str, str]:
    """Addresses of an ECS task and of its log, with `{}` for the task's id; empty without a console."""
    deployed = state.key.deployed
    streams = (str(row["log_stream"]) for row in state.details if row.get("log_stream"))
    stream = next(streams, "").rpartition("/")[0]
    if console is None:
        return {"ecsTask": "", "log": ""}
    log = console.log_stream(str(deployed.get("taskLogGroup", "")), f"{stream}/") if stream else ""
    return {"ecsTask": console.ecs_task(str(deployed.get("clusterName", ""))), "log": log}


def _cost(
    reading: Reading,
    entries: Mapping[str, Mapping[str, Any]],
    rows: Sequence[Item],
    phases: Sequence[Phases],
    until: int,
) -> Mapping[str, Any] | None:
    default = reading.size
    if default is None:
        return None

    def size(name: str) -> TaskSize:
        entry = entries.get(name, {})
        return TaskSize(int(entry["cpu"]), int(entry["memory"]), default.architecture) if "cpu" in entry else default

    attempts = [
        (each, size(str(row["task_name"])), row["status"] == TaskStatus.COMPLETED)
        for row, each in zip(rows, phases, strict=True)
    ]
    known = [size(name) for name in entries]
    of_run = int((reading.state.summary or {}).get("number_of_tasks", 0))
    return cost.document(attempts, [*known, *[default] * (of_run - len(known))], until)
