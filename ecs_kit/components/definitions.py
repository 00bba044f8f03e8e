"""The state machines, in Amazon States Language with JSONata: pure functions of ARNs and settings.

References:
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html (JSONata, `$states`),
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html (scopes: an inner scope may not reuse a
name of an outer one), https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html (`ecs:runTask.sync`),
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html (retriers, catchers).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecs_kit.runtime.contract import environment, overrides, waits
from ecs_kit.runtime.contract.errors import REFUSALS
from ecs_kit.runtime.contract.failures import EXITED_BY_ITSELF, TRANSIENT_ECS_ERRORS
from ecs_kit.runtime.contract.records import LONGEST_LAUNCHING_ERROR

State = dict[str, Any]
"""One state, as a JSON object."""


@dataclass(frozen=True)
class StateMachineSettings:
    """Settings of the state machines. Numbers are as in the configuration.

    The functions' ARNs are those of the versions that are published with this document; pattern 2 has no launcher.
    Step Functions refuses to call a service by the ARN of another `partition` than the execution's.
    """

    monitor_function_arn: str
    summary_table: str
    container_name: str
    run_timeout_seconds: int
    task_timeout_seconds: int
    max_concurrency: int
    spot_share: int = 0
    has_ecs_records: bool = False
    launcher_function_arn: str = ""
    partition: str = "aws"

    def integration(self, call: str) -> str:
        """The `Resource` of a service integration, such as `lambda:invoke`."""
        return f"arn:{self.partition}:states:::{call}"


def pattern_1(settings: StateMachineSettings) -> State:
    """Return the state machine of pattern 1: the launcher starts the ECS tasks, the monitor tracks them."""
    return {
        "Comment": "Runs ECS tasks that a Lambda function launches, and tracks them until each has ended.",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": settings.run_timeout_seconds,
        "StartAt": "LaunchTasks",
        "States": {
            "LaunchTasks": {
                **_launch(settings),
                "Comment": "Checks the spec, registers the run and launches what is not launched yet.",
                "Assign": {
                    "run": "{% $states.result.Payload %}",
                    "pauseSeconds": "{% $states.result.Payload.waitSeconds %}",
                },
                "Catch": [_refusal("StartRefused")],
                "Next": "MoreToLaunch",
            },
            "MoreToLaunch": _choice(("$run.again", "LaunchAndTrack"), default="WaitForTasks"),
            "LaunchAndTrack": {
                "Type": "Parallel",
                "Comment": "A long list: tasks that have ended are counted while others are launched.",
                "Branches": [
                    {"StartAt": "LaunchMore", "States": {"LaunchMore": {**_launch(settings), "End": True}}},
                    _poll_branch(settings),
                ],
                "Assign": {"run": "{% $states.result[0] %}", "pauseSeconds": "{% $states.result[0].waitSeconds %}"},
                "Output": {},
                "Catch": [_refusal("RunRefused")],
                "Next": "MoreToLaunch",
            },
            **_tracking_states(settings, done="TasksDone", refused="RunRefused"),
            "TasksDone": _choice(
                ("$states.input.done and $states.input.succeeded", "RunCompleted"),
                ("$states.input.done", "RunFailed"),
                ("$states.input.relaunch", "LaunchTasks"),
                default="WaitForTasks",
            ),
            **_ends("$states.input"),
        },
    }


def _launch(settings: StateMachineSettings) -> State:
    return _invoke(settings, settings.launcher_function_arn, "launch", spec="{% $states.context.Execution.Input %}")


def _poll(settings: StateMachineSettings) -> State:
    return _invoke(settings, settings.monitor_function_arn, "monitor", **_RUN)


def _poll_branch(settings: StateMachineSettings) -> State:
    """One poll, which must not fail: that would end the launches beside it."""
    return {
        "StartAt": "CountTasks",
        "States": {
            "CountTasks": {
                **_poll(settings),
                "Catch": [{"ErrorEquals": ["States.ALL"], "Output": {}, "Next": "CountLater"}],
                "End": True,
            },
            "CountLater": {"Type": "Pass", "End": True},
        },
    }


def pattern_2(settings: StateMachineSettings) -> State:
    """Return the state machine of pattern 2: it starts the ECS tasks itself, the monitor tracks them in parallel."""
    return {
        "Comment": "Runs ECS tasks itself, and tracks them in parallel until each has ended.",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": settings.run_timeout_seconds,
        "StartAt": "RegisterRun",
        "States": {
            "RegisterRun": {
                **_invoke(
                    settings, settings.monitor_function_arn, "register", spec="{% $states.context.Execution.Input %}"
                ),
                "Comment": "Checks the spec and registers the run.",
                "Assign": {"run": _in_braces(f"$merge([$states.result.Payload, {{'execution': {_OWN_EXECUTION}}}])")},
                "Output": {},
                "Catch": [_refusal("StartRefused")],
                "Next": "RunAndTrack",
            },
            "RunAndTrack": {
                "Type": "Parallel",
                "Comment": "Neither branch may fail: that would stop the other one and its ECS tasks.",
                "Branches": [_run_branch(settings), _track_branch(settings)],
                "Next": "TasksDone",
            },
            "TasksDone": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Condition": "{% $states.input[1].succeeded %}",
                        "Output": "{% $states.input[1] %}",
                        "Next": "RunCompleted",
                    },
                    {
                        "Condition": "{% $exists($states.input[1].error) %}",
                        "Output": "{% $states.input[1] %}",
                        "Next": "RunRefused",
                    },
                ],
                "Default": "RunFailed",
            },
            **_ends("$states.input[1]"),
        },
    }


def _run_branch(settings: StateMachineSettings) -> State:
    return {
        "StartAt": "HowManyTasks",
        "States": {
            "HowManyTasks": _choice(("$exists($run.pinnedList)", "RunBatches"), default="RunTasks"),
            "RunTasks": {
                **_map_of_tasks(settings),
                "Items": "{% [$exists($run.taskList) ? $run.taskList : $states.context.Execution.Input.taskList] %}",
                "ItemSelector": _FIRST_ATTEMPT,
                "MaxConcurrency": settings.max_concurrency or waits.INLINE_MAP_CONCURRENCY,
                **_after_tasks(),
            },
            "RunBatches": _distributed_map(settings),
            "MarkLaunchingEnded": {
                "Type": "Task",
                "Comment": "Tells the monitor that no further ECS task will be started.",
                "Resource": settings.integration("dynamodb:updateItem"),
                "Arguments": {
                    "TableName": settings.summary_table,
                    "Key": {
                        "workflow_name": {"S": "{% $run.workflowName %}"},
                        "workflow_run_id": {"N": "{% $run.runId %}"},
                    },
                    "UpdateExpression": _in_braces(
                        f"'SET launching_ended = :ended' & ({_LAUNCHING_FAILED} ? ', launching_error = :error' : '')"
                    ),
                    "ConditionExpression": "attribute_exists(workflow_name)",
                    "ExpressionAttributeValues": _in_braces(
                        "$merge([{':ended': {'BOOL': true}}, "
                        f"{_LAUNCHING_FAILED} ? {{':error': {{'S': $states.input.error}}}} : {{}}])"
                    ),
                },
                "Output": {},
                "Retry": [
                    _retry(["DynamoDB.ConditionalCheckFailedException"]),
                    _retry(["States.ALL"], waits.TABLE),
                ],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Output": {}, "Next": "LaunchingEnded"}],
                "Next": "LaunchingEnded",
            },
            "LaunchingEnded": {"Type": "Pass", "Output": {}, "End": True},
        },
    }


def _map_of_tasks(settings: StateMachineSettings) -> State:
    """An inline Map state that runs a task for each item, without what it iterates over."""
    return {
        "Type": "Map",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "INLINE"},
            "StartAt": "RunTask",
            "States": _task_states(settings),
        },
    }


def _after_tasks() -> State:
    error = {"error": _in_braces(f"$substring({_ERROR} & ': ' & {_CAUSE}, 0, {LONGEST_LAUNCHING_ERROR})")}
    # The first is what results of many child executions may be; `States.ALL` does not include it.
    errors = ("States.DataLimitExceeded", "States.ALL")
    return {
        "Output": {},
        "Catch": [{"ErrorEquals": [name], "Output": error, "Next": "MarkLaunchingEnded"} for name in errors],
        "Next": "MarkLaunchingEnded",
    }


def _distributed_map(settings: StateMachineSettings) -> State:
    """Long lists: child executions run a batch of tasks each, whose calls of RunTask come at a time of their own.

    Children do not see the variables of their parent. With `maxConcurrency`, each of them runs one task.
    References: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html,
    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html
    """
    tasks = 1 if settings.max_concurrency else waits.TASKS_PER_BATCH
    run = "$states.input.BatchInput.run"
    due = f"{run}.launchesFrom + $states.input.Items[0].index * {run}.launchIntervalMilliseconds"
    return {
        "Type": "Map",
        "Label": "Tasks",
        "ItemReader": {
            "Resource": settings.integration("s3:getObject"),
            "ReaderConfig": {"InputType": "JSONL"},
            "Arguments": {"Bucket": "{% $run.pinnedList.bucket %}", "Key": "{% $run.pinnedList.key %}"},
        },
        "ItemSelector": _FIRST_ATTEMPT,
        "ItemBatcher": {
            "MaxItemsPerBatch": tasks,
            "MaxInputBytesPerBatch": waits.BATCH_BYTES,
            "BatchInput": {"run": "{% $run %}"},
        },
        "MaxConcurrency": settings.max_concurrency,
        "ToleratedFailurePercentage": 100,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "WaitForTurn",
            "States": {
                "WaitForTurn": {
                    "Type": "Wait",
                    "Comment": "Keeps the calls of RunTask below the rate that AWS allows.",
                    "Timestamp": _in_braces(f"$fromMillis($floor({due}))"),
                    "Assign": {_RUN_OF_BATCH: f"{{% {run} %}}"},
                    "Next": "RunBatch",
                },
                "RunBatch": {
                    **_of_batch(_map_of_tasks(settings)),
                    "Items": "{% [$states.input.Items] %}",
                    "MaxConcurrency": tasks,
                    "Output": _NOTHING,
                    "End": True,
                },
            },
        },
        **_after_tasks(),
    }


def _of_batch(state: State) -> State:
    """Return a Map state for a child execution.

    Names of states are unique in a state machine, and an inner scope may not reuse the name of an outer variable.
    """
    text = json.dumps(state).replace("$run.", f"${_RUN_OF_BATCH}.")
    for name in state["ItemProcessor"]["States"]:
        text = text.replace(f'"{name}"', f'"{name}OfBatch"')
    renamed: State = json.loads(text)
    return renamed


def _track_branch(settings: StateMachineSettings) -> State:
    return {
        "StartAt": "StartTracking",
        "States": {
            "StartTracking": {
                "Type": "Pass",
                "Assign": {"pauseSeconds": "{% $run.waitSeconds %}"},
                "Output": {},
                "Next": "WaitForTasks",
            },
            **_tracking_states(settings, done="AllTasksDone", refused="TrackingRefused"),
            "AllTasksDone": _choice(("$states.input.done", "TrackingEnded"), default="WaitForTasks"),
            "TrackingRefused": {
                "Type": "Pass",
                "Output": {
                    "succeeded": False,
                    "error": "{% $states.input.error %}",
                    "message": "{% $states.input.message %}",
                },
                "Next": "TrackingEnded",
            },
            "TrackingEnded": {"Type": "Pass", "End": True},
        },
    }


def _tracking_states(settings: StateMachineSettings, *, done: str, refused: str) -> dict[str, State]:
    """The polling loop of both patterns: wait, call the monitor. A failed call is repeated after a pause.

    `done` names the choice after a poll, `refused` the state after a refusal.
    """
    return {
        "WaitForTasks": {"Type": "Wait", "Seconds": "{% $pauseSeconds %}", "Next": "MonitorTasks"},
        "MonitorTasks": {
            **_poll(settings),
            "Assign": {"pauseSeconds": "{% $states.result.Payload.waitSeconds %}"},
            "Catch": [
                _refusal(refused),
                {
                    "ErrorEquals": ["States.ALL"],
                    "Assign": {"pauseSeconds": waits.PAUSE_AFTER_POLL_FAILED_SECONDS},
                    "Output": {"done": False, "relaunch": False},
                    "Next": done,
                },
            ],
            "Next": done,
        },
    }


def _task_states(settings: StateMachineSettings) -> dict[str, State]:
    """The states of one task of pattern 2: an attempt, and after a failure the monitor's decision about a retry."""
    return {
        "RunTask": {
            "Type": "Task",
            "Resource": settings.integration("ecs:runTask.sync"),
            "TimeoutSeconds": settings.task_timeout_seconds + waits.PROVISIONING_ALLOWANCE_SECONDS,
            "Arguments": _run_task_arguments(settings),
            "Retry": [_retry(TRANSIENT_ECS_ERRORS, waits.RUN_TASK)],
            "Catch": [
                {
                    "ErrorEquals": ["States.ALL"],
                    "Output": _in_braces(_failed_attempt(_ERROR, _CAUSE)),
                    "Next": "RecordFailure",
                }
            ],
            **_after_exit_code_0(settings),
        },
        **_stop_code_states(settings),
        "RecordFailure": {
            **_invoke(settings, settings.monitor_function_arn, "record_failure", **_RUN, **_FAILED_ATTEMPT),
            "Comment": "Records why the attempt failed, and returns whether and when to retry.",
            "Output": _in_braces(
                "$merge([{'task': $states.input.task, 'index': $states.input.index}, $states.result.Payload])"
            ),
            "Catch": [
                {"ErrorEquals": list(REFUSALS), "Output": {}, "Next": "TaskEnded"},
                {"ErrorEquals": ["States.ALL"], "Output": "{% $states.input %}", "Next": "WaitForMonitor"},
            ],
            "Next": "TryAgain",
        },
        "WaitForMonitor": {
            "Type": "Wait",
            "Seconds": waits.PAUSE_AFTER_MONITOR_FAILURE_SECONDS,
            "Next": "RecordFailure",
        },
        "TryAgain": _choice(("$states.input.again", "WaitBeforeNextAttempt"), default="TaskEnded"),
        "WaitBeforeNextAttempt": {"Type": "Wait", "Seconds": "{% $states.input.waitSeconds %}", "Next": "RunTask"},
        "TaskEnded": {"Type": "Pass", "Output": {}, "End": True},
    }


def _failed_attempt(error: str, cause: str) -> str:
    """JSONata of the input of `RecordFailure`, by that of Step Functions' error and cause."""
    retries = "$exists($states.context.State.RetryCount) ? $states.context.State.RetryCount : 6"
    return f"$merge([$states.input, {_object({'retries': retries, 'error': error, 'cause': cause})}])"


def _after_exit_code_0(settings: StateMachineSettings) -> State:
    """What follows `RunTask` where the container exited with code 0.

    A task with records of its own has said how it ended. Any other container may also exit with code 0 because it was
    stopped, at its time limit or with its host: the monitor judges those.
    """
    if not settings.has_ecs_records:
        return {"Output": {}, "End": True}
    failed = _failed_attempt("'TaskStopped'", "$string($states.result)")
    output = f"$states.result.StopCode = '{EXITED_BY_ITSELF}' ? {{}} : {failed}"
    return {"Output": _in_braces(output), "Next": "WasStopped"}


def _stop_code_states(settings: StateMachineSettings) -> dict[str, State]:
    if not settings.has_ecs_records:
        return {}
    return {"WasStopped": _choice(("$exists($states.input.error)", "RecordFailure"), default="TaskEnded")}


def _run_task_arguments(settings: StateMachineSettings) -> dict[str, Any]:
    return {
        "Cluster": "{% $states.context.Execution.RedriveCount > 0 "
        "? $error('RedriveRefused: start a new execution instead') : $run.cluster %}",
        "TaskDefinition": "{% $run.taskDefinition %}",
        **_capacity(settings),
        "Group": "{% 'run-' & $run.runId %}",
        "PropagateTags": "TASK_DEFINITION",
        "NetworkConfiguration": {
            "AwsvpcConfiguration": {
                "Subnets": "{% [$run.subnets] %}",
                "SecurityGroups": "{% [$run.securityGroups] %}",
                "AssignPublicIp": "DISABLED",
            }
        },
        "Overrides": _in_braces(_overrides(settings.container_name)),
    }


def _overrides(container_name: str) -> str:
    """JSONata for the overrides of one attempt, as `overrides.of_task` makes them in pattern 1."""
    variables = {
        environment.WORKFLOW_NAME: "$run.workflowName",
        environment.RUN_ID: "$run.runId",
        environment.TASK_NAME: "$task.taskName",
        environment.ATTEMPT: "$string($states.input.attempt)",
        environment.SOURCE_BUCKET: "$bucket",
        environment.SOURCE_KEY: "$key",
        environment.DEADLINE: "$run.deadline",
        environment.EXPIRES_AT: "$run.expiresAt",
        environment.TASK_INDEX: "$string($states.input.index)",
        environment.QUEUED_AT: "$states.context.State.EnteredTime",
    }
    target = "$run.target.prefix & '/' & $run.workflowName & '/' & $run.runId & '/' & $task.taskName & '/'"
    placeholders = {
        "{source.uri}": "'s3://' & $bucket & '/' & $key",
        "{source.bucket}": "$bucket",
        "{source.key}": "$key",
        "{target.uri}": "'s3://' & $run.target.bucket & '/' & $target",
        "{target.bucket}": "$run.target.bucket",
        "{target.key}": "$target",
        "{task.name}": "$task.taskName",
        "{run.id}": "$run.runId",
        "{workflow.name}": "$run.workflowName",
    }
    return f"""(
  $task := $states.input.task;
  $bucket := {_SOURCE_BUCKET};
  $key := $exists($task.objectKey) ? $task.objectKey : '';
  $target := {target} & ($split($key, '/')[-1]);
  $values := {_object(placeholders)};
  $fill := function($text) {{ $replace($text, /{overrides.PATTERN}/, function($found) {{
    $lookup($values, $found.match)
  }}) }};
  $own := $merge([$run.environment, $exists($task.environment) ? $task.environment : {{}}]);
  $command := $exists($task.command) ? $task.command : $run.command;
  $merge([
    {{'ContainerOverrides': [$merge([
      {{
        'Name': '{container_name}',
        'Environment': $append(
          [$each($own, function($text, $name) {{ {{'Name': $name, 'Value': $fill($text)}} }})],
          [$each({_object(variables)}, function($value, $name) {{ {{'Name': $name, 'Value': $value}} }})]
        )
      }},
      $count($command) > 0 ? {{'Command': [$map($command, function($word) {{ $fill($word) }})]}} : {{}}
    ])]}},
    $exists($task.cpu) ? {{'Cpu': $string($task.cpu), 'Memory': $string($task.memory)}} : {{}}
  ])
)"""


def _object(values: Mapping[str, str]) -> str:
    """JSONata of an object, by the JSONata of its values."""
    return "{" + ", ".join(f"'{name}': {value}" for name, value in values.items()) + "}"


def _capacity(settings: StateMachineSettings) -> dict[str, Any]:
    """The capacity provider, chosen for each task. Spot and on-demand capacity take turns where one is full, because
    ECS does not fall back from one to the other."""
    if settings.spot_share == 0:
        return {"LaunchType": "FARGATE"}
    index, share = "$states.input.index", settings.spot_share
    is_share = f"$floor(({index} + 1) * {share} / 100) > $floor({index} * {share} / 100)"
    provider = _in_braces(
        f"$states.input.attempt = 1 and $states.input.turn % 2 = 0 and {is_share} ? 'FARGATE_SPOT' : 'FARGATE'"
    )
    return {"CapacityProviderStrategy": [{"CapacityProvider": provider, "Weight": 1}]}


def _invoke(settings: StateMachineSettings, function_arn: str, action: str, **payload: Any) -> State:
    return {
        "Type": "Task",
        "Resource": settings.integration("lambda:invoke"),
        "TimeoutSeconds": waits.FUNCTION_CALL_SECONDS,
        "Arguments": {"FunctionName": function_arn, "Payload": {"action": action, "execution": _EXECUTION} | payload},
        "Output": "{% $states.result.Payload %}",
        "Retry": [
            _retry(REFUSALS),
            _retry(_LAMBDA_SERVICE_ERRORS, waits.LAMBDA_SERVICE),
            # Lambda reclaims the network interfaces of a function that was idle for weeks. The next call creates them
            # again, which takes minutes. Meanwhile, and after its publication, a version is `Pending`: calls conflict.
            _retry(["Lambda.ResourceNotReadyException", "Lambda.ResourceConflictException"], waits.LAMBDA_NOT_READY),
            _retry(["States.ALL"], waits.FUNCTION_ERROR),
        ],
    }


def _choice(*choices: tuple[str, str], default: str) -> State:
    """A choice by the first JSONata condition that is true; each comes with the next state."""
    return {
        "Type": "Choice",
        "Choices": [{"Condition": _in_braces(condition), "Next": state} for condition, state in choices],
        "Default": default,
    }


def _retry(errors: Sequence[str], retry: waits.Retry | None = None) -> dict[str, Any]:
    """A retrier; without `retry` one that does not retry."""
    if retry is None:
        return {"ErrorEquals": list(errors), "MaxAttempts": 0}
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": retry.interval_seconds,
        "MaxAttempts": retry.attempts,
        "BackoffRate": 2.0,
        "MaxDelaySeconds": retry.max_delay_seconds,
        "JitterStrategy": "FULL",
    }


def _refusal(next_state: str) -> dict[str, Any]:
    return {
        "ErrorEquals": list(REFUSALS),
        "Output": {"error": "{% $states.errorOutput.Error %}", "message": _in_braces(_ERROR_MESSAGE)},
        "Next": next_state,
    }


def _ends(result: str) -> dict[str, State]:
    """The terminal states; `result` is the JSONata path of the monitor's last answer.

    A schedule's start that was delivered before ends well: nothing is wrong, and the first execution has the run.
    """
    is_repeated = "$states.input.error = 'RunIdInUse' and $exists($states.context.Execution.Input.scheduledTime)"
    return {
        "StartRefused": _choice((is_repeated, "DeliveredBefore"), default="RunRefused"),
        "DeliveredBefore": {"Type": "Succeed"},
        "RunCompleted": {"Type": "Succeed"},
        "RunFailed": {
            "Type": "Fail",
            "Error": "TasksFailed",
            "Cause": f"{{% $exists({result}.message) ? {result}.message "
            ": 'The run failed; the details table says how each task ended.' %}",
        },
        "RunRefused": {"Type": "Fail", "Error": "{% $states.input.error %}", "Cause": "{% $states.input.message %}"},
    }


def _in_braces(expression: str) -> str:
    return f"{{% {expression} %}}"


def _text_of(attribute: str) -> str:
    r"""JSONata that extracts a string attribute from JSON without parsing it.

    The text may be truncated or no JSON, and `$parse` would fail the execution. JSONata's tokenizer counts brackets in
    regular expressions, hence `\x5c` for a backslash inside a class.
    """
    match = f'$match($cause, /"{attribute}"\\s*:\\s*"((?:\\\\.|[^"\\x5c])*)"/, 1).groups[0]'
    return f"($exists({match}) ? $replace({match}, '\\\\\"', '\"') : '')"


_LAMBDA_SERVICE_ERRORS = (
    *("Lambda.ServiceException", "Lambda.AWSLambdaException"),
    *("Lambda.SdkClientException", "Lambda.TooManyRequestsException"),
)

_REDRIVE_COUNT = "$exists($states.context.Execution.RedriveCount) ? $states.context.Execution.RedriveCount : 0"

_EXECUTION_VALUES = {
    "arn": "$states.context.Execution.Id",
    "name": "$states.context.Execution.Name",
    "startTime": "$states.context.Execution.StartTime",
    "redriveCount": _REDRIVE_COUNT,
}

_OWN_EXECUTION = _object(_EXECUTION_VALUES)

_EXECUTION = {name: _in_braces(value) for name, value in _EXECUTION_VALUES.items()}

_RUN_OF_BATCH = "runOfBatch"
"""The variable of child executions that is `$run` in the others."""

_FIRST_ATTEMPT = {
    "task": "{% $states.context.Map.Item.Value %}",
    "index": "{% $states.context.Map.Item.Index %}",
    "attempt": 1,
    "infrastructureFailures": 0,
    "waitedSeconds": 0,
    "turn": 0,
}
"""The item of a task."""

_SOURCE_BUCKET = "$exists($states.input.task.s3BucketName) ? $states.input.task.s3BucketName : $run.sourceBucket"

_RUN = {"workflowName": "{% $run.workflowName %}", "runId": "{% $run.runId %}"}

_ATTEMPT = ("index", "attempt", "infrastructureFailures", "waitedSeconds", "turn", "retries", "error", "cause")

_FAILED_ATTEMPT = {
    # That of the run, also in a child execution.
    "execution": _in_braces(f"$merge([$run.execution, {{'redriveCount': {_REDRIVE_COUNT}}}])"),
    "task": "{% $states.input.task %}",
    "sourceBucket": _in_braces(_SOURCE_BUCKET),
    "isInChild": "{% $exists($run.pinnedList) %}",
    **{name: f"{{% $states.input.{name} %}}" for name in _ATTEMPT},
}

_ERROR = "($exists($states.errorOutput.Error) ? $string($states.errorOutput.Error) : 'Unknown')"
_CAUSE = "($exists($states.errorOutput.Cause) ? $string($states.errorOutput.Cause) : '')"

_NOTHING = 0
"""The output of a child execution. The result of a Distributed Map is a list of them, of at most 256 KiB."""

_LAUNCHING_FAILED = "$exists($states.input.error)"

_ERROR_MESSAGE = f"""(
  $cause := {_CAUSE};
  $message := {_text_of("errorMessage")};
  $message != '' ? $message : $cause
)"""
