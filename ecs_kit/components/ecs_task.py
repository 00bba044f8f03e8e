"""The ECS cluster and the task definition of the job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.config import KitConfig
from ecs_kit.components.errors import ConfigError
from ecs_kit.components.job import JobArgs, ecr_repository, secret_arn, secret_problems
from ecs_kit.components.names import CONTAINER, LOG_STREAM_PREFIX, PatternNames
from ecs_kit.components.parts import PartArgs, WorkloadRole, WorkloadRoleArgs, log_group
from ecs_kit.runtime.contract import environment
from ecs_kit.runtime.contract.fargate import FARGATE_STORAGE_GIB

IMAGE_USER = "10001:10001"
"""User and group in the kit's own Dockerfile, which the task definition names, too (Security Hub control ECS.20)."""

CAPACITY_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
"""Attached whatever `spotShare` is, because active runs keep their own share when it changes."""


@dataclass(frozen=True)
class EcsTaskArgs:
    """Arguments of `EcsTask`: the task's image by digest, or a ready image as the user names it."""

    part: PartArgs
    image: pulumi.Input[str]


def container_definition(names: PatternNames, config: KitConfig, image: str, job: JobArgs) -> dict[str, Any]:
    """The task definition's one container, for a job whose values are all known."""
    of_library = {
        **({environment.JOB: job.function} if job.function else {}),
        environment.CONTAINER_NAME: CONTAINER,
        environment.DETAILS_TABLE: names.details_table,
        environment.LOG_STREAM_PREFIX: LOG_STREAM_PREFIX,
        environment.STATE_MACHINE: names.base,
        environment.STOP_TIMEOUT_SECONDS: str(config.stop_timeout_seconds),
        environment.TARGET_BUCKET: names.bucket,
        environment.TARGET_PREFIX: config.target_prefix,
        environment.TASK_TIMEOUT_SECONDS: str(config.task_timeout_seconds),
    }
    variables = {**job.environment, **({} if job.has_ecs_records else of_library)}
    secrets = [{"name": name, "valueFrom": job.secrets[name]} for name in sorted(job.secrets)]
    # As ECS returns them, with an empty `add` or not at all. Else the provider sees a change with each deployment.
    capabilities = {"capabilities": {"add": [], "drop": list(job.drop_capabilities)}} if job.drop_capabilities else {}
    return {
        "name": CONTAINER,
        "image": image,
        "essential": True,
        "environment": [{"name": name, "value": variables[name]} for name in sorted(variables)],
        **({"entryPoint": list(job.entry_point)} if job.entry_point else {}),
        **({"command": list(job.command)} if job.command else {}),
        **({"user": user} if (user := job.user or own_user(job)) else {}),
        **({"secrets": secrets} if secrets else {}),
        "readonlyRootFilesystem": config.task_root_file_system == "read-only",
        "stopTimeout": config.stop_timeout_seconds,
        # An init process forwards SIGTERM and reaps orphaned processes.
        "linuxParameters": {"initProcessEnabled": True, **capabilities},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": names.task_log_group,
                "awslogs-region": names.target.region,
                "awslogs-stream-prefix": LOG_STREAM_PREFIX,
            },
        },
    }


def own_user(job: JobArgs) -> str:
    """The user of the kit's own image; empty for others, whose users the kit does not know."""
    return "" if job.context or job.mirror or job.is_ready_image else IMAGE_USER


def execution_policy(names: PatternNames, job: JobArgs) -> policies.Document:
    """What ECS may do to start the container of a job, whose values are all known.

    Raises:
        ConfigError: A secret is not the ARN of a secret or parameter.
    """
    secrets = {name: str(value) for name, value in job.secrets.items()}
    wrong = list(secret_problems(secrets))
    if wrong:
        raise ConfigError(wrong)
    partition = names.target.partition
    return policies.task_execution(
        names,
        repository=ecr_repository(str(job.image), partition) if job.is_ready_image else names.repository_arn,
        secrets=[arn for value in secrets.values() if (arn := secret_arn(value))],
    )


def task_policy(names: PatternNames, config: KitConfig) -> policies.Document:
    """What the job may do, besides what its own policy allows."""
    return policies.task(
        names,
        target_prefix=config.target_prefix,
        source_buckets=config.source_buckets,
        keeps_record=not config.has_ecs_records,
    )


class EcsTask(pulumi.ComponentResource):
    """An ECS cluster, unless there is one, the job's Fargate task definition, its two roles and its log group."""

    log_group: aws.cloudwatch.LogGroup
    family_and_revision: pulumi.Output[str]
    """The task definition as specs name it, `family:revision`."""

    def __init__(self, name: str, args: EcsTaskArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:ecs:EcsTask", name, None, opts)
        self._part, self._child = args.part, pulumi.ResourceOptions(parent=self)
        names, config, job = args.part.names, args.part.config, args.part.config.job
        inputs = pulumi.Output.all(image=job.image, environment=dict(job.environment), secrets=dict(job.secrets))
        known_job = inputs.apply(lambda known: replace(job, **known))

        cluster = names.cluster if config.cluster_name else self._cluster(name).name
        self.log_group = log_group(name, names.task_log_group, self._part, self._child)
        execution_role = self._role(
            f"{name}-execution",
            "task-execution",
            "ECS itself: pulls the task's image and writes its log",
            known_job.apply(lambda known: execution_policy(names, known)),
        )
        task_role = self._role(
            name,
            "task",
            "The job in the task's container",
            task_policy(names, config),
            further={} if job.policy is None else {"job": job.policy},
            key_services=("s3",) if job.has_ecs_records else ("s3", "dynamodb"),
        )
        container = pulumi.Output.all(image=args.image, job=known_job).apply(
            lambda known: container_definition(names, config, known["image"], known["job"])
        )
        definition = self._task_definition(name, container, execution_role, task_role)
        self.family_and_revision = pulumi.Output.format("{0}:{1}", definition.family, definition.revision)
        self.register_outputs({"cluster": cluster, "taskDefinition": self.family_and_revision})

    def _role(
        self,
        name: str,
        user: str,
        description: str,
        policy: pulumi.Input[Mapping[str, Any]],
        further: Mapping[str, pulumi.Input[Mapping[str, Any]]] | None = None,
        key_services: Sequence[str] = (),
    ) -> WorkloadRole:
        args = WorkloadRoleArgs(
            part=self._part,
            user=user,
            description=description,
            trust=policies.trust_ecs_tasks(self._part.names.target),
            policy=policy,
            further=further or {},
            key_services=key_services,
        )
        return WorkloadRole(name, args, self._child)

    def _task_definition(
        self, name: str, container: pulumi.Output[dict[str, Any]], execution_role: WorkloadRole, task_role: WorkloadRole
    ) -> aws.ecs.TaskDefinition:
        config, storage = self._part.config, None
        if config.task_ephemeral_storage != FARGATE_STORAGE_GIB:
            storage = aws.ecs.TaskDefinitionEphemeralStorageArgs(size_in_gib=config.task_ephemeral_storage)
        return aws.ecs.TaskDefinition(
            name,
            family=self._part.names.base,
            cpu=str(config.task_cpu),
            memory=str(config.task_memory),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
                cpu_architecture=config.cpu_architecture, operating_system_family="LINUX"
            ),
            ephemeral_storage=storage,
            execution_role_arn=execution_role.arn,
            task_role_arn=task_role.arn,
            container_definitions=pulumi.Output.json_dumps([container]),
            # Active runs start their tasks from the revision they were registered with.
            skip_destroy=True,
            tags=self._part.tags,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[*execution_role.policies, *task_role.policies, self.log_group]
            ),
        )

    def _cluster(self, name: str) -> aws.ecs.Cluster:
        insights, log_groups = self._part.config.container_insights, []
        if insights != "disabled":
            # Without this group, ECS creates one that no stack owns and that never expires.
            own = self._part.names.container_insights_log_group
            log_groups = [log_group(f"{name}-insights", own, self._part, self._child)]
        cluster = aws.ecs.Cluster(
            name,
            name=self._part.names.base,
            settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value=insights)],
            tags=self._part.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=log_groups),
        )
        aws.ecs.ClusterCapacityProviders(
            name, cluster_name=cluster.name, capacity_providers=list(CAPACITY_PROVIDERS), opts=self._child
        )
        return cluster
