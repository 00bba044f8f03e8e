"""The state machine as a resource, and what calls the monitor when an execution ends without it."""

from __future__ import annotations

import re

import pytest

from ecs_kit.components import definitions
from tests.unit.components.recorder import TARGET, deployment


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_state_machine_logs_its_errors_and_traces(pattern):
    inputs = deployment(patterns=str(pattern)).the("StateMachine").inputs
    base = f"amazon-ecs-starter-kit-pattern-{pattern}"
    assert (inputs["name"], inputs["type"]) == (base, "STANDARD")
    assert inputs["loggingConfiguration"] == {
        "level": "ERROR",
        "includeExecutionData": True,
        "logDestination": TARGET.arn("logs", f"log-group:/aws/vendedlogs/states/{base}:*"),
    }
    assert inputs["tracingConfiguration"] == {"enabled": True}


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_state_machine_is_created_after_its_policy_and_what_it_calls(pattern):
    deployed = deployment(patterns=str(pattern))
    dependencies = deployed.the("StateMachine").dependencies
    assert deployed.the("RolePolicy", "-state-machine").urn in dependencies
    needed = [*deployed.of("Function"), *deployed.of("Table"), *deployed.of("Bucket")]
    above = {r.urn: set(r.dependencies) for r in deployed.resources}
    parent = deployed.the("WorkflowStateMachine")
    assert {resource.urn for resource in needed} <= set(dependencies) | above[parent.urn] | set(parent.dependencies)


def test_the_definition_follows_the_configuration():
    config = {"taskAttempts": "2", "maxConcurrency": "7", "taskTimeoutSeconds": "90", "runTimeoutSeconds": "100"}
    settings = definitions.StateMachineSettings(
        monitor_function_arn=TARGET.arn("lambda", "function:amazon-ecs-starter-kit-pattern-2-ecs-task-monitor:3"),
        summary_table="workflow_summary_pattern_2",
        container_name="amazon-ecs-starter-kit",
        run_timeout_seconds=100,
        task_timeout_seconds=90,
        max_concurrency=7,
        launch_type="FARGATE",
    )
    deployed = deployment(patterns="2", **config)
    assert deployed.the("StateMachine").document("definition") == definitions.pattern_2(settings)


@pytest.mark.parametrize("pattern", [1, 2])
def test_executions_call_the_version_that_was_deployed_with_their_definition(pattern):
    deployed = deployment(patterns=str(pattern))
    assert all(function.inputs["publish"] is True for function in deployed.of("Function"))
    definition = deployed.the("StateMachine").inputs["definition"]
    called = set(re.findall(r'"FunctionName": "([^"]+)"', definition))
    names = ["monitor", "launcher"] if pattern == 1 else ["monitor"]
    base = f"function:amazon-ecs-starter-kit-pattern-{pattern}-ecs-task-"
    assert called == {TARGET.arn("lambda", f"{base}{name}:3") for name in names}


def test_executions_that_end_badly_reach_the_monitor():
    rule = deployment(patterns="1").the("EventRule", "-ended")
    assert rule.document("eventPattern") == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [TARGET.arn("states", "stateMachine:amazon-ecs-starter-kit-pattern-1")],
            "status": ["ABORTED", "FAILED", "TIMED_OUT"],
        },
    }


def test_runs_are_swept_up_every_ten_minutes():
    deployed = deployment(patterns="1")
    assert deployed.the("EventRule", "-sweep").inputs["scheduleExpression"] == "rate(10 minutes)"
    target = deployed.the("EventTarget", "-sweep")
    assert target.document("input") == {"action": "sweep"}
    assert target.inputs["retryPolicy"] == {"maximumEventAgeInSeconds": 600, "maximumRetryAttempts": 3}


@pytest.mark.parametrize("rule", ["ended", "sweep"])
def test_a_rule_may_call_the_monitor_and_nothing_else_may(rule):
    deployed = deployment(patterns="1")
    permission = deployed.the("Permission", f"-{rule}").inputs
    assert permission["function"] == "amazon-ecs-starter-kit-pattern-1-ecs-task-monitor"
    assert permission["principal"] == "events.amazonaws.com"
    assert permission["sourceArn"] == TARGET.arn("events", f"rule/{deployed.the('EventRule', rule).inputs['name']}")
    target = deployed.the("EventTarget", f"-{rule}")
    assert target.inputs["arn"].endswith(":function:amazon-ecs-starter-kit-pattern-1-ecs-task-monitor")
    assert deployed.the("Permission", f"-{rule}").urn in target.dependencies
