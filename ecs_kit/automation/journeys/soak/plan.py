"""Which faults each run of a soak meets: pure functions of its size and seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecs_kit.runtime.contract.patterns import PATTERNS

Rule = Mapping[str, Any]

SHARE = 0.1
"""Share of calls, of tasks or of runs that a fault meets."""

FAULTS_IN_A_RUN = 3
HANG_SECONDS = 120

ABORT = "execution stopped"
MISSING = "object missing"


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault.

    Attributes:
        name: as the table calls it.
        rule: what meets a share of the calls; empty where the driver brings the fault about by itself.
        patterns: where it can happen.
    """

    name: str
    rule: Rule = field(default_factory=dict)
    patterns: tuple[int, ...] = tuple(PATTERNS)


def _rule(service: str, operation: str | None, effect: Mapping[str, Any], **more: Any) -> Rule:
    return {"service": service, **({"operation": operation} if operation else {}), "effect": effect, **more}


def _error(code: str, **more: Any) -> dict[str, Any]:
    return {"error": code, **more}


_THROTTLED = _error("ThrottlingException", message="Rate exceeded")
_TABLE_THROTTLED = _error("ProvisionedThroughputExceededException", message="slow down")
_FAILURES = {"failures": [{"reason": "RESOURCE:MEMORY"}]}

FAULT_KINDS = (
    FaultKind(MISSING),
    FaultKind("task killed before a write", _rule("dynamodb", "UpdateItem", {"kill": "before"}, caller="task")),
    FaultKind("task killed after a write", _rule("dynamodb", "UpdateItem", {"kill": "after"}, caller="task")),
    FaultKind(
        "task hangs past its limit", _rule("s3", "*Object", {"delaySeconds": HANG_SECONDS}, caller="task", limit=1)
    ),
    FaultKind("RunTask throttled", _rule("ecs", "RunTask", _THROTTLED)),
    FaultKind("RunTask answers failures[]", _rule("ecs", "RunTask", _FAILURES)),
    FaultKind("RunTask fails in the service", _rule("ecs", "RunTask", _error("ServerException", status=500))),
    # Step Functions' own client asks again by itself, with the same token: pattern 2 meets none of it.
    FaultKind("RunTask's answer lost", _rule("ecs", "RunTask", {"drop": "after"}), patterns=(1,)),
    FaultKind("tables throttled", _rule("dynamodb", "*Item", _TABLE_THROTTLED)),
    FaultKind("table's answer lost", _rule("dynamodb", "*Item", {"drop": "after"})),
    FaultKind("call of a table lost", _rule("dynamodb", "*Item", {"drop": "before"})),
    FaultKind("S3 slow", _rule("s3", None, {"delaySeconds": 1.5})),
    FaultKind("S3 unavailable", _rule("s3", None, _error("SlowDown", status=503), caller="task")),
    FaultKind("call of a function fails", _rule("lambda", "Invoke*", _error("ServiceException", status=500))),
    FaultKind("monitor killed", _rule("dynamodb", "*Item", {"kill": "before"}, caller="monitor")),
    FaultKind("launcher killed", _rule("dynamodb", "PutItem", {"kill": "before"}, caller="launcher"), patterns=(1,)),
    FaultKind(ABORT),
)


@dataclass(frozen=True)
class SoakRun:
    """One run and its faults.

    Attributes:
        number: from 1.
        pattern: 1 or 2.
        workflow: its workflow name, which no other run's contains.
        faults: by their names.
        missing: tasks whose object is not there, by their index in the list.
        abort_after_seconds: when its execution is stopped; None: never.
        rules: its fault rules; `caller` is `task`, `launcher` or `monitor` where it matters.
    """

    number: int
    pattern: int
    workflow: str
    faults: tuple[str, ...]
    missing: frozenset[int]
    abort_after_seconds: float | None
    rules: tuple[Rule, ...]


def plan(*, runs: int, tasks: int, patterns: Sequence[int], seed: int) -> list[SoakRun]:
    """Decide which run meets which faults: the same for the same seed."""
    dice = random.Random(seed)
    aborted = _aborted(runs, len(patterns), dice)
    planned = []
    decks: dict[int, list[FaultKind]] = {pattern: [] for pattern in patterns}
    for number in range(1, runs + 1):
        pattern = patterns[(number - 1) % len(patterns)]
        chosen = _deal(decks[pattern], pattern, dice)
        names = [kind.name for kind in chosen] + ([ABORT] if number in aborted else [])
        of_tasks = dice.sample(range(tasks), max(1, round(tasks * SHARE))) if MISSING in names else []
        planned.append(
            SoakRun(
                number=number,
                pattern=pattern,
                workflow=f"soak-{number:04}.",
                faults=tuple(names),
                missing=frozenset(of_tasks),
                abort_after_seconds=dice.uniform(0.5, 12) if number in aborted else None,
                rules=tuple(
                    {"name": kind.name, "share": SHARE, "seed": rule_seed, **kind.rule}
                    for kind, rule_seed in [(kind, dice.randrange(10**6)) for kind in chosen]
                    if kind.rule
                ),
            )
        )
    return planned


def _aborted(runs: int, patterns: int, dice: random.Random) -> set[int]:
    """Choose runs whose execution is stopped, as many of one pattern as of the other."""
    shuffled = dice.sample(range(1, runs + 1), runs)
    of_patterns = [[number for number in shuffled if (number - 1) % patterns == turn] for turn in range(patterns)]
    by_turns = [number for together in itertools.zip_longest(*of_patterns) for number in together if number]
    return set(by_turns[: max(1, round(runs * SHARE))])


def _deal(deck: list[FaultKind], pattern: int, dice: random.Random) -> list[FaultKind]:
    """Take the next kinds off a shuffled deck: each comes up as often as the others."""
    chosen: list[FaultKind] = []
    while len(chosen) < FAULTS_IN_A_RUN:
        if not deck:
            deck += [kind for kind in FAULT_KINDS if pattern in kind.patterns and kind.name != ABORT]
            dice.shuffle(deck)
        kind = deck.pop()
        if kind not in chosen:
            chosen.append(kind)
    return chosen


def narrowed(rule: Rule, workflow: str, roles: Mapping[str, str]) -> dict[str, Any]:
    """A rule that meets the calls of one run alone: those whose request names its workflow.

    Args:
        rule: of a `SoakRun`.
        workflow: the run's workflow name.
        roles: part of the role's name by who calls.
    """
    caller = rule.get("caller")
    role = f"*{roles[caller]}*" if caller else "*"
    return {**rule, "request": f"*{workflow}*", "caller": f"*:assumed-role/{role}"}
