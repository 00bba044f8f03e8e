"""Starting, watching and stopping runs."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.journeys import runs
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import PhysicalResource
from ecs_kit.runtime.reporter.counts import Counts, count
from tests.unit.automation.journeys.fakes import BUCKET, RUN, create_tables, put_item, row
from tests.unit.runtime.fakes import settings_json


@pytest.mark.parametrize("order", [1, -1], ids=["as they began", "in the order of their tasks' ARNs"])
def test_tasks_are_counted_not_attempts_and_one_that_completed_once_is_completed(order: int) -> None:
    rows = [row("a", "Failed"), row("a", "Running", 2), row("b", "Completed"), row("b", "Failed", 2)]
    rows += [row("c", "Submitted"), row("d", "Failed")]

    assert count("RUNNING", 5, rows[::order]) == Counts(
        status="RUNNING", total=5, submitted=4, running=1, completed=1, failed=1
    )


def test_missing_sources_are_put_into_the_kit_s_bucket_once(aws: AwsClients, tmp_path: Path) -> None:
    aws.s3.create_bucket(Bucket=BUCKET)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("of the user's own")
    keys = ["texts/a.txt", "texts/b.txt"]
    spec = {"s3BucketName": BUCKET, "taskList": [{"objectKey": key} for key in [*keys, *keys]]}

    assert runs.put_sources(aws, spec, BUCKET, tmp_path) == keys
    assert runs.put_sources(aws, spec, BUCKET) == []
    contents = [aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
    assert contents == [b"of the user's own", runs.SAMPLE_OBJECT]


def test_other_people_s_buckets_are_only_read(aws: AwsClients) -> None:
    for bucket in (BUCKET, "other-bucket"):
        aws.s3.create_bucket(Bucket=bucket)
    aws.s3.put_object(Bucket="other-bucket", Key="found", Body=b"x")
    tasks = [{"s3BucketName": "other-bucket", "objectKey": key} for key in ("found", "missing")]

    with pytest.raises(DriverError, match="s3://other-bucket/missing"):
        runs.put_sources(aws, {"s3BucketName": BUCKET, "taskList": tasks}, BUCKET)

    assert "Contents" not in aws.s3.list_objects_v2(Bucket=BUCKET)


@pytest.mark.parametrize(
    ("looks", "seconds"), [(["RUNNING", "RUNNING", "SUCCEEDED"], 2.0), (["RUNNING"] * 4, 4.0)], ids=["ends", "stays"]
)
def test_a_run_is_watched_to_its_end_or_given_up(
    aws: AwsClients, monkeypatch: pytest.MonkeyPatch, passing: Any, looks: list[str], seconds: float
) -> None:
    answers, seen = iter(looks), list[str]()
    monkeypatch.setattr(runs, "time", passing)
    monkeypatch.setattr(runs, "look", lambda _aws, run: Counts(status=next(answers), total=2))

    ended = runs.watch(
        aws, [RUN], on_counts=lambda _run, counts: seen.append(counts.status), poll_seconds=1, limit_seconds=3
    )

    assert ended == {1: seconds}
    assert seen == looks


@pytest.fixture
def run(aws: AwsClients) -> runs.Run:
    """An active run that has no rows."""
    create_tables(aws)
    role = aws.iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    definition = '{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": true}}}'
    machine = aws.stepfunctions.create_state_machine(name="m", definition=definition, roleArn=role)["stateMachineArn"]
    return runs.start(aws, pattern=1, spec=RUN.spec, deployed={**RUN.deployed, "stateMachineArn": machine}, name="e")


def test_a_look_counts_tasks_and_says_why_an_active_run_waits(aws: AwsClients, run: runs.Run) -> None:
    waiting = {"waiting_since": "2026-11-24T09:00:00.000Z", "waiting_reason": "the quota is full"}
    put_item(aws, "summary", run, status="Running", execution_arn=run.execution_arn, **waiting)
    put_item(aws, "details", run, ecs_task_id="t", task_name="a", status="Running")

    since = "waiting for capacity since 2026-11-24T09:00:00.000Z: the quota is full"
    assert runs.look(aws, run) == Counts("RUNNING", total=2, submitted=1, running=1, waiting=since)
    aws.stepfunctions.stop_execution(executionArn=run.execution_arn)
    assert runs.look(aws, run) == Counts("ABORTED", total=2, submitted=1, running=1)


def test_an_execution_that_step_functions_does_not_know_yet_is_active(aws: AwsClients, run: runs.Run) -> None:
    unknown = replace(run, execution_arn=f"{run.execution_arn}-new")
    assert runs.look(aws, unknown) == Counts("RUNNING", total=2)


@pytest.mark.parametrize(("ends_after", "looks"), [(2, 2), (9, 3)])
def test_the_final_rows_of_a_run_are_waited_for(
    aws: AwsClients, run: runs.Run, passing: Any, ends_after: int, looks: int
) -> None:
    put_item(aws, "summary", run, status="Running")
    passing.step = 10.0

    def end() -> None:
        if len(passing.slept) == ends_after:
            put_item(aws, "summary", run, status="TimedOut", end_time="2026-11-24T09:00:00.000Z")

    passing.meanwhile = end
    runs.await_final_rows(aws, [run], limit_seconds=25, poll_seconds=1)
    assert len(passing.slept) == looks


def test_a_run_that_was_never_registered_has_no_final_rows(aws: AwsClients, run: runs.Run, passing: Any) -> None:
    runs.await_final_rows(aws, [run], limit_seconds=10, poll_seconds=1)
    assert passing.slept == []


def resource(type_token: str, identifier: str) -> PhysicalResource:
    return PhysicalResource(type_token, "urn", identifier, {}, {})


class FakeEcs:
    """A cluster whose tasks stop `patience` looks after they were told to."""

    exceptions = SimpleNamespace(ClusterNotFoundException=KeyError)

    def __init__(self, tasks: list[str], patience: int) -> None:
        self.tasks, self.patience, self.stopped = tasks, patience, list[str]()

    def list_tasks(self, *, cluster: str, desiredStatus: str = "RUNNING", family: str | None = None) -> Any:
        if cluster == "gone":
            raise KeyError
        assert (family == "kit") == (cluster == "of-others"), "in the clusters of others, its own tasks alone"
        return {"taskArns": self.tasks if desiredStatus == "RUNNING" else []}

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> Any:
        self.patience -= bool(self.stopped)
        status = "RUNNING" if self.patience > 0 else "STOPPED"
        return {"tasks": [{"taskArn": task, "lastStatus": status} for task in tasks]}

    def stop_task(self, *, cluster: str, task: str, reason: str) -> None:
        self.stopped.append(task)


def stop(ecs: FakeEcs, *clusters: str) -> list[str]:
    resources = [resource("aws:ecs/cluster:Cluster", name) for name in clusters]
    return runs.stop_ecs_tasks(SimpleNamespace(ecs=ecs), resources)  # type: ignore[arg-type]


def test_ecs_tasks_are_stopped_once_and_waited_for(passing: Any) -> None:
    ecs = FakeEcs(["t1", "t2"], patience=3)
    assert stop(ecs, "c", "gone") == ecs.stopped == ["t1", "t2"]


def test_ecs_tasks_in_a_cluster_of_others_are_those_of_the_stacks_family(passing: Any) -> None:
    variables = {"environment": {"variables": {"KIT_SETTINGS": settings_json(1)}}}
    functions = [PhysicalResource("aws:lambda/function:Function", "urn", name, variables, {}) for name in ("a", "b")]
    ecs: Any = FakeEcs(["t1"], patience=2)
    assert runs.stop_ecs_tasks(SimpleNamespace(ecs=ecs), functions) == ["t1"]  # type: ignore[arg-type]


def test_ecs_tasks_that_do_not_stop_are_named(passing: Any) -> None:
    with pytest.raises(DriverError, match="1 ECS tasks in cluster c did not stop within 180 s: t1"):
        stop(FakeEcs(["t1"], patience=1000), "c")


def test_open_executions_of_the_stack_s_state_machines_are_stopped(aws: AwsClients, run: runs.Run) -> None:
    machine = str(run.deployed["stateMachineArn"])
    resources = [
        *(resource("aws:sfn/stateMachine:StateMachine", arn) for arn in (machine, f"{machine}-gone", "")),
        resource("aws:ecs/cluster:Cluster", "c"),
    ]

    assert runs.stop_open_executions(aws, resources) == [run.execution_arn]
    assert aws.stepfunctions.describe_execution(executionArn=run.execution_arn)["status"] == "ABORTED"
    assert runs.stop_open_executions(aws, resources) == []
