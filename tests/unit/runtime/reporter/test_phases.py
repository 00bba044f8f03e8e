"""When attempts were queued, pulled and run, and how many at once."""

from typing import Any

from ecs_kit.runtime.reporter.phases import MOST_POINTS, Phases, concurrency, phases_of
from tests.browser.samples import START, at, attempt

ZERO = round(START.timestamp() * 1000)


def of(row: dict[str, Any]) -> tuple[int | None, ...]:
    """The phases in milliseconds after the run's start."""
    return tuple(None if moment is None else moment - ZERO for moment in phases_of(row))


def test_they_are_ecs_s_own_times_and_the_end_is_the_job_s_where_ecs_was_not_asked() -> None:
    row = attempt("a", 1, 2, pulled=8, runs=20)
    assert of(row) == (2000, 6000, 14000, 34000)
    assert of({**row, "stopped_at": at(35)}) == (2000, 6000, 14000, 35000)


def test_an_attempt_without_ecs_s_times_has_those_of_its_job() -> None:
    old = {"status": "Completed", "start_time": at(5), "exec_time_in_seconds": 2.5, "update_time": at(7.6)}
    assert of(old) == (None, None, 5000, 7500)
    assert of({"status": "Running", "start_time": at(5)}) == (None, None, 5000, None)


def test_one_that_never_started_was_queued_and_ended() -> None:
    row = {"status": "Failed", "start_time": at(1), "update_time": at(9)}
    assert of(row) == (1000, None, None, 9000)
    assert of({"status": "Submitted", "start_time": at(1), "update_time": at(1)}) == (1000, None, None, None)
    assert of({"status": "Completed"}) == (None, None, None, None)


def test_no_phase_ends_before_it_began_where_clocks_differ() -> None:
    row = attempt("a", 1, 2) | {"started_at": at(5), "stopped_at": at(4)}
    assert of(row) == (2000, 6000, 6000, 6000)


def test_a_phase_lasts_until_the_next_one_that_is_known() -> None:
    assert Phases(0, 10, 30, 60).spans(99) == [(0, 0, 10), (1, 10, 30), (2, 30, 60)]
    assert Phases(0, None, 30, None).spans(99) == [(0, 0, 30), (2, 30, 99)]
    assert Phases(None, None, None, 60).spans(99) == []


def test_concurrency_counts_every_phase_at_each_change() -> None:
    curve = concurrency([Phases(0, 10, 20, 40), Phases(0, 10, 30, None)], until=50)
    assert curve.times == [0, 10, 20, 30, 40, 50]
    assert curve.queued == [2, 0, 0, 0, 0, 0]
    assert curve.pulling == [0, 2, 1, 0, 0, 0]
    assert curve.running == [0, 0, 1, 2, 1, 0]
    assert (curve.most, curve.most_running) == (2, 2)
    assert concurrency([], until=50) == ([], [], [], [], 0, 0)


def test_a_long_curve_is_thinned_and_its_peak_is_exact() -> None:
    short = Phases(None, None, 100_001, 100_002)
    many = [Phases(None, None, 100 * number, 100 * number + 40) for number in range(2000)]
    curve = concurrency([*many, *[short] * 7], until=200_000)
    assert len(curve.times) <= MOST_POINTS and curve.times == sorted(set(curve.times))
    assert curve.most == curve.most_running == 8 and curve.running[-1] == 0 and curve.times[-1] == 199_940
