"""The benchmark of scale: what it finds wrong with a run, what it counts, and the page that it makes."""

from __future__ import annotations

import importlib
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.scale import __main__ as scale
from benchmarks.scale import baseline, journey, measures, model, page, results
from ecs_kit.automation.errors import BadInput
from ecs_kit.runtime.contract import environment
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.reporter.prices import dollars
from local_aws.emulator.metering import Calls, Capacity, Executions, Function, Payload, Reading

START = datetime(2026, 11, 30, tzinfo=UTC)
NAMES = ("one", "two", "three")


def ecs_task(name: str, at: float = 0.0) -> EcsTask:
    attempt = environment.Attempt("work", 1, name, 1)
    return EcsTask(
        f"arn/{name}/{at}",
        "STOPPED",
        created_at=START + timedelta(seconds=at),
        stopped_at=START + timedelta(seconds=at + 5),
        environment=environment.override(attempt, ""),
    )


def row(name: str, at: float, status: str = "Completed", ecs_task_id: str = "") -> dict[str, Any]:
    moment = (START + timedelta(seconds=at)).isoformat().replace("+00:00", "Z")
    return {"task_name": name, "status": status, "update_time": moment, "ecs_task_id": ecs_task_id}


def finished(**changes: Any) -> measures.Finished:
    whole = {
        "names": NAMES,
        "status": "SUCCEEDED",
        "started": START,
        "ended": START + timedelta(seconds=10),
        "tasks": [ecs_task(name, at) for at, name in enumerate(NAMES)],
        "rows": [row(name, at + 4) for at, name in enumerate(NAMES)],
        "results": NAMES,
    }
    return measures.Finished(**{**whole, **changes})


def test_a_run_whose_tasks_are_all_there_once_has_no_problem() -> None:
    assert measures.problems(finished()) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": "FAILED: States.Timeout"}, "the execution ended FAILED: States.Timeout"),
        ({"tasks": [ecs_task("one"), ecs_task("two")]}, "lost: three was never started"),
        (
            {"tasks": [*(ecs_task(name) for name in NAMES), ecs_task("one", 9)]},
            "doubled: one, attempt 1, 2 ECS tasks",
        ),
        ({"rows": [row("one", 1), row("two", 1)]}, "three has 0 rows that are Completed"),
        (
            {"rows": [row("one", 1), row("two", 1), row("three", 1, "Running")]},
            "three has 0 rows that are Completed",
        ),
        ({"results": ["one", "two"]}, "three has 0 results"),
        ({"results": [*NAMES, "four"]}, "unknown: four"),
    ],
)
def test_what_is_lost_doubled_or_unknown_is_found(changes: dict[str, Any], problem: str) -> None:
    assert measures.problems(finished(**changes)) == [problem]


def stopped(**changes: Any) -> measures.Finished:
    """A run that is stopped ten seconds after its start, when two of its tasks have been started."""
    tasks = [ecs_task(name, at) for at, name in enumerate(("one", "two"))]
    rows = [row("one", 4, "Completed", tasks[0].arn), row("two", 11, "Failed", tasks[1].arn)]
    return finished(**{"status": "ABORTED", "tasks": tasks, "rows": rows, "results": ["one"], **changes})


def test_a_stopped_run_whose_tasks_have_stopped_and_a_final_row_each_has_no_problem() -> None:
    assert measures.problems_of_stopped(stopped(), has_launcher=True) == []
    assert measures.stopping(stopped()) == {
        "launched": 2,
        "launchedAfterStop": 0,
        "launchedLate": 0,
        "lastStoppedAfterSeconds": -4.0,
    }


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"status": "SUCCEEDED"}, ["the execution ended SUCCEEDED"]),
        ({"rows": [row("one", 4, "Completed", "arn/one/0")]}, ["arn/two/1 has 0 rows"]),
        (
            {"rows": [row("one", 4, "Running", "arn/one/0"), row("two", 1, "Failed", "arn/two/1")]},
            ["one has a row that is not final"],
        ),
        (
            {"tasks": [ecs_task("one"), replace(ecs_task("two", 1), last_status="RUNNING", stopped_at=None)]},
            ["arn/one/0.0 has 0 rows", "arn/two/1 still runs"],
        ),
        (
            {"tasks": [ecs_task("one", 15.5)], "rows": [row("one", 16, "Failed", "arn/one/15.5")]},
            ["1 tasks were started later than 0:00:05 after the stop"],
        ),
    ],
)
def test_what_a_stopped_run_leaves_is_found(changes: dict[str, Any], problems: list[str]) -> None:
    assert measures.problems_of_stopped(stopped(**changes), has_launcher=True) == problems


def test_child_executions_may_start_a_task_late() -> None:
    late = stopped(tasks=[ecs_task("one", 15.5)], rows=[row("one", 16, "Failed", "arn/one/15.5")])
    assert measures.problems_of_stopped(late, has_launcher=False) == []
    assert measures.stopping(late)["launchedLate"] == 1


def test_the_rate_is_from_the_first_to_the_last_launch_and_the_end_from_the_last_row() -> None:
    timing = measures.timing(finished())
    assert (timing["launchesPerSecond"], timing["shareOfLimit"]) == (1.0, 0.05)
    assert (timing["noticedAfterRowSeconds"], timing["noticedAfterStopSeconds"]) == (4.0, 3.0)


def test_a_run_without_tasks_has_no_rate() -> None:
    timing = measures.timing(finished(tasks=[], rows=[]))
    assert (timing["launchesPerSecond"], timing["noticedAfterRowSeconds"]) == (None, None)


READING = Reading(
    calls=(
        Calls("ecs", "RunTask", "launcher", 4, 1),
        Calls("ecs", "DescribeTasks", measures.DRIVER, 100, 0),
        Calls("dynamodb", "PutItem", "launcher", 3, 0),
    ),
    capacity=(Capacity("rows", "", "PutItem", 0, 3), Capacity("rows", "open", "Query", 1.5, 3)),
    executions=(Executions("machine", 1, 30, 30, 90, 90), Executions("machine/Tasks", 2, 10, 5, 40, 20)),
    payloads=(Payload("Launch", 700), Payload("Monitor", 900)),
    functions=(Function("arn:aws:lambda:x:1:function:kit-launcher:3", 2, 0, 8.0, 6.0, 50 * 2**20),),
)


def test_usage_is_of_roles_alone_per_task_and_priced() -> None:
    usage = measures.usage(READING, 10, {"kit-launcher": measures.Deployed(300, 256)})
    assert usage["calls"] == {"dynamodb:PutItem": 3, "ecs:RunTask": 4} and usage["errors"] == {"ecs:RunTask": 1}
    assert usage["callsPerTask"] == {"dynamodb": 0.3, "ecs": 0.4}
    assert (usage["readUnitsPerTask"], usage["writeUnitsPerTask"]) == (0.15, 0.6)
    assert (usage["transitions"], usage["executions"], usage["mostEvents"]) == (40, 3, 90)
    assert usage["largestPayload"] == {"state": "Monitor", "bytes": 900}
    of_launcher = {"calls": 2, "longestSeconds": 6.0, "timeoutSeconds": 300, "peakMiB": 50.0, "memoryMiB": 256}
    assert usage["functions"] == {"kit-launcher": of_launcher}
    gb_seconds = dollars("function_gb_seconds", 2.0)
    assert usage["dollarsPerTask"] == pytest.approx(
        {
            "stepFunctions": dollars("state_transitions", 4),
            "lambda": (dollars("function_calls", 2) + gb_seconds) / 10,
            "dynamodb": (dollars("write_requests", 6) + dollars("read_requests", 1.5)) / 10,
        }
    )


# The baseline.


class FakeClients:
    """ECS and DynamoDB of the baseline's functions: each task has a row once it is started."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.rows: list[str] = []
        self.summary: dict[str, Any] = {}

    def run_task(self, **request: Any) -> dict[str, Any]:
        self.calls.append("RunTask")
        self.rows.append("Running")
        return {"tasks": [{"taskArn": f"arn/{len(self.rows)}"}]}

    def put_item(self, **request: Any) -> None:
        self.calls.append("PutItem")

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **_request: self._pages(operation))

    def _pages(self, operation: str) -> Iterator[dict[str, Any]]:
        """A page for each row."""
        self.calls.append(operation)
        for status in self.rows:
            yield {"Items": [{"status": {"S": status}}]}

    def update_item(self, **request: Any) -> None:
        self.calls.append("UpdateItem")
        self.summary = request["ExpressionAttributeValues"]


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    return importlib.import_module("benchmarks.scale.baseline_functions")


@pytest.fixture
def clients(functions: Any, monkeypatch: pytest.MonkeyPatch) -> FakeClients:
    made = FakeClients()
    monkeypatch.setattr(functions, "ecs", made)
    monkeypatch.setattr(functions, "dynamodb", made)
    for name in ("SUMMARY_TABLE", "DETAILS_TABLE"):
        monkeypatch.setenv(name, "table")
    return made


def test_the_baseline_launches_one_after_another_hands_on_every_arn_and_reads_all_rows_twice(
    functions: Any, clients: FakeClients
) -> None:
    names = (
        "workflowName",
        "workflowRunId",
        "s3BucketName",
        "clusterName",
        "taskDefinition",
        "containerName",
        "deadline",
    )
    spec = {**dict.fromkeys(names, "1"), "subnetIdLiteral": "a$b", "securityGroupId": "c", "separator": "$"}
    run = functions.launch({**spec, "taskList": [{"taskName": name, "objectKey": "k"} for name in NAMES]}, None)
    assert clients.calls == ["RunTask", "RunTask", "RunTask", "PutItem"]
    assert run["ecsTaskArns"] == ["arn/1", "arn/2", "arn/3"]

    clients.calls.clear()
    polled = functions.monitor({"iterator": run}, None)
    assert clients.calls == ["query", "query", "UpdateItem"]
    assert (polled["continue"], clients.summary[":running_tasks"]) == (True, {"N": "3"})
    assert polled["ecsTaskArns"] == run["ecsTaskArns"]

    clients.rows = ["Completed", "Completed", "Failed"]
    assert functions.monitor({"iterator": polled}, None)["continue"] is False
    assert clients.summary[":status"] == {"S": "Completed"}


def test_the_baseline_waits_two_minutes_between_polls() -> None:
    states = baseline.machine({"launch": "arn:launch", "monitor": "arn:monitor"})["States"]
    assert states["WaitForECS"] == {"Type": "Wait", "Seconds": 120, "Next": "InvokeTaskMonitor"}
    assert states["InvokeTaskLauncher"]["Next"] == "InvokeTaskMonitor", "the first poll follows the launch at once"


def test_the_baseline_s_task_is_the_kit_s_with_a_table_and_a_role_of_its_own() -> None:
    described = {
        **{name: name for name in ("networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn")},
        "taskRoleArn": "kit",
        "containerDefinitions": [{"name": "app", "environment": [{"name": "KIT_DETAILS_TABLE", "value": "kit"}]}],
    }
    made = baseline.definition(described, "own")
    assert made["taskRoleArn"] == "own" and made["executionRoleArn"] == "executionRoleArn"
    assert made["containerDefinitions"][0]["environment"] == [{"name": "KIT_DETAILS_TABLE", "value": baseline.DETAILS}]


# Results and page.


def run(contender: str, tasks: int, **changes: Any) -> results.Run:
    measured = measures.usage(READING, tasks, {"kit-launcher": measures.Deployed(300, 256)})
    about = {
        "contender": contender,
        "tasks": tasks,
        "date": "2026-11-30T00:00:00.000Z",
        "machine": "this",
        "problems": [],
    }
    more = {"loadBefore": 1.0, "throttledPercent": 0}
    return {**about, **more, **measures.timing(finished()), **measured, **changes}


def test_a_new_run_takes_the_place_of_its_like_and_leaves_the_others() -> None:
    earlier = [run("baseline", 10), run("pattern 1", 10), run("pattern 1", 100, date="old")]
    merged = results.merged(earlier, [run("pattern 1", 100, date="new")], journey.CONTENDERS)
    assert [(each["contender"], each["tasks"]) for each in merged] == [
        ("pattern 1", 10),
        ("baseline", 10),
        ("pattern 1", 100),
    ]
    assert merged[-1]["date"] == "new"


def test_results_that_are_no_json_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert results.read(path) == {"runs": [], "model": []}
    path.write_text("{")
    with pytest.raises(BadInput, match="Name another file with --results"):
        results.read(path)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [
        *(run(name, tasks) for tasks in (10, 100) for name in ("pattern 1", "baseline")),
        run("pattern 2", 100, problems=["lost: one was never started"]),
        run("pattern 1", 100, throttledPercent=10),
        run("RunTask alone", 100, throttledPercent=10, launchesPerSecond=0.8),
        run("pattern 1", 1000, runTaskRate=2),
        run("pattern 1", 100, stoppedAfterSeconds=10, **measures.stopping(stopped())),
    ]
    monkeypatch.setattr(page, "read", lambda: {"runs": runs, "model": []})


@pytest.mark.usefixtures("shown")
def test_the_page_says_what_is_verified_and_names_machine_and_date() -> None:
    table = page.runs_table()
    assert "| 100 | pattern 2 | 1 | 1 problems: lost: one was never started |" in table
    assert "| 10 | pattern 1 | 1 | all, once each | 1 | a burst |" in table
    assert table.endswith("this, 2026-11-30.")
    assert "| 1,000 | pattern 1, 2 a second | 1 | all, once each | 1 | 50 % of 2/s |" in table
    assert table.count("pattern 1") == 3
    assert "| 1 of 4 | 100 | pattern 1 | all, once each | 1 | 5 % | 1.25 |" in page.throttled_table()
    assert "| 100 | pattern 1 | 10 | 2 | 0 | 0 | -4 s | all stopped, a final row each |" in page.stopped_table()


@pytest.mark.usefixtures("shown")
def test_ratios_are_to_the_baseline_of_the_same_size_and_to_the_own_run_of_100() -> None:
    lines = page.ratios_table().splitlines()
    assert "| 10 | pattern 1 | 1 | 1 | 1 | 10 | - |" in lines, (
        "READING is the same for all: ten times as much for each task"
    )
    assert "| 100 | pattern 1 | 1 | 1 | 1 | 1 | - |" in lines


@pytest.mark.usefixtures("shown")
def test_the_picture_is_well_formed_and_has_a_line_for_each_contender_in_each_graph() -> None:
    picture = ElementTree.fromstring(page.svg())
    lines = [each for each in picture if each.tag.endswith("polyline")]
    assert len(lines) == len(page.COLOURS) * len(page.TITLES)
    assert all(0 <= float(dot.attrib["cy"]) <= 400 for dot in picture if dot.tag.endswith("circle"))


def test_the_committed_results_are_of_runs_without_problems() -> None:
    found = json.loads(results.FILE.read_text(encoding="utf-8"))
    assert [each for each in found["runs"] if each["problems"]] == []
    assert all((each["lost"], each["doubled"], each["completed"]) == (0, 0, each["tasks"]) for each in found["model"])


def test_the_command_line_has_a_default_and_refuses_no_tasks() -> None:
    assert scale.parse([]).tasks == [10, 100] and len(scale.parse([]).contenders) == len(journey.CONTENDERS)
    with pytest.raises(BadInput, match="--tasks"):
        scale.parse(["--tasks", "0"])


# The model.


def test_the_index_of_the_model_has_the_rows_that_are_not_counted_in_the_order_of_its_key() -> None:
    cloud = model.Cloud(1, 60.0)
    for number in (2, 1):
        attempt = environment.Attempt("copying", 7, f"task_{number}", 1, "kit-1", "key", index=number)
        pairs = [{"name": name, "value": value} for name, value in environment.override(attempt, "").items()]
        overrides = {"containerOverrides": [{"name": "app", "environment": pairs}]}
        cloud.call("launcher", "ecs", "run_task", {"cluster": "kit-1", "overrides": overrides})
    assert cloud.details.uncounted(7, "copying") == []
    cloud.advance(model.START_SECONDS)
    found = cloud.details.uncounted(7, "copying")
    assert [(row.task_name, row.status.value) for row in found] == [("task_1", "Running"), ("task_2", "Running")]
    cloud.advance(60.0)
    rows = cloud.details.uncounted(7, "copying")
    assert [row.status.value for row in rows] == ["Completed", "Completed"]
    assert cloud.units["tasks write"] == 8.0, "Running and Completed of two tasks, in the table and in the index"
    cloud.details.set_counted(rows[0])
    assert [row.task_name for row in cloud.details.uncounted(7, "copying")] == ["task_2"]


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_model_runs_the_real_functions_to_the_end_of_the_run(pattern: int, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    tasks = 200
    assert model.main(["--tasks", str(tasks), "--pattern", str(pattern), "--results", str(path)]) == 0
    (made,) = json.loads(path.read_text())["model"]
    assert (made["status"], made["completed"], made["lost"], made["doubled"]) == ("Completed", tasks, 0, 0)
    assert made["largestPayloadBytes"] < 32 * 1024
    assert set(made["functions"]) == ({"launcher", "monitor"} if pattern == 1 else {"monitor"})
    assert made["calls"]["tasks dynamodb:update_item"] == 2 * tasks


def test_the_model_has_no_inline_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert model.main(["--tasks", "3", "--pattern", "2", "--results", str(tmp_path / "results.json")]) == 2
    assert "pattern 2 runs so short a list in an inline Map" in capsys.readouterr().err
