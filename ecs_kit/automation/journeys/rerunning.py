"""A run of the tasks that did not complete in an earlier run."""

import json
from collections.abc import Sequence

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.journeys import starting
from ecs_kit.automation.journeys.spec_files import Document
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.errors import SpecRefused
from ecs_kit.runtime.contract.executions import Execution
from ecs_kit.runtime.contract.specs import TaskEntry
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.functions.spec_store import SpecStore
from ecs_kit.runtime.functions.task_lists import TaskListStore, open_list
from ecs_kit.runtime.reporter.counts import is_over
from ecs_kit.runtime.reporter.run_state import RunState


def of_failed(aws: AwsClients, state: RunState) -> Document:
    """The spec of the tasks of a run that did not complete in it, which names the run.

    The tasks are those of the run's pinned list, or of its execution's input; the rest is the stack's.

    Raises:
        BadInput: the run was never registered, has not ended, or completed; or its list is not known any more.
    """
    key, row = state.key, state.summary
    if row is None:
        raise BadInput(f"{key} was never registered, so it has no tasks: start it again with `start`.")
    if not is_over(state) or not row.get("end_time"):
        raise BadInput(f"{key} has not ended: wait for it with `watch`, or stop it with `abort`, then rerun it.")
    failed = not_completed(_entries(aws, state), state)
    if not failed:
        raise BadInput(f"{key}: all of its tasks completed, there is nothing to run again.")
    entries = [entry.document for entry in failed]
    return starting.of_tasks(key.deployed, entries, key.workflow_name, rerunOf=key.run_id)


def not_completed(entries: Sequence[TaskEntry], state: RunState) -> list[TaskEntry]:
    """The tasks of a run that have no completed attempt, in the order of its list."""
    completed = {item.get("task_name") for item in state.details if item.get("status") == TaskStatus.COMPLETED}
    return [entry for entry in entries if entry.name not in completed]


def _entries(aws: AwsClients, state: RunState) -> Sequence[TaskEntry]:
    bucket, row = str(state.key.deployed["s3BucketName"]), state.summary or {}

    def document() -> Document:
        kept = json.loads(row.get("workflow_specs") or "{}")
        if "taskList" in kept:
            return dict(kept)
        if state.execution is None:
            raise BadInput(
                f"{state.key}: its list of tasks was in the input of its execution, which Step Functions has deleted "
                "after 90 days. Start the tasks with `start`."
            )
        execution = Execution(state.key.execution_arn, state.execution["startDate"])
        return dict(SpecStore(aws.s3, bucket).given(json.loads(state.execution["input"]), execution).document)

    try:
        tasks = open_list(row.get("task_list"), TaskListStore(aws.s3, bucket), document)
    except SpecRefused as error:
        raise BadInput(f"{state.key}: its list of tasks cannot be read: {error}") from error
    return tasks.entries(0, len(tasks))
