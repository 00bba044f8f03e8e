"""Whole runs of both patterns with injected faults.

A test describes its run with `scenario`, and uses `run`:

    @scenario(keys=["in/01.txt"], faults=[{"service": "ecs", "operation": "RunTask", "first": 2, "effect": …}])
    def test_what_it_proves(run: Run) -> None:
        left = run.outcome()

The runs of all tests of a module start together with its first test, and each test waits for its own. A test that has
to act at a moment of its own starts its run itself: `stage.run(…)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from local_aws import Emulator
from tests.integration.faults.stage import Run, Scenario, Stage

Runs = dict[tuple[int, str], Run]
"""Runs by pattern and test."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario: the run of a test and its faults; arguments of `Scenario`")


@pytest.fixture(scope="module", params=[1, 2], ids=["pattern1", "pattern2"])
def pattern(request: pytest.FixtureRequest) -> int:
    """Each of the patterns; a test of pattern 1 alone is marked `pattern_1`."""
    return request.param


@pytest.fixture(scope="module")
def stages(emulator: Emulator) -> dict[int, Stage]:
    return {pattern: Stage(emulator, pattern) for pattern in (1, 2)}


@pytest.fixture
def stage(stages: dict[int, Stage], pattern: int) -> Stage:
    return stages[pattern]


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, stages: dict[int, Stage], emulator: Emulator) -> Iterator[Runs]:
    """The started runs of this module's tests on one container runtime, by pattern and test."""
    runs: Runs = {}
    try:
        for pattern, name, scenario in _scenarios(request.session.items, request.path, emulator.container_runtime):
            runs[pattern, name] = stages[pattern].run(name, scenario)
        yield runs
    finally:
        for run in runs.values():
            run.inject()


@pytest.fixture
def run(request: pytest.FixtureRequest, runs: Runs, pattern: int) -> Run:
    """The active run of a test."""
    return runs[pattern, _name(request.node)]


def _scenarios(items: list[pytest.Item], path: object, runtime: str) -> Iterator[tuple[int, str, Scenario]]:
    for item in items:
        marker = item.get_closest_marker("scenario")
        if marker is None or item.path != path:
            continue
        given = item.callspec.params  # type: ignore[attr-defined]
        if given.get("container_runtime", runtime) == runtime:
            yield given["pattern"], _name(item), Scenario(*marker.args, **marker.kwargs)


def _name(item: pytest.Item) -> str:
    return re.sub(r"\W+", "-", item.name.removeprefix("test_")).strip("-")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the run's state to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    run = getattr(item, "funcargs", {}).get("run")
    if report.when == "call" and report.failed and isinstance(run, Run) and run.execution_arn:
        report.sections.append(("the run", run.report()))
