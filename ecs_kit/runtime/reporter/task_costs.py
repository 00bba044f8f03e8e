"""What ECS tasks on Fargate cost. Pure functions of list prices."""

import math
from dataclasses import dataclass

from ecs_kit.runtime.contract.fargate import FARGATE_STORAGE_GIB
from ecs_kit.runtime.reporter.prices import SPOT_DISCOUNT, dollars

LEAST_SECONDS = 60
"""Fargate charges Linux tasks for a minute at least (https://aws.amazon.com/fargate/pricing/)."""


@dataclass(frozen=True)
class Size:
    """What Fargate charges a task for: vCPUs, memory in GiB, and ephemeral storage in GiB, of which 20 are free."""

    vcpu: float
    gib: float
    storage_gib: float = FARGATE_STORAGE_GIB


def task_cost(size: Size, seconds: float, architecture: str = "X86_64", *, on_spot: bool = False) -> float:
    """US dollars of one task of so many billed seconds; on Spot at the largest discount, which storage has not."""
    hours = seconds / 3600
    compute = sum(
        dollars(f"fargate_{what}_{architecture.lower()}", amount * hours)
        for what, amount in (("vcpu", size.vcpu), ("gib", size.gib))
    )
    storage = dollars("fargate_storage_gib", max(0.0, size.storage_gib - FARGATE_STORAGE_GIB) * hours)
    return compute * (1 - SPOT_DISCOUNT / 100 if on_spot else 1) + storage


def billed_seconds(seconds: float) -> int:
    """The seconds that Fargate charges for: whole ones, and a minute at least."""
    return max(LEAST_SECONDS, math.ceil(seconds))
