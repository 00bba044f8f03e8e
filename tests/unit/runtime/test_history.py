"""The history of an execution: what the kit's state machines use of its 25,000 events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import state_machines
from runtime.workflow import failures, history
from runtime.workflow.errors import SpecRefused
from runtime.workflow.settings import Settings, from_json
from tests.unit.runtime.fakes import execution, settings_json, spec


def settings(**changes: Any) -> Settings:
    return from_json(settings_json(2, **changes))


def test_about_two_thousand_tasks_fit_where_each_has_one_attempt() -> None:
    assert 2_000 < history.longest_task_list(settings(runTimeoutSeconds=21_600)) < 2_500


def test_fewer_fit_with_more_attempts_and_with_more_looks() -> None:
    assert history.longest_task_list(settings(taskAttempts=2)) < history.longest_task_list(settings()) // 2
    assert history.longest_task_list(settings(runTimeoutSeconds=129_600)) < history.longest_task_list(settings())


@given(st.integers(60, 129_600), st.integers(1, 10))
def test_the_longest_list_fits_with_every_attempt_and_every_look(run_timeout: int, attempts: int) -> None:
    given = settings(runTimeoutSeconds=run_timeout, taskAttempts=attempts)
    tasks = history.longest_task_list(given)
    per_task = history.EVENTS_PER_TASK + (attempts - 1) * history.EVENTS_PER_ATTEMPT
    looks = history.looks(run_timeout) * history.EVENTS_PER_LOOK
    assert tasks * per_task + looks + history.RESERVED <= history.EVENTS


@given(st.integers(60, 129_600))
def test_a_run_of_pattern_1_may_launch_after_every_look(run_timeout: int) -> None:
    events = history.looks(run_timeout) * (history.EVENTS_PER_LOOK + history.EVENTS_PER_RELAUNCH)
    assert events + history.RESERVED <= history.EVENTS


@given(st.integers(1, 2_000), st.integers(3_600, 129_600), st.integers(1, 3))
def test_waits_for_capacity_that_never_comes_fit_until_the_deadline(
    tasks: int, run_timeout: int, attempts: int
) -> None:
    given = settings(runTimeoutSeconds=run_timeout, taskAttempts=attempts)
    tasks = min(tasks, history.longest_task_list(given))
    waiting = history.concurrency(given, tasks)
    due = [0.0] * waiting
    waits = 0
    while (now := min(due)) < run_timeout:
        waits += 1
        wait = history.rationed_wait_seconds(
            history.capacity_wait_seconds(now),
            given,
            number_of_tasks=tasks,
            waits_so_far=waits,
            remaining_seconds=run_timeout - now,
        )
        assert wait >= 10 or wait >= run_timeout - now - 1
        due[due.index(now)] = now + max(1, wait)
    per_task = history.EVENTS_PER_TASK + (attempts - 1) * history.EVENTS_PER_ATTEMPT
    used = history.looks(run_timeout) * history.EVENTS_PER_LOOK + tasks * per_task
    slack = 2 * waiting * history.EVENTS_PER_CAPACITY_WAIT
    assert used + waits * history.EVENTS_PER_CAPACITY_WAIT <= history.EVENTS + slack


@pytest.mark.parametrize(("waited", "wait"), [(0, 10), (10, 10), (20, 20), (400, 400), (900, 900), (20_000, 900)])
def test_a_wait_for_capacity_is_as_long_as_what_was_waited_already(waited: int, wait: int) -> None:
    assert history.capacity_wait_seconds(waited) == wait


def test_a_list_that_does_not_fit_is_refused_with_the_limit_and_what_to_do(world: Callable[..., Any]) -> None:
    w = world(2)
    limit = history.longest_task_list(w.settings)
    with pytest.raises(
        SpecRefused, match=rf"\$\.taskList: has {limit + 1} tasks; {limit} is the most .* use pattern 1"
    ):
        w.monitor.register({"execution": execution(), "spec": spec(2, tasks=limit + 1)})
    assert w.summary() is None
    w.monitor.register({"execution": execution(), "spec": spec(2, tasks=limit)})
    assert w.summary().number_of_tasks == limit


def test_pattern_1_has_no_such_limit(world: Callable[..., Any]) -> None:
    w = world(1)
    limit = history.longest_task_list(w.settings)
    w.ecs.answers = [RuntimeError("only the registration is of interest")]
    with pytest.raises(RuntimeError, match="only the registration"):
        w.launcher.launch({"execution": execution(), "spec": spec(1, tasks=limit + 1)}, lambda: 300)
    assert w.summary().number_of_tasks == limit + 1


def test_state_machine_and_functions_agree_on_what_both_know() -> None:
    assert tuple(state_machines.TRANSIENT_ECS_ERRORS) == failures.TRANSIENT_ECS_ERRORS
    assert state_machines.INLINE_MAP_CONCURRENCY == history.INLINE_MAP_CONCURRENCY
