"""Every correction with what it replaces: the one list, and its installation in the emulator's process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from jsonata.functions import Functions as JsonataFunctions
from jsonata.timebox import Timebox
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
    jsonata_engine,
    lambda_functions,
    lambda_interfaces,
    lambda_versions,
    request_authorization,
    states_engine,
    states_integrations,
    states_machines,
    states_scope,
    vpc_networking,
)
from local_aws.emulator.aws_behaviour.calls import answering
from local_aws.emulator.aws_behaviour.ecs_tasks import TaskLives
from local_aws.emulator.aws_behaviour.patching import (
    Correction,
    Patch,
    around,
    instead,
    patches_of,
    require_known_ministack,
)
from local_aws.emulator.children import Children
from local_aws.emulator.runtimes import ContainerRuntime

Wrap = Callable[..., object]


def install(runtime: ContainerRuntime, children: Children, folder: Path, left_out: str = "") -> TaskLives:
    """Correct MiniStack in this process, but for the corrections in `left_out`; returns the lives of ECS tasks."""
    require_known_ministack()
    lives = TaskLives(runtime)
    for patch in patches_of(every_correction(lives, children, folder), left_out):
        patch.apply()
    return lives


def every_correction(lives: TaskLives, children: Children, folder: Path) -> list[Correction]:
    """All corrections, in the order in which their patches are applied; nothing is replaced yet."""
    return [
        *_authorization(),
        *_ecs(lives),
        *_lambda(lambda_functions.Functions(children, folder / "lambda")),
        _interfaces(lambda_interfaces.LambdaInterfaces()),
        *_states(),
        *_ec2(),
        Correction(
            "event_targets",
            (
                Patch(eventbridge, "_invoke_target", around(event_targets.call_target)),
                Patch(eventbridge, "_dispatch_to_lambda", instead(event_targets.call_function)),
            ),
        ),
        _one("dynamodb_time_to_live", dynamodb, "_update_ttl", _refusing(dynamodb_time_to_live.update)),
    ]


def _one(name: str, owner: object, replaced: str, wrap: Wrap) -> Correction:
    return Correction(name, (Patch(owner, replaced, wrap),))


def _refusing(call: Callable[..., object], *first: object) -> Wrap:
    """As `around`, with the answers that AWS has for what the call refuses."""
    return lambda original: answering(functools.partial(call, *first, original))


def _authorization() -> list[Correction]:
    checks = [
        Patch(app, "SERVICE_HANDLERS", around(request_authorization.authorize, service), service)
        for service in request_authorization.FURTHER_CHECKS
    ]

    def part(name: str, owner: object, replaced: str, call: Callable[..., object]) -> Correction:
        return _one(f"request_authorization.{name}", owner, replaced, around(call))

    return [
        part("resources", iam_actions, "extract_resource_arn", request_authorization.resource_arn),
        part("condition_keys", iam_actions, "request_tag_context", request_authorization.request_context),
        part("messages", iam_actions, "access_denied_response", request_authorization.denial_answer),
        part("secure_transport", app, "pin_request_origin", request_authorization.note_origin),
        Correction("request_authorization.further_checks", tuple(checks)),
    ]


def _ecs(lives: TaskLives) -> list[Correction]:
    def call(action: str, wrap: Wrap) -> Patch:
        return Patch(ecs, "_ACTION_MAP", wrap, action)

    def part(name: str, action: str, wrap: Wrap) -> Correction:
        return Correction(f"ecs_api.{name}", (call(action, wrap),))

    return [
        Correction(
            "ecs_tasks",
            (
                Patch(ecs, "_docker", instead(lives.runtime)),
                Patch(ecs, "_run_task_worker", instead(lives.lead)),
                Patch(ecs, "_maybe_mark_stopped", instead(lambda _task, _client=None: None)),
                call("StopTask", instead(answering(functools.partial(ecs_api.stop_task, lives.stop)))),
            ),
        ),
        Correction("ecs_events", without=(Patch(ecs_events, "task_changed", instead(lambda _task: None)),)),
        Correction("execution_role", without=(Patch(execution_role, "role_denial", instead(lambda *_, **__: None)),)),
        Correction(
            "fargate_quota",
            without=(Patch(fargate_quota, "room", instead(lambda _quota, request, *_: request.get("count", 1))),),
        ),
        _one("ecs_api.latest_active", ecs, "_resolve_td_key", instead(ecs_api.resolve_task_definition)),
        _one("ecs_api.times", ecs, "_ts_to_epoch", instead(ecs_api.epoch_seconds)),
        part("run_task", "RunTask", lambda original: answering(ecs_api.RunTask(original))),
        part("describe_tasks", "DescribeTasks", instead(answering(ecs_api.describe_tasks))),
        part("list_tasks", "ListTasks", instead(answering(ecs_api.list_tasks))),
        part("register", "RegisterTaskDefinition", _refusing(ecs_api.register)),
    ]


def _lambda(functions: lambda_functions.Functions) -> list[Correction]:
    def version(part: str, name: str, call: Callable[..., object]) -> Correction:
        return _one(f"lambda_versions.{part}", lambda_svc, name, _refusing(call))

    return [
        Correction(
            "lambda_functions.environments",
            (
                Patch(lambda_runtime, "_worker_class_for", instead(lambda _config: functions.environment)),
                Patch(lambda_svc, "_execute_function_warm", instead(functions.run)),
                Patch(lambda_runtime, "invalidate_worker", instead(functions.retire)),
                Patch(lambda_svc, "invalidate_worker", instead(functions.retire)),
            ),
        ),
        _one("lambda_functions.log", lambda_svc, "_emit_lambda_logs", around(lambda_functions.write_log)),
        version("create", "_create_function", lambda_versions.create),
        version("update_code", "_update_code", lambda_versions.update_code),
        version("update_configuration", "_update_config", lambda_versions.update_configuration),
        _one(
            "lambda_versions.publish",
            lambda_svc,
            "_publish_version",
            instead(answering(lambda_versions.publish_version)),
        ),
        Correction(
            "lambda_versions.get",
            (
                Patch(lambda_svc, "_get_function", around(lambda_versions.get)),
                Patch(lambda_svc, "_get_function_config", around(lambda_versions.get)),
            ),
        ),
        version("list", "_list_versions", lambda_versions.list_versions),
        version("delete", "_delete_function", lambda_versions.delete),
        version("concurrency", "_reserved_concurrency", lambda_versions.reserved_concurrency),
        _one("lambda_functions.roles", lambda_svc, "_create_function", _refusing(lambda_functions.create)),
    ]


def _interfaces(interfaces: lambda_interfaces.LambdaInterfaces) -> Correction:
    subnet = ("SubnetId", "The subnet '{}' has dependencies and cannot be deleted.")
    group = ("GroupId", "resource {} has a dependent object")
    return Correction(
        "lambda_interfaces",
        (
            *(
                Patch(lambda_svc, name, around(interfaces.follow))
                for name in ("_create_function", "_update_config", "_delete_function")
            ),
            Patch(ec2, "_ACTION_MAP", around(lambda_interfaces.describe), "DescribeNetworkInterfaces"),
            Patch(ec2, "_ACTION_MAP", around(interfaces.delete, *group), "DeleteSecurityGroup"),
            Patch(ec2, "_ACTION_MAP", around(interfaces.delete, *subnet), "DeleteSubnet"),
        ),
    )


def _states() -> list[Correction]:
    integrations = states_integrations.Integrations()
    executions = states_engine.Executions(integrations)

    def machine(part: str, name: str, call: Callable[..., object], *first: object) -> Correction:
        return _one(f"states_machines.{part}", states, name, _refusing(call, *first))

    return [
        Correction(
            "states_engine.executions",
            (
                Patch(states, "_run_execution", instead(executions.run)),
                Patch(states, "_stop_execution", instead(answering(executions.stop))),
                Patch(states, "_scaled_sleep", instead(states_scope.sleep_in_scope)),
            ),
        ),
        _one("states_engine.assign", states, "_apply_state_assign", instead(states_engine.assign)),
        Correction(
            "states_integrations", without=(Patch(integrations, "call", instead(states_integrations.ministacks_own)),)
        ),
        machine("create", "_create_state_machine", states_machines.create),
        machine("update", "_update_state_machine", states_machines.update),
        machine("delete", "_delete_state_machine", states_machines.delete, executions),
        machine("start", "_start_execution", states_machines.start),
        machine("describe", "_describe_state_machine_for_execution", states_machines.describe_for_execution),
        Correction(
            "states_machines.redrive",
            (
                Patch(states, "_describe_execution", around(states_machines.describe)),
                Patch(app, "SERVICE_HANDLERS", around(states_machines.redrive, executions), "states"),
            ),
        ),
        _one("jsonata_engine.numbers", JsonataFunctions.Encoder, "encode", jsonata_engine.encoding),
        _one(
            "jsonata_engine.time_limit",
            Timebox,
            "current_milli_time",
            instead(staticmethod(jsonata_engine.processor_milliseconds)),
        ),
    ]


def _ec2() -> list[Correction]:
    def part(name: str, calls: dict[str, Wrap], *more: Patch) -> Correction:
        patches = (Patch(ec2, "_ACTION_MAP", wrap, action) for action, wrap in calls.items())
        return Correction(f"vpc_networking.{name}", (*more, *patches))

    return [
        part(
            "subnets",
            {
                "CreateSubnet": around(vpc_networking.create_subnet),
                "ModifySubnetAttribute": around(vpc_networking.modify_subnet),
            },
            Patch(ec2, "_subnet_fields_xml", around(vpc_networking.subnet_xml)),
        ),
        part(
            "endpoints",
            {
                "CreateVpcEndpoint": around(vpc_networking.create_endpoint),
                "ModifyVpcEndpoint": around(vpc_networking.modify_endpoint),
                "DescribeVpcEndpoints": instead(vpc_networking.describe_endpoints),
            },
        ),
        part(
            "nat_gateways",
            {
                "CreateNatGateway": around(vpc_networking.create_nat_gateway),
                "DescribeNatGateways": around(vpc_networking.describe_nat_gateways),
            },
        ),
        part("zones", {"DescribeAvailabilityZones": instead(vpc_networking.describe_zones)}),
    ]
