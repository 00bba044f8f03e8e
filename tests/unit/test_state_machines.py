"""The state machines: well formed, and run against what AWS answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jsonata
import pytest
from statelint.linter import Linter

from ecs_kit.components.definitions import StateMachineSettings, pattern_1, pattern_2
from ecs_kit.runtime.contract import environment, waits
from ecs_kit.runtime.contract.environment import Attempt
from tests.unit.runtime.asl import AslError, Interpreter, Result
from tests.unit.runtime.fakes import EXECUTION, spec

SETTINGS = StateMachineSettings(
    monitor_function_arn="arn:aws:lambda:eu-central-1:111122223333:function:monitor",
    summary_table="workflow_summary_pattern_2",
    container_name="app",
    run_timeout_seconds=21600,
    task_timeout_seconds=600,
    max_concurrency=0,
    launcher_function_arn="arn:aws:lambda:eu-central-1:111122223333:function:launcher",
)
MACHINES = {1: pattern_1(SETTINGS), 2: pattern_2(SETTINGS), 3: pattern_2(replace(SETTINGS, spot_share=50))}
"""The two patterns, and pattern 2 with tasks on Fargate Spot."""
RUN_ID = "1795492244120123"
TASK_ARN = "arn:aws:ecs:eu-central-1:111122223333:task/kit-2/0123abcd"


def all_states(machine: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        yield name, state
        for inner in (*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])):
            yield from all_states(inner)


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)
    elif isinstance(node, str) and node.startswith("{%"):
        yield node.removeprefix("{%").removesuffix("%}")


@dataclass
class Aws:
    """AWS beside the state machines: what the functions, ECS and DynamoDB answer, and what they were asked."""

    launcher: list[Any] = field(default_factory=list)
    monitor: list[Any] = field(default_factory=list)
    failures: list[Any] = field(default_factory=list)
    ecs: Callable[[Any], Any] = lambda _: {"TaskArn": TASK_ARN, "Filler": "x" * 3000}
    updates: Callable[[Any], Any] = lambda _: {}
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def run(self, pattern: int, document: Any = None, redrive_count: int = 0, **settings: Any) -> Result:
        machine = {1: pattern_1, 2: pattern_2}[pattern](replace(SETTINGS, **settings))
        self.interpreter = Interpreter(
            machine,
            {
                "arn:aws:states:::lambda:invoke": self._invoke,
                "arn:aws:states:::ecs:runTask.sync": lambda arguments: self._note("ecs", arguments, self.ecs),
                "arn:aws:states:::dynamodb:updateItem": lambda arguments: self._note("update", arguments, self.updates),
            },
            {
                "Execution": {
                    "Id": EXECUTION,
                    "Name": "one",
                    "StartTime": "2026-11-24T03:50:44.120Z",
                    "Input": spec(2) if document is None else document,
                    "RedriveCount": redrive_count,
                }
            },
        )
        return self.interpreter.run()

    def _note(self, kind: str, arguments: Any, answer: Callable[[Any], Any]) -> Any:
        self.calls.append((kind, arguments))
        return answer(arguments)

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


def launched(again: bool = False, wait_seconds: int = 1) -> dict[str, Any]:
    return {"runId": RUN_ID, "workflowName": "copying", "again": again, "waitSeconds": wait_seconds}


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
        "waitSeconds": 1,
        **changes,
    }


def looked(done: bool = True, succeeded: bool = True, **changes: Any) -> dict[str, Any]:
    return {
        "done": done,
        "succeeded": succeeded,
        "relaunch": False,
        "waitSeconds": 7,
        "message": "3 of 10 tasks failed, and so on.",
        **changes,
    }


def lambda_failure(error: str, message: str) -> AslError:
    return AslError(error, json.dumps({"errorMessage": message, "errorType": error, "stackTrace": ["  File …"]}))


@pytest.mark.parametrize("pattern", [1, 2, 3])
class TestForm:
    def test_statelint_finds_nothing(self, pattern: int) -> None:
        document = json.loads(json.dumps(MACHINES[pattern]))
        for _, state in all_states(document):
            if state["Type"] == "Wait":
                # statelint 3.1 does not know that a JSONata Wait may compute its seconds, as AWS documents.
                assert state["Seconds"] == 60 or state["Seconds"].startswith("{%")
                state["Seconds"] = 1
        assert Linter.validate(document) == []

    def test_every_expression_parses(self, pattern: int) -> None:
        found = list(expressions(MACHINES[pattern]))
        assert len(found) > 10
        for expression in found:
            jsonata.Jsonata.jsonata(expression)

    def test_nothing_is_parsed_that_may_be_no_json(self, pattern: int) -> None:
        assert not any("$parse" in expression for expression in expressions(MACHINES[pattern]))

    def test_has_a_time_limit_and_speaks_jsonata(self, pattern: int) -> None:
        assert MACHINES[pattern]["TimeoutSeconds"] == 21600
        assert MACHINES[pattern]["QueryLanguage"] == "JSONata"
        assert not any("QueryLanguage" in state for _, state in all_states(MACHINES[pattern]))

    def test_no_inner_scope_takes_a_name_of_an_outer_one_or_of_an_expression(self, pattern: int) -> None:
        def assigned(machine: Mapping[str, Any]) -> set[str]:
            places = [
                place
                for state in machine["States"].values()
                for place in (state, *state.get("Catch", []), *state.get("Choices", []))
            ]
            return {name for place in places for name in place.get("Assign", {})}

        def check(machine: Mapping[str, Any], outer: set[str]) -> set[str]:
            own = assigned(machine)
            assert not own & outer
            every = own | outer
            for state in machine["States"].values():
                for inner in (
                    *state.get("Branches", []),
                    *([state["ItemProcessor"]] if "ItemProcessor" in state else []),
                ):
                    every |= check(inner, own | outer)
            return every

        names = check(MACHINES[pattern], set())
        local = {
            name for expression in expressions(MACHINES[pattern]) for name in re.findall(r"\$(\w+)\s*:=", expression)
        }
        assert names and not names & local

    def test_variables_are_assigned_before_they_are_used(self, pattern: int) -> None:
        names = {name for _, state in all_states(MACHINES[pattern]) for name in state.get("Assign", {})}
        for catcher in (catcher for _, state in all_states(MACHINES[pattern]) for catcher in state.get("Catch", [])):
            names |= set(catcher.get("Assign", {}))
        functions = set(re.findall(r"\$(\w+)\(", " ".join(expressions(MACHINES[pattern]))))
        for expression in expressions(MACHINES[pattern]):
            local = set(re.findall(r"\$(\w+)\s*:=", expression))
            used = set(re.findall(r"\$(\w+)", expression)) - functions - local - {"states"}
            assert used <= names

    def test_every_retry_has_full_jitter_and_a_bound(self, pattern: int) -> None:
        for _, state in all_states(MACHINES[pattern]):
            for retrier in state.get("Retry", []):
                if retrier["MaxAttempts"]:
                    assert retrier["JitterStrategy"] == "FULL"
                    assert retrier["IntervalSeconds"] < retrier["MaxDelaySeconds"]

    def test_states_all_stands_alone_and_last(self, pattern: int) -> None:
        for _, state in all_states(MACHINES[pattern]):
            for handlers in (state.get("Retry", []), state.get("Catch", [])):
                for index, handler in enumerate(handlers):
                    if "States.ALL" in handler["ErrorEquals"]:
                        assert handler["ErrorEquals"] == ["States.ALL"] and index == len(handlers) - 1

    def test_lambda_functions_are_asked_again_where_lambda_itself_failed(self, pattern: int) -> None:
        for _, state in all_states(MACHINES[pattern]):
            if state.get("Resource") == "arn:aws:states:::lambda:invoke":
                assert {
                    "Lambda.ServiceException",
                    "Lambda.AWSLambdaException",
                    "Lambda.SdkClientException",
                    "Lambda.TooManyRequestsException",
                } <= set(state["Retry"][1]["ErrorEquals"])

    def test_its_definition_is_far_below_the_limit_of_a_megabyte(self, pattern: int) -> None:
        assert len(json.dumps(MACHINES[pattern])) < 20_000


class TestPattern1:
    def test_launches_waits_looks_and_succeeds(self) -> None:
        aws = Aws(launcher=[launched()], monitor=[looked(False), looked()])
        result = aws.run(1)
        assert result.status == "SUCCEEDED" and result.output["message"]
        assert [kind for kind, _ in aws.calls] == ["launch", "monitor", "monitor"]
        assert aws.interpreter.waits == [1, 7]

    def test_hands_the_spec_and_the_execution_to_the_launcher(self) -> None:
        aws = Aws(launcher=[launched()], monitor=[looked()])
        aws.run(1)
        (payload,) = aws.of("launch")
        assert payload["spec"] == spec(2)
        assert payload["execution"] == {
            "arn": EXECUTION,
            "name": "one",
            "startTime": "2026-11-24T03:50:44.120Z",
            "redriveCount": 0,
        }
        (payload,) = aws.of("monitor")
        assert (payload["workflowName"], payload["runId"]) == ("copying", RUN_ID)
        assert "spec" not in payload

    def test_a_context_without_redrive_count_counts_none(self) -> None:
        aws = Aws(launcher=[launched()], monitor=[looked()])
        machine = pattern_1(SETTINGS)
        context = {"Execution": {"Id": "x", "Name": "n", "StartTime": "t", "Input": {}}}
        interpreter = Interpreter(machine, {"arn:aws:states:::lambda:invoke": aws._invoke}, context)
        assert interpreter.run().status == "SUCCEEDED"
        assert aws.of("launch")[0]["execution"]["redriveCount"] == 0

    def test_launches_until_nothing_remains(self) -> None:
        aws = Aws(launcher=[launched(True), launched(True), launched()], monitor=[looked()])
        assert aws.run(1).status == "SUCCEEDED"
        assert len(aws.of("launch")) == 3

    def test_launches_again_what_is_to_be_tried_again(self) -> None:
        aws = Aws(launcher=[launched()], monitor=[looked(False, relaunch=True), looked()])
        assert aws.run(1).status == "SUCCEEDED"
        assert [kind for kind, _ in aws.calls] == ["launch", "monitor", "launch", "monitor"]

    def test_a_failed_run_fails_with_the_monitor_s_message(self) -> None:
        result = Aws(launcher=[launched()], monitor=[looked(succeeded=False)]).run(1)
        assert (result.status, result.error, result.cause) == (
            "FAILED",
            "TasksFailed",
            "3 of 10 tasks failed, and so on.",
        )

    def test_three_failures_of_the_monitor_in_a_row_do_no_harm(self) -> None:
        failure = lambda_failure("ClientError", "throttled")
        aws = Aws(launcher=[launched()], monitor=[failure, failure, failure, looked()])
        assert aws.run(1).status == "SUCCEEDED"

    def test_a_version_that_is_not_active_yet_is_called_again(self) -> None:
        pending = AslError(
            "Lambda.ResourceConflictException", "The function is currently in the following state: Pending"
        )
        aws = Aws(launcher=[*[pending] * 12, launched()], monitor=[looked()])
        assert aws.run(1).status == "SUCCEEDED"

    @pytest.mark.parametrize("error", ["SpecRefused", "RunIdInUse", "RedriveRefused"])
    def test_a_refusal_is_the_execution_s_error_with_its_plain_message(self, error: str) -> None:
        aws = Aws(launcher=[lambda_failure(error, 'say "no" to $.region: ü')], monitor=[looked()])
        result = aws.run(1)
        assert (result.status, result.error) == ("FAILED", error)
        assert json.loads(f'"{result.cause}"'.replace('"no"', '\\"no\\"')) == 'say "no" to $.region: ü'
        assert len(aws.calls) == 1

    def test_a_run_whose_row_somebody_deleted_fails_at_once(self) -> None:
        result = Aws(launcher=[launched()], monitor=[lambda_failure("RunNotFound", "the row is gone")]).run(1)
        assert (result.status, result.error, result.cause) == ("FAILED", "RunNotFound", "the row is gone")

    def test_a_refusal_without_json_keeps_its_text(self) -> None:
        result = Aws(launcher=[AslError("SpecRefused", "plain")], monitor=[looked()]).run(1)
        assert result.cause == "plain"

    def test_needs_its_launcher(self) -> None:
        with pytest.raises(ValueError, match="launcher_function_arn"):
            pattern_1(replace(SETTINGS, launcher_function_arn=None))


class TestPattern2:
    def test_registers_runs_each_task_and_succeeds(self) -> None:
        aws = Aws(monitor=[registered(), looked(False), looked()])
        result = aws.run(2)
        assert (result.status, result.output["done"]) == ("SUCCEEDED", True)
        assert len(aws.of("ecs")) == 3 and len(aws.of("monitor")) == 2
        assert aws.interpreter.waits == [1, 7]

    def test_marks_the_end_of_launching(self) -> None:
        aws = Aws(monitor=[registered(), looked()])
        aws.run(2)
        (update,) = aws.of("update")
        assert update["Key"] == {"workflow_name": {"S": "copying"}, "workflow_run_id": {"N": RUN_ID}}
        assert update["ExpressionAttributeValues"] == {":ended": {"BOOL": True}}

    def test_asks_ecs_for_what_the_integration_allows(self) -> None:
        aws = Aws(monitor=[registered(), looked()])
        aws.run(2, spec(2, tasks=1))
        (arguments,) = aws.of("ecs")
        assert set(arguments) == {
            "Cluster",
            "TaskDefinition",
            "LaunchType",
            "Group",
            "NetworkConfiguration",
            "Overrides",
        }
        assert (arguments["Cluster"], arguments["TaskDefinition"], arguments["Group"]) == (
            "kit-2",
            "kit-2:7",
            f"run-{RUN_ID}",
        )

    @pytest.mark.parametrize(
        ("share", "on_spot"), [(1, []), (25, [3]), (50, [1, 3]), (75, [1, 2, 3]), (100, [0, 1, 2, 3])]
    )
    def test_a_share_of_the_tasks_runs_on_spot_capacity(self, share: int, on_spot: list[int]) -> None:
        aws = Aws(monitor=[registered(), looked()])
        assert aws.run(2, spec(2, tasks=4), spot_share=share).status == "SUCCEEDED"
        calls = aws.of("ecs")
        assert not any("LaunchType" in call for call in calls)
        assert [call["CapacityProviderStrategy"] for call in calls] == [
            [{"CapacityProvider": "FARGATE_SPOT" if number in on_spot else "FARGATE", "Weight": 1}]
            for number in range(4)
        ]

    def test_tasks_on_spot_capacity_are_told_the_same_as_others(self) -> None:
        given = {}
        for share in (0, 50):
            aws = Aws(monitor=[registered(), looked()])
            aws.run(2, spec(2, tasks=3), spot_share=share)
            given[share] = [call["Overrides"] for call in aws.of("ecs")]
        assert given[0] == given[50]

    def test_spot_and_on_demand_capacity_take_turns_from_wait_to_wait(self) -> None:
        full = AslError("ECS.ClientException", "Capacity is unavailable at this time")
        aws = Aws(failures=[again(1, 0, 10, 10, 1), again(1, 0, 10, 20, 2)])
        run_one(aws, full, full, spot_share=100)
        providers = [call["CapacityProviderStrategy"][0]["CapacityProvider"] for call in aws.of("ecs")]
        assert providers == ["FARGATE_SPOT", "FARGATE", "FARGATE_SPOT"]

    def test_the_monitor_is_told_how_often_run_task_was_tried_again(self) -> None:
        busy = AslError("ECS.AmazonECSException", "Rate exceeded")
        (asked,) = run_one(Aws(failures=[again(1, 0, 10, 10, 1)]), *[busy] * 7)
        assert asked["retries"] == 6

    def test_a_task_that_lost_its_spot_capacity_runs_on_demand(self) -> None:
        def interrupt(arguments: Any) -> Any:
            if arguments["CapacityProviderStrategy"][0]["CapacityProvider"] == "FARGATE_SPOT":
                raise AslError("States.TaskFailed", "interrupted")
            return {"TaskArn": TASK_ARN}

        aws = Aws(monitor=[registered(), looked()], ecs=interrupt, failures=[again(2, 1)])
        assert aws.run(2, spec(2, tasks=1), spot_share=100).status == "SUCCEEDED"
        providers = [call["CapacityProviderStrategy"][0]["CapacityProvider"] for call in aws.of("ecs")]
        assert providers == ["FARGATE_SPOT", "FARGATE"]

    def test_the_container_is_told_the_same_as_by_the_launcher(self) -> None:
        aws = Aws(monitor=[registered(), looked()])
        aws.run(2, spec(2, taskList=[{"taskName": "a", "objectKey": "in/k", "s3BucketName": "own"}]))
        (override,) = aws.of("ecs")[0]["Overrides"]["ContainerOverrides"]
        assert override["Name"] == "app"
        assert {variable["Name"]: variable["Value"] for variable in override["Environment"]} == (
            environment.override(Attempt("copying", int(RUN_ID), "a", 1, "own", "in/k"), "2026-11-24T09:50:44.120Z")
        )

    def test_one_task_one_subnet_and_one_group_stay_lists(self) -> None:
        aws = Aws(monitor=[registered(subnets=["subnet-1"]), looked()])
        assert aws.run(2, spec(2, tasks=1)).status == "SUCCEEDED"
        network = aws.of("ecs")[0]["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network == {
            "Subnets": ["subnet-1"],
            "SecurityGroups": ["sg-tasks"],
            "AssignPublicIp": "DISABLED",
        }

    def test_outputs_stay_small_with_a_hundred_results_of_three_kilobytes(self) -> None:
        aws = Aws(monitor=[registered(), looked()])
        assert aws.run(2, spec(2, tasks=100)).status == "SUCCEEDED"
        # The execution's own input is the only thing that may be larger; it is no state's output.
        assert aws.interpreter.largest_output <= 32 * 1024

    def test_outputs_stay_small_with_a_hundred_failures(self) -> None:
        def fail(_: Any) -> Any:
            raise AslError("States.TaskFailed", "x" * 3000)

        aws = Aws(monitor=[registered(), looked(succeeded=False)], ecs=fail, failures=[{"again": False}])
        aws.run(2, spec(2, tasks=100))
        assert aws.interpreter.largest_output <= 32 * 1024 and len(aws.of("record_failure")) == 100

    def test_runs_as_many_at_once_as_configured_and_limits_each(self) -> None:
        states = dict(all_states(pattern_2(replace(SETTINGS, max_concurrency=5))))
        assert states["RunTasks"]["MaxConcurrency"] == 5
        assert states["RunTask"]["TimeoutSeconds"] == 600 + 300

    def test_a_failed_run_fails_with_the_monitor_s_message(self) -> None:
        result = Aws(monitor=[registered(), looked(succeeded=False)]).run(2)
        assert (result.error, result.cause) == ("TasksFailed", "3 of 10 tasks failed, and so on.")

    def test_an_answer_without_message_still_makes_a_cause(self) -> None:
        result = Aws(monitor=[registered(), {"done": True, "succeeded": False, "waitSeconds": 1}]).run(2)
        assert result.cause.startswith("The run failed")

    def test_a_refusal_runs_nothing(self) -> None:
        aws = Aws(monitor=[lambda_failure("SpecRefused", "the spec is refused: $.region")])
        result = aws.run(2)
        assert (result.error, result.cause, aws.of("ecs")) == ("SpecRefused", "the spec is refused: $.region", [])

    def test_a_monitor_that_fails_for_a_while_does_not_stop_the_tasks(self) -> None:
        failure = lambda_failure("RuntimeError", "no")
        aws = Aws(monitor=[registered(), *[failure] * 12, looked()])
        assert aws.run(2).status == "SUCCEEDED"
        assert aws.interpreter.waits == [1, 20, 20]

    def test_a_run_whose_row_somebody_deleted_fails_once_its_tasks_have_ended(self) -> None:
        def refuse(_: Any) -> Any:
            raise AslError("DynamoDB.ConditionalCheckFailedException")

        aws = Aws(monitor=[registered(), lambda_failure("RunNotFound", "the row is gone")], updates=refuse)
        result = aws.run(2)
        assert (result.status, result.error, result.cause) == ("FAILED", "RunNotFound", "the row is gone")
        assert (len(aws.of("ecs")), len(aws.of("monitor")), len(aws.of("update"))) == (3, 1, 1)

    def test_a_mark_that_cannot_be_written_does_not_fail_the_branch(self) -> None:
        def refuse(_: Any) -> Any:
            raise AslError("DynamoDB.ProvisionedThroughputExceededException")

        assert Aws(monitor=[registered(), looked()], updates=refuse).run(2).status == "SUCCEEDED"


class Failures:
    """ECS failing for a while: the errors given, then success."""

    def __init__(self, *errors: AslError) -> None:
        self.errors = list(errors)

    def __call__(self, _: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return {"TaskArn": TASK_ARN}


FAILED = AslError("States.TaskFailed", "a cause")


def again(attempt: int = 2, infrastructure: int = 0, wait: int = 3, waited: int = 0, waits: int = 0) -> dict[str, Any]:
    return {
        "again": True,
        "waitSeconds": wait,
        "attempt": attempt,
        "infrastructureFailures": infrastructure,
        "waitedSeconds": waited,
        "waits": waits,
    }


def run_one(aws: Aws, *errors: AslError, **settings: Any) -> list[Any]:
    """Run one task whose first attempts fail; return what the monitor was asked about them."""
    aws.monitor, aws.ecs = [registered(), looked()], Failures(*errors)
    assert aws.run(2, spec(2, tasks=1), **settings).status == "SUCCEEDED"
    return aws.of("record_failure")


class TestFailuresOfPattern2:
    def test_the_monitor_is_told_what_failed_and_why(self) -> None:
        (asked,) = run_one(Aws(failures=[{"again": False}]), FAILED)
        assert asked == {
            "action": "record_failure",
            "execution": {
                "arn": EXECUTION,
                "name": "one",
                "startTime": "2026-11-24T03:50:44.120Z",
                "redriveCount": 0,
            },
            "workflowName": "copying",
            "runId": RUN_ID,
            "task": {"taskName": "task_01", "objectKey": "in/1.txt"},
            "sourceBucket": "kit-2",
            "index": 0,
            "attempt": 1,
            "infrastructureFailures": 0,
            "waitedSeconds": 0,
            "waits": 0,
            "retries": 0,
            "error": "States.TaskFailed",
            "cause": "a cause",
        }

    def test_what_it_answers_is_done(self) -> None:
        aws = Aws(failures=[again(2, 1, 7), again(2, 1, 400, 400, 1), again(3, 2, 9), {"again": False}])
        asked = run_one(aws, *[FAILED] * 4)
        assert [call["waitedSeconds"] for call in asked] == [0, 0, 400, 0]
        assert [(call["attempt"], call["infrastructureFailures"]) for call in asked] == [(1, 0), (2, 1), (2, 1), (3, 2)]
        assert [wait for wait in aws.interpreter.waits if wait != 1] == [7, 400, 9]
        attempts = [
            variable["Value"]
            for call in aws.of("ecs")
            for variable in call["Overrides"]["ContainerOverrides"][0]["Environment"]
            if variable["Name"] == "KIT_ATTEMPT"
        ]
        assert attempts == ["1", "2", "2", "3"]

    def test_an_attempt_that_succeeds_ends_the_task(self) -> None:
        aws = Aws(failures=[again()])
        assert len(run_one(aws, FAILED)) == 1 and len(aws.of("ecs")) == 2

    @pytest.mark.parametrize("error", ["ECS.ServerException", "ECS.AmazonECSException", "ECS.SdkClientException"])
    def test_what_passes_soon_is_retried_by_step_functions_alone(self, error: str) -> None:
        aws = Aws()
        assert run_one(aws, *[AslError(error, "busy")] * 6) == []
        assert len(aws.of("ecs")) == 7

    def test_what_does_not_pass_soon_is_for_the_monitor_to_judge(self) -> None:
        aws = Aws(failures=[again(1)])
        asked = run_one(aws, *[AslError("ECS.AmazonECSException", "busy")] * 7)
        assert [call["error"] for call in asked] == ["ECS.AmazonECSException"]
        assert len(aws.of("ecs")) == 8

    def test_a_monitor_that_fails_is_asked_again_until_it_answers(self) -> None:
        failure = lambda_failure("RuntimeError", "no")
        aws = Aws(failures=[*[failure] * 8, again()])
        run_one(aws, FAILED)
        assert len(aws.of("ecs")) == 2 and 60 in aws.interpreter.waits

    @pytest.mark.parametrize("error", ["RunNotFound", "RunIdInUse", "RedriveRefused"])
    def test_a_run_that_is_gone_ends_its_tasks(self, error: str) -> None:
        aws = Aws(failures=[lambda_failure(error, "no such run")])
        assert len(run_one(aws, FAILED, FAILED)) == 1 and len(aws.of("ecs")) == 1

    def test_a_source_bucket_of_the_task_s_own_is_told(self) -> None:
        aws = Aws(failures=[{"again": False}], monitor=[registered(), looked()], ecs=Failures(FAILED))
        entry = {"taskName": "a", "objectKey": "k", "s3BucketName": "sources"}
        aws.run(2, spec(2, taskList=[entry]))
        (asked,) = aws.of("record_failure")
        assert (asked["task"], asked["sourceBucket"]) == (entry, "sources")

    def test_an_error_without_name_or_cause_is_told_too(self) -> None:
        (asked,) = run_one(Aws(failures=[{"again": False}]), AslError("", ""))
        assert (asked["error"], asked["cause"]) == ("", "")


class TestRedrives:
    def test_of_pattern_1_are_refused_where_they_go_on(self) -> None:
        aws = Aws(launcher=[launched()], monitor=[lambda_failure("RedriveRefused", "start a new execution")])
        result = aws.run(1, redrive_count=1)
        assert (result.error, result.cause) == ("RedriveRefused", "start a new execution")
        assert aws.of("launch")[0]["execution"]["redriveCount"] == 1

    def test_of_pattern_2_start_no_ecs_task_and_leave_the_rows_alone(self) -> None:
        refused = lambda_failure("RedriveRefused", "start a new execution")
        aws = Aws(monitor=[registered(), refused], failures=[refused])
        result = aws.run(2, redrive_count=1)
        assert (result.error, result.cause) == ("RedriveRefused", "start a new execution")
        assert aws.of("ecs") == []
        assert {update["TableName"] for update in aws.of("update")} == {SETTINGS.summary_table}


def test_the_allowances_of_state_machine_and_monitor_agree() -> None:
    states = dict(all_states(MACHINES[2]))
    allowance = states["RunTask"]["TimeoutSeconds"] - SETTINGS.task_timeout_seconds
    assert allowance == waits.START_ALLOWANCE.total_seconds()
