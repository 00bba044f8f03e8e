"""The commands over a stack in a mocked AWS: what they read, print and return."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.cli import abort, commands
from ecs_kit.automation.cli import options as command_line
from ecs_kit.automation.cli.deployed_stack import DeployedStack
from ecs_kit.automation.errors import BadInput, DriverError
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import run_state, tables
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.ecs_task import EcsTask
from tests.unit.automation.journeys.fakes import RUN, create_tables, put_item, row

ROLE = "arn:aws:iam::123456789012:role/states"


class World:
    """A pattern's tables, state machine, cluster and log group."""

    def __init__(self, aws: AwsClients, capsys: pytest.CaptureFixture[str]) -> None:
        self.aws = aws
        self.capsys = capsys
        self.said = ""
        aws.ecs.create_cluster(clusterName="kit")
        create_tables(aws)
        machine = aws.stepfunctions.create_state_machine(name="kit", definition="{}", roleArn=ROLE)
        self.deployed = {
            **RUN.deployed,
            "clusterName": "kit",
            "taskDefinition": "kit:1",
            "stateMachineArn": machine["stateMachineArn"],
            "workflowName": "w",
        }
        self.stack = DeployedStack("dev", {1: self.deployed}, aws)

    def execution(self, **spec: Any) -> str:
        arn: str = self.aws.stepfunctions.start_execution(
            stateMachineArn=str(self.deployed["stateMachineArn"]), input=json.dumps(spec)
        )["executionArn"]
        return arn

    def summary(self, run_id: int, status: str, *, arn: str = "", workflow: str = "w", **more: int | str) -> None:
        numbers = {"number_of_tasks": 2, "completed_tasks": 0, "failed_tasks": 0, "running_tasks": 0}
        times = {"start_time": f"2026-11-24T08:00:{run_id:02}.000Z", "update_time": "2026-11-24T08:30:00.000Z"}
        run = replace(RUN, workflow_name=workflow, run_id=run_id)
        put_item(self.aws, "summary", run, **{**numbers, **times, "status": status, "execution_arn": arn, **more})

    def row(self, run_id: int, task: str, status: str, *, workflow: str = "w") -> None:
        run = replace(RUN, workflow_name=workflow, run_id=run_id)
        put_item(self.aws, "details", run, **row(task, status))

    def do(self, command: str) -> tuple[int, list[str]]:
        """Exit status and standard output of a command."""
        options = command_line.parse_command(shlex.split(command))
        status = commands.run(options, root=Path("/kit"), interruption=Interruption())
        printed = self.capsys.readouterr()
        self.said = printed.err
        return status, printed.out.splitlines()

    def runs(self, command: str) -> list[dict[str, Any]]:
        """The runs that a command prints as JSON."""
        status, lines = self.do(f"{command} --json")
        document = json.loads("\n".join(lines))
        assert (status, document["stack"]) == (0, "dev")
        return list(document["runs"])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], aws: AwsClients) -> World:
    monkeypatch.setenv("SF_EXECUTION_HISTORY_TYPE", "SUCCESS")
    monkeypatch.setattr(commands, "AWS_POLL_SECONDS", 0.0)
    made = World(aws, capsys)
    monkeypatch.setattr(commands, "find", lambda *_args, **_kwargs: made.stack)
    return made


def test_runs_are_listed_over_workflows_or_of_one(world: World) -> None:
    for run_id, workflow in ((1, "w"), (3, "w"), (2, "other")):
        world.summary(run_id, "Completed", workflow=workflow, completed_tasks=2)

    for options, listed in (("", [3, 2, 1]), ("--last 1", [3]), ("--workflow w", [3, 1]), ("--workflow none", [])):
        assert [run["workflowRunId"] for run in world.runs(f"runs {options}")] == listed
    assert world.do("runs --workflow none") == (0, ["no runs yet"])
    assert len(world.do("runs")[1]) == 4


def test_the_newest_run_is_that_of_the_newest_execution_and_its_rows_are_its_own(world: World) -> None:
    arn = world.execution(workflowName="mine", workflowRunId="7")
    world.summary(7, "Running", arn=arn, workflow="mine", running_tasks=1, completed_tasks=1)
    world.row(7, "a", "Completed", workflow="mine")
    world.row(7, "b", "Completed", workflow="not mine")

    (run,) = world.runs("status")
    assert (run["workflowName"], run["workflowRunId"], run["status"]) == ("mine", 7, "Running")
    assert run["tasks"] == {"total": 2, "submitted": 1, "running": 0, "completed": 1, "failed": 0}
    assert run["execution"]["arn"] == arn


@pytest.mark.parametrize("given", ["7", "no number", None])
def test_a_refused_run_is_shown_without_the_rows_of_another_run_with_its_id(world: World, given: str | None) -> None:
    world.summary(7, "Completed", arn="arn:another", completed_tasks=2)
    world.execution(workflowName="w", **({"workflowRunId": given} if given else {}))

    status, lines = world.do("status")

    assert status == 0 and lines[0].endswith(": NotRegistered")
    assert "  summary    none: the execution has registered no run" in lines


def test_a_run_is_searched_by_its_id_in_all_workflows(world: World) -> None:
    world.summary(7, "Completed", workflow="other", completed_tasks=2)
    world.summary(8, "Completed")
    world.summary(8, "Completed", workflow="other")

    assert "workflow other, run 7: Completed" in world.do("status --run 7")[1][0]
    assert world.do("status --run 8 --workflow other")[0] == 0
    for command, says in (
        ("--run 8", "run 8 of workflow other"),
        ("--run 9 --workflow w", "stack dev has no run 9 of workflow w in pattern 1"),
        ("", "stack dev has no run in pattern 1"),
    ):
        with pytest.raises(BadInput, match=says):
            world.do(f"status {command}")


@pytest.mark.parametrize(
    ("ended", "status"), [("Completed", 0), ("CompletedWithFailures", 0), ("Failed", 1), ("Aborted", 1)]
)
def test_watch_follows_until_the_row_is_terminal_and_returns_whether_the_run_succeeded(
    world: World, monkeypatch: pytest.MonkeyPatch, ended: str, status: int
) -> None:
    world.summary(7, "Running", running_tasks=2)
    monkeypatch.setattr(commands, "sleep", lambda _seconds: world.summary(7, ended, completed_tasks=2))

    returned, lines = world.do("watch --run 7")

    assert returned == status
    assert lines[0] == f"pattern 1, workflow w, run 7: {ended}"


def test_watch_shows_while_a_run_waits_for_capacity(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    since = "2026-11-24T09:00:00.000Z"
    world.summary(7, "Running", running_tasks=2, waiting_since=since, waiting_reason="the quota is full")
    later = iter(["Running", "Completed"])
    monkeypatch.setattr(commands, "sleep", lambda _seconds: world.summary(7, next(later), running_tasks=2))

    world.do("watch --run 7")

    assert world.said.count(f"(Running), waiting for capacity since {since}: the quota is full\n") == 1
    assert world.said.count("(Running)\n") == 1


def test_abort_stops_the_execution_and_waits_for_rows_and_ecs_tasks(
    world: World, monkeypatch: pytest.MonkeyPatch, passing: Any
) -> None:
    monkeypatch.setenv("SF_EXECUTION_HISTORY_TYPE", "FAILURE")
    arn = world.execution(workflowName="w", workflowRunId="7")
    describe = world.aws.stepfunctions.describe_execution
    stopped: list[dict[str, Any]] = []
    status = lambda: "ABORTED" if stopped else "RUNNING"  # noqa: E731
    monkeypatch.setattr(
        world.aws.stepfunctions, "describe_execution", lambda **of: {**describe(**of), "status": status()}
    )
    monkeypatch.setattr(world.aws.stepfunctions, "stop_execution", lambda **call: stopped.append(call))
    world.summary(7, "Running", arn=arn, running_tasks=2)
    living = [{"arn:task"}, {"arn:task"}, {"arn:task"}, set(), set()]
    monkeypatch.setattr(
        abort.EcsTasks,
        "running_of_run",
        lambda *_: {arn: EcsTask(arn, "RUNNING") for arn in (living.pop(0) if living else set())},
    )
    passing.meanwhile = lambda: world.summary(7, "Aborted", arn=arn, failed_tasks=1, completed_tasks=1)

    assert world.do("abort --cause 'no longer wanted'")[0] == 0

    assert stopped == [
        {
            "executionArn": arn,
            "error": "Aborted",
            "cause": "stopped with `abort` by arn:aws:sts::123456789012:user/moto: no longer wanted",
        }
    ]
    assert f"run 7 of workflow w (pattern 1): stopped execution {arn}" in world.said
    assert "arn:task has stopped" in world.said
    assert "Aborted; 1 of 2 tasks completed, 1 failed; none of its ECS tasks runs" in world.said


def test_a_run_that_does_not_end_is_a_failure(world: World, passing: Any) -> None:
    world.summary(7, "Running", running_tasks=2)
    key = run_state.RunKey(1, "w", 7, "", world.deployed)

    with pytest.raises(DriverError, match="after 900 s its summary says Running and no ECS task of it runs"):
        abort.abort(world.aws, key, reason="", say=lambda _line: None, poll_seconds=300.0)


def test_abort_is_about_one_run(world: World) -> None:
    world.stack = DeployedStack("dev", {1: world.deployed, 2: world.deployed}, world.aws)
    world.summary(7, "Running", running_tasks=2)

    with pytest.raises(BadInput, match=r"run 7 .*\(pattern 1\); run 7 .*\(pattern 2\)"):
        world.do("abort --run 7")
    world.summary(7, "Completed", completed_tasks=2)
    assert world.do("abort --run 7")[0] == 0


def test_a_refused_call_is_an_error_with_a_message(world: World) -> None:
    world.aws.dynamodb.delete_table(TableName="summary")

    with pytest.raises(DriverError, match=r"AWS could not be asked: .*ResourceNotFoundException"):
        world.do("runs")


@pytest.mark.parametrize(
    ("execution_ends", "status", "consistent"),
    [(False, "Running", [False, False]), (False, "Completed", [False, True]), (True, "Running", [True, True])],
)
def test_only_what_no_longer_changes_is_read_strongly_consistent(
    world: World, execution_ends: bool, status: str, consistent: list[bool]
) -> None:
    arn = world.execution()
    world.summary(1, status, arn=arn)
    if execution_ends:
        world.aws.stepfunctions.stop_execution(executionArn=arn)
    asked: list[bool] = []
    world.aws.dynamodb.meta.events.register(
        "provide-client-params.dynamodb", lambda params, **_: asked.append(params["ConsistentRead"]) or params
    )

    run_state.read(world.aws, run_state.RunKey(1, "w", 1, arn, world.deployed))

    assert asked == consistent


@pytest.mark.parametrize("workflow", [None, "w"])
def test_past_runs_are_listed_page_by_page_without_specs_and_not_strongly_consistent(
    world: World, workflow: str | None
) -> None:
    for run_id in (1, 2):
        world.summary(run_id, "Completed", workflow_specs="large")
    asked: list[dict[str, Any]] = []

    def one_a_page(params: dict[str, Any], **_: object) -> None:
        params["Limit"] = 1
        asked.append(params)

    world.aws.dynamodb.meta.events.register("provide-client-params.dynamodb", one_a_page)

    found = list(tables.summary_items(world.aws, world.deployed, workflow))

    assert sorted(item["workflow_run_id"] for item in found) == [1, 2]
    assert not any("workflow_specs" in item for item in found)
    assert len(asked) >= 2 and not any("ConsistentRead" in each for each in asked)
