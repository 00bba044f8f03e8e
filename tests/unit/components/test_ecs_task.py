"""Cluster and task definition."""

from __future__ import annotations

import pytest

from tests.unit.components.recorder import TARGET, deployment


def container(**config: str) -> dict:
    (definition,) = deployment(patterns="1", **config).the("TaskDefinition").document("containerDefinitions")
    return definition


def test_the_task_definition_is_fargates_default_size():
    inputs = deployment(patterns="1").the("TaskDefinition").inputs
    assert (inputs["cpu"], inputs["memory"]) == ("256", "512")
    assert (inputs["networkMode"], inputs["requiresCompatibilities"]) == ("awsvpc", ["FARGATE"])
    assert inputs["runtimePlatform"] == {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}
    assert inputs["family"] == "amazon-ecs-starter-kit-pattern-1"


def test_size_and_processor_follow_the_configuration():
    config = {"taskCpu": "1024", "taskMemory": "4096", "cpuArchitecture": "ARM64"}
    inputs = deployment(patterns="1", **config).the("TaskDefinition").inputs
    assert (inputs["cpu"], inputs["memory"]) == ("1024", "4096")
    assert inputs["runtimePlatform"]["cpuArchitecture"] == "ARM64"


def test_the_image_is_named_by_its_digest():
    assert container()["image"].endswith("/amazon-ecs-starter-kit-pattern-1@sha256:" + "0" * 64)


def test_the_container_can_change_nothing_of_itself():
    definition = container()
    assert definition["readonlyRootFilesystem"] is True
    assert definition["linuxParameters"] == {"initProcessEnabled": True, "capabilities": {"add": [], "drop": ["ALL"]}}


def test_the_time_to_stop_follows_the_configuration():
    assert container()["stopTimeout"] == 10
    assert container(stopTimeoutSeconds="45")["stopTimeout"] == 45


def test_the_log_goes_to_the_kits_own_group():
    assert container()["logConfiguration"] == {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "/ecs/amazon-ecs-starter-kit-pattern-1",
            "awslogs-region": TARGET.region,
            "awslogs-stream-prefix": "ecs",
        },
    }
    group = next(g for g in deployment(patterns="1").of("LogGroup") if g.inputs["name"].startswith("/ecs/"))
    assert group.inputs["retentionInDays"] == 7


def test_the_container_is_told_where_to_work():
    environment = {pair["name"]: pair["value"] for pair in container(targetPrefix="out/here")["environment"]}
    assert environment == {
        "KIT_CONTAINER_NAME": "amazon-ecs-starter-kit",
        "KIT_DETAILS_TABLE": "workflow_details_pattern_1",
        "KIT_LOG_STREAM_PREFIX": "ecs",
        "KIT_STOP_TIMEOUT_SECONDS": "10",
        "KIT_TARGET_BUCKET": "123456789012-ecs-starter-kit-pattern-1-bucket",
        "KIT_TARGET_PREFIX": "out/here",
        "KIT_TASK_TIMEOUT_SECONDS": "3600",
    }


def test_a_new_revision_leaves_the_old_one_to_the_runs_that_use_it():
    assert deployment(patterns="1").the("TaskDefinition").inputs["skipDestroy"] is True


def test_job_and_ecs_have_roles_of_their_own():
    inputs = deployment(patterns="1").the("TaskDefinition").inputs
    assert inputs["taskRoleArn"].endswith(":role/amazon-ecs-starter-kit-pattern-1-task")
    assert inputs["executionRoleArn"].endswith(":role/amazon-ecs-starter-kit-pattern-1-task-execution")


def test_without_container_insights_there_is_no_group_for_it():
    deployed = deployment(patterns="1")
    assert deployed.the("Cluster").inputs["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert not [group for group in deployed.of("LogGroup") if "containerinsights" in group.inputs["name"]]


@pytest.mark.parametrize("insights", ["enabled", "enhanced"])
def test_container_insights_write_to_a_group_of_ours_that_is_there_first(insights):
    deployed = deployment(patterns="1", containerInsights=insights)
    group = deployed.the("LogGroup", "-insights")
    assert group.inputs["name"] == "/aws/ecs/containerinsights/amazon-ecs-starter-kit-pattern-1/performance"
    cluster = deployed.the("Cluster")
    assert cluster.inputs["settings"] == [{"name": "containerInsights", "value": insights}]
    assert group.urn in cluster.dependencies
