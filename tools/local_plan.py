"""What the kit's own endurance tests share: a journey of its sample specs on this machine."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_kit.automation.cli.entry_point import ROOT, check_folders, run_folders, run_journey
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys.scenario import Plan, Scenario
from ecs_kit.automation.journeys.spec_files import SpecFile, load, sample_path, with_tasks
from ecs_kit.automation.stacks.local import ContainerRuntime, LocalTarget
from ecs_kit.components.program import KitConfig


def run(
    name: str,
    make: Callable[..., Scenario],
    interruption: Interruption,
    *,
    patterns: Sequence[int],
    config: Mapping[str, str],
    report_dir: Path | None,
    tasks: int | None = None,
    container_runtime: ContainerRuntime = "process",
    **more: Any,
) -> int:
    """Make a journey of the kit's own specs on this machine, and return the exit status.

    The stack is called `name`, and so begin the names of its folders; `more` are further fields of the plan.

    Raises:
        BadInput: a folder cannot be written to.
    """
    paths = {pattern: sample_path(pattern) for pattern in patterns}
    specs = {pattern: SpecFile(path, with_tasks(load(path), tasks)) for pattern, path in paths.items()}
    report_dir, work_dir = run_folders(f"{name}-", report_dir)
    os.chdir(ROOT)
    check_folders(report_dir, work_dir)
    plan = Plan(stack_name=name, specs=specs, config=config, root=ROOT, report_dir=report_dir, **more)
    base_image = KitConfig.parse(config).base_image
    target = LocalTarget(work_dir=work_dir, container_runtime=container_runtime, base_image=base_image)
    return run_journey(make, plan, target, log=f"{name}.log", interruption=interruption)
