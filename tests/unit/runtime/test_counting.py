"""The kept counts: each task is counted once."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from ecs_kit.automation.journeys.tables import summary_items
from ecs_kit.runtime.common.counting import Counting
from ecs_kit.runtime.common.tables import CONFLICTS, DetailsTable, SummaryTable
from ecs_kit.runtime.contract import outcomes
from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.records import Counts, Summary, Target, new_row
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from ecs_kit.runtime.reporter.items import uncounted_items
from tests.unit.runtime.fakes import client_error

NOW = "2026-11-24T03:50:44.120Z"


def a_run(tasks: int) -> Summary:
    return Summary("wf", 7, RunStatus.RUNNING, tasks, "arn:one", NOW, NOW, running_tasks=tasks)


@pytest.fixture
def counting(dynamodb: Any) -> Counting:
    summaries = SummaryTable(dynamodb, "workflow_summary_pattern_1")
    return Counting(dynamodb, summaries)


@pytest.mark.parametrize("tasks", [3, outcomes.TASKS_IN_RUN + 1, 4000])
class TestCounts:
    def test_are_of_tasks_that_are_counted_once(self, counting: Counting, tasks: int) -> None:
        run = counting.summaries.register(a_run(tasks))
        last = tasks - 1
        counted, _ = counting.count(run, {0: True, last: False}, {}, {"first_failure": "it"}, NOW)
        assert counted is not None and counted.counts == Counts(1, 1, tasks - 2)
        assert counted == counting.summaries.get("wf", 7), "what is returned is what is stored"
        assert counting.counted(counted, range(tasks)) == {0: True, last: False}
        again, known = counting.count(counted, {0: True, 1: True}, {}, {}, NOW)
        assert (again, known) == (None, {0: True}), "one of them is counted already"
        assert counting.summaries.get("wf", 7) == counted

    def test_are_not_written_by_who_read_older_ones_or_after_the_end(self, counting: Counting, tasks: int) -> None:
        run = counting.summaries.register(a_run(tasks))
        first, _ = counting.count(run, {0: True}, {}, {}, NOW)
        assert (
            counting.count(replace(run, outcomes=first.outcomes if first else None), {1: True}, {}, {}, NOW)[0] is None
        )
        assert first is not None
        counting.summaries.end_early(first, RunStatus.ABORTED, NOW)
        assert counting.count(first, {1: True}, {}, {}, NOW) == (None, {})

    def test_are_corrected_where_a_task_that_counted_as_failed_completes(self, counting: Counting, tasks: int) -> None:
        run = counting.summaries.register(a_run(tasks))
        failed, _ = counting.count(run, {1: False}, {}, {}, NOW)
        assert failed is not None
        corrected, _ = counting.count(failed, {1: True}, {1: False}, {}, NOW)
        assert corrected is not None and corrected.counts == Counts(1, 0, tasks - 1)

    def test_are_not_taken_for_counted_by_others_where_their_write_is_throttled(
        self, counting: Counting, tasks: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = counting.summaries.register(a_run(tasks))
        reasons = {"CancellationReasons": [{"Code": "ThrottlingError"}, {"Code": "None"}]}
        for operation, code in (("transact_write_items", "TransactionCanceled"), ("update_item", "Throttling")):
            error = client_error(f"{code}Exception", operation=operation, **reasons)
            monkeypatch.setattr(counting.client, operation, Mock(side_effect=error))
        with pytest.raises(ClientError):
            counting.count(run, {0: True}, {}, {}, NOW)

    @pytest.mark.parametrize("times", [1, CONFLICTS])
    def test_are_written_again_where_the_launcher_writes_to_the_run_at_the_same_time(
        self, counting: Counting, tasks: int, times: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = counting.summaries.register(a_run(tasks))
        reasons = {"CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}]}
        conflicts = {
            "transact_write_items": client_error("TransactionCanceledException", **reasons),
            "update_item": client_error("TransactionConflictException"),
        }
        for operation, error in conflicts.items():
            write = getattr(counting.client, operation)
            answers = Mock(side_effect=[*[error] * times, write])
            monkeypatch.setattr(
                counting.client,
                operation,
                lambda _answers=answers, _write=write, **given: _answers() and _write(**given),
            )
        monkeypatch.setattr(time, "sleep", Mock())
        if times == CONFLICTS:
            with pytest.raises(ClientError):
                counting.count(run, {0: True}, {}, {}, NOW)
        else:
            counted, _ = counting.count(run, {0: True}, {}, {}, NOW)
            assert counted is not None and counted.counts == Counts(1, 0, tasks - 1)

    def test_of_a_long_run_are_in_items_of_the_summary_table_that_are_no_runs(
        self, counting: Counting, tasks: int
    ) -> None:
        run = counting.summaries.register(replace(a_run(tasks), open_since=NOW))
        counting.count(run, {0: True}, {}, {}, NOW)
        items = counting.summaries.outcomes([outcomes.key("wf", number) for number in range(3)], 7)
        assert len(items) == (0 if tasks <= outcomes.TASKS_IN_RUN else 1)
        aws: Any = SimpleNamespace(dynamodb=counting.client)
        (listed,) = summary_items(aws, {"ddbTableNameWFSummary": counting.summaries.name})
        assert listed["workflow_name"] == "wf"
        assert [found.workflow_name for found in counting.summaries.open()] == ["wf"]


@given(st.dictionaries(st.integers(0, outcomes.TASKS_PER_ITEM - 1), st.booleans(), max_size=30))
def test_outcomes_are_read_back(ended: dict[int, bool]) -> None:
    text = outcomes.changed("", ended)
    read = {index: outcomes.outcome(text, index) for index in range(outcomes.TASKS_PER_ITEM)}
    assert {index: outcome for index, outcome in read.items() if outcome is not None} == ended
    assert outcomes.changed(text, {}) == text


def test_the_driver_reads_what_is_not_counted_as_the_functions_do(counting: Counting) -> None:
    run, details = a_run(3), DetailsTable(counting.client, "workflow_details_pattern_1")
    target = Target("b", "copies", "ecs", "app")
    for index, status in enumerate(("Running", "Failed", "Completed")):
        attempt = run.attempt(f"task_{index}", 1, index=index)
        row = new_row(attempt, target, TaskStatus(status), ecs_task_arn=f"arn:task/{index}", now=from_iso(NOW))
        details.put_new(replace(row, error="JobFailed: x" if status == "Failed" else None))
    (counted,) = [row for row in details.rows(7, "wf") if row.status is TaskStatus.COMPLETED]
    details.set_counted(counted)
    aws: Any = SimpleNamespace(dynamodb=counting.client)
    items = uncounted_items(aws, {"ddbTableNameWFDetails": details.name}, "wf", 7)
    found = {item["task_name"]: (item["status"], item["attempt"], item.get("error")) for item in items}
    assert found == {"task_0": ("Running", 1, None), "task_1": ("Failed", 1, "JobFailed: x")}
