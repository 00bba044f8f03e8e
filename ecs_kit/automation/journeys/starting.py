"""Runs of what is deployed, from a list of tasks, a spec file or the objects below an S3 prefix."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.host.polling import looks
from ecs_kit.automation.journeys import list_files, runs, spec_files
from ecs_kit.automation.journeys.runs import Run
from ecs_kit.automation.journeys.spec_files import Document
from ecs_kit.automation.stacks import costs
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract import task_lists
from ecs_kit.runtime.contract.specs import DEPLOYED_ATTRIBUTES
from ecs_kit.runtime.contract.task_lists import TASK_LIST_URI
from ecs_kit.runtime.reporter.run_state import key_of_execution, read

Entry = Mapping[str, Any]
"""An entry of `taskList`."""

REGISTERED_WITHIN_SECONDS = 60.0
"""How long a function may take to answer for the first time."""

LAUNCHES_PER_SECOND = 20
"""The default of `runTaskRate`."""

_S3_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*)", re.DOTALL)

_SOURCE = "the list of tasks"


def of_tasks(
    deployed: Mapping[str, Any],
    tasks: Sequence[Entry],
    workflow: str | None = None,
    source: Path | str = _SOURCE,
    **more: object,
) -> Document:
    """The spec of a list of tasks, checked as the functions do; `deployed` is the stack's output for the pattern.

    Errors name the `source`; `more` are further attributes of the spec.

    Raises:
        BadInput: an entry is wrong, or there are too many.
    """
    return _of(deployed, workflow, source, taskList=list(tasks), **more)


def of_list(aws: AwsClients, deployed: Mapping[str, Any], path: Path, workflow: str | None = None) -> Document:
    """The spec of a list file, which is checked as the functions do and put into the kit's bucket.

    Only the functions know the buckets that tasks may read from.

    Raises:
        BadInput: it cannot be read, or some of its lines are wrong.
    """
    form = list_files.check_file(path, spec_files.deployed_of(deployed))
    uri = list_files.put(aws, str(deployed["s3BucketName"]), path.read_bytes(), form)
    return _of(deployed, workflow, **{TASK_LIST_URI: uri})


def of_prefix(aws: AwsClients, deployed: Mapping[str, Any], uri: str, workflow: str | None = None) -> Document:
    """The spec of a task for every object below `s3://bucket/prefix`; above what an input holds, it names a folder.

    Raises:
        BadInput: it is no such URI, cannot be listed, or there is no object.
    """
    document = of_tasks(deployed, tasks_below(aws, uri), workflow)
    if list_files.fits(document) or not uri.endswith("/"):
        return document
    return _of(deployed, workflow, **{TASK_LIST_URI: uri})


def _of(deployed: Mapping[str, Any], workflow: str | None, source: Path | str = _SOURCE, **tasks: object) -> Document:
    placeholders = {name: f"<{name}>" for name in DEPLOYED_ATTRIBUTES}
    document = {**placeholders, **({"workflowName": workflow} if workflow else {}), **tasks}
    return spec_files.render(source, document, deployed)


def of_file(deployed: Mapping[str, Any], path: Path, workflow: str | None = None) -> Document:
    """The spec that a file holds: a whole one with placeholders, or its `taskList` alone.

    Raises:
        BadInput: it cannot be read, or is wrong.
    """
    content = spec_files.read(path)
    if isinstance(content, list):
        return of_tasks(deployed, content, workflow, path)
    document = spec_files.checked(path, content)
    return spec_files.render(path, {**document, **({"workflowName": workflow} if workflow else {})}, deployed)


def tasks_below(aws: AwsClients, uri: str) -> list[Entry]:
    """A task for every object below `s3://bucket/prefix`, named by its key. Objects that end in `/` are folders.

    Raises:
        BadInput: it is no such URI, cannot be listed, or there is no object.
    """
    found = _S3_URI.fullmatch(uri)
    if found is None:
        raise BadInput(f"--sources {uri}: give s3://BUCKET/PREFIX")
    bucket, prefix = found.groups()
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    try:
        keys = [each["Key"] for page in pages for each in page.get("Contents", []) if not each["Key"].endswith("/")]
    except ClientError as error:
        raise BadInput(f"--sources {uri} cannot be listed: {error}") from error
    if not keys:
        raise BadInput(f"--sources {uri}: there is no object")
    folder = prefix[: prefix.rfind("/") + 1]
    return [line.entry for line in task_lists.of_keys(keys, bucket, folder)]


def await_registration(aws: AwsClients, run: Run) -> None:
    """Wait until the functions have accepted a run: they know more of the stack than its outputs tell.

    Raises:
        BadInput: they refused it; no task was launched.
    """
    for _ in looks(REGISTERED_WITHIN_SECONDS, poll_seconds=0.5):
        state = read(aws, run)
        if state.summary is not None:
            return
        if state.execution is not None and state.execution["status"] != "RUNNING":
            why = ": ".join(str(state.execution[name]) for name in ("error", "cause") if state.execution.get(name))
            raise BadInput(f"{run} was refused, and no task was launched: {why}")


def throttling(aws: AwsClients, pattern: int, deployed: Mapping[str, Any], tasks: int) -> str:
    """What to tell of a run before it starts whose rows take longer to write than its tasks to launch; empty for none.

    How long the tasks compute is not known.
    """
    try:
        table = aws.dynamodb.describe_table(TableName=str(deployed["ddbTableNameWFDetails"]))["Table"]
    except ClientError:  # whoever may start runs need not be allowed to look at tables
        return ""
    units = table.get("ProvisionedThroughput", {}).get("WriteCapacityUnits", 0)
    return costs.throttling(pattern, tasks, units, tasks / LAUNCHES_PER_SECOND) if units else ""


def start(aws: AwsClients, pattern: int, deployed: Mapping[str, Any], document: Document, name: str | None) -> Run:
    """Start a run of a spec; `name` is its execution's, a new one for None.

    A second start with the name and the same spec is the first run again. Step Functions answers so only while that one
    is active (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).

    Raises:
        BadInput: the name is another run's, or cannot be a name.
    """
    name = name or str(uuid.uuid4())
    try:
        return runs.start(aws, pattern=pattern, spec=document, deployed=deployed, name=name)
    except aws.stepfunctions.exceptions.ExecutionAlreadyExists as error:
        arn = f"{str(deployed['stateMachineArn']).replace(':stateMachine:', ':execution:')}:{name}"
        earlier = aws.stepfunctions.describe_execution(executionArn=arn)
        given = list_files.to_input(aws, document, str(deployed["s3BucketName"]))
        if json.loads(earlier.get("input") or "null") != given:
            reason = "another run has this name already; names are free after 90 days"
            raise BadInput(f"--name {name}: {reason}") from error
        key = key_of_execution(pattern, earlier, deployed)
        return Run(pattern, key.workflow_name, key.run_id, arn, deployed, document)
    except aws.stepfunctions.exceptions.InvalidName as error:
        raise BadInput(f"--name {name}: {error.response['Error']['Message']}") from error
