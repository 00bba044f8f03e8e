"""What a run's ECS tasks cost, at the list prices of `prices.toml`. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecs_kit.runtime.reporter import task_costs
from ecs_kit.runtime.reporter.phases import Phases
from ecs_kit.runtime.reporter.prices import SOURCE


@dataclass(frozen=True)
class TaskSize:
    """CPU units and MiB of memory of a task, and its CPU architecture, `X86_64` or `ARM64`."""

    cpu: int
    memory: int
    architecture: str = "X86_64"

    @property
    def dollars_per_hour(self) -> float:
        """On-demand price of such a task."""
        return task_costs.task_cost(task_costs.Size(self.cpu / 1024, self.memory / 1024), 3600, self.architecture)


def billed_seconds(attempt: Phases, until: int) -> int:
    """Seconds that Fargate bills for an attempt: from the begin of its image's pull to its end, none before."""
    begin = attempt.running if attempt.pulling is None else attempt.pulling
    if begin is None:
        return 0
    return task_costs.billed_seconds(((until if attempt.ended is None else attempt.ended) - begin) / 1000)


def document(
    attempts: Iterable[tuple[Phases, TaskSize, bool]], tasks: Sequence[TaskSize], until: int
) -> Mapping[str, Any] | None:
    """What attempts cost, each with its size and whether it completed; None without any.

    The estimate is one attempt for each of the tasks, as long as the mean of those that completed, else a minute.
    """
    billed = [(billed_seconds(phases, until), size, completed) for phases, size, completed in attempts]
    if not billed or not tasks:
        return None
    completed_seconds = [seconds for seconds, _, completed in billed if completed and seconds]
    mean = sum(completed_seconds) / len(completed_seconds) if completed_seconds else task_costs.LEAST_SECONDS
    return {
        "dollars": sum(seconds * size.dollars_per_hour for seconds, size, _ in billed) / 3600,
        "estimate": sum(mean * size.dollars_per_hour for size in tasks) / 3600,
        "billedSeconds": sum(seconds for seconds, _, _ in billed),
        "prices": SOURCE,
    }
