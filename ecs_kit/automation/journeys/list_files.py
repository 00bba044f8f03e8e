"""Task lists in S3: a list that an execution's input cannot hold, and list files of the user's own."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract import task_lists
from ecs_kit.runtime.contract.errors import SpecRefused
from ecs_kit.runtime.contract.spec_references import SPEC_PREFIX
from ecs_kit.runtime.contract.specs import Deployed
from ecs_kit.runtime.contract.task_lists import MAX_LIST_BYTES, MAX_TASKS, TASK_LIST_URI, Form
from ecs_kit.runtime.functions.task_lists import checked

MAX_INPUT_BYTES = 262_144
"""Input of StartExecution in bytes of UTF-8
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html)."""

LISTS = f"{SPEC_PREFIX}lists/"
"""Where the driver puts lists, by their SHA-256: the same list is the same object."""

Document = Mapping[str, Any]


def fits(document: Document) -> bool:
    """Whether an execution's input holds a spec with its list."""
    return len(_compact(document)) <= MAX_INPUT_BYTES


def to_input(aws: AwsClients, document: Document, bucket: str) -> Document:
    """Return a spec as an execution's input takes it; a list that is too long for one is put into the bucket."""
    if fits(document):
        return document
    rest = {name: value for name, value in document.items() if name != "taskList"}
    return {**rest, TASK_LIST_URI: put(aws, bucket, _json_lines(document["taskList"]), Form.JSON_LINES)}


def put(aws: AwsClients, bucket: str, content: bytes, form: Form) -> str:
    """Put a list into the bucket, unless it is there, and return its URI."""
    key = f"{LISTS}{hashlib.sha256(content).hexdigest()}{form}"
    try:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
    return f"s3://{bucket}/{key}"


def too_long(entries: list[Document]) -> str | None:
    """Return why no run can have these tasks; None where one can."""
    if len(entries) > MAX_TASKS:
        return f"has {len(entries)} tasks; {MAX_TASKS} is the most"
    size = len(_json_lines(entries))
    return None if size <= MAX_LIST_BYTES else f"has {size} bytes; {MAX_LIST_BYTES} is the most"


def check_file(path: Path, deployed: Deployed) -> Form:
    """Check a list file as the functions do, and return its form.

    Raises:
        BadInput: it cannot be read, or some of its lines are wrong.
    """
    form = task_lists.form_of(path.name)
    if form is None:
        raise BadInput(f"--list {path}: give a .jsonl, a .json or a .csv file")
    try:
        if path.stat().st_size > MAX_LIST_BYTES:
            raise BadInput(f"--list {path}: has {path.stat().st_size} bytes; {MAX_LIST_BYTES} is the most")
        with path.open("rb") as file:
            for _ in checked(task_lists.lines(form, file), form, deployed.attributes["s3BucketName"], deployed):
                pass
    except OSError as error:
        raise BadInput(f"--list {path}: cannot be read: {error.strerror}") from error
    except SpecRefused as error:
        found = (str(problem).removeprefix(f"$.{TASK_LIST_URI}").lstrip(": ") for problem in error.problems)
        raise BadInput("\n  ".join([f"--list {path}: is not a task list:", *found])) from error
    return form


def _json_lines(entries: Iterable[Document]) -> bytes:
    return b"".join(map(task_lists.canonical, entries))


def _compact(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
