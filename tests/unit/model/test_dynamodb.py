"""The tables in memory do with the kit's expressions what another implementation of DynamoDB does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from ecs_kit.runtime.common.tables import DetailsTable, SummaryTable
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.errors import RunIdInUse
from ecs_kit.runtime.contract.records import Counts, Summary, TaskRow
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from tests.unit.model.dynamodb import KEYS, DynamoDb, create_table
from tests.unit.runtime.fakes import REGION, START

pytestmark = pytest.mark.no_cover  # what it calls is tested elsewhere: here the model is

NOW, LATER = to_iso(START), to_iso(START + timedelta(seconds=9))
RUN = Summary("wf", 7, RunStatus.RUNNING, 3, "arn:one", NOW, NOW, open_since=NOW)
ROW = TaskRow(7, "arn:task/1", "wf", "a", 1, TaskStatus.RUNNING, NOW, NOW)

rows = st.builds(
    lambda key, name, status, error, code: replace(
        ROW, ecs_task_id=key, workflow_name=name, status=status, error=error, exit_code=code
    ),
    st.sampled_from(["arn:task/1", "arn:task/2", "not-started/a/1"]),
    st.sampled_from(["wf", "other"]),
    st.sampled_from(TaskStatus),
    st.sampled_from([None, "TaskStopped: x", "JobFailed: y"]),
    st.sampled_from([None, 1, 137]),
)
counts = st.builds(Counts, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
statuses = st.sampled_from([status for status in RunStatus if status.is_final])

Step = Callable[[SummaryTable, DetailsTable], Any]
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(lambda row: lambda _, details: details.write(row), rows),
    st.builds(lambda row: lambda _, details: details.put_new(row), rows),
    st.builds(lambda row: lambda _, details: details.explain(row), rows),
    st.builds(lambda row: lambda _, details: details.record_failure(row), rows),
    st.just(lambda summaries, _: summaries.wait_for_capacity(RUN, NOW, "full", launch_asked=NOW, launch_after=NOW)),
    st.builds(
        lambda until: (
            lambda summaries, _: summaries.wait_until(summaries.wait_for_capacity(RUN, NOW, "full", events=15), until)
        ),
        st.sampled_from([NOW, LATER]),
    ),
    st.builds(lambda until: lambda summaries, _: summaries.wait_until(RUN, until), st.sampled_from([NOW, LATER])),
    st.just(lambda summaries, _: summaries.count_events(RUN, 15)),
    st.just(lambda summaries, _: summaries.launch_now(RUN, NOW)),
    st.builds(
        lambda waits: lambda summaries, _: summaries.end_waiting(replace(RUN, capacity_waits=waits), NOW),
        st.integers(0, 2),
    ),
    st.builds(
        lambda arn: lambda summaries, _: summaries.register(replace(RUN, execution_arn=arn)), st.sampled_from("ab")
    ),
    st.builds(lambda made: lambda summaries, _: summaries.update_counts(RUN, made, NOW), counts),
    st.builds(lambda made, status: lambda summaries, _: summaries.finish(RUN, status, made, NOW), counts, statuses),
    st.builds(lambda status: lambda summaries, _: summaries.end_early(RUN, status, NOW), statuses),
    st.builds(
        lambda made, status: lambda summaries, _: summaries.conclude(replace(RUN, status=status), made, NOW),
        counts,
        statuses,
    ),
    st.just(lambda summaries, _: list(summaries.unfinished())),
    st.just(lambda _, details: details.rows(7, "wf")),
)


@pytest.fixture(scope="module")
def other() -> Any:
    with mock_aws():
        yield boto3.client("dynamodb", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")


def tables(client: Any, number: int) -> tuple[SummaryTable, DetailsTable]:
    return SummaryTable(client, f"workflow_summary_{number}"), DetailsTable(client, f"workflow_details_{number}")


def answer(step: Step, summaries: SummaryTable, details: DetailsTable) -> Any:
    try:
        return step(summaries, details)
    except RunIdInUse as error:
        return str(error)


numbers = iter(range(10**6))


@settings(max_examples=25, derandomize=True, deadline=None, phases=[Phase.generate])
@given(st.lists(steps, min_size=3, max_size=12))
def test_the_same_calls_have_the_same_answers(other: Any, taken: list[Step]) -> None:
    number = next(numbers)
    for kind in KEYS:
        create_table(other, f"{kind}_{number}", kind)
    own = DynamoDb()
    for step in taken:
        assert answer(step, *tables(own, number)) == answer(step, *tables(other, number))
