"""A container that knows nothing of the kit, in both patterns: its rows say exactly what ECS said of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ecs_kit.automation.journeys import runs
from ecs_kit.automation.journeys.runs import Run
from ecs_kit.runtime.contract.patterns import PATTERNS
from ecs_kit.runtime.reporter.run_state import RunState, read
from local_aws.emulator.runtimes import selection
from local_aws.emulator.runtimes.docker_janitor import call
from local_aws.testing import docker_images
from tests.e2e.conftest import ROOT, Deployed, local_stack, sample

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY job.sh /job.sh
ENTRYPOINT ["/bin/sh", "/job.sh"]
"""
JOB = """\
trap 'exit 0' TERM
echo "$TASK works on $1 for $2"
case "$MODE" in
  exits-*) exit "${MODE#exits-}" ;;
  never-ends) while true; do sleep 1; done ;;
  is-killed) kill -9 $$ ;;
  fills-memory) head -c 2G /dev/zero | tail ;;
esac
"""
PROGRAM = """\
from pathlib import Path

import pulumi
from ecs_kit import JobArgs, KitConfig, PatternArgs, TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions

job = JobArgs(
    context=Path("image"),
    records="ecs",
    command=("{{source.uri}}", "{{target.uri}}"),
    environment={{"TASK": "{{task.name}}"}},
    success_exit_codes=("0", "4"),
    retry_exit_codes=("75",),
)
config = KitConfig(
    job=job,
    base_image={base_image!r},
    task_timeout_seconds=30,
    task_attempts=2,
    tolerated_failure_percentage=50,
)
pulumi.export("pattern1", dict(TaskSubmissionFromLambda("one", PatternArgs(config)).outputs))
pulumi.export("pattern2", dict(TaskSubmissionFromStepFunctions("two", PatternArgs(config)).outputs))
"""
RUNTIMES = ("process", pytest.param("docker", marks=pytest.mark.docker))
EXITED = "the container exited with code"


@pytest.fixture(scope="module", params=RUNTIMES)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A program of two patterns whose image is a shell script."""
    if request.param == "docker" and (problem := docker_images.problem()):
        pytest.skip(f"real containers cannot run here ({problem}); `make docker-e2e` brings an engine")
    folder = tmp_path_factory.mktemp("any")
    for name, text in (
        ("Pulumi.yaml", "name: any\nruntime: python\n"),
        ("__main__.py", PROGRAM.format(base_image=docker_images.base_image())),
        ("image/Dockerfile", DOCKERFILE),
        ("image/job.sh", JOB),
        ("work/.keep", ""),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        with local_stack("any", folder, folder / "work", container_runtime=request.param) as made:
            yield made


def start(stack: Deployed, tasks: list[dict[str, Any]]) -> list[Run]:
    """A run of each pattern with these tasks."""
    return [stack.start(pattern, {**sample(pattern), "taskList": tasks}) for pattern in PATTERNS]


def without_source(number: int) -> dict[str, Any]:
    """A task whose command asks for no source."""
    return {"taskName": f"t{number}", "command": ["nothing", "nobody"]}


def ended(stack: Deployed, started: list[Run]) -> dict[int, RunState]:
    """The runs at their end, and after the monitor's last word."""
    aws = stack.target.aws
    runs.watch(aws, started, on_counts=lambda *_: None, poll_seconds=0.5, limit_seconds=600)
    runs.await_final_rows(aws, started, limit_seconds=120, poll_seconds=0.5)
    return {run.pattern: read(aws, run) for run in started}


def rows(state: RunState) -> list[Mapping[str, Any]]:
    return sorted(state.details, key=lambda row: (row["task_name"], row["attempt"]))


def summary(state: RunState) -> tuple[object, ...]:
    """Status and counts: completed, failed, running."""
    assert state.summary
    return tuple(state.summary[name] for name in ("status", "completed_tasks", "failed_tasks", "running_tasks"))


@pytest.fixture(scope="module")
def killed(stack: Deployed) -> tuple[str, str]:
    """A mode that the kernel kills, and why; not everywhere has a container a memory limit of its own."""
    if stack.target.container_runtime == "docker" and call(selection.docker_socket(), "GET", "/info")["MemoryLimit"]:
        return (
            "fills-memory",
            f"ExitCodeNotRetried: {EXITED} 137 (OutOfMemoryError: Container killed due to memory usage)",
        )
    return "is-killed", f"ExitCodeNotRetried: {EXITED} 137"


@pytest.fixture(scope="module")
def first(stack: Deployed, killed: tuple[str, str]) -> dict[int, RunState]:
    """A run of ten tasks that end in all ways, one of them with a command and a size of its own."""
    modes = [*["works"] * 5, "exits-4", "exits-3", "exits-75", killed[0], "never-ends"]
    tasks: list[dict[str, Any]] = [
        {"taskName": f"t{n}", "environment": {"MODE": mode}, "objectKey": f"in/{n}.txt"} for n, mode in enumerate(modes)
    ]
    tasks[0] |= {"command": ["other", "words of {task.name}"], "cpu": 512, "memory": 2048}
    return ended(stack, start(stack, tasks))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_rows_and_counts_are_exact(first: Mapping[int, RunState], killed: tuple[str, str], pattern: int) -> None:
    state = first[pattern]
    found = rows(state)

    assert [
        (row["task_name"], row["attempt"], row["status"], row.get("exit_code"), row.get("error")) for row in found
    ] == [
        *((f"t{n}", 1, "Completed", None, None) for n in range(5)),
        ("t5", 1, "Completed", 4, None),
        ("t6", 1, "Failed", 3, f"ExitCodeNotRetried: {EXITED} 3"),
        ("t7", 1, "Failed", 75, f"ContainerExited: {EXITED} 75"),
        ("t7", 2, "Failed", 75, f"ContainerExited: {EXITED} 75"),
        ("t8", 1, "Failed", 137, killed[1]),
        *(
            ("t9", n, "Failed", 0, "TaskTimedOut: timed out: the task ran longer than 30 s and was stopped")
            for n in (1, 2)
        ),
    ]
    assert summary(state) == ("CompletedWithFailures", 6, 4, 0)
    assert all(row["exec_time_in_seconds"] >= 0 for row in found)
    assert state.execution and state.execution["status"] == "SUCCEEDED"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_containers_get_commands_sizes_and_variables_of_their_own(
    stack: Deployed, first: Mapping[int, RunState], pattern: int
) -> None:
    aws, deployed = stack.target.aws, stack.outputs[f"pattern{pattern}"]
    found = rows(first[pattern])[:2]
    streams = [str(row["log_stream"]) for row in found]
    said = [
        aws.logs.get_log_events(logGroupName=deployed["taskLogGroup"], logStreamName=name)["events"][0]["message"]
        for name in streams
    ]
    tasks = aws.ecs.describe_tasks(cluster=deployed["clusterName"], tasks=[str(row["ecs_task_id"]) for row in found])

    bucket = deployed["s3BucketName"]
    run = f"copies/{found[0]['workflow_name']}/{found[0]['workflow_run_id']}"
    assert said == [
        "t0 works on other for words of t0",
        f"t1 works on s3://{bucket}/in/1.txt for s3://{bucket}/{run}/t1/1.txt",
    ]
    sizes = {
        task["taskArn"]: (task["overrides"].get("cpu"), task["overrides"].get("memory")) for task in tasks["tasks"]
    }
    assert [sizes[str(row["ecs_task_id"])] for row in found] == [("512", "2048"), (None, None)]
    assert found[1]["source_uri"] == f"s3://{bucket}/in/1.txt"


def test_an_aborted_run_leaves_terminal_rows_and_no_task(stack: Deployed) -> None:
    aws = stack.target.aws
    started = start(stack, [{**without_source(n), "environment": {"MODE": "never-ends"}} for n in range(3)])
    waiting = {run.pattern: run for run in started}
    runs.watch(
        aws,
        started,
        # Each run is stopped once, when all of its tasks run.
        on_counts=lambda run, counts: (
            counts.running == 3
            and waiting.pop(run.pattern, None)
            and aws.stepfunctions.stop_execution(executionArn=run.execution_arn)
        ),
        poll_seconds=0.2,
        limit_seconds=300,
    )

    for pattern, state in ended(stack, started).items():
        assert summary(state) == ("Aborted", 0, 3, 0)
        # By the event of the task's end, or by the monitor, whichever was first.
        assert {str(row["error"]).partition(":")[0] for row in rows(state)} <= {"TaskStopped", "RunEnded"}
        cluster = stack.outputs[f"pattern{pattern}"]["clusterName"]
        assert aws.ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"] == []


def test_a_missing_image_is_the_reason_of_every_row(stack: Deployed) -> None:
    for pattern in PATTERNS:
        repository, _, tag = stack.outputs[f"pattern{pattern}"]["imageUri"].partition("/")[2].partition("@")
        deleted = stack.target.aws.client("ecr").batch_delete_image(
            repositoryName=repository.partition(":")[0], imageIds=[{"imageDigest": tag}]
        )
        assert deleted["imageIds"], deleted

    for state in ended(stack, start(stack, [without_source(n) for n in range(10)])).values():
        assert summary(state) == ("Failed", 0, 10, 0)
        assert [(row["attempt"], row["status"]) for row in rows(state)] == [(1, "Failed")] * 10
        assert all(str(row["error"]).startswith("TaskFailedToStart: CannotPullContainerError: ") for row in rows(state))
