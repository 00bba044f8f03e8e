"""The model of interleavings, for longer than `make test` has time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.unit.model.world import World, runs


@pytest.mark.acceptance
@pytest.mark.parametrize("pattern", [1, 2])
@settings(
    max_examples=500,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    print_blob=True,
)
@given(world=runs)
def test_every_run_ends_and_says_the_truth(pattern: int, world: World) -> None:
    world.run(pattern)
