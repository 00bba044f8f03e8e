"""Runs of what is deployed, from a list of tasks, a spec file or the objects below an S3 prefix."""

import itertools
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.host.polling import looks
from ecs_kit.automation.journeys import runs, spec_files
from ecs_kit.automation.journeys.run_state import key_of_execution, read
from ecs_kit.automation.journeys.runs import Run
from ecs_kit.automation.journeys.spec_files import Document
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.specs import DEPLOYED_ATTRIBUTES

Entry = Mapping[str, Any]
"""An entry of `taskList`."""

REGISTERED_WITHIN_SECONDS = 60.0
"""How long a function may take to answer for the first time."""

_S3_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*)", re.DOTALL)


def of_tasks(deployed: Mapping[str, Any], tasks: Sequence[Entry], workflow: str | None = None) -> Document:
    """The spec of a list of tasks, checked as the functions do; `deployed` is the stack's output for the pattern.

    Raises:
        BadInput: an entry is wrong, or the input is too large.
    """
    placeholders = {name: f"<{name}>" for name in DEPLOYED_ATTRIBUTES}
    document = {**placeholders, **({"workflowName": workflow} if workflow else {}), "taskList": list(tasks)}
    return spec_files.render("the list of tasks", document, deployed)


def of_file(deployed: Mapping[str, Any], path: Path, workflow: str | None = None) -> Document:
    """The spec that a file holds: a whole one with placeholders, or its `taskList` alone.

    Raises:
        BadInput: it cannot be read, or is wrong.
    """
    content = spec_files.read(path)
    if isinstance(content, list):
        return of_tasks(deployed, content, workflow)
    document = spec_files.checked(path, content)
    return spec_files.render(path, {**document, **({"workflowName": workflow} if workflow else {})}, deployed)


def tasks_below(aws: AwsClients, uri: str) -> list[Entry]:
    """A task for every object below `s3://bucket/prefix`, named by its key. Empty objects that end in `/` are folders.

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
    return [
        {"taskName": name, "objectKey": key, "s3BucketName": bucket}
        for key, name in zip(keys, _names(keys, prefix), strict=True)
    ]


def _names(keys: Sequence[str], prefix: str) -> Iterator[str]:
    """A task's name for each key: the part below the prefix's folder, with `-` for what names may not have."""
    folder = len(prefix.rpartition("/")[0]) + 1 if "/" in prefix else 0
    wanted = [re.sub(r"[^A-Za-z0-9_.-]+", "-", key[folder:])[-110:].strip(".") or "object" for key in keys]
    counted, taken = Counter(wanted), set(wanted)
    for number, name in enumerate(wanted, 1):
        free = (f"{name}-{each}" for each in itertools.count(number))
        unique = name if counted[name] == 1 else next(each for each in free if each not in taken)
        taken.add(unique)
        yield unique


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
        if json.loads(earlier.get("input") or "null") != document:
            reason = "another run has this name already; names are free after 90 days"
            raise BadInput(f"--name {name}: {reason}") from error
        key = key_of_execution(pattern, earlier, deployed)
        return Run(pattern, key.workflow_name, key.run_id, arn, deployed, document)
    except aws.stepfunctions.exceptions.InvalidName as error:
        raise BadInput(f"--name {name}: {error.response['Error']['Message']}") from error
