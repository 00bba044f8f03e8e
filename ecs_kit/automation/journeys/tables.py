"""Lists of the items of the two tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.reporter.items import Item, paged

COUNTS = ("number_of_tasks", "completed_tasks", "failed_tasks", "running_tasks")
_TIMES = ("start_time", "update_time", "end_time")
_LISTED = ("workflow_name", "workflow_run_id", "status", *COUNTS, *_TIMES, "execution_arn")
"""What a list of runs reads of the summary table: not the specs."""


def summary_items(aws: AwsClients, deployed: Mapping[str, Any], workflow: str | None = None) -> Iterator[Item]:
    """A pattern's summary items without their specs: of one workflow by a Query, of all by a Scan."""
    names = {f"#{number}": attribute for number, attribute in enumerate(_LISTED)}
    arguments: dict[str, Any] = {
        "TableName": str(deployed["ddbTableNameWFSummary"]),
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    if workflow is None:  # items without a status have the outcomes of a long run's tasks
        return paged(aws, "scan", FilterExpression="attribute_exists(#2)", **arguments)
    of_workflow = {"KeyConditionExpression": "#0 = :name", "ExpressionAttributeValues": {":name": {"S": workflow}}}
    return paged(aws, "query", **of_workflow, **arguments)


def all_items(aws: AwsClients, table: str) -> Iterator[Item]:
    """Every item of a table, strongly consistent."""
    return paged(aws, "scan", TableName=table, ConsistentRead=True)
