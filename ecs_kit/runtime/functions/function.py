"""What the two functions share: the deployed pattern and their access to AWS."""

import random
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self

from ecs_kit.runtime.common.counting import Counting
from ecs_kit.runtime.common.meter import Meter
from ecs_kit.runtime.common.tables import DetailsTable, SummaryTable
from ecs_kit.runtime.contract.clock import Clock
from ecs_kit.runtime.contract.settings import Settings, from_environment
from ecs_kit.runtime.functions import clients
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.functions.registration import Registration, register
from ecs_kit.runtime.functions.spec_store import SpecStore
from ecs_kit.runtime.functions.task_lists import TaskListStore


class LambdaContext(Protocol):
    """The part of Lambda's context object that the functions use."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before Lambda ends the call."""


@dataclass(kw_only=True)
class Function:
    """The base of launcher and monitor; `rng` is for jitter, `executor` makes what does so many calls at once."""

    settings: Settings
    summaries: SummaryTable
    details: DetailsTable
    counting: Counting
    ecs_tasks: EcsTasks
    specs: SpecStore
    meter: Meter
    clock: Clock
    rng: random.Random
    executor: Callable[[int], Executor] = ThreadPoolExecutor

    @classmethod
    def deployed(cls, **clients_of_its_own: Any) -> Self:
        """Make the function of the deployed pattern, as `KIT_SETTINGS` describes it.

        Raises:
            SettingsInvalid: the variable is not set or its value is malformed.
        """
        settings, clock = from_environment(), Clock()
        meter = Meter(settings.state_machine, clock)
        summaries = SummaryTable(clients.dynamodb(), settings.summary_table, meter.run_written)
        details = DetailsTable(clients.dynamodb(), settings.details_table, meter.attempt_written, confirms=True)
        return cls(
            settings=settings,
            summaries=summaries,
            details=details,
            counting=Counting(clients.dynamodb(), summaries),
            ecs_tasks=EcsTasks(clients.ecs(), settings.cluster, settings.family),
            specs=SpecStore(clients.s3(), settings.bucket),
            meter=meter,
            clock=clock,
            rng=random.Random(),
            **clients_of_its_own,
        )

    @property
    def task_lists(self) -> TaskListStore:
        """The task lists of runs that have pinned ones."""
        return TaskListStore(self.specs.client, self.specs.bucket)

    def register_run(self, payload: Mapping[str, Any]) -> Registration:
        """Register the run of a payload with `execution` and `spec`, as `registration.register` does."""
        return register(payload, settings=self.settings, summaries=self.summaries, specs=self.specs, clock=self.clock)


def remaining_seconds(context: LambdaContext) -> Callable[[], float]:
    """Return a function that says how long the call may still take."""
    return lambda: context.get_remaining_time_in_millis() / 1000
