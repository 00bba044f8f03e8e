"""A driver that is killed with SIGKILL, and what the next command finds, removes and says."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ecs_kit.automation.host import processes, workfolders
from local_aws import Emulator
from local_aws.testing.aws import root_client
from tests.e2e.conftest import COPIED, copy_project, finish, read_until, start

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]

DEPLOYING = "created 25 resources"
LOCAL = ("--container-runtime", "process")
AWS = ("--target", "aws", "--plugins", "bundled", "--yes")


class Project:
    """A checkout of its own, in which no other driver has work folders; `folder` is empty."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.home = folder
        self.started: list[subprocess.Popen[str]] = []
        copy_project(self.root, (*COPIED, "automation", "local_aws", "tools"))

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        self.started.append(start(self.home, *arguments, command=[f"{self.root}/ecs_kit/automation/e2e.py"], **more))
        return self.started[-1]

    def run(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of a command that has ended."""
        process = self.start(*arguments, **more)
        out, err = finish(process)
        return process.returncode, out, err

    def passes(self, *arguments: str, **more: str) -> str:
        """Standard error of a command that has ended with exit status 0."""
        status, _, said = self.run(*arguments, **more)
        assert status == 0, said
        return said

    def kill_at(self, moment: str, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        """Start a driver and kill it, and nothing else, as soon as it says `moment`."""
        driver = self.start(*arguments, **more)
        seen = read_until(driver, lambda line: moment in line)
        driver.send_signal(signal.SIGKILL)
        assert driver.wait(timeout=60) == -signal.SIGKILL and moment in seen, seen
        return driver

    def folders(self, target: str = "runs") -> list[Path]:
        return sorted(path for path in (self.root / ".kit" / target).glob("*") if path.is_dir())

    def folder_of(self, driver: "subprocess.Popen[str]", target: str = "runs") -> Path:
        """The work folder whose record names the driver."""
        records = {path: workfolders.read(path) for path in self.folders(target)}
        (found,) = [path for path, record in records.items() if record is not None and record.pid == driver.pid]
        return found


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
    for folder in made.folders():
        processes.end(folder)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(tmp_path / "emulator") as started:
        yield started


@pytest.mark.parametrize("moment", [DEPLOYING, "pattern 1: started arn:"], ids=["deploying", "running"])
def test_clean_removes_what_a_killed_driver_left_and_leaves_a_living_one_alone(project: Project, moment: str) -> None:
    living = project.start("--pattern", "2", "--tasks", "2", *LOCAL, "--json", "living.json")
    killed = project.kill_at(moment, "--pattern", "1", *LOCAL)
    left = project.folder_of(killed)

    said = project.passes("clean")

    assert f"removing what is left of e2e {left.name} (process {killed.pid}, started " in said
    assert f"removed {left}\n" in said
    assert not left.exists() and processes.find(left) == []
    shown = finish(living)[1]
    assert living.returncode == 0, shown
    assert json.loads((project.home / "living.json").read_text(encoding="utf-8"))["passed"]
    assert project.folders() == []
    assert "nothing to clean" in project.passes("clean")


def test_a_kept_stack_is_looked_at_stopped_and_removed_by_commands(project: Project) -> None:
    said = project.passes("--keep", "--tasks", "2", *LOCAL, "--report-dir", "reports")
    (kept,) = project.folders()
    file = kept / "exports.sh"
    assert f". {file}" in said
    exports = dict(re.findall(r"export (\w+)=(\S+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE))
    shell = {name: value for name, value in exports.items() if name != "PATH"}
    command = partial(project.run, **shell)

    said = project.passes("clean")
    assert kept.is_dir() and f"kept: {kept.name}" in said and "its emulator runs" in said
    assert f". {file}" in said

    status, listed, said = command("runs", "--json")
    assert status == 0, said
    runs = [(run["pattern"], run["status"], run["completed_tasks"]) for run in json.loads(listed)["runs"]]
    assert sorted(runs) == [(1, "Completed", 2), (2, "Completed", 2)]
    assert command("status", "--run", "12")[0] == command("status", "--stack", "nope")[0] == 2

    arn = start_run(project, shell, 1, tasks=10, bad=3)
    status, shown, _ = command("watch", "--pattern", "1", "--json")
    assert status == 1
    (run,) = json.loads(shown)["runs"]
    assert (run["execution"]["arn"], run["status"]) == (arn, "Failed")
    assert run["summary"] == {"number_of_tasks": 10, "completed_tasks": 7, "failed_tasks": 3, "running_tasks": 0}
    assert [(task["taskName"], task["exitCode"]) for task in run["failedTasks"]] == [("t0", 1), ("t1", 1), ("t2", 1)]
    assert all("NoSuchKey" in "".join(task["log"]) for task in run["failedTasks"])
    shown = command("status", "--run", str(run["workflowRunId"]))[1]
    assert "task t0 failed (attempt 1): JobFailed: NoSuchKey" in shown
    assert re.search(r"^    \| \S+ ERROR the job failed", shown, flags=re.MULTILINE), shown

    start_run(project, shell, 2, tasks=400)
    said = project.passes("abort", "--pattern", "2", "--cause", "no longer wanted", **shell)
    assert "stopped execution arn:" in said and "none of its ECS tasks runs" in said
    (run,) = json.loads(command("status", "--pattern", "2", "--json")[1])["runs"]
    assert (run["status"], run["execution"]["status"]) == ("Aborted", "ABORTED")
    assert run["execution"]["cause"] == "stopped with `abort` by arn:aws:iam::000000000000:root: no longer wanted"
    assert run["summary"]["running_tasks"] == 0
    assert run["summary"]["completed_tasks"] + run["summary"]["failed_tasks"] == 400
    ecs = root_client(shell["AWS_ENDPOINT_URL"], "ecs")
    assert ecs.list_tasks(cluster="amazon-ecs-starter-kit-pattern-2")["taskArns"] == []
    assert "there is nothing to stop" in command("abort", "--pattern", "2")[2]

    assert re.search(r"ended .*\bemulator \d", project.passes("clean", "--kept"))
    assert project.folders() == [] and processes.find(kept) == []
    assert command("status")[0] == 2, "its stack is gone"


def start_run(project: Project, shell: dict[str, str], pattern: int, *, tasks: int, bad: int = 0) -> str:
    """Start a run of the kept stack by hand, as a user would; the first `bad` tasks have no source."""
    spec = json.loads((project.home / "reports" / f"pattern-{pattern}-input.json").read_text(encoding="utf-8"))
    entry = spec["taskList"][0]
    spec["taskList"] = [
        {**entry, "taskName": f"t{number}", **({"objectKey": "not/there"} if number < bad else {})}
        for number in range(tasks)
    ]
    machine = f"arn:aws:states:us-east-1:000000000000:stateMachine:amazon-ecs-starter-kit-pattern-{pattern}"
    stepfunctions = root_client(shell["AWS_ENDPOINT_URL"], "stepfunctions")
    return str(stepfunctions.start_execution(stateMachineArn=machine, input=json.dumps(spec))["executionArn"])


def in_aws(emulator: Emulator) -> list[str]:
    """What of a stack is there: the kinds that are created first and last."""
    of = partial(root_client, emulator.endpoint_url)
    return [
        *(role["RoleName"] for role in of("iam").list_roles()["Roles"]),
        *of("dynamodb").list_tables()["TableNames"],
        *of("ecs").list_clusters()["clusterArns"],
        *(vpc["VpcId"] for vpc in of("ec2").describe_vpcs()["Vpcs"] if not vpc.get("IsDefault")),
        *(each["name"] for each in of("stepfunctions").list_state_machines()["stateMachines"]),
    ]


def test_clean_destroys_the_stack_that_a_killed_driver_left_on_aws(project: Project, emulator: Emulator) -> None:
    killed = project.kill_at(DEPLOYING, "--pattern", "1", *AWS, **emulator.environment)
    left = project.folder_of(killed, "aws")
    assert in_aws(emulator)

    assert project.run("clean", "--target", "aws", **emulator.environment)[0] == 2, "it asks, and nobody is there"
    assert in_aws(emulator) and left.is_dir()
    said = project.passes("clean", "--target", "aws", "--yes", **emulator.environment)

    assert f"left by e2e (process {killed.pid}, started " in said
    assert "stack e2e is destroyed" in said and "left over" not in said
    assert in_aws(emulator) == project.folders("aws") == []
    assert "nothing to clean" in project.passes("clean", "--target", "aws", "--yes", **emulator.environment)


def test_the_next_run_on_aws_takes_over_what_a_killed_one_left_and_no_other_may_run_beside_it(
    project: Project, emulator: Emulator
) -> None:
    killed = project.kill_at("pattern 1: started arn:", "--pattern", "1", *AWS, **emulator.environment)
    following = project.start("--pattern", "1", "--tasks", "1", *AWS, **emulator.environment)
    said = read_until(following, lambda line: "this one updates and then destroys" in line)
    assert f"left on AWS: stack e2e of e2e (process {killed.pid}, started " in said
    assert re.search(r"stack e2e holds \d+ resources from an earlier run: this one updates and then destroys", said)

    status, _, refused = project.run("--pattern", "1", *AWS, **emulator.environment)
    assert status == 1 and f"another e2e (process {following.pid}, started " in refused
    assert "nothing to clean" in project.passes("clean", "--target", "aws", "--yes", **emulator.environment)

    shown = finish(following)[1]
    assert following.returncode == 0, shown
    assert in_aws(emulator) == project.folders("aws") == []
