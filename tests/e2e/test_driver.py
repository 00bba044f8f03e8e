"""`python automation/e2e.py` from outside: what it prints, writes, returns and leaves behind."""

import json
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local_aws import Emulator
from local_aws.testing.aws import root_client
from tests.e2e.conftest import finish, read_until, sample, start

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def assert_passed(report: Mapping[str, Any], target: str, runtime: str, pattern: int, tasks: int) -> None:
    assert (report["target"], report["containerRuntime"]) == (target, runtime)
    assert (report["passed"], report["destroyed"], report["leftovers"]) == (True, True, [])
    (each,) = report["patterns"]
    assert (each["pattern"], each["executionStatus"], each["copies"]) == (pattern, "SUCCEEDED", tasks)
    assert each["details"] == {"items": tasks, "byStatus": {"Completed": tasks}}
    assert (each["passed"], each["problems"]) == (True, [])


def test_each_pattern_s_sample_runs_also_two_at_once(tmp_path: Path) -> None:
    folders = {pattern: tmp_path / str(pattern) for pattern in (1, 2)}
    drivers = {}
    for pattern, folder in folders.items():
        folder.mkdir()
        drivers[pattern] = start(
            folder,
            *("--pattern", str(pattern), "--container-runtime", "process"),
            *("--json", "report.json", "--report-dir", "reports"),
        )
    shown = {pattern: finish(driver)[1] for pattern, driver in drivers.items()}

    for pattern, folder in folders.items():
        assert drivers[pattern].returncode == 0, shown[pattern]
        report, reports = read(folder / "report.json"), folder / "reports"
        assert_passed(report, "local", "process", pattern, 10)
        assert f":execution:amazon-ecs-starter-kit-pattern-{pattern}:" in report["patterns"][0]["executionArn"]
        assert read(reports / "report.json") == report
        rendered = read(reports / f"pattern-{pattern}-input.json")
        assert "<" not in json.dumps(rendered) and len(rendered["taskList"]) == 10
        assert (reports / "pulumi.log").is_file()
        assert "created aws:ecs:Cluster" in (reports / "e2e.log").read_text(encoding="utf-8")
        assert re.search(r"created [0-9]{2} resources\n", shown[pattern])
        assert re.search(rf"pattern {pattern}: 10 of 10 submitted, 0 running, 10 completed, 0 failed", shown[pattern])
        assert not list((folder / ".kit").glob("*")), "only the project's own folder is written to"


def test_the_same_flow_on_whatever_the_aws_endpoint_is(tmp_path: Path) -> None:
    """`--target aws` with a spec in the seed kit's form: names filled in, other order, run id as text."""
    spec = dict(reversed(sample(1).items()))
    spec |= {
        "ddbTableNameWFSummary": "workflow_summary_pattern_1",
        "clusterName": "amazon-ecs-starter-kit-pattern-1",
        "taskDefinition": "amazon-ecs-starter-kit-pattern-1",
        "region": "us-east-1",
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    with Emulator(tmp_path / "emulator") as emulator:
        driver = start(
            tmp_path,
            *("--target", "aws", "--plugins", "bundled", "--yes", "--specs", "spec.json", "--tasks", "1"),
            *("--json", "report.json"),
            **emulator.environment,
        )
        shown = finish(driver)[1]

        assert driver.returncode == 0, shown
        assert_passed(read(tmp_path / "report.json"), "aws", "fargate", 1, 1)
        for line in (
            "account 000000000000, region us-east-1, as arn:aws:iam::000000000000:root",
            "to create",
            "interface endpoints, one for each zone, at $0.01",
            "in all while the stack exists",
        ):
            assert line in shown
        assert list((tmp_path / "reports").glob("*/report.json"))
        assert root_client(emulator.endpoint_url, "ecs").list_clusters()["clusterArns"] == []


def test_ctrl_c_in_the_middle_of_the_deployment_destroys_what_was_made(tmp_path: Path) -> None:
    driver = start(tmp_path, "--pattern", "2", "--container-runtime", "process", "--report-dir", "reports")
    log = tmp_path / "reports" / "e2e.log"
    seen = read_until(
        driver, lambda line: "resources, the last one" in line and "created aws:ec2:Vpc " in log.read_text("utf-8")
    )

    os.killpg(driver.pid, signal.SIGINT)
    shown = seen + finish(driver)[1]
    assert driver.returncode == 130, shown
    assert "interrupted by SIGINT: destroying what was made" in shown
    assert "deleted aws:ec2:Vpc " in log.read_text(encoding="utf-8")
    report = read(tmp_path / "reports" / "report.json")
    assert (report["passed"], report["destroyed"], report["leftovers"]) == (False, True, [])
    assert report["patterns"][0]["executionStatus"] is None
