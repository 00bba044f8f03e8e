"""What the kit's own endurance tests share: a journey of its sample specs on this machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecs_kit.automation.cli.entry_point import ROOT, check_folders, run_folders
from ecs_kit.automation.journeys.scenario import Plan, SpecFile
from ecs_kit.automation.journeys.spec_files import Document, sample_path
from ecs_kit.automation.stacks.local import LocalTarget
from ecs_kit.automation.stacks.target import Target
from ecs_kit.components.program import KitConfig


def local_plan(
    name: str, documents: Mapping[int, Document], *, config: Mapping[str, str], report_dir: Path | None, **more: Any
) -> tuple[Plan, Target]:
    """The plan of a journey that runs the kit's own specs on this machine, and its deployment target.

    The stack is called `name`, and so begin the names of its folders; `documents` has the spec of each pattern.

    Raises:
        BadInput: a folder cannot be written to.
    """
    report_dir, work_dir = run_folders(f"{name}-", report_dir)
    os.chdir(ROOT)
    check_folders(report_dir, work_dir)
    plan = Plan(
        stack_name=name,
        specs={pattern: SpecFile(sample_path(pattern), document) for pattern, document in documents.items()},
        config=config,
        root=ROOT,
        work_dir=work_dir,
        report_dir=report_dir,
        **more,
    )
    return plan, LocalTarget(
        work_dir=work_dir, container_runtime="process", base_image=KitConfig.parse(config).base_image
    )
