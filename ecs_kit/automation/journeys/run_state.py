"""A run as AWS has it at one moment: its execution and its rows. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ecs_kit.automation.journeys import tables
from ecs_kit.automation.journeys.tables import Item
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.errors import SpecRefused
from ecs_kit.runtime.contract.run_ids import run_id as made_run_id
from ecs_kit.runtime.contract.spec_references import is_reference, reference
from ecs_kit.runtime.contract.statuses import RunStatus
from ecs_kit.runtime.functions.spec_check import parse


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
    """

    key: RunKey
    execution: Mapping[str, Any] | None
    summary: Item | None
    details: tuple[Item, ...]


def keys_of_run(
    aws: AwsClients, pattern: int, deployed: Mapping[str, Any], run_id: int, workflow: str | None
) -> list[RunKey]:
    """The runs of a pattern with an id, of one workflow or of all: workflows may each have one."""
    if workflow is not None:
        item = tables.summary_item(aws, deployed, workflow, run_id)
        return [] if item is None else [_key(pattern, item, deployed)]
    items = tables.summary_items(aws, deployed)
    return [_key(pattern, item, deployed) for item in items if item["workflow_run_id"] == run_id]


def newest(aws: AwsClients, pattern: int, deployed: Mapping[str, Any], workflow: str | None) -> RunKey | None:
    """The run that was started last; None where there is none.

    Of a workflow, the summary table says so. Else the executions do: a run that was refused has no row.
    """
    if workflow is not None:
        found = max(tables.summary_items(aws, deployed, workflow), key=started, default=None)
        return None if found is None else _key(pattern, found, deployed)
    listed = aws.stepfunctions.list_executions(stateMachineArn=str(deployed["stateMachineArn"]))["executions"]
    if not listed:
        return None
    # "Most recent first" does not say whether by start or by end.
    latest = max(listed, key=lambda execution: execution["startDate"])
    described = aws.stepfunctions.describe_execution(executionArn=latest["executionArn"])
    return key_of_execution(pattern, described, deployed)


def key_of_execution(pattern: int, execution: Mapping[str, Any], deployed: Mapping[str, Any]) -> RunKey:
    """The run of an execution, from what DescribeExecution says alone.

    An input that is not a spec names no run, and such a run has no row: start and ARN of the execution give its id.
    Of an input that only names its spec, the workflow is taken to be the pattern's own.
    """
    arn = str(execution["executionArn"])
    identifier = made_run_id(execution["startDate"], arn)
    workflow = str(deployed["workflowName"])
    try:
        document = parse(execution.get("input") or "")
        if is_reference(document):
            named = reference(document, str(deployed["s3BucketName"]), arn, execution["startDate"])
            return RunKey(pattern, workflow, named.run_id or identifier, arn, deployed)
        workflow = str(document.get("workflowName") or workflow)
        identifier = int(document.get("workflowRunId") or identifier)
    except (SpecRefused, AttributeError, ValueError, TypeError):
        pass
    return RunKey(pattern, workflow, identifier, arn, deployed)


def read(aws: AwsClients, key: RunKey) -> RunState:
    """A run at this moment. A row that belongs to another execution, which used the id before, is not its own.

    While the run is active, reads are eventually consistent, at half the price: the functions need the same read units.
    """
    execution = None
    if key.execution_arn:
        try:
            execution = aws.stepfunctions.describe_execution(executionArn=key.execution_arn)
        except aws.stepfunctions.exceptions.ExecutionDoesNotExist:
            execution = None
    ended = execution is None or execution["status"] != "RUNNING"
    of_run = (aws, key.deployed, key.workflow_name, key.run_id)
    row = tables.summary_item(*of_run, consistent=ended)
    if row is None or (row.get("execution_arn") or "") != key.execution_arn:
        return RunState(key, execution, None, ())
    ended = ended or RunStatus(str(row["status"])).is_final
    return RunState(key, execution, row, tuple(tables.details_items(*of_run, consistent=ended)))


def started(item: Item) -> tuple[str, int]:
    """What summary items are sorted by: their start, and their id where two started at once."""
    return str(item.get("start_time") or ""), int(item["workflow_run_id"])


def _key(pattern: int, item: Item, deployed: Mapping[str, Any]) -> RunKey:
    arn = str(item.get("execution_arn") or "")
    return RunKey(pattern, str(item["workflow_name"]), int(item["workflow_run_id"]), arn, deployed)
