"""What came of a journey: the JSON document that `--json` writes, and tables for people."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecs_kit.automation.journeys.runs import Run

COUNTS = ("status", "number_of_tasks", "completed_tasks", "failed_tasks")


@dataclass
class PatternResult:
    """What came of one pattern's run. Without an `execution_status` it was not verified.

    Attributes:
        summary: `items`, and the status and the counts of the summary item.
        details: `items` and `byStatus`.
        copies: number of results that are as expected, by default equal to their source; None where none was read.
        problems: everything that is wrong; empty if the run passed.
        failed_tasks: why tasks failed, with the end of their logs; from `failed_tasks.documents`.
    """

    pattern: int
    run: Run | None = None
    execution_status: str | None = None
    summary: Mapping[str, Any] = field(default_factory=lambda: {"items": 0, **dict.fromkeys(COUNTS)})
    details: Mapping[str, Any] = field(default_factory=lambda: {"items": 0, "byStatus": {}})
    copies: int | None = 0
    problems: Sequence[str] = ("it has no verdict",)
    failed_tasks: Sequence[Mapping[str, Any]] = ()
    run_seconds: float = 0.0
    verify_seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it was verified and nothing is wrong."""
        return not self.problems

    @property
    def found(self) -> dict[str, Any]:
        """What the verification found."""
        return {"passed": self.passed, "problems": list(self.problems)}

    def document(self) -> dict[str, Any]:
        """The entry in the report's `patterns`."""
        return {
            "pattern": self.pattern,
            "workflowName": self.run and self.run.workflow_name,
            "workflowRunId": self.run and self.run.run_id,
            "executionArn": self.run and self.run.execution_arn,
            "executionStatus": self.execution_status,
            "summary": self.summary,
            "details": self.details,
            "copies": self.copies,
            **self.found,
            **({"failedTasks": list(self.failed_tasks)} if self.failed_tasks else {}),
            "seconds": {"run": round(self.run_seconds, 2), "verify": round(self.verify_seconds, 2)},
        }

    def row(self) -> list[str]:
        """The row in the final table."""
        cells = [
            self.pattern,
            self.run and self.run.run_id,
            self.execution_status,
            "{} of {}".format(*map(_cell, (self.summary["completed_tasks"], self.summary["number_of_tasks"]))),
            self.summary["failed_tasks"],
            self.copies,
            f"{self.run_seconds:.1f}",
            "passed" if self.passed else "FAILED",
        ]
        return [_cell(cell) for cell in cells]


@dataclass
class Report:
    """What came of a journey, with the seconds of each step and in `total`.

    Attributes:
        kept: whether the user wanted no destroy.
        leftovers: what the services still have.
        failed: whether a step outside of the patterns failed.
        faults: for each rule of `--faults` how many calls it matched and hit; None without rules.
    """

    target: str
    container_runtime: str = ""
    patterns: dict[int, PatternResult] = field(default_factory=dict)
    destroyed: bool = False
    kept: bool = False
    leftovers: list[str] = field(default_factory=list)
    failed: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    faults: list[dict[str, Any]] | None = None

    @property
    def stack_ended(self) -> bool:
        """Whether no step of the stack's life failed, and nothing is left over."""
        return not self.failed and (self.destroyed or self.kept) and not self.leftovers

    @property
    def passed(self) -> bool:
        """Whether no step failed."""
        return self.stack_ended and bool(self.patterns) and all(each.passed for each in self.patterns.values())

    def document(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "target": self.target,
            "containerRuntime": self.container_runtime,
            "passed": self.passed,
            "patterns": [result.document() for result in self.patterns.values()],
            "destroyed": self.destroyed,
            "leftovers": self.leftovers,
            **({} if self.faults is None else {"faults": self.faults}),
            "seconds": {
                name: round(self.seconds.get(name, 0.0), 2) for name in ("setup", "deploy", "destroy", "total")
            },
        }

    def table(self) -> tuple[Sequence[str], list[list[str]]]:
        """Header and rows of the final table."""
        header = ["pattern", "workflow run id", "execution", "completed", "failed", "copies", "seconds", "result"]
        return header, [result.row() for result in self.patterns.values()]

    def faults_table(self) -> tuple[Sequence[str], list[list[str]]]:
        """Header and rows of how many calls each fault rule matched and hit."""
        rows = [[str(each[key]) for key in ("name", "matched", "met")] for each in self.faults or []]
        return ["fault", "calls that matched", "calls it hit"], rows


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file atomically: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
