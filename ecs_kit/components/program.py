"""The Pulumi program: reads the configuration, deploys the patterns, exports the stack outputs."""

import pulumi

from ecs_kit.components.config import NAMESPACE, KitConfig
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.patterns import COMPONENTS, PatternArgs

__all__ = ["ConfigError", "KIT_VERSION", "KitConfig", "NAMESPACE", "program"]

KIT_VERSION = "0.1.0"
"""The kit's version, a stack output."""


def program() -> None:
    """Deploys the configured patterns and exports the values that specs need.

    The engine's working directory has to be the project's folder: paths in the state are relative to it.

    Raises:
        ConfigError: The configuration cannot be used; nothing has been created.
    """
    config = KitConfig.read()
    args = PatternArgs(config)
    for number in config.deployed_patterns:
        pulumi.export(f"pattern{number}", dict(COMPONENTS[number](f"pattern-{number}", args).outputs))
    pulumi.export("kitVersion", KIT_VERSION)
    pulumi.export("account", args.target.account)
    pulumi.export("region", args.target.region)
