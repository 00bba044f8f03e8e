"""One ECS task, as ECS describes it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ecs_kit.runtime.contract.environment import Attempt, attempt_of


@dataclass(frozen=True, slots=True)
class EcsTask:
    """One ECS task. The fields have ECS's names.

    `container_reason` and `exit_code` are of the container that RunTask's override names: AWS adds containers of its
    own to a task, such as GuardDuty's. `environment` has the variables of that override.
    """

    arn: str
    last_status: str
    desired_status: str = "RUNNING"
    stop_code: str = ""
    stopped_reason: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    created_at: datetime | None = None
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    family: str = ""

    @property
    def is_stopped(self) -> bool:
        """Whether it has stopped."""
        return self.last_status == "STOPPED"

    @property
    def is_active(self) -> bool:
        """Whether it has neither stopped nor been told to stop."""
        return self.desired_status != "STOPPED" and not self.is_stopped

    @property
    def seconds(self) -> float | None:
        """How long its container ran; None where it has not both started and ended."""
        if self.started_at is None or self.stopped_at is None:
            return None
        return round((self.stopped_at - self.started_at).total_seconds(), 3)

    @property
    def attempt(self) -> Attempt | None:
        """Its attempt, read from its own environment; None if it is not the kit's."""
        return attempt_of(self.environment)

    @property
    def run(self) -> tuple[str, int] | None:
        """Workflow name and id of its run; None if it is not the kit's."""
        attempt = self.attempt
        return (attempt.workflow_name, attempt.run_id) if attempt else None


def to_ecs_task(description: Mapping[str, Any]) -> EcsTask:
    """Read one element of DescribeTasks' `tasks`, or the `detail` of an "ECS Task State Change"."""
    overrides: Sequence[Mapping[str, Any]] = description.get("overrides", {}).get("containerOverrides", [])
    container = own_container(description.get("containers", []), {override.get("name") for override in overrides})
    variables = [variable for override in overrides for variable in override.get("environment", [])]
    return EcsTask(
        arn=description["taskArn"],
        last_status=description.get("lastStatus", ""),
        desired_status=description.get("desiredStatus", ""),
        stop_code=description.get("stopCode") or "",
        stopped_reason=description.get("stoppedReason") or "",
        container_reason=container.get("reason") or "",
        exit_code=container.get("exitCode"),
        created_at=_utc(description.get("createdAt")),
        pull_started_at=_utc(description.get("pullStartedAt")),
        pull_stopped_at=_utc(description.get("pullStoppedAt")),
        started_at=_utc(description.get("startedAt")),
        # `stoppedAt` is later by what ECS cleans up.
        stopped_at=_utc(description.get("executionStoppedAt") or description.get("stoppedAt")),
        environment={variable["name"]: variable.get("value", "") for variable in variables},
        family=description.get("taskDefinitionArn", "").rpartition("/")[2].partition(":")[0],
    )


def own_container(containers: Sequence[Mapping[str, Any]], names: Collection[object]) -> Mapping[str, Any]:
    """Return the job's container of a task, whose name is in `names`; the first one where none is.

    Step Functions writes the attributes' names with a capital.
    """
    own = [container for container in containers if (container.get("name") or container.get("Name")) in names]
    return next(iter([*own, *containers]), {})


def _utc(moment: datetime | str | None) -> datetime | None:
    """A time of DescribeTasks, or of an event, where it is text."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.astimezone(UTC) if moment else None
