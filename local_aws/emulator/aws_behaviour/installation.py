"""Every correction with what it replaces: the one list, and its installation in the emulator's process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jsonata.functions import Functions as JsonataFunctions
from ministack import app
from ministack.core import iam_actions, lambda_runtime
from ministack.services import dynamodb, ec2, ecs, eventbridge, lambda_svc
from ministack.services import stepfunctions as states

from local_aws.emulator.aws_behaviour import (
    dynamodb_time_to_live,
    ecs_api,
    ecs_events,
    event_targets,
    execution_role,
    fargate_quota,
    jsonata_numbers,
    lambda_functions,
    lambda_interfaces,
    lambda_versions,
    request_authorization,
    states_engine,
    states_machines,
    states_redrive,
    states_scope,
    vpc_networking,
)
from local_aws.emulator.aws_behaviour.calls import Call, answering
from local_aws.emulator.aws_behaviour.ecs_api import PlacementFailures, no_failures, no_quota
from local_aws.emulator.aws_behaviour.ecs_tasks import TaskLives
from local_aws.emulator.aws_behaviour.patching import (
    Correction,
    Patch,
    instead,
    patches_of,
    require_known_ministack,
)
from local_aws.emulator.aws_behaviour.states_integrations import Integrations
from local_aws.emulator.children import Children
from local_aws.emulator.runtimes import ContainerRuntime


def install(
    runtime: ContainerRuntime,
    children: Children,
    folder: Path,
    placement_failures: PlacementFailures = no_failures,
    vcpu_quota: Callable[[], float | None] = no_quota,
    left_out: str = "",
) -> TaskLives:
    """Correct MiniStack in this process.

    Args:
        runtime: runs the containers of ECS tasks.
        children: starts the processes of functions.
        folder: the emulator's own.
        placement_failures: RunTask's `failures[]`.
        vcpu_quota: of the account on Fargate; None for none.
        left_out: the names of the corrections to leave out, with commas between them.

    Returns:
        The lives of the ECS tasks, to be ended with the emulator.

    Raises:
        UnsupportedMiniStack: another version is installed.
        UnknownCorrection: there is none of a name in `left_out`.
        MissingPatchPoint: a name to replace is not there.
    """
    require_known_ministack()
    lives = TaskLives(runtime)
    every = every_correction(lives, children, folder, placement_failures, vcpu_quota)
    for patch in patches_of(every, left_out):
        patch.apply()
    return lives


def every_correction(
    lives: TaskLives,
    children: Children,
    folder: Path,
    placement_failures: PlacementFailures = no_failures,
    vcpu_quota: Callable[[], float | None] = no_quota,
) -> list[Correction]:
    """All corrections, in the order in which their patches are applied; nothing is replaced yet."""
    return [
        *_authorization(),
        *_ecs(lives, placement_failures, vcpu_quota),
        *_lambda(lambda_functions.Functions(children, folder / "lambda")),
        *_interfaces(lambda_interfaces.LambdaInterfaces()),
        *_states(),
        *_ec2(),
        Correction(
            "event_targets",
            (
                Patch(eventbridge, "_invoke_target", event_targets.remembering_rule),
                Patch(eventbridge, "_dispatch_to_lambda", instead(event_targets.call_function)),
            ),
        ),
        Correction("dynamodb_time_to_live", (Patch(dynamodb, "_update_ttl", dynamodb_time_to_live.updating),)),
    ]


def _authorization() -> list[Correction]:
    one = functools.partial(_one, "request_authorization")
    checks = [
        Patch(app, "SERVICE_HANDLERS", functools.partial(request_authorization.authorizing, service), service)
        for service in request_authorization.FURTHER_CHECKS
    ]
    return [
        one("resources", iam_actions, "extract_resource_arn", request_authorization.resource_arn),
        one("condition_keys", iam_actions, "request_tag_context", request_authorization.request_context),
        one("messages", iam_actions, "access_denied_response", request_authorization.denial_answer),
        one("secure_transport", app, "pin_request_origin", request_authorization.over_tls),
        Correction("request_authorization.further_checks", tuple(checks)),
    ]


def _one(module: str, part: str, owner: object, name: str, wrap: Callable[..., object]) -> Correction:
    return Correction(f"{module}.{part}", (Patch(owner, name, wrap),))


def _ecs(
    lives: TaskLives, placement_failures: PlacementFailures, vcpu_quota: Callable[[], float | None]
) -> list[Correction]:
    def call(action: str, wrap: Callable[..., Call]) -> Patch:
        return Patch(ecs, "_ACTION_MAP", lambda original: answering(wrap(original)), action)

    def run_task(original: Call) -> Call:
        return ecs_api.RunTask(original, placement_failures, vcpu_quota)

    return [
        Correction(
            "ecs_tasks",
            (
                Patch(ecs, "_docker", instead(lives.runtime)),
                Patch(ecs, "_run_task_worker", instead(lives.lead)),
                Patch(ecs, "_maybe_mark_stopped", instead(lambda _task, _client=None: None)),
                call("StopTask", instead(ecs_api.stop_task(lives.stop))),
            ),
        ),
        Correction("ecs_events", without=(Patch(ecs_events, "task_changed", instead(lambda _task: None)),)),
        Correction("execution_role", without=(Patch(execution_role, "role_denial", instead(lambda *_, **__: None)),)),
        Correction("fargate_quota", without=(Patch(fargate_quota, "room", instead(_room_for_all)),)),
        _one("ecs_api", "latest_active", ecs, "_resolve_td_key", instead(ecs_api.resolve_task_definition)),
        _one("ecs_api", "times", ecs, "_ts_to_epoch", instead(ecs_api.epoch_seconds)),
        Correction("ecs_api.run_task", (call("RunTask", run_task),)),
        Correction("ecs_api.describe_tasks", (call("DescribeTasks", instead(ecs_api.describe_tasks)),)),
        Correction("ecs_api.list_tasks", (call("ListTasks", instead(ecs_api.list_tasks)),)),
        Correction("ecs_api.register", (call("RegisterTaskDefinition", ecs_api.registering),)),
    ]


def _room_for_all(_quota_vcpus: float, request: dict[str, Any], *_: object) -> int:
    count: int = request.get("count", 1)
    return count


def _lambda(functions: lambda_functions.Functions) -> list[Correction]:
    version = functools.partial(_one, "lambda_versions")
    return [
        Correction(
            "lambda_functions.environments",
            (
                Patch(lambda_runtime, "_worker_class_for", functions.environment_class),
                Patch(lambda_svc, "_execute_function_warm", functions.run),
                Patch(lambda_runtime, "invalidate_worker", instead(functions.retire)),
                Patch(lambda_svc, "invalidate_worker", instead(functions.retire)),
            ),
        ),
        _one("lambda_functions", "log", lambda_svc, "_emit_lambda_logs", lambda_functions.logging_when_allowed),
        version("create", lambda_svc, "_create_function", lambda_versions.creating),
        version("update_code", lambda_svc, "_update_code", lambda_versions.updating_code),
        version("update_configuration", lambda_svc, "_update_config", lambda_versions.updating_configuration),
        version("publish", lambda_svc, "_publish_version", instead(lambda_versions.publish_version)),
        Correction(
            "lambda_versions.get",
            (
                Patch(lambda_svc, "_get_function", lambda_versions.getting),
                Patch(lambda_svc, "_get_function_config", lambda_versions.getting),
            ),
        ),
        version("list", lambda_svc, "_list_versions", lambda_versions.listing),
        version("delete", lambda_svc, "_delete_function", lambda_versions.deleting),
        version("concurrency", lambda_svc, "_reserved_concurrency", lambda_versions.reserving),
        _one("lambda_functions", "roles", lambda_svc, "_create_function", lambda_functions.creating),
    ]


def _interfaces(interfaces: lambda_interfaces.LambdaInterfaces) -> list[Correction]:
    changing = ("_create_function", "_update_config", "_delete_function")
    return [
        Correction(
            "lambda_interfaces",
            (
                *(Patch(lambda_svc, name, interfaces.following) for name in changing),
                Patch(ec2, "_ACTION_MAP", lambda_interfaces.describing, "DescribeNetworkInterfaces"),
                Patch(ec2, "_ACTION_MAP", interfaces.deleting_security_group, "DeleteSecurityGroup"),
                Patch(ec2, "_ACTION_MAP", interfaces.deleting_subnet, "DeleteSubnet"),
            ),
        )
    ]


def _states() -> list[Correction]:
    integrations = Integrations()
    executions = states_engine.Executions(integrations)
    machines = states_machines.Machines(executions)
    redrive = answering(states_redrive.redriving(executions.run_again))

    def machine(part: str, name: str, wrap: Callable[..., Call]) -> Correction:
        return _one("states_machines", part, states, name, lambda original: answering(wrap(original)))

    return [
        Correction(
            "states_engine.executions",
            (
                Patch(states, "_run_execution", instead(executions.run)),
                Patch(states, "_stop_execution", instead(answering(executions.stop))),
                Patch(states, "_add_event", instead(executions.note)),
                Patch(states, "_scaled_sleep", instead(states_scope.sleep_in_scope)),
            ),
        ),
        _one("states_engine", "assign", states, "_apply_state_assign", instead(states_engine.assign)),
        Correction("states_integrations", without=(Patch(integrations, "find", instead(lambda _resource: None)),)),
        machine("create", "_create_state_machine", machines.creating),
        machine("update", "_update_state_machine", machines.updating),
        machine("delete", "_delete_state_machine", machines.deleting),
        machine("start", "_start_execution", machines.starting),
        machine("describe", "_describe_state_machine_for_execution", states_machines.describing_for_execution),
        Correction(
            "states_redrive",
            (
                Patch(states, "_describe_execution", states_redrive.describing),
                Patch(app, "SERVICE_HANDLERS", functools.partial(states_redrive.serving, redrive), "states"),
            ),
        ),
        Correction("jsonata_numbers", (Patch(JsonataFunctions.Encoder, "encode", jsonata_numbers.encoding),)),
    ]


def _ec2() -> list[Correction]:
    def part(name: str, calls: dict[str, Callable[..., object]], *more: Patch) -> Correction:
        patches = (Patch(ec2, "_ACTION_MAP", wrap, action) for action, wrap in calls.items())
        return Correction(f"vpc_networking.{name}", (*more, *patches))

    return [
        part(
            "subnets",
            {
                "CreateSubnet": vpc_networking.creating_subnet,
                "ModifySubnetAttribute": vpc_networking.modifying_subnet,
            },
            Patch(ec2, "_subnet_fields_xml", vpc_networking.subnet_xml),
        ),
        part(
            "endpoints",
            {
                "CreateVpcEndpoint": vpc_networking.creating_endpoint,
                "ModifyVpcEndpoint": vpc_networking.modifying_endpoint,
                "DescribeVpcEndpoints": instead(vpc_networking.describe_endpoints),
            },
        ),
        part(
            "nat_gateways",
            {
                "CreateNatGateway": vpc_networking.creating_nat_gateway,
                "DescribeNatGateways": vpc_networking.describing_nat_gateways,
            },
        ),
        part("zones", {"DescribeAvailabilityZones": instead(vpc_networking.describe_zones)}),
    ]
