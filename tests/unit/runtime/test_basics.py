"""Run ids, times, settings, names, logs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract import environment, naming, settings
from ecs_kit.runtime.contract.clock import Clock, from_iso, to_iso
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.errors import SettingsInvalid
from ecs_kit.runtime.contract.run_ids import LARGEST_RUN_ID, from_milliseconds, run_id
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from tests.unit.runtime.fakes import EXECUTION, START, settings_json


class TestRunIds:
    def test_is_the_start_in_milliseconds_and_three_digits_of_the_arn(self) -> None:
        assert run_id(START, EXECUTION) // 1000 == 1795492244120
        assert run_id("2026-11-24T03:50:44.120Z", EXECUTION) == run_id(START, EXECUTION)

    def test_differs_between_executions_of_one_millisecond(self) -> None:
        assert len({run_id(START, f"{EXECUTION}{n}") for n in range(5)}) > 1

    def test_two_digits_of_the_hash_keep_their_leading_zero(self) -> None:
        arn = next(arn for arn in map(str, range(10_000)) if run_id(START, arn) % 1000 < 10)
        assert run_id(START, arn) // 1000 == 1795492244120

    @given(st.datetimes(datetime(2020, 1, 1), datetime(2254, 1, 1)), st.text())
    def test_stays_exact_and_below_two_to_the_53(self, moment: datetime, arn: str) -> None:
        moment = moment.replace(tzinfo=UTC)
        made = run_id(moment, arn)
        assert made <= LARGEST_RUN_ID and int(float(made)) == made
        assert from_milliseconds(made // 1000) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def test_an_event_s_milliseconds_make_the_same_id_as_the_context_s_text(self) -> None:
        assert run_id(from_milliseconds(1795492244120), EXECUTION) == run_id("2026-11-24T03:50:44.120Z", EXECUTION)


class TestTimes:
    def test_are_written_in_utc_with_milliseconds(self) -> None:
        there = START.astimezone(timezone(timedelta(hours=5)))
        assert to_iso(there) == "2026-11-24T03:50:44.120Z"

    def test_are_read_back(self) -> None:
        assert from_iso("2026-11-24T03:50:44.120Z") == from_iso("2026-11-24T03:50:44.120") == START

    def test_the_system_clock_gives_utc_and_does_not_sleep_for_nothing(self) -> None:
        clock = Clock()
        clock.sleep(0)
        clock.sleep(0.001)
        assert clock.now().tzinfo is UTC


class TestStatuses:
    def test_only_running_is_not_final(self) -> None:
        assert [status for status in RunStatus if not status.is_final] == [RunStatus.RUNNING]
        assert [status for status in TaskStatus if status.is_final] == [TaskStatus.COMPLETED, TaskStatus.FAILED]

    def test_completed_runs_succeed(self) -> None:
        succeeded = [status for status in RunStatus if status.is_success]
        assert succeeded == [RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_FAILURES]


class TestSettings:
    def test_are_read_from_the_environment(self) -> None:
        read = settings.from_environment({"KIT_SETTINGS": settings_json(2, taskAttempts=3, sourceBuckets=["b"])})
        assert (read.pattern, read.task_attempts, read.deployed.source_buckets) == (2, 3, ("b",))
        assert (read.summary_table, read.details_table) == ("workflow_summary_pattern_2", "workflow_details_pattern_2")
        assert (read.cluster, read.container_name, read.task_definition) == ("kit-2", "app", "kit-2:7")
        assert (read.target.bucket, read.target_prefix) == ("kit-2", "copies")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "is not JSON"),
            ("[]", "must be a JSON object"),
            (settings_json(3), "key pattern must be one of 1, 2"),
            ('{"pattern": 1}', "key infrastructure must be of type dict, not None"),
            (settings_json(infrastructure={}), "key infrastructure.region must be a string"),
            (settings_json(sourceBuckets="b"), "key source_buckets must be of type list, not 'b'"),
            (settings_json(taskAttempts="3"), "key task_attempts must be of type int, not '3'"),
            (settings_json(taskAttempts=True), "key task_attempts must be of type int, not True"),
        ],
    )
    def test_are_refused_with_the_key(self, text: str, message: str) -> None:
        with pytest.raises(SettingsInvalid, match="KIT_SETTINGS") as refused:
            settings.from_environment({"KIT_SETTINGS": text})
        assert message in str(refused.value)

    def test_survive_the_way_through_json(self) -> None:
        read = settings.from_json(settings_json(2, taskAttempts=3, sourceBuckets=["b"]))
        assert settings.from_json(read.to_json()) == read

    def test_must_be_there(self) -> None:
        with pytest.raises(SettingsInvalid, match="is not set"):
            settings.from_environment({})


class TestNames:
    def test_a_copy_is_named_after_run_task_and_object(self) -> None:
        assert naming.target_key("copies", "wf", 7, "t", "a/b/c.txt") == "copies/wf/7/t/c.txt"
        assert naming.s3_uri("b", "k/l") == "s3://b/k/l"

    def test_a_log_stream_ends_in_the_id_of_the_ecs_task(self) -> None:
        assert naming.log_stream("ecs", "app", "arn:aws:ecs:r:1:task/cluster/abc") == "ecs/app/abc"

    def test_the_override_makes_a_task_definition_one_attempt(self) -> None:
        assert environment.override(Attempt("wf", 7, "t", 2, "b", "k", 7), "then") == {
            "KIT_WORKFLOW_NAME": "wf",
            "KIT_WORKFLOW_RUN_ID": "7",
            "KIT_TASK_NAME": "t",
            "KIT_ATTEMPT": "2",
            "KIT_SOURCE_BUCKET": "b",
            "KIT_SOURCE_KEY": "k",
            "KIT_DEADLINE": "then",
            "KIT_EXPIRES_AT": "7",
        }

    @pytest.mark.parametrize("expires_at", [None, 7])
    def test_the_attempt_is_read_back_from_its_override(self, expires_at: int | None) -> None:
        attempt = Attempt("wf", 7, "t", 2, "b", "k", expires_at)
        assert environment.attempt_of(environment.override(attempt, "then")) == attempt
        assert environment.attempt_of({"PATH": "/bin"}) is None


class TestLog:
    @pytest.fixture(autouse=True)
    def configured(self) -> object:
        root = logging.getLogger()
        before = root.handlers[:], root.level
        yield
        root.handlers, root.level = before

    def test_lines_are_json_with_workflow_and_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        log.configure()
        log.bind("wf", 1795492244120123)
        log.info("launched", count=3)
        log.bind()
        log.warning("later")
        first, second = map(json.loads, capsys.readouterr().out.splitlines())
        assert first.pop("time").endswith("Z")
        assert first == {
            "level": "INFO",
            "message": "launched",
            "workflowName": "wf",
            "workflowRunId": "1795492244120123",
            "count": 3,
        }
        assert "workflowName" not in second

    def test_exceptions_keep_their_traceback_on_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        log.configure()
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("tried")
        (line,) = capsys.readouterr().out.splitlines()
        assert "ValueError: no" in json.loads(line)["exception"]
