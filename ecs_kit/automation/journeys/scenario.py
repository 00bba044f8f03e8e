"""The whole journey of a stack: set up, preview, deploy, run, verify, destroy, look for leftovers."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.errors import BadInput, DriverError
from ecs_kit.automation.host import processes
from ecs_kit.automation.host.interruption import InterruptedAgain, Interruption
from ecs_kit.automation.host.workfolders import Held
from ecs_kit.automation.journeys import failed_tasks, list_files, runs, spec_files, starting, verify
from ecs_kit.automation.journeys.expectations import COPY, NONE, Expectation
from ecs_kit.automation.journeys.progress import Progress
from ecs_kit.automation.journeys.report import PatternResult, Report, write_json
from ecs_kit.automation.journeys.report_page import gather
from ecs_kit.automation.journeys.spec_files import Document, SpecFile
from ecs_kit.automation.journeys.teardown import Teardown, what_is_left
from ecs_kit.automation.stacks import costs, preflight
from ecs_kit.automation.stacks.faults import Faults
from ecs_kit.automation.stacks.lifecycle import Changes, Stack
from ecs_kit.automation.stacks.target import Target
from ecs_kit.components.config import NAMESPACE, KitConfig
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.reporter.data import Reading
from ecs_kit.runtime.reporter.items import Item
from ecs_kit.runtime.reporter.logs import log_tail

POLL_SECONDS = {"local": 0.3, "aws": 2.0}
"""Time between two looks at a run; on AWS every look costs read capacity of the tables."""
SHOWN_PROBLEMS = 5
FINAL_ROWS_SECONDS = 60.0
"""How long the monitor may take to end a run whose execution has ended without it."""
RUN_GRACE_SECONDS = 120.0
"""How much longer than its own time limit a run may take before the driver gives up on it."""


@dataclass(frozen=True)
class Plan:
    """Everything that was decided before anything was created.

    Attributes:
        config: the kit's own config, keys without namespace, `patterns` among them.
        root: the project's folder.
        limit_seconds: the run's own time limit.
        json: a second file for the report.
        sources: folder with the source objects, by key.
        expectation: of each result; None for a copy, or for none where the container knows nothing of the kit.
    """

    stack_name: str
    specs: Mapping[int, SpecFile]
    config: Mapping[str, str]
    root: Path
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


@dataclass(kw_only=True, eq=False)
class Scenario:
    """One journey. However it ends, `run` destroys what it made and writes a report.

    `faults` are injected into the runs; the record of the `held` work folder says what was left.
    """

    plan: Plan
    target: Target
    interruption: Interruption
    progress: Progress
    held: Held
    faults: Faults | None = None
    _stack: Stack | None = field(default=None, init=False)
    _deploying: bool = field(default=False, init=False)
    _stack_is_new: bool = field(default=False, init=False)
    _outputs: Mapping[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        patterns = {pattern: PatternResult(pattern) for pattern in sorted(self.plan.specs)}
        self.report = Report(self.target.name, patterns=patterns)

    @property
    def passed(self) -> bool:
        """Whether no step failed."""
        return self.report.passed

    @property
    def keeps_when_interrupted(self) -> bool:
        """Whether a signal leaves what was made."""
        return False

    def run(self) -> Report:
        """Make the journey and write its report.

        Raises:
            BadInput: it could not begin; nothing was created.
            Interrupted: a signal came; what was made has been destroyed.
            InterruptedAgain: a second one came; `what_is_left` tells.
        """
        began = time.monotonic()
        raised: BaseException | None = None
        try:
            with self.interruption.breakable():
                self._forward()
        except InterruptedAgain:
            self.report.failed = True
            self._end_report(began)
            raise
        except (DriverError, ClientError, BotoCoreError, OSError) as error:
            if isinstance(error, BadInput) and not self._deploying:
                self._forget_stack()
                self._give_back()
                raise
            self._failed(str(error))
        except BaseException as error:  # noqa: BLE001  whatever it is, what was made is destroyed before it is raised
            raised = error
            self.report.failed = True
            destroys = self._deploying and not self.keeps_when_interrupted
            self.progress.say(f"{error}: destroying what was made" if destroys else f"{error}")
        try:
            self._clean(keep=self.plan.keep and (raised is None or self.keeps_when_interrupted))
        finally:
            self._end_report(began)
        if raised is not None:
            raise raised
        self.interruption.raise_noted()
        return self.report

    def _end_report(self, began: float) -> None:
        self.report.seconds["total"] = time.monotonic() - began
        self._write_report()

    def _failed(self, message: str) -> None:
        self.report.failed = True
        self.progress.problem(f"FAILED: {message}")

    def _forward(self) -> None:
        with self._phase("setup"):
            self.target.start(self.progress.say)
            self.report.container_runtime = self.target.container_runtime
            self.held.note(**self.target.notes)
            stack = self._open_stack()
        with self._phase("preview"):
            changes = stack.preview()
            self.progress.say(describe_changes(changes))
        if self.target.name == "aws":
            with self._phase("preflight"):
                self._preflight(changes)
            self._confirm(changes)
        with self._phase("deploy"):
            self._deploying = True
            self._outputs = stack.deploy(on_resource=self.progress.resource).outputs
        self.use_stack(stack)

    def use_stack(self, _stack: Stack) -> None:
        """Run a workflow of each pattern on the deployed stack, and verify it."""
        with self._phase("run"):
            inputs = self._inputs()
            with self._with_faults():
                self._run(inputs)
        with self._phase("verify"):
            for result in self.report.patterns.values():
                self._verify(result)

    def _open_stack(self) -> Stack:
        self.target.work_dir.mkdir(parents=True, exist_ok=True)
        self._stack = stack = Stack.of_target(
            self.target,
            name=self.plan.stack_name,
            project=self.plan.root,
            interruption=self.interruption,
            log_file=self.plan.report_dir / "pulumi.log",
            say=self.progress.say,
            config={f"{NAMESPACE}:{key}": value for key, value in self.plan.config.items()},
        )
        if self.target.name == "local":
            stack.create()
        elif (outputs := stack.adopt(self.target, create=True)) is None:
            self._stack_is_new = True
        else:
            self._check_deployed(stack, outputs)
        return stack

    def _check_deployed(self, stack: Stack, outputs: Mapping[str, Any]) -> None:
        """An earlier run left this stack: check that the specs fit it."""
        for pattern, spec in self.plan.specs.items():
            if f"pattern{pattern}" in outputs:
                self._render(spec, outputs[f"pattern{pattern}"])
        resources = stack.resources()
        stack.use_docker(self.target, resources)
        if found := len(resources):
            what = "brings them up to date and keeps them" if self.plan.keep else "updates and then destroys them"
            self.progress.say(f"stack {stack.name} holds {found} resources from an earlier run: this one {what}")

    def _render(self, spec: SpecFile, deployed: Mapping[str, Any]) -> Document:
        return spec_files.render(spec.path, spec.document, deployed, source_buckets=self.plan.source_buckets)

    def _preflight(self, changes: Changes) -> None:
        """Refuse what AWS would refuse half-way: a quota that does not suffice, a name that is taken."""
        config, here = KitConfig.parse(self.plan.config), self.target.identity
        needs = preflight.needs_of_steps(changes.steps, on_spot=config.spot_share > 0, vpc_id=config.vpc_id)
        found = preflight.judge(needs, preflight.read(self.target.aws, here, needs))
        for finding in found:
            if finding.level is not preflight.Level.OK:
                self.progress.say(str(finding))
        if problems := [f"{each.what}. {each.mend}" for each in found if each.level is preflight.Level.PROBLEM]:
            raise BadInput("\n".join(("preflight: the deployment would fail:", *problems)))

    def _confirm(self, changes: Changes) -> None:
        here = self.target.identity
        self.progress.say(f"account {here.account}, region {here.region}, as {here.arn}")
        self.progress.say(f"stack {self.plan.stack_name}: {describe_changes(changes)}")
        for line in costs.of_preview(changes.steps):
            self.progress.say(line)
        if self.target.asks_before_deploying and not self.progress.ask("Deploy this?"):
            raise DriverError("Declined: nothing was deployed.")

    @contextmanager
    def _with_faults(self) -> Iterator[None]:
        """Inject faults into the runs, not into deployment, verification and destruction."""
        if self.faults is None:
            yield
            return
        self.report.faults = []
        self.progress.say(f"{len(self.faults.rules)} fault rules hold until the runs have ended")
        with self.faults.injected(self.report.faults):
            yield

    def _inputs(self) -> dict[int, Document]:
        """Render the runs' inputs, and put the objects that they name."""
        inputs: dict[int, Document] = {}
        for pattern, spec in sorted(self.plan.specs.items()):
            if f"pattern{pattern}" not in self._outputs:
                raise DriverError(
                    f"The program has no output pattern{pattern}: export the outputs of its component, or name the "
                    "pattern that it deploys with --pattern."
                )
            deployed = self._outputs[f"pattern{pattern}"]
            inputs[pattern] = self._render(spec, deployed)
            given = list_files.to_input(self.target.aws, inputs[pattern], deployed["s3BucketName"])
            write_json(self.plan.report_dir / f"pattern-{pattern}-input.json", given)
            for key in runs.put_sources(self.target.aws, inputs[pattern], deployed["s3BucketName"], self.plan.sources):
                self.progress.say(f"put s3://{deployed['s3BucketName']}/{key}")
        return inputs

    def _run(self, inputs: Mapping[int, Document]) -> None:
        aws = self.target.aws
        name = f"e2e-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        started = []
        for pattern, document in inputs.items():
            deployed = self._outputs[f"pattern{pattern}"]
            if note := starting.throttling(aws, pattern, deployed, len(document.get("taskList", ()))):
                self.progress.say(note)
            run = runs.start(aws, pattern=pattern, spec=document, deployed=deployed, name=name)
            self.report.patterns[pattern].run = run
            self.progress.say(f"pattern {pattern}: started {run.execution_arn}")
            started.append(run)
        poll_seconds = POLL_SECONDS[self.target.name]
        seconds = runs.watch(
            aws,
            started,
            on_counts=self.progress.counts,
            poll_seconds=poll_seconds,
            limit_seconds=self.plan.limit_seconds + RUN_GRACE_SECONDS,
        )
        for pattern, took in seconds.items():
            self.report.patterns[pattern].run_seconds = took
        runs.await_final_rows(aws, started, limit_seconds=FINAL_ROWS_SECONDS, poll_seconds=poll_seconds)

    def _verify(self, result: PatternResult) -> None:
        run = result.run
        if run is None:
            return
        began = time.monotonic()
        default: Expectation = COPY if spec_files.has_kit_records(run.deployed) else NONE
        facts = verify.gather(self.target.aws, run, self.plan.expectation or default)
        verdict = verify.judge(run, facts)
        verdict.run_seconds = result.run_seconds
        self.report.patterns[run.pattern] = verdict
        shown = list(verdict.problems[:SHOWN_PROBLEMS])
        if more := len(verdict.problems) - len(shown):
            shown.append(f"and {more} more problems, all of them in the report")
        for line in shown:
            self.progress.problem(f"pattern {run.pattern}: {line}")
        logs = self._logs_of_failed(run, facts.state.details)
        verdict.failed_tasks = failed_tasks.documents(facts.state.details, lambda item: logs[item["ecs_task_id"]])
        for line in failed_tasks.lines(verdict.failed_tasks):
            self.progress.say(f"pattern {run.pattern}: {line}")
        verdict.verify_seconds = time.monotonic() - began
        self._write_page(verdict, gather.reading(self.target.aws, facts.state, logs=logs, verdict=verdict.found))

    def _write_page(self, verdict: PatternResult, reading: Reading) -> None:
        path = self.plan.report_dir / f"pattern-{verdict.pattern}.html"
        try:
            gather.write(path, reading)
        except OSError as error:
            self._failed(f"the run's page cannot be written to {path}: {error.strerror}")
        else:
            self.progress.say(f"pattern {verdict.pattern}: {path}")

    def _logs_of_failed(self, run: runs.Run, details: Sequence[Item]) -> dict[str, list[str]]:
        """The log of each attempt that failed, by `ecs_task_id`; it is written into the report folder, too."""
        logs: dict[str, list[str]] = {}
        for item in details:
            if item.get("status") != TaskStatus.FAILED:
                continue
            log = log_tail(self.target.aws, str(run.deployed["taskLogGroup"]), item)
            logs[item["ecs_task_id"]] = log
            if log:
                name = f"pattern-{run.pattern}-{item.get('task_name')}-{item.get('attempt', 1)}.log"
                (self.plan.report_dir / name).write_text("\n".join(log) + "\n", encoding="utf-8")
        return logs

    def _clean(self, *, keep: bool) -> None:
        if self._deploying and keep:
            self.report.kept = True
            use = self.target.how_to_use(self.plan.stack_name)
            self.held.note(kept=True, use=tuple(use))
            remove = self.target.how_to_remove(self.plan.stack_name)
            self.progress.say(f"kept: stack {self.plan.stack_name}. To use it in a shell:")
            for line in (*(f"  {line}" for line in use), "To remove it:", *(f"  {line}" for line in remove)):
                self.progress.say(line)
            return
        if self._deploying and self._stack is not None:
            teardown = Teardown(self._stack, self.target, self.progress, self._failed)
            with self._phase("destroy"):
                self.report.destroyed = teardown.destroy()
            with self._phase("leftovers"):
                self.report.leftovers = teardown.look_for_leftovers()
        else:
            self.report.destroyed = True
            self._forget_stack()
        self._give_back()

    def _forget_stack(self) -> None:
        if self._stack is not None and self._stack_is_new:
            try:
                self._stack.remove()
            except DriverError as error:
                self.progress.say(str(error))

    def _give_back(self) -> None:
        self.target.stop()
        if self.target.name == "local" and not self._deploying:
            # A signal during the set-up may come after the emulator's process began and before anybody knew of it.
            try:
                processes.end(self.target.work_dir)
            except DriverError as error:
                self._failed(str(error))
        if self.held.previous is not None and not self._deploying:
            # Nothing was touched: the stack is still what an earlier run left, and its record says so.
            self.held.restore()
        elif self.target.name == "local" or self.report.destroyed or not self._deploying:
            shutil.rmtree(self.target.work_dir, ignore_errors=True)

    def what_is_left(self) -> list[str]:
        """Lines for a user who has to finish by hand what the driver could not."""
        return what_is_left(self.target, self.plan.stack_name, self._stack if self._deploying else None)

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return self.report.document()

    def ending(self) -> dict[str, Any]:
        """What every journey's report says of the stack's end and of the time that each step took."""
        return {
            "destroyed": self.report.destroyed,
            "leftovers": self.report.leftovers,
            "seconds": {name: round(took, 1) for name, took in self.report.seconds.items()},
        }

    def show_report(self) -> None:
        """Show the report's tables."""
        seconds = [[name, f"{took:.1f}"] for name, took in self.report.seconds.items()]
        self.progress.table("seconds", ["step", "seconds"], seconds)
        if self.report.faults is not None:
            self.progress.table("faults", *self.report.faults_table())
        self.progress.table("passed" if self.passed else "FAILED", *self.report.table())

    def _write_report(self) -> None:
        written = []
        for path in (self.plan.report_dir / "report.json", self.plan.json):
            try:
                if path is not None:
                    write_json(path, self.document())
                    written.append(path)
            except OSError as error:
                self._failed(f"the report cannot be written to {path}: {error.strerror}")
        self.show_report()
        self.progress.end(report=self.document())
        for path in written[:1]:
            self.progress.say(f"report: {path}")

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self.progress.phase(name)
        try:
            yield
        finally:
            self.report.seconds[name] = time.monotonic() - began


class Deployment(Scenario):
    """A journey that ends once the stack is deployed."""

    @property
    def passed(self) -> bool:
        """Whether no step failed."""
        return self.report.stack_ended

    @property
    def keeps_when_interrupted(self) -> bool:
        """On AWS the stack may have been there before."""
        return self.target.name == "aws"

    def use_stack(self, _stack: Stack) -> None:
        """Run nothing."""

    def document(self) -> dict[str, Any]:
        """What was deployed: the stack's outputs."""
        return {"passed": self.passed, "outputs": dict(self._outputs), **self.ending()}

    def show_report(self) -> None:
        """Say whether it is deployed."""
        self.progress.say(f"stack {self.plan.stack_name}: {'deployed' if self.passed else 'NOT deployed'}")


def describe_changes(changes: Changes) -> str:
    """What a preview found, on one line."""
    counted = [f"{number} to {operation}" for operation, number in sorted(changes.counts.items()) if number]
    return ", ".join(counted) or "nothing to do"
