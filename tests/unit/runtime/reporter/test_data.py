"""The page's data: numbers, names and reasons as the tables have them."""

import json
from dataclasses import replace
from typing import Any

from ecs_kit.runtime.reporter.cost import TaskSize, billed_seconds
from ecs_kit.runtime.reporter.cost import document as cost_of
from ecs_kit.runtime.reporter.counts import counts_of
from ecs_kit.runtime.reporter.data import Reading, document
from ecs_kit.runtime.reporter.phases import Phases
from tests.browser.samples import ERRORS, SETTINGS, attempt, reading, run_of

SMALL, LARGE = TaskSize(256, 512), TaskSize(1024, 2048, "ARM64")


def with_state(of_run: Reading, **changes: Any) -> Reading:
    return replace(of_run, state=replace(of_run.state, **changes))


def test_counts_are_those_of_status_and_watch() -> None:
    of_run = run_of(100, failing=10)
    page, counts = document(of_run), counts_of(of_run.state)
    assert page["counts"] == {"total": 100, "submitted": 100, "running": 0, "completed": 90, "failed": 10}
    assert page["counts"] == {name: getattr(counts, name) for name in page["counts"]}
    outcomes = [page["outcomes"][number] for number in page["taskOutcomes"]]
    assert (outcomes.count("Completed"), outcomes.count("Failed"), len(page["attempts"])) == (90, 10, 120)
    assert sum(number for _, number in page["failures"]) == 10


def test_attempts_follow_their_tasks_in_the_spec_s_order_and_reasons_are_kept_once() -> None:
    rows = [
        attempt("b", 2, 50, error=ERRORS[0], stopped_reason="Essential container in task exited"),
        attempt("b", 1, 5, error=ERRORS[0], stopped_reason="Essential container in task exited"),
        attempt("a", 1, 5),
        attempt("not in the spec", 1, 6),
    ]
    page = document(reading(rows, ["b", "waiting", "a"], failed=1))
    assert page["tasks"] == ["b", "waiting", "a", "not in the spec"]
    assert page["attemptsOfTask"] == [2, 0, 1, 1]
    assert [page["outcomes"][number] for number in page["taskOutcomes"]] == [
        "Failed",
        "Waiting",
        "Completed",
        "Completed",
    ]
    assert [each[:2] for each in page["attempts"]] == [[0, 1], [0, 2], [2, 1], [3, 1]]
    assert page["attempts"][0][3:9] == [5000, 9000, 17000, 37000, 17000, 1]
    assert page["reasons"] == [f"{ERRORS[0]}; Essential container in task exited"]
    assert [each[9] for each in page["attempts"]] == [0, 0, None, None]
    assert page["logs"]["1"][-1] == f"ERROR {ERRORS[0]}"
    assert page["failures"] == [["JobFailed", 1]]


def test_a_log_is_made_readable_and_each_error_is_explained() -> None:
    row = attempt("a", 1, 5, error="JobFailed: no") | {"ecs_task_id": "task/1"}
    other = attempt("b", 1, 5, error="OfSomebodyElse: no")
    line = json.dumps({"time": "T", "level": "ERROR", "message": "the job failed", "taskName": "a", "source": "s3://a"})
    page = document(replace(reading([row, other], ["a", "b"], failed=2), logs={"task/1": [line]}))
    assert page["logs"] == {"0": ["T ERROR the job failed source=s3://a"]}
    assert [heading for heading, _ in page["meanings"]["JobFailed"]] == ["", "Cause", "What to do"]
    assert "`" not in str(page["meanings"]) and "](" not in str(page["meanings"])
    assert "OfSomebodyElse" not in page["meanings"]


def test_an_attempt_that_ecs_never_accepted_has_no_ecs_task() -> None:
    rows = [attempt("a", 1, 5, error="RunTaskRefused: no") | {"ecs_task_id": "not-started/a/1"}]
    assert document(reading(rows, ["a"], failed=1))["attempts"][0][10] == ""


def test_an_active_run_lasts_until_it_was_read_and_an_ended_one_until_its_end() -> None:
    active = document(run_of(20, active=True))
    assert active["run"]["isActive"] and active["until"] == active["readAt"] - active["began"]
    assert any(each[6] is None for each in active["attempts"])
    ended = document(run_of(20))
    assert not ended["run"]["isActive"] and ended["until"] < ended["readAt"] - ended["began"]


def test_a_refused_run_has_no_tasks_but_a_reason() -> None:
    of_run = with_state(
        run_of(3), summary=None, details=(), execution={"status": "FAILED", "error": "SpecRefused", "cause": "no: 1"}
    )
    page = document(of_run)
    assert (page["run"]["status"], page["run"]["error"]) == ("Failed", "SpecRefused: no: 1")
    assert page["run"]["errorCode"] in page["meanings"]
    assert page["tasks"] == [] and page["concurrency"]["most"] == 0 and page["cost"] is None


def test_what_was_asked_is_of_the_run_s_own_settings() -> None:
    asked = dict(document(run_of(3))["asked"])
    assert asked["task definition"] == SETTINGS["task_definition"]
    assert (asked["tasks"], asked["attempts at a task"], asked["time limit of the run"]) == ("3", "2", "3600 s")
    assert asked["size of a task"] == "0.25 vCPU, 0.5 GiB, X86_64" and "tasks at once" not in asked


def test_resources_have_addresses_in_the_console_of_their_partition_and_none_off_aws() -> None:
    on_aws = document(run_of(1))
    urls = {kind: url for kind, _, url in on_aws["resources"]}
    assert urls["execution"].startswith("https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/")
    assert urls["tasks' log group"].endswith(
        "#logsV2:log-groups/log-group/$252Fecs$252Famazon-ecs-starter-kit-pattern-1"
    )
    assert urls["results"].endswith("prefix=copies%2Fnightly%2F1795510747476181%2F")
    assert "/tasks/{}/configuration?region=us-east-1" in on_aws["links"]["ecsTask"]
    assert on_aws["links"]["log"].endswith("/log-events/ecs$252Fapp$252F{}")
    elsewhere = document(replace(run_of(1), has_console=False))
    assert {url for _, _, url in elsewhere["resources"]} == {""} == set(elsewhere["links"].values())
    deployed = {"stateMachineArn": "arn:aws-cn:states:cn-north-1:1:stateMachine:x", "clusterName": "c"}
    china = with_state(run_of(1), key=replace(run_of(1).state.key, deployed=deployed))
    assert "https://cn-north-1.console.amazonaws.cn/ecs/v2/clusters/c/tasks" in str(document(china)["resources"])


def test_a_task_is_billed_from_its_pull_for_a_minute_at_least() -> None:
    assert billed_seconds(Phases(0, 10_000, 20_000, 95_400), until=0) == 86
    assert billed_seconds(Phases(0, 10_000, 20_000, 30_000), until=0) == 60
    assert billed_seconds(Phases(0, None, 20_000, None), until=90_500) == 71
    assert billed_seconds(Phases(0, None, None, 90_000), until=0) == 0


def test_the_cost_of_retries_is_the_difference_to_the_estimate() -> None:
    long, short = Phases(None, 0, 0, 3_600_000), Phases(None, 0, 0, 1_800_000)
    hour = 0.25 * 0.04048 + 0.5 * 0.004445
    found = cost_of([(long, SMALL, True), (short, SMALL, False), (long, SMALL, True)], [SMALL, SMALL], until=0)
    assert found is not None
    assert round(found["dollars"], 9) == round(2.5 * hour, 9) and round(found["estimate"], 9) == round(2 * hour, 9)
    assert found["billedSeconds"] == 9000
    assert cost_of([], [], until=0) is None and LARGE.dollars_per_hour == 0.03238 + 2 * 0.00356


def test_a_task_with_a_size_of_its_own_costs_that() -> None:
    of_run = run_of(1)
    spec = {"taskList": [{"taskName": "task_00001", "cpu": 1024, "memory": 2048}]}
    large = with_state(of_run, execution={**(of_run.state.execution or {}), "input": json.dumps(spec)})
    small, big = document(of_run)["cost"], document(large)["cost"]
    assert round(big["dollars"] / small["dollars"], 6) == 4
    assert document(replace(of_run, size=None))["cost"] is None


def test_a_run_whose_list_is_an_object_of_the_bucket_costs_the_same() -> None:
    of_run = run_of(3)
    listed = with_state(of_run, execution={**(of_run.state.execution or {}), "input": '{"taskListUri": "s3://b/k"}'})
    assert document(listed)["cost"] == document(of_run)["cost"] is not None
    pinned = {f"task_{number:05}": {"cpu": 1024, "memory": 2048} for number in (1, 2, 3)}
    large = document(replace(listed, pinned=pinned))
    assert round(large["cost"]["estimate"] / document(of_run)["cost"]["estimate"], 6) == 4
    assert large["tasks"] == document(of_run)["tasks"]


def test_a_run_whose_execution_is_forgotten_has_the_tasks_of_its_rows() -> None:
    page = document(with_state(run_of(3, failing=1), execution=None))
    assert page["tasks"] == ["task_00001", "task_00002", "task_00003"]
