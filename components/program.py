"""The program: configuration in, patterns up, stack outputs out."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.config import NAMESPACE, KitConfig
from components.errors import ConfigError, ConfigProblem
from components.names import Place
from components.patterns import PatternArgs, TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions

__all__ = ["ConfigError", "ConfigProblem", "KIT_VERSION", "KitConfig", "NAMESPACE", "check_config", "program"]

KIT_VERSION = "0.1.0"
"""The kit's version, a stack output."""


def check_config(values: Mapping[str, str]) -> KitConfig:
    """Checks configuration before anything is started with it.

    Args:
        values: Value by key without namespace, as `pulumi config set` takes them: lists and objects as JSON text.

    Raises:
        ConfigError: With every key that cannot be used.
    """
    return KitConfig.parse(values)


def program() -> None:
    """Deploys the configured patterns and exports what a run's spec needs.

    The engine's working directory has to be the project's folder: paths in the state are relative to it.

    Raises:
        ConfigError: The configuration cannot be used; nothing has been created.
    """
    config = KitConfig.read()
    place = Place(
        partition=aws.get_partition().partition,
        account=aws.get_caller_identity().account_id,
        region=aws.get_region().region,
    )
    args = PatternArgs(config=config, place=place, stack=pulumi.get_stack())
    if 1 in config.deployed_patterns:
        pulumi.export("pattern1", dict(TaskSubmissionFromLambda("pattern-1", args).outputs))
    if 2 in config.deployed_patterns:
        pulumi.export("pattern2", dict(TaskSubmissionFromStepFunctions("pattern-2", args).outputs))
    pulumi.export("kitVersion", KIT_VERSION)
    pulumi.export("account", place.account)
    pulumi.export("region", place.region)
