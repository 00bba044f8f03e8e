"""The state machines: their form, and their runs against answers of AWS."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jsonata
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statelint.linter import Linter

from ecs_kit.components.definitions import StateMachineSettings, pattern_1, pattern_2
from ecs_kit.runtime.contract import environment, overrides, waits
from ecs_kit.runtime.contract.clock import from_iso
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.settings import from_json
from ecs_kit.runtime.contract.specs import TaskEntry
from tests.unit.runtime.asl import AslError, Machine, Result
from tests.unit.runtime.fakes import EXECUTION, settings_json, spec

SETTINGS = StateMachineSettings(
    monitor_function_arn="arn:aws:lambda:eu-central-1:111122223333:function:monitor",
    summary_table="workflow_summary_pattern_2",
    container_name="app",
    run_timeout_seconds=21600,
    task_timeout_seconds=600,
    max_concurrency=0,
    launcher_function_arn="arn:aws:lambda:eu-central-1:111122223333:function:launcher",
)
MACHINES = {
    1: pattern_1(SETTINGS),
    2: pattern_2(SETTINGS),
    3: pattern_2(replace(SETTINGS, spot_share=50, has_ecs_records=True)),
}
"""The two patterns, and pattern 2 with containers that know nothing of the kit, on Fargate Spot."""
RUN_ID = "1795492244120123"
TASK_ARN = "arn:aws:ecs:eu-central-1:111122223333:task/kit-2/0123abcd"
MESSAGE = "3 of 10 tasks failed, and so on."
NO_MESSAGE = "The run failed; the details table says how each task ended."


Definition = Mapping[str, Any]


def inner_machines(state: Mapping[str, Any]) -> list[Definition]:
    return [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]


def all_states(machine: Definition) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        yield name, state
        for inner in inner_machines(state):
            yield from all_states(inner)


def handlers(machine: Definition, kind: str) -> Iterator[list[dict[str, Any]]]:
    """The retriers or catchers of each state that has some; `kind` is `Retry` or `Catch`."""
    return (state[kind] for _, state in all_states(machine) if kind in state)


def assigned(state: Mapping[str, Any]) -> set[str]:
    assigning = (state, *state.get("Catch", []), *state.get("Choices", []))
    return {name for each in assigning for name in each.get("Assign", {})}


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from expressions(value)
    elif isinstance(node, str) and node.startswith("{%"):
        yield node.removeprefix("{%").removesuffix("%}")


@dataclass
class Aws:
    """The services that the state machines call: answers of the functions, ECS and DynamoDB, and the calls."""

    launcher: list[Any] = field(default_factory=list)
    monitor: list[Any] = field(default_factory=list)
    failures: list[Any] = field(default_factory=list)
    ecs: Callable[[Any], Any] = lambda _: {"TaskArn": TASK_ARN, "Filler": "x" * 3000}
    updates: Callable[[Any], Any] = lambda _: {}
    calls: list[tuple[str, Any]] = field(default_factory=list)
    objects: Mapping[str, str] = field(default_factory=dict)

    def run(self, pattern: int, document: Any = None, redrive_count: int | None = 0, **settings: Any) -> Result:
        machine = {1: pattern_1, 2: pattern_2}[pattern](replace(SETTINGS, **settings))
        handlers = {
            "arn:aws:states:::lambda:invoke": self._invoke,
            "arn:aws:states:::ecs:runTask.sync": lambda arguments: self._note("ecs", arguments, self.ecs),
            "arn:aws:states:::dynamodb:updateItem": lambda arguments: self._note("update", arguments, self.updates),
            "arn:aws:states:::s3:getObject": self._read,
        }
        self.machine = Machine(machine, handlers, redrive_count)
        return self.machine.run(spec(2) if document is None else document)

    def _note(self, kind: str, arguments: Any, answer: Callable[[Any], Any]) -> Any:
        self.calls.append((kind, arguments))
        return answer(arguments)

    def _read(self, arguments: Any) -> Any:
        if arguments["Key"] not in self.objects:
            raise AslError("States.ItemReaderFailed", f"no {arguments['Key']}, " + "x" * 1000)
        return self.objects[arguments["Key"]]

    def _invoke(self, arguments: Any) -> Any:
        payload = arguments["Payload"]
        self.calls.append((payload["action"], payload))
        answers = self.launcher if arguments["FunctionName"] == SETTINGS.launcher_function_arn else self.monitor
        answers = self.failures if payload["action"] == "record_failure" else answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, AslError):
            raise answer
        return {"StatusCode": 200, "Payload": answer}

    def of(self, kind: str) -> list[Any]:
        return [arguments for given, arguments in self.calls if given == kind]


def launched(again: bool = False) -> dict[str, Any]:
    return {"runId": RUN_ID, "workflowName": "copying", "again": again, "waitSeconds": 1}


def registered(**changes: Any) -> dict[str, Any]:
    return {
        "runId": RUN_ID,
        "workflowName": "copying",
        "numberOfTasks": 3,
        "deadline": "2026-11-24T09:50:44.120Z",
        "expiresAt": "",
        "cluster": "kit-2",
        "taskDefinition": "kit-2:7",
        "subnets": ["subnet-1", "subnet-2"],
        "securityGroups": ["sg-tasks"],
        "target": {"bucket": "kit-2", "prefix": "copies"},
        "command": [],
        "environment": {},
        "waitSeconds": 1,
        "sourceBucket": "kit-2",
        **changes,
    }


def polled(done: bool = True, succeeded: bool = True, relaunch: bool = False) -> dict[str, Any]:
    return {"done": done, "succeeded": succeeded, "relaunch": relaunch, "waitSeconds": 7, "message": MESSAGE}


def lambda_failure(error: str, message: str) -> AslError:
    return AslError(error, json.dumps({"errorMessage": message, "errorType": error, "stackTrace": ["  File …"]}))


def refuse(error: str) -> Callable[[Any], Any]:
    def answer(_: Any) -> Any:
        raise AslError(error)

    return answer


CALL_OF_EXECUTION = {"arn": EXECUTION, "name": "one", "startTime": "2026-11-24T03:50:44.120Z", "redriveCount": 0}
GONE = lambda_failure("RunNotFound", "the row is gone")


@pytest.mark.parametrize("machine", [*MACHINES.values()], ids=[*MACHINES])
class TestForm:
    def test_statelint_finds_nothing_and_the_definition_is_far_below_the_limit_of_a_megabyte(self, machine: Definition):
        document = json.loads(json.dumps(machine))
        assert len(json.dumps(document)) < 30_000
        assert (machine["TimeoutSeconds"], machine["QueryLanguage"]) == (21600, "JSONata")
        for _, state in all_states(document):
            if state["Type"] == "Wait":
                # statelint 3.1 does not know that a JSONata Wait may compute its seconds, as AWS documents.
                computed = state.pop("Timestamp", None) or state["Seconds"]
                assert computed == 60 or computed.startswith("{%")
                state["Seconds"] = 1
        # Nor does it know these two, which AWS documents.
        unknown = [
            problem for problem in Linter.validate(document) if not re.match(r'Field "(Label|InputType)"', problem)
        ]
        assert unknown == []

    def test_names_of_states_are_unique(self, machine: Definition):
        names = [name for name, _ in all_states(machine)]
        assert sorted(names) == sorted(set(names))

    def test_every_expression_can_be_parsed_and_parses_no_json(self, machine: Definition):
        found = list(expressions(machine))
        assert len(found) > 10
        for expression in found:
            jsonata.Jsonata.jsonata(expression)
            assert "$parse" not in expression, "a truncated text would fail the execution"

    def test_variables_that_are_used_are_assigned_and_not_again_in_an_inner_scope(self, machine: Definition):
        def check(inner: Definition, outer: set[str]) -> set[str]:
            own = {name for state in inner["States"].values() for name in assigned(state)}
            assert not own & outer
            below = [check(each, own | outer) for state in inner["States"].values() for each in inner_machines(state)]
            return own.union(*below)

        names = check(machine, set())
        functions = set(re.findall(r"\$(\w+)\(", " ".join(expressions(machine))))
        for expression in expressions(machine):
            parameters = re.findall(r"\$(\w+)", " ".join(re.findall(r"function\(([^)]*)\)", expression)))
            local = {*re.findall(r"\$(\w+)\s*:=", expression), *parameters}
            assert not local & names
            assert set(re.findall(r"\$(\w+)", expression)) - functions - local - {"states"} <= names

    def test_every_retry_has_full_jitter_and_a_bound_and_states_all_is_alone_and_last(self, machine: Definition):
        retries, catches = list(handlers(machine, "Retry")), list(handlers(machine, "Catch"))
        for retrier in itertools.chain(*retries):
            if retrier["MaxAttempts"]:
                assert retrier["JitterStrategy"] == "FULL"
                assert retrier["IntervalSeconds"] < retrier["MaxDelaySeconds"]
        for found in (*retries, *catches):
            for handler in found:
                if "States.ALL" in handler["ErrorEquals"]:
                    assert handler["ErrorEquals"] == ["States.ALL"] and handler is found[-1]

    def test_calls_of_functions_are_retried_after_errors_of_lambda_itself(self, machine: Definition):
        for _, state in all_states(machine):
            if state.get("Resource") == "arn:aws:states:::lambda:invoke":
                assert {
                    *("Lambda.ServiceException", "Lambda.AWSLambdaException"),
                    *("Lambda.SdkClientException", "Lambda.TooManyRequestsException"),
                } <= set(state["Retry"][1]["ErrorEquals"])


@pytest.mark.parametrize(
    ("pattern", "first", "poll", "error", "cause"),
    [
        (1, launched(), polled(succeeded=False), "TasksFailed", MESSAGE),
        (1, launched(), GONE, "RunNotFound", "the row is gone"),
        (1, AslError("SpecRefused", "plain"), None, "SpecRefused", "plain"),
        (1, lambda_failure("SpecRefused", "no $.region"), None, "SpecRefused", "no $.region"),
        (1, lambda_failure("RunIdInUse", "used"), None, "RunIdInUse", "used"),
        (1, lambda_failure("RedriveRefused", "again"), None, "RedriveRefused", "again"),
        (2, registered(), polled(succeeded=False), "TasksFailed", MESSAGE),
        (2, registered(), {"done": True, "succeeded": False, "waitSeconds": 1}, "TasksFailed", NO_MESSAGE),
        (2, lambda_failure("SpecRefused", "no $.region"), None, "SpecRefused", "no $.region"),
    ],
)
def test_a_failed_run_fails_with_the_functions_message_and_a_refused_one_runs_nothing(
    pattern: int, first: Any, poll: Any, error: str, cause: str
) -> None:
    aws = Aws(launcher=[first], monitor=[first, poll][pattern == 1 :])
    result = aws.run(pattern)
    assert (result.status, result.error, result.cause) == ("FAILED", error, cause)
    assert (len(aws.calls) == 1) is (poll is None)


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_schedule_s_start_that_was_delivered_before_runs_nothing_and_does_not_fail(pattern: int) -> None:
    def refused(error: str) -> Aws:
        failure = lambda_failure(error, "used")
        return Aws(launcher=[failure], monitor=[failure])

    due = {"specUri": "s3://kit/specs/a.json", "scheduledTime": "2026-11-24T03:00:00Z"}
    again = refused("RunIdInUse")
    result = again.run(pattern, due)
    assert (result.status, result.output) == ("SUCCEEDED", {"error": "RunIdInUse", "message": "used"})
    assert len(again.calls) == 1
    assert refused("SpecRefused").run(pattern, due).error == "SpecRefused"


class TestPattern1:
    def test_launches_waits_polls_and_succeeds(self) -> None:
        aws = Aws(launcher=[launched()], monitor=[polled(False), polled()])
        result = aws.run(1)
        assert result.status == "SUCCEEDED" and result.output["message"]
        assert [kind for kind, _ in aws.calls] == ["launch", "monitor", "monitor"]
        assert aws.machine.waits == [1, 7]
        assert aws.of("launch") == [{"action": "launch", "execution": CALL_OF_EXECUTION, "spec": spec(2)}]
        poll = {"action": "monitor", "execution": CALL_OF_EXECUTION, "workflowName": "copying", "runId": RUN_ID}
        assert aws.of("monitor") == [poll] * 2

    def test_a_context_without_redrive_count_counts_none(self) -> None:
        aws = Aws(launcher=[launched()], monitor=[polled()])
        assert aws.run(1, redrive_count=None).status == "SUCCEEDED"
        assert aws.of("launch")[0]["execution"]["redriveCount"] == 0

    def test_launches_until_nothing_is_left_and_polls_beside_it(self) -> None:
        aws = Aws(launcher=[launched(True), launched()], monitor=[polled(False), polled()])
        assert aws.run(1).status == "SUCCEEDED"
        first, *beside, last = [kind for kind, _ in aws.calls]
        assert (first, sorted(beside), last) == ("launch", ["launch", "monitor"], "monitor")

    def test_retries(self) -> None:
        aws = Aws(launcher=[launched()], monitor=[polled(False, relaunch=True), polled()])
        assert aws.run(1).status == "SUCCEEDED"
        assert [kind for kind, _ in aws.calls] == ["launch", "monitor"] * 2

    def test_a_poll_that_fails_beside_launches_does_not_end_them(self) -> None:
        failure = lambda_failure("RuntimeError", "no")
        aws = Aws(launcher=[launched(True), launched(True), launched()], monitor=[*[failure] * 12, polled()])
        assert aws.run(1).status == "SUCCEEDED"
        assert len(aws.of("launch")) == 3

    def test_launches_that_are_refused_in_the_middle_end_the_run_with_their_message(self) -> None:
        aws = Aws(launcher=[launched(True), lambda_failure("RunIdInUse", "taken")], monitor=[polled(False)])
        result = aws.run(1)
        assert (result.status, result.error, json.loads(f'"{result.cause}"')) == ("FAILED", "RunIdInUse", "taken")

    def test_repeated_failures_of_a_function_do_not_fail_the_run(self) -> None:
        failure = lambda_failure("ClientError", "throttled")
        pending = AslError("Lambda.ResourceConflictException", "The function is in the following state: Pending")
        aws = Aws(launcher=[*[pending] * 12, launched()], monitor=[failure, failure, failure, polled()])
        assert aws.run(1).status == "SUCCEEDED"

    def test_a_refusal_s_message_is_shown_as_it_is(self) -> None:
        cause = Aws(launcher=[lambda_failure("SpecRefused", 'say "no" to $.region: ü')]).run(1).cause
        assert json.loads(f'"{cause}"'.replace('"no"', '\\"no\\"')) == 'say "no" to $.region: ü'


class TestPattern2:
    def test_registers_runs_each_task_marks_the_end_of_launching_and_succeeds(self) -> None:
        aws = Aws(monitor=[registered(), polled(False), polled()])
        result = aws.run(2)
        assert (result.status, result.output["done"]) == ("SUCCEEDED", True)
        assert len(aws.of("ecs")) == 3 and len(aws.of("monitor")) == 2
        assert aws.machine.waits == [1, 7]
        (update,) = aws.of("update")
        assert update["Key"] == {"workflow_name": {"S": "copying"}, "workflow_run_id": {"N": RUN_ID}}
        assert update["UpdateExpression"] == "SET launching_ended = :ended"
        assert update["ExpressionAttributeValues"] == {":ended": {"BOOL": True}}
        assert update["ConditionExpression"] == "attribute_exists(workflow_name)"

    def test_run_task_gets_what_the_registration_and_the_spec_say(self) -> None:
        aws = Aws(monitor=[registered(subnets=["subnet-1"]), polled()])
        aws.run(2, spec(2, taskList=[{"taskName": "a", "objectKey": "in/k", "s3BucketName": "own"}]))
        (arguments,) = aws.of("ecs")
        (override,) = arguments.pop("Overrides")["ContainerOverrides"]
        network = {"Subnets": ["subnet-1"], "SecurityGroups": ["sg-tasks"], "AssignPublicIp": "DISABLED"}
        assert arguments == {
            "Cluster": "kit-2",
            "TaskDefinition": "kit-2:7",
            "LaunchType": "FARGATE",
            "Group": f"run-{RUN_ID}",
            "PropagateTags": "TASK_DEFINITION",
            "NetworkConfiguration": {"AwsvpcConfiguration": network},
        }
        assert override["Name"] == "app"
        variables = {variable["Name"]: variable["Value"] for variable in override["Environment"]}
        assert from_iso(variables.pop(environment.QUEUED_AT)).year > 2000, "when the state was entered"
        assert variables == (
            environment.override(
                Attempt("copying", int(RUN_ID), "a", 1, "own", "in/k", index=0), "2026-11-24T09:50:44.120Z"
            )
        ), "the same as from the launcher"

    @pytest.mark.parametrize(("most", "children"), [(0, 3), (5, 25)])
    def test_a_long_list_runs_in_batches_in_child_executions_that_keep_the_rate(self, most: int, children: int) -> None:
        tasks = [{"taskName": f"t{n}", "objectKey": f"in/{n}", "s3BucketName": "kit-2"} for n in range(25)]
        first = registered(
            pinnedList={"bucket": "kit-2", "key": "specs/pinned/1.tasks.jsonl"},
            launchesFrom=int(from_iso("2026-11-24T03:50:45.000Z").timestamp() * 1000),
            launchIntervalMilliseconds=50.0,
        )
        aws = Aws(
            monitor=[first, polled()],
            objects={"specs/pinned/1.tasks.jsonl": "".join(f"{json.dumps(task)}\n" for task in tasks)},
        )
        assert aws.run(2, {**spec(2), "taskList": None}, max_concurrency=most).status == "SUCCEEDED"
        found = [call["Overrides"]["ContainerOverrides"][0]["Environment"] for call in aws.of("ecs")]
        variables = [{variable["Name"]: variable["Value"] for variable in each} for each in found]
        assert [each["KIT_TASK_INDEX"] for each in variables] == [str(n) for n in range(25)]
        assert [each["KIT_TASK_NAME"] for each in variables] == [task["taskName"] for task in tasks]
        assert len(aws.machine.children) == children
        ends = ["WaitStateEntered", "WaitStateExited"]
        assert all({*ends} <= {event["type"] for event in child["events"]} for child in aws.machine.children)

    def test_a_task_of_a_child_execution_that_fails_is_recorded_for_the_run_s_execution(self) -> None:
        pinned = {"bucket": "kit-2", "key": "specs/pinned/1.tasks.jsonl"}
        first = registered(pinnedList=pinned, launchesFrom=0, launchIntervalMilliseconds=50.0)
        aws = Aws(
            ecs=refuse("ECS.AccessDeniedException"),
            monitor=[first, polled(succeeded=False)],
            failures=[{"again": False}],
            objects={pinned["key"]: '{"taskName": "a", "objectKey": "k", "s3BucketName": "own"}\n'},
        )
        aws.run(2, {**spec(2), "taskList": None})
        (recorded,) = aws.of("record_failure")
        assert recorded["execution"] == CALL_OF_EXECUTION
        assert (recorded["task"]["taskName"], recorded["sourceBucket"], recorded["index"]) == ("a", "own", 0)
        assert recorded["isInChild"] is True

    def test_what_ends_a_map_state_does_not_end_the_run(self) -> None:
        maps = [state for _, state in all_states(pattern_2(SETTINGS)) if state["Type"] == "Map" and "Catch" in state]
        caught = [[name for catcher in state["Catch"] for name in catcher["ErrorEquals"]] for state in maps]
        assert caught == [["States.DataLimitExceeded", "States.ALL"]] * 2, "the second does not include the first"

    def test_an_input_that_names_its_spec_runs_the_tasks_of_the_registration(self) -> None:
        tasks = [{"taskName": "a", "objectKey": "in/a"}, {"taskName": "b", "objectKey": "in/b", "s3BucketName": "own"}]
        aws = Aws(monitor=[registered(taskList=tasks), polled()])
        assert aws.run(2, {"specUri": "s3://kit-2/specs/a.json"}).status == "SUCCEEDED"
        found = [
            override["ContainerOverrides"][0]["Environment"]
            for override in (call["Overrides"] for call in aws.of("ecs"))
        ]
        variables = [{variable["Name"]: variable["Value"] for variable in each} for each in found]
        assert [(each["KIT_TASK_NAME"], each["KIT_SOURCE_BUCKET"]) for each in variables] == [
            ("a", "kit-2"),
            ("b", "own"),
        ]

    def test_outputs_stay_small_with_a_hundred_results_or_failures_of_three_kilobytes(self) -> None:
        def fail(_: Any) -> Any:
            raise AslError("States.TaskFailed", "x" * 3000)

        aws = Aws(monitor=[registered(), polled()])
        assert aws.run(2, spec(2, tasks=100)).status == "SUCCEEDED"
        # The execution's own input is the only thing that may be larger; it is no state's output.
        assert aws.machine.largest_output <= 32 * 1024
        aws = Aws(monitor=[registered(), polled(succeeded=False)], ecs=fail, failures=[{"again": False}])
        aws.run(2, spec(2, tasks=100))
        assert aws.machine.largest_output <= 32 * 1024 and len(aws.of("record_failure")) == 100

    def test_concurrency_and_time_limits_follow_the_settings(self) -> None:
        states = dict(all_states(pattern_2(replace(SETTINGS, max_concurrency=5))))
        assert states["RunTasks"]["MaxConcurrency"] == 5
        assert states["RunTask"]["TimeoutSeconds"] == 600 + waits.START_ALLOWANCE.total_seconds() == 900

    def test_repeated_failures_of_the_monitor_do_not_stop_the_tasks(self) -> None:
        failures = [lambda_failure("RuntimeError", "no"), AslError("States.Timeout")]
        aws = Aws(monitor=[registered(), *(failure for failure in failures for _ in range(6)), polled()])
        assert aws.run(2).status == "SUCCEEDED"
        assert aws.machine.waits == [1, 20, 20]

    def test_a_run_whose_row_was_deleted_fails_once_its_tasks_have_ended(self) -> None:
        aws = Aws(monitor=[registered(), GONE], updates=refuse("DynamoDB.ConditionalCheckFailedException"))
        result = aws.run(2)
        assert (result.status, result.error, result.cause) == ("FAILED", "RunNotFound", "the row is gone")
        assert (len(aws.of("ecs")), len(aws.of("monitor")), len(aws.of("update"))) == (3, 1, 1)

    def test_a_map_that_fails_ends_launching_and_does_not_fail_the_branch(self) -> None:
        aws = Aws(monitor=[registered(), polled(succeeded=False)], failures=[{}], ecs=Failures(FAILED))
        assert aws.run(2).error == "TasksFailed"
        assert len(aws.of("update")) == len(aws.of("monitor")) == 1

    def test_what_a_map_failed_with_is_recorded(self) -> None:
        first = registered(pinnedList={"bucket": "kit-2", "key": "gone"}, launchesFrom=0, launchIntervalMilliseconds=50)
        aws = Aws(monitor=[first, polled(succeeded=False)])
        assert aws.run(2, {**spec(2), "taskList": None}).error == "TasksFailed"
        (update,) = aws.of("update")
        assert update["UpdateExpression"] == "SET launching_ended = :ended, launching_error = :error"
        error = update["ExpressionAttributeValues"][":error"]["S"]
        assert error.startswith("States.ItemReaderFailed: no gone, x") and len(error) == 500

    def test_a_table_that_refuses_the_end_of_launching_does_not_fail_the_branch(self) -> None:
        aws = Aws(monitor=[registered(), polled()], updates=refuse("DynamoDB.ProvisionedThroughputExceededException"))
        assert aws.run(2).status == "SUCCEEDED"


class Failures:
    """ECS failing for a while: the errors given, then success."""

    def __init__(self, *errors: AslError) -> None:
        self.errors = list(errors)

    def __call__(self, _: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return {"TaskArn": TASK_ARN}


FAILED = AslError("States.TaskFailed", "a cause")
BUSY = AslError("ECS.AmazonECSException", "Rate exceeded")


def again(attempt: int = 2, infrastructure: int = 0, wait: int = 3, waited: int = 0, turn: int = 0) -> dict[str, Any]:
    return {
        "again": True,
        "waitSeconds": wait,
        "attempt": attempt,
        "infrastructureFailures": infrastructure,
        "waitedSeconds": waited,
        "turn": turn,
    }


def run_one(aws: Aws, *errors: AslError, task: Any = None, **settings: Any) -> list[Any]:
    """Run one task whose first attempts fail; return the monitor's calls to record a failure."""
    aws.monitor, aws.ecs = [registered(), polled()], Failures(*errors)
    document = spec(2, tasks=1) if task is None else spec(2, taskList=[task])
    assert aws.run(2, document, **settings).status == "SUCCEEDED"
    return aws.of("record_failure")


def providers(aws: Aws) -> list[str]:
    assert not any("LaunchType" in call for call in aws.of("ecs"))
    return [provider["CapacityProvider"] for call in aws.of("ecs") for provider in call["CapacityProviderStrategy"]]


class TestSpot:
    @pytest.mark.parametrize(
        ("share", "on_spot"), [(1, []), (25, [3]), (50, [1, 3]), (75, [1, 2, 3]), (100, [0, 1, 2, 3])]
    )
    def test_a_share_of_the_tasks_runs_on_spot_capacity_with_the_same_environment(
        self, share: int, on_spot: list[int]
    ) -> None:
        aws, other = (Aws(monitor=[registered(), polled()]) for _ in range(2))
        assert aws.run(2, spec(2, tasks=4), spot_share=share).status == "SUCCEEDED"
        assert providers(aws) == ["FARGATE_SPOT" if number in on_spot else "FARGATE" for number in range(4)]
        other.run(2, spec(2, tasks=4))
        assert list(map(without_time, aws.of("ecs"))) == list(map(without_time, other.of("ecs")))

    def test_the_turn_decides_between_spot_and_on_demand_capacity(self) -> None:
        full = AslError("ECS.ClientException", "Capacity is unavailable at this time")
        aws = Aws(failures=[again(1, 0, 10, 10, turn) for turn in (0, 1, 2)])
        run_one(aws, full, full, full, spot_share=100)
        assert providers(aws) == ["FARGATE_SPOT", "FARGATE_SPOT", "FARGATE", "FARGATE_SPOT"]

    def test_a_task_that_lost_its_spot_capacity_runs_on_demand(self) -> None:
        aws = Aws(failures=[again(2, 1)])
        run_one(aws, FAILED, spot_share=100)
        assert providers(aws) == ["FARGATE_SPOT", "FARGATE"]


class TestFailuresOfPattern2:
    @pytest.mark.parametrize("bucket", [{}, {"s3BucketName": "sources"}])
    def test_the_monitor_gets_the_attempt_and_its_failure(self, bucket: dict[str, str]) -> None:
        task = {"taskName": "task_01", "objectKey": "in/1.txt", **bucket}
        (call,) = run_one(Aws(failures=[{"again": False}]), FAILED, task=task)
        assert call == {
            "action": "record_failure",
            "execution": CALL_OF_EXECUTION,
            "workflowName": "copying",
            "runId": RUN_ID,
            "task": task,
            "sourceBucket": bucket.get("s3BucketName", "kit-2"),
            "isInChild": False,
            "index": 0,
            "attempt": 1,
            "infrastructureFailures": 0,
            "waitedSeconds": 0,
            "turn": 0,
            "retries": 0,
            "error": "States.TaskFailed",
            "cause": "a cause",
        }

    def test_its_answer_decides_about_the_next_attempt(self) -> None:
        aws = Aws(failures=[again(2, 1, 7), again(2, 1, 400, 400, 1), again(3, 2, 9), {"again": False}])
        calls = run_one(aws, *[FAILED] * 4)
        assert [call["waitedSeconds"] for call in calls] == [0, 0, 400, 0]
        assert [(call["attempt"], call["infrastructureFailures"]) for call in calls] == [(1, 0), (2, 1), (2, 1), (3, 2)]
        assert [wait for wait in aws.machine.waits if wait != 1] == [7, 400, 9]
        attempts = [
            variable["Value"]
            for call in aws.of("ecs")
            for variable in call["Overrides"]["ContainerOverrides"][0]["Environment"]
            if variable["Name"] == "KIT_ATTEMPT"
        ]
        assert attempts == ["1", "2", "2", "3"]

    @pytest.mark.parametrize("error", ["ECS.ServerException", "ECS.AmazonECSException", "ECS.SdkClientException"])
    def test_transient_errors_are_retried_by_step_functions_alone(self, error: str) -> None:
        aws = Aws()
        assert run_one(aws, *[AslError(error, "busy")] * 6) == []
        assert len(aws.of("ecs")) == 7

    def test_the_monitor_decides_after_six_retries(self) -> None:
        aws = Aws(failures=[again(1)])
        (call,) = run_one(aws, *[BUSY] * 7)
        assert (call["error"], call["retries"], len(aws.of("ecs"))) == ("ECS.AmazonECSException", 6, 8)

    def test_a_monitor_that_fails_is_called_again_until_it_answers(self) -> None:
        aws = Aws(failures=[*[lambda_failure("RuntimeError", "no")] * 8, again()])
        run_one(aws, FAILED)
        assert len(aws.of("ecs")) == 2 and 60 in aws.machine.waits

    @pytest.mark.parametrize("error", ["RunNotFound", "RunIdInUse", "RedriveRefused"])
    def test_a_refusal_ends_the_task(self, error: str) -> None:
        aws = Aws(failures=[lambda_failure(error, "no such run")])
        assert len(run_one(aws, FAILED, FAILED)) == 1 and len(aws.of("ecs")) == 1

    @pytest.mark.parametrize(("code", "attempts"), [("EssentialContainerExited", 1), ("UserInitiated", 2), ("", 2)])
    def test_a_container_that_was_stopped_and_exits_0_is_judged_by_the_monitor(self, code: str, attempts: int) -> None:
        task = {"TaskArn": TASK_ARN, "StopCode": code, "Containers": [{"ExitCode": 0}]}
        answers = iter([task, {**task, "StopCode": "EssentialContainerExited"}])
        aws = Aws(monitor=[registered(), polled()], failures=[again(2)], ecs=lambda _: next(answers))
        assert aws.run(2, spec(2, tasks=1), has_ecs_records=True).status == "SUCCEEDED"
        assert len(aws.of("ecs")) == attempts
        assert [json.loads(call["cause"]) for call in aws.of("record_failure")] == [task] * (attempts - 1)

    def test_an_error_without_name_or_cause_is_recorded_too(self) -> None:
        (call,) = run_one(Aws(failures=[{"again": False}]), AslError("", ""))
        assert (call["error"], call["cause"]) == ("", "")


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_redriven_execution_is_refused_and_starts_no_ecs_task(pattern: int) -> None:
    refused = lambda_failure("RedriveRefused", "start a new execution")
    aws = Aws(launcher=[launched()], monitor=[*[registered()] * (pattern - 1), refused], failures=[refused])
    result = aws.run(pattern, redrive_count=1)
    assert (result.error, result.cause) == ("RedriveRefused", "start a new execution")
    assert aws.of("monitor")[-1]["execution"]["redriveCount"] == 1
    assert aws.of("ecs") == []
    assert {update["TableName"] for update in aws.of("update")} <= {SETTINGS.summary_table}, "rows are unchanged"


def without_time(call: Any) -> Any:
    """The overrides of a call of RunTask without the time at which its state was entered."""
    (container,) = call["Overrides"]["ContainerOverrides"]
    kept = [each for each in container["Environment"] if each["Name"] != environment.QUEUED_AT]
    assert len(kept) == len(container["Environment"]) - 1
    return {**call["Overrides"], "ContainerOverrides": [{**container, "Environment": kept}]}


WORDS = st.text(st.sampled_from("ab{}./'\"$\\ é"), max_size=9)
TEXTS = st.lists(WORDS | st.sampled_from([f"{{{name}}}" for name in overrides.NAMES]), max_size=4).map("".join)
NAMES_OF_VARIABLES = st.sampled_from(["A", "B", "JOB_X"])
ENTRIES = st.fixed_dictionaries(
    {"taskName": st.sampled_from(["a", "b.c"]), "objectKey": st.sampled_from(["k", "in/k.txt", "a b/{task.name}"])},
    optional={
        "s3BucketName": st.just("elsewhere"),
        "command": st.lists(TEXTS, min_size=1, max_size=3),
        "environment": st.dictionaries(NAMES_OF_VARIABLES, TEXTS, max_size=2),
        "size": st.just((512, 2048)),
    },
)


@settings(deadline=None)
@given(ENTRIES, st.lists(TEXTS, max_size=3), st.dictionaries(NAMES_OF_VARIABLES, TEXTS, max_size=2))
def test_both_patterns_override_the_same(entry: dict[str, Any], command: list[str], variables: dict[str, str]) -> None:
    if size := entry.pop("size", None):
        entry["cpu"], entry["memory"] = size
    template = {"command": command, "environment": variables}
    aws = Aws(monitor=[registered(**template), polled()])
    document = {**spec(2), "taskList": [entry]}
    assert aws.run(2, document).status == "SUCCEEDED"
    settings = from_json(settings_json(2, jobCommand=command, jobEnvironment=variables))
    checked = TaskEntry(
        entry["taskName"],
        entry.get("s3BucketName", document["s3BucketName"]),
        entry["objectKey"],
        tuple(entry.get("command", ())),
        entry.get("environment", {}),
        entry.get("cpu"),
        entry.get("memory"),
    )
    attempt = Attempt("copying", int(RUN_ID), checked.name, 1, checked.bucket, checked.key, index=0)
    expected = overrides.of_task(settings, checked, attempt, registered()["deadline"])

    def without_case(value: Any) -> Any:
        if isinstance(value, dict):
            return {name[0].lower() + name[1:]: without_case(item) for name, item in value.items()}
        return [without_case(item) for item in value] if isinstance(value, list) else value

    assert without_case(without_time(aws.of("ecs")[0])) == expected
