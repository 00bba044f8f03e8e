"""The items of the two tables, read as plain data; which of a task's attempts decides."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ecs_kit.runtime.common.tables import DetailsTable
from ecs_kit.runtime.contract.records import to_item, to_row
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.reporter.clients import ReadClients

Item = Mapping[str, Any]


def summary_item(
    aws: ReadClients, deployed: Mapping[str, Any], workflow: str, run_id: int, *, consistent: bool = True
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


def details_items(
    aws: ReadClients, deployed: Mapping[str, Any], workflow: str, run_id: int, *, consistent: bool = True
) -> Iterator[Item]:
    """A run's items of the details table. Runs of two workflows may have the same id. Arguments as `summary_item`."""
    pages = _pages(
        aws,
        "query",
        TableName=str(deployed["ddbTableNameWFDetails"]),
        KeyConditionExpression="workflow_run_id = :id",
        FilterExpression="workflow_name = :name AND attribute_not_exists(refuted_at)",
        ExpressionAttributeValues={":name": {"S": workflow}, ":id": {"N": str(run_id)}},
        ConsistentRead=consistent,
    )
    return map(plain_item, _of_attempts(pages))


def _of_attempts(items: Iterable[Item]) -> Iterator[Item]:
    """Items that are rows; those of attempts that ECS did not start as launcher and monitor wrote them."""
    for item in items:
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):  # what a task wrote may be no row
            row = to_row(item)
            yield item if row.was_started else to_item(row)


def uncounted_items(aws: ReadClients, deployed: Mapping[str, Any], workflow: str, run_id: int) -> list[Item]:
    """What the index has of a run's attempts whose tasks are not counted yet, failed ones in full."""
    table = DetailsTable(aws.dynamodb, str(deployed["ddbTableNameWFDetails"]))
    return [plain_item(to_item(row)) for row in table.uncounted(run_id, workflow)]


def paged(aws: ReadClients, operation: str, **arguments: Any) -> Iterator[Item]:
    """The items of all pages of `scan` or `query`, as plain data."""
    return map(plain_item, _pages(aws, operation, **arguments))


def _pages(aws: ReadClients, operation: str, **arguments: Any) -> Iterator[Item]:
    client: Any = aws.dynamodb
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page["Items"]


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
