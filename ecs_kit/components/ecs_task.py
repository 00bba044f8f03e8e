"""The ECS cluster and the task definition of the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.config import FARGATE_STORAGE_GIB, KitConfig
from ecs_kit.components.errors import ConfigError, ConfigProblem
from ecs_kit.components.job import JobArgs, ecr_repository, secret_arn
from ecs_kit.components.names import CONTAINER, LOG_STREAM_PREFIX, PatternArns, PatternNames
from ecs_kit.components.roles import WorkloadRole, WorkloadRoleArgs
from ecs_kit.runtime.contract import environment

CAPACITY_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
"""Attached whatever `spotShare` is, because active runs keep their own share when it changes."""


@dataclass(frozen=True)
class EcsTaskArgs:
    """Arguments of `EcsTask`.

    Args:
        names: The pattern's names.
        config: The stack's configuration.
        image: The task's image by digest, or a ready image as the user names it.
        tags: Tags of all resources.
        job: The user's own job.
    """

    names: PatternNames
    config: KitConfig
    image: pulumi.Input[str]
    tags: Mapping[str, str]
    job: JobArgs = field(default_factory=JobArgs)


def container_definition(names: PatternNames, config: KitConfig, image: str, job: JobArgs) -> dict[str, Any]:
    """The task definition's one container.

    Args:
        names: The pattern's names.
        config: The stack's configuration.
        image: Reference of the image.
        job: The user's own job, with every value known.
    """
    variables = {
        **job.environment,
        **({environment.JOB: job.function} if job.function else {}),
        environment.CONTAINER_NAME: CONTAINER,
        environment.DETAILS_TABLE: names.details_table,
        environment.LOG_STREAM_PREFIX: LOG_STREAM_PREFIX,
        environment.STOP_TIMEOUT_SECONDS: str(config.stop_timeout_seconds),
        environment.TARGET_BUCKET: names.bucket,
        environment.TARGET_PREFIX: config.target_prefix,
        environment.TASK_TIMEOUT_SECONDS: str(config.task_timeout_seconds),
    }
    return {
        "name": CONTAINER,
        "image": image,
        "essential": True,
        "environment": [{"name": key, "value": variables[key]} for key in sorted(variables)],
        **({"entryPoint": list(job.entry_point)} if job.entry_point else {}),
        **({"command": list(job.command)} if job.command else {}),
        **(
            {"secrets": [{"name": key, "valueFrom": job.secrets[key]} for key in sorted(job.secrets)]}
            if job.secrets
            else {}
        ),
        "readonlyRootFilesystem": config.task_root_file_system == "read-only",
        "stopTimeout": config.stop_timeout_seconds,
        # An init process forwards SIGTERM and reaps orphaned processes.
        # ECS returns an empty `add`. Without it here, the provider sees a change with each deployment.
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"add": [], "drop": ["ALL"]}},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": names.task_log_group,
                "awslogs-region": names.target.region,
                "awslogs-stream-prefix": LOG_STREAM_PREFIX,
            },
        },
    }


def execution_policy(arns: PatternArns, job: JobArgs) -> policies.Document:
    """What ECS may do to start the job's container.

    Args:
        arns: The pattern's ARNs.
        job: The user's own job, with every value known.

    Raises:
        ConfigError: A secret is not the ARN of a secret or parameter.
    """
    wrong = [
        ConfigProblem("job.secrets", f"{name}: {value}", "ARNs of Secrets Manager secrets or SSM parameters")
        for name, value in job.secrets.items()
        if secret_arn(str(value)) is None
    ]
    if wrong:
        raise ConfigError(wrong)
    partition = arns.names.target.partition
    return policies.task_execution(
        arns,
        repository=ecr_repository(str(job.image), partition) if job.is_ready_image else arns.repository,
        secrets=[arn for value in job.secrets.values() if (arn := secret_arn(str(value)))],
    )


def resolved(job: JobArgs) -> pulumi.Output[JobArgs]:
    """A job with the values known that its container definition and its execution role need.

    Args:
        job: The job.
    """
    values = pulumi.Output.all(image=job.image, environment=dict(job.environment), secrets=dict(job.secrets))
    return values.apply(lambda known: replace(job, **known))


class EcsTask(pulumi.ComponentResource):
    """An ECS cluster, the job's Fargate task definition, its two roles and its log group."""

    cluster: aws.ecs.Cluster
    log_group: aws.cloudwatch.LogGroup
    family_and_revision: pulumi.Output[str]
    """The task definition as specs name it, `family:revision`."""

    def __init__(self, name: str, args: EcsTaskArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:ecs:EcsTask", name, None, opts)
        names, config, arns = args.names, args.config, PatternArns(args.names)
        job = resolved(args.job)
        self.cluster = self._cluster(name, args)
        self.log_group = self._log_group(name, names.task_log_group, args)
        execution_role = WorkloadRole(
            f"{name}-execution",
            WorkloadRoleArgs(
                role=names.role("task-execution"),
                description="ECS itself: pulls the task's image and writes its log",
                trust=policies.trust_ecs_tasks(names.target),
                policy=job.apply(lambda known: execution_policy(arns, known)),
                tags=args.tags,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        task_role = WorkloadRole(
            name,
            WorkloadRoleArgs(
                role=names.role("task"),
                description="The job in the task's container",
                trust=policies.trust_ecs_tasks(names.target),
                policy=policies.task(arns, target_prefix=config.target_prefix, source_buckets=config.source_buckets),
                further={} if args.job.policy is None else {"job": args.job.policy},
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
            ephemeral_storage=(
                None
                if config.task_ephemeral_storage == FARGATE_STORAGE_GIB
                else aws.ecs.TaskDefinitionEphemeralStorageArgs(size_in_gib=config.task_ephemeral_storage)
            ),
            execution_role_arn=execution_role.arn,
            task_role_arn=task_role.arn,
            container_definitions=pulumi.Output.json_dumps(
                [
                    pulumi.Output.all(image=args.image, job=job).apply(
                        lambda known: container_definition(names, config, known["image"], known["job"])
                    )
                ]
            ),
            # Active runs start their tasks from the revision they were registered with.
            skip_destroy=True,
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[*execution_role.policies, *task_role.policies, self.log_group]
            ),
        )
        self.family_and_revision = pulumi.Output.format("{0}:{1}", definition.family, definition.revision)
        self.register_outputs({"cluster": self.cluster.name, "taskDefinition": self.family_and_revision})

    def _cluster(self, name: str, args: EcsTaskArgs) -> aws.ecs.Cluster:
        insights = args.config.container_insights
        # Without this group, ECS creates one that no stack owns and that never expires.
        own_logs = (
            []
            if insights == "disabled"
            else [self._log_group(f"{name}-insights", args.names.container_insights_log_group, args)]
        )
        cluster = aws.ecs.Cluster(
            name,
            name=args.names.base,
            settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value=insights)],
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=own_logs),
        )
        aws.ecs.ClusterCapacityProviders(
            name,
            cluster_name=cluster.name,
            capacity_providers=list(CAPACITY_PROVIDERS),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return cluster

    def _log_group(self, name: str, log_group: str, args: EcsTaskArgs) -> aws.cloudwatch.LogGroup:
        return aws.cloudwatch.LogGroup(
            name,
            name=log_group,
            retention_in_days=args.config.log_retention_days,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
