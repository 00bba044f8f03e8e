"""How executions run and end.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html,
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html and
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="states_engine"),
    pytest.mark.correction(name="states_machines"),
    pytest.mark.correction(name="states_integrations"),
    pytest.mark.correction(name="jsonata_numbers"),
]


@pytest.fixture
def role(aws: Any) -> str:
    return aws.role("machine", "states.amazonaws.com")


def end_pass(output: Any) -> dict[str, Any]:
    return {"Type": "Pass", "Output": output, "End": True}


# --- limits ----------------------------------------------------------------------------------------------------------


def test_a_time_limit_ends_a_waiting_execution(machines: Any, role: str) -> None:
    states = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}
    end = machines.run(states, "Wait", role, TimeoutSeconds=1)
    assert (end["status"], end["error"]) == ("TIMED_OUT", "States.Timeout")
    assert machines.history(end["executionArn"])[-1]["type"] == "ExecutionTimedOut"


def test_an_output_over_256_kib_is_not_caught_by_states_all(machines: Any, role: str) -> None:
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "Big", "States": {"Big": end_pass({"text": BIG_TEXT})}}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
            "End": True,
        },
        "Caught": {"Type": "Succeed"},
    }
    end = machines.run(states, "Both", role, {"text": "x" * 200_000})
    assert (end["status"], end["error"]) == ("FAILED", "States.DataLimitExceeded")


BIG_TEXT = "{% $states.input.text & $states.input.text %}"


def test_an_input_over_256_kib_is_refused(machines: Any, role: str) -> None:
    machine = machines.create({"A": {"Type": "Succeed"}}, "A", role)
    with pytest.raises(ClientError):
        machines.start(machine, {"text": "x" * 270_000})


# --- variables -------------------------------------------------------------------------------------------------------


def test_variables_of_a_branch_stay_inside(machines: Any, role: str) -> None:
    def branch(name: str) -> dict[str, Any]:
        states = {
            "Assign": {"Type": "Pass", "Assign": {"x": name}, "Next": "Wait"},
            "Wait": {"Type": "Wait", "Seconds": 0, "Next": "Show"},
            "Show": end_pass("{% $x & $outer %}"),
        }
        return {"StartAt": "Assign", "States": states}

    states = {
        "Outer": {"Type": "Pass", "Assign": {"outer": "!"}, "Next": "Both"},
        "Both": {"Type": "Parallel", "Branches": [branch("a"), branch("b")], "Next": "After"},
        "After": end_pass({"seen": "{% $states.input %}", "leaked": "{% $exists($x) %}"}),
    }
    assert json.loads(machines.run(states, "Outer", role)["output"]) == {"seen": ["a!", "b!"], "leaked": False}


def test_variables_are_assigned_at_once(machines: Any, role: str) -> None:
    states = {
        "First": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"},
        "Swap": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "Show"},
        "Show": end_pass("{% [$a, $b] %}"),
    }
    assert json.loads(machines.run(states, "First", role)["output"]) == [2, 1]


def test_a_parallel_state_has_arguments_output_and_assign(machines: Any, role: str) -> None:
    states = {
        "Both": {
            "Type": "Parallel",
            "Arguments": {"n": "{% $states.input.n + 1 %}"},
            "Branches": [{"StartAt": "A", "States": {"A": end_pass("{% $states.input.n %}")}}],
            "Assign": {"kept": "{% $states.result[0] %}"},
            "Output": {"first": "{% $states.result[0] %}"},
            "Next": "Show",
        },
        "Show": end_pass("{% [$states.input.first, $kept] %}"),
    }
    assert json.loads(machines.run(states, "Both", role, {"n": 1})["output"]) == [2, 2]


def test_items_see_their_index_and_value(machines: Any, role: str) -> None:
    states = {
        "Each": {
            "Type": "Map",
            "Items": "{% $states.input.items %}",
            "ItemSelector": {
                "index": "{% $states.context.Map.Item.Index %}",
                "value": "{% $states.context.Map.Item.Value %}",
            },
            "ItemProcessor": {
                "StartAt": "A",
                "States": {"A": end_pass("{% $string($states.input.index) & $states.input.value %}")},
            },
            "End": True,
        }
    }
    assert json.loads(machines.run(states, "Each", role, {"items": ["a"]})["output"]) == ["0a"]


def test_integers_of_16_digits_become_text_in_full(machines: Any, role: str) -> None:
    states = {"Show": end_pass("{% $string($states.input.n) %}")}
    assert json.loads(machines.run(states, "Show", role, {"n": 1795486942613374})["output"]) == "1795486942613374"


def test_the_context_names_the_execution_its_role_and_that_it_was_not_redriven(machines: Any, role: str) -> None:
    states = {"Show": end_pass("{% $states.context.Execution %}")}
    end = machines.run(states, "Show", role, {"a": 1})
    shown = json.loads(end["output"])
    assert shown["Id"] == end["executionArn"]
    assert (shown["RoleArn"], shown["RedriveCount"], shown["Input"]) == (role, 0, {"a": 1})
    assert shown["StartTime"].startswith(end["startDate"].strftime("%Y-%m-%dT%H:%M:%S"))


# --- errors ----------------------------------------------------------------------------------------------------------


def failing_task(aws: Any, **more: Any) -> dict[str, Any]:
    """A Task state that DynamoDB refuses."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:getItem",
        "Arguments": {"TableName": aws.name("no-such-table"), "Key": {"k": {"S": "1"}}},
        **more,
    }


def test_a_retried_task_is_tried_as_often_as_its_rule_says(aws: Any, machines: Any, statement: Any) -> None:
    role = aws.role("machine", "states.amazonaws.com", statement("dynamodb:GetItem"))
    rule = {
        "ErrorEquals": ["DynamoDB.ResourceNotFoundException"],
        "IntervalSeconds": 30,
        "MaxDelaySeconds": 31,
        "MaxAttempts": 2,
        "JitterStrategy": "FULL",
    }
    patient = {**rule, "IntervalSeconds": 1, "BackoffRate": 1, "MaxDelaySeconds": 2}
    catch = {"ErrorEquals": ["States.ALL"], "Next": "Show", "Output": "{% $states.errorOutput.Error %}"}
    states = {
        "Ask": failing_task(aws, Retry=[patient], Catch=[catch], End=True),
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


def test_dynamodb_is_called_with_its_own_names(aws: Any, machines: Any, statement: Any) -> None:
    table = aws.name("table")
    aws.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    arn = f"arn:aws:dynamodb:{aws.region}:{aws.account}:table/{table}"
    role = aws.role("machine", "states.amazonaws.com", statement("dynamodb:UpdateItem", on=arn))
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


def test_sdk_integrations_are_called_with_the_role(aws: Any, machines: Any, statement: Any) -> None:
    role = aws.role("machine", "states.amazonaws.com", statement("s3:ListAllMyBuckets"))
    state = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets", "Arguments": {}, "End": True}
    assert "Buckets" in json.loads(machines.run({"List": state}, "List", role)["output"])
    denied = {**state, "Resource": "arn:aws:states:::aws-sdk:s3:createBucket", "Arguments": {"Bucket": "x"}}
    assert "s3:CreateBucket" in machines.run({"Make": denied}, "Make", role)["cause"]


def test_a_field_that_an_operation_does_not_have_is_an_error(aws: Any, machines: Any, role: str) -> None:
    state = failing_task(aws, End=True)
    state["Arguments"]["Tabel"] = "x"
    end = machines.run({"Ask": state}, "Ask", role)
    assert end["error"] == "States.Runtime"
    assert "'Tabel' is not supported" in end["cause"]


# --- JSONPath --------------------------------------------------------------------------------------------------------


def test_states_may_be_written_in_jsonpath(machines: Any, role: str) -> None:
    """https://states-language.net/spec.html."""
    item = {
        "Type": "Pass",
        "Parameters": {"doubled.$": "States.MathAdd($.n, $.n)"},
        "OutputPath": "$.doubled",
        "End": True,
    }
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Succeed", "OutputPath": "$.items"}}}],
            "ResultSelector": {"items.$": "$[0]"},
            "Next": "Each",
        },
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemSelector": {"n.$": "$$.Map.Item.Value"},
            "ItemProcessor": {"StartAt": "Double", "States": {"Double": item}},
            "ResultPath": "$.doubled",
            "Next": "Ask",
        },
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:getItem",
            "Parameters": {"TableName": "none", "Key": {"k": {"S.$": "States.Format('{}', $.doubled[0])"}}},
            "Catch": [{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "Show"}],
            "End": True,
        },
        "Show": {"Type": "Pass", "OutputPath": "$.doubled", "End": True},
    }
    end = machines.run(states, "Both", role, {"items": [1, 2]}, QueryLanguage="JSONPath")
    assert json.loads(end["output"]) == [2, 4], end


def test_a_fail_state_fails_with_its_error_and_cause(machines: Any, role: str) -> None:
    states = {"Fail": {"Type": "Fail", "Error": "E", "Cause": "{% 'because ' & $states.input.why %}"}}
    end = machines.run(states, "Fail", role, {"why": "of this"})
    assert (end["status"], end["error"], end["cause"]) == ("FAILED", "E", "because of this")


def test_a_choice_that_nothing_matches_is_an_error(machines: Any, role: str) -> None:
    states = {
        "Ask": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "A"}]},
        "A": {"Type": "Succeed"},
    }
    assert machines.run(states, "Ask", role)["error"] == "States.NoChoiceMatched"


# --- executions and machines -----------------------------------------------------------------------------------------


def status_events(aws: Any, machine: str) -> Any:
    """A queue that gets the machine's status events; answers with a function that reads it."""
    sqs, events, rule = aws.client("sqs"), aws.client("events"), aws.name("status")
    queue = sqs.create_queue(QueueName=rule)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [machine]}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])

    def read() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["detail"] for message in messages]

    return read


def test_a_stopped_execution_says_so_in_an_event(aws: Any, machines: Any, role: str, until: Any) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html."""
    machine = machines.create({"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}, "Wait", role)
    read = status_events(aws, machine)
    execution = machines.start(machine, {"a": 1})
    machines.client.stop_execution(executionArn=execution, error="E", cause="C")
    seen: list[dict[str, Any]] = []
    until(lambda: seen.extend(read()) or (True if len(seen) >= 2 else None))
    aborted = next(each for each in seen if each["status"] == "ABORTED")
    assert {each["status"] for each in seen} == {"RUNNING", "ABORTED"}
    assert (aborted["error"], aborted["cause"], aborted["executionArn"]) == ("E", "C", execution)
    assert json.loads(aborted["input"]) == {"a": 1}


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ({"Type": "Fail", "Error": "E", "Cause": "C"}, ("FAILED", "E", "C")),
        ({"Type": "Wait", "Seconds": 60, "End": True}, ("TIMED_OUT", "States.Timeout", None)),
    ],
)
def test_an_execution_that_ends_badly_by_itself_says_so_in_an_event(
    aws: Any, machines: Any, role: str, until: Any, state: dict[str, Any], ended: tuple[str, str, str | None]
) -> None:
    machine = machines.create({"A": state}, "A", role, TimeoutSeconds=1)
    read = status_events(aws, machine)
    machines.start(machine)
    seen: list[dict[str, Any]] = []
    until(lambda: seen.extend(read()) or (True if len(seen) >= 2 else None))
    assert ended in [(each["status"], each["error"], each["cause"]) for each in seen]


def test_a_name_again_is_the_same_execution_while_it_runs(machines: Any, role: str) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html."""
    machine = machines.create({"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}, "Wait", role)
    start = machines.client.start_execution
    first = start(stateMachineArn=machine, name="same", input="{}")["executionArn"]
    assert start(stateMachineArn=machine, name="same", input="{}")["executionArn"] == first
    with pytest.raises(machines.client.exceptions.ExecutionAlreadyExists):
        start(stateMachineArn=machine, name="same", input='{"other": 1}')
    machines.client.stop_execution(executionArn=first)


def test_a_role_that_step_functions_cannot_assume_is_refused(aws: Any, machines: Any) -> None:
    role = aws.role("machine", "lambda.amazonaws.com")
    with pytest.raises(ClientError, match="authorized to assume the provided role") as error:
        machines.create({"A": {"Type": "Succeed"}}, "A", role)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"


def test_logging_needs_the_log_delivery_permissions(aws: Any, machines: Any, statement: Any) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html."""
    group = f"arn:aws:logs:{aws.region}:{aws.account}:log-group:{aws.name('states')}:*"
    logging = {
        "level": "ERROR",
        "includeExecutionData": False,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
    }
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    role = aws.role("machine", "states.amazonaws.com", statement("logs:CreateLogDelivery"))

    def create() -> Any:
        return machines.client.create_state_machine(
            name=aws.name("machine"),
            definition=definition,
            roleArn=role,
            loggingConfiguration=logging,
            tracingConfiguration={"enabled": True},
        )

    with pytest.raises(ClientError, match="not authorized to access the Log Destination"):
        create()
    names = ("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries")
    more = ("PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups")
    aws.policy(aws.name("machine"), statement(*(f"logs:{name}" for name in (*names, *more))))
    described = machines.client.describe_state_machine(stateMachineArn=create()["stateMachineArn"])
    assert described["tracingConfiguration"] == {"enabled": True}


def test_a_machine_that_is_changed_is_checked_again(machines: Any, role: str, aws: Any) -> None:
    machine = machines.create({"A": {"Type": "Succeed"}}, "A", role)
    other = aws.role("other", "lambda.amazonaws.com")
    with pytest.raises(ClientError, match="authorized to assume the provided role"):
        machines.client.update_state_machine(stateMachineArn=machine, roleArn=other)
    changed = json.dumps({"QueryLanguage": "JSONata", "StartAt": "B", "States": {"B": end_pass(7)}})
    machines.client.update_state_machine(
        stateMachineArn=machine, definition=changed, tracingConfiguration={"enabled": True}
    )
    assert machines.end(machines.start(machine))["output"] == "7"
    described = machines.client.describe_state_machine(stateMachineArn=machine)
    assert described["tracingConfiguration"] == {"enabled": True}


def test_an_execution_that_does_not_exist_cannot_be_stopped(machines: Any, aws: Any) -> None:
    arn = f"arn:aws:states:{aws.region}:{aws.account}:execution:none:none"
    with pytest.raises(machines.client.exceptions.ExecutionDoesNotExist):
        machines.client.stop_execution(executionArn=arn)


def test_deleting_a_machine_ends_its_executions(machines: Any, role: str, aws: Any, until: Any) -> None:
    machine = machines.create({"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}, "Wait", role)
    read = status_events(aws, machine)
    machines.start(machine)
    machines.client.delete_state_machine(stateMachineArn=machine)
    until(lambda: True if any(each["status"] == "ABORTED" for each in read()) else None)
    machines.client.delete_state_machine(stateMachineArn=machine)


def test_an_active_execution_keeps_the_definition_and_the_role_it_was_started_with(
    aws: Any, machines: Any, statement: Any, until: Any
) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html."""
    table, client = aws.name("signals"), aws.client("dynamodb")
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    old_role = aws.role("machine", "states.amazonaws.com", statement("dynamodb:GetItem"))
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
    until(lambda: True if len(machines.history(execution)) > 1 else None)
    definition = json.loads(machines.client.describe_state_machine(stateMachineArn=machine)["definition"])
    changed = json.dumps({**definition, "States": states("new")})
    machines.client.update_state_machine(stateMachineArn=machine, definition=changed, roleArn=new_role)
    client.put_item(TableName=table, Item={"k": {"S": "updated"}})

    assert json.loads(machines.end(execution)["output"]) == ["old", old_role]
    told = machines.client.describe_state_machine_for_execution(executionArn=execution)
    assert (json.loads(told["definition"]), told["roleArn"]) == (definition, old_role)
    assert "dynamodb:GetItem" in machines.end(machines.start(machine))["cause"], "a new one has the new role"
