"""The launcher: every task once, none too many, none for a run that has ended."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.contract.attempts import Launch
from ecs_kit.runtime.contract.clock import from_iso, to_iso
from ecs_kit.runtime.contract.errors import PayloadInvalid, RedriveRefused, RunIdInUse, SpecRefused
from ecs_kit.runtime.contract.records import Counts
from ecs_kit.runtime.contract.rows import new_row
from ecs_kit.runtime.contract.specs import TaskEntry
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from ecs_kit.runtime.launcher import answers, launcher
from ecs_kit.runtime.launcher.answers import Outcome
from ecs_kit.runtime.launcher.rate_limiter import RateLimiter
from tests.unit.runtime.fakes import EXECUTION, FakeClock, client_error, execution, infrastructure, spec

THROTTLED = client_error("ThrottlingException", "Rate exceeded")
QUOTA = "You've reached the limit on the number of vCPUs you can run concurrently"
FULL = client_error("ClientException", "Capacity is unavailable at this time. Please try again later")
DROPPED = ConnectionClosedError(endpoint_url="https://ecs")


def providers(w: Any) -> list[str]:
    """Return which capacity providers were asked, in order."""
    return [call["capacityProviderStrategy"][0]["capacityProvider"] for call in w.ecs.calls]


def payload(tasks: int = 3, arn: str = EXECUTION, redrive_count: int = 0, **changes: Any) -> dict[str, Any]:
    return {"action": "launch", "execution": execution(arn, redrive_count), "spec": spec(tasks=tasks, **changes)}


def plenty() -> float:
    return 300


class TestAnswers:
    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (THROTTLED, Outcome.BUSY),
            (client_error("ClientException", "Capacity is unavailable at this time."), Outcome.BUSY),
            (client_error("InvalidParameterException", "Rate exceeded for RunTask"), Outcome.BUSY),
            (client_error("InvalidParameterException", "Request limit exceeded. (RequestLimitExceeded)"), Outcome.BUSY),
            (client_error("ClientException", f"{QUOTA}."), Outcome.BUSY),
            (client_error("InvalidParameterException", "TaskDefinition is inactive"), Outcome.REFUSED),
            (client_error("AccessDeniedException", "not authorized to perform iam:PassRole"), Outcome.REFUSED),
            (client_error("ServerException", "", status=500), Outcome.UNCERTAIN),
            (client_error("BadGateway", "", status=502), Outcome.UNCERTAIN),
            (client_error("ConflictException", "parameters differ"), Outcome.REFUSED),
            (ReadTimeoutError(endpoint_url="https://ecs"), Outcome.UNCERTAIN),
            (DROPPED, Outcome.UNCERTAIN),
        ],
    )
    def test_errors_are_told_apart(self, error: Exception, outcome: Outcome) -> None:
        assert answers.of_error(error).outcome is outcome

    def test_a_conflict_names_the_task_that_the_token_started(self) -> None:
        answer = answers.of_error(client_error("ConflictException", resourceIds=["arn:task/1"]))
        assert (answer.outcome, answer.ecs_task_arn) == (Outcome.STARTED, "arn:task/1")

    @pytest.mark.parametrize(
        ("failures", "outcome", "reason"),
        [
            ([{"reason": "RESOURCE:MEMORY"}], Outcome.NOT_PLACED, "RESOURCE:MEMORY"),
            ([{"reason": "AGENT", "detail": "gone"}], Outcome.NOT_PLACED, "AGENT gone"),
            ([{"reason": "Capacity is unavailable at this time"}], Outcome.NOT_PLACED, "Capacity"),
            ([{"reason": QUOTA}], Outcome.NOT_PLACED, "vCPUs"),
            ([{"reason": "ATTRIBUTE"}], Outcome.REFUSED, "ATTRIBUTE"),
            ([], Outcome.NOT_PLACED, "no task and no reason"),
        ],
    )
    def test_failures_are_told_apart(self, failures: list[Any], outcome: Outcome, reason: str) -> None:
        answer = answers.of_response({"tasks": [], "failures": failures})
        assert answer.outcome is outcome and reason in answer.reason

    def test_tokens_are_64_ascii_characters_and_differ_with_each_part(self) -> None:
        tokens = {
            answers.client_token("wf", 1, "a", 1, (0, 0)),
            answers.client_token("wg", 1, "a", 1, (0, 0)),
            answers.client_token("wf", 2, "a", 1, (0, 0)),
            answers.client_token("wf", 1, "b", 1, (0, 0)),
            answers.client_token("wf", 1, "a", 2, (0, 0)),
            answers.client_token("wf", 1, "a", 1, (0, 1)),
            answers.client_token("wf", 1, "a", 1, (1, 0)),
        }
        assert len(tokens) == 7 and {len(token) for token in tokens} == {64}
        assert answers.client_token("wf", 1, "a", 1, (0, 0)) in tokens

    def test_pauses_have_full_jitter_and_a_bound(self) -> None:
        rng = random.Random(0)
        pauses = [[waits.backoff_seconds(tries, rng) for _ in range(200)] for tries in range(1, 10)]
        bounds = [0.5, 1, 2, 4, 8, 10, 10, 10, 10]
        for values, bound in zip(pauses, bounds, strict=True):
            assert 0 <= min(values) < 0.1 * bound and 0.9 * bound < max(values) <= bound


class TestRateLimiter:
    def test_lets_a_burst_through_and_then_twenty_a_second(self, clock: FakeClock) -> None:
        limiter = RateLimiter(clock)
        for _ in range(20):
            limiter.wait()
        assert clock.slept == []
        for _ in range(40):
            limiter.wait()
        assert sum(clock.slept) == pytest.approx(2.0, abs=0.06)

    def test_fills_again(self, clock: FakeClock) -> None:
        limiter = RateLimiter(clock)
        for _ in range(20):
            limiter.wait()
        clock.advance(10)
        for _ in range(20):
            limiter.wait()
        assert clock.slept == []


class TestLaunching:
    def test_starts_one_ecs_task_per_task_and_records_it(self, world: Callable[..., Any]) -> None:
        w = world()
        result = w.launcher.launch(payload(), plenty)
        assert result == {
            "runId": str(w.run_id),
            "workflowName": "copying",
            "numberOfTasks": 3,
            "launched": 3,
            "remaining": 0,
            "again": False,
            "waitSeconds": 1,
            "deadline": "2026-11-24T04:50:44.120Z",
        }
        rows = w.rows()
        assert [row.task_name for row in rows] == ["task_01", "task_02", "task_03"]
        assert {row.status for row in rows} == {TaskStatus.SUBMITTED}
        assert {row.ecs_task_id for row in rows} == set(w.ecs.tasks)
        assert rows[0].source_uri == "s3://kit-1/in/1.txt"
        assert rows[0].target_uri == f"s3://kit-1/copies/copying/{w.run_id}/task_01/1.txt"
        assert rows[0].log_stream == "ecs/app/" + rows[0].ecs_task_id.rsplit("/", 1)[-1]

    def test_asks_ecs_for_what_the_spec_and_the_stack_say(self, world: Callable[..., Any]) -> None:
        w = world()
        w.launcher.launch(payload(1, subnetIdLiteral="subnet-2"), plenty)
        (call,) = w.ecs.calls
        assert (call["cluster"], call["taskDefinition"], call["launchType"]) == ("kit-1", "kit-1:7", "FARGATE")
        assert (call["startedBy"], call["group"]) == (str(w.run_id), f"run-{w.run_id}")
        assert call["networkConfiguration"]["awsvpcConfiguration"] == {
            "subnets": ["subnet-2"],
            "securityGroups": ["sg-tasks"],
            "assignPublicIp": "DISABLED",
        }
        assert "tags" not in call

    @pytest.mark.parametrize(("share", "on_spot"), [(1, []), (25, [3]), (50, [1, 3]), (100, [0, 1, 2, 3])])
    def test_a_share_of_the_tasks_runs_on_spot_capacity(
        self, world: Callable[..., Any], share: int, on_spot: list[int]
    ) -> None:
        w = world(spotShare=share)
        w.launcher.launch(payload(4), plenty)
        assert not any("launchType" in call for call in w.ecs.calls)
        assert [call["capacityProviderStrategy"] for call in w.ecs.calls] == [
            [{"capacityProvider": "FARGATE_SPOT" if number in on_spot else "FARGATE", "weight": 1}]
            for number in range(4)
        ]

    def test_spot_and_on_demand_capacity_take_turns_from_wait_to_wait(self, world: Callable[..., Any]) -> None:
        w = world(spotShare=100)
        asked = []
        for _ in range(3):
            before = len(w.ecs.calls)
            w.ecs.answers = [FULL] * 200
            assert w.launcher.launch(payload(1), plenty)["launched"] == 0
            asked.append({call["capacityProviderStrategy"][0]["capacityProvider"] for call in w.ecs.calls[before:]})
            w.clock.advance(900)
        assert asked == [{"FARGATE_SPOT"}, {"FARGATE"}, {"FARGATE_SPOT"}]

    @pytest.mark.parametrize("tasks", [1, 60])
    def test_tasks_for_which_spot_has_no_room_run_on_demand(self, world: Callable[..., Any], tasks: int) -> None:
        w = world(spotShare=100)
        w.ecs.refuses = lambda request: FULL if "FARGATE_SPOT" in str(request) else None
        assert w.launcher.launch(payload(tasks), plenty)["launched"] == 0
        w.clock.advance(60)
        assert w.launcher.launch(payload(tasks), plenty)["launched"] == tasks

    def test_on_demand_capacity_is_asked_at_once_where_ecs_says_that_it_placed_nothing(
        self, world: Callable[..., Any]
    ) -> None:
        w = world(spotShare=100)
        w.ecs.answers = [[{"reason": QUOTA}], None]
        assert w.launcher.launch(payload(1), plenty)["launched"] == 1
        assert providers(w) == ["FARGATE_SPOT", "FARGATE"]

    def test_on_demand_capacity_stays_first_where_spot_had_none(self, world: Callable[..., Any]) -> None:
        w = world(spotShare=100, maxConcurrency=1)
        w.ecs.answers = [FULL] * 200
        w.launcher.launch(payload(3), plenty)
        w.ecs.answers, w.ecs.calls = [], []
        for _ in range(3):
            w.clock.advance(60)
            w.launcher.launch(payload(3), plenty)
            w.details.write(replace(w.rows()[-1], status=TaskStatus.COMPLETED))
        assert providers(w) == ["FARGATE"] * 3

    def test_full_on_demand_capacity_changes_no_turn_where_spot_s_share_has_started(
        self, world: Callable[..., Any]
    ) -> None:
        w = world(spotShare=50)
        w.ecs.refuses = lambda request: None if "FARGATE_SPOT" in str(request) else FULL
        assert w.launcher.launch(payload(4), plenty)["launched"] == 2
        assert w.summary().capacity_waits == 1 and not w.summary().on_demand_first

    def test_a_launch_without_an_answer_is_found_where_a_concurrent_call_begins_a_wait(
        self, world: Callable[..., Any]
    ) -> None:
        w = world()
        w.ecs.answers, w.ecs.lost_answers = [None], [DROPPED]
        sleep = w.clock.sleep

        def wait_meanwhile(seconds: float) -> None:
            w.clock.sleep = sleep
            now = to_iso(w.clock.now())
            w.summaries.wait_for_capacity(w.summary(), now, "full", launch_after=now)
            sleep(seconds)

        w.clock.sleep = wait_meanwhile
        w.launcher.launch(payload(1), plenty)
        w.clock.advance(60)
        w.launcher.launch(payload(1), plenty)
        assert [row.ecs_task_id for row in w.rows()] == list(w.ecs.tasks) and len(w.ecs.tasks) == 1

    @pytest.mark.parametrize(
        ("share", "refusal"), [(100, client_error("ThrottlingException", "Rate exceeded")), (0, FULL)]
    )
    def test_throttling_changes_no_turn_and_neither_does_a_wait_without_spot(
        self, world: Callable[..., Any], share: int, refusal: Exception
    ) -> None:
        w = world(spotShare=share)
        w.ecs.answers = [refusal] * 200
        w.launcher.launch(payload(1), plenty)
        assert w.summary().capacity_waits == 1 and not w.summary().on_demand_first

    def test_a_task_without_room_that_an_earlier_call_started_is_found_before_other_tokens_are_used(
        self, world: Callable[..., Any]
    ) -> None:
        w = world(maxConcurrency=1)
        w.ecs.answers, w.ecs.lost_answers = [None], [DROPPED]
        w.launcher.launch(payload(3), lambda: 10.0)
        assert len(w.ecs.tasks) == 1 and w.rows() == []
        plan = w.launcher._plan

        def another_first(registration: Any) -> Any:
            (first,), (second, third) = plan(registration)
            return [second], [first, third]

        w.launcher._plan = another_first
        w.ecs.answers = [FULL] * 200
        w.launcher.launch(payload(3), plenty)
        assert [row.ecs_task_id for row in w.rows()] == list(w.ecs.tasks)
        assert w.summary().capacity_waits == 1

    def test_a_call_without_an_answer_keeps_its_turn_and_its_token(self, world: Callable[..., Any]) -> None:
        w = world(spotShare=100)
        w.ecs.answers = [FULL] * 200
        w.launcher.launch(payload(2), plenty)
        w.clock.advance(60)
        w.ecs.answers, w.ecs.calls = [None, DROPPED], []
        time_left = iter([300.0, 300.0, 10.0])
        assert w.launcher.launch(payload(2), lambda: next(time_left, 10.0))["remaining"] == 1
        w.launcher.launch(payload(2), plenty)
        assert providers(w) == ["FARGATE"] * 3
        assert w.ecs.calls[1] == w.ecs.calls[2]

    def test_a_call_that_is_made_again_asks_for_the_same_capacity_with_the_same_token(
        self, world: Callable[..., Any]
    ) -> None:
        w = world(spotShare=100)
        w.ecs.answers = [FULL] * 200
        w.launcher.launch(payload(1), plenty)
        w.clock.advance(60)
        w.ecs.answers = []
        w.ecs.lost_answers = [DROPPED]
        w.launcher.launch(payload(1), plenty)
        first, second = w.ecs.calls[-2:]
        assert first == second and len(w.ecs.tasks) == 1

    def test_a_further_attempt_runs_on_demand(self) -> None:
        entry = TaskEntry("a", "sources", "in/a.txt")
        assert [Launch(entry, attempt).capacity_provider(100, 0) for attempt in (1, 2, 3)] == [
            "FARGATE_SPOT",
            "FARGATE",
            "FARGATE",
        ]

    def test_registers_the_run_before_anything_is_launched(self, world: Callable[..., Any]) -> None:
        w = world()
        seen = []
        w.ecs.after_run_task = lambda _: seen.append(w.summary())
        w.launcher.launch(payload(1), plenty)
        (before,) = seen
        assert (before.number_of_tasks, before.status, before.launching_ended) == (1, RunStatus.RUNNING, False)
        assert w.summary().launching_ended

    def test_launches_nothing_again_when_called_again(self, world: Callable[..., Any]) -> None:
        w = world()
        w.launcher.launch(payload(), plenty)
        assert w.launcher.launch(payload(), plenty)["launched"] == 0
        assert len(w.ecs.tasks) == 3

    def test_goes_on_after_a_crash_between_the_call_and_its_row(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()

        def crash(_: object) -> None:
            raise RuntimeError("killed")

        with monkeypatch.context() as patched:
            patched.setattr(w.details, "put_new", crash)
            with pytest.raises(RuntimeError):
                w.launcher.launch(payload(), plenty)
        w.launcher.launch(payload(), plenty)
        assert len(w.ecs.tasks) == len(w.rows()) == 3

    def test_keeps_the_row_of_a_task_that_was_faster(self, world: Callable[..., Any]) -> None:
        w = world()

        def finish(arn: str) -> None:
            registration, launch = REGISTERED
            row = new_row(
                launcher._attempt(registration, launch),
                registration.settings.target,
                TaskStatus.COMPLETED,
                ecs_task_arn=arn,
                now=w.clock.now(),
            )
            w.details.write(row)

        REGISTERED: list[Any] = []
        original = w.launcher._run_task

        def spy(registration: Any, item: Any) -> Any:
            REGISTERED[:] = [registration, item.launch]
            return original(registration, item)

        w.launcher._run_task = spy
        w.ecs.after_run_task = finish
        w.launcher.launch(payload(2), plenty)
        assert {row.status for row in w.rows()} == {TaskStatus.COMPLETED}

    def test_leaves_the_rest_for_another_call_when_time_runs_out(self, world: Callable[..., Any]) -> None:
        w = world()
        first = w.launcher.launch(payload(5), lambda: 300 if len(w.ecs.calls) < 2 else 44)
        assert (first["launched"], first["remaining"]) == (2, 3)
        assert not w.summary().launching_ended
        second = w.launcher.launch(payload(5), plenty)
        assert (second["launched"], second["remaining"]) == (3, 0)
        assert len(w.ecs.tasks) == 5

    def test_makes_progress_however_little_time_there_is(self, world: Callable[..., Any]) -> None:
        w = world()
        assert w.launcher.launch(payload(2), lambda: 0)["launched"] == 1


class TestFaults:
    def test_throttling_of_the_first_twenty_calls_is_outlasted(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [THROTTLED] * 20
        w.launcher.launch(payload(10), plenty)
        assert [row.status for row in w.rows()] == [TaskStatus.SUBMITTED] * 10

    def test_a_call_whose_answer_is_lost_starts_nothing_twice(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.lost_answers = [DROPPED] * 7
        w.launcher.launch(payload(10), plenty)
        assert len(w.ecs.tasks) == len(w.rows()) == 10

    def test_the_token_changes_only_after_a_definite_failure(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [THROTTLED, [{"reason": "RESOURCE:CPU"}], None]
        w.launcher.launch(payload(1), plenty)
        tokens = [call["clientToken"] for call in w.ecs.calls]
        assert len(tokens) == 3 and tokens[0] == tokens[1] != tokens[2]

    def test_a_task_is_found_even_if_no_answer_ever_came(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.lost_answers = [DROPPED] * 8
        assert w.launcher.launch(payload(1), plenty)["launched"] == 1
        (row,) = w.rows()
        assert row.status is TaskStatus.SUBMITTED and row.was_started

    def test_a_refusal_does_not_hide_a_task_that_an_earlier_call_started(self, world: Callable[..., Any]) -> None:
        w = world()
        run_task = w.ecs.run_task

        def refused_once_it_runs(**request: Any) -> Any:
            if w.ecs.tasks:
                raise client_error("AccessDeniedException", "the role's policy has changed meanwhile")
            run_task(**request)
            raise DROPPED

        w.ecs.run_task = refused_once_it_runs
        assert w.launcher.launch(payload(1), plenty)["launched"] == 1
        assert [row.ecs_task_id for row in w.rows()] == list(w.ecs.tasks)

    def test_calls_that_all_fail_end_in_failed_rows_with_the_reason(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [DROPPED] * 1000
        result = w.launcher.launch(payload(10), plenty)
        assert (result["launched"], result["remaining"]) == (0, 0)
        rows = w.rows()
        assert [row.ecs_task_id for row in rows] == [f"not-started/task_{n:02}/1" for n in range(1, 11)]
        assert {row.status for row in rows} == {TaskStatus.FAILED}
        assert rows[0].error.startswith(
            "RunTaskFailed: ECS did not start the task after 8 calls: ConnectionClosedError"
        )
        assert len(w.ecs.calls) == 80 and sum(w.clock.slept) < 120

    def test_what_ecs_refuses_is_not_asked_again(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [client_error("ClientException", "TaskDefinition is inactive")]
        w.launcher.launch(payload(1), plenty)
        (row,) = w.rows()
        assert row.error == (
            "RunTaskRefused: ECS did not start the task after 1 call: ClientException: TaskDefinition is inactive"
        )

    @pytest.mark.no_cover  # thousands of calls: to count their lines takes as long again
    def test_calls_for_more_tasks_than_one_call_of_the_launcher_can_try_out_come_to_an_end(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        w.ecs.answers = [DROPPED] * 10_000
        monkeypatch.setattr(waits, "ROUND_ROBIN_SECONDS", 10.0)
        w.launcher.launch(payload(200), lambda: 0)
        found = w.summary()
        with monkeypatch.context() as patched:
            patched.setattr(w.summaries, "get", lambda *_: found)  # asking each time takes a minute
            remaining = self.launch_until_nothing_remains(w)
        assert remaining[0] > 0 and w.summary().launching_ended
        (error,) = {row.error for row in w.rows()}
        assert error.startswith("RunTaskFailed: ECS did not start the task after 8 calls: ConnectionClosedError: ")
        assert len(w.rows()) == 200

    def launch_until_nothing_remains(self, w: Any) -> list[int]:
        remaining: list[int] = []
        while remaining[-1:] != [0]:
            end = w.clock.now() + timedelta(seconds=waits.RESERVE_SECONDS + 240)
            result = w.launcher.launch(payload(200), lambda: (end - w.clock.now()).total_seconds())  # noqa: B023
            remaining.append(result["remaining"])
            assert len(remaining) < 5, remaining
        return remaining

    def test_a_slow_task_does_not_hold_up_the_others(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [THROTTLED]
        w.launcher.launch(payload(3), plenty)
        assert [row.task_name for row in sorted(w.rows(), key=lambda row: row.ecs_task_id)] == [
            "task_02",
            "task_03",
            "task_01",
        ]


class TestEndedRuns:
    def end(self, w: Any) -> None:
        w.summaries.finish(w.summary(), RunStatus.ABORTED, Counts(0, 3, 0), to_iso(w.clock.now()))

    def test_what_was_just_started_is_stopped(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.after_run_task = lambda _: self.end(w) if len(w.ecs.tasks) == 2 else None
        result = w.launcher.launch(payload(5), plenty)
        assert (result["launched"], result["remaining"], len(w.ecs.tasks)) == (2, 0, 2)
        assert [arn for arn, _ in w.ecs.stopped] == [list(w.ecs.tasks)[1]]
        assert w.rows()[1].error == "RunEnded: the run ended while this task was launched"
        assert w.summary().status is RunStatus.ABORTED

    def test_nothing_is_launched_that_was_to_be_asked_for_again_when_it_ended(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        w.ecs.answers = [THROTTLED]
        sleep = w.clock.sleep
        monkeypatch.setattr(w.clock, "sleep", lambda seconds: (sleep(seconds), self.end(w)))
        result = w.launcher.launch(payload(1), plenty)
        assert (result["launched"], result["remaining"], len(w.ecs.calls), w.ecs.stopped) == (0, 0, 1, [])

    def test_nothing_is_launched_after_the_end(self, world: Callable[..., Any]) -> None:
        w = world()
        w.launcher.launch(payload(1), plenty)
        self.end(w)
        result = w.launcher.launch(payload(1), plenty)
        assert (result["launched"], result["remaining"], len(w.ecs.calls)) == (0, 0, 1)

    def test_nothing_is_launched_if_the_run_ends_in_between(
        self, world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world()
        monkeypatch.setattr(w.launcher, "_plan", self.ending(w, w.launcher._plan))
        w.launcher.launch(payload(1), plenty)
        assert w.ecs.calls == [] and w.ecs.stopped == []

    def ending(self, w: Any, plan: Any) -> Any:
        def end_then_plan(registration: Any) -> Any:
            self.end(w)
            return plan(registration)

        return end_then_plan


class TestCapacity:
    """ECS has no room for a while: the run waits, at most until its deadline."""

    def test_a_full_quota_puts_the_rest_off_and_says_since_when(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [None, *[client_error("ClientException", QUOTA)] * 1000]
        result = w.launcher.launch(payload(3), plenty)
        assert (result["launched"], result["remaining"], result["again"]) == (1, 2, False)
        assert sum(w.clock.slept) < 60 and len(w.rows()) == 1
        summary = w.summary()
        assert summary.waiting_since == to_iso(w.clock.now()) and summary.capacity_waits == 1
        assert not summary.launching_ended

    def test_waits_grow_to_a_quarter_of_an_hour(self, world: Callable[..., Any]) -> None:
        w = world(runTimeoutSeconds=21600)
        w.ecs.answers = [[{"reason": QUOTA}]] * 100_000
        waits = []
        for _ in range(12):
            w.launcher.launch(payload(1), plenty)
            waits.append((from_iso(w.summary().launch_after) - w.clock.now()).total_seconds())
            w.clock.advance(waits[-1])
        assert waits == sorted(waits, key=round) and (round(waits[0]), round(waits[-1])) == (10, 900)
        assert all(later <= 2 * earlier + 20 for earlier, later in itertools.pairwise(waits))
        assert w.rows() == []

    def test_a_call_that_comes_too_early_asks_nothing(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [client_error("ClientException", QUOTA)] * 1000
        w.launcher.launch(payload(1), plenty)
        calls = len(w.ecs.calls)
        result = w.launcher.launch(payload(1), plenty)
        assert (result["remaining"], result["again"], len(w.ecs.calls)) == (1, False, calls)

    def test_launches_when_there_is_room_again_and_forgets_the_wait(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [[{"reason": QUOTA}]] * 1000
        w.launcher.launch(payload(2), plenty)
        w.ecs.answers = []
        w.clock.advance(10)
        assert w.launcher.launch(payload(2), plenty)["launched"] == 2
        assert (w.summary().waiting_since, w.summary().launch_after) == (None, None)
        assert len(w.ecs.tasks) == len(w.rows()) == 2 and w.summary().launching_ended

    def test_a_wait_that_follows_on_some_room_is_short_again(self, world: Callable[..., Any]) -> None:
        w = world(runTimeoutSeconds=21600)
        w.ecs.answers = [[{"reason": QUOTA}]] * 1000
        for _ in range(5):
            w.launcher.launch(payload(2), plenty)
            w.clock.advance(900)
        w.ecs.answers = [None, *[[{"reason": QUOTA}]] * 1000]
        assert w.launcher.launch(payload(2), plenty)["launched"] == 1
        now = w.clock.now()
        assert w.summary().waiting_since == to_iso(now)
        assert from_iso(w.summary().launch_after) - from_iso(to_iso(now)) <= timedelta(seconds=10)

    def test_a_later_call_does_not_have_the_old_refusal_replayed(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [[{"reason": QUOTA}]] * 1000
        w.launcher.launch(payload(1), plenty)
        before = {call["clientToken"] for call in w.ecs.calls}
        w.ecs.answers = []
        w.clock.advance(10)
        w.launcher.launch(payload(1), plenty)
        assert w.ecs.calls[-1]["clientToken"] not in before

    def test_a_task_that_a_broken_call_started_is_found_before_other_tokens_are_used(
        self, world: Callable[..., Any]
    ) -> None:
        w = world()
        run_task = w.ecs.run_task

        def started_without_an_answer(**request: Any) -> Any:
            if w.ecs.tasks:
                raise client_error("ClientException", QUOTA)
            run_task(**request)
            raise DROPPED

        w.ecs.run_task = started_without_an_answer
        assert w.launcher.launch(payload(1), plenty)["launched"] == 1
        assert [row.ecs_task_id for row in w.rows()] == list(w.ecs.tasks)
        assert w.summary().waiting_since is None

    def test_a_second_call_at_the_same_time_stops_where_the_first_put_the_rest_off(
        self, world: Callable[..., Any]
    ) -> None:
        w = world()
        later = to_iso(w.clock.now() + timedelta(seconds=10))
        w.ecs.after_run_task = lambda _: w.summaries.wait_for_capacity(
            w.summary(), to_iso(w.clock.now()), "full", launch_after=later
        )
        result = w.launcher.launch(payload(3), plenty)
        assert (result["launched"], result["remaining"]) == (1, 2)
        assert not w.launcher.launch(payload(3), plenty)["again"]

    @pytest.mark.parametrize("status", [TaskStatus.COMPLETED, TaskStatus.FAILED])
    def test_an_attempt_that_ends_ends_the_wait_for_the_others(
        self, world: Callable[..., Any], status: TaskStatus
    ) -> None:
        w = world(taskAttempts=2)
        w.ecs.answers = [None, *[client_error("ClientException", QUOTA)] * 1000]
        w.launcher.launch(payload(3), plenty)
        look = {"execution": execution(), "workflowName": "copying", "runId": str(w.run_id)}
        assert not w.monitor.monitor(look)["relaunch"]
        w.clock.advance(1)
        ended = replace(w.rows()[0], status=status, error="JobFailed: x", update_time=to_iso(w.clock.now()))
        w.details.write(ended)
        w.ecs.end(ended.ecs_task_id)
        assert w.monitor.monitor(look)["relaunch"]
        w.ecs.answers = []
        assert w.launcher.launch(payload(3), plenty)["launched"] == 2

    def test_the_job_of_an_older_task_that_begins_does_not(self, world: Callable[..., Any]) -> None:
        w = world()
        w.ecs.answers = [None, *[client_error("ClientException", QUOTA)] * 1000]
        w.launcher.launch(payload(3), plenty)
        w.clock.advance(5)
        began = to_iso(w.clock.now())
        w.details.write(replace(w.rows()[0], status=TaskStatus.RUNNING, start_time=began, update_time=began))
        w.monitor.monitor({"execution": execution(), "workflowName": "copying", "runId": str(w.run_id)})
        assert w.summary().waiting_since and w.summary().launch_after and QUOTA in w.summary().waiting_reason

    def test_launches_are_paced_as_looks_are(self, world: Callable[..., Any]) -> None:
        w = world(maxConcurrency=1, runTimeoutSeconds=21600)
        pauses = []
        for _ in range(3):
            pauses.append(w.launcher.launch(payload(9), plenty)["waitSeconds"])
            w.clock.advance(100)
        w.clock.advance(3600)
        pauses.append(w.launcher.launch(payload(9), plenty)["waitSeconds"])
        assert pauses == [1, 6, 13, 16]

    def test_no_more_than_max_concurrency_are_under_way(self, world: Callable[..., Any]) -> None:
        w = world(maxConcurrency=2)
        first = w.launcher.launch(payload(5), plenty)
        assert (first["launched"], first["remaining"], first["again"]) == (2, 3, False)
        assert not w.summary().launching_ended
        look = {"execution": execution(), "workflowName": "copying", "runId": str(w.run_id)}
        assert not w.monitor.monitor(look)["relaunch"], "there is no room"
        assert w.launcher.launch(payload(5), plenty)["launched"] == 0
        w.details.write(replace(w.rows()[0], status=TaskStatus.COMPLETED))
        assert w.monitor.monitor(look)["relaunch"]
        assert w.launcher.launch(payload(5), plenty)["launched"] == 1
        for _ in range(4):
            for row in w.rows():
                w.details.write(replace(row, status=TaskStatus.COMPLETED))
            last = w.launcher.launch(payload(5), plenty)
        assert last["remaining"] == 0 and len(w.ecs.tasks) == 5 and w.summary().launching_ended


class TestDeployments:
    """A run keeps what it was registered with."""

    def test_a_further_attempt_uses_the_revision_of_the_run(self, world: Callable[..., Any]) -> None:
        before = world(taskAttempts=2)
        before.launcher.launch(payload(1), plenty)
        (row,) = before.rows()
        before.details.write(replace(row, status=TaskStatus.FAILED, error="JobFailed: x"))
        before.clock.advance(60)
        attributes = {**infrastructure(), "taskDefinition": "kit-1:8", "subnetIdLiteral": "subnet-8", "separator": "$"}
        after = world(taskAttempts=1, infrastructure=attributes, targetPrefix="elsewhere")
        after.clock.advance(60)
        after.ecs._numbers = itertools.count(100)
        assert after.launcher.launch(payload(1), plenty)["launched"] == 1
        (call,) = after.ecs.calls
        assert call["taskDefinition"] == "kit-1:7"
        assert call["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-1", "subnet-2"]
        assert after.rows()[1].target_uri == f"s3://kit-1/copies/copying/{after.run_id}/task_01/1.txt"

    def test_the_deadline_stays(self, world: Callable[..., Any]) -> None:
        first = world().launcher.launch(payload(1), plenty)
        again = world(runTimeoutSeconds=120).launcher.launch(payload(1), plenty)
        assert first["deadline"] == again["deadline"]

    def test_a_new_run_needs_the_new_revision(self, world: Callable[..., Any]) -> None:
        attributes = {**infrastructure(), "taskDefinition": "kit-1:8", "separator": "$"}
        with pytest.raises(SpecRefused, match="kit-1:8"):
            world(infrastructure=attributes).launcher.launch(payload(1), plenty)


class TestExpiry:
    def test_items_name_the_time_after_which_they_may_go(self, world: Callable[..., Any]) -> None:
        w = world(recordRetentionDays=2)
        w.launcher.launch(payload(1), plenty)
        expected = int(from_iso("2026-11-26T04:50:44.120Z").timestamp())
        assert w.summary().expires_at == expected and w.rows()[0].expires_at == expected
        environment = w.ecs.calls[0]["overrides"]["containerOverrides"][0]["environment"]
        assert {"name": "KIT_EXPIRES_AT", "value": str(expected)} in environment


class TestRetries:
    def test_a_failed_task_is_launched_again_and_launching_is_open_meanwhile(self, world: Callable[..., Any]) -> None:
        w = world(taskAttempts=2)
        w.launcher.launch(payload(1), plenty)
        (row,) = w.rows()
        w.details.write(replace(row, status=TaskStatus.FAILED, error="JobFailed: x"))
        w.clock.advance(60)
        seen = []
        w.ecs.after_run_task = lambda _: seen.append(w.summary().launching_ended)
        assert w.launcher.launch(payload(1), plenty)["launched"] == 1
        assert [made.attempt for made in w.rows()] == [1, 2] and seen == [False]
        assert w.summary().launching_ended


class TestRefusals:
    def test_a_bad_spec_leaves_no_trace(self, world: Callable[..., Any]) -> None:
        w = world()
        with pytest.raises(SpecRefused):
            w.launcher.launch(payload(region="us-east-1"), plenty)
        assert w.ecs.calls == [] and list(w.summaries.unfinished()) == []

    def test_a_redrive_is_told_to_start_anew(self, world: Callable[..., Any]) -> None:
        w = world()
        with pytest.raises(RedriveRefused, match="start a new execution"):
            w.launcher.launch(payload(redrive_count=1), plenty)
        assert list(w.summaries.unfinished()) == []

    def test_an_id_that_another_execution_used_launches_nothing(self, world: Callable[..., Any]) -> None:
        w = world()
        w.launcher.launch(payload(1, workflowRunId="100001"), plenty)
        with pytest.raises(RunIdInUse):
            w.launcher.launch(payload(2, arn=EXECUTION + "2", workflowRunId=100001), plenty)
        assert len(w.ecs.calls) == 1 and w.summaries.get("copying", 100001).number_of_tasks == 1

    @pytest.mark.parametrize("given", [None, {}, {"arn": "x"}, {"arn": "x", "startTime": "then"}, "x"])
    def test_a_payload_without_its_execution(self, world: Callable[..., Any], given: object) -> None:
        with pytest.raises(PayloadInvalid, match="execution is"):
            world().launcher.launch({"execution": given, "spec": spec()}, plenty)
