"""The report: a JSON document and a table."""

import json
from pathlib import Path

from ecs_kit.automation.journeys.report import PatternResult, Report, write_json
from ecs_kit.automation.journeys.runs import Run
from ecs_kit.automation.journeys.verify import Verdict


def passed_result(pattern: int) -> PatternResult:
    run = Run(
        pattern=pattern,
        execution_arn="arn:execution",
        spec={"workflowName": "w", "taskList": []},
        run_id=1795486942613375,
        deployed={},
    )
    verdict = Verdict(
        run=run,
        execution_status="SUCCEEDED",
        summary={
            "items": 1,
            "status": "Completed",
            "number_of_tasks": 10,
            "completed_tasks": 10,
            "failed_tasks": 0,
        },
        details={"items": 10, "byStatus": {"Completed": 10}},
        copies=10,
        problems=(),
    )
    return PatternResult(
        pattern=pattern,
        verdict=verdict,
        workflow_name="w",
        run_id=run.run_id,
        execution_arn=run.execution_arn,
        run_seconds=4.321,
        verify_seconds=0.5,
    )


def report(**changes: object) -> Report:
    values: dict[str, object] = {
        "target": "local",
        "container_runtime": "process",
        "patterns": [passed_result(1)],
        "destroyed": True,
        "seconds": {"setup": 1.234, "deploy": 2.0, "destroy": 3.0, "total": 7.0, "preview": 9.0},
    }
    return Report(**{**values, **changes})  # type: ignore[arg-type]


def test_the_document_has_exactly_the_contract_s_shape() -> None:
    assert report().document() == {
        "target": "local",
        "containerRuntime": "process",
        "passed": True,
        "patterns": [
            {
                "pattern": 1,
                "workflowName": "w",
                "workflowRunId": 1795486942613375,
                "executionArn": "arn:execution",
                "executionStatus": "SUCCEEDED",
                "summary": {
                    "items": 1,
                    "status": "Completed",
                    "number_of_tasks": 10,
                    "completed_tasks": 10,
                    "failed_tasks": 0,
                },
                "details": {"items": 10, "byStatus": {"Completed": 10}},
                "copies": 10,
                "passed": True,
                "problems": [],
                "seconds": {"run": 4.32, "verify": 0.5},
            }
        ],
        "destroyed": True,
        "leftovers": [],
        "seconds": {"setup": 1.23, "deploy": 2.0, "destroy": 3.0, "total": 7.0},
    }


def test_nothing_but_every_step_holding_is_a_pass() -> None:
    assert report().passed
    assert report(destroyed=False, kept=True).passed
    assert not report(destroyed=False).passed
    assert not report(leftovers=["ec2 VPC vpc-1"]).passed
    assert not report(failed=True).passed
    assert not report(patterns=[]).passed
    assert not report(patterns=[passed_result(1), PatternResult(2)]).passed


def test_a_pattern_that_never_ran_has_the_same_shape() -> None:
    never = PatternResult(2, problems=["it has no verdict"]).document()

    assert never.keys() == passed_result(1).document().keys()
    assert (never["passed"], never["workflowRunId"], never["details"]) == (False, None, {"items": 0, "byStatus": {}})


def test_the_table_has_a_row_for_each_pattern() -> None:
    header, rows = report(patterns=[passed_result(1), PatternResult(2)]).table()

    assert [len(row) for row in rows] == [len(header), len(header)]
    assert rows[0] == ["1", "1795486942613375", "SUCCEEDED", "10 of 10", "0", "10", "4.3", "passed"]
    assert rows[1][-1] == "FAILED"


def test_files_are_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"

    write_json(path, {"a": "é"})

    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "é"}
    assert [found.name for found in path.parent.iterdir()] == ["report.json"]
