"""The account's quota of Fargate vCPUs: how many tasks have room, and how RunTask says that there is none.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html: On-Demand and Spot have a quota each,
in vCPUs of the tasks that run at the same time, for an account in a region. The reason is AWS's text, apostrophe
included (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ministack.services import ecs

from local_aws.emulator.aws_behaviour.patching import unless_left_out

REACHED = "You\u2019ve reached the limit on the number of vCPUs you can run concurrently"
CPU_UNITS = 1024
"""CPU units to a vCPU."""
_SPOT = "FARGATE_SPOT"


@unless_left_out("fargate_quota", lambda _quota, request, *_: request.get("count", 1))
def room(quota_vcpus: float, request: Mapping[str, Any], definition: Mapping[str, Any], cluster: str) -> int:
    """How many tasks of a RunTask request the quota leaves room for; all of them where they do not run on Fargate."""
    count: int = request.get("count", 1)
    launch_type, strategy, _error = ecs._launch_choice(request, ecs._clusters[cluster])
    launch_type, provider = ecs._task_capacity(launch_type, strategy)
    if launch_type != "FARGATE":
        return count
    each = int(request.get("overrides", {}).get("cpu") or definition["cpu"])
    free = quota_vcpus * CPU_UNITS - units_in_use(ecs._tasks.values(), spot=provider == _SPOT)
    return max(0, min(count, int(free // each)))


def units_in_use(tasks: Iterable[Mapping[str, Any]], *, spot: bool) -> int:
    """CPU units of the Fargate tasks that have not stopped, On-Demand or Spot."""
    return sum(
        int(task.get("overrides", {}).get("cpu") or task["cpu"])
        for task in tasks
        if task["launchType"] == "FARGATE"
        and task["lastStatus"] != "STOPPED"
        and (task.get("capacityProviderName") == _SPOT) == spot
    )
