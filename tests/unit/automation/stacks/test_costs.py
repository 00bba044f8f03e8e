"""The cost of what a preview is going to create."""

from typing import Any

import pytest

from ecs_kit.automation.stacks.costs import estimate
from ecs_kit.automation.stacks.lifecycle import ResourceStep


def step(type_token: str, **inputs: Any) -> ResourceStep:
    return ResourceStep(operation="create", type=type_token, name="x", inputs=inputs)


def endpoint(kind: str, subnets: Any = None) -> ResourceStep:
    return step("aws:ec2/vpcEndpoint:VpcEndpoint", vpcEndpointType=kind, subnetIds=subnets)


def test_interface_endpoints_cost_by_the_zone_and_gateway_endpoints_nothing() -> None:
    estimated = estimate([endpoint("Interface", ["a", "b"]), endpoint("Interface", ["a"]), endpoint("Gateway")])

    assert estimated.dollars_per_hour == pytest.approx(0.03)


def test_subnets_that_a_preview_does_not_know_count_as_two_zones() -> None:
    assert estimate([endpoint("Interface", "unknown")]).dollars_per_hour == pytest.approx(0.02)


def test_nat_gateways_bring_an_address_each() -> None:
    steps = [step("aws:ec2/natGateway:NatGateway"), step("aws:ec2/eip:Eip")]

    assert estimate(steps).dollars_per_hour == pytest.approx(0.05)


def test_tables_and_their_indexes_cost_their_capacity_unless_they_are_billed_by_request() -> None:
    table = "aws:dynamodb/table:Table"
    index = {"name": "open_runs", "readCapacity": 1, "writeCapacity": 1}
    steps = [
        step(table, billingMode="PROVISIONED", readCapacity=5, writeCapacity=5, globalSecondaryIndexes=[index]),
        step(table, billingMode="PAY_PER_REQUEST", globalSecondaryIndexes=[{"name": "open_runs"}]),
    ]

    assert estimate(steps).dollars_per_hour == pytest.approx(6 * 0.00013 + 6 * 0.00065)


def test_a_task_costs_while_it_runs_by_its_architecture() -> None:
    definition = "aws:ecs/taskDefinition:TaskDefinition"
    x86 = estimate([step(definition, cpu="256", memory="512")]).per_task
    arm = estimate([step(definition, cpu="1024", memory="2048", runtimePlatform={"cpuArchitecture": "ARM64"})]).per_task

    assert x86 is not None and x86.dollars_per_hour == pytest.approx(0.25 * 0.04048 + 0.5 * 0.004445)
    assert arm is not None and arm.dollars_per_hour == pytest.approx(0.03238 + 2 * 0.00356)


def test_a_task_of_unknown_size_has_no_price() -> None:
    assert estimate([step("aws:ecs/taskDefinition:TaskDefinition", cpu="unknown", memory="512")]).per_task is None


def test_prices_by_use_are_those_of_what_the_stack_has() -> None:
    cluster = "aws:ecs/cluster:Cluster"
    traces = "$5.00 a million X-Ray traces"

    assert estimate([step(cluster, settings=[{"name": "containerInsights", "value": "disabled"}])]).by_use == (traces,)
    assert estimate(
        [
            endpoint("Interface"),
            step("aws:ec2/natGateway:NatGateway"),
            step(cluster, settings=[{"name": "containerInsights", "value": "enhanced"}]),
        ]
    ).by_use == (
        traces,
        "$0.01/GB through interface endpoints",
        "$0.045/GB through NAT gateways, beside data transfer",
        "about $0.07 a month a metric of Container Insights (enhanced), beside its log",
    )


def test_the_lines_end_with_sum_and_source() -> None:
    lines = estimate([endpoint("Interface", ["a", "b"])]).lines()

    assert "$0.0200/h  in all while the stack exists" in lines
    assert "$0.01/GB through interface endpoints" in lines
    assert "us-east-1" in lines[-1]
