"""Whatever order things happen in, and whatever fails: every run ends, and says the truth.

The kit's own state machines, functions and tasks run in one process, step by step, in an order that hypothesis makes
up, with faults that it makes up. `KIT_MODEL_EXAMPLES=5000 pytest tests/unit/model` looks longer, and elsewhere each
time.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.unit.model.scheduler import Choices, NeverEnds, Scheduler
from tests.unit.model.world import World, runs

pytestmark = pytest.mark.no_cover  # it would count no line that other tests do not, and take twice as long

EXAMPLES = os.environ.get("KIT_MODEL_EXAMPLES")


@settings(
    max_examples=int(EXAMPLES or 30),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    # To look for the smallest example takes minutes: only whoever looks longer waits for that.
    phases=list(Phase) if EXAMPLES else [Phase.generate],
)
@given(world=runs)
@pytest.mark.parametrize("pattern", [1, 2])
def test_every_run_ends_and_says_the_truth(pattern: int, world: World) -> None:
    world.run(pattern)


def test_whoever_looks_longer_is_heard() -> None:
    """All else of the kit's in the environment is kept from the tests."""
    done = subprocess.run(
        [sys.executable, "-c", "import tests.conftest, os; print(os.environ.get('KIT_MODEL_EXAMPLES'))"],
        env={**os.environ, "KIT_MODEL_EXAMPLES": "7", "KIT_OTHER": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "7\n"


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_run_without_any_fault_completes(pattern: int) -> None:
    world = World(tasks=3, task_attempts=1, tolerated=0, run_timeout_seconds=3600, choices=Choices(b"", frozenset()))
    world.run(pattern)
    assert world.status == "SUCCEEDED"
    assert world.summary is not None and world.summary.completed_tasks == 3


def test_what_goes_on_for_ever_is_noticed() -> None:
    scheduler = Scheduler(Choices(b"", frozenset()))

    def for_ever() -> None:
        while True:
            scheduler.call()

    scheduler.spawn("loop", for_ever)
    with pytest.raises(NeverEnds, match=r"after .* steps"):
        scheduler.run(lambda: False, lambda: None)
