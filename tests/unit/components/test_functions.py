"""The two functions."""

from __future__ import annotations

import json

import pytest

from ecs_kit.runtime.contract.settings import from_json
from tests.unit.components.recorder import Deployment, deployment


def settings(deployed: Deployment, function: str) -> str:
    return deployed.the("Function", function).inputs["environment"]["variables"]["KIT_SETTINGS"]


def test_pattern_1_has_launcher_and_monitor_pattern_2_the_monitor_alone():
    assert sorted(f.name for f in deployment(patterns="1").of("Function")) == [
        "pattern-1-launcher",
        "pattern-1-monitor",
    ]
    assert [f.name for f in deployment(patterns="2").of("Function")] == ["pattern-2-monitor"]


@pytest.mark.parametrize("function", ["launcher", "monitor"])
def test_a_function_runs_in_the_private_subnets_under_a_group_of_its_own(function):
    inputs = deployment(patterns="1").the("Function", function).inputs
    assert inputs["vpcConfig"]["subnetIds"] == ["subnet-a", "subnet-b"]
    assert inputs["vpcConfig"]["securityGroupIds"] == [f"amazon-ecs-starter-kit-pattern-1-{function}-id"]
    assert inputs["replaceSecurityGroupsOnDestroy"] is True


@pytest.mark.parametrize("function", ["launcher", "monitor"])
def test_a_function_is_what_its_package_holds(function):
    inputs = deployment(patterns="1").the("Function", function).inputs
    assert inputs["handler"] == f"ecs_kit.runtime.{function}.handler.handler"
    assert inputs["code"].path == f".kit/build/{function}.zip"
    assert (inputs["runtime"], inputs["architectures"], inputs["timeout"]) == ("python3.13", ["x86_64"], 300)


@pytest.mark.parametrize("function", ["launcher", "monitor"])
def test_a_function_writes_to_a_log_group_of_ours(function):
    deployed = deployment(patterns="1", logRetentionDays="30")
    group = deployed.the("LogGroup", f"-{function}")
    assert group.inputs["name"] == f"/aws/lambda/amazon-ecs-starter-kit-pattern-1-ecs-task-{function}"
    assert group.inputs["retentionInDays"] == 30
    assert deployed.the("Function", function).inputs["loggingConfig"]["logGroup"] == group.inputs["name"]


@pytest.mark.parametrize("function", ["launcher", "monitor"])
def test_a_function_is_created_after_its_policy_and_its_log_group(function):
    deployed = deployment(patterns="1")
    dependencies = deployed.the("Function", function).dependencies
    assert deployed.the("RolePolicy", f"-{function}").urn in dependencies
    assert deployed.the("LogGroup", f"-{function}").urn in dependencies


def test_the_role_is_the_one_that_was_a_child_of_its_function_before():
    deployed = deployment(patterns="1")
    for function in ("launcher", "monitor"):
        (former,) = deployed.the("WorkloadRole", function).former_parents
        assert former.split("::")[2:] == [
            "pulumi:pulumi:Stack$kit:patterns:TaskSubmissionFromLambda$kit:functions:PrivateFunction",
            f"pattern-1-{function}",
        ]


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_settings_name_what_the_stack_deployed(pattern):
    deployed = deployment(patterns=str(pattern))
    base = f"amazon-ecs-starter-kit-pattern-{pattern}"
    assert json.loads(settings(deployed, "monitor"))["infrastructure"] == {
        "region": "eu-central-1",
        "s3BucketName": f"123456789012-ecs-starter-kit-pattern-{pattern}-bucket",
        "subnetIdLiteral": "subnet-a$subnet-b",
        "securityGroupId": f"{base}-tasks-id",
        "ddbTableNameWFSummary": f"workflow_summary_pattern_{pattern}",
        "hashKeyWFSummary": "workflow_name",
        "rangeKeyWFSummary": "workflow_run_id",
        "ddbTableNameWFDetails": f"workflow_details_pattern_{pattern}",
        "hashKeyWFDetails": "workflow_run_id",
        "rangeKeyWFDetails": "ecs_task_id",
        "clusterName": base,
        "containerName": "amazon-ecs-starter-kit",
        "taskDefinition": f"{base}:7",
    }


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_functions_understand_their_settings(pattern):
    config = {
        "targetPrefix": "out",
        "sourceBuckets": '["in-1"]',
        "taskAttempts": "3",
        "taskTimeoutSeconds": "60",
        "runTimeoutSeconds": "120",
        "toleratedFailurePercentage": "30",
    }
    understood = from_json(settings(deployment(patterns=str(pattern), **config), "monitor"))
    base = f"amazon-ecs-starter-kit-pattern-{pattern}"
    assert understood.pattern == pattern
    assert understood.state_machine_arn == f"arn:aws:states:eu-central-1:123456789012:stateMachine:{base}"
    assert (understood.target_prefix, understood.task_attempts) == ("out", 3)
    assert (understood.task_timeout_seconds, understood.run_timeout_seconds) == (60, 120)
    assert (understood.tolerated_failure_percentage, understood.launch_type) == (30, "FARGATE")
    assert understood.deployed.source_buckets == ("in-1",)
    workloads = ["tasks", "monitor", "launcher"][: 4 - pattern]
    assert understood.deployed.security_group_ids == tuple(f"{base}-{workload}-id" for workload in workloads)


def test_both_functions_of_pattern_1_have_the_same_settings():
    deployed = deployment(patterns="1")
    assert settings(deployed, "launcher") == settings(deployed, "monitor")


def test_the_longest_settings_fit_into_the_environment_of_a_function():
    buckets = json.dumps([f"{number:02}" + "b" * 61 for number in range(20)])
    document = settings(deployment(sourceBuckets=buckets, nameSuffix="a" * 12, targetPrefix="p" * 200), "1-monitor")
    longer_ids = 6 * len("subnet-0123456789abcdef0")
    assert len("KIT_SETTINGS") + len(document) + longer_ids <= 4096
