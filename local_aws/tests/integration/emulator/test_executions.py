"""How executions run and end.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html,
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html and
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import ANY

import pytest

from local_aws.testing.aws import allow, ask_until
from local_aws.tests.integration.emulator.expectations import events_of, refused

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="states_engine"),
    pytest.mark.correction(name="states_machines"),
    pytest.mark.correction(name="states_integrations"),
    pytest.mark.correction(name="jsonata_engine"),
]


@pytest.fixture
def role(aws: Any) -> str:
    return aws.role("machine", "states.amazonaws.com")


def end_pass(output: Any) -> dict[str, Any]:
    return {"Type": "Pass", "Output": output, "End": True}


def branch(**states: dict[str, Any]) -> dict[str, Any]:
    """A branch that starts with its first state."""
    return {"StartAt": next(iter(states)), "States": states}


SCOPED = [
    {
        "StartAt": f"Assign{name}",
        "States": {
            f"Assign{name}": {"Type": "Pass", "Assign": {"x": name}, "Next": f"Wait{name}"},
            f"Wait{name}": {"Type": "Wait", "Seconds": 0, "Next": f"Show{name}"},
            f"Show{name}": end_pass("{% $x & $outer %}"),
        },
    }
    for name in "AB"
]
EVERY_FIELD = {
    "Both": {
        "Type": "Parallel",
        "Arguments": {"n": "{% $states.input.n + 1 %}"},
        "Branches": [branch(A=end_pass("{% $states.input.n %}"))],
        "Assign": {"kept": "{% $states.result[0] %}"},
        "Output": {"first": "{% $states.result[0] %}"},
        "Next": "Each",
    },
    "Each": {
        "Type": "Map",
        "Items": ["a", "b"],
        "ItemSelector": {
            "index": "{% $states.context.Map.Item.Index %}",
            "value": "{% $states.context.Map.Item.Value %}",
        },
        "ItemProcessor": branch(Tell=end_pass("{% $string($states.input.index) & $states.input.value %}")),
        "Output": "{% [$states.input.first, $kept, $states.result] %}",
        "End": True,
    },
}


@pytest.mark.parametrize(
    ("states", "output"),
    [
        (
            {
                "Outer": {"Type": "Pass", "Assign": {"outer": "!"}, "Next": "Both"},
                "Both": {"Type": "Parallel", "Branches": SCOPED, "Next": "After"},
                "After": end_pass({"seen": "{% $states.input %}", "leaked": "{% $exists($x) %}"}),
            },
            {"seen": ["A!", "B!"], "leaked": False},
        ),
        (
            {
                "First": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"},
                "Swap": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "Show"},
                "Show": end_pass("{% [$a, $b] %}"),
            },
            [2, 1],
        ),
        (EVERY_FIELD, [2, 2, "0a", "1b"]),
        (
            {
                "Give": {"Type": "Pass", "Output": [["a"]], "Next": "Each"},
                "Each": {"Type": "Map", "ItemProcessor": branch(Show=end_pass("{% $states.input %}")), "End": True},
            },
            [["a"]],
        ),
        ({"Show": end_pass("{% $string($states.input.id) %}")}, "1795486942613374"),
    ],
    ids=[
        "variables of branches",
        "simultaneous assignment",
        "fields of Parallel and Map",
        "a Map without Items",
        "16 digits",
    ],
)
def test_states_make_this_output(machines: Any, role: str, states: dict[str, Any], output: Any) -> None:
    end = machines.run(states, next(iter(states)), role, {"n": 1, "id": 1795486942613374})
    assert json.loads(end["output"]) == output


def test_expressions_that_share_a_processor_are_not_ended(machines: Any, role: str) -> None:
    # A tenth of a second of processor time each; side by side they take more than the limit by the wall clock.
    item = branch(Sum=end_pass("{% $sum($map([1..7000], function($n) { $n })) %}"))
    states = {
        "Each": {
            "Type": "Map",
            "Items": "{% [1..12] %}",
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **item},
            "End": True,
        }
    }
    assert json.loads(machines.run(states, "Each", role)["output"]) == [24503500] * 12


def test_the_context_names_the_execution_and_its_role(machines: Any, role: str) -> None:
    end = machines.run({"Show": end_pass("{% $states.context.Execution %}")}, "Show", role, {"a": 1})
    shown = json.loads(end["output"])
    assert (shown["Id"], shown["RoleArn"], shown["Input"]) == (end["executionArn"], role, {"a": 1})
    assert shown["StartTime"].startswith(end["startDate"].strftime("%Y-%m-%dT%H:%M:%S"))


def test_an_input_over_256_kib_is_refused(machines: Any, role: str) -> None:
    machine = machines.create({"A": {"Type": "Succeed"}}, "A", role)
    with refused("InvalidExecutionInput"):
        machines.start(machine, {"text": "x" * 270_000})


def failing_task(aws: Any, **more: Any) -> dict[str, Any]:
    """A Task state that DynamoDB refuses."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:getItem",
        "Arguments": {"TableName": aws.name("no-such-table"), "Key": {"k": {"S": "1"}}},
        **more,
    }


def test_a_retried_task_is_tried_as_often_as_its_rule_says(aws: Any, machines: Any) -> None:
    role = aws.role("machine", "states.amazonaws.com", allow("dynamodb:GetItem"))
    rule = {"ErrorEquals": ["DynamoDB.ResourceNotFoundException"], "MaxAttempts": 2, "BackoffRate": 1}
    catch = {"ErrorEquals": ["States.ALL"], "Next": "Show", "Output": "{% $states.errorOutput.Error %}"}
    states = {
        "Ask": failing_task(aws, Retry=[rule], Catch=[catch], End=True),
        "Show": end_pass("{% $states.input %}"),
    }
    end = machines.run(states, "Ask", role)
    assert json.loads(end["output"]) == "DynamoDB.ResourceNotFoundException"
    tried = [event for event in machines.history(end["executionArn"]) if event["type"] == "TaskScheduled"]
    assert len(tried) == 3


def test_what_the_role_may_not_call_fails_with_the_services_access_denied(aws: Any, machines: Any, role: str) -> None:
    end = machines.run({"Ask": failing_task(aws, End=True)}, "Ask", role)
    assert end["error"] == "DynamoDB.AccessDeniedException" or end["error"] == "DynamoDB.AmazonDynamoDBException"
    assert "is not authorized to perform: dynamodb:GetItem on resource: " in end["cause"]


def make_table(aws: Any) -> str:
    """Make a table with the key `k`; returns its name."""
    name: str = aws.name("table")
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def test_dynamodb_is_called_with_its_own_names(aws: Any, machines: Any) -> None:
    table = make_table(aws)
    arn = f"arn:aws:dynamodb:{aws.region}:{aws.account}:table/{table}"
    role = aws.role("machine", "states.amazonaws.com", allow("dynamodb:UpdateItem", on=arn))
    update = {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:updateItem",
        "Arguments": {
            "TableName": table,
            "Key": {"k": {"S": "1"}},
            "UpdateExpression": "SET #v = :v",
            "ConditionExpression": "attribute_not_exists(#v)",
            "ExpressionAttributeNames": {"#v": "v"},
            "ExpressionAttributeValues": {":v": {"N": "{% $string($states.input.v) %}"}},
        },
        "End": True,
    }
    machine = machines.create({"Update": update}, "Update", role)
    assert machines.end(machines.start(machine, {"v": 1795486942613374}))["status"] == "SUCCEEDED"
    item = aws.client("dynamodb").get_item(TableName=table, Key={"k": {"S": "1"}})["Item"]
    assert item["v"] == {"N": "1795486942613374"}
    assert machines.end(machines.start(machine, {"v": 2}))["error"] == "DynamoDB.ConditionalCheckFailedException"


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ({"Type": "Pass", "QueryLanguage": "JSONPath", "End": True}, "State 'A': JSONPath is not supported"),
        ({"Resource": "arn:aws:states:::aws-sdk:s3:listBuckets"}, "aws-sdk:s3:listBuckets is not supported"),
        ({"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"}, "waitForTaskToken is not supported"),
        (
            {
                "Type": "Map",
                "Items": [],
                "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}},
                "ResultWriter": {},
            },
            "Distributed Map: ResultWriter is not supported",
        ),
    ],
)
def test_what_the_emulator_does_not_know_is_named(machines: Any, role: str, state: dict[str, Any], cause: str) -> None:
    end = machines.run({"A": {"Type": "Task", "End": True, **state}}, "A", role)
    assert (end["status"], end["error"]) == ("FAILED", "States.Runtime")
    assert f"{cause} by this emulator" in end["cause"]


def test_a_field_that_an_operation_does_not_have_is_an_error(aws: Any, machines: Any, role: str) -> None:
    state = failing_task(aws, End=True)
    state["Arguments"]["Tabel"] = "x"
    end = machines.run({"Ask": state}, "Ask", role)
    assert end["error"] == "States.Runtime"
    assert "'Tabel' is not supported" in end["cause"]


def status_events(aws: Any, machine: str) -> Any:
    """Reads the machine's status events from now on."""
    return events_of(aws, {"source": ["aws.states"], "detail": {"stateMachineArn": [machine]}})


CATCH_ALL = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
TOO_MUCH = branch(Big=end_pass({"text": "x" * 270_000}))
WAITING = {"Type": "Wait", "Seconds": 60, "End": True}
LAST_EVENTS = {"TIMED_OUT": "ExecutionTimedOut", "FAILED": "ExecutionFailed", "ABORTED": "ExecutionAborted"}


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        (WAITING, ("TIMED_OUT", "States.Timeout", None)),
        (WAITING, ("ABORTED", "E", "C")),
        (
            {"Type": "Parallel", "Branches": [TOO_MUCH], "Catch": CATCH_ALL, "End": True},
            ("FAILED", "States.DataLimitExceeded", ANY),
        ),
        (
            {"Type": "Map", "ItemProcessor": TOO_MUCH, "End": True},
            ("FAILED", "States.QueryEvaluationError", ANY),
        ),
        (
            {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "Caught"}]},
            ("FAILED", "States.NoChoiceMatched", ANY),
        ),
        (
            {"Type": "Fail", "Error": "E", "Cause": "{% 'because ' & $states.input.why %}"},
            ("FAILED", "E", "because of this"),
        ),
    ],
    ids=["time limit", "stopped", "output over 256 KiB", "no array to map", "no choice", "Fail"],
)
def test_an_execution_that_ends_badly_says_why_in_its_description_its_history_and_its_events(
    aws: Any, machines: Any, role: str, state: dict[str, Any], ended: tuple[str, str, Any]
) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html."""
    stopped, given = ended[0] == "ABORTED", {"why": "of this"}
    states = {"A": state, "Caught": {"Type": "Succeed"}}
    machine = machines.create(states, "A", role, TimeoutSeconds=30 if stopped else 2)
    read = status_events(aws, machine)
    execution = machines.start(machine, given)
    if stopped:
        machines.client.stop_execution(executionArn=execution, error="E", cause="C")
    end = machines.end(execution)
    assert (end["status"], end["error"], end.get("cause")) == ended
    assert machines.history(execution)[-1]["type"] == LAST_EVENTS[end["status"]]
    seen: list[dict[str, Any]] = []
    ask_until(lambda: seen.extend(read()) or len(seen) == 2 or None)
    first, last = sorted(seen, key=lambda event: event["status"] != "RUNNING")
    assert (first["status"], last["status"], last["error"], last["cause"]) == ("RUNNING", *ended)
    assert (last["executionArn"], json.loads(last["input"])) == (execution, given)


def test_a_redriven_execution_continues_with_the_state_that_failed_and_knows_it(machines: Any, role: str) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html."""
    states = {
        "First": {"Type": "Pass", "Assign": {"known": 7}, "Output": {"given": 1}, "Next": "Redriven"},
        "Redriven": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.context.Execution.RedriveCount > 0 %}", "Next": "Show"}],
        },
        "Show": end_pass("{% [$states.input.given, $known, $states.context.Execution.RedriveCount] %}"),
    }
    failed = machines.run(states, "First", role)
    arn = failed["executionArn"]
    assert (failed["status"], failed["redriveCount"]) == ("FAILED", 0)
    machines.client.redrive_execution(executionArn=arn)
    end = machines.end(arn)
    assert (end["status"], end["executionArn"], end["redriveCount"]) == ("SUCCEEDED", arn, 1)
    assert json.loads(end["output"]) == [1, 7, 1]
    with refused("ExecutionNotRedrivable", "Execution is SUCCEEDED and cannot be redriven"):
        machines.client.redrive_execution(executionArn=arn)


def test_an_execution_that_was_stopped_can_be_redriven_again_and_again(machines: Any, role: str) -> None:
    machine = machines.create({"Wait": WAITING}, "Wait", role)
    arn = machines.start(machine)
    for count in (1, 2):
        machines.client.stop_execution(executionArn=arn)
        machines.client.redrive_execution(executionArn=arn)
        described = machines.client.describe_execution(executionArn=arn)
        assert (described["status"], described["redriveCount"]) == ("RUNNING", count)
    machines.client.stop_execution(executionArn=arn)


@pytest.mark.parametrize("call", ["stop_execution", "redrive_execution"])
def test_an_execution_that_does_not_exist_is_refused(machines: Any, aws: Any, call: str) -> None:
    arn = f"arn:aws:states:{aws.region}:{aws.account}:execution:none:none"
    with refused("ExecutionDoesNotExist"):
        getattr(machines.client, call)(executionArn=arn)


def test_a_name_again_is_the_same_execution_while_it_runs(machines: Any, role: str) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html."""
    machine = machines.create({"Wait": WAITING}, "Wait", role)
    start = machines.client.start_execution
    first = start(stateMachineArn=machine, name="same", input="{}")["executionArn"]
    assert start(stateMachineArn=machine, name="same", input="{}")["executionArn"] == first
    with pytest.raises(machines.client.exceptions.ExecutionAlreadyExists):
        start(stateMachineArn=machine, name="same", input='{"other": 1}')
    machines.client.stop_execution(executionArn=first)


def test_logging_needs_the_log_delivery_permissions(aws: Any, machines: Any) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html."""
    group = f"arn:aws:logs:{aws.region}:{aws.account}:log-group:{aws.name('states')}:*"
    logging = {
        "level": "ERROR",
        "includeExecutionData": False,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
    }
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    role = aws.role("machine", "states.amazonaws.com", allow("logs:CreateLogDelivery"))

    def create() -> Any:
        return machines.client.create_state_machine(
            name=aws.name("machine"),
            definition=definition,
            roleArn=role,
            loggingConfiguration=logging,
            tracingConfiguration={"enabled": True},
        )

    with refused("AccessDeniedException", "not authorized to access the Log Destination"):
        create()
    names = ("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries")
    more = ("PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups")
    aws.policy(aws.name("machine"), allow(*(f"logs:{name}" for name in (*names, *more))))
    described = machines.client.describe_state_machine(stateMachineArn=create()["stateMachineArn"])
    assert described["tracingConfiguration"] == {"enabled": True}


def test_the_role_of_a_machine_has_to_be_assumable_when_it_is_created_and_updated(
    machines: Any, role: str, aws: Any
) -> None:
    other, client = aws.role("other", "lambda.amazonaws.com"), machines.client
    with refused("AccessDeniedException", "authorized to assume the provided role"):
        machines.create({"A": {"Type": "Succeed"}}, "A", other)
    machine = machines.create({"A": {"Type": "Succeed"}}, "A", role)
    with refused("AccessDeniedException", "authorized to assume the provided role"):
        client.update_state_machine(stateMachineArn=machine, roleArn=other)
    changed = json.dumps({"QueryLanguage": "JSONata", **branch(B=end_pass(7))})
    tracing = {"enabled": True}
    client.update_state_machine(stateMachineArn=machine, definition=changed, tracingConfiguration=tracing)
    assert machines.end(machines.start(machine))["output"] == "7"
    assert client.describe_state_machine(stateMachineArn=machine)["tracingConfiguration"] == tracing


def test_deleting_a_machine_ends_its_executions(machines: Any, role: str, aws: Any) -> None:
    machine = machines.create({"Wait": WAITING}, "Wait", role)
    read = status_events(aws, machine)
    machines.start(machine)
    machines.client.delete_state_machine(stateMachineArn=machine)
    ask_until(lambda: True if any(each["status"] == "ABORTED" for each in read()) else None)
    machines.client.delete_state_machine(stateMachineArn=machine)


def test_an_active_execution_keeps_the_definition_and_the_role_it_was_started_with(aws: Any, machines: Any) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html."""
    table, client = make_table(aws), aws.client("dynamodb")
    old_role = aws.role("machine", "states.amazonaws.com", allow("dynamodb:GetItem"))
    new_role = aws.role("other", "states.amazonaws.com")

    def states(told: str) -> dict[str, Any]:
        return {
            "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Read"},
            "Read": {
                "Type": "Task",
                "Resource": "arn:aws:states:::dynamodb:getItem",
                "Arguments": {"TableName": table, "Key": {"k": {"S": "updated"}}},
                "Next": "Updated",
            },
            "Updated": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $exists($states.input.Item) %}", "Next": "Tell"}],
                "Default": "Wait",
            },
            "Tell": {"Type": "Pass", "Output": f"{{% ['{told}', $states.context.Execution.RoleArn] %}}", "End": True},
        }

    machine = machines.create(states("old"), "Wait", old_role)
    execution = machines.start(machine)
    ask_until(lambda: True if len(machines.history(execution)) > 1 else None)
    definition = json.loads(machines.client.describe_state_machine(stateMachineArn=machine)["definition"])
    changed = json.dumps({**definition, "States": states("new")})
    machines.client.update_state_machine(stateMachineArn=machine, definition=changed, roleArn=new_role)
    client.put_item(TableName=table, Item={"k": {"S": "updated"}})

    assert json.loads(machines.end(execution)["output"]) == ["old", old_role]
    told = machines.client.describe_state_machine_for_execution(executionArn=execution)
    assert (json.loads(told["definition"]), told["roleArn"]) == (definition, old_role)
    assert "dynamodb:GetItem" in machines.end(machines.start(machine))["cause"], "a new one has the new role"
