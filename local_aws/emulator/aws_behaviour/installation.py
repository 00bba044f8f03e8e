"""Installs the corrections in the emulator's process."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from local_aws.emulator import aws_behaviour
from local_aws.emulator.aws_behaviour import ecs_api, ecs_tasks, lambda_functions
from local_aws.emulator.aws_behaviour.patching import CORRECTIONS, Correction, patches_of, require_known_ministack
from local_aws.emulator.children import Children
from local_aws.emulator.runtimes import ContainerRuntime


def every_correction() -> list[Correction]:
    """All corrections: those that the modules of `aws_behaviour` declare. Nothing is replaced yet."""
    for module in pkgutil.iter_modules(aws_behaviour.__path__, f"{aws_behaviour.__name__}."):
        importlib.import_module(module.name)
    return list(CORRECTIONS.values())


def install(runtime: ContainerRuntime, children: Children, folder: Path, left_out: str = "") -> None:
    """Correct MiniStack in this process, but for the corrections in `left_out`."""
    require_known_ministack()
    ecs_tasks.lives.runtime = runtime
    lambda_functions.functions.use(children, folder / "lambda")
    ecs_api.count_tasks_when_described()
    for patch in patches_of(every_correction(), left_out):
        patch.apply()
