"""One ECS task, as ECS describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ecs_kit.runtime.contract.environment import Attempt, attempt_of


@dataclass(frozen=True, slots=True)
class EcsTask:
    """One ECS task. The fields have ECS's names.

    `container_reason` is a container's `reason`, for example `OutOfMemoryError: …`. `exit_code` is the first exit code
    of a container that is not 0, else 0, else None. `environment` has the variables of the task's override.
    """

    arn: str
    last_status: str
    desired_status: str = "RUNNING"
    stop_code: str = ""
    stopped_reason: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

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
    containers: Sequence[Mapping[str, Any]] = description.get("containers", [])
    exit_codes = [container["exitCode"] for container in containers if container.get("exitCode") is not None]
    overrides: Sequence[Mapping[str, Any]] = description.get("overrides", {}).get("containerOverrides", [])
    variables = [variable for override in overrides for variable in override.get("environment", [])]
    return EcsTask(
        arn=description["taskArn"],
        last_status=description.get("lastStatus", ""),
        desired_status=description.get("desiredStatus", ""),
        stop_code=description.get("stopCode") or "",
        stopped_reason=description.get("stoppedReason") or "",
        container_reason=next((container["reason"] for container in containers if container.get("reason")), ""),
        exit_code=next((code for code in exit_codes if code != 0), 0 if exit_codes else None),
        created_at=_utc(description.get("createdAt")),
        started_at=_utc(description.get("startedAt")),
        # `stoppedAt` is later by what ECS cleans up.
        stopped_at=_utc(description.get("executionStoppedAt") or description.get("stoppedAt")),
        environment={variable["name"]: variable.get("value", "") for variable in variables},
    )


def _utc(moment: datetime | str | None) -> datetime | None:
    """A time of DescribeTasks, or of an event, where it is text."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.astimezone(UTC) if moment else None
