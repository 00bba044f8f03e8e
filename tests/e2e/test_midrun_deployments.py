"""Deployments while runs are active: each run ends with what it was registered with."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.journeys import runs
from ecs_kit.runtime.reporter.items import details_items
from tests.e2e.conftest import Deployed, sample

pytestmark = [pytest.mark.acceptance, pytest.mark.e2e]

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


def edit(kit: Deployed, path: str, *changes: tuple[str, str]) -> None:
    file = kit.project / "ecs_kit" / path
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, (path, old)
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def rename_payload(kit: Deployed) -> None:
    """State machine and functions have other names for the run and the spec from now on."""
    run_id = ('"runId": "{% $run.runId %}"', '"identifier": "{% $run.runId %}"')
    edit(kit, "components/definitions.py", run_id, ('spec="{%', 'document="{%'))
    own_id = ('payload.get("runId")', 'payload.get("identifier")')
    edit(kit, "runtime/monitor/monitor.py", own_id, ('"spec": document', '"document": document'))
    edit(kit, "runtime/functions/registration.py", ('payload.get("spec")', 'payload.get("document")'))


CHANGES: dict[str, Callable[[Deployed], None]] = {
    "image": lambda kit: edit(kit, "runtime/task/job.py", ("_copy = run\n", "_copy = run\n# another image\n")),
    "taskMemory": lambda kit: kit.configure(taskMemory="1024"),
    "taskAttempts": lambda kit: kit.configure(taskAttempts="1"),
    "payload": rename_payload,
    "tag": lambda kit: kit.configure(tags='{"team": "data"}'),
}
"""The deployments while the runs are active, in their order, each with a task whose second attempt comes after it."""


def start(kit: Deployed, pattern: int, tasks: list[str]) -> runs.Run:
    """Start a run of tasks with these names, all of which read the sample's first source."""
    document = sample(pattern)
    key = document["taskList"][0]["objectKey"]
    return kit.start(pattern, {**document, "taskList": [{"taskName": name, "objectKey": key} for name in tasks]})


def let_go(kit: Deployed, run: runs.Run, task: str) -> None:
    kit.target.aws.s3.put_object(Bucket=str(run.deployed["s3BucketName"]), Key=f"go/{task}", Body=b"")


def details(kit: Deployed, run: runs.Run) -> list[Any]:
    return list(details_items(kit.target.aws, run.deployed, run.workflow_name, run.run_id))


def rows(kit: Deployed, run: runs.Run) -> list[tuple[str, int, str]]:
    found = details(kit, run)
    return sorted((str(row["task_name"]), int(row["attempt"]), str(row["status"])) for row in found)


def until(kit: Deployed, run: runs.Run, *wanted: tuple[str, int, str]) -> None:
    """Wait until the run has these rows."""
    deadline = time.monotonic() + 120
    while not set(wanted) <= set(found := rows(kit, run)):
        assert time.monotonic() < deadline, f"waiting for {wanted}: {found}"
        time.sleep(0.2)


def revisions(kit: Deployed, run: runs.Run) -> set[str]:
    """The revisions from which the run's ECS tasks were started."""
    arns = [str(row["ecs_task_id"]) for row in details(kit, run)]
    found = kit.target.aws.ecs.describe_tasks(cluster=str(run.deployed["clusterName"]), tasks=arns)["tasks"]
    return {task["taskDefinitionArn"].rsplit("/", 1)[-1] for task in found}


@pytest.fixture(scope="module")
def active(deployed: Deployed) -> dict[int, runs.Run]:
    """Runs of both patterns, all of whose tasks wait; two attempts each are configured."""
    with Path(deployed.project, "ecs_kit/runtime/task/job.py").open("a", encoding="utf-8") as file:
        file.write(JOB)
    deployed.configure(taskAttempts="2")
    deployed.stack.deploy()
    started = {pattern: start(deployed, pattern, list(CHANGES)) for pattern in (1, 2)}
    for run in started.values():
        until(deployed, run, *((name, 1, "Running") for name in CHANGES))
    return started


@pytest.fixture(scope="module")
def ended(deployed: Deployed, active: dict[int, runs.Run]) -> dict[int, runs.Run]:
    """Both runs; after each deployment a task of theirs has reached its second attempt."""
    for name, change in CHANGES.items():
        change(deployed)
        assert not deployed.stack.deploy().changes.nothing, name
        for run in active.values():
            let_go(deployed, run, name)
        for run in active.values():
            until(deployed, run, (name, 2, "Completed"))
    return active


@pytest.mark.parametrize("pattern", [1, 2])
def test_an_active_run_completes_with_every_row_from_its_own_revision(
    deployed: Deployed, ended: dict[int, runs.Run], pattern: int
) -> None:
    run = ended[pattern]
    assert deployed.verdict(run).problems == ()
    attempts = ((1, "Failed"), (2, "Completed"))
    assert rows(deployed, run) == sorted((name, *attempt) for name in CHANGES for attempt in attempts)
    assert revisions(deployed, run) == {str(run.deployed["taskDefinition"])}
    assert deployed.stack.outputs()[f"pattern{pattern}"]["taskDefinition"] != run.deployed["taskDefinition"]


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_run_that_starts_afterwards_is_the_new_deployment_s(
    deployed: Deployed, ended: dict[int, runs.Run], pattern: int
) -> None:
    run = start(deployed, pattern, ["later"])
    let_go(deployed, run, "later")
    assert deployed.verdict(run).execution_status == "FAILED"
    assert rows(deployed, run) == [("later", 1, "Failed")], "one attempt is configured now"
    assert revisions(deployed, run) == {str(run.deployed["taskDefinition"])}
