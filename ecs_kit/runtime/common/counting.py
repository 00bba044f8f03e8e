"""The counts of a run: each task is counted once, in one write or transaction with the record that it is counted."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ecs_kit.runtime.common.tables import CONFLICT_SECONDS, CONFLICTS, SummaryTable, attributes, count_values
from ecs_kit.runtime.contract import outcomes
from ecs_kit.runtime.contract.records import Counts, Summary
from ecs_kit.runtime.contract.statuses import RunStatus

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ITEMS_PER_TRANSACTION = 90
"""Of at most 100: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

_REFUSAL, _CONFLICT = "ConditionalCheckFailed", "TransactionConflict"


@dataclass(frozen=True)
class Counting:
    """The kept counts of runs. Only the monitor writes them."""

    client: DynamoDBClient
    summaries: SummaryTable

    def counted(self, summary: Summary, indices: Iterable[int]) -> dict[int, bool]:
        """Return which of a run's tasks, by their places in the task list, are counted: whether each completed."""
        wanted = sorted(set(indices))
        return _counted(self._texts(summary, outcomes.items_of(wanted)), wanted)

    def count(
        self,
        summary: Summary,
        ended: Mapping[int, bool],
        known: Mapping[int, bool],
        changes: Mapping[str, Any],
        now: str,
    ) -> tuple[Summary | None, dict[int, bool]]:
        """Count tasks that have ended, by their places in the task list: whether each completed.

        `changes` are attributes of the run's item that change with the counts. `known` are those of the tasks that were
        counted before. Returns the run with the new counts, or None where another call has counted since the run was
        read or the run has ended; and, where `known` was not true, what is.
        """
        by_item: defaultdict[int, dict[int, bool]] = defaultdict(dict)
        for index, completed in ended.items():
            by_item[index // outcomes.TASKS_PER_ITEM][index] = completed
        numbers = sorted(by_item)
        for first in range(0, len(numbers), ITEMS_PER_TRANSACTION):
            part = {number: by_item[number] for number in numbers[first : first + ITEMS_PER_TRANSACTION]}
            of_part = {index: completed for of_item in part.values() for index, completed in of_item.items()}
            # Read after the run: who counts in between changes its counts, and the transaction is refused.
            texts = self._texts(summary, part)
            counted = _counted(texts, of_part)
            if counted != {index: known[index] for index in of_part if index in known}:
                return None, counted
            counts = _after(summary, of_part, counted)
            new_texts = {number: outcomes.changed(texts.get(number, ""), part[number]) for number in part}
            values = {**changes, "update_time": now}
            if _has_own(summary):
                values[outcomes.OUTCOMES] = new_texts.pop(0)
            if not self._write(summary, {**count_values(counts), **values}, new_texts):
                return None, {}
            before, summary = summary, replace(summary.counted(counts), **values)
            self.summaries.on_write(before, summary)
        return summary, {}

    def _texts(self, summary: Summary, numbers: Iterable[int]) -> dict[int, str]:
        if _has_own(summary):
            return {0: summary.outcomes or ""}
        keys = {outcomes.key(summary.workflow_name, number): number for number in numbers}
        found = self.summaries.outcomes(list(keys), summary.workflow_run_id)
        return {keys[key]: text for key, text in found.items()}

    def _write(self, summary: Summary, values: Mapping[str, Any], texts: Mapping[int, str]) -> bool:
        """Write a run's attributes and the items with these texts, unless its counts have changed since it was read."""
        assignments = [f"{name} = :{name}" for name in values]
        operands = {
            **values,
            "expected": RunStatus.RUNNING,
            "known_completed": summary.completed_tasks,
            "known_failed": summary.failed_tasks,
        }
        of_run: dict[str, Any] = {
            "TableName": self.summaries.name,
            "Key": attributes({"workflow_name": summary.workflow_name, "workflow_run_id": summary.workflow_run_id}),
            "UpdateExpression": f"SET {', '.join(assignments)}",
            "ConditionExpression": "#status = :expected AND completed_tasks = :known_completed "
            "AND failed_tasks = :known_failed",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": attributes({f":{name}": value for name, value in operands.items()}),
        }
        of_tasks = [
            {
                "TableName": self.summaries.name,
                "Item": attributes(
                    {
                        "workflow_name": outcomes.key(summary.workflow_name, number),
                        "workflow_run_id": summary.workflow_run_id,
                        outcomes.OUTCOMES: text,
                        **({"expires_at": summary.expires_at} if summary.expires_at else {}),
                    }
                ),
            }
            for number, text in texts.items()
        ]
        items: Any = [{"Update": of_run}, *({"Put": item} for item in of_tasks)]
        for left in reversed(range(CONFLICTS)):
            try:
                if of_tasks:
                    self.client.transact_write_items(TransactItems=items)
                else:
                    self.client.update_item(**of_run)
            except ClientError as error:
                codes = _codes(error)
                if _REFUSAL in codes:
                    return False
                if _CONFLICT not in codes or not left:
                    raise
                time.sleep(CONFLICT_SECONDS)  # the launcher writes to the run's item, which takes some milliseconds
            else:
                break
        return True


def _codes(error: ClientError) -> set[str]:
    """Return why a write was refused, or, of a transaction, why it was cancelled."""
    response: Any = error.response
    reasons = {reason.get("Code") for reason in response.get("CancellationReasons", ())}
    return {*reasons, f"{response.get('Error', {}).get('Code')}".removesuffix("Exception")}


def _has_own(summary: Summary) -> bool:
    """Whether the outcomes are in the run's own item."""
    return summary.number_of_tasks <= outcomes.TASKS_IN_RUN


def _counted(texts: Mapping[int, str], indices: Iterable[int]) -> dict[int, bool]:
    known = {index: outcomes.outcome(texts.get(index // outcomes.TASKS_PER_ITEM, ""), index) for index in indices}
    return {index: outcome for index, outcome in known.items() if outcome is not None}


def _after(summary: Summary, ended: Mapping[int, bool], counted: Mapping[int, bool]) -> Counts:
    """Return the counts with tasks that have ended; those of them that are counted were counted as failed."""
    completed = summary.completed_tasks + sum(ended.values())
    failed = summary.failed_tasks + len(ended) - sum(ended.values()) - len(counted)
    return Counts(completed, failed, summary.number_of_tasks - completed - failed)
