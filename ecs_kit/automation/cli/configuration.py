"""The kit's configuration that a command line gives: a stack's settings file, and `--config` on top of it."""

import argparse
from collections.abc import Collection

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.stacks import stack_settings
from ecs_kit.components.program import ConfigError, KitConfig


def read(
    options: argparse.Namespace, patterns: Collection[int], region: str | None = None
) -> tuple[dict[str, str], KitConfig]:
    """The values by key, without namespace, and what they mean; `patterns` says which the stack holds.

    Where it is known, values have to be usable in the `region` of the stack.

    Raises:
        BadInput: a value cannot be used, or the settings file cannot be read.
    """
    settings = stack_settings.read(options.stack_config) if options.stack_config else {}
    values = {**settings, **options.config, "patterns": "all" if len(patterns) > 1 else str(next(iter(patterns)))}
    try:
        config = KitConfig.parse(values)
        if region is not None:
            config.check(region)
        return values, config
    except ConfigError as error:
        raise BadInput(f"configuration: {error}") from error
