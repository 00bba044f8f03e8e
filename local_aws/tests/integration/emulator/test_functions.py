"""Lambda functions, as Step Functions calls them.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html,
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html and
https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.testing.aws import allow
from local_aws.tests.integration.emulator.expectations import refused

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="lambda_functions"),
]


@pytest.fixture
def role(aws: Any, functions: Any) -> str:
    return aws.role("machine", "states.amazonaws.com", allow("lambda:InvokeFunction", on=functions.arn))


def invoke_state(functions: Any, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": functions.arn, "Payload": "{% $states.input %}"},
        "End": True,
        **more,
    }


@pytest.mark.correction(name="lambda_versions")
def test_a_function_acts_as_its_execution_role_and_with_another_from_the_next_invocation_on(
    functions: Any, aws: Any
) -> None:
    functions.create(
        "import boto3\n"
        "def handler(event, context):\n"
        "    try:\n"
        "        boto3.client('s3').list_buckets()\n"
        "    except Exception as error:\n"
        "        return [boto3.client('sts').get_caller_identity()['Arn'], str(error)]\n",
        Timeout=30,
    )
    identity, refusal = functions.invoke()
    assert identity.startswith(f"arn:aws:sts::{aws.account}:assumed-role/{aws.name('function')}/")
    assert "s3:ListAllMyBuckets" in refusal
    other = aws.role("other", "lambda.amazonaws.com")
    functions.client.update_function_configuration(FunctionName=functions.name, Role=other)
    functions.settle()
    assert f"/{aws.name('other')}/" in functions.invoke()[0]


def test_a_function_finds_what_lambda_gives_it_and_nothing_of_the_emulators(functions: Any, aws: Any) -> None:
    functions.create(
        "import importlib.util, os\n"
        "def handler(event, context):\n"
        "    left = context.get_remaining_time_in_millis()\n"
        "    names = [context.function_name, context.invoked_function_arn, context.log_group_name]\n"
        "    modules = [name for name in ('boto3', 'pulumi', 'ministack') if importlib.util.find_spec(name)]\n"
        "    names += [context.identity, context.client_context]\n"
        "    return [names, [0 < left <= 7000, len(context.aws_request_id)], modules, dict(os.environ)]\n",
        Timeout=7,
        Environment={"Variables": {"OWN": "yes"}},
    )
    names, limits, modules, variables = functions.invoke()
    assert names == [functions.name, functions.arn, f"/aws/lambda/{functions.name}", None, None]
    assert (limits, modules) == ([True, 36], ["boto3"])
    expected = {"OWN": "yes", "AWS_LAMBDA_FUNCTION_NAME": functions.name, "AWS_REGION": aws.region}
    assert expected.items() <= variables.items()
    assert not {"PYTHONPATH", "AUTH", "GATEWAY_PORT", "HOME", "VIRTUAL_ENV", "DOCKER_HOST"} & set(variables)


def test_an_exception_is_an_error_named_by_its_class(functions: Any, machines: Any, role: str) -> None:
    functions.create(
        "class OutOfTea(Exception):\n    pass\ndef handler(event, context):\n    raise OutOfTea('no tea left')\n"
    )
    end = machines.run({"Call": invoke_state(functions)}, "Call", role)
    assert (end["status"], end["error"]) == ("FAILED", "OutOfTea")
    cause = json.loads(end["cause"])
    assert (cause["errorMessage"], cause["errorType"]) == ("no tea left", "OutOfTea")
    assert "raise OutOfTea" in "".join(cause["stackTrace"])


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("import time\ndef handler(event, context):\n    time.sleep(60)\n", "Sandbox.Timedout", "after 1.00 seconds"),
        ("import os\ndef handler(event, context):\n    os._exit(3)\n", "Runtime.ExitError", "exit status 3"),
        ("import nowhere_to_be_found\n", "Runtime.ImportModuleError", "nowhere_to_be_found"),
        ("def handler(event, context):\n    return {1, 2}\n", "TypeError", "not JSON serializable"),
    ],
    ids=["timeout", "exit", "import", "result"],
)
def test_a_function_that_does_not_return_is_an_error_of_its_own(
    functions: Any, code: str, kind: str, message: str
) -> None:
    functions.create(code, Timeout=1 if kind == "Sandbox.Timedout" else 30)
    for _ in range(2):
        answer = functions.invoke()
        assert answer["errorType"] == kind
        assert message in answer["errorMessage"]


def test_an_execution_environment_outlives_an_exception(functions: Any) -> None:
    functions.create(
        "calls = 0\n"
        "def handler(event, context):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    if event: raise ValueError(event)\n"
        "    return calls\n"
    )
    assert functions.invoke("fail")["errorType"] == "ValueError"
    assert functions.invoke() == 2


def test_the_log_is_written_only_where_the_role_allows_it(functions: Any, aws: Any) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html."""
    functions.create("def handler(event, context):\n    print('said', event)\n")
    group, logs = f"/aws/lambda/{functions.name}", aws.client("logs")
    aws.policy(aws.name("function"), allow("logs:CreateLogStream", "logs:PutLogEvents"))
    functions.invoke("before")
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    logs.create_log_group(logGroupName=group)
    functions.invoke("after")
    messages = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert "said after" in messages
    assert "said before" not in messages


def test_step_functions_calls_a_function_with_permission_alone(
    functions: Any, machines: Any, aws: Any, role: str
) -> None:
    functions.create("def handler(event, context):\n    return {'doubled': event['n'] * 2}\n")
    states = {"Call": invoke_state(functions, Output="{% $states.result.Payload.doubled %}")}
    assert machines.run(states, "Call", role, {"n": 21})["output"] == "42"
    end = machines.run(states, "Call", aws.role("other", "states.amazonaws.com"), {"n": 21})
    assert end["error"] == "Lambda.AWSLambdaException"
    assert f"lambda:InvokeFunction on resource: {functions.arn}" in end["cause"]


def test_stopping_an_execution_does_not_wait_for_its_function(functions: Any, machines: Any, role: str) -> None:
    functions.create("import time\ndef handler(event, context):\n    time.sleep(60)\n", Timeout=120)
    execution = machines.start(machines.create({"Call": invoke_state(functions)}, "Call", role))
    machines.client.stop_execution(executionArn=execution)
    assert machines.end(execution)["status"] == "ABORTED"


def test_a_role_that_lambda_cannot_assume_is_refused(functions: Any, aws: Any) -> None:
    with refused("InvalidParameterValueException", "cannot be assumed by Lambda"):
        functions.create("", Role=aws.role("other", "ecs-tasks.amazonaws.com"))


def test_a_function_in_a_vpc_needs_network_interfaces(functions: Any, aws: Any, fargate: Any) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html."""
    network = {"SubnetIds": [fargate.subnet], "SecurityGroupIds": [fargate.security_group]}
    with refused("InvalidParameterValueException", "does not have permissions to call CreateNetworkInterface on EC2"):
        functions.create("", VpcConfig=network)
    resources = f"arn:aws:ec2:{aws.region}:{aws.account}:*/*"
    managing = allow("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", on=resources)
    aws.policy(aws.name("function"), managing, allow("ec2:DescribeNetworkInterfaces"))
    functions.create("", VpcConfig=network)
