"""The first step of a run, in both patterns: check the spec, make the run id, put the summary row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ecs_kit.runtime.common import log
from ecs_kit.runtime.common.tables import SummaryTable, stored_spec
from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.contract.clock import Clock, from_iso, to_iso
from ecs_kit.runtime.contract.errors import PayloadInvalid, Problem, RedriveRefused, SpecRefused
from ecs_kit.runtime.contract.executions import Execution
from ecs_kit.runtime.contract.records import Summary
from ecs_kit.runtime.contract.run_ids import run_id
from ecs_kit.runtime.contract.settings import Settings
from ecs_kit.runtime.contract.specs import Spec
from ecs_kit.runtime.contract.statuses import RunStatus
from ecs_kit.runtime.functions import spec_check
from ecs_kit.runtime.functions.spec_store import SpecStore


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered run: its stored item, its checked spec, its settings at registration, its deadline (ISO 8601).

    `is_reference` says whether the execution's input only names the spec.
    """

    summary: Summary
    spec: Spec
    settings: Settings
    deadline: str
    is_reference: bool


def to_execution(payload: Mapping[str, Any]) -> Execution:
    """Read the `execution` object of a payload: `arn`, `startTime`, `redriveCount`.

    Raises:
        PayloadInvalid: it is missing or malformed.
        RedriveRefused: the execution was redriven.
    """
    given: Any = payload.get("execution")
    try:
        execution = Execution(given["arn"], from_iso(given["startTime"]))
        redrive_count = int(given.get("redriveCount") or 0)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise PayloadInvalid(f"execution is {given!r}, not an object with arn and startTime") from error
    if redrive_count > 0:
        raise RedriveRefused(execution.arn)
    return execution


def register(
    payload: Mapping[str, Any], *, settings: Settings, summaries: SummaryTable, specs: SpecStore, clock: Clock
) -> Registration:
    """Check a run's spec and put its summary row, unless this execution has done so already.

    A registered run keeps its settings: its spec is not checked again after a deployment. The payload has `execution`
    and `spec`, the input of the execution, which is the spec or names it.

    Raises:
        PayloadInvalid, RedriveRefused, SpecRefused, RunIdInUse: nothing was written.
    """
    execution = to_execution(payload)
    given = specs.given(payload.get("spec"), execution)
    spec = spec_check.check(given.document, deployed=None)
    own_id = spec.run_id if given.run_id is None else given.run_id
    identifier = run_id(execution.start_time, execution.arn) if own_id is None else own_id
    log.bind(spec.workflow_name, identifier)
    found = summaries.get(spec.workflow_name, identifier)
    if found is not None and found.execution_arn == execution.arn:
        return _registration(found, spec, settings, given.is_reference)
    spec_check.check_deployed(spec, settings.deployed)
    _check_history(settings, len(spec.tasks))
    start = to_iso(execution.start_time)
    summary = Summary(
        workflow_name=spec.workflow_name,
        workflow_run_id=identifier,
        status=RunStatus.RUNNING,
        number_of_tasks=len(spec.tasks),
        running_tasks=len(spec.tasks),
        execution_arn=execution.arn,
        start_time=start,
        update_time=to_iso(clock.now()),
        workflow_specs=stored_spec(spec.document),
        settings=settings.kept,
        open_since=start,
    )
    summary = summaries.register(replace(summary, expires_at=_expires_at(summary, settings)))
    log.info("the run is registered", executionArn=execution.arn, numberOfTasks=summary.number_of_tasks)
    return _registration(summary, spec, settings, given.is_reference)


def deadline_of(summary: Summary, settings: Settings) -> datetime:
    """Return a run's deadline, by its own settings."""
    return from_iso(summary.start_time) + timedelta(seconds=settings.run_timeout_seconds)


def _registration(summary: Summary, spec: Spec, settings: Settings, is_reference: bool) -> Registration:
    own = settings.of_run(summary.settings)
    return Registration(summary, spec, own, to_iso(deadline_of(summary, own)), is_reference)


def _check_history(settings: Settings, number_of_tasks: int) -> None:
    reason = None if settings.capabilities.has_launcher else waits.reason_to_refuse(settings, number_of_tasks)
    if reason is not None:
        raise SpecRefused([Problem("$.taskList", reason)])


def _expires_at(summary: Summary, settings: Settings) -> int | None:
    """When DynamoDB may delete the run's items.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
    """
    if settings.record_retention_days == 0:
        return None
    kept_until = deadline_of(summary, settings) + timedelta(days=settings.record_retention_days)
    return int(kept_until.timestamp())
