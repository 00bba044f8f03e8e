"""Distributed Map states: their child executions, what they read, how they fail and are stopped.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.testing.aws import allow, ask_until
from local_aws.tests.integration.emulator.expectations import events_of, refused

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="states_engine"),
    pytest.mark.correction(name="states_machines"),
    pytest.mark.correction(name="states_integrations"),
    pytest.mark.correction(name="request_authorization"),
]
ITEMS = [{"n": 1}, {"n": 2}, {"n": 3}]
WAITING = {"Type": "Wait", "Seconds": 60, "End": True}


def end_pass(output: Any) -> dict[str, Any]:
    return {"Type": "Pass", "Output": output, "End": True}


def distributed(*, of: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A Distributed Map state, labelled `each`, whose child executions have one state."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "One",
        "States": {"One": of or end_pass("{% $states.input %}")},
    }
    return {"Type": "Map", "Label": "each", "ItemProcessor": processor, "End": True, **fields}


def reading(bucket: str, key: str = "items", **configuration: Any) -> dict[str, Any]:
    """An `ItemReader` of an object."""
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL", **configuration},
        "Arguments": {"Bucket": bucket, "Key": "{% $states.input.key %}"},
    }


@pytest.fixture
def bucket(aws: Any) -> str:
    name: str = aws.name("items")
    aws.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def statements(aws: Any, bucket: str) -> list[dict[str, Any]]:
    """The permissions that AWS documents for a Distributed Map state with an `ItemReader`."""
    states = f"arn:aws:states:{aws.region}:{aws.account}"
    machine = f"{aws.name('machine')}-1"
    return [
        allow("states:StartExecution", on=f"{states}:stateMachine:{machine}"),
        allow("states:DescribeExecution", "states:StopExecution", on=f"{states}:execution:{machine}/*"),
        allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*"),
    ]


@pytest.fixture
def role(aws: Any, statements: list[dict[str, Any]]) -> str:
    arn: str = aws.role("machine", "states.amazonaws.com", *statements)
    return arn


def map_run_of(machines: Any, execution: str) -> Any:
    """The description of an execution's only Map Run."""
    (run,) = machines.client.list_map_runs(executionArn=execution)["mapRuns"]
    return machines.client.describe_map_run(mapRunArn=run["mapRunArn"])


def children_of(machines: Any, run: Any) -> list[Any]:
    """The descriptions of a Map Run's child executions."""
    found = machines.client.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    return [machines.client.describe_execution(executionArn=each["executionArn"]) for each in found]


@pytest.mark.parametrize(
    ("kind", "text", "items"),
    [
        ({"InputType": "JSONL"}, '{"n": 1}\n\n{"n": 2}\n{"n": 3}', ITEMS),
        ({"InputType": "JSONL", "MaxItems": 2}, '{"n": 1}\n{"n": 2}\n{"n": 3}', ITEMS[:2]),
        ({"InputType": "JSON"}, json.dumps(ITEMS), ITEMS),
        (
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            'n,text\r\n1,"a,b"\r\n2\r\n',
            [{"n": "1", "text": "a,b"}, {"n": "2", "text": ""}],
        ),
    ],
    ids=["JSON Lines", "as many as MaxItems", "a JSON array", "CSV"],
)
def test_the_items_of_an_object_are_inputs_of_child_executions(
    aws: Any, machines: Any, role: str, bucket: str, kind: dict[str, Any], text: str, items: list[Any]
) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="list", Body=text.encode())
    end = machines.run({"Each": distributed(ItemReader=reading(bucket, **kind))}, "Each", role, {"key": "list"})
    assert json.loads(end["output"]) == items
    run = map_run_of(machines, end["executionArn"])
    counts = {name: run["itemCounts"][name] for name in ("pending", "running", "succeeded", "failed", "total")}
    assert counts == {"pending": 0, "running": 0, "succeeded": len(items), "failed": 0, "total": len(items)}
    assert run["executionCounts"]["succeeded"] == run["executionCounts"]["total"] == len(items)
    assert sorted(json.dumps(json.loads(each["input"])) for each in children_of(machines, run)) == sorted(
        json.dumps(item) for item in items
    )


def test_a_child_execution_has_an_arn_a_context_a_history_and_no_variables_of_its_parent(
    aws: Any, machines: Any, role: str
) -> None:
    states = {
        "Set": {"Type": "Pass", "Assign": {"run": "r1"}, "Next": "Each"},
        "Each": distributed(
            Items="{% $states.input.list %}",
            ItemSelector={
                "run": "{% $run %}",
                "value": "{% $states.context.Map.Item.Value.n %}",
                "index": "{% $states.context.Map.Item.Index %}",
            },
            of=end_pass(
                "{% [$states.input, $states.context.Execution, $exists($run), $exists($states.context.Map)] %}"
            ),
        ),
    }
    end = machines.run(states, "Set", role, {"list": [{"n": 7}]})
    ((given, context, variable, item),) = json.loads(end["output"])
    assert given == context["Input"] == {"run": "r1", "value": 7, "index": 0}
    assert (variable, item) == (False, False)
    parent = end["stateMachineArn"]
    arn = context["Id"]
    assert arn.startswith(f"{parent.replace(':stateMachine:', ':execution:')}/each:")
    child = machines.client.describe_execution(executionArn=arn)
    assert (child["stateMachineArn"], child["status"]) == (f"{parent}/each", "SUCCEEDED")
    assert [event["type"] for event in machines.history(arn)] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["type"] for event in machines.history(end["executionArn"])][3:] == [
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ]
    definition = machines.client.describe_state_machine_for_execution(executionArn=arn)
    assert (definition["label"], definition["mapRunArn"]) == ("each", child["mapRunArn"])
    assert [each["executionArn"] for each in machines.client.list_executions(stateMachineArn=parent)["executions"]] == [
        end["executionArn"]
    ]


def test_a_variable_of_the_parent_fails_a_child_execution(machines: Any, role: str) -> None:
    states = {
        "Set": {"Type": "Pass", "Assign": {"run": "r1"}, "Next": "Each"},
        "Each": distributed(Items=[1], of=end_pass("{% $run %}")),
    }
    end = machines.run(states, "Set", role)
    (child,) = children_of(machines, map_run_of(machines, end["executionArn"]))
    assert (end["error"], child["error"]) == ("States.ExceedToleratedFailureThreshold", "States.QueryEvaluationError")


def test_batches_have_the_items_and_the_input_that_they_share(machines: Any, role: str) -> None:
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"run": "{% $states.input.run %}"}}
    state = distributed(Items="{% $states.input.list %}", ItemBatcher=batcher)
    end = machines.run({"Each": state}, "Each", role, {"list": ITEMS, "run": "r1"})
    shared = {"BatchInput": {"run": "r1"}}
    assert json.loads(end["output"]) == [{**shared, "Items": ITEMS[:2]}, {**shared, "Items": ITEMS[2:]}]
    run = map_run_of(machines, end["executionArn"])
    assert (run["itemCounts"]["succeeded"], run["executionCounts"]["succeeded"]) == (3, 2)


FAILING = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.n < 3 %}", "Next": "No"}], "Default": "Yes"}


@pytest.mark.parametrize(
    ("tolerated", "status"),
    [
        ({}, "FAILED"),
        ({"ToleratedFailureCount": 1}, "FAILED"),
        ({"ToleratedFailureCount": 2}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 60}, "FAILED"),
        ({"ToleratedFailurePercentage": 70}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 70, "ToleratedFailureCount": 0}, "FAILED"),
    ],
)
def test_a_map_run_fails_with_one_failure_more_than_is_tolerated(
    machines: Any, role: str, tolerated: dict[str, Any], status: str
) -> None:
    state = distributed(Items=ITEMS, MaxConcurrency=1, **tolerated)
    processor = state["ItemProcessor"]
    processor["StartAt"] = "Ask"
    processor["States"] = {"Ask": FAILING, "No": {"Type": "Fail", "Error": "E"}, "Yes": {"Type": "Succeed"}}
    end = machines.run({"Each": state}, "Each", role)
    run = map_run_of(machines, end["executionArn"])
    assert (end["status"], run["status"]) == (status, status)
    if status == "FAILED":
        assert end["error"] == "States.ExceedToleratedFailureThreshold"
        types = [event["type"] for event in machines.history(end["executionArn"])]
        assert types[-3:] == ["MapRunFailed", "MapStateFailed", "ExecutionFailed"]
    else:
        assert json.loads(end["output"]) == ITEMS[2:]


@pytest.mark.parametrize(
    ("key", "text", "cause"),
    [("other", "{}", "s3:ListBucket on resource: "), ("list", '{"n": 1}\nnot JSON', "line 2: ")],
)
def test_an_object_that_cannot_be_read_is_an_error_that_a_map_state_may_catch(
    aws: Any, machines: Any, role: str, bucket: str, key: str, text: str, cause: str
) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="list", Body=text.encode())
    catch = {"ErrorEquals": ["States.ItemReaderFailed"], "Output": "{% $states.errorOutput.Cause %}", "Next": "Show"}
    states = {"Each": distributed(ItemReader=reading(bucket), Catch=[catch]), "Show": {"Type": "Succeed"}}
    assert cause in json.loads(machines.run(states, "Each", role, {"key": key})["output"])


@pytest.mark.parametrize(
    ("missing", "error", "action"),
    [
        (0, "States.Permissions", "states:StartExecution on resource: "),
        (1, "States.Permissions", "states:DescribeExecution on resource: "),
        (2, "States.ItemReaderFailed", "s3:GetObject on resource: "),
    ],
)
def test_the_role_needs_every_documented_permission(
    aws: Any, machines: Any, bucket: str, statements: list[Any], missing: int, error: str, action: str
) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="list", Body=b"{}")
    del statements[missing]
    role = aws.role("machine", "states.amazonaws.com", *statements)
    end = machines.run({"Each": distributed(ItemReader=reading(bucket))}, "Each", role, {"key": "list"})
    assert end["error"] == error
    assert f"is not authorized to perform: {action}" in end["cause"]


def test_outputs_that_together_are_over_256_kib_fail_the_map_state(machines: Any, role: str) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html."""
    state = distributed(Items=[1, 2], of=end_pass("{% $pad('', 200000, 'x') %}"), Output={})
    end = machines.run({"Each": state}, "Each", role)
    assert (end["status"], end["error"]) == ("FAILED", "States.DataLimitExceeded")
    assert map_run_of(machines, end["executionArn"])["status"] == "FAILED"


def test_a_stopped_execution_stops_its_child_executions(machines: Any, role: str) -> None:
    machine = machines.create({"Each": distributed(Items="{% [1..100] %}", of=WAITING)}, "Each", role)
    execution = machines.start(machine)

    def running() -> Any:
        runs = machines.client.list_map_runs(executionArn=execution)["mapRuns"]
        found = [machines.client.describe_map_run(mapRunArn=each["mapRunArn"]) for each in runs]
        return found[0] if found and found[0]["itemCounts"]["running"] == 100 else None

    run = ask_until(running)
    machines.client.stop_execution(executionArn=execution)

    def ended() -> Any:
        found = map_run_of(machines, execution)
        return None if found["itemCounts"]["running"] else found

    stopped = ask_until(ended)
    assert (stopped["status"], stopped["itemCounts"]["aborted"]) == ("ABORTED", 100)
    aborted = machines.client.list_executions(mapRunArn=run["mapRunArn"], statusFilter="ABORTED")["executions"]
    assert len(aborted) == 100
    types = [event["type"] for event in machines.history(execution)]
    assert types[-3:] == ["MapRunAborted", "MapStateAborted", "ExecutionAborted"]


def test_a_child_execution_that_is_stopped_is_a_failure_of_its_map_run(machines: Any, role: str) -> None:
    machine = machines.create({"Each": distributed(Items=[1], of=WAITING)}, "Each", role)
    execution = machines.start(machine)
    ask_until(lambda: machines.client.list_map_runs(executionArn=execution)["mapRuns"] or None)
    (child,) = ask_until(lambda: children_of(machines, map_run_of(machines, execution)) or None)
    machines.client.stop_execution(executionArn=child["executionArn"])
    assert machines.end(execution)["error"] == "States.ExceedToleratedFailureThreshold"
    with refused("ExecutionNotRedrivable"):
        machines.client.redrive_execution(executionArn=child["executionArn"])


def test_the_status_events_of_child_executions_have_the_labelled_state_machine(
    aws: Any, machines: Any, role: str
) -> None:
    """So a rule for the state machine's own ARN does not match them."""
    machine = machines.create({"Each": distributed(Items=[1])}, "Each", role)
    pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [{"prefix": machine}]}}
    read = events_of(aws, pattern)
    machines.end(machines.start(machine))
    seen: list[Any] = []
    ask_until(lambda: seen.extend(read()) or len(seen) >= 4 or None)
    found = sorted((each["stateMachineArn"], each["status"]) for each in seen)
    assert found == [(arn, status) for arn in (machine, f"{machine}/each") for status in ("RUNNING", "SUCCEEDED")]
