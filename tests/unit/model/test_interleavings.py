"""Whatever order things happen in, and whatever fails: every run ends, and says the truth.

The kit's own state machines, functions and tasks run in one process, step by step, in an order that hypothesis makes
up, with faults that it makes up. `KIT_MODEL_EXAMPLES=5000 pytest tests/unit/model` looks longer, and elsewhere each
time.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.model.scheduler import Choices, NeverEnds, Scheduler
from tests.unit.model.world import FAULTS, World, runs

EXAMPLES = os.environ.get("KIT_MODEL_EXAMPLES")


@settings(
    max_examples=int(EXAMPLES or 120),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(world=runs)
@pytest.mark.parametrize("pattern", [1, 2])
def test_every_run_ends_and_says_the_truth(pattern: int, world: World) -> None:
    world.run(pattern)


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_run_without_any_fault_completes(pattern: int) -> None:
    world = World(tasks=3, task_attempts=1, tolerated=0, run_timeout_seconds=3600, choices=Choices(b"", frozenset()))
    world.run(pattern)
    assert world.status == "SUCCEEDED"
    assert world.summary is not None and world.summary.completed_tasks == 3


@pytest.mark.parametrize("pattern", [1, 2])
def test_every_kind_of_fault_befalls_some_run(pattern: int) -> None:
    """The model makes what it promises: a kind that never happens would prove nothing."""
    only_of_pattern = {1: {"lost answer", "lost call"}, 2: {"stop lost"}}
    for kind in set(FAULTS) - only_of_pattern[3 - pattern]:
        assert any(kind in befallen(pattern, kind, seed) for seed in range(60)), kind


def befallen(pattern: int, kind: str, seed: int) -> set[str]:
    """What befalls a run where one kind of fault may, and those that it comes with."""
    choices = Choices(random.Random(seed).randbytes(300), frozenset({kind, "abort", "task killed"}))
    world = World(tasks=2, task_attempts=1, tolerated=0, run_timeout_seconds=3600, choices=choices)
    world.run(pattern)
    return set(choices.made)


def test_what_goes_on_for_ever_is_noticed() -> None:
    scheduler = Scheduler(Choices(b"", frozenset()))

    def for_ever() -> None:
        while True:
            scheduler.call()

    scheduler.spawn("loop", for_ever)
    with pytest.raises(NeverEnds, match=r"after .* steps"):
        scheduler.run(lambda: False, lambda: None)
