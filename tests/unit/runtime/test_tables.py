"""The tables: conditional writes, complete reads, records and items."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ecs_kit.runtime.common.tables import SPEC_LIMIT_BYTES, DetailsTable, SummaryTable, stored_spec
from ecs_kit.runtime.contract.errors import RunIdInUse
from ecs_kit.runtime.contract.records import Counts, Summary, TaskRow, from_item, to_item
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from tests.unit.runtime.fakes import spec

NOW = "2026-11-24T04:00:00.000Z"
LATER = "2026-11-24T04:00:09.000Z"
RUN = Summary("wf", 1795492244120123, RunStatus.RUNNING, 3, "arn:one", NOW, NOW, running_tasks=3, open_since=NOW)
ROW = TaskRow(1795492244120123, "arn:task/1", "wf", "a", 1, TaskStatus.SUBMITTED, NOW, NOW, source_uri="s3://b/k")
FAILED_ROW = replace(ROW, status=TaskStatus.FAILED)


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
            "next_index": {"N": "0"},
            "launching_ended": {"BOOL": False},
            "on_demand_first": {"BOOL": False},
            "capacity_waits": {"N": "0"},
            "wait_events": {"N": "0"},
            "open_since": {"S": NOW},
        }

    @pytest.mark.parametrize(
        "record",
        [
            replace(FAILED_ROW, error="JobFailed: no", stopped_reason="x", exit_code=1, exec_time_in_seconds=0.25),
            replace(RUN, end_time=LATER, workflow_specs="{}", launching_ended=True),
        ],
    )
    def test_are_read_back(self, record: Any) -> None:
        assert from_item(type(record), to_item(record)) == record

    def test_long_reasons_are_truncated(self) -> None:
        item = to_item(replace(ROW, error="e" * 300_000, stopped_reason="r" * 2000))
        assert item["error"] == {"S": "e" * 1999 + "…"} and item["stopped_reason"] == {"S": "r" * 2000}

    def test_rows_of_other_writers_need_only_their_keys(self) -> None:
        row = from_item(TaskRow, {"workflow_run_id": {"N": "7"}, "ecs_task_id": {"S": "x"}, "more": {"L": []}})
        assert (row.workflow_run_id, row.attempt, row.status) == (7, 0, TaskStatus.RUNNING)

    def test_a_spec_is_stored_whole_up_to_three_kilobytes(self) -> None:
        assert '"taskList"' in stored_spec(spec(tasks=3))
        stored = stored_spec(spec(tasks=200))
        assert len(stored) < SPEC_LIMIT_BYTES and '"taskList"' not in stored and '"clusterName"' in stored


class TestSummaries:
    def test_an_id_of_another_execution_is_refused_and_its_row_unchanged(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        counted = summaries.count_events(RUN, 7)
        assert summaries.register(RUN) == counted, "registering again never overwrites"
        with pytest.raises(RunIdInUse, match="1795492244120123 of workflow wf was already used by execution arn:one"):
            summaries.register(replace(RUN, execution_arn="arn:two", number_of_tasks=9))
        assert summaries.get("wf", RUN.workflow_run_id) == counted
        assert summaries.register(replace(RUN, workflow_name="other", execution_arn="arn:two"))
        assert summaries.get("wf", 1) is None

    def test_a_terminal_status_never_changes(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        ended = summaries.finish(RUN, RunStatus.COMPLETED, LATER)
        assert ended.end_time == LATER and ended.status is RunStatus.COMPLETED
        for found in (
            summaries.finish(RUN, RunStatus.ABORTED, NOW),
            summaries.end_early(RUN, RunStatus.ABORTED, NOW),
            summaries.end_launching(RUN, "", 3, [], True, NOW),
            summaries.begin_launching(RUN, "call", NOW)[0],
            summaries.wait_for_capacity(RUN, NOW, "full"),
            summaries.wait_until(RUN, NOW),
        ):
            assert found == ended == summaries.get("wf", RUN.workflow_run_id)

    def test_a_run_that_was_ended_early_gets_its_final_counts_and_its_end_time_later(
        self, summaries: SummaryTable
    ) -> None:
        summaries.register(RUN)
        early = summaries.end_early(RUN, RunStatus.ABORTED, NOW)
        assert (early.status, early.end_time) == (RunStatus.ABORTED, None)
        assert summaries.end_early(RUN, RunStatus.TIMED_OUT, LATER) == early
        assert list(summaries.open()) == [early]
        ended = summaries.conclude(early, Counts(1, 2, 0), LATER)
        assert (ended.status, ended.failed_tasks, ended.end_time) == (RunStatus.ABORTED, 2, LATER)
        assert list(summaries.open()) == [ended]
        summaries.close(ended)
        assert list(summaries.open()) == []
        assert summaries.conclude(ended, Counts(1, 2, 0), "2026-11-24T09:00:00.000Z").end_time == LATER

    def test_a_run_waits_for_the_last_of_its_tasks_and_every_wait_is_counted(
        self, summaries: SummaryTable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        summaries.register(RUN)
        first = summaries.wait_for_capacity(RUN, NOW, "full", events=15)
        second = summaries.wait_for_capacity(RUN, LATER, "full again", events=33)
        summaries.wait_until(second, LATER)
        found = summaries.wait_until(first, NOW)
        assert (found.waiting_since, found.waiting_until, found.waiting_reason) == (NOW, LATER, "full again")
        assert (found.capacity_waits, found.wait_events) == (2, 48)
        monkeypatch.setattr(summaries._client, "update_item", None)
        assert summaries.wait_until(found, NOW) == found, "nothing to write"

    def test_a_wait_that_a_poll_ended_too_early_is_recorded_again(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        waiting = summaries.wait_for_capacity(RUN, NOW, "full")
        summaries.end_waiting(waiting, NOW)
        found = summaries.wait_until(waiting, LATER)
        assert (found.waiting_since, found.waiting_reason, found.waiting_until) == (NOW, "full", LATER)
        summaries.end_waiting(found, LATER)
        other = summaries.wait_for_capacity(RUN, LATER, "full again")
        found = summaries.wait_until(waiting, LATER)
        assert (found.waiting_since, found.waiting_reason) == (other.waiting_since, "full again")

    def test_a_wait_that_began_meanwhile_is_not_ended(self, summaries: SummaryTable) -> None:
        summaries.register(RUN)
        first = summaries.wait_for_capacity(RUN, NOW, "full")
        second = summaries.wait_for_capacity(first, LATER, "full")
        assert summaries.end_waiting(first, LATER) == second
        ended = summaries.end_waiting(second, LATER)
        assert (ended.waiting_since, ended.capacity_waits) == (None, 2)

    def test_a_deleted_row_is_not_put_again(self, summaries: SummaryTable) -> None:
        assert summaries.end_early(RUN, RunStatus.ABORTED, LATER) == RUN
        assert summaries.get("wf", RUN.workflow_run_id) is None

    @pytest.mark.parametrize("early", [True, False])
    def test_the_runs_without_an_end_are_found_and_only_they_are_read(
        self, summaries: SummaryTable, monkeypatch: pytest.MonkeyPatch, early: bool
    ) -> None:
        runs = [replace(RUN, workflow_run_id=number) for number in range(1, 9)]
        for run in runs:
            summaries.register(run)
        if early:
            ended = summaries.conclude(summaries.end_early(runs[4], RunStatus.ABORTED, NOW), Counts(0, 3, 0), LATER)
            summaries.close(ended)
        else:
            summaries.finish(runs[4], RunStatus.FAILED, LATER)
        read: list[int] = []
        get = summaries.get
        monkeypatch.setattr(summaries, "get", lambda name, number: (read.append(number), get(name, number))[1])
        assert [found.workflow_run_id for found in summaries.open()] == read
        assert sorted(read) == [1, 2, 3, 4, 6, 7, 8]

    def test_whoever_listens_is_told_of_each_write_with_the_item_before_and_after_it(self, dynamodb: Any) -> None:
        told: list[tuple[Summary | None, Summary]] = []
        table = SummaryTable(dynamodb, "workflow_summary_pattern_1", lambda *items: told.append(items))
        table.register(RUN)
        table.register(RUN)
        waiting = table.wait_for_capacity(RUN, NOW, "full", events=2)
        again = table.wait_for_capacity(RUN, LATER, "full", events=3)
        negative = table.count_events(again, -4)
        ended = table.finish(negative, RunStatus.FAILED, LATER)
        table.finish(negative, RunStatus.COMPLETED, LATER)
        assert told == [(None, RUN), (RUN, waiting), (waiting, again), (again, negative), (negative, ended)]
        assert ended == table.get("wf", RUN.workflow_run_id), "what is told is what is stored"
        assert (again.capacity_waits, negative.wait_events, ended.waiting_since) == (2, 1, None)


class TestDetails:
    def test_all_rows_of_the_run_and_the_workflow_are_read_and_no_others(self, details: DetailsTable) -> None:
        own = [replace(ROW, ecs_task_id=f"arn:task/{number}") for number in range(8)]
        others = [replace(ROW, ecs_task_id="x", workflow_name="other"), replace(ROW, workflow_run_id=1)]
        for row in (*own, *others):
            details.put_new(row)
        assert details.rows(ROW.workflow_run_id, "wf") == own
        assert details.get(1, "x") is None

    def test_a_new_row_never_overwrites(self, details: DetailsTable) -> None:
        running = replace(ROW, status=TaskStatus.RUNNING)
        assert details.write(running) == (running, True)
        assert details.put_new(ROW) == (running, False)

    def test_a_task_s_own_write_keeps_what_the_launcher_wrote(self, details: DetailsTable) -> None:
        details.put_new(replace(ROW, log_stream="ecs/app/1"))
        found, _ = details.write(replace(ROW, status=TaskStatus.RUNNING, start_time=LATER))
        assert (found.log_stream, found.start_time, found.status) == ("ecs/app/1", LATER, TaskStatus.RUNNING)

    @pytest.mark.parametrize("final", [TaskStatus.COMPLETED, TaskStatus.FAILED])
    @pytest.mark.parametrize("late", list(TaskStatus))
    def test_a_terminal_status_never_changes(self, details: DetailsTable, final: TaskStatus, late: TaskStatus) -> None:
        ended = replace(ROW, status=final)
        details.write(ended)
        assert details.write(replace(ROW, status=late, error="late")) == (ended, False)

    def test_ecs_s_reasons_are_added_to_a_failed_row_and_never_overwrite(self, details: DetailsTable) -> None:
        details.write(replace(FAILED_ROW, error="first", exit_code=143))
        reasons = replace(FAILED_ROW, error="second", exit_code=1, stopped_reason="Spot", stop_code="A")
        found, written = details.explain(reasons)
        assert written and (found.error, found.exit_code) == ("first", 143)
        assert (found.stopped_reason, found.stop_code) == ("Spot", "A")
        assert details.explain(replace(reasons, stopped_reason="later", stop_code="B")) == (found, True)

    def test_a_completed_row_is_not_explained(self, details: DetailsTable) -> None:
        done = replace(ROW, status=TaskStatus.COMPLETED)
        details.write(done)
        assert details.explain(replace(FAILED_ROW, error="x")) == (done, False)
