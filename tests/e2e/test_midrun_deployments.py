"""Deployments while runs are active: each run ends with what it was registered with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.journeys import runs, spec_files, verify
from tests.e2e.conftest import Deployed
from tests.e2e.test_deployed_stack import sample

pytestmark = [pytest.mark.acceptance, pytest.mark.e2e]

NAMESPACE = "ecs-step-functions-kit"

JOB = """

_copy = run


def run(job, s3):
    import os, time

    task = job.target.key.split("/")[-2]
    while "Contents" not in s3.list_objects_v2(Bucket=job.target.bucket, Prefix=f"go/{task}"):
        time.sleep(0.2)
    if os.environ["KIT_ATTEMPT"] == "1":
        raise ValueError("the first attempt fails")
    _copy(job, s3)
"""
"""A job that waits until it may continue, fails once, and then copies."""


def edit(project: Path, path: str, *changes: tuple[str, str]) -> None:
    file = project / path
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, (path, old)
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def change_image(kit: Deployed) -> None:
    edit(kit.project, "ecs_kit/runtime/task/job.py", ("_copy = run\n", "_copy = run\n# another image\n"))


def change_memory(kit: Deployed) -> None:
    kit.stack.configure({f"{NAMESPACE}:taskMemory": "1024"})


def change_attempts(kit: Deployed) -> None:
    kit.stack.configure({f"{NAMESPACE}:taskAttempts": "1"})


def change_payload(kit: Deployed) -> None:
    """State machine and functions name the run and the spec otherwise from now on."""
    edit(
        kit.project,
        "ecs_kit/components/definitions.py",
        ('"runId": "{% $run.runId %}"', '"identifier": "{% $run.runId %}"'),
        ('"spec": "{%', '"document": "{%'),
    )
    edit(
        kit.project,
        "ecs_kit/runtime/monitor/monitor.py",
        ('payload.get("runId")', 'payload.get("identifier")'),
        ('"spec": document', '"document": document'),
    )
    edit(kit.project, "ecs_kit/runtime/functions/registration.py", ('payload.get("spec")', 'payload.get("document")'))


def add_tag(kit: Deployed) -> None:
    kit.stack.configure({f"{NAMESPACE}:tags": '{"team": "data"}'})


CHANGES = {
    "image": change_image,
    "taskMemory": change_memory,
    "taskAttempts": change_attempts,
    "payload": change_payload,
    "tag": add_tag,
}
"""The deployments in the middle of the runs, in their order, each with a task whose further attempt comes after it."""


def until(ask: Callable[[], Any], what: Callable[[], str]) -> Any:
    """What `ask` answers in the end; `what` says why it did not, as things stand then."""
    deadline = time.monotonic() + 120
    while not (answer := ask()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)
    return answer


def start(kit: Deployed, pattern: int, tasks: list[str]) -> runs.Run:
    """Start a run of tasks with these names, all of which read the sample's first source."""
    deployed = kit.stack.outputs()[f"pattern{pattern}"]
    key = sample(pattern)["taskList"][0]["objectKey"]
    document = {**sample(pattern), "taskList": [{"taskName": name, "objectKey": key} for name in tasks]}
    rendered = spec_files.render(Path("spec.json"), document, deployed)
    runs.put_sources(kit.target.aws, rendered, deployed["s3BucketName"])
    return runs.start(kit.target.aws, pattern=pattern, spec=rendered, deployed=deployed, name=f"run-of-{tasks[0]}")


def rows(kit: Deployed, run: runs.Run) -> list[tuple[str, int, str]]:
    found = run.details(kit.target.aws)
    return sorted((str(row["task_name"]), int(row["attempt"]), str(row["status"])) for row in found)


def revisions(kit: Deployed, run: runs.Run) -> set[str]:
    """The revisions from which the run's ECS tasks were started."""
    arns = [str(row["ecs_task_id"]) for row in run.details(kit.target.aws)]
    found = kit.target.aws.ecs.describe_tasks(cluster=str(run.deployed["clusterName"]), tasks=arns)["tasks"]
    return {task["taskDefinitionArn"].rsplit("/", 1)[-1] for task in found}


@pytest.fixture(scope="module")
def active(deployed: Deployed) -> Iterator[dict[int, runs.Run]]:
    """Runs of both patterns, all of whose tasks wait; two attempts each are configured."""
    with (deployed.project / "ecs_kit/runtime/task/job.py").open("a", encoding="utf-8") as file:
        file.write(JOB)
    deployed.stack.configure({f"{NAMESPACE}:taskAttempts": "2"})
    deployed.stack.deploy()
    started = {pattern: start(deployed, pattern, list(CHANGES)) for pattern in (1, 2)}
    waiting = [(name, 1, "Running") for name in sorted(CHANGES)]
    for run in started.values():
        until(
            lambda run=run: rows(deployed, run) == waiting,
            lambda run=run: f"the tasks do not run: {rows(deployed, run)}",
        )
    yield started


@pytest.fixture(scope="module")
def ended(deployed: Deployed, active: dict[int, runs.Run]) -> dict[int, Any]:
    """Both runs, ended, after all deployments; after each one task reaches its second attempt."""
    for name, change in CHANGES.items():
        change(deployed)
        assert not deployed.stack.deploy().changes.nothing, name
        for run in active.values():
            bucket = str(run.deployed["s3BucketName"])
            deployed.target.aws.s3.put_object(Bucket=bucket, Key=f"go/{name}", Body=b"")
        for run in active.values():
            until(
                lambda run=run, name=name: (name, 2, "Completed") in rows(deployed, run),
                lambda run=run, name=name: f"{name} was not tried again after its deployment: {rows(deployed, run)}",
            )
    return runs.watch(
        deployed.target.aws,
        list(active.values()),
        on_counts=lambda *_: None,
        poll_seconds=0.2,
        limit_seconds=120,
    )


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_run_completes_with_every_row(deployed: Deployed, ended: dict[int, Any], pattern: int) -> None:
    finished, _ = ended[pattern]
    found = verify.gather(deployed.target.aws, finished)
    assert found.execution_status == "SUCCEEDED", found.execution_error
    (summary,) = found.summary
    assert (summary["status"], summary["completed_tasks"], summary["failed_tasks"]) == ("Completed", len(CHANGES), 0)
    assert rows(deployed, finished) == sorted(
        (name, attempt, status) for name in CHANGES for attempt, status in ((1, "Failed"), (2, "Completed"))
    )


@pytest.mark.parametrize("pattern", [1, 2])
def test_every_attempt_was_started_from_the_revision_of_the_run(
    deployed: Deployed, ended: dict[int, Any], pattern: int
) -> None:
    finished, _ = ended[pattern]
    assert revisions(deployed, finished) == {str(finished.deployed["taskDefinition"])}
    now = deployed.stack.outputs()[f"pattern{pattern}"]["taskDefinition"]
    assert now != finished.deployed["taskDefinition"]


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_run_that_starts_afterwards_is_the_new_deployment_s(
    deployed: Deployed, ended: dict[int, Any], pattern: int
) -> None:
    run = start(deployed, pattern, ["later"])
    deployed.target.aws.s3.put_object(Bucket=str(run.deployed["s3BucketName"]), Key="go/later", Body=b"")
    watched = runs.watch(deployed.target.aws, [run], on_counts=lambda *_: None, poll_seconds=0.2, limit_seconds=120)
    assert verify.gather(deployed.target.aws, watched[pattern][0]).execution_status == "FAILED"
    assert rows(deployed, run) == [("later", 1, "Failed")], "one attempt is configured now"
    assert revisions(deployed, run) == {str(run.deployed["taskDefinition"])}
