"""Both patterns on the emulator."""

from __future__ import annotations

import pytest

from local_aws import Emulator
from tests.integration.runtime.pattern import Pattern


@pytest.fixture(
    scope="package",
    # A pattern's tests share its runs, so they belong to one worker.
    params=[pytest.param(n, id=f"pattern{n}", marks=pytest.mark.xdist_group(f"runtime{n}")) for n in (1, 2)],
)
def pattern(request: pytest.FixtureRequest) -> int:
    """Each of the patterns."""
    number: int = request.param
    return number


@pytest.fixture(scope="package")
def p(pattern: int, emulator: Emulator) -> Pattern:
    """One of the patterns, as a stack with few settings would have it."""
    # Containers that start side by side take longer to do so than the limit that is enough for processes.
    made = Pattern(emulator, pattern, taskTimeoutSeconds=6 if emulator.container_runtime == "process" else 30)
    made.put(*(f"in/{n:02}.txt" for n in range(1, 11)))
    return made
