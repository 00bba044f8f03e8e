"""The ECS cluster and the task definition of the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components import policies
from components.config import KitConfig
from components.names import CONTAINER, LOG_STREAM_PREFIX, PatternArns, PatternNames
from components.roles import WorkloadRole, WorkloadRoleArgs


@dataclass(frozen=True)
class EcsTaskArgs:
    """Arguments of `EcsTask`.

    Args:
        names: The pattern's names.
        config: The stack's configuration.
        image: Reference of the task's image, by digest.
        tags: Tags of everything.
    """

    names: PatternNames
    config: KitConfig
    image: pulumi.Input[str]
    tags: Mapping[str, str]


def container_definition(names: PatternNames, config: KitConfig, image: str) -> dict[str, Any]:
    """The task definition's one container.

    Args:
        names: The pattern's names.
        config: The stack's configuration.
        image: Reference of the image.
    """
    environment = {
        "KIT_CONTAINER_NAME": CONTAINER,
        "KIT_DETAILS_TABLE": names.details_table,
        "KIT_LOG_STREAM_PREFIX": LOG_STREAM_PREFIX,
        "KIT_PATTERN": str(names.pattern),
        "KIT_TARGET_BUCKET": names.bucket,
        "KIT_TARGET_PREFIX": config.target_prefix,
        "KIT_TASK_TIMEOUT_SECONDS": str(config.task_timeout_seconds),
    }
    return {
        "name": CONTAINER,
        "image": image,
        "essential": True,
        "environment": [{"name": key, "value": environment[key]} for key in sorted(environment)],
        "readonlyRootFilesystem": True,
        "stopTimeout": config.stop_timeout_seconds,
        # An init process passes SIGTERM on and reaps what a job leaves behind.
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": names.task_log_group,
                "awslogs-region": names.place.region,
                "awslogs-stream-prefix": LOG_STREAM_PREFIX,
            },
        },
    }


class EcsTask(pulumi.ComponentResource):
    """An ECS cluster, the job's Fargate task definition, its two roles and its log group."""

    cluster: aws.ecs.Cluster
    log_group: aws.cloudwatch.LogGroup
    family_and_revision: pulumi.Output[str]
    """The task definition as specs name it, `family:revision`."""

    def __init__(self, name: str, args: EcsTaskArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:ecs:EcsTask", name, None, opts)
        names, config, arns = args.names, args.config, PatternArns(args.names)
        self.cluster = self._cluster(name, args)
        self.log_group = self._log_group(name, names.task_log_group, args)
        execution_role = WorkloadRole(
            f"{name}-execution",
            WorkloadRoleArgs(
                role=names.role("task-execution"),
                description="ECS itself: pulls the task's image and writes its log",
                trust=policies.trust_ecs_tasks(names.place),
                policy=policies.task_execution(arns),
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        task_role = WorkloadRole(
            name,
            WorkloadRoleArgs(
                role=names.role("task"),
                description="The job in the task's container",
                trust=policies.trust_ecs_tasks(names.place),
                policy=policies.task(arns, target_prefix=config.target_prefix, source_buckets=config.source_buckets),
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        definition = aws.ecs.TaskDefinition(
            name,
            family=names.base,
            cpu=str(config.task_cpu),
            memory=str(config.task_memory),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
                cpu_architecture=config.cpu_architecture, operating_system_family="LINUX"
            ),
            execution_role_arn=execution_role.arn,
            task_role_arn=task_role.arn,
            container_definitions=pulumi.Output.json_dumps(
                [pulumi.Output.from_input(args.image).apply(lambda image: container_definition(names, config, image))]
            ),
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[execution_role.policy, task_role.policy, self.log_group]
            ),
        )
        self.family_and_revision = pulumi.Output.format("{0}:{1}", definition.family, definition.revision)
        self.register_outputs({"cluster": self.cluster.name, "taskDefinition": self.family_and_revision})

    def _cluster(self, name: str, args: EcsTaskArgs) -> aws.ecs.Cluster:
        insights = args.config.container_insights
        # Without a group of ours ECS makes one that nobody owns and that keeps its events for ever.
        own_logs = (
            []
            if insights == "disabled"
            else [self._log_group(f"{name}-insights", args.names.container_insights_log_group, args)]
        )
        return aws.ecs.Cluster(
            name,
            name=args.names.base,
            settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value=insights)],
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=own_logs),
        )

    def _log_group(self, name: str, log_group: str, args: EcsTaskArgs) -> aws.cloudwatch.LogGroup:
        return aws.cloudwatch.LogGroup(
            name,
            name=log_group,
            retention_in_days=args.config.log_retention_days,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
