"""What a deployed stack costs an hour, roughly, from what the preview says will be created."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ecs_kit.automation.stacks.lifecycle import ResourceStep

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
INSIGHTS_METRIC_MONTH = {"enabled": 0.30, "enhanced": 0.07}
"""About: the tab Container Insights of https://aws.amazon.com/cloudwatch/pricing/ says what holds."""

ZONES = 2
"""Availability zones of the kit's VPC: a preview may not know the subnets yet."""


@dataclass(frozen=True)
class CostLine:
    """One kind of resource.

    Attributes:
        what: for people, with number and unit price.
        dollars_per_hour: for all of them, while they exist (or, for a task, while it runs).
    """

    what: str
    dollars_per_hour: float


@dataclass(frozen=True)
class Estimate:
    """What a stack costs.

    Attributes:
        standing: what is paid for as long as the stack exists.
        per_task: what one ECS task costs an hour, None if the preview has no task definition.
        by_use: prices of what is paid for by use and easily overlooked.
    """

    standing: tuple[CostLine, ...]
    per_task: CostLine | None
    by_use: tuple[str, ...] = ()

    @property
    def dollars_per_hour(self) -> float:
        """The sum of what is standing."""
        return sum(line.dollars_per_hour for line in self.standing)

    def lines(self) -> list[str]:
        """The estimate for people, one line each, its source last."""
        lines = [f"${line.dollars_per_hour:.4f}/h  {line.what}" for line in self.standing]
        lines.append(f"${self.dollars_per_hour:.4f}/h  in all while the stack exists")
        if self.per_task is not None:
            lines.append(f"${self.per_task.dollars_per_hour:.4f}/h  {self.per_task.what}")
        lines += self.by_use
        lines.append(f"Lambda, Step Functions, S3, ECR and logs by use. {PRICES_FROM}.")
        return lines


def estimate(steps: Iterable[ResourceStep]) -> Estimate:
    """Add up what a preview is going to create, or has created."""
    inputs: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for step in steps:
        inputs[step.type].append(step.inputs)
    endpoints = sum(
        _zones(endpoint)
        for endpoint in inputs["aws:ec2/vpcEndpoint:VpcEndpoint"]
        if endpoint.get("vpcEndpointType") == "Interface"
    )
    nats, addresses = len(inputs["aws:ec2/natGateway:NatGateway"]), len(inputs["aws:ec2/eip:Eip"])
    capacity = [each for table in inputs["aws:dynamodb/table:Table"] for each in _provisioned(table)]
    reads, writes = (sum(int(each.get(f"{kind}Capacity") or 0) for each in capacity) for kind in ("read", "write"))
    standing = (
        CostLine(
            f"{endpoints} interface endpoints, one for each zone, at ${INTERFACE_ENDPOINT_PER_ZONE_HOUR}",
            endpoints * INTERFACE_ENDPOINT_PER_ZONE_HOUR,
        ),
        CostLine(f"{nats} NAT gateways at ${NAT_GATEWAY_HOUR}", nats * NAT_GATEWAY_HOUR),
        CostLine(f"{addresses} public IPv4 addresses at ${PUBLIC_IPV4_HOUR}", addresses * PUBLIC_IPV4_HOUR),
        CostLine(
            f"{reads} read and {writes} write capacity units of DynamoDB",
            reads * READ_CAPACITY_UNIT_HOUR + writes * WRITE_CAPACITY_UNIT_HOUR,
        ),
    )
    modes = {str(s["value"]) for cluster in inputs["aws:ecs/cluster:Cluster"] for s in cluster.get("settings") or ()}
    by_use = (
        f"${MILLION_TRACES:.2f} a million X-Ray traces",
        *([f"${INTERFACE_ENDPOINT_GB}/GB through interface endpoints"] if endpoints else []),
        *([f"${NAT_GATEWAY_GB}/GB through NAT gateways, beside data transfer"] if nats else []),
        *(
            f"about ${INSIGHTS_METRIC_MONTH[mode]:.2f} a month a metric of Container Insights ({mode}), beside its log"
            for mode in sorted(modes & INSIGHTS_METRIC_MONTH.keys())
        ),
    )
    tasks = [_task(definition) for definition in inputs["aws:ecs/taskDefinition:TaskDefinition"]]
    return Estimate(tuple(line for line in standing if line.dollars_per_hour), tasks[-1] if tasks else None, by_use)


def _provisioned(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A table and its indexes, unless they are paid for by request."""
    if table.get("billingMode") == "PAY_PER_REQUEST":
        return []
    return [table, *(table.get("globalSecondaryIndexes") or ())]


def _zones(inputs: Mapping[str, Any]) -> int:
    subnets = inputs.get("subnetIds")
    return len(subnets) if isinstance(subnets, list) else ZONES


def _task(inputs: Mapping[str, Any]) -> CostLine | None:
    cpu, memory = str(inputs.get("cpu", "")), str(inputs.get("memory", ""))
    if not (cpu.isdigit() and memory.isdigit()):
        return None
    platform = inputs.get("runtimePlatform")
    architecture = (platform or {}).get("cpuArchitecture", "X86_64") if isinstance(platform, Mapping) else "X86_64"
    vcpu, gib = int(cpu) / 1024, int(memory) / 1024
    return CostLine(
        f"for each ECS task while it runs ({vcpu:g} vCPU, {gib:g} GiB, {architecture})",
        vcpu * FARGATE_VCPU_HOUR[architecture] + gib * FARGATE_GIB_HOUR[architecture],
    )
