"""The items of the two tables, read as plain data; which of a task's attempts decides."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.statuses import TaskStatus

Item = Mapping[str, Any]

COUNTS = ("number_of_tasks", "completed_tasks", "failed_tasks", "running_tasks")
_TIMES = ("start_time", "update_time", "end_time")
_LISTED = ("workflow_name", "workflow_run_id", "status", *COUNTS, *_TIMES, "execution_arn")
"""What a list of runs reads of the summary table: not the specs."""


def summary_item(
    aws: AwsClients, deployed: Mapping[str, Any], workflow: str, run_id: int, *, consistent: bool = True
) -> Item | None:
    """A run's item of the summary table. A strongly consistent read takes twice the read units.

    `deployed` is the stack's output for the pattern.
    """
    item = aws.dynamodb.get_item(
        TableName=str(deployed["ddbTableNameWFSummary"]),
        Key={"workflow_name": {"S": workflow}, "workflow_run_id": {"N": str(run_id)}},
        ConsistentRead=consistent,
    ).get("Item")
    return None if item is None else plain_item(item)


def summary_items(aws: AwsClients, deployed: Mapping[str, Any], workflow: str | None = None) -> Iterator[Item]:
    """A pattern's summary items without their specs: of one workflow by a Query, of all by a Scan."""
    names = {f"#{number}": attribute for number, attribute in enumerate(_LISTED)}
    arguments: dict[str, Any] = {
        "TableName": str(deployed["ddbTableNameWFSummary"]),
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    if workflow is not None:
        arguments["KeyConditionExpression"] = "#0 = :name"
        arguments["ExpressionAttributeValues"] = {":name": {"S": workflow}}
    return _items(aws, "scan" if workflow is None else "query", **arguments)


def details_items(
    aws: AwsClients, deployed: Mapping[str, Any], workflow: str, run_id: int, *, consistent: bool = True
) -> Iterator[Item]:
    """A run's items of the details table. Runs of two workflows may have the same id. Arguments as `summary_item`."""
    return _items(
        aws,
        "query",
        TableName=str(deployed["ddbTableNameWFDetails"]),
        KeyConditionExpression="workflow_run_id = :id",
        FilterExpression="workflow_name = :name",
        ExpressionAttributeValues={":name": {"S": workflow}, ":id": {"N": str(run_id)}},
        ConsistentRead=consistent,
    )


def all_items(aws: AwsClients, table: str) -> Iterator[Item]:
    """Every item of a table, strongly consistent."""
    return _items(aws, "scan", TableName=table, ConsistentRead=True)


def _items(aws: AwsClients, operation: str, **arguments: Any) -> Iterator[Item]:
    client: Any = aws.dynamodb
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from map(plain_item, page["Items"])


def plain_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """A DynamoDB item of strings, numbers and booleans as plain data; run ids stay exact."""
    return {name: _plain_value(value) for name, value in item.items()}


def _plain_value(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "N":
        return int(content) if content.lstrip("-").isdigit() else float(content)
    return content


def deciding_attempts(details: Iterable[Item]) -> dict[str, Item]:
    """By task name the attempt of a run by which the task is judged: the completed one, else the last."""

    def weight(item: Item) -> tuple[bool, int]:
        return item.get("status") == TaskStatus.COMPLETED, item.get("attempt", 0)

    return {str(item.get("task_name")): item for item in sorted(details, key=weight)}
