"""The benchmark's journey: deploy both patterns and the baseline, run each contender alone, measure, destroy."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.scale import baseline, measures
from ecs_kit.automation.errors import DriverError
from ecs_kit.automation.host.polling import looks
from ecs_kit.automation.journeys import list_files, runs, spec_files
from ecs_kit.automation.journeys.report_page import gather
from ecs_kit.automation.journeys.scenario import Scenario
from ecs_kit.automation.journeys.spec_files import SpecFile
from ecs_kit.automation.stacks.lifecycle import Stack
from ecs_kit.runtime.contract import environment
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.patterns import PATTERNS
from ecs_kit.runtime.contract.run_ids import run_id
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.reporter import run_state
from ecs_kit.runtime.reporter.items import details_items, summary_item

BASELINE, CEILING = "baseline", "RunTask alone"
CONTENDERS = (*(f"pattern {number}" for number in PATTERNS), BASELINE, CEILING)
RUN_TIMEOUT_SECONDS = 7200
POLL_SECONDS = 0.5
LOOKS_PER_LINE = 120
OVER_SECONDS = 5.0
SETTLE_SECONDS = 2.0
"""After the execution's end, before the meter is read: the last calls of functions and tasks are counted then."""
CALLERS = 32
"""Calls of RunTask at once where it is measured alone, as many as the launcher makes."""


@dataclass(eq=False)
class Scale(Scenario):
    """The journey. Each contender runs alone, for each number of tasks, smallest first."""

    numbers: Sequence[int]
    contenders: Sequence[str]
    throttled_percent: int = 0
    stop_after: int = 0
    """Seconds until each execution is stopped; 0 lets it end."""
    measured: list[dict[str, Any]] = field(default_factory=list, init=False)

    @property
    def passed(self) -> bool:
        """Whether all runs are verified, and nothing is left."""
        return self.report.stack_ended and not any(each["problems"] for each in self.measured)

    def document(self) -> dict[str, Any]:
        """What was measured."""
        return {"passed": self.passed, "runs": self.measured, **self.ending()}

    def show_report(self) -> None:
        """Show whether all runs are verified."""
        wrong = sum(bool(each["problems"]) for each in self.measured)
        self.progress.say(f"{'passed' if self.passed else 'FAILED'}: {len(self.measured)} runs, {wrong} of them wrong")

    def use_stack(self, _stack: Stack) -> None:
        """Run and measure everything."""
        with self._phase("runs"), contextlib.ExitStack() as undo:
            other = None
            if BASELINE in self.contenders:
                other = undo.enter_context(baseline.deployed(self.target.aws, self._outputs["pattern1"]))
            for number in sorted(self.numbers):
                for contender in self.contenders:
                    found = self._one(contender, number, other)
                    if found is None:
                        self.progress.say(f"{number} tasks, {contender}: its list does not fit into an input")
                        continue
                    self.measured.append(found)
                    wrong = f", {len(found['problems'])} PROBLEMS: {found['problems'][:3]}" if found["problems"] else ""
                    took = f"{found['runSeconds']} s, {found['launchesPerSecond']} launches/s"
                    noticed = f"noticed after {found['noticedAfterRowSeconds']} s"
                    if self.stop_after:
                        noticed = f"stopped, {found['launchedAfterStop']} of {found['launched']} launched after that"
                    self.progress.say(f"{number} tasks, {contender}: {took}, {noticed}{wrong}")

    def _one(self, contender: str, number: int, other: baseline.Baseline | None) -> dict[str, Any] | None:
        pattern = int(contender.rpartition(" ")[2]) if contender.startswith("pattern") else 1
        deployed: Mapping[str, Any] = self._outputs[f"pattern{pattern}"]
        spec = self.plan.specs[pattern]
        workflow = f"scale-{contender.replace(' ', '-')}-{number}-{datetime.now(UTC):%H%M%S}"
        given = spec_files.with_tasks({**spec.document, "workflowName": workflow}, number)
        document = self._render(SpecFile(spec.path, given), deployed)
        runs.put_sources(self.target.aws, document, str(deployed["s3BucketName"]))
        if contender == BASELINE:
            assert other is not None
            document = other.spec(document, workflow, RUN_TIMEOUT_SECONDS)
            if not list_files.fits(document):
                return None
            deployed = other.deployed
        load = os.getloadavg()[0]
        with self._metered():
            if contender == CEILING:
                identifier, started, ended, status = self._run_tasks(document, workflow)
            else:
                identifier, started, ended, status = self._execute(pattern, document, deployed)
            time.sleep(SETTLE_SECONDS)
            reading = self.target.injector.read_meter()
        finished = self._finished(document, deployed, workflow, identifier, started, ended, status)
        if self.stop_after:
            of_run = {"stoppedAfterSeconds": self.stop_after, **measures.stopping(finished)}
            problems = measures.problems_of_stopped(finished, has_launcher=PATTERNS[pattern].has_launcher)
        else:
            of_run, problems = {}, measures.problems(finished)
        names = [str(deployed[name]) for name in deployed if name.endswith("FunctionName")]
        return {
            "contender": contender,
            "tasks": number,
            "date": to_iso(started),
            "loadBefore": round(load, 1),
            "throttledPercent": self.throttled_percent,
            "problems": problems,
            **of_run,
            **measures.timing(finished),
            **measures.usage(reading, number, {name: self._function(name) for name in names}),
        }

    @contextlib.contextmanager
    def _metered(self) -> Iterator[None]:
        """AWS's limits hold, and the meter counts, while the run is active alone."""
        emulator: Any = self.target.injector
        if self.throttled_percent:
            error = {"error": "ThrottlingException", "message": "Rate exceeded"}
            rule = {"service": "ecs", "operation": "RunTask", "share": self.throttled_percent / 100, "effect": error}
            emulator.inject_faults([rule], "throttled")
        emulator.keep_limits()
        emulator.start_meter()
        try:
            yield
        finally:
            emulator.stop_meter()
            emulator.inject_faults([], "aws limits")
            emulator.inject_faults([], "throttled")

    def _execute(
        self, pattern: int, document: Mapping[str, Any], deployed: Mapping[str, Any]
    ) -> tuple[int, datetime, datetime, str]:
        name = f"scale-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        run = runs.start(self.target.aws, pattern=pattern, spec=document, deployed=deployed, name=name)
        for number, _ in enumerate(looks(RUN_TIMEOUT_SECONDS, POLL_SECONDS), start=1):
            found: Any = self.target.aws.stepfunctions.describe_execution(executionArn=run.execution_arn)
            if number % LOOKS_PER_LINE == 0:
                item = summary_item(self.target.aws, deployed, run.workflow_name, run.run_id) or {}
                self.progress.say(f"{item.get('completed_tasks', 0)} of {len(run.tasks)} tasks counted as completed")
            if number == round(self.stop_after / POLL_SECONDS):
                self.target.aws.stepfunctions.stop_execution(executionArn=run.execution_arn)
            if found["status"] != runs.RUNNING:
                if self.stop_after:
                    self._until_over(run, deployed)
                page = self.plan.report_dir / f"{run.workflow_name}.html"
                gather.write(page, gather.reading(self.target.aws, run_state.read(self.target.aws, run)))
                why = [str(found[name]) for name in ("status", "error", "cause") if found.get(name)]
                return run.run_id, found["startDate"], found["stopDate"], ": ".join(why)
        raise DriverError(f"{run.execution_arn} did not end within {RUN_TIMEOUT_SECONDS} s")

    def _until_over(self, run: runs.Run, deployed: Mapping[str, Any]) -> None:
        """Wait until the monitor has ended a stopped run, and all its tasks have stopped."""
        of_cluster = EcsTasks(self.target.aws.ecs, str(deployed["clusterName"]))
        for _ in looks(RUN_TIMEOUT_SECONDS, OVER_SECONDS):
            item = summary_item(self.target.aws, deployed, run.workflow_name, run.run_id) or {}
            if item.get("end_time") and all(task.is_stopped for task in of_cluster.all().values()):
                return

    def _run_tasks(self, document: Mapping[str, Any], workflow: str) -> tuple[int, datetime, datetime, str]:
        """Call RunTask for each task without the kit, as fast as AWS's limit lets: what the emulator can do at most."""
        aws, started = self.target.aws, datetime.now(UTC)
        identifier = run_id(started, workflow)
        separator = str(document["separator"])
        network = {
            "subnets": document["subnetIdLiteral"].split(separator),
            "securityGroups": document["securityGroupId"].split(separator),
        }
        client = aws.client("ecs", max_pool_connections=CALLERS)
        turn = threading.Lock()
        began = time.monotonic()
        calls = 0

        def start(index: int) -> None:
            nonlocal calls
            with turn:
                calls += 1
                pause = began + (calls - measures.LIMIT_PER_SECOND) / measures.LIMIT_PER_SECOND - time.monotonic()
                time.sleep(max(0.0, pause))
            task = document["taskList"][index]
            attempt = environment.Attempt(
                workflow, identifier, task["taskName"], 1, document["s3BucketName"], task["objectKey"], index=index
            )
            variables = environment.override(attempt, to_iso(datetime.fromtimestamp(time.time() + 3600, UTC)))
            pairs: list[Any] = [{"name": name, "value": value} for name, value in variables.items()]
            client.run_task(
                cluster=document["clusterName"],
                taskDefinition=document["taskDefinition"],
                launchType="FARGATE",
                startedBy=str(identifier),
                networkConfiguration={"awsvpcConfiguration": network},
                overrides={"containerOverrides": [{"name": document["containerName"], "environment": pairs}]},
            )

        with ThreadPoolExecutor(CALLERS) as threads:
            list(threads.map(start, range(len(document["taskList"]))))
        of_cluster = EcsTasks(aws.ecs, str(document["clusterName"]))
        for _ in looks(RUN_TIMEOUT_SECONDS, 2.0):
            if not any(True for _ in of_cluster.running(str(identifier))):
                break
        return identifier, started, datetime.now(UTC), "SUCCEEDED"

    def _finished(
        self,
        document: Mapping[str, Any],
        deployed: Mapping[str, Any],
        workflow: str,
        identifier: int,
        started: datetime,
        ended: datetime,
        status: str,
    ) -> measures.Finished:
        aws = self.target.aws
        prefix = f"{deployed['targetPrefix']}/{workflow}/{identifier}/"
        pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=str(deployed["s3BucketName"]), Prefix=prefix)
        keys = [found["Key"].removeprefix(prefix) for page in pages for found in page.get("Contents", ())]
        tasks = EcsTasks(aws.ecs, str(deployed["clusterName"])).all().values()
        return measures.Finished(
            names=[str(task["taskName"]) for task in document["taskList"]],
            status=status,
            started=started,
            ended=ended,
            tasks=[task for task in tasks if task.run == (workflow, identifier)],
            rows=list(details_items(aws, deployed, workflow, identifier)),
            results=[key.partition("/")[0] for key in keys],
        )

    def _function(self, name: str) -> measures.Deployed:
        found: Any = self.target.aws.functions.get_function_configuration(FunctionName=name)
        return measures.Deployed(int(found["Timeout"]), int(found["MemorySize"]))
