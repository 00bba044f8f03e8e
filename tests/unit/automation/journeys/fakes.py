"""A journey among fakes, and a run: what the tests of journeys share."""

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import runs, scenario, spec_files, starting, teardown, verify
from ecs_kit.automation.journeys.progress import Progress
from ecs_kit.automation.journeys.report_page import gather
from ecs_kit.automation.journeys.runs import Run
from ecs_kit.automation.journeys.verify import Facts
from ecs_kit.automation.stacks import faults, leftovers, preflight
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import Changes, Deployment, PhysicalResource
from ecs_kit.automation.stacks.target import Identity, PulumiInstallation
from ecs_kit.runtime.reporter.data import Reading
from ecs_kit.runtime.reporter.run_state import RunState
from tests.unit.model.dynamodb import create_table

ROOT = Path(__file__).resolve().parents[4]
BUCKET, SOURCE_KEY, LOG_GROUP = "kit-bucket", "sample/sample.txt", "/ecs/kit"
RUN = Run(
    pattern=1,
    workflow_name="w",
    run_id=1795486942613375,
    execution_arn="arn:execution",
    spec={
        "workflowName": "w",
        "s3BucketName": BUCKET,
        "taskList": [{"taskName": name, "objectKey": SOURCE_KEY} for name in "ab"],
    },
    deployed={
        "s3BucketName": BUCKET,
        "targetPrefix": "copies",
        "jobRecords": "kit",
        "ddbTableNameWFSummary": "summary",
        "ddbTableNameWFDetails": "details",
        "taskLogGroup": LOG_GROUP,
    },
)
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
COUNTS = {"number_of_tasks": 2, "completed_tasks": 2, "failed_tasks": 0, "running_tasks": 0}


def row(task: str, status: str, attempt: int = 1, **more: Any) -> dict[str, Any]:
    """An item of the details table."""
    return {"task_name": task, "status": status, "attempt": attempt, "ecs_task_id": f"{task}/{attempt}", **more}


def facts(
    execution: str = "SUCCEEDED",
    summary: dict[str, Any] | None = None,
    rows: tuple[dict[str, Any], ...] = (row("a", "Completed"), row("b", "Completed")),
    results: dict[str, str] | None = None,
    **more: Any,
) -> Facts:
    """The facts of a run whose two tasks completed, but for what is given; an empty summary is none."""
    item = {"status": "Completed", **COUNTS} if summary is None else summary
    state = RunState(RUN, {"status": execution}, item or None, rows)
    return Facts(state, {"a": "", "b": ""} if results is None else results, **more)


def create_tables(aws: AwsClients) -> None:
    """Both tables in a mocked AWS."""
    for table in ("summary", "details"):
        create_table(aws.dynamodb, table, f"workflow_{table}")


def put_item(aws: AwsClients, table: str, run: Run, **attributes: str | int) -> None:
    """Put an item of a run."""
    values = {"workflow_name": run.workflow_name, "workflow_run_id": run.run_id, **attributes}
    item: Any = {name: {"S" if isinstance(value, str) else "N": str(value)} for name, value in values.items()}
    aws.dynamodb.put_item(TableName=table, Item=item)


class Said(Progress):
    """A progress that keeps its lines, and answers questions."""

    def __init__(self, answer: bool = True) -> None:
        super().__init__(clock=lambda: 0.0)
        self.said: list[str] = []
        self.answer = answer

    def ask(self, question: str) -> bool:
        self.said.append(question)
        return self.answer

    def _show(self, text: str) -> None:
        self.said.append(text.removeprefix("   "))


class Journey:
    """A journey whose stack, target, runs and leftovers are fakes: they list the calls, and fail where a test says so.

    Attributes:
        calls: what was called.
        trouble: by call, what happens at each of its first calls: an error is raised, a signal arrives, a function is
            called.
        stray: objects that no task should have written.
        left: what the services still have.
        taken: names that a preflight looks at, and whether each exists.
    """

    def __init__(
        self,
        folder: Path,
        patch: pytest.MonkeyPatch,
        *,
        target: str = "local",
        keep: bool = False,
        answer: bool = True,
        with_faults: bool = False,
        is_kept: bool = False,
        make: Callable[..., scenario.Scenario] = scenario.Scenario,
    ) -> None:
        self.calls: list[str] = []
        self.trouble: dict[str, list[BaseException | signal.Signals | Callable[[], object]]] = {}
        self.stray: tuple[str, ...] = ()
        self.left: tuple[str, ...] = ()
        self.taken: dict[tuple[str, str], bool | preflight.NotChecked] = {}
        self.is_kept = is_kept
        self.interruption = Interruption()
        self.progress = Said(answer)
        self.folder = folder
        self._replace(patch)
        injector = SimpleNamespace(
            inject_faults=lambda rules: self._called("faults" if rules else "no faults"),
            injected_faults=lambda: [{"name": "lost answers", "matched": 3, "met": 2}],
        )
        self.scenario = make(
            plan=scenario.Plan(
                stack_name="e2e",
                specs={1: spec_files.SpecFile(Path("spec.json"), {})},
                config={},
                keep=keep,
                root=ROOT,
                report_dir=folder / "report",
                json=folder / "copy.json",
                limit_seconds=1.0,
            ),
            target=self._target(target),
            interruption=self.interruption,
            progress=self.progress,
            held=SimpleNamespace(  # type: ignore[arg-type]
                previous="record" if is_kept else None, note=lambda **_: None, restore=self._call("restore")
            ),
            faults=faults.Faults([{}], injector) if with_faults else None,  # type: ignore[arg-type]
        )

    def _called(self, what: str, answer: Any = None) -> Any:
        self.calls.append(what)
        trouble = self.trouble[what].pop(0) if self.trouble.get(what) else None
        if isinstance(trouble, BaseException):
            raise trouble
        if isinstance(trouble, signal.Signals):
            self.interruption.handle(trouble)
        elif trouble is not None:
            trouble()
        return answer

    def _call(self, what: str, answer: Any = None) -> Callable[..., Any]:
        return lambda *_, **__: self._called(what, answer)

    def _replace(self, patch: pytest.MonkeyPatch) -> None:
        changes = Changes({"create": 2}, ())
        stack = SimpleNamespace(
            name="e2e",
            create=self._call("create"),
            adopt=self._call("adopt", {} if self.is_kept else None),
            use_docker=self._call("docker"),
            preview=self._call("preview", changes),
            deploy=self._call("deploy", Deployment(changes, {"pattern1": {"s3BucketName": "b"}})),
            resources=self._call("resources", [PhysicalResource("aws:ecs/cluster:Cluster", "urn", "arn", {}, {})]),
            destroy=self._call("destroy"),
            remove=self._call("remove"),
        )
        for module, name, fake in (
            (scenario, "Stack", SimpleNamespace(of_target=lambda *_, **__: stack)),
            (teardown, "LEFTOVER_PAUSE_SECONDS", 0.0),
            (spec_files, "render", lambda *_, **__: dict(RUN.spec)),
            (runs, "put_sources", lambda *_: []),
            (starting, "throttling", lambda *_: ""),
            (runs, "start", self._call("run", RUN)),
            (runs, "watch", self._call("watch", {1: 4.0})),
            (runs, "await_final_rows", lambda *_, **__: None),
            (runs, "stop_open_executions", self._call("stop executions", [])),
            (runs, "stop_ecs_tasks", self._call("stop tasks", [])),
            (gather, "reading", lambda _aws, state, **more: Reading(state, NOW, **more)),
            (verify, "gather", lambda *_: self._called("verify", facts(stray=self.stray))),
            (leftovers, "find", lambda *_: self._called("leftovers", leftovers.Leftovers(self.left, ("kept x",)))),
            (preflight, "read", lambda *_: preflight.Answers(taken=self.taken, has_ecs_role=False)),
            (leftovers, "active_revisions", lambda *_: []),
            (leftovers, "late_log_groups", lambda *_: []),
        ):
            patch.setattr(module, name, fake)

    def _target(self, name: str) -> Any:
        return SimpleNamespace(
            name=name,
            work_dir=self.folder / "work",
            container_runtime="process",
            environment={},
            notes={},
            config={},
            aws=None,
            identity=Identity("000000000000", "us-east-1", "arn:root"),
            pulumi=PulumiInstallation(Path("/bin/true"), "3.259.0"),
            asks_before_deploying=name == "aws",
            start=self._call("start"),
            stop=self._call("stop"),
            how_to_use=lambda stack: [f"use {stack}"],
            how_to_remove=lambda stack: [f"remove {stack}"],
        )

    def go(self) -> list[str]:
        """Make the journey; what was called."""
        self.scenario.run()
        return self.calls

    @property
    def report(self) -> dict[str, Any]:
        """The report as both files have it."""
        report, copy = (
            json.loads(path.read_text(encoding="utf-8"))
            for path in (self.folder / "report" / "report.json", self.folder / "copy.json")
        )
        assert report == copy
        return dict(report)
