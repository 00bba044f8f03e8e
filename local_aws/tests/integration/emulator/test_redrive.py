"""Executions that are redriven: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.integration, pytest.mark.correction(name="states_redrive")]


def read(aws: Any, **more: Any) -> dict[str, Any]:
    """A Task state that fails until its table is there."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:getItem",
        "Arguments": {"TableName": aws.name("later"), "Key": {"k": {"S": "1"}}},
        **more,
    }


def make_table(aws: Any) -> None:
    aws.client("dynamodb").create_table(
        TableName=aws.name("later"),
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def reader(aws: Any, statement: Any) -> str:
    """A role that may read the table."""
    role: str = aws.role("machine", "states.amazonaws.com", statement("dynamodb:GetItem"))
    return role


def entered(machines: Any, execution: str) -> list[str]:
    """The states that an execution entered, in their order."""
    events = machines.history(execution)
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def test_it_goes_on_with_the_state_that_failed_and_what_it_knew(aws: Any, machines: Any, reader: str) -> None:
    states = {
        "First": {"Type": "Pass", "Assign": {"known": 7}, "Output": {"given": 1}, "Next": "Read"},
        "Read": read(aws, Output="{% [$states.input.given, $known] %}", Next="Show"),
        "Show": {
            "Type": "Pass",
            "Output": "{% [$states.input, $states.context.Execution.RedriveCount] %}",
            "End": True,
        },
    }
    machine = machines.create(states, "First", reader)
    arn = machines.start(machine)
    failed = machines.end(arn)
    assert (failed["status"], failed["redriveCount"], failed["redriveStatus"]) == ("FAILED", 0, "REDRIVABLE")
    make_table(aws)
    machines.client.redrive_execution(executionArn=arn)
    end = machines.end(arn)
    assert (end["status"], end["executionArn"], end["startDate"]) == ("SUCCEEDED", arn, failed["startDate"])
    assert json.loads(end["output"]) == [1, 7, 1]
    assert (end["redriveCount"], end["redriveStatus"]) == (1, "NOT_REDRIVABLE") and "error" not in end
    assert entered(machines, arn) == ["First", "Read", "Read", "Show"]


def test_one_that_was_stopped_goes_on_too_and_its_history_says_so(aws: Any, machines: Any, reader: str) -> None:
    machine = machines.create({"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}, "Wait", reader)
    arn = machines.start(machine)
    machines.client.stop_execution(executionArn=arn)
    for count in (1, 2):
        machines.client.redrive_execution(executionArn=arn)
        described = machines.client.describe_execution(executionArn=arn)
        assert (described["status"], described["redriveCount"]) == ("RUNNING", count)
        with pytest.raises(ClientError, match="Execution is RUNNING and cannot be redriven") as error:
            machines.client.redrive_execution(executionArn=arn)
        assert error.value.response["Error"]["Code"] == "ExecutionNotRedrivable"
        machines.client.stop_execution(executionArn=arn)
    kinds = [event["type"] for event in machines.history(arn)]
    assert (kinds.count("ExecutionRedriven"), kinds.count("ExecutionAborted")) == (2, 3)


def test_a_call_with_the_same_token_is_the_same_call(machines: Any, reader: str) -> None:
    arn = machines.start(machines.create({"Fail": {"Type": "Fail", "Error": "E"}}, "Fail", reader))
    machines.end(arn)
    dates = [machines.client.redrive_execution(executionArn=arn, clientToken="once")["redriveDate"] for _ in range(2)]
    assert dates[0] == dates[1]
    end = machines.end(arn)
    assert (end["error"], end["redriveCount"]) == ("E", 1)


def test_one_that_succeeded_or_is_not_there_is_refused(machines: Any, reader: str) -> None:
    arn = machines.start(machines.create({"Good": {"Type": "Succeed"}}, "Good", reader))
    machines.end(arn)
    with pytest.raises(machines.client.exceptions.ExecutionNotRedrivable):
        machines.client.redrive_execution(executionArn=arn)
    with pytest.raises(machines.client.exceptions.ExecutionDoesNotExist):
        machines.client.redrive_execution(executionArn=arn + "x")


def test_whoever_redrives_needs_permission_for_that_execution(aws: Any, machines: Any, statement: Any) -> None:
    role = aws.role("machine", "states.amazonaws.com")
    arn = machines.start(machines.create({"Fail": {"Type": "Fail"}}, "Fail", role))
    machines.end(arn)
    one = aws.role("one", None, statement("states:RedriveExecution", on=arn))
    other = aws.role("other", None, statement("states:RedriveExecution", on=arn + "x"))
    with pytest.raises(ClientError, match="not authorized to perform: states:RedriveExecution"):
        aws.client("stepfunctions", other).redrive_execution(executionArn=arn)
    aws.client("stepfunctions", one).redrive_execution(executionArn=arn)


def test_it_goes_on_with_the_definition_it_was_started_with(aws: Any, machines: Any, reader: str) -> None:
    def states(told: str) -> dict[str, Any]:
        return {"Read": read(aws, Output=told, Next="Show"), "Show": {"Type": "Pass", "End": True}}

    machine = machines.create(states("old"), "Read", reader)
    arn = machines.start(machine)
    assert machines.end(arn)["status"] == "FAILED"
    changed = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Read", "States": states("new")})
    machines.client.update_state_machine(stateMachineArn=machine, definition=changed)
    make_table(aws)
    machines.client.redrive_execution(executionArn=arn)
    assert json.loads(machines.end(arn)["output"]) == "old"
