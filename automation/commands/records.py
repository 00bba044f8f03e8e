"""What AWS knows about runs: their executions, their rows, their ECS tasks. Reads only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from automation import verify
from automation.aws import AwsClients
from automation.verify import plain_item
from runtime.workflow.errors import SpecRefused
from runtime.workflow.run_ids import run_id as made_run_id
from runtime.workflow.specs import parse
from runtime.workflow.statuses import RunStatus

ATTRIBUTES = (
    "workflow_name",
    "workflow_run_id",
    "status",
    "number_of_tasks",
    "completed_tasks",
    "failed_tasks",
    "running_tasks",
    "start_time",
    "update_time",
    "end_time",
    "execution_arn",
)
"""Of the summary table: all but the spec."""

Item = Mapping[str, Any]


@dataclass(frozen=True)
class RunKey:
    """Which run.

    Attributes:
        pattern: 1 or 2.
        workflow_name: `workflow_name` of the run.
        run_id: `workflow_run_id`.
        execution_arn: the execution, empty if it is not known.
    """

    pattern: int
    workflow_name: str
    run_id: int
    execution_arn: str

    def __str__(self) -> str:
        return f"run {self.run_id} of workflow {self.workflow_name} (pattern {self.pattern})"


@dataclass(frozen=True)
class RunState:
    """A run as AWS has it at one moment.

    Attributes:
        key: which.
        execution: what DescribeExecution says, None where Step Functions has forgotten it.
        summary: the run's summary item, None where it was never registered.
        details: its details items.
    """

    key: RunKey
    execution: Mapping[str, Any] | None
    summary: Item | None
    details: tuple[Item, ...]


def summaries(aws: AwsClients, deployed: Mapping[str, Any], workflow: str | None = None) -> Iterator[Item]:
    """The summary items of a pattern, without their specs: of one workflow by a Query, of all by a Scan.

    Args:
        aws: clients.
        deployed: the stack's output for the pattern.
        workflow: a workflow's name.
    """
    names = {f"#{number}": attribute for number, attribute in enumerate(ATTRIBUTES)}
    arguments: dict[str, Any] = {
        "TableName": str(deployed["ddbTableNameWFSummary"]),
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    if workflow is None:
        pages: Any = aws.dynamodb.get_paginator("scan").paginate(**arguments)
    else:
        pages = aws.dynamodb.get_paginator("query").paginate(
            **arguments,
            KeyConditionExpression="#0 = :name",
            ExpressionAttributeValues={":name": {"S": workflow}},
        )
    for page in pages:
        for item in page["Items"]:
            yield plain_item(item)


def keys_of_run(
    aws: AwsClients, pattern: int, deployed: Mapping[str, Any], run_id: int, workflow: str | None
) -> list[RunKey]:
    """The runs of a pattern with an id; workflows of different names may each have one.

    Args:
        aws: clients.
        pattern: 1 or 2.
        deployed: the stack's output for the pattern.
        run_id: `workflow_run_id`.
        workflow: a workflow's name.
    """
    if workflow is not None:
        item = summary(aws, deployed, workflow, run_id)
        return [] if item is None else [_key(pattern, item)]
    return [_key(pattern, item) for item in summaries(aws, deployed) if item["workflow_run_id"] == run_id]


def newest(aws: AwsClients, pattern: int, deployed: Mapping[str, Any], workflow: str | None) -> RunKey | None:
    """The run that was started last.

    Of a workflow, the summary table says so. Else the executions do, which also have those that were refused and so
    never got a row. None where there is none.
    """
    if workflow is not None:
        found = sorted(summaries(aws, deployed, workflow), key=started, reverse=True)
        return _key(pattern, found[0]) if found else None
    pages = aws.stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=str(deployed["stateMachineArn"]), PaginationConfig={"MaxItems": 1, "PageSize": 1}
    )
    for page in pages:
        for execution in page["executions"]:
            return key_of_execution(
                pattern, aws.stepfunctions.describe_execution(executionArn=execution["executionArn"]), deployed
            )
    return None


def key_of_execution(pattern: int, execution: Mapping[str, Any], deployed: Mapping[str, Any]) -> RunKey:
    """The run of an execution, from its input alone: a bad input names none, and such a run never got a row.

    Args:
        pattern: 1 or 2.
        execution: what DescribeExecution says.
        deployed: the stack's output for the pattern.
    """
    arn = str(execution["executionArn"])
    identifier = made_run_id(execution["startDate"], arn)
    workflow = str(deployed["workflowName"])
    try:
        document = parse(execution.get("input") or "")
        workflow = str(document.get("workflowName") or workflow)
        identifier = int(document.get("workflowRunId") or identifier)
    except (SpecRefused, AttributeError, ValueError, TypeError):
        # Not a spec: the execution registered no run. What follows from the execution itself still names it.
        return RunKey(pattern, workflow, identifier, arn)
    return RunKey(pattern, workflow, identifier, arn)


def read(aws: AwsClients, key: RunKey, deployed: Mapping[str, Any]) -> RunState:
    """A run at this moment. A row that belongs to another execution, which used the id before, is not its own.

    While the run is active, eventually consistent reads do, at half the price: the functions need the same read units.
    """
    execution = None
    if key.execution_arn:
        try:
            execution = aws.stepfunctions.describe_execution(executionArn=key.execution_arn)
        except aws.stepfunctions.exceptions.ExecutionDoesNotExist:
            execution = None
    ended = execution is None or execution["status"] != "RUNNING"
    row = summary(aws, deployed, key.workflow_name, key.run_id, consistent=ended)
    if row is None or (row.get("execution_arn") or "") != key.execution_arn:
        return RunState(key, execution, None, ())
    ended = ended or RunStatus(str(row["status"])).is_final
    return RunState(key, execution, row, tuple(details(aws, deployed, key, consistent=ended)))


def summary(
    aws: AwsClients, deployed: Mapping[str, Any], workflow: str, run_id: int, *, consistent: bool = True
) -> Item | None:
    """A run's summary item; None where there is none."""
    item = aws.dynamodb.get_item(
        TableName=str(deployed["ddbTableNameWFSummary"]),
        Key={"workflow_name": {"S": workflow}, "workflow_run_id": {"N": str(run_id)}},
        ConsistentRead=consistent,
    ).get("Item")
    return None if item is None else plain_item(item)


def details(aws: AwsClients, deployed: Mapping[str, Any], key: RunKey, *, consistent: bool = True) -> Iterator[Item]:
    """A run's details items."""
    table = str(deployed["ddbTableNameWFDetails"])
    return verify.details_of_run(aws, table, key.workflow_name, key.run_id, consistent=consistent)


def started(item: Item) -> tuple[str, int]:
    """What summary items are sorted by: their start, and their id where two started at once."""
    return str(item.get("start_time") or ""), int(item["workflow_run_id"])


def _key(pattern: int, item: Item) -> RunKey:
    return RunKey(
        pattern, str(item["workflow_name"]), int(item["workflow_run_id"]), str(item.get("execution_arn") or "")
    )
