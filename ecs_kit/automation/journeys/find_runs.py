"""Which runs there are, by their ids or as the newest one."""

from collections.abc import Mapping
from typing import Any

from ecs_kit.automation.journeys import tables
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.errors import SpecRefused
from ecs_kit.runtime.contract.spec_references import SCHEDULED_TIME, is_reference
from ecs_kit.runtime.functions.spec_check import parse
from ecs_kit.runtime.functions.spec_store import SpecStore
from ecs_kit.runtime.reporter.items import Item, summary_item
from ecs_kit.runtime.reporter.run_state import RunKey, key_of_execution


def keys_of_run(
    aws: AwsClients, pattern: int, deployed: Mapping[str, Any], run_id: int, workflow: str | None
) -> list[RunKey]:
    """The runs of a pattern with an id, of one workflow or of all: workflows may each have one."""
    if workflow is not None:
        item = summary_item(aws, deployed, workflow, run_id)
        return [] if item is None else [_key(pattern, item, deployed)]
    items = tables.summary_items(aws, deployed)
    return [_key(pattern, item, deployed) for item in items if item["workflow_run_id"] == run_id]


def newest(aws: AwsClients, pattern: int, deployed: Mapping[str, Any], workflow: str | None) -> RunKey | None:
    """The run that was started last; None where there is none.

    Of a workflow, the summary table says so. Else the executions do: a run that was refused has no row. A scheduled
    start that was delivered twice has one run, that of the first execution.
    """
    if workflow is not None:
        found = max(tables.summary_items(aws, deployed, workflow), key=started, default=None)
        return None if found is None else _key(pattern, found, deployed)
    listed = aws.stepfunctions.list_executions(stateMachineArn=str(deployed["stateMachineArn"]))["executions"]
    pinned = SpecStore(aws.s3, str(deployed["s3BucketName"])).pinned
    # "Most recent first" does not say whether by start or by end.
    for each in sorted(listed, key=lambda execution: execution["startDate"], reverse=True):
        described = aws.stepfunctions.describe_execution(executionArn=each["executionArn"])
        key = key_of_execution(pattern, described, deployed, pinned=pinned)
        if not (_is_scheduled(described) and _has_other_owner(aws, key)):
            return key
    return None


def _is_scheduled(execution: Mapping[str, Any]) -> bool:
    try:
        document = parse(execution.get("input") or "")
    except SpecRefused:
        return False
    return is_reference(document) and SCHEDULED_TIME in document


def _has_other_owner(aws: AwsClients, key: RunKey) -> bool:
    row = summary_item(aws, key.deployed, key.workflow_name, key.run_id)
    return row is not None and row.get("execution_arn") != key.execution_arn


def started(item: Item) -> tuple[str, int]:
    """What summary items are sorted by: their start, and their id where two started at once."""
    return str(item.get("start_time") or ""), int(item["workflow_run_id"])


def _key(pattern: int, item: Item, deployed: Mapping[str, Any]) -> RunKey:
    arn = str(item.get("execution_arn") or "")
    return RunKey(pattern, str(item["workflow_name"]), int(item["workflow_run_id"]), arn, deployed)
