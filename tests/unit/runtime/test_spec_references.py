"""Runs whose input names their spec: the spec is read once, pinned, and read again from there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ecs_kit.runtime.contract.errors import RunIdInUse, SpecRefused
from ecs_kit.runtime.contract.spec_references import MAX_SPEC_BYTES, PINNED_PREFIX, reference
from ecs_kit.runtime.contract.statuses import RunStatus
from tests.unit.runtime.fakes import EXECUTION, START, execution, spec
from tests.unit.runtime.test_monitor import event, plenty

KEY = "specs/nightly.json"
OTHER = EXECUTION.replace(":one", ":two")


def named(bucket: str = "kit-1", **changes: Any) -> dict[str, Any]:
    return {"specUri": f"s3://{bucket}/{KEY}", **changes}


def put(w: Any, pattern: int = 1, tasks: int = 3, **changes: Any) -> None:
    w.bucket.objects[KEY] = json.dumps(spec(pattern, tasks, **changes)).encode()


def launch(w: Any, given: dict[str, Any], arn: str = EXECUTION) -> Any:
    return w.launcher.launch({"execution": execution(arn), "spec": given}, plenty)


class TestReferences:
    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({"specUri": "s3://other/specs/a.json"}, r"\$.specUri: must be an object below s3://kit-1/specs/"),
            ({"specUri": "s3://kit-1/secret.json"}, r"\$.specUri: must be an object below"),
            ({"specUri": "s3://kit-1/specs/"}, r"\$.specUri: must be an object below"),
            ({"specUri": f"s3://kit-1/{PINNED_PREFIX}1.json"}, r"\$.specUri: must be an object below"),
            ({"specUri": 7}, r"\$.specUri: must be an object below"),
            (named(taskList=[]), r"\$.taskList: is unknown beside specUri"),
            (
                named(scheduledTime="soon"),
                r"\$.scheduledTime: must be a time in ISO 8601, from 1970 to 2255, not \"soon\"",
            ),
            (named(scheduledTime=5), r"\$.scheduledTime: must be a time"),
        ],
    )
    def test_are_refused_where_they_name_no_spec_of_the_bucket(self, w: Any, given: Any, problem: str) -> None:
        put(w)
        with pytest.raises(SpecRefused, match=problem):
            launch(w, given)
        assert w.bucket.reads == [], "nothing was read"

    def test_the_run_id_is_the_execution_s_or_the_scheduled_time_s(self) -> None:
        by_hand = [reference(named(), "kit-1", arn, START) for arn in (EXECUTION, OTHER)]
        assert [found.run_id for found in by_hand] == [None, None]
        assert by_hand[0].pinned_key != by_hand[1].pinned_key
        due = named(scheduledTime="2026-11-24T03:00:00Z")
        late = datetime(2026, 11, 24, 5, tzinfo=UTC)
        scheduled = [reference(due, "kit-1", arn, when) for arn, when in ((EXECUTION, START), (OTHER, late))]
        assert scheduled[0] == scheduled[1] and scheduled[0].run_id is not None
        next_day = reference(named(scheduledTime="2026-11-25T03:00:00Z"), "kit-1", EXECUTION, START)
        assert next_day.run_id != scheduled[0].run_id


class TestPinning:
    def test_a_run_keeps_its_spec_when_the_original_changes_or_goes(self, w: Any) -> None:
        put(w, tasks=2)
        assert launch(w, named())["launched"] == 2
        put(w, tasks=9)
        assert launch(w, named())["numberOfTasks"] == 2
        del w.bucket.objects[KEY]
        assert launch(w, named())["launched"] == 0
        pinned = f"{PINNED_PREFIX}{w.run_id}.json"
        assert json.loads(w.bucket.objects[pinned]) == spec(tasks=2)
        assert w.bucket.reads.count(KEY) == 1

    def test_of_two_calls_at_once_both_get_what_the_first_pinned(self, w: Any) -> None:
        put(w, tasks=1)
        pinned, get = f"{PINNED_PREFIX}{w.run_id}.json", w.bucket.get_object

        def overtaken(**request: Any) -> Any:
            answer = get(**request)
            w.bucket.objects.setdefault(pinned, json.dumps(spec(tasks=2)).encode())
            return answer

        w.bucket.get_object = overtaken
        assert launch(w, named())["numberOfTasks"] == 2

    def test_a_missing_or_a_broken_spec_is_refused(self, w: Any) -> None:
        with pytest.raises(SpecRefused, match=r"\$.specUri: names s3://kit-1/specs/nightly.json, which does not exist"):
            launch(w, named())
        w.bucket.objects[KEY] = b"{"
        with pytest.raises(SpecRefused, match="is not JSON"):
            launch(w, named())

    def test_a_spec_that_is_too_large_is_refused(self, w: Any) -> None:
        w.bucket.objects[KEY] = b" " * (MAX_SPEC_BYTES + 1)
        with pytest.raises(SpecRefused, match=f"{MAX_SPEC_BYTES} is the most"):
            launch(w, named())


class TestScheduledRuns:
    def test_a_start_that_is_delivered_twice_launches_once(self, w: Any) -> None:
        put(w)
        due = named(scheduledTime="2026-11-24T03:00:00Z")
        first = launch(w, due)
        with pytest.raises(RunIdInUse, match="already used by execution"):
            launch(w, due, OTHER)
        assert (first["launched"], len(w.ecs.calls)) == (3, 3)

    def test_the_end_of_the_second_execution_leaves_the_first_one_s_run_alone(self, w: Any) -> None:
        put(w)
        due = named(scheduledTime="2026-11-24T03:00:00Z")
        identifier = int(launch(w, due)["runId"])
        refused = event("FAILED", executionArn=OTHER, input=json.dumps(due))
        assert w.monitor.finalize_from_event(refused, plenty) == {"finalized": False}
        assert w.summaries.get("copying", identifier).status is RunStatus.RUNNING
        ended = event("ABORTED", input=json.dumps(due))
        assert w.monitor.finalize_from_event(ended, plenty)["finalized"]
        assert w.summaries.get("copying", identifier).status is RunStatus.ABORTED


class TestPattern2:
    def test_the_state_machine_gets_the_task_list_of_a_named_spec_alone(self, world: Any) -> None:
        w = world(2)
        put(w, 2)
        answer = w.monitor.register({"execution": execution(), "spec": named("kit-2")})
        assert answer["taskList"] == spec(2)["taskList"]
        assert "taskList" not in w.register()

    def test_the_state_machine_reads_a_list_that_is_too_long_for_an_answer_itself(self, world: Any) -> None:
        w = world(2)
        put(w, 2, taskList=[{"taskName": f"t{n}", "objectKey": "k" * 900} for n in range(30)])
        answer = w.monitor.register({"execution": execution(), "spec": named("kit-2")})
        assert "taskList" not in answer and answer["pinnedList"] == {"bucket": "kit-2", "key": w.summary().task_list}

    def test_tasks_without_a_row_are_known_by_the_pinned_list(self, world: Any) -> None:
        w = world(2)
        put(w, 2, tasks=60)  # too long for the summary's copy
        given = named("kit-2")
        w.monitor.register({"execution": execution(), "spec": given})
        w.stepfunctions.executions[EXECUTION] = {"status": "RUNNING", "input": json.dumps(given)}
        del w.bucket.objects[KEY]
        w.end_launching()
        assert w.poll()["failed"] == 60

    def test_an_execution_that_is_stopped_before_it_registered_has_a_run(self, world: Any) -> None:
        w = world(2)
        put(w, 2)
        stopped = event("ABORTED", pattern=2, input=json.dumps(named("kit-2")))
        assert w.monitor.finalize_from_event(stopped, plenty)["finalized"]
        assert w.summary().status is RunStatus.ABORTED
        assert w.summary().number_of_tasks == 3
