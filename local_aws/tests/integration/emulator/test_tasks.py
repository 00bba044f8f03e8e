"""ECS tasks: what RunTask refuses, how containers run and end, how tasks are found.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from local_aws.testing.aws import ask_until
from local_aws.tests.integration.emulator.expectations import events_of, gone, refused, stop

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="ecs_api"),
    pytest.mark.correction(name="ecs_tasks"),
    pytest.mark.correction(name="ecs_events"),
]


# --- RunTask ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"cluster": "no-such-cluster"}, "ClusterNotFoundException", "Cluster not found"),
        ({"count": 11}, "InvalidParameterException", "Count must be between 1 and 10"),
        ({"startedBy": "x" * 129}, "InvalidParameterException", "startedBy must be at most 128"),
        ({"clientToken": "x" * 65}, "InvalidParameterException", "clientToken must be at most 64"),
        (
            {"overrides": {"containerOverrides": [{"name": "app", "command": ["x" * 8192]}]}},
            "InvalidParameterException",
            "at most 8192",
        ),
        (
            {"overrides": {"containerOverrides": [{"name": "other"}]}},
            "InvalidParameterException",
            "not a container in the TaskDefinition",
        ),
        ({"overrides": {"memory": "300"}}, "ClientException", "No Fargate configuration exists"),
        ({"networkConfiguration": {}}, "InvalidParameterException", "Network Configuration must be provided"),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}], "launchType": ""},
            "InvalidParameterException",
            "FARGATE_SPOT is not associated",
        ),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
            "InvalidParameterException",
            "both a launch type and capacity provider strategy",
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_request_that_ecs_cannot_run_is_refused(
    fargate: Any, request_: dict[str, Any], code: str, message: str
) -> None:
    given = {"cluster": fargate.cluster, "launchType": "FARGATE", "networkConfiguration": fargate.network, **request_}
    with refused(code, message):
        fargate.ecs.run_task(taskDefinition=fargate.define(""), **{key: each for key, each in given.items() if each})


def test_a_deregistered_revision_keeps_its_running_task_but_starts_none(fargate: Any) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeregisterTaskDefinition.html."""
    definition = fargate.define("import time; time.sleep(60)", stopTimeout=2)
    arn = fargate.start(definition)
    fargate.when(arn, "RUNNING")
    fargate.ecs.deregister_task_definition(taskDefinition=definition)
    with refused("ClientException", "TaskDefinition is inactive"):
        fargate.run(definition)
    assert fargate.describe(arn)["lastStatus"] == "RUNNING"
    stop(fargate, arn)


def test_a_task_definition_is_described_with_what_ecs_fills_in(fargate: Any) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html."""
    definition = fargate.define(
        image="x",
        linuxParameters={"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
    )
    described = fargate.ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
    (container,) = described["containerDefinitions"]
    assert container.pop("logConfiguration")["logDriver"] == "awslogs"
    assert container == {
        "name": "app",
        "image": "x",
        "cpu": 0,
        "essential": True,
        **{name: [] for name in ("portMappings", "environment", "mountPoints", "volumesFrom", "systemControls")},
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"add": [], "drop": ["ALL"]}},
    }
    assert (described["volumes"], described["placementConstraints"]) == ([], [])
    assert not {"ipcMode", "pidMode", "proxyConfiguration"} & described.keys()


def test_a_bare_family_is_its_latest_active_revision(aws: Any, fargate: Any) -> None:
    first, second = fargate.define("print(1)"), fargate.define("print(2)")
    fargate.ecs.deregister_task_definition(taskDefinition=second)
    assert fargate.finish(aws.name("family"))["taskDefinitionArn"] == first
    described = fargate.ecs.describe_task_definition(taskDefinition=aws.name("family"))["taskDefinition"]
    assert described["taskDefinitionArn"] == first


def test_the_network_of_a_task_has_to_exist_and_be_in_one_vpc(aws: Any, fargate: Any) -> None:
    ec2, definition = aws.client("ec2"), fargate.define("")
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    elsewhere = ec2.create_security_group(GroupName=aws.name("elsewhere"), Description="x", VpcId=vpc)["GroupId"]
    for subnet, group, reason in (
        ("subnet-0", fargate.security_group, "The subnet ID 'subnet-0' does not exist"),
        (fargate.subnet, "sg-0", "The security group 'sg-0' does not exist"),
        (fargate.subnet, elsewhere, "not all in the same VPC"),
    ):
        network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}
        with refused("InvalidParameterException", reason):
            fargate.ecs.run_task(cluster=fargate.cluster, taskDefinition=definition, networkConfiguration=network)


def test_a_task_runs_on_a_capacity_provider_of_the_cluster(fargate: Any) -> None:
    fargate.ecs.put_cluster_capacity_providers(
        cluster=fargate.cluster, capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=[]
    )
    (task,) = fargate.ecs.run_task(
        cluster=fargate.cluster,
        taskDefinition=fargate.define(""),
        networkConfiguration=fargate.network,
        capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
    )["tasks"]
    assert (task["launchType"], task["capacityProviderName"]) == ("FARGATE", "FARGATE_SPOT")


def test_a_role_that_ecs_cannot_assume_is_refused(aws: Any, fargate: Any) -> None:
    definition = fargate.define("")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    aws.client("iam").update_assume_role_policy(
        RoleName=aws.name("task"), PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    with refused("ClientException", "ECS was unable to assume the role"):
        fargate.run(definition)


def test_a_client_token_is_the_same_task_and_with_other_parameters_a_conflict(fargate: Any) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html."""
    definition, token = fargate.define(""), fargate.cluster
    arn = fargate.start(definition, clientToken=token)
    assert fargate.start(definition, clientToken=token) == arn
    with refused("ConflictException") as error:
        fargate.run(definition, clientToken=token, startedBy="someone-else")
    assert error.value.response["resourceIds"] == [arn]
    fargate.when(arn, "STOPPED")
    assert fargate.run(definition, clientToken=token)["tasks"][0]["lastStatus"] == "STOPPED"
    assert fargate.start(definition, clientToken=token[:-1]) != arn


# --- containers ------------------------------------------------------------------------------------------------------


def test_a_container_gets_its_own_environment_and_nothing_of_the_emulators(aws: Any, fargate: Any) -> None:
    definition = fargate.define(
        "import os, json, sys\n"
        "print(json.dumps(os.path.isdir(os.environ['HOME'])), file=sys.stderr, flush=True)\n"
        "print(json.dumps(dict(os.environ)))",
        environment=[{"name": "GIVEN", "value": "in the definition"}, {"name": "BOTH", "value": "definition"}],
    )
    override = {"name": "app", "environment": [{"name": "BOTH", "value": "override"}]}
    task = fargate.finish(definition, overrides={"containerOverrides": [override]})
    has_home, variables = map(json.loads, fargate.log(task["taskArn"]))
    assert has_home
    ask_until(lambda: not Path(variables["HOME"]).exists() or None)
    assert (variables["GIVEN"], variables["BOTH"], variables["FROM_IMAGE"]) == ("in the definition", "override", "yes")
    assert variables["AWS_REGION"] == aws.region
    assert variables["AWS_ENDPOINT_URL"] == aws.emulator.endpoint_url
    expected = {
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
        *("AWS_ENDPOINT_URL", "AWS_EXECUTION_ENV", "ECS_CONTAINER_METADATA_URI_V4"),
        *("GIVEN", "BOTH", "FROM_IMAGE", "HOME", "TMPDIR", "PATH"),
    }
    assert set(variables) - {"LC_CTYPE"} == expected


@pytest.mark.all_runtimes
def test_a_container_acts_as_its_task_role_and_finds_its_task_in_the_metadata(aws: Any, fargate: Any) -> None:
    definition = fargate.define(
        "import boto3, json, os, urllib.request\n"
        "print(json.load(urllib.request.urlopen(os.environ['ECS_CONTAINER_METADATA_URI_V4'] + '/task'))['TaskARN'])\n"
        "print(boto3.client('sts').get_caller_identity()['Arn'])\n"
        "boto3.client('s3').list_buckets()\n"
        "try:\n"
        "    boto3.client('s3').create_bucket(Bucket='not-allowed')\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    arn = fargate.finish(definition)["taskArn"]
    task, identity, refusal = fargate.log(arn)
    session = f"assumed-role/{aws.name('task')}/{arn.rsplit('/', 1)[-1]}"
    assert (task, identity) == (arn, f"arn:aws:sts::{aws.account}:{session}")
    assert "AccessDenied" in refusal and "s3:CreateBucket" in refusal


@pytest.mark.correction(name="image_registry")
@pytest.mark.all_runtimes
def test_the_times_of_a_task_are_in_order_and_the_same_in_its_metadata_its_description_and_its_events(
    aws: Any, fargate: Any
) -> None:
    events = events_of(aws, {"source": ["aws.ecs"], "detail": {"clusterArn": [{"suffix": f"/{fargate.cluster}"}]}})
    definition = fargate.define(
        "import json, os, urllib.request\n"
        "task = {'Containers': [{}]}\n"
        "while 'StartedAt' not in task['Containers'][0]:\n"
        "    task = json.load(urllib.request.urlopen(os.environ['ECS_CONTAINER_METADATA_URI_V4'] + '/task'))\n"
        "print(json.dumps(task))\n"
    )
    task = fargate.finish(definition)
    metadata = json.loads(fargate.log(task["taskArn"])[0])
    (container,) = metadata["Containers"]

    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text)

    assert moment(metadata["PullStartedAt"]) == task["pullStartedAt"]
    assert moment(metadata["PullStoppedAt"]) == task["pullStoppedAt"]
    times = [
        *(task[name] for name in ("createdAt", "pullStartedAt", "pullStoppedAt")),
        *(moment(container[name]) for name in ("CreatedAt", "StartedAt")),
        *(task[name] for name in ("startedAt", "executionStoppedAt", "stoppedAt")),
    ]
    assert times == sorted(times)

    def last_event() -> Any:
        return next((each for each in events() if each["lastStatus"] == "STOPPED"), None)

    stopped = ask_until(last_event)
    for name in ("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "executionStoppedAt", "stoppedAt"):
        assert moment(stopped[name]) == task[name]


@pytest.mark.all_runtimes
def test_an_image_that_was_deleted_cannot_be_pulled(fargate: Any) -> None:
    definition = fargate.define("print('here')")
    assert fargate.finish(definition)["stopCode"] == "EssentialContainerExited"
    image = fargate.ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]["containerDefinitions"][0]
    digest = {"imageDigest": image["image"].partition("@")[2]}
    fargate.aws.client("ecr").batch_delete_image(repositoryName=fargate.repository, imageIds=[digest])
    task = fargate.finish(definition)
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")


@pytest.mark.all_runtimes
def test_the_command_of_the_image_the_definition_and_the_override(fargate: Any) -> None:
    script = "import sys; print(sys.argv[1:])"
    definition = fargate.define(script, command=["from", "definition"])
    assert fargate.log(fargate.finish(definition)["taskArn"]) == ["['from', 'definition']"]
    override = {"containerOverrides": [{"name": "app", "command": ["from", "override"]}]}
    assert fargate.log(fargate.finish(definition, overrides=override)["taskArn"]) == ["['from', 'override']"]


@pytest.mark.all_runtimes
def test_a_signal_is_128_plus_its_number_as_exit_code(fargate: Any) -> None:
    definition = fargate.define("import os; os.kill(os.getpid(), 9)", linuxParameters={"initProcessEnabled": True})
    task = fargate.finish(definition)
    assert task["containers"][0]["exitCode"] == 137
    assert (task["stopCode"], task["stoppedReason"]) == ("EssentialContainerExited", "Essential container exited")


@pytest.mark.all_runtimes
def test_each_container_keeps_its_own_exit_code_and_only_an_essential_one_ends_the_task(fargate: Any) -> None:
    script = "import sys, time; sys.exit(4) if sys.argv[1:] == ['ends'] else time.sleep(60)"
    made = fargate.define(script, stopTimeout=2, linuxParameters={"initProcessEnabled": True})
    one = fargate.ecs.describe_task_definition(taskDefinition=made)["taskDefinition"]
    (app,) = one["containerDefinitions"]
    side = {**app, "name": "side", "command": ["ends"], "essential": False}
    names = ("family", "requiresCompatibilities", "networkMode", "cpu", "memory", "taskRoleArn", "executionRoleArn")
    both = fargate.ecs.register_task_definition(
        **{name: one[name] for name in names}, containerDefinitions=[app, side]
    )["taskDefinition"]["taskDefinitionArn"]
    arn = fargate.start(both)

    def codes() -> dict[str, int | None]:
        return {container["name"]: container.get("exitCode") for container in fargate.describe(arn)["containers"]}

    ask_until(lambda: True if codes()["side"] is not None else None)
    assert codes() == {"app": None, "side": 4}
    assert fargate.when(arn, "RUNNING")["desiredStatus"] == "RUNNING"
    stop(fargate, arn)
    assert codes() == {"app": 143, "side": 4}


@pytest.mark.all_runtimes
def test_a_program_that_is_not_there_keeps_the_task_from_starting(fargate: Any) -> None:
    task = fargate.finish(fargate.define("", entryPoint=["/no/such/program"]))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotStartContainerError: ")
    assert "exitCode" not in task["containers"][0]


def test_a_container_ends_with_everything_it_started(fargate: Any) -> None:
    definition = fargate.define(
        "import subprocess; print(subprocess.Popen(['sleep', '300']).pid, flush=True)", stopTimeout=2
    )
    task = fargate.finish(definition)
    child = int(fargate.log(task["taskArn"])[0])
    assert gone(child)


# --- StopTask --------------------------------------------------------------------------------------------------------


@pytest.mark.all_runtimes
@pytest.mark.parametrize(
    ("handler", "code", "written"),
    [("lambda *_: (print('ending', flush=True), sys.exit(9))", 9, ["ready", "ending"]), ("SIG_IGN", 137, ["ready"])],
    ids=["handled", "ignored"],
)
def test_stop_task_sends_sigterm_and_after_the_stop_timeout_sigkill(
    fargate: Any, handler: str, code: int, written: list[str]
) -> None:
    definition = fargate.define(
        "import sys, time\n"
        "from signal import *\n"
        f"signal(SIGTERM, {handler})\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n",
        stopTimeout=2,
    )
    arn = fargate.start(definition)
    fargate.when(arn, "RUNNING")
    ask_until(lambda: "ready" in fargate.log(arn) or None)
    answer = fargate.ecs.stop_task(cluster=fargate.cluster, task=arn, reason="enough")["task"]
    assert (answer["desiredStatus"], answer["stopCode"]) == ("STOPPED", "UserInitiated")
    task = fargate.when(arn, "STOPPED")
    assert (task["stoppedReason"], task["containers"][0]["exitCode"]) == ("enough", code)
    assert fargate.log(arn) == written


# --- DescribeTasks and ListTasks -------------------------------------------------------------------------------------


def test_stopped_tasks_are_still_described_and_unknown_ones_are_missing(aws: Any, fargate: Any) -> None:
    arn = fargate.finish(fargate.define(""))["taskArn"]
    unknown = arn[:-1] + ("0" if arn[-1] != "0" else "1")
    answer = fargate.ecs.describe_tasks(cluster=fargate.cluster, tasks=[arn, unknown])
    assert [task["lastStatus"] for task in answer["tasks"]] == ["STOPPED"]
    assert answer["failures"] == [{"arn": unknown, "reason": "MISSING"}]
    times = [answer["tasks"][0][name] for name in ("createdAt", "startedAt", "stoppedAt")]
    assert times == sorted(times) and any(time.microsecond for time in times)


def test_calls_on_tasks_have_limits(fargate: Any) -> None:
    ecs, cluster = fargate.ecs, fargate.cluster
    with refused("InvalidParameterException", "The referenced task was not found"):
        ecs.stop_task(cluster=cluster, task="0" * 32)
    with refused("InvalidParameterException", "cannot be empty"):
        ecs.describe_tasks(cluster=cluster, tasks=[])
    with refused("InvalidParameterException", "more than 100"):
        ecs.describe_tasks(cluster=cluster, tasks=[str(each) for each in range(101)])
    with refused("InvalidParameterException", "maxResults"):
        ecs.list_tasks(cluster=cluster, maxResults=101)
    assert ecs.list_tasks(cluster=cluster, startedBy="me", maxResults=10)["taskArns"] == []
    for other in (
        {"desiredStatus": "RUNNING"},
        {"family": "family"},
        {"launchType": "FARGATE"},
        {"containerInstance": "instance"},
        {"serviceName": "service"},
    ):
        with refused("InvalidParameterException", "cannot specify startedBy with other arguments"):
            ecs.list_tasks(cluster=cluster, startedBy="me", **other)


@pytest.mark.all_runtimes
def test_tasks_are_listed_by_who_started_them_and_by_family(aws: Any, fargate: Any) -> None:
    definition = fargate.define("import time; time.sleep(60)", stopTimeout=2)
    mine, other = fargate.start(definition, startedBy="me"), fargate.start(definition, startedBy="you")

    def listed(**filters: str) -> set[str]:
        return set(fargate.ecs.list_tasks(cluster=fargate.cluster, **filters)["taskArns"])

    assert listed(startedBy="me") == {mine}
    page = fargate.ecs.list_tasks(cluster=fargate.cluster, maxResults=1)
    (first,) = page["taskArns"]
    rest = fargate.ecs.list_tasks(cluster=fargate.cluster, maxResults=1, nextToken=page["nextToken"])
    assert {first, *rest["taskArns"]} == {mine, other} and "nextToken" not in rest
    assert listed(family=aws.name("family")) == {mine, other}
    assert listed(desiredStatus="STOPPED") == set()
    stop(fargate, mine, other)
    assert listed(family=aws.name("family"), desiredStatus="STOPPED") == {mine, other}
    assert listed(family=aws.name("another"), desiredStatus="STOPPED") == set()
    assert listed() == listed(startedBy="me") == set()


def test_a_cluster_is_described_with_the_number_of_its_tasks(fargate: Any) -> None:
    def running() -> int:
        (cluster,) = fargate.ecs.describe_clusters(clusters=[fargate.cluster])["clusters"]
        return int(cluster["runningTasksCount"])

    before = running()
    arn = fargate.start(fargate.define("import time; time.sleep(60)", stopTimeout=2))
    fargate.when(arn, "RUNNING")
    assert running() == before + 1
    stop(fargate, arn)
    assert running() == before


# --- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.all_runtimes
def test_every_change_of_a_task_is_an_event(aws: Any, fargate: Any) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html."""
    pattern = {"source": ["aws.ecs"], "detail": {"clusterArn": [fargate.cluster_arn]}}
    read = events_of(aws, {**pattern, "detail-type": ["ECS Task State Change"]})
    task = fargate.finish(fargate.define("raise SystemExit(5)"))
    seen: list[dict[str, Any]] = []
    ask_until(lambda: seen.extend(read()) or any(each["lastStatus"] == "STOPPED" for each in seen) or None)
    last = {each["lastStatus"]: each for each in seen}
    assert {"PROVISIONING", "PENDING", "RUNNING", "STOPPED"} <= set(last)
    assert {each["taskArn"] for each in seen} == {task["taskArn"]}
    assert last["STOPPED"]["containers"][0]["exitCode"] == 5
    assert last["STOPPED"]["stopCode"] == "EssentialContainerExited"
