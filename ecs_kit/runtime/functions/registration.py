"""The first step of a run, in both patterns: check the spec, make the run id, put the summary row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ecs_kit.runtime.common import log
from ecs_kit.runtime.common.tables import SummaryTable, stored_spec
from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.contract.clock import Clock, from_iso, to_iso
from ecs_kit.runtime.contract.errors import PayloadInvalid, Problem, RedriveRefused, RunIdInUse, SpecRefused, shown
from ecs_kit.runtime.contract.executions import Execution
from ecs_kit.runtime.contract.records import Summary
from ecs_kit.runtime.contract.run_ids import run_id
from ecs_kit.runtime.contract.settings import Settings
from ecs_kit.runtime.contract.spec_references import is_short
from ecs_kit.runtime.contract.specs import Spec
from ecs_kit.runtime.contract.statuses import RunStatus
from ecs_kit.runtime.contract.task_lists import pinned_key
from ecs_kit.runtime.functions import spec_check
from ecs_kit.runtime.functions.spec_store import SpecStore
from ecs_kit.runtime.functions.task_lists import InlineList, PinnedList, TaskList, TaskListStore, open_list, pin_inline


@dataclass(frozen=True, slots=True)
class Registration:
    """A registered run: its stored item, its checked spec, its tasks, its settings at registration, its deadline.

    The deadline is a time in ISO 8601. Of the spec's own tasks there are none where the list is elsewhere.
    `is_reference` says whether the execution's input only names the spec.
    """

    summary: Summary
    spec: Spec
    tasks: TaskList
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
        run_id(execution.start_time, execution.arn)
        redrive_count = int(given.get("redriveCount") or 0)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        raise PayloadInvalid(f"execution is {shown(given)}, not an object with arn and startTime") from error
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
    lists = TaskListStore(specs.client, specs.bucket)
    found = summaries.get(spec.workflow_name, identifier)
    if found is not None and found.execution_arn == execution.arn:
        tasks = open_list(found.task_list, lists, lambda: spec.document)
        return _registration(found, spec, tasks, settings, given.is_reference)
    if found is not None:
        raise RunIdInUse(spec.workflow_name, identifier, found.execution_arn)
    spec_check.check_deployed(spec, settings.deployed)
    tasks = _tasks(spec, settings, lists, given.is_reference, pinned_key(run_id(execution.start_time, execution.arn)))
    if spec.rerun_of is not None:
        _link(spec.workflow_name, spec.rerun_of, identifier, summaries)
    start = to_iso(execution.start_time)
    summary = Summary(
        workflow_name=spec.workflow_name,
        workflow_run_id=identifier,
        status=RunStatus.RUNNING,
        number_of_tasks=len(tasks),
        running_tasks=len(tasks),
        execution_arn=execution.arn,
        start_time=start,
        update_time=to_iso(clock.now()),
        workflow_specs=stored_spec(spec.document),
        settings=settings.kept,
        open_since=start,
        rerun_of=spec.rerun_of,
        task_list=tasks.key if isinstance(tasks, PinnedList) else None,
    )
    summary = summaries.register(replace(summary, expires_at=_expires_at(summary, settings)))
    log.info("the run is registered", executionArn=execution.arn, numberOfTasks=summary.number_of_tasks)
    return _registration(summary, spec, tasks, settings, given.is_reference)


def deadline_of(summary: Summary, settings: Settings) -> datetime:
    """Return a run's deadline, by its own settings."""
    return from_iso(summary.start_time) + timedelta(seconds=settings.run_timeout_seconds)


def _pins(settings: Settings, spec: Spec, is_reference: bool) -> bool:
    """Whether the steps of a run read its tasks from a copy in the pattern's bucket.

    In pattern 2 the state machine reads it, where the list is too long for its history or an answer.
    """
    if spec.task_list_uri is not None or settings.capabilities.has_launcher:
        return spec.task_list_uri is not None
    return len(spec.tasks) > waits.longest_task_list(settings) or (
        is_reference and not is_short(spec.document["taskList"])
    )


def _tasks(spec: Spec, settings: Settings, lists: TaskListStore, is_reference: bool, key: str) -> TaskList:
    """Return the tasks of a run that is not registered yet; an interrupted call may have pinned them already.

    The key is made of the execution and not of the run's id, which another workflow's run may have, too.
    """
    if not _pins(settings, spec, is_reference):
        return InlineList(spec.tasks)
    if spec.task_list_uri is None:
        return pin_inline(lists, spec.tasks, key)
    return lists.pinned(key) or lists.pin_uri(spec.task_list_uri, settings.deployed, key)


def _link(workflow_name: str, earlier: int, identifier: int, summaries: SummaryTable) -> None:
    """Note in the summary of an earlier run that its failed tasks run again.

    Raises:
        SpecRefused: there is no such run, or it has not ended.
    """
    found = summaries.get(workflow_name, earlier)
    if found is None or found.end_time is None:
        what = "does not exist" if found is None else "has not ended"
        raise SpecRefused([Problem("$.rerunOf", f"names run {earlier} of workflow {workflow_name}, which {what}")])
    summaries.set_rerun(found, identifier)


def _registration(
    summary: Summary, spec: Spec, tasks: TaskList, settings: Settings, is_reference: bool
) -> Registration:
    own = settings.of_run(summary.settings)
    return Registration(summary, spec, tasks, own, to_iso(deadline_of(summary, own)), is_reference)


def _expires_at(summary: Summary, settings: Settings) -> int | None:
    """When DynamoDB may delete the run's items.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
    """
    if settings.record_retention_days == 0:
        return None
    kept_until = deadline_of(summary, settings) + timedelta(days=settings.record_retention_days)
    return int(kept_until.timestamp())
