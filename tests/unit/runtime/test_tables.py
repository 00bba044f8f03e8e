"""The tables: conditional writes, complete reads, records and items."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_kit.runtime.common.tables import SPEC_LIMIT_BYTES, DetailsTable, SummaryTable, stored_spec
from ecs_kit.runtime.contract.errors import RunIdInUse
from ecs_kit.runtime.contract.records import Counts, Summary, TaskRow, not_started_id, to_item, to_summary, to_task_row
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from tests.unit.runtime.fakes import client_error, spec

NOW = "2026-11-24T04:00:00.000Z"
LATER = "2026-11-24T04:00:09.000Z"
RUN = Summary("wf", 1795492244120123, RunStatus.RUNNING, 3, "arn:one", NOW, NOW, running_tasks=3)
ROW = TaskRow(1795492244120123, "arn:task/1", "wf", "a", 1, TaskStatus.SUBMITTED, NOW, NOW, source_uri="s3://b/k")


@pytest.fixture
def summaries(dynamodb: Any) -> SummaryTable:
    return SummaryTable(dynamodb, "workflow_summary_pattern_1")


@pytest.fixture
def details(dynamodb: Any) -> DetailsTable:
    return DetailsTable(dynamodb, "workflow_details_pattern_1")


class TestRecords:
    def test_items_use_the_documented_names_and_types(self) -> None:
        assert to_item(RUN) == {
            "workflow_name": {"S": "wf"},
            "workflow_run_id": {"N": "1795492244120123"},
            "status": {"S": "Running"},
            "number_of_tasks": {"N": "3"},
            "execution_arn": {"S": "arn:one"},
            "start_time": {"S": NOW},
            "update_time": {"S": NOW},
            "completed_tasks": {"N": "0"},
            "failed_tasks": {"N": "0"},
            "running_tasks": {"N": "3"},
            "launching_ended": {"BOOL": False},
            "on_demand_first": {"BOOL": False},
            "capacity_waits": {"N": "0"},
            "wait_events": {"N": "0"},
        }

    def test_survive_the_way_through_an_item(self) -> None:
        failed = replace(
            ROW,
            status=TaskStatus.FAILED,
            error="JobFailed: no",
            stopped_reason="because",
            exit_code=1,
            exec_time_in_seconds=0.25,
            log_stream="ecs/app/1",
            target_uri="s3://b/t",
        )
        ended = replace(RUN, end_time=LATER, workflow_specs="{}", launching_ended=True)
        assert to_task_row(to_item(failed)) == failed
        assert to_summary(to_item(ended)) == ended

    def test_reasons_that_are_too_long_are_cut(self) -> None:
        item = to_item(replace(ROW, error="e" * 300_000, stopped_reason="r" * 2000))
        assert item["error"] == {"S": "e" * 1999 + "…"} and item["stopped_reason"] == {"S": "r" * 2000}

    def test_rows_of_other_writers_need_only_their_keys(self) -> None:
        row = to_task_row({"workflow_run_id": {"N": "7"}, "ecs_task_id": {"S": "x"}, "more": {"L": []}})
        assert (row.workflow_run_id, row.attempt, row.status) == (7, 0, TaskStatus.RUNNING)

    def test_an_attempt_that_ecs_never_accepted_has_no_arn(self) -> None:
        assert not replace(ROW, ecs_task_id=not_started_id("a", 2)).was_started
        assert not_started_id("a", 2) == "not-started/a/2"


class TestStoredSpec:
    def test_is_whole_up_to_three_kilobytes(self) -> None:
        assert '"taskList"' in stored_spec(spec(tasks=3))

    def test_loses_its_task_list_above(self) -> None:
        stored = stored_spec(spec(tasks=200))
        assert len(stored) < SPEC_LIMIT_BYTES and '"taskList"' not in stored and '"clusterName"' in stored


class TestSummaries:
    def test_registering_again_keeps_what_stands_there(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        summaries.update_counts(RUN, Counts(1, 0, 2), LATER)
        assert summaries.register(RUN).completed_tasks == 1

    def test_an_id_of_another_execution_is_refused_and_its_row_untouched(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        with pytest.raises(RunIdInUse, match="1795492244120123 of workflow wf was already used by execution arn:one"):
            summaries.register(replace(RUN, execution_arn="arn:two", number_of_tasks=9))
        assert summaries.get("wf", RUN.workflow_run_id) == RUN

    def test_another_workflow_may_use_the_same_id(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        assert summaries.register(replace(RUN, workflow_name="other", execution_arn="arn:two"))

    def test_what_is_not_there_is_none(self, summaries: SummaryTable) -> None:
        assert summaries.get("wf", 1) is None

    def test_a_final_status_never_changes(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        ended, written = summaries.finish(RUN, RunStatus.COMPLETED, Counts(3, 0, 0), LATER)
        assert written and ended.end_time == LATER and ended.status is RunStatus.COMPLETED
        for change in (
            lambda: summaries.finish(RUN, RunStatus.ABORTED, Counts(0, 3, 0), LATER),
            lambda: summaries.update_counts(RUN, Counts(0, 0, 3), LATER),
            lambda: summaries.set_launching_ended(RUN, True, LATER),
        ):
            assert change() == (ended, False)

    def test_a_run_that_was_ended_early_gets_its_last_counts_and_its_end_later(self, summaries: SummaryTable) -> None:
        summaries.register(replace(RUN, open_since=NOW))
        early, written = summaries.end_early(RUN, RunStatus.ABORTED, NOW)
        assert written and (early.status, early.end_time) == (RunStatus.ABORTED, None)
        assert summaries.end_early(RUN, RunStatus.TIMED_OUT, LATER) == (early, False)
        assert [found.workflow_run_id for found in summaries.unfinished()] == [RUN.workflow_run_id]
        ended, written = summaries.conclude(early, Counts(1, 2, 0), LATER)
        assert written and (ended.status, ended.failed_tasks, ended.end_time) == (RunStatus.ABORTED, 2, LATER)
        assert list(summaries.unfinished()) == []
        assert summaries.conclude(ended, Counts(1, 2, 0), "2026-11-24T09:00:00.000Z")[0].end_time == LATER

    def test_the_last_of_the_tasks_that_wait_says_until_when(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        assert summaries.wait_until(RUN, LATER)[1]
        assert not summaries.wait_until(RUN, NOW)[1]
        found = summaries.get("wf", RUN.workflow_run_id)
        assert found is not None and found.waiting_until == LATER

    def test_a_wait_that_began_meanwhile_is_not_ended(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        first, _ = summaries.wait_for_capacity(RUN, NOW, "full")
        second, _ = summaries.wait_for_capacity(first, LATER, "full")
        assert summaries.end_waiting(first, LATER) == (second, False)
        ended, written = summaries.end_waiting(second, LATER)
        assert written and (ended.waiting_since, ended.capacity_waits) == (None, 2)

    def test_a_wait_that_a_look_ended_too_early_is_noted_again(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        waiting, _ = summaries.wait_for_capacity(RUN, NOW, "full")
        summaries.end_waiting(waiting, NOW)
        found, _ = summaries.wait_until(waiting, LATER)
        assert (found.waiting_since, found.waiting_reason, found.waiting_until) == (NOW, "full", LATER)

    def test_a_row_that_vanished_is_not_made_again(self, summaries: SummaryTable) -> None:
        assert summaries.update_counts(RUN, Counts(1, 1, 1), LATER) == (RUN, False)
        assert summaries.get("wf", RUN.workflow_run_id) is None

    def test_the_runs_without_an_end_are_found_over_all_pages(self, summaries: SummaryTable, dynamodb: Any) -> None:
        specs = "x" * 300_000
        for number in range(1, 9):
            summaries.register(replace(RUN, workflow_run_id=number, workflow_specs=specs, open_since=NOW))
        summaries.finish(replace(RUN, workflow_run_id=5), RunStatus.FAILED, Counts(0, 3, 0), LATER)
        assert sorted(found.workflow_run_id for found in summaries.unfinished()) == [
            number for number in range(1, 9) if number != 5
        ]

    @pytest.mark.parametrize("early", [True, False])
    def test_those_with_an_end_are_not_read_to_find_them(
        self, summaries: SummaryTable, monkeypatch: pytest.MonkeyPatch, early: bool
    ) -> None:
        runs = [replace(RUN, workflow_run_id=number, open_since=NOW) for number in (1, 2)]
        for run in runs:
            summaries.register(run)
        if early:
            summaries.conclude(summaries.end_early(runs[0], RunStatus.ABORTED, NOW)[0], Counts(0, 3, 0), LATER)
        else:
            summaries.finish(runs[0], RunStatus.FAILED, Counts(0, 3, 0), LATER)
        asked: list[int] = []
        get = summaries.get
        monkeypatch.setattr(summaries, "get", lambda name, number: (asked.append(number), get(name, number))[1])
        assert [found.workflow_run_id for found in summaries.unfinished()] == asked == [2]

    def test_other_errors_are_not_swallowed(self, summaries: SummaryTable, monkeypatch: pytest.MonkeyPatch) -> None:
        def throttled(**_: object) -> None:
            raise client_error("ProvisionedThroughputExceededException")

        monkeypatch.setattr(summaries._client, "put_item", throttled)
        with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
            summaries.register(RUN)

    def test_an_answer_without_the_old_item_leads_to_another_read(
        self, summaries: SummaryTable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        summaries.register(RUN)

        def refused(**_: object) -> None:
            raise client_error("ConditionalCheckFailedException")

        monkeypatch.setattr(summaries._client, "put_item", refused)
        assert summaries.register(RUN) == RUN


class TestDetails:
    def test_rows_of_other_runs_and_workflows_are_not_seen(self, details: DetailsTable) -> None:
        for row in (
            ROW,
            replace(ROW, ecs_task_id="arn:task/2", workflow_name="other"),
            replace(ROW, ecs_task_id="arn:task/3", workflow_run_id=1),
        ):
            details.put_new(row)
        assert details.rows(ROW.workflow_run_id, "wf") == [ROW]

    def test_all_pages_are_read(self, details: DetailsTable) -> None:
        for number in range(8):
            details.put_new(replace(ROW, ecs_task_id=f"arn:task/{number}", source_uri="s" * 300_000))
        assert len(details.rows(ROW.workflow_run_id, "wf")) == 8

    def test_a_new_row_does_not_replace_one_that_is_there(self, details: DetailsTable) -> None:
        running = replace(ROW, status=TaskStatus.RUNNING)
        assert details.write(running) == (running, True)
        assert details.put_new(ROW) == (running, False)

    def test_a_task_s_own_write_joins_what_the_launcher_wrote(self, details: DetailsTable) -> None:
        details.put_new(replace(ROW, log_stream="ecs/app/1"))
        found, _ = details.write(replace(ROW, status=TaskStatus.RUNNING, start_time=LATER))
        assert (found.log_stream, found.start_time, found.status) == ("ecs/app/1", LATER, TaskStatus.RUNNING)

    @pytest.mark.parametrize("final", [TaskStatus.COMPLETED, TaskStatus.FAILED])
    @pytest.mark.parametrize("late", list(TaskStatus))
    def test_a_final_status_never_changes(self, details: DetailsTable, final: TaskStatus, late: TaskStatus) -> None:
        ended = replace(ROW, status=final)
        details.write(ended)
        assert details.write(replace(ROW, status=late, error="late")) == (ended, False)

    def test_ecs_s_word_is_added_to_a_failed_row_and_what_stands_there_stays(self, details: DetailsTable) -> None:
        details.write(replace(ROW, status=TaskStatus.FAILED, error="first", exit_code=143))
        word = replace(ROW, status=TaskStatus.FAILED, error="second", exit_code=1, stopped_reason="Spot", stop_code="A")
        found, written = details.explain(word)
        assert written and (found.error, found.exit_code) == ("first", 143)
        assert (found.stopped_reason, found.stop_code) == ("Spot", "A")
        assert details.explain(replace(word, stopped_reason="later", stop_code="B")) == (found, True)

    def test_a_completed_row_is_not_explained(self, details: DetailsTable) -> None:
        done = replace(ROW, status=TaskStatus.COMPLETED)
        details.write(done)
        assert details.explain(replace(ROW, status=TaskStatus.FAILED, error="x")) == (done, False)

    def test_what_is_not_there_is_none(self, details: DetailsTable) -> None:
        assert details.get(1, "x") is None
