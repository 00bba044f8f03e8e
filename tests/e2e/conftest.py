"""A deployed stack that the tests of a module share, on a copy of the project whose sources they may change."""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.stacks.lifecycle import Stack
from ecs_kit.automation.stacks.local import LocalTarget
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("ecs_kit", "specs", "__main__.py", "Pulumi.yaml")


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


DRIVER_SECONDS = 600.0
"""How long a driver may take on a busy machine; less than what its test may."""


def finish(driver: "subprocess.Popen[str]", seconds: float = DRIVER_SECONDS) -> tuple[str, str]:
    """What a driver printed, once it has ended. One that does not is ended, and shows the stacks of its threads."""
    try:
        return driver.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        driver.send_signal(signal.SIGABRT)
        out, err = driver.communicate(timeout=60)
        pytest.fail(f"the driver did not end within {seconds:g} s\n{out}\n{err}")


@pytest.fixture(scope="module", autouse=True)
def whole_runs_count_no_lines() -> Iterator[None]:
    """Processes are not traced here: what whole runs pass through is counted by smaller tests, in half the time."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        environment.delenv("COVERAGE_PROCESS_START", raising=False)
        yield


@dataclass
class Deployed:
    """Both patterns, deployed once.

    Attributes:
        project: the copy of the project that was deployed.
        work_dir: where the stack's settings are.
        target: the local target.
        stack: the stack.
        outputs: its outputs after the first deployment.
        resources: number of resources by type after the first deployment.
    """

    project: Path
    work_dir: Path
    target: LocalTarget
    stack: Stack
    outputs: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, int] = field(default_factory=dict)

    def pattern(self, number: int) -> dict[str, Any]:
        """The outputs of one pattern."""
        return dict(self.outputs[f"pattern{number}"])


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy a copy of the project, and destroy it when the module's tests are through."""
    project = tmp_path_factory.mktemp("project")
    copy_project(project)
    work_dir = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        for variable in [name for name in os.environ if name.startswith(("AWS_", "PULUMI_"))]:
            patch.delenv(variable)
        target = LocalTarget(work_dir=work_dir, container_runtime="process")
        try:
            target.start(print)
            pulumi = PulumiProcess(
                target.pulumi.executable,
                version=target.pulumi.version,
                environment=target.environment,
                interruption=Interruption(),
                log_file=work_dir / "pulumi.log",
            )
            stack = Stack(name="e2e", pulumi=pulumi, work_dir=work_dir, project=project, config=target.config)
            stack.create()
            kit = Deployed(project=project, work_dir=work_dir, target=target, stack=stack)
            types: Counter[str] = Counter()
            result = stack.deploy(
                on_resource=lambda step: types.update([step.type] if step.state == "done" else []),
            )
            kit.outputs, kit.resources = result.outputs, types
            yield kit
            stack.destroy()
        finally:
            target.stop()
