"""What befalls each run of a soak: pure functions of its size and seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rule = Mapping[str, Any]

SHARE = 0.1
"""Share of calls, of tasks or of runs that a trouble meets."""

TROUBLES_IN_A_RUN = 3
HANG_SECONDS = 120

ABORT = "execution stopped"
MISSING = "object missing"


@dataclass(frozen=True)
class Trouble:
    """One kind of fault.

    Attributes:
        name: as the table calls it.
        rules: makes its rules from a seed; none where the driver brings it about by itself.
        patterns: where it can happen.
    """

    name: str
    rules: Callable[[int], Sequence[Rule]] = lambda _seed: ()
    patterns: tuple[int, ...] = (1, 2)


def _share(share: float = SHARE, **rule: Any) -> Callable[[int], Sequence[Rule]]:
    return lambda seed: [{"share": share, "seed": seed, **rule}]


TROUBLES = (
    Trouble(MISSING),
    Trouble(
        "task killed before a write",
        _share(service="dynamodb", operation="UpdateItem", caller="task", effect={"kill": "before"}),
    ),
    Trouble(
        "task killed after a write",
        _share(service="dynamodb", operation="UpdateItem", caller="task", effect={"kill": "after"}),
    ),
    Trouble(
        "task hangs past its limit",
        _share(limit=1, service="s3", operation="*Object", caller="task", effect={"delaySeconds": HANG_SECONDS}),
    ),
    Trouble(
        "RunTask throttled",
        _share(
            service="ecs",
            operation="RunTask",
            effect={"error": "ThrottlingException", "message": "Rate exceeded"},
        ),
    ),
    Trouble(
        "RunTask answers failures[]",
        _share(service="ecs", operation="RunTask", effect={"failures": [{"reason": "RESOURCE:MEMORY"}]}),
    ),
    Trouble(
        "RunTask fails in the service",
        _share(service="ecs", operation="RunTask", effect={"error": "ServerException", "status": 500}),
    ),
    Trouble(
        "RunTask's answer lost",
        _share(service="ecs", operation="RunTask", effect={"drop": "after"}),
        patterns=(1,),  # Step Functions' own client asks again by itself, with the same token
    ),
    Trouble(
        "tables throttled",
        _share(
            service="dynamodb",
            operation="*Item",
            effect={"error": "ProvisionedThroughputExceededException", "message": "slow down"},
        ),
    ),
    Trouble("table's answer lost", _share(service="dynamodb", operation="*Item", effect={"drop": "after"})),
    Trouble("call of a table lost", _share(service="dynamodb", operation="*Item", effect={"drop": "before"})),
    Trouble("S3 slow", _share(service="s3", effect={"delaySeconds": 1.5})),
    Trouble("S3 unavailable", _share(service="s3", caller="task", effect={"error": "SlowDown", "status": 503})),
    Trouble(
        "call of a function fails",
        _share(service="lambda", operation="Invoke*", effect={"error": "ServiceException", "status": 500}),
    ),
    Trouble(
        "monitor killed",
        _share(service="dynamodb", operation="*Item", caller="monitor", effect={"kill": "before"}),
    ),
    Trouble(
        "launcher killed",
        _share(service="dynamodb", operation="PutItem", caller="launcher", effect={"kill": "before"}),
        patterns=(1,),
    ),
    Trouble(ABORT),
)


@dataclass(frozen=True)
class SoakRun:
    """One run and what befalls it.

    Attributes:
        number: from 1.
        pattern: 1 or 2.
        workflow: its workflow name, which no other run's contains.
        troubles: by their names.
        missing: tasks whose object is not there, by their place in the list.
        abort_after_seconds: when its execution is stopped; None: never.
        rules: its fault rules; `caller` is `task`, `launcher` or `monitor` where it matters.
    """

    number: int
    pattern: int
    workflow: str
    troubles: tuple[str, ...]
    missing: frozenset[int]
    abort_after_seconds: float | None
    rules: tuple[Rule, ...]


def plan(*, runs: int, tasks: int, patterns: Sequence[int], seed: int) -> list[SoakRun]:
    """Decide what befalls which run: the same for the same seed.

    Args:
        runs: how many.
        tasks: how many each has.
        patterns: the runs take turns between them.
        seed: any number.
    """
    dice = random.Random(seed)
    aborted = _aborted(runs, len(patterns), dice)
    planned = []
    decks: dict[int, list[Trouble]] = {pattern: [] for pattern in patterns}
    for number in range(1, runs + 1):
        pattern = patterns[(number - 1) % len(patterns)]
        chosen = _deal(decks[pattern], pattern, dice)
        names = [trouble.name for trouble in chosen] + ([ABORT] if number in aborted else [])
        of_tasks = dice.sample(range(tasks), max(1, round(tasks * SHARE))) if MISSING in names else []
        planned.append(
            SoakRun(
                number=number,
                pattern=pattern,
                workflow=f"soak-{number:04}.",
                troubles=tuple(names),
                missing=frozenset(of_tasks),
                abort_after_seconds=dice.uniform(0.5, 12) if number in aborted else None,
                rules=tuple(
                    {"name": trouble.name, **rule}
                    for trouble in chosen
                    for rule in trouble.rules(dice.randrange(10**6))
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


def _deal(deck: list[Trouble], pattern: int, dice: random.Random) -> list[Trouble]:
    """Take the next troubles off a shuffled deck: each comes up as often as the others."""
    chosen: list[Trouble] = []
    while len(chosen) < TROUBLES_IN_A_RUN:
        if not deck:
            deck += [trouble for trouble in TROUBLES if pattern in trouble.patterns and trouble.name != ABORT]
            dice.shuffle(deck)
        trouble = deck.pop()
        if trouble not in chosen:
            chosen.append(trouble)
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
