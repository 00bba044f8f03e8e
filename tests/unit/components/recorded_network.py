"""The network of a recorded deployment, as `reachability` takes it."""

from collections.abc import Iterator, Mapping
from typing import Any

from ecs_kit.components import endpoint_policies
from ecs_kit.components.existing_network import Endpoint, GroupRule, Subnet, Vpc
from ecs_kit.components.reachability import Network
from tests.unit.components.recorder import TARGET, Deployment, Resource

BASE = "amazon-ecs-starter-kit-pattern-"


def network_of(deployed: Deployment) -> Network:
    """The network of a deployment of one pattern, in a VPC of its own."""
    vpc = deployed.the("Vpc").inputs
    routes = {route.inputs["routeTableId"]: route.inputs["natGatewayId"] for route in deployed.of("Route")}
    subnets = {
        subnet: Subnet("vpc-1", zone, cidr, table, routes.get(table, ""))
        for subnet, zone, cidr, table in (
            ("subnet-a", "a", "10.110.0.0/18", "rtb-private-1"),
            ("subnet-b", "b", "10.110.128.0/18", "rtb-private-2"),
        )
    }
    (outputs,) = [value for name, value in deployed.outputs.items() if name.startswith("pattern")]
    groups = {"tasks": [outputs["securityGroupId"]]}
    for function in deployed.of("Function"):
        workload = function.name.rpartition("-")[2]
        groups[workload] = function.inputs["vpcConfig"]["securityGroupIds"]
    endpoints: dict[str, list[Endpoint]] = {}
    for found in deployed.of("VpcEndpoint"):
        service = found.inputs["serviceName"].removeprefix(f"com.amazonaws.{TARGET.region}.")
        endpoints.setdefault(service, []).append(_endpoint(service, found))
    rules = [rule for group in deployed.of("SecurityGroup") for rule in _inline(group)]
    rules += [_standalone(rule.inputs) for rule in deployed.of("SecurityGroupIngressRule")]
    return Network(
        vpc=Vpc(vpc["enableDnsSupport"], vpc["enableDnsHostnames"]),
        subnets=subnets,
        groups=groups,
        endpoints=endpoints,
        rules=rules,
        nat_gateways=[f"{gateway.name}-id" for gateway in deployed.of("NatGateway")],
    )


def documents_of(deployed: Deployment) -> dict[str, list[dict[str, Any]]]:
    """The policies of the workloads' roles, by the role's user."""
    found: dict[str, list[dict[str, Any]]] = {}
    for policy in deployed.of("RolePolicy"):
        user = policy.inputs["role"].removeprefix(BASE)[2:]
        if user != "state-machine":
            found.setdefault(user, []).append(policy.document("policy"))
    return found


def needs_of(deployed: Deployment) -> dict[str, list[str]]:
    """What the deployed roles let the workloads call."""
    return endpoint_policies.needs(documents_of(deployed))


def _endpoint(service: str, found: Resource) -> Endpoint:
    inputs = found.inputs
    return Endpoint(
        id=f"{found.name}-id",
        has_private_dns=inputs.get("privateDnsEnabled", False),
        security_group_ids=frozenset(inputs.get("securityGroupIds", ())),
        route_table_ids=frozenset(inputs.get("routeTableIds", ())),
        prefix_list_id=f"pl-{service}" if inputs["vpcEndpointType"] == "Gateway" else "",
    )


def _inline(group: Resource) -> Iterator[GroupRule]:
    for kind in ("ingress", "egress"):
        for rule in group.inputs.get(kind) or ():
            of = (f"{group.name}-id", kind == "egress", rule["protocol"], rule["fromPort"], rule["toPort"])
            yield from (GroupRule(*of, cidr=cidr) for cidr in rule.get("cidrBlocks", ()))
            yield from (GroupRule(*of, peer_group_id=peer) for peer in rule.get("securityGroups", ()))
            yield from (GroupRule(*of, prefix_list_id=peer) for peer in rule.get("prefixListIds", ()))


def _standalone(rule: Mapping[str, Any]) -> GroupRule:
    ports = (rule["ipProtocol"], rule["fromPort"], rule["toPort"])
    return GroupRule(rule["securityGroupId"], False, *ports, peer_group_id=rule["referencedSecurityGroupId"])
