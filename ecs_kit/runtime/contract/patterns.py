"""The differences between the patterns. Other code uses these properties, not a pattern's number."""

from dataclasses import dataclass

STEP_FUNCTIONS = "AWS Step Functions"
"""`startedBy` of every ECS task that `ecs:runTask.sync` starts."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern: either the Task Launcher starts and retries the ECS tasks, or the state machine does."""

    has_launcher: bool

    def started_by(self, run_id: int) -> str:
        """Return `startedBy` of a run's ECS tasks, by which they are found."""
        return str(run_id) if self.has_launcher else STEP_FUNCTIONS


PATTERNS = {1: Pattern(has_launcher=True), 2: Pattern(has_launcher=False)}
