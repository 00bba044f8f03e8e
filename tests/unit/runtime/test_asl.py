"""The interpreter of state machines that tests use: Distributed Map states."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.emulator.aws_behaviour.states_map_runs import GET_OBJECT
from tests.unit.runtime.asl import Machine


def machine(output: str) -> dict[str, Any]:
    """A state machine that reads items and hands them in batches of two to child executions."""
    each = {
        "Type": "Map",
        "Label": "tasks",
        "ItemReader": {
            "Resource": GET_OBJECT,
            "ReaderConfig": {"InputType": "JSONL"},
            "Arguments": {"Bucket": "b", "Key": "{% $states.input.key %}"},
        },
        "ItemSelector": {"run": "{% $run %}", "task": "{% $states.context.Map.Item.Value %}"},
        "ItemBatcher": {"MaxItemsPerBatch": 2},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "One",
            "States": {"One": {"Type": "Pass", "Output": output, "End": True}},
        },
        "End": True,
    }
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Set",
        "States": {"Set": {"Type": "Pass", "Assign": {"run": "r1"}, "Next": "Each"}, "Each": each},
    }


def objects(arguments: dict[str, str]) -> str:
    assert arguments == {"Bucket": "b", "Key": "list"}
    return "1\n2\n3"


def test_a_distributed_map_reads_selects_and_batches_its_items() -> None:
    one = Machine(machine("{% $count($states.input.Items) %}"), {GET_OBJECT: objects})
    assert one.run({"key": "list"}).output == [2, 1]
    inputs = [json.loads(child["input"]) for child in one.children]
    assert inputs[1] == {"Items": [{"run": "r1", "task": 3}]}
    assert [len(child["events"]) for child in one.children] == [4, 4]


@pytest.mark.parametrize("variable", ["run", "states.context.Map.Item"])
def test_a_child_execution_sees_nothing_of_its_parent(variable: str) -> None:
    one = Machine(machine(f"{{% ${variable} %}}"), {GET_OBJECT: objects})
    assert one.run({"key": "list"}).error == "States.ExceedToleratedFailureThreshold"
    assert one.children[0]["error"] == "States.QueryEvaluationError"
