"""Faults that are made on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from local_aws.emulator import Emulator
from local_aws.emulator.faults import BadFaultRule
from local_aws.testing.aws import Functions, allow, ask_until
from local_aws.tests.integration.emulator.expectations import refused, stop

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="fargate_quota"),
    pytest.mark.correction(name="ecs_api"),
    pytest.mark.correction(name="ecs_tasks"),
    pytest.mark.correction(name="lambda_functions"),
]


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
        with refused("ThrottlingException", "Rate exceeded"):
            aws.client("ecs").list_tasks(cluster="none")
    with refused("ClusterNotFoundException"):
        aws.client("ecs").list_tasks(cluster="none")
    with refused("SlowDown") as error:
        aws.client("s3").list_buckets()
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


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_drops_before_or_after_the_service_did_what_it_was_asked(
    faults: Emulator, fargate: Any, moment: str
) -> None:
    definition = fargate.define("")
    faults.inject_faults([{"service": "ecs", "operation": "RunTask", "first": 1, "effect": {"drop": moment}}])
    with pytest.raises(HTTPClientError):
        fargate.run(definition, clientToken=fargate.cluster)

    def listed() -> set[str]:
        # A task that stops between the two calls is in both lists.
        statuses = ("RUNNING", "STOPPED")
        asked = [fargate.ecs.list_tasks(cluster=fargate.cluster, desiredStatus=status) for status in statuses]
        return {arn for answer in asked for arn in answer["taskArns"]}

    started = listed()
    assert len(started) == (1 if moment == "after" else 0)
    arn = fargate.start(definition, clientToken=fargate.cluster)
    fargate.when(arn, "STOPPED")
    assert listed() == {arn} and arn in (started or {arn})


def test_a_container_is_killed_when_it_calls(faults: Emulator, aws: Any, fargate: Any) -> None:
    definition = fargate.define("import boto3; boto3.client('s3').list_buckets(); print('not reached')")
    caller = f"*assumed-role/{aws.name('task')}/*"
    faults.inject_faults([{"service": "s3", "caller": caller, "effect": {"kill": "before"}}])
    task = fargate.finish(definition)
    assert task["containers"][0]["exitCode"] == 137
    assert fargate.log(task["taskArn"]) == []


@pytest.mark.parametrize(("moment", "objects"), [("before", []), ("after", ["killed"])])
def test_only_the_environment_of_a_function_that_calls_is_killed(
    faults: Emulator, aws: Any, moment: str, objects: list[str]
) -> None:
    bucket = aws.name("bucket")
    aws.client("s3").create_bucket(Bucket=bucket)
    code = (
        "import boto3, time\n"
        "def handler(event, context):\n"
        "    if event['wait']:\n"
        f"        boto3.client('s3').put_object(Bucket='{bucket}', Key='started')\n"
        "        time.sleep(event['wait'])\n"
        f"    boto3.client('s3').put_object(Bucket='{bucket}', Key=event['key'])\n"
        "    return event['key']\n"
    )
    functions = Functions(aws)
    functions.create(code, Role=aws.role("caller", "lambda.amazonaws.com", allow("s3:*")), Timeout=60)

    def invoke(key: str, wait: float = 0) -> Any:
        return functions.invoke({"key": key, "wait": wait})

    def keys() -> list[str]:
        found = aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
        return [each["Key"] for each in found]

    rule = {"service": "s3", "caller": f"*/{aws.name('function')}", "request": "*/killed *", "limit": 1}
    faults.inject_faults([{**rule, "effect": {"kill": moment}}])
    with ThreadPoolExecutor(1) as other:
        beside = other.submit(invoke, "beside", 3)
        ask_until(lambda: True if "started" in keys() else None)
        killed = invoke("killed")
        assert (killed["errorType"], killed["errorMessage"].partition("Error: ")[2]) == (
            "Runtime.ExitError",
            "Runtime exited with error: signal: killed",
        )
        assert [key for key in keys() if key == "killed"] == objects
        assert beside.result() == "beside"
    assert invoke("killed") == "killed"
    assert faults.injected_faults()[0]["met"] == 1


def test_a_task_whose_spot_capacity_is_taken_away_is_stopped(faults: Emulator, aws: Any, fargate: Any) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html."""
    script = (
        "import boto3, signal, sys\n"
        "def term(number, frame):\n"
        "    print('told')\n"
        "    sys.exit(9)\n"
        "signal.signal(signal.SIGTERM, term)\n"
        "boto3.client('s3').list_buckets()\n"
        "print('not reached')\n"
    )
    caller = f"*assumed-role/{aws.name('task')}/*"
    faults.inject_faults([{"service": "s3", "caller": caller, "effect": {"interrupt": "before"}}])
    task = fargate.finish(fargate.define(script))
    assert (task["stopCode"], task["stoppedReason"]) == ("SpotInterruption", "Your Spot Task was interrupted.")
    assert (task["containers"][0]["exitCode"], fargate.log(task["taskArn"])) == (9, ["told"])


def test_tasks_beyond_the_quota_of_vcpus_are_failures_until_others_have_stopped(faults: Emulator, fargate: Any) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html."""
    definition = fargate.define("import time; time.sleep(60)", stopTimeout=2)
    vcpus = int(fargate.cpu) / 1024 * 2
    faults.inject_faults([{"service": "ecs", "operation": "RunTask", "effect": {"vcpus": vcpus}}])
    reached = [{"reason": "You\u2019ve reached the limit on the number of vCPUs you can run concurrently"}]
    first = fargate.start(definition)
    answer = fargate.run(definition, count=3)
    assert (len(answer["tasks"]), answer["failures"]) == (1, reached * 2), "what has room is started"
    second = answer["tasks"][0]["taskArn"]
    for _ in range(2):
        answer = fargate.run(definition, clientToken=fargate.cluster)
        assert (answer["tasks"], answer["failures"]) == ([], reached)
    stop(fargate, first)
    assert fargate.run(definition, clientToken=fargate.cluster)["failures"] == reached, "the token replays its answer"
    third = fargate.run(definition, clientToken=fargate.cluster + "-2")["tasks"][0]["taskArn"]
    stop(fargate, second, third)


def test_a_set_of_rules_is_replaced_without_touching_the_others(faults: Emulator, aws: Any) -> None:
    slow_down = {"error": "ThrottlingException", "message": "slow down"}
    faults.inject_faults([{"name": "one", "service": "ecs", "request": "*one*", "effect": slow_down}], "one")
    faults.inject_faults([{"name": "two", "service": "ecs", "request": "*two*", "effect": slow_down}], "two")
    with pytest.raises(ClientError, match="slow down"):
        aws.client("ecs").list_tasks(cluster="one")
    faults.inject_faults([], "two")
    assert faults.injected_faults("one") == [{"name": "one", "matched": 1, "met": 1}]
    assert faults.injected_faults("two") == []
    faults.inject_faults([], "one")


def test_a_rule_that_is_not_understood_changes_nothing(faults: Emulator) -> None:
    with pytest.raises(BadFaultRule):
        faults.inject_faults([{"service": "ecs"}])
    assert faults.injected_faults() == []


def test_a_table_that_has_used_up_its_provisioned_capacity_throttles(faults: Emulator, aws: Any) -> None:
    client, name = aws.client("dynamodb"), aws.name("provisioned")
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
    )
    faults.inject_faults([{"service": "dynamodb", "effect": {"provisionedCapacity": {"burstSeconds": 2}}}])
    item = {"k": {"S": "1"}, "t": {"S": "x" * 200_000}}
    assert "ConsumedCapacity" not in client.put_item(TableName=name, Item=item)
    with refused("ProvisionedThroughputExceededException", "throughput for the table was exceeded"):
        client.put_item(TableName=name, Item=item)
    client.get_item(TableName=name, Key={"k": {"S": "1"}})
    with refused("ProvisionedThroughputExceededException"):
        client.get_item(TableName=name, Key={"k": {"S": "1"}})
    faults.inject_faults([])
    client.put_item(TableName=name, Item=item)
