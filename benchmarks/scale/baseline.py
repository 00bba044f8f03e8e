"""The baseline: what AWS's starter kit does, on the same cluster, with the same image, beside the kit's patterns.

Source: https://github.com/aws-samples/amazon-ecs-and-aws-step-functions-design-patterns-starter-kit, commit b951bec,
pattern 1: its launcher calls RunTask one after another, its monitor queries all rows twice at every poll, the ARNs of
all tasks are in the state, 120 s pass between polls. Functions have 256 MB and 5 min there. Its tasks write two rows
each, as the kit's own do, which run here: into tables without indexes, billed by request.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.clock import to_iso

WAIT_SECONDS = 120
"""Between polls, as there. It is not shortened: that would change calls and cost."""
TIMEOUT_SECONDS, MEMORY_MIB = 300, 256
NAME = "scale-baseline"
SUMMARY, DETAILS = f"{NAME}-summary", f"{NAME}-details"
KEYS = {SUMMARY: ("workflow_name", "workflow_run_id"), DETAILS: ("workflow_run_id", "ecs_task_id")}
HANDLERS = ("launch", "monitor")
_CODE = Path(__file__).with_name("baseline_functions.py")


def machine(functions: Mapping[str, str], wait_seconds: int = WAIT_SECONDS) -> dict[str, Any]:
    """The state machine: launch, then monitor, then wait and monitor again; `functions` are ARNs by handler.

    In JSONata, where the starter kit has JSONPath, which the local AWS does not run. States and payloads are the same.
    """

    def invoke(handler: str, **more: Any) -> dict[str, Any]:
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": functions[handler], "Payload": "{% $states.input %}"},
            "Output": {"iterator": "{% $states.result.Payload %}"},
            **more,
        }

    again = {"Condition": "{% $states.input.iterator.continue %}", "Next": "WaitForECS"}
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "InvokeTaskLauncher",
        "States": {
            "InvokeTaskLauncher": invoke("launch", Next="InvokeTaskMonitor"),
            "InvokeTaskMonitor": invoke("monitor", Next="CheckIfTasksCompleted"),
            "CheckIfTasksCompleted": {"Type": "Choice", "Choices": [again], "Default": "Done"},
            "WaitForECS": {"Type": "Wait", "Seconds": wait_seconds, "Next": "InvokeTaskMonitor"},
            "Done": {"Type": "Succeed"},
        },
    }


def definition(described: Mapping[str, Any], role: str) -> dict[str, Any]:
    """RegisterTaskDefinition's request: the kit's task, which writes into the baseline's table, under its own role."""
    kept = ("networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn")
    (container,) = described["containerDefinitions"]
    variables = {each["name"]: each["value"] for each in container["environment"]}
    own = {**variables, "KIT_DETAILS_TABLE": DETAILS}
    return {
        **{name: described[name] for name in kept},
        "family": NAME,
        "taskRoleArn": role,
        "containerDefinitions": [
            {**container, "environment": [{"name": name, "value": value} for name, value in own.items()]}
        ],
    }


@dataclass(frozen=True)
class Baseline:
    """The deployed baseline."""

    machine_arn: str
    task_definition: str
    deployed: Mapping[str, Any]

    def spec(self, document: Mapping[str, Any], workflow: str, limit_seconds: float) -> dict[str, Any]:
        """The input of a run; `document` is a rendered spec of pattern 1."""
        now = datetime.now(UTC)
        return {
            **document,
            "workflowName": workflow,
            "workflowRunId": str(int(now.timestamp() * 1000)),
            "taskDefinition": self.task_definition,
            "deadline": to_iso(now + timedelta(seconds=limit_seconds)),
        }


@contextlib.contextmanager
def deployed(aws: AwsClients, pattern_1: Mapping[str, Any]) -> Iterator[Baseline]:
    """Deploy it beside pattern 1, whose outputs are given, and remove it again."""
    undo = contextlib.ExitStack()
    with undo:
        for table, keys in KEYS.items():
            _table(aws, table, keys)
            undo.callback(aws.dynamodb.delete_table, TableName=table)
        described: Any = aws.ecs.describe_task_definition(taskDefinition=pattern_1["taskDefinition"])
        kit: Mapping[str, Any] = described["taskDefinition"]
        statements = _statements(aws, kit["taskRoleArn"].rpartition("/")[2])
        text = json.dumps(statements).replace(str(pattern_1["ddbTableNameWFDetails"]), DETAILS)
        task_role = _role(aws, undo, "task", "ecs-tasks", json.loads(text))
        registered: Any = aws.ecs.register_task_definition(**definition(kit, task_role))
        arn = registered["taskDefinition"]["taskDefinitionArn"]
        undo.callback(aws.ecs.deregister_task_definition, taskDefinition=arn)
        functions = {name: _function(aws, undo, name, kit["executionRoleArn"], task_role) for name in HANDLERS}
        invoke = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": list(functions.values())}
        states_role = _role(aws, undo, "states", "states", [invoke])
        made = aws.stepfunctions.create_state_machine(
            name=NAME, definition=json.dumps(machine(functions)), roleArn=states_role
        )
        undo.callback(aws.stepfunctions.delete_state_machine, stateMachineArn=made["stateMachineArn"])
        outputs = {
            "region": pattern_1["region"],
            "clusterName": pattern_1["clusterName"],
            "s3BucketName": pattern_1["s3BucketName"],
            "targetPrefix": pattern_1["targetPrefix"],
            "stateMachineArn": made["stateMachineArn"],
            "ddbTableNameWFSummary": SUMMARY,
            "ddbTableNameWFDetails": DETAILS,
            **{f"{name}FunctionName": f"{NAME}-{name}" for name in HANDLERS},
        }
        yield Baseline(made["stateMachineArn"], f"{NAME}:{arn.rpartition(':')[2]}", outputs)


def _table(aws: AwsClients, name: str, keys: tuple[str, str]) -> None:
    aws.dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=True)],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "N" if key == "workflow_run_id" else "S"} for key in keys
        ],
    )


def _statements(aws: AwsClients, role: str) -> list[Any]:
    names = aws.iam.list_role_policies(RoleName=role)["PolicyNames"]
    policies = [aws.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return [statement for policy in policies for statement in policy["Statement"]]


def _role(aws: AwsClients, undo: contextlib.ExitStack, name: str, service: str, statements: list[Any]) -> str:
    role = f"{NAME}-{name}"
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    arn: str = aws.iam.create_role(RoleName=role, AssumeRolePolicyDocument=_policy([trust]))["Role"]["Arn"]
    undo.callback(aws.iam.delete_role, RoleName=role)
    aws.iam.put_role_policy(RoleName=role, PolicyName=NAME, PolicyDocument=_policy(statements))
    undo.callback(aws.iam.delete_role_policy, RoleName=role, PolicyName=NAME)
    return arn


def _policy(statements: list[Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _function(aws: AwsClients, undo: contextlib.ExitStack, handler: str, *passed_roles: str) -> str:
    logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    actions = [*logs, "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query", "ecs:RunTask"]
    role = _role(
        aws,
        undo,
        handler,
        "lambda",
        [
            {"Effect": "Allow", "Action": actions, "Resource": "*"},
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": list(passed_roles)},
        ],
    )
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("baseline.py", _CODE.read_text(encoding="utf-8"))
    name = f"{NAME}-{handler}"
    arn: str = aws.functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler=f"baseline.{handler}",
        Code={"ZipFile": package.getvalue()},
        Timeout=TIMEOUT_SECONDS,
        MemorySize=MEMORY_MIB,
        Environment={"Variables": {"SUMMARY_TABLE": SUMMARY, "DETAILS_TABLE": DETAILS}},
    )["FunctionArn"]
    undo.callback(aws.functions.delete_function, FunctionName=name)
    while aws.functions.get_function_configuration(FunctionName=name)["State"] == "Pending":
        time.sleep(0.2)
    return arn
