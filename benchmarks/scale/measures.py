"""What a run used, per task, from the local AWS's meter and the run's own records: pure functions."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.reporter.prices import dollars
from local_aws.emulator.metering import Reading

LIMIT_PER_SECOND = 20.0
"""RunTask calls for Fargate, sustained and burst: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html,
read 2026-11-30."""

DRIVER = "root"
"""The role of calls of the benchmark itself; they do not count."""


@dataclass(frozen=True)
class Deployed:
    """Of a function: the length of its time-out, and its memory."""

    timeout_seconds: int
    memory_mib: int


@dataclass(frozen=True)
class Finished:
    """A run that has ended, and what is recorded of it.

    `tasks` are its ECS tasks, `rows` those of the details table, `results` the objects that its tasks wrote, by task.
    """

    names: Sequence[str]
    status: str
    started: datetime
    ended: datetime
    tasks: Sequence[EcsTask]
    rows: Sequence[Mapping[str, Any]]
    results: Iterable[str]


def problems(run: Finished) -> list[str]:
    """What is wrong with a run: each task is started once, has one `Completed` row and one result."""
    attempts = Counter((task.attempt.task_name, task.attempt.number) for task in run.tasks if task.attempt)
    completed = Counter(str(row["task_name"]) for row in run.rows if row["status"] == "Completed")
    started = Counter(name for name, _ in attempts)
    results = Counter(run.results)
    wanted = {*run.names}
    return [
        *([] if run.status == "SUCCEEDED" else [f"the execution ended {run.status}"]),
        *(
            f"doubled: {name}, attempt {number}, {count} ECS tasks"
            for (name, number), count in attempts.items()
            if count > 1
        ),
        *(f"lost: {name} was never started" for name in run.names if not started[name]),
        *(f"{name} has {completed[name]} rows that are Completed" for name in run.names if completed[name] != 1),
        *(f"{name} has {results[name]} results" for name in run.names if results[name] != 1),
        *(f"unknown: {name}" for name in sorted({*started, *completed, *results} - wanted)),
    ]


STARTS_END_WITHIN = timedelta(seconds=5)
"""After the end of a stopped execution the launcher starts none. Child executions may: what they start is stopped."""


def problems_of_stopped(run: Finished, *, has_launcher: bool) -> list[str]:
    """What is wrong with a run whose execution was stopped: each of its ECS tasks has stopped, and one final row."""
    rows = Counter(str(row["ecs_task_id"]) for row in run.rows)
    attempts = Counter((task.attempt.task_name, task.attempt.number) for task in run.tasks if task.attempt)
    active = [str(row["task_name"]) for row in run.rows if row["status"] not in ("Completed", "Failed")]
    late = launched_after(run, run.ended + STARTS_END_WITHIN) if has_launcher else 0
    return [
        *([] if run.status.startswith("ABORTED") else [f"the execution ended {run.status}"]),
        *(f"doubled: {name}, attempt {number}" for (name, number), count in attempts.items() if count > 1),
        *(f"{task.arn} has {rows[task.arn]} rows" for task in run.tasks if rows[task.arn] != 1),
        *(f"{task.arn} still runs" for task in run.tasks if not task.is_stopped),
        *(f"{name} has a row that is not final" for name in active),
        *([f"{late} tasks were started later than {STARTS_END_WITHIN} after the stop"] if late else []),
    ]


def launched_after(run: Finished, moment: datetime) -> int:
    """How many ECS tasks were created after that."""
    return sum(task.created_at is not None and task.created_at > moment for task in run.tasks)


def stopping(run: Finished) -> dict[str, Any]:
    """What a stopped run had started, what of it after its stop, and when its last task had stopped, in seconds."""
    stopped = max((task.stopped_at for task in run.tasks if task.stopped_at), default=run.ended)
    return {
        "launched": len(run.tasks),
        "launchedAfterStop": launched_after(run, run.ended),
        "launchedLate": launched_after(run, run.ended + STARTS_END_WITHIN),
        "lastStoppedAfterSeconds": _rounded((stopped - run.ended).total_seconds()),
    }


def timing(run: Finished) -> dict[str, Any]:
    """Launches per second and their share of AWS's limit, and how late the end was noticed, in seconds.

    The rate is of the first to the last ECS task's creation. It may be above the limit where a burst is allowed. The
    end is noticed from the last final row, and from the last stopped ECS task, to the end of the execution.
    """
    created = sorted(task.created_at for task in run.tasks if task.created_at)
    seconds = (created[-1] - created[0]).total_seconds() if created else 0.0
    rate = (len(created) - 1) / seconds if seconds else None
    final = max((from_iso(str(row["update_time"])) for row in run.rows), default=None)
    stopped = max((task.stopped_at for task in run.tasks if task.stopped_at), default=None)
    return {
        "runSeconds": _rounded((run.ended - run.started).total_seconds()),
        "launchSeconds": _rounded(seconds),
        "launchesPerSecond": _rounded(rate),
        "shareOfLimit": _rounded(rate / LIMIT_PER_SECOND if rate else None),
        "noticedAfterRowSeconds": _rounded((run.ended - final).total_seconds() if final else None),
        "noticedAfterStopSeconds": _rounded((run.ended - stopped).total_seconds() if stopped else None),
    }


def usage(reading: Reading, tasks: int, functions: Mapping[str, Deployed]) -> dict[str, Any]:
    """What the run used of each service, and what it costs; `functions` are the deployed ones by name.

    Only the calls of roles count. Names of functions in the result are without what they share.
    """
    calls: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    services: defaultdict[str, int] = defaultdict(int)
    for each in reading.calls:
        if each.role != DRIVER:
            calls[f"{each.service}:{each.operation}"] += each.calls
            failed[f"{each.service}:{each.operation}"] += each.errors
            services[each.service] += each.calls
    read, write = (sum(getattr(each, kind) for each in reading.capacity) for kind in ("read", "write"))
    largest = max(reading.payloads, key=lambda each: each.bytes, default=None)
    known = [each for each in reading.functions if _base(each.name, functions)]
    used = {_base(each.name, functions): each for each in known}
    return {
        "calls": dict(sorted(calls.items())),
        "errors": {name: count for name, count in sorted(failed.items()) if count},
        "callsPerTask": {name: _rounded(count / tasks) for name, count in sorted(services.items())},
        "readUnitsPerTask": _rounded(read / tasks),
        "writeUnitsPerTask": _rounded(write / tasks),
        "transitions": (transitions := sum(each.transitions for each in reading.executions)),
        "executions": sum(each.count for each in reading.executions),
        "mostEvents": max((each.most_events for each in reading.executions), default=0),
        "largestPayload": {"state": largest.state, "bytes": int(largest.bytes)} if largest else None,
        "functions": {
            name: {
                "calls": each.calls,
                "longestSeconds": _rounded(each.longest_seconds),
                "timeoutSeconds": functions[name].timeout_seconds,
                "peakMiB": _rounded(each.peak_memory_bytes / 2**20),
                "memoryMiB": functions[name].memory_mib,
            }
            for name, each in sorted(used.items())
        },
        "dollarsPerTask": {
            name: cost / tasks
            for name, cost in {
                "stepFunctions": dollars("state_transitions", transitions),
                "lambda": sum(
                    dollars("function_calls", each.calls)
                    + dollars("function_gb_seconds", each.total_seconds * functions[name].memory_mib / 1024)
                    for name, each in used.items()
                ),
                "dynamodb": dollars("write_requests", write) + dollars("read_requests", read),
            }.items()
        },
    }


def _base(name: str, functions: Mapping[str, Deployed]) -> str:
    """The deployed function of a metered one, which may have a qualifier or be an ARN; empty where it is another."""
    return next((known for known in functions if known in (name, *name.split(":"))), "")


def _rounded(value: float | None) -> float | None:
    """Three significant digits at least."""
    if not value:
        return value
    return round(value, max(1, 2 - math.floor(math.log10(abs(value)))))
