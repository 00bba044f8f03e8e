"""The launcher: every task once, none above the limit, none for an ended run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.contract.attempts import Launch
from ecs_kit.runtime.contract.clock import from_iso, to_iso
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.errors import PayloadInvalid, RedriveRefused, SpecRefused
from ecs_kit.runtime.contract.records import new_row
from ecs_kit.runtime.contract.specs import TaskEntry
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from ecs_kit.runtime.launcher import answers
from ecs_kit.runtime.launcher.answers import Outcome
from ecs_kit.runtime.launcher.rate_limiter import RateLimiter
from tests.unit.runtime.fakes import EXECUTION, FakeClock, client_error, execution, infrastructure, spec

THROTTLED = client_error("ThrottlingException", "Rate exceeded")
QUOTA = "You've reached the limit on the number of vCPUs you can run concurrently"
QUOTA_ERROR = client_error("ClientException", QUOTA)
FULL = client_error("ClientException", "Capacity is unavailable at this time. Please try again later")
DENIED = client_error("AccessDeniedException", "the policy has changed")
DROPPED = ConnectionClosedError(endpoint_url="https://ecs")
EVER = 1000
"""Answers that last for all calls of a test."""


@pytest.fixture
def checked_after_each_launch(monkeypatch: Any) -> None:
    monkeypatch.setattr(waits, "RUN_CHECK_SECONDS", 0)


def providers(w: Any) -> list[str]:
    """Return which capacity providers were requested, in order."""
    return [call["capacityProviderStrategy"][0]["capacityProvider"] for call in w.ecs.calls]


def no_capacity_for(provider: str) -> Any:
    return lambda request: FULL if f"'{provider}'" in str(request) else None


def stops_at_once(w: Any) -> None:
    sleep = w.clock.sleep
    w.clock.sleep = lambda seconds: (sleep(seconds), [w.ecs.end(arn) for arn in w.ecs.tasks])


def is_listed_late(w: Any) -> None:
    seen = w.ecs.seen
    later = timedelta(seconds=1.5)
    w.ecs.seen = lambda arn: seen(arn) if w.clock.now() >= w.ecs.tasks[arn]["createdAt"] + later else None


class TestAnswers:
    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (THROTTLED, Outcome.BUSY),
            (FULL, Outcome.BUSY),
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
    def test_errors_are_classified(self, error: Exception, outcome: Outcome) -> None:
        assert answers.of_error(error).outcome is outcome

    def test_a_conflict_names_the_task_that_the_token_started(self) -> None:
        answer = answers.of_error(client_error("ConflictException", resourceIds=["arn:task/1"]))
        assert (answer.outcome, answer.task and answer.task.arn) == (Outcome.STARTED, "arn:task/1")

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
    def test_failures_are_classified(self, failures: list[Any], outcome: Outcome, reason: str) -> None:
        answer = answers.of_response({"tasks": [], "failures": failures})
        assert answer.outcome is outcome and reason in answer.reason

    def test_tokens_are_64_ascii_characters_and_differ_with_each_part(self) -> None:
        one = ("wf", 1, "a", 1, (0, 0))
        others = [("wg", *one[1:]), ("wf", 2, *one[2:]), ("wf", 1, "b", 1, (0, 0)), ("wf", 1, "a", 2, (0, 0))]
        others += [("wf", 1, "a", 1, (0, 1)), ("wf", 1, "a", 1, (1, 0))]
        tokens = {answers.client_token(*parts) for parts in (one, *others)}
        assert len(tokens) == 7 and {len(token) for token in tokens} == {64}
        assert answers.client_token(*one) in tokens

    def test_backoffs_have_full_jitter_and_a_bound(self) -> None:
        rng = random.Random(0)
        for tries, bound in enumerate([0.5, 1, 2, 4, 8, 10, 10, 10, 10], 1):
            values = [waits.backoff_seconds(tries, rng) for _ in range(200)]
            assert 0 <= min(values) < 0.1 * bound and 0.9 * bound < max(values) <= bound


@pytest.mark.parametrize(("pause", "slept"), [(0, 0.5), (10, 0)])
def test_calls_come_in_a_burst_and_then_twenty_a_second(clock: FakeClock, pause: float, slept: float) -> None:
    limiter = RateLimiter(clock, 20)
    for _ in range(10):
        limiter.wait()
    assert clock.slept == []
    clock.advance(pause)
    for _ in range(10):
        limiter.wait()
    assert sum(clock.slept) == pytest.approx(slept, abs=0.06)


@pytest.mark.parametrize(("rate", "calls"), [(1, 32), (20, 32), (100, 160), (200, 320), (1000, 320)])
def test_a_higher_rate_has_more_calls_at_once(w: Any, rate: int, calls: int) -> None:
    workers: list[int] = []
    w.launcher.settings = replace(w.launcher.settings, run_task_rate=rate)
    make = w.launcher.executor
    w.launcher.executor = lambda count: workers.append(count) or make(count)
    assert w.launch()["launched"] == 3
    assert workers == [calls]


class TestLaunching:
    def test_registers_the_run_starts_one_ecs_task_per_task_and_records_it(self, w: Any) -> None:
        seen = []
        w.ecs.after_run_task = lambda _: seen.append((w.summary().status, w.summary().launching_ended))
        assert w.launch() == {
            "runId": str(w.run_id),
            "workflowName": "copying",
            "numberOfTasks": 3,
            "launched": 3,
            "remaining": 0,
            "again": False,
            "waitSeconds": 1,
            "deadline": "2026-11-24T04:50:44.120Z",
        }
        assert seen == [(RunStatus.RUNNING, False)] * 3 and w.summary().launching_ended
        rows = w.rows()
        assert [row.task_name for row in rows] == ["task_01", "task_02", "task_03"]
        assert {row.status for row in rows} == {TaskStatus.SUBMITTED}
        assert {row.ecs_task_id for row in rows} == set(w.ecs.tasks)
        assert rows[0].source_uri == "s3://kit-1/in/1.txt"
        assert rows[0].target_uri == f"s3://kit-1/copies/copying/{w.run_id}/task_01/1.txt"
        assert rows[0].queued_at == "2026-11-24T03:50:44.120Z" and rows[0].pull_started_at is None
        assert rows[0].log_stream == "ecs/app/" + rows[0].ecs_task_id.rsplit("/", 1)[-1]

    def test_calls_run_task_no_faster_than_ecs_allows(self, w: Any) -> None:
        w.launch(60)
        assert len(w.ecs.tasks) == 60 and sum(w.clock.slept) == pytest.approx(2.5, abs=0.06)

    def test_requests_what_the_spec_and_the_stack_say(self, w: Any) -> None:
        w.launch(1, subnetIdLiteral="subnet-2")
        (call,) = w.ecs.calls
        assert (call["cluster"], call["taskDefinition"], call["launchType"]) == ("kit-1", "kit-1:7", "FARGATE")
        assert (call["startedBy"], call["group"]) == (str(w.run_id), f"run-{w.run_id}")
        network = {"subnets": ["subnet-2"], "securityGroups": ["sg-tasks"], "assignPublicIp": "DISABLED"}
        assert call["networkConfiguration"]["awsvpcConfiguration"] == network
        assert "tags" not in call

    def test_continues_after_a_crash_between_the_call_and_its_row(self, w: Any, monkeypatch: Any) -> None:
        def crash(_: object) -> None:
            raise RuntimeError("killed")

        with monkeypatch.context() as patched, pytest.raises(RuntimeError):
            patched.setattr(w.details, "put_new", crash)
            w.launch()
        w.launch()
        assert len(w.ecs.tasks) == len(w.rows()) == 3

    def test_leaves_the_rest_for_another_call_when_time_runs_out(self, w: Any) -> None:
        first = w.launch(5, left=lambda: 300 if len(w.ecs.calls) < 2 else 44)
        assert (first["launched"], first["remaining"], first["again"]) == (2, 3, True)
        assert not w.summary().launching_ended
        second = w.launch(5)
        assert (second["launched"], second["remaining"]) == (3, 0)
        assert len(w.ecs.tasks) == 5

    def test_a_failed_task_is_launched_again_and_launching_is_open_meanwhile(self, world: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(1)
        w.as_task.write(replace(w.rows()[0], status=TaskStatus.FAILED, error="JobFailed: x"))
        w.clock.advance(60)
        seen = []
        w.ecs.after_run_task = lambda _: seen.append(w.summary().launching_ended)
        assert w.launch(1)["launched"] == 1
        assert [made.attempt for made in w.rows()] == [1, 2] and seen == [False]
        assert w.summary().launching_ended

    def test_items_name_the_time_after_which_they_may_go(self, world: Any) -> None:
        w = world(recordRetentionDays=2)
        w.launch(1)
        expected = int(from_iso("2026-11-26T04:50:44.120Z").timestamp())
        assert w.summary().expires_at == expected and w.rows()[0].expires_at == expected
        environment = w.ecs.calls[0]["overrides"]["containerOverrides"][0]["environment"]
        assert {"name": "KIT_EXPIRES_AT", "value": str(expected)} in environment


class TestSpot:
    @pytest.mark.parametrize(("share", "on_spot"), [(1, []), (25, [3]), (50, [1, 3]), (100, [0, 1, 2, 3])])
    def test_a_share_of_the_tasks_runs_on_spot_capacity(self, world: Any, share: int, on_spot: list[int]) -> None:
        w = world(spotShare=share)
        w.launch(4)
        assert not any("launchType" in call for call in w.ecs.calls)
        assert providers(w) == ["FARGATE_SPOT" if number in on_spot else "FARGATE" for number in range(4)]
        assert {call["capacityProviderStrategy"][0]["weight"] for call in w.ecs.calls} == {1}

    def test_another_attempt_runs_on_demand(self) -> None:
        entry = TaskEntry("a", "sources", "in/a.txt")
        found = [Launch(entry, attempt).capacity_provider(100, 0) for attempt in (1, 2, 3)]
        assert found == ["FARGATE_SPOT", "FARGATE", "FARGATE"]

    def test_spot_and_on_demand_alternate_from_wait_to_wait(self, world: Any) -> None:
        w = world(spotShare=100)
        requested = []
        for _ in range(3):
            w.ecs.calls, w.ecs.answers = [], [FULL] * EVER
            assert w.launch(1)["launched"] == 0
            requested.append(set(providers(w)))
            w.clock.advance(900)
        assert requested == [{"FARGATE_SPOT"}, {"FARGATE"}, {"FARGATE_SPOT"}]

    @pytest.mark.parametrize("tasks", [1, 60])
    def test_tasks_for_which_spot_has_no_room_run_on_demand(self, world: Any, tasks: int) -> None:
        w = world(spotShare=100)
        w.ecs.refuses = no_capacity_for("FARGATE_SPOT")
        assert w.launch(tasks)["launched"] == 0
        w.clock.advance(60)
        assert w.launch(tasks)["launched"] == tasks

    def test_on_demand_is_requested_at_once_where_ecs_says_that_it_placed_nothing(self, world: Any) -> None:
        w = world(spotShare=100)
        w.ecs.answers = [[{"reason": QUOTA}], None]
        assert w.launch(1)["launched"] == 1
        assert providers(w) == ["FARGATE_SPOT", "FARGATE"]

    def test_on_demand_stays_first_where_spot_had_no_capacity(self, world: Any) -> None:
        w = world(spotShare=100, maxConcurrency=1)
        w.ecs.answers = [FULL] * EVER
        w.launch(3)
        w.ecs.answers, w.ecs.calls = [], []
        for _ in range(3):
            w.clock.advance(60)
            w.launch(3)
            w.as_task.write(replace(w.rows()[-1], status=TaskStatus.COMPLETED))
        assert providers(w) == ["FARGATE"] * 3

    @pytest.mark.parametrize(
        ("share", "refuses", "launched"),
        [(100, lambda _: THROTTLED, 0), (0, lambda _: FULL, 0), (50, no_capacity_for("FARGATE"), 2)],
        ids=["throttled", "without Spot", "Spot's share has started"],
    )
    def test_what_is_no_lack_of_spot_capacity_changes_no_turn(
        self, world: Any, share: int, refuses: Any, launched: int
    ) -> None:
        w = world(spotShare=share)
        w.ecs.refuses = refuses
        assert w.launch(4)["launched"] == launched
        assert w.summary().capacity_waits == 1 and not w.summary().on_demand_first

    def test_a_call_without_an_answer_keeps_its_turn_and_its_token(self, world: Any) -> None:
        w = world(spotShare=100)
        w.ecs.answers = [FULL] * EVER
        w.launch(2)
        w.clock.advance(60)
        w.ecs.answers, w.ecs.calls = [None, DROPPED], []
        time_left = iter([300.0, 300.0, 10.0])
        assert w.launch(2, left=lambda: next(time_left, 10.0))["remaining"] == 1
        w.launch(2)
        assert providers(w) == ["FARGATE"] * 3
        assert w.ecs.calls[1] == w.ecs.calls[2]


class TestFaults:
    def test_the_token_changes_only_after_a_definite_failure(self, w: Any) -> None:
        w.ecs.answers = [THROTTLED, [{"reason": "RESOURCE:CPU"}], None]
        w.launch(1)
        tokens = [call["clientToken"] for call in w.ecs.calls]
        assert len(tokens) == 3 and tokens[0] == tokens[1] != tokens[2]

    @pytest.mark.parametrize(
        ("then", "meanwhile"),
        [(DROPPED, stops_at_once), (DENIED, is_listed_late), (DENIED, lambda _: None), (QUOTA_ERROR, lambda _: None)],
        ids=["stopped", "not listed at once", "refused", "no room"],
    )
    def test_a_task_that_an_unanswered_call_started_is_found_whatever_comes_then(
        self, w: Any, then: Exception, meanwhile: Callable[[Any], None]
    ) -> None:
        run_task = w.ecs.run_task

        def start_without_an_answer(**request: Any) -> Any:
            if w.ecs.tasks:
                raise then
            run_task(**request)
            raise DROPPED

        w.ecs.run_task = start_without_an_answer
        meanwhile(w)
        assert w.launch(1)["launched"] == 1
        assert [row.ecs_task_id for row in w.rows()] == list(w.ecs.tasks)
        assert w.summary().waiting_since is None

    def test_a_launch_without_an_answer_is_found_where_a_concurrent_call_begins_a_wait(self, w: Any) -> None:
        w.ecs.answers, w.ecs.lost_answers = [None], [DROPPED]
        sleep = w.clock.sleep

        def wait_meanwhile(seconds: float) -> None:
            w.clock.sleep = sleep
            w.summaries.wait_for_capacity(w.summary(), w.now, "full", launch_asked=w.now, launch_after=w.now)
            sleep(seconds)

        w.clock.sleep = wait_meanwhile
        w.launch(1)
        w.clock.advance(60)
        w.launch(1)
        assert [row.ecs_task_id for row in w.rows()] == list(w.ecs.tasks) and len(w.ecs.tasks) == 1

    def test_a_task_without_room_that_an_earlier_call_started_is_found_before_other_tokens_are_used(
        self, world: Any
    ) -> None:
        w = world(maxConcurrency=1)
        w.ecs.lost_answers = [RuntimeError("killed")]
        with pytest.raises(RuntimeError):
            w.launch(3)
        assert len(w.ecs.tasks) == 1 and w.rows() == []
        w.ecs.answers = [FULL] * EVER
        w.launch(3)
        assert [row.ecs_task_id for row in w.rows()] == list(w.ecs.tasks)
        assert w.summary().launcher_call is None

    @pytest.mark.parametrize("share", [0, 100])
    @pytest.mark.parametrize("remembers", [True, False])
    def test_a_launch_without_an_answer_that_is_left_is_found_whatever_ecs_knows_of_older_tokens(
        self, world: Any, remembers: bool, share: int
    ) -> None:
        w = world(spotShare=share)
        w.ecs.remembers_failures = remembers
        w.ecs.answers, w.ecs.lost_answers = [[{"reason": QUOTA}], None], [None, DROPPED]
        time_left = iter([300.0, 300.0])
        w.launch(1, left=lambda: next(time_left, 10.0))
        w.launch(1)
        assert [row.ecs_task_id for row in w.rows()] == list(w.ecs.tasks) and len(w.ecs.tasks) == 1

    def test_calls_that_all_fail_end_in_failed_rows_with_the_reason(self, w: Any) -> None:
        w.ecs.answers = [DROPPED] * EVER
        result = w.launch(10)
        assert (result["launched"], result["remaining"]) == (0, 0)
        rows = w.rows()
        assert [row.ecs_task_id for row in rows] == [f"not-started/task_{n:02}/1" for n in range(1, 11)]
        assert {row.status for row in rows} == {TaskStatus.FAILED}
        reason = "RunTaskFailed: ECS did not start the task after 8 calls: ConnectionClosedError"
        assert all(row.error.startswith(reason) for row in rows)
        assert len(w.ecs.calls) == 80 and sum(w.clock.slept) < 120

    @pytest.mark.no_cover  # thousands of calls: to count their lines takes as long again
    def test_unanswered_launches_of_more_tasks_than_fit_one_call_end_failed(self, w: Any, monkeypatch: Any) -> None:
        w.ecs.answers = [DROPPED] * 10_000
        monkeypatch.setattr(waits, "ROUND_ROBIN_SECONDS", 10.0)
        w.launch(120, left=lambda: 0)
        remaining: list[int] = []
        while remaining[-1:] != [0]:
            end = w.clock.now() + timedelta(seconds=waits.RESERVE_SECONDS + 240)
            result = w.launch(120, left=lambda: (end - w.clock.now()).total_seconds())  # noqa: B023
            remaining.append(result["remaining"])
            assert len(remaining) < 8, remaining
        assert remaining[0] > 0 and w.summary().launching_ended
        assert len(w.rows()) == 120 and all("after 8 calls" in row.error for row in w.rows())

    def test_a_slow_task_does_not_hold_up_the_others(self, w: Any) -> None:
        w.ecs.answers = [THROTTLED]
        w.launch(3)
        in_order = [row.task_name for row in sorted(w.rows(), key=lambda row: row.ecs_task_id)]
        assert in_order == ["task_02", "task_03", "task_01"]


class TestEndedRuns:
    def end(self, w: Any) -> None:
        w.summaries.finish(w.summary(), RunStatus.ABORTED, w.now)

    @pytest.mark.usefixtures("checked_after_each_launch")
    def test_the_task_that_was_just_started_is_stopped(self, w: Any) -> None:
        w.ecs.after_run_task = lambda _: self.end(w) if len(w.ecs.tasks) == 2 else None
        result = w.launch(5)
        assert (result["launched"], result["remaining"], len(w.ecs.tasks)) == (2, 0, 2)
        assert [arn for arn, _ in w.ecs.stopped] == [list(w.ecs.tasks)[1]]
        assert w.rows()[1].error == "RunEnded: the run ended while this task was launched"
        assert w.summary().status is RunStatus.ABORTED

    def test_a_call_after_the_end_reads_no_rows(self, w: Any, monkeypatch: Any) -> None:
        w.launch(1)
        self.end(w)
        monkeypatch.setattr(w.launcher, "details", None)
        assert w.launch(1)["launched"] == 0

    def test_no_retry_is_launched_after_the_end(self, w: Any, monkeypatch: Any) -> None:
        w.ecs.answers = [THROTTLED]
        sleep = w.clock.sleep
        monkeypatch.setattr(w.clock, "sleep", lambda seconds: (sleep(seconds), self.end(w)))
        result = w.launch(1)
        assert (result["launched"], result["remaining"], len(w.ecs.calls), w.ecs.stopped) == (0, 0, 1, [])


class TestCapacity:
    """ECS has no room for a while: the run waits, at most until its deadline."""

    def test_a_full_quota_postpones_the_rest_and_says_since_when(self, w: Any) -> None:
        w.ecs.answers = [None, *[QUOTA_ERROR] * EVER]
        result = w.launch(3)
        assert (result["launched"], result["remaining"], result["again"]) == (1, 2, False)
        assert sum(w.clock.slept) < 60 and len(w.rows()) == 1
        summary = w.summary()
        assert summary.waiting_since == w.now and summary.capacity_waits == 1 and QUOTA in summary.waiting_reason
        assert not summary.launching_ended
        w.ecs.calls = []
        early = w.launch(3)
        assert (early["remaining"], early["again"], w.ecs.calls) == (2, False, [])

    def test_a_call_of_a_waiting_run_does_not_ask_for_the_whole_list(self, world: Any) -> None:
        w = world(runTimeoutSeconds=21600)
        w.ecs.answers = [QUOTA_ERROR] * EVER
        w.launch(300)
        w.clock.advance(60)
        w.ecs.calls, w.clock.slept = [], []
        assert w.launch(300)["remaining"] == 300
        assert len(w.ecs.calls) <= 121 and sum(w.clock.slept) < 6

    def test_launches_on_spot_start_while_the_on_demand_quota_before_them_is_full(self, world: Any) -> None:
        w = world(runTimeoutSeconds=21600, spotShare=2)
        room: set[str] = set()

        def refuses(request: dict[str, Any]) -> Exception | None:
            w.clock.advance(0.4)  # of a real call
            provider = request["capacityProviderStrategy"][0]["capacityProvider"]
            return None if provider in room else QUOTA_ERROR

        w.ecs.refuses = refuses
        w.launch(100)
        room.add("FARGATE_SPOT")
        launched = 0
        for _ in range(2):
            w.clock.advance(900)
            launched += w.launch(100)["launched"]
        assert launched == 2

    def test_an_ecs_that_answers_nothing_at_all_is_tried_again_by_a_later_call(self, world: Any) -> None:
        w = world(runTimeoutSeconds=21600)
        end = w.clock.now() + timedelta(seconds=300)

        def never(*_: Any, **__: Any) -> Any:
            w.clock.advance(25)
            raise ReadTimeoutError(endpoint_url="https://ecs")

        w.ecs.refuses = w.ecs.list_tasks = never
        answer = w.launch(40, left=lambda: (end - w.clock.now()).total_seconds())
        assert (answer["again"], answer["remaining"]) == (True, 40) and w.clock.now() < end

    def test_calls_without_an_answer_after_a_start_are_no_lack_of_capacity(self, w: Any) -> None:
        w.ecs.answers = [QUOTA_ERROR, None, *[DROPPED] * EVER]
        assert w.launch(2)["remaining"] == 0
        assert [row.status for row in w.rows()] == [TaskStatus.FAILED, TaskStatus.SUBMITTED]

    def test_waits_grow_to_a_quarter_of_an_hour(self, world: Any) -> None:
        w = world(runTimeoutSeconds=21600)
        w.ecs.answers = [[{"reason": QUOTA}]] * 100_000
        pauses = []
        for _ in range(12):
            w.launch(1)
            pauses.append((from_iso(w.summary().launch_after) - w.clock.now()).total_seconds())
            w.clock.advance(pauses[-1])
        assert pauses == sorted(pauses, key=round) and (round(pauses[0]), round(pauses[-1])) == (10, 900)
        assert all(later <= 2 * earlier + 20 for earlier, later in itertools.pairwise(pauses))
        assert w.rows() == []

    def test_launches_when_there_is_room_again_and_forgets_the_wait(self, w: Any) -> None:
        w.ecs.answers = [[{"reason": QUOTA}]] * EVER
        w.launch(2)
        before = {call["clientToken"] for call in w.ecs.calls}
        w.ecs.answers, w.ecs.calls = [], []
        w.clock.advance(10)
        assert w.launch(2)["launched"] == 2
        assert not before & {call["clientToken"] for call in w.ecs.calls}, "ECS replays the refusal"
        assert (w.summary().waiting_since, w.summary().launch_after) == (None, None)
        assert len(w.ecs.tasks) == len(w.rows()) == 2 and w.summary().launching_ended

    def test_a_wait_after_some_room_is_short_again(self, world: Any) -> None:
        w = world(runTimeoutSeconds=21600)
        w.ecs.answers = [[{"reason": QUOTA}]] * EVER
        for _ in range(5):
            w.launch(2)
            w.clock.advance(900)
        w.ecs.answers = [None, *[[{"reason": QUOTA}]] * EVER]
        assert w.launch(2)["launched"] == 1
        assert w.summary().waiting_since == w.now
        assert from_iso(w.summary().launch_after) - from_iso(w.now) <= timedelta(seconds=10)

    @pytest.mark.usefixtures("checked_after_each_launch")
    def test_a_concurrent_call_stops_where_the_first_postponed_the_rest(self, w: Any) -> None:
        later = to_iso(w.clock.now() + timedelta(seconds=10))
        w.ecs.after_run_task = lambda _: w.summaries.wait_for_capacity(
            w.summary(), w.now, "full", launch_asked=w.now, launch_after=later
        )
        result = w.launch(3)
        assert (result["launched"], result["remaining"]) == (1, 2)
        assert not w.launch(3)["again"]

    @pytest.mark.parametrize(
        ("status", "frees_after", "calls"),
        [(TaskStatus.COMPLETED, 0, 1), (TaskStatus.FAILED, 45, 3), (TaskStatus.COMPLETED, 1_000, 4)],
    )
    def test_what_an_attempt_that_ended_frees_is_asked_for_until_ecs_has_stopped_it(
        self, world: Any, status: TaskStatus, frees_after: int, calls: int
    ) -> None:
        """At most once a poll: the history of the execution has room for that."""
        w = world(runTimeoutSeconds=21600)
        w.ecs.answers = [None, *[QUOTA_ERROR] * EVER]
        w.launch(2)
        w.clock.advance(1200)
        w.launch(2)
        w.end_tasks(status, error="JobFailed: x")
        free, called = w.clock.now() + timedelta(seconds=frees_after), []
        w.ecs.answers, w.ecs.refuses = [], lambda _: None if w.clock.now() >= free else QUOTA_ERROR
        for _ in range(30):
            called.append(w.poll()["relaunch"])
            w.clock.advance(w.launch(2)["waitSeconds"] if called[-1] else 16)
        assert called == [True] * calls + [False] * (30 - calls)

    def test_an_attempt_that_ecs_refused_frees_nothing(self, w: Any) -> None:
        w.ecs.answers = [client_error("AccessDeniedException"), *[QUOTA_ERROR] * EVER]
        w.launch(3)
        assert len(w.rows()) == 1 and not w.poll()["relaunch"]

    def test_the_last_call_of_run_task_counts_not_the_wait_after_it(self, w: Any) -> None:
        asked = []
        w.ecs.refuses = lambda _: asked.append(w.now) or QUOTA_ERROR
        w.launch(3)
        assert w.summary().launch_asked == asked[-1] < w.now

    def test_what_is_freed_does_not_end_a_wait_that_has_begun_since(self, w: Any) -> None:
        w.ecs.answers = [None, *[QUOTA_ERROR] * EVER]
        w.launch(3)
        polled = w.summary()
        w.clock.advance(60)
        w.launch(3)
        assert w.summary().capacity_waits == 2
        assert w.monitor.summaries.launch_now(polled, w.now).launch_after == w.summary().launch_after is not None

    def test_the_job_of_an_older_task_that_begins_does_not(self, w: Any) -> None:
        w.ecs.answers = [None, *[QUOTA_ERROR] * EVER]
        w.launch(3)
        w.clock.advance(5)
        w.as_task.write(replace(w.rows()[0], status=TaskStatus.RUNNING, start_time=w.now, update_time=w.now))
        w.poll()
        assert w.summary().waiting_since and w.summary().launch_after and QUOTA in w.summary().waiting_reason

    def test_launches_have_the_interval_of_polls(self, world: Any) -> None:
        w = world(maxConcurrency=1, runTimeoutSeconds=21600)
        pauses = []
        for pause in (100, 100, 3700, 0):
            pauses.append(w.launch(9)["waitSeconds"])
            w.clock.advance(pause)
        assert pauses == [1, 3, 7, 16]

    def test_no_more_than_max_concurrency_are_active(self, world: Any) -> None:
        w = world(maxConcurrency=2)
        first = w.launch(5)
        assert (first["launched"], first["remaining"], first["again"]) == (2, 3, False)
        assert not w.summary().launching_ended
        assert not w.poll()["relaunch"], "there is no room"
        assert w.launch(5)["launched"] == 0
        w.as_task.write(replace(w.rows()[0], status=TaskStatus.COMPLETED))
        assert w.poll()["relaunch"]
        assert w.launch(5)["launched"] == 1
        for _ in range(4):
            w.end_tasks()
            last = w.launch(5)
        assert last["remaining"] == 0 and len(w.ecs.tasks) == 5 and w.summary().launching_ended

    @staticmethod
    def _let_one_end_each_second(w: Any, monkeypatch: Any) -> None:
        sleep = w.clock.sleep

        def one_ends(seconds: float) -> None:
            sleep(seconds)
            active = [row for row in w.rows() if not row.status.is_final]
            for row in active[:1]:
                w.as_task.write(replace(row, status=TaskStatus.COMPLETED))
            assert len(active) <= 2

        monkeypatch.setattr(w.clock, "sleep", one_ends)

    def test_a_call_goes_on_while_tasks_end_one_after_another(self, world: Any, monkeypatch: Any) -> None:
        w = world(maxConcurrency=2)
        self._let_one_end_each_second(w, monkeypatch)
        assert w.launch(9)["launched"] == 9

    def test_where_its_time_is_over_the_next_call_goes_on_at_once(self, world: Any, monkeypatch: Any) -> None:
        monkeypatch.setattr(waits, "LAUNCH_SECONDS", 6.0)
        w = world(maxConcurrency=2)
        self._let_one_end_each_second(w, monkeypatch)
        first = w.launch(9)
        assert first["again"] and 0 < first["remaining"] < 7
        calls = [w.launch(9) for _ in range(2)]
        assert sum(call["launched"] for call in (first, *calls)) == 9
        assert (calls[-1]["remaining"], calls[-1]["again"]) == (0, False)

    def test_such_calls_are_short_because_a_poll_beside_each_finds_the_retries(self) -> None:
        assert [waits.launch_seconds(timeout, 40) for timeout in (3600, 6 * 3600, 36 * 3600)] == [30, 30, 95]
        assert waits.launch_seconds(3600, 0) == 100

    def test_a_new_call_does_not_take_for_room_what_the_index_lacks_of_the_call_before(
        self, world: Any, monkeypatch: Any
    ) -> None:
        w = world(maxConcurrency=2)
        w.launch(9)
        began, read = w.clock.now(), w.details.uncounted

        def lacks_the_newest(*run: Any) -> Any:
            is_late = timedelta() < w.clock.now() - began < timedelta(seconds=1.5)
            return read(*run)[:1] if is_late else read(*run)

        monkeypatch.setattr(w.details, "uncounted", lacks_the_newest)
        assert w.launch(9)["launched"] == 0

    def test_a_call_ends_where_no_task_ends_for_some_seconds(self, world: Any) -> None:
        w = world(maxConcurrency=2)
        assert w.launch(9)["launched"] == 2
        assert sum(w.clock.slept) == waits.ROOM_PATIENCE_SECONDS


class TestRetriesBesidePolls:
    """The monitor counts a task at its last attempt, and takes its attempts out of the index one after another."""

    @pytest.fixture
    def w(self, world: Any) -> Any:
        """A run whose first task has failed for the last time; the others are active."""
        w = world(taskAttempts=2)
        w.launch()
        w.end_tasks(TaskStatus.FAILED, "task_01", error="JobFailed: x")
        w.poll()
        w.clock.advance(60)
        w.launch()
        w.end_tasks(TaskStatus.FAILED, "task_01", error="JobFailed: x")
        return w

    @staticmethod
    def _attempts(w: Any) -> list[int]:
        return [row.attempt for row in w.rows() if row.task_name == "task_01"]

    @pytest.fixture(params=[1, 2])
    def left(self, request: Any, w: Any, monkeypatch: Any) -> Any:
        """A poll that leaves one of the two attempts in the index."""
        counted = w.details.set_counted
        with monkeypatch.context() as patch:
            patch.setattr(w.details, "set_counted", lambda row: counted(row) if row.attempt != request.param else None)
            w.poll()
        assert [row.attempt for row in w.rows() if row.task_name == "task_01" and row.uncounted] == [request.param]
        w.clock.advance(60)

    @pytest.mark.usefixtures("left")
    def test_no_attempt_follows_the_last_one_while_the_monitor_counts_it(self, w: Any) -> None:
        w.launch()
        assert self._attempts(w) == [1, 2]

    @pytest.mark.usefixtures("left")
    def test_what_an_interrupted_poll_leaves_is_no_retry_and_does_not_keep_the_run_active(self, w: Any) -> None:
        assert not w.poll()["relaunch"]
        w.end_tasks(TaskStatus.COMPLETED, "task_02", "task_03")
        polls = [w.poll() for _ in range(2)]
        assert [polls[-1][name] for name in ("done", "completed", "failed")] == [True, 2, 1]
        assert self._attempts(w) == [1, 2] and not any(row.uncounted for row in w.rows())

    def test_an_attempt_that_ecs_did_not_start_follows_the_one_before_it(self, world: Any) -> None:
        w = world(taskAttempts=2)
        w.launch(1)
        w.end_tasks(TaskStatus.FAILED, "task_01", error="JobFailed: x")
        w.poll()
        w.clock.advance(60)
        w.ecs.answers = [DENIED]
        w.launch(1)
        first, second = sorted(w.rows(), key=lambda row: row.attempt)
        assert first.retried_by == second.ecs_task_id == "not-started/task_01/2"


class TestDeployments:
    """A run keeps what it was registered with."""

    NEW: ClassVar = {**infrastructure(), "taskDefinition": "kit-1:8", "subnetIdLiteral": "subnet-8", "separator": "$"}

    def test_another_attempt_uses_the_revision_of_the_run(self, world: Any) -> None:
        before = world(taskAttempts=2)
        deadline = before.launch(1)["deadline"]
        before.as_task.write(replace(before.rows()[0], status=TaskStatus.FAILED, error="JobFailed: x"))
        before.clock.advance(60)
        after = world(taskAttempts=1, infrastructure=self.NEW, targetPrefix="elsewhere", runTimeoutSeconds=120)
        after.ecs._numbers = itertools.count(100)
        result = after.launch(1)
        assert (result["launched"], result["deadline"]) == (1, deadline)
        (call,) = after.ecs.calls
        assert call["taskDefinition"] == "kit-1:7"
        assert call["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-1", "subnet-2"]
        assert after.rows()[1].target_uri == f"s3://kit-1/copies/copying/{after.run_id}/task_01/1.txt"


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "error", "says"),
        [
            ({"region": "us-east-1"}, SpecRefused, "region"),
            ({"execution": execution(redrive_count=1)}, RedriveRefused, "start a new execution"),
        ],
    )
    def test_a_bad_spec_or_a_redrive_leaves_no_trace(self, w: Any, changes: Any, error: Any, says: str) -> None:
        with pytest.raises(error, match=says):
            w.launch(**changes)
        assert w.ecs.calls == [] and list(w.summaries.open()) == []

    @pytest.mark.parametrize("given", [None, {}, {"arn": "x"}, {"arn": "x", "startTime": "then"}, "x"])
    def test_a_payload_without_its_execution(self, w: Any, given: object) -> None:
        with pytest.raises(PayloadInvalid, match="execution is"):
            w.launcher.launch({"execution": given, "spec": spec()}, lambda: 300)


def test_tasks_of_an_interrupted_call_count_for_the_concurrency(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(maxConcurrency=3)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(w.details, "put_new", lambda _row: (_ for _ in ()).throw(RuntimeError("killed")))
        w.launch(10)
    w.launch(10)
    assert len([task for task in w.ecs.tasks.values() if task["lastStatus"] == "RUNNING"]) == 3


def test_tasks_that_the_index_lacks_yet_count_for_the_concurrency(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(maxConcurrency=2)
    w.launch(5)
    stale = iter([w.details.uncounted(w.run_id, "copying")[:1]])
    read = w.details.uncounted
    monkeypatch.setattr(w.details, "uncounted", lambda *run: next(stale, None) or read(*run))
    assert w.launch(5)["launched"] == 0


@pytest.mark.parametrize(("interrupted", "listings"), [(False, 0), (True, 6)])
def test_the_tasks_of_the_run_are_listed_for_a_refused_launch_only_if_one_may_have_been_started(
    w: Any, monkeypatch: pytest.MonkeyPatch, interrupted: bool, listings: int
) -> None:
    if interrupted:
        with monkeypatch.context() as patch, pytest.raises(RuntimeError):
            patch.setattr(w.summaries, "end_launching", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
            w.ecs.answers = [RuntimeError("killed")]
            w.launch(2)
    operations: list[str] = []
    monkeypatch.setattr(w.ecs, "before", operations.append)
    w.ecs.refuses = lambda _: client_error("AccessDeniedException", "not authorized to perform iam:PassRole")
    assert w.launch(2)["remaining"] == 0
    assert operations.count("ListTasks") == listings
    assert {row.error.partition(":")[0] for row in w.rows()} == {"RunTaskRefused"}


def test_a_forged_row_does_not_keep_a_task_from_being_launched_after_an_interruption(
    w: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(w.details, "put_new", lambda _row: (_ for _ in ()).throw(RuntimeError("killed")))
        w.launch(3)
    forged = Attempt("copying", w.run_id, "task_03", 1, index=2)
    target = w.settings.target
    w.as_task.write(new_row(forged, target, TaskStatus.RUNNING, ecs_task_arn="arn:ghost", now=w.clock.now()))
    w.launch(3)
    environments = [task["overrides"]["containerOverrides"][0]["environment"] for task in w.ecs.tasks.values()]
    names = [each["value"] for variables in environments for each in variables if each["name"] == "KIT_TASK_NAME"]
    assert sorted(names) == ["task_01", "task_02", "task_03"]


def test_a_task_of_an_unanswered_call_is_found_by_the_next_call_also_if_that_is_refused(w: Any) -> None:
    left = iter([300.0] * 3)
    w.ecs.lost_answers = [ReadTimeoutError(endpoint_url="x")] * 100
    w.launch(1, left=lambda: next(left, 10.0))
    w.ecs.refuses = lambda _: client_error("AccessDeniedException", "no")
    w.launch(1)
    assert [row.ecs_task_id for row in w.rows()] == list(w.ecs.tasks)


def test_two_workflows_with_one_run_id_have_rows_of_their_own_for_what_ecs_refused(world: Any) -> None:
    w = world(taskAttempts=2)
    refused = client_error("InvalidParameterException", "x")
    w.ecs.refuses = lambda _: refused
    w.launch(1, workflowName="first", workflowRunId=7, execution=execution(f"{EXECUTION}x"))
    w.launch(1, workflowRunId=7)
    answer = w.poll(runId="7")
    assert (answer["done"], answer["failed"]) == (True, 1)
