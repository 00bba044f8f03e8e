"""Run ids, times, statuses, settings, environment, logs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract import environment, settings
from ecs_kit.runtime.contract.clock import Clock, from_iso, to_iso
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.errors import SettingsInvalid
from ecs_kit.runtime.contract.run_ids import LARGEST_RUN_ID, from_milliseconds, run_id
from tests.unit.runtime.fakes import EXECUTION, START, settings_json


class TestRunIds:
    def test_is_the_start_in_milliseconds_and_three_digits_of_the_arn(self) -> None:
        assert run_id(START, EXECUTION) // 1000 == 1795492244120
        assert run_id("2026-11-24T03:50:44.120Z", EXECUTION) == run_id(START, EXECUTION)
        assert run_id(from_milliseconds(1795492244120), EXECUTION) == run_id(START, EXECUTION)

    def test_differs_between_executions_of_one_millisecond(self) -> None:
        made = [run_id(START, str(n)) for n in range(1000)]
        assert len(set(made)) > 500 and {number // 1000 for number in made} == {1795492244120}

    @given(st.datetimes(datetime(2020, 1, 1), datetime(2254, 1, 1)), st.text())
    def test_stays_exact_and_below_two_to_the_53(self, moment: datetime, arn: str) -> None:
        moment = moment.replace(tzinfo=UTC)
        made = run_id(moment, arn)
        assert made <= LARGEST_RUN_ID and int(float(made)) == made
        assert from_milliseconds(made // 1000) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def test_times_are_written_in_utc_with_milliseconds_and_read_back() -> None:
    there = START.astimezone(timezone(timedelta(hours=5)))
    assert to_iso(there) == "2026-11-24T03:50:44.120Z"
    assert from_iso("2026-11-24T03:50:44.120Z") == from_iso("2026-11-24T03:50:44.120") == START


def test_the_clock_gives_utc_and_does_not_sleep_for_nothing() -> None:
    clock = Clock()
    clock.sleep(-1)
    clock.sleep(0.001)
    assert clock.now().tzinfo is UTC


class TestSettings:
    def test_are_read_from_the_environment_and_survive_json(self) -> None:
        read = settings.from_environment({"KIT_SETTINGS": settings_json(2, taskAttempts=3, sourceBuckets=["b"])})
        assert (read.pattern, read.task_attempts, read.deployed.source_buckets) == (2, 3, ("b",))
        assert (read.summary_table, read.details_table) == ("workflow_summary_pattern_2", "workflow_details_pattern_2")
        assert (read.cluster, read.container_name, read.task_definition) == ("kit-2", "app", "kit-2:7")
        assert (read.target.bucket, read.target_prefix) == ("kit-2", "copies")
        assert settings.from_json(read.to_json()) == read

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
            (None, "is not set"),
        ],
    )
    def test_are_refused_with_the_key(self, text: str | None, message: str) -> None:
        with pytest.raises(SettingsInvalid, match="KIT_SETTINGS") as refused:
            settings.from_environment({"KIT_SETTINGS": text} if text else {})
        assert message in str(refused.value)


@pytest.mark.parametrize("expires_at", [None, 7])
def test_an_attempt_is_read_back_from_its_override(expires_at: int | None) -> None:
    attempt = Attempt("wf", 7, "t", 2, "b", "k", expires_at, 4)
    override = environment.override(attempt, "then")
    assert override == {
        "KIT_WORKFLOW_NAME": "wf",
        "KIT_WORKFLOW_RUN_ID": "7",
        "KIT_TASK_NAME": "t",
        "KIT_ATTEMPT": "2",
        "KIT_SOURCE_BUCKET": "b",
        "KIT_SOURCE_KEY": "k",
        "KIT_TASK_INDEX": "4",
        "KIT_DEADLINE": "then",
        "KIT_EXPIRES_AT": "7" if expires_at else "",
    }
    assert environment.attempt_of(override) == attempt
    assert environment.attempt_of({"PATH": "/bin"}) is None
    assert environment.attempt_of({**override, environment.ATTEMPT: "second"}) is None, "somebody else's task"


def test_logs_are_lines_of_json_with_workflow_run_and_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    log.configure()
    try:
        log.bind("wf", 1795492244120123)
        log.info("launched", count=3)
        log.bind()
        log.warning("later")
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("tried")
    finally:
        root.handlers, root.level = before
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "INFO",
        "message": "launched",
        "workflowName": "wf",
        "workflowRunId": "1795492244120123",
        "count": 3,
    }
    assert "workflowName" not in second and "ValueError: no" in third["exception"]
