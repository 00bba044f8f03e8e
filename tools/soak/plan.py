"""Which faults are injected into each run of a soak: pure functions of its size and seed."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecs_kit.runtime.contract.patterns import PATTERNS

Rule = Mapping[str, Any]

SHARE = 0.1
"""Share of calls, of tasks or of runs that a fault hits."""

FAULTS_IN_A_RUN = 3
HANG_SECONDS = 120

ABORT = "execution stopped"
MISSING = "object missing"


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault; without a rule, the driver itself makes it. A rule's caller is task, launcher or monitor."""

    name: str
    rule: Rule = field(default_factory=dict)
    patterns: tuple[int, ...] = tuple(PATTERNS)


def _rule(service: str, operation: str, effect: Mapping[str, Any], **more: Any) -> Rule:
    return {"service": service, "operation": operation, "effect": effect, **more}


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
    # Step Functions' own client retries by itself, with the same token: a run of pattern 2 sees none of it.
    FaultKind("RunTask's answer lost", _rule("ecs", "RunTask", {"drop": "after"}), patterns=(1,)),
    FaultKind("tables throttled", _rule("dynamodb", "*Item", _TABLE_THROTTLED)),
    FaultKind("table's answer lost", _rule("dynamodb", "*Item", {"drop": "after"})),
    FaultKind("call of a table lost", _rule("dynamodb", "*Item", {"drop": "before"})),
    FaultKind("S3 slow", _rule("s3", "*", {"delaySeconds": 1.5})),
    FaultKind("S3 unavailable", _rule("s3", "*", _error("SlowDown", status=503), caller="task")),
    FaultKind("call of a function fails", _rule("lambda", "Invoke*", _error("ServiceException", status=500))),
    FaultKind("monitor killed", _rule("dynamodb", "*Item", {"kill": "before"}, caller="monitor")),
    FaultKind("launcher killed", _rule("dynamodb", "PutItem", {"kill": "before"}, caller="launcher"), patterns=(1,)),
    FaultKind(ABORT),
)


@dataclass(frozen=True)
class SoakRun:
    """One run, its faults by the names of their kinds, and the emulator's rules.

    No other run's workflow name contains its own. `missing` are the tasks whose object is missing, by their index in
    the list. Its execution is stopped after `abort_after_seconds`, unless that is None.
    """

    number: int
    pattern: int
    workflow: str
    faults: tuple[str, ...]
    missing: frozenset[int]
    abort_after_seconds: float | None
    rules: tuple[Rule, ...]


def plan(*, runs: int, tasks: int, patterns: Sequence[int], seed: int) -> list[SoakRun]:
    """Decide which faults are injected into which run: the same for the same seed."""
    rng = random.Random(seed)
    aborted = _aborted(runs, len(patterns), rng)
    planned = []
    decks: dict[int, list[FaultKind]] = {pattern: [] for pattern in patterns}
    for number in range(1, runs + 1):
        pattern = patterns[(number - 1) % len(patterns)]
        workflow = f"soak-{number:04}."
        chosen = _deal(decks[pattern], pattern, rng)
        names = [kind.name for kind in chosen] + ([ABORT] if number in aborted else [])
        missing = rng.sample(range(tasks), max(1, round(tasks * SHARE))) if MISSING in names else []
        planned.append(
            SoakRun(
                number=number,
                pattern=pattern,
                workflow=workflow,
                faults=tuple(names),
                missing=frozenset(missing),
                abort_after_seconds=rng.uniform(0.5, 12) if number in aborted else None,
                rules=tuple(rule_of(kind, workflow, seed=rng.randrange(10**6)) for kind in chosen if kind.rule),
            )
        )
    return planned


def _aborted(runs: int, patterns: int, rng: random.Random) -> set[int]:
    """Choose runs whose execution is stopped, as many of one pattern as of the other."""
    of_patterns = [list(range(first, runs + 1, patterns)) for first in range(1, patterns + 1)]
    for numbers in of_patterns:
        rng.shuffle(numbers)
    return {of_patterns[turn % patterns].pop() for turn in range(max(1, round(runs * SHARE)))}


def _deal(deck: list[FaultKind], pattern: int, rng: random.Random) -> list[FaultKind]:
    """Take the next kinds off a shuffled deck: each comes up as often as the others."""
    chosen: list[FaultKind] = []
    while len(chosen) < FAULTS_IN_A_RUN:
        if not deck:
            deck += [kind for kind in FAULT_KINDS if pattern in kind.patterns and kind.name != ABORT]
            rng.shuffle(deck)
        kind = deck.pop()
        if kind not in chosen:
            chosen.append(kind)
    return chosen


def rule_of(kind: FaultKind, workflow: str, *, seed: int) -> Rule:
    """A rule that hits a share of the calls of one run alone: those whose request names its workflow."""
    role = f"*-{kind.rule['caller']}*" if "caller" in kind.rule else "*"
    return {
        "name": kind.name,
        "share": SHARE,
        "seed": seed,
        **kind.rule,
        "request": f"*{workflow}*",
        "caller": f"*:assumed-role/{role}",
    }
