"""The report of a whole run of the driver: the JSON document that `--json` writes, and a table for people."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecs_kit.automation.journeys.verify import Verdict


@dataclass
class PatternResult:
    """What came of one pattern.

    Attributes:
        pattern: 1 or 2.
        verdict: None if there is none.
        problems: of the verdict, or why there is none.
        run_seconds: from the start of the execution to its end.
        verify_seconds: what it took to verify.
        failed_tasks: why tasks failed, with the end of their logs; from `failures.documents`.
        workflow_name, run_id, execution_arn: as soon as they are known.
    """

    pattern: int
    verdict: Verdict | None = None
    problems: list[str] = field(default_factory=list)
    failed_tasks: list[dict[str, Any]] = field(default_factory=list)
    run_seconds: float = 0.0
    verify_seconds: float = 0.0
    workflow_name: str | None = None
    run_id: int | None = None
    execution_arn: str | None = None

    @property
    def passed(self) -> bool:
        """Whether it was verified and nothing is wrong."""
        return self.verdict is not None and not self.problems

    def document(self) -> dict[str, Any]:
        """The entry in the report's `patterns`."""
        verdict = self.verdict
        return {
            "pattern": self.pattern,
            "workflowName": self.workflow_name,
            "workflowRunId": self.run_id,
            "executionArn": self.execution_arn,
            "executionStatus": verdict.execution_status if verdict else None,
            "summary": dict(verdict.summary)
            if verdict
            else {"items": 0, "status": None, "number_of_tasks": None, "completed_tasks": None, "failed_tasks": None},
            "details": dict(verdict.details) if verdict else {"items": 0, "byStatus": {}},
            "copies": verdict.copies if verdict else 0,
            "passed": self.passed,
            "problems": list(self.problems),
            **({"failedTasks": list(self.failed_tasks)} if self.failed_tasks else {}),
            "seconds": {"run": round(self.run_seconds, 2), "verify": round(self.verify_seconds, 2)},
        }


@dataclass
class Report:
    """What came of everything.

    Attributes:
        target: deployment target, `local` or `aws`.
        container_runtime: what ran the ECS tasks.
        patterns: a result for each pattern that was asked for.
        destroyed: whether the destroy went through.
        kept: whether the user wanted no destroy.
        leftovers: what the services still have.
        failed: whether a step outside of the patterns failed.
        seconds: setup, deploy, destroy and total.
        faults: what each rule of `--faults` met; None where no faults were asked for.
    """

    target: str
    container_runtime: str = ""
    patterns: list[PatternResult] = field(default_factory=list)
    destroyed: bool = False
    kept: bool = False
    leftovers: list[str] = field(default_factory=list)
    failed: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    faults: list[dict[str, Any]] | None = None

    @property
    def passed(self) -> bool:
        """Whether every step held."""
        return (
            not self.failed
            and bool(self.patterns)
            and all(result.passed for result in self.patterns)
            and (self.destroyed or self.kept)
            and not self.leftovers
        )

    def document(self) -> dict[str, Any]:
        """The JSON document."""
        made = {} if self.faults is None else {"faults": list(self.faults)}
        return {
            "target": self.target,
            "containerRuntime": self.container_runtime,
            "passed": self.passed,
            "patterns": [result.document() for result in self.patterns],
            "destroyed": self.destroyed,
            "leftovers": list(self.leftovers),
            **made,
            "seconds": {
                name: round(self.seconds.get(name, 0.0), 2) for name in ("setup", "deploy", "destroy", "total")
            },
        }

    def table(self) -> tuple[Sequence[str], list[list[str]]]:
        """Header and rows of the final table."""
        header = ["pattern", "workflow run id", "execution", "completed", "failed", "copies", "seconds", "result"]
        rows = []
        for result in self.patterns:
            document = result.document()
            summary = document["summary"]
            rows.append(
                [
                    str(result.pattern),
                    _cell(result.run_id),
                    _cell(document["executionStatus"]),
                    f"{_cell(summary['completed_tasks'])} of {_cell(summary['number_of_tasks'])}",
                    _cell(summary["failed_tasks"]),
                    str(document["copies"]),
                    f"{result.run_seconds:.1f}",
                    "passed" if result.passed else "FAILED",
                ]
            )
        return header, rows

    def faults_table(self) -> tuple[Sequence[str], list[list[str]]]:
        """Header and rows of what the faults met."""
        rows = [[str(each[key]) for key in ("name", "matched", "met")] for each in self.faults or []]
        return ["fault", "calls that matched", "calls it met"], rows


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file in one go: readers see the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
