"""Lambda functions, as Step Functions and EventBridge call them.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html,
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html and
https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="lambda_functions"),
    pytest.mark.correction(name="event_targets"),
]


@pytest.fixture
def role(aws: Any, functions: Any, statement: Any) -> str:
    return aws.role("machine", "states.amazonaws.com", statement("lambda:InvokeFunction", on=functions.arn))


def invoke_state(functions: Any, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": functions.arn, "Payload": "{% $states.input %}"},
        "End": True,
        **more,
    }


def test_a_function_acts_as_its_execution_role(functions: Any, aws: Any) -> None:
    functions.create(
        "import boto3\n"
        "def handler(event, context):\n"
        "    try:\n"
        "        boto3.client('s3').list_buckets()\n"
        "    except Exception as error:\n"
        "        return [boto3.client('sts').get_caller_identity()['Arn'], str(error)]\n"
    )
    identity, refusal = functions.invoke()
    assert identity.startswith(f"arn:aws:sts::{aws.account}:assumed-role/{aws.name('function')}/")
    assert "s3:ListAllMyBuckets" in refusal


def test_a_function_finds_awss_variables_and_its_own_and_no_others(functions: Any, aws: Any) -> None:
    code = "import os\ndef handler(event, context):\n    return dict(os.environ)\n"
    functions.create(code, Environment={"Variables": {"OWN": "yes"}})
    variables = functions.invoke()
    assert variables["OWN"] == "yes"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == functions.name
    assert variables["AWS_REGION"] == aws.region
    assert not {"PYTHONPATH", "AUTH", "GATEWAY_PORT", "HOME", "VIRTUAL_ENV", "DOCKER_HOST"} & set(variables)


def test_a_function_can_import_the_aws_sdk_and_nothing_else_that_it_does_not_bring(functions: Any) -> None:
    functions.create(
        "import importlib.util\n"
        "def handler(event, context):\n"
        "    return [importlib.util.find_spec(name) is not None for name in ('boto3', 'pulumi', 'ministack')]\n"
    )
    assert functions.invoke() == [True, False, False]


def test_an_exception_is_an_error_named_by_its_class(functions: Any, machines: Any, role: str) -> None:
    functions.create(
        "class OutOfTea(Exception):\n    pass\ndef handler(event, context):\n    raise OutOfTea('no tea left')\n"
    )
    end = machines.run({"Call": invoke_state(functions)}, "Call", role)
    assert (end["status"], end["error"]) == ("FAILED", "OutOfTea")
    cause = json.loads(end["cause"])
    assert (cause["errorMessage"], cause["errorType"]) == ("no tea left", "OutOfTea")
    assert "raise OutOfTea" in "".join(cause["stackTrace"])


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


def test_a_timed_out_function_is_a_sandbox_timeout(functions: Any) -> None:
    functions.create("import time\ndef handler(event, context):\n    time.sleep(60)\n", Timeout=1)
    answer = functions.invoke()
    assert answer["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in answer["errorMessage"]


def test_a_function_whose_process_ends_is_a_runtime_exit(functions: Any) -> None:
    functions.create("import os\ndef handler(event, context):\n    os._exit(3)\n")
    answer = functions.invoke()
    assert answer["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in answer["errorMessage"]


def test_a_module_that_cannot_be_imported_is_named(functions: Any) -> None:
    functions.create("import nowhere_to_be_found\n")
    answer = functions.invoke()
    assert answer["errorType"] == "Runtime.ImportModuleError"
    assert "nowhere_to_be_found" in answer["errorMessage"]


def test_new_code_is_run_by_the_next_invocation(functions: Any) -> None:
    functions.create("def handler(event, context):\n    return 'old'\n")
    assert functions.invoke() == "old"
    new = functions.package({"code.py": "def handler(event, context):\n    return 'new'\n"})
    functions.client.update_function_code(FunctionName=functions.name, ZipFile=new)
    assert functions.invoke() == "new"


def test_the_context_tells_the_function_about_itself(functions: Any) -> None:
    functions.create(
        "def handler(event, context):\n"
        "    return [context.function_name, context.invoked_function_arn, context.log_group_name,\n"
        "            0 < context.get_remaining_time_in_millis() <= 7000, len(context.aws_request_id)]\n",
        Timeout=7,
    )
    assert functions.invoke() == [functions.name, functions.arn, f"/aws/lambda/{functions.name}", True, 36]


def test_the_log_is_written_only_where_the_role_allows_it(functions: Any, aws: Any, statement: Any) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html."""
    functions.create("def handler(event, context):\n    print('said', event)\n")
    group, logs = f"/aws/lambda/{functions.name}", aws.client("logs")
    aws.policy(aws.name("function"), statement("logs:CreateLogStream", "logs:PutLogEvents"))
    functions.invoke("before")
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    logs.create_log_group(logGroupName=group)
    functions.invoke("after")
    messages = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert "said after" in messages
    assert "said before" not in messages


def test_step_functions_needs_leave_to_call_a_function(functions: Any, machines: Any, aws: Any) -> None:
    functions.create("def handler(event, context):\n    return 1\n")
    role = aws.role("machine", "states.amazonaws.com")
    end = machines.run({"Call": invoke_state(functions)}, "Call", role)
    assert end["status"] == "FAILED"
    assert f"lambda:InvokeFunction on resource: {functions.arn}" in end["cause"]


def test_step_functions_gets_the_functions_answer(functions: Any, machines: Any, role: str) -> None:
    functions.create("def handler(event, context):\n    return {'doubled': event['n'] * 2}\n")
    states = {"Call": invoke_state(functions, Output="{% $states.result.Payload.doubled %}")}
    assert machines.run(states, "Call", role, {"n": 21})["output"] == "42"


def test_stopping_an_execution_does_not_wait_for_its_function(functions: Any, machines: Any, role: str) -> None:
    functions.create("import time\ndef handler(event, context):\n    time.sleep(60)\n", Timeout=120)
    execution = machines.start(machines.create({"Call": invoke_state(functions)}, "Call", role))
    machines.client.stop_execution(executionArn=execution)
    assert machines.end(execution)["status"] == "ABORTED"


def test_a_role_that_lambda_cannot_assume_is_refused(functions: Any, aws: Any) -> None:
    other = aws.role("other", "ecs-tasks.amazonaws.com")
    with pytest.raises(ClientError, match="cannot be assumed by Lambda") as error:
        functions.create("", Role=other)
    assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_a_function_in_a_vpc_needs_network_interfaces(functions: Any, aws: Any, fargate: Any, statement: Any) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html."""
    network = {"SubnetIds": [fargate.subnet], "SecurityGroupIds": [fargate.security_group]}
    with pytest.raises(ClientError, match="does not have permissions to call CreateNetworkInterface on EC2"):
        functions.create("", VpcConfig=network)
    aws.policy(
        aws.name("function"),
        statement(
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            on=f"arn:aws:ec2:{aws.region}:{aws.account}:*/*",
        ),
        statement("ec2:DescribeNetworkInterfaces"),
    )
    functions.create("", VpcConfig=network)


# --- EventBridge -----------------------------------------------------------------------------------------------------


def put_rule(functions: Any, aws: Any) -> str:
    """A rule for events of this test's source, with the function as its target."""
    events, name = aws.client("events"), aws.name("rule")
    arn: str = events.put_rule(Name=name, EventPattern=json.dumps({"source": [aws.name("source")]}))["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": functions.arn}])
    return arn


def send(aws: Any) -> None:
    entry = {"Source": aws.name("source"), "DetailType": "test", "Detail": "{}"}
    aws.client("events").put_events(Entries=[entry])


def test_eventbridge_calls_a_function_only_where_its_policy_allows_and_again_when_it_fails(
    functions: Any, aws: Any, until: Any
) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html."""
    functions.create("def handler(event, context):\n    print('called')\n    raise ValueError('again')\n")
    rule, logs, group = put_rule(functions, aws), aws.client("logs"), f"/aws/lambda/{functions.name}"
    send(aws)
    functions.client.add_permission(
        FunctionName=functions.name,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )
    send(aws)

    def called() -> int:
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return 0
        events = logs.filter_log_events(logGroupName=group)["events"]
        return [event["message"] for event in events].count("called")

    until(lambda: True if called() >= 2 else None)
    assert called() <= 3
