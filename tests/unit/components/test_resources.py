"""The resources of a pattern: their inputs, and what they depend on."""

import json
import re
from typing import Any

import pytest

from ecs_kit.components import definitions, program
from ecs_kit.components.config import KitConfig
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.names import DeploymentTarget
from ecs_kit.runtime.contract.records import OPEN_RUNS_INDEX, UNCOUNTED_INDEX
from ecs_kit.runtime.contract.settings import from_json
from ecs_kit.runtime.contract.spec_references import PINNED_PREFIX
from tests.unit.components import recorder
from tests.unit.components.recorder import PROJECT, TARGET, Deployment, configured, deployment

BASE = "amazon-ecs-starter-kit-pattern-1"
CLOSED = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
ENCRYPTED = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
OPEN_RUNS = {
    "name": OPEN_RUNS_INDEX,
    "keySchemas": [{"attributeName": "open_since", "keyType": "HASH"}],
    "projectionType": "KEYS_ONLY",
    "readCapacity": 1,
    "writeCapacity": 1,
}


UNCOUNTED = {
    "name": UNCOUNTED_INDEX,
    "keySchemas": [
        {"attributeName": "workflow_run_id", "keyType": "HASH"},
        {"attributeName": "uncounted", "keyType": "RANGE"},
    ],
    "projectionType": "INCLUDE",
    "nonKeyAttributes": ["status", "start_time"],
    "readCapacity": 5,
    "writeCapacity": 5,
}


def keys(**types: str) -> dict[str, Any]:
    """The inputs of a table with the keys that users rely on: its hash key, its range key, an index's key."""
    names = list(types)
    attributes = [{"name": name, "type": key_type} for name, key_type in types.items()]
    return {"hashKey": names[0], "rangeKey": names[1], "attributes": attributes}


@pytest.mark.parametrize(
    ("kind", "name", "inputs"),
    [
        ("Bucket", "", {"forceDestroy": True}),
        ("BucketPublicAccessBlock", "", dict.fromkeys(CLOSED, True)),
        ("BucketServerSideEncryptionConfiguration", "", {"rules": [ENCRYPTED]}),
        ("Table", "_summary_pattern_1", keys(workflow_name="S", workflow_run_id="N", open_since="S")),
        ("Table", "_summary_pattern_1", {"globalSecondaryIndexes": [OPEN_RUNS]}),
        ("Table", "_details_pattern_1", keys(workflow_run_id="N", ecs_task_id="S", uncounted="S")),
        ("Table", "_details_pattern_1", {"globalSecondaryIndexes": [UNCOUNTED]}),
        ("Table", "_details_pattern_1", {"billingMode": "PROVISIONED", "readCapacity": 5, "writeCapacity": 5}),
        ("Table", "_details_pattern_1", {"ttl": {"attributeName": "expires_at", "enabled": True}}),
        ("TaskDefinition", "", {"family": BASE, "cpu": "256", "memory": "512", "ephemeralStorage": None}),
        ("TaskDefinition", "", {"networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "skipDestroy": True}),
        ("TaskDefinition", "", {"runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}}),
        ("TaskDefinition", "", {"taskRoleArn": f"arn:aws:iam::{TARGET.account}:role/{BASE}-task"}),
        ("TaskDefinition", "", {"executionRoleArn": f"arn:aws:iam::{TARGET.account}:role/{BASE}-task-execution"}),
        ("LogGroup", "-task", {"name": f"/ecs/{BASE}", "retentionInDays": 7}),
        ("Cluster", "", {"settings": [{"name": "containerInsights", "value": "disabled"}]}),
        # Both whatever the share, for runs that keep theirs.
        ("ClusterCapacityProviders", "", {"clusterName": BASE, "capacityProviders": ["FARGATE", "FARGATE_SPOT"]}),
        ("StateMachine", "", {"name": BASE, "type": "STANDARD", "tracingConfiguration": {"enabled": True}}),
        ("EventRule", "-sweep", {"scheduleExpression": "rate(10 minutes)"}),
        ("EventTarget", "-sweep", {"input": '{"action": "sweep"}'}),
        ("EventTarget", "-sweep", {"retryPolicy": {"maximumEventAgeInSeconds": 600, "maximumRetryAttempts": 3}}),
        ("Repository", "", {"imageTagMutability": "IMMUTABLE", "forceDelete": True}),
        ("Repository", "", {"imageScanningConfiguration": {"scanOnPush": True}}),
    ],
)
def test_inputs(kind: str, name: str, inputs: dict[str, Any]):
    found = deployment(patterns="1").the(kind, name).inputs
    assert {key: found.get(key) for key in inputs} == inputs


def test_size_processor_and_log_retention_follow_the_configuration():
    deployed = configured(1)
    assert {group.inputs["retentionInDays"] for group in deployed.of("LogGroup")} == {30}
    inputs = deployed.the("TaskDefinition").inputs
    assert (inputs["cpu"], inputs["memory"], inputs["ephemeralStorage"]) == ("1024", "4096", {"sizeInGib": 100})
    assert inputs["runtimePlatform"]["cpuArchitecture"] == "ARM64"


def test_the_state_machine_logs_its_errors():
    assert deployment(patterns="1").the("StateMachine").inputs["loggingConfiguration"] == {
        "level": "ERROR",
        "includeExecutionData": False,
        "logDestination": TARGET.arn("logs", f"log-group:/aws/vendedlogs/states/{BASE}:*"),
    }


KEPT = {
    "pointInTimeRecovery": "enabled",
    "bucketVersioning": "enabled",
    "resultRetentionDays": "90",
    "accessLogBucket": "logs-of-mine",
    "flowLogs": "create",
    "executionDataInLogs": "enabled",
    "retainData": "retain",
}


def test_data_are_kept_and_recorded_as_configured():
    deployed = deployment(patterns="1", **KEPT)
    for table in deployed.of("Table"):
        assert table.inputs["pointInTimeRecovery"] == {"enabled": True}
        assert table.inputs["deletionProtectionEnabled"] is True
    assert deployed.the("BucketVersioning").inputs["versioningConfiguration"] == {"status": "Enabled"}
    rules = {rule["id"]: rule for rule in deployed.the("BucketLifecycleConfiguration").inputs["rules"]}
    assert rules["abort-incomplete-uploads"]["noncurrentVersionExpiration"] == {"noncurrentDays": 30}
    assert (rules["delete-results"]["filter"], rules["delete-results"]["expiration"]) == (
        {"prefix": "copies/"},
        {"days": 90},
    )
    bucket = "123456789012-ecs-starter-kit-pattern-1-bucket"
    log = deployed.the("BucketLogging").inputs
    assert (log["targetBucket"], log["targetPrefix"]) == ("logs-of-mine", f"{bucket}/")
    assert deployed.the("StateMachine").inputs["loggingConfiguration"]["includeExecutionData"] is True
    retained = [deployed.the(kind) for kind in ("Bucket", "BucketVersioning", "BucketLogging")]
    assert all(resource.retained for resource in retained)


def test_the_lifecycle_of_versions_is_set_once_the_bucket_has_some():
    deployed = deployment(patterns="1", **KEPT)
    assert deployed.the("BucketVersioning").urn in deployed.the("BucketLifecycleConfiguration").dependencies


def test_flow_logs_record_all_traffic_of_the_vpc_to_a_group_that_their_role_alone_writes():
    deployed = deployment(patterns="1", **KEPT)
    flow_log, group = deployed.the("FlowLog"), deployed.the("LogGroup", "-flow-logs")
    assert (flow_log.inputs["vpcId"], flow_log.inputs["trafficType"]) == ("vpc-1", "ALL")
    assert flow_log.inputs["logDestination"] == TARGET.arn("logs", f"log-group:{group.inputs['name']}")
    (statement,) = deployed.the("RolePolicy", "-flow-logs").document("policy")["Statement"]
    assert statement["Resource"] == [f"{flow_log.inputs['logDestination']}:*"]
    (trust,) = deployed.the("Role", "-flow-logs").document("assumeRolePolicy")["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": TARGET.account}
    assert deployed.the("RolePolicy", "-flow-logs").urn in flow_log.dependencies


def test_flow_logs_are_those_of_the_kit_s_own_vpc():
    existing = {"vpcId": "vpc-11111111", "privateSubnetIds": '["subnet-aaaaaaaa"]', "patterns": "1"}
    with pytest.raises(ConfigError, match="flowLogs = 'create': must be none when vpcId is set"):
        KitConfig.parse({**existing, "flowLogs": "create"})


def test_tables_billed_by_request_have_no_capacity():
    for table in configured(1).of("Table"):
        assert table.inputs["billingMode"] == "PAY_PER_REQUEST"
        for inputs in (table.inputs, *table.inputs.get("globalSecondaryIndexes", [])):
            assert not {"readCapacity", "writeCapacity"} & set(inputs)


def test_the_bucket_accepts_tls_only_and_its_policy_waits_for_the_access_block():
    policy = deployment(patterns="1").the("BucketPolicy")
    (statement,) = policy.document("policy")["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Principal"]) == ("Deny", "s3:*", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    bucket = "arn:aws:s3:::123456789012-ecs-starter-kit-pattern-1-bucket"
    assert statement["Resource"] == [bucket, f"{bucket}/*"]
    assert any("BucketPublicAccessBlock" in urn for urn in policy.dependencies)


def test_incomplete_uploads_are_removed():
    rule, _ = deployment(patterns="1").the("BucketLifecycleConfiguration").inputs["rules"]
    assert (rule["abortIncompleteMultipartUpload"], rule["filter"]) == ({"daysAfterInitiation": 1}, {"prefix": ""})


def test_copies_of_specs_are_deleted_after_every_run_that_reads_them():
    _, rule = deployment(patterns="1").the("BucketLifecycleConfiguration").inputs["rules"]
    assert rule["filter"] == {"prefix": PINNED_PREFIX}
    with pytest.raises(ConfigError):
        KitConfig.parse({"runTimeoutSeconds": str(rule["expiration"]["days"] * 86_400)})


def test_the_container_is_read_only_and_without_capabilities():
    definition = deployment(patterns="1").container()
    assert definition["image"].endswith(f"/{BASE}@sha256:" + "0" * 64)
    assert definition["readonlyRootFilesystem"] is True
    assert f"USER {definition['user']}" in (PROJECT / "ecs_kit/runtime/task/Dockerfile").read_text()
    assert definition["linuxParameters"] == {"initProcessEnabled": True, "capabilities": {"add": [], "drop": ["ALL"]}}
    assert definition["logConfiguration"] == {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": f"/ecs/{BASE}",
            "awslogs-region": TARGET.region,
            "awslogs-stream-prefix": "ecs",
        },
    }
    changed = configured(1).container()
    assert (definition["stopTimeout"], changed["stopTimeout"]) == (10, 45)
    assert changed["readonlyRootFilesystem"] is False


def test_the_containers_environment_names_what_the_stack_deployed():
    assert configured(1).environment() == {
        "KIT_CONTAINER_NAME": "amazon-ecs-starter-kit",
        "KIT_DETAILS_TABLE": "workflow_details_pattern_1",
        "KIT_STATE_MACHINE": BASE,
        "KIT_LOG_STREAM_PREFIX": "ecs",
        "KIT_STOP_TIMEOUT_SECONDS": "45",
        "KIT_TARGET_BUCKET": "123456789012-ecs-starter-kit-pattern-1-bucket",
        "KIT_TARGET_PREFIX": "out/here",
        "KIT_TASK_TIMEOUT_SECONDS": "90",
    }


@pytest.mark.parametrize("insights", ["enabled", "enhanced"])
def test_container_insights_write_to_a_log_group_that_exists_before_the_cluster(insights):
    deployed = deployment(patterns="1", containerInsights=insights)
    group = deployed.the("LogGroup", "-insights")
    assert group.inputs["name"] == f"/aws/ecs/containerinsights/{BASE}/performance"
    cluster = deployed.the("Cluster")
    assert cluster.inputs["settings"] == [{"name": "containerInsights", "value": insights}]
    assert group.urn in cluster.dependencies


@pytest.mark.parametrize("function", ["launcher", "monitor"])
def test_a_function_runs_its_package_in_the_private_subnets_with_its_own_group_log_and_role(function):
    deployed = deployment(patterns="1")
    resource, group = deployed.the("Function", function), deployed.the("LogGroup", f"-{function}")
    inputs = resource.inputs
    assert inputs["vpcConfig"]["subnetIds"] == ["subnet-a", "subnet-b"]
    assert inputs["vpcConfig"]["securityGroupIds"] == [f"{BASE}-{function}-id"]
    assert inputs["handler"] == f"ecs_kit.runtime.{function}.handler.handler"
    assert inputs["code"].path == f".kit/build/{function}.zip"
    assert (inputs["runtime"], inputs["architectures"], inputs["timeout"]) == ("python3.13", ["x86_64"], 300)
    assert inputs["loggingConfig"]["logGroup"] == group.inputs["name"] == f"/aws/lambda/{BASE}-ecs-task-{function}"
    assert {deployed.the("RolePolicy", f"-{function}").urn, group.urn} <= set(resource.dependencies)
    (former,) = deployed.the("WorkloadRole", function).former
    assert former.split("::")[2:] == [
        "pulumi:pulumi:Stack$kit:patterns:TaskSubmissionFromLambda$kit:functions:PrivateFunction",
        f"pattern-1-{function}",
    ], "in older stacks the role was a child of its function"


def settings(deployed: Deployment, function: str = "monitor") -> str:
    return deployed.the("Function", function).inputs["environment"]["variables"]["KIT_SETTINGS"]


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_functions_settings_name_what_the_stack_deployed(pattern):
    deployed = configured(pattern)
    found = from_json(settings(deployed))
    base = f"amazon-ecs-starter-kit-pattern-{pattern}"
    assert found.infrastructure == {
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
    assert (found.pattern, found.launch_type) == (pattern, "FARGATE")
    assert found.state_machine_arn == f"arn:aws:states:eu-central-1:123456789012:stateMachine:{base}"
    assert (found.target_prefix, found.task_attempts, found.source_buckets) == ("out/here", 3, ("in-1",))
    assert (found.task_timeout_seconds, found.run_timeout_seconds, found.spot_share) == (90, 120, 50)
    assert (found.tolerated_failure_percentage, found.max_concurrency, found.record_retention_days) == (30, 7, 9)
    functions = {1: ["monitor", "launcher"], 2: ["monitor"]}[pattern]
    assert found.security_group_ids == tuple(f"{base}-{workload}-id" for workload in ["tasks", *functions])
    assert {settings(deployed, function) for function in functions} == {settings(deployed)}


LONGEST = {
    "sourceBuckets": json.dumps([f"{number:02}" + "b" * 61 for number in range(20)]),
    "nameSuffix": "a" * 12,
    "targetPrefix": "p" * 200,
    "jobRecords": "ecs",
    "jobImage": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/words:1",
    "jobCommand": json.dumps(["{run.id}", "c" * 790]),
    "jobSuccessExitCodes": json.dumps([str(code) for code in (0, *range(100, 109))]),
    "jobRetryExitCodes": json.dumps([str(code) for code in range(200, 210)]),
}


def test_the_longest_settings_fit_into_the_environment_of_a_function():
    document = settings(deployment(patterns="1", **LONGEST))
    longer_ids = 6 * len("subnet-0123456789abcdef0")
    assert len("KIT_SETTINGS") + len(document) + longer_ids <= 4096


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_state_machine_is_created_after_its_policy_and_what_it_calls(pattern):
    deployed = deployment(patterns=str(pattern))
    dependencies = {*deployed.the("StateMachine").dependencies, *deployed.the("WorkflowStateMachine").dependencies}
    needed = [deployed.the("RolePolicy", "-state-machine"), deployed.the("TaskDefinition")]
    needed += [*deployed.of("Function"), *deployed.of("Table"), *deployed.of("Bucket")]
    assert {resource.urn for resource in needed} <= dependencies


def test_the_definition_follows_the_configuration():
    expected = definitions.StateMachineSettings(
        monitor_function_arn=TARGET.arn("lambda", "function:amazon-ecs-starter-kit-pattern-2-ecs-task-monitor:3"),
        summary_table="workflow_summary_pattern_2",
        container_name="amazon-ecs-starter-kit",
        run_timeout_seconds=120,
        task_timeout_seconds=90,
        max_concurrency=7,
        spot_share=50,
    )
    assert configured(2).the("StateMachine").document("definition") == definitions.pattern_2(expected)


def test_every_arn_has_the_partition_of_the_deployment(monkeypatch):
    monkeypatch.setattr(recorder, "TARGET", DeploymentTarget("aws-cn", "123456789012", "cn-north-1"))
    monkeypatch.setattr(recorder, "ZONE_IDS", ("cnn1-az1", "cnn1-az4", "cnn1-az2"))
    asked = {
        "scheduleExpression": "rate(1 day)",
        "runReports": "create",
        "flowLogs": "create",
        "sourceBuckets": '["inbox"]',
    }
    deployed = recorder.run(program.program, asked)
    arns = {
        arn for resource in deployed.resources for arn in re.findall(r"arn:aws[a-z-]*:[^\"']*", str(resource.inputs))
    }
    assert {arn for arn in arns if not arn.startswith("arn:aws-cn:")} == set()
    calls = (
        "states:::lambda:invoke",
        "states:::dynamodb:updateItem",
        "states:::ecs:runTask.sync",
        "states:::s3:getObject",
    )
    assert {f"arn:aws-cn:{call}" for call in (*calls, "scheduler:::aws-sdk:sfn:startExecution")} <= arns


@pytest.mark.parametrize("pattern", [1, 2])
def test_executions_call_the_version_that_was_deployed_with_their_definition(pattern):
    deployed = deployment(patterns=str(pattern))
    assert all(function.inputs["publish"] is True for function in deployed.of("Function"))
    definition = deployed.the("StateMachine").inputs["definition"]
    called = set(re.findall(r'"FunctionName": "([^"]+)"', definition))
    names = ["monitor", "launcher"] if pattern == 1 else ["monitor"]
    base = f"function:amazon-ecs-starter-kit-pattern-{pattern}-ecs-task-"
    assert called == {TARGET.arn("lambda", f"{base}{name}:3") for name in names}


def test_executions_that_do_not_succeed_are_reported_to_the_monitor():
    assert deployment(patterns="1").the("EventRule", "-ended").document("eventPattern") == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [TARGET.arn("states", f"stateMachine:{BASE}")],
            "status": ["ABORTED", "FAILED", "TIMED_OUT"],
        },
    }


@pytest.mark.parametrize("rule", ["ended", "sweep"])
def test_a_rule_may_call_the_monitor(rule):
    deployed = deployment(patterns="1")
    permission, target = deployed.the("Permission", f"-{rule}"), deployed.the("EventTarget", f"-{rule}")
    assert permission.inputs["function"] == f"{BASE}-ecs-task-monitor"
    assert permission.inputs["principal"] == "events.amazonaws.com"
    arn = TARGET.arn("events", f"rule/{deployed.the('EventRule', rule).inputs['name']}")
    assert permission.inputs["sourceArn"] == arn
    assert target.inputs["arn"].endswith(f":function:{BASE}-ecs-task-monitor")
    assert permission.urn in target.dependencies


@pytest.mark.parametrize(("rate", "memory"), [(1, 256), (20, 256), (25, 256), (26, 512), (100, 1024), (200, 1769)])
def test_launcher_and_monitor_have_the_processor_that_the_rate_needs(rate: int, memory: int) -> None:
    deployed = deployment(patterns="1", runTaskRate=str(rate))
    assert {deployed.the("Function", name).inputs["memorySize"] for name in ("launcher", "monitor")} == {memory}
