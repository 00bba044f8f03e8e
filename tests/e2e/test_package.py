"""The component package through the real engine, as programs in every language use it: by its schema's names."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Deployed, local_stack

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]

PROJECT = f"""\
name: others
runtime: python
plugins:
  providers:
    - name: ecs-kit
      path: {ROOT}
"""
PROGRAM = """\
import pulumi


class Jobs(pulumi.ComponentResource):
    startInput: pulumi.Output[str]
    stateMachineArn: pulumi.Output[str]
    detailsTable: pulumi.Output[str]

    def __init__(self, kind, name, **arguments):
        outputs = dict.fromkeys(("startInput", "stateMachineArn", "detailsTable"))
        super().__init__(f"ecs-kit:index:{kind}", name, {**arguments, **outputs}, remote=True)


for number, kind in ((1, "TaskSubmissionFromLambda"), (2, "TaskSubmissionFromStepFunctions")):
    jobs = Jobs(kind, f"jobs-{number}", taskMemory=1024, taskAttempts=2, jobEnvironment={"JOB_COLOUR": "red"})
    for name in ("startInput", "stateMachineArn", "detailsTable"):
        pulumi.export(f"{name}{number}", getattr(jobs, name))
"""


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("others")
    (folder / "Pulumi.yaml").write_text(PROJECT)
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "work").mkdir()
    with local_stack("others", folder, folder / "work") as made:
        yield made


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_program_starts_a_run_with_the_component_s_outputs(others: Deployed, pattern: int) -> None:
    aws, outputs = others.target.aws, others.outputs
    given = json.loads(outputs[f"startInput{pattern}"])
    aws.s3.put_object(Bucket=given["s3BucketName"], Key="in/a.txt", Body=b"a")
    tasks = [{"taskName": f"t{n}", "objectKey": "in/a.txt"} for n in range(3)]
    arn = aws.stepfunctions.start_execution(
        stateMachineArn=outputs[f"stateMachineArn{pattern}"], input=json.dumps({**given, "taskList": tasks})
    )["executionArn"]
    while (execution := aws.stepfunctions.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.2)
    assert execution["status"] == "SUCCEEDED", execution
    rows = aws.dynamodb.scan(TableName=outputs[f"detailsTable{pattern}"])["Items"]
    assert sorted(row["status"]["S"] for row in rows) == ["Completed"] * 3
    definition = aws.ecs.describe_task_definition(taskDefinition=given["taskDefinition"])["taskDefinition"]
    assert definition["memory"] == "1024", "whole numbers arrive as floats"


def test_the_package_s_schema_is_what_the_engine_reads(others: Deployed, tmp_path: Path) -> None:
    command = ["package", "get-schema", str(ROOT)]
    schema = json.loads(others.stack._pulumi.run(command, str(tmp_path), {}).stdout)
    assert set(schema["resources"]) == {
        "ecs-kit:index:TaskSubmissionFromLambda",
        "ecs-kit:index:TaskSubmissionFromStepFunctions",
    }
