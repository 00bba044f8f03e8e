"""A run as AWS has it at one moment: its execution and its rows. Reads only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ecs_kit.runtime.contract.errors import SpecRefused
from ecs_kit.runtime.contract.run_ids import given_id
from ecs_kit.runtime.contract.run_ids import run_id as made_run_id
from ecs_kit.runtime.contract.spec_references import is_reference, reference
from ecs_kit.runtime.contract.statuses import RunStatus
from ecs_kit.runtime.functions.spec_check import parse
from ecs_kit.runtime.reporter import items
from ecs_kit.runtime.reporter.clients import ReadClients
from ecs_kit.runtime.reporter.items import Item


@dataclass(frozen=True)
class RunKey:
    """Which run: its pattern, the keys of its rows, its execution, empty if that is not known.

    `deployed` is the stack's output for its pattern.
    """

    pattern: int
    workflow_name: str
    run_id: int
    execution_arn: str
    deployed: Mapping[str, Any] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"run {self.run_id} of workflow {self.workflow_name} (pattern {self.pattern})"


@dataclass(frozen=True)
class RunState:
    """A run as AWS has it at one moment.

    There is no `execution` where Step Functions has forgotten it, and no `summary` where the run was never registered.
    `details` are all rows, or those of the tasks that are not counted.
    """

    key: RunKey
    execution: Mapping[str, Any] | None
    summary: Item | None
    details: tuple[Item, ...]
    has_all_rows: bool = True


def key_of_execution(
    pattern: int,
    execution: Mapping[str, Any],
    deployed: Mapping[str, Any],
    *,
    pinned: Callable[[str], str | None] = lambda _key: None,
) -> RunKey:
    """The run of an execution, from what DescribeExecution says alone.

    An input that is not a spec names no run, and such a run has no row: start and ARN of the execution give its id.
    Of an input that only names its spec, `pinned` reads the pinned copy by its key. Without one, the workflow is taken
    to be the pattern's own.
    """
    arn = str(execution["executionArn"])
    identifier = made_run_id(execution["startDate"], arn)
    workflow = str(deployed["workflowName"])
    try:
        document = parse(execution.get("input") or "")
        scheduled = None
        if is_reference(document):
            named = reference(document, str(deployed["s3BucketName"]), arn, execution["startDate"])
            identifier, scheduled = named.run_id or identifier, named.run_id
            document = parse(pinned(named.pinned_key) or "{}")
        workflow = str(document.get("workflowName") or workflow)
        identifier = scheduled or given_id(document.get("workflowRunId")) or identifier
    except (SpecRefused, AttributeError, ValueError):
        pass
    return RunKey(pattern, workflow, identifier, arn, deployed)


def read(aws: ReadClients, key: RunKey, *, all_rows: bool = True) -> RunState:
    """A run at this moment, as `of_execution` reads it."""
    execution: Mapping[str, Any] | None = None
    if key.execution_arn:
        try:
            execution = aws.stepfunctions.describe_execution(executionArn=key.execution_arn)
        except aws.stepfunctions.exceptions.ExecutionDoesNotExist:
            execution = None
    return of_execution(aws, key, execution, all_rows=all_rows)


def of_execution(
    aws: ReadClients, key: RunKey, execution: Mapping[str, Any] | None, *, all_rows: bool = True
) -> RunState:
    """The run of an execution that was described; None for one that Step Functions has forgotten.

    A row that belongs to another execution, which used the id before, is not its own. Without `all_rows` those of an
    active run's tasks that are counted are left out.

    While the run is active, reads are eventually consistent, at half the price: the functions need the same read units.
    """
    ended = execution is None or execution["status"] != "RUNNING"
    of_run = (aws, key.deployed, key.workflow_name, key.run_id)
    row = items.summary_item(*of_run, consistent=ended)
    if row is None or (row.get("execution_arn") or "") != key.execution_arn:
        return RunState(key, execution, None, ())
    ended = ended or RunStatus(str(row["status"])).is_final
    if not (ended or all_rows):
        return RunState(key, execution, row, tuple(items.uncounted_items(*of_run)), has_all_rows=False)
    return RunState(key, execution, row, tuple(items.details_items(*of_run, consistent=ended)))
