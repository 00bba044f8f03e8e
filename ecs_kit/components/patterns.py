"""The two patterns, each from its network to its state machine."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import pulumi
import pulumi_aws as aws

from ecs_kit.components import definitions, endpoint_policies, function_settings, lookups, policies, zones
from ecs_kit.components.bucket import PrivateBucket
from ecs_kit.components.config import GATEWAY_SERVICES, KitConfig
from ecs_kit.components.ecs_task import EcsTask, EcsTaskArgs, execution_policy, task_policy
from ecs_kit.components.existing_network import ExistingNetwork, created_endpoints
from ecs_kit.components.flow_logs import FlowLogs, FlowLogsArgs
from ecs_kit.components.functions import (
    FUNCTION_TOKEN,
    REPORTER_MEMORY_MIB,
    REPORTER_TIMEOUT_SECONDS,
    PrivateFunction,
    PrivateFunctionArgs,
    memory_mib,
)
from ecs_kit.components.job import JobArgs
from ecs_kit.components.lambda_package import FunctionName
from ecs_kit.components.names import CONTAINER, SEPARATOR, DeploymentTarget, PatternNames
from ecs_kit.components.network import Network, NetworkArgs
from ecs_kit.components.operations.failure_queue import FailureQueue
from ecs_kit.components.operations.operations import Operations, OperationsArgs
from ecs_kit.components.operations.run_reports import RunReports, RunReportsArgs
from ecs_kit.components.operations.schedule import Schedule, ScheduleArgs
from ecs_kit.components.parts import PartArgs, WorkloadRole, WorkloadRoleArgs
from ecs_kit.components.run_guard import RunGuard, RunGuardArgs
from ecs_kit.components.state_machine import WorkflowStateMachine, WorkflowStateMachineArgs
from ecs_kit.components.tables import Tables
from ecs_kit.components.task_image import TaskImage, TaskImageArgs, stage_context, stage_job_context, stage_mirror
from ecs_kit.runtime.contract import reports
from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES


def provider_target(opts: pulumi.InvokeOptions | None = None) -> DeploymentTarget:
    """Partition, account and region of the `aws` provider: the default one, or that of the options."""
    return DeploymentTarget(
        partition=aws.get_partition(opts=opts).partition,
        account=aws.get_caller_identity(opts=opts).account_id,
        region=aws.get_region(opts=opts).region,
    )


@dataclass(frozen=True)
class PatternArgs:
    """Arguments of a pattern. `stack` is the stack's name, for the tag `kit:stack`; `job` replaces the configured one.

    By default it is deployed where the default `aws` provider deploys.

    Raises:
        ConfigError: With every invalid argument.
    """

    config: KitConfig = field(default_factory=KitConfig)
    target: DeploymentTarget = field(default_factory=provider_target)
    stack: str = field(default_factory=pulumi.get_stack)
    job: JobArgs | None = None

    def __post_init__(self) -> None:
        self.config_with_job.check(self.target.region)

    @property
    def config_with_job(self) -> KitConfig:
        """The configuration with the job that is deployed."""
        return self.config if self.job is None else dataclasses.replace(self.config, job=self.job)


class Pattern(pulumi.ComponentResource):
    """What all patterns deploy. A pattern names the functions of its state machine, and that itself."""

    number: ClassVar[int]
    functions: ClassVar[Sequence[FunctionName]]
    definition: ClassVar[Callable[[definitions.StateMachineSettings], definitions.State]]

    outputs: Mapping[str, pulumi.Input[str]]

    def __init__(self, name: str, args: PatternArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(f"kit:patterns:{type(self).__name__}", name, None, opts)
        self._prefix = name
        self._config = args.config_with_job
        self._names = PatternNames(self.number, self._config.name_suffix, args.target, self._config.cluster_name)
        tags = {**self._config.tags, "kit:workflow": self._names.workflow, "kit:stack": args.stack}
        self._part = PartArgs(self._names, self._config, tags)
        self._child = pulumi.ResourceOptions(parent=self)

        # Before any resource: what is missing is an error while nothing has been created.
        existing = lookups.existing(self._config, self._names, pulumi.InvokeOptions(parent=self))
        self._functions = self.deployed_functions(self._config)
        roles = {workload: self._function_role(workload) for workload in self._functions}
        network = self._network(list(roles.values()), existing)
        if self._config.flow_logs == "create":
            FlowLogs(f"{name}-flow-logs", FlowLogsArgs(self._part, network.vpc_id), self._child)
        tables = Tables(f"{name}-tables", self._part, self._child)
        bucket = PrivateBucket(f"{name}-bucket", self._part, self._child)
        image = self._image()
        image_uri = image.reference if image else self._config.job.image
        task = EcsTask(f"{name}-task", EcsTaskArgs(self._part, image=image_uri), self._child)
        failures = FailureQueue(f"{name}-failures", self._part, self._child)
        functions = {
            workload: self._function(workload, role, network, task, failures) for workload, role in roles.items()
        }
        state_machine = self._state_machine(functions, needs=[*functions.values(), task, tables, bucket])
        guard_args = RunGuardArgs(self._part, state_machine, functions["monitor"], failures)
        RunGuard(f"{name}-guard", guard_args, self._child)
        Operations(f"{name}-operations", OperationsArgs(self._part, self._functions, failures), self._child)
        if self._config.has_run_reports:
            reports_args = RunReportsArgs(self._part, state_machine.arn, functions["reporter"], failures)
            RunReports(f"{name}-reports", reports_args, self._child)
        if self._config.schedule_expression:
            Schedule(f"{name}-schedule", ScheduleArgs(self._part, state_machine, failures), self._child)

        infrastructure = self._infrastructure(network, task)
        self.outputs = {
            **{attribute: infrastructure[attribute] for attribute in INFRASTRUCTURE_ATTRIBUTES},
            "separator": SEPARATOR,
            "workflowName": self._names.workflow,
            "stateMachineArn": state_machine.arn,
            **{f"{workload}FunctionName": function.function_name for workload, function in functions.items()},
            "taskLogGroup": task.log_group.name,
            "failureQueueUrl": failures.url,
            "vpcId": network.vpc_id,
            **({"repositoryUrl": image.repository.repository_url} if image else {}),
            "imageUri": image_uri,
            "targetPrefix": self._config.target_prefix,
            "jobRecords": self._config.job.records,
        }
        self.register_outputs(dict(self.outputs))

    @classmethod
    def deployed_functions(cls, config: KitConfig) -> Sequence[FunctionName]:
        """Those of the state machine, and the reporter where the configuration asks for reports."""
        return (*cls.functions, "reporter") if config.has_run_reports else cls.functions

    def _function_role(self, workload: FunctionName) -> WorkloadRole:
        """The role of a function. In older stacks it is a child of its function."""
        name = f"{self._prefix}-{workload}"
        args = WorkloadRoleArgs(
            part=self._part,
            user=workload,
            description=self._describe(workload),
            trust=policies.trust_lambda(self._names.target),
            policy=self._function_policy(workload),
            key_services=("s3", "dynamodb"),
        )
        former = pulumi.create_urn(name, FUNCTION_TOKEN, parent=self)
        opts = pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(parent=former)])
        return WorkloadRole(name, args, opts)

    def _function_policy(self, workload: FunctionName) -> policies.Document:
        if workload == "reporter":
            return policies.reporter(self._names, topic_arn=self._config.notification_topic_arn)
        make = {"launcher": policies.launcher, "monitor": policies.monitor}[workload]
        return make(self._names, source_buckets=self._config.source_buckets)

    def _describe(self, workload: FunctionName) -> str:
        of = "Run" if workload == "reporter" else "Task"
        return f"{of} {workload.capitalize()} of {self._names.workflow}"

    def _network(self, function_roles: Sequence[WorkloadRole], existing: ExistingNetwork | None) -> Network:
        """VPC, endpoints, and a security group for each workload; destroyed before the functions' roles."""
        config = self._config
        reaches_all = config.has_nat if existing is None else existing.reaches_all
        endpoints = created_endpoints(config, reaches_all=reaches_all)
        of_functions: dict[str, Sequence[policies.Document]] = {
            workload: [self._function_policy(workload)] for workload in self._functions
        }
        needed = {"tasks": [], **endpoint_policies.needs(of_functions)}
        args = NetworkArgs(
            part=self._part,
            existing=existing,
            zones=self._zones() if existing is None else (),
            workloads=["tasks", *self._functions],
            open_workloads=endpoint_policies.open_workloads(config, needed, endpoints),
            interface_endpoints=endpoints,
            endpoint_policies=self._endpoint_policies((*GATEWAY_SERVICES, *endpoints), of_functions),
            outlived_by=[policy for role in function_roles for policy in role.policies],
        )
        return Network(f"{self._prefix}-network", args, self._child)

    def _endpoint_policies(
        self, services: Sequence[str], of_functions: endpoint_policies.Documents
    ) -> Mapping[str, pulumi.Input[str]]:
        """The policies, as JSON, of those endpoints that take one."""
        config, job = self._config, self._config.job

        def of_roles(known: Mapping[str, Any]) -> endpoint_policies.Documents:
            known_job = dataclasses.replace(job, image=known["image"], secrets=known["secrets"])
            return {
                "task": [task_policy(self._names, config), *filter(None, [known["policy"]])],
                "task-execution": [execution_policy(self._names, known_job)],
                **of_functions,
            }

        documents = pulumi.Output.all(image=job.image, secrets=dict(job.secrets), policy=job.policy).apply(of_roles)
        return {
            service: documents.apply(partial(endpoint_policies.as_json, self._names, service))
            if endpoint_policies.is_restricted(config, service)
            else endpoint_policies.OPEN
            for service in services
            if service in endpoint_policies.PREFIXES
        }

    def _zones(self) -> Sequence[str]:
        config = self._config
        return zones.of_vpc(self._names.target.region, config.availability_zones, config.cpu_architecture)

    def _image(self) -> TaskImage | None:
        """The image repository and the task's image; None with a ready image."""
        job = self._config.job
        if job.is_ready_image:
            return None
        if job.context:
            context = stage_job_context(job.context, job.dockerfile, has_library=not job.has_ecs_records)
        else:
            context = stage_mirror() if job.mirror else stage_context()
        args = TaskImageArgs(
            repository=self._names.base,
            context=context,
            base_image=job.mirror or self._config.base_image,
            platform=self._config.docker_platform,
            tags=self._part.tags,
            kms_key_arn=self._config.kms_key_arn,
            is_retained=self._config.retains_data,
        )
        return TaskImage(f"{self._prefix}-image", args, self._child)

    def _function(
        self, workload: FunctionName, role: WorkloadRole, network: Network, task: EcsTask, failures: FailureQueue
    ) -> PrivateFunction:
        args = PrivateFunctionArgs(
            part=self._part,
            workload=workload,
            role=role,
            description=self._describe(workload),
            memory_mib=memory_mib(self._config.run_task_rate),
            settings=self._function_settings(network, task),
            subnet_ids=network.private_subnet_ids,
            security_group_ids=network.security_group_ids[workload],
            failure_queue_arn=None if workload == "launcher" else failures.arn,
        )
        if workload == "reporter":
            settings = self._infrastructure(network, task).apply(self._reporter_settings)
            args = dataclasses.replace(
                args,
                variable=reports.VARIABLE,
                settings=settings,
                memory_mib=REPORTER_MEMORY_MIB,
                timeout_seconds=REPORTER_TIMEOUT_SECONDS,
            )
        return PrivateFunction(f"{self._prefix}-{workload}", args, self._child)

    def _infrastructure(self, network: Network, task: EcsTask) -> pulumi.Output[dict[str, str]]:
        return pulumi.Output.all(
            subnet_ids=network.private_subnet_ids,
            security_group_ids=network.security_group_ids["tasks"],
            task_definition=task.family_and_revision,
        ).apply(lambda known: function_settings.infrastructure(self._names, **known))

    def _reporter_settings(self, infrastructure: Mapping[str, str]) -> str:
        return function_settings.reporter_settings(self._names, self._config, self._functions, infrastructure)

    def _function_settings(self, network: Network, task: EcsTask) -> pulumi.Output[str]:
        return pulumi.Output.all(
            infrastructure=self._infrastructure(network, task),
            # Of configured groups, tasks have all already.
            security_group_ids=[] if self._config.security_group_ids else network.all_security_group_ids,
        ).apply(lambda known: function_settings.function_settings(self._names, self._config, **known).to_json())

    def _state_machine(
        self, functions: Mapping[FunctionName, PrivateFunction], *, needs: Sequence[pulumi.Resource]
    ) -> WorkflowStateMachine:
        """The state machine, created after what it calls. It calls the functions' versions of this deployment."""
        versions = {f"{workload}_function_arn": functions[workload].version_arn for workload in self.functions}
        unversioned = {f"{workload}_function_arn": self._names.function_arn(workload) for workload in self.functions}
        args = WorkflowStateMachineArgs(
            part=self._part,
            definition=pulumi.Output.all(**versions).apply(lambda arns: json.dumps(self._document(arns))),
            policy=policies.state_machine(self._names, self._document(unversioned)),
        )
        opts = pulumi.ResourceOptions(parent=self, depends_on=list(needs))
        return WorkflowStateMachine(f"{self._prefix}-state-machine", args, opts)

    def _document(self, versions: Mapping[str, str]) -> definitions.State:
        return type(self).definition(
            definitions.StateMachineSettings(
                **versions,
                partition=self._names.target.partition,
                summary_table=self._names.summary_table,
                container_name=CONTAINER,
                run_timeout_seconds=self._config.run_timeout_seconds,
                task_timeout_seconds=self._config.task_timeout_seconds,
                max_concurrency=self._config.max_concurrency,
                spot_share=self._config.spot_share,
                has_ecs_records=self._config.has_ecs_records,
            )
        )


class TaskSubmissionFromLambda(Pattern):
    """Pattern 1: the Task Launcher, a function, starts the ECS tasks; the Task Monitor, in a loop, tracks them."""

    number = 1
    functions = ("monitor", "launcher")
    definition = definitions.pattern_1


class TaskSubmissionFromStepFunctions(Pattern):
    """Pattern 2: the state machine itself starts the ECS tasks; the Task Monitor, in a second branch, tracks them."""

    number = 2
    functions = ("monitor",)
    definition = definitions.pattern_2


COMPONENTS: Mapping[int, type[Pattern]] = {
    pattern.number: pattern for pattern in (TaskSubmissionFromLambda, TaskSubmissionFromStepFunctions)
}
"""The component of each pattern."""
