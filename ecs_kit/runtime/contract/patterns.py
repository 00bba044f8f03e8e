"""The differences between the patterns. Other code uses these properties, not a pattern's number."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

STEP_FUNCTIONS = "AWS Step Functions"
"""`startedBy` of every ECS task that `ecs:runTask.sync` starts."""


class Starter(StrEnum):
    """Who starts a run's ECS tasks, and retries them."""

    LAUNCHER = "launcher"
    STATE_MACHINE = "state machine"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern.

    Args:
        number: its number in configuration and names.
        starter: who starts its ECS tasks and retries them.
    """

    number: int
    starter: Starter

    @property
    def has_launcher(self) -> bool:
        """Whether the Task Launcher starts the tasks."""
        return self.starter is Starter.LAUNCHER

    def started_by(self, run_id: int) -> str:
        """Return `startedBy` of a run's ECS tasks, by which they are found."""
        return str(run_id) if self.has_launcher else STEP_FUNCTIONS


PATTERNS = {pattern.number: pattern for pattern in (Pattern(1, Starter.LAUNCHER), Pattern(2, Starter.STATE_MACHINE))}
