"""The cost of what a preview will create."""

from typing import Any

import pytest

from ecs_kit.automation.stacks.costs import estimate
from ecs_kit.automation.stacks.lifecycle import ResourceStep

ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
TABLE = "aws:dynamodb/table:Table"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
CLUSTER = "aws:ecs/cluster:Cluster"
INDEX = {"name": "open_runs", "readCapacity": 1, "writeCapacity": 1}
TRACES = "$5.00 a million X-Ray traces"


def lines(*resources: tuple[str, dict[str, Any]]) -> list[str]:
    steps = [ResourceStep("create", type_token, "x", inputs) for type_token, inputs in resources]
    *shown, source = estimate(steps)
    assert "us-east-1" in source
    return shown


def interface(subnets: object) -> tuple[str, dict[str, Any]]:
    return ENDPOINT, {"vpcEndpointType": "Interface", "subnetIds": subnets}


@pytest.mark.parametrize(
    ("resources", "shown"),
    [
        (
            [interface(["a", "b"]), interface(["a"]), (ENDPOINT, {"vpcEndpointType": "Gateway"})],
            ["$0.0300/h  3 interface endpoints, one for each zone, at $0.01"],
        ),
        ([interface("unknown")], ["$0.0200/h  2 interface endpoints, one for each zone, at $0.01"]),
        (
            [("aws:ec2/natGateway:NatGateway", {}), ("aws:ec2/eip:Eip", {})],
            ["$0.0450/h  1 NAT gateways at $0.045", "$0.0050/h  1 public IPv4 addresses at $0.005"],
        ),
        (
            [
                (TABLE, {"readCapacity": 5, "writeCapacity": 5, "globalSecondaryIndexes": [INDEX]}),
                (TABLE, {"billingMode": "PAY_PER_REQUEST", "globalSecondaryIndexes": [{"name": "open_runs"}]}),
            ],
            ["$0.0047/h  6 read and 6 write capacity units of DynamoDB"],
        ),
    ],
    ids=["endpoints by the zone", "unknown subnets as two zones", "NAT gateways and addresses", "tables and indexes"],
)
def test_what_costs_by_the_hour_is_listed_and_added_up(resources: Any, shown: list[str]) -> None:
    dollars = sum(float(line[1:].partition("/")[0]) for line in shown)

    assert lines(*resources)[: len(shown) + 1] == [*shown, f"${dollars:.4f}/h  in all while the stack exists"]


@pytest.mark.parametrize(
    ("definition", "shown"),
    [
        ({"cpu": "256", "memory": "512"}, ["$0.0123/h  for each ECS task while it runs (0.25 vCPU, 0.5 GiB, X86_64)"]),
        (
            {"cpu": "1024", "memory": "2048", "runtimePlatform": {"cpuArchitecture": "ARM64"}},
            ["$0.0395/h  for each ECS task while it runs (1 vCPU, 2 GiB, ARM64)"],
        ),
        ({"cpu": "unknown", "memory": "512"}, []),
    ],
    ids=["x86", "arm", "unknown size"],
)
def test_a_task_costs_while_it_runs_by_its_architecture(definition: dict[str, Any], shown: list[str]) -> None:
    disabled = (CLUSTER, {"settings": [{"name": "containerInsights", "value": "disabled"}]})
    assert lines((TASK, definition), disabled) == ["$0.0000/h  in all while the stack exists", *shown, TRACES]


def test_prices_by_use_are_those_of_what_the_stack_has() -> None:
    insights = (CLUSTER, {"settings": [{"name": "containerInsights", "value": "enhanced"}]})
    assert lines(interface(["a"]), ("aws:ec2/natGateway:NatGateway", {}), insights)[3:] == [
        TRACES,
        "$0.01/GB through interface endpoints",
        "$0.045/GB through NAT gateways, beside data transfer",
        "about $0.07 a month a metric of Container Insights (enhanced), beside its log",
    ]


def test_operations_are_listed_by_the_month() -> None:
    query = {"id": "m0", "metric": {"metricName": "Errors"}}
    alarm = (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"metricQueries": [query, query, {"id": "v", "expression": "m0"}]},
    )
    dashboard, machine = ("aws:cloudwatch/dashboard:Dashboard", {}), ("aws:sfn/stateMachine:StateMachine", {})
    assert lines(alarm, alarm, dashboard, machine)[-3:] == [
        "about $0.40 a month for alarms on 4 metrics, less what is free",
        "about $3.00 a month for dashboards: 1, unless they are among an account's first 3",
        "about $0.30 a month for each of at most 12 metrics while it has values",
    ]
