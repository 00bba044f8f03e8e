"""The model of interleavings, with more examples than in `make test`."""

from __future__ import annotations

import pytest
from hypothesis.strategies import SearchStrategy

from tests.unit.model.scheduler import Choices
from tests.unit.model.test_interleavings import check
from tests.unit.model.world import FAULTS, World, retried_runs, runs

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("pattern", [1, 2])
@pytest.mark.parametrize("strategy", [runs, retried_runs], ids=["any faults", "retries"])
def test_every_run_ends_and_no_invariant_is_violated(strategy: SearchStrategy[World], pattern: int) -> None:
    check(strategy, pattern, examples=250)


@pytest.mark.parametrize("pattern", [1, 2])
def test_every_kind_of_fault_is_injected_into_some_run(pattern: int) -> None:
    """A kind that is never injected would prove nothing."""
    only_of_pattern = {1: {"lost answer", "lost call"}, 2: {"stop lost"}}
    for kind in sorted(set(FAULTS) - only_of_pattern[3 - pattern]):
        assert any(kind in injected(pattern, kind, after) for after in range(0, 300, 12)), kind


def injected(pattern: int, kind: str, after: int) -> set[str]:
    """The faults of a run in which, after some decisions, one kind always happens, and the one it comes with."""
    cause = {"late write": "task killed", "event lost": "abort", "event twice": "abort", "stop lost": "abort"}
    choices = Choices(bytes(after) + b"\xff" * 40, frozenset({kind, cause.get(kind, kind)}))
    world = World(tasks=2, choices=choices)
    world.run(pattern)
    return set(choices.made)
