"""The reporter waits for a run's final row, and writes the page that the driver would write."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ecs_kit.runtime.contract.errors import PayloadInvalid, RunNotEnded, SettingsInvalid
from ecs_kit.runtime.contract.records import attribute
from ecs_kit.runtime.contract.reports import VARIABLE
from ecs_kit.runtime.contract.run_ids import run_id
from ecs_kit.runtime.contract.task_lists import index_key
from ecs_kit.runtime.reporter import handler
from ecs_kit.runtime.reporter.reporter import REGISTERED_WITHIN, RESERVED_SECONDS, Reporter
from tests.browser.samples import CLUSTER, DEPLOYED, MACHINE, SETTINGS, at, attempt
from tests.unit.runtime.fakes import FakeClock, client_error

ARN = f"arn:aws:states:us-east-1:111122223333:execution:{CLUSTER}:one"
OTHER = f"{ARN}-other"
STARTED = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
KEYS = {"workflow_name": "words", "workflow_run_id": 17}
ENDED = {
    **KEYS,
    "status": "Completed",
    "number_of_tasks": 1,
    "completed_tasks": 1,
    "failed_tasks": 0,
    "running_tasks": 0,
    "execution_arn": ARN,
    "start_time": at(0),
    "end_time": at(60),
    "settings": json.dumps(SETTINGS),
}
SPEC = json.dumps({"workflowName": "words", "workflowRunId": 17, "taskList": [{"taskName": "a"}]})


class FakeAws:
    """One execution, the rows, and the bucket; `s3` and the others are the fake itself."""

    class exceptions:
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, row: Mapping[str, Any] | None = ENDED, status: str = "SUCCEEDED", **execution: Any) -> None:
        self.execution = {
            "executionArn": ARN,
            "status": status,
            "startDate": STARTED,
            "stopDate": STARTED,
            "input": SPEC,
            **execution,
        }
        self.row = row
        self.objects: dict[str, bytes] = {}
        self.put: list[dict[str, Any]] = []
        self.dynamodb = self.ecs = self.logs = self.s3 = self.stepfunctions = self

    def describe_execution(self, executionArn: str) -> dict[str, Any]:
        assert executionArn == ARN
        return dict(self.execution)

    def get_item(self, TableName: str, Key: Mapping[str, Any], ConsistentRead: bool) -> dict[str, Any]:
        assert ConsistentRead and TableName == DEPLOYED["ddbTableNameWFSummary"]
        named = {name: attribute(value) for name, value in KEYS.items()}
        if self.row is None or Key != named:
            return {}
        return {"Item": {name: attribute(value) for name, value in self.row.items()}}

    def get_paginator(self, operation: str) -> Any:
        rows = [{**attempt("a", 1, 5), **KEYS}]
        items = [{name: attribute(value) for name, value in row.items() if value is not None} for row in rows]
        return SimpleNamespace(paginate=lambda **_: [{"Items": items}])

    def describe_task_definition(self, taskDefinition: str) -> dict[str, Any]:
        assert taskDefinition == SETTINGS["task_definition"]
        return {"taskDefinition": {"cpu": "256", "memory": "512", "containerDefinitions": []}}

    def get_object(self, Bucket: str, Key: str, Range: str = "") -> dict[str, Any]:
        if Key not in self.objects:
            raise client_error("NoSuchKey", operation="GetObject")
        return {"ContentLength": len(self.objects[Key]), "Body": io.BytesIO(self.objects[Key])}

    def put_object(self, **request: Any) -> None:
        self.put.append(request)


class Clock(FakeClock):
    """A clock during whose sleep something happens."""

    def __init__(self, meanwhile: Callable[[int], object] = lambda _: None) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.meanwhile(len(self.slept))


def report(aws: FakeAws, clock: FakeClock | None = None, *, seconds: float = 900, has_console: bool = True) -> Any:
    clock = clock or FakeClock()
    deployed = {**DEPLOYED, "workflowName": "own"}
    reporter = Reporter(pattern=1, deployed=deployed, aws=aws, clock=clock, has_console=has_console)  # type: ignore[arg-type]
    began = clock.now()
    return reporter.report({"executionArn": ARN}, lambda: seconds - (clock.now() - began).total_seconds())


def test_the_page_has_the_tasks_of_a_pinned_list() -> None:
    key = "specs/pinned/17.tasks.jsonl"
    line = json.dumps({"taskName": "never-started", "objectKey": "k"}).encode() + b"\n"
    named = json.dumps({"workflowName": "words", "workflowRunId": 17, "taskListUri": "s3://b/k"})
    aws = FakeAws({**ENDED, "task_list": key}, input=named)
    index = {"tasks": 1, "every": 100, "offsets": [0, len(line)]}
    aws.objects = {key: line, index_key(key): json.dumps(index).encode()}
    report(aws)
    assert b"never-started" in aws.put[0]["Body"]


def test_the_page_is_in_the_bucket_and_the_answer_says_where() -> None:
    aws = FakeAws()
    answer = report(aws)
    bucket = DEPLOYED["s3BucketName"]
    assert answer == {
        "runId": "17",
        "workflowName": "words",
        "status": "Completed",
        "total": 1,
        "completed": 1,
        "failed": 0,
        "error": None,
        "cause": None,
        "executionArn": ARN,
        "report": f"s3://{bucket}/reports/words/17.html",
        "reportUrl": f"https://us-east-1.console.aws.amazon.com/s3/object/{bucket}"
        "?region=us-east-1&prefix=reports%2Fwords%2F17.html",
    }
    (put,) = aws.put
    assert (put["Bucket"], put["Key"]) == (bucket, "reports/words/17.html")
    assert put["ContentType"] == "text/html; charset=utf-8"
    assert "<title>Completed: run 17 of words" in put["Body"].decode()
    assert "console.aws.amazon.com" in put["Body"].decode()


def test_an_emulator_has_no_console() -> None:
    aws = FakeAws()
    assert report(aws, has_console=False)["reportUrl"] is None
    assert "console.aws.amazon.com" not in aws.put[0]["Body"].decode()


def test_it_waits_while_the_monitor_ends_the_run_of_an_execution_that_was_stopped() -> None:
    aws = FakeAws({**ENDED, "status": "Aborted", "end_time": ""}, "ABORTED", error="Stopped", cause="by hand")

    def meanwhile(sleeps: int) -> None:
        if sleeps == 3:
            aws.row = {**ENDED, "status": "Aborted"}

    clock = Clock(meanwhile)
    answer = report(aws, clock)
    assert (answer["status"], answer["error"], answer["cause"]) == ("Aborted", "Stopped", "by hand")
    assert len(clock.slept) == 3 and len(aws.put) == 1


def test_it_waits_until_the_execution_that_the_event_is_about_is_described_as_ended() -> None:
    aws = FakeAws(status="RUNNING")
    clock = Clock(lambda _: aws.execution.update(status="SUCCEEDED"))
    assert report(aws, clock)["status"] == "Completed"
    assert len(clock.slept) == 1


def test_a_run_that_is_not_final_in_time_is_an_error_so_that_lambda_repeats_the_call() -> None:
    aws = FakeAws({**ENDED, "status": "Running", "end_time": ""}, "TIMED_OUT")
    with pytest.raises(RunNotEnded, match=ARN):
        report(aws, seconds=RESERVED_SECONDS + 30)
    assert aws.put == []


@pytest.mark.parametrize(
    ("status", "more"), [("FAILED", {"error": "SpecRefused"}), ("SUCCEEDED", {"output": '{"error": "RunIdInUse"}'})]
)
def test_an_execution_without_a_run_of_its_own_has_no_report_and_is_not_waited_for(status: str, more: Any) -> None:
    aws, clock = FakeAws({**ENDED, "execution_arn": OTHER}, status, **more), FakeClock()
    answer = report(aws, clock)
    assert aws.put == [], "the other run's report stays"
    assert (answer["report"], answer["reportUrl"], answer["total"]) == (None, None, None)
    assert answer["error"] == more.get("error") and not clock.slept


def test_an_execution_that_was_stopped_before_its_first_step_may_still_get_a_run() -> None:
    aws = FakeAws(None, "ABORTED")
    clock = Clock(lambda sleeps: setattr(aws, "row", {**ENDED, "status": "Aborted"}) if sleeps == 2 else None)
    assert report(aws, clock)["report"] is not None
    never = FakeClock()
    assert report(FakeAws(None, "ABORTED"), never)["report"] is None
    assert sum(never.slept) >= REGISTERED_WITHIN.total_seconds()


def test_the_pinned_copy_of_a_spec_names_the_run() -> None:
    uri = f"s3://{DEPLOYED['s3BucketName']}/specs/nightly.json"
    aws = FakeAws(input=json.dumps({"specUri": uri}))
    assert report(aws)["report"] is None, "without the copy nobody knows its name"
    aws.objects[f"specs/pinned/{run_id(STARTED, ARN)}.json"] = SPEC.encode()
    assert report(aws)["report"] == f"s3://{DEPLOYED['s3BucketName']}/reports/words/17.html"


@pytest.mark.parametrize("arn", [None, 7, MACHINE, ARN.replace(CLUSTER, f"{CLUSTER}-other")])
def test_an_event_about_something_else_is_refused(arn: Any) -> None:
    reporter = Reporter(pattern=1, deployed=DEPLOYED, aws=FakeAws(), clock=FakeClock(), has_console=True)  # type: ignore[arg-type]
    with pytest.raises(PayloadInvalid, match="executionArn"):
        reporter.report({"executionArn": arn}, lambda: 900)


@pytest.mark.parametrize("value", ["", "[]", '{"pattern": 1}', '{"pattern": "x", "deployed": {}}'])
def test_settings_that_cannot_be_read_are_an_error_that_names_the_variable(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(SettingsInvalid, match=VARIABLE):
        handler.handler({}, SimpleNamespace(get_remaining_time_in_millis=lambda: 1000))


def test_the_handler_reads_the_deployed_pattern_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps({"pattern": 2, "deployed": {**DEPLOYED}}))
    with pytest.raises(PayloadInvalid, match=MACHINE):
        handler.handler({"executionArn": "x"}, SimpleNamespace(get_remaining_time_in_millis=lambda: 1000))
