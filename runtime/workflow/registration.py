"""The first step of a run, in both patterns: check the spec, make the run id, put the summary row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runtime.workflow import log, specs
from runtime.workflow.clock import Clock, from_iso, to_iso
from runtime.workflow.errors import PayloadInvalid, RedriveRefused
from runtime.workflow.records import Summary
from runtime.workflow.run_ids import run_id
from runtime.workflow.settings import Settings
from runtime.workflow.specs import Spec
from runtime.workflow.statuses import RunStatus
from runtime.workflow.tables import SummaryTable, stored_spec


@dataclass(frozen=True, slots=True)
class Execution:
    """The execution that a call comes from.

    Args:
        arn: its ARN.
        start_time: when it started.
        redrive_count: how often it was redriven.
    """

    arn: str
    start_time: datetime
    redrive_count: int = 0


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered run.

    Args:
        summary: its item, as it stands in the table.
        spec: its checked spec.
        deadline: when its time is up, ISO 8601.
    """

    summary: Summary
    spec: Spec
    deadline: str


def to_execution(payload: Mapping[str, Any]) -> Execution:
    """Read the `execution` object of a payload: `arn`, `startTime`, `redriveCount`.

    Raises:
        PayloadInvalid: it is missing or malformed.
        RedriveRefused: the execution was redriven.
    """
    given = payload.get("execution")
    try:
        execution = Execution(
            arn=given["arn"],  # type: ignore[index]  # what is no mapping raises TypeError
            start_time=from_iso(given["startTime"]),  # type: ignore[index]
            redrive_count=int(given.get("redriveCount") or 0),  # type: ignore[union-attr]
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise PayloadInvalid(f"execution is {given!r}, not an object with arn and startTime") from error
    if execution.redrive_count > 0:
        raise RedriveRefused(execution.arn)
    return execution


def register(payload: Mapping[str, Any], *, settings: Settings, summaries: SummaryTable, clock: Clock) -> Registration:
    """Check a run's spec and put its summary row, unless this execution has done so already.

    Args:
        payload: `execution` and `spec`.
        settings: the deployed pattern.
        summaries: the summary table.
        clock: the time.

    Raises:
        PayloadInvalid, RedriveRefused, SpecRefused, RunIdInUse: nothing was written.
    """
    execution = to_execution(payload)
    spec = specs.check(payload.get("spec"), deployed=settings.deployed)
    identifier = spec.run_id if spec.run_id is not None else run_id(execution.start_time, execution.arn)
    log.bind(spec.workflow_name, identifier)
    now = to_iso(clock.now())
    summary = summaries.register(
        Summary(
            workflow_name=spec.workflow_name,
            workflow_run_id=identifier,
            status=RunStatus.RUNNING,
            number_of_tasks=len(spec.tasks),
            running_tasks=len(spec.tasks),
            execution_arn=execution.arn,
            start_time=to_iso(execution.start_time),
            update_time=now,
            workflow_specs=stored_spec(spec.document),
        )
    )
    log.info("the run is registered", executionArn=execution.arn, numberOfTasks=summary.number_of_tasks)
    deadline = to_iso(execution.start_time + timedelta(seconds=settings.run_timeout_seconds))
    return Registration(summary, spec, deadline)
