"""What an audit has a deployed pattern do: runs of every kind, each a function of the stage."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecs_kit.runtime.contract.outcomes import TASKS_IN_RUN
from ecs_kit.runtime.contract.patterns import PATTERNS
from tools.audit.stage import LARGE, Stage

HELD_SECONDS = 45
"""How long the copy of a held task waits."""
LISTED = 3
COUNTED_SECONDS = 600.0
"""How long the failures of a long run may take to be recorded, in pattern 2 by a call of the monitor each."""
LONG, PADDING_BYTES = 9, 2000
"""Of a list of 18 KB: more than an answer has (`MAX_TASK_LIST_BYTES`), with environments that RunTask takes."""


@dataclass(frozen=True)
class Case:
    """A kind of run, and the patterns and kind of rows (`task`, `ecs`) that have it."""

    name: str
    play: Callable[[Stage], None]
    patterns: Sequence[int]
    records: Sequence[str]


CASES: list[Case] = []


def case(*patterns: int, records: Sequence[str] = ("task",)) -> Callable[[Callable[[Stage], None]], None]:
    """Declare a case, by default of both patterns; its name is the function's."""

    def declare(play: Callable[[Stage], None]) -> None:
        CASES.append(Case(play.__name__.replace("_", " "), play, patterns or tuple(PATTERNS), records))

    return declare


@case()
def copies(stage: Stage) -> None:
    """Objects of both buckets, with tags and without, are copied."""
    keys = (stage.put("audit/plain"), stage.put("audit/tagged", tags="a=b"))
    for key, tags in (("plain", ""), ("tagged", "a=b")):
        stage.put(key, bucket=stage.sources, tags=tags)
    stage.run(stage.spec(stage.tasks(*keys, f"{stage.sources}/plain", f"{stage.sources}/tagged")))


@case()
def missing_sources(stage: Stage) -> None:
    """Objects that do not exist: tasks fail, are tried again and fail."""
    stage.run(stage.spec(stage.tasks("audit/missing", f"{stage.sources}/missing")))


@case()
def large_objects(stage: Stage) -> None:
    """A copy in parts, and one whose parts fail, which is given up."""
    too_large = {"error": "InvalidRequest", "message": "The object is larger than the maximum allowable size"}
    of_task = {"service": "s3", "operation": "PutObject", "caller": stage.caller("task")}
    copied, given_up = stage.put("audit/large", LARGE), stage.put("audit/given-up", LARGE)
    stage.faults(
        {**of_task, "request": "*/t1/*", "calls": [1], "effect": too_large},
        {**of_task, "request": "*/t2/*", "calls": [1], "effect": too_large},
        {**of_task, "request": "*/t2/*", "calls": [3, 4], "effect": {"error": "InvalidPart", "message": "injected"}},
    )
    stage.run(stage.spec(stage.tasks(copied, given_up)))


def _held(stage: Stage, key: str = "audit/plain") -> Mapping[str, Any]:
    """Start a run whose two tasks wait in their copies, and return its spec once both run."""
    hold = {"service": "s3", "operation": "PutObject", "caller": stage.caller("task")}
    stage.faults({**hold, "request": "*/t?/*", "effect": {"delaySeconds": HELD_SECONDS}})
    document = stage.spec(stage.tasks(stage.put(key), key))
    stage.start(document)

    stage.until(lambda: stage.statuses(document["workflowName"])["Running"] == 2, "the start of both tasks")
    return document


@case()
def stopped_while_tasks_run(stage: Stage) -> None:
    """An execution is stopped: its tasks are stopped, its rows are ended."""
    document = _held(stage)
    stage.aws.stepfunctions.stop_execution(executionArn=stage.executions[-1])
    stage.ended(stage.executions[-1], document["workflowName"])


@case(1)
def lost_rows(stage: Stage) -> None:
    """The rows of tasks that run are deleted: the monitor records that they have none, and stops them."""
    document = _held(stage)
    stage.delete_rows(document["workflowName"])
    stage.ended(stage.executions[-1], document["workflowName"])


@case(1)
def stopped_while_tasks_are_launched(stage: Stage) -> None:
    """An execution is stopped during a RunTask call: the launcher stops the task that it has just started."""
    slow = {"service": "ecs", "operation": "RunTask", "caller": stage.caller("launcher"), "name": "slow"}
    stage.faults({**slow, "effect": {"delaySeconds": 3}})
    document = stage.spec(stage.tasks(stage.put("audit/plain")))
    arn = stage.start(document)
    stage.until(lambda: stage.met()[0], "a RunTask call")
    stage.aws.stepfunctions.stop_execution(executionArn=arn)
    stage.until(lambda: stage.is_over(document["workflowName"]), "the end of the run")
    stage.until(lambda: stage.tasks_of(document["workflowName"]), "the start of the task")
    stage.until(lambda: stage.is_over(document["workflowName"]), "the end of the task")


@case(1)
def run_task_answers_get_lost(stage: Stage) -> None:
    """RunTask starts a task, and no answer comes: the launcher finds the task by listing."""
    lost = {"service": "ecs", "operation": "RunTask", "caller": stage.caller("launcher")}
    stage.faults({**lost, "effect": {"drop": "after"}})
    stage.run(stage.spec(stage.tasks(stage.put("audit/plain"))))


@case()
def killed_tasks(stage: Stage) -> None:
    """Containers that are killed leave their rows to the monitor."""
    killed = {"service": "s3", "operation": "PutObject", "caller": stage.caller("task"), "request": "*/t?/*"}
    stage.faults({**killed, "effect": {"kill": "before"}})
    stage.run(stage.spec(stage.tasks(stage.put("audit/plain"))))


@case()
def swept(stage: Stage) -> None:
    """The event of an execution's end is lost, and a task of an ended run still runs: the sweep ends both."""
    rule = stage.names.rule("execution-ended")
    stage.aws.events.disable_rule(Name=rule)
    try:
        document = _held(stage)
        arns = [task.arn for task in stage.tasks_of(document["workflowName"])]
        stage.aws.stepfunctions.stop_execution(executionArn=stage.executions[-1])
        stage.call("monitor", {"action": "sweep"})
        stage.ended(stage.executions[-1], document["workflowName"])
    finally:
        stage.aws.events.enable_rule(Name=rule)
    described = stage.aws.ecs.describe_tasks(cluster=stage.names.cluster, tasks=arns[:1])["tasks"][0]
    stage.aws.ecs.run_task(
        cluster=stage.names.cluster,
        taskDefinition=described["taskDefinitionArn"],
        launchType="FARGATE",
        overrides=described["overrides"],
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": str(stage.deployed["subnetIdLiteral"]).split(str(stage.deployed["separator"])),
                "securityGroups": [stage.deployed["securityGroupId"]],
            }
        },
    )
    stage.call("monitor", {"action": "sweep"})
    stage.until(lambda: stage.is_over(document["workflowName"]), "the end of the orphaned task")


@case()
def event_without_input(stage: Stage) -> None:
    """EventBridge leaves out a long input: the monitor asks for it."""
    arn = stage.start({})
    stage.until(lambda: stage.status(arn) != "RUNNING", "the end of the execution")
    found = stage.aws.stepfunctions.describe_execution(executionArn=arn)
    detail = {
        "executionArn": arn,
        "stateMachineArn": stage.names.state_machine_arn,
        "status": "FAILED",
        "startDate": round(found["startDate"].timestamp() * 1000),
    }
    event = {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}
    stage.call("monitor", event)


@case()
def list_file(stage: Stage) -> None:
    """A run's list is a file of the bucket."""
    lines = "\n".join(json.dumps(task) for task in stage.tasks(*[stage.put("audit/plain")] * LISTED))
    key = stage.put(f"specs/audit/{uuid.uuid4().hex}.jsonl", lines.encode())
    stage.run(stage.spec(None, taskListUri=f"s3://{stage.bucket}/{key}"))


@case()
def prefixes(stage: Stage) -> None:
    """A run's tasks are the objects of a folder, in the pattern's bucket and in the other one."""
    for bucket in (stage.bucket, stage.sources):
        stage.put("listed/one", bucket=bucket)
        stage.put("listed/two", bucket=bucket)
        stage.run(stage.spec(None, taskListUri=f"s3://{bucket}/listed/"))


@case()
def missing_list(stage: Stage) -> None:
    """A run names a list that does not exist, and is refused."""
    stage.run(stage.spec(None, taskListUri=f"s3://{stage.bucket}/specs/missing.jsonl"))


def _long_list(stage: Stage) -> dict[str, Any]:
    """A spec of a list that no answer of a function holds, so that pattern 2 has child executions."""
    padded = {"environment": {"PADDING": "x" * PADDING_BYTES}}
    tasks = [{**task, **padded} for task in stage.tasks(*[stage.put("audit/plain")] * LONG)]
    lines = "\n".join(map(json.dumps, tasks))
    key = stage.put(f"specs/audit/{uuid.uuid4().hex}.jsonl", lines.encode())
    return stage.spec(None, taskListUri=f"s3://{stage.bucket}/{key}")


@case()
def long_list(stage: Stage) -> None:
    """A run of a list that is too long for an answer."""
    stage.run(_long_list(stage))


@case()
def outcomes_in_items_of_their_own(stage: Stage) -> None:
    """A run of more tasks than its own item has room for; ECS starts none, and it is stopped once some are counted."""
    refused = {"error": "InvalidParameterException", "message": "injected"}
    stage.faults({"service": "ecs", "operation": "RunTask", "effect": refused})
    tasks = stage.tasks(*["audit/plain"] * (TASKS_IN_RUN + 1))
    key = stage.put(f"specs/audit/{uuid.uuid4().hex}.jsonl", "\n".join(map(json.dumps, tasks)).encode())
    document = stage.spec(None, taskListUri=f"s3://{stage.bucket}/{key}")
    arn = stage.start(document)
    stage.until(lambda: stage.has_outcomes(document["workflowName"]), "an item of outcomes", COUNTED_SECONDS)
    stage.aws.stepfunctions.stop_execution(executionArn=arn)
    stage.ended(arn, document["workflowName"])


@case(2)
def list_that_cannot_be_read(stage: Stage) -> None:
    """The state machine cannot read the pinned list: the monitor records that no task has started."""
    reading = {"service": "s3", "operation": "GetObject", "caller": stage.caller("state-machine")}
    stage.faults({**reading, "effect": {"error": "NoSuchKey", "message": "injected"}})
    stage.run(_long_list(stage))


@case(2)
def stopped_child_executions(stage: Stage) -> None:
    """An execution is stopped whose tasks are in child executions."""
    hold = {"service": "s3", "operation": "PutObject", "caller": stage.caller("task")}
    stage.faults({**hold, "request": "*/t?/*", "effect": {"delaySeconds": HELD_SECONDS}})
    document = _long_list(stage)
    arn = stage.start(document)
    stage.until(lambda: stage.statuses(document["workflowName"])["Running"], "the start of a task")
    stage.aws.stepfunctions.stop_execution(executionArn=arn)
    stage.ended(arn, document["workflowName"])


@case()
def stopped_before_it_is_registered(stage: Stage) -> None:
    """An execution is stopped before its function could be called: the monitor registers its run, and ends it."""
    busy = {"error": "TooManyRequestsException", "message": "injected", "status": 429}
    stage.faults({"service": "lambda", "caller": stage.caller("state-machine"), "effect": busy})
    for bucket in (stage.bucket, stage.sources):
        stage.put("listed/one", bucket=bucket)
        document = stage.spec(None, taskListUri=f"s3://{bucket}/listed/")
        arn = stage.start(document)
        stage.aws.stepfunctions.stop_execution(executionArn=arn)
        stage.until(lambda: stage.has_run(document["workflowName"]), "the registration of a run")  # noqa: B023
        stage.ended(arn, document["workflowName"])


@case(1)
def interrupted_launchers(stage: Stage) -> None:
    """A launcher is killed after a RunTask call; the next one reads what was launched."""
    killed = {"service": "ecs", "operation": "RunTask", "caller": stage.caller("launcher"), "calls": [1]}
    stage.faults({**killed, "effect": {"kill": "after"}})
    stage.run(stage.spec(stage.tasks(*[stage.put("audit/plain")] * 2)))


@case()
def named_spec(stage: Stage) -> None:
    """An execution names its spec, an object of the bucket."""
    document = stage.spec(stage.tasks(stage.put("audit/plain")))
    key = stage.put(f"specs/audit/{uuid.uuid4().hex}.json", json.dumps(document).encode())
    arn = stage.start({"specUri": f"s3://{stage.bucket}/{key}"})
    stage.ended(arn, document["workflowName"])


@case()
def scheduled(stage: Stage) -> None:
    """A schedule with the role and the target of the deployed one starts an execution."""
    document = stage.spec(stage.tasks(stage.put("audit/plain")))
    key = stage.put(f"specs/audit/{uuid.uuid4().hex}.json", json.dumps(document).encode())
    given = {"specUri": f"s3://{stage.bucket}/{key}", "scheduledTime": "<aws.scheduler.scheduled-time>"}
    with_one = _with_schedule(stage, stage.names.state_machine_arn, given)

    def was_started() -> bool:
        found = stage.aws.stepfunctions.list_executions(stateMachineArn=stage.names.state_machine_arn)["executions"]
        stage.executions[:] = [each["executionArn"] for each in found if each["name"].startswith(with_one)]
        return bool(stage.executions)

    stage.until(was_started, "the scheduled start")
    stage.ended(stage.executions[0], document["workflowName"])


@case()
def scheduled_in_vain(stage: Stage) -> None:
    """A schedule whose start fails sends it to the failure queue."""
    _with_schedule(stage, stage.names.state_machine_arn, None)
    stage.until(stage.messages, "a message in the failure queue")


def _with_schedule(stage: Stage, state_machine_arn: str, given: Mapping[str, Any] | None) -> str:
    """Make a schedule that is due, and return its name, with which its executions begin; no input is refused."""
    name = f"audit-{uuid.uuid4().hex[:8]}"
    deployed = stage.aws.scheduler.get_schedule(Name=stage.names.schedule)
    request = {"StateMachineArn": state_machine_arn, "Name": name, "Input": json.dumps(given) if given else "{"}
    stage.aws.scheduler.create_schedule(
        Name=name,
        ScheduleExpression="at(2026-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={**deployed["Target"], "Input": json.dumps(request)},
    )
    return name


@case()
def unhandled_event(stage: Stage) -> None:
    """An event that the monitor cannot handle waits in the failure queue."""
    stage.call("monitor", {"action": "dance"}, in_background=True)
    stage.until(stage.messages, "a message in the failure queue")


@case()
def reported(stage: Stage) -> None:
    """A run of a spec in the bucket has a task that fails, and a report with the end of that task's log."""
    stage.aws.events.enable_rule(Name=stage.names.rule("run-reports"))
    document = stage.spec(stage.tasks("audit/missing"))
    key = stage.put(f"specs/audit/{uuid.uuid4().hex}.json", json.dumps(document).encode())
    arn = stage.start({"specUri": f"s3://{stage.bucket}/{key}"})
    stage.ended(arn, document["workflowName"])
    stage.until(lambda: stage.is_reported(document["workflowName"]), "a report")
    stage.until(lambda: any(each.action == "sns:Publish" for each in stage.questions()), "a message to the topic")


@case()
def not_reported(stage: Stage) -> None:
    """An event that the reporter cannot handle waits in the failure queue."""
    stage.call("reporter", {"executionArn": "none"}, in_background=True)
    stage.until(stage.messages, "a message in the failure queue")


@case()
def state_machine_updated(stage: Stage) -> None:
    """Step Functions checks the role of a state machine that is updated."""
    found = stage.aws.stepfunctions.describe_state_machine(stateMachineArn=stage.names.state_machine_arn)
    try:
        stage.aws.stepfunctions.update_state_machine(
            stateMachineArn=found["stateMachineArn"],
            definition=found["definition"],
            roleArn=found["roleArn"],
            loggingConfiguration=found["loggingConfiguration"],
        )
    except stage.aws.stepfunctions.exceptions.ClientError as error:
        stage.answers.append(str(error))


@case(records=("ecs",))
def ecs_records(stage: Stage) -> None:
    """A container that knows nothing of the kit: its rows are kept from what ECS says of it."""
    stage.run(stage.spec([{"taskName": "t1", "command": ["10"]}]))


@case(records=("ecs",))
def stopped_with_ecs_records(stage: Stage) -> None:
    """An execution is stopped whose tasks keep no rows."""
    document = stage.spec([{"taskName": "t1", "command": ["1000000000"]}])
    arn = stage.start(document)
    stage.until(lambda: stage.has_run(document["workflowName"]), "a run")
    stage.until(lambda: any(task.last_status == "RUNNING" for task in stage.ecs_tasks()), "the start of the task")
    stage.aws.stepfunctions.stop_execution(executionArn=arn)
    stage.ended(arn, document["workflowName"])
