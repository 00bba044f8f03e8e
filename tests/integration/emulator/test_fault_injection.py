"""Faults that are made on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from automation.local.emulator import Emulator
from automation.local.emulator.faults import BadFaultRule

pytestmark = pytest.mark.integration


@pytest.fixture
def faults(emulator: Emulator) -> Iterator[Emulator]:
    yield emulator
    emulator.inject_faults([])


def test_calls_are_answered_with_an_error_in_the_services_protocol(faults: Emulator, aws: Any) -> None:
    throttling = {"error": "ThrottlingException", "message": "Rate exceeded", "status": 400}
    faults.inject_faults(
        [
            {"name": "ecs", "service": "ecs", "operation": "ListTasks", "first": 2, "effect": throttling},
            {"name": "s3", "service": "s3", "effect": {"error": "SlowDown", "status": 503}},
        ]
    )
    for _ in range(2):
        with pytest.raises(ClientError, match="Rate exceeded") as error:
            aws.client("ecs").list_tasks(cluster="none")
        assert error.value.response["Error"]["Code"] == "ThrottlingException"
    with pytest.raises(ClientError) as error:
        aws.client("ecs").list_tasks(cluster="none")
    assert error.value.response["Error"]["Code"] == "ClusterNotFoundException"
    with pytest.raises(ClientError) as error:
        aws.client("s3").list_buckets()
    assert error.value.response["Error"]["Code"] == "SlowDown"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert faults.injected_faults() == [
        {"name": "ecs", "matched": 3, "met": 2},
        {"name": "s3", "matched": 1, "met": 1},
    ]


def test_run_task_answers_with_failures_and_again_for_the_same_token(faults: Emulator, fargate: Any) -> None:
    definition = fargate.define("")
    full = {"failures": [{"arn": "arn:x", "reason": "RESOURCE:MEMORY"}]}
    faults.inject_faults([{"service": "ecs", "operation": "RunTask", "first": 1, "effect": full}])
    for _ in range(2):
        answer = fargate.run(definition, clientToken=fargate.cluster)
        assert (answer["tasks"], answer["failures"]) == ([], full["failures"])
    fargate.when(fargate.start(definition), "STOPPED")


def test_a_connection_that_drops_after_the_call_leaves_what_was_done(faults: Emulator, fargate: Any) -> None:
    definition = fargate.define("")
    faults.inject_faults([{"service": "ecs", "operation": "RunTask", "first": 1, "effect": {"drop": "after"}}])
    with pytest.raises(HTTPClientError):
        fargate.run(definition, clientToken=fargate.cluster)
    arn = fargate.start(definition, clientToken=fargate.cluster)
    fargate.when(arn, "STOPPED")
    assert fargate.ecs.list_tasks(cluster=fargate.cluster, desiredStatus="STOPPED")["taskArns"] == [arn]


def test_a_connection_that_drops_before_the_call_leaves_nothing(faults: Emulator, fargate: Any) -> None:
    definition = fargate.define("")
    faults.inject_faults([{"service": "ecs", "operation": "RunTask", "effect": {"drop": "before"}}])
    with pytest.raises(HTTPClientError):
        fargate.run(definition)
    for status in ("RUNNING", "STOPPED"):
        assert fargate.ecs.list_tasks(cluster=fargate.cluster, desiredStatus=status)["taskArns"] == []


def test_a_container_is_killed_when_it_calls(faults: Emulator, aws: Any, fargate: Any) -> None:
    definition = fargate.define("import boto3; boto3.client('s3').list_buckets(); print('not reached')")
    caller = f"*assumed-role/{aws.name('task')}/*"
    faults.inject_faults([{"service": "s3", "caller": caller, "effect": {"kill": "before"}}])
    task = fargate.finish(definition)
    assert task["containers"][0]["exitCode"] == 137
    assert fargate.log(task["taskArn"]) == []


def test_a_rule_that_is_not_understood_changes_nothing(faults: Emulator) -> None:
    with pytest.raises(BadFaultRule):
        faults.inject_faults([{"service": "ecs"}])
    assert faults.injected_faults() == []
