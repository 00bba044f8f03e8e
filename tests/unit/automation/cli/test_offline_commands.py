"""The commands that look at no stack: estimate and preflight."""

import json
from pathlib import Path

import pytest

from ecs_kit.automation.cli import preflight as command
from ecs_kit.automation.cli.e2e import main
from ecs_kit.automation.stacks import preflight
from ecs_kit.automation.stacks.preflight import Answers, Finding, Level
from ecs_kit.components.config import KitConfig

Printed = pytest.CaptureFixture[str]


def test_an_estimate_is_made_of_the_configuration_without_aws_and_without_a_stack(capsys: Printed) -> None:
    given = ("--tasks", "100", "--seconds", "90", "--config", "taskCpu=1024", "--config", "taskMemory=2048")
    assert main(["estimate", "--pattern", "2", *given, "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    (run,) = document["runs"]
    task = 90 / 3600 * (0.04048 + 2 * 0.004445)
    assert run["dollars"]["X86_64"]["tasks"] == pytest.approx(100 * task)
    assert run["dollars"]["ARM64 Spot"]["tasks"] < run["dollars"]["X86_64 Spot"]["tasks"]
    assert run["orchestration"]["stepFunctions"] == pytest.approx(run["usage"]["transitions"] * 0.025 / 1000)
    assert document["stackPerPattern"]["dollarsPerHour"] == pytest.approx(0.13248)


def test_an_estimate_for_people_has_a_table_for_each_pattern_and_says_what_it_leaves_out(capsys: Printed) -> None:
    assert main(["estimate", "--config", "tableBilling=PAY_PER_REQUEST"]) == 0

    lines = capsys.readouterr().out.splitlines()
    tables = [line.split() for line in lines if line.startswith("  US dollars")]
    assert tables == [["US", "dollars", "X86_64", "X86_64", "Spot", "ARM64", "ARM64", "Spot"]] * 2
    assert len([line for line in lines if line.startswith("  DynamoDB")]) == 2
    assert lines[-1].startswith("Without failures, capacity waits")


@pytest.mark.parametrize("billing", ["PROVISIONED", "PAY_PER_REQUEST"])
@pytest.mark.parametrize(("tasks", "seconds"), [(1000, 60), (1000, 600), (100, 60)])
def test_an_estimate_says_where_the_tables_are_slower_than_the_tasks(
    tasks: int, seconds: int, billing: str, capsys: Printed
) -> None:
    given = ["--pattern", "1", "--tasks", str(tasks), "--seconds", str(seconds)]
    assert main(["estimate", *given, "--config", f"tableBilling={billing}"]) == 0
    told = "DynamoDB needs at least 500 s for the rows of 1000 tasks" in capsys.readouterr().out
    assert told is (billing == "PROVISIONED" and (tasks, seconds) == (1000, 60))


@pytest.mark.parametrize("arguments", [["--config", "taskMemory=7"], ["--tasks", "0"], ["--stack-config", "none.yaml"]])
def test_an_estimate_of_what_cannot_be_deployed_is_refused(arguments: list[str], capsys: Printed) -> None:
    assert main(["estimate", *arguments]) == 2
    said = capsys.readouterr().err
    assert any(text in said for text in ("taskMemory = '7'", "give 1 or more", "No such file"))


def test_a_preflight_without_credentials_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///none")

    assert main(["preflight"]) == 1

    credentials, docker = capsys.readouterr().out.splitlines()
    assert credentials.startswith("problem: no AWS credentials found. Set AWS_PROFILE")
    assert "--" not in credentials + docker, "no option that nobody gave"
    assert docker.startswith("problem: the published provider plugins build the task's image with Docker")


@pytest.mark.usefixtures("aws")
def test_a_preflight_finds_credentials_names_and_a_stack_that_is_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = KitConfig.parse({"jobImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/job:1", "patterns": "1"})
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    asked: list[preflight.Needs] = []

    def read(_aws: object, _here: object, needs: preflight.Needs) -> Answers:
        asked.append(needs)
        return Answers(quotas={quota.code: 100.0 for quota in preflight.QUOTAS}, taken={(preflight.TABLE, "t"): True})

    monkeypatch.setattr(preflight, "read", read)
    found = command.findings(ready, "dev", Path("/kit"))
    assert [str(finding).partition(":")[0] for finding in found[:2]] == ["ok", "ok"]
    assert found[0].what.startswith("credentials: account 123456789012, region us-east-1, as arn:aws:sts")
    assert found[1] == Finding(Level.OK, "Docker: not needed with jobImage")
    assert command.has_problem(found) and asked[0].vpcs == 1

    monkeypatch.setattr(preflight, "stack_of", lambda *_: "dev")
    found = command.findings(ready, "dev", Path("/kit"))
    assert any(finding.level is Level.NOTE and "is deployed here" in finding.what for finding in found)
    assert asked[1] == preflight.Needs(task_vcpu=0.25)
