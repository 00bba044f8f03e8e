"""With `runReports` each run that ended leaves its report in the bucket, and the notification says where."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ecs_kit.automation.journeys import runs, spec_files
from local_aws.testing.aws import Topic
from tests.e2e.conftest import Deployed, sample

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance, pytest.mark.xdist_group("deployed-stack")]


@pytest.fixture(scope="module")
def topic(deployed: Deployed) -> Iterator[Topic]:
    topic = Topic(deployed.target.aws.client, "reports")
    deployed.configure(runReports="create", notificationTopicArn=topic.arn)
    deployed.stack.deploy()
    yield topic


def answer_about(topic: Topic, execution_arn: str) -> Any:
    """What the topic is told of an execution."""

    def is_about(record: Any) -> bool:
        return bool(record["requestPayload"] == {"executionArn": execution_arn})

    record = topic.message(is_about, 200)
    assert record["requestContext"]["condition"] == "Success"
    return record["responsePayload"]


def report_of(deployed: Deployed, answer: Any) -> Any:
    """The data in the report that an answer names."""
    bucket, _, key = answer["report"].removeprefix("s3://").partition("/")
    found = deployed.target.aws.s3.get_object(Bucket=bucket, Key=key)
    assert found["ContentType"] == "text/html; charset=utf-8"
    html = found["Body"].read().decode()
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert data
    return json.loads(data[1])


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_run_that_completed(deployed: Deployed, topic: Topic, pattern: int) -> None:
    run = deployed.start(pattern, spec_files.with_tasks(sample(pattern), 3))
    answer = answer_about(topic, run.execution_arn)
    assert (answer["status"], answer["total"], answer["completed"], answer["failed"]) == ("Completed", 3, 3, 0)
    assert (answer["runId"], answer["workflowName"]) == (str(run.run_id), run.workflow_name)
    assert answer["report"] == f"s3://{run.deployed['s3BucketName']}/reports/{run.workflow_name}/{run.run_id}.html"
    page = report_of(deployed, answer)
    assert (page["run"]["id"], page["run"]["status"], page["run"]["isActive"]) == (str(run.run_id), "Completed", False)
    assert page["counts"]["completed"] == len(page["tasks"]) == 3
    assert page["cost"]["dollars"] > 0


def test_a_run_that_was_stopped_is_reported_when_its_tasks_have_ended(deployed: Deployed, topic: Topic) -> None:
    aws, injector = deployed.target.aws, deployed.target.injector
    assert injector is not None
    slow = {"name": "slow", "service": "s3", "operation": "*Object", "effect": {"delaySeconds": 60}}
    injector.inject_faults([slow])
    try:
        run = deployed.start(2, spec_files.with_tasks(sample(2), 2))
        runs.watch(aws, [run], on_counts=lambda *_: None, poll_seconds=0.2, limit_seconds=0.2)
        aws.stepfunctions.stop_execution(executionArn=run.execution_arn, error="Stopped", cause="by a test")
    finally:
        injector.inject_faults([])
    answer = answer_about(topic, run.execution_arn)
    assert (answer["status"], answer["error"], answer["cause"]) == ("Aborted", "Stopped", "by a test")
    page = report_of(deployed, answer)
    assert page["run"]["status"] == "Aborted" and page["counts"]["running"] == 0
    assert answer["completed"] + answer["failed"] == answer["total"] == 2


def test_a_spec_in_the_bucket_with_a_workflow_and_an_id_of_its_own(deployed: Deployed, topic: Topic) -> None:
    aws, output = deployed.target.aws, deployed.stack.outputs()["pattern1"]
    document = {**spec_files.with_tasks(sample(1), 1), "workflowName": "nightly", "workflowRunId": 4711}
    rendered = spec_files.render(deployed.work_dir / "spec.json", document, output)
    runs.put_sources(aws, rendered, output["s3BucketName"])
    aws.s3.put_object(Bucket=output["s3BucketName"], Key="specs/nightly.json", Body=json.dumps(rendered).encode())
    given = json.dumps({"specUri": f"s3://{output['s3BucketName']}/specs/nightly.json"})
    started = aws.stepfunctions.start_execution(stateMachineArn=output["stateMachineArn"], input=given)
    answer = answer_about(topic, started["executionArn"])
    assert answer["report"].endswith("/reports/nightly/4711.html")
    assert report_of(deployed, answer)["run"]["workflow"] == "nightly"


def test_a_refused_spec_has_no_report(deployed: Deployed, topic: Topic) -> None:
    machine = deployed.stack.outputs()["pattern1"]["stateMachineArn"]
    started = deployed.target.aws.stepfunctions.start_execution(stateMachineArn=machine, input="{}")
    answer = answer_about(topic, started["executionArn"])
    assert (answer["status"], answer["error"], answer["report"]) == ("Failed", "SpecRefused", None)
