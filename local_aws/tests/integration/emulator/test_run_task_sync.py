"""`ecs:runTask` and `ecs:runTask.sync` as Step Functions runs them.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_aws.emulator import Emulator
from local_aws.testing.aws import ask_until
from local_aws.tests.integration.emulator.expectations import refused

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="states_integrations"),
    pytest.mark.correction(name="states_engine"),
    pytest.mark.correction(name="ecs_tasks"),
]

WAITS = "import time; print('started', flush=True); time.sleep(60)"


@pytest.fixture
def role(aws: Any, fargate: Any) -> str:
    """A role that a machine with `ecs:runTask.sync` needs, and no more."""
    return machine_role(aws, fargate)


def machine_role(aws: Any, fargate: Any, *, without: str = "") -> str:
    ecs = f"arn:aws:ecs:{aws.region}:{aws.account}"
    wanted = {
        "ecs:RunTask": {
            "Resource": f"{ecs}:task-definition/{aws.name('family')}:*",
            "Condition": {"ArnEquals": {"ecs:cluster": fargate.cluster_arn}},
        },
        "ecs:StopTask": {"Resource": f"{ecs}:task/{fargate.cluster}/*"},
        "ecs:DescribeTasks": {"Resource": f"{ecs}:task/{fargate.cluster}/*"},
        "iam:PassRole": {"Resource": [fargate.task_role, fargate.execution_role]},
        "events:PutTargets": {"Resource": "*"},
        "events:PutRule": {"Resource": "*"},
        "events:DescribeRule": {"Resource": "*"},
    }
    statements = [{"Effect": "Allow", "Action": name, **rest} for name, rest in wanted.items() if name != without]
    return aws.role("machine", "states.amazonaws.com", *statements)


def run_task(fargate: Any, definition: str, **more: Any) -> dict[str, Any]:
    """A Task state."""
    arguments = {
        "Cluster": fargate.cluster,
        "TaskDefinition": definition,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [fargate.subnet]}},
        **more.pop("Arguments", {}),
    }
    return {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "Arguments": arguments, **more}


def started_tasks(fargate: Any) -> list[str]:
    arns: list[str] = fargate.ecs.list_tasks(cluster=fargate.cluster)["taskArns"]
    return arns


def test_the_output_is_the_one_task_in_pascal_case(fargate: Any, machines: Any, role: str) -> None:
    definition = fargate.define("print('done')")
    end = machines.run({"Run": run_task(fargate, definition, End=True)}, "Run", role)
    assert end["status"] == "SUCCEEDED", end
    task = json.loads(end["output"])
    assert (task["LastStatus"], task["StartedBy"]) == ("STOPPED", "AWS Step Functions")
    assert task["Containers"][0]["ExitCode"] == 0
    assert isinstance(task["CreatedAt"], int)


def test_a_task_that_failed_or_did_not_start_fails_the_state_with_the_task_as_cause(
    aws: Any, fargate: Any, machines: Any, role: str
) -> None:
    missing = f"{aws.account}.dkr.ecr.{aws.region}.amazonaws.com/{fargate.repository}:absent"
    for definition, code, stopped, reason in (
        (fargate.define("raise SystemExit(3)"), 3, "EssentialContainerExited", "Essential container exited"),
        (fargate.define(image=missing), None, "TaskFailedToStart", "CannotPullContainerError: "),
    ):
        end = machines.run({"Run": run_task(fargate, definition, End=True)}, "Run", role)
        assert (end["status"], end["error"]) == ("FAILED", "States.TaskFailed")
        cause = json.loads(end["cause"])
        assert (cause["StopCode"], cause["Containers"][0].get("ExitCode")) == (stopped, code)
        assert cause["StoppedReason"].startswith(reason)


@pytest.fixture
def faults(emulator: Emulator) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Sets the effect of every RunTask."""
    yield lambda effect: emulator.inject_faults([{"service": "ecs", "operation": "RunTask", "effect": effect}])
    emulator.inject_faults([])


def test_failures_of_run_task_are_an_error_of_their_own_with_the_answer_as_cause(
    faults: Any, fargate: Any, machines: Any, role: str
) -> None:
    definition = fargate.define("")
    faults({"failures": [{"arn": "arn:x", "reason": "RESOURCE:MEMORY"}]})
    end = machines.run({"Run": run_task(fargate, definition, End=True)}, "Run", role)
    assert (end["status"], end["error"]) == ("FAILED", "AmazonECS.Unknown")
    assert json.loads(end["cause"])["Failures"] == [{"Arn": "arn:x", "Reason": "RESOURCE:MEMORY"}]


@pytest.mark.parametrize("field", ["StartedBy", "Tags"])
def test_started_by_and_tags_are_refused_when_the_machine_is_made_wherever_the_state_is(
    fargate: Any, machines: Any, role: str, field: str
) -> None:
    inner = {"Run": run_task(fargate, "x", Arguments={field: "x"}, End=True)}
    states = {"Each": {"Type": "Map", "ItemProcessor": {"StartAt": "Run", "States": inner}, "End": True}}
    with refused("InvalidDefinition", f'The field "{field}" is not supported') as error:
        machines.create(states, "Each", role)
    assert "at /States/Each/ItemProcessor/States/Run/Arguments" in str(error.value)


def test_started_by_of_an_expression_is_refused_when_the_state_is_run(fargate: Any, machines: Any, role: str) -> None:
    state = run_task(fargate, fargate.define(""), Arguments={"StartedBy": "me"}, End=True)
    given = state["Arguments"]
    end = machines.run({"Run": {**state, "Arguments": "{% $states.input %}"}}, "Run", role, given)
    assert end["error"] == "States.Runtime"
    assert "'StartedBy' is not supported" in end["cause"]
    assert started_tasks(fargate) == []


@pytest.mark.parametrize(
    ("effect", "error", "cause"),
    [
        (
            {"error": "ThrottlingException", "message": "Rate exceeded"},
            "ECS.AmazonECSException",
            "Rate exceeded (Service: AmazonECS; Status Code: 400; Error Code: ThrottlingException; Request ID: ",
        ),
        (
            {"error": "ClientException", "message": "Capacity is unavailable at this time"},
            "ECS.ClientException",
            "Capacity is unavailable at this time (Service: AmazonECS; Status Code: 400; Error Code: ClientException; ",
        ),
        ({"error": "AccessDeniedException"}, "ECS.AccessDeniedException", "Error Code: AccessDeniedException; "),
        (
            {"error": "ServerException", "status": 500},
            "ECS.ServerException",
            "Service: AmazonECS; Status Code: 500; Error Code: ServerException; ",
        ),
        (
            {"error": "ServiceUnavailable", "status": 503},
            "ECS.AmazonECSException",
            "Service: AmazonECS; Status Code: 503; Error Code: ServiceUnavailable; ",
        ),
        ({"drop": "before"}, "ECS.SdkClientException", "Unable to execute HTTP request: "),
        ({"drop": "after"}, "ECS.SdkClientException", "Unable to execute HTTP request: "),
    ],
)
def test_only_declared_errors_of_ecs_have_a_name_of_their_own(
    faults: Any, fargate: Any, machines: Any, role: str, effect: dict[str, Any], error: str, cause: str
) -> None:
    """https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity."""
    state = run_task(fargate, fargate.define(""), End=True)
    faults(effect)
    end = machines.run({"Run": state}, "Run", role)
    assert (end["status"], end["error"]) == ("FAILED", error)
    assert cause in end["cause"]


@pytest.mark.parametrize(
    ("limits", "ended"),
    [
        ({}, ("ABORTED", "Enough")),
        ({"machine": {"TimeoutSeconds": 1}}, ("TIMED_OUT", "States.Timeout")),
        ({"state": {"TimeoutSeconds": "{% 1 %}"}}, ("FAILED", "States.Timeout")),
    ],
    ids=["stopped", "machine's time limit", "state's time limit"],
)
def test_a_state_that_ends_before_its_task_stops_it(
    fargate: Any, machines: Any, role: str, limits: Any, ended: tuple[str, str]
) -> None:
    run = run_task(fargate, fargate.define(WAITS, stopTimeout=2), End=True, **limits.get("state", {}))
    states = {"Both": {"Type": "Parallel", "Branches": [{"StartAt": "Run", "States": {"Run": run}}], "End": True}}
    execution = machines.start(machines.create(states, "Both", role, **limits.get("machine", {})))
    arn = ask_until(lambda: next(iter(started_tasks(fargate)), None))
    if ended[0] == "ABORTED":
        machines.client.stop_execution(executionArn=execution, error="Enough")
    end = machines.end(execution)
    assert (end["status"], end["error"]) == ended
    task = fargate.when(arn, "STOPPED")
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "Task stopped by AWS Step Functions")


def test_a_failing_item_stops_the_tasks_of_the_others(fargate: Any, machines: Any, role: str) -> None:
    definition = fargate.define("import os, time; time.sleep(float(os.environ['SECONDS'])); raise SystemExit(1)")
    override = {"Name": "app", "Environment": [{"Name": "SECONDS", "Value": "{% $states.input %}"}]}
    run = run_task(fargate, definition, Arguments={"Overrides": {"ContainerOverrides": [override]}}, End=True)
    states = {
        "Each": {
            "Type": "Map",
            "Items": ["60", "60", "0.5"],
            "ItemProcessor": {"StartAt": "Run", "States": {"Run": run}},
            "End": True,
        }
    }
    end = machines.run(states, "Each", role)
    assert (end["status"], end["error"]) == ("FAILED", "States.TaskFailed")
    assert started_tasks(fargate) == []
    stopped = fargate.ecs.list_tasks(cluster=fargate.cluster, desiredStatus="STOPPED")["taskArns"]
    codes = sorted(fargate.when(arn, "STOPPED")["containers"][0]["exitCode"] for arn in stopped)
    assert codes == [1, 143, 143]


@pytest.mark.parametrize("action", ["ecs:RunTask", "iam:PassRole", "events:PutRule"])
def test_the_machines_role_has_to_allow_the_call_and_the_managed_rule(
    aws: Any, fargate: Any, machines: Any, action: str
) -> None:
    states = {"Run": run_task(fargate, fargate.define(""), End=True)}
    role = machine_role(aws, fargate, without=action)
    if action == "events:PutRule":
        with refused("AccessDeniedException", "is not authorized to create managed-rule"):
            machines.create(states, "Run", role)
    else:
        end = machines.run(states, "Run", role)
        assert end["error"] == "ECS.AccessDeniedException"
        assert f"is not authorized to perform: {action} on resource: " in end["cause"]


@pytest.mark.parametrize("action", ["events:PutTargets", "events:PutRule", "events:DescribeRule", "ecs:DescribeTasks"])
def test_a_role_that_may_no_longer_follow_tasks_fails_the_state_and_leaves_no_task(
    aws: Any, fargate: Any, machines: Any, action: str
) -> None:
    """Whatever it was allowed when the machine was made."""
    states = {"Run": run_task(fargate, fargate.define(WAITS), End=True)}
    machine = machines.create(states, "Run", machine_role(aws, fargate))
    aws.client("iam").put_role_policy(
        RoleName=aws.name("machine"),
        PolicyName="lacking",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}
        ),
    )
    end = machines.end(machines.start(machine))
    assert end["error"] == "States.Permissions"
    assert f"is not authorized to perform: {action} on resource: " in end["cause"]
    listed = aws.client("ecs").list_tasks(cluster=fargate.cluster, family=aws.name("family"))["taskArns"]
    assert listed == []
