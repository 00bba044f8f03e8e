"""A container that knows nothing of the kit, in both patterns: its rows say exactly what ECS said of it."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES
from tests.e2e.conftest import Deployed, local_stack

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]

INFRASTRUCTURE = (*INFRASTRUCTURE_ATTRIBUTES, "separator", "workflowName")
DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY job.sh /job.sh
ENTRYPOINT ["/bin/sh", "/job.sh"]
"""
JOB = """\
echo "$TASK works on $1 for $2"
case "$MODE" in
  exits-*) exit "${MODE#exits-}" ;;
  never-ends) while true; do sleep 1; done ;;
  is-killed) kill -9 $$ ;;
esac
"""
PROGRAM = """\
from pathlib import Path

import pulumi
from ecs_kit import JobArgs, KitConfig, PatternArgs, TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions

job = JobArgs(
    context=Path("image"),
    records="ecs",
    command=("{source.uri}", "{target.uri}"),
    environment={"TASK": "{task.name}"},
    success_exit_codes=("0", "4"),
    retry_exit_codes=("75",),
)
config = KitConfig(job=job, task_timeout_seconds=30, task_attempts=2, tolerated_failure_percentage=50)
pulumi.export("pattern1", dict(TaskSubmissionFromLambda("one", PatternArgs(config)).outputs))
pulumi.export("pattern2", dict(TaskSubmissionFromStepFunctions("two", PatternArgs(config)).outputs))
"""
MODES = ("works", "works", "works", "works", "works", "exits-4", "exits-3", "exits-75", "is-killed", "never-ends")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("any")
    (folder / "image").mkdir()
    (folder / "work").mkdir()
    (folder / "Pulumi.yaml").write_text("name: any\nruntime: python\n")
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "image" / "Dockerfile").write_text(DOCKERFILE)
    (folder / "image" / "job.sh").write_text(JOB)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        with local_stack("any", folder, folder / "work") as made:
            yield made


@pytest.fixture(scope="module")
def executions(stack: Deployed) -> dict[int, Mapping[str, Any]]:
    """A run in each pattern at once, to its end."""
    arns = {}
    for pattern in (1, 2):
        deployed = stack.outputs[f"pattern{pattern}"]
        attributes = {name: deployed[name] for name in INFRASTRUCTURE}
        tasks = [
            {"taskName": f"t{n}", "environment": {"MODE": mode}, "objectKey": f"in/{n}.txt"}
            for n, mode in enumerate(MODES)
        ]
        tasks[0] |= {"command": ["other", "words of {task.name}"], "cpu": 512, "memory": 2048}
        document = {**attributes, "taskList": tasks}
        arns[pattern] = stack.target.aws.stepfunctions.start_execution(
            stateMachineArn=deployed["stateMachineArn"], input=json.dumps(document)
        )["executionArn"]
    ended: dict[int, Mapping[str, Any]] = {}
    while len(ended) < len(arns):
        time.sleep(0.5)
        for pattern, arn in arns.items():
            execution = stack.target.aws.stepfunctions.describe_execution(executionArn=arn)
            if execution["status"] != "RUNNING":
                ended[pattern] = execution
    return ended


def rows(stack: Deployed, pattern: int) -> list[dict[str, str]]:
    items = stack.target.aws.dynamodb.scan(TableName=stack.outputs[f"pattern{pattern}"]["ddbTableNameWFDetails"])[
        "Items"
    ]
    plain = [{name: next(iter(value.values())) for name, value in item.items()} for item in items]
    return sorted(plain, key=lambda row: (row["task_name"], int(row["attempt"])))


@pytest.mark.parametrize("pattern", [1, 2])
def test_rows_and_counts_are_exact(stack: Deployed, executions: Mapping[int, Any], pattern: int) -> None:
    assert executions[pattern]["status"] == "SUCCEEDED", executions[pattern]
    found = rows(stack, pattern)
    exited = "ContainerExited: the container exited with code"
    assert [
        (row["task_name"], row["attempt"], row["status"], row.get("exit_code"), row.get("error")) for row in found
    ] == [
        *((f"t{n}", "1", "Completed", None, None) for n in range(5)),
        ("t5", "1", "Completed", "4", None),
        ("t6", "1", "Failed", "3", "ExitCodeNotRetried: the container exited with code 3"),
        ("t7", "1", "Failed", "75", f"{exited} 75"),
        ("t7", "2", "Failed", "75", f"{exited} 75"),
        *(("t8", str(n), "Failed", "137", found[8 + n]["error"]) for n in (1,)),
        ("t9", "1", "Failed", "137", "TaskTimedOut: timed out: the task ran longer than 30 s and was stopped"),
    ]
    (summary,) = stack.target.aws.dynamodb.scan(TableName=stack.outputs[f"pattern{pattern}"]["ddbTableNameWFSummary"])[
        "Items"
    ]
    counts = [summary[f"{name}_tasks"]["N"] for name in ("completed", "failed", "running")]
    assert (summary["status"]["S"], counts) == ("CompletedWithFailures", ["6", "4", "0"])
    assert all(float(row["exec_time_in_seconds"]) >= 0 for row in found)


@pytest.mark.parametrize("pattern", [1, 2])
def test_containers_get_their_own_words(stack: Deployed, executions: Mapping[int, Any], pattern: int) -> None:
    deployed = stack.outputs[f"pattern{pattern}"]
    first, second = rows(stack, pattern)[:2]

    def said(row: Mapping[str, str]) -> str:
        events = stack.target.aws.logs.get_log_events(
            logGroupName=deployed["taskLogGroup"], logStreamName=row["log_stream"]
        )["events"]
        return str(events[0]["message"])

    run = f"copies/{first['workflow_name']}/{first['workflow_run_id']}"
    bucket = deployed["s3BucketName"]
    assert said(first) == "t0 works on other for words of t0"
    assert said(second) == f"t1 works on s3://{bucket}/in/1.txt for s3://{bucket}/{run}/t1/1.txt"
    assert second["source_uri"] == f"s3://{bucket}/in/1.txt"
