"""The commands over a stack in a mocked AWS: what they read, print and return."""

import contextlib
import json
import re
import shlex
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ecs_kit
from ecs_kit.automation import client
from ecs_kit.automation.cli import abort, commands
from ecs_kit.automation.cli import options as command_line
from ecs_kit.automation.cli.deployed_stack import DeployedStack
from ecs_kit.automation.errors import BadInput, DriverError
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import starting, tables
from ecs_kit.automation.journeys.runs import Run
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.specs import DEPLOYED_ATTRIBUTES
from ecs_kit.runtime.reporter import items, run_state
from tests.unit.automation.journeys.fakes import LOG_GROUP, RUN, create_tables, put_item, row

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


@pytest.mark.parametrize("workflow", ["w", "other"])
def test_the_newest_run_of_a_start_that_was_delivered_twice_is_that_of_the_first_execution(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workflow: str
) -> None:
    bucket = str(world.deployed["s3BucketName"])
    world.aws.s3.create_bucket(Bucket=bucket)
    scheduled = {"specUri": f"s3://{bucket}/specs/nightly.json", "scheduledTime": "2026-11-24T08:00:00Z"}
    first = world.execution(**scheduled)
    described = world.aws.stepfunctions.describe_execution(executionArn=first)
    key = run_state.key_of_execution(1, described, world.deployed)
    pinned = f"specs/pinned/{key.run_id}.json"
    world.aws.s3.put_object(Bucket=bucket, Key=pinned, Body=json.dumps({"workflowName": workflow}).encode())
    began = "2026-11-24T08:00:00.000Z"
    world.summary(key.run_id, "Completed", arn=first, workflow=workflow, completed_tasks=2, start_time=began)
    assert world.execution(**scheduled) != first

    (run,) = world.runs("status")
    assert (run["workflowName"], run["status"], run["execution"]["arn"]) == (workflow, "Completed", first)
    assert world.do("watch")[0] == 0
    _, (page,) = world.do(f"report --report-dir {tmp_path}")
    data = json.loads(Path(page).read_text(encoding="utf-8").partition('id="data">')[2].partition("</script>")[0])
    assert data["run"]["status"] == "Completed"


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


def test_watch_prints_an_object_for_every_change_and_the_end_on_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.summary(7, "Running", running_tasks=2)

    def end(_seconds: float) -> None:
        world.row(7, "a", "Completed")
        world.row(7, "b", "Failed")
        world.summary(7, "Failed", completed_tasks=1, failed_tasks=1)

    monkeypatch.setattr(commands, "sleep", end)

    status, lines = world.do("watch --run 7 --json-lines --quiet")

    told = [json.loads(line) for line in lines]
    assert (status, world.said) == (1, "")
    assert [each["event"] for each in told] == ["message", "counts", "failedAttempt", "counts", "end"]
    assert [(each["completed"], each["failed"]) for each in told if each["event"] == "counts"] == [(0, 0), (1, 1)]
    assert (told[2]["task"], told[2]["workflowRunId"]) == ("b", 7)
    assert [(run["workflowRunId"], run["status"]) for run in told[-1]["runs"]] == [(7, "Failed")]


def test_watch_serves_the_page_until_the_run_has_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.summary(7, "Running", running_tasks=2)
    monkeypatch.setattr(commands, "LAST_REQUEST_SECONDS", 0.0)
    seen: list[str] = []

    def look(_seconds: float) -> None:
        (url,) = re.findall(r"http://127.0.0.1:\S+", world.capsys.readouterr().err)
        for address in (url, url.removesuffix("html") + "json"):
            with urllib.request.urlopen(address) as answer:
                seen.append(answer.read().decode())
        world.summary(7, "Completed", completed_tasks=2)

    monkeypatch.setattr(commands, "sleep", look)

    assert world.do("watch --run 7 --web")[0] == 0

    page, data = seen
    assert '<meta name="newer-data" content="pattern-1-run-7.json">' in page
    assert json.loads(data)["run"]["status"] == "Running"
    assert "the pages are no longer served" in world.said


def test_report_writes_the_page_of_any_run_and_prints_where(world: World, tmp_path: Path) -> None:
    world.summary(7, "Completed", completed_tasks=2)
    world.summary(8, "Running", running_tasks=1)
    for task in "ab":
        world.row(7, task, "Completed")

    status, lines = world.do(f"report 7 --report-dir {tmp_path / 'new'}")

    assert (status, lines) == (0, [str(tmp_path / "new" / "pattern-1-run-7.html")])
    page = Path(lines[0]).read_text(encoding="utf-8")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert data["counts"] == {"total": 2, "submitted": 2, "running": 0, "completed": 2, "failed": 0}
    _, lines = world.do(f"report --run 8 --json --report-dir {tmp_path}")
    assert json.loads("\n".join(lines))["runs"] == [
        {"pattern": 1, "workflowRunId": 8, "path": str(tmp_path / "pattern-1-run-8.html")}
    ]
    assert "is active: the page shows how it stands now" in world.said
    with pytest.raises(BadInput, match="has no run 9"):
        world.do(f"report 9 --report-dir {tmp_path}")
    with pytest.raises(BadInput, match=r"--report-dir .*: is not a folder"):
        world.do(f"report 7 --report-dir {__file__}")


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


@pytest.fixture
def deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """With everything that a spec names; the functions accept each run."""
    monkeypatch.setattr(starting, "await_registration", lambda *_: None)
    known = {name: name for name in DEPLOYED_ATTRIBUTES if name not in world.deployed}
    world.deployed.update(known | {"separator": "$", "workflowName": "w", "taskDefinition": "kit:1"})
    return world


def newest(world: World) -> Any:
    """The newest execution."""
    states, machine = world.aws.stepfunctions, str(world.deployed["stateMachineArn"])
    found = states.list_executions(stateMachineArn=machine, maxResults=1)["executions"][0]["executionArn"]
    return states.describe_execution(executionArn=found)


def given(world: World) -> dict[str, Any]:
    """The input of the newest execution."""
    return dict(json.loads(newest(world)["input"]))


TASKS = [
    {"taskName": "a", "objectKey": "in/a.txt"},
    {"taskName": "b", "objectKey": "in/b.txt", "cpu": 256, "memory": 512},
]


@pytest.mark.parametrize("whole", [True, False])
def test_a_run_starts_from_a_spec_or_its_list_alone(deployed: World, tmp_path: Path, whole: bool) -> None:
    attributes = {name: f"<{name}>" for name in DEPLOYED_ATTRIBUTES}
    document = {**attributes, "separator": "$", "workflowName": "words", "taskList": TASKS}
    (tmp_path / "spec.json").write_text(json.dumps(document if whole else TASKS))

    status, lines = deployed.do(f"start --specs {tmp_path}/spec.json{'' if whole else ' --workflow words'}")

    assert status == 0 and lines[0].startswith("pattern 1, workflow words, run ")
    assert "with 2 tasks: arn:aws:states:" in deployed.said
    expected = {name: deployed.deployed[name] for name in DEPLOYED_ATTRIBUTES}
    assert given(deployed) == {**expected, "taskDefinition": "kit", "workflowName": "words", "taskList": TASKS}


def test_a_run_starts_from_the_objects_below_a_prefix(deployed: World) -> None:
    deployed.aws.s3.create_bucket(Bucket="sources")
    for key in ("in/", "in/a.txt", "in/deep/b c.txt", "in/deep-b-c.txt", "other"):
        deployed.aws.s3.put_object(Bucket="sources", Key=key, Body=b"")

    assert deployed.do("start --sources s3://sources/in/")[0] == 0

    tasks = given(deployed)["taskList"]
    assert {task["objectKey"]: task["taskName"] for task in tasks} == {
        "in/a.txt": "a.txt",
        "in/deep-b-c.txt": "deep-b-c.txt",
        "in/deep/b c.txt": "deep-b-c.txt-bbeac57eb5fc",
    }
    assert {task["s3BucketName"] for task in tasks} == {"sources"}


@pytest.mark.parametrize("name", ["tasks.csv", "tasks.jsonl"])
def test_a_list_file_is_checked_put_into_the_bucket_and_named(deployed: World, tmp_path: Path, name: str) -> None:
    deployed.aws.s3.create_bucket(Bucket=RUN.deployed["s3BucketName"])
    bad, good = (
        ("taskName,objectKey\n,k", "taskName,objectKey\na,k")
        if name.endswith("csv")
        else ('\n{"taskName": "", "objectKey": "k"}', '{"taskName": "a", "objectKey": "k"}')
    )
    (tmp_path / name).write_text(bad)
    with pytest.raises(BadInput, match="line 2"):
        deployed.do(f"start --list {tmp_path}/{name}")
    (tmp_path / name).write_text(good)
    assert deployed.do(f"start --list {tmp_path}/{name}")[0] == 0
    bucket, _, key = given(deployed)["taskListUri"].removeprefix("s3://").partition("/")
    assert key.startswith("specs/lists/")
    assert deployed.aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() == good


def test_a_list_that_no_input_holds_is_put_into_the_bucket(
    deployed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.aws.s3.create_bucket(Bucket=RUN.deployed["s3BucketName"])
    monkeypatch.setattr("ecs_kit.automation.journeys.list_files.MAX_INPUT_BYTES", 100)
    (tmp_path / "tasks.json").write_text(json.dumps(TASKS))
    assert deployed.do(f"start --specs {tmp_path}/tasks.json --name once")[0] == 0
    assert "taskList" not in given(deployed)
    assert given(deployed)["taskListUri"].endswith(".jsonl")
    assert deployed.do(f"start --specs {tmp_path}/tasks.json --name once")[0] == 0


def test_the_tasks_that_did_not_complete_run_again(deployed: World) -> None:
    arn = deployed.execution(taskList=TASKS, s3BucketName=RUN.deployed["s3BucketName"])
    deployed.summary(7, "CompletedWithFailures", arn=arn, end_time="2026-11-24T08:30:00.000Z")
    run = replace(RUN, workflow_name="w", run_id=7)
    put_item(deployed.aws, "details", run, **row("a", "Completed"))
    put_item(deployed.aws, "details", run, **row("b", "Failed"))
    assert deployed.do("rerun 7 --failed")[0] == 0
    again = given(deployed)
    assert again["rerunOf"] == 7 and again["workflowName"] == "w"
    assert again["taskList"] == [{**TASKS[1], "s3BucketName": RUN.deployed["s3BucketName"]}]


def test_a_run_that_is_active_or_complete_does_not_run_again(deployed: World) -> None:
    arn = deployed.execution(taskList=TASKS[:1], s3BucketName="b")
    deployed.summary(7, "Running", arn=arn)
    with pytest.raises(BadInput, match="has not ended"):
        deployed.do("rerun 7 --failed")
    deployed.summary(8, "Completed", arn=arn, end_time="2026-11-24T08:30:00.000Z")
    put_item(deployed.aws, "details", replace(RUN, workflow_name="w", run_id=8), **row("a", "Completed"))
    with pytest.raises(BadInput, match="nothing to run again"):
        deployed.do("rerun 8 --failed")


def test_a_started_run_is_followed_to_its_end(deployed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps(TASKS))

    def later(_seconds: float) -> None:
        execution = newest(deployed)
        key = run_state.key_of_execution(1, execution, deployed.deployed)
        deployed.summary(key.run_id, "Failed", arn=key.execution_arn, failed_tasks=2)

    monkeypatch.setattr(commands, "sleep", later)

    status, lines = deployed.do(f"start --watch --specs {tmp_path}/tasks.json")

    assert status == 1 and lines[0].endswith(": Failed")


def test_a_start_with_json_lines_prints_nothing_else(deployed: World, tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps(TASKS))

    status, lines = deployed.do(f"start --json-lines --specs {tmp_path}/tasks.json")

    told = [json.loads(line) for line in lines]
    assert (status, [each["event"] for each in told]) == (0, ["message", "end"])
    assert [run["status"] for run in told[-1]["runs"]] == ["NotRegistered"]


def test_a_second_start_with_a_name_starts_nothing(deployed: World, tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps(TASKS))
    (tmp_path / "other.json").write_text(json.dumps(TASKS[:1]))
    command = f"start --name nightly --specs {tmp_path}/"

    first, again = (deployed.runs(f"{command}tasks.json")[0]["execution"]["arn"] for _ in range(2))

    assert first == again
    with pytest.raises(BadInput, match="--name nightly: another run has this name"):
        deployed.do(f"{command}other.json")


def test_a_start_with_the_name_of_a_run_that_has_ended_is_that_run(deployed: World, tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps(TASKS))
    (tmp_path / "other.json").write_text(json.dumps(TASKS[:1]))
    command = f"start --name nightly --specs {tmp_path}/"
    first = deployed.runs(f"{command}tasks.json")[0]
    deployed.aws.stepfunctions.stop_execution(executionArn=first["execution"]["arn"])

    again = deployed.runs(f"{command}tasks.json")[0]

    assert (again["workflowRunId"], again["execution"]["status"]) == (first["workflowRunId"], "ABORTED")
    with pytest.raises(BadInput, match="--name nightly: another run has this name"):
        deployed.do(f"{command}other.json")


def test_a_run_that_the_functions_refuse_is_refused(world: World) -> None:
    execution = world.aws.stepfunctions.describe_execution(executionArn=world.execution(workflowName="w"))
    run = Run(1, "w", 7, execution["executionArn"], world.deployed, {"taskList": []})
    world.aws.stepfunctions.stop_execution(executionArn=run.execution_arn)

    with pytest.raises(BadInput, match=r"run 7 .* was refused, and no task was launched"):
        starting.await_registration(world.aws, run)
    world.summary(7, "Running", arn=run.execution_arn)
    starting.await_registration(world.aws, run)


@pytest.mark.parametrize(
    ("tasks", "options", "says"),
    [
        ([], "", "is empty; name at least one task"),
        ([{"taskName": "a"}], "", "misses attribute objectKey"),
        (["a"], "", r"taskList\[0\]: must be an object"),
        ("no JSON", "", "cannot be read|JSON"),
        (TASKS, "--name a/b", "--name a/b: "),
    ],
)
def test_what_cannot_start_is_refused(deployed: World, tmp_path: Path, tasks: Any, options: str, says: str) -> None:
    (tmp_path / "t.json").write_text(tasks if isinstance(tasks, str) else json.dumps(tasks))
    with pytest.raises(BadInput, match=says):
        deployed.do(f"start --specs {tmp_path}/t.json {options}")
    assert deployed.do("runs")[1] == ["no runs yet"]


@pytest.mark.parametrize(
    ("uri", "says"),
    [("in/", "give s3://BUCKET/PREFIX"), ("s3://nowhere/", "cannot be listed"), ("s3://kit-bucket/x/", "no object")],
)
def test_sources_that_are_not_there_are_refused(deployed: World, uri: str, says: str) -> None:
    deployed.aws.s3.create_bucket(Bucket="kit-bucket")
    with pytest.raises(BadInput, match=f"--sources {uri}.*{says}"):
        deployed.do(f"start --sources {uri}")


def test_another_program_starts_a_run_by_the_stack_s_outputs(deployed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "AwsClients", lambda *_args, **_more: deployed.aws)

    run = ecs_kit.start({"pattern1": deployed.deployed}, TASKS, workflow="words", name="nightly")

    assert given(deployed)["taskList"] == TASKS
    assert (run.state()["status"], run.state()["execution"]["arn"]) == ("NotRegistered", run.execution_arn)
    deployed.summary(run.run_id, "Completed", arn=run.execution_arn, workflow="words")
    monkeypatch.setattr(client, "sleep", lambda _seconds: None)
    assert run.wait()["workflowRunId"] == run.run_id
    both = {"pattern1": deployed.deployed, "pattern2": deployed.deployed}
    with pytest.raises(BadInput, match="say which one with `pattern`"):
        ecs_kit.start(both, TASKS)
    assert ecs_kit.start(both, TASKS, pattern=2).key.pattern == 2


def test_logs_are_shown_from_their_beginning_and_followed_to_the_run_s_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.aws.logs.create_log_group(logGroupName=LOG_GROUP)
    world.summary(7, "Running", running_tasks=2)
    run = replace(RUN, workflow_name="w", run_id=7)

    def write(task: str, *messages: str) -> None:
        stream = f"ecs/kit/{task}"
        put_item(world.aws, "details", run, **row(task, "Running", log_stream=stream))
        with contextlib.suppress(world.aws.logs.exceptions.ResourceAlreadyExistsException):
            world.aws.logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
        now = int(time.time() * 1000)
        events: Any = [{"timestamp": now + number, "message": text} for number, text in enumerate(messages)]
        world.aws.logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=stream, logEvents=events)

    def later(_seconds: float) -> None:
        write("b", "third")
        world.summary(7, "Completed", completed_tasks=2)

    put_item(world.aws, "details", run, **row("c", "Submitted"))
    write("a", "first", "second")
    monkeypatch.setattr(commands, "sleep", later)

    assert world.do("logs --run 7 --task a") == (0, ["first", "second"])
    assert world.do("logs --run 7 --follow") == (0, ["a/1 | first", "a/1 | second", "b/1 | third"])
    for wanted in ("--task c", "--task a --attempt 2"):
        with pytest.raises(BadInput, match="has no log of task"):
            world.do(f"logs --run 7 {wanted}")


@pytest.mark.parametrize(("tasks", "seconds"), [(2, None), (1000, 500)])
def test_a_start_says_what_the_units_of_the_tables_mean_for_it(
    deployed: World, tmp_path: Path, tasks: int, seconds: int | None
) -> None:
    entries = [{"taskName": f"t{number}", "objectKey": "in/a.txt"} for number in range(tasks)]
    (tmp_path / "list.json").write_text(json.dumps(entries))
    deployed.aws.dynamodb.update_table(
        TableName=deployed.deployed["ddbTableNameWFDetails"],
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    assert deployed.do(f"start --specs {tmp_path}/list.json")[0] == 0
    assert (f"DynamoDB needs at least {seconds} s for the rows of {tasks} tasks" in deployed.said) is bool(seconds)


def test_rows_that_do_not_count_are_not_read_and_those_of_attempts_that_ecs_refused_say_what_they_said(
    world: World,
) -> None:
    run = replace(RUN, workflow_name="w", run_id=1)
    ghost = {**row("a", "Completed"), "ecs_task_id": "arn:ghost", "refuted_at": "2026-11-24T08:30:00.000Z"}
    forged = {**row("a", "Completed"), "ecs_task_id": "not-started/a/2"}
    refused = {**row("a", "Completed"), "ecs_task_id": "not-started/a/1", "error": "x: no capacity"}
    for item in (ghost, forged, {**refused, "confirmed_as": "w/0/1/a/AmazonECS.Unknown"}):
        put_item(world.aws, "details", run, **item)

    (found,) = items.details_items(world.aws, world.deployed, "w", 1)

    assert (found["status"], found["error"]) == ("Failed", "AmazonECS.Unknown: no capacity")
