"""The two patterns, each from its network to its state machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi

from ecs_kit.components import definitions, function_settings, lambda_package, policies, zones
from ecs_kit.components.bucket import PrivateBucket, PrivateBucketArgs
from ecs_kit.components.config import KitConfig
from ecs_kit.components.ecs_task import EcsTask, EcsTaskArgs
from ecs_kit.components.functions import FUNCTION_TOKEN, PrivateFunction, PrivateFunctionArgs
from ecs_kit.components.job import JobArgs
from ecs_kit.components.names import CONTAINER, SEPARATOR, DeploymentTarget, PatternArns, PatternNames
from ecs_kit.components.network import Network, NetworkArgs, cidr_block
from ecs_kit.components.roles import WorkloadRole, WorkloadRoleArgs
from ecs_kit.components.run_guard import RunGuard, RunGuardArgs
from ecs_kit.components.state_machine import WorkflowStateMachine, WorkflowStateMachineArgs
from ecs_kit.components.tables import Tables, TablesArgs
from ecs_kit.components.tags import kit_tags
from ecs_kit.components.task_image import TaskImage, TaskImageArgs, stage_context, stage_job_context
from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES


@dataclass(frozen=True)
class PatternArgs:
    """Arguments of a pattern.

    Args:
        config: The stack's configuration.
        target: Where it is deployed.
        stack: The stack's name, for the tag `kit:stack`.
        job: The user's own job; it replaces the configured one.

    Raises:
        ConfigError: With every invalid argument.
    """

    config: KitConfig
    target: DeploymentTarget
    stack: str
    job: JobArgs | None = None

    def __post_init__(self) -> None:
        self.config.check()
        self.chosen_job.check(has_nat=self.config.has_nat, region=self.target.region)

    @property
    def chosen_job(self) -> JobArgs:
        """The job of the arguments, else that of the configuration."""
        return self.config.job if self.job is None else self.job


class TaskSubmissionFromLambda(pulumi.ComponentResource):
    """Pattern 1: the Task Launcher, a function, starts the ECS tasks; the Task Monitor, in a loop, tracks them."""

    outputs: Mapping[str, pulumi.Input[str]]

    def __init__(self, name: str, args: PatternArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:patterns:TaskSubmissionFromLambda", name, None, opts)
        parts = _Parts(self, name, args, pattern=1)
        arns = parts.arns

        launcher_role = parts.function_role("launcher", policies.launcher(arns))
        monitor_role = parts.function_role("monitor", policies.monitor(arns))
        network = parts.network(
            workloads=["tasks", "monitor", "launcher"], function_roles=[launcher_role, monitor_role]
        )
        tables, bucket = parts.tables(), parts.bucket()
        image = parts.image()
        task = parts.task(image)
        launcher = parts.function("launcher", launcher_role, network, task)
        monitor = parts.function("monitor", monitor_role, network, task)
        state_machine = parts.state_machine(
            parts.definition(definitions.pattern_1, monitor=monitor, launcher=launcher),
            policies.state_machine_pattern_1(arns),
            calls=[launcher, monitor, tables, bucket],
        )
        parts.guard(state_machine, monitor)

        self.outputs = {
            **parts.outputs(network, image, task, monitor, state_machine),
            "launcherFunctionName": launcher.function_name,
        }
        self.register_outputs(dict(self.outputs))


class TaskSubmissionFromStepFunctions(pulumi.ComponentResource):
    """Pattern 2: the state machine itself starts the ECS tasks; the Task Monitor, in a second branch, tracks them."""

    outputs: Mapping[str, pulumi.Input[str]]

    def __init__(self, name: str, args: PatternArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:patterns:TaskSubmissionFromStepFunctions", name, None, opts)
        parts = _Parts(self, name, args, pattern=2)
        arns = parts.arns

        monitor_role = parts.function_role("monitor", policies.monitor(arns))
        network = parts.network(workloads=["tasks", "monitor"], function_roles=[monitor_role])
        tables, bucket = parts.tables(), parts.bucket()
        image = parts.image()
        task = parts.task(image)
        monitor = parts.function("monitor", monitor_role, network, task)
        state_machine = parts.state_machine(
            parts.definition(definitions.pattern_2, monitor=monitor),
            policies.state_machine_pattern_2(arns),
            calls=[monitor, task, tables, bucket],
        )
        parts.guard(state_machine, monitor)

        self.outputs = parts.outputs(network, image, task, monitor, state_machine)
        self.register_outputs(dict(self.outputs))


COMPONENTS: Mapping[int, type[TaskSubmissionFromLambda] | type[TaskSubmissionFromStepFunctions]] = {
    1: TaskSubmissionFromLambda,
    2: TaskSubmissionFromStepFunctions,
}
"""The component of each pattern."""


class _Parts:
    """Builds the parts of one pattern with its names, tags and configuration; each is a child of the pattern."""

    def __init__(self, owner: pulumi.ComponentResource, name: str, args: PatternArgs, *, pattern: int):
        self._name = name
        self._config = args.config
        self._job = args.chosen_job
        self._names = PatternNames(pattern, args.config.name_suffix, args.target)
        self._tags = kit_tags(workflow=self._names.workflow, stack=args.stack, user=args.config.tags)
        self._child = pulumi.ResourceOptions(parent=owner)
        self.arns = PatternArns(self._names)

    def function_role(self, workload: lambda_package.FunctionName, policy: policies.Document) -> WorkloadRole:
        """The role of the Task Launcher or the Task Monitor. In older stacks it is a child of its function."""
        name = f"{self._name}-{workload}"
        args = WorkloadRoleArgs(
            role=self._names.role(workload),
            description=self._describe(workload),
            trust=policies.trust_lambda(self._names.target),
            policy=policy,
            tags=self._tags,
        )
        former = pulumi.create_urn(name, FUNCTION_TOKEN, parent=self._child.parent)
        opts = pulumi.ResourceOptions(parent=self._child.parent, aliases=[pulumi.Alias(parent=former)])
        return WorkloadRole(name, args, opts)

    def _describe(self, workload: lambda_package.FunctionName) -> str:
        return f"Task {workload.capitalize()} of {self._names.workflow}"

    def network(self, *, workloads: Sequence[str], function_roles: Sequence[WorkloadRole]) -> Network:
        """VPC, endpoints, and a security group for each of `workloads`; destroyed before the functions' roles."""
        configured = self._config.availability_zones
        args = NetworkArgs(
            base=self._names.base,
            target=self._names.target,
            cidr_block=cidr_block(self._names.pattern),
            zones=zones.of_vpc(self._names.target.region, configured),
            keeps_zones=not configured,
            workloads=workloads,
            nat_gateways=self._config.nat_gateways,
            interface_endpoints=self._interface_endpoints(),
            outlived_by=[policy for role in function_roles for policy in role.policies],
            tags=self._tags,
        )
        return Network(f"{self._name}-network", args, self._child)

    def _interface_endpoints(self) -> list[str]:
        """The configured ones and, without a NAT gateway, those of the job's secrets."""
        configured = list(self._config.interface_endpoints)
        needed = () if self._config.has_nat else self._job.endpoints
        return configured + [service for service in needed if service not in configured]

    def tables(self) -> Tables:
        """The summary table and the details table."""
        args = TablesArgs(
            summary_name=self._names.summary_table,
            details_name=self._names.details_table,
            billing=self._config.table_billing,
            tags=self._tags,
        )
        return Tables(f"{self._name}-tables", args, self._child)

    def bucket(self) -> PrivateBucket:
        """The bucket of sources and copies."""
        args = PrivateBucketArgs(bucket=self._names.bucket, arn=self.arns.bucket, tags=self._tags)
        return PrivateBucket(f"{self._name}-bucket", args, self._child)

    def image(self) -> TaskImage | None:
        """The image repository and the task's image; None with a ready image."""
        if self._job.is_ready_image:
            return None
        context = self._job.context
        args = TaskImageArgs(
            repository=self._names.base,
            context=stage_context() if context is None else stage_job_context(context, self._job.dockerfile),
            base_image=self._config.base_image,
            platform=self._config.docker_platform,
            tags=self._tags,
        )
        return TaskImage(f"{self._name}-image", args, self._child)

    def task(self, image: TaskImage | None) -> EcsTask:
        """The cluster and the task definition."""
        args = EcsTaskArgs(
            names=self._names,
            config=self._config,
            image=self._job.image if image is None else image.reference,
            tags=self._tags,
            job=self._job,
        )
        return EcsTask(f"{self._name}-task", args, self._child)

    def function(
        self, workload: lambda_package.FunctionName, role: WorkloadRole, network: Network, task: EcsTask
    ) -> PrivateFunction:
        """The Task Launcher or the Task Monitor."""
        names = {"launcher": self._names.launcher_function, "monitor": self._names.monitor_function}
        args = PrivateFunctionArgs(
            function=names[workload],
            role=role,
            description=self._describe(workload),
            handler=f"ecs_kit.runtime.{workload}.handler.handler",
            package=lambda_package.build(workload),
            settings=self._function_settings(network, task),
            subnet_ids=network.private_subnet_ids,
            security_group_ids=[network.security_groups[workload].id],
            log_retention_days=self._config.log_retention_days,
            tags=self._tags,
        )
        return PrivateFunction(f"{self._name}-{workload}", args, self._child)

    def definition(
        self,
        document: Callable[[definitions.StateMachineSettings], definitions.State],
        *,
        monitor: PrivateFunction,
        launcher: PrivateFunction | None = None,
    ) -> pulumi.Output[str]:
        """The state machine's document, with the versions of the functions that were published with it."""
        versions = {"monitor_function_arn": monitor.version_arn}
        if launcher is not None:
            versions["launcher_function_arn"] = launcher.version_arn
        return pulumi.Output.all(**versions).apply(
            lambda arns: json.dumps(document(self._state_machine_settings(arns)))
        )

    def _state_machine_settings(self, functions: Mapping[str, str]) -> definitions.StateMachineSettings:
        return definitions.StateMachineSettings(
            **functions,
            summary_table=self._names.summary_table,
            container_name=CONTAINER,
            run_timeout_seconds=self._config.run_timeout_seconds,
            task_timeout_seconds=self._config.task_timeout_seconds,
            max_concurrency=self._config.max_concurrency,
            launch_type=function_settings.LAUNCH_TYPE,
            spot_share=self._config.spot_share,
        )

    def state_machine(
        self, definition: pulumi.Input[str], policy: policies.Document, *, calls: Sequence[pulumi.Resource]
    ) -> WorkflowStateMachine:
        """The state machine, created after what it calls."""
        args = WorkflowStateMachineArgs(
            names=self._names,
            definition=definition,
            policy=policy,
            log_retention_days=self._config.log_retention_days,
            tags=self._tags,
        )
        opts = pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=list(calls)))
        return WorkflowStateMachine(f"{self._name}-state-machine", args, opts)

    def guard(self, state_machine: WorkflowStateMachine, monitor: PrivateFunction) -> RunGuard:
        """The rules that call the monitor when an execution ends early."""
        args = RunGuardArgs(
            base=self._names.base,
            state_machine_arn=state_machine.arn,
            monitor_arn=monitor.arn,
            monitor_function=monitor.function_name,
            tags=self._tags,
        )
        return RunGuard(f"{self._name}-guard", args, self._child)

    def outputs(
        self,
        network: Network,
        image: TaskImage | None,
        task: EcsTask,
        monitor: PrivateFunction,
        state_machine: WorkflowStateMachine,
    ) -> dict[str, pulumi.Input[str]]:
        """The stack's outputs of this pattern: a spec's infrastructure attributes and further names."""
        infrastructure = self._infrastructure(network, task)
        return {
            **{attribute: infrastructure[attribute] for attribute in INFRASTRUCTURE_ATTRIBUTES},
            "separator": SEPARATOR,
            "workflowName": self._names.workflow,
            "stateMachineArn": state_machine.arn,
            "monitorFunctionName": monitor.function_name,
            "taskLogGroup": task.log_group.name,
            "vpcId": network.vpc_id,
            **({} if image is None else {"repositoryUrl": image.repository.repository_url}),
            "imageUri": self._job.image if image is None else image.reference,
            "targetPrefix": self._config.target_prefix,
        }

    def _infrastructure(self, network: Network, task: EcsTask) -> pulumi.Output[dict[str, str]]:
        return pulumi.Output.all(
            subnet_ids=network.private_subnet_ids,
            security_group_id=network.security_groups["tasks"].id,
            task_definition=task.family_and_revision,
        ).apply(lambda known: function_settings.infrastructure(self._names, **known))

    def _function_settings(self, network: Network, task: EcsTask) -> pulumi.Output[str]:
        return pulumi.Output.all(
            infrastructure=self._infrastructure(network, task),
            security_group_ids=[group.id for group in network.security_groups.values()],
        ).apply(lambda known: function_settings.function_settings(self._names, self._config, **known).to_json())
