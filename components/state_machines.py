"""The two state machines, in Amazon States Language with JSONata: pure functions of ARNs and settings.

The references behind the rules here:
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html (JSONata, `$states`),
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html (scopes: an inner scope may not reuse a
name of an outer one), https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html (`ecs:runTask.sync`),
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html (retriers, catchers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

State = dict[str, Any]
"""One state, as a JSON object."""

TRANSIENT_ECS_ERRORS = ["ECS.AmazonECSException", "ECS.SdkClientException", "ECS.ServerException"]
"""Throttling and other errors that the ECS API does not declare, broken connections, errors of the service itself."""

INLINE_MAP_CONCURRENCY = 40
"""Iterations of an inline Map state at once, whatever `MaxConcurrency` says above it (its developer guide)."""

PAUSE_AFTER_MONITOR_FAILURE_SECONDS = 60
"""Pause before the monitor is asked again to record a failure, where it failed in spite of all retries."""

PROVISIONING_ALLOWANCE_SECONDS = 300
"""Added to a task's time limit in `TimeoutSeconds`, which also counts the time before the container runs. The monitor
stops a task at its limit; this is the last resort."""

LAUNCHER_TIMEOUT_SECONDS = 330
MONITOR_TIMEOUT_SECONDS = 330
"""Limits of one call of a function: its own time-out of 300 s and some time on the way."""

REFUSALS = ["SpecRefused", "RunIdInUse", "RedriveRefused", "RunNotFound", "PayloadInvalid", "SettingsInvalid"]
"""Errors of the functions that asking again cannot heal. `RunNotFound`: somebody deleted the summary row meanwhile."""


@dataclass(frozen=True)
class StateMachineSettings:
    """What the state machines are made of.

    Args:
        monitor_function_arn: ARN of the version of the Task Monitor that fits this document.
        summary_table: name of the summary table.
        container_name: container of the task definition that does the job.
        run_timeout_seconds: time limit of an execution.
        task_timeout_seconds: time limit of one ECS task.
        max_concurrency: tasks that pattern 2 runs at once; 0 for as many as an inline Map state can.
        launch_type: `LaunchType` of RunTask, where no task runs on Fargate Spot.
        spot_share: percentage of tasks whose first attempt pattern 2 runs on Fargate Spot.
        launcher_function_arn: ARN of the version of the Task Launcher that fits it, in pattern 1.
    """

    monitor_function_arn: str
    summary_table: str
    container_name: str
    run_timeout_seconds: int
    task_timeout_seconds: int
    max_concurrency: int
    launch_type: str = "FARGATE"
    spot_share: int = 0
    launcher_function_arn: str | None = None


def pattern_1(settings: StateMachineSettings) -> State:
    """Return the state machine of pattern 1: the launcher starts the ECS tasks, the monitor follows them.

    Raises:
        ValueError: `launcher_function_arn` is not given.
    """
    if settings.launcher_function_arn is None:
        raise ValueError("pattern 1 needs launcher_function_arn")
    return {
        "Comment": "Runs ECS tasks that a Lambda function launches, and follows them until each has ended.",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": settings.run_timeout_seconds,
        "StartAt": "LaunchTasks",
        "States": {
            "LaunchTasks": {
                **_invoke(
                    settings.launcher_function_arn,
                    {"action": "launch", "execution": _EXECUTION, "spec": "{% $states.context.Execution.Input %}"},
                    LAUNCHER_TIMEOUT_SECONDS,
                ),
                "Comment": "Checks the spec, registers the run and launches what is not launched yet.",
                "Assign": {"run": "{% $states.result.Payload %}"},
                "Catch": [_refusal("RunRefused")],
                "Next": "MoreToLaunch",
            },
            "MoreToLaunch": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $run.again %}", "Next": "LaunchTasks"}],
                "Default": "WaitForTasks",
            },
            "WaitForTasks": {"Type": "Wait", "Seconds": "{% $run.waitSeconds %}", "Next": "MonitorTasks"},
            "MonitorTasks": {
                **_invoke(settings.monitor_function_arn, _monitor_payload(), MONITOR_TIMEOUT_SECONDS),
                "Assign": {"run": "{% $merge([$run, {'waitSeconds': $states.result.Payload.waitSeconds}]) %}"},
                "Catch": [_refusal("RunRefused")],
                "Next": "TasksDone",
            },
            "TasksDone": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% $states.input.done and $states.input.succeeded %}", "Next": "RunCompleted"},
                    {"Condition": "{% $states.input.done %}", "Next": "RunFailed"},
                    {"Condition": "{% $states.input.relaunch %}", "Next": "LaunchTasks"},
                ],
                "Default": "WaitForTasks",
            },
            **_ends("$states.input"),
        },
    }


def pattern_2(settings: StateMachineSettings) -> State:
    """Return the state machine of pattern 2: it starts the ECS tasks itself, the monitor follows them beside it."""
    return {
        "Comment": "Runs ECS tasks itself, and follows them beside that until each has ended.",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": settings.run_timeout_seconds,
        "StartAt": "RegisterRun",
        "States": {
            "RegisterRun": {
                **_invoke(
                    settings.monitor_function_arn,
                    {"action": "register", "execution": _EXECUTION, "spec": "{% $states.context.Execution.Input %}"},
                    MONITOR_TIMEOUT_SECONDS,
                ),
                "Comment": "Checks the spec and registers the run.",
                "Assign": {"run": "{% $states.result.Payload %}"},
                "Output": {},
                "Catch": [_refusal("RunRefused")],
                "Next": "RunAndTrack",
            },
            "RunAndTrack": {
                "Type": "Parallel",
                "Comment": "A branch that failed would stop the other one and its ECS tasks: neither may.",
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
        "StartAt": "RunTasks",
        "States": {
            "RunTasks": {
                "Type": "Map",
                "Items": "{% [$states.context.Execution.Input.taskList] %}",
                "ItemSelector": {
                    "task": "{% $states.context.Map.Item.Value %}",
                    "index": "{% $states.context.Map.Item.Index %}",
                    "attempt": 1,
                    "infrastructureFailures": 0,
                    "waitedSeconds": 0,
                    "waits": 0,
                },
                "MaxConcurrency": settings.max_concurrency or INLINE_MAP_CONCURRENCY,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": "RunTask",
                    "States": _task_states(settings),
                },
                "Output": {},
                "Catch": [{"ErrorEquals": ["States.ALL"], "Output": {}, "Next": "MarkLaunchingEnded"}],
                "Next": "MarkLaunchingEnded",
            },
            "MarkLaunchingEnded": {
                "Type": "Task",
                "Comment": "Tells the monitor that no further ECS task will be started.",
                "Resource": "arn:aws:states:::dynamodb:updateItem",
                "Arguments": {
                    "TableName": settings.summary_table,
                    "Key": {
                        "workflow_name": {"S": "{% $run.workflowName %}"},
                        "workflow_run_id": {"N": "{% $run.runId %}"},
                    },
                    "UpdateExpression": "SET launching_ended = :ended",
                    "ConditionExpression": "attribute_exists(workflow_name)",
                    "ExpressionAttributeValues": {":ended": {"BOOL": True}},
                },
                "Output": {},
                "Retry": [
                    _retry(["DynamoDB.ConditionalCheckFailedException"], attempts=0),
                    _retry(["States.ALL"], attempts=10, interval_seconds=1, max_delay_seconds=30),
                ],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Output": {}, "Next": "LaunchingEnded"}],
                "Next": "LaunchingEnded",
            },
            "LaunchingEnded": {"Type": "Pass", "Output": {}, "End": True},
        },
    }


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
            "WaitForTasks": {"Type": "Wait", "Seconds": "{% $pauseSeconds %}", "Next": "MonitorTasks"},
            "MonitorTasks": {
                **_invoke(settings.monitor_function_arn, _monitor_payload(), MONITOR_TIMEOUT_SECONDS),
                "Assign": {"pauseSeconds": "{% $states.result.Payload.waitSeconds %}"},
                "Catch": [
                    _refusal("TrackingRefused"),
                    {
                        "ErrorEquals": ["States.ALL"],
                        "Assign": {"pauseSeconds": 20},
                        "Output": {"done": False},
                        "Next": "AllTasksDone",
                    },
                ],
                "Next": "AllTasksDone",
            },
            "AllTasksDone": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input.done %}", "Next": "TrackingEnded"}],
                "Default": "WaitForTasks",
            },
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


def _task_states(settings: StateMachineSettings) -> dict[str, State]:
    """The states of one task of pattern 2: an attempt, and what follows where it fails, which the monitor decides."""
    return {
        "RunTask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::ecs:runTask.sync",
            "TimeoutSeconds": settings.task_timeout_seconds + PROVISIONING_ALLOWANCE_SECONDS,
            "Arguments": _run_task_arguments(settings),
            "Output": {},
            "Retry": [_retry(TRANSIENT_ECS_ERRORS, attempts=6, interval_seconds=2, max_delay_seconds=60)],
            "Catch": [
                {
                    "ErrorEquals": ["States.ALL"],
                    "Output": _in_braces(
                        "$merge([$states.input, {"
                        "'retries': $exists($states.context.State.RetryCount) ? $states.context.State.RetryCount : 6,"
                        "'error': $exists($states.errorOutput.Error) ? $string($states.errorOutput.Error) : 'Unknown',"
                        "'cause': $exists($states.errorOutput.Cause) ? $string($states.errorOutput.Cause) : ''}])"
                    ),
                    "Next": "RecordFailure",
                }
            ],
            "End": True,
        },
        "RecordFailure": {
            **_invoke(settings.monitor_function_arn, _record_failure_payload(), MONITOR_TIMEOUT_SECONDS),
            "Comment": "Records why the attempt failed, and says whether another one follows and when.",
            "Output": _in_braces(
                "$merge([{'task': $states.input.task, 'index': $states.input.index}, $states.result.Payload])"
            ),
            "Catch": [
                {"ErrorEquals": REFUSALS, "Output": {}, "Next": "TaskEnded"},
                {"ErrorEquals": ["States.ALL"], "Output": "{% $states.input %}", "Next": "WaitForMonitor"},
            ],
            "Next": "TryAgain",
        },
        "WaitForMonitor": {"Type": "Wait", "Seconds": PAUSE_AFTER_MONITOR_FAILURE_SECONDS, "Next": "RecordFailure"},
        "TryAgain": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.again %}", "Next": "WaitBeforeNextAttempt"}],
            "Default": "TaskEnded",
        },
        "WaitBeforeNextAttempt": {"Type": "Wait", "Seconds": "{% $states.input.waitSeconds %}", "Next": "RunTask"},
        "TaskEnded": {"Type": "Pass", "Output": {}, "End": True},
    }


def _run_task_arguments(settings: StateMachineSettings) -> dict[str, Any]:
    environment = {
        "KIT_WORKFLOW_NAME": "{% $run.workflowName %}",
        "KIT_WORKFLOW_RUN_ID": "{% $run.runId %}",
        "KIT_TASK_NAME": "{% $states.input.task.taskName %}",
        "KIT_ATTEMPT": "{% $string($states.input.attempt) %}",
        "KIT_SOURCE_BUCKET": _in_braces(_SOURCE_BUCKET),
        "KIT_SOURCE_KEY": "{% $states.input.task.objectKey %}",
        "KIT_DEADLINE": "{% $run.deadline %}",
        "KIT_EXPIRES_AT": "{% $run.expiresAt %}",
    }
    return {
        "Cluster": "{% $states.context.Execution.RedriveCount > 0 "
        "? $error('RedriveRefused: start a new execution instead') : $run.cluster %}",
        "TaskDefinition": "{% $run.taskDefinition %}",
        **_capacity(settings),
        "Group": "{% 'run-' & $run.runId %}",
        "NetworkConfiguration": {
            "AwsvpcConfiguration": {
                "Subnets": "{% [$run.subnets] %}",
                "SecurityGroups": "{% [$run.securityGroups] %}",
                "AssignPublicIp": "DISABLED",
            }
        },
        "Overrides": {
            "ContainerOverrides": [
                {
                    "Name": settings.container_name,
                    "Environment": [{"Name": name, "Value": value} for name, value in environment.items()],
                }
            ]
        },
    }


def _capacity(settings: StateMachineSettings) -> dict[str, Any]:
    """Where a task runs. Every call starts one task, so the share is made by choosing one provider for each; ECS itself
    does not fall back from Spot to on-demand capacity: the two take turns from wait to wait."""
    if settings.spot_share == 0:
        return {"LaunchType": settings.launch_type}
    index, share = "$states.input.index", settings.spot_share
    is_share = f"$floor(({index} + 1) * {share} / 100) > $floor({index} * {share} / 100)"
    provider = _in_braces(
        f"$states.input.attempt = 1 and $states.input.waits % 2 = 0 and {is_share} ? 'FARGATE_SPOT' : 'FARGATE'"
    )
    return {"CapacityProviderStrategy": [{"CapacityProvider": provider, "Weight": 1}]}


def _record_failure_payload() -> dict[str, Any]:
    return {
        "action": "record_failure",
        "execution": _EXECUTION,
        "workflowName": "{% $run.workflowName %}",
        "runId": "{% $run.runId %}",
        "task": "{% $states.input.task %}",
        "sourceBucket": _in_braces(_SOURCE_BUCKET),
        "index": "{% $states.input.index %}",
        "attempt": "{% $states.input.attempt %}",
        "infrastructureFailures": "{% $states.input.infrastructureFailures %}",
        "waitedSeconds": "{% $states.input.waitedSeconds %}",
        "waits": "{% $states.input.waits %}",
        "retries": "{% $states.input.retries %}",
        "error": "{% $states.input.error %}",
        "cause": "{% $states.input.cause %}",
    }


def _invoke(function_arn: str, payload: dict[str, Any], timeout_seconds: int) -> State:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "TimeoutSeconds": timeout_seconds,
        "Arguments": {"FunctionName": function_arn, "Payload": payload},
        "Output": "{% $states.result.Payload %}",
        "Retry": [
            _retry(REFUSALS, attempts=0),
            _retry(
                [
                    "Lambda.ServiceException",
                    "Lambda.AWSLambdaException",
                    "Lambda.SdkClientException",
                    "Lambda.TooManyRequestsException",
                ],
                attempts=8,
                interval_seconds=1,
                max_delay_seconds=30,
            ),
            # Lambda reclaims the network interfaces of a function that was idle for weeks, and makes them anew at the
            # next call, which takes minutes.
            # A version is `Pending` after its publication, and while that goes on: every call is a conflict then.
            _retry(
                ["Lambda.ResourceNotReadyException", "Lambda.ResourceConflictException"],
                attempts=12,
                interval_seconds=5,
                max_delay_seconds=60,
            ),
            _retry(["States.ALL"], attempts=5, interval_seconds=1, max_delay_seconds=20),
        ],
    }


def _monitor_payload() -> dict[str, Any]:
    return {
        "action": "monitor",
        "execution": _EXECUTION,
        "workflowName": "{% $run.workflowName %}",
        "runId": "{% $run.runId %}",
    }


def _retry(
    errors: list[str], *, attempts: int, interval_seconds: int | None = None, max_delay_seconds: int | None = None
) -> dict[str, Any]:
    if interval_seconds is None:
        return {"ErrorEquals": errors, "MaxAttempts": attempts}
    return {
        "ErrorEquals": errors,
        "IntervalSeconds": interval_seconds,
        "MaxAttempts": attempts,
        "BackoffRate": 2.0,
        "MaxDelaySeconds": max_delay_seconds,
        "JitterStrategy": "FULL",
    }


def _refusal(next_state: str) -> dict[str, Any]:
    return {
        "ErrorEquals": REFUSALS,
        "Output": {
            "error": "{% $states.errorOutput.Error %}",
            "message": _in_braces(_ERROR_MESSAGE),
        },
        "Next": next_state,
    }


def _ends(result: str) -> dict[str, State]:
    """The three ends of a run; `result` is the JSONata path of the monitor's last answer."""
    return {
        "RunCompleted": {"Type": "Succeed"},
        "RunFailed": {
            "Type": "Fail",
            "Error": "TasksFailed",
            "Cause": f"{{% $exists({result}.message) ? {result}.message "
            ": 'The run failed; the details table says how each task ended.' %}",
        },
        "RunRefused": {
            "Type": "Fail",
            "Error": "{% $states.input.error %}",
            "Cause": "{% $states.input.message %}",
        },
    }


def _in_braces(expression: str) -> str:
    return f"{{% {expression} %}}"


def _text_of(attribute: str) -> str:
    r"""JSONata that takes a string out of a JSON text by its name without parsing it.

    The text may be cut short or no JSON at all, and `$parse` would end the execution. JSONata's tokenizer counts
    brackets in regular expressions, hence `\x5c` for a backslash inside a class.
    """
    match = f'$match($cause, /"{attribute}"\\s*:\\s*"((?:\\\\.|[^"\\x5c])*)"/, 1).groups[0]'
    return f"($exists({match}) ? $replace({match}, '\\\\\"', '\"') : '')"


_EXECUTION: dict[str, str] = {
    "arn": "{% $states.context.Execution.Id %}",
    "name": "{% $states.context.Execution.Name %}",
    "startTime": "{% $states.context.Execution.StartTime %}",
    "redriveCount": "{% $exists($states.context.Execution.RedriveCount) "
    "? $states.context.Execution.RedriveCount : 0 %}",
}

_SOURCE_BUCKET = (
    "$exists($states.input.task.s3BucketName) ? $states.input.task.s3BucketName "
    ": $states.context.Execution.Input.s3BucketName"
)

_ERROR_MESSAGE = f"""(
  $cause := $exists($states.errorOutput.Cause) ? $string($states.errorOutput.Cause) : '';
  $message := {_text_of("errorMessage")};
  $message != '' ? $message : $cause
)"""
