"""Starting, watching and stopping runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from ecs_kit.automation.errors import EcsTasksRemain, SourceObjectMissing
from ecs_kit.automation.journeys import runs
from ecs_kit.automation.journeys.runs import Run
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import PhysicalResource

RUN = Run(
    pattern=1,
    execution_arn="arn:execution",
    spec={"workflowName": "w", "taskList": [{"taskName": "a", "objectKey": "k"}, {"taskName": "b", "objectKey": "k"}]},
    run_id=1,
    deployed={},
)


def row(task: str, status: str, attempt: int = 1) -> dict[str, Any]:
    return {"task_name": task, "status": status, "attempt": attempt}


def test_tasks_are_counted_not_attempts() -> None:
    details = [
        row("a", "Failed"),
        row("a", "Running", 2),
        row("b", "Completed"),
        row("c", "Submitted"),
        row("d", "Failed"),
    ]

    assert runs.count("RUNNING", 5, details) == runs.Counts(
        status="RUNNING", total=5, submitted=4, running=1, completed=1, failed=1
    )


def test_a_task_that_completed_once_is_done_whatever_else_was_tried() -> None:
    details = [row("a", "Completed"), row("a", "Failed", 2)]
    assert runs.count("RUNNING", 1, details).completed == 1
    assert runs.count("RUNNING", 1, details[::-1]).completed == 1, "rows come in the order of their tasks' ARNs"


def test_missing_sources_are_put_into_the_kit_s_bucket_once(aws: AwsClients) -> None:
    aws.s3.create_bucket(Bucket="kit-bucket")
    spec = {"s3BucketName": "kit-bucket", **{"taskList": [{"objectKey": "k"}, {"objectKey": "k"}, {"objectKey": "l"}]}}

    assert runs.put_sources(aws, spec, "kit-bucket") == ["k", "l"]
    assert runs.put_sources(aws, spec, "kit-bucket") == []
    assert aws.s3.get_object(Bucket="kit-bucket", Key="k")["Body"].read() == runs.SAMPLE_OBJECT


def test_missing_sources_are_put_from_a_folder_where_it_has_them(aws: AwsClients, tmp_path: Path) -> None:
    aws.s3.create_bucket(Bucket="kit-bucket")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("of the user's own")
    spec = {"s3BucketName": "kit-bucket", "taskList": [{"objectKey": "texts/a.txt"}, {"objectKey": "texts/b.txt"}]}

    assert runs.put_sources(aws, spec, "kit-bucket", tmp_path) == ["texts/a.txt", "texts/b.txt"]
    contents = [aws.s3.get_object(Bucket="kit-bucket", Key=f"texts/{n}.txt")["Body"].read() for n in "ab"]
    assert contents == [b"of the user's own", runs.SAMPLE_OBJECT]


def test_other_people_s_buckets_are_only_read(aws: AwsClients) -> None:
    aws.s3.create_bucket(Bucket="kit-bucket")
    aws.s3.create_bucket(Bucket="other-bucket")
    aws.s3.put_object(Bucket="other-bucket", Key="there", Body=b"x")
    tasks = [{"s3BucketName": "other-bucket", "objectKey": key} for key in ("there", "missing")]

    with pytest.raises(SourceObjectMissing, match="s3://other-bucket/missing"):
        runs.put_sources(aws, {"s3BucketName": "kit-bucket", "taskList": tasks}, "kit-bucket")

    assert "Contents" not in aws.s3.list_objects_v2(Bucket="kit-bucket")


@pytest.mark.parametrize(
    ("looks", "seconds"), [(["RUNNING", "RUNNING", "SUCCEEDED"], 2.0), (["RUNNING"] * 4, 4.0)], ids=["ends", "stays"]
)
def test_a_run_is_watched_to_its_end_or_given_up(
    monkeypatch: pytest.MonkeyPatch, passing: Any, looks: list[str], seconds: float
) -> None:
    answers, seen = iter(looks), list[str]()
    monkeypatch.setattr(runs, "time", passing)
    monkeypatch.setattr(runs, "look", lambda _aws, run: runs.Counts(status=next(answers), total=2))

    ended = runs.watch(
        AwsClients(boto3.Session(region_name="us-east-1")),
        [RUN],
        on_counts=lambda _run, counts: seen.append(counts.status),
        poll_seconds=1,
        limit_seconds=3,
    )

    assert ended == {1: (RUN, seconds)}
    assert seen == looks


@dataclass
class Deployed:
    """A run in a mocked AWS, and what was asked of DynamoDB since."""

    aws: AwsClients
    run: runs.Run
    asked: list[tuple[str, bool]] = field(default_factory=list)

    def write(self, table: str, **attributes: str) -> None:
        """Put an item of the run."""
        keys = {"workflow_name": {"S": self.run.workflow_name}, "workflow_run_id": {"N": str(self.run.run_id)}}
        item = {name: {"S": value} for name, value in attributes.items()}
        self.aws.dynamodb.put_item(TableName=table, Item={**keys, **item})  # type: ignore[typeddict-item]

    def look(self) -> tuple[runs.Counts, list[tuple[str, bool]]]:
        """Counts, and of each query its table and whether it is consistent."""
        self.asked.clear()
        return runs.look(self.aws, self.run), list(self.asked)


@pytest.fixture
def deployed(aws: AwsClients) -> Deployed:
    tables = {"ddbTableNameWFSummary": "summary", "ddbTableNameWFDetails": "details"}
    for table, keys in (("summary", ("workflow_name", "workflow_run_id")), ("details", ("workflow_run_id", "task"))):
        aws.dynamodb.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=True)
            ],  # type: ignore[misc]
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": "N" if key == "workflow_run_id" else "S"} for key in keys
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    role = aws.iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    machine = aws.stepfunctions.create_state_machine(name="m", definition="{}", roleArn=role)["stateMachineArn"]
    run = runs.start(aws, pattern=1, spec=RUN.spec, deployed={"stateMachineArn": machine, **tables}, name="e")
    world = Deployed(aws, run)

    def note(params: dict[str, Any], **_: object) -> None:
        if "ConsistentRead" in params:
            world.asked.append((params["TableName"], params["ConsistentRead"]))

    aws.dynamodb.meta.events.register("provide-client-params.dynamodb", note)
    return world


def test_a_look_at_a_run_that_has_ended_reads_its_own_rows_alone_and_as_they_are(deployed: Deployed) -> None:
    deployed.aws.stepfunctions.stop_execution(executionArn=deployed.run.execution_arn)
    assert deployed.look()[1] == [("details", True)]


def test_a_look_says_why_a_run_waits_and_reads_its_spec_only_while_a_task_may_wait(deployed: Deployed) -> None:
    deployed.write("summary", waiting_since="2026-11-24T09:00:00.000Z", waiting_reason="the quota is full")
    counts, asked = deployed.look()
    assert counts.waiting == "waiting for capacity since 2026-11-24T09:00:00.000Z: the quota is full"
    assert asked == [("details", False), ("summary", False)]

    for task in deployed.run.tasks:
        deployed.write("details", task=task["taskName"], task_name=task["taskName"], status="Running")
    counts, asked = deployed.look()
    assert (counts.waiting, asked) == (None, [("details", False)])


@pytest.mark.parametrize(("ends_after", "looks"), [(2, 2), (9, 3)])
def test_the_final_rows_of_a_run_are_waited_for(deployed: Deployed, passing: Any, ends_after: int, looks: int) -> None:
    deployed.write("summary", status="Running")
    passing.step = 10.0

    def end() -> None:
        if len(passing.slept) == ends_after:
            deployed.write("summary", status="TimedOut", end_time="2026-11-24T09:00:00.000Z")

    passing.meanwhile = end
    runs.await_final_rows(deployed.aws, [deployed.run], limit_seconds=25, poll_seconds=1)
    assert len(passing.slept) == looks


def test_a_run_that_was_never_registered_has_no_final_rows(deployed: Deployed, passing: Any) -> None:
    runs.await_final_rows(deployed.aws, [deployed.run], limit_seconds=10, poll_seconds=1)
    assert passing.slept == []


def cluster(name: str) -> PhysicalResource:
    return PhysicalResource("aws:ecs/cluster:Cluster", "urn", name, {}, {})


class FakeEcs:
    """A cluster whose tasks stop `patience` looks after they were told to."""

    class exceptions:
        class ClusterNotFoundException(Exception):
            pass

    def __init__(self, tasks: list[str], patience: int) -> None:
        self.living, self.patience, self.stopped = tasks, patience, [] * 0

    def get_paginator(self, _operation: str) -> "FakeEcs":
        return self

    def paginate(self, *, cluster: str, desiredStatus: str) -> Any:
        if cluster == "gone":
            raise self.exceptions.ClusterNotFoundException
        yield {"taskArns": self.living if desiredStatus == "RUNNING" else []}

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> Any:
        if self.stopped:
            self.patience -= 1
        status = "RUNNING" if self.patience > 0 else "STOPPED"
        return {"tasks": [{"taskArn": task, "lastStatus": status} for task in tasks]}

    def stop_task(self, *, cluster: str, task: str, reason: str) -> None:
        self.stopped.append(task)


class FakeClients:
    def __init__(self, ecs: FakeEcs) -> None:
        self.ecs = ecs


def test_ecs_tasks_are_stopped_once_and_waited_for(passing: Any) -> None:
    ecs = FakeEcs(["t1", "t2"], patience=3)

    stopped = runs.stop_ecs_tasks(FakeClients(ecs), [cluster("c"), cluster("gone")])  # type: ignore[arg-type]

    assert stopped == ecs.stopped == ["t1", "t2"]


def test_ecs_tasks_that_do_not_stop_are_named(passing: Any) -> None:
    with pytest.raises(EcsTasksRemain, match="1 ECS tasks in cluster c did not stop within 180 s: t1"):
        runs.stop_ecs_tasks(FakeClients(FakeEcs(["t1"], patience=1000)), [cluster("c")])  # type: ignore[arg-type]


def test_open_executions_of_the_stack_s_state_machines_are_stopped(aws: AwsClients) -> None:
    role = aws.iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    definition = '{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": true}}}'
    machine = aws.stepfunctions.create_state_machine(name="m", definition=definition, roleArn=role)["stateMachineArn"]
    execution = aws.stepfunctions.start_execution(stateMachineArn=machine)["executionArn"]
    resources = [
        PhysicalResource("aws:sfn/stateMachine:StateMachine", "urn", machine, {}, {}),
        PhysicalResource("aws:sfn/stateMachine:StateMachine", "urn", machine + "-gone", {}, {}),
        PhysicalResource("aws:sfn/stateMachine:StateMachine", "urn", "", {}, {}),
        cluster("c"),
    ]

    assert runs.stop_open_executions(aws, resources) == [execution]
    assert aws.stepfunctions.describe_execution(executionArn=execution)["status"] == "ABORTED"
    assert runs.stop_open_executions(aws, resources) == []
