"""What a deployed stack costs an hour, roughly, from the resources that the preview will create."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ecs_kit.automation.stacks.lifecycle import ResourceStep
from ecs_kit.runtime.contract.metrics import METRICS

PRICES_FROM = "AWS list prices, us-east-1, June 2026; other regions and taxes differ"
"""Each price's page is named beside it. Those by use were read again on 24 November 2026."""

INTERFACE_ENDPOINT_PER_ZONE_HOUR = 0.01
INTERFACE_ENDPOINT_GB = 0.01
"""https://aws.amazon.com/privatelink/pricing/, the first PB a month"""
NAT_GATEWAY_HOUR = 0.045
NAT_GATEWAY_GB = 0.045
"""https://aws.amazon.com/vpc/pricing/"""
PUBLIC_IPV4_HOUR = 0.005
"""https://aws.amazon.com/vpc/pricing/"""
READ_CAPACITY_UNIT_HOUR = 0.00013
WRITE_CAPACITY_UNIT_HOUR = 0.00065
"""https://aws.amazon.com/dynamodb/pricing/provisioned/"""
FARGATE_VCPU_HOUR = {"X86_64": 0.04048, "ARM64": 0.03238}
FARGATE_GIB_HOUR = {"X86_64": 0.004445, "ARM64": 0.00356}
"""https://aws.amazon.com/fargate/pricing/, Linux"""
MILLION_TRACES = 5.0
"""https://aws.amazon.com/xray/pricing/, after the first 100,000 of a month"""
ALARM_METRIC_MONTH = 0.10
DASHBOARD_MONTH = 3.00
METRIC_MONTH = 0.30
"""About: https://aws.amazon.com/cloudwatch/pricing/ says what holds. Each account has 10 metrics, 10 metrics of alarms
and 3 dashboards free."""
INSIGHTS_METRIC_MONTH = {"enabled": 0.30, "enhanced": 0.07}
"""About: the tab Container Insights of https://aws.amazon.com/cloudwatch/pricing/ says what holds."""

ZONES = 2
"""Availability zones of the kit's VPC: a preview may not know the subnets yet."""


def estimate(steps: Iterable[ResourceStep]) -> list[str]:
    """What a preview's resources cost, a line each: by the hour, their sum, an ECS task, and by use."""
    inputs: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for step in steps:
        inputs[step.type].append(step.inputs)
    endpoints = sum(
        len(endpoint["subnetIds"]) if isinstance(endpoint.get("subnetIds"), list) else ZONES
        for endpoint in inputs["aws:ec2/vpcEndpoint:VpcEndpoint"]
        if endpoint.get("vpcEndpointType") == "Interface"
    )
    nats, addresses = len(inputs["aws:ec2/natGateway:NatGateway"]), len(inputs["aws:ec2/eip:Eip"])
    capacity = [each for table in inputs["aws:dynamodb/table:Table"] for each in _provisioned(table)]
    reads, writes = (sum(int(each.get(f"{kind}Capacity") or 0) for each in capacity) for kind in ("read", "write"))
    standing = [
        (
            endpoints * INTERFACE_ENDPOINT_PER_ZONE_HOUR,
            f"{endpoints} interface endpoints, one for each zone, at ${INTERFACE_ENDPOINT_PER_ZONE_HOUR}",
        ),
        (nats * NAT_GATEWAY_HOUR, f"{nats} NAT gateways at ${NAT_GATEWAY_HOUR}"),
        (addresses * PUBLIC_IPV4_HOUR, f"{addresses} public IPv4 addresses at ${PUBLIC_IPV4_HOUR}"),
        (
            reads * READ_CAPACITY_UNIT_HOUR + writes * WRITE_CAPACITY_UNIT_HOUR,
            f"{reads} read and {writes} write capacity units of DynamoDB",
        ),
    ]
    lines = [f"${dollars:.4f}/h  {what}" for dollars, what in standing if dollars]
    lines.append(f"${sum(dollars for dollars, _ in standing):.4f}/h  in all while the stack exists")
    lines += [line for definition in inputs["aws:ecs/taskDefinition:TaskDefinition"][-1:] for line in _task(definition)]
    lines.append(f"${MILLION_TRACES:.2f} a million X-Ray traces")
    if endpoints:
        lines.append(f"${INTERFACE_ENDPOINT_GB}/GB through interface endpoints")
    if nats:
        lines.append(f"${NAT_GATEWAY_GB}/GB through NAT gateways, beside data transfer")
    lines += _operations(inputs)
    modes = {str(s["value"]) for cluster in inputs["aws:ecs/cluster:Cluster"] for s in cluster.get("settings") or ()}
    lines += [
        f"about ${INSIGHTS_METRIC_MONTH[mode]:.2f} a month a metric of Container Insights ({mode}), beside its log"
        for mode in sorted(modes & INSIGHTS_METRIC_MONTH.keys())
    ]
    return [*lines, f"Lambda, Step Functions, S3, ECR and logs by use. {PRICES_FROM}."]


def _operations(inputs: Mapping[str, list[Mapping[str, Any]]]) -> list[str]:
    """The lines for alarms, dashboards and the kit's own metrics, above what an account has free."""
    queries = [each for alarm in inputs["aws:cloudwatch/metricAlarm:MetricAlarm"] for each in alarm["metricQueries"]]
    read, dashboards = sum("metric" in query for query in queries), len(inputs["aws:cloudwatch/dashboard:Dashboard"])
    machines = len(inputs["aws:sfn/stateMachine:StateMachine"])
    lines = []
    if read:
        lines.append(f"about ${read * ALARM_METRIC_MONTH:.2f} a month for alarms on {read} metrics, less what is free")
    if dashboards:
        cost = f"about ${dashboards * DASHBOARD_MONTH:.2f} a month for dashboards: {dashboards}"
        lines.append(f"{cost}, unless they are among an account's first 3")
    if machines:
        most = machines * len(METRICS)
        lines.append(f"about ${METRIC_MONTH:.2f} a month for each of at most {most} metrics while it has values")
    return lines


def _provisioned(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A table and its indexes, unless they are paid for by request."""
    if table.get("billingMode") == "PAY_PER_REQUEST":
        return []
    return [table, *(table.get("globalSecondaryIndexes") or ())]


def _task(definition: Mapping[str, Any]) -> list[str]:
    """The line for an ECS task; none where the preview does not know its size."""
    cpu, memory = str(definition.get("cpu", "")), str(definition.get("memory", ""))
    if not (cpu.isdigit() and memory.isdigit()):
        return []
    platform = definition.get("runtimePlatform")
    architecture = platform.get("cpuArchitecture", "X86_64") if isinstance(platform, Mapping) else "X86_64"
    vcpu, gib = int(cpu) / 1024, int(memory) / 1024
    dollars = vcpu * FARGATE_VCPU_HOUR[architecture] + gib * FARGATE_GIB_HOUR[architecture]
    return [f"${dollars:.4f}/h  for each ECS task while it runs ({vcpu:g} vCPU, {gib:g} GiB, {architecture})"]
