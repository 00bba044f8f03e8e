"""A driver that is killed with SIGKILL, and what the next command finds, removes and says."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from ecs_kit.automation.host import processes, workfolders
from local_aws import Emulator
from tests.e2e.conftest import COPIED, copy_project, finish
from tests.e2e.test_driver import environment

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]

DEPLOYING = "created 25 resources"
PROJECT = (*COPIED, "automation", "local_aws", "tools")


class Project:
    """A checkout of its own: no other driver's work folders are in it.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.home = folder
        self.started: list[subprocess.Popen[str]] = []
        copy_project(self.root, PROJECT)

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(self.root / "ecs_kit" / "automation" / "e2e.py"), *arguments],
            cwd=self.home,
            env=environment(self.home, **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of a command that has ended."""
        process = self.start(*arguments, **more)
        out, err = finish(process)
        return process.returncode, out, err

    def kill_at(self, moment: str, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        """Start a driver and kill it, and nothing else, as soon as it says `moment`."""
        driver = self.start(*arguments, **more)
        seen = []
        assert driver.stderr is not None
        for line in driver.stderr:
            seen.append(line)
            if moment in line:
                driver.send_signal(signal.SIGKILL)
                break
        assert driver.wait(timeout=60) == -signal.SIGKILL, "".join(seen)
        return driver

    def folders(self, target: str = "runs") -> list[Path]:
        return sorted(path for path in (self.root / ".kit" / target).glob("*") if path.is_dir())

    def folder_of(self, driver: "subprocess.Popen[str]", target: str = "runs") -> Path:
        """The work folder whose record names the driver."""
        found = [path for path in self.folders(target) if (workfolders.read(path) or NOBODY).pid == driver.pid]
        assert len(found) == 1, f"{driver.pid} in {self.folders(target)}"
        return found[0]


NOBODY = workfolders.Record(0, "", (), "", "", "")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
    for folder in made.folders():
        processes.end(folder)


LOCAL = ("--container-runtime", "process")


@pytest.mark.parametrize("moment", [DEPLOYING, "pattern 1: started arn:"], ids=["deploying", "running"])
def test_clean_removes_what_a_killed_driver_left_and_leaves_a_living_one_alone(project: Project, moment: str) -> None:
    living = project.start("--pattern", "2", "--tasks", "2", *LOCAL, "--json", "living.json")
    killed = project.kill_at(moment, "--pattern", "1", *LOCAL)
    left = project.folder_of(killed)

    status, _, said = project.run("clean")

    assert status == 0, said
    assert f"removing what is left of e2e {left.name} (process {killed.pid}, started " in said
    assert f"removed {left}\n" in said
    assert not left.exists() and processes.find(left) == []
    shown = finish(living)[1]
    assert living.returncode == 0, shown
    assert json.loads((project.home / "living.json").read_text(encoding="utf-8"))["passed"]
    assert project.folders() == []
    assert "nothing to clean" in project.run("clean")[2]


def test_the_next_run_ends_the_emulator_that_was_to_be_kept_and_says_so(project: Project) -> None:
    """An emulator for --keep is not tied to its driver: it outlives one that is killed."""
    killed = project.kill_at(DEPLOYING, "--keep", "--pattern", "1", *LOCAL)
    left = project.folder_of(killed)
    record = workfolders.read(left)
    assert record is not None and not record.kept
    assert processes.is_running(record.emulator_pid)

    status, _, said = project.run("--pattern", "2", "--tasks", "1", *LOCAL)

    assert status == 0, said
    assert f"removing what is left of e2e {left.name}" in said
    assert re.search(r"ended 1 emulator.*\b" + str(record.emulator_pid) + r"\b", said), said
    assert processes.find(left) == [] and project.folders() == []


def test_a_kept_stack_is_looked_at_stopped_and_removed_by_commands(project: Project) -> None:
    status, _, said = project.run("--keep", "--tasks", "2", *LOCAL, "--report-dir", "reports")
    assert status == 0, said
    (kept,) = project.folders()
    exports = dict(re.findall(r"export (\w+)=(\S+)$", said, flags=re.MULTILINE))
    shell = {name: value for name, value in exports.items() if name != "PATH"}
    command: Callable[..., tuple[int, str, str]] = lambda *arguments: project.run(*arguments, **shell)  # noqa: E731

    status, _, said = project.run("clean")
    assert status == 0 and kept.is_dir()
    assert f"kept: {kept.name}" in said and "its emulator runs" in said
    assert f"export AWS_ENDPOINT_URL={shell['AWS_ENDPOINT_URL']}" in said

    status, listed, said = command("runs", "--json")
    assert status == 0, said
    runs = json.loads(listed)["runs"]
    assert sorted((run["pattern"], run["status"], run["completed_tasks"]) for run in runs) == [
        (1, "Completed", 2),
        (2, "Completed", 2),
    ]
    assert [run["startTime"] for run in runs] == sorted((run["startTime"] for run in runs), reverse=True)
    assert len(json.loads(command("runs", "--json", "--last", "1", "--pattern", "2")[1])["runs"]) == 1

    assert command("status", "--run", "12")[0] == 2
    assert "stack e2e has no run 12 in pattern 1 or pattern 2" in command("status", "--run", "12")[2]
    assert command("status", "--stack", "nope")[0] == 2

    arn = begin(project, shell, 1, 10, bad=3)
    status, shown, _ = command("watch", "--pattern", "1", "--json")
    assert status == 1
    (run,) = json.loads(shown)["runs"]
    assert (run["execution"]["arn"], run["status"]) == (arn, "Failed")
    assert run["summary"] == {"number_of_tasks": 10, "completed_tasks": 7, "failed_tasks": 3, "running_tasks": 0}
    assert [(task["taskName"], task["exitCode"]) for task in run["failedTasks"]] == [("t0", 1), ("t1", 1), ("t2", 1)]
    assert all("NoSuchKey" in "".join(task["log"]) for task in run["failedTasks"])
    status, shown, _ = command("status", "--run", str(run["workflowRunId"]))
    assert status == 0
    assert "task t0 failed (attempt 1): JobFailed: NoSuchKey" in shown
    assert re.search(r"^    \| \S+ ERROR the job failed", shown, flags=re.MULTILINE), shown

    begin(project, shell, 2, 400)
    status, _, said = command("abort", "--pattern", "2", "--cause", "no longer wanted")
    assert status == 0, said
    assert "stopped execution arn:" in said and "none of its ECS tasks runs" in said
    (run,) = json.loads(command("status", "--pattern", "2", "--json")[1])["runs"]
    assert (run["status"], run["execution"]["status"]) == ("Aborted", "ABORTED")
    assert run["execution"]["cause"] == "stopped with `abort` by arn:aws:iam::000000000000:root: no longer wanted"
    assert run["summary"]["running_tasks"] == 0
    assert run["summary"]["completed_tasks"] + run["summary"]["failed_tasks"] == 400
    ecs = client("ecs", shell["AWS_ENDPOINT_URL"])
    assert ecs.list_tasks(cluster="amazon-ecs-starter-kit-pattern-2")["taskArns"] == []
    assert "there is nothing to stop" in command("abort", "--pattern", "2")[2]

    status, _, said = project.run("clean", "--kept")
    assert status == 0, said
    assert "ended 1 emulator" in said
    assert project.folders() == [] and processes.find(kept) == []
    assert command("status")[0] == 2, "what is gone is no stack to look at"


def begin(project: Project, shell: dict[str, str], pattern: int, tasks: int, bad: int = 0) -> str:
    """Start a run of the kept stack by hand, as a user would; the first `bad` tasks have no source."""
    spec = json.loads((project.home / "reports" / f"pattern-{pattern}-input.json").read_text(encoding="utf-8"))
    entry = spec["taskList"][0]
    spec["taskList"] = [
        {**entry, "taskName": f"t{number}", **({"objectKey": "not/there"} if number < bad else {})}
        for number in range(tasks)
    ]
    started: str = client("stepfunctions", shell["AWS_ENDPOINT_URL"]).start_execution(
        stateMachineArn=f"arn:aws:states:us-east-1:000000000000:stateMachine:amazon-ecs-starter-kit-pattern-{pattern}",
        input=json.dumps(spec),
    )["executionArn"]
    return started


def client(service: str, endpoint_url: str) -> Any:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    return session.client(service, endpoint_url=endpoint_url)  # type: ignore[call-overload]


AWS = ("--target", "aws", "--plugins", "bundled", "--yes")


def test_clean_destroys_the_stack_that_a_killed_driver_left_on_aws(project: Project, tmp_path: Path) -> None:
    with Emulator(tmp_path / "emulator") as emulator:
        killed = project.kill_at(DEPLOYING, "--pattern", "1", *AWS, **emulator.environment)
        left = project.folder_of(killed, "aws")
        assert deployed(emulator), "something was left"

        assert project.run("clean", "--target", "aws", **emulator.environment)[0] == 2, "it asks, and nobody is there"
        assert deployed(emulator) and left.is_dir()
        status, _, said = project.run("clean", "--target", "aws", "--yes", **emulator.environment)

        assert status == 0, said
        assert f"left by e2e (process {killed.pid}, started " in said
        assert "stack e2e is destroyed" in said and "left over" not in said
        assert deployed(emulator) == []
        assert project.folders("aws") == []
        assert "nothing to clean" in project.run("clean", "--target", "aws", "--yes", **emulator.environment)[2]


def test_the_next_run_on_aws_takes_over_what_a_killed_one_left_and_destroys_it(
    project: Project, tmp_path: Path
) -> None:
    with Emulator(tmp_path / "emulator") as emulator:
        killed = project.kill_at("pattern 1: started arn:", "--pattern", "1", *AWS, **emulator.environment)

        status, _, said = project.run("--pattern", "1", "--tasks", "1", *AWS, **emulator.environment)

        assert status == 0, said
        assert f"left on AWS: stack e2e of e2e (process {killed.pid}, started " in said
        assert re.search(r"stack e2e holds \d+ resources from an earlier run: this one updates and then destroys", said)
        assert deployed(emulator) == []
        assert project.folders("aws") == []


def deployed(emulator: Emulator) -> list[str]:
    """What of a stack is there: the kinds that are made first and last."""
    url = emulator.endpoint_url
    vpcs = client("ec2", url).describe_vpcs()["Vpcs"]
    return [
        *(role["RoleName"] for role in client("iam", url).list_roles()["Roles"]),
        *client("dynamodb", url).list_tables()["TableNames"],
        *client("ecs", url).list_clusters()["clusterArns"],
        *(vpc["VpcId"] for vpc in vpcs if not vpc.get("IsDefault")),
        *(each["name"] for each in client("stepfunctions", url).list_state_machines()["stateMachines"]),
    ]


def test_two_drivers_of_one_stack_on_aws_do_not_get_in_each_other_s_way(project: Project, tmp_path: Path) -> None:
    with Emulator(tmp_path / "emulator") as emulator:
        first = project.start("--pattern", "1", "--tasks", "1", *AWS, **emulator.environment)
        assert first.stderr is not None
        for line in first.stderr:
            if DEPLOYING in line:
                break

        status, _, said = project.run("--pattern", "1", *AWS, **emulator.environment)

        assert status == 1 and f"another e2e (process {first.pid}, started " in said
        cleaned, _, said = project.run("clean", "--target", "aws", "--yes", **emulator.environment)
        assert cleaned == 0 and "nothing to clean" in said
        shown = finish(first)[1]
        assert first.returncode == 0, shown
        assert project.folders("aws") == []
