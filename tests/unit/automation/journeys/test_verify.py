"""Judging a run by facts, gathering the facts, and the report of them."""

import time
from dataclasses import replace
from typing import Any

import pytest

from ecs_kit.automation.journeys import verify
from ecs_kit.automation.journeys.report import PatternResult, Report
from ecs_kit.automation.journeys.verify import judge
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.reporter.items import details_items, plain_item, summary_item
from ecs_kit.runtime.reporter.logs import log_tail
from tests.unit.automation.journeys.fakes import (
    BUCKET,
    COUNTS,
    LOG_GROUP,
    RUN,
    SOURCE_KEY,
    create_tables,
    facts,
    put_item,
    row,
)

NO_EXECUTION = replace(RUN, execution_arn="")


def test_the_document_of_a_run_that_passed_has_exactly_the_contract_s_shape() -> None:
    result = judge(RUN, facts(rows=(row("a", "Completed"), row("b", "Failed"), row("b", "Completed", 2))))
    result.run_seconds, result.verify_seconds = 4.321, 0.5

    assert result.document() == {
        "pattern": 1,
        "workflowName": "w",
        "workflowRunId": 1795486942613375,
        "executionArn": "arn:execution",
        "executionStatus": "SUCCEEDED",
        "summary": {"items": 1, "status": "Completed", "number_of_tasks": 2, "completed_tasks": 2, "failed_tasks": 0},
        "details": {"items": 3, "byStatus": {"Completed": 2, "Failed": 1}},
        "copies": 2,
        "passed": True,
        "problems": [],
        "seconds": {"run": 4.32, "verify": 0.5},
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"execution": "FAILED"}, "execution ended FAILED, not SUCCEEDED"),
        ({"summary": {}}, f"0 summary items with run id {RUN.run_id}, not 1"),
        ({"summary": {"status": "Running", **COUNTS}}, "summary item: status is 'Running', not 'Completed'"),
        (
            {"summary": {"status": "Completed", **COUNTS, "completed_tasks": 1}},
            "summary item: completed_tasks is 1, not 2",
        ),
        (
            {"rows": (row("a", "Completed"), row("b", "Failed", error="NoSuchKey"))},
            "task b: 0 details items are Completed, not 1 (Failed: NoSuchKey)",
        ),
        ({"rows": [row(name, "Completed") for name in "aab"]}, "task a: 2 details items are Completed, not 1"),
        (
            {"rows": [row(name, "Completed") for name in "abc"]},
            "details items of a task that the spec does not have: c",
        ),
        ({"results": {"a": "", "b": "no copy at k"}}, "task b: no copy at k"),
        ({"stray": ["k"]}, "an object that no task should have written: k"),
    ],
)
def test_everything_that_is_wrong_is_named(change: dict[str, Any], problem: str) -> None:
    result = judge(RUN, facts(**change))
    assert list(result.problems) == [problem] and not result.passed


def test_the_execution_s_error_and_cause_are_a_problem() -> None:
    found = facts()
    found.state.execution.update(status="FAILED", error="TasksFailed", cause="1 of 2")  # type: ignore[union-attr]
    assert judge(RUN, found).problems == ("execution ended FAILED, not SUCCEEDED: TasksFailed: 1 of 2",)


def report(*patterns: PatternResult, **changes: Any) -> Report:
    values = {"target": "local", "container_runtime": "process", "destroyed": True, **changes}
    return Report(patterns={each.pattern: each for each in patterns}, **values)


def test_the_report_has_exactly_the_contract_s_shape() -> None:
    seconds = {"setup": 1.234, "deploy": 2.0, "destroy": 3.0, "total": 7.0, "preview": 9.0}
    assert report(PatternResult(2), seconds=seconds).document() == {
        "target": "local",
        "containerRuntime": "process",
        "passed": False,
        "patterns": [PatternResult(2).document()],
        "destroyed": True,
        "leftovers": [],
        "seconds": {"setup": 1.23, "deploy": 2.0, "destroy": 3.0, "total": 7.0},
    }


def test_only_a_report_without_any_failure_is_a_pass() -> None:
    passed = judge(RUN, facts())
    assert report(passed).passed
    assert report(passed, destroyed=False, kept=True).passed
    assert not report(passed, destroyed=False).passed
    assert not report(passed, leftovers=["ec2 VPC vpc-1"]).passed
    assert not report(passed, failed=True).passed
    assert not report().passed
    assert not report(passed, PatternResult(2)).passed


def test_the_table_has_a_row_for_each_pattern() -> None:
    header, rows = report(judge(RUN, facts()), PatternResult(2)).table()

    assert [len(cells) for cells in rows] == [len(header), len(header)]
    assert rows[0] == ["1", "1795486942613375", "SUCCEEDED", "2 of 2", "0", "2", "0.0", "passed"]
    assert rows[1] == ["2", "-", "-", "- of -", "-", "0", "0.0", "FAILED"]


def test_numbers_of_16_digits_stay_exact() -> None:
    item = {"run": {"N": "1795486942613375"}, "seconds": {"N": "0.25"}, "ended": {"BOOL": True}}
    assert plain_item(item) == {"run": 1795486942613375, "seconds": 0.25, "ended": True}


def test_items_of_other_runs_and_workflows_are_not_read(aws: AwsClients) -> None:
    create_tables(aws)
    for name, number in (("w", RUN.run_id), ("w", RUN.run_id + 1), ("other", RUN.run_id)):
        keys = {"workflow_name": {"S": name}, "workflow_run_id": {"N": str(number)}}
        aws.dynamodb.put_item(TableName="summary", Item=keys)  # type: ignore[arg-type]
        item = {**keys, "ecs_task_id": {"S": f"{name}/{number}"}}
        aws.dynamodb.put_item(TableName="details", Item=item)  # type: ignore[arg-type]

    of_run = (aws, RUN.deployed, "w", RUN.run_id)
    assert summary_item(*of_run) == {"workflow_name": "w", "workflow_run_id": RUN.run_id}
    assert [item["ecs_task_id"] for item in details_items(*of_run)] == [f"w/{RUN.run_id}"]


def test_all_pages_of_items_are_read(aws: AwsClients) -> None:
    create_tables(aws)
    for number in range(12):
        put_item(aws, "details", RUN, ecs_task_id=str(number), error="x" * 200_000)

    assert len(list(details_items(aws, RUN.deployed, "w", RUN.run_id))) == 12


@pytest.fixture
def kit(aws: AwsClients) -> AwsClients:
    """A run's source, the result of its first task, and no rows."""
    create_tables(aws)
    aws.s3.create_bucket(Bucket=BUCKET)
    aws.s3.put_object(Bucket=BUCKET, Key=SOURCE_KEY, Body=b"two words")
    aws.s3.put_object(Bucket=BUCKET, Key=RUN.target(RUN.tasks[0]), Body=b"two words")
    return aws


def test_a_result_has_to_be_a_copy_of_its_source(kit: AwsClients) -> None:
    stray = f"{RUN.target_folder}stray"
    kit.s3.put_object(Bucket=BUCKET, Key=stray, Body=b"")
    key = RUN.target(RUN.tasks[1])

    found = verify.gather(kit, NO_EXECUTION)

    assert found.results == {"a": "", "b": f"no copy at {key}"}
    assert found.stray == [stray]
    kit.s3.put_object(Bucket=BUCKET, Key=key, Body=b"other words")
    assert verify.gather(kit, NO_EXECUTION).results == {"a": "", "b": f"the copy at {key} differs from its source"}
    kit.s3.delete_object(Bucket=BUCKET, Key=SOURCE_KEY)
    results = verify.gather(kit, NO_EXECUTION).results
    assert ["differs" in problem for problem in results.values()] == [True, True]


def test_an_expectation_gets_the_bytes_of_source_and_result(kit: AwsClients) -> None:
    keys = [RUN.target(task) for task in RUN.tasks]
    kit.s3.put_object(Bucket=BUCKET, Key=keys[0], Body=b"2")

    found = verify.gather(kit, NO_EXECUTION, lambda *given: str(given))

    assert found.results == {
        "a": f"the result at {keys[0]} is not as expected: (b'two words', b'2')",
        "b": f"no result at {keys[1]}",
    }
    assert verify.gather(kit, NO_EXECUTION, lambda *_: "").results == {"a": "", "b": f"no result at {keys[1]}"}


def test_a_task_without_a_source_may_write_what_it_likes_into_its_folder(kit: AwsClients) -> None:
    first, second = RUN.tasks
    run = replace(NO_EXECUTION, spec={**RUN.spec, "taskList": [first, {"taskName": second["taskName"]}]})
    kit.s3.put_object(Bucket=BUCKET, Key=f"{RUN.target_folder}b/parts/1", Body=b"")

    found = verify.gather(kit, run)

    assert (found.results, found.stray) == ({"a": ""}, [])


def test_no_result_is_read_where_none_is_expected(kit: AwsClients) -> None:
    for key in (f"{RUN.target_folder}stray", SOURCE_KEY):
        kit.s3.put_object(Bucket=BUCKET, Key=key, Body=b"")

    found = verify.gather(kit, NO_EXECUTION, "none")

    assert (found.results, found.stray) == ({}, ())
    result = judge(RUN, facts(results={}))
    assert result.passed and result.row()[5] == "-" and result.document()["copies"] is None


def test_a_task_s_log_is_shown_by_its_last_lines(aws: AwsClients) -> None:
    of_stream = (aws, LOG_GROUP, {"log_stream": "ecs/kit/1"})
    assert log_tail(aws, LOG_GROUP, {"task_name": "a"}) == log_tail(*of_stream) == []
    aws.logs.create_log_group(logGroupName=LOG_GROUP)
    aws.logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName="ecs/kit/1")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": f"line {number}"} for number in range(3)]
    aws.logs.put_log_events(logGroupName=LOG_GROUP, logStreamName="ecs/kit/1", logEvents=events)  # type: ignore[arg-type]

    assert log_tail(*of_stream) == ["line 0", "line 1", "line 2"]
