"""In any order of events and with any faults, every run ends and no invariant is violated.

Hypothesis generates the order and the faults. `KIT_EXAMPLES=5000 pytest tests/unit/model` generates more of
them, others each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from tests.unit.model.scheduler import Choices, NeverEnds, Scheduler
from tests.unit.model.world import World, retried_runs, runs

pytestmark = pytest.mark.no_cover  # it would count no line that other tests do not, and take twice as long

EXAMPLES = os.environ.get("KIT_EXAMPLES")


def check(strategy: SearchStrategy[World], pattern: int, examples: int, is_random: bool = False) -> None:
    """Run so many examples: others each time, if they are random."""

    @settings(
        max_examples=examples,
        derandomize=not is_random,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        # The search for the smallest example takes minutes.
        phases=list(Phase) if is_random else [Phase.generate],
    )
    @given(world=strategy)
    def every_run_ends(world: World) -> None:
        world.run(pattern)

    every_run_ends()


@pytest.mark.parametrize("pattern", [1, 2])
@pytest.mark.parametrize("strategy", [runs, retried_runs], ids=["any faults", "retries"])
def test_every_run_ends_and_no_invariant_is_violated(strategy: SearchStrategy[World], pattern: int) -> None:
    check(strategy, pattern, int(EXAMPLES or 30), is_random=EXAMPLES is not None)


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_run_without_any_fault_completes(pattern: int) -> None:
    world = World(tasks=3, choices=Choices(b"", frozenset()))
    world.run(pattern)
    assert world.status == "SUCCEEDED"
    assert world.summary is not None and world.summary.completed_tasks == 3


def test_an_endless_loop_is_noticed() -> None:
    scheduler = Scheduler(Choices(b"", frozenset()))

    def for_ever() -> None:
        while True:
            scheduler.call()

    scheduler.spawn("loop", for_ever)
    with pytest.raises(NeverEnds, match=r"after .* steps"):
        scheduler.run(lambda: False, lambda: None)
