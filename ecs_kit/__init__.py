"""Runs many Amazon ECS tasks from AWS Step Functions and knows for certain how each one ended.

In a Pulumi program: `from ecs_kit import KitConfig, PatternArgs, TaskSubmissionFromLambda`. In any other:
`ecs_kit.start("stack", tasks)`. The names are loaded when they are asked for, because this package is also in Lambda
functions and images, without Pulumi.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecs_kit.automation.client import start
    from ecs_kit.components.config import KitConfig
    from ecs_kit.components.job import JobArgs
    from ecs_kit.components.patterns import PatternArgs, TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions

__all__ = [
    "JobArgs",
    "KitConfig",
    "PatternArgs",
    "TaskSubmissionFromLambda",
    "TaskSubmissionFromStepFunctions",
    "start",
]

_MODULES = {"KitConfig": "components.config", "JobArgs": "components.job", "start": "automation.client"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"ecs_kit.{_MODULES.get(name, 'components.patterns')}"), name)
