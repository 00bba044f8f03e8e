"""Puts every correction in its place: the one list of what is replaced in MiniStack."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_actions, lambda_runtime
from ministack.services import dynamodb, ec2, ecs, eventbridge, lambda_svc
from ministack.services import stepfunctions as states

from automation.local.emulator.aws_behaviour import (
    dynamodb_time_to_live,
    ecs_api,
    event_targets,
    jsonata_numbers,
    lambda_functions,
    lambda_interfaces,
    lambda_versions,
    request_authorization,
    states_engine,
    states_machines,
    states_redrive,
    states_scope,
    states_test_state,
    vpc_networking,
)
from automation.local.emulator.aws_behaviour.ecs_api import PlacementFailures, no_failures, no_quota
from automation.local.emulator.aws_behaviour.ecs_tasks import TaskLives
from automation.local.emulator.aws_behaviour.patching import replace, replace_entry, require_known_ministack
from automation.local.emulator.aws_behaviour.states_integrations import Integrations
from automation.local.emulator.children import Children
from automation.local.emulator.runtimes import ContainerRuntime


def install(
    runtime: ContainerRuntime,
    children: Children,
    folder: Path,
    placement_failures: PlacementFailures = no_failures,
    vcpu_quota: Callable[[], float | None] = no_quota,
) -> TaskLives:
    """Correct MiniStack in this process.

    Args:
        runtime: runs the containers of ECS tasks.
        children: starts the processes of functions.
        folder: the emulator's own.
        placement_failures: RunTask's `failures[]`.
        vcpu_quota: of the account on Fargate; None for none.

    Returns:
        The lives of the ECS tasks, to be ended with the emulator.

    Raises:
        UnsupportedMiniStack: another version is installed.
        MissingPatchPoint: a name to replace is not there.
    """
    require_known_ministack()
    _authorization()
    lives = _ecs(runtime, placement_failures, vcpu_quota)
    interfaces = lambda_interfaces.LambdaInterfaces()
    _lambda(children, folder, interfaces)
    _states()
    _events()
    _ec2(interfaces)
    _dynamodb()
    return lives


def _authorization() -> None:
    original = replace(iam_actions, "extract_resource_arn", None)
    iam_actions.extract_resource_arn = request_authorization.resource_arn(original)
    original = replace(iam_actions, "request_tag_context", None)
    iam_actions.request_tag_context = request_authorization.request_context(original)
    original = replace(iam_actions, "access_denied_response", None)
    iam_actions.access_denied_response = request_authorization.denial_answer(original)
    original = replace(app, "pin_request_origin", None)
    app.pin_request_origin = request_authorization.over_tls(original)
    for service in request_authorization.FURTHER_CHECKS:
        replace_entry(
            app.SERVICE_HANDLERS,
            "app.SERVICE_HANDLERS",
            service,
            functools.partial(request_authorization.authorizing, service),
        )


def _ecs(
    runtime: ContainerRuntime, placement_failures: PlacementFailures, vcpu_quota: Callable[[], float | None]
) -> TaskLives:
    lives = TaskLives(runtime)
    replace(ecs, "_docker", runtime)
    replace(ecs, "_run_task_worker", lives.lead)
    replace(ecs, "_maybe_mark_stopped", lambda _task, _client=None: None)
    replace(ecs, "_resolve_td_key", ecs_api.resolve_task_definition)
    replace(ecs, "_ts_to_epoch", ecs_api.epoch_seconds)
    run_task = ecs_api.answering(ecs_api.RunTask(ecs._run_task, placement_failures, vcpu_quota))
    register = ecs_api.answering(ecs_api.RegisterTaskDefinition(ecs._register_task_definition))
    calls = {
        "RunTask": ("_run_task", run_task),
        "StopTask": ("_stop_task", ecs_api.answering(ecs_api.StopTask(lives.stop))),
        "DescribeTasks": ("_describe_tasks", ecs_api.answering(ecs_api.describe_tasks)),
        "ListTasks": ("_list_tasks", ecs_api.answering(ecs_api.list_tasks)),
        "RegisterTaskDefinition": ("_register_task_definition", register),
    }
    for action, (name, call) in calls.items():
        replace(ecs, name, call)
        replace_entry(ecs._ACTION_MAP, "ecs._ACTION_MAP", action, functools.partial(_instead, call))
    return lives


def _instead(call: Any, _original: Any) -> Any:
    return call


def _lambda(children: Children, folder: Path, interfaces: lambda_interfaces.LambdaInterfaces) -> None:
    functions = lambda_functions.Functions(children, folder / "lambda")
    original = replace(lambda_runtime, "_worker_class_for", None)
    lambda_runtime._worker_class_for = functions.environment_class(original)
    original = replace(lambda_svc, "_execute_function_warm", None)
    lambda_svc._execute_function_warm = functions.run(original)
    original = replace(lambda_svc, "_emit_lambda_logs", None)
    lambda_svc._emit_lambda_logs = lambda_functions.logging_when_allowed(original)
    replace(lambda_runtime, "invalidate_worker", functions.retire)
    replace(lambda_svc, "invalidate_worker", functions.retire)
    wraps: dict[str, Callable[[Any], Any]] = {
        "_create_function": lambda original: interfaces.following(
            lambda_functions.creating(lambda_versions.creating(original))
        ),
        "_update_code": lambda_versions.updating_code,
        "_update_config": lambda original: interfaces.following(lambda_versions.updating_configuration(original)),
        "_publish_version": functools.partial(_instead, lambda_versions.publish_version),
        "_get_function": lambda_versions.getting,
        "_get_function_config": lambda_versions.getting,
        "_list_versions": lambda_versions.listing,
        "_delete_function": lambda original: interfaces.following(lambda_versions.deleting(original)),
        "_reserved_concurrency": lambda_versions.reserving,
    }
    for name, wrap in wraps.items():
        original = replace(lambda_svc, name, None)
        setattr(lambda_svc, name, wrap(original))
    replace(lambda_svc, "_LAMBDA_STATE_TRANSITION_DELAY", lambda_functions.STATE_TRANSITION_SECONDS)


def _states() -> None:
    executions = states_engine.Executions(Integrations())
    machines = states_machines.Machines(
        executions,
        create=states._create_state_machine,
        update=states._update_state_machine,
        delete=states._delete_state_machine,
        start=states._start_execution,
    )
    replace(states, "_create_state_machine", states_machines.answering(machines.create))
    replace(states, "_update_state_machine", states_machines.answering(machines.update))
    replace(states, "_delete_state_machine", states_machines.answering(machines.delete))
    replace(states, "_start_execution", states_machines.answering(machines.start))
    replace(states, "_stop_execution", executions.stop)
    original = replace(states, "_describe_execution", None)
    states._describe_execution = states_redrive.describing(original)
    original = replace(states, "_describe_state_machine_for_execution", None)
    states._describe_state_machine_for_execution = states_redrive.describing_machine(original)
    redrive = states_redrive.redriving(executions.run_again)
    replace_entry(
        app.SERVICE_HANDLERS, "app.SERVICE_HANDLERS", "states", functools.partial(states_redrive.serving, redrive)
    )
    replace(states, "_run_execution", executions.run)
    replace(states, "_run_sub_machine", executions.run_states)
    replace(states, "_execute_task", executions.task)
    replace(states, "_execute_parallel", executions.parallel)
    replace(states, "_execute_map", executions.map)
    replace(states, "_test_state", states_machines.answering(states_test_state.TestState(executions)))
    replace(states, "_add_event", executions.note)
    replace(states, "_apply_state_assign", states_engine.assign)
    replace(states, "_emit_execution_status_event", states_engine.publish_status)
    original = states._SFN_WAIT_SCALE
    replace(states, "_scaled_sleep", lambda seconds: states_scope.sleep_in_scope(seconds * original))
    jsonata_numbers.install()


def _events() -> None:
    original = replace(eventbridge, "_invoke_target", None)
    eventbridge._invoke_target = event_targets.remembering_rule(original)
    replace(eventbridge, "_dispatch_to_lambda", event_targets.call_function)


def _ec2(interfaces: lambda_interfaces.LambdaInterfaces) -> None:
    original = replace(ec2, "_subnet_fields_xml", None)
    ec2._subnet_fields_xml = vpc_networking.subnet_xml(original)
    calls: dict[str, Callable[[Any], Any]] = {
        "CreateSubnet": vpc_networking.creating_subnet,
        "ModifySubnetAttribute": vpc_networking.modifying_subnet,
        "CreateVpcEndpoint": vpc_networking.creating_endpoint,
        "ModifyVpcEndpoint": vpc_networking.modifying_endpoint,
        "DescribeAvailabilityZones": functools.partial(_instead, vpc_networking.describe_zones),
        "DescribeVpcEndpoints": functools.partial(_instead, vpc_networking.describe_endpoints),
        "CreateNatGateway": vpc_networking.creating_nat_gateway,
        "DescribeNatGateways": vpc_networking.describing_nat_gateways,
        "DescribeNetworkInterfaces": lambda_interfaces.describing,
        "DeleteSecurityGroup": interfaces.deleting_security_group,
        "DeleteSubnet": interfaces.deleting_subnet,
    }
    for action, wrap in calls.items():
        replace_entry(ec2._ACTION_MAP, "ec2._ACTION_MAP", action, wrap)


def _dynamodb() -> None:
    original = replace(dynamodb, "_update_ttl", None)
    dynamodb._update_ttl = dynamodb_time_to_live.updating(original)
    original = replace(dynamodb, "_describe_ttl", None)
    dynamodb._describe_ttl = dynamodb_time_to_live.describing(original)
