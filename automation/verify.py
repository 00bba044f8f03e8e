"""Did a run do what it was started for? Facts are gathered from AWS, then judged by a pure function."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from automation.aws import AwsClients
from automation.expectations import Expectation

COMPLETED = "Completed"
SUCCEEDED = "SUCCEEDED"
MAX_LOG_LINES = 20


@dataclass(frozen=True)
class Run:
    """One execution that was started, and what it was started with.

    Attributes:
        pattern: 1 or 2.
        execution_arn: the execution.
        spec: the input.
        run_id: `workflow_run_id` of the run.
        deployed: the stack's output for the pattern.
    """

    pattern: int
    execution_arn: str
    spec: Mapping[str, Any]
    run_id: int
    deployed: Mapping[str, Any]

    @property
    def workflow_name(self) -> str:
        """`workflow_name` of the run."""
        return str(self.spec["workflowName"])

    @property
    def tasks(self) -> list[Mapping[str, Any]]:
        """The entries of `taskList`."""
        return list(self.spec["taskList"])

    def source(self, task: Mapping[str, Any]) -> tuple[str, str]:
        """Bucket and key of the object that a task copies."""
        return str(task.get("s3BucketName") or self.spec["s3BucketName"]), str(task["objectKey"])

    @property
    def target_folder(self) -> str:
        """Prefix of everything that the run's tasks write."""
        return f"{self.deployed['targetPrefix']}/{self.workflow_name}/{self.run_id}/"

    def target(self, task: Mapping[str, Any]) -> str:
        """Key that a task's copy must have in the kit's bucket."""
        base_name = str(task["objectKey"]).rsplit("/", 1)[-1]
        return f"{self.target_folder}{task['taskName']}/{base_name}"


@dataclass(frozen=True)
class Facts:
    """What AWS says about a run after its end.

    Attributes:
        execution_status: of Step Functions.
        execution_error: error and cause, empty if there are none.
        summary: the items of the summary table with the run's key.
        details: the items of the details table of the run.
        sources: (bucket, key) -> digest of the object, None where it is missing.
        copies: key -> digest of every object under the run's folder.
        unexpected: key -> what is wrong with a result; None where results have to be copies of their sources.
    """

    execution_status: str
    execution_error: str
    summary: tuple[Mapping[str, Any], ...]
    details: tuple[Mapping[str, Any], ...]
    sources: Mapping[tuple[str, str], str | None]
    copies: Mapping[str, str]
    unexpected: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Verdict:
    """What came of a run, the way the report has it.

    Attributes:
        run: the run.
        execution_status: of Step Functions.
        summary: `items`, `status` and the three numbers.
        details: `items` and `byStatus`.
        copies: how many results are there and as expected, by default equal to their source.
        problems: everything that is not as it should be; empty if the run passed.
    """

    run: Run
    execution_status: str
    summary: Mapping[str, Any]
    details: Mapping[str, Any]
    copies: int
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def judge(run: Run, facts: Facts) -> Verdict:
    """Compare what is with what must be: each task once Completed, each result as expected, all numbers true."""
    problems: list[str] = []
    expected = len(run.tasks)
    if facts.execution_status != SUCCEEDED:
        error = f": {facts.execution_error}" if facts.execution_error else ""
        problems.append(f"execution ended {facts.execution_status}, not {SUCCEEDED}{error}")

    row = facts.summary[0] if len(facts.summary) == 1 else {}
    if len(facts.summary) != 1:
        problems.append(f"{len(facts.summary)} summary items with run id {run.run_id}, not 1")
    else:
        must = {
            "status": COMPLETED,
            "number_of_tasks": expected,
            "completed_tasks": expected,
            "failed_tasks": 0,
            "running_tasks": 0,
            "execution_arn": run.execution_arn,
        }
        for attribute, value in must.items():
            if row.get(attribute) != value:
                problems.append(f"summary item: {attribute} is {row.get(attribute)!r}, not {value!r}")

    by_status = Counter(str(item.get("status")) for item in facts.details)
    completed = Counter(str(item.get("task_name")) for item in facts.details if item.get("status") == COMPLETED)
    names = [str(task["taskName"]) for task in run.tasks]
    for name in names:
        if completed[name] != 1:
            problems.append(f"task {name}: {completed[name]} details items are {COMPLETED}, not 1{_why(name, facts)}")
    for name in sorted({str(item.get("task_name")) for item in facts.details} - set(names)):
        problems.append(f"details items of a task that the spec does not have: {name}")

    good = 0
    keys = {run.target(task): task for task in run.tasks}
    for key, task in keys.items():
        source = facts.sources.get(run.source(task))
        copy = facts.copies.get(key)
        if copy is None:
            problems.append(f"task {task['taskName']}: no {'copy' if facts.unexpected is None else 'result'} at {key}")
        elif facts.unexpected is not None:
            if facts.unexpected.get(key):
                reason = facts.unexpected[key]
                problems.append(f"task {task['taskName']}: the result at {key} is not as expected: {reason}")
            else:
                good += 1
        elif source is None or copy != source:
            problems.append(f"task {task['taskName']}: the copy at {key} differs from its source")
        else:
            good += 1
    for key in sorted(set(facts.copies) - set(keys)):
        problems.append(f"an object that no task should have written: {key}")

    return Verdict(
        run=run,
        execution_status=facts.execution_status,
        summary={
            "items": len(facts.summary),
            "status": row.get("status"),
            "number_of_tasks": row.get("number_of_tasks"),
            "completed_tasks": row.get("completed_tasks"),
            "failed_tasks": row.get("failed_tasks"),
        },
        details={"items": len(facts.details), "byStatus": dict(sorted(by_status.items()))},
        copies=good,
        problems=tuple(problems),
    )


def _why(name: str, facts: Facts) -> str:
    for item in facts.details:
        if item.get("task_name") == name and item.get("status") != COMPLETED:
            reason = item.get("error") or item.get("stopped_reason") or ""
            return f" ({item.get('status')}{': ' if reason else ''}{reason})"
    return ""


def gather(aws: AwsClients, run: Run, expectation: Expectation | None = None) -> Facts:
    """Read everything that `judge` needs: the execution, both tables, and every byte of sources and results.

    Args:
        aws: clients.
        run: a run that has ended.
        expectation: what a result has to be; None for a copy of its source.
    """
    execution = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)
    error = ": ".join(part for part in (execution.get("error"), execution.get("cause")) if part)
    bucket = str(run.deployed["s3BucketName"])
    copies = {key: _digest(aws, bucket, key) or "" for key in _keys(aws, bucket, run.target_folder)}
    return Facts(
        execution_status=execution["status"],
        execution_error=error,
        summary=tuple(summary_items(aws, run)),
        details=tuple(details_items(aws, run)),
        sources={source: _digest(aws, *source) for source in sorted({run.source(task) for task in run.tasks})},
        copies=copies,
        unexpected=None if expectation is None else _judged(aws, run, expectation, copies),
    )


def _judged(aws: AwsClients, run: Run, expectation: Expectation, results: Mapping[str, str]) -> dict[str, str]:
    """What the expectation says of each result that is there."""
    bucket = str(run.deployed["s3BucketName"])
    judged = {}
    for task in run.tasks:
        key = run.target(task)
        if key in results:
            source_bucket, source_key = run.source(task)
            source = aws.s3.get_object(Bucket=source_bucket, Key=source_key)["Body"].read()
            judged[key] = expectation(source, aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return judged


def summary_items(aws: AwsClients, run: Run, *, consistent: bool = True) -> Iterator[Mapping[str, Any]]:
    """The items of the summary table with the run's workflow name and run id."""
    pages = aws.dynamodb.get_paginator("query").paginate(
        TableName=str(run.deployed["ddbTableNameWFSummary"]),
        KeyConditionExpression="workflow_name = :name AND workflow_run_id = :id",
        ExpressionAttributeValues={":name": {"S": run.workflow_name}, ":id": {"N": str(run.run_id)}},
        ConsistentRead=consistent,
    )
    for page in pages:
        for item in page["Items"]:
            yield plain_item(item)


def details_items(aws: AwsClients, run: Run, *, consistent: bool = True) -> Iterator[Mapping[str, Any]]:
    """The items of the details table with the run's id and workflow name."""
    table = str(run.deployed["ddbTableNameWFDetails"])
    return details_of_run(aws, table, run.workflow_name, run.run_id, consistent=consistent)


def details_of_run(
    aws: AwsClients, table: str, workflow: str, run_id: int, *, consistent: bool = True
) -> Iterator[Mapping[str, Any]]:
    """The items of a details table with a run's id and workflow name; two workflows may use one id."""
    pages = aws.dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="workflow_run_id = :id",
        FilterExpression="workflow_name = :name",
        ExpressionAttributeValues={":name": {"S": workflow}, ":id": {"N": str(run_id)}},
        ConsistentRead=consistent,
    )
    for page in pages:
        for item in page["Items"]:
            yield plain_item(item)


def plain_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """A DynamoDB item of strings, numbers and booleans as plain data; run ids stay exact."""
    return {name: _plain_value(value) for name, value in item.items()}


def _plain_value(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "N":
        return int(content) if content.lstrip("-").isdigit() else float(content)
    if kind == "NULL":
        return None
    return content


def deciding_attempts(details: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The attempt by which each task is judged: the completed one, else the last.

    Args:
        details: items of the details table, of one run, in any order.

    Returns:
        Items by task name.
    """
    deciding: dict[str, Mapping[str, Any]] = {}
    for item in details:
        name = str(item.get("task_name"))
        if name not in deciding or _weight(item) >= _weight(deciding[name]):
            deciding[name] = item
    return deciding


def _weight(item: Mapping[str, Any]) -> tuple[bool, int]:
    return item.get("status") == COMPLETED, item.get("attempt", 0)


def log_tail(aws: AwsClients, log_group: str, item: Mapping[str, Any], lines: int = MAX_LOG_LINES) -> list[str]:
    """The last lines of an ECS task's log, none where it has no log.

    Args:
        aws: clients.
        log_group: the tasks' log group.
        item: the task's item of the details table.
        lines: how many at most.
    """
    stream = item.get("log_stream")
    if not stream:
        return []
    try:
        events = aws.logs.get_log_events(
            logGroupName=log_group, logStreamName=str(stream), limit=lines, startFromHead=False
        )["events"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return []
        raise
    return [event.get("message", "").rstrip() for event in events]


def _keys(aws: AwsClients, bucket: str, prefix: str) -> Iterator[str]:
    for page in aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            yield found["Key"]


def _digest(aws: AwsClients, bucket: str, key: str) -> str | None:
    digest = hashlib.sha256()
    try:
        body = aws.s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
            return None
        raise
    for chunk in body.iter_chunks(1024 * 1024):
        digest.update(chunk)
    return digest.hexdigest()
