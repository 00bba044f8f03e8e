"""Judging a run by facts, and gathering the facts."""

import time
from dataclasses import replace
from typing import Any

import pytest

from ecs_kit.automation.journeys import tables, verify
from ecs_kit.automation.journeys.runs import Run
from ecs_kit.automation.journeys.verify import Facts, judge
from ecs_kit.automation.stacks.clients import AwsClients

BUCKET = "kit-bucket"
RUN_ID = 1795486942613375
SOURCE = (BUCKET, "sample/sample.txt")
SPEC = {
    "workflowName": "w",
    "s3BucketName": BUCKET,
    "taskList": [{"taskName": "a", "objectKey": SOURCE[1]}, {"taskName": "b", "objectKey": SOURCE[1]}],
}
LOG_GROUP = "/ecs/kit"
RUN = Run(
    pattern=1,
    execution_arn="arn:execution",
    spec=SPEC,
    run_id=RUN_ID,
    deployed={
        "s3BucketName": BUCKET,
        "targetPrefix": "copies",
        "ddbTableNameWFSummary": "summary",
        "ddbTableNameWFDetails": "details",
        "taskLogGroup": LOG_GROUP,
    },
)
FOLDER = f"copies/w/{RUN_ID}"
GOOD = Facts(
    execution_status="SUCCEEDED",
    execution_error="",
    summary=(
        {
            "status": "Completed",
            "number_of_tasks": 2,
            "completed_tasks": 2,
            "failed_tasks": 0,
            "running_tasks": 0,
            "execution_arn": "arn:execution",
        },
    ),
    details=({"task_name": "a", "status": "Completed"}, {"task_name": "b", "status": "Completed"}),
    sources={SOURCE: "digest"},
    copies={f"{FOLDER}/a/sample.txt": "digest", f"{FOLDER}/b/sample.txt": "digest"},
)


def test_a_good_run_passes() -> None:
    verdict = judge(RUN, GOOD)

    assert verdict.passed
    assert verdict.summary == {
        "items": 1,
        "status": "Completed",
        "number_of_tasks": 2,
        "completed_tasks": 2,
        "failed_tasks": 0,
    }
    assert (verdict.details, verdict.copies) == ({"items": 2, "byStatus": {"Completed": 2}}, 2)


def test_failed_attempts_of_a_completed_task_are_no_problem() -> None:
    facts = replace(GOOD, details=(*GOOD.details, {"task_name": "a", "status": "Failed"}))

    assert judge(RUN, facts).passed


def test_a_copy_of_nothing_is_no_copy() -> None:
    assert judge(RUN, replace(GOOD, sources={SOURCE: None})).copies == 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"execution_status": "FAILED", "execution_error": "TasksFailed: 1 of 2"},
            "execution ended FAILED, not SUCCEEDED: TasksFailed: 1 of 2",
        ),
        ({"execution_status": "RUNNING"}, "execution ended RUNNING, not SUCCEEDED"),
        ({"summary": ()}, f"0 summary items with run id {RUN_ID}, not 1"),
        (
            {"summary": ({**GOOD.summary[0], "status": "Running"},)},
            "summary item: status is 'Running', not 'Completed'",
        ),
        ({"summary": ({**GOOD.summary[0], "completed_tasks": 1},)}, "summary item: completed_tasks is 1, not 2"),
        (
            {"summary": ({**GOOD.summary[0], "execution_arn": "x"},)},
            "summary item: execution_arn is 'x', not 'arn:execution'",
        ),
        (
            {"details": (GOOD.details[0], {"task_name": "b", "status": "Failed", "error": "NoSuchKey"})},
            "task b: 0 details items are Completed, not 1 (Failed: NoSuchKey)",
        ),
        ({"details": (*GOOD.details, GOOD.details[0])}, "task a: 2 details items are Completed, not 1"),
        (
            {"details": (*GOOD.details, {"task_name": "c", "status": "Completed"})},
            "details items of a task that the spec does not have: c",
        ),
        (
            {"copies": {f"{FOLDER}/a/sample.txt": "digest"}},
            f"task b: no copy at {FOLDER}/b/sample.txt",
        ),
        (
            {"copies": {**GOOD.copies, f"{FOLDER}/b/sample.txt": "other"}},
            f"task b: the copy at {FOLDER}/b/sample.txt differs from its source",
        ),
        (
            {"copies": {**GOOD.copies, f"{FOLDER}/stray": "digest"}},
            f"an object that no task should have written: {FOLDER}/stray",
        ),
    ],
)
def test_everything_that_is_not_as_it_should_be_is_named(change: dict[str, Any], problem: str) -> None:
    assert judge(RUN, replace(GOOD, **change)).problems == (problem,)


def test_results_that_are_no_copies_are_judged_by_what_was_found_of_them() -> None:
    other = {f"{FOLDER}/a/sample.txt": "other", f"{FOLDER}/b/sample.txt": "another"}

    assert judge(RUN, replace(GOOD, copies=other, unexpected=dict.fromkeys(other, ""))).passed
    verdict = judge(RUN, replace(GOOD, copies=other, unexpected={f"{FOLDER}/b/sample.txt": "it miscounts x"}))
    assert verdict.copies == 1
    assert verdict.problems == (f"task b: the result at {FOLDER}/b/sample.txt is not as expected: it miscounts x",)
    nothing = judge(RUN, replace(GOOD, copies={}, unexpected={}))
    assert nothing.problems[0] == f"task a: no result at {FOLDER}/a/sample.txt"


def test_a_task_s_own_bucket_is_its_source() -> None:
    assert RUN.source({"taskName": "x", "s3BucketName": "other", "objectKey": "k"}) == ("other", "k")


def test_numbers_of_16_digits_stay_exact() -> None:
    item = {
        "workflow_run_id": {"N": "1795486942613375"},
        "exec_time_in_seconds": {"N": "0.25"},
        "ended": {"BOOL": True},
    }

    assert tables.plain_item(item) == {"workflow_run_id": 1795486942613375, "exec_time_in_seconds": 0.25, "ended": True}


def make_table(aws: AwsClients, name: str, hash_key: tuple[str, str], range_key: tuple[str, str]) -> None:
    aws.dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": hash_key[0], "KeyType": "HASH"},
            {"AttributeName": range_key[0], "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": kind}  # type: ignore[typeddict-item]
            for key, kind in (hash_key, range_key)
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def test_items_of_other_runs_and_workflows_are_not_seen(aws: AwsClients) -> None:
    make_table(aws, "summary", ("workflow_name", "S"), ("workflow_run_id", "N"))
    make_table(aws, "details", ("workflow_run_id", "N"), ("ecs_task_id", "S"))
    for name, number in (("w", RUN_ID), ("w", RUN_ID + 1), ("other", RUN_ID)):
        aws.dynamodb.put_item(
            TableName="summary", Item={"workflow_name": {"S": name}, "workflow_run_id": {"N": str(number)}}
        )
        aws.dynamodb.put_item(
            TableName="details",
            Item={
                "workflow_run_id": {"N": str(number)},
                "ecs_task_id": {"S": f"{name}/{number}"},
                "workflow_name": {"S": name},
            },
        )

    assert RUN.summary(aws) == {"workflow_name": "w", "workflow_run_id": RUN_ID}
    assert [item["ecs_task_id"] for item in RUN.details(aws)] == [f"w/{RUN_ID}"]


def test_more_items_than_a_page_holds_are_all_seen(aws: AwsClients) -> None:
    make_table(aws, "details", ("workflow_run_id", "N"), ("ecs_task_id", "S"))
    for number in range(12):
        aws.dynamodb.put_item(
            TableName="details",
            Item={
                "workflow_run_id": {"N": str(RUN_ID)},
                "ecs_task_id": {"S": str(number)},
                "workflow_name": {"S": "w"},
                "error": {"S": "x" * 200_000},
            },
        )

    assert len(list(RUN.details(aws))) == 12


def test_an_expectation_is_given_the_bytes_of_source_and_result(aws: AwsClients) -> None:
    aws.s3.create_bucket(Bucket=BUCKET)
    aws.s3.put_object(Bucket=BUCKET, Key=SOURCE[1], Body=b"two words")
    aws.s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/a/sample.txt", Body=b"2")

    found = verify._judged(aws, RUN, lambda *given: str(given), {f"{FOLDER}/a/sample.txt": "digest"})

    assert found == {f"{FOLDER}/a/sample.txt": "(b'two words', b'2')"}


def test_a_task_without_a_log_has_no_last_lines(aws: AwsClients) -> None:
    assert verify.log_tail(aws, LOG_GROUP, {"task_name": "a"}) == []
    assert verify.log_tail(aws, LOG_GROUP, {"task_name": "a", "log_stream": "ecs/kit/1"}) == []


def test_a_log_s_last_lines(aws: AwsClients) -> None:
    aws.logs.create_log_group(logGroupName="/ecs/kit")
    aws.logs.create_log_stream(logGroupName="/ecs/kit", logStreamName="ecs/kit/1")
    aws.logs.put_log_events(
        logGroupName="/ecs/kit",
        logStreamName="ecs/kit/1",
        logEvents=[{"timestamp": int(time.time() * 1000) + number, "message": f"line {number}"} for number in range(3)],
    )

    assert verify.log_tail(aws, LOG_GROUP, {"log_stream": "ecs/kit/1"}) == ["line 0", "line 1", "line 2"]
