"""Entry point for `pulumi up`."""

from ecs_kit.components.program import program

program()
