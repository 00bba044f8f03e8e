"""The whole journey of a stack: set up, preview, deploy, run, verify, destroy, look for leftovers."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.errors import BackendUnavailable, BadInput, Declined, DriverError
from ecs_kit.automation.host import processes
from ecs_kit.automation.host.interruption import InterruptedAgain, Interruption
from ecs_kit.automation.host.processes import RUN_VARIABLE
from ecs_kit.automation.host.workfolders import Held
from ecs_kit.automation.journeys import failed_tasks, runs, spec_files, verify
from ecs_kit.automation.journeys.expectations import Expectation
from ecs_kit.automation.journeys.progress import Progress
from ecs_kit.automation.journeys.report import PatternResult, Report, write_json
from ecs_kit.automation.journeys.teardown import Teardown, how_to_remove, left_on_this_machine
from ecs_kit.automation.stacks import costs
from ecs_kit.automation.stacks.faults import Faults
from ecs_kit.automation.stacks.lifecycle import PROJECT_NAME, Changes, Stack
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess
from ecs_kit.automation.stacks.target import Target, check_place
from ecs_kit.runtime.contract.statuses import TaskStatus

POLL_SECONDS = {"local": 0.3, "aws": 2.0}
"""Time between two looks at a run; on AWS every look costs read capacity of the tables."""
SHOWN_PROBLEMS = 5
FINAL_ROWS_SECONDS = 60.0
"""How long the monitor may take to end a run whose execution has ended without it."""
RUN_GRACE_SECONDS = 120.0
"""How much longer than its own time limit a run may take before the driver gives up on it."""


@dataclass(frozen=True)
class SpecFile:
    """A spec that will be run.

    Attributes:
        path: where it came from.
        document: with placeholders.
    """

    path: Path
    document: spec_files.Document


@dataclass(frozen=True)
class Plan:
    """Everything that was decided before anything was created.

    Attributes:
        stack_name: the Pulumi stack.
        specs: pattern -> the spec to run.
        config: the kit's own config, keys without namespace, `patterns` among them.
        keep: whether the stack stays.
        root: the project's folder.
        work_dir: for what is thrown away at the end.
        report_dir: for what stays.
        json: a second file for the report.
        limit_seconds: the run's own time limit.
        source_buckets: other buckets that tasks may read from.
        sources: folder with the source objects, by key.
        expectation: what each result has to be, None for a copy of its source.
    """

    stack_name: str
    specs: Mapping[int, SpecFile]
    config: Mapping[str, str]
    root: Path
    work_dir: Path
    report_dir: Path
    limit_seconds: float
    keep: bool = False
    json: Path | None = None
    source_buckets: Sequence[str] = ()
    sources: Path | None = None
    expectation: Expectation | None = None


def stack_name(name_suffix: str) -> str:
    """`e2e`, and the suffix of the physical names if there is one: two deployments are two stacks."""
    return f"e2e-{name_suffix}" if name_suffix else "e2e"


class Scenario:
    """One journey. `run` makes it; whatever happens on the way, it ends with a report and without a stack.

    Args:
        plan: what was decided.
        target: the deployment target.
        interruption: what a Ctrl-C means at the moment.
        progress: where to say what happens.
        faults: what the runs are to survive.
        held: the work folder, where it has to be known afterwards whose it was.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        target: Target,
        interruption: Interruption,
        progress: Progress,
        faults: Faults | None = None,
        held: Held | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._held = held
        self.plan = plan
        self.target = target
        self.report = Report(target=target.name, patterns=[PatternResult(pattern) for pattern in sorted(plan.specs)])
        self.phases: dict[str, float] = {}
        self._interruption = interruption
        self._progress = progress
        self._faults = faults
        self._clock = clock
        self._stack: Stack | None = None
        self._deploying = False
        self._stack_is_new = False
        self._outputs: Mapping[str, Any] = {}

    @property
    def passed(self) -> bool:
        """Whether every step held."""
        return self.report.passed

    def run(self) -> Report:
        """Make the journey and write its report.

        Raises:
            BadInput: it could not begin; nothing was created.
            Interrupted: a signal came; what was made has been destroyed.
            InterruptedAgain: a second one came; `what_is_left` tells.
        """
        began = self._clock()
        raised: BaseException | None = None
        try:
            with self._interruption.breakable():
                self._forward()
        except InterruptedAgain:
            self.report.failed = True
            self._end_report(began)
            raise
        except BadInput as error:
            if not self._deploying:
                self._abandon()
                raise
            self._failed(str(error))
        except (DriverError, ClientError, BotoCoreError, OSError) as error:
            self._failed(str(error))
        except BaseException as error:  # noqa: BLE001  whatever it is, what was made is destroyed before it is raised
            raised = error
            self.report.failed = True
            self._progress.say(f"{error}: destroying what was made" if self._deploying else f"{error}")
        try:
            self._clean(interrupted=raised is not None)
        finally:
            self._end_report(began)
        if raised is not None:
            raise raised
        self._interruption.raise_noted()
        return self.report

    def _end_report(self, began: float) -> None:
        self.report.seconds["total"] = self._clock() - began
        self.write_report()

    def _failed(self, message: str) -> None:
        self.report.failed = True
        self._progress.say(f"FAILED: {message}")

    def _forward(self) -> None:
        with self._phase("setup"):
            self.target.start(self._progress.say)
            self.report.container_runtime = self.target.container_runtime
            self._note_down(**self.target.notes)
            self._open_stack()
        stack = self._need_stack
        with self._phase("preview"):
            changes = stack.preview()
            self._progress.say(describe_changes(changes))
        if self.target.asks_before_deploying or self.target.name == "aws":
            self._confirm(changes)
        with self._phase("deploy"):
            self._deploying = True
            deployment = stack.deploy(on_resource=self._progress.resource)
            self._outputs = deployment.outputs
        self.use_stack()

    def use_stack(self) -> None:
        """Do what the stack was deployed for: run a workflow of each pattern, and verify what came of it."""
        with self._phase("run"):
            inputs = self._inputs()
            with self._with_faults():
                ended = self._run(inputs)
        with self._phase("verify"):
            for pattern, (run, seconds) in sorted(ended.items()):
                self._verify(pattern, run, seconds)

    def _note_down(self, **changes: Any) -> None:
        if self._held is not None:
            self._held.note(**changes)

    def _open_stack(self) -> None:
        self.plan.work_dir.mkdir(parents=True, exist_ok=True)
        pulumi = PulumiProcess(
            self.target.pulumi.executable,
            version=self.target.pulumi.version,
            environment={**self.target.environment, RUN_VARIABLE: str(self.plan.work_dir)},
            interruption=self._interruption,
            log_file=self.plan.report_dir / "pulumi.log",
            say=self._progress.say,
        )
        own_config = {f"{PROJECT_NAME}:{key}": value for key, value in self.plan.config.items()}
        stack = Stack(
            name=self.plan.stack_name,
            pulumi=pulumi,
            work_dir=self.plan.work_dir,
            project=self.plan.root,
            config={**self.target.config, **own_config},
            say=self._progress.say,
        )
        self._stack = stack
        if self.target.name == "local":
            stack.create()
            return
        try:
            self._stack_is_new = not stack.open()
        except DriverError as error:
            raise BackendUnavailable(str(error)) from error
        if not self._stack_is_new:
            self._check_against(stack.outputs())
            there = len(stack.resources())
            if there:
                what = "brings them up to date and keeps them" if self.plan.keep else "updates and then destroys them"
                self._progress.say(
                    f"stack {self.plan.stack_name} holds {there} resources from an earlier run: this one {what}"
                )

    def _check_against(self, outputs: Mapping[str, Any]) -> None:
        check_place(self.plan.stack_name, outputs, self.target.identity)
        for pattern, spec in self.plan.specs.items():
            if f"pattern{pattern}" in outputs:
                self._render(spec, outputs[f"pattern{pattern}"])

    def _render(self, spec: SpecFile, deployed: Mapping[str, Any]) -> spec_files.Document:
        return spec_files.render(spec.path, spec.document, deployed, source_buckets=self.plan.source_buckets)

    @property
    def _need_stack(self) -> Stack:
        if self._stack is None:
            raise RuntimeError("the stack is opened first")
        return self._stack

    def _confirm(self, changes: Changes) -> None:
        here = self.target.identity
        self._progress.say(f"account {here.account}, region {here.region}, as {here.arn}")
        self._progress.say(f"stack {self.plan.stack_name}: {describe_changes(changes)}")
        for line in costs.estimate(changes.steps):
            self._progress.say(line)
        if self.target.asks_before_deploying and not self._progress.ask("Deploy this?"):
            raise Declined

    @contextmanager
    def _with_faults(self) -> Iterator[None]:
        """Only the runs meet faults; deployment, verification and destruction do not."""
        if self._faults is None:
            yield
            return
        self.report.faults = []
        self._progress.say(f"{len(self._faults.rules)} fault rules hold until the runs have ended")
        with self._faults.injected(self.report.faults):
            yield

    def _inputs(self) -> dict[int, spec_files.Document]:
        """Render the runs' inputs, and put the objects that they name."""
        aws = self.target.aws
        inputs: dict[int, spec_files.Document] = {}
        for pattern, spec in sorted(self.plan.specs.items()):
            deployed = self._outputs[f"pattern{pattern}"]
            inputs[pattern] = self._render(spec, deployed)
            write_json(self.plan.report_dir / f"pattern-{pattern}-input.json", inputs[pattern])
            for key in runs.put_sources(aws, inputs[pattern], deployed["s3BucketName"], self.plan.sources):
                self._progress.say(f"put s3://{deployed['s3BucketName']}/{key}")
        return inputs

    def _run(self, inputs: Mapping[int, spec_files.Document]) -> dict[int, tuple[runs.Run, float]]:
        aws = self.target.aws
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        started = []
        for pattern, document in inputs.items():
            run = runs.start(
                aws,
                pattern=pattern,
                spec=document,
                deployed=self._outputs[f"pattern{pattern}"],
                name=f"e2e-{stamp}",
            )
            self._note(run)
            self._progress.say(f"pattern {pattern}: started {run.execution_arn}")
            started.append(run)
        poll_seconds = POLL_SECONDS[self.target.name]
        ended = runs.watch(
            aws,
            started,
            on_counts=self._counted,
            poll_seconds=poll_seconds,
            limit_seconds=self.plan.limit_seconds + RUN_GRACE_SECONDS,
        )
        runs.await_final_rows(aws, started, limit_seconds=FINAL_ROWS_SECONDS, poll_seconds=poll_seconds)
        return ended

    def _counted(self, run: runs.Run, counts: runs.Counts) -> None:
        self._note(run)
        self._progress.counts(run.pattern, counts)

    def _note(self, run: runs.Run) -> None:
        result = self._result(run.pattern)
        result.workflow_name = run.workflow_name
        result.run_id = run.run_id
        result.execution_arn = run.execution_arn

    def _result(self, pattern: int) -> PatternResult:
        return next(result for result in self.report.patterns if result.pattern == pattern)

    def _verify(self, pattern: int, run: runs.Run, seconds: float) -> None:
        began = self._clock()
        facts = verify.gather(self.target.aws, run, self.plan.expectation)
        verdict = verify.judge(run, facts)
        result = self._result(pattern)
        result.verdict = verdict
        result.problems = list(verdict.problems)
        result.run_seconds = seconds
        for problem in verdict.problems[:SHOWN_PROBLEMS]:
            self._progress.say(f"pattern {pattern}: {problem}")
        if len(verdict.problems) > SHOWN_PROBLEMS:
            more = len(verdict.problems) - SHOWN_PROBLEMS
            self._progress.say(f"pattern {pattern}: and {more} more problems, all of them in the report")
        result.failed_tasks = self._explain_failures(run, facts.details)
        result.verify_seconds = self._clock() - began

    def _explain_failures(self, run: runs.Run, details: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Keep the log of each attempt that failed, and show why tasks did."""
        logs = {
            item["ecs_task_id"]: verify.log_tail(self.target.aws, str(run.deployed["taskLogGroup"]), item)
            for item in details
            if item.get("status") == TaskStatus.FAILED
        }
        for item in details:
            log = logs.get(item["ecs_task_id"])
            if log:
                name = f"pattern-{run.pattern}-{item.get('task_name')}-{item.get('attempt', 1)}.log"
                (self.plan.report_dir / name).write_text("\n".join(log) + "\n", encoding="utf-8")
        failed = failed_tasks.documents(details, lambda item: logs[item["ecs_task_id"]])
        for line in failed_tasks.lines(failed):
            self._progress.say(f"pattern {run.pattern}: {line}")
        return failed

    def _clean(self, *, interrupted: bool) -> None:
        if self.plan.keep and self._deploying and not interrupted:
            self.report.kept = True
            self._note_down(kept=True, use=tuple(self.target.how_to_use(self.plan.stack_name, self.plan.work_dir)))
            self._say_how_to_go_on()
        elif self._deploying:
            teardown = self._teardown
            with self._phase("destroy"):
                self.report.destroyed = teardown.destroy()
            with self._phase("leftovers"):
                self.report.leftovers = teardown.look_for_leftovers()
        else:
            self.report.destroyed = True
            self._forget_stack()
        if not self.report.kept:
            self._give_back()
        for result in self.report.patterns:
            if result.verdict is None and not result.problems:
                result.problems.append("it has no verdict")

    @property
    def _teardown(self) -> Teardown:
        return Teardown(
            self._need_stack,
            target=self.target,
            work_dir=self.plan.work_dir,
            progress=self._progress,
            failed=self._failed,
        )

    def _abandon(self) -> None:
        """Nothing was deployed: leave no trace."""
        self._forget_stack()
        self._give_back()

    def _forget_stack(self) -> None:
        if self._stack is not None and self._stack_is_new:
            try:
                self._stack.remove()
            except DriverError as error:
                self._progress.say(str(error))

    def _give_back(self) -> None:
        self.target.stop()
        if self.target.name == "local" and not self._deploying:
            self._end_what_was_just_starting()
        if self._held is not None and self._held.previous is not None and not self._deploying:
            # Nothing was touched: the stack is still what an earlier run left, and its record says so.
            self._held.restore()
        elif self.target.name == "local" or self.report.destroyed or not self._deploying:
            shutil.rmtree(self.plan.work_dir, ignore_errors=True)

    def _end_what_was_just_starting(self) -> None:
        """A signal during the set-up may come after the emulator's process began and before anybody knew of it."""
        try:
            processes.end(self.plan.work_dir)
        except DriverError as error:
            self._failed(str(error))

    def _say_how_to_go_on(self) -> None:
        self._progress.say(f"kept: stack {self.plan.stack_name}. To use it in a shell:")
        for line in self.target.how_to_use(self.plan.stack_name, self.plan.work_dir):
            self._progress.say(f"  {line}")
        self._progress.say("To remove it:")
        for line in self.target.how_to_remove(self.plan.stack_name, self.plan.work_dir):
            self._progress.say(f"  {line}")

    def what_is_left(self) -> list[str]:
        """Lines for somebody who has to finish by hand what the driver could not."""
        if self._deploying:
            return self._teardown.what_is_left()
        if self.target.name == "aws":
            return []
        work_dir = self.plan.work_dir
        return [*left_on_this_machine(work_dir), *how_to_remove(self.target, self.plan.stack_name, work_dir)]

    def write_documents(self, document: Mapping[str, Any]) -> list[Path]:
        """Write the report's JSON wherever it is wanted; return where that went well."""
        return [path for path in self._report_paths() if self._written(path, document)]

    def write_report(self) -> None:
        """Write the report, and show its tables."""
        written = self.write_documents(self.report.document())
        self._progress.table(
            "seconds", ["step", "seconds"], [[name, f"{took:.1f}"] for name, took in self.phases.items()]
        )
        if self.report.faults is not None:
            self._progress.table("faults", *self.report.faults_table())
        header, rows = self.report.table()
        self._progress.table("passed" if self.report.passed else "FAILED", header, rows)
        for path in written[:1]:
            self._progress.say(f"report: {path}")

    def _report_paths(self) -> list[Path]:
        paths = [self.plan.report_dir / "report.json"]
        return paths if self.plan.json is None else [*paths, self.plan.json]

    def _written(self, path: Path, document: Mapping[str, Any]) -> bool:
        try:
            write_json(path, document)
        except OSError as error:
            self._failed(f"the report cannot be written to {path}: {error.strerror}")
            return False
        return True

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = self._clock()
        self._progress.phase(name)
        try:
            yield
        finally:
            self.phases[name] = self._clock() - began
            if name in ("setup", "deploy", "destroy"):
                self.report.seconds[name] = self.phases[name]


def describe_changes(changes: Changes) -> str:
    """What a preview found, on one line."""
    counted = [f"{number} to {operation}" for operation, number in sorted(changes.counts.items()) if number]
    return ", ".join(counted) or "nothing to do"
