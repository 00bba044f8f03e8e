"""What whole runs share: a deployed stack that its tests may change, and drivers started from outside."""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import runs, spec_files, verify
from ecs_kit.automation.journeys.expectations import COPY, Expectation
from ecs_kit.automation.journeys.report import PatternResult
from ecs_kit.automation.stacks.lifecycle import Stack
from ecs_kit.automation.stacks.local import LocalTarget
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess
from ecs_kit.runtime.contract import metrics
from local_aws.pulumi_cli import default_cache_dir

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "ecs-step-functions-kit"
COPIED = ("ecs_kit", "specs", "__main__.py", "Pulumi.yaml")
E2E = (str(ROOT / "automation" / "e2e.py"),)
DRIVER_SECONDS = 600.0
"""How long a driver may take on a busy machine; less than what its test may."""


def copy_project(project: Path, names: Iterable[str] = COPIED) -> None:
    """Copy these parts of the project into a folder, which is made."""
    project.mkdir(exist_ok=True)
    for name in names:
        source = ROOT / name
        if source.is_symlink():
            (project / name).symlink_to(source.readlink())
        elif source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, project / name)


def start(folder: Path, *arguments: str, command: Iterable[str] = E2E, **more: str) -> "subprocess.Popen[str]":
    """Start a driver as a terminal would: in a process group of its own, from some folder.

    Its environment has no AWS or Pulumi settings but `more`, and the CLI that is cached on this machine.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_", "KIT_"))}
    own = {"HOME": str(folder), "XDG_CACHE_HOME": str(default_cache_dir().parent), "PYTHONFAULTHANDLER": "1"}
    return subprocess.Popen(
        [sys.executable, *command, *arguments],
        cwd=folder,
        env={**kept, **own, **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until(driver: "subprocess.Popen[str]", moment: Callable[[str], bool]) -> str:
    """What a driver says up to the first line for which `moment` is true, or until it ends."""
    seen = ""
    for line in driver.stderr or ():
        seen += line
        if moment(line):
            break
    return seen


def finish(driver: "subprocess.Popen[str]", seconds: float = DRIVER_SECONDS) -> tuple[str, str]:
    """What a driver printed, once it has ended. One that does not is ended, and shows the stacks of its threads."""
    try:
        return driver.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        driver.send_signal(signal.SIGABRT)
        out, err = driver.communicate(timeout=60)
        pytest.fail(f"the driver did not end within {seconds:g} s\n{out}\n{err}")


@pytest.fixture(scope="module", autouse=True)
def no_coverage_of_whole_runs() -> Iterator[None]:
    """Processes are not traced here: smaller tests cover what whole runs execute, in half the time."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        environment.delenv("COVERAGE_PROCESS_START", raising=False)
        yield


def sample(pattern: int) -> spec_files.Document:
    """The spec that comes with the kit."""
    return spec_files.load(spec_files.sample_path(pattern))


@dataclass
class Deployed:
    """Both patterns on the local target; `outputs` and number of `resources` by type are as first deployed."""

    project: Path
    work_dir: Path
    target: LocalTarget
    stack: Stack
    outputs: Mapping[str, Any]
    resources: Mapping[str, int]

    def configure(self, **values: Any) -> None:
        """Set the kit's own config."""
        self.stack.configure({f"{NAMESPACE}:{key}": value for key, value in values.items()})

    def start(self, pattern: int, document: Mapping[str, Any]) -> runs.Run:
        """Start a run of a spec on what is deployed now."""
        deployed = self.stack.outputs()[f"pattern{pattern}"]
        rendered = spec_files.render(Path("spec.json"), document, deployed)
        runs.put_sources(self.target.aws, rendered, deployed["s3BucketName"])
        return runs.start(self.target.aws, pattern=pattern, spec=rendered, deployed=deployed, name=uuid.uuid4().hex)

    def verdict(self, run: runs.Run, expectation: Expectation = COPY) -> PatternResult:
        """Watch a run until it ends, and judge it."""
        runs.watch(self.target.aws, [run], on_counts=lambda *_: None, poll_seconds=0.2, limit_seconds=120)
        return verify.judge(run, verify.gather(self.target.aws, run, expectation))

    def run(self, pattern: int, document: Mapping[str, Any], expectation: Expectation = COPY) -> PatternResult:
        """Start a run of a spec, watch it, and judge it."""
        return self.verdict(self.start(pattern, document), expectation)


@contextmanager
def local_stack(
    name: str,
    project: Path,
    work_dir: Path,
    *,
    config: Callable[[LocalTarget], Mapping[str, str]] = lambda _: {},
    container_runtime: str = "simulated",
) -> Iterator[Deployed]:
    """Deploy a program on the local target, and destroy it at the end; `config` sees the running target."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in [name for name in os.environ if name.startswith(("AWS_", "PULUMI_"))]:
            patch.delenv(variable)
        target = LocalTarget(work_dir=work_dir, container_runtime=container_runtime)
        try:
            target.start(print)
            with stack_on(target, name, project, work_dir, config=config(target)) as kit:
                yield kit
        finally:
            target.stop()


def new_stack(target: LocalTarget, name: str, project: Path, work_dir: Path, config: Mapping[str, str]) -> Stack:
    """A stack of a program on a target that runs, not deployed yet."""
    pulumi = PulumiProcess(
        target.pulumi.executable,
        version=target.pulumi.version,
        environment=target.environment,
        interruption=Interruption(),
        log_file=work_dir / "pulumi.log",
    )
    settings = {**target.config, **config}
    stack = Stack(name=name, pulumi=pulumi, work_dir=work_dir, project=project, config=settings)
    stack.create()
    return stack


@contextmanager
def stack_on(
    target: LocalTarget, name: str, project: Path, work_dir: Path, *, config: Mapping[str, str]
) -> Iterator[Deployed]:
    """Deploy a program on a target that runs, and destroy it at the end."""
    stack = new_stack(target, name, project, work_dir, config)
    types: Counter[str] = Counter()
    made = stack.deploy(on_resource=lambda step: types.update([step.type] if step.state == "done" else []))
    yield Deployed(project, work_dir, target, stack, made.outputs, types)
    stack.destroy()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A deployed copy of the project, whose sources the tests of a module may change."""
    project = tmp_path_factory.mktemp("project")
    copy_project(project)
    with local_stack("e2e", project, tmp_path_factory.mktemp("work")) as kit:
        yield kit


def metric_sums(deployed: Deployed, pattern: int) -> Counter[str]:
    """The sums of the kit's metrics of a pattern so far."""
    now, sums = datetime.now(UTC), Counter[str]()
    machine = deployed.outputs[f"pattern{pattern}"]["stateMachineArn"].rsplit(":", 1)[-1]
    for metric in metrics.METRICS:
        points = deployed.target.aws.cloudwatch.get_metric_statistics(
            Namespace=metrics.NAMESPACE,
            MetricName=metric.name,
            Dimensions=[{"Name": metrics.DIMENSION, "Value": machine}],
            StartTime=now - timedelta(days=1),
            EndTime=now + timedelta(hours=1),
            Period=86400,
            Statistics=["Sum"],
        )["Datapoints"]
        sums[metric.name] = sum(point["Sum"] for point in points)
    return sums
